#include "stats/samples.h"
#include <string.h>

void sn_samples_init(sn_samples *s, const sn_allocator *allocator, size_t cap)
{
    *s = (sn_samples){.allocator = allocator ? allocator : sn_allocator_default(),
                      .cap = cap ? cap : SN_SAMPLES_CAP_DEFAULT};
}

void sn_samples_fini(sn_samples *s)
{
    sn_free(s->allocator, s->log);
    sn_histogram_destroy(s->allocator, s->histogram);
    sn_samples_init(s, s->allocator, s->cap);
}

setsuna_status sn_samples_reserve(sn_samples *s, uint64_t n_total)
{
    size_t logged = n_total < s->cap ? (size_t)n_total : s->cap;
    if (logged > s->room && !sn_grow(s->allocator, &s->log, &s->room, logged, sizeof *s->log))
        return SETSUNA_ENOMEM;
    if (n_total > s->cap && !s->histogram) {
        s->histogram = sn_histogram_create(s->allocator);
        if (!s->histogram)
            return SETSUNA_ENOMEM;
        for (size_t i = 0; i < s->n_log; i++)
            sn_histogram_record(s->histogram, s->log[i]);
    }
    return SETSUNA_OK;
}

setsuna_status sn_samples_record(sn_samples *s, uint64_t value)
{
    if (s->n_log < s->cap ? s->n_log == s->room : !s->histogram) {
        setsuna_status status = sn_samples_reserve(s, s->n + 1);
        if (status != SETSUNA_OK)
            return status;
    }
    if (s->n_log < s->cap)
        s->log[s->n_log++] = value;
    if (s->histogram)
        sn_histogram_record(s->histogram, value);
    s->n++;
    return SETSUNA_OK;
}

setsuna_status sn_samples_summary(const sn_samples *s, sn_summary *out)
{
    if (s->n > s->n_log) {
        sn_histogram_summary(s->histogram, out);
        return SETSUNA_OK;
    }
    uint64_t *scratch = sn_alloc(s->allocator, s->n_log * sizeof *scratch);
    if (!scratch && s->n_log)
        return SETSUNA_ENOMEM;
    sn_summary_exact(s->log, s->n_log, scratch, out);
    sn_free(s->allocator, scratch);
    return SETSUNA_OK;
}

static void samples_count(const uint64_t *edge, size_t n_bins, uint64_t value, uint64_t n, uint64_t *count)
{
    size_t lo = 0, hi = n_bins; /* the first bin whose edge is not below value lies in [lo, hi] */
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (edge[mid] < value)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < n_bins)
        count[lo] += n;
}

void sn_samples_bins(const sn_samples *s, const uint64_t *edge, size_t n_bins, uint64_t *count)
{
    memset(count, 0, n_bins * sizeof *count);
    if (s->n > s->n_log) {
        for (sn_histogram_bar bar = {0}; sn_histogram_next(s->histogram, &bar);)
            samples_count(edge, n_bins, bar.hi, bar.count, count);
    } else {
        for (size_t i = 0; i < s->n_log; i++)
            samples_count(edge, n_bins, s->log[i], 1, count);
    }
}
