#include "stats/warmup.h"
#include "stats/batches.h"
#include "stats/quantile.h"
#include <math.h>
#include <string.h>

/* Points of the sum: medians of so many samples that there are at most twice as many points. */
enum { WARMUP_POINTS = 2000, WARMUP_POINTS_MIN = 128, WARMUP_CUTS_MAX = 8 };

/* The supremum of a Brownian bridge's magnitude exceeds this with probability 0.001. */
#define WARMUP_STRAY 1.949

static uint64_t warmup_median(const uint64_t *x, size_t n, uint64_t *scratch)
{
    memcpy(scratch, x, n * sizeof *x);
    sn_sort_u64(scratch, n);
    return scratch[(n - 1) / 2];
}

/* Twice the rank of v among n sorted values, ties in the middle. */
static uint64_t warmup_rank(const uint64_t *sorted, size_t n, uint64_t v)
{
    uint64_t rank = 0;
    for (int side = 0; side < 2; side++) { /* how many are < v, and how many <= v */
        size_t lo = 0, hi = n;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (side ? sorted[mid] <= v : sorted[mid] < v)
                lo = mid + 1;
            else
                hi = mid;
        }
        rank += lo;
    }
    return rank;
}

/* Where the sum of n values leaves its straight line the most, in standard deviations of a steady series. */
static double warmup_stray(const uint64_t *x, size_t n, double deviation, size_t *at_out)
{
    double total = 0, sum = 0, most = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)x[i];
    *at_out = 0;
    for (size_t i = 0; i + 1 < n; i++) {
        sum += (double)x[i] - total / (double)n;
        if (fabs(sum) > most) {
            most = fabs(sum);
            *at_out = i + 1;
        }
    }
    return deviation > 0 ? most / (deviation * sqrt((double)n)) : 0;
}

/* The points' ranks to the number of points to cut. */
static size_t warmup_cut(const uint64_t *rank, size_t k, bool *settled_out)
{
    sn_batches b;
    sn_longrun l;
    sn_batches_of_values(&b, rank + k / 2, k - k / 2);
    sn_batches_longrun(&b, 0.99, &l);
    size_t cut = 0, at;
    *settled_out = true;
    for (int i = 0; i < WARMUP_CUTS_MAX; i++) {
        if (warmup_stray(rank + cut, k - cut, sqrt(l.variance), &at) <= WARMUP_STRAY)
            return cut;
        if (cut + at >= k / 2) {
            *settled_out = false;
            return cut;
        }
        cut += at;
    }
    return cut;
}

setsuna_status sn_warmup_find(const sn_allocator *a, const uint64_t *x, size_t n, sn_warmup *out)
{
    if (n < WARMUP_POINTS_MIN) {
        *out = (sn_warmup){.n = 0, .settled = true};
        return SETSUNA_OK;
    }
    size_t each = 1 + n / (2 * WARMUP_POINTS), k = n / each;
    uint64_t *point = sn_alloc(a, (2 * k + each) * sizeof *point);
    if (!point)
        return SETSUNA_ENOMEM;
    uint64_t *sorted = point + k, *scratch = sorted + k;
    for (size_t i = 0; i < k; i++)
        sorted[i] = point[i] = warmup_median(x + i * each, each, scratch);
    sn_sort_u64(sorted, k);
    for (size_t i = 0; i < k; i++)
        point[i] = warmup_rank(sorted, k, point[i]);
    bool settled;
    size_t cut = warmup_cut(point, k, &settled);
    sn_free(a, point);
    *out = (sn_warmup){.n = cut * each, .settled = settled};
    return SETSUNA_OK;
}
