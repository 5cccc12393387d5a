/* The dot products of CPUs that have them, out of what every one has: products of bytes are exact in 16 bits. */
#include <arm_neon.h>

static inline int32x4_t qgemm_dot4(int32x4_t acc, int8x16_t b, int8x16_t a)
{
    int32x4_t lo = vpaddlq_s16(vmull_s8(vget_low_s8(b), vget_low_s8(a)));
    int32x4_t hi = vpaddlq_s16(vmull_high_s8(b, a));
    return vaddq_s32(acc, vpaddq_s32(lo, hi));
}

#define QGEMM_DOT(acc, b, a, lane)                                                                                     \
    qgemm_dot4(acc, b, vreinterpretq_s8_s32(vdupq_laneq_s32(vreinterpretq_s32_s8(a), lane)))
#define QGEMM_NAME sn_qgemm_8x8_neon
#include "kernels/arm/qgemm_neon.inc"

#include "kernels/arm/vmath_neon.h"
#define QGEMM_AFTER sn_qgemm_after_neon
#include "kernels/simd/qgemm_after.inc"
