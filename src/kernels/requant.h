/* From 32-bit sums of 8-bit products to what a step stores: the end of every integer kernel.
 *
 *     s    = sum + bias[n] - row[m] * b_zero[n]                         modulo 2^32
 *     U8   q = clamp(round(f32(s) * scale[n]) + zero, lo, hi)           half to even, as ONNX QuantizeLinear
 *          q = table[q]                                                 where there is a table
 *          q = sn_quantized_add(q, residual)                            where there is a residual
 *     F32  act(f32(s) * scale[n] + shift[n]) + residual                  the activation and the residual may be absent
 *     I32  s
 *
 * Numerics: class exact. Every operation above is one IEEE operation in f32, in the order written, or an integer one,
 * so all levels give the bits of the reference; activations have their own bounds (activation.h). Scales are finite and
 * not negative, so no NaN arises.
 */
#ifndef SN_KERNELS_REQUANT_H
#define SN_KERNELS_REQUANT_H

#include "kernels/activation.h"
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* y = clamp(round(fma(p, a, fma(q, b, shift))) + zero, lo, hi) for bytes p and q: a sum of two quantised tensors whose
 * zero points are in shift. Factors are finite. */
typedef struct sn_quantized_sum {
    float a, b, shift;
    int32_t zero, lo, hi; /* 0 <= lo <= hi <= 255, 0 <= zero <= 255 */
} sn_quantized_sum;

typedef enum sn_requant_kind { SN_REQUANT_U8, SN_REQUANT_F32, SN_REQUANT_I32 } sn_requant_kind;

/* Arrays over columns are readable up to a multiple of SN_REQUANT_PAD columns. */
enum { SN_REQUANT_PAD = 64, SN_REQUANT_TABLE = 256 };

typedef struct sn_requant {
    sn_requant_kind kind;
    const int32_t *bias;   /* per column */
    const float *scale;    /* per column; not for I32 */
    const float *shift;    /* per column, F32 only; NULL: none */
    const int32_t *row;    /* per row, with b_zero */
    const int32_t *b_zero; /* per column; NULL: none */
    int32_t zero, lo, hi;  /* U8; 0 <= lo <= hi <= 255, 0 <= zero <= 255 */
    const uint8_t *table;  /* U8; SN_REQUANT_TABLE entries, or NULL */
    bool has_residual;     /* U8, F32: of the result's type */
    sn_quantized_sum sum;  /* U8: of the result (a) and the residual (b) */
    sn_act act;            /* F32; zeros: none */
} sn_requant;

/* round(v) + zero within [lo, hi]. */
static inline uint8_t sn_requant_clamp(float v, int32_t zero, int32_t lo, int32_t hi)
{
    float least = (float)(lo - zero), most = (float)(hi - zero);
    v = rintf(v < most ? v : most);
    return (uint8_t)((v > least ? (int32_t)v : lo - zero) + zero);
}

static inline uint8_t sn_quantized_add(const sn_quantized_sum *s, uint8_t p, uint8_t q)
{
    return sn_requant_clamp(fmaf((float)p, s->a, fmaf((float)q, s->b, s->shift)), s->zero, s->lo, s->hi);
}

#endif
