#include "kernels/softmax.h"
#include "kernels/x86/vmath_avx2.h"
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

static inline __m256i softmax_mask(int64_t left)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(left < 8 ? (int)left : 8), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* Lanes off the mask are -inf. */
static inline __m256 softmax_load_low(const float *x, __m256i k)
{
    return _mm256_blendv_ps(_mm256_set1_ps(-INFINITY), _mm256_maskload_ps(x, k), _mm256_castsi256_ps(k));
}

static inline float softmax_max(const float *x, int64_t n)
{
    __m256 m = _mm256_set1_ps(-INFINITY);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        m = _mm256_max_ps(m, _mm256_loadu_ps(x + i));
    if (i < n)
        m = _mm256_max_ps(m, softmax_load_low(x + i, softmax_mask(n - i)));
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

/* Sum of exp(x - max); the terms go to y where that is not NULL. */
static inline __attribute__((always_inline)) float softmax_exp(const float *x, int64_t n, float max, float *y)
{
    const __m256 mv = _mm256_set1_ps(max);
    __m256 s = _mm256_setzero_ps();
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 e = sn_exp_ps256(_mm256_sub_ps(_mm256_loadu_ps(x + i), mv));
        s = _mm256_add_ps(s, e);
        if (y)
            _mm256_storeu_ps(y + i, e);
    }
    if (i < n) {
        __m256i k = softmax_mask(n - i);
        __m256 e = sn_exp_ps256(_mm256_sub_ps(_mm256_maskload_ps(x + i, k), mv));
        s = _mm256_add_ps(s, _mm256_and_ps(e, _mm256_castsi256_ps(k)));
        if (y)
            _mm256_maskstore_ps(y + i, k, e);
    }
    __m128 q = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
    q = _mm_add_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_movehdup_ps(q)));
}

void sn_softmax_f32_row_avx2(const float *x, int64_t n, float *y)
{
    float inv = 1 / softmax_exp(x, n, softmax_max(x, n), y);
    const __m256 iv = _mm256_set1_ps(inv);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_mul_ps(_mm256_loadu_ps(y + i), iv));
    for (; i < n; i++)
        y[i] *= inv;
}

void sn_softmax_f32_log_row_avx2(const float *x, int64_t n, float *y)
{
    float max = softmax_max(x, n), log_sum = logf(softmax_exp(x, n, max, NULL));
    const __m256 mv = _mm256_set1_ps(max), lv = _mm256_set1_ps(log_sum);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_sub_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), mv), lv));
    for (; i < n; i++)
        y[i] = x[i] - max - log_sum;
}

/* Eight rows at a time, the lanes of a vector: nothing is reduced across lanes. */
static inline __attribute__((always_inline)) void softmax_inner(const float *x, int64_t n, int64_t inner, float *y,
                                                                const bool log_form)
{
    for (int64_t j = 0; j < inner; j += 8) {
        __m256i k = softmax_mask(inner - j);
        __m256 max = _mm256_set1_ps(-INFINITY), sum = _mm256_setzero_ps();
        for (int64_t i = 0; i < n; i++)
            max = _mm256_max_ps(max, _mm256_maskload_ps(x + i * inner + j, k));
        for (int64_t i = 0; i < n; i++) {
            __m256 e = sn_exp_ps256(_mm256_sub_ps(_mm256_maskload_ps(x + i * inner + j, k), max));
            sum = _mm256_add_ps(sum, e);
            if (!log_form)
                _mm256_maskstore_ps(y + i * inner + j, k, e);
        }
        if (log_form) {
            float lane[8];
            _mm256_storeu_ps(lane, sum);
            for (int l = 0; l < 8; l++)
                lane[l] = logf(lane[l]);
            __m256 log_sum = _mm256_loadu_ps(lane);
            for (int64_t i = 0; i < n; i++) {
                __m256 d = _mm256_sub_ps(_mm256_maskload_ps(x + i * inner + j, k), max);
                _mm256_maskstore_ps(y + i * inner + j, k, _mm256_sub_ps(d, log_sum));
            }
        } else {
            __m256 inv = _mm256_div_ps(_mm256_set1_ps(1), sum);
            for (int64_t i = 0; i < n; i++)
                _mm256_maskstore_ps(y + i * inner + j, k, _mm256_mul_ps(_mm256_maskload_ps(y + i * inner + j, k), inv));
        }
    }
}

void sn_softmax_f32_inner_avx2(const float *x, int64_t n, int64_t inner, float *y)
{
    softmax_inner(x, n, inner, y, false);
}

void sn_softmax_f32_log_inner_avx2(const float *x, int64_t n, int64_t inner, float *y)
{
    softmax_inner(x, n, inner, y, true);
}
