#include "kernels/conv_plain.h"
#include <string.h>

#define CONV_CAT_(a, b) a##b
#define CONV_CAT(a, b) CONV_CAT_(a, b)

#define CONV_NAME sn_conv_plain_f32
#define CONV_X float
#define CONV_W float
#define CONV_Y float
#define CONV_B float
#define CONV_TERM(x, w) ((x) * (w))
#define CONV_ZERO_ARG
#define CONV_ZEROS(o) 0, 0
#include "kernels/ref/conv_plain.inc"

#define CONV_NAME sn_conv_plain_f64
#define CONV_X double
#define CONV_W double
#define CONV_Y double
#define CONV_B double
#define CONV_TERM(x, w) ((x) * (w))
#define CONV_ZERO_ARG
#define CONV_ZEROS(o) 0, 0
#include "kernels/ref/conv_plain.inc"

/* Sums are unsigned so that they may wrap around. */
#define CONV_INT_TERM(x, w) ((uint32_t)(((int32_t)(x)-xz) * ((int32_t)(w)-wz)))

#define CONV_NAME sn_conv_plain_u8u8
#define CONV_X uint8_t
#define CONV_W uint8_t
#define CONV_Y uint32_t
#define CONV_B int32_t
#define CONV_TERM CONV_INT_TERM
#define CONV_ZERO_ARG , const sn_conv_zero *zero
#define CONV_ZEROS(o) zero->x, zero->w[o]
#include "kernels/ref/conv_plain.inc"

#define CONV_NAME sn_conv_plain_u8i8
#define CONV_X uint8_t
#define CONV_W int8_t
#define CONV_Y uint32_t
#define CONV_B int32_t
#define CONV_TERM CONV_INT_TERM
#define CONV_ZERO_ARG , const sn_conv_zero *zero
#define CONV_ZEROS(o) zero->x, zero->w[o]
#include "kernels/ref/conv_plain.inc"

#define CONV_NAME sn_conv_plain_i8u8
#define CONV_X int8_t
#define CONV_W uint8_t
#define CONV_Y uint32_t
#define CONV_B int32_t
#define CONV_TERM CONV_INT_TERM
#define CONV_ZERO_ARG , const sn_conv_zero *zero
#define CONV_ZEROS(o) zero->x, zero->w[o]
#include "kernels/ref/conv_plain.inc"

#define CONV_NAME sn_conv_plain_i8i8
#define CONV_X int8_t
#define CONV_W int8_t
#define CONV_Y uint32_t
#define CONV_B int32_t
#define CONV_TERM CONV_INT_TERM
#define CONV_ZERO_ARG , const sn_conv_zero *zero
#define CONV_ZEROS(o) zero->x, zero->w[o]
#include "kernels/ref/conv_plain.inc"

#define CONV_NAME sn_conv_transpose_plain_f32
#define CONV_T float
#include "kernels/ref/conv_transpose_plain.inc"

#define CONV_NAME sn_conv_transpose_plain_f64
#define CONV_T double
#include "kernels/ref/conv_transpose_plain.inc"

/* ---- columns ------------------------------------------------------------------------------------- */

/* Output pixels of one image row that lie side by side in a panel. */
typedef struct im2col_run {
    int64_t od, oh, ow;
    int32_t at, n; /* columns [at, at + n) */
} im2col_run;

static int32_t im2col_runs(const sn_conv_geometry *g, int64_t p0, int32_t n, im2col_run *run)
{
    int32_t n_run = 0;
    for (int32_t at = 0; at < n;) {
        int64_t p = p0 + at, ow = p % g->out[2], left = g->out[2] - ow;
        int32_t len = left < n - at ? (int32_t)left : n - at;
        run[n_run++] = (im2col_run){p / g->out[2] / g->out[1], p / g->out[2] % g->out[1], ow, at, len};
        at += len;
    }
    return n_run;
}

/* The columns of one run for one tap: sources of [from, to) exist, the rest is zero. */
typedef struct im2col_piece {
    int32_t at, n, from, to;
    int64_t src; /* element in a channel of column `at`, where that exists */
} im2col_piece;

static im2col_piece im2col_locate(const sn_conv_geometry *g, const im2col_run *r, const int64_t *off)
{
    im2col_piece p = {r->at, r->n, 0, 0, 0};
    int64_t id = r->od * g->stride[0] - g->pad[0] + off[0], ih = r->oh * g->stride[1] - g->pad[1] + off[1];
    if (id < 0 || id >= g->in[0] || ih < 0 || ih >= g->in[1])
        return p;
    int64_t lo, hi;
    sn_conv_tap_range(g->in[2], g->out[2], g->stride[2], g->pad[2], off[2], &lo, &hi);
    lo = lo > r->ow ? lo : r->ow;
    hi = hi < r->ow + r->n ? hi : r->ow + r->n;
    if (lo >= hi)
        return p;
    p.from = (int32_t)(lo - r->ow);
    p.to = (int32_t)(hi - r->ow);
    p.src = (id * g->in[1] + ih) * g->in[2] + r->ow * g->stride[2] - g->pad[2] + off[2];
    return p;
}

void sn_im2col_f32(const sn_conv_geometry *g, const float *x, int64_t p0, int32_t n, int64_t ld, float *out)
{
    im2col_run run[SN_IM2COL_MAX];
    im2col_piece piece[SN_IM2COL_MAX];
    int32_t n_run = im2col_runs(g, p0, n, run);
    int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2], in_size = g->in[0] * g->in[1] * g->in[2];
    int64_t s = g->stride[2], channels = g->ic / g->group;
    for (int64_t k = 0; k < taps; k++) {
        const int64_t off[3] = {k / (g->kernel[1] * g->kernel[2]) * g->dilation[0],
                                k / g->kernel[2] % g->kernel[1] * g->dilation[1], k % g->kernel[2] * g->dilation[2]};
        for (int32_t i = 0; i < n_run; i++)
            piece[i] = im2col_locate(g, &run[i], off);
        for (int64_t c = 0; c < channels; c++) {
            float *row = out + (c * taps + k) * ld;
            const float *xc = x + c * in_size;
            for (int32_t i = 0; i < n_run; i++) {
                const im2col_piece *p = &piece[i];
                float *to = row + p->at;
                for (int32_t j = 0; j < p->from; j++)
                    to[j] = 0;
                if (s == 1)
                    for (int32_t j = p->from; j < p->to; j++)
                        to[j] = xc[p->src + j];
                else
                    for (int32_t j = p->from; j < p->to; j++)
                        to[j] = xc[p->src + j * s];
                for (int32_t j = p->to; j < p->n; j++)
                    to[j] = 0;
            }
            for (int64_t j = n; j < ld; j++)
                row[j] = 0;
        }
    }
}

void sn_im2row_f32(const sn_conv_geometry *g, const float *x, int64_t p0, int64_t n, int64_t ld, float *out)
{
    int64_t in_size = g->in[0] * g->in[1] * g->in[2], channels = g->ic / g->group;
    for (int64_t p = p0; p < p0 + n; p++, out += ld) {
        const int64_t at[3] = {p / g->out[2] / g->out[1] * g->stride[0] - g->pad[0],
                               p / g->out[2] % g->out[1] * g->stride[1] - g->pad[1],
                               p % g->out[2] * g->stride[2] - g->pad[2]};
        float *to = out;
        for (int64_t c = 0; c < channels; c++)
            for (int64_t kd = 0; kd < g->kernel[0]; kd++)
                for (int64_t kh = 0; kh < g->kernel[1]; kh++) {
                    int64_t id = at[0] + kd * g->dilation[0], ih = at[1] + kh * g->dilation[1];
                    bool inside = id >= 0 && id < g->in[0] && ih >= 0 && ih < g->in[1];
                    const float *row = inside ? x + c * in_size + (id * g->in[1] + ih) * g->in[2] : x;
                    for (int64_t kw = 0; kw < g->kernel[2]; kw++) {
                        int64_t iw = at[2] + kw * g->dilation[2];
                        *to++ = inside && iw >= 0 && iw < g->in[2] ? row[iw] : 0;
                    }
                }
    }
}

void sn_col2im_f32(const sn_conv_geometry *g, const float *col, int64_t ld, int64_t p0, int32_t n, int64_t maps,
                   float *y)
{
    int64_t taps = g->kernel[0] * g->kernel[1] * g->kernel[2], out_size = g->out[0] * g->out[1] * g->out[2];
    for (int32_t at = 0; at < n;) { /* input pixels of one row at a time */
        int64_t p = p0 + at, iw = p % g->in[2], ih = p / g->in[2] % g->in[1], id = p / g->in[2] / g->in[1];
        int32_t len = g->in[2] - iw < n - at ? (int32_t)(g->in[2] - iw) : n - at;
        for (int64_t k = 0; k < taps; k++) {
            const int64_t off[3] = {k / (g->kernel[1] * g->kernel[2]) * g->dilation[0],
                                    k / g->kernel[2] % g->kernel[1] * g->dilation[1],
                                    k % g->kernel[2] * g->dilation[2]};
            int64_t od = id * g->stride[0] - g->pad[0] + off[0], oh = ih * g->stride[1] - g->pad[1] + off[1];
            int64_t lo, hi, s = g->stride[2];
            if (od < 0 || od >= g->out[0] || oh < 0 || oh >= g->out[1])
                continue;
            sn_conv_tap_range(g->out[2], g->in[2], s, g->pad[2], off[2], &lo, &hi);
            lo = lo > iw ? lo : iw;
            hi = hi < iw + len ? hi : iw + len;
            int64_t to = (od * g->out[1] + oh) * g->out[2] - g->pad[2] + off[2];
            for (int64_t o = 0; o < maps; o++) {
                const float *from = col + (o * taps + k) * ld + at - iw;
                float *row = y + o * out_size + to;
                for (int64_t i = lo; i < hi; i++)
                    row[i * s] += from[i];
            }
        }
        at += len;
    }
}
