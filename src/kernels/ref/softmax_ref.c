#include "kernels/softmax.h"
#include <math.h>
#include <stdbool.h>

/* One row of n elements, `stride` apart. */
static void softmax_row(const float *x, int64_t n, int64_t stride, float *y, bool log_form)
{
    float max = x[0];
    double sum = 0;
    for (int64_t i = 1; i < n; i++)
        max = x[i * stride] > max || isnan(x[i * stride]) ? x[i * stride] : max;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)x[i * stride] - (double)max);
    double log_sum = log_form ? log(sum) : 0;
    for (int64_t i = 0; i < n; i++) {
        double d = (double)x[i * stride] - (double)max;
        y[i * stride] = (float)(log_form ? d - log_sum : exp(d) / sum);
    }
}

void sn_softmax_f32_row_ref(const float *x, int64_t n, float *y)
{
    softmax_row(x, n, 1, y, false);
}

void sn_softmax_f32_log_row_ref(const float *x, int64_t n, float *y)
{
    softmax_row(x, n, 1, y, true);
}

void sn_softmax_f32_inner_ref(const float *x, int64_t n, int64_t inner, float *y)
{
    for (int64_t j = 0; j < inner; j++)
        softmax_row(x + j, n, inner, y + j, false);
}

void sn_softmax_f32_log_inner_ref(const float *x, int64_t n, int64_t inner, float *y)
{
    for (int64_t j = 0; j < inner; j++)
        softmax_row(x + j, n, inner, y + j, true);
}

void sn_softmax_f32_exp_rows_ref(float *x, int64_t ld, int64_t m, int64_t n, float *inv)
{
    for (int64_t row = 0; row < m; row++, x += ld) {
        float max = x[0];
        double sum = 0;
        for (int64_t i = 1; i < n; i++)
            max = x[i] > max || isnan(x[i]) ? x[i] : max;
        for (int64_t i = 0; i < n; i++) {
            x[i] = (float)exp((double)x[i] - (double)max);
            sum += (double)x[i];
        }
        inv[row] = (float)(1 / sum);
    }
}

void sn_softmax_f32_scale_rows_ref(float *y, int64_t ld, int64_t m, int64_t n, const float *factor)
{
    for (int64_t row = 0; row < m; row++)
        for (int64_t i = 0; i < n; i++)
            y[row * ld + i] *= factor[row];
}
