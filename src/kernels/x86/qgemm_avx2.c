/* 16-bit products in pairs (vpmaddwd), which never saturate: six rows by two vectors of columns. */
#include "kernels/qgemm.h"
#include <immintrin.h>
#include <string.h>

enum { QGEMM_MR = 6, QGEMM_NR = 16 };

#define QGEMM_INLINE static inline __attribute__((always_inline))

QGEMM_INLINE void qgemm_sums(const sn_qgemm_tile *t, const int m, __m256i acc[QGEMM_MR][2])
{
    const char *b = t->b;
#pragma GCC unroll 6
    for (int i = 0; i < m; i++)
        acc[i][0] = acc[i][1] = _mm256_setzero_si256();
    for (int64_t tap = 0; tap < t->n_tap; tap++) {
        const char *a = (const char *)t->a + t->tap[tap];
        for (int64_t k = t->k; k > 0; k--, a += 4, b += 64) {
            __m256i b0 = _mm256_loadu_si256((const __m256i *)b), b1 = _mm256_loadu_si256((const __m256i *)(b + 32));
#pragma GCC unroll 6
            for (int i = 0; i < m; i++) {
                int32_t pair;
                memcpy(&pair, a + i * t->lda_bytes, sizeof pair);
                __m256i x = _mm256_set1_epi32(pair);
                acc[i][0] = _mm256_add_epi32(acc[i][0], _mm256_madd_epi16(x, b0));
                acc[i][1] = _mm256_add_epi32(acc[i][1], _mm256_madd_epi16(x, b1));
            }
        }
    }
}

/* Sixteen results: the common case of bytes with nothing after them. */
QGEMM_INLINE void qgemm_end_u8(const sn_requant *rq, int64_t col, const int32_t *sum, uint8_t *y)
{
    __m256i v[2];
    for (int i = 0; i < 2; i++) {
        __m256i s = _mm256_add_epi32(_mm256_load_si256((const __m256i *)(sum + 8 * i)),
                                     _mm256_loadu_si256((const __m256i *)(rq->bias + col + 8 * i)));
        __m256 f = _mm256_mul_ps(_mm256_cvtepi32_ps(s), _mm256_loadu_ps(rq->scale + col + 8 * i));
        v[i] = _mm256_cvtps_epi32(_mm256_min_ps(f, _mm256_set1_ps((float)(rq->hi - rq->zero))));
    }
    __m256i p = _mm256_adds_epi16(_mm256_packs_epi32(v[0], v[1]), _mm256_set1_epi16((short)rq->zero));
    p = _mm256_permute4x64_epi64(p, 0xd8);
    __m128i q = _mm_packus_epi16(_mm256_castsi256_si128(p), _mm256_extracti128_si256(p, 1));
    _mm_storeu_si128((__m128i *)y, _mm_max_epu8(q, _mm_set1_epi8((char)rq->lo)));
}

QGEMM_INLINE void qgemm_tile(const sn_qgemm_tile *t, const int m)
{
    const sn_requant *rq = t->rq;
    __m256i acc[QGEMM_MR][2];
    _Alignas(32) int32_t sum[QGEMM_MR][QGEMM_NR];
    size_t y_bytes = rq->kind == SN_REQUANT_U8 ? 1 : 4;
    bool simple = rq->kind == SN_REQUANT_U8 && t->n == QGEMM_NR && !rq->b_zero && !rq->table && !rq->has_residual;
    qgemm_sums(t, m, acc);
#pragma GCC unroll 6
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++)
            _mm256_store_si256((__m256i *)(sum[i] + 8 * v), acc[i][v]);
    for (int i = 0; i < m; i++)
        if (simple)
            qgemm_end_u8(rq, t->col, sum[i], (uint8_t *)t->y + i * t->ldy);
        else
            sn_requant_row_ref(rq, sum[i], t->row + i, t->col, t->n, t->residual ? t->residual + i * t->ldy : NULL,
                               (char *)t->y + (size_t)(i * t->ldy) * y_bytes);
}

void sn_qgemm_6x16_avx2(const sn_qgemm_tile *t)
{
    switch (t->m) {
    case 1: qgemm_tile(t, 1); break;
    case 2: qgemm_tile(t, 2); break;
    case 3: qgemm_tile(t, 3); break;
    case 4: qgemm_tile(t, 4); break;
    case 5: qgemm_tile(t, 5); break;
    default: qgemm_tile(t, 6); break;
    }
}

void sn_qgemm_stage_i16_avx2(void *dst, const uint8_t *src, int64_t n)
{
    int16_t *y = dst;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(y + i), _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(src + i))));
    for (; i < n; i++)
        y[i] = src[i];
}
