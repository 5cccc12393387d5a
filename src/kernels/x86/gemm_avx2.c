#include "kernels/gemm.h"
#include "kernels/x86/act_avx2.h"
#include <immintrin.h>

enum { GEMM_MR = 6 };

/* Lanes [0, n) of eight. */
static inline __m256i gemm_mask(int32_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline __attribute__((always_inline)) void gemm_start(const sn_gemm_tile *t, const int m, const int nv,
                                                             const __m256i *mask, __m256 acc[GEMM_MR][2])
{
#pragma GCC unroll 2
    for (int v = 0; v < nv; v++) {
        __m256 col = t->bias_col ? _mm256_maskload_ps(t->bias_col + 8 * v, mask[v]) : _mm256_setzero_ps();
#pragma GCC unroll 6
        for (int i = 0; i < m; i++)
            acc[i][v] = col;
    }
    if (t->bias_row)
#pragma GCC unroll 6
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] = _mm256_add_ps(acc[i][v], _mm256_set1_ps(t->bias_row[i]));
    if (t->accumulate)
#pragma GCC unroll 6
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] = _mm256_add_ps(acc[i][v], _mm256_maskload_ps(t->c + i * t->ldc + 8 * v, mask[v]));
}

static inline __attribute__((always_inline)) void gemm_finish(const sn_gemm_tile *t, const int m, const int nv,
                                                              const __m256i *mask, __m256 acc[GEMM_MR][2])
{
#pragma GCC unroll 6
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            if (t->n >= 8 * (v + 1))
                _mm256_storeu_ps(t->c + i * t->ldc + 8 * v, acc[i][v]);
            else
                _mm256_maskstore_ps(t->c + i * t->ldc + 8 * v, mask[v], acc[i][v]);
    if (t->act.kind != SN_ACT_NONE)
        for (int i = 0; i < m; i++)
            sn_act_row_ps256(t->c + i * t->ldc, t->n, t->act);
}

/* m rows, nv vectors of columns; both are constants where this is inlined. 12 accumulators, 2 of b, 1 of a. */
static inline __attribute__((always_inline)) void gemm_tile(const sn_gemm_tile *t, const int m, const int nv)
{
    __m256 acc[GEMM_MR][2];
    const __m256i mask[2] = {gemm_mask(t->n), gemm_mask(t->n - 8)};
    gemm_start(t, m, nv, mask, acc);
    const float *p0 = t->a, *p3 = t->a + 3 * t->lda, *b = t->b;
    int64_t lda = t->lda;
    for (int64_t k = t->k; k > 0; k--, b += t->ldb, p0++, p3++) {
        __m256 bv[2];
#pragma GCC unroll 2
        for (int v = 0; v < nv; v++)
            bv[v] = _mm256_loadu_ps(b + 8 * v);
#pragma GCC unroll 6
        for (int i = 0; i < m; i++) {
            __m256 a = _mm256_broadcast_ss((i < 3 ? p0 : p3) + (i % 3) * lda);
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] = _mm256_fmadd_ps(a, bv[v], acc[i][v]);
        }
    }
    gemm_finish(t, m, nv, mask, acc);
}

/* Few rows: ku steps of k at once, each with its own accumulators. */
static inline __attribute__((always_inline)) void gemm_stream(const sn_gemm_tile *t, const int m, const int nv,
                                                              const int ku)
{
    __m256 acc[GEMM_MR][2], part[4][SN_GEMM_ROWS_STREAM][2];
    const __m256i mask[2] = {gemm_mask(t->n), gemm_mask(t->n - 8)};
    gemm_start(t, m, nv, mask, acc);
#pragma GCC unroll 4
    for (int u = 1; u < ku; u++)
#pragma GCC unroll 4
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                part[u][i][v] = _mm256_setzero_ps();
    const float *a = t->a, *b = t->b;
    int64_t k = 0;
    for (; k + ku <= t->k; k += ku)
#pragma GCC unroll 4
        for (int u = 0; u < ku; u++, b += t->ldb)
#pragma GCC unroll 4
            for (int i = 0; i < m; i++) {
                __m256 x = _mm256_broadcast_ss(a + i * t->lda + k + u);
#pragma GCC unroll 2
                for (int v = 0; v < nv; v++) {
                    __m256 y = _mm256_loadu_ps(b + 8 * v);
                    if (u == 0)
                        acc[i][v] = _mm256_fmadd_ps(x, y, acc[i][v]);
                    else
                        part[u][i][v] = _mm256_fmadd_ps(x, y, part[u][i][v]);
                }
            }
    for (; k < t->k; k++, b += t->ldb)
#pragma GCC unroll 4
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] =
                    _mm256_fmadd_ps(_mm256_broadcast_ss(a + i * t->lda + k), _mm256_loadu_ps(b + 8 * v), acc[i][v]);
#pragma GCC unroll 4
    for (int u = 1; u < ku; u++)
#pragma GCC unroll 4
        for (int i = 0; i < m; i++)
#pragma GCC unroll 2
            for (int v = 0; v < nv; v++)
                acc[i][v] = _mm256_add_ps(acc[i][v], part[u][i][v]);
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
#define GEMM_ROWS(X, nv) X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv) X(6, nv)
GEMM_ROWS(GEMM_TILE, 1)
GEMM_ROWS(GEMM_TILE, 2)
GEMM_STREAM(1, 1, 4)
GEMM_STREAM(2, 1, 4)
GEMM_STREAM(3, 1, 2)
GEMM_STREAM(4, 1, 2)
GEMM_STREAM(1, 2, 4)
GEMM_STREAM(2, 2, 2)
GEMM_STREAM(3, 2, 2)
GEMM_STREAM(4, 2, 1)

void sn_gemm_f32_6x16_avx2(const sn_gemm_tile *t)
{
#define GEMM_TILE_NAME(m, nv) gemm_tile_##m##_##nv,
    static sn_gemm_tile_fn *const tile[2][GEMM_MR] = {{GEMM_ROWS(GEMM_TILE_NAME, 1)}, {GEMM_ROWS(GEMM_TILE_NAME, 2)}};
    static sn_gemm_tile_fn *const stream[2][SN_GEMM_ROWS_STREAM] = {
        {gemm_stream_1_1, gemm_stream_2_1, gemm_stream_3_1, gemm_stream_4_1},
        {gemm_stream_1_2, gemm_stream_2_2, gemm_stream_3_2, gemm_stream_4_2}};
    bool wide = t->n > 8;
    if (t->stream)
        stream[wide][t->m - 1](t);
    else
        tile[wide][t->m - 1](t);
}
