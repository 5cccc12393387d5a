/* kernels/requant.h sixteen bytes at a time. */
#ifndef SN_KERNELS_ARM_REQUANT_NEON_H
#define SN_KERNELS_ARM_REQUANT_NEON_H

#include "kernels/requant.h"
#include <arm_neon.h>
#include <string.h>

#define REQUANT_INLINE static inline __attribute__((always_inline))

enum { REQUANT_LANES = 16 };

/* Where results end: sn_requant_clamp's zero, lo and hi. */
typedef struct requant_range {
    float32x4_t most;
    int16x8_t zero;
    uint8x16_t lo;
} requant_range;

REQUANT_INLINE requant_range requant_range_of(int32_t zero, int32_t lo, int32_t hi)
{
    return (requant_range){vdupq_n_f32((float)(hi - zero)), vdupq_n_s16((int16_t)zero), vdupq_n_u8((uint8_t)lo)};
}

/* Four results less the zero point; what 16 bits do not hold becomes their least value. `most` for NaN. */
REQUANT_INLINE int16x4_t requant_round(const requant_range *r, float32x4_t v)
{
    return vqmovn_s32(vcvtnq_s32_f32(vminnmq_f32(v, r->most)));
}

/* sn_requant_clamp of sixteen values. */
REQUANT_INLINE uint8x16_t requant_bytes(const requant_range *r, const float32x4_t v[4])
{
    int16x8_t low = vcombine_s16(requant_round(r, v[0]), requant_round(r, v[1]));
    int16x8_t high = vcombine_s16(requant_round(r, v[2]), requant_round(r, v[3]));
    uint8x8_t first = vqmovun_s16(vqaddq_s16(low, r->zero)), second = vqmovun_s16(vqaddq_s16(high, r->zero));
    return vmaxq_u8(vcombine_u8(first, second), r->lo);
}

/* Bytes less `zero`, which is in [0, 255]. */
REQUANT_INLINE int16x8_t requant_less(uint8x8_t q, int16x8_t zero)
{
    return vsubq_s16(vreinterpretq_s16_u16(vmovl_u8(q)), zero);
}

REQUANT_INLINE void requant_widen(int16x8_t q, float32x4_t out[2])
{
    out[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(q)));
    out[1] = vcvtq_f32_s32(vmovl_high_s16(q));
}

/* table[q]; an index past 64 entries gives 0 or leaves what is there. */
REQUANT_INLINE uint8x16_t requant_lookup(const uint8_t *table, uint8x16_t q)
{
    const uint8x16_t step = vdupq_n_u8(64);
    uint8x16_t y = vqtbl4q_u8(vld1q_u8_x4(table), q);
    for (int i = 64; i < SN_REQUANT_TABLE; i += 64) {
        q = vsubq_u8(q, step);
        y = vqtbx4q_u8(y, vld1q_u8_x4(table + i), q);
    }
    return y;
}

typedef struct requant_sum {
    float32x4_t a, b, shift;
    requant_range range;
} requant_sum;

REQUANT_INLINE requant_sum requant_sum_of(const sn_quantized_sum *s)
{
    return (requant_sum){vdupq_n_f32(s->a), vdupq_n_f32(s->b), vdupq_n_f32(s->shift),
                         requant_range_of(s->zero, s->lo, s->hi)};
}

/* sn_quantized_add of sixteen bytes. */
REQUANT_INLINE uint8x16_t requant_add(const requant_sum *s, uint8x16_t p, uint8x16_t q)
{
    const int16x8_t none = vdupq_n_s16(0);
    float32x4_t x[4], v[4];
    requant_widen(requant_less(vget_low_u8(p), none), x);
    requant_widen(requant_less(vget_high_u8(p), none), x + 2);
    requant_widen(requant_less(vget_low_u8(q), none), v);
    requant_widen(requant_less(vget_high_u8(q), none), v + 2);
    for (int i = 0; i < 4; i++)
        v[i] = vfmaq_f32(vfmaq_f32(s->shift, v[i], s->b), x[i], s->a);
    return requant_bytes(&s->range, v);
}

/* The first n lanes, 1 <= n <= 16; the others are neither read nor written, and load as 0. */
REQUANT_INLINE uint8x16_t requant_load_n(const uint8_t *x, int64_t n)
{
    uint8_t part[REQUANT_LANES] = {0};
    if (n >= REQUANT_LANES)
        return vld1q_u8(x);
    memcpy(part, x, (size_t)n);
    return vld1q_u8(part);
}
REQUANT_INLINE void requant_store_n(uint8_t *y, uint8x16_t v, int64_t n)
{
    uint8_t part[REQUANT_LANES];
    if (n >= REQUANT_LANES) {
        vst1q_u8(y, v);
        return;
    }
    vst1q_u8(part, v);
    memcpy(y, part, (size_t)n);
}

#endif
