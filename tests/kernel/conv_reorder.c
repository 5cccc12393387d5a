/* Reorders between plain and blocked images, and blocks put together from others, against plain loops. */
#include "kernels/conv.h"
#include "parity.h"

static void reorder_check(parity *t, sn_cpu_level level)
{
    sn_conv_table table;
    sn_conv_table_init(&table, level);
    sn_conv_reorder r = {.n = parity_between(t, 0, 3),
                         .c = parity_between(t, 1, 40),
                         .px = parity_random(t) % 3 ? parity_between(t, 1, 600) : 1,
                         .block = table.limits.block};
    int64_t blocks = (r.c + r.block - 1) / r.block;
    int64_t n_plain = r.n * r.c * r.px, n_blocked = r.n * blocks * r.px * r.block;
    parity_floats x = parity_floats_make(n_plain, false), b = parity_floats_make(n_blocked, true),
                  y = parity_floats_make(n_plain, true);
    for (int64_t i = 0; i < n_plain; i++)
        x.data[i] = parity_noise(t);
    uint32_t n_parts = (uint32_t)parity_between(t, 1, 4);
    for (uint32_t p = 0; p < n_parts; p++)
        table.to_blocked(&r, x.data, b.data, p, n_parts);
    bool ok = true;
    for (int64_t i = 0; i < n_blocked; i++) {
        int64_t lane = i % r.block, p = i / r.block % r.px, c = i / r.block / r.px % blocks * r.block + lane,
                n = i / r.block / r.px / blocks;
        float want = c < r.c ? x.data[(n * r.c + c) * r.px + p] : 0;
        ok &= memcmp(&want, b.data + i, 4) == 0;
    }
    for (uint32_t p = 0; p < n_parts; p++)
        table.from_blocked(&r, b.data, y.data, p, n_parts);
    ok &= memcmp(x.data, y.data, (size_t)n_plain * sizeof *x.data) == 0;
    bool intact = parity_floats_done(&x);
    intact &= parity_floats_done(&b);
    intact &= parity_floats_done(&y);
    if (!ok || !intact)
        parity_fail(t, "reorder", "%s n %" PRId64 " c %" PRId64 " px %" PRId64 " parts %u", sn_cpu_level_name(level),
                    r.n, r.c, r.px, n_parts);
}

/* A block put together from pieces of others. */
static void reorder_check_join(parity *t, sn_cpu_level level)
{
    sn_conv_table table;
    sn_conv_table_init(&table, level);
    int32_t b = table.limits.block, n = 0, at = 0;
    int64_t px = parity_between(t, 1, 40);
    sn_conv_piece piece[16];
    parity_floats x[16], y = parity_floats_make(px * b, true);
    while (at < b && n < 16) {
        int32_t lanes = (int32_t)parity_between(t, 1, parity_random(t) % 3 ? b : 3);
        lanes = lanes < b - at ? lanes : b - at;
        x[n] = parity_floats_make(px * b, false);
        for (int64_t i = 0; i < px * b; i++)
            x[n].data[i] = parity_noise(t);
        piece[n] = (sn_conv_piece){x[n].data, (int32_t)parity_between(t, 0, b - lanes), at, lanes};
        at += lanes;
        n++;
    }
    table.join(piece, n, b, px, y.data);
    bool ok = true;
    for (int32_t i = 0; i < n; i++) {
        for (int64_t p = 0; p < px; p++)
            ok &= memcmp(y.data + p * b + piece[i].at, piece[i].x + p * b + piece[i].lane, (size_t)piece[i].n * 4) == 0;
        ok &= parity_floats_done(&x[i]);
    }
    ok &= parity_floats_done(&y);
    if (!ok)
        parity_fail(t, "join", "%s, %d pieces, %" PRId64 " pixels", sn_cpu_level_name(level), (int)n, px);
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_conv_reorder", 400, argc, argv);
    parity_cap_f32(&t);
    for (int64_t i = 0; i < t.repeat; i++)
        for (sn_cpu_level level = t.lowest; level <= t.highest; level++) {
            reorder_check(&t, level);
            reorder_check_join(&t, level);
        }
    return parity_end(&t);
}
