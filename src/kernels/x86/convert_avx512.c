#include "kernels/convert.h"
#include <immintrin.h>

/* The first n of 16 lanes. */
static inline __mmask16 convert_first(int64_t n)
{
    if (n >= 16)
        return 0xffff;
    return (__mmask16)((1u << n) - 1u);
}

void sn_convert_f16_f32_avx512(void *y_, const void *x_, int64_t n)
{
    float *y = y_;
    const uint16_t *x = x_;
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 m = convert_first(n - i);
        _mm512_mask_storeu_ps(y + i, m, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, x + i)));
    }
}

void sn_convert_f32_f16_avx512(void *y_, const void *x_, int64_t n)
{
    uint16_t *y = y_;
    const float *x = x_;
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 m = convert_first(n - i);
        _mm256_mask_storeu_epi16(y + i, m, _mm512_cvtps_ph(_mm512_maskz_loadu_ps(m, x + i), _MM_FROUND_TO_NEAREST_INT));
    }
}

void sn_convert_bf16_f32_avx512(void *y_, const void *x_, int64_t n)
{
    float *y = y_;
    const uint16_t *x = x_;
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 m = convert_first(n - i);
        __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, x + i));
        _mm512_mask_storeu_ps(y + i, m, _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16)));
    }
}

void sn_convert_f32_bf16_avx512(void *y_, const void *x_, int64_t n)
{
    uint16_t *y = y_;
    const float *x = x_;
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 m = convert_first(n - i);
        __m512 v = _mm512_maskz_loadu_ps(m, x + i);
        __m512i u = _mm512_castps_si512(v), odd = _mm512_and_si512(_mm512_srli_epi32(u, 16), _mm512_set1_epi32(1));
        __m512i rounded = _mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
        __mmask16 nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q); /* a quiet NaN stays a NaN */
        rounded = _mm512_mask_or_epi32(rounded, nan, u, _mm512_set1_epi32(0x00400000));
        _mm256_mask_storeu_epi16(y + i, m, _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16)));
    }
}
