/* Normalisation of rows against double precision.
 *
 * With s = sum |x| / n the mean is wrong by at most e = (n + 1) u s. A centred value then is wrong by e + u |d|, the
 * variance v by (n + 4) u v + e^2 + 2 e sqrt(v), its inverse root by half of that relative to v + epsilon and 3 u, and
 * what is made of it by three more roundings.
 */
#include "kernels/norm.h"
#include "parity.h"

typedef struct norm_truth {
    double mean, variance, mean_slack, variance_slack;
} norm_truth;

static norm_truth norm_moments(const float *x, int64_t n)
{
    norm_truth m = {0};
    double size = 0;
    for (int64_t i = 0; i < n; i++) {
        m.mean += (double)x[i] / (double)n;
        size += fabs((double)x[i]) / (double)n;
    }
    for (int64_t i = 0; i < n; i++)
        m.variance += ((double)x[i] - m.mean) * ((double)x[i] - m.mean) / (double)n;
    m.mean_slack = parity_slack(n + 1, size);
    m.variance_slack = (double)(n + 4) * PARITY_U * m.variance + m.mean_slack * m.mean_slack +
                       2 * m.mean_slack * sqrt(m.variance) + 0x1p-126;
    return m;
}

static void norm_check_layer(parity *t, const sn_norm_table *table, int64_t n, bool with_scale, bool with_bias)
{
    char text[100];
    const float epsilon = 1e-5f;
    parity_floats x = parity_floats_noise(t, n), a = parity_floats_noise(t, n), b = parity_floats_noise(t, n);
    parity_floats y = parity_floats_make(n, parity_coin(t));
    float mean, inv;
    snprintf(text, sizeof text, "layer n %" PRId64 " scale %d bias %d", n, with_scale, with_bias);
    table->layer(n, epsilon, x.data, with_scale ? a.data : NULL, with_bias ? b.data : NULL, y.data, &mean, &inv);
    norm_truth m = norm_moments(x.data, n);
    double base = m.variance + (double)epsilon, root = 1 / sqrt(base);
    double relative = m.variance_slack / base + 3 * PARITY_U;
    parity_expect(t, table->level, text, -1, mean, m.mean, m.mean_slack);
    parity_expect(t, table->level, text, -2, inv, root, root * relative);
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x.data[i] - m.mean, scale = with_scale ? (double)a.data[i] : 1;
        double bias = with_bias ? (double)b.data[i] : 0, want = d * root * scale + bias;
        double slack = fabs(scale) * root * (m.mean_slack + fabs(d) * (relative + 4 * PARITY_U)) +
                       4 * PARITY_U * (fabs(d * root * scale) + fabs(bias));
        if (!parity_expect(t, table->level, text, i, y.data[i], want, slack))
            break;
    }
    float mean2, variance2;
    table->moments(x.data, n, &mean2, &variance2);
    parity_expect(t, table->level, text, -3, variance2, m.variance, m.variance_slack);
    parity_require(t, memcmp(&mean, &mean2, 4) == 0, table->level, text, "layer and moments differ in the mean");
    parity_require(t,
                   parity_floats_done(&x) && parity_floats_done(&a) && parity_floats_done(&b) && parity_floats_done(&y),
                   table->level, text, "wrote out of bounds");
}

static void norm_check_affine(parity *t, const sn_norm_table *table, int64_t n)
{
    parity_floats x = parity_floats_noise(t, n), y = parity_floats_make(n, parity_coin(t));
    float a = parity_noise(t), b = parity_noise(t);
    table->affine(x.data, n, a, b, y.data);
    for (int64_t i = 0; i < n; i++) {
        double product = (double)x.data[i] * (double)a;
        parity_expect(t, table->level, "affine", i, y.data[i], product + (double)b,
                      2 * PARITY_U * (fabs(product) + fabs((double)b)));
    }
    parity_require(t, parity_floats_done(&x) && parity_floats_done(&y), table->level, "affine", "wrote out of bounds");
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_norm", 300, argc, argv);
    parity_cap_f32(&t);
    for (sn_cpu_level level = t.lowest; level <= t.highest; level++) {
        sn_norm_table table;
        sn_norm_table_init(&table, level);
        for (int64_t i = 0; i < t.repeat; i++) {
            int64_t n = i < 140 ? i + 1 : parity_between(&t, 1, 1000);
            norm_check_layer(&t, &table, n, parity_coin(&t), parity_coin(&t));
            norm_check_affine(&t, &table, n - 1);
        }
    }
    return parity_end(&t);
}
