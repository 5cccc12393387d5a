/* Pools of every other kind, over plain images, in plain C: other types, Lp norms, indices of the maxima. */
#ifndef SN_KERNELS_POOL_PLAIN_H
#define SN_KERNELS_POOL_PLAIN_H

#include "kernels/pooling.h"

/* One channel: y [out] = maximum over the window, index [out] (may be NULL) = its place in x (row-major, or with
 * column_major first dim fastest) plus index_base. The first of equal maxima counts; a window without a pixel gives the
 * type's lowest value and index_base. */
void sn_pool_plain_max_f32(const sn_pool_geometry *g, const float *x, float *y, int64_t *index, int64_t index_base,
                           bool column_major);
void sn_pool_plain_max_f64(const sn_pool_geometry *g, const double *x, double *y, int64_t *index, int64_t index_base,
                           bool column_major);
void sn_pool_plain_max_i8(const sn_pool_geometry *g, const int8_t *x, int8_t *y, int64_t *index, int64_t index_base,
                          bool column_major);
void sn_pool_plain_max_u8(const sn_pool_geometry *g, const uint8_t *x, uint8_t *y, int64_t *index, int64_t index_base,
                          bool column_major);

/* One channel: the mean (p = 0, ONNX AveragePool-19) or the p-norm (LpPool-18) over the window, summed in double. */
void sn_pool_plain_norm_f32(const sn_pool_geometry *g, const float *x, float *y, double p);
void sn_pool_plain_norm_f64(const sn_pool_geometry *g, const double *x, double *y, double p);

#endif
