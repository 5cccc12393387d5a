/* Activations in plain C: the specification of SN_ACT_LIST. */
#ifndef SN_KERNELS_REF_ACT_REF_H
#define SN_KERNELS_REF_ACT_REF_H

#include "kernels/activation.h"
#include <math.h>

static inline float sn_act_f32_ref(float x, sn_act act)
{
    switch (act.kind) {
    case SN_ACT_RELU: return x > 0 || x != x ? x : 0;
    case SN_ACT_LEAKY_RELU: return x < 0 ? act.alpha * x : x;
    case SN_ACT_CLIP: return x < act.alpha ? act.alpha : x > act.beta ? act.beta : x;
    case SN_ACT_SIGMOID: return 1 / (1 + expf(-x));
    case SN_ACT_TANH: return tanhf(x);
    case SN_ACT_SILU: return x / (1 + expf(-act.alpha * x));
    case SN_ACT_GELU:
        return 0.5f * fmaxf(x, -40) * erfcf(x * -0.70710678f); /* x Phi(x), which is 0 from -40 down */
    /* 0.5 (1 + tanh u) = sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3): Hendrycks & Gimpel 2016, eq. 2 */
    case SN_ACT_GELU_TANH: return x / (1 + expf(-1.5957691f * (x + 0.044715f * x * x * x)));
    case SN_ACT_HARD_SIGMOID: {
        float y = act.alpha * x + act.beta;
        return y < 0 ? 0 : y > 1 ? 1 : y;
    }
    case SN_ACT_HARD_SWISH: {
        float y = x / 6 + 0.5f;
        return x * (y < 0 ? 0 : y > 1 ? 1 : y);
    }
    case SN_ACT_NONE:
    case SN_ACT_KINDS: break;
    }
    return x;
}

#endif
