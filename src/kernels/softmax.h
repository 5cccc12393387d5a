/* Softmax and log-softmax, f32.
 *
 *     softmax       y = exp(x - max) / sum exp(x - max)
 *     log-softmax   y = x - max - log(sum exp(x - max))
 *
 * A row of infinities or with a NaN follows the formulas (NaN). Source: ONNX Softmax-13, LogSoftmax-13.
 */
#ifndef SN_KERNELS_SOFTMAX_H
#define SN_KERNELS_SOFTMAX_H

#include "base/cpu.h"
#include <stdint.h>

/* One row of n >= 1 side by side. y may be x.
 * Numerics: each exp within the level's bound of a few ulps, the sum in interleaved parts, one division. */
typedef void sn_softmax_row_fn(const float *x, int64_t n, float *y);

/* `inner` rows side by side: row j is x[j], x[j + inner], ..., n elements each. y may be x. */
typedef void sn_softmax_inner_fn(const float *x, int64_t n, int64_t inner, float *y);

/* A softmax whose division is left for later: m rows of n >= 1, ld apart, become exp(x - max of the row), and inv[i]
 * is 1 over the sum of row i. The elements between rows are left alone. */
typedef void sn_softmax_exp_rows_fn(float *x, int64_t ld, int64_t m, int64_t n, float *inv);

/* m rows of n, ld apart: row i times factor[i]. */
typedef void sn_softmax_scale_rows_fn(float *y, int64_t ld, int64_t m, int64_t n, const float *factor);

typedef struct sn_softmax_table {
    sn_softmax_row_fn *row, *log_row;
    sn_softmax_inner_fn *inner, *log_inner;
    sn_softmax_exp_rows_fn *exp_rows;
    sn_softmax_scale_rows_fn *scale_rows;
    const char *level;
} sn_softmax_table;

void sn_softmax_table_init(sn_softmax_table *t, sn_cpu_level level);

#define sn_softmax_log_row_fn sn_softmax_row_fn
#define sn_softmax_log_inner_fn sn_softmax_inner_fn
#define KERNEL(family, entry, level, symbol, numerics) sn_softmax_##entry##_fn symbol;
#include "kernels/softmax.inc"
#undef KERNEL

#endif
