/* Depthwise convolution of a channels-last image of unsigned bytes: one kernel a channel, exact sums.
 *
 *     y[oy, ox, c] = requant(sum over ky, kx of x[oy * sh + ky * dh - top, ox * sw + kx * dw - left, c] * w[c, ky, kx])
 *
 * with x_zero where the image ends. Weights may be anything in [-255, 255] (a byte less its zero point).
 *
 * Numerics: class exact.
 */
#ifndef SN_KERNELS_QDEPTHWISE_H
#define SN_KERNELS_QDEPTHWISE_H

#include "base/cpu.h"
#include "kernels/requant.h"
#include <stddef.h>

typedef struct sn_qdepthwise {
    int64_t ih, iw, oh, ow, c; /* all >= 1 */
    int64_t kh, kw, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    uint8_t x_zero;
    bool wide;     /* weights may lie outside of [-128, 127] */
    sn_requant rq; /* kind U8, no b_zero */
    const void *w; /* packed */
    const uint8_t *x, *residual;
    uint8_t *y;
} sn_qdepthwise;

/* Output rows [row0, row1). scratch: sn_qdepthwise_scratch_bytes, SN_ALIGN-aligned. */
typedef void sn_qdepthwise_fn(const sn_qdepthwise *d, int64_t row0, int64_t row1, void *scratch);

/* How weights are packed: [ky][kx][C up to 16] as 16-bit integers, or with VNNI
 * [kx][ky / 4][C up to 16][4] as bytes, where a wide kernel has its rows three times and each
 * weight is split in three (two bytes reach 254 only). */
typedef enum sn_qdepthwise_format { SN_QDEPTHWISE_I16, SN_QDEPTHWISE_QUADS } sn_qdepthwise_format;

typedef struct sn_qdepthwise_table {
    sn_qdepthwise_fn *rows;
    sn_qdepthwise_format format;
    const char *rows_name;
} sn_qdepthwise_table;

void sn_qdepthwise_table_init(sn_qdepthwise_table *t, sn_cpu_level level);

/* The geometry alone must be set. */
size_t sn_qdepthwise_packed_bytes(const sn_qdepthwise_table *t, const sn_qdepthwise *d);
size_t sn_qdepthwise_scratch_bytes(const sn_qdepthwise_table *t, const sn_qdepthwise *d);

/* w: [C][kh][kw] bytes; zero (C) their zero points, or NULL. dst: zeroed. col_sum (C): sums of w less its zero point.
 */
void sn_qdepthwise_pack(const sn_qdepthwise_table *t, const sn_qdepthwise *d, const uint8_t *w, bool is_signed,
                        const int32_t *zero, void *dst, int32_t *col_sum);

static inline int64_t sn_qdepthwise_channels(const sn_qdepthwise *d)
{
    return (d->c + 15) & ~(int64_t)15;
}

/* Kernel rows as packed in quads, and the quads. */
static inline int64_t sn_qdepthwise_rows(const sn_qdepthwise *d)
{
    return d->wide ? 3 * d->kh : d->kh;
}
static inline int64_t sn_qdepthwise_quads(const sn_qdepthwise *d)
{
    return (sn_qdepthwise_rows(d) + 3) / 4;
}

/* Pixels of a row that the outputs of a row read. */
static inline int64_t sn_qdepthwise_reach(const sn_qdepthwise *d)
{
    return (d->ow - 1) * d->stride_w + (d->kw - 1) * d->dilation_w + 1;
}

/* Bytes of a row of zero points, and of a quad of rows side by side; vectors may run over the end. */
static inline size_t sn_qdepthwise_zero_bytes(const sn_qdepthwise *d)
{
    return ((size_t)(d->iw * d->c) + 127) & ~(size_t)63;
}
static inline size_t sn_qdepthwise_plane_bytes(const sn_qdepthwise *d)
{
    return ((size_t)(4 * sn_qdepthwise_reach(d) * d->c) + 319) & ~(size_t)63;
}

#define KERNEL(family, entry, level, symbol, numerics)                                                                 \
    void symbol(const sn_qdepthwise *d, int64_t row0, int64_t row1, void *scratch);
#include "kernels/qdepthwise.inc"
#undef KERNEL

#endif
