/* The recurrent cells against double precision.
 *
 * A gate's input is exact but for the peephole (2 u |p c|); sigmoid has a slope of at most 1/4 and its own 4 ulps (of
 * at most 1: 8 u; inputs are small here), tanh a slope of 1 and 6 u. The cell state then collects 10 u |c| + 16 u, and
 * the output one more of each.
 */
#include "kernels/lstm.h"
#include "parity.h"

static double lstm_clip(double x, double clip)
{
    return x < -clip ? -clip : x > clip ? clip : x;
}

static double lstm_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static void lstm_check_cell(parity *t, const sn_lstm_table *table, int64_t n)
{
    char text[120];
    parity_floats g = parity_floats_noise(t, 4 * n), c = parity_floats_noise(t, n), p = parity_floats_noise(t, 3 * n);
    parity_floats co = parity_floats_make(n, parity_coin(t)), ho = parity_floats_make(n, parity_coin(t));
    float clip = parity_coin(t) ? INFINITY : 0.75f;
    sn_lstm_cell q = {.hidden = n,
                      .gates = g.data,
                      .c = c.data,
                      .peephole = parity_coin(t) ? p.data : NULL,
                      .clip = clip,
                      .input_forget = parity_coin(t),
                      .c_out = co.data,
                      .h_out = ho.data};
    snprintf(text, sizeof text, "cell hidden %" PRId64 " peephole %d clip %g coupled %d", n, q.peephole != NULL,
             (double)clip, q.input_forget);
    table->cell(&q);
    for (int64_t j = 0; j < n; j++) {
        double c0 = (double)c.data[j], pi = 0, po = 0, pf = 0;
        if (q.peephole) {
            pi = (double)p.data[j];
            po = (double)p.data[n + j];
            pf = (double)p.data[2 * n + j];
        }
        double i = lstm_sigmoid(lstm_clip((double)g.data[j] + pi * c0, (double)clip));
        double f = q.input_forget ? 1 - i : lstm_sigmoid(lstm_clip((double)g.data[2 * n + j] + pf * c0, (double)clip));
        double c1 = f * c0 + i * tanh(lstm_clip((double)g.data[3 * n + j], (double)clip));
        double o = lstm_sigmoid(lstm_clip((double)g.data[n + j] + po * c1, (double)clip));
        double peep =
            PARITY_U * ((fabs(pi) + fabs(pf)) * fabs(c0) + fabs((double)g.data[j]) + fabs((double)g.data[2 * n + j]));
        double slack_c = (1 + fabs(c0)) * (peep + 18 * PARITY_U) + 4 * PARITY_U * fabs(c1);
        double slack_h =
            slack_c * (1 + fabs(po)) + PARITY_U * (fabs(po * c1) + fabs((double)g.data[n + j])) + 18 * PARITY_U;
        if (!parity_expect(t, table->level, text, j, co.data[j], c1, slack_c) ||
            !parity_expect(t, table->level, text, j, ho.data[j], o * tanh(lstm_clip(c1, (double)clip)), slack_h))
            break;
    }
    parity_require(t,
                   parity_floats_done(&g) && parity_floats_done(&c) && parity_floats_done(&p) &&
                       parity_floats_done(&co) && parity_floats_done(&ho),
                   table->level, text, "wrote out of bounds");
}

static void lstm_check_blend(parity *t, const sn_lstm_table *table, int64_t n)
{
    parity_floats z = parity_floats_noise(t, n), c = parity_floats_noise(t, n), h = parity_floats_noise(t, n);
    parity_floats before = parity_floats_make(n, false), act = parity_floats_noise(t, n),
                  was = parity_floats_make(n, false);
    for (int64_t i = 0; i < n; i++) {
        before.data[i] = h.data[i];
        was.data[i] = act.data[i];
    }
    table->blend(z.data, c.data, n, h.data);
    table->act(act.data, n, 0.5f, (sn_act){SN_ACT_TANH, 0, 0});
    for (int64_t i = 0; i < n; i++) {
        double zi = (double)z.data[i], keep = zi * (double)before.data[i], take = (1 - zi) * (double)c.data[i];
        parity_expect(t, table->level, "blend", i, h.data[i], take + keep,
                      4 * PARITY_U * ((1 + fabs(zi)) * fabs((double)c.data[i]) + fabs(keep)));
        parity_expect(t, table->level, "act", i, act.data[i], tanh(lstm_clip((double)was.data[i], 0.5)),
                      6 * PARITY_U * fabs(tanh(lstm_clip((double)was.data[i], 0.5))));
    }
    parity_require(
        t, parity_floats_done(&z) && parity_floats_done(&c) && parity_floats_done(&h) && parity_floats_done(&act),
        table->level, "blend", "wrote out of bounds");
    parity_floats_done(&before);
    parity_floats_done(&was);
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_lstm", 200, argc, argv);
    parity_cap_f32(&t);
    for (sn_cpu_level level = t.lowest; level <= t.highest; level++) {
        sn_lstm_table table;
        sn_lstm_table_init(&table, level);
        for (int64_t i = 0; i < t.repeat; i++) {
            int64_t n = i < 70 ? i : parity_between(&t, 1, 300);
            lstm_check_cell(&t, &table, n);
            lstm_check_blend(&t, &table, n);
        }
    }
    return parity_end(&t);
}
