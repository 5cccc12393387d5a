/* Quantisation kernels: y = saturate(round(x / scale) + zero point), and back.
 *
 * Numerics: the quotient is rounded half to even, then the zero point is added and the sum saturates; NaN gives the
 * lowest value. All levels give the same bits.
 */
#ifndef SN_KERNELS_QLINEAR_H
#define SN_KERNELS_QLINEAR_H

#include "base/cpu.h"
#include <setsuna/tensor.h>
#include <stdint.h>

/* n elements. step 0: one scale and zero point for all; 1: one each. zero may be NULL (zeros); it has the quantised
 * type. No overlap of y with the inputs. n >= 0. */
typedef void sn_qlinear_fn(void *y, const void *x, const float *scale, const void *zero, int64_t step, int64_t n);

/* The least and the greatest of n values and 0, NaN ignored. */
typedef void sn_qlinear_range_fn(const float *x, int64_t n, float *min_out, float *max_out);

typedef struct sn_qlinear_kernel {
    sn_qlinear_fn *fn;
    const char *name;
} sn_qlinear_kernel;

typedef struct sn_qlinear_range_kernel {
    sn_qlinear_range_fn *fn;
    const char *name;
} sn_qlinear_range_kernel;

typedef struct sn_qlinear_table {
    sn_qlinear_kernel f32_u8, f32_i8, u8_f32, i8_f32;
    sn_qlinear_range_kernel f32_range;
} sn_qlinear_table;

void sn_qlinear_table_init(sn_qlinear_table *t, sn_cpu_level level);

/* from f32 or i32 to u8, i8, u16, i16 (quantise); from u8, i8, u16, i16, i32 to f32 (dequantise). fn NULL: no such. */
sn_qlinear_kernel sn_qlinear_find(sn_cpu_level level, setsuna_dtype from, setsuna_dtype to);

/* The reference for a pair, or NULL. */
sn_qlinear_fn *sn_qlinear_ref(setsuna_dtype from, setsuna_dtype to);

#define KERNEL(family, entry, level, symbol, numerics) sn_qlinear_fn symbol;
#define KERNEL_RANGE(family, entry, level, symbol, numerics) sn_qlinear_range_fn symbol;
#include "kernels/qlinear.inc"
#undef KERNEL
#undef KERNEL_RANGE

#endif
