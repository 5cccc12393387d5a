/* Batch means: how much the mean of correlated samples really varies.
 *
 * Latencies of requests that share a queue, a clock governor or a neighbour resemble those before them. The mean of n
 * such samples varies like that of n / VIF independent ones (VIF: variance inflation factor; n / VIF is the effective
 * sample size). Cut the series into k batches of m samples: once a batch is much longer than the memory of the process,
 * batch means are nearly independent, and m times their variance is the variance that counts ("long-run variance").
 *
 * Which m is long enough is not known. Batches are therefore doubled, from at most 1,024 of them down to 16, and the
 * largest estimate counts, each first made larger by (Student / normal)^2 for its few degrees of freedom. Too short
 * batches err low and lose to longer ones; the maximum errs high, which makes intervals wider, never too narrow.
 * Sources: Conway 1963; C. Alexopoulos and A. F. Seila, "Implementing the batch means method", 1996; maximum over
 * scales: ours, chosen by simulation (docs/design/0014-honest-intervals.md).
 */
#ifndef SN_STATS_BATCHES_H
#define SN_STATS_BATCHES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SN_BATCHES_MIN = 16,
    SN_BATCHES_MAX = 1024,
    SN_BATCHES_SAMPLES_MIN = 64, /* fewer samples say nothing about correlation */
};

/* Means of n_batches batches of n_each consecutive samples; the first samples, fewer than n_batches, are left out where
 * n is no multiple. */
typedef struct sn_batches {
    uint32_t n_batches; /* a power of two, SN_BATCHES_MIN..SN_BATCHES_MAX */
    size_t n_each;
    double mean[SN_BATCHES_MAX];
} sn_batches;

/* Of the samples themselves. n >= SN_BATCHES_SAMPLES_MIN. */
void sn_batches_of_values(sn_batches *b, const uint64_t *x, size_t n);

/* Of the indicator "x > threshold", or "x >= threshold" with or_equal. n >= SN_BATCHES_SAMPLES_MIN. */
void sn_batches_of_indicator(sn_batches *b, const uint64_t *x, size_t n, uint64_t threshold, bool or_equal);

typedef struct sn_longrun {
    double mean;
    double variance; /* long-run variance of a sample, made larger as above: the mean of n has variance / n */
    double lag1;     /* correlation of neighbouring batches where there are 32 of them (or 16)... */
    double lag1_z;   /* ...and the same in standard deviations of independent batches: above 3, they are not */
} sn_longrun;

/* confidence: of the two-sided interval that the variance is meant for, such as 0.99. Doubles batches in place: b holds
 * the last, longest ones afterwards. */
void sn_batches_longrun(sn_batches *b, double confidence, sn_longrun *out);

#endif
