/* Activations that kernels apply to what they have just computed (GEMM, convolution). */
#ifndef SN_KERNELS_ACTIVATION_H
#define SN_KERNELS_ACTIVATION_H

#include <stdint.h>

/* X(NAME, text): text is the value of the attribute `activation` of fused operators. Formulas are those of the ONNX
 * operators of the same name; alpha and beta are their attributes. CLIP: min alpha, max beta. GELU: the erf form, at
 * avx2 and above within 5 * 2^-24 |x| of the exact value; GELU_TANH: its tanh approximation. SILU: x * sigmoid(alpha *
 * x). */
#define SN_ACT_LIST(X)                                                                                                 \
    X(NONE, "none")                                                                                                    \
    X(RELU, "relu")                                                                                                    \
    X(LEAKY_RELU, "leaky_relu")                                                                                        \
    X(CLIP, "clip")                                                                                                    \
    X(SIGMOID, "sigmoid")                                                                                              \
    X(TANH, "tanh")                                                                                                    \
    X(SILU, "silu")                                                                                                    \
    X(GELU, "gelu")                                                                                                    \
    X(GELU_TANH, "gelu_tanh")                                                                                          \
    X(HARD_SIGMOID, "hard_sigmoid")                                                                                    \
    X(HARD_SWISH, "hard_swish")

typedef enum sn_act_kind {
#define SN_ACT_ENUM(name, text) SN_ACT_##name,
    SN_ACT_LIST(SN_ACT_ENUM)
#undef SN_ACT_ENUM
        SN_ACT_KINDS
} sn_act_kind;

typedef struct sn_act {
    sn_act_kind kind;
    float alpha, beta;
} sn_act;

#endif
