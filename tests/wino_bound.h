/* How far the result of a Winograd convolution may lie from the exact sum: the bounds of kernels/conv_winograd.h, for a
 * tile of 4x4 outputs, or of 4 in a line.
 *
 *     double sum[SN_WINO_PRODUCTS] = {0};
 *     for each input channel: wino_bound_add(px, g, sum);       6x6 pixels, 3x3 weights
 *     wino_bound_at(sum, channels, row, column)                 before bias, residual and activation
 *
 * and wino_bound_add_line, wino_bound_at_line with 6 pixels, 3 weights, 6 sums. */
#ifndef SN_TESTS_WINO_BOUND_H
#define SN_TESTS_WINO_BOUND_H

#include "kernels/conv_winograd.h"
#include <math.h>
#include <stdint.h>

static const double wino_bound_in[SN_WINO_IN][SN_WINO_IN] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0},
                                                             {0, 4, -4, -1, 1, 0}, {0, -2, -1, 2, 1, 0},
                                                             {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
static const double wino_bound_weights[SN_WINO_IN][3] = {{1 / 4.0, 0, 0},
                                                         {-1 / 6.0, -1 / 6.0, -1 / 6.0},
                                                         {-1 / 6.0, 1 / 6.0, -1 / 6.0},
                                                         {1 / 24.0, 1 / 12.0, 1 / 6.0},
                                                         {1 / 24.0, -1 / 12.0, 1 / 6.0},
                                                         {0, 0, 1}};
static const double wino_bound_out[SN_WINO_OUT][SN_WINO_IN] = {
    {1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};

/* |m| |x| |m|' for m [6][p] and x [p][p]. */
static inline void wino_bound_abs(const double *m, int p, const double *x, double *out)
{
    for (int r = 0; r < SN_WINO_IN; r++)
        for (int c = 0; c < SN_WINO_IN; c++) {
            double sum = 0;
            for (int i = 0; i < p * p; i++)
                sum += fabs(m[r * p + i / p] * x[i] * m[c * p + i % p]);
            out[r * SN_WINO_IN + c] = sum;
        }
}

static inline void wino_bound_add(const double px[SN_WINO_PRODUCTS], const double g[9], double sum[SN_WINO_PRODUCTS])
{
    double u[SN_WINO_PRODUCTS], v[SN_WINO_PRODUCTS];
    wino_bound_abs(&wino_bound_in[0][0], SN_WINO_IN, px, v);
    wino_bound_abs(&wino_bound_weights[0][0], 3, g, u);
    for (int k = 0; k < SN_WINO_PRODUCTS; k++)
        sum[k] += u[k] * v[k];
}

static inline double wino_bound_at(const double sum[SN_WINO_PRODUCTS], int64_t channels, int row, int column)
{
    double y = 0;
    for (int k = 0; k < SN_WINO_PRODUCTS; k++)
        y += fabs(wino_bound_out[row][k / SN_WINO_IN]) * sum[k] * fabs(wino_bound_out[column][k % SN_WINO_IN]);
    return ((double)channels + 24) * 0x1p-24 * y;
}

static inline void wino_bound_add_line(const double px[SN_WINO_IN], const double g[3], double sum[SN_WINO_IN])
{
    for (int r = 0; r < SN_WINO_IN; r++) {
        double u = 0, v = 0;
        for (int i = 0; i < SN_WINO_IN; i++)
            v += fabs(wino_bound_in[r][i] * px[i]);
        for (int i = 0; i < 3; i++)
            u += fabs(wino_bound_weights[r][i] * g[i]);
        sum[r] += u * v;
    }
}

static inline double wino_bound_at_line(const double sum[SN_WINO_IN], int64_t channels, int at)
{
    double y = 0;
    for (int k = 0; k < SN_WINO_IN; k++)
        y += fabs(wino_bound_out[at][k]) * sum[k];
    return ((double)channels + 16) * 0x1p-24 * y;
}

#endif
