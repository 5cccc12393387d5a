#include "schedule/schedule.h"
#include "schedule/law.h"
#include <math.h>

/* The end of all schedules: what is beyond 146 years is not awaited. */
#define SCHEDULE_END_NS ((uint64_t)1 << 62)

void sn_schedule_fini(sn_schedule *s)
{
    sn_trace_fini(&s->trace);
}

void sn_schedule_rewind(sn_schedule *s, uint64_t seed)
{
    sn_random_init(&s->random, seed);
    s->i = 0;
    s->at_segment = 0;
    s->segment_begin_ns = 0;
    s->used = 0;
    s->round = s->k = 0;
}

/* Arrivals expected in all of a segment. */
static double schedule_expected(const sn_schedule_segment *g)
{
    if (g->length_ns == UINT64_MAX)
        return g->begin_rate > 0 ? (double)INFINITY : 0;
    return (g->begin_rate + g->end_rate) / 2 * ((double)g->length_ns * 1e-9);
}

/* When `expected` arrivals of a segment are over, in ns: the smaller root of r t + slope t^2 / 2 = expected, written so
 * that nothing cancels. */
static double schedule_time(const sn_schedule_segment *g, double expected)
{
    if (expected == 0)
        return 0;
    if (g->length_ns == UINT64_MAX || g->begin_rate == g->end_rate)
        return expected / g->begin_rate * 1e9;
    double slope = (g->end_rate - g->begin_rate) / ((double)g->length_ns * 1e-9);
    double root = g->begin_rate * g->begin_rate + 2 * slope * expected;
    return 2 * expected / (g->begin_rate + sqrt(root > 0 ? root : 0)) * 1e9;
}

/* On to the next segment; false: past the end of time. */
static bool schedule_advance(sn_schedule *s)
{
    s->segment_begin_ns += s->segment[s->at_segment].length_ns;
    s->at_segment = s->at_segment + 1 < s->n_segments ? s->at_segment + 1 : 0;
    return s->segment_begin_ns < SCHEDULE_END_NS;
}

/* Leaves out whole cycles without an arrival: however rare arrivals are, a step takes no longer. */
static bool schedule_skip_cycles(sn_schedule *s, double *need)
{
    double all = 0, length = 0;
    for (uint32_t g = 0; g < s->n_segments; g++) {
        all += schedule_expected(&s->segment[g]);
        length += (double)s->segment[g].length_ns;
    }
    double n = floor(*need / all);
    if (n < 1)
        return true;
    if (n * length + (double)s->segment_begin_ns >= (double)SCHEDULE_END_NS)
        return false;
    *need -= n * all;
    s->segment_begin_ns += (uint64_t)n * (uint64_t)length;
    return true;
}

/* The next arrival of a process whose rate changes: gaps of a process of rate 1, run through the inverse of the
 * expected number of arrivals (Cinlar 1975, the time change of a Poisson process). */
static bool schedule_rate(sn_schedule *s, uint64_t *due_out)
{
    /* A regular one begins with an arrival. */
    double need = s->used + (s->i == 0 && s->cv == 0 ? 0 : sn_law_gap(&s->random, s->cv));
    for (;;) {
        if (s->cycles && s->at_segment == 0 && !schedule_skip_cycles(s, &need))
            return false;
        const sn_schedule_segment *g = &s->segment[s->at_segment];
        double all = schedule_expected(g);
        if (need < all) {
            double at = schedule_time(g, need);
            s->used = need;
            if (!(at < (double)SCHEDULE_END_NS) || s->segment_begin_ns + (uint64_t)at >= SCHEDULE_END_NS)
                return false;
            *due_out = s->segment_begin_ns + (uint64_t)at;
            return true;
        }
        need -= all;
        if (!schedule_advance(s))
            return false;
    }
}

/* s->k requests at once, then the next round. */
static bool schedule_burst(sn_schedule *s, sn_arrival *out)
{
    if (s->round > 0 && s->every_ns == 0)
        return false;
    if (s->every_ns && s->round >= SCHEDULE_END_NS / s->every_ns)
        return false;
    out->point = (uint32_t)(s->round % s->n_points);
    out->due_ns = s->round * s->every_ns;
    if (++s->k == s->point[out->point]) {
        s->k = 0;
        s->round++;
    }
    return true;
}

static bool schedule_trace(const sn_schedule *s, uint64_t *due_out)
{
    if (s->i >= s->trace.n)
        return false;
    double at = s->speed == 1 ? 0 : (double)s->trace.at_ns[s->i] / s->speed;
    if (!(at < (double)SCHEDULE_END_NS))
        return false;
    *due_out = s->speed == 1 ? s->trace.at_ns[s->i] : (uint64_t)at;
    return true;
}

bool sn_schedule_next(sn_schedule *s, sn_arrival *out)
{
    sn_arrival a = {.due_ns = 0, .after_end = !sn_schedule_is_open(s)};
    bool more = true;
    switch (s->kind) {
    case SN_SCHEDULE_CLOSED:
    case SN_SCHEDULE_MULTI: break;
    case SN_SCHEDULE_FRAMES:
    case SN_SCHEDULE_RATE: more = schedule_rate(s, &a.due_ns); break;
    case SN_SCHEDULE_TRACE: more = schedule_trace(s, &a.due_ns); break;
    case SN_SCHEDULE_IDLE:
        a.point = (uint32_t)(s->i % s->n_points);
        a.due_ns = s->point[a.point];
        break;
    case SN_SCHEDULE_BURST: more = schedule_burst(s, &a); break;
    }
    if (!more)
        return false;
    s->i++;
    *out = a;
    return true;
}

bool sn_schedule_is_open(const sn_schedule *s)
{
    return s->kind != SN_SCHEDULE_CLOSED && s->kind != SN_SCHEDULE_IDLE && s->kind != SN_SCHEDULE_MULTI;
}

bool sn_schedule_is_steady(const sn_schedule *s)
{
    switch (s->kind) {
    case SN_SCHEDULE_RATE: return s->n_segments == 1;
    case SN_SCHEDULE_CLOSED:
    case SN_SCHEDULE_MULTI:
    case SN_SCHEDULE_FRAMES: return true;
    default: return false;
    }
}

double sn_schedule_rate(const sn_schedule *s)
{
    bool one = (s->kind == SN_SCHEDULE_RATE || s->kind == SN_SCHEDULE_FRAMES) && s->n_segments == 1;
    return one ? s->segment[0].begin_rate : 0;
}
