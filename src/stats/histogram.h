/* Latency histogram: log-linear buckets, three significant digits, fixed memory, mergeable.
 *
 * Values below 2048 have a bucket each. Above, every power of two [2^e, 2^(e+1)) is cut into 1024 buckets of equal
 * width 2^(e-10), so that a bucket is at most 1/1024 as wide as its smallest value:
 *
 *     value   0 .. 2047 | 2048 .. 4095 | 4096 .. 8191 | ...  | 2^41 .. 2^42 - 1 (73 minutes in ns)
 *     width       1     |      2       |      4       | ...  | 2^31
 *     bucket  0 .. 2047 | 2048 .. 3071 | 3072 .. 4095 | ...  | 32768 .. 33791
 *
 * A quantile is answered with the largest value of its bucket: never below the exact one (quantile.h) and above it by
 * less than 1/1024 of it, so 3 digits hold. Source of the layout: G. Tene, HdrHistogram.
 */
#ifndef SN_STATS_HISTOGRAM_H
#define SN_STATS_HISTOGRAM_H

#include "base/alloc.h"
#include "stats/quantile.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    SN_HISTOGRAM_HALF_BITS = 10, /* 2^10 buckets an octave: the least power of two that gives 3 digits */
    SN_HISTOGRAM_VALUE_BITS = 42,
    SN_HISTOGRAM_BUCKETS = (SN_HISTOGRAM_VALUE_BITS - SN_HISTOGRAM_HALF_BITS + 1) << SN_HISTOGRAM_HALF_BITS,
};
#define SN_HISTOGRAM_VALUE_MAX (((uint64_t)1 << SN_HISTOGRAM_VALUE_BITS) - 1)

/* Plain data, about 270 KB: lives where the caller puts it and is copied by assignment. One writer at a time. */
typedef struct sn_histogram {
    uint64_t n;
    uint64_t n_clamped; /* of n, those above SN_HISTOGRAM_VALUE_MAX: counted in the last bucket */
    uint64_t min, max;  /* exact, clamped values included; UINT64_MAX and 0 when n is 0 */
    __uint128_t sum;    /* exact */
    uint64_t count[SN_HISTOGRAM_BUCKETS];
} sn_histogram;

/* Empties h. */
void sn_histogram_init(sn_histogram *h);

/* An empty histogram on the heap; NULL: out of memory. destroy takes what create returned, or NULL. */
sn_histogram *sn_histogram_create(const sn_allocator *a);
void sn_histogram_destroy(const sn_allocator *a, sn_histogram *h);

/* The bucket of a value <= SN_HISTOGRAM_VALUE_MAX. */
static inline uint32_t sn_histogram_bucket(uint64_t value)
{
    enum { BITS = SN_HISTOGRAM_HALF_BITS };
    /* The "or" makes every value below 2^(BITS+1) look BITS+1 bits long, so that no branch is needed. */
    uint32_t shift = 63u - BITS - (uint32_t)__builtin_clzll(value | (uint64_t)1 << BITS);
    return (shift << BITS) + (uint32_t)(value >> shift);
}

/* Counts n samples of one value. Cannot fail. */
static inline void sn_histogram_record_n(sn_histogram *h, uint64_t value, uint64_t n)
{
    uint64_t kept = value < SN_HISTOGRAM_VALUE_MAX ? value : SN_HISTOGRAM_VALUE_MAX;
    h->count[sn_histogram_bucket(kept)] += n;
    h->n += n;
    h->n_clamped += value > SN_HISTOGRAM_VALUE_MAX ? n : 0;
    h->sum += (__uint128_t)value * n;
    if (n > 0) {
        h->min = value < h->min ? value : h->min;
        h->max = value > h->max ? value : h->max;
    }
}

static inline void sn_histogram_record(sn_histogram *h, uint64_t value)
{
    sn_histogram_record_n(h, value, 1);
}

/* Adds all samples of src to dst: the result is the same as recording both streams into one. */
void sn_histogram_merge(sn_histogram *dst, const sn_histogram *src);

/* Exact; 0 when empty. */
double sn_histogram_mean(const sn_histogram *h);

/* With the n - 1 divisor, each sample taken at the middle of its bucket (off by at most 1/2048 of itself), clamped ones
 * at the maximum; 0 for fewer than two samples. */
double sn_histogram_stddev(const sn_histogram *h);

/* The q-quantile by nearest rank, as the largest value of the bucket that holds it; the exact minimum for q <= 0 and
 * the exact maximum for the highest rank. A rank among clamped samples is answered with the exact maximum, the only
 * bound there is. 0 when empty. */
uint64_t sn_histogram_quantile(const sn_histogram *h, double q);

void sn_histogram_summary(const sn_histogram *h, sn_summary *out);

/* One bucket. Its samples lie from lo to hi, both inclusive: the bucket's bounds cut to the exact minimum and maximum,
 * and up to the maximum in the last bucket when it holds clamped samples. */
typedef struct sn_histogram_bar {
    uint64_t lo, hi;
    uint64_t count;
    uint64_t cumulative; /* samples in this bucket and below */
    uint32_t bucket;
} sn_histogram_bar;

/* Walks the buckets that hold samples in ascending order: begin with a zeroed bar, false after the last.
 *     for (sn_histogram_bar bar = {0}; sn_histogram_next(h, &bar);)
 * h must not change meanwhile. */
bool sn_histogram_next(const sn_histogram *h, sn_histogram_bar *bar);

#endif
