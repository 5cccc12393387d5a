/* Convolution kernels for AVX-512: 32 registers of 16 floats. */
#include "kernels/conv_impl.h"
#include "kernels/conv_winograd.h"
#include "kernels/x86/transpose16_avx512.h"
#include "kernels/x86/vmath_avx512.h"
#include <string.h>

typedef SN_V_TYPE V;
enum { VW = SN_V_LANES };

static inline void v_transpose(V m[16])
{
    sn_transpose16_ps512(m);
}

typedef struct VL {
    __m512i from;
    __mmask16 to;
} VL;

static inline VL v_way(int32_t lane, int32_t at, int32_t n)
{
    __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return (VL){_mm512_add_epi32(iota, _mm512_set1_epi32(lane - at)), (__mmask16)(((1u << n) - 1) << at)};
}
static inline V v_move(V to, V from, VL way)
{
    return _mm512_mask_permutexvar_ps(to, way.to, way.from, from);
}

/* Two floats from memory, again and again; the lower half of a vector in its even lanes, 0 in the others; the sums of
 * lanes side by side in the lower half, 0 in the upper. */
static inline V v_pair(const float *x)
{
    double two;
    memcpy(&two, x, sizeof two);
    return _mm512_castpd_ps(_mm512_set1_pd(two));
}
static inline V v_spread(V v)
{
    const __m512i from = _mm512_setr_epi32(0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0);
    return _mm512_maskz_permutexvar_ps(0x5555, from, v);
}
static inline V v_fold(V v)
{
    const __m512i even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 0, 0, 0, 0, 0, 0, 0, 0);
    return _mm512_maskz_permutexvar_ps(0xff, even, _mm512_add_ps(v, _mm512_movehdup_ps(v)));
}

#define CONV_HALVES
#define CONV(name) sn_conv_##name##_avx512
#define CONV_HOLD(v) __asm__("" : "+v"(v))
/* clang-format off */
#define CONV_TILES(T)                                                                                                  \
    T(1, 1) T(2, 1) T(3, 1) T(4, 1) T(5, 1) T(6, 1) T(7, 1) T(8, 1) T(9, 1) T(10, 1) T(11, 1) T(12, 1) T(13, 1) T(14, 1) \
    T(1, 2) T(2, 2) T(3, 2) T(4, 2) T(5, 2) T(6, 2) T(7, 2) T(8, 2) T(9, 2) T(10, 2) T(11, 2) T(12, 2) T(13, 2) T(14, 2) \
    T(1, 3) T(2, 3) T(3, 3) T(4, 3) T(5, 3) T(6, 3) T(7, 3) T(8, 3) T(9, 3)                                            \
    T(1, 4) T(2, 4) T(3, 4) T(4, 4) T(5, 4) T(6, 4)
#define CONV_LINES(L)                                                                                                  \
    L(1) L(2) L(3) L(4) L(5) L(6) L(7) L(8) L(9) L(10) L(11) L(12) L(13) L(14)
/* clang-format on */

#include "kernels/simd/conv_simd.inc"
#include "kernels/simd/conv_depthwise.inc"
#include "kernels/simd/conv_winograd.inc"
