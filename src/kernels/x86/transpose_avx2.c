/* 8x8 transposes of 4-byte and 4x4 of 8-byte elements in registers; edges fall to scalar loops. */
#include "kernels/transpose.h"
#include <immintrin.h>
#include <string.h>

static inline void transpose_edge(uint8_t *dst, int64_t ldd, const uint8_t *src, int64_t lds, int64_t rows,
                                  int64_t cols, size_t size)
{
    for (int64_t c = 0; c < cols; c++)
        for (int64_t r = 0; r < rows; r++)
            memcpy(dst + (size_t)(c * ldd + r) * size, src + (size_t)(r * lds + c) * size, size);
}

static inline void transpose_8x8(float *d, int64_t ldd, const float *s, int64_t lds)
{
    /* Halves of rows r and r + 4 share a register, so that the last exchange is done by the loads. */
    __m256 r[4], q[4], t[8];
    for (int h = 0; h < 2; h++) {
        for (int i = 0; i < 4; i++)
            r[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(s + i * lds + 4 * h)),
                                        _mm_loadu_ps(s + (i + 4) * lds + 4 * h), 1);
        q[0] = _mm256_unpacklo_ps(r[0], r[1]);
        q[1] = _mm256_unpackhi_ps(r[0], r[1]);
        q[2] = _mm256_unpacklo_ps(r[2], r[3]);
        q[3] = _mm256_unpackhi_ps(r[2], r[3]);
        t[4 * h + 0] = _mm256_shuffle_ps(q[0], q[2], 0x44);
        t[4 * h + 1] = _mm256_shuffle_ps(q[0], q[2], 0xee);
        t[4 * h + 2] = _mm256_shuffle_ps(q[1], q[3], 0x44);
        t[4 * h + 3] = _mm256_shuffle_ps(q[1], q[3], 0xee);
    }
    for (int i = 0; i < 8; i++)
        _mm256_storeu_ps(d + i * ldd, t[i]);
}

void sn_transpose_x4_avx2(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    float *d = dst;
    const float *s = src;
    int64_t rows8 = rows & ~INT64_C(7), cols8 = cols & ~INT64_C(7);
    for (int64_t r0 = 0; r0 < rows8; r0 += 16) /* two blocks side by side fill whole lines of dst */
        for (int64_t c = 0; c < cols8; c += 8) {
            transpose_8x8(d + c * ldd + r0, ldd, s + r0 * lds + c, lds);
            if (r0 + 8 < rows8)
                transpose_8x8(d + c * ldd + r0 + 8, ldd, s + (r0 + 8) * lds + c, lds);
        }
    transpose_edge((uint8_t *)(d + cols8 * ldd), ldd, (const uint8_t *)(s + cols8), lds, rows, cols - cols8, 4);
    transpose_edge((uint8_t *)(d + rows8), ldd, (const uint8_t *)(s + rows8 * lds), lds, rows - rows8, cols8, 4);
}

void sn_transpose_x8_avx2(void *dst, int64_t ldd, const void *src, int64_t lds, int64_t rows, int64_t cols)
{
    double *d = dst;
    const double *s = src;
    int64_t rows4 = rows & ~INT64_C(3), cols4 = cols & ~INT64_C(3);
    for (int64_t r0 = 0; r0 < rows4; r0 += 4)
        for (int64_t c = 0; c < cols4; c += 4) {
            const double *b = s + r0 * lds + c;
            double *o = d + c * ldd + r0;
            __m256d x0 = _mm256_loadu_pd(b), x1 = _mm256_loadu_pd(b + lds);
            __m256d x2 = _mm256_loadu_pd(b + 2 * lds), x3 = _mm256_loadu_pd(b + 3 * lds);
            __m256d t0 = _mm256_unpacklo_pd(x0, x1), t1 = _mm256_unpackhi_pd(x0, x1);
            __m256d t2 = _mm256_unpacklo_pd(x2, x3), t3 = _mm256_unpackhi_pd(x2, x3);
            _mm256_storeu_pd(o, _mm256_permute2f128_pd(t0, t2, 0x20));
            _mm256_storeu_pd(o + ldd, _mm256_permute2f128_pd(t1, t3, 0x20));
            _mm256_storeu_pd(o + 2 * ldd, _mm256_permute2f128_pd(t0, t2, 0x31));
            _mm256_storeu_pd(o + 3 * ldd, _mm256_permute2f128_pd(t1, t3, 0x31));
        }
    transpose_edge((uint8_t *)(d + cols4 * ldd), ldd, (const uint8_t *)(s + cols4), lds, rows, cols - cols4, 8);
    transpose_edge((uint8_t *)(d + rows4), ldd, (const uint8_t *)(s + rows4 * lds), lds, rows - rows4, cols4, 8);
}
