/* Pools: every level gives the reference's bits, and the reference what plain loops over the window give. */
#include "kernels/pooling.h"
#include "parity.h"

typedef struct pool_case {
    sn_pool_geometry g;
    int32_t block; /* 0: plain */
    int64_t in, out;
    char text[200];
} pool_case;

static pool_case pool_random(parity *t)
{
    pool_case q = {.block = parity_coin(t) ? 0 : (int32_t)parity_between(t, 1, 16)};
    sn_pool_geometry *g = &q.g;
    if (q.block && parity_coin(t))
        q.block = parity_coin(t) ? 16 : 8;
    g->count_pad = parity_coin(t);
    q.in = q.out = 1;
    for (int i = 0; i < 3; i++) {
        bool flat = i == 0 && (q.block || parity_random(t) % 3);
        g->in[i] = flat ? 1 : parity_between(t, 1, i == 2 ? 70 : 12);
        g->kernel[i] = flat ? 1 : parity_between(t, 1, 5);
        g->stride[i] = flat ? 1 : parity_between(t, 1, 4);
        g->dilation[i] = flat ? 1 : parity_between(t, 1, 3);
        g->pad_lo[i] = flat ? 0 : parity_between(t, 0, 4);
        g->pad_hi[i] = flat ? 0 : parity_between(t, 0, 4);
        int64_t room = g->in[i] + g->pad_lo[i] + g->pad_hi[i] - (g->kernel[i] - 1) * g->dilation[i] - 1;
        if (room < 0) {
            g->pad_hi[i] -= room;
            room = 0;
        }
        g->out[i] = room / g->stride[i] + 1;
        if (room % g->stride[i] && parity_coin(t) && g->out[i] * g->stride[i] < g->in[i] + g->pad_lo[i])
            g->out[i]++; /* rounded up */
        q.in *= g->in[i];
        q.out *= g->out[i];
    }
    snprintf(q.text, sizeof q.text,
             "block %d in %" PRId64 "x%" PRId64 "x%" PRId64 " kernel %" PRId64 "x%" PRId64 "x%" PRId64
             " stride %" PRId64 "x%" PRId64 "x%" PRId64,
             (int)q.block, g->in[0], g->in[1], g->in[2], g->kernel[0], g->kernel[1], g->kernel[2], g->stride[0],
             g->stride[1], g->stride[2]);
    return q;
}

/* Lane l of output o, without any of the helpers that the kernels use. */
static double pool_truth(const pool_case *q, const float *x, int64_t o, int64_t lane, bool max, double *size,
                         int64_t *taps)
{
    const sn_pool_geometry *g = &q->g;
    int64_t at[3] = {o / g->out[2] / g->out[1], o / g->out[2] % g->out[1], o % g->out[2]}, count = 0, b = q->block;
    double best = -HUGE_VAL, sum = 0;
    *size = 0;
    *taps = 0;
    for (int64_t k = 0; k < g->kernel[0] * g->kernel[1] * g->kernel[2]; k++) {
        int64_t tap[3] = {k / g->kernel[2] / g->kernel[1], k / g->kernel[2] % g->kernel[1], k % g->kernel[2]}, i[3];
        bool inside = true, counted = true;
        for (int d = 0; d < 3; d++) {
            i[d] = at[d] * g->stride[d] - g->pad_lo[d] + tap[d] * g->dilation[d];
            inside &= i[d] >= 0 && i[d] < g->in[d];
            counted &= i[d] < g->in[d] + g->pad_hi[d]; /* beyond the padding nothing counts */
        }
        count += g->count_pad ? counted : inside;
        if (!inside)
            continue;
        double v = (double)x[((i[0] * g->in[1] + i[1]) * g->in[2] + i[2]) * (b ? b : 1) + lane];
        best = fmax(best, v);
        sum += v;
        *size += fabs(v);
        ++*taps;
    }
    *size /= count ? (double)count : 1;
    return max ? best : count ? sum / (double)count : 0;
}

static void pool_run(const sn_pool_table *table, const pool_case *q, bool max, const float *x, float *y, float *scratch)
{
    if (!q->block) {
        (max ? table->max_plane : table->avg_plane)(&q->g, x, y, scratch);
        return;
    }
    int64_t half = q->g.out[1] / 2;
    sn_pool_block_fn *fn = max ? table->max_block : table->avg_block;
    fn(&q->g, q->block, x, y, 0, half);
    fn(&q->g, q->block, x, y, half, q->g.out[1]);
}

static void pool_check(parity *t)
{
    pool_case q = pool_random(t);
    int64_t lanes = q.block ? q.block : 1;
    bool max = parity_coin(t);
    parity_floats x = parity_floats_noise(t, q.in * lanes), ref = {0};
    for (sn_cpu_level level = SN_CPU_REF; level <= t->highest; level++) {
        sn_pool_table table;
        sn_pool_table_init(&table, level);
        parity_floats y = parity_floats_make(q.out * lanes, parity_coin(t)),
                      scratch = parity_floats_make(sn_pool_row(&q.g), parity_coin(t));
        pool_run(&table, &q, max, x.data, y.data, scratch.data);
        parity_require(t, parity_floats_done(&scratch), table.level, q.text, "wrote outside of the scratch");
        if (level == SN_CPU_REF) {
            ref = y;
            for (int64_t i = 0; i < q.out * lanes; i++) {
                double size;
                int64_t taps;
                double want = pool_truth(&q, x.data, i / lanes, i % lanes, max, &size, &taps);
                if (!parity_expect(t, "ref", q.text, i, y.data[i], want, max ? 0 : parity_slack(taps + 2, size)))
                    break;
            }
            continue;
        }
        parity_require(t, memcmp(ref.data, y.data, (size_t)(q.out * lanes) * sizeof(float)) == 0, table.level, q.text,
                       "other bits than ref");
        parity_require(t, parity_floats_done(&y), table.level, q.text, "wrote out of bounds");
    }
    parity_require(t, parity_floats_done(&ref) && parity_floats_done(&x), "ref", q.text, "wrote out of bounds");
}

static void pool_check_global(parity *t, int64_t n)
{
    int32_t b = parity_coin(t) ? 16 : (int32_t)parity_between(t, 1, 16);
    parity_floats x = parity_floats_noise(t, n * b);
    float ref_plain[2] = {0}, ref_block[2][SN_POOL_BLOCK_MAX] = {{0}};
    double sum = 0, size = 0, best = -HUGE_VAL;
    for (int64_t i = 0; i < n; i++) {
        sum += (double)x.data[i];
        size += fabs((double)x.data[i]);
        best = fmax(best, (double)x.data[i]);
    }
    for (sn_cpu_level level = SN_CPU_REF; level <= t->highest; level++) {
        sn_pool_table table;
        sn_pool_table_init(&table, level);
        float plain[2] = {table.avg_global(x.data, n), table.max_global(x.data, n)};
        parity_floats block[2] = {parity_floats_make(b, false), parity_floats_make(b, true)};
        table.avg_global_block(b, x.data, n, block[0].data);
        table.max_global_block(b, x.data, n, block[1].data);
        if (level == SN_CPU_REF) {
            parity_expect(t, "ref", "global", n, plain[0], n ? sum / (double)n : 0,
                          parity_slack(n + 2, size / fmax((double)n, 1)));
            parity_expect(t, "ref", "global", n, plain[1], best, 0);
            memcpy(ref_plain, plain, sizeof plain);
            for (int i = 0; i < 2; i++)
                memcpy(ref_block[i], block[i].data, (size_t)b * sizeof(float));
        }
        parity_require(t, memcmp(plain, ref_plain, sizeof plain) == 0, table.level, "global", "other bits than ref");
        for (int i = 0; i < 2; i++) {
            parity_require(t, memcmp(block[i].data, ref_block[i], (size_t)b * sizeof(float)) == 0, table.level,
                           "global block", "other bits than ref");
            parity_require(t, parity_floats_done(&block[i]), table.level, "global block", "wrote out of bounds");
        }
    }
    for (int32_t l = 0; l < b; l++) {
        double lane = 0, lane_size = 0;
        for (int64_t i = 0; i < n; i++) {
            lane += (double)x.data[i * b + l];
            lane_size += fabs((double)x.data[i * b + l]);
        }
        parity_expect(t, "ref", "global block", l, ref_block[0][l], n ? lane / (double)n : 0,
                      parity_slack(n + 2, lane_size / fmax((double)n, 1)));
    }
    parity_floats_done(&x);
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_pool", 600, argc, argv);
    parity_cap_f32(&t);
    for (int64_t i = 0; i < t.repeat; i++) {
        pool_check(&t);
        pool_check_global(&t, i < 40 ? i : parity_between(&t, 0, 300));
    }
    return parity_end(&t);
}
