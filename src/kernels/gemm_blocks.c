/* The loops around the GEMM tile kernels: packing, blocking for the caches, the split over threads. */
#include "base/alloc.h"
#include "base/pool.h"
#include "kernels/bf16.h"
#include "kernels/gemm_bf16.h"
#include <string.h>

/* A block of a (GEMM_MC rows of GEMM_KC) takes half of a 1 MiB L2 and a panel of b (GEMM_KC rows of 32) another
 * sixteenth; the 14 rows of a tile and the panel's current lines stay in L1. */
enum { GEMM_KC = 512, GEMM_MC = 252 };

/* Rows whose distance is a multiple of 2 KiB fall into the same two sets of a 12-way L1: a tile's rows would evict
 * each other. They are copied to rows of GEMM_KC + 16 floats, which walk through the sets line by line. */
enum { GEMM_LDA_CONFLICT = 512, GEMM_LDA_COPY = GEMM_KC + 16 };

static bool gemm_streams(const sn_gemm *g)
{
    return g->m <= SN_GEMM_ROWS_STREAM;
}

static bool gemm_copies_a(const sn_gemm_table *t, const sn_gemm *g)
{
    if (g->a_col != 1 || t->pair)
        return true;
    return !gemm_streams(g) && g->a_row % GEMM_LDA_CONFLICT == 0;
}

/* With few rows a panel of b is read once, so packing it would double the work; a panel that lies in rows can be read
 * where it is. The last, partial panel is always packed: a tile reads whole rows of nr. */
static bool gemm_packs_b(const sn_gemm_table *t, const sn_gemm *g)
{
    return !g->b_packed && (t->pair || g->b_col != 1 || !(g->alpha == 1.0f) || g->m > 2 * SN_GEMM_ROWS_STREAM);
}

static size_t gemm_a_copy_floats(const sn_gemm_table *t, const sn_gemm *g)
{
    if (!gemm_copies_a(t, g))
        return 0;
    if (gemm_streams(g))
        return (size_t)g->m * (size_t)(sn_gemm_steps(t, g->k) + 16);
    return (size_t)(g->m < GEMM_MC ? g->m : GEMM_MC) * GEMM_LDA_COPY;
}

size_t sn_gemm_f32_scratch_bytes(const sn_gemm_table *t, const sn_gemm *g)
{
    size_t a = (gemm_a_copy_floats(t, g) + 15) & ~(size_t)15;
    size_t b = g->b_packed ? 0 : (size_t)sn_gemm_steps(t, g->k) * (size_t)t->nr;
    return ((a + b) * sizeof(float) + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
}

int64_t sn_gemm_f32_packed_size(const sn_gemm_table *t, int64_t k, int64_t n)
{
    return (n + t->nr - 1) / t->nr * t->nr * sn_gemm_steps(t, k);
}

void sn_gemm_f32_pack_b(const sn_gemm_table *t, int64_t k, int64_t n, const void *b, int64_t stride_k, int64_t stride_n,
                        float alpha, float *out)
{
    sn_gemm_panel p = {.k = k, .nr = t->nr, .stride_k = stride_k, .stride_n = stride_n, .alpha = alpha};
    for (int64_t j = 0; j < n; j += t->nr, out += sn_gemm_steps(t, k) * t->nr) {
        p.n = (int32_t)(n - j < t->nr ? n - j : t->nr);
        p.b = (const char *)b + j * stride_n * (int64_t)sizeof(float);
        t->pack(&p, out);
    }
}

/* Likewise, in pairs; k0 and k1 count steps. */
static void gemm_pair_a(const sn_gemm_table *t, const sn_gemm *g, int64_t m0, int64_t m1, int64_t k0, int64_t k1,
                        float *out, int64_t ld)
{
    int64_t begin = 2 * k0, end = 2 * k1 < g->k ? 2 * k1 : g->k;
    for (int64_t i = m0; i < m1; i++, out += ld) {
        const float *a = g->a + i * g->a_row + begin * g->a_col;
        uint32_t *pair = (uint32_t *)(void *)out;
        if (g->a_col == 1)
            t->pair(a, end - begin, pair);
        else
            for (int64_t k = 0; k < end - begin; k += 2)
                *pair++ = sn_bf16_pair(a[k * g->a_col], begin + k + 1 < end ? a[(k + 1) * g->a_col] : 0);
    }
}

/* Rows [m0, m1), columns [k0, k1) of a into rows of ld floats. */
static void gemm_copy_a(const sn_gemm *g, int64_t m0, int64_t m1, int64_t k0, int64_t k1, float *out, int64_t ld)
{
    size_t row_bytes = (size_t)(k1 - k0) * sizeof(float);
    for (int64_t i = m0; i < m1; i++, out += ld) {
        const float *a = g->a + i * g->a_row + k0 * g->a_col;
        if (g->a_col == 1)
            memcpy(out, a, row_bytes);
        else
            for (int64_t k = 0; k < k1 - k0; k++)
                out[k] = a[k * g->a_col];
    }
}

/* The tiles of one panel: rows [m0, m1) in nearly equal tiles, so that none is much narrower than the kernel is fast
 * for. t holds everything but the rows. The panel that follows, `next` or NULL, comes from memory meanwhile, a share of
 * it with every tile: weights are used once a run; without this the first tile of a panel waits for each line. */
static void gemm_column(const sn_gemm_table *table, const sn_gemm *g, sn_gemm_tile *t, int64_t m0, int64_t m1,
                        int64_t j0, const float *bias_row, const float *next)
{
    const float *a = t->a;
    int64_t rows = m1 - m0, n_tile = (rows + table->mr - 1) / table->mr, from = 0;
    for (int64_t i = 1; i <= n_tile; i++) {
        int64_t to = rows * i / n_tile, fetched = table->nr * (i - 1) / n_tile;
        t->ahead = next ? next + t->k * fetched : NULL;
        t->ahead_step = table->nr * i / n_tile - fetched;
        t->a = a + from * t->lda;
        t->c = g->c + (m0 + from) * g->ldc + j0;
        t->m = (int32_t)(to - from);
        t->bias_row = bias_row ? bias_row + m0 + from : NULL;
        table->tile(t);
        from = to;
    }
    t->a = a;
}

typedef struct gemm_block {
    int64_t m0, m1, k0, k1, steps; /* k0 to k1 of sn_gemm_steps */
    const float *a;                /* row m0, column k0 */
    int64_t lda;
    float *b_scratch; /* one panel */
} gemm_block;

static void gemm_run_block(const sn_gemm_table *table, const sn_gemm *g, const gemm_block *x, int64_t n0, int64_t n1)
{
    bool first = x->k0 == 0, last = x->k1 == x->steps, pack = gemm_packs_b(table, g);
    int64_t width = table->pair ? 2 : 1, row0 = width * x->k0, row1 = last ? g->k : width * x->k1; /* of b */
    for (int64_t j = n0; j < n1; j += table->nr) {
        sn_gemm_tile t = {.k = x->k1 - x->k0,
                          .a = x->a,
                          .lda = x->lda,
                          .ldb = table->nr,
                          .ldc = g->ldc,
                          .n = (int32_t)(n1 - j < table->nr ? n1 - j : table->nr),
                          .accumulate = g->accumulate || !first,
                          .stream = gemm_streams(g),
                          .bias_col = first && g->bias_col ? g->bias_col + j : NULL,
                          .act = last ? g->act : (sn_act){SN_ACT_NONE, 0, 0}};
        if (g->b_packed) {
            t.b = g->b_packed + j * x->steps + x->k0 * table->nr;
        } else if (pack || t.n < table->nr) {
            sn_gemm_panel p = {row1 - row0, t.n, table->nr, NULL, g->b_row, g->b_col, g->alpha};
            p.b = g->b + row0 * g->b_row + j * g->b_col;
            table->pack(&p, x->b_scratch);
            t.b = x->b_scratch;
        } else {
            t.b = g->b + x->k0 * g->b_row + j;
            t.ldb = g->b_row;
        }
        const float *next = g->b_packed && n1 - j > table->nr ? t.b + x->steps * table->nr : NULL;
        gemm_column(table, g, &t, x->m0, x->m1, j, first ? g->bias_row : NULL, next);
    }
}

void sn_gemm_f32_run(const sn_gemm_table *t, const sn_gemm *g, int64_t m0, int64_t m1, int64_t n0, int64_t n1,
                     void *scratch)
{
    if (m0 >= m1 || n0 >= n1)
        return;
    bool copy = gemm_copies_a(t, g);
    float *a_copy = scratch;
    gemm_block x = {.steps = sn_gemm_steps(t, g->k),
                    .b_scratch = a_copy + ((gemm_a_copy_floats(t, g) + 15) & ~(size_t)15)};
    int64_t kc = gemm_streams(g) ? (x.steps ? x.steps : 1) : GEMM_KC;
    int64_t ld_copy = gemm_streams(g) ? x.steps + 16 : GEMM_LDA_COPY;
    for (x.m0 = m0; x.m0 < m1; x.m0 = x.m1) {
        x.m1 = m1 - x.m0 < GEMM_MC ? m1 : x.m0 + GEMM_MC;
        x.k0 = 0;
        do { /* once even for k = 0: the output is the bias then */
            x.k1 = x.steps - x.k0 < kc ? x.steps : x.k0 + kc;
            x.a = copy ? a_copy : g->a + x.m0 * g->a_row + x.k0;
            x.lda = copy ? ld_copy : g->a_row;
            if (t->pair)
                gemm_pair_a(t, g, x.m0, x.m1, x.k0, x.k1, a_copy, ld_copy);
            else if (copy)
                gemm_copy_a(g, x.m0, x.m1, x.k0, x.k1, a_copy, ld_copy);
            gemm_run_block(t, g, &x, n0, n1);
            x.k0 = x.k1;
        } while (x.k0 < x.steps);
    }
}

void sn_gemm_f32_part(const sn_gemm_table *t, const sn_gemm *g, uint32_t part, uint32_t n_parts, void *scratch)
{
    int64_t m0 = 0, m1 = g->m, n0 = 0, n1 = g->n;
    /* Panels are the better unit: each thread streams its own part of b. But 3 panels over 2 threads are as slow as
     * 2 over 1 and a half. */
    if ((g->n + t->nr - 1) / t->nr >= 4 * (int64_t)n_parts || g->m < 2 * (int64_t)n_parts)
        sn_pool_range(g->n, t->nr, part, n_parts, &n0, &n1);
    else
        sn_pool_range(g->m, 1, part, n_parts, &m0, &m1);
    sn_gemm_f32_run(t, g, m0, m1, n0, n1, scratch);
}
