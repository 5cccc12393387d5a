/* Sums and extremes of f32 along one axis: the inner loops of Reduce*, ArgMax and global pooling.
 *
 * A tensor is seen as (outer, n, inner). inner == 1 is `rows`: each row of n contiguous elements becomes one number.
 * Otherwise it is `cols`, once an outer index: n rows of `inner` contiguous elements are folded into one row; the
 * blocked layout [N,C/16,H,W,16] reduced over H,W is cols with inner 16.
 *
 *     sum     x_0 + x_1 + ...        sumabs  |x_0| + |x_1| + ...        sumsq  x_0^2 + x_1^2 + ...
 *     max     NaN if any is NaN, -inf for n == 0                        min    likewise, +inf for n == 0
 *
 * Numerics: sums are made of many partial sums (class sum): |err| <= (K+2) u sum|x| holds with room, because no chain
 * of additions is longer than SN_REDUCE_CHAIN + n / SN_REDUCE_CHAIN. The order of additions depends on n and the level
 * only, not on the number of results, their place or the threads. Where partial sums may overflow (sum|x| beyond the
 * largest f32), so may the result, in any order. max and min are exact (the sign of a zero is not specified).
 */
#ifndef SN_KERNELS_REDUCE_H
#define SN_KERNELS_REDUCE_H

#include "base/cpu.h"
#include <stdint.h>

/* Additions in f32 before a partial sum is folded into a total. */
enum { SN_REDUCE_CHAIN = 256 };

/* out[i] = (fold of x[i * ldx + k] for 0 <= k < n) / divisor, for 0 <= i < rows. In elements; ldx >= n.
 * max and min ignore divisor; 1 means none. Aliasing: out must not overlap x. Cannot fail. */
typedef void sn_reduce_rows_fn(float *out, const float *x, int64_t rows, int64_t n, int64_t ldx, float divisor);

/* out[j] = (fold of x[k * ldx + j] for 0 <= k < n) / divisor, for 0 <= j < cols. As above. */
typedef void sn_reduce_cols_fn(float *out, const float *x, int64_t n, int64_t cols, int64_t ldx, float divisor);

typedef struct sn_reduce_table {
    sn_reduce_rows_fn *rows_sum, *rows_sumabs, *rows_sumsq, *rows_max, *rows_min;
    sn_reduce_cols_fn *cols_sum, *cols_sumabs, *cols_sumsq, *cols_max, *cols_min;
} sn_reduce_table;

void sn_reduce_table_init(sn_reduce_table *t, sn_cpu_level level);

#define KERNEL_ROWS(entry, level, symbol, numerics) sn_reduce_rows_fn symbol;
#define KERNEL_COLS(entry, level, symbol, numerics) sn_reduce_cols_fn symbol;
#include "kernels/reduce.inc"
#undef KERNEL_ROWS
#undef KERNEL_COLS

#endif
