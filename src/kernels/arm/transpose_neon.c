/* 4x4 transposes of 4-byte elements in registers, two side by side; the rest element by element. */
#include "kernels/arm/transpose4_neon.h"
#include "kernels/transpose.h"
#include <string.h>

static inline void transpose_4x4(float *d, int64_t ldd, const float *s, int64_t lds)
{
    float32x4_t m[4];
    for (int i = 0; i < 4; i++)
        m[i] = vld1q_f32(s + i * lds);
    sn_transpose4_neon(m);
    for (int i = 0; i < 4; i++)
        vst1q_f32(d + i * ldd, m[i]);
}

static inline void transpose_edge(float *d, int64_t ldd, const float *s, int64_t lds, int64_t rows, int64_t cols)
{
    for (int64_t c = 0; c < cols; c++)
        for (int64_t r = 0; r < rows; r++)
            memcpy(d + c * ldd + r, s + r * lds + c, sizeof *d);
}

void sn_transpose_x4_neon(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    float *d = dst;
    const float *s = src;
    int64_t rows4 = rows & ~INT64_C(3), cols4 = cols & ~INT64_C(3);
    for (int64_t r = 0; r < rows4; r += 8) /* eight rows fill half a line of dst */
        for (int64_t c = 0; c < cols4; c += 4) {
            transpose_4x4(d + c * ldd + r, ldd, s + r * lds + c, lds);
            if (r + 4 < rows4)
                transpose_4x4(d + c * ldd + r + 4, ldd, s + (r + 4) * lds + c, lds);
        }
    transpose_edge(d + cols4 * ldd, ldd, s + cols4, lds, rows, cols - cols4);
    transpose_edge(d + rows4, ldd, s + rows4 * lds, lds, rows - rows4, cols4);
}
