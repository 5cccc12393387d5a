#include "stats/rate_search.h"
#include <math.h>

/* Below this share of the capacity, a server hardly ever has two requests at once: what is missed there is missed
 * everywhere. */
#define RATE_SEARCH_LEAST (1.0 / 256)

void sn_rate_search_init(sn_rate_search *s, double service_ns, double precision)
{
    *s = (sn_rate_search){.capacity = 1e9 / service_ns, .precision = precision, .missed = (double)INFINITY};
}

static bool rate_search_has_unknown(const sn_rate_search *s)
{
    return s->unknown_hi > 0;
}

/* Nothing is missed yet: towards a rate that no server of this speed can do. */
static bool rate_search_up(const sn_rate_search *s, double *rate_out)
{
    double below = fmax(s->met, s->unknown_hi);
    *rate_out = below < 0.9 * s->capacity ? (below + 1.1 * s->capacity) / 2 : 1.25 * below;
    return true;
}

/* Nothing is met yet. */
static bool rate_search_down(const sn_rate_search *s, double *rate_out)
{
    double above = rate_search_has_unknown(s) ? fmin(s->unknown_lo, s->missed) : s->missed;
    *rate_out = above / 2;
    return *rate_out >= s->capacity * RATE_SEARCH_LEAST;
}

bool sn_rate_search_next(const sn_rate_search *s, double *rate_out)
{
    if (s->n >= SN_RATE_SEARCH_MAX)
        return false;
    if (s->n == 0) {
        *rate_out = s->capacity / 2;
        return true;
    }
    bool in_reach = rate_search_has_unknown(s) && s->in_reach;
    if (!(s->met > 0) && !in_reach)
        return rate_search_down(s, rate_out);
    if (isinf(s->missed))
        return rate_search_up(s, rate_out);
    double begin = s->met, end = s->missed;
    if (rate_search_has_unknown(s)) { /* the wider of the two gaps beside it */
        bool lower = s->met > 0 && s->unknown_lo / s->met > s->missed / s->unknown_hi;
        begin = lower ? s->met : s->unknown_hi;
        end = lower ? s->unknown_lo : s->missed;
    }
    *rate_out = (begin + end) / 2;
    return end / begin > 1 + s->precision;
}

void sn_rate_search_tell(sn_rate_search *s, double rate, sn_objective_verdict verdict, bool in_reach)
{
    s->n++;
    if (verdict == SN_OBJECTIVE_MET)
        s->met = fmax(s->met, rate);
    else if (verdict == SN_OBJECTIVE_MISSED)
        s->missed = fmin(s->missed, rate);
    else {
        if (!rate_search_has_unknown(s) || rate < s->unknown_lo)
            s->in_reach = in_reach;
        s->unknown_lo = rate_search_has_unknown(s) ? fmin(s->unknown_lo, rate) : rate;
        s->unknown_hi = fmax(s->unknown_hi, rate);
    }
    /* What lies below a met rate or above a missed one is known after all. */
    if (rate_search_has_unknown(s) && (s->unknown_hi <= s->met || s->unknown_lo >= s->missed)) {
        s->unknown_lo = s->unknown_hi = 0;
    } else if (rate_search_has_unknown(s)) {
        s->unknown_lo = fmax(s->unknown_lo, s->met);
        s->unknown_hi = fmin(s->unknown_hi, s->missed);
    }
}
