#include "kernels/roofline.h"
#include <immintrin.h>

/* Two groups of chains, each of which fits the 16 registers. */
enum { ROOFLINE_LANES = 8, ROOFLINE_VECTORS = SN_ROOFLINE_CHAINS / ROOFLINE_LANES / 2 };
enum { ROOFLINE_SUMS = SN_ROOFLINE_READ / ROOFLINE_LANES };

static inline void roofline_group(int64_t rounds, float *y)
{
    const __m256 factor = _mm256_set1_ps(-2);
    __m256 v[ROOFLINE_VECTORS];
    for (int i = 0; i < ROOFLINE_VECTORS; i++)
        v[i] = _mm256_loadu_ps(y + i * ROOFLINE_LANES);
    for (int64_t r = 0; r < rounds; r++)
        for (int i = 0; i < ROOFLINE_VECTORS; i++)
            v[i] = _mm256_fmadd_ps(v[i], factor, v[i]);
    for (int i = 0; i < ROOFLINE_VECTORS; i++)
        _mm256_storeu_ps(y + i * ROOFLINE_LANES, v[i]);
}

void sn_roofline_f32_multiply_add_avx2(int64_t rounds, float *y)
{
    roofline_group(rounds, y);
    roofline_group(rounds, y + ROOFLINE_VECTORS * ROOFLINE_LANES);
}

void sn_roofline_f32_read_avx2(const float *x, int64_t n, float *y)
{
    __m256 sum[ROOFLINE_SUMS];
    for (int i = 0; i < ROOFLINE_SUMS; i++)
        sum[i] = _mm256_setzero_ps();
    for (int64_t k = 0; k < n; k += SN_ROOFLINE_READ)
        for (int i = 0; i < ROOFLINE_SUMS; i++)
            sum[i] = _mm256_add_ps(sum[i], _mm256_loadu_ps(x + k + i * ROOFLINE_LANES));
    for (int i = 0; i < ROOFLINE_SUMS; i++)
        _mm256_storeu_ps(y + i * ROOFLINE_LANES, sum[i]);
}
