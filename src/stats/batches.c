#include "stats/batches.h"
#include "stats/distribution.h"
#include <math.h>
#include <string.h>

/* A shorter batch than this is never the largest estimate of a correlated series. */
enum { BATCHES_EACH_MIN = 16, BATCHES_TESTED = 32 };

static void batches_cut(sn_batches *b, size_t n)
{
    b->n_batches = SN_BATCHES_MIN;
    while (b->n_batches < SN_BATCHES_MAX && n / (2 * b->n_batches) >= BATCHES_EACH_MIN)
        b->n_batches *= 2;
    b->n_each = n / b->n_batches;
}

void sn_batches_of_values(sn_batches *b, const uint64_t *x, size_t n)
{
    batches_cut(b, n);
    x += n - b->n_each * b->n_batches;
    for (uint32_t k = 0; k < b->n_batches; k++, x += b->n_each) {
        __uint128_t sum = 0;
        for (size_t i = 0; i < b->n_each; i++)
            sum += x[i];
        b->mean[k] = (double)sum / (double)b->n_each;
    }
}

void sn_batches_of_indicator(sn_batches *b, const uint64_t *x, size_t n, uint64_t threshold, bool or_equal)
{
    batches_cut(b, n);
    x += n - b->n_each * b->n_batches;
    if (or_equal && threshold > 0) {
        threshold--;
        or_equal = false;
    }
    for (uint32_t k = 0; k < b->n_batches; k++, x += b->n_each) {
        size_t count = 0;
        for (size_t i = 0; i < b->n_each; i++)
            count += x[i] > threshold;
        b->mean[k] = or_equal ? 1 : (double)count / (double)b->n_each; /* or_equal now: every sample is >= 0 */
    }
}

/* Variance of the batch means (divisor k - 1) and their lag-1 correlation around the mean of all. */
static double batches_variance(const sn_batches *b, double mean, double *lag1_out)
{
    double squares = 0, products = 0, before = 0;
    for (uint32_t k = 0; k < b->n_batches; k++) {
        double d = b->mean[k] - mean;
        squares += d * d;
        products += d * before;
        before = d;
    }
    *lag1_out = squares > 0 ? products / squares : 0;
    return squares / (b->n_batches - 1);
}

/* Student's quantile from the normal one, dof >= 15: Abramowitz and Stegun 26.7.5, error below 1e-3 of it. */
static double batches_student(double z, double dof)
{
    double z2 = z * z, g1 = z * (z2 + 1) / 4, g2 = z * (3 + z2 * (16 + 5 * z2)) / 96;
    double g3 = z * (-15 + z2 * (17 + z2 * (19 + 3 * z2))) / 384;
    return z + (g1 + (g2 + g3 / dof) / dof) / dof;
}

static void batches_double(sn_batches *b)
{
    b->n_batches /= 2;
    b->n_each *= 2;
    for (uint32_t k = 0; k < b->n_batches; k++)
        b->mean[k] = (b->mean[2 * k] + b->mean[2 * k + 1]) / 2;
}

void sn_batches_longrun(sn_batches *b, double confidence, sn_longrun *out)
{
    const double p = 1 - (1 - confidence) / 2, normal = sn_normal_quantile(p);
    double mean = 0;
    for (uint32_t k = 0; k < b->n_batches; k++)
        mean += b->mean[k];
    *out = (sn_longrun){.mean = mean / b->n_batches};
    for (;;) {
        double k = b->n_batches, lag1, student = batches_student(normal, k - 1) / normal;
        double variance = batches_variance(b, out->mean, &lag1) * (double)b->n_each * student * student;
        out->variance = fmax(out->variance, variance);
        if (b->n_batches == BATCHES_TESTED || (b->n_batches == SN_BATCHES_MIN && out->lag1_z == 0)) {
            out->lag1 = lag1;
            out->lag1_z = (lag1 + 1 / k) * sqrt(k); /* a mean of -1/k and a variance of about 1/k: Kendall 1954 */
        }
        if (b->n_batches == SN_BATCHES_MIN)
            return;
        batches_double(b);
    }
}
