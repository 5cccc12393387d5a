#include "stats/quantile_method.h"
#include "stats/histogram.h"
#include <math.h>

static const struct {
    const char *text, *formula, *tools;
} methods[] = {
#define METHOD_ROW(name, text, formula, tools) {text, formula, tools},
    SN_QUANTILE_METHOD_LIST(METHOD_ROW)
#undef METHOD_ROW
};

const char *sn_quantile_method_text(sn_quantile_method m)
{
    return (unsigned)m < SN_QUANTILE_METHODS ? methods[m].text : "?";
}

const char *sn_quantile_method_formula(sn_quantile_method m)
{
    return (unsigned)m < SN_QUANTILE_METHODS ? methods[m].formula : "?";
}

const char *sn_quantile_method_tools(sn_quantile_method m)
{
    return (unsigned)m < SN_QUANTILE_METHODS ? methods[m].tools : "?";
}

static double method_at(const uint64_t *sorted, size_t n, double index)
{
    size_t i = index <= 0 ? 0 : index >= (double)(n - 1) ? n - 1 : (size_t)index;
    return (double)sorted[i];
}

static double method_linear(const uint64_t *sorted, size_t n, double q)
{
    double at = q * (double)(n - 1), low = floor(at);
    double a = method_at(sorted, n, low), b = method_at(sorted, n, low + 1);
    return a + (b - a) * (at - low);
}

/* The tool works in float, which moves the index by one for some n. */
static double method_exclude(const uint64_t *sorted, size_t n, double q)
{
    float percentile = (float)(100 * q);
    float exclude = (1 - percentile / 100) * (float)n;
    return method_at(sorted, n, (double)(n - 1) - floor((double)exclude));
}

/* The largest value that shares a bucket with the sample (histogram.h has the same buckets). */
static double method_hdr(const uint64_t *sorted, size_t n, double q)
{
    double value = method_at(sorted, n, fmax(floor(q * (double)n + 0.5), 1) - 1);
    uint64_t v = value < (double)SN_HISTOGRAM_VALUE_MAX ? (uint64_t)value : SN_HISTOGRAM_VALUE_MAX;
    uint64_t width = 1;
    while (v / width >= (uint64_t)2 << SN_HISTOGRAM_HALF_BITS)
        width *= 2;
    return (double)((v / width + 1) * width - 1);
}

double sn_quantile_as(sn_quantile_method m, const uint64_t *sorted, size_t n, double q)
{
    if (n == 0)
        return 0;
    switch (m) {
    case SN_QUANTILE_FLOOR: return method_at(sorted, n, floor(q * (double)n));
    case SN_QUANTILE_LINEAR: return method_linear(sorted, n, q);
    case SN_QUANTILE_ROUND: return method_at(sorted, n, floor(q * (double)(n - 1) + 0.5));
    case SN_QUANTILE_EXCLUDE: return method_exclude(sorted, n, q);
    case SN_QUANTILE_HDR: return method_hdr(sorted, n, q);
    case SN_QUANTILE_LOWER: return method_at(sorted, n, floor(q * (double)(n - 1)));
    default: return (double)sorted[sn_quantile_rank(n, q) - 1];
    }
}
