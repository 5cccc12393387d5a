/* 8-bit integers: reading either signedness, and rounding sums to them. */
#ifndef SN_OPS_QUANTIZE_H
#define SN_OPS_QUANTIZE_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

static inline int32_t sn_int8_get(const void *x, int64_t i, bool is_signed)
{
    return is_signed ? (int32_t)((const int8_t *)x)[i] : (int32_t)((const uint8_t *)x)[i];
}

/* saturate(round_half_even(sum * scale) + zero), as a byte of either signedness. */
static inline uint8_t sn_requantize_8(int32_t sum, float scale, int32_t zero, bool is_signed)
{
    float lo = is_signed ? -128 : 0, hi = is_signed ? 127 : 255;
    float v = nearbyintf((float)sum * scale) + (float)zero;
    /* A NaN (scale of a hostile model) fails every comparison but this one. */
    int32_t q = !(v > lo) ? (int32_t)lo : v > hi ? (int32_t)hi : (int32_t)v;
    return (uint8_t)q;
}

#endif
