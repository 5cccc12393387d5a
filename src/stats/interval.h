/* Intervals for quantiles and means that hold where samples are correlated, or a refusal.
 *
 * An interval of confidence c contains the true value in at least a share c of all runs: not "most samples lie here",
 * but "the p99 of this system, run forever as it ran now, lies here". It is made of two order statistics: which ones
 * follows from the binomial distribution, as if the run had had only its effective number of independent samples
 * (stats/batches.h). The variance inflation is that of the indicator "above the quantile", taken as the largest over
 * this and the lower levels 0.5, 0.75, 0.9, 0.95, 0.99: the tail alone has too few clusters of slow requests to know
 * how long they are, and a run that was lucky there would certify itself.
 *
 * It is refused where
 *   - the effective samples do not reach: with n of them, the largest is a bound for the q-quantile only when
 *     q^n <= (1 - c) / 2 (p99 at 99 %: 528 of them), and below 100 of them the correlation itself is not known;
 *   - the longest batches still resemble their neighbours: the run drifts, or its memory is as long as the run.
 * Then `longer` says how many times longer the run should be.
 *
 * Sources: order statistics, W. R. Thompson 1936 and W. J. Conover, "Practical Nonparametric Statistics", 3.2;
 * effective samples, P. Heidelberger and P. A. W. Lewis, "Quantile estimation in dependent sequences", 1984. Coverage
 * is measured in tests/measure/calibrate.c and docs/measurement.md.
 */
#ifndef SN_STATS_INTERVAL_H
#define SN_STATS_INTERVAL_H

#include "stats/samples.h"

/* The confidence of printed intervals. */
#define SN_INTERVAL_CONFIDENCE 0.99

typedef enum sn_interval_verdict {
    SN_INTERVAL_CERTIFIED,
    SN_INTERVAL_SHORT,   /* too few effective samples */
    SN_INTERVAL_UNSTEADY /* parts of the run differ: drift, or a memory as long as the run */
} sn_interval_verdict;

typedef struct sn_interval {
    sn_interval_verdict verdict;
    double confidence;
    double value;       /* the estimate, certified or not */
    double lo, hi;      /* lo <= value <= hi; both are value when not certified */
    double n_effective; /* n over the variance inflation; 0 where n is too small to tell */
    double longer;      /* a run this many times longer should be certified; 1 when it is. An estimate */
} sn_interval;

/* "certified", "too short", "unsteady". */
const char *sn_interval_verdict_text(sn_interval_verdict verdict);

/* Intervals for n_q ascending quantiles, each in (0, 1), of at least one sample. The order of the log matters: samples
 * in order of arrival (of schedule). Beyond the log, quantiles are those of all samples and the correlation is that of
 * the log. Returns OK; EINVAL (no samples, q or confidence outside (0, 1)); ENOMEM. */
setsuna_status sn_interval_quantiles(const sn_samples *s, const double *q, size_t n_q, double confidence,
                                     sn_interval *out);

/* The same of the mean, by batch means; n_effective is relative to the variance of a sample. Returns as above. */
setsuna_status sn_interval_mean(const sn_samples *s, double confidence, sn_interval *out);

/* Whose correlation makes the effective samples of a share. */
typedef enum sn_interval_trials {
    SN_INTERVAL_BY_LEVELS,   /* that of the indicator and of the levels up to it, the median among them */
    SN_INTERVAL_BY_ITSELF,   /* that of the indicator alone: what is above has nothing to do with the rest */
    SN_INTERVAL_INDEPENDENT, /* none: an interval that no correlation makes narrower */
} sn_interval_trials;

/* The share of samples above a threshold: value, lo and hi are of 1, and hi is above 0 however few there are. The
 * binomial interval (C. J. Clopper and E. S. Pearson 1934) for n_effective trials. Refused below 100 effective samples
 * or where parts of the run differ; lo is then 0 and hi 1. Returns as above. */
setsuna_status sn_interval_share_above(const sn_samples *s, uint64_t threshold, sn_interval_trials trials,
                                       double confidence, sn_interval *out);

/* The ranks, as shares of n, between which the q-quantile lies with the given confidence, were there n_effective
 * independent samples: *lo_out 0 and *hi_out 2 where no order statistic is a bound. */
void sn_interval_ranks(double n_effective, double q, double confidence, double *lo_out, double *hi_out);

#endif
