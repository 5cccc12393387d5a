/* Transposes in plain C: square blocks of one cache line, so that a line of either matrix is touched once. */
#include "kernels/transpose.h"
#include <string.h>

/* Elements are copied by memcpy of a constant size: no alignment is asked for and the compiler makes plain moves. */
static inline void transpose_blocks(uint8_t *dst, int64_t ldd, const uint8_t *src, int64_t lds, int64_t rows,
                                    int64_t cols, size_t size, int64_t block)
{
    for (int64_t r0 = 0; r0 < rows; r0 += block)
        for (int64_t c0 = 0; c0 < cols; c0 += block) {
            int64_t r1 = rows - r0 < block ? rows : r0 + block, c1 = cols - c0 < block ? cols : c0 + block;
            for (int64_t c = c0; c < c1; c++)
                for (int64_t r = r0; r < r1; r++)
                    memcpy(dst + (size_t)(c * ldd + r) * size, src + (size_t)(r * lds + c) * size, size);
        }
}

void sn_transpose_x1_ref(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    transpose_blocks(dst, ldd, src, lds, rows, cols, 1, 32);
}

void sn_transpose_x2_ref(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    transpose_blocks(dst, ldd, src, lds, rows, cols, 2, 32);
}

void sn_transpose_x4_ref(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    transpose_blocks(dst, ldd, src, lds, rows, cols, 4, 16);
}

void sn_transpose_x8_ref(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    transpose_blocks(dst, ldd, src, lds, rows, cols, 8, 8);
}

void sn_transpose_x16_ref(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    transpose_blocks(dst, ldd, src, lds, rows, cols, 16, 4);
}
