#include "stats/objective.h"
#include "base/status.h"
#include "stats/batches.h"
#include <math.h>

/* A recommended length reaches the verdict with some room: the next run's estimate is another one. */
#define OBJECTIVE_ROOM 1.3
/* On the very limit nothing tells, and no length is recommended beyond this. */
#define OBJECTIVE_LONGER_MAX 1e6

/* half: from the estimate to the end of its interval on the side of what is allowed, which is `away` from it. Ends come
 * closer as 1 / sqrt(n). */
static double objective_closer(double half, double away)
{
    double more = away > 0 ? OBJECTIVE_ROOM * (half / away) * (half / away) : OBJECTIVE_LONGER_MAX;
    return fmin(fmax(more, 1.1), OBJECTIVE_LONGER_MAX);
}

const char *sn_objective_verdict_text(sn_objective_verdict verdict)
{
    static const char *const text[] = {"met", "missed", "undecided"};
    return text[verdict];
}

double sn_objective_look(double confidence, uint32_t k)
{
    return 1 - (1 - confidence) / ((double)k * (k + 1.0));
}

/* How much longer a run of n must be for the interval of a share to lie on one side of what is allowed. */
static double objective_longer(const sn_interval *i, double allowed, uint64_t n)
{
    if (i->verdict != SN_INTERVAL_CERTIFIED) {
        double needs = log((1 - i->confidence) / 2) / log1p(-allowed); /* trials without a single one beyond */
        return fmax(i->longer, OBJECTIVE_ROOM * needs / (i->n_effective > 0 ? i->n_effective : (double)n));
    }
    if (i->value <= 0) /* without a single one, the upper end falls as 1 / n */
        return fmin(fmax(OBJECTIVE_ROOM * i->hi / allowed, 1.1), OBJECTIVE_LONGER_MAX);
    return objective_closer(i->value < allowed ? i->hi - i->value : i->value - i->lo, fabs(i->value - allowed));
}

/* Both ways to a verdict; where they contradict each other, there is none. */
static sn_objective_verdict objective_either(bool met, bool missed)
{
    return met == missed ? SN_OBJECTIVE_UNDECIDED : met ? SN_OBJECTIVE_MET : SN_OBJECTIVE_MISSED;
}

/* A share of requests that may be at most `allowed`. plain: the share of independent requests. limit: of the stretches,
 * if they are known. */
static void objective_at_most(sn_objective_term_result *r, const sn_interval *plain, double limit, uint64_t n,
                              double *longer)
{
    const sn_interval *i = &r->tested;
    const sn_stretches *s = &r->stretches;
    bool certified = i->verdict == SN_INTERVAL_CERTIFIED;
    bool met = certified && i->hi <= r->allowed, missed = certified && i->lo > r->allowed;
    met |= s->known && fmax(s->most, s->hi) <= limit && plain->hi <= r->allowed;
    missed |= s->known && fmin(s->least, s->lo) > limit && plain->lo > r->allowed;
    r->verdict = objective_either(met, missed);
    if (r->verdict == SN_OBJECTIVE_UNDECIDED)
        *longer = fmax(*longer, objective_longer(i, r->allowed, n));
}

/* Goodput of each stretch of the log. */
static void objective_goodput_stretches(const sn_objective_run *run, uint64_t limit_ns, double confidence,
                                        sn_stretches *out)
{
    const sn_samples *s = run->latency;
    size_t each = s->n_log / SN_STRETCHES;
    double figure[SN_STRETCHES], all = 0;
    *out = (sn_stretches){.known = false};
    if (each < SN_BATCHES_SAMPLES_MIN)
        return;
    const uint64_t *x = s->log + (s->n_log - each * SN_STRETCHES);
    for (int k = 0; k < SN_STRETCHES; k++) {
        size_t good = 0;
        double sum = 0;
        for (size_t i = 0; i < each; i++, x++) {
            good += *x <= limit_ns;
            sum += (double)*x;
        }
        figure[k] = run->rate_per_s * (double)good / (double)each / (run->open ? 1 : sum);
        all += sum;
    }
    for (int k = 0; !run->open && k < SN_STRETCHES; k++)
        figure[k] *= all / SN_STRETCHES;
    sn_stretches_bound(figure, confidence, out);
}

/* Rate times share of good ones. Where the rate is as uncertain as the mean latency, both intervals hold at once: each
 * was asked for with half of the doubt. */
static setsuna_status objective_goodput(const sn_objective_run *run, uint64_t limit_ns, double confidence,
                                        sn_objective_term_result *r, double *longer)
{
    sn_interval bad, plain, mean = {.verdict = SN_INTERVAL_CERTIFIED, .value = 1, .lo = 1, .hi = 1, .longer = 1};
    double part = run->open ? confidence : 1 - (1 - confidence) / 2;
    SN_TRY(sn_interval_share_above(run->latency, limit_ns, SN_INTERVAL_BY_LEVELS, part, &bad));
    SN_TRY(sn_interval_share_above(run->latency, limit_ns, SN_INTERVAL_INDEPENDENT, part, &plain));
    if (!run->open)
        SN_TRY(sn_interval_mean(run->latency, part, &mean));
    objective_goodput_stretches(run, limit_ns, confidence, &r->stretches);
    r->tested = bad;
    r->tested.value = r->measured = run->rate_per_s * (1 - bad.value);
    r->tested.lo = mean.hi > 0 ? run->rate_per_s * (mean.value / mean.hi) * (1 - bad.hi) : 0;
    r->tested.hi = mean.lo > 0 ? run->rate_per_s * (mean.value / mean.lo) * (1 - bad.lo) : run->rate_per_s;
    if (mean.verdict != SN_INTERVAL_CERTIFIED)
        r->tested.verdict = mean.verdict;
    r->tested.longer = fmax(mean.longer, bad.longer);
    const sn_stretches *s = &r->stretches;
    bool certified = r->tested.verdict == SN_INTERVAL_CERTIFIED;
    bool met = certified && r->tested.lo >= r->allowed, missed = certified && r->tested.hi < r->allowed;
    met |= s->known && fmin(s->least, s->lo) >= r->allowed && run->rate_per_s * (1 - plain.hi) >= r->allowed;
    missed |= s->known && fmax(s->most, s->hi) < r->allowed;
    r->verdict = objective_either(met, missed);
    if (r->verdict != SN_OBJECTIVE_UNDECIDED)
        return SETSUNA_OK;
    double half = fmax(r->measured - r->tested.lo, r->tested.hi - r->measured);
    *longer = fmax(*longer, certified ? objective_closer(half, fabs(r->measured - r->allowed)) : r->tested.longer);
    return SETSUNA_OK;
}

static double objective_quantile(const sn_samples *s, uint64_t *sorted, double q)
{
    uint64_t v = s->n > s->n_log ? sn_histogram_quantile(s->histogram, q) : sn_quantile_sorted(sorted, s->n_log, q);
    return v == SN_OBJECTIVE_LOST ? (double)INFINITY : (double)v;
}

/* At most a share `allowed` takes longer than limit_ns: also said as a quantile. */
static setsuna_status objective_in_time(const sn_samples *latency, double limit_ns, double confidence,
                                        sn_objective_term_result *r, double *longer)
{
    sn_interval plain;
    uint64_t limit = (uint64_t)limit_ns;
    SN_TRY(sn_interval_share_above(latency, limit, SN_INTERVAL_BY_LEVELS, confidence, &r->tested));
    SN_TRY(sn_interval_share_above(latency, limit, SN_INTERVAL_INDEPENDENT, confidence, &plain));
    SN_TRY(sn_stretches_quantile(latency, 1 - r->allowed, confidence, &r->stretches));
    objective_at_most(r, &plain, limit_ns, latency->n, longer);
    return SETSUNA_OK;
}

static setsuna_status objective_term(const sn_objective_term *t, const sn_objective_run *run, double confidence,
                                     sn_objective_result *out, sn_objective_term_result *r)
{
    setsuna_status status = SETSUNA_OK;
    confidence = 1 - (1 - confidence) / 2; /* two ways to be wrong */
    switch (t->kind) {
    case SN_OBJECTIVE_QUANTILE:
        r->allowed = 1 - t->quantile;
        status = objective_in_time(run->latency, t->limit, confidence, r, &out->longer);
        break;
    case SN_OBJECTIVE_ATTAINMENT:
        r->allowed = 1 - t->limit;
        status = objective_in_time(run->latency, (double)out->limit_ns, confidence, r, &out->longer);
        r->measured = 1 - r->tested.value;
        break;
    case SN_OBJECTIVE_ERROR:
        r->allowed = t->limit;
        status =
            sn_interval_share_above(run->latency, SN_OBJECTIVE_LOST - 1, SN_INTERVAL_BY_ITSELF, confidence, &r->tested);
        r->measured = r->tested.value;
        if (status == SETSUNA_OK)
            objective_at_most(r, &r->tested, 0, run->latency->n, &out->longer);
        break;
    case SN_OBJECTIVE_GOODPUT:
        r->allowed = t->limit;
        status = objective_goodput(run, out->limit_ns, confidence, r, &out->longer);
    }
    return status;
}

/* The lost, the good, and the measured quantiles: one sorted copy for all. */
static setsuna_status objective_measure(const sn_objective *o, const sn_objective_run *run, sn_objective_result *out)
{
    const sn_samples *s = run->latency;
    uint64_t *sorted = sn_alloc(s->allocator, s->n_log * sizeof *sorted);
    uint64_t edge[2] = {out->limit_ns, SN_OBJECTIVE_LOST - 1}, count[2];
    if (!sorted)
        return SETSUNA_ENOMEM;
    for (size_t i = 0; i < s->n_log; i++)
        sorted[i] = s->log[i];
    sn_sort_u64(sorted, s->n_log);
    for (uint32_t i = 0; i < o->n_terms; i++)
        if (o->term[i].kind == SN_OBJECTIVE_QUANTILE)
            out->term[i].measured = objective_quantile(s, sorted, o->term[i].quantile);
    sn_free(s->allocator, sorted);
    sn_samples_bins(s, edge, 2, count);
    out->n = s->n;
    out->n_lost = s->n - count[0] - count[1];
    out->n_good = out->limit_ns ? count[0] : s->n - out->n_lost;
    return SETSUNA_OK;
}

/* More work comes than one server can do: its utilisation, which no queue disturbs, is above 1. */
static setsuna_status objective_overload(const sn_objective_run *run, double confidence, bool *out)
{
    sn_interval mean;
    *out = run->given_up;
    if (!run->service || run->service->n == 0)
        return SETSUNA_OK;
    SN_TRY(sn_interval_mean(run->service, confidence, &mean));
    *out |= mean.verdict == SN_INTERVAL_CERTIFIED && run->rate_per_s * mean.lo * 1e-9 > 1;
    return SETSUNA_OK;
}

static void objective_conclude(const sn_objective *o, sn_objective_result *out)
{
    uint32_t met = 0, missed = 0;
    out->in_reach = !out->overloaded;
    for (uint32_t i = 0; i < o->n_terms; i++) {
        sn_objective_term_result *r = &out->term[i];
        if (out->overloaded && o->term[i].kind == SN_OBJECTIVE_QUANTILE)
            r->verdict = SN_OBJECTIVE_MISSED;
        bool rate = o->term[i].kind == SN_OBJECTIVE_GOODPUT;
        out->in_reach &= rate ? r->tested.value >= r->allowed : r->tested.value <= r->allowed;
        met += r->verdict == SN_OBJECTIVE_MET;
        missed += r->verdict == SN_OBJECTIVE_MISSED;
        out->unsteady |= r->verdict == SN_OBJECTIVE_UNDECIDED && r->tested.verdict == SN_INTERVAL_UNSTEADY;
    }
    out->verdict = missed ? SN_OBJECTIVE_MISSED : met == o->n_terms ? SN_OBJECTIVE_MET : SN_OBJECTIVE_UNDECIDED;
    if (out->verdict != SN_OBJECTIVE_UNDECIDED) {
        out->longer = 1;
        out->unsteady = false;
    }
}

setsuna_status sn_objective_judge(const sn_objective *o, const sn_objective_run *run, double confidence,
                                  sn_objective_result *out)
{
    sn_objective_result r = {.confidence = confidence, .longer = 1};
    r.limit_ns = run->limit_ns ? run->limit_ns : o->limit_ns;
    if (run->latency->n == 0)
        return SETSUNA_EINVAL;
    for (uint32_t i = 0; i < o->n_terms; i++)
        if (!r.limit_ns && (o->term[i].kind == SN_OBJECTIVE_GOODPUT || o->term[i].kind == SN_OBJECTIVE_ATTAINMENT))
            return SETSUNA_EINVAL;
    SN_TRY(objective_measure(o, run, &r));
    SN_TRY(objective_overload(run, confidence, &r.overloaded));
    for (uint32_t i = 0; i < o->n_terms; i++)
        SN_TRY(objective_term(&o->term[i], run, confidence, &r, &r.term[i]));
    r.goodput_per_s = run->rate_per_s * (double)r.n_good / (double)r.n;
    objective_conclude(o, &r);
    *out = r;
    return SETSUNA_OK;
}
