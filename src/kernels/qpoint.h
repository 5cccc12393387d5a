/* Quantised tensors byte by byte: tables, sums, products, pools, and the way from planes to channels last.
 *
 * One body (ref/qpoint_body.inc) is compiled for each level; what permutes bytes has a form of its own with VBMI.
 *
 * Numerics: class exact. Where a result is rounded, it is half to even, the zero point is added after, and the sum
 * saturates, as in ONNX QuantizeLinear.
 */
#ifndef SN_KERNELS_QPOINT_H
#define SN_KERNELS_QPOINT_H

#include "base/cpu.h"
#include "kernels/requant.h"
#include <stddef.h>

/* y = clamp(round(f32((a - a_zero) (b - b_zero)) * scale) + zero, lo, hi) */
typedef struct sn_quantized_product {
    int32_t a_zero, b_zero, zero, lo, hi;
    float scale;
} sn_quantized_product;

/* y[i] = table[x[i]]. y may be x. */
typedef void sn_qpoint_lookup_fn(uint8_t *y, const uint8_t *x, const uint8_t *table, int64_t n);

/* y[i] = sn_quantized_add(s, a[i], b[i]). y may be a or b. */
typedef void sn_qpoint_add_fn(uint8_t *y, const uint8_t *a, const uint8_t *b, const sn_quantized_sum *s, int64_t n);

/* The product, element by element. y may be a or b. */
typedef void sn_qpoint_mul_fn(uint8_t *y, const uint8_t *a, const uint8_t *b, const sn_quantized_product *p, int64_t n);

/* y[i] = clamp(round(f32(a[i] - a_zero) * factor[i]) + zero, lo, hi); a factor that is NaN gives any byte in [lo, hi].
 * y may be a. */
typedef void sn_qpoint_scale_fn(uint8_t *y, const uint8_t *a, const float *factor, const sn_quantized_product *p,
                                int64_t n);

/* y[r * n + i] = max(y[r * n + i], x[r * step + i]) for r < rows, i < n */
typedef void sn_qpoint_max_fn(uint8_t *y, const uint8_t *x, int64_t step, int64_t rows, int64_t n);

/* sum[i] += x[i] + x[step + i] + ... + x[(rows - 1) * step + i] for i < n; rows < 2^24 */
typedef void sn_qpoint_sum_fn(int32_t *sum, const uint8_t *x, int64_t step, int64_t rows, int64_t n);

/* y[i] = clamp(round(f32(sum[i] - bias) * scale) + zero, 0, 255) */
typedef void sn_qpoint_mean_fn(uint8_t *y, const int32_t *sum, int32_t bias, float scale, int32_t zero, int64_t n);

/* n pixels of c channels: y[p][c] = planes[c][p], planes `pitch` apart. */
typedef void sn_qpoint_gather_fn(uint8_t *y, const uint8_t *planes, int64_t pitch, int64_t c, int64_t n);

typedef struct sn_qpoint_table {
    sn_qpoint_lookup_fn *lookup;
    sn_qpoint_add_fn *add;
    sn_qpoint_mul_fn *mul;
    sn_qpoint_scale_fn *scale;
    sn_qpoint_max_fn *max;
    sn_qpoint_sum_fn *sum;
    sn_qpoint_mean_fn *mean;
    sn_qpoint_gather_fn *gather;
    const char *lookup_name, *add_name, *mul_name, *scale_name, *max_name, *sum_name, *mean_name, *gather_name;
} sn_qpoint_table;

void sn_qpoint_table_init(sn_qpoint_table *t, sn_cpu_level level);

#define KERNEL(family, entry, level, symbol, numerics) sn_qpoint_##entry##_fn symbol;
#include "kernels/qpoint.inc"
#undef KERNEL

#endif
