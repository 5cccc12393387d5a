/* Matrix transposes by element size: the inner loops of Transpose, DepthToSpace and every other operator that swaps
 * two axes (ops/move.h finds the two).
 */
#ifndef SN_KERNELS_TRANSPOSE_H
#define SN_KERNELS_TRANSPOSE_H

#include "base/cpu.h"
#include <stddef.h>
#include <stdint.h>

/* dst (cols,rows) = transpose of src (rows,cols):  dst[c * ldd + r] = src[r * lds + c]
 *
 * lds, ldd  distance between rows of src (>= cols) and of dst (>= rows), in elements of the entry's size.
 * Pointers need no alignment. Aliasing: dst must not overlap src. Elements of dst between rows are not touched.
 * Numerics: class exact (bytes are moved, never interpreted). Cannot fail. Any of rows, cols may be 0. */
typedef void sn_transpose_fn(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols);

typedef struct sn_transpose_table {
    sn_transpose_fn *x1, *x2, *x4, *x8, *x16; /* by bytes per element */
} sn_transpose_table;

void sn_transpose_table_init(sn_transpose_table *t, sn_cpu_level level);

/* The entry for elements of size_bytes (1, 2, 4, 8, 16). */
static inline sn_transpose_fn *sn_transpose_by_size(const sn_transpose_table *t, size_t size_bytes)
{
    return size_bytes == 1   ? t->x1
           : size_bytes == 2 ? t->x2
           : size_bytes == 4 ? t->x4
           : size_bytes == 8 ? t->x8
                             : t->x16;
}

#define KERNEL(family, entry, level, symbol, numerics) sn_transpose_fn symbol;
#include "kernels/transpose.inc"
#undef KERNEL

#endif
