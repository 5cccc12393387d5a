/* Exact quantiles of integer samples, and the summary that every report prints.
 *
 * Definition (nearest rank): the q-quantile of n samples is the smallest sample v such that at least
 * ceil(q n) samples are <= v. It is always an observation, never an interpolation; q = 0 is the minimum
 * ("head"), q = 1 the maximum. Source: Hyndman & Fan 1996, definition 1.
 */
#ifndef SN_STATS_QUANTILE_H
#define SN_STATS_QUANTILE_H

#include <stddef.h>
#include <stdint.h>

/* For reports: states the definition in one line. */
#define SN_QUANTILE_DEFINITION "nearest rank: the smallest sample v with at least ceil(q n) samples <= v"

/* How the quantiles of a summary were found; min, mean and max are exact in both. */
typedef enum sn_summary_method {
    SN_SUMMARY_EXACT,     /* from the sorted samples; the standard deviation too */
    SN_SUMMARY_HISTOGRAM, /* from a histogram: never below the exact value, above it by at most 1/1024 of it */
} sn_summary_method;

/* Of n samples in one unit (nanoseconds everywhere in Setsuna). All fields are 0 when n is 0. stddev has the
 * n - 1 divisor, and is 0 for one sample. */
typedef struct sn_summary {
    uint64_t n;
    sn_summary_method method;
    double mean, stddev;
    uint64_t min, p50, p90, p95, p99, p99_9, max;
} sn_summary;

/* "exact", or "histogram, 3 digits". */
const char *sn_summary_method_text(sn_summary_method method);

/* The rank, 1..n, of the q-quantile of n >= 1 samples: max(1, ceil(q n)), and n for q >= 1.
 *
 * q is taken as the decimal that its author wrote: 0.07 of 100 is rank 7, although the nearest double times
 * 100 is above 7. Exact for n up to 1e9 and q of up to six decimals. NaN counts as 0. */
uint64_t sn_quantile_rank(uint64_t n, double q);

/* Sorts in place, ascending: most significant digit first, no recursion, at most 8 passes over the data. */
void sn_sort_u64(uint64_t *v, size_t n);

/* The q-quantile of ascending samples; 0 when n is 0. */
uint64_t sn_quantile_sorted(const uint64_t *sorted, size_t n, double q);

/* Summarises n samples in any order, which it leaves alone; scratch holds n elements, sorted samples on return. May be
 * the samples themselves, which are then sorted. */
void sn_summary_exact(const uint64_t *samples, size_t n, uint64_t *scratch, sn_summary *out);

#endif
