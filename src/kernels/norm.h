/* Normalisation of rows of f32: moments, and what is made of them.
 *
 * Means and variances are those of the whole row (division by n), the variance about the mean in a second pass.
 */
#ifndef SN_KERNELS_NORM_H
#define SN_KERNELS_NORM_H

#include "base/cpu.h"
#include <stdint.h>

/* y [n] = (x - mean) * inv * scale [n] + bias [n] with inv = 1 / sqrt(variance + epsilon). scale and bias may be NULL
 * (one, zero). y may be x. mean and inv are also written through mean_out and inv_out unless those are NULL.
 * n >= 1. Numerics: mean and variance each within (n+2) u of the sum of magnitudes; then 4 roundings.
 * Source: ONNX LayerNormalization-17. */
typedef void sn_norm_layer_fn(int64_t n, float epsilon, const float *x, const float *scale, const float *bias, float *y,
                              float *mean_out, float *inv_out);

/* Mean and variance of x [n], n >= 1. */
typedef void sn_norm_moments_fn(const float *x, int64_t n, float *mean_out, float *variance_out);

/* y [n] = x * a + b, one rounding at avx2 and above, two at ref. y may be x. */
typedef void sn_norm_affine_fn(const float *x, int64_t n, float a, float b, float *y);

typedef struct sn_norm_table {
    sn_norm_layer_fn *layer;
    sn_norm_moments_fn *moments;
    sn_norm_affine_fn *affine;
    const char *level;
} sn_norm_table;

void sn_norm_table_init(sn_norm_table *t, sn_cpu_level level);

#define KERNEL(family, entry, level, symbol, numerics) sn_norm_##entry##_fn symbol;
#include "kernels/norm.inc"
#undef KERNEL

#endif
