/* Resampling along axes, f32: an output row or pixel is a weighted sum of a few input rows or pixels.
 *
 * One body (ref/resize_body.inc) is compiled for each level. What is resampled first is the outer axis (whole rows,
 * side by side in memory), then the inner one (pixels of the blended row).
 */
#ifndef SN_KERNELS_RESIZE_H
#define SN_KERNELS_RESIZE_H

#include "base/cpu.h"
#include <stdint.h>

/* Where each of n outputs along an axis comes from: `taps` inputs with their weights. */
typedef struct sn_resize_axis {
    int64_t n;            /* outputs */
    int32_t taps;         /* >= 1 */
    const int32_t *index; /* [taps][n], each a valid input */
    const float *weight;  /* [taps][n] */
} sn_resize_axis;

/* y [h->n][w->n][lanes] from x [in_h][in_w][lanes]; output rows [h0, h1). w NULL: that axis is copied, w->n is in_w.
 * row: in_w * lanes floats of scratch; unused without w. y overlaps neither.
 * Numerics: sum over taps in order, rows then columns: |err| <= (taps_h + taps_w + 2) u sum|w x|. */
typedef void sn_resize_plane_fn(const sn_resize_axis *h, const sn_resize_axis *w, int64_t in_w, int64_t lanes,
                                const float *x, float *y, int64_t h0, int64_t h1, float *row);

/* y [n] = x [index [n]], 32-bit elements of any kind. */
typedef void sn_resize_pick_fn(const uint32_t *x, const int32_t *index, int64_t n, uint32_t *y);

typedef struct sn_resize_table {
    sn_resize_plane_fn *plane;
    sn_resize_pick_fn *pick;
    const char *level;
} sn_resize_table;

void sn_resize_table_init(sn_resize_table *t, sn_cpu_level level);

#define KERNEL(family, entry, level, symbol, numerics) sn_resize_##entry##_fn symbol;
#include "kernels/resize.inc"
#undef KERNEL

#endif
