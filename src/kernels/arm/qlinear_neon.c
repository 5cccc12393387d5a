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

/* What is not less than what was there, as NaN, leaves it. */
QLINEAR_INLINE float32x4_t qlinear_min(float32x4_t v, float32x4_t was)
{
    return vbslq_f32(vcltq_f32(v, was), v, was);
}
QLINEAR_INLINE float32x4_t qlinear_max(float32x4_t v, float32x4_t was)
{
    return vbslq_f32(vcgtq_f32(v, was), v, was);
}

void sn_qlinear_f32_range_neon(const float *x, int64_t n, float *min_out, float *max_out)
{
    enum { CHAINS = 4 };
    float32x4_t low[CHAINS], high[CHAINS];
    int64_t i = 0;
    for (int k = 0; k < CHAINS; k++)
        low[k] = high[k] = vdupq_n_f32(0);
    for (; i + 4 * CHAINS <= n; i += 4 * CHAINS)
#pragma GCC unroll 4
        for (int k = 0; k < CHAINS; k++) {
            float32x4_t v = vld1q_f32(x + i + 4 * k);
            low[k] = qlinear_min(v, low[k]);
            high[k] = qlinear_max(v, high[k]);
        }
    for (int k = 1; k < CHAINS; k++) {
        low[0] = qlinear_min(low[k], low[0]);
        high[0] = qlinear_max(high[k], high[0]);
    }
    float least = vminvq_f32(low[0]), most = vmaxvq_f32(high[0]);
    for (; i < n; i++) {
        least = x[i] < least ? x[i] : least;
        most = x[i] > most ? x[i] : most;
    }
    *min_out = least;
    *max_out = most;
}
