/* What a recurrent cell does besides matrix products, f32: gates to states. */
#ifndef SN_KERNELS_LSTM_H
#define SN_KERNELS_LSTM_H

#include "base/cpu.h"
#include "kernels/activation.h"
#include <stdbool.h>
#include <stddef.h>

/* One step of one sequence with the usual activations (ONNX LSTM-14: f = sigmoid, g = h = tanh):
 *
 *     i = sigmoid(gi + pi c)     f = sigmoid(gf + pf c)     c' = f c + i tanh(gc)
 *     o = sigmoid(go + po c')    h' = o tanh(c')
 *
 * gates [4][hidden] in the order i o f c, products and bias already in them. */
typedef struct sn_lstm_cell {
    int64_t hidden;
    const float *gates, *c;
    const float *peephole; /* [3][hidden] pi po pf, or NULL */
    float clip;            /* the inputs of all activations are cut to [-clip, clip]; INFINITY: never */
    bool input_forget;     /* f = 1 - i */
    float *c_out, *h_out;  /* c_out may be c */
} sn_lstm_cell;

typedef void sn_lstm_cell_fn(const sn_lstm_cell *q);

/* x [n] = act(min(max(x, -clip), clip)). */
typedef void sn_lstm_act_fn(float *x, int64_t n, float clip, sn_act act);

/* h [n] = (1 - z) candidate + z h, ONNX GRU-14. */
typedef void sn_lstm_blend_fn(const float *z, const float *candidate, int64_t n, float *h);

typedef struct sn_lstm_table {
    sn_lstm_cell_fn *cell;
    sn_lstm_act_fn *act;
    sn_lstm_blend_fn *blend;
    const char *level;
} sn_lstm_table;

void sn_lstm_table_init(sn_lstm_table *t, sn_cpu_level level);

#define KERNEL(family, entry, level, symbol, numerics) sn_lstm_##entry##_fn symbol;
#include "kernels/lstm.inc"
#undef KERNEL

#endif
