/* bf16 products: tiles, and how their operands are made from floats. */
#include "kernels/gemm_bf16.h"
#include "kernels/x86/transpose16_avx512.h"

/* Each lane adds the products of both halves of a pair. */
#define GEMM_TILES sn_gemm_bf16_14x32_avx512bf16
#define GEMM_FMA(a, b, c) _mm512_dpbf16_ps(c, (__m512bh)(a), (__m512bh)(b))
#include "kernels/x86/gemm_avx512.inc"

/* The first n of 16 lanes; n may be negative or more than 16. */
static inline __mmask16 gemm_first(int64_t n)
{
    return n >= 16 ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

/* The floats of lo in the low half of the result, in order, those of hi in the high half. */
static inline __m512i gemm_narrow(__m512 lo, __m512 hi)
{
    return (__m512i)_mm512_cvtne2ps_pbh(hi, lo);
}

void sn_gemm_bf16_pair_avx512bf16(const float *x, int64_t n, uint32_t *out)
{
    int64_t i = 0;
    for (; i + 32 <= n; i += 32, out += 16)
        _mm512_storeu_si512(out, gemm_narrow(_mm512_loadu_ps(x + i), _mm512_loadu_ps(x + i + 16)));
    if (i < n) {
        __m512 lo = _mm512_maskz_loadu_ps(gemm_first(n - i), x + i);
        __m512 hi = _mm512_maskz_loadu_ps(gemm_first(n - i - 16), x + i + 16);
        _mm512_mask_storeu_epi32(out, gemm_first((n - i + 1) / 2), gemm_narrow(lo, hi));
    }
}

/* b lies in rows: each pair of rows is interleaved. */
static void gemm_pack_rows(int64_t k, int32_t n, const float *b, int64_t stride_k, float alpha, uint32_t *out)
{
    const __m512i zip =
        _mm512_add_epi32(_mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
                                            _mm512_set1_epi32(0x10001)),
                         _mm512_set1_epi32(0x100000)); /* lanes j and 16 + j */
    const __m512 factor = _mm512_set1_ps(alpha);
    const __mmask16 mask[2] = {gemm_first(n), gemm_first(n - 16)};
    for (int64_t i = 0; i < k; i += 2, b += 2 * stride_k, out += 32)
        for (int v = 0; v < 2; v++) {
            __mmask16 second = i + 1 < k ? mask[v] : 0;
            __m512 lo = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask[v], b + 16 * v), factor);
            __m512 hi =
                _mm512_maskz_mul_ps(second, _mm512_maskz_loadu_ps(second, second ? b + stride_k + 16 * v : b), factor);
            lo = _mm512_maskz_mov_ps(mask[v], lo);
            _mm512_storeu_si512(out + 16 * v, _mm512_permutexvar_epi16(zip, gemm_narrow(lo, hi)));
        }
}

/* b lies in columns, so pairs are there already: 16 of 16 columns at once are turned around. */
static void gemm_pack_columns(int64_t k, int32_t n, const float *b, int64_t stride_n, float alpha, uint32_t *out)
{
    const __m512 factor = _mm512_set1_ps(alpha);
    for (int32_t j = 0; j < 32; j += 16)
        for (int64_t i = 0; i < k; i += 32) {
            __m512 x[16];
            __mmask16 lo = gemm_first(k - i), hi = gemm_first(k - i - 16);
            for (int32_t c = 0; c < 16; c++) {
                const float *from = b + (j + c) * stride_n + i;
                x[c] = j + c >= n
                           ? _mm512_setzero_ps()
                           : (__m512)gemm_narrow(_mm512_maskz_mul_ps(lo, _mm512_maskz_loadu_ps(lo, from), factor),
                                                 _mm512_maskz_mul_ps(hi, _mm512_maskz_loadu_ps(hi, from + 16), factor));
            }
            sn_transpose16_ps512(x);
            int64_t rows = (k - i + 1) / 2 < 16 ? (k - i + 1) / 2 : 16;
            for (int64_t r = 0; r < rows; r++)
                _mm512_storeu_ps(out + (i / 2 + r) * 32 + j, x[r]);
        }
}

void sn_gemm_bf16_pack_avx512bf16(const sn_gemm_panel *p, void *out)
{
    if (p->stride_n == 1)
        gemm_pack_rows(p->k, p->n, p->b, p->stride_k, p->alpha, out);
    else if (p->stride_k == 1)
        gemm_pack_columns(p->k, p->n, p->b, p->stride_n, p->alpha, out);
    else
        sn_gemm_bf16_pack_ref(p, out);
}
