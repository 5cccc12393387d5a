#define REQUANT_VBMI
#include "kernels/qpoint.h"
#include "kernels/x86/requant_avx512.h"

REQUANT_INLINE __mmask64 qpoint_first(int64_t n)
{
    return n >= 64 ? ~(__mmask64)0 : _bzhi_u64(~0ull, (unsigned)n);
}

void sn_qpoint_lookup_avx512vnni(uint8_t *y, const uint8_t *x, const uint8_t *table, int64_t n)
{
    for (int64_t i = 0; i < n; i += 64) {
        __mmask64 m = qpoint_first(n - i);
        __m512i q = requant_lookup(table, _mm512_maskz_loadu_epi8(m, x + i));
        if (n - i >= 64)
            _mm512_storeu_si512(y + i, q);
        else
            _mm512_mask_storeu_epi8(y + i, m, q);
    }
}

void sn_qpoint_add_avx512vnni(uint8_t *y, const uint8_t *a, const uint8_t *b, const sn_quantized_sum *s, int64_t n)
{
    const sn_requant rq = {.sum = *s};
    const requant_consts c = requant_consts_of(&rq);
    for (int64_t i = 0; i < n; i += 64) {
        __mmask64 m = qpoint_first(n - i);
        __m512i q = requant_add(&c, _mm512_maskz_loadu_epi8(m, a + i), _mm512_maskz_loadu_epi8(m, b + i));
        if (n - i >= 64)
            _mm512_storeu_si512(y + i, q);
        else
            _mm512_mask_storeu_epi8(y + i, m, q);
    }
}

/* Sixteen bytes less a zero point; without `whole` those of the mask only. */
REQUANT_INLINE __m512i qpoint_widen(const uint8_t *x, __mmask64 m, int i, __m512i zero, const bool whole)
{
    __m128i b = whole ? _mm_loadu_si128((const __m128i *)(x + 16 * i))
                      : _mm_maskz_loadu_epi8((__mmask16)(m >> 16 * i), x + 16 * i);
    return _mm512_sub_epi32(_mm512_cvtepu8_epi32(b), zero);
}

/* Factors have 9 bits and a sign, so that their product is exact in f32. */
REQUANT_INLINE __m512i qpoint_mul_64(const requant_consts *c, const uint8_t *a, const uint8_t *b, __mmask64 m,
                                     __m512i a_zero, __m512i b_zero, __m512 scale, const bool whole)
{
    __m512i v[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m512 x = _mm512_cvtepi32_ps(qpoint_widen(a, m, k, a_zero, whole));
        __m512 y = _mm512_cvtepi32_ps(qpoint_widen(b, m, k, b_zero, whole));
        v[k] = requant_round(_mm512_mul_ps(_mm512_mul_ps(x, y), scale), c->most);
    }
    return requant_pack(v, c->zero, c->lo, c->order);
}

void sn_qpoint_mul_avx512vnni(uint8_t *y, const uint8_t *a, const uint8_t *b, const sn_quantized_product *p, int64_t n)
{
    const sn_requant rq = {.zero = p->zero, .lo = p->lo, .hi = p->hi};
    const requant_consts c = requant_consts_of(&rq);
    const __m512i a_zero = _mm512_set1_epi32(p->a_zero), b_zero = _mm512_set1_epi32(p->b_zero);
    const __m512 scale = _mm512_set1_ps(p->scale);
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        _mm512_storeu_si512(y + i, qpoint_mul_64(&c, a + i, b + i, 0, a_zero, b_zero, scale, true));
    if (i < n) {
        __mmask64 m = qpoint_first(n - i);
        _mm512_mask_storeu_epi8(y + i, m, qpoint_mul_64(&c, a + i, b + i, m, a_zero, b_zero, scale, false));
    }
}

REQUANT_INLINE __m512i qpoint_scale_64(const requant_consts *c, const uint8_t *a, const float *factor, __mmask64 m,
                                       __m512i a_zero, const bool whole)
{
    __m512i v[4];
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m512 f =
            whole ? _mm512_loadu_ps(factor + 16 * k) : _mm512_maskz_loadu_ps((__mmask16)(m >> 16 * k), factor + 16 * k);
        v[k] = requant_sum(qpoint_widen(a, m, k, a_zero, whole), f, c);
    }
    return requant_pack(v, c->zero, c->lo, c->order);
}

void sn_qpoint_scale_avx512vnni(uint8_t *y, const uint8_t *a, const float *factor, const sn_quantized_product *p,
                                int64_t n)
{
    const sn_requant rq = {.zero = p->zero, .lo = p->lo, .hi = p->hi};
    const requant_consts c = requant_consts_of(&rq);
    const __m512i a_zero = _mm512_set1_epi32(p->a_zero);
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        _mm512_storeu_si512(y + i, qpoint_scale_64(&c, a + i, factor + i, 0, a_zero, true));
    if (i < n) {
        __mmask64 m = qpoint_first(n - i);
        _mm512_mask_storeu_epi8(y + i, m, qpoint_scale_64(&c, a + i, factor + i, m, a_zero, false));
    }
}

/* Three planes, 64 pixels at a time, by permutations; other counts of channels as the body has them. */
void sn_qpoint_gather_avx512vnni(uint8_t *y, const uint8_t *planes, int64_t pitch, int64_t c, int64_t n)
{
    int64_t i = 0;
    if (c == 3) {
        /* Byte j of output vector k is byte t = 64 k + j of the pixels: channel t % 3 of pixel t / 3. */
        _Alignas(64) uint8_t two[3][64], third[3][64];
        __mmask64 mask[3] = {0};
        for (int t = 0; t < 192; t++) {
            two[t / 64][t % 64] = (uint8_t)(t / 3 + (t % 3 == 1 ? 64 : 0));
            third[t / 64][t % 64] = (uint8_t)(t / 3);
            mask[t / 64] |= (__mmask64)(t % 3 == 2) << t % 64;
        }
        for (; i + 64 <= n; i += 64) {
            __m512i p0 = _mm512_loadu_si512(planes + i), p1 = _mm512_loadu_si512(planes + pitch + i);
            __m512i p2 = _mm512_loadu_si512(planes + 2 * pitch + i);
#pragma GCC unroll 3
            for (int k = 0; k < 3; k++) {
                __m512i v = _mm512_permutex2var_epi8(p0, _mm512_load_si512(two[k]), p1);
                v = _mm512_mask_permutexvar_epi8(v, mask[k], _mm512_load_si512(third[k]), p2);
                _mm512_storeu_si512(y + 3 * i + 64 * k, v);
            }
        }
    }
    sn_qpoint_gather_avx512(y + i * c, planes + i, pitch, c, n - i);
}

/* Bytes at even and at odd places, as 16 bits each. */
typedef struct qpoint_halves {
    __m512i even, odd;
} qpoint_halves;

REQUANT_INLINE void qpoint_accumulate(qpoint_halves *h, const uint8_t *x, __mmask64 m)
{
    const __m512i v = _mm512_maskz_loadu_epi8(m, x);
    h->even = _mm512_add_epi16(h->even, _mm512_and_si512(v, _mm512_set1_epi16(0xff)));
    h->odd = _mm512_add_epi16(h->odd, _mm512_srli_epi16(v, 8));
}

/* 64 sums += the halves, the first n of them. Unpacking works on 128-bit lanes: part[q] has columns 4 q to 4 q + 3 of
 * each sixteen. */
REQUANT_INLINE void qpoint_flush(int32_t *sum, qpoint_halves h, int64_t n)
{
    const __m512i zero = _mm512_setzero_si512();
    const __m512i low = _mm512_unpacklo_epi16(h.even, h.odd), high = _mm512_unpackhi_epi16(h.even, h.odd);
    const __m512i part[4] = {_mm512_unpacklo_epi16(low, zero), _mm512_unpackhi_epi16(low, zero),
                             _mm512_unpacklo_epi16(high, zero), _mm512_unpackhi_epi16(high, zero)};
    const __m512i a = _mm512_shuffle_i32x4(part[0], part[1], 0x44), b = _mm512_shuffle_i32x4(part[2], part[3], 0x44);
    const __m512i c = _mm512_shuffle_i32x4(part[0], part[1], 0xee), d = _mm512_shuffle_i32x4(part[2], part[3], 0xee);
    const __m512i add[4] = {_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd),
                            _mm512_shuffle_i32x4(c, d, 0x88), _mm512_shuffle_i32x4(c, d, 0xdd)};
    for (int64_t i = 0; i < 4 && 16 * i < n; i++) {
        const __mmask16 m = (__mmask16)qpoint_first(n - 16 * i);
        const __m512i old = _mm512_maskz_loadu_epi32(m, sum + 16 * i);
        _mm512_mask_storeu_epi32(sum + 16 * i, m, _mm512_add_epi32(old, add[i]));
    }
}

void sn_qpoint_sum_avx512vnni(int32_t *sum, const uint8_t *x, int64_t step, int64_t rows, int64_t n)
{
    enum { ROWS = 256 }; /* of bytes, which 16 bits can hold the sum of */
    for (; rows > 0; rows -= ROWS, x += ROWS * step)
        for (int64_t i = 0; i < n; i += 64) {
            const int64_t count = rows < ROWS ? rows : ROWS;
            const __mmask64 m = qpoint_first(n - i);
            const uint8_t *row = x + i;
            qpoint_halves h = {_mm512_setzero_si512(), _mm512_setzero_si512()};
            for (int64_t r = 0; r < count; r++, row += step)
                qpoint_accumulate(&h, row, m);
            qpoint_flush(sum + i, h, n - i);
        }
}
