#include "stats/compare.h"
#include "stats/distribution.h"
#include <math.h>

enum { COMPARE_PAIRS_MIN = 4 };

/* The standard normal's 0.8 quantile: a change is told apart in 4 of 5 cases when it exceeds the half-width by this
 * many standard errors. */
#define COMPARE_POWER_Z 0.8416

const char *sn_compare_verdict_text(sn_compare_verdict verdict)
{
    static const char *const text[] = {"faster", "slower", "same", "cannot tell"};
    return text[verdict];
}

static void compare_judge(double margin, sn_comparison *c)
{
    if (c->lo >= -margin && c->hi <= margin)
        c->verdict = SN_COMPARE_SAME;
    else if (c->hi < 0)
        c->verdict = SN_COMPARE_FASTER;
    else if (c->lo > 0)
        c->verdict = SN_COMPARE_SLOWER;
    else
        c->verdict = SN_COMPARE_CANNOT_TELL;
}

void sn_compare_intervals(const sn_interval *a, const sn_interval *b, double margin, sn_comparison *out)
{
    *out = (sn_comparison){.verdict = SN_COMPARE_CANNOT_TELL,
                           .confidence = a->confidence,
                           .lo = -1,
                           .hi = (double)INFINITY,
                           .detectable = (double)INFINITY,
                           .longer = fmax(a->longer, b->longer)};
    if (!(a->value > 0))
        return;
    double difference = b->value - a->value;
    out->change = difference / a->value;
    if (a->verdict != SN_INTERVAL_CERTIFIED || b->verdict != SN_INTERVAL_CERTIFIED)
        return;
    double below = hypot(b->value - b->lo, a->hi - a->value), above = hypot(b->hi - b->value, a->value - a->lo);
    out->lo = (difference - below) / a->value;
    out->hi = (difference + above) / a->value;
    double z = sn_normal_quantile(1 - (1 - a->confidence) / 2);
    out->detectable = fmax(below, above) / a->value * (1 + COMPARE_POWER_Z / z);
    compare_judge(margin, out);
}

setsuna_status sn_compare_pairs(const double *value, size_t n_pairs, double confidence, double margin,
                                sn_comparison *out)
{
    if (!(confidence > 0 && confidence < 1))
        return SETSUNA_EINVAL;
    double sum = 0, squares = 0, n = (double)n_pairs;
    for (size_t i = 0; i < 2 * n_pairs; i++)
        if (!(value[i] > 0 && isfinite(value[i])))
            return SETSUNA_EINVAL;
    for (size_t i = 0; i < n_pairs; i++)
        sum += log(value[2 * i + 1] / value[2 * i]);
    double mean = n_pairs ? sum / n : 0;
    *out = (sn_comparison){.verdict = SN_COMPARE_CANNOT_TELL,
                           .confidence = confidence,
                           .change = expm1(mean),
                           .lo = -1,
                           .hi = (double)INFINITY,
                           .detectable = (double)INFINITY,
                           .longer = 1};
    if (n_pairs < COMPARE_PAIRS_MIN) {
        out->longer = n_pairs ? COMPARE_PAIRS_MIN / n : COMPARE_PAIRS_MIN;
        return SETSUNA_OK;
    }
    for (size_t i = 0; i < n_pairs; i++) {
        double d = log(value[2 * i + 1] / value[2 * i]) - mean;
        squares += d * d;
    }
    double error = sqrt(squares / (n - 1) / n), t = sn_student_quantile(1 - (1 - confidence) / 2, n - 1);
    out->lo = expm1(mean - t * error);
    out->hi = expm1(mean + t * error);
    out->detectable = expm1((t + COMPARE_POWER_Z) * error);
    compare_judge(margin, out);
    return SETSUNA_OK;
}
