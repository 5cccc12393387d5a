#include "kernels/roofline.h"
#include <arm_neon.h>

/* Two groups of chains, each of which fits the 32 registers. */
enum { ROOFLINE_LANES = 4, ROOFLINE_VECTORS = SN_ROOFLINE_CHAINS / ROOFLINE_LANES / 2 };
enum { ROOFLINE_SUMS = SN_ROOFLINE_READ / ROOFLINE_LANES };

static inline void roofline_group(int64_t rounds, float *y)
{
    const float32x4_t factor = vdupq_n_f32(-2);
    float32x4_t v[ROOFLINE_VECTORS];
#pragma GCC unroll 24
    for (int i = 0; i < ROOFLINE_VECTORS; i++)
        v[i] = vld1q_f32(y + i * ROOFLINE_LANES);
    for (int64_t r = 0; r < rounds; r++)
#pragma GCC unroll 24
        for (int i = 0; i < ROOFLINE_VECTORS; i++)
            v[i] = vfmaq_f32(v[i], v[i], factor);
#pragma GCC unroll 24
    for (int i = 0; i < ROOFLINE_VECTORS; i++)
        vst1q_f32(y + i * ROOFLINE_LANES, v[i]);
}

void sn_roofline_f32_multiply_add_neon(int64_t rounds, float *y)
{
    roofline_group(rounds, y);
    roofline_group(rounds, y + ROOFLINE_VECTORS * ROOFLINE_LANES);
}

void sn_roofline_f32_read_neon(const float *x, int64_t n, float *y)
{
    float32x4_t sum[ROOFLINE_SUMS];
#pragma GCC unroll 32
    for (int i = 0; i < ROOFLINE_SUMS; i++)
        sum[i] = vdupq_n_f32(0);
    for (int64_t k = 0; k < n; k += SN_ROOFLINE_READ)
#pragma GCC unroll 32
        for (int i = 0; i < ROOFLINE_SUMS; i++)
            sum[i] = vaddq_f32(sum[i], vld1q_f32(x + k + i * ROOFLINE_LANES));
#pragma GCC unroll 32
    for (int i = 0; i < ROOFLINE_SUMS; i++)
        vst1q_f32(y + i * ROOFLINE_LANES, sum[i]);
}
