#include "stats/compare_rounds.h"
#include "base/status.h"
#include "stats/quantile.h"
#include <math.h>

const char *sn_compare_figure_name(sn_compare_figure figure)
{
    static const char *const name[] = {"p50", "p90", "p99", "mean"};
    return (unsigned)figure < SN_COMPARE_FIGURES ? name[figure] : "?";
}

void sn_compare_figures(uint64_t *latency, size_t n, double out[SN_COMPARE_FIGURES])
{
    static const double q[] = {0.5, 0.9, 0.99};
    double sum = 0;
    sn_sort_u64(latency, n);
    for (size_t i = 0; i < n; i++)
        sum += (double)latency[i];
    for (int f = 0; f < SN_COMPARE_FIGURES; f++)
        out[f] = fmax(f == SN_COMPARE_MEAN ? sum / (double)n : (double)sn_quantile_sorted(latency, n, q[f]), 1);
}

void sn_compare_rounds_add(sn_compare_rounds *r, const double a[SN_COMPARE_FIGURES], const double b[SN_COMPARE_FIGURES])
{
    for (int f = 0; f < SN_COMPARE_FIGURES; f++) {
        r->value[f][2 * r->n] = a[f];
        r->value[f][2 * r->n + 1] = b[f];
    }
    r->n++;
}

setsuna_status sn_compare_rounds_judge(const sn_compare_rounds *r, double confidence, double margin,
                                       sn_comparison out[SN_COMPARE_FIGURES])
{
    double each = 1 - (1 - confidence) / SN_COMPARE_FIGURES;
    for (int f = 0; f < SN_COMPARE_FIGURES; f++) {
        SN_TRY(sn_compare_pairs(r->value[f], r->n, each, margin, &out[f]));
        out[f].confidence = confidence;
        if (r->n >= SN_COMPARE_ROUNDS_MIN)
            continue;
        out[f].verdict = SN_COMPARE_CANNOT_TELL;
        out[f].longer = SN_COMPARE_ROUNDS_MIN / fmax((double)r->n, 1);
    }
    return SETSUNA_OK;
}

bool sn_compare_rounds_enough(const sn_comparison of[SN_COMPARE_FIGURES], double precision)
{
    bool enough = true;
    for (int f = 0; f < SN_COMPARE_FIGURES; f++) {
        double scale = 1 + of[f].change;
        enough &= (of[f].hi - of[f].change) / scale <= precision && (of[f].change - of[f].lo) / scale <= precision;
    }
    return enough;
}

double sn_compare_rounds_level(const sn_compare_rounds *r, sn_compare_figure figure, int arm)
{
    double sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += log(r->value[figure][2 * i + (size_t)arm]);
    return r->n ? exp(sum / (double)r->n) : 0;
}
