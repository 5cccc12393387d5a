/* Sixteen bytes at a time; the reference does the rest of a row, and what compilers make vectors of by themselves. */
#include "kernels/arm/requant_neon.h"
#include "kernels/qpoint.h"

void sn_qpoint_lookup_neon(uint8_t *y, const uint8_t *x, const uint8_t *table, int64_t n)
{
    int64_t i = 0;
    for (; i + REQUANT_LANES <= n; i += REQUANT_LANES)
        vst1q_u8(y + i, requant_lookup(table, vld1q_u8(x + i)));
    sn_qpoint_lookup_ref(y + i, x + i, table, n - i);
}

void sn_qpoint_add_neon(uint8_t *y, const uint8_t *a, const uint8_t *b, const sn_quantized_sum *s, int64_t n)
{
    const requant_sum sum = requant_sum_of(s);
    int64_t i = 0;
    for (; i + REQUANT_LANES <= n; i += REQUANT_LANES)
        vst1q_u8(y + i, requant_add(&sum, vld1q_u8(a + i), vld1q_u8(b + i)));
    sn_qpoint_add_ref(y + i, a + i, b + i, s, n - i);
}

void sn_qpoint_mul_neon(uint8_t *y, const uint8_t *a, const uint8_t *b, const sn_quantized_product *p, int64_t n)
{
    const requant_range range = requant_range_of(p->zero, p->lo, p->hi);
    const int16x8_t a_zero = vdupq_n_s16((int16_t)p->a_zero), b_zero = vdupq_n_s16((int16_t)p->b_zero);
    const float32x4_t scale = vdupq_n_f32(p->scale);
    int64_t i = 0;
    for (; i + REQUANT_LANES <= n; i += REQUANT_LANES) {
        float32x4_t v[4];
        for (int h = 0; h < 2; h++) {
            int16x8_t s = requant_less(vld1_u8(a + i + 8 * h), a_zero),
                      t = requant_less(vld1_u8(b + i + 8 * h), b_zero);
            v[2 * h] = vmulq_f32(vcvtq_f32_s32(vmull_s16(vget_low_s16(s), vget_low_s16(t))), scale);
            v[2 * h + 1] = vmulq_f32(vcvtq_f32_s32(vmull_high_s16(s, t)), scale);
        }
        vst1q_u8(y + i, requant_bytes(&range, v));
    }
    sn_qpoint_mul_ref(y + i, a + i, b + i, p, n - i);
}

void sn_qpoint_scale_neon(uint8_t *y, const uint8_t *a, const float *factor, const sn_quantized_product *p, int64_t n)
{
    const requant_range range = requant_range_of(p->zero, p->lo, p->hi);
    const int16x8_t a_zero = vdupq_n_s16((int16_t)p->a_zero);
    int64_t i = 0;
    for (; i + REQUANT_LANES <= n; i += REQUANT_LANES) {
        float32x4_t v[4];
        for (int h = 0; h < 2; h++)
            requant_widen(requant_less(vld1_u8(a + i + 8 * h), a_zero), v + 2 * h);
        for (int k = 0; k < 4; k++)
            v[k] = vmulq_f32(v[k], vld1q_f32(factor + i + 4 * k));
        vst1q_u8(y + i, requant_bytes(&range, v));
    }
    sn_qpoint_scale_ref(y + i, a + i, factor + i, p, n - i);
}

void sn_qpoint_mean_neon(uint8_t *y, const int32_t *sum, int32_t bias, float scale, int32_t zero, int64_t n)
{
    const requant_range range = requant_range_of(zero, 0, 255);
    int64_t i = 0;
    for (; i + REQUANT_LANES <= n; i += REQUANT_LANES) {
        float32x4_t v[4];
        for (int k = 0; k < 4; k++) {
            int32x4_t less = vsubq_s32(vld1q_s32(sum + i + 4 * k), vdupq_n_s32(bias));
            v[k] = vmulq_n_f32(vcvtq_f32_s32(less), scale);
        }
        vst1q_u8(y + i, requant_bytes(&range, v));
    }
    sn_qpoint_mean_ref(y + i, sum + i, bias, scale, zero, n - i);
}

/* Images have three planes. */
void sn_qpoint_gather_neon(uint8_t *y, const uint8_t *planes, int64_t pitch, int64_t c, int64_t n)
{
    int64_t i = 0;
    if (c == 3)
        for (; i + REQUANT_LANES <= n; i += REQUANT_LANES) {
            uint8x16x3_t pixels = {
                {vld1q_u8(planes + i), vld1q_u8(planes + pitch + i), vld1q_u8(planes + 2 * pitch + i)}};
            vst3q_u8(y + i * c, pixels);
        }
    sn_qpoint_gather_ref(y + i * c, planes + i, pitch, c, n - i);
}
