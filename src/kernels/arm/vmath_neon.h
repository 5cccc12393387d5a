/* Vectors of 8 floats in pairs of registers, and functions of them, for the NEON level. See vmath.inc for the functions
 * and their accuracy. Eight lanes rather than four, so that blocked images have the same channels side by side as at
 * AVX2, and all bodies in kernels/simd/ their tiles. */
#ifndef SN_KERNELS_ARM_VMATH_NEON_H
#define SN_KERNELS_ARM_VMATH_NEON_H

#include <arm_neon.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct sn_f32x8 {
    float32x4_t lo, hi;
} sn_f32x8;

/* A lane is all ones or all zeros. */
typedef struct sn_u32x8 {
    uint32x4_t lo, hi;
} sn_u32x8;

#define SN_V(name) sn_##name##_neon
#define SN_V_TYPE sn_f32x8
#define SN_V_MASK sn_u32x8
#define SN_V_LANES 8

/* An operation that is one intrinsic for each register. */
#define SN_NEON_1(name, intrinsic)                                                                                     \
    static inline sn_f32x8 sn_##name##_neon(sn_f32x8 a)                                                                \
    {                                                                                                                  \
        return (sn_f32x8){intrinsic(a.lo), intrinsic(a.hi)};                                                           \
    }
#define SN_NEON_2(name, intrinsic)                                                                                     \
    static inline sn_f32x8 sn_##name##_neon(sn_f32x8 a, sn_f32x8 b)                                                    \
    {                                                                                                                  \
        return (sn_f32x8){intrinsic(a.lo, b.lo), intrinsic(a.hi, b.hi)};                                               \
    }

static inline sn_f32x8 sn_set_neon(float x)
{
    float32x4_t v = vdupq_n_f32(x);
    return (sn_f32x8){v, v};
}
static inline sn_f32x8 sn_load_neon(const float *x)
{
    return (sn_f32x8){vld1q_f32(x), vld1q_f32(x + 4)};
}
static inline void sn_store_neon(float *y, sn_f32x8 v)
{
    vst1q_f32(y, v.lo);
    vst1q_f32(y + 4, v.hi);
}

/* The first n lanes, 0 <= n <= 8: the others are neither read nor written, and load as `fill` or 0. */
static inline sn_f32x8 sn_load_or_neon(const float *x, int64_t n, float fill)
{
    float lane[8];
    for (int64_t i = 0; i < 8; i++)
        lane[i] = i < n ? x[i] : fill;
    return sn_load_neon(lane);
}
static inline sn_f32x8 sn_load_n_neon(const float *x, int64_t n)
{
    return sn_load_or_neon(x, n, 0);
}
static inline void sn_store_n_neon(float *y, sn_f32x8 v, int64_t n)
{
    float lane[8];
    sn_store_neon(lane, v);
    for (int64_t i = 0; i < n; i++)
        y[i] = lane[i];
}
/* v with 0 in all lanes but the first n. */
static inline sn_f32x8 sn_keep_n_neon(sn_f32x8 v, int64_t n)
{
    static const uint32_t iota[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    uint32x4_t end = vdupq_n_u32((uint32_t)n);
    uint32x4_t lo = vandq_u32(vreinterpretq_u32_f32(v.lo), vcltq_u32(vld1q_u32(iota), end));
    uint32x4_t hi = vandq_u32(vreinterpretq_u32_f32(v.hi), vcltq_u32(vld1q_u32(iota + 4), end));
    return (sn_f32x8){vreinterpretq_f32_u32(lo), vreinterpretq_f32_u32(hi)};
}

SN_NEON_2(add, vaddq_f32)
SN_NEON_2(sub, vsubq_f32)
SN_NEON_2(mul, vmulq_f32)
SN_NEON_2(div, vdivq_f32)
/* a b + c and c - a b, rounded once. */
static inline sn_f32x8 sn_fma_neon(sn_f32x8 a, sn_f32x8 b, sn_f32x8 c)
{
    return (sn_f32x8){vfmaq_f32(c.lo, a.lo, b.lo), vfmaq_f32(c.hi, a.hi, b.hi)};
}
static inline sn_f32x8 sn_fnma_neon(sn_f32x8 a, sn_f32x8 b, sn_f32x8 c)
{
    return (sn_f32x8){vfmsq_f32(c.lo, a.lo, b.lo), vfmsq_f32(c.hi, a.hi, b.hi)};
}

/* Comparisons are false where an operand is NaN. */
static inline sn_u32x8 sn_lt_neon(sn_f32x8 a, sn_f32x8 b)
{
    return (sn_u32x8){vcltq_f32(a.lo, b.lo), vcltq_f32(a.hi, b.hi)};
}
static inline sn_u32x8 sn_nan_neon(sn_f32x8 a)
{
    return (sn_u32x8){vmvnq_u32(vceqq_f32(a.lo, a.lo)), vmvnq_u32(vceqq_f32(a.hi, a.hi))};
}
/* m ? a : b */
static inline sn_f32x8 sn_select_neon(sn_u32x8 m, sn_f32x8 a, sn_f32x8 b)
{
    return (sn_f32x8){vbslq_f32(m.lo, a.lo, b.lo), vbslq_f32(m.hi, a.hi, b.hi)};
}
/* No lane; the lanes of either; whether there is one. */
static inline sn_u32x8 sn_no_lane_neon(void)
{
    return (sn_u32x8){vdupq_n_u32(0), vdupq_n_u32(0)};
}
static inline sn_u32x8 sn_either_neon(sn_u32x8 a, sn_u32x8 b)
{
    return (sn_u32x8){vorrq_u32(a.lo, b.lo), vorrq_u32(a.hi, b.hi)};
}
static inline bool sn_any_lane_neon(sn_u32x8 m)
{
    return vmaxvq_u32(vorrq_u32(m.lo, m.hi)) != 0;
}

/* The second operand where either is NaN or both are zeros. */
static inline sn_f32x8 sn_min_neon(sn_f32x8 a, sn_f32x8 b)
{
    return sn_select_neon(sn_lt_neon(a, b), a, b);
}
static inline sn_f32x8 sn_max_neon(sn_f32x8 a, sn_f32x8 b)
{
    return sn_select_neon(sn_lt_neon(b, a), a, b);
}

/* The last lane first. */
static inline float32x4_t sn_reverse4_neon(float32x4_t v)
{
    float32x4_t pairs = vrev64q_f32(v);
    return vextq_f32(pairs, pairs, 2);
}
static inline sn_f32x8 sn_reverse_neon(sn_f32x8 v)
{
    return (sn_f32x8){sn_reverse4_neon(v.hi), sn_reverse4_neon(v.lo)};
}

/* x moved into [-bound, bound]; NaN becomes some number there, or stays. */
static inline sn_f32x8 sn_within_neon(sn_f32x8 x, float bound)
{
    return sn_max_neon(sn_set_neon(-bound), sn_min_neon(sn_set_neon(bound), x));
}

/* Over all lanes; the greatest and least of lanes without NaN. */
static inline float sn_lane_sum_neon(sn_f32x8 v)
{
    return vaddvq_f32(vaddq_f32(v.lo, v.hi));
}
static inline float sn_lane_max_neon(sn_f32x8 v)
{
    return vmaxvq_f32(vmaxq_f32(v.lo, v.hi));
}
static inline float sn_lane_min_neon(sn_f32x8 v)
{
    return vminvq_f32(vminq_f32(v.lo, v.hi));
}

SN_NEON_1(sqrt, vsqrtq_f32)
SN_NEON_1(abs, vabsq_f32)
SN_NEON_1(neg, vnegq_f32)
SN_NEON_1(round, vrndnq_f32)
SN_NEON_1(floor, vrndmq_f32)
SN_NEON_1(ceil, vrndpq_f32)
/* |a| with the sign of s; a must not be negative. */
static inline sn_f32x8 sn_sign_of_neon(sn_f32x8 a, sn_f32x8 s)
{
    uint32x4_t sign = vdupq_n_u32(UINT32_C(1) << 31);
    return (sn_f32x8){vbslq_f32(sign, s.lo, a.lo), vbslq_f32(sign, s.hi, a.hi)};
}

static inline float32x4_t sn_pow2_of_int_neon(int32x4_t n)
{
    return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(n, vdupq_n_s32(127)), 23));
}
static inline float32x4_t sn_pow2_q_neon(float32x4_t n)
{
    return sn_pow2_of_int_neon(vcvtq_s32_f32(n));
}
/* 2^n for integers n in [-126, 127]. */
SN_NEON_1(pow2, sn_pow2_q_neon)
/* a 2^n for integers n in [-252, 254], with one rounding where the result is subnormal (a in [0.5, 2)). */
static inline float32x4_t sn_scale_q_neon(float32x4_t a, float32x4_t n)
{
    int32x4_t i = vcvtq_s32_f32(n), half = vshrq_n_s32(i, 1);
    return vmulq_f32(vmulq_f32(a, sn_pow2_of_int_neon(half)), sn_pow2_of_int_neon(vsubq_s32(i, half)));
}
SN_NEON_2(scale, sn_scale_q_neon)
/* The bits of x, or of x 2^23 where x is subnormal. */
static inline uint32x4_t sn_normal_bits_neon(float32x4_t x, uint32x4_t tiny)
{
    return vreinterpretq_u32_f32(vbslq_f32(tiny, vmulq_n_f32(x, 0x1p23f), x));
}
/* x = mantissa 2^exponent with the mantissa in [1, 2), for finite x > 0. */
static inline float32x4_t sn_exponent_q_neon(float32x4_t x)
{
    uint32x4_t tiny = vcltq_f32(x, vdupq_n_f32(0x1p-126f));
    int32x4_t e = vreinterpretq_s32_u32(vshrq_n_u32(sn_normal_bits_neon(x, tiny), 23));
    int32x4_t bias = vbslq_s32(tiny, vdupq_n_s32(127 + 23), vdupq_n_s32(127));
    return vcvtq_f32_s32(vsubq_s32(e, bias));
}
static inline float32x4_t sn_mantissa_q_neon(float32x4_t x)
{
    uint32x4_t tiny = vcltq_f32(x, vdupq_n_f32(0x1p-126f));
    uint32x4_t fraction = vandq_u32(sn_normal_bits_neon(x, tiny), vdupq_n_u32(0x007fffff));
    return vreinterpretq_f32_u32(vorrq_u32(fraction, vdupq_n_u32(0x3f800000)));
}
SN_NEON_1(exponent, sn_exponent_q_neon)
SN_NEON_1(mantissa, sn_mantissa_q_neon)

#include "kernels/simd/vmath.inc"

#endif
