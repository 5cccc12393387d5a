/* RNN, GRU and LSTM: what the three share. Shapes in the words of the specification:
 *
 *     X  [seq, batch, input]            (layout 1: [batch, seq, input])
 *     W  [dirs, gates*hidden, input]    R [dirs, gates*hidden, hidden]    B [dirs, 2*gates*hidden]
 *     Y  [seq, dirs, batch, hidden]     (layout 1: [batch, seq, dirs, hidden])
 *     Y_h, Y_c, initial_h, initial_c [dirs, batch, hidden]    (layout 1: [batch, dirs, hidden])
 *     P  [dirs, 3*hidden]
 */
#ifndef SN_OPS_RNN_ATTR_H
#define SN_OPS_RNN_ATTR_H

#include "ops/op.h"

typedef enum sn_rnn_kind { SN_RNN_PLAIN, SN_RNN_GRU, SN_RNN_LSTM } sn_rnn_kind;

/* X(NAME, text, default alpha, default beta): text is the specification's name, compared without case. */
#define SN_RNN_ACT_LIST(X)                                                                                             \
    X(SIGMOID, "Sigmoid", 0, 0)                                                                                        \
    X(TANH, "Tanh", 0, 0)                                                                                              \
    X(RELU, "Relu", 0, 0)                                                                                              \
    X(AFFINE, "Affine", 1, 0)                                                                                          \
    X(LEAKY_RELU, "LeakyRelu", 0.01f, 0)                                                                               \
    X(THRESHOLDED_RELU, "ThresholdedRelu", 1, 0)                                                                       \
    X(SCALED_TANH, "ScaledTanh", 1, 1)                                                                                 \
    X(HARD_SIGMOID, "HardSigmoid", 0.2f, 0.5f)                                                                         \
    X(ELU, "Elu", 1, 0)                                                                                                \
    X(SOFTSIGN, "Softsign", 0, 0)                                                                                      \
    X(SOFTPLUS, "Softplus", 0, 0)

typedef enum sn_rnn_act_kind {
#define SN_RNN_ACT_ENUM(name, text, alpha, beta) SN_RNN_ACT_##name,
    SN_RNN_ACT_LIST(SN_RNN_ACT_ENUM)
#undef SN_RNN_ACT_ENUM
} sn_rnn_act_kind;

typedef struct sn_rnn_act {
    sn_rnn_act_kind kind;
    float alpha, beta;
} sn_rnn_act;

/* Inputs by name; SN_NONE: the operator has no such input. */
enum { SN_RNN_X, SN_RNN_W, SN_RNN_R, SN_RNN_B, SN_RNN_LENS, SN_RNN_H0, SN_RNN_C0, SN_RNN_P };

typedef struct sn_rnn_attr {
    sn_rnn_kind kind;
    setsuna_dtype dtype;
    int64_t seq, batch, input, hidden, gates;
    int32_t dirs;
    bool reverse[2]; /* direction d runs backwards */
    bool batch_first, linear_before_reset, input_forget;
    float clip; /* INFINITY: none */
    sn_rnn_act act[2][3];
    /* Distances in elements. Row (t, b) of X; (t, d, b) of Y; (d, b) of the states. */
    int64_t x_t, x_b, y_t, y_d, y_b, s_d, s_b;
} sn_rnn_attr;

/* Checks the node's attributes and inputs and sets the outputs' types and shapes.
 * Returns OK, EMODEL, ESHAPE or EUNSUPPORTED. */
setsuna_status sn_rnn_attr_read(sn_op_ctx *c, sn_rnn_attr *out);

/* sequence_lens of a run, checked. Returns OK, or EINPUT through sn_run_fail. lens is NULL when absent. */
setsuna_status sn_rnn_lens(const sn_step *s, sn_run *r, const sn_rnn_attr *a, const int32_t **lens);

/* The whole operator in double precision, one element at a time, for any activations and f32 or f64: the
 * specification. scratch: sn_rnn_plain_scratch_bytes. */
setsuna_status sn_rnn_plain_run(const sn_step *s, sn_run *r, const sn_rnn_attr *a);
bool sn_rnn_plain_scratch_bytes(const sn_rnn_attr *a, size_t *out); /* false: overflow */

#endif
