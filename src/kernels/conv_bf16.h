/* Convolution over blocked channels with operands rounded to bf16 and sums in f32 (kernels/bf16.h).
 *
 *     x   [N][ceil(C/b)][H][W][b] of bf16; C is even, and so is every group's share of it. Of a plain image, pixels:
 *         [N][H][W][C], C padded with a zero to be even, which sn_conv_bf16_kernel.pixels makes of floats
 *     y   blocked, f32 or bf16;  residual  like y, f32 or bf16
 *
 * Channels 2i and 2i + 1 of a pixel lie side by side in one 32-bit element, a pair. A plan is that of kernels/conv.h
 * for pairs instead of channels: s.ic, x_lanes, x_px, x_block... and bundle_k count pairs, and so do packed weights,
 * each of which is a pair of bf16. Bundles pass over all their inputs at once, so sums never leave f32.
 *
 * Numerics: class bf16. With x' and w' the rounded operands, |err| <= (K+2) (u sum|x' w'| + 2^-126) before the
 * activation; a bf16 y is that rounded once more, and SIGMOID and SWISH may then be off by 2^-12 of their value before.
 * A folded factor is multiplied to the weights before they are rounded.
 */
#ifndef SN_KERNELS_CONV_BF16_H
#define SN_KERNELS_CONV_BF16_H

#include "kernels/conv.h"

typedef struct sn_conv_bf16_io {
    const uint16_t *x;
    const uint32_t *w;    /* packed */
    const float *bias;    /* sn_conv_pack_bias */
    const void *residual; /* or NULL */
    void *y;              /* must not overlap the others */
    bool residual_bf16, y_bf16;
} sn_conv_bf16_io;

typedef void sn_conv_bf16_fn(const sn_conv *cv, const sn_conv_bf16_io *io, uint32_t part, uint32_t n_parts);

/* px pixels of a plain image of c channels, whose planes are x_plane floats apart, to pixels of ceil(c / 2) pairs. */
typedef void sn_conv_bf16_pixels_fn(const float *x, int64_t x_plane, int64_t c, int64_t px, uint32_t *y);

typedef struct sn_conv_bf16_kernel {
    sn_conv_bf16_fn *fn;
    sn_conv_bf16_pixels_fn *pixels;
    const char *name;
} sn_conv_bf16_kernel;

/* There are two levels of them: AVX512BF16, and the reference for all below. */
sn_conv_bf16_kernel sn_conv_bf16_find(sn_cpu_level level);

/* It is of a form that the kernels take: plain without groups, or blocked, not depthwise, groups of whole blocks of
 * outputs and even inputs. */
bool sn_conv_bf16_can(const sn_conv_spec *s, int64_t block);

/* As sn_conv_plan, for a spec that sn_conv_bf16_can take. limits are those of the level's sn_conv_table. */
void sn_conv_bf16_plan(const sn_conv_spec *spec, const sn_conv_limits *limits, sn_conv *out);

/* ic: input channels of a group. dst: zeroed, sn_conv_weights_size elements of 4 bytes. */
void sn_conv_bf16_pack_weights(const sn_conv *cv, int64_t ic, const sn_conv_weights *from, uint32_t *dst);

sn_conv_bf16_fn sn_conv_bf16_dense_ref;
sn_conv_bf16_pixels_fn sn_conv_bf16_pixels_ref;
#if defined(__x86_64__)
sn_conv_bf16_fn sn_conv_bf16_dense_avx512bf16;
sn_conv_bf16_pixels_fn sn_conv_bf16_pixels_avx512bf16;
#endif

#endif
