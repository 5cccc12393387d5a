/* Elements of f32 and f64 tensors as double: for operators whose cost is not in the reading. */
#ifndef SN_OPS_REAL_H
#define SN_OPS_REAL_H

#include <setsuna/tensor.h>

static inline double sn_real_get(const void *x, setsuna_dtype dtype, int64_t i)
{
    return dtype == SETSUNA_F64 ? ((const double *)x)[i] : (double)((const float *)x)[i];
}

static inline void sn_real_set(void *x, setsuna_dtype dtype, int64_t i, double v)
{
    if (dtype == SETSUNA_F64)
        ((double *)x)[i] = v;
    else
        ((float *)x)[i] = (float)v;
}

#endif
