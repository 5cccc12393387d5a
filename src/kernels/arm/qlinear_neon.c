#include "kernels/qlinear.h"
#include <arm_neon.h>
#include <stddef.h>

/* Scales of their own per element are rare (the last axis): the reference does them. */

#define QLINEAR_INLINE static inline __attribute__((always_inline))

/* Four elements quantised, with the zero point in. */
QLINEAR_INLINE int16x4_t qlinear_lanes(const float *x, float32x4_t scale, float32x4_t least, float32x4_t most,
                                       int32x4_t zero)
{
    float32x4_t q = vrndnq_f32(vdivq_f32(vld1q_f32(x), scale));
    q = vbslq_f32(vcgtq_f32(q, least), q, least); /* `least` for NaN */
    return vmovn_s32(vaddq_s32(vcvtq_s32_f32(vminq_f32(q, most)), zero));
}

QLINEAR_INLINE int64_t qlinear_quantize(uint8_t *y, const float *x, float scale_value, int zero_value, int low,
                                        int high, int64_t n)
{
    const float32x4_t scale = vdupq_n_f32(scale_value), least = vdupq_n_f32((float)(low - zero_value)),
                      most = vdupq_n_f32((float)(high - zero_value));
    const int32x4_t zero = vdupq_n_s32(zero_value);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        int16x8_t q = vcombine_s16(qlinear_lanes(x + i, scale, least, most, zero),
                                   qlinear_lanes(x + i + 4, scale, least, most, zero));
        vst1_u8(y + i, vmovn_u16(vreinterpretq_u16_s16(q))); /* in range: the low byte is the value */
    }
    return i;
}

void sn_qlinear_f32_u8_neon(void *y_, const void *x_, const float *scale, const void *zero_, int64_t step, int64_t n)
{
    const uint8_t *zero = zero_;
    uint8_t *y = y_;
    const float *x = x_;
    int64_t i = step || !n ? 0 : qlinear_quantize(y, x, *scale, zero ? *zero : 0, 0, UINT8_MAX, n);
    sn_qlinear_f32_u8_ref(y + i, x + i, scale + i * step, zero ? zero + i * step : NULL, step, n - i);
}

void sn_qlinear_f32_i8_neon(void *y_, const void *x_, const float *scale, const void *zero_, int64_t step, int64_t n)
{
    const int8_t *zero = zero_;
    uint8_t *y = y_;
    const float *x = x_;
    int64_t i = step || !n ? 0 : qlinear_quantize(y, x, *scale, zero ? *zero : 0, INT8_MIN, INT8_MAX, n);
    sn_qlinear_f32_i8_ref(y + i, x + i, scale + i * step, zero ? zero + i * step : NULL, step, n - i);
}
