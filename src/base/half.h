/* Conversions between f32 and the 16-bit float types, round to nearest even. */
#ifndef SN_BASE_HALF_H
#define SN_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float sn_f32_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static inline uint32_t sn_f32_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

static inline float sn_bf16_to_f32(uint16_t b)
{
    return sn_f32_from_bits((uint32_t)b << 16);
}

static inline uint16_t sn_f32_to_bf16(float f)
{
    uint32_t u = sn_f32_bits(f);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(u >> 16 | 0x40u); /* a quiet NaN stays a NaN */
    return (uint16_t)((u + 0x7fffu + (u >> 16 & 1u)) >> 16);
}

static inline float sn_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exp = h >> 10 & 31u, man = h & 0x3ffu;
    if (exp == 31)
        return sn_f32_from_bits(sign | 0x7f800000u | man << 13);
    if (exp)
        return sn_f32_from_bits(sign | (exp + 112) << 23 | man << 13);
    float v = (float)man * 0x1p-24f; /* subnormal: man * 2^-24, exact */
    return sign ? -v : v;
}

static inline uint16_t sn_f32_to_f16(float f)
{
    uint32_t u = sn_f32_bits(f), sign = u >> 16 & 0x8000u, a = u & 0x7fffffffu;
    if (a > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u);
    if (a >= 0x477ff000u) /* 65520 and above round to infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (a < 0x38800000u) { /* below 2^-14: add 0.5 so that the FPU rounds at 2^-24 */
        float r = sn_f32_from_bits(a) + 0.5f;
        return (uint16_t)(sign | (sn_f32_bits(r) - 0x3f000000u));
    }
    return (uint16_t)(sign | (a - 0x38000000u + 0xfffu + (a >> 13 & 1u)) >> 13);
}

#endif
