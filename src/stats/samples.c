#include "stats/samples.h"
#include "base/status.h"
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
    if (s->n_log < s->cap ? s->n_log == s->room : !s->histogram)
        SN_TRY(sn_samples_reserve(s, s->n + 1));
    if (s->n_log < s->cap)
        s->log[s->n_log++] = value;
    if (s->histogram)
        sn_histogram_record(s->histogram, value);
    s->n++;
    return SETSUNA_OK;
}

setsuna_status sn_samples_reserve_merge(sn_samples *dst, const sn_samples *src, uint64_t n_total)
{
    /* What the log of src does not have can go to a histogram only; a total above the cap makes one. */
    bool logged = src->n == src->n_log;
    return sn_samples_reserve(dst, logged || n_total > dst->cap ? n_total : (uint64_t)dst->cap + 1);
}

setsuna_status sn_samples_merge(sn_samples *dst, const sn_samples *src)
{
    SN_TRY(sn_samples_reserve_merge(dst, src, dst->n + src->n));
    size_t moved = src->n_log < dst->cap - dst->n_log ? src->n_log : dst->cap - dst->n_log;
    if (moved)
        memcpy(dst->log + dst->n_log, src->log, moved * sizeof *dst->log);
    dst->n_log += moved;
    if (dst->histogram && src->histogram)
        sn_histogram_merge(dst->histogram, src->histogram);
    else if (dst->histogram)
        for (size_t i = 0; i < src->n_log; i++)
            sn_histogram_record(dst->histogram, src->log[i]);
    dst->n += src->n;
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
