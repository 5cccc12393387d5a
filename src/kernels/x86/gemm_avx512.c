#include "kernels/gemm.h"
#include "kernels/x86/act_avx512.h"
#include <immintrin.h>

enum { GEMM_MR = 14 };

/* Rows of a are reached from every third row's pointer, [p], [p + lda], [p + 2 lda]: five pointers and one index
 * register for fourteen rows, none of which spills. */
typedef struct gemm_rows {
    const float *p[(GEMM_MR + 2) / 3];
    int64_t lda;
} gemm_rows;

static inline __attribute__((always_inline)) __m512 gemm_a(const gemm_rows *r, int i)
{
    return _mm512_set1_ps(r->p[i / 3][(i % 3) * r->lda]);
}

static inline __attribute__((always_inline)) void gemm_start(const sn_gemm_tile *t, const int m, const int nv,
                                                             const __mmask16 *mask, __m512 acc[GEMM_MR][2])
{
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++) {
        __m512 col = t->bias_col ? _mm512_maskz_loadu_ps(mask[v], t->bias_col + 16 * v) : _mm512_setzero_ps();
#pragma GCC unroll 14
        for (int i = 0; i < m; i++)
            acc[i][v] = col;
    }
    if (t->bias_row)
#pragma GCC unroll 14
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] = _mm512_add_ps(acc[i][v], _mm512_set1_ps(t->bias_row[i]));
    if (t->accumulate)
#pragma GCC unroll 14
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] = _mm512_add_ps(acc[i][v], _mm512_maskz_loadu_ps(mask[v], t->c + i * t->ldc + 16 * v));
}

static inline __attribute__((always_inline)) void gemm_finish(const sn_gemm_tile *t, const int m, const int nv,
                                                              const __mmask16 *mask, __m512 acc[GEMM_MR][2])
{
#pragma GCC unroll 14
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            _mm512_mask_storeu_ps(t->c + i * t->ldc + 16 * v, mask[v], acc[i][v]);
    if (t->act.kind != SN_ACT_NONE)
        for (int i = 0; i < m; i++)
            sn_act_row_ps512(t->c + i * t->ldc, t->n, t->act);
}

/* m rows, nv vectors of columns; both are constants where this is inlined. */
static inline __attribute__((always_inline)) void gemm_tile(const sn_gemm_tile *t, const int m, const int nv)
{
    __m512 acc[GEMM_MR][2];
    const __mmask16 mask[2] = {(__mmask16)_bzhi_u32(0xffff, (uint32_t)t->n),
                               (__mmask16)(t->n > 16 ? _bzhi_u32(0xffff, (uint32_t)t->n - 16) : 0)};
    gemm_rows r = {.lda = t->lda};
#pragma GCC unroll 5
    for (int i = 0; i < (m + 2) / 3; i++)
        r.p[i] = t->a + 3 * i * t->lda;
    gemm_start(t, m, nv, mask, acc);
    const float *b = t->b;
    for (int64_t k = t->k; k > 0; k--, b += t->ldb) {
        __m512 bv[2];
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            bv[v] = _mm512_loadu_ps(b + 16 * v);
#pragma GCC unroll 14
        for (int i = 0; i < m; i++) {
            __m512 a = gemm_a(&r, i);
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] = _mm512_fmadd_ps(a, bv[v], acc[i][v]);
        }
#pragma GCC unroll 5
        for (int i = 0; i < (m + 2) / 3; i++)
            r.p[i]++;
    }
    gemm_finish(t, m, nv, mask, acc);
}

/* Few rows: ku steps of k at once, each with its own accumulators, since m * nv alone are too few to hide the latency
 * of a fused multiply-add (4 cycles, two a cycle). */
static inline __attribute__((always_inline)) void gemm_stream(const sn_gemm_tile *t, const int m, const int nv,
                                                              const int ku)
{
    __m512 acc[GEMM_MR][2], part[4][SN_GEMM_ROWS_STREAM][2];
    const __mmask16 mask[2] = {(__mmask16)_bzhi_u32(0xffff, (uint32_t)t->n),
                               (__mmask16)(t->n > 16 ? _bzhi_u32(0xffff, (uint32_t)t->n - 16) : 0)};
    gemm_start(t, m, nv, mask, acc);
#pragma GCC unroll 4
    for (int u = 1; u < ku; u++)
#pragma GCC unroll 4
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                part[u][i][v] = _mm512_setzero_ps();
    const float *a = t->a, *b = t->b;
    int64_t k = 0;
    for (; k + ku <= t->k; k += ku)
#pragma GCC unroll 4
        for (int u = 0; u < ku; u++, b += t->ldb)
#pragma GCC unroll 4
            for (int i = 0; i < m; i++) {
                __m512 x = _mm512_set1_ps(a[i * t->lda + k + u]);
#pragma GCC unroll 2
                for (int v = 0; v < nv; v++) {
                    __m512 y = _mm512_loadu_ps(b + 16 * v);
                    if (u == 0)
                        acc[i][v] = _mm512_fmadd_ps(x, y, acc[i][v]);
                    else
                        part[u][i][v] = _mm512_fmadd_ps(x, y, part[u][i][v]);
                }
            }
    for (; k < t->k; k++, b += t->ldb)
#pragma GCC unroll 4
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] = _mm512_fmadd_ps(_mm512_set1_ps(a[i * t->lda + k]), _mm512_loadu_ps(b + 16 * v), acc[i][v]);
#pragma GCC unroll 4
    for (int u = 1; u < ku; u++)
#pragma GCC unroll 4
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] = _mm512_add_ps(acc[i][v], part[u][i][v]);
    gemm_finish(t, m, nv, mask, acc);
}

#define GEMM_TILE(m, nv)                                                                                               \
    static __attribute__((noinline)) void gemm_tile_##m##_##nv(const sn_gemm_tile *t)                                  \
    {                                                                                                                  \
        gemm_tile(t, m, nv);                                                                                           \
    }
#define GEMM_STREAM(m, nv, ku)                                                                                         \
    static __attribute__((noinline)) void gemm_stream_##m##_##nv(const sn_gemm_tile *t)                                \
    {                                                                                                                  \
        gemm_stream(t, m, nv, ku);                                                                                     \
    }
#define GEMM_ROWS(X, nv)                                                                                               \
    X(1, nv)                                                                                                           \
    X(2, nv)                                                                                                           \
    X(3, nv) X(4, nv) X(5, nv) X(6, nv) X(7, nv) X(8, nv) X(9, nv) X(10, nv) X(11, nv) X(12, nv) X(13, nv) X(14, nv)
GEMM_ROWS(GEMM_TILE, 1)
GEMM_ROWS(GEMM_TILE, 2)
GEMM_STREAM(1, 1, 4)
GEMM_STREAM(2, 1, 4)
GEMM_STREAM(3, 1, 4)
GEMM_STREAM(4, 1, 4)
GEMM_STREAM(1, 2, 4)
GEMM_STREAM(2, 2, 4)
GEMM_STREAM(3, 2, 2)
GEMM_STREAM(4, 2, 2)

void sn_gemm_f32_14x32_avx512(const sn_gemm_tile *t)
{
#define GEMM_TILE_NAME(m, nv) gemm_tile_##m##_##nv,
    static sn_gemm_tile_fn *const tile[2][GEMM_MR] = {{GEMM_ROWS(GEMM_TILE_NAME, 1)}, {GEMM_ROWS(GEMM_TILE_NAME, 2)}};
    static sn_gemm_tile_fn *const stream[2][SN_GEMM_ROWS_STREAM] = {
        {gemm_stream_1_1, gemm_stream_2_1, gemm_stream_3_1, gemm_stream_4_1},
        {gemm_stream_1_2, gemm_stream_2_2, gemm_stream_3_2, gemm_stream_4_2}};
    bool wide = t->n > 16;
    if (t->stream)
        stream[wide][t->m - 1](t);
    else
        tile[wide][t->m - 1](t);
}
