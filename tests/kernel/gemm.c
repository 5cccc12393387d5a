/* GEMM: tiles, blocking, packing, splitting and activations against plain sums in double.
 *
 * Bound of an element before its activation: (K + 4) u (sum |a b| + |c| + |bias|), K products and up to three summands,
 * in any order. Activations have a slope of at most 1.13 (GELU) times what they are given, and their own rounding.
 * Products in bf16 are compared with the sums of the rounded operands; sums below 2^-126 may become zero at each step.
 */
#include "kernels/gemm_bf16.h"
#include "base/precision.h"
#include "kernels/bf16.h"
#include "parity.h"

/* The bf16 kernels to test. */
typedef struct gemm_bf16 {
    sn_gemm_table table[SN_CPU_LEVELS];
    int n;
} gemm_bf16;

typedef struct gemm_case {
    sn_gemm g;
    float *a, *b, *c, *bias_col, *bias_row; /* plain; c is what it starts from, NULL: nothing */
    bool trans_a, trans_b, bf16;
    char text[200];
} gemm_case;

static const char *const gemm_act_names[] = {
#define GEMM_ACT_NAME(name, text) text,
    SN_ACT_LIST(GEMM_ACT_NAME)
#undef GEMM_ACT_NAME
};

static double gemm_act(sn_act act, double x)
{
    double alpha = (double)act.alpha, beta = (double)act.beta;
    switch (act.kind) {
    case SN_ACT_RELU: return x > 0 ? x : 0;
    case SN_ACT_LEAKY_RELU: return x < 0 ? alpha * x : x;
    case SN_ACT_CLIP: return fmin(fmax(x, alpha), beta);
    case SN_ACT_SIGMOID: return 1 / (1 + exp(-x));
    case SN_ACT_TANH: return tanh(x);
    case SN_ACT_SILU: return x / (1 + exp(-alpha * x));
    case SN_ACT_GELU: return 0.5 * fmax(x, -40) * erfc(-x * 0.70710678118654752);
    case SN_ACT_GELU_TANH: return 0.5 * x * (1 + tanh(0.79788456080286536 * (x + 0.044715 * x * x * x)));
    case SN_ACT_HARD_SIGMOID: return fmin(fmax(alpha * x + beta, 0), 1);
    case SN_ACT_HARD_SWISH: return x * fmin(fmax(x / 6 + 0.5, 0), 1);
    default: return x;
    }
}

/* How much an error of the sum can grow, and the activation's own rounding: 12 u of the result covers the largest ulp
 * bound of the vector functions (vmath.inc), 1e-6 of |x| the cancellation near the zeros of the rational forms. */
static double gemm_act_slack(sn_act act, double x, double slack)
{
    if (act.kind == SN_ACT_NONE || act.kind == SN_ACT_RELU || act.kind == SN_ACT_CLIP)
        return slack;
    double slope = act.kind == SN_ACT_HARD_SWISH ? 1 + fabs(x) / 3 : act.kind == SN_ACT_LEAKY_RELU ? 1 : 1.2;
    return slope * slack + 12 * PARITY_U * fabs(gemm_act(act, x)) + 4 * PARITY_U * fabs(x) + 4 * PARITY_U;
}

static float gemm_operand(const gemm_case *q, float x)
{
    return q->bf16 ? sn_bf16_to_f32(sn_bf16_from_f32(x)) : x;
}

/* Compares c with plain sums; elements between rows must be what they were. */
static void gemm_compare(parity *t, const char *kernel, const gemm_case *q, const float *c, const float *before)
{
    const sn_gemm *g = &q->g;
    for (int64_t i = 0; i < g->m; i++)
        for (int64_t j = 0; j < g->n; j++) {
            double sum = 0, size = 0;
            for (int64_t k = 0; k < g->k; k++) {
                double term = (double)gemm_operand(q, q->a[q->trans_a ? k * g->m + i : i * g->k + k]) *
                              (double)gemm_operand(q, g->alpha * q->b[q->trans_b ? j * g->k + k : k * g->n + j]);
                sum += term;
                size += fabs(term);
            }
            double extra[3] = {q->c ? (double)before[i * g->ldc + j] : 0, q->bias_col ? (double)q->bias_col[j] : 0,
                               q->bias_row ? (double)q->bias_row[i] : 0};
            for (int e = 0; e < 3; e++) {
                sum += extra[e];
                size += fabs(extra[e]);
            }
            double slack = parity_slack(g->k + 4, size) + (q->bf16 ? (double)(g->k + 4) * 0x1p-126 : 0);
            if (!parity_expect(t, kernel, q->text, i * g->n + j, c[i * g->ldc + j], gemm_act(g->act, sum),
                               gemm_act_slack(g->act, sum, slack)))
                return;
        }
    for (int64_t i = 0; i < g->m; i++) /* gaps between rows are not written */
        for (int64_t j = g->n; j < (i + 1 < g->m ? g->ldc : g->n); j++)
            parity_require(t, memcmp(&c[i * g->ldc + j], &before[i * g->ldc + j], 4) == 0, kernel, q->text,
                           "wrote between the rows");
}

static void gemm_run_case(parity *t, const sn_gemm_table *table, gemm_case *q, bool packed, uint32_t parts)
{
    sn_gemm g = q->g;
    int64_t c_size = g.m ? (g.m - 1) * g.ldc + g.n : 0;
    parity_floats c = parity_floats_make(c_size, parity_coin(t)), before = parity_floats_make(c_size, false),
                  pack = {0};
    for (int64_t i = 0; i < c_size; i++)
        c.data[i] = before.data[i] = q->c ? parity_noise(t) : c.data[i];
    g.c = c.data;
    g.b = q->b;
    if (packed) {
        pack = parity_floats_make(sn_gemm_f32_packed_size(table, g.k, g.n), parity_coin(t));
        sn_gemm_f32_pack_b(table, g.k, g.n, q->b, g.b_row, g.b_col, g.alpha, pack.data);
        g.b_packed = pack.data;
        g.b = NULL;
    }
    for (uint32_t i = 0; i < parts; i++) {
        float nothing; /* scratch of no size is somewhere, too */
        parity_floats scratch =
            parity_floats_make((int64_t)(sn_gemm_f32_scratch_bytes(table, &g) / sizeof(float)), parity_coin(t));
        sn_gemm_f32_part(table, &g, i, parts, scratch.data ? scratch.data : &nothing);
        parity_require(t, parity_floats_done(&scratch), table->tile_name, q->text, "wrote outside of the scratch");
    }
    gemm_compare(t, table->tile_name, q, c.data, before.data);
    parity_require(t, parity_floats_done(&c), table->tile_name, q->text, "wrote outside of c");
    if (packed)
        parity_require(t, parity_floats_done(&pack), table->tile_name, q->text, "wrote outside of the panels");
    parity_floats_done(&before);
}

static sn_act gemm_random_act(parity *t)
{
    sn_act act = {(sn_act_kind)(parity_random(t) % SN_ACT_KINDS), 0, 0};
    if (parity_coin(t))
        act.kind = SN_ACT_NONE;
    if (act.kind == SN_ACT_LEAKY_RELU)
        act.alpha = 0.125f;
    if (act.kind == SN_ACT_CLIP || act.kind == SN_ACT_HARD_SIGMOID)
        act = (sn_act){act.kind, act.kind == SN_ACT_CLIP ? -0.5f : 0.2f, 0.5f};
    if (act.kind == SN_ACT_SILU)
        act.alpha = 1;
    return act;
}

/* Sizes around tiles (14 x 32, 6 x 16, 4 x 8), now and then beyond the blocks (252 rows, 512 of k). */
static int64_t gemm_size(parity *t, int64_t tile, int64_t block)
{
    switch (parity_random(t) % 8) {
    case 0: return parity_between(t, 0, 1);
    case 1: return tile * parity_between(t, 1, 3) + parity_between(t, -1, 1);
    case 2: return parity_between(t, 1, block + 20);
    case 3: return block + parity_between(t, -1, 1);
    default: return parity_between(t, 1, 2 * tile + 3);
    }
}

static void gemm_random_case(parity *t, const gemm_bf16 *bf16)
{
    gemm_case q = {.trans_a = parity_random(t) % 4 == 0, .trans_b = parity_random(t) % 3 == 0};
    sn_gemm *g = &q.g;
    g->m = gemm_size(t, 14, 252);
    g->n = gemm_size(t, 32, 64);
    g->k = gemm_size(t, 8, 512);
    if (g->m * g->n * g->k > 4000000) /* keeps the test short */
        g->m = g->m % 30;
    g->a_row = q.trans_a ? 1 : g->k;
    g->a_col = q.trans_a ? g->m : 1;
    g->b_row = q.trans_b ? 1 : g->n;
    g->b_col = q.trans_b ? g->k : 1;
    g->alpha = parity_coin(t) ? 1 : 0.75f;
    g->ldc = g->n + (parity_coin(t) ? 0 : parity_between(t, 1, 5));
    g->accumulate = parity_random(t) % 3 == 0;
    g->act = gemm_random_act(t);
    parity_floats a = parity_floats_noise(t, g->m * g->k), b = parity_floats_noise(t, g->k * g->n);
    parity_floats col = parity_floats_noise(t, g->n), row = parity_floats_noise(t, g->m);
    q.a = a.data;
    q.b = b.data;
    g->a = q.a;
    q.c = g->accumulate ? q.a : NULL; /* only says that there is one */
    g->bias_col = q.bias_col = parity_coin(t) ? col.data : NULL;
    g->bias_row = q.bias_row = parity_coin(t) ? row.data : NULL;
    snprintf(q.text, sizeof q.text,
             "m %" PRId64 " n %" PRId64 " k %" PRId64 " ta %d tb %d ldc +%" PRId64 " acc %d col %d row %d act %d", g->m,
             g->n, g->k, q.trans_a, q.trans_b, g->ldc - g->n, g->accumulate, q.bias_col != NULL, q.bias_row != NULL,
             (int)g->act.kind);
    for (sn_cpu_level level = t->lowest; level <= t->highest; level++) {
        sn_gemm_table table;
        sn_gemm_table_init(&table, level);
        gemm_run_case(t, &table, &q, true, (uint32_t)parity_between(t, 1, 3));
        gemm_run_case(t, &table, &q, false, (uint32_t)parity_between(t, 1, 3));
    }
    q.bf16 = true;
    for (int i = 0; i < bf16->n; i++) {
        gemm_run_case(t, &bf16->table[i], &q, true, (uint32_t)parity_between(t, 1, 3));
        gemm_run_case(t, &bf16->table[i], &q, false, (uint32_t)parity_between(t, 1, 3));
    }
    parity_require(
        t, parity_floats_done(&a) && parity_floats_done(&b) && parity_floats_done(&col) && parity_floats_done(&row),
        "gemm", q.text, "wrote to an operand");
}

/* The same bits however the work is split. */
static void gemm_check_split(parity *t, const sn_gemm_table *with, int64_t m)
{
    enum { N = 200, K = 1501 };
    const sn_gemm_table table = *with;
    parity_floats a = parity_floats_noise(t, m * K), b = parity_floats_noise(t, (int64_t)K * N), c[2];
    parity_floats pack = parity_floats_make(sn_gemm_f32_packed_size(&table, K, N), false);
    sn_gemm_f32_pack_b(&table, K, N, b.data, N, 1, 1, pack.data);
    sn_gemm g = {.m = m, .n = N, .k = K, .a = a.data, .a_row = K, .a_col = 1, .b_packed = pack.data, .ldc = N};
    for (uint32_t split = 0; split < 2; split++) {
        c[split] = parity_floats_make(m * N, false);
        float nothing; /* as above */
        parity_floats scratch =
            parity_floats_make((int64_t)(sn_gemm_f32_scratch_bytes(&table, &g) / sizeof(float)), false);
        g.c = c[split].data;
        for (uint32_t i = 0; i < (split ? 5 : 1); i++)
            sn_gemm_f32_part(&table, &g, i, split ? 5 : 1, scratch.data ? scratch.data : &nothing);
        parity_floats_done(&scratch);
    }
    parity_require(t, memcmp(c[0].data, c[1].data, (size_t)(m * N) * sizeof(float)) == 0, table.tile_name, "split",
                   "five parts give other bits than one");
    for (int i = 0; i < 2; i++)
        parity_floats_done(&c[i]);
    parity_floats_done(&a);
    parity_floats_done(&b);
    parity_floats_done(&pack);
}

/* NaN and infinities pass through the activations that keep them. */
static void gemm_check_special(parity *t, const sn_gemm_table *table)
{
    static const float one = 1;
    for (int kind = 0; kind < SN_ACT_KINDS; kind++) {
        const float x[3] = {NAN, INFINITY, -INFINITY};
        float y[3], scratch[64 + SN_GEMM_NR_MAX];
        sn_gemm g = {.m = 3, .n = 1, .k = 1, .a = x, .a_row = 1, .a_col = 1, .b = &one, .b_row = 1, .b_col = 1};
        g.alpha = 1, g.c = y, g.ldc = 1;
        g.act = (sn_act){(sn_act_kind)kind, 0.25f, one};
        parity_require(t, sn_gemm_f32_scratch_bytes(table, &g) <= sizeof scratch, table->tile_name, "scratch", "grew");
        sn_gemm_f32_run(table, &g, 0, 3, 0, 1, scratch);
        parity_require(t, isnan(y[0]), table->tile_name, gemm_act_names[kind], "loses a NaN");
        parity_require(t,
                       kind == SN_ACT_CLIP || kind == SN_ACT_SIGMOID || kind == SN_ACT_TANH ||
                           kind == SN_ACT_HARD_SIGMOID || y[1] == INFINITY,
                       table->tile_name, gemm_act_names[kind], "loses infinity");
    }
}

/* GELU of the vector tiles over all floats is within 5 u |x| (activation.h), up to 5.4 where x lies below -5.4; a
 * result may be off by half of the least float besides. With k = 1 and a weight of 1 a tile is its activation. */
static void gemm_check_gelu(parity *t, const sn_gemm_table *table)
{
    const sn_act gelu = {SN_ACT_GELU, 0, 0};
    for (uint64_t bits = parity_random(t) % 9973; bits <= UINT32_MAX; bits += 9973) {
        const uint32_t low = (uint32_t)bits;
        float x, y, b[SN_GEMM_NR_MAX] = {1};
        memcpy(&x, &low, sizeof x);
        if (isnan(x))
            continue;
        sn_gemm_tile tile = {.k = 1, .a = &x, .b = b, .c = &y, .lda = 1, .ldb = table->nr, .ldc = 1, .m = 1, .n = 1};
        tile.act = gelu;
        table->tile(&tile);
        double from = fmax((double)x, -5.4), want = isinf(x) ? fmax((double)x, 0) : gemm_act(gelu, (double)x);
        if (!parity_expect(t, table->tile_name, "gelu", (int64_t)bits, y, want, 5 * PARITY_U * fabs(from) + 0x1p-149))
            return;
    }
}

/* Panels hold the bits that the reference puts there, wherever the operand lies. */
static void gemm_check_panel(parity *t, const sn_gemm_table *table)
{
    static const float factor[] = {1, 0.375f, -INFINITY};
    int64_t k = parity_between(t, 0, 70), n = parity_between(t, 1, table->nr), at = parity_between(t, 0, 3);
    int64_t line = parity_between(t, 0, 9) + (k > n ? k : n);
    const int64_t strides[3][2] = {{line, 1}, {1, line}, {2, 3 * line}};
    const int64_t *s = strides[parity_random(t) % 3];
    size_t size = (size_t)(k ? (k - 1) * s[0] + (n - 1) * s[1] + 1 : 0) * sizeof(float);
    parity_block b = parity_block_make(size, (unsigned)at, parity_coin(t));
    parity_floats want = parity_floats_make(k * table->nr, false), got = parity_floats_make(k * table->nr, true);
    for (size_t i = 0; i < size / sizeof(float); i++) {
        float v = parity_noise(t);
        memcpy(b.data + i * sizeof v, &v, sizeof v);
    }
    const sn_gemm_panel p = {k, (int32_t)n, table->nr, b.data, s[0], s[1], factor[parity_random(t) % 3]};
    sn_gemm_f32_pack_ref(&p, want.data);
    table->pack(&p, got.data);
    parity_require(t, memcmp(want.data, got.data, want.n * sizeof(float)) == 0, table->tile_name, "panel",
                   "differs from the reference's");
    parity_require(t, parity_floats_done(&want) && parity_floats_done(&got) && parity_block_intact(&b),
                   table->tile_name, "panel", "wrote outside");
    free(b.base);
}

/* Rounding, bit by bit: the levels' conversions against each other, and the reference against round-to-even. */
static void gemm_check_pairs(parity *t, const gemm_bf16 *bf16)
{
    static const struct {
        uint32_t from;
        uint16_t to;
    } known[] = {{0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {0x7f7fffff, 0x7f80},
                 {0x7f7f7fff, 0x7f7f}, {0x7f800001, 0x7fc0}, {0xff800000, 0xff80}, {0x00000001, 0x0000},
                 {0x807fffff, 0x8000}, {0x00800000, 0x0080}, {0x80000000, 0x8000}, {0x007fffff, 0x0000}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        parity_require(t, sn_bf16_from_f32(sn_f32_from_bits(known[i].from)) == known[i].to, "sn_bf16_from_f32", "known",
                       "rounds wrongly");
    for (int64_t n = 0; n < 200; n++) {
        parity_floats x = parity_floats_make(n, parity_coin(t)), want = parity_floats_make((n + 1) / 2, false);
        for (int64_t i = 0; i < n; i++)
            x.data[i] = sn_f32_from_bits((uint32_t)(parity_random(t) << 16 ^ parity_random(t)));
        sn_gemm_bf16_pair_ref(x.data, n, (uint32_t *)(void *)want.data);
        for (int k = 0; k < bf16->n; k++) {
            const sn_gemm_table *table = &bf16->table[k];
            parity_floats y = parity_floats_make((n + 1) / 2, parity_coin(t));
            table->pair(x.data, n, (uint32_t *)(void *)y.data);
            parity_require(t, memcmp(want.data, y.data, want.n * sizeof(float)) == 0, table->tile_name, "pairs",
                           "differ from the reference's");
            parity_require(t, parity_floats_done(&y), table->tile_name, "pairs", "wrote outside");
        }
        parity_require(t, parity_floats_done(&x), "gemm_bf16", "pairs", "wrote to an operand");
        parity_require(t, parity_floats_done(&want), "gemm_bf16", "pairs", "wrote outside");
    }
}

static gemm_bf16 gemm_bf16_tables(const parity *t)
{
    gemm_bf16 all = {.n = 0};
    for (sn_cpu_level level = t->lowest; level <= t->highest; level++)
        if (sn_precision_supported(SN_PRECISION_BF16, level))
            sn_gemm_bf16_table_init(&all.table[all.n++], level);
    return all;
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_gemm", 300, argc, argv);
    const gemm_bf16 bf16 = gemm_bf16_tables(&t);
    parity_cap_f32(&t);
    for (int64_t i = 0; i < t.repeat; i++)
        gemm_random_case(&t, &bf16);
    for (sn_cpu_level level = t.lowest; level <= t.highest; level++) {
        sn_gemm_table table;
        sn_gemm_table_init(&table, level);
        gemm_check_special(&t, &table);
        gemm_check_gelu(&t, &table);
        for (int i = 0; i < 300; i++)
            gemm_check_panel(&t, &table);
        for (int64_t m = 1; m < 40; m += 6)
            gemm_check_split(&t, &table, m);
    }
    gemm_check_pairs(&t, &bf16);
    for (int i = 0; i < bf16.n; i++) {
        gemm_check_special(&t, &bf16.table[i]);
        for (int64_t m = 1; m < 40; m += 6)
            gemm_check_split(&t, &bf16.table[i], m);
    }
    return parity_end(&t);
}
