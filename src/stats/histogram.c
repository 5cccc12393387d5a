#include "stats/histogram.h"
#include <math.h>
#include <string.h>

void sn_histogram_init(sn_histogram *h)
{
    memset(h, 0, sizeof *h);
    h->min = UINT64_MAX;
}

sn_histogram *sn_histogram_create(const sn_allocator *a)
{
    sn_histogram *h = sn_alloc(a, sizeof *h);
    if (h)
        sn_histogram_init(h);
    return h;
}

void sn_histogram_destroy(const sn_allocator *a, sn_histogram *h)
{
    sn_free(a, h);
}

void sn_histogram_merge(sn_histogram *dst, const sn_histogram *src)
{
    for (uint32_t i = 0; i < SN_HISTOGRAM_BUCKETS; i++)
        dst->count[i] += src->count[i];
    dst->n += src->n;
    dst->n_clamped += src->n_clamped;
    dst->sum += src->sum;
    dst->min = src->min < dst->min ? src->min : dst->min;
    dst->max = src->max > dst->max ? src->max : dst->max;
}

/* The inverse of sn_histogram_bucket: the smallest value of a bucket, and how many values it spans. */
static uint64_t histogram_bucket_low(uint32_t bucket, uint64_t *width_out)
{
    enum { BITS = SN_HISTOGRAM_HALF_BITS };
    uint32_t octave = bucket >> BITS;
    uint32_t shift = octave > 1 ? octave - 1 : 0;
    *width_out = (uint64_t)1 << shift;
    return (uint64_t)(bucket - (shift << BITS)) << shift;
}

bool sn_histogram_next(const sn_histogram *h, sn_histogram_bar *bar)
{
    if (bar->cumulative == h->n)
        return false;
    uint32_t i = bar->cumulative ? bar->bucket + 1 : 0;
    while (i < SN_HISTOGRAM_BUCKETS && h->count[i] == 0)
        i++;
    if (i == SN_HISTOGRAM_BUCKETS)
        return false;
    uint64_t width, lo = histogram_bucket_low(i, &width), hi = lo + width - 1;
    bool clamped = i == SN_HISTOGRAM_BUCKETS - 1 && h->n_clamped > 0;
    bar->bucket = i;
    bar->lo = lo > h->min ? lo : h->min;
    bar->hi = hi < h->max && !clamped ? hi : h->max;
    bar->count = h->count[i];
    bar->cumulative += bar->count;
    return true;
}

double sn_histogram_mean(const sn_histogram *h)
{
    return h->n ? (double)h->sum / (double)h->n : 0;
}

double sn_histogram_stddev(const sn_histogram *h)
{
    if (h->n < 2)
        return 0;
    double mean = sn_histogram_mean(h), squares = 0;
    for (sn_histogram_bar bar = {0}; sn_histogram_next(h, &bar);) {
        uint64_t clamped = bar.bucket == SN_HISTOGRAM_BUCKETS - 1 ? h->n_clamped : 0;
        uint64_t hi = clamped ? SN_HISTOGRAM_VALUE_MAX : bar.hi;
        double d = ((double)bar.lo + (double)hi) / 2 - mean, far = (double)h->max - mean;
        squares += d * d * (double)(bar.count - clamped) + far * far * (double)clamped;
    }
    return sqrt(squares / (double)(h->n - 1));
}

uint64_t sn_histogram_quantile(const sn_histogram *h, double q)
{
    if (h->n == 0)
        return 0;
    if (!(q > 0))
        return h->min;
    uint64_t rank = sn_quantile_rank(h->n, q);
    if (rank > h->n - h->n_clamped)
        return h->max;
    sn_histogram_bar bar = {0};
    while (sn_histogram_next(h, &bar) && bar.cumulative < rank)
        ;
    return bar.hi < SN_HISTOGRAM_VALUE_MAX ? bar.hi : SN_HISTOGRAM_VALUE_MAX;
}

void sn_histogram_summary(const sn_histogram *h, sn_summary *out)
{
    *out = (sn_summary){.n = h->n, .method = SN_SUMMARY_HISTOGRAM};
    if (h->n == 0)
        return;
    out->mean = sn_histogram_mean(h);
    out->stddev = sn_histogram_stddev(h);
    out->min = h->min;
    out->p50 = sn_histogram_quantile(h, 0.50);
    out->p90 = sn_histogram_quantile(h, 0.90);
    out->p95 = sn_histogram_quantile(h, 0.95);
    out->p99 = sn_histogram_quantile(h, 0.99);
    out->p99_9 = sn_histogram_quantile(h, 0.999);
    out->max = h->max;
}
