#include "kernels/norm.h"
#include <immintrin.h>
#include <math.h>
#include <stddef.h>

static inline __m256i norm_mask(int64_t left)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left < 8 ? (int)left : 8), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline float norm_reduce(const __m256 s[4])
{
    __m256 v = _mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3]));
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

static inline float norm_sum(const float *x, int64_t n)
{
    __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) /* four sums hide the latency of an addition */
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
            s[j] = _mm256_add_ps(s[j], _mm256_loadu_ps(x + i + 8 * j));
    for (; i < n; i += 8)
        s[0] = _mm256_add_ps(s[0], _mm256_maskload_ps(x + i, norm_mask(n - i)));
    return norm_reduce(s);
}

static inline float norm_squares(const float *x, int64_t n, float mean)
{
    const __m256 m = _mm256_set1_ps(mean);
    __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    int64_t i = 0;
    for (; i + 32 <= n; i += 32)
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++) {
            __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8 * j), m);
            s[j] = _mm256_fmadd_ps(d, d, s[j]);
        }
    for (; i < n; i += 8) {
        __m256i k = norm_mask(n - i);
        __m256 d = _mm256_and_ps(_mm256_sub_ps(_mm256_maskload_ps(x + i, k), m), _mm256_castsi256_ps(k));
        s[0] = _mm256_fmadd_ps(d, d, s[0]);
    }
    return norm_reduce(s);
}

void sn_norm_f32_moments_avx2(const float *x, int64_t n, float *mean_out, float *variance_out)
{
    float mean = norm_sum(x, n) / (float)n;
    *variance_out = norm_squares(x, n, mean) / (float)n;
    *mean_out = mean;
}

void sn_norm_f32_layer_avx2(int64_t n, float epsilon, const float *x, const float *scale, const float *bias, float *y,
                            float *mean_out, float *inv_out)
{
    float mean, variance;
    sn_norm_f32_moments_avx2(x, n, &mean, &variance);
    float inv = 1 / sqrtf(variance + epsilon);
    const __m256 m = _mm256_set1_ps(mean), r = _mm256_set1_ps(inv), one = _mm256_set1_ps(1);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 d = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), m), r);
        __m256 a = scale ? _mm256_loadu_ps(scale + i) : one, b = bias ? _mm256_loadu_ps(bias + i) : _mm256_setzero_ps();
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(d, a, b));
    }
    if (i < n) {
        __m256i k = norm_mask(n - i);
        __m256 d = _mm256_mul_ps(_mm256_sub_ps(_mm256_maskload_ps(x + i, k), m), r);
        __m256 a = scale ? _mm256_maskload_ps(scale + i, k) : one;
        __m256 b = bias ? _mm256_maskload_ps(bias + i, k) : _mm256_setzero_ps();
        _mm256_maskstore_ps(y + i, k, _mm256_fmadd_ps(d, a, b));
    }
    if (mean_out)
        *mean_out = mean;
    if (inv_out)
        *inv_out = inv;
}

void sn_norm_f32_affine_avx2(const float *x, int64_t n, float a, float b, float *y)
{
    const __m256 av = _mm256_set1_ps(a), bv = _mm256_set1_ps(b);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_fmadd_ps(_mm256_loadu_ps(x + i), av, bv));
    if (i < n) {
        __m256i k = norm_mask(n - i);
        _mm256_maskstore_ps(y + i, k, _mm256_fmadd_ps(_mm256_maskload_ps(x + i, k), av, bv));
    }
}
