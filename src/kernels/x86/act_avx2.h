/* Activations (kernels/activation.h) on 8 floats. */
#ifndef SN_KERNELS_X86_ACT_AVX2_H
#define SN_KERNELS_X86_ACT_AVX2_H

#include "kernels/activation.h"
#include "kernels/x86/vmath_avx2.h"

static inline __attribute__((always_inline)) __m256 sn_act_ps256(__m256 x, const sn_act_kind kind, __m256 alpha,
                                                                 __m256 beta)
{
    const __m256 zero = _mm256_setzero_ps(), one = _mm256_set1_ps(1);
    switch (kind) {
    /* max and min give their second operand when one is NaN, so that NaN passes through. */
    case SN_ACT_RELU: return _mm256_max_ps(zero, x);
    case SN_ACT_LEAKY_RELU: return _mm256_blendv_ps(x, _mm256_mul_ps(x, alpha), _mm256_cmp_ps(x, zero, _CMP_LT_OQ));
    case SN_ACT_CLIP: return _mm256_min_ps(beta, _mm256_max_ps(alpha, x));
    case SN_ACT_SIGMOID: return sn_sigmoid_ps256(x);
    case SN_ACT_TANH: return sn_tanh_ps256(x);
    case SN_ACT_SILU: return sn_gate_ps256(x, _mm256_mul_ps(alpha, x));
    case SN_ACT_GELU: return sn_gelu_ps256(x);
    case SN_ACT_GELU_TANH: return sn_gelu_tanh_ps256(x);
    case SN_ACT_HARD_SIGMOID:
        return _mm256_min_ps(one, _mm256_max_ps(zero, _mm256_add_ps(_mm256_mul_ps(alpha, x), beta)));
    case SN_ACT_HARD_SWISH: {
        __m256 y = _mm256_add_ps(_mm256_div_ps(x, _mm256_set1_ps(6)), _mm256_set1_ps(0.5f));
        return _mm256_mul_ps(x, _mm256_min_ps(one, _mm256_max_ps(zero, y)));
    }
    case SN_ACT_NONE:
    case SN_ACT_KINDS: break;
    }
    return x;
}

/* x[0, n) = act(x). The switch is outside of the loop: each kind has its own. */
static inline void sn_act_row_ps256(float *x, int64_t n, sn_act act)
{
    const __m256 alpha = _mm256_set1_ps(act.alpha), beta = _mm256_set1_ps(act.beta);
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    int64_t i = 0;
    switch (act.kind) {
#define SN_ACT_ROW(name, text)                                                                                         \
    case SN_ACT_##name:                                                                                                \
        for (; i + 8 <= n; i += 8)                                                                                     \
            _mm256_storeu_ps(x + i, sn_act_ps256(_mm256_loadu_ps(x + i), SN_ACT_##name, alpha, beta));                 \
        if (i < n) {                                                                                                   \
            __m256i m = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(n - i)), lane);                                     \
            _mm256_maskstore_ps(x + i, m, sn_act_ps256(_mm256_maskload_ps(x + i, m), SN_ACT_##name, alpha, beta));     \
        }                                                                                                              \
        break;
        SN_ACT_LIST(SN_ACT_ROW)
#undef SN_ACT_ROW
    case SN_ACT_KINDS: break;
    }
}

#endif
