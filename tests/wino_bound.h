/* How far the result of a Winograd convolution may lie from the exact sum: the bound of kernels/conv_winograd.h, for a
 * tile of out x out outputs, 4 or 2.
 *
 *     double sum[SN_WINO_PRODUCTS_MAX] = {0};
 *     for each input channel: wino_bound_add(out, px, g, sum);  (out + 2) x (out + 2) pixels, 3x3 weights
 *     wino_bound_at(out, sum, channels, row, column)            before bias, residual and activation
 *
 * and wino_bound_add_line, wino_bound_at_line with 6 pixels, 3 weights, 6 sums, for 4 outputs in a line. */
#ifndef SN_TESTS_WINO_BOUND_H
#define SN_TESTS_WINO_BOUND_H

#include "kernels/conv_winograd.h"
#include <math.h>
#include <stdint.h>

static const double wino_bound_in[SN_WINO_IN_MAX][SN_WINO_IN_MAX] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0},
                                                                     {0, 4, -4, -1, 1, 0}, {0, -2, -1, 2, 1, 0},
                                                                     {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
static const double wino_bound_weights[SN_WINO_IN_MAX][3] = {{1 / 4.0, 0, 0},
                                                             {-1 / 6.0, -1 / 6.0, -1 / 6.0},
                                                             {-1 / 6.0, 1 / 6.0, -1 / 6.0},
                                                             {1 / 24.0, 1 / 12.0, 1 / 6.0},
                                                             {1 / 24.0, -1 / 12.0, 1 / 6.0},
                                                             {0, 0, 1}};
static const double wino_bound_out[SN_WINO_OUT_MAX][SN_WINO_IN_MAX] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};

/* |m| |x| |m|' for m [in][p] and x [p][p]. */
static inline void wino_bound_abs(int in, const double *m, int p, const double *x, double *out)
{
    for (int r = 0; r < in; r++)
        for (int c = 0; c < in; c++) {
            double sum = 0;
            for (int i = 0; i < p * p; i++)
                sum += fabs(m[r * p + i / p] * x[i] * m[c * p + i % p]);
            out[r * in + c] = sum;
        }
}

static inline void wino_bound_add(int out, const double *px, const double g[9], double *sum)
{
    static const double in2[4][4] = {{1, 0, -1, 0}, {0, 1, 1, 0}, {0, -1, 1, 0}, {0, 1, 0, -1}};
    static const double weights2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
    double u[SN_WINO_PRODUCTS_MAX], v[SN_WINO_PRODUCTS_MAX];
    const int in = out + 2;
    wino_bound_abs(in, out == 4 ? &wino_bound_in[0][0] : &in2[0][0], in, px, v);
    wino_bound_abs(in, out == 4 ? &wino_bound_weights[0][0] : &weights2[0][0], 3, g, u);
    for (int k = 0; k < in * in; k++)
        sum[k] += u[k] * v[k];
}

static inline double wino_bound_at(int out, const double *sum, int64_t channels, int row, int column)
{
    static const double out2[2][4] = {{1, 1, 1, 0}, {0, 1, -1, -1}};
    const double *a = out == 4 ? &wino_bound_out[0][0] : &out2[0][0];
    const int in = out + 2;
    double y = 0;
    for (int k = 0; k < in * in; k++)
        y += fabs(a[row * in + k / in]) * sum[k] * fabs(a[column * in + k % in]);
    return ((double)channels + 24) * 0x1p-24 * y;
}

static inline void wino_bound_add_line(const double px[SN_WINO_IN_MAX], const double g[3], double sum[SN_WINO_IN_MAX])
{
    for (int r = 0; r < SN_WINO_IN_MAX; r++) {
        double u = 0, v = 0;
        for (int i = 0; i < SN_WINO_IN_MAX; i++)
            v += fabs(wino_bound_in[r][i] * px[i]);
        for (int i = 0; i < 3; i++)
            u += fabs(wino_bound_weights[r][i] * g[i]);
        sum[r] += u * v;
    }
}

static inline double wino_bound_at_line(const double sum[SN_WINO_IN_MAX], int64_t channels, int at)
{
    double y = 0;
    for (int k = 0; k < SN_WINO_IN_MAX; k++)
        y += fabs(wino_bound_out[at][k]) * sum[k];
    return ((double)channels + 16) * 0x1p-24 * y;
}

#endif
