/* Reductions in plain C. Sums are made in double, so that this is the value the other levels are measured against. */
#include "kernels/reduce.h"
#include <math.h>

typedef enum reduce_op { REDUCE_SUM, REDUCE_SUMABS, REDUCE_SUMSQ, REDUCE_MAX, REDUCE_MIN } reduce_op;

/* One fold of n elements `step` apart. */
static inline float reduce_fold(reduce_op op, const float *x, int64_t n, int64_t step, float divisor)
{
    double sum = 0.0;
    float best = op == REDUCE_MAX ? -INFINITY : INFINITY;
    for (int64_t k = 0; k < n; k++) {
        float v = x[k * step];
        switch (op) {
        case REDUCE_SUM: sum += (double)v; break;
        case REDUCE_SUMABS: sum += fabs((double)v); break;
        case REDUCE_SUMSQ: sum += (double)v * (double)v; break;
        case REDUCE_MAX: best = v > best || v != v ? v : best; break; /* a NaN stays: nothing compares above it */
        case REDUCE_MIN: best = v < best || v != v ? v : best; break;
        }
    }
    return op == REDUCE_MAX || op == REDUCE_MIN ? best : (float)(sum / (double)divisor);
}

static inline void reduce_rows(reduce_op op, float *out, const float *x, int64_t rows, int64_t n, int64_t ldx,
                               float divisor)
{
    for (int64_t i = 0; i < rows; i++)
        out[i] = reduce_fold(op, x + i * ldx, n, 1, divisor);
}

static inline void reduce_cols(reduce_op op, float *out, const float *x, int64_t n, int64_t cols, int64_t ldx,
                               float divisor)
{
    for (int64_t j = 0; j < cols; j++)
        out[j] = reduce_fold(op, x + j, n, ldx, divisor);
}

void sn_reduce_f32_rows_sum_ref(float *out, const float *x, int64_t rows, int64_t n, int64_t ldx, float divisor)
{
    reduce_rows(REDUCE_SUM, out, x, rows, n, ldx, divisor);
}

void sn_reduce_f32_rows_sumabs_ref(float *out, const float *x, int64_t rows, int64_t n, int64_t ldx, float divisor)
{
    reduce_rows(REDUCE_SUMABS, out, x, rows, n, ldx, divisor);
}

void sn_reduce_f32_rows_sumsq_ref(float *out, const float *x, int64_t rows, int64_t n, int64_t ldx, float divisor)
{
    reduce_rows(REDUCE_SUMSQ, out, x, rows, n, ldx, divisor);
}

void sn_reduce_f32_rows_max_ref(float *out, const float *x, int64_t rows, int64_t n, int64_t ldx, float divisor)
{
    reduce_rows(REDUCE_MAX, out, x, rows, n, ldx, divisor);
}

void sn_reduce_f32_rows_min_ref(float *out, const float *x, int64_t rows, int64_t n, int64_t ldx, float divisor)
{
    reduce_rows(REDUCE_MIN, out, x, rows, n, ldx, divisor);
}

void sn_reduce_f32_cols_sum_ref(float *out, const float *x, int64_t n, int64_t cols, int64_t ldx, float divisor)
{
    reduce_cols(REDUCE_SUM, out, x, n, cols, ldx, divisor);
}

void sn_reduce_f32_cols_sumabs_ref(float *out, const float *x, int64_t n, int64_t cols, int64_t ldx, float divisor)
{
    reduce_cols(REDUCE_SUMABS, out, x, n, cols, ldx, divisor);
}

void sn_reduce_f32_cols_sumsq_ref(float *out, const float *x, int64_t n, int64_t cols, int64_t ldx, float divisor)
{
    reduce_cols(REDUCE_SUMSQ, out, x, n, cols, ldx, divisor);
}

void sn_reduce_f32_cols_max_ref(float *out, const float *x, int64_t n, int64_t cols, int64_t ldx, float divisor)
{
    reduce_cols(REDUCE_MAX, out, x, n, cols, ldx, divisor);
}

void sn_reduce_f32_cols_min_ref(float *out, const float *x, int64_t n, int64_t cols, int64_t ldx, float divisor)
{
    reduce_cols(REDUCE_MIN, out, x, n, cols, ldx, divisor);
}
