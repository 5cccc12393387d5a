/* A series of samples: an exact log in order of arrival up to a cap, and a histogram of all beyond it.
 *
 * Small runs get exact quantiles, long ones bounded memory; sn_samples_summary says which it used. The order is kept
 * because statistics under correlation (batch means, change points) need it.
 */
#ifndef SN_STATS_SAMPLES_H
#define SN_STATS_SAMPLES_H

#include "base/alloc.h"
#include "stats/histogram.h"
#include "stats/quantile.h"
#include <setsuna/status.h>

/* 8 MB of log a series. */
#define SN_SAMPLES_CAP_DEFAULT ((size_t)1000000)

/* One writer at a time. Read the fields, change them through the functions. */
typedef struct sn_samples {
    const sn_allocator *allocator;
    size_t cap;              /* most samples the log takes */
    uint64_t n;              /* all samples */
    uint64_t *log;           /* the first n_log of them in order of arrival; NULL while empty */
    size_t n_log, room;      /* n_log <= room, n_log <= cap */
    sn_histogram *histogram; /* of all n samples; NULL while the log holds them all */
} sn_samples;

/* Empty; cap 0 means SN_SAMPLES_CAP_DEFAULT. Allocates nothing. The allocator (NULL: the process heap) must outlive the
 * samples. */
void sn_samples_init(sn_samples *s, const sn_allocator *allocator, size_t cap);
void sn_samples_fini(sn_samples *s); /* s is empty afterwards */

/* Makes room so that recording up to n_total samples in all neither allocates nor fails. Returns OK, or ENOMEM (the
 * samples are as they were). */
setsuna_status sn_samples_reserve(sn_samples *s, uint64_t n_total);

/* Returns OK, or ENOMEM (the sample is not recorded). Crossing the cap unreserved counts the log into the new
 * histogram: some milliseconds, once. */
setsuna_status sn_samples_record(sn_samples *s, uint64_t value);

/* Appends all samples of src, which stay there: exact as long as the log of src has them all and fits. Log entries of
 * src keep their order. Returns OK, or ENOMEM (dst is as it was). */
setsuna_status sn_samples_merge(sn_samples *dst, const sn_samples *src);

/* Makes room so that merging src, and recording up to n_total samples in all, neither allocates nor fails. Returns OK,
 * or ENOMEM (the samples are as they were). */
setsuna_status sn_samples_reserve_merge(sn_samples *dst, const sn_samples *src, uint64_t n_total);

/* Returns OK, or ENOMEM (no scratch of n elements to be had; *out is untouched). */
setsuna_status sn_samples_summary(const sn_samples *s, sn_summary *out);

/* Counts the samples into n_bins bins, bin i holding edge[i - 1] < value <= edge[i]: bin 0 has no lower bound, and what
 * is above the last edge is not counted. Edges ascend. Where the histogram is used, a bucket counts by its largest
 * value. */
void sn_samples_bins(const sn_samples *s, const uint64_t *edge, size_t n_bins, uint64_t *count);

#endif
