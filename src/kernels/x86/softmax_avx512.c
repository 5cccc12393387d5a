#include "kernels/softmax.h"
#include "kernels/x86/vmath_avx512.h"
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

static inline __mmask16 softmax_mask(int64_t left)
{
    return (__mmask16)_bzhi_u32(0xffff, left < 16 ? (uint32_t)left : 16);
}

static inline float softmax_max(const float *x, int64_t n)
{
    const __m512 low = _mm512_set1_ps(-INFINITY);
    __m512 m[2] = {low, low};
    int64_t i = 0;
    for (; i + 32 <= n; i += 32) {
        m[0] = _mm512_max_ps(m[0], _mm512_loadu_ps(x + i));
        m[1] = _mm512_max_ps(m[1], _mm512_loadu_ps(x + i + 16));
    }
    for (; i < n; i += 16)
        m[0] = _mm512_max_ps(m[0], _mm512_mask_loadu_ps(low, softmax_mask(n - i), x + i));
    return _mm512_reduce_max_ps(_mm512_max_ps(m[0], m[1]));
}

/* Sum of exp(x - max); the terms go to y where that is not NULL. */
static inline __attribute__((always_inline)) float softmax_exp(const float *x, int64_t n, float max, float *y)
{
    const __m512 mv = _mm512_set1_ps(max);
    __m512 s[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    int64_t i = 0;
    for (; i + 32 <= n; i += 32)
#pragma GCC unroll 2
        for (int j = 0; j < 2; j++) {
            __m512 e = sn_exp_ps512(_mm512_sub_ps(_mm512_loadu_ps(x + i + 16 * j), mv));
            s[j] = _mm512_add_ps(s[j], e);
            if (y)
                _mm512_storeu_ps(y + i + 16 * j, e);
        }
    for (; i < n; i += 16) {
        __mmask16 k = softmax_mask(n - i);
        __m512 e = sn_exp_ps512(_mm512_sub_ps(_mm512_maskz_loadu_ps(k, x + i), mv));
        s[0] = _mm512_mask_add_ps(s[0], k, s[0], e);
        if (y)
            _mm512_mask_storeu_ps(y + i, k, e);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(s[0], s[1]));
}

void sn_softmax_f32_row_avx512(const float *x, int64_t n, float *y)
{
    float sum = softmax_exp(x, n, softmax_max(x, n), y);
    const __m512 inv = _mm512_set1_ps(1 / sum);
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 k = softmax_mask(n - i);
        _mm512_mask_storeu_ps(y + i, k, _mm512_mul_ps(_mm512_maskz_loadu_ps(k, y + i), inv));
    }
}

void sn_softmax_f32_log_row_avx512(const float *x, int64_t n, float *y)
{
    float max = softmax_max(x, n);
    const __m512 mv = _mm512_set1_ps(max), log_sum = _mm512_set1_ps(logf(softmax_exp(x, n, max, NULL)));
    for (int64_t i = 0; i < n; i += 16) {
        __mmask16 k = softmax_mask(n - i);
        __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(k, x + i), mv);
        _mm512_mask_storeu_ps(y + i, k, _mm512_sub_ps(d, log_sum));
    }
}

/* 16 rows at a time, the lanes of a vector: nothing is reduced across lanes. */
static inline __attribute__((always_inline)) void softmax_inner(const float *x, int64_t n, int64_t inner, float *y,
                                                                const bool log_form)
{
    for (int64_t j = 0; j < inner; j += 16) {
        __mmask16 k = softmax_mask(inner - j);
        __m512 max = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
        for (int64_t i = 0; i < n; i++)
            max = _mm512_max_ps(max, _mm512_maskz_loadu_ps(k, x + i * inner + j));
        for (int64_t i = 0; i < n; i++) {
            __m512 e = sn_exp_ps512(_mm512_sub_ps(_mm512_maskz_loadu_ps(k, x + i * inner + j), max));
            sum = _mm512_add_ps(sum, e);
            if (!log_form)
                _mm512_mask_storeu_ps(y + i * inner + j, k, e);
        }
        if (log_form) {
            float lane[16];
            _mm512_storeu_ps(lane, sum);
            for (int l = 0; l < 16; l++)
                lane[l] = logf(lane[l]);
            __m512 log_sum = _mm512_loadu_ps(lane);
            for (int64_t i = 0; i < n; i++) {
                __m512 d = _mm512_sub_ps(_mm512_maskz_loadu_ps(k, x + i * inner + j), max);
                _mm512_mask_storeu_ps(y + i * inner + j, k, _mm512_sub_ps(d, log_sum));
            }
        } else {
            __m512 inv = _mm512_div_ps(_mm512_set1_ps(1), sum);
            for (int64_t i = 0; i < n; i++)
                _mm512_mask_storeu_ps(y + i * inner + j, k,
                                      _mm512_mul_ps(_mm512_maskz_loadu_ps(k, y + i * inner + j), inv));
        }
    }
}

void sn_softmax_f32_inner_avx512(const float *x, int64_t n, int64_t inner, float *y)
{
    softmax_inner(x, n, inner, y, false);
}

void sn_softmax_f32_log_inner_avx512(const float *x, int64_t n, int64_t inner, float *y)
{
    softmax_inner(x, n, inner, y, true);
}
