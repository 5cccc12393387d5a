#include "kernels/qlinear.h"
#include <immintrin.h>
#include <stddef.h>

/* Scales of their own per element are rare (the last axis): the reference does them. */

static inline __mmask16 qlinear_first(int64_t n)
{
    if (n >= 16)
        return 0xffff;
    return (__mmask16)((1u << n) - 1u);
}

/* low < 0: signed. The clamped sum fits in a byte, so narrowing may cut. */
static inline __attribute__((always_inline)) void qlinear_quantize(uint8_t *y, const float *x, float scale_value,
                                                                   int zero_value, int low, int high, int64_t n)
{
    const __m512 scale = _mm512_set1_ps(scale_value), least = _mm512_set1_ps((float)(low - zero_value)),
                 most = _mm512_set1_ps((float)(high - zero_value));
    const __m512i zero = _mm512_set1_epi32(zero_value);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 m = qlinear_first(n - i);
        __m512 q = _mm512_div_ps(_mm512_maskz_loadu_ps(m, x + i), scale);
        q = _mm512_roundscale_ps(q, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        q = _mm512_min_ps(_mm512_max_ps(q, least), most); /* max gives `least` for NaN */
        __m512i v = _mm512_add_epi32(_mm512_cvtps_epi32(q), zero);
        _mm512_mask_cvtepi32_storeu_epi8(y + i, m, v);
    }
}

void sn_qlinear_f32_u8_avx512(void *y, const void *x, const float *scale, const void *zero, int64_t step, int64_t n)
{
    if (step || !n)
        sn_qlinear_f32_u8_ref(y, x, scale, zero, step, n);
    else
        qlinear_quantize(y, x, *scale, zero ? *(const uint8_t *)zero : 0, 0, UINT8_MAX, n);
}

void sn_qlinear_f32_i8_avx512(void *y, const void *x, const float *scale, const void *zero, int64_t step, int64_t n)
{
    if (step || !n)
        sn_qlinear_f32_i8_ref(y, x, scale, zero, step, n);
    else
        qlinear_quantize(y, x, *scale, zero ? *(const int8_t *)zero : 0, INT8_MIN, INT8_MAX, n);
}

static inline __attribute__((always_inline)) void qlinear_dequantize(float *y, const uint8_t *x, float scale_value,
                                                                     int zero_value, int is_signed, int64_t n)
{
    const __m512 scale = _mm512_set1_ps(scale_value);
    const __m512i zero = _mm512_set1_epi32(zero_value);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 m = qlinear_first(n - i);
        __m128i bytes = _mm_maskz_loadu_epi8(m, x + i);
        __m512i v = is_signed ? _mm512_cvtepi8_epi32(bytes) : _mm512_cvtepu8_epi32(bytes);
        _mm512_mask_storeu_ps(y + i, m, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_sub_epi32(v, zero)), scale));
    }
}

void sn_qlinear_u8_f32_avx512(void *y, const void *x, const float *scale, const void *zero, int64_t step, int64_t n)
{
    if (step || !n)
        sn_qlinear_u8_f32_ref(y, x, scale, zero, step, n);
    else
        qlinear_dequantize(y, x, *scale, zero ? *(const uint8_t *)zero : 0, 0, n);
}

void sn_qlinear_i8_f32_avx512(void *y, const void *x, const float *scale, const void *zero, int64_t step, int64_t n)
{
    if (step || !n)
        sn_qlinear_i8_f32_ref(y, x, scale, zero, step, n);
    else
        qlinear_dequantize(y, x, *scale, zero ? *(const int8_t *)zero : 0, 1, n);
}

/* A comparison with NaN gives the second operand, what was there before; so do two zeros. */
void sn_qlinear_f32_range_avx512(const float *x, int64_t n, float *min_out, float *max_out)
{
    enum { CHAINS = 4 };
    __m512 low[CHAINS], high[CHAINS];
    int64_t i = 0;
    for (int k = 0; k < CHAINS; k++)
        low[k] = high[k] = _mm512_setzero_ps();
    for (; i + 16 * CHAINS <= n; i += 16 * CHAINS)
#pragma GCC unroll 4
        for (int k = 0; k < CHAINS; k++) {
            __m512 v = _mm512_loadu_ps(x + i + 16 * k);
            low[k] = _mm512_min_ps(v, low[k]);
            high[k] = _mm512_max_ps(v, high[k]);
        }
    for (; i < n; i += 16) {
        __m512 v = _mm512_maskz_loadu_ps(qlinear_first(n - i), x + i);
        low[0] = _mm512_min_ps(v, low[0]);
        high[0] = _mm512_max_ps(v, high[0]);
    }
    for (int k = 1; k < CHAINS; k++) {
        low[0] = _mm512_min_ps(low[k], low[0]);
        high[0] = _mm512_max_ps(high[k], high[0]);
    }
    *min_out = _mm512_reduce_min_ps(low[0]);
    *max_out = _mm512_reduce_max_ps(high[0]);
}
