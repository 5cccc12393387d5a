/* Sixteen vectors of sixteen 4-byte elements, turned around in registers. */
#ifndef SN_KERNELS_X86_TRANSPOSE16_AVX512_H
#define SN_KERNELS_X86_TRANSPOSE16_AVX512_H

#include <immintrin.h>

/* Element j of m[i] becomes element i of m[j]: 4x4 within the 128-bit quarters, then the quarters. */
static inline __attribute__((always_inline)) void sn_transpose16_ps512(__m512 m[16])
{
    __m512 t[16];
    for (int i = 0; i < 16; i += 4) {
        __m512 a = _mm512_unpacklo_ps(m[i], m[i + 1]), b = _mm512_unpackhi_ps(m[i], m[i + 1]);
        __m512 c = _mm512_unpacklo_ps(m[i + 2], m[i + 3]), d = _mm512_unpackhi_ps(m[i + 2], m[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        __m512 a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
        __m512 c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88), d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
        m[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        m[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        m[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        m[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
}

#endif
