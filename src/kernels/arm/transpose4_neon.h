/* A transpose of four vectors of four floats in place. */
#ifndef SN_KERNELS_ARM_TRANSPOSE4_NEON_H
#define SN_KERNELS_ARM_TRANSPOSE4_NEON_H

#include <arm_neon.h>

static inline void sn_transpose4_neon(float32x4_t m[4])
{
    float32x4_t a = vtrn1q_f32(m[0], m[1]), b = vtrn2q_f32(m[0], m[1]);
    float32x4_t c = vtrn1q_f32(m[2], m[3]), d = vtrn2q_f32(m[2], m[3]);
    m[0] = vcombine_f32(vget_low_f32(a), vget_low_f32(c));
    m[1] = vcombine_f32(vget_low_f32(b), vget_low_f32(d));
    m[2] = vcombine_f32(vget_high_f32(a), vget_high_f32(c));
    m[3] = vcombine_f32(vget_high_f32(b), vget_high_f32(d));
}

#endif
