/* Activations (kernels/activation.h) on 16 floats. */
#ifndef SN_KERNELS_X86_ACT_AVX512_H
#define SN_KERNELS_X86_ACT_AVX512_H

#include "kernels/activation.h"
#include "kernels/x86/vmath_avx512.h"

static inline __attribute__((always_inline)) __m512 sn_act_ps512(__m512 x, const sn_act_kind kind, __m512 alpha,
                                                                 __m512 beta)
{
    const __m512 zero = _mm512_setzero_ps(), one = _mm512_set1_ps(1);
    switch (kind) {
    /* max and min give their second operand when one is NaN, so that NaN passes through. */
    case SN_ACT_RELU: return _mm512_max_ps(zero, x);
    case SN_ACT_LEAKY_RELU: return _mm512_mask_mul_ps(x, _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ), x, alpha);
    case SN_ACT_CLIP: return _mm512_min_ps(beta, _mm512_max_ps(alpha, x));
    case SN_ACT_SIGMOID: return sn_sigmoid_ps512(x);
    case SN_ACT_TANH: return sn_tanh_ps512(x);
    case SN_ACT_SILU: return sn_gate_ps512(x, _mm512_mul_ps(alpha, x));
    case SN_ACT_GELU: return sn_gelu_ps512(x);
    case SN_ACT_GELU_TANH: return sn_gelu_tanh_ps512(x);
    case SN_ACT_HARD_SIGMOID:
        return _mm512_min_ps(one, _mm512_max_ps(zero, _mm512_add_ps(_mm512_mul_ps(alpha, x), beta)));
    case SN_ACT_HARD_SWISH: {
        __m512 y = _mm512_add_ps(_mm512_div_ps(x, _mm512_set1_ps(6)), _mm512_set1_ps(0.5f));
        return _mm512_mul_ps(x, _mm512_min_ps(one, _mm512_max_ps(zero, y)));
    }
    case SN_ACT_NONE:
    case SN_ACT_KINDS: break;
    }
    return x;
}

/* x[0, n) = act(x). The switch is outside of the loop: each kind has its own. */
static inline void sn_act_row_ps512(float *x, int64_t n, sn_act act)
{
    const __m512 alpha = _mm512_set1_ps(act.alpha), beta = _mm512_set1_ps(act.beta);
    switch (act.kind) {
#define SN_ACT_ROW(name, text)                                                                                         \
    case SN_ACT_##name:                                                                                                \
        for (int64_t i = 0; i < n; i += 16) {                                                                          \
            __mmask16 m = (__mmask16)_bzhi_u32(0xffff, n - i < 16 ? (uint32_t)(n - i) : 16);                           \
            __m512 v = _mm512_maskz_loadu_ps(m, x + i);                                                                \
            _mm512_mask_storeu_ps(x + i, m, sn_act_ps512(v, SN_ACT_##name, alpha, beta));                              \
        }                                                                                                              \
        break;
        SN_ACT_LIST(SN_ACT_ROW)
#undef SN_ACT_ROW
    case SN_ACT_KINDS: break;
    }
}

#endif
