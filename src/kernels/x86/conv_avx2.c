/* Convolution kernels for AVX2 and FMA: 16 registers of 8 floats. */
#include "kernels/conv_impl.h"
#include "kernels/conv_winograd.h"
#include "kernels/x86/vmath_avx2.h"
#include <string.h>

typedef SN_V_TYPE V;
enum { VW = SN_V_LANES };

static inline void v_transpose(V m[8])
{
    V t[8];
    for (int i = 0; i < 8; i += 4) { /* 4x4 within the halves */
        V a = _mm256_unpacklo_ps(m[i], m[i + 1]), b = _mm256_unpackhi_ps(m[i], m[i + 1]);
        V c = _mm256_unpacklo_ps(m[i + 2], m[i + 3]), d = _mm256_unpackhi_ps(m[i + 2], m[i + 3]);
        t[i] = _mm256_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        m[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
        m[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
    }
}

typedef struct VL {
    __m256i from;
    V to;
} VL;

static inline VL v_way(int32_t lane, int32_t at, int32_t n)
{
    __m256i iota = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), below = _mm256_set1_epi32(at - 1);
    __m256i from = _mm256_cmpgt_epi32(iota, below), end = _mm256_cmpgt_epi32(_mm256_set1_epi32(at + n), iota);
    return (VL){_mm256_add_epi32(iota, _mm256_set1_epi32(lane - at)), _mm256_castsi256_ps(_mm256_and_si256(from, end))};
}
static inline V v_move(V to, V from, VL way)
{
    return _mm256_blendv_ps(to, _mm256_permutevar8x32_ps(from, way.from), way.to);
}

#define CONV(name) sn_conv_##name##_avx2
#define CONV_HOLD(v) __asm__("" : "+x"(v))
/* clang-format off */
#define CONV_TILES(T)                                                                                                  \
    T(1, 1) T(2, 1) T(3, 1) T(4, 1) T(5, 1) T(6, 1) T(7, 1) T(8, 1) T(9, 1) T(10, 1)                                   \
    T(1, 2) T(2, 2) T(3, 2) T(4, 2) T(5, 2) T(6, 2)                                                                    \
    T(1, 3) T(2, 3) T(3, 3) T(4, 3)
#define CONV_LINES(L)                                                                                                  \
    L(1) L(2) L(3) L(4) L(5) L(6) L(7) L(8) L(9) L(10) L(11) L(12)
/* clang-format on */

#include "kernels/simd/conv_simd.inc"
#include "kernels/simd/conv_depthwise.inc"
#include "kernels/simd/conv_winograd.inc"
