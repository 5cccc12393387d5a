#include "kernels/roofline.h"
#include <immintrin.h>

enum { ROOFLINE_LANES = 16, ROOFLINE_VECTORS = SN_ROOFLINE_CHAINS / ROOFLINE_LANES };
enum { ROOFLINE_SUMS = SN_ROOFLINE_READ / ROOFLINE_LANES };

void sn_roofline_f32_multiply_add_avx512(int64_t rounds, float *y)
{
    const __m512 factor = _mm512_set1_ps(-2);
    __m512 v[ROOFLINE_VECTORS];
    for (int i = 0; i < ROOFLINE_VECTORS; i++)
        v[i] = _mm512_loadu_ps(y + i * ROOFLINE_LANES);
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < ROOFLINE_VECTORS; i++)
            v[i] = _mm512_fmadd_ps(v[i], factor, v[i]);
    for (int i = 0; i < ROOFLINE_VECTORS; i++)
        _mm512_storeu_ps(y + i * ROOFLINE_LANES, v[i]);
}

void sn_roofline_f32_read_avx512(const float *x, int64_t n, float *y)
{
    __m512 sum[ROOFLINE_SUMS];
    for (int i = 0; i < ROOFLINE_SUMS; i++)
        sum[i] = _mm512_setzero_ps();
    for (int64_t k = 0; k < n; k += SN_ROOFLINE_READ)
        for (int i = 0; i < ROOFLINE_SUMS; i++)
            sum[i] = _mm512_add_ps(sum[i], _mm512_loadu_ps(x + k + i * ROOFLINE_LANES));
    for (int i = 0; i < ROOFLINE_SUMS; i++)
        _mm512_storeu_ps(y + i * ROOFLINE_LANES, sum[i]);
}
