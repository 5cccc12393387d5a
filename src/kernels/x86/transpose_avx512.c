/* 16x16 transposes of 4-byte elements in registers: one row is one cache line. Edges use masks. */
#include "kernels/transpose.h"
#include <immintrin.h>

/* nr rows and nc columns of the block exist; constants when the block is whole. */
static inline void transpose_16x16(float *d, int64_t ldd, const float *s, int64_t lds, int nr, int nc)
{
    __mmask16 in = (__mmask16)((1u << nc) - 1), out = (__mmask16)((1u << nr) - 1);
    __m512 x[16], t[16];
    for (int i = 0; i < 16; i++)
        x[i] = i < nr ? _mm512_maskz_loadu_ps(in, s + i * lds) : _mm512_setzero_ps();
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) { /* x[4g + j]: column 4l + j of rows 4g..4g+3 in 128-bit lane l */
        x[i] = _mm512_shuffle_ps(t[i], t[i + 2], 0x44);
        x[i + 1] = _mm512_shuffle_ps(t[i], t[i + 2], 0xee);
        x[i + 2] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        x[i + 3] = _mm512_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int j = 0; j < 4; j++) { /* a 4x4 transpose of lanes */
        __m512 a = _mm512_shuffle_f32x4(x[j], x[4 + j], 0x88), b = _mm512_shuffle_f32x4(x[j], x[4 + j], 0xdd);
        __m512 c = _mm512_shuffle_f32x4(x[8 + j], x[12 + j], 0x88), e = _mm512_shuffle_f32x4(x[8 + j], x[12 + j], 0xdd);
        t[j] = _mm512_shuffle_f32x4(a, c, 0x88);
        t[8 + j] = _mm512_shuffle_f32x4(a, c, 0xdd);
        t[4 + j] = _mm512_shuffle_f32x4(b, e, 0x88);
        t[12 + j] = _mm512_shuffle_f32x4(b, e, 0xdd);
    }
    for (int i = 0; i < 16; i++)
        if (i < nc)
            _mm512_mask_storeu_ps(d + i * ldd, out, t[i]);
}

static inline void transpose_block(float *d, int64_t ldd, const float *s, int64_t lds, int64_t rows, int64_t cols,
                                   int64_t r, int64_t c)
{
    int nr = rows - r < 16 ? (int)(rows - r) : 16, nc = cols - c < 16 ? (int)(cols - c) : 16;
    if (nr == 16 && nc == 16)
        transpose_16x16(d + c * ldd + r, ldd, s + r * lds + c, lds, 16, 16);
    else
        transpose_16x16(d + c * ldd + r, ldd, s + r * lds + c, lds, nr, nc);
}

/* Writing along the lines of dst is worth more than reading along those of src, unless dst has few lines. */
void sn_transpose_x4_avx512(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    if (rows > 2 * cols) {
        for (int64_t r = 0; r < rows; r += 16)
            for (int64_t c = 0; c < cols; c += 16)
                transpose_block(dst, ldd, src, lds, rows, cols, r, c);
        return;
    }
    for (int64_t c = 0; c < cols; c += 16)
        for (int64_t r = 0; r < rows; r += 16)
            transpose_block(dst, ldd, src, lds, rows, cols, r, c);
}
