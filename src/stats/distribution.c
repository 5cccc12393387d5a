#include "stats/distribution.h"
#include <math.h>

enum { BETA_TERMS_MAX = 20000 };

/* Above this a + b the fraction converges slowly near the mean, and the normal approximation is good to 1e-6. */
#define BETA_LARGE 1e7

/* The continued fraction of DLMF 8.17.22 without its factor; converges fast for x < (a + 1) / (a + b + 2). */
static double beta_fraction(double x, double a, double b)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m <= BETA_TERMS_MAX; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= c * d;
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= c * d;
        if (fabs(c * d - 1) < 1e-15)
            break;
    }
    return f;
}

/* Peizer and Pratt's g. */
static double beta_g(double x)
{
    double d = 1 - x;
    if (fabs(d) < 1e-4) /* its series around 1 */
        return d / 3 + d * d / 6;
    return x > 0 ? (1 - x * x + 2 * x * log(x)) / (d * d) : 1;
}

/* I_x(a, b) through the binomial tail: Bin(n, x) >= a with n = a + b - 1. */
static double beta_normal(double x, double a, double b)
{
    double n = a + b - 1, s = a - 0.5, t = b - 0.5, y = 1 - x;
    double d = s + 1.0 / 6 - (n + 1.0 / 3) * x + 0.02 * (y / (s + 0.5) - x / (t + 0.5) + (x - 0.5) / (n + 1));
    double g = 1 + y * beta_g(s / (n * x)) + x * beta_g(t / (n * y));
    double z = d * sqrt(g / ((n + 1.0 / 6) * x * y));
    return 0.5 * erfc(z / sqrt(2));
}

double sn_beta_cdf(double x, double a, double b)
{
    if (!(a > 0 && b > 0 && x >= 0 && x <= 1))
        return (double)NAN;
    if (x == 0 || x == 1)
        return x;
    if (a + b > BETA_LARGE && a > 100 && b > 100)
        return beta_normal(x, a, b);
    double factor = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x));
    if (x < (a + 1) / (a + b + 2))
        return factor * beta_fraction(x, a, b) / a;
    return 1 - factor * beta_fraction(1 - x, b, a) / b;
}

/* The root of f(x) = p for increasing f, from a bracket that is grown first. */
static double distribution_invert(double (*f)(double, double), double parameter, double p)
{
    double lo = -1, hi = 1;
    while (f(lo, parameter) > p && lo > -1e12)
        lo *= 2;
    while (f(hi, parameter) < p && hi < 1e12)
        hi *= 2;
    for (int i = 0; i < 100 && hi - lo > 1e-14 * (fabs(lo) + fabs(hi)); i++) {
        double mid = lo + (hi - lo) / 2;
        if (f(mid, parameter) < p)
            lo = mid;
        else
            hi = mid;
    }
    return lo + (hi - lo) / 2;
}

static double normal_cdf(double x, double unused)
{
    (void)unused;
    return 0.5 * erfc(-x / sqrt(2));
}

double sn_normal_quantile(double p)
{
    return p > 0 && p < 1 ? distribution_invert(normal_cdf, 0, p) : (double)NAN;
}

double sn_student_two_sided(double t, double dof)
{
    return dof > 0 ? sn_beta_cdf(dof / (dof + t * t), dof / 2, 0.5) : (double)NAN;
}

static double student_cdf(double t, double dof)
{
    double tail = sn_student_two_sided(t, dof) / 2;
    return t < 0 ? tail : 1 - tail;
}

double sn_student_quantile(double p, double dof)
{
    return p > 0 && p < 1 && dof > 0 ? distribution_invert(student_cdf, dof, p) : (double)NAN;
}
