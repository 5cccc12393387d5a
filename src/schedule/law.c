#include "schedule/law.h"
#include <math.h>

double sn_law_log(double x)
{
    int exponent;
    double m = frexp(x, &exponent); /* exact */
    if (m < 0.70710678118654752) {
        m *= 2;
        exponent--;
    }
    /* log m = 2 artanh(s), |s| < 0.172: the thirteenth term is below 1e-20 */
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    for (int k = 23; k >= 1; k -= 2)
        sum = sum * s2 + 1.0 / k;
    return exponent * 0.693147180369123816490 + (2 * s * sum + exponent * 1.90821492927058770002e-10);
}

double sn_law_exp(double x)
{
    if (x < -700)
        return 0;
    double k = floor(x * 1.4426950408889634 + 0.5);
    double r = (x - k * 0.693147180369123816490) - k * 1.90821492927058770002e-10, sum = 1;
    for (int i = 16; i >= 1; i--) /* |r| < 0.35: the seventeenth term is below 1e-22 */
        sum = 1 + sum * r / i;
    return ldexp(sum, (int)k);
}

/* The polar method of G. Marsaglia; the second variable of a pair is not kept. */
static double law_normal(sn_random *r)
{
    for (;;) {
        double u = 2 * sn_random_unit(r) - 1, v = 2 * sn_random_unit(r) - 1, s = u * u + v * v;
        if (s > 0 && s < 1)
            return u * sqrt(-2 * sn_law_log(s) / s);
    }
}

/* shape >= 1 */
static double law_gamma_wide(sn_random *r, double shape)
{
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = law_normal(r), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (sn_law_log(sn_random_unit(r)) < 0.5 * x * x + d - d * v + d * sn_law_log(v))
            return d * v;
    }
}

static double law_gamma(sn_random *r, double shape)
{
    if (shape >= 1)
        return law_gamma_wide(r, shape);
    double power = sn_law_exp(sn_law_log(sn_random_unit(r)) / shape);
    return law_gamma_wide(r, shape + 1) * power;
}

double sn_law_gap(sn_random *r, double cv)
{
    if (cv == 0)
        return 1;
    if (cv == 1)
        return -sn_law_log(sn_random_unit(r));
    double shape = 1 / (cv * cv);
    return law_gamma(r, shape) / shape;
}
