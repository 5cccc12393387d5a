#include "stats/interval.h"
#include "base/status.h"
#include "stats/batches.h"
#include "stats/distribution.h"
#include <math.h>
#include <string.h>

/* Batches that are independent pass this in 99.9 % of the cases. */
#define INTERVAL_LAG1_Z 3.1
/* What the correlation of neighbouring batches should be at most; it falls as one over their length. */
#define INTERVAL_LAG1_GOOD 0.1
/* The longest batches are a sixteenth of the run; what the run remembers beyond that, they cannot see. With n_eff
 * effective samples they are n_eff / 16 times as long as the memory, and the inflation is taken larger by 1 + 200 /
 * n_eff; below n_eff = 100, nothing is known. Both chosen by simulation. */
#define INTERVAL_UNSEEN 200
#define INTERVAL_EFFECTIVE_MIN 100
/* The mean of fewer is not normal enough where the tail is long. */
#define INTERVAL_EFFECTIVE_MEAN 200
/* A recommended length reaches the floor with some room: the next run's estimate is another one. */
#define INTERVAL_ROOM 1.3

const char *sn_interval_verdict_text(sn_interval_verdict verdict)
{
    return verdict == SN_INTERVAL_CERTIFIED ? "certified" : verdict == SN_INTERVAL_SHORT ? "too short" : "unsteady";
}

void sn_interval_ranks(double n, double q, double confidence, double *lo_out, double *hi_out)
{
    const double alpha = (1 - confidence) / 2;
    *lo_out = 0;
    *hi_out = 2;
    /* P(order statistic r is below the quantile) = I_q(r, n - r + 1), falling with r. */
    if (n * log(q) <= log(alpha)) {
        double bad = 0, good = n;
        for (int i = 0; i < 60; i++) {
            double r = (bad + good) / 2;
            if (sn_beta_cdf(q, r, n - r + 1) > alpha)
                bad = r;
            else
                good = r;
        }
        *hi_out = good / n;
    }
    if (n * log1p(-q) <= log(alpha)) {
        double good = 0, bad = n;
        for (int i = 0; i < 60; i++) {
            double r = (bad + good) / 2;
            if (sn_beta_cdf(q, r, n - r + 1) < 1 - alpha)
                bad = r;
            else
                good = r;
        }
        *lo_out = good / n;
    }
}

/* Effective samples that the q-quantile needs. */
static double interval_floor(double q, double confidence)
{
    double far = q > 0.5 ? q : 1 - q;
    return log((1 - confidence) / 2) / log(far);
}

/* What is known of the correlation so far. */
typedef struct interval_memory {
    double inflation;
    double lag1, lag1_z; /* the worst */
} interval_memory;

static void interval_add(interval_memory *m, const sn_longrun *l, double variance_independent)
{
    m->inflation = fmax(m->inflation, l->variance / variance_independent);
    if (l->lag1_z > m->lag1_z) {
        m->lag1_z = l->lag1_z;
        m->lag1 = l->lag1;
    }
}

/* One level: samples above it and samples not below it, since many may equal it. An indicator that hardly ever changes
 * says nothing. */
static void interval_look(interval_memory *m, const sn_samples *s, uint64_t threshold, double q, double confidence)
{
    for (int or_equal = 0; or_equal < 2; or_equal++) {
        sn_batches b;
        sn_longrun l;
        sn_batches_of_indicator(&b, s->log, s->n_log, threshold, or_equal);
        sn_batches_longrun(&b, confidence, &l);
        double rare = fmin(q, 1 - q) / 10, independent = l.mean * (1 - l.mean);
        if (l.mean > rare && l.mean < 1 - rare)
            interval_add(m, &l, independent);
    }
}

/* The indicator "above the threshold" alone, where it changes at all. */
static void interval_look_above(interval_memory *m, const sn_samples *s, uint64_t threshold, double share,
                                double confidence)
{
    sn_batches b;
    sn_longrun l;
    if (!(share > 0 && share < 1))
        return;
    sn_batches_of_indicator(&b, s->log, s->n_log, threshold, false);
    sn_batches_longrun(&b, confidence, &l);
    if (l.mean > 0 && l.mean < 1)
        interval_add(m, &l, l.mean * (1 - l.mean));
}

static double interval_effective(double n)
{
    return n / (1 + INTERVAL_UNSEEN / n);
}

/* n with interval_effective(n) = effective. */
static double interval_before(double effective)
{
    return effective / 2 + sqrt(effective * effective / 4 + INTERVAL_UNSEEN * effective);
}

/* needs: effective samples before what is unseen. Refuses where it must and fills in what is known either way; true: go
 * on to find lo and hi. */
static bool interval_judge(const interval_memory *m, double n, double needs, double confidence, sn_interval *out)
{
    out->confidence = confidence;
    out->lo = out->hi = out->value;
    double seen = n / m->inflation;
    out->n_effective = interval_effective(seen);
    out->longer = 1;
    if (seen < needs) {
        out->verdict = SN_INTERVAL_SHORT;
        out->longer = INTERVAL_ROOM * needs / seen;
        return false;
    }
    if (m->lag1_z > INTERVAL_LAG1_Z) {
        out->verdict = SN_INTERVAL_UNSTEADY;
        out->longer = fmax(2, m->lag1 / INTERVAL_LAG1_GOOD);
        return false;
    }
    out->verdict = SN_INTERVAL_CERTIFIED;
    return true;
}

static void interval_refuse_tiny(const sn_samples *s, double needs, double confidence, sn_interval *out)
{
    double n = (double)s->n;
    out->verdict = SN_INTERVAL_SHORT;
    out->confidence = confidence;
    out->lo = out->hi = out->value;
    out->n_effective = 0;
    out->longer = INTERVAL_ROOM * fmax(SN_BATCHES_SAMPLES_MIN, needs) / n;
}

/* The sample of a rank, counted from 1, of all samples. */
static double interval_at(const sn_samples *s, const uint64_t *sorted, double share)
{
    double n = (double)s->n;
    if (s->n > s->n_log)
        return (double)sn_histogram_quantile(s->histogram, share);
    double rank = fmin(fmax(share * n, 1), n);
    return (double)sorted[(size_t)rank - 1];
}

static const double interval_levels[] = {0.5, 0.75, 0.9, 0.95, 0.99};
enum { INTERVAL_LEVELS = sizeof interval_levels / sizeof *interval_levels, INTERVAL_LEVELS_MEAN = 3 };

/* One quantile. Levels on the way from the median to q are looked at once: *next is where the last call stopped. */
static void interval_quantile(const sn_samples *s, const uint64_t *sorted, double q, double confidence,
                              interval_memory *m, size_t *next, sn_interval *out)
{
    out->value = s->n > s->n_log ? (double)sn_histogram_quantile(s->histogram, q)
                                 : (double)sn_quantile_sorted(sorted, s->n_log, q);
    double needs = fmax(INTERVAL_EFFECTIVE_MIN, interval_before(interval_floor(q, confidence)));
    if (s->n_log < SN_BATCHES_SAMPLES_MIN) {
        interval_refuse_tiny(s, needs, confidence, out);
        return;
    }
    for (; *next < INTERVAL_LEVELS && interval_levels[*next] < q; ++*next)
        interval_look(m, s, sn_quantile_sorted(sorted, s->n_log, interval_levels[*next]), interval_levels[*next],
                      confidence);
    interval_look(m, s, sn_quantile_sorted(sorted, s->n_log, q), q, confidence);
    if (!interval_judge(m, (double)s->n, needs, confidence, out))
        return;
    double lo, hi;
    sn_interval_ranks(out->n_effective, q, confidence, &lo, &hi);
    out->lo = fmin(interval_at(s, sorted, floor(lo * (double)s->n) / (double)s->n), out->value);
    out->hi = fmax(interval_at(s, sorted, ceil(hi * (double)s->n) / (double)s->n), out->value);
}

/* The p at which I_p(a, b) is `probability`. */
static double interval_beta_quantile(double probability, double a, double b)
{
    double lo = 0, hi = 1;
    for (int i = 0; i < 60; i++) {
        double p = (lo + hi) / 2;
        if (sn_beta_cdf(p, a, b) < probability)
            lo = p;
        else
            hi = p;
    }
    return (lo + hi) / 2;
}

static bool interval_arguments(const sn_samples *s, double confidence)
{
    return s->n > 0 && confidence > 0 && confidence < 1;
}

/* The log in ascending order, for the caller to free; NULL: out of memory. */
static uint64_t *interval_sorted(const sn_samples *s)
{
    uint64_t *sorted = sn_alloc(s->allocator, s->n_log * sizeof *sorted);
    if (sorted) {
        memcpy(sorted, s->log, s->n_log * sizeof *sorted);
        sn_sort_u64(sorted, s->n_log);
    }
    return sorted;
}

setsuna_status sn_interval_quantiles(const sn_samples *s, const double *q, size_t n_q, double confidence,
                                     sn_interval *out)
{
    for (size_t i = 0; i < n_q; i++)
        if (!(q[i] > 0 && q[i] < 1))
            return SETSUNA_EINVAL;
    if (!interval_arguments(s, confidence))
        return SETSUNA_EINVAL;
    uint64_t *sorted = interval_sorted(s);
    if (!sorted)
        return SETSUNA_ENOMEM;
    interval_memory m = {.inflation = 1};
    size_t next = 0;
    for (size_t i = 0; i < n_q; i++)
        interval_quantile(s, sorted, q[i], confidence, &m, &next, &out[i]);
    sn_free(s->allocator, sorted);
    return SETSUNA_OK;
}

static uint64_t interval_count_above(const sn_samples *s, uint64_t threshold)
{
    uint64_t n = 0;
    if (s->n > s->n_log) {
        sn_samples_bins(s, &threshold, 1, &n);
        return s->n - n;
    }
    for (size_t i = 0; i < s->n_log; i++)
        n += s->log[i] > threshold;
    return n;
}

/* What is known of the correlation of the indicator "above the threshold", which a share of the samples is. */
static setsuna_status interval_look_share(interval_memory *m, const sn_samples *s, uint64_t threshold, double share,
                                          sn_interval_trials trials, double confidence)
{
    if (trials == SN_INTERVAL_BY_LEVELS) {
        uint64_t *sorted = interval_sorted(s);
        if (!sorted)
            return SETSUNA_ENOMEM;
        for (size_t i = 0; i < INTERVAL_LEVELS && (i == 0 || interval_levels[i] < 1 - share); i++)
            interval_look(m, s, sn_quantile_sorted(sorted, s->n_log, interval_levels[i]), interval_levels[i],
                          confidence);
        sn_free(s->allocator, sorted);
    }
    if (trials != SN_INTERVAL_INDEPENDENT)
        interval_look_above(m, s, threshold, share, confidence);
    return SETSUNA_OK;
}

setsuna_status sn_interval_share_above(const sn_samples *s, uint64_t threshold, sn_interval_trials trials,
                                       double confidence, sn_interval *out)
{
    if (!interval_arguments(s, confidence))
        return SETSUNA_EINVAL;
    double value = (double)interval_count_above(s, threshold) / (double)s->n;
    interval_memory m = {.inflation = 1};
    bool tiny = s->n_log < SN_BATCHES_SAMPLES_MIN, judged = false;
    if (!tiny)
        SN_TRY(interval_look_share(&m, s, threshold, value, trials, confidence));
    out->value = value;
    if (tiny)
        interval_refuse_tiny(s, INTERVAL_EFFECTIVE_MIN, confidence, out);
    else
        judged = interval_judge(&m, (double)s->n, INTERVAL_EFFECTIVE_MIN, confidence, out);
    double n = out->n_effective, above = value * n, alpha = (1 - confidence) / 2;
    out->lo = !judged || above <= 0 ? 0 : fmin(interval_beta_quantile(alpha, above, n - above + 1), value);
    out->hi = !judged || above >= n ? 1 : fmax(interval_beta_quantile(1 - alpha, above + 1, n - above), value);
    return SETSUNA_OK;
}

/* Of the log, with the n - 1 divisor. */
static double interval_variance(const sn_samples *s, double mean)
{
    double squares = 0;
    for (size_t i = 0; i < s->n_log; i++) {
        double d = (double)s->log[i] - mean;
        squares += d * d;
    }
    return squares / (double)(s->n_log - 1);
}

setsuna_status sn_interval_mean(const sn_samples *s, double confidence, sn_interval *out)
{
    if (!interval_arguments(s, confidence))
        return SETSUNA_EINVAL;
    __uint128_t sum = 0;
    for (size_t i = 0; i < s->n_log; i++)
        sum += s->log[i];
    double value = s->n > s->n_log ? sn_histogram_mean(s->histogram) : (double)sum / (double)s->n_log;
    if (s->n_log < SN_BATCHES_SAMPLES_MIN) {
        out->value = value;
        interval_refuse_tiny(s, INTERVAL_EFFECTIVE_MEAN, confidence, out);
        return SETSUNA_OK;
    }
    uint64_t *sorted = interval_sorted(s);
    if (!sorted)
        return SETSUNA_ENOMEM;
    out->value = value;
    interval_memory m = {.inflation = 1};
    for (size_t i = 0; i < INTERVAL_LEVELS_MEAN; i++)
        interval_look(&m, s, sn_quantile_sorted(sorted, s->n_log, interval_levels[i]), interval_levels[i], confidence);
    sn_free(s->allocator, sorted);
    sn_batches b;
    sn_longrun l;
    sn_batches_of_values(&b, s->log, s->n_log);
    sn_batches_longrun(&b, confidence, &l);
    double variance = interval_variance(s, (double)sum / (double)s->n_log);
    if (variance > 0)
        interval_add(&m, &l, variance);
    if (!interval_judge(&m, (double)s->n, INTERVAL_EFFECTIVE_MEAN, confidence, out))
        return SETSUNA_OK;
    double half = sn_normal_quantile(1 - (1 - confidence) / 2) * sqrt(variance / out->n_effective);
    out->lo = fmax(out->value - half, 0); /* samples are not negative, so neither is their mean */
    out->hi = out->value + half;
    return SETSUNA_OK;
}
