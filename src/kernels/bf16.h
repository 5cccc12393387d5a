/* bf16 as the product kernels take it: the upper half of a float, two of them in one 32-bit element.
 *
 * Products of two bf16 are exact in f32, and sums stay f32. AVX512_BF16 takes subnormal operands for zero, gives zero
 * for subnormal sums, and rounds half to even whatever the thread's rounding mode is; all levels convert as it does.
 * Source: Intel 64 and IA-32 Software Developer's Manual, VCVTNE2PS2BF16 and VDPBF16PS.
 */
#ifndef SN_KERNELS_BF16_H
#define SN_KERNELS_BF16_H

#include "base/half.h"

/* Half to even; a subnormal becomes the zero of its sign, a NaN a quiet NaN, 2^128 - 2^119 and above infinity. */
static inline uint16_t sn_bf16_from_f32(float x)
{
    uint32_t u = sn_f32_bits(x);
    return (u & 0x7f800000u) == 0 ? (uint16_t)(u >> 16 & 0x8000u) : sn_f32_to_bf16(x);
}

/* The elements of an even and of the following odd index. */
static inline uint32_t sn_bf16_pair(float even, float odd)
{
    return (uint32_t)sn_bf16_from_f32(odd) << 16 | sn_bf16_from_f32(even);
}

/* sum + both products. */
static inline float sn_bf16_dot(float sum, uint32_t a, uint32_t b)
{
    sum += sn_f32_from_bits(a << 16) * sn_f32_from_bits(b << 16);
    return sum + sn_f32_from_bits(a & 0xffff0000u) * sn_f32_from_bits(b & 0xffff0000u);
}

#endif
