/* Max and average pools, f32, over plain images [C][D][H][W] and over images with channels in blocks [H][W][b].
 *
 * One body (ref/pool_body.inc) is compiled for each level; all levels give the same bits.
 */
#ifndef SN_KERNELS_POOL_H
#define SN_KERNELS_POOL_H

#include "base/cpu.h"
#include <stdbool.h>
#include <stdint.h>

/* All arrays of 3 are D, H, W. Source: ONNX MaxPool-12, AveragePool-19. */
typedef struct sn_pool_geometry {
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad_lo[3], pad_hi[3];
    bool count_pad; /* average: padding counts as pixels of zero */
} sn_pool_geometry;

/* Taps [*lo, *hi) of output o in dim i that read the image. May be empty. */
static inline void sn_pool_taps(const sn_pool_geometry *g, int i, int64_t o, int64_t *lo, int64_t *hi)
{
    int64_t start = o * g->stride[i] - g->pad_lo[i], d = g->dilation[i];
    int64_t a = start < 0 ? (-start + d - 1) / d : 0, b = start < g->in[i] ? (g->in[i] - 1 - start) / d + 1 : 0;
    *hi = b < g->kernel[i] ? b : g->kernel[i];
    *lo = a < *hi ? a : *hi;
}

/* How many of the window's taps at output o count for the average. */
static inline int64_t sn_pool_count(const sn_pool_geometry *g, int i, int64_t o)
{
    int64_t lo, hi;
    if (!g->count_pad) {
        sn_pool_taps(g, i, o, &lo, &hi);
        return hi - lo;
    }
    int64_t start = o * g->stride[i] - g->pad_lo[i], room = g->in[i] + g->pad_hi[i] - 1 - start;
    int64_t n = room < 0 ? 0 : room / g->dilation[i] + 1;
    return n < g->kernel[i] ? n : g->kernel[i];
}

/* Floats of scratch for one plane: a row of the padded image. */
static inline int64_t sn_pool_row(const sn_pool_geometry *g)
{
    return (g->out[2] - 1) * g->stride[2] + (g->kernel[2] - 1) * g->dilation[2] + 1;
}

/* One channel: y [out] from x [in]. scratch: sn_pool_row floats. An output without a single pixel is -inf (max) or 0
 * (average). */
typedef void sn_pool_plane_fn(const sn_pool_geometry *g, const float *x, float *y, float *scratch);

enum { SN_POOL_BLOCK_MAX = 16 };

/* One block of b <= SN_POOL_BLOCK_MAX channels (D is 1): y [oh][ow][b] from x [ih][iw][b], output rows [oh0, oh1). */
typedef void sn_pool_block_fn(const sn_pool_geometry *g, int32_t b, const float *x, float *y, int64_t oh0, int64_t oh1);

/* Mean or maximum of n floats (n = 0: 0 or -inf). Sums run in 16 interleaved parts. */
typedef float sn_pool_global_fn(const float *x, int64_t n);

/* The same for n pixels of b channels: y [b] from x [n][b]. */
typedef void sn_pool_global_block_fn(int32_t b, const float *x, int64_t n, float *y);

typedef struct sn_pool_table {
    sn_pool_plane_fn *max_plane, *avg_plane;
    sn_pool_block_fn *max_block, *avg_block;
    sn_pool_global_fn *max_global, *avg_global;
    sn_pool_global_block_fn *max_global_block, *avg_global_block;
    const char *level; /* "ref", "avx2", "avx512" */
} sn_pool_table;

void sn_pool_table_init(sn_pool_table *t, sn_cpu_level level);

#define KERNEL(family, entry, level, symbol, numerics) sn_pool_##entry##_fn symbol;
#define sn_pool_max_plane_fn sn_pool_plane_fn
#define sn_pool_avg_plane_fn sn_pool_plane_fn
#define sn_pool_max_block_fn sn_pool_block_fn
#define sn_pool_avg_block_fn sn_pool_block_fn
#define sn_pool_max_global_fn sn_pool_global_fn
#define sn_pool_avg_global_fn sn_pool_global_fn
#define sn_pool_max_global_block_fn sn_pool_global_block_fn
#define sn_pool_avg_global_block_fn sn_pool_global_block_fn
#include "kernels/pooling.inc"
#undef KERNEL

#endif
