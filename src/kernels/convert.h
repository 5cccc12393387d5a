/* Conversion kernels: y[i] = (type of y)x[i], for every pair of numeric types and bool.
 *
 * Numerics: floating to integer cuts towards zero and saturates, NaN gives 0; integer to integer wraps; anything to
 * bool is "not 0" (NaN is true); to a floating type rounds once, half to even.
 */
#ifndef SN_KERNELS_CONVERT_H
#define SN_KERNELS_CONVERT_H

#include "base/cpu.h"
#include <setsuna/tensor.h>
#include <stdint.h>

/* n elements; y and x do not overlap. Reads and writes n elements exactly. n >= 0. */
typedef void sn_convert_fn(void *y, const void *x, int64_t n);

typedef struct sn_convert_kernel {
    sn_convert_fn *fn;
    const char *name;
} sn_convert_kernel;

/* The pairs that have kernels of their own at higher levels. */
typedef struct sn_convert_table {
    sn_convert_kernel f16_f32, f32_f16, bf16_f32, f32_bf16;
} sn_convert_table;

void sn_convert_table_init(sn_convert_table *t, sn_cpu_level level);

/* The kernel for a pair; fn is NULL when a type is complex, string or unknown. Equal types copy. */
sn_convert_kernel sn_convert_find(sn_cpu_level level, setsuna_dtype from, setsuna_dtype to);

/* The reference for a pair, or NULL. */
sn_convert_fn *sn_convert_ref(setsuna_dtype from, setsuna_dtype to);

#define KERNEL(family, entry, level, symbol, numerics) sn_convert_fn symbol;
#include "kernels/convert.inc"
#undef KERNEL

#endif
