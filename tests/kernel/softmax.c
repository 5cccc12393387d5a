/* Softmax and log-softmax against double precision.
 *
 * A difference d = x - max is rounded once (|d| u), which makes exp(d) wrong by that relative amount; exp itself adds
 * 3.6 u and |d| u / 8 (vmath.inc), the sum n u, the scaling 3 u: |err| <= (max |d| + n + 8) u y, where y itself is at
 * most 1. For the log form the same sum enters through its logarithm, and d and the result are rounded.
 */
#include "kernels/softmax.h"
#include "parity.h"

static void softmax_check_row(parity *t, const char *kernel, const char *text, const float *x, const float *y,
                              int64_t n, int64_t stride, bool log_form)
{
    double max = -HUGE_VAL, sum = 0, spread = 0;
    for (int64_t i = 0; i < n; i++)
        max = fmax(max, (double)x[i * stride]);
    for (int64_t i = 0; i < n; i++) {
        sum += exp((double)x[i * stride] - max);
        spread = fmax(spread, max - (double)x[i * stride]);
    }
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x[i * stride] - max, u = PARITY_U;
        double want = log_form ? d - log(sum) : exp(d) / sum;
        double slack = log_form ? (fabs(d) + (double)n + 8 + fabs(want)) * 2 * u
                                : want * (fabs(d) + fmin(spread, 104) + (double)n + 8) * u + 0x1p-126;
        if (!parity_expect(t, kernel, text, i, y[i * stride], want, slack))
            return;
    }
}

static void softmax_run(parity *t, const sn_softmax_table *table, int64_t n, int64_t inner, bool log_form, float scale,
                        bool in_place)
{
    char text[120];
    parity_floats x = parity_floats_noise(t, n * inner), y = parity_floats_make(n * inner, parity_coin(t));
    for (size_t i = 0; i < x.n; i++) {
        x.data[i] *= scale;
        y.data[i] = in_place ? x.data[i] : 7;
    }
    const float *from = in_place ? y.data : x.data;
    snprintf(text, sizeof text, "%s n %" PRId64 " inner %" PRId64 " scale %g in place %d", log_form ? "log" : "", n,
             inner, (double)scale, in_place);
    if (inner == 1)
        (log_form ? table->log_row : table->row)(from, n, y.data);
    else
        (log_form ? table->log_inner : table->inner)(from, n, inner, y.data);
    for (int64_t j = 0; j < inner; j++)
        softmax_check_row(t, table->level, text, x.data + j, y.data + j, n, inner, log_form);
    parity_require(t, parity_floats_done(&x) && parity_floats_done(&y), table->level, text, "wrote out of bounds");
}

/* Softmax in two halves, as attention has it: the same bound for the product of both. */
static void softmax_run_rows(parity *t, const sn_softmax_table *table, int64_t m, int64_t n, float scale)
{
    char text[120];
    const int64_t ld = n + parity_between(t, 0, 40), size = (m - 1) * ld + n;
    parity_floats x = parity_floats_noise(t, size), y = parity_floats_make(size, parity_coin(t));
    parity_floats inv = parity_floats_make(m, parity_coin(t));
    for (int64_t i = 0; i < size; i++)
        y.data[i] = x.data[i] *= scale;
    snprintf(text, sizeof text, "%" PRId64 " rows of %" PRId64 ", ld %" PRId64 " scale %g", m, n, ld, (double)scale);
    table->exp_rows(y.data, ld, m, n, inv.data);
    table->scale_rows(y.data, ld, m, n, inv.data);
    for (int64_t row = 0; row < m; row++) {
        softmax_check_row(t, table->level, text, x.data + row * ld, y.data + row * ld, n, 1, false);
        if (row + 1 < m)
            parity_require(t, memcmp(x.data + row * ld + n, y.data + row * ld + n, (size_t)(ld - n) * 4) == 0,
                           table->level, text, "wrote between rows");
    }
    parity_require(t, parity_floats_done(&x) && parity_floats_done(&y) && parity_floats_done(&inv), table->level, text,
                   "wrote out of bounds");
}

/* Masked attention: -inf counts as nothing; a NaN makes its row NaN. */
static void softmax_special(parity *t, const sn_softmax_table *table)
{
    const float x[5] = {0, -INFINITY, 0, -INFINITY, -INFINITY}, bad[3] = {0, NAN, 1};
    float y[5];
    table->row(x, 5, y);
    parity_require(t, y[0] == 0.5f && y[1] == 0 && y[2] == 0.5f && y[4] == 0, table->level, "masked",
                   "not 1/2, 0, 1/2");
    table->row(bad, 3, y);
    parity_require(t, isnan(y[0]) && isnan(y[1]) && isnan(y[2]), table->level, "NaN", "the row is not NaN");
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_softmax", 200, argc, argv);
    parity_cap_f32(&t);
    for (sn_cpu_level level = t.lowest; level <= t.highest; level++) {
        sn_softmax_table table;
        sn_softmax_table_init(&table, level);
        softmax_special(&t, &table);
        for (int64_t i = 0; i < t.repeat; i++) {
            static const float scale[] = {1, 1, 10, 100, 1e-3f};
            int64_t n = i < 70 ? i + 1 : parity_between(&t, 1, 400);
            softmax_run(&t, &table, n, parity_coin(&t) ? 1 : parity_between(&t, 2, 40), parity_coin(&t), scale[i % 5],
                        parity_coin(&t));
            softmax_run_rows(&t, &table, parity_between(&t, 1, 40), n, scale[i % 5]);
        }
    }
    return parity_end(&t);
}
