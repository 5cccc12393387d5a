/* Convolution over plain [N][C][D][H][W] images, in plain C: the specification, and what runs where the faster forms do
 * not apply. 1-D and 2-D images have D (and H) of 1.
 */
#ifndef SN_KERNELS_CONV_PLAIN_H
#define SN_KERNELS_CONV_PLAIN_H

#include <stdbool.h>
#include <stdint.h>

/* All arrays of 3 are D, H, W. */
typedef struct sn_conv_geometry {
    int64_t n, ic, oc, group; /* ic and oc of all groups together; group divides both */
    int64_t in[3], out[3], kernel[3], stride[3], dilation[3], pad[3];
} sn_conv_geometry;

/* y [oc][out] = x [ic][in] * w [oc][ic/group][kernel] + bias [oc] (may be NULL), for one image and the output channels
 * [oc0, oc1). Sums over input channel, kd, kh, kw in this order. */
void sn_conv_plain_f32(const sn_conv_geometry *g, const float *x, const float *w, const float *bias, int64_t oc0,
                       int64_t oc1, float *y);
void sn_conv_plain_f64(const sn_conv_geometry *g, const double *x, const double *w, const double *bias, int64_t oc0,
                       int64_t oc1, double *y);

/* Integer form: y i32 = sum (x - x_zero) (w - w_zero[o]) + bias, padding counting as x_zero. w_zero has one entry an
 * output channel. Sums wrap around. */
typedef struct sn_conv_zero {
    int32_t x;
    const int32_t *w;
} sn_conv_zero;

void sn_conv_plain_u8u8(const sn_conv_geometry *g, const uint8_t *x, const uint8_t *w, const int32_t *bias,
                        const sn_conv_zero *zero, int64_t oc0, int64_t oc1, int32_t *y);
void sn_conv_plain_u8i8(const sn_conv_geometry *g, const uint8_t *x, const int8_t *w, const int32_t *bias,
                        const sn_conv_zero *zero, int64_t oc0, int64_t oc1, int32_t *y);
void sn_conv_plain_i8u8(const sn_conv_geometry *g, const int8_t *x, const uint8_t *w, const int32_t *bias,
                        const sn_conv_zero *zero, int64_t oc0, int64_t oc1, int32_t *y);
void sn_conv_plain_i8i8(const sn_conv_geometry *g, const int8_t *x, const int8_t *w, const int32_t *bias,
                        const sn_conv_zero *zero, int64_t oc0, int64_t oc1, int32_t *y);

/* The transposed convolution (gradient of the above): x [ic][in], w [ic][oc/group][kernel], y [oc][out] of one image;
 * input pixel i adds x w[k] to output pixel i * stride - pad + k * dilation, where that exists. */
void sn_conv_transpose_plain_f32(const sn_conv_geometry *g, const float *x, const float *w, const float *bias,
                                 int64_t oc0, int64_t oc1, float *y);
void sn_conv_transpose_plain_f64(const sn_conv_geometry *g, const double *x, const double *w, const double *bias,
                                 int64_t oc0, int64_t oc1, double *y);

/* The same from the products of all pixels with all taps: y of the output channels [0, maps) += col [maps * taps][ld],
 * whose columns are the n input pixels from p0 on, n <= SN_IM2COL_MAX. */
enum { SN_IM2COL_MAX = 32 };
void sn_col2im_f32(const sn_conv_geometry *g, const float *col, int64_t ld, int64_t p0, int32_t n, int64_t maps,
                   float *y);

/* Columns of a convolution as a matrix product: out [ic/group * taps][ld] for the n output pixels from p0 on (in order
 * of D, H, W), of one group (x is its first input channel). Row (channel, kd, kh, kw); n <= SN_IM2COL_MAX <= ld;
 * out[.][n, ld) is zero. */
void sn_im2col_f32(const sn_conv_geometry *g, const float *x, int64_t p0, int32_t n, int64_t ld, float *out);

/* Rows: the same matrix transposed, out [n][ld], n any. */
void sn_im2row_f32(const sn_conv_geometry *g, const float *x, int64_t p0, int64_t n, int64_t ld, float *out);

/* The outputs o in [*lo, *hi) of one dim for which tap k reads inside [0, in): o * stride - pad + k * dilation. */
static inline void sn_conv_tap_range(int64_t in, int64_t out, int64_t stride, int64_t pad, int64_t offset, int64_t *lo,
                                     int64_t *hi)
{
    int64_t first = pad - offset, last = in - 1 + pad - offset; /* o * stride in [first, last] */
    int64_t a = first > 0 ? (first + stride - 1) / stride : 0, b = last >= 0 ? last / stride + 1 : 0;
    *hi = b < out ? b : out;
    *lo = a < *hi ? a : *hi;
}

#endif
