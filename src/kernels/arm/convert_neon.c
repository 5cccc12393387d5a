#include "base/half.h"
#include "kernels/convert.h"
#include <arm_neon.h>

/* bf16 is not here: compilers make the same of the reference. */

void sn_convert_f16_f32_neon(void *y_, const void *x_, int64_t n)
{
    float *y = y_;
    const uint16_t *x = x_;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(y + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(x + i))));
    for (; i < n; i++)
        y[i] = sn_f16_to_f32(x[i]);
}

void sn_convert_f32_f16_neon(void *y_, const void *x_, int64_t n)
{
    uint16_t *y = y_;
    const float *x = x_;
    int64_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1_u16(y + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    for (; i < n; i++)
        y[i] = sn_f32_to_f16(x[i]);
}
