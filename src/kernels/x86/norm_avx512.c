#include "kernels/norm.h"
#include <immintrin.h>
#include <math.h>
#include <stddef.h>

static inline __mmask16 norm_mask(int64_t left)
{
    return (__mmask16)_bzhi_u32(0xffff, left < 16 ? (uint32_t)left : 16);
}

static inline float norm_sum(const float *x, int64_t n)
{
    __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    int64_t i = 0;
    for (; i + 64 <= n; i += 64) /* four sums hide the latency of an addition */
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            s[j] = _mm512_add_ps(s[j], _mm512_loadu_ps(x + i + 16 * j));
    for (; i < n; i += 16)
        s[0] = _mm512_add_ps(s[0], _mm512_maskz_loadu_ps(norm_mask(n - i), x + i));
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3])));
}

static inline float norm_squares(const float *x, int64_t n, float mean)
{
    const __m512 m = _mm512_set1_ps(mean);
    __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps()};
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            __m512 d = _mm512_sub_ps(_mm512_loadu_ps(x + i + 16 * j), m);
            s[j] = _mm512_fmadd_ps(d, d, s[j]);
        }
    for (; i < n; i += 16) {
        __mmask16 k = norm_mask(n - i);
        __m512 d = _mm512_maskz_sub_ps(k, _mm512_maskz_loadu_ps(k, x + i), m);
        s[0] = _mm512_fmadd_ps(d, d, s[0]);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3])));
}

void sn_norm_f32_moments_avx512(const float *x, int64_t n, float *mean_out, float *variance_out)
{
    float mean = norm_sum(x, n) / (float)n;
    *variance_out = norm_squares(x, n, mean) / (float)n;
    *mean_out = mean;
}

void sn_norm_f32_layer_avx512(int64_t n, float epsilon, const float *x, const float *scale, const float *bias, float *y,
                              float *mean_out, float *inv_out)
{
    float mean, variance;
    sn_norm_f32_moments_avx512(x, n, &mean, &variance);
    float inv = 1 / sqrtf(variance + epsilon);
    const __m512 m = _mm512_set1_ps(mean), r = _mm512_set1_ps(inv), one = _mm512_set1_ps(1);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 k = norm_mask(n - i);
        __m512 d = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(k, x + i), m), r);
        __m512 a = scale ? _mm512_maskz_loadu_ps(k, scale + i) : one;
        __m512 b = bias ? _mm512_maskz_loadu_ps(k, bias + i) : _mm512_setzero_ps();
        _mm512_mask_storeu_ps(y + i, k, _mm512_fmadd_ps(d, a, b));
    }
    if (mean_out)
        *mean_out = mean;
    if (inv_out)
        *inv_out = inv;
}

void sn_norm_f32_affine_avx512(const float *x, int64_t n, float a, float b, float *y)
{
    const __m512 av = _mm512_set1_ps(a), bv = _mm512_set1_ps(b);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 k = norm_mask(n - i);
        _mm512_mask_storeu_ps(y + i, k, _mm512_fmadd_ps(_mm512_maskz_loadu_ps(k, x + i), av, bv));
    }
}
