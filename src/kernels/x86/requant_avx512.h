/* kernels/requant.h sixteen sums at a time. Files that define REQUANT_VBMI look tables up by permutations. */
#ifndef SN_KERNELS_REQUANT_AVX512_H
#define SN_KERNELS_REQUANT_AVX512_H

#include "kernels/requant.h"
#include <immintrin.h>

#define REQUANT_INLINE static inline __attribute__((always_inline))

/* What is the same for all columns. */
typedef struct requant_consts {
    __m512 most, sum_most, a, b, shift;
    __m512i zero, lo, sum_zero, sum_lo, order;
} requant_consts;

REQUANT_INLINE requant_consts requant_consts_of(const sn_requant *rq)
{
    const sn_quantized_sum *s = &rq->sum;
    requant_consts c = {.most = _mm512_set1_ps((float)(rq->hi - rq->zero)),
                        .zero = _mm512_set1_epi16((short)rq->zero),
                        .lo = _mm512_set1_epi8((char)rq->lo),
                        .order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15)};
    c.sum_most = _mm512_set1_ps((float)(s->hi - s->zero));
    c.a = _mm512_set1_ps(s->a);
    c.b = _mm512_set1_ps(s->b);
    c.shift = _mm512_set1_ps(s->shift);
    c.sum_zero = _mm512_set1_epi16((short)s->zero);
    c.sum_lo = _mm512_set1_epi8((char)s->lo);
    return c;
}

/* round(v), at most `most`. What is too negative for 32 bits becomes their least value. */
REQUANT_INLINE __m512i requant_round(__m512 v, __m512 most)
{
    return _mm512_cvtps_epi32(_mm512_min_ps(v, most));
}

/* Four times sixteen integers to 64 bytes, in order: saturate(v + zero), at least lo. The packing works on 128-bit
 * lanes, so dwords end up transposed; `order` undoes that. */
REQUANT_INLINE __m512i requant_pack(const __m512i v[4], __m512i zero, __m512i lo, __m512i order)
{
    __m512i p = _mm512_adds_epi16(_mm512_packs_epi32(v[0], v[1]), zero);
    __m512i q = _mm512_adds_epi16(_mm512_packs_epi32(v[2], v[3]), zero);
    return _mm512_permutexvar_epi32(order, _mm512_max_epu8(_mm512_packus_epi16(p, q), lo));
}

REQUANT_INLINE __m512i requant_lookup(const uint8_t *table, __m512i q)
{
#ifdef REQUANT_VBMI
    __m512i low = _mm512_permutex2var_epi8(_mm512_loadu_si512(table), q, _mm512_loadu_si512(table + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_loadu_si512(table + 128), q, _mm512_loadu_si512(table + 192));
    return _mm512_mask_mov_epi8(low, _mm512_movepi8_mask(q), high);
#else
    uint8_t byte[64];
    _mm512_storeu_si512(byte, q);
    for (int i = 0; i < 64; i++)
        byte[i] = table[byte[i]];
    return _mm512_loadu_si512(byte);
#endif
}

REQUANT_INLINE __m512 requant_widen(__m128i q)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(q));
}

/* sn_quantized_add of 64 bytes. */
REQUANT_INLINE __m512i requant_add(const requant_consts *c, __m512i p, __m512i q)
{
    __m512i v[4];
#define REQUANT_ADD_16(i)                                                                                              \
    v[i] = requant_round(                                                                                              \
        _mm512_fmadd_ps(requant_widen(_mm512_extracti32x4_epi32(p, i)), c->a,                                          \
                        _mm512_fmadd_ps(requant_widen(_mm512_extracti32x4_epi32(q, i)), c->b, c->shift)),              \
        c->sum_most);
    REQUANT_ADD_16(0)
    REQUANT_ADD_16(1)
    REQUANT_ADD_16(2)
    REQUANT_ADD_16(3)
#undef REQUANT_ADD_16
    return requant_pack(v, c->sum_zero, c->sum_lo, c->order);
}

REQUANT_INLINE __m512i requant_sum(__m512i sum, __m512 scale, const requant_consts *c)
{
    return requant_round(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale), c->most);
}

#endif
