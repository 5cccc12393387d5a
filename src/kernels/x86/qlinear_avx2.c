#include "kernels/qlinear.h"
#include <immintrin.h>
#include <stddef.h>

/* Scales of their own per element are rare (the last axis): the reference does them. */

/* Eight elements quantised, as i32 with the zero point in. */
static inline __m256i qlinear_lanes(const float *x, __m256 scale, __m256 least, __m256 most, __m256i zero)
{
    __m256 q = _mm256_round_ps(_mm256_div_ps(_mm256_loadu_ps(x), scale), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    q = _mm256_min_ps(_mm256_max_ps(q, least), most); /* max gives `least` for NaN */
    return _mm256_add_epi32(_mm256_cvtps_epi32(q), zero);
}

static inline __attribute__((always_inline)) int64_t qlinear_quantize(uint8_t *y, const float *x, float scale_value,
                                                                      int zero_value, int low, int high, int64_t n)
{
    const __m256 scale = _mm256_set1_ps(scale_value), least = _mm256_set1_ps((float)(low - zero_value)),
                 most = _mm256_set1_ps((float)(high - zero_value));
    const __m256i zero = _mm256_set1_epi32(zero_value), order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i a = _mm256_packs_epi32(qlinear_lanes(x + i, scale, least, most, zero),
                                       qlinear_lanes(x + i + 8, scale, least, most, zero));
        __m256i b = _mm256_packs_epi32(qlinear_lanes(x + i + 16, scale, least, most, zero),
                                       qlinear_lanes(x + i + 24, scale, least, most, zero));
        __m256i bytes = low < 0 ? _mm256_packs_epi16(a, b) : _mm256_packus_epi16(a, b);
        _mm256_storeu_si256((__m256i *)(void *)(y + i), _mm256_permutevar8x32_epi32(bytes, order));
    }
    return i;
}

void sn_qlinear_f32_u8_avx2(void *y_, const void *x_, const float *scale, const void *zero_, int64_t step, int64_t n)
{
    const uint8_t *zero = zero_;
    uint8_t *y = y_;
    const float *x = x_;
    int64_t i = step || !n ? 0 : qlinear_quantize(y, x, *scale, zero ? *zero : 0, 0, UINT8_MAX, n);
    sn_qlinear_f32_u8_ref(y + i, x + i, scale + i * step, zero ? zero + i * step : NULL, step, n - i);
}

void sn_qlinear_f32_i8_avx2(void *y_, const void *x_, const float *scale, const void *zero_, int64_t step, int64_t n)
{
    const int8_t *zero = zero_;
    uint8_t *y = y_;
    const float *x = x_;
    int64_t i = step || !n ? 0 : qlinear_quantize(y, x, *scale, zero ? *zero : 0, INT8_MIN, INT8_MAX, n);
    sn_qlinear_f32_i8_ref(y + i, x + i, scale + i * step, zero ? zero + i * step : NULL, step, n - i);
}

void sn_qlinear_u8_f32_avx2(void *y_, const void *x_, const float *scale, const void *zero_, int64_t step, int64_t n)
{
    const uint8_t *zero = zero_, *x = x_;
    float *y = y_;
    int64_t i = 0;
    if (!step && n) {
        const __m256 s = _mm256_set1_ps(*scale);
        const __m256i z = _mm256_set1_epi32(zero ? *zero : 0);
        for (; i + 8 <= n; i += 8) {
            __m256i v = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(x + i)));
            _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(v, z)), s));
        }
    }
    sn_qlinear_u8_f32_ref(y + i, x + i, scale + i * step, zero ? zero + i * step : NULL, step, n - i);
}

void sn_qlinear_i8_f32_avx2(void *y_, const void *x_, const float *scale, const void *zero_, int64_t step, int64_t n)
{
    const int8_t *zero = zero_, *x = x_;
    float *y = y_;
    int64_t i = 0;
    if (!step && n) {
        const __m256 s = _mm256_set1_ps(*scale);
        const __m256i z = _mm256_set1_epi32(zero ? *zero : 0);
        for (; i + 8 <= n; i += 8) {
            __m256i v = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(x + i)));
            _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(v, z)), s));
        }
    }
    sn_qlinear_i8_f32_ref(y + i, x + i, scale + i * step, zero ? zero + i * step : NULL, step, n - i);
}
