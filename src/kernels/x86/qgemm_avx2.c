/* 16-bit products in pairs (vpmaddwd), which never saturate: six rows by two vectors of columns. */
#include "kernels/qgemm.h"
#include <immintrin.h>
#include <string.h>

enum { QGEMM_MR = 6, QGEMM_NR = 16 };

#define QGEMM_INLINE static inline __attribute__((always_inline))

QGEMM_INLINE void qgemm_sums(const sn_qgemm_tile *t, const int m, __m256i acc[QGEMM_MR][2])
{
    const char *b = t->b, *ahead = t->ahead ? t->ahead : b;
    const int64_t ahead_step = t->ahead ? t->ahead_step : 0;
#pragma GCC unroll 6
    for (int i = 0; i < m; i++)
        acc[i][0] = acc[i][1] = _mm256_setzero_si256();
    for (int64_t tap = 0; tap < t->n_tap; tap++) {
        const char *a = (const char *)t->a + t->tap[tap];
        for (int64_t k = t->k; k > 0; k--, a += 4, b += 64, ahead += ahead_step) {
            _mm_prefetch(ahead, _MM_HINT_T1);
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

/* Sixteen floats. */
QGEMM_INLINE void qgemm_end_f32(const sn_requant *rq, int64_t col, const int32_t *sum, float *y)
{
    for (int i = 0; i < 16; i += 8) {
        __m256i s = _mm256_add_epi32(_mm256_load_si256((const __m256i *)(sum + i)),
                                     _mm256_loadu_si256((const __m256i *)(rq->bias + col + i)));
        __m256 f = _mm256_mul_ps(_mm256_cvtepi32_ps(s), _mm256_loadu_ps(rq->scale + col + i));
        if (rq->shift)
            f = _mm256_add_ps(f, _mm256_loadu_ps(rq->shift + col + i));
        _mm256_storeu_ps(y + i, f);
    }
}

QGEMM_INLINE void qgemm_tile(const sn_qgemm_tile *t, const int m)
{
    const sn_requant *rq = t->rq;
    __m256i acc[QGEMM_MR][2];
    _Alignas(32) int32_t sum[QGEMM_MR][QGEMM_NR];
    size_t y_bytes = rq->kind == SN_REQUANT_U8 ? 1 : 4;
    bool whole = t->n == QGEMM_NR && !rq->b_zero;
    bool simple = rq->kind == SN_REQUANT_U8 && whole && !rq->table && !rq->has_residual;
    qgemm_sums(t, m, acc);
#pragma GCC unroll 6
    for (int i = 0; i < m; i++)
#pragma GCC unroll 2
        for (int v = 0; v < 2; v++)
            _mm256_store_si256((__m256i *)(sum[i] + 8 * v), acc[i][v]);
    for (int i = 0; i < m; i++) {
        const size_t at = (size_t)(i * t->ldy) * y_bytes;
        const uint8_t *residual = t->residual ? (const uint8_t *)t->residual + at : NULL;
        if (simple)
            qgemm_end_u8(rq, t->col, sum[i], (uint8_t *)t->y + at);
        else if (rq->kind == SN_REQUANT_F32 && whole)
            qgemm_end_f32(rq, t->col, sum[i], (float *)((char *)t->y + at));
        else
            sn_requant_row_ref(rq, sum[i], t->row + i, t->col, t->n, residual, (char *)t->y + at);
    }
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

#include "kernels/x86/vmath_avx2.h"
#define QGEMM_AFTER sn_qgemm_after_avx2
#include "kernels/simd/qgemm_after.inc"
