#include "kernels/norm.h"
#include <math.h>

void sn_norm_f32_moments_ref(const float *x, int64_t n, float *mean_out, float *variance_out)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    double mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++)
        squares += ((double)x[i] - mean) * ((double)x[i] - mean);
    *mean_out = (float)mean;
    *variance_out = (float)(squares / (double)n);
}

void sn_norm_f32_layer_ref(int64_t n, float epsilon, const float *x, const float *scale, const float *bias, float *y,
                           float *mean_out, float *inv_out)
{
    float mean, variance;
    sn_norm_f32_moments_ref(x, n, &mean, &variance);
    float inv = 1 / sqrtf(variance + epsilon);
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) * inv * (scale ? scale[i] : 1) + (bias ? bias[i] : 0);
    if (mean_out)
        *mean_out = mean;
    if (inv_out)
        *inv_out = inv;
}

void sn_norm_f32_affine_ref(const float *x, int64_t n, float a, float b, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] = x[i] * a + b;
}
