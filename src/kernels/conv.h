/* Convolution over blocked channels, f32.
 *
 * A blocked image has b channels of one pixel side by side, b being the width of a vector:
 *
 *     blocked  [N][ceil(C/b)][H][W][b]      channel c is lane c % b of block c / b
 *     plain    [N][C][H][W]
 *
 * Lanes past C exist in memory but mean nothing: no kernel here lets them reach a real channel, and what is written
 * to them is unspecified. Nothing is ever read or written outside a tensor: padding is a matter of which taps a
 * pixel has, or of zeros in a copy. A weight that is not finite shows in padded pixels, as NaN, with the latter only.
 *
 *     y[o] = act(sum over taps and inputs of w[o][i][ky][kx] x[i] + bias[o] + residual[o]) * scale + shift
 *
 * with the residual added after all of that instead when residual_last is set. A factor per output channel is folded
 * into the weights when they are packed.
 *
 * Life of a convolution: sn_conv_plan (sizes, tiling), sn_conv_pack_* (weights, once a model), then at run time
 * sn_conv_run for each part of [0, n_parts), at the same time if wanted. Parts write disjoint outputs. The split
 * depends on part and n_parts only, so equal counts give equal bits.
 *
 * Numerics: class sum, |err| <= (K+2) u sum|w x| with K = taps times input channels, before the activation.
 * Convolutions that run as Winograd products (3x3, 3x1, 1x3: see kernels/conv_winograd.h) have a wider bound.
 */
#ifndef SN_KERNELS_CONV_H
#define SN_KERNELS_CONV_H

#include "base/cpu.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What happens to a sum v before it is stored. */
typedef enum sn_conv_act {
    SN_CONV_CLAMP,       /* min(max(v, alpha), beta): none (-inf, inf), ReLU (0, inf), Clip; NaN stays. exact */
    SN_CONV_HARDSWISH,   /* v * min(max(alpha v + beta, 0), 1); ONNX HardSwish is alpha 1/6, beta 1/2 */
    SN_CONV_HARDSIGMOID, /* min(max(alpha v + beta, 0), 1) */
    SN_CONV_LEAKY,       /* max(v < 0 ? alpha v : v, beta); LeakyRelu has beta -inf */
    SN_CONV_SIGMOID,     /* 1 / (1 + exp(-v)), relative error below 8 u where v > -87 */
    SN_CONV_SWISH,       /* v / (1 + exp(-alpha v)), likewise */
    SN_CONV_TANH,        /* absolute error below 4 u */
    SN_CONV_ACTS
} sn_conv_act;

/* The operation. Extents are >= 1 except n, oh and ow, which may be 0. Extents, strides, dilations and pads are below
 * 2^31 and tensors below 2^47 elements, so that no index overflows. */
typedef struct sn_conv_spec {
    int64_t n, ic, ih, iw, oc, oh, ow; /* ic and oc: of all groups together */
    int64_t kh, kw, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    int64_t group; /* divides ic and oc */
    bool plain_in; /* x is plain; not for depthwise convolutions */
    /* The output is every step_h-th row and step_w-th pixel of images of y_h rows and y_w pixels, from io->y on:
     * one tap of a transposed convolution. 1, 1, oh, ow for an ordinary one. */
    int64_t step_h, step_w, y_h, y_w;
    sn_conv_act act;
    float alpha, beta;  /* of the activation */
    float scale, shift; /* after the activation; 1, 0 for none */
    bool residual_last;
} sn_conv_spec;

typedef enum sn_conv_wino_use {
    SN_CONV_WINO_NEVER,   /* there is no such kernel, or it is not wanted */
    SN_CONV_WINO_FAST,    /* where it is estimated to be faster */
    SN_CONV_WINO_ALWAYS2, /* where it is possible, with 2x2 outputs a tile: for tests */
    SN_CONV_WINO_ALWAYS4  /* likewise with 4x4 */
} sn_conv_wino_use;

/* How many accumulators a level's registers hold, and how its loops are best cut. */
typedef struct sn_conv_limits {
    int32_t block;        /* b, lanes of a vector */
    int32_t px_max[4];    /* pixels of a register tile of 1, 2, 3, 4 blocks; 0 where there is no such tile */
    int32_t px_depthwise; /* pixels of a depthwise tile */
    bool halves;          /* see sn_conv.half */
    sn_conv_wino_use winograd;
} sn_conv_limits;

enum { SN_CONV_BUNDLE_MAX = 4 };

/* A planned convolution. Strides in elements. Output blocks are taken in bundles of up to SN_CONV_BUNDLE_MAX, pixels
 * in tiles: a bundle of a tile is what the registers hold. */
typedef struct sn_conv {
    sn_conv_spec s;
    sn_conv_limits limits;
    bool depthwise;
    int64_t x_lanes; /* channels of a block of x: b, or all of them in a plain image */
    int64_t x_image, x_block, x_row, x_px, x_lane;
    int64_t y_image, y_block, y_row, y_px;
    int64_t out_blocks;
    int64_t n_bundle, bundle_base, bundle_more; /* the first bundle_more bundles have bundle_base + 1 blocks */
    int64_t row_tiles, tile_base, tile_more;    /* the same for the tiles of a row of output pixels */
    int64_t n_tile;             /* tiles of all rows of all images; depthwise: rows of all blocks of all images */
    int64_t band_tiles;         /* tiles that all bundles pass over before the next ones are begun */
    int64_t chunk;              /* input channels that a bundle passes over at once, whole blocks */
    int64_t inner_lo, inner_hi; /* output pixels of a row whose taps all lie inside the input row */
    int64_t bundle_k;           /* input channels of a bundle, at most */
    /* The last block has at most b / 2 channels, and its vectors two sums of each: of even inputs and of odd ones. */
    bool half;
    bool winograd;                /* n_tile and band_tiles are then of wino_h x wino_w pixels... */
    int64_t wino_h, wino_w;       /* ...each 4 or 2, or 1 along an axis with one tap... */
    int64_t wino_rows, wino_cols; /* ...of which an image has so many */
    double flops;
} sn_conv;

typedef struct sn_conv_io {
    const float *x;
    const float *w;        /* packed */
    const float *bias;     /* packed */
    const float *residual; /* like y, or NULL */
    float *y;              /* must not overlap the others */
    void *scratch;         /* sn_conv_scratch_bytes, SN_ALIGN-aligned */
} sn_conv_io;

/* Between plain and blocked, one image after another. */
typedef struct sn_conv_reorder {
    int64_t n, c, px; /* images, channels, pixels of a plane */
    int64_t block;
} sn_conv_reorder;

/* Lanes [lane, lane + n) of each pixel of a block x go to lanes [at, at + n) of a block of y. */
typedef struct sn_conv_piece {
    const float *x;
    int32_t lane, at, n;
} sn_conv_piece;

typedef void sn_conv_fn(const sn_conv *cv, const sn_conv_io *io, uint32_t part, uint32_t n_parts);
typedef void sn_conv_reorder_fn(const sn_conv_reorder *r, const float *x, float *y, uint32_t part, uint32_t n_parts);

/* y: px pixels of one block, from n pieces that do not overlap in it; lanes that no piece makes are unspecified. */
typedef void sn_conv_join_fn(const sn_conv_piece *piece, int32_t n, int32_t block, int64_t px, float *y);

/* Weights as a model has them: w (oc, ic/group, kh, kw) and factor (oc), which may be misaligned; w_out and w_in are
 * the distances between output and input channels of w in elements (a transposed convolution's weights are (ic, oc, kh,
 * kw)); w_tap between taps, which follow each other row by row. factor may be NULL. */
typedef struct sn_conv_weights {
    const void *w, *factor;
    int64_t w_out, w_in, w_tap;
} sn_conv_weights;

/* Weights of a Winograd convolution; dst as for sn_conv_pack_weights. */
typedef void sn_conv_pack_fn(const sn_conv *cv, const sn_conv_weights *from, float *dst);

/* Applies the activation, scale and shift of s to n sums in place. */
typedef void sn_conv_finish_fn(const sn_conv_spec *s, float *y, int64_t n);

/* What sn_step.kernel calls them; NULL for those that there are not. */
typedef struct sn_conv_names {
    const char *dense, *depthwise, *winograd, *to_blocked, *from_blocked, *join;
} sn_conv_names;

/* The kernels of a level. */
typedef struct sn_conv_table {
    const sn_conv_names *names;
    sn_conv_limits limits;
    sn_conv_fn *dense;     /* everything that is not depthwise, groups included */
    sn_conv_fn *depthwise; /* group == ic == oc */
    sn_conv_fn *winograd;  /* NULL where limits say so */
    sn_conv_pack_fn *pack_winograd;
    sn_conv_reorder_fn *to_blocked;   /* lanes past C become 0 */
    sn_conv_reorder_fn *from_blocked; /* x blocked, y plain */
    sn_conv_join_fn *join;
    sn_conv_finish_fn *finish;
} sn_conv_table;

void sn_conv_table_init(sn_conv_table *t, sn_cpu_level level);

/* The activation costs more than storing and loading a sum: worth leaving out of convolutions most of whose lanes mean
 * nothing. */
static inline bool sn_conv_act_is_costly(sn_conv_act act)
{
    return act == SN_CONV_SIGMOID || act == SN_CONV_SWISH || act == SN_CONV_TANH;
}

/* Nothing happens to sums any more: what sn_conv_spec says about activations is left to table->finish. */
void sn_conv_spec_open(sn_conv_spec *s);

/* ---- conv_plan.c ------------------------------------------------------------------------------------ */

/* Chooses tiling for the level. The reference kernels run plans of any level's limits. */
void sn_conv_plan(const sn_conv_spec *spec, const sn_conv_limits *limits, sn_conv *out);

static inline bool sn_conv_is_depthwise(const sn_conv_spec *s)
{
    return s->group > 1 && s->group == s->ic && s->group == s->oc && !s->plain_in;
}

/* One tap, whose outputs are all those of x's pixels one by one. */
static inline bool sn_conv_is_point(const sn_conv_spec *s)
{
    return s->group == 1 && !s->plain_in && s->kh == 1 && s->kw == 1 && s->stride_h == 1 && s->stride_w == 1 &&
           s->pad_top == 0 && s->pad_left == 0 && s->oh <= s->ih && s->ow <= s->iw && s->step_w == 1;
}

/* Threads that the work is worth, at most n_threads. */
uint32_t sn_conv_parts(const sn_conv *cv, uint32_t n_threads);

/* What n_parts parts need in io->scratch together. */
size_t sn_conv_scratch_bytes(const sn_conv *cv, uint32_t n_parts);

/* The kernel that runs cv. */
static inline sn_conv_fn *sn_conv_kernel(const sn_conv_table *t, const sn_conv *cv)
{
    return cv->depthwise ? t->depthwise : cv->winograd ? t->winograd : t->dense;
}
static inline const char *sn_conv_kernel_name(const sn_conv_table *t, const sn_conv *cv)
{
    return cv->depthwise ? t->names->depthwise : cv->winograd ? t->names->winograd : t->names->dense;
}

/* Elements of the packed forms. */
size_t sn_conv_weights_size(const sn_conv *cv);

/* Arithmetic of the products of a Winograd convolution, tiles that stick out included; 0 for any other. */
double sn_conv_winograd_flops(const sn_conv *cv);
size_t sn_conv_bias_size(const sn_conv *cv);

/* For convolutions that are not Winograd products (for those: table->pack_winograd). dst: zeroed, sn_conv_weights_size
 * elements. */
void sn_conv_pack_weights(const sn_conv *cv, const sn_conv_weights *from, float *dst);

/* bias (oc), may be NULL and misaligned. dst: sn_conv_bias_size elements, zeroed. */
void sn_conv_pack_bias(const sn_conv *cv, const void *bias, float *dst);

/* ---- shared by the implementations ------------------------------------------------------------------- */

/* The input channels [*c0, *c1) that a bundle reads: those of the groups its outputs belong to. */
void sn_conv_bundle_inputs(const sn_conv *cv, int64_t bundle, int64_t *c0, int64_t *c1);

/* The bundles [b0, b1) and tiles [t0, t1) of a part. */
typedef struct sn_conv_share {
    int64_t b0, b1, t0, t1;
} sn_conv_share;
sn_conv_share sn_conv_part(const sn_conv *cv, uint32_t part, uint32_t n_parts);

/* Products of a tile of a Winograd convolution: those of its two axes, 6, 4 or 1. */
static inline int64_t sn_conv_wino_products(const sn_conv *cv)
{
    return (cv->wino_h > 1 ? cv->wino_h + 2 : 1) * (cv->wino_w > 1 ? cv->wino_w + 2 : 1);
}

/* Scratch of a part of a Winograd convolution: for each of the products, a chunk's transformed pixels of all input
 * blocks, then the sums of all output blocks. A vector more each, so that products do not fall on the same cache sets.
 */
static inline int64_t sn_conv_wino_in_floats(const sn_conv *cv)
{
    int64_t b = cv->limits.block;
    return ((cv->s.ic + b - 1) / b * cv->band_tiles + 1) * b;
}
static inline int64_t sn_conv_wino_out_floats(const sn_conv *cv)
{
    return (cv->out_blocks * cv->band_tiles + 1) * cv->limits.block;
}
static inline int64_t sn_conv_wino_part_floats(const sn_conv *cv)
{
    return (sn_conv_wino_products(cv) * (sn_conv_wino_in_floats(cv) + sn_conv_wino_out_floats(cv)) + 15) / 16 * 16;
}

/* First block of a bundle. */
static inline int64_t sn_conv_bundle_begin(const sn_conv *cv, int64_t bundle)
{
    return bundle * cv->bundle_base + (bundle < cv->bundle_more ? bundle : cv->bundle_more);
}

/* First pixel of a tile of a row. */
static inline int64_t sn_conv_tile_begin(const sn_conv *cv, int64_t tile)
{
    return tile * cv->tile_base + (tile < cv->tile_more ? tile : cv->tile_more);
}

/* Packed weights of a bundle, whose blocks begin at `block`. In it, for each block of x that it reads, for each tap,
 * for each channel of that block that it reads: its blocks' b weights each. With a half block, for each two channels:
 * the other blocks' b weights of the first, of the second, then the half block's, lane by lane of the first and of the
 * second. */
static inline int64_t sn_conv_bundle_weights(const sn_conv *cv, int64_t block)
{
    return block * cv->limits.block * cv->bundle_k * cv->s.kh * cv->s.kw;
}

/* Taps [*k0, *k1) of `taps` that lie inside [0, extent) when tap k reads position begin + k * dilation. */
static inline void sn_conv_taps(int64_t begin, int64_t dilation, int64_t taps, int64_t extent, int64_t *k0, int64_t *k1)
{
    int64_t lo = begin < 0 ? -begin : 0, hi = begin < extent ? extent - begin : 0;
    if (dilation != 1) { /* a division costs as much as a dozen sums */
        lo = (lo + dilation - 1) / dilation;
        hi = (hi + dilation - 1) / dilation;
    }
    *k0 = lo < taps ? lo : taps;
    *k1 = hi < taps ? hi : taps;
    if (*k1 < *k0)
        *k1 = *k0;
}

#endif
