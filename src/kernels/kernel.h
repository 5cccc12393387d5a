/* The registry of kernels: what `setsuna kernels` prints and what the parity tests walk.
 *
 * A family (gemm, conv, elementwise, ...) is three files plus its implementations:
 *
 *   kernels/<family>.h         function types, table struct, contract of each entry (shapes, strides, aliasing,
 * numerics) kernels/<family>.inc       one row a kernel: KERNEL(family, entry, LEVEL, symbol, class)
 *   kernels/<family>_table.c   void sn_<family>_table_init(sn_<family>_table *t, sn_cpu_level level): the reference
 *                              first, then each level up to `level` overrides its entries; const afterwards
 *   kernels/ref/, kernels/x86/, kernels/arm/   the implementations; ref is the specification
 *   kernels/simd/              bodies for vectors of any width, which files of the levels include
 *
 * class: "exact" (same bits as ref), "sum" (order of sums differs: |err| <= (K+2) u sum|a||b|), "bf16" (likewise, of
 * operands rounded to bf16: kernels/bf16.h), or "ulp:N".
 */
#ifndef SN_KERNELS_KERNEL_H
#define SN_KERNELS_KERNEL_H

#include "base/cpu.h"

typedef struct sn_kernel_info {
    const char *family, *entry; /* "conv", "dense" */
    sn_cpu_level level;
    const char *symbol; /* "sn_conv_f32_dense_avx512" */
    const char *numerics;
} sn_kernel_info;

/* All kernels of all families; *n_out rows. */
const sn_kernel_info *sn_kernels(unsigned *n_out);

#endif
