/* 16x16 transposes of bytes in registers; edges fall to scalar loops. */
#include "kernels/transpose.h"
#include <immintrin.h>

static inline void transpose_bytes_edge(uint8_t *dst, int64_t ldd, const uint8_t *src, int64_t lds, int64_t rows,
                                        int64_t cols)
{
    for (int64_t c = 0; c < cols; c++)
        for (int64_t r = 0; r < rows; r++)
            dst[c * ldd + r] = src[r * lds + c];
}

/* Four times row i is interleaved with row i + 8: after the last time row i holds what was column i. */
static inline void transpose_16x16(uint8_t *d, int64_t ldd, const uint8_t *s, int64_t lds)
{
    __m128i a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        a[i] = _mm_loadu_si128((const __m128i *)(s + i * lds));
#pragma GCC unroll 2
    for (int pass = 0; pass < 2; pass++) {
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + 8]);
            b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + 8]);
        }
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) {
            a[2 * i] = _mm_unpacklo_epi8(b[i], b[i + 8]);
            a[2 * i + 1] = _mm_unpackhi_epi8(b[i], b[i + 8]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        _mm_storeu_si128((__m128i *)(d + i * ldd), a[i]);
}

void sn_transpose_x1_avx2(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    uint8_t *d = dst;
    const uint8_t *s = src;
    int64_t rows16 = rows & ~INT64_C(15), cols16 = cols & ~INT64_C(15);
    for (int64_t c = 0; c < cols16; c += 16)
        for (int64_t r = 0; r < rows16; r += 16)
            transpose_16x16(d + c * ldd + r, ldd, s + r * lds + c, lds);
    transpose_bytes_edge(d + cols16 * ldd, ldd, s + cols16, lds, rows, cols - cols16);
    transpose_bytes_edge(d + rows16, ldd, s + rows16 * lds, lds, rows - rows16, cols16);
}
