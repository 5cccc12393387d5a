/* What a core can do at most: arithmetic that never leaves the registers, and reading. The denominators of a roofline
 * (exec/step_bound.h); no operator uses them.
 */
#ifndef SN_KERNELS_ROOFLINE_H
#define SN_KERNELS_ROOFLINE_H

#include "base/cpu.h"
#include <stdint.h>

/* Chains of multiply-adds that do not wait for each other: 12 vectors of 16 floats, 24 of 8. A core that starts two in
 * each of four cycles of latency needs 8 vectors. */
enum { SN_ROOFLINE_CHAINS = 192 };

/* y[i] = y[i] - 2 y[i], `rounds` times: 2 SN_ROOFLINE_CHAINS flops a round, as fast as the level's units go. (A sum
 * onto what it replaces is one instruction everywhere, and this one is exact and neither grows nor fades.) */
typedef void sn_roofline_multiply_add_fn(int64_t rounds, float *y);

/* y[i] = x[i] + x[i + 128] + x[i + 256] ..., i < 128: n floats are read once, in order. n is a multiple of 128. */
enum { SN_ROOFLINE_READ = 128 };
typedef void sn_roofline_read_fn(const float *x, int64_t n, float *y);

typedef struct sn_roofline_table {
    sn_roofline_multiply_add_fn *multiply_add;
    sn_roofline_read_fn *read;
    const char *level;
} sn_roofline_table;

void sn_roofline_table_init(sn_roofline_table *t, sn_cpu_level level);

#define KERNEL(family, entry, level, symbol, numerics) sn_roofline_##entry##_fn symbol;
#include "kernels/roofline.inc"
#undef KERNEL

#endif
