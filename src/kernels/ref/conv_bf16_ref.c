/* Convolution in bf16: the reference, for blocks of any width. */
#include "kernels/bf16.h"
#include "kernels/conv_bf16.h"
#include "kernels/conv_impl.h"

/* The sum of one output: lane `lane` of the bundle that begins at `block`, `width` lanes wide. */
static float conv_bf16_sum(const sn_conv *cv, const sn_conv_bf16_io *io, int64_t bundle, int64_t width, int64_t lane,
                           int64_t image, int64_t oy, int64_t ox)
{
    const sn_conv_spec *s = &cv->s;
    int64_t c0, c1, ky0, ky1, kx0, kx1, taps = s->kh * s->kw;
    int64_t y = oy * s->stride_h - s->pad_top, x = ox * s->stride_w - s->pad_left;
    int64_t block = sn_conv_bundle_begin(cv, bundle);
    const uint32_t *w = io->w + sn_conv_bundle_weights(cv, block) + lane;
    sn_conv_bundle_inputs(cv, bundle, &c0, &c1);
    sn_conv_taps(y, s->dilation_h, s->kh, s->ih, &ky0, &ky1);
    sn_conv_taps(x, s->dilation_w, s->kw, s->iw, &kx0, &kx1);
    float sum = io->bias[block * cv->limits.block + lane];
    for (int64_t begin = c0; begin < c1;) {
        int64_t in = begin / cv->x_lanes, end = (in + 1) * cv->x_lanes < c1 ? (in + 1) * cv->x_lanes : c1;
        for (int64_t ky = ky0; ky < ky1; ky++)
            for (int64_t kx = kx0; kx < kx1; kx++)
                for (int64_t c = begin; c < end; c++) {
                    int64_t at = (begin - c0) * taps + (ky * s->kw + kx) * (end - begin) + (c - begin);
                    int64_t from = image * cv->x_image + in * cv->x_block + (y + ky * s->dilation_h) * cv->x_row +
                                   (x + kx * s->dilation_w) * cv->x_px + c % cv->x_lanes;
                    uint32_t pair = (uint32_t)io->x[2 * from + 1] << 16 | io->x[2 * from];
                    sum = sn_bf16_dot(sum, pair, w[at * width]);
                }
        begin = end;
    }
    return sum;
}

static void conv_bf16_put(const sn_conv *cv, const sn_conv_bf16_io *io, int64_t at, float sum)
{
    float residual = 0;
    if (io->residual)
        residual = io->residual_bf16 ? sn_bf16_to_f32(((const uint16_t *)io->residual)[at])
                                     : ((const float *)io->residual)[at];
    if (io->residual && !cv->s.residual_last)
        sum += residual;
    sn_conv_finish_ref(&cv->s, &sum, 1);
    if (io->residual && cv->s.residual_last)
        sum += residual;
    if (io->y_bf16)
        ((uint16_t *)io->y)[at] = sn_bf16_from_f32(sum);
    else
        ((float *)io->y)[at] = sum;
}

void sn_conv_bf16_dense_ref(const sn_conv *cv, const sn_conv_bf16_io *io, uint32_t part, uint32_t n_parts)
{
    const sn_conv_spec *s = &cv->s;
    int64_t b = cv->limits.block;
    sn_conv_share share = sn_conv_part(cv, part, n_parts);
    for (int64_t i = share.b0; i < share.b1; i++) {
        int64_t block = sn_conv_bundle_begin(cv, i), blocks = sn_conv_bundle_begin(cv, i + 1) - block;
        for (int64_t t = share.t0; t < share.t1; t++) {
            int64_t row = t / cv->row_tiles, tile = t % cv->row_tiles, image = row / s->oh, oy = row % s->oh;
            for (int64_t ox = sn_conv_tile_begin(cv, tile); ox < sn_conv_tile_begin(cv, tile + 1); ox++)
                for (int64_t lane = 0; lane < blocks * b; lane++) {
                    int64_t at = image * cv->y_image + (block + lane / b) * cv->y_block + oy * cv->y_row +
                                 ox * cv->y_px + lane % b;
                    conv_bf16_put(cv, io, at, conv_bf16_sum(cv, io, i, blocks * b, lane, image, oy, ox));
                }
        }
    }
}

void sn_conv_bf16_pixels_ref(const float *x, int64_t x_plane, int64_t c, int64_t px, uint32_t *y)
{
    for (int64_t p = 0; p < px; p++)
        for (int64_t i = 0; i < c; i += 2)
            *y++ = sn_bf16_pair(x[i * x_plane + p], i + 1 < c ? x[(i + 1) * x_plane + p] : 0);
}
