#include "stats/stretches.h"
#include "stats/distribution.h"
#include <math.h>
#include <string.h>

enum { STRETCHES_BEYOND_MIN = 2 };

void sn_stretches_bound(const double figure[SN_STRETCHES], double confidence, sn_stretches *out)
{
    double mean = 0, squares = 0, least = figure[0], most = figure[0];
    for (int k = 0; k < SN_STRETCHES; k++) {
        least = fmin(least, figure[k]);
        most = fmax(most, figure[k]);
        mean += log(figure[k]) / SN_STRETCHES;
    }
    *out = (sn_stretches){.known = true, .least = least, .most = most, .hi = most > 0 ? (double)INFINITY : 0};
    if (!(least > 0))
        return;
    for (int k = 0; k < SN_STRETCHES; k++)
        squares += (log(figure[k]) - mean) * (log(figure[k]) - mean);
    double t = sn_student_quantile(1 - (1 - confidence) / 2, SN_STRETCHES - 1);
    double half = t * sqrt(squares / (SN_STRETCHES - 1) * (1 + 1.0 / SN_STRETCHES));
    out->lo = exp(mean - half);
    out->hi = exp(mean + half);
}

setsuna_status sn_stretches_quantile(const sn_samples *s, double q, double confidence, sn_stretches *out)
{
    size_t each = s->n_log / SN_STRETCHES;
    double figure[SN_STRETCHES], beyond = (double)each * fmin(q, 1 - q);
    *out = (sn_stretches){.known = false};
    if (beyond < STRETCHES_BEYOND_MIN * (1 - 1e-9)) /* 200 * (1 - 0.99) is a bit less than 2 */
        return SETSUNA_OK;
    uint64_t *sorted = sn_alloc(s->allocator, each * sizeof *sorted);
    if (!sorted)
        return SETSUNA_ENOMEM;
    const uint64_t *begin = s->log + (s->n_log - each * SN_STRETCHES);
    for (int k = 0; k < SN_STRETCHES; k++) {
        memcpy(sorted, begin + (size_t)k * each, each * sizeof *sorted);
        sn_sort_u64(sorted, each);
        figure[k] = (double)sn_quantile_sorted(sorted, each, q);
    }
    sn_free(s->allocator, sorted);
    sn_stretches_bound(figure, confidence, out);
    return SETSUNA_OK;
}
