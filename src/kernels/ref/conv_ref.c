/* Convolution kernels: the reference, for blocks of any width. */
#include "kernels/conv_impl.h"
#include <math.h>
#include <string.h>

static float conv_act_ref(const sn_conv_spec *s, float v)
{
    switch (s->act) {
    case SN_CONV_HARDSWISH:
    case SN_CONV_HARDSIGMOID: {
        float gate = s->alpha * v + s->beta;
        gate = gate < 0 ? 0 : gate;
        gate = gate > 1 ? 1 : gate;
        return s->act == SN_CONV_HARDSWISH ? v * gate : gate;
    }
    case SN_CONV_LEAKY: v = v < 0 ? s->alpha * v : v; return v < s->beta ? s->beta : v;
    case SN_CONV_SIGMOID: return 1 / (1 + expf(-v));
    case SN_CONV_SWISH: return v / (1 + expf(-s->alpha * v));
    case SN_CONV_TANH: return tanhf(v);
    default: v = v < s->alpha ? s->alpha : v; return v > s->beta ? s->beta : v;
    }
}

static float conv_end_ref(const sn_conv_spec *s, float v, const float *residual)
{
    if (residual && !s->residual_last)
        v += *residual;
    v = conv_act_ref(s, v) * s->scale + s->shift;
    return residual && s->residual_last ? v + *residual : v;
}

/* Weight of a lane and input channel in a bundle that ends with a half block; -1: the lane means nothing. */
static int64_t conv_half_at(int64_t b, int64_t width, int64_t lane, int64_t c)
{
    int64_t whole = width - b, pair = c / 2 * (2 * whole + b);
    if (lane < whole)
        return pair + c % 2 * whole + lane;
    return lane - whole < b / 2 ? pair + 2 * whole + 2 * (lane - whole) + c % 2 : -1;
}

/* The sum of one output: lane `lane` of the bundle that begins at `block`, `width` lanes wide. */
static float conv_sum_ref(const sn_conv *cv, const sn_conv_io *io, int64_t bundle, int64_t width, int64_t lane,
                          int64_t image, int64_t oy, int64_t ox)
{
    const sn_conv_spec *s = &cv->s;
    int64_t c0, c1, ky0, ky1, kx0, kx1, taps = s->kh * s->kw;
    int64_t y = oy * s->stride_h - s->pad_top, x = ox * s->stride_w - s->pad_left;
    int64_t block = sn_conv_bundle_begin(cv, bundle);
    const float *w = io->w + sn_conv_bundle_weights(cv, block);
    bool half = cv->half && bundle == cv->n_bundle - 1;
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
                    at = half ? conv_half_at(cv->limits.block, width, lane, c) : at * width + lane;
                    sum += (at < 0 ? 0 : w[at]) *
                           io->x[image * cv->x_image + in * cv->x_block + (y + ky * s->dilation_h) * cv->x_row +
                                 (x + kx * s->dilation_w) * cv->x_px + c % cv->x_lanes * cv->x_lane];
                }
        begin = end;
    }
    return sum;
}

void sn_conv_dense_ref(const sn_conv *cv, const sn_conv_io *io, uint32_t part, uint32_t n_parts)
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
                    float sum = conv_sum_ref(cv, io, i, blocks * b, lane, image, oy, ox);
                    io->y[at] = conv_end_ref(s, sum, io->residual ? io->residual + at : NULL);
                }
        }
    }
}

void sn_conv_depthwise_ref(const sn_conv *cv, const sn_conv_io *io, uint32_t part, uint32_t n_parts)
{
    const sn_conv_spec *s = &cv->s;
    int64_t b = cv->limits.block;
    sn_conv_share share = sn_conv_part(cv, part, n_parts);
    for (int64_t t = share.t0; t < share.t1; t++) {
        int64_t plane = t / s->oh, oy = t % s->oh, image = plane / cv->out_blocks, block = plane % cv->out_blocks;
        const float *x = io->x + image * cv->x_image + block * cv->x_block;
        const float *w = io->w + block * b * s->kh * s->kw;
        int64_t y0 = oy * s->stride_h - s->pad_top, ky0, ky1, kx0, kx1;
        sn_conv_taps(y0, s->dilation_h, s->kh, s->ih, &ky0, &ky1);
        for (int64_t ox = 0; ox < s->ow; ox++) {
            int64_t x0 = ox * s->stride_w - s->pad_left;
            sn_conv_taps(x0, s->dilation_w, s->kw, s->iw, &kx0, &kx1);
            for (int64_t lane = 0; lane < b; lane++) {
                float sum = io->bias[block * b + lane];
                for (int64_t ky = ky0; ky < ky1; ky++)
                    for (int64_t kx = kx0; kx < kx1; kx++)
                        sum += w[(ky * s->kw + kx) * b + lane] *
                               x[(y0 + ky * s->dilation_h) * cv->x_row + (x0 + kx * s->dilation_w) * cv->x_px + lane];
                int64_t at = image * cv->y_image + block * cv->y_block + oy * cv->y_row + ox * cv->y_px + lane;
                io->y[at] = conv_end_ref(s, sum, io->residual ? io->residual + at : NULL);
            }
        }
    }
}

void sn_conv_to_blocked_ref(const sn_conv_reorder *r, const float *x, float *y, uint32_t part, uint32_t n_parts)
{
    int64_t b = r->block, blocks = (r->c + b - 1) / b, rows = r->n * blocks;
    for (int64_t i = rows * part / n_parts; i < rows * (part + 1) / n_parts; i++) {
        int64_t image = i / blocks, block = i % blocks;
        for (int64_t p = 0; p < r->px; p++)
            for (int64_t lane = 0; lane < b; lane++) {
                int64_t c = block * b + lane;
                y[(i * r->px + p) * b + lane] = c < r->c ? x[(image * r->c + c) * r->px + p] : 0;
            }
    }
}

void sn_conv_from_blocked_ref(const sn_conv_reorder *r, const float *x, float *y, uint32_t part, uint32_t n_parts)
{
    int64_t b = r->block, blocks = (r->c + b - 1) / b, rows = r->n * r->c;
    for (int64_t i = rows * part / n_parts; i < rows * (part + 1) / n_parts; i++) {
        int64_t image = i / r->c, c = i % r->c;
        for (int64_t p = 0; p < r->px; p++)
            y[i * r->px + p] = x[((image * blocks + c / b) * r->px + p) * b + c % b];
    }
}

void sn_conv_join_ref(const sn_conv_piece *piece, int32_t n, int32_t block, int64_t px, float *y)
{
    for (int64_t p = 0; p < px; p++)
        for (int32_t i = 0; i < n; i++)
            memcpy(y + p * block + piece[i].at, piece[i].x + p * block + piece[i].lane,
                   (size_t)piece[i].n * sizeof(float));
}

void sn_conv_finish_ref(const sn_conv_spec *s, float *y, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = conv_end_ref(s, y[i], NULL);
}
