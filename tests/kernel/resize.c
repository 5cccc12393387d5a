/* Resampling against double precision: (taps of both axes + 2) u sum |w x|, since rows are blended first. */
#include "kernels/resize.h"
#include "parity.h"

typedef struct resize_case {
    int64_t in_h, in_w, lanes;
    sn_resize_axis h, w;
    bool copy_w;
    int32_t index[2][6 * 80];
    float weight[2][6 * 80];
    char text[120];
} resize_case;

static void resize_axis_random(parity *t, int64_t in, sn_resize_axis *a, int32_t *index, float *weight)
{
    *a = (sn_resize_axis){parity_between(t, 1, 80), (int32_t)parity_between(t, 1, 6), index, weight};
    for (int64_t i = 0; i < a->n * a->taps; i++) {
        index[i] = (int32_t)parity_between(t, 0, in - 1);
        weight[i] = a->taps == 1 && parity_coin(t) ? 1 : parity_noise(t);
    }
}

static void resize_random(parity *t, resize_case *q)
{
    static const int64_t lanes[] = {1, 1, 1, 8, 16, 3, 5};
    q->in_h = parity_between(t, 1, 9);
    q->in_w = parity_between(t, 1, 70);
    q->lanes = lanes[parity_random(t) % 7];
    q->copy_w = parity_random(t) % 4 == 0;
    resize_axis_random(t, q->in_h, &q->h, q->index[0], q->weight[0]);
    resize_axis_random(t, q->in_w, &q->w, q->index[1], q->weight[1]);
    snprintf(q->text, sizeof q->text, "in %" PRId64 "x%" PRId64 "x%" PRId64 " out %" PRId64 "x%" PRId64 " taps %d %d",
             q->in_h, q->in_w, q->lanes, q->h.n, q->copy_w ? q->in_w : q->w.n, (int)q->h.taps,
             q->copy_w ? 0 : (int)q->w.taps);
}

static double resize_truth(const resize_case *q, const float *x, int64_t oh, int64_t ow, int64_t lane, double *size)
{
    double sum = 0;
    *size = 0;
    for (int32_t i = 0; i < q->h.taps; i++)
        for (int32_t j = 0; j < (q->copy_w ? 1 : q->w.taps); j++) {
            int64_t ih = q->h.index[i * q->h.n + oh], iw = q->copy_w ? ow : q->w.index[j * q->w.n + ow];
            double w = (double)q->h.weight[i * q->h.n + oh] * (q->copy_w ? 1 : (double)q->w.weight[j * q->w.n + ow]);
            double term = w * (double)x[(ih * q->in_w + iw) * q->lanes + lane];
            sum += term;
            *size += fabs(term);
        }
    return sum;
}

static void resize_check(parity *t, resize_case *q)
{
    resize_random(t, q);
    int64_t out_w = q->copy_w ? q->in_w : q->w.n, count = q->h.n * out_w * q->lanes;
    parity_floats x = parity_floats_noise(t, q->in_h * q->in_w * q->lanes);
    for (sn_cpu_level level = t->lowest; level <= t->highest; level++) {
        sn_resize_table table;
        sn_resize_table_init(&table, level);
        parity_floats y = parity_floats_make(count, parity_coin(t)),
                      row = parity_floats_make(q->in_w * q->lanes, parity_coin(t));
        int64_t half = q->h.n / 2;
        table.plane(&q->h, q->copy_w ? NULL : &q->w, q->in_w, q->lanes, x.data, y.data, half, q->h.n, row.data);
        table.plane(&q->h, q->copy_w ? NULL : &q->w, q->in_w, q->lanes, x.data, y.data, 0, half, row.data);
        for (int64_t i = 0; i < count; i++) {
            double size,
                want = resize_truth(q, x.data, i / q->lanes / out_w, i / q->lanes % out_w, i % q->lanes, &size);
            if (!parity_expect(t, table.level, q->text, i, y.data[i], want,
                               parity_slack(q->h.taps + q->w.taps + 2, size)))
                break;
        }
        parity_require(t, parity_floats_done(&y) && parity_floats_done(&row), table.level, q->text,
                       "wrote out of bounds");
    }
    parity_floats_done(&x);
}

static void resize_check_pick(parity *t, int64_t n)
{
    parity_floats x = parity_floats_noise(t, 50);
    int32_t *index = malloc((size_t)(n ? n : 1) * sizeof *index);
    if (!index)
        parity_die("out of memory");
    for (int64_t i = 0; i < n; i++)
        index[i] = (int32_t)parity_between(t, 0, 49);
    for (sn_cpu_level level = t->lowest; level <= t->highest; level++) {
        sn_resize_table table;
        sn_resize_table_init(&table, level);
        parity_floats y = parity_floats_make(n, parity_coin(t));
        table.pick((const uint32_t *)(const void *)x.data, index, n, (uint32_t *)(void *)y.data);
        for (int64_t i = 0; i < n; i++)
            parity_require(t, memcmp(&y.data[i], &x.data[index[i]], 4) == 0, table.level, "pick", "another element");
        parity_require(t, parity_floats_done(&y), table.level, "pick", "wrote out of bounds");
    }
    free(index);
    parity_floats_done(&x);
}

int main(int argc, char **argv)
{
    static resize_case q;
    parity t = parity_begin("kernel_resize", 200, argc, argv);
    parity_cap_f32(&t);
    for (int64_t i = 0; i < t.repeat; i++) {
        resize_check(&t, &q);
        resize_check_pick(&t, i < 40 ? i : parity_between(&t, 0, 200));
    }
    return parity_end(&t);
}
