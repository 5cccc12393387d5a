/* Convolution kernels for AVX-512: 32 registers of 16 floats. */
#include "kernels/conv_impl.h"
#include <immintrin.h>
#include <string.h>

typedef __m512 V;
enum { VW = 16 };

static inline V v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, V a)
{
    _mm512_storeu_ps(p, a);
}
static inline __mmask16 v_mask(int64_t n)
{
    return (__mmask16)((1u << n) - 1);
}
static inline V v_load_n(const float *p, int64_t n)
{
    return _mm512_maskz_loadu_ps(v_mask(n), p);
}
static inline void v_store_n(float *p, V a, int64_t n)
{
    _mm512_mask_storeu_ps(p, v_mask(n), a);
}
static inline V v_set1(float a)
{
    return _mm512_set1_ps(a);
}
static inline V v_zero(void)
{
    return _mm512_setzero_ps();
}
static inline V v_add(V a, V b)
{
    return _mm512_add_ps(a, b);
}
static inline V v_mul(V a, V b)
{
    return _mm512_mul_ps(a, b);
}
static inline V v_div(V a, V b)
{
    return _mm512_div_ps(a, b);
}
static inline V v_fma(V a, V b, V c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline V v_max(V a, V b)
{
    return _mm512_max_ps(a, b);
}
static inline V v_min(V a, V b)
{
    return _mm512_min_ps(a, b);
}

/* exp(x) = 2^n exp(r), |r| <= ln 2 / 2. Source of the polynomial: Cephes expf. 2^n may overflow to infinity. */
static inline V v_exp(V x)
{
    x = v_max(v_set1(-87.33654f), x);
    V n = _mm512_roundscale_ps(v_mul(x, v_set1(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    V r = v_fma(n, v_set1(-0.693359375f), x);
    r = v_fma(n, v_set1(2.12194440e-4f), r);
    V p = v_fma(v_set1(1.9875691500e-4f), r, v_set1(1.3981999507e-3f));
    p = v_fma(p, r, v_set1(8.3334519073e-3f));
    p = v_fma(p, r, v_set1(4.1665795894e-2f));
    p = v_fma(p, r, v_set1(1.6666665459e-1f));
    p = v_fma(p, r, v_set1(5.0000001201e-1f));
    p = v_fma(p, v_mul(r, r), v_add(r, v_set1(1)));
    return _mm512_scalef_ps(p, n);
}

/* 4x4 within the 128-bit quarters, then the quarters. */
static inline void v_transpose(V m[16])
{
    V t[16];
    for (int i = 0; i < 16; i += 4) {
        V a = _mm512_unpacklo_ps(m[i], m[i + 1]), b = _mm512_unpackhi_ps(m[i], m[i + 1]);
        V c = _mm512_unpacklo_ps(m[i + 2], m[i + 3]), d = _mm512_unpackhi_ps(m[i + 2], m[i + 3]);
        t[i] = _mm512_shuffle_ps(a, c, 0x44);
        t[i + 1] = _mm512_shuffle_ps(a, c, 0xee);
        t[i + 2] = _mm512_shuffle_ps(b, d, 0x44);
        t[i + 3] = _mm512_shuffle_ps(b, d, 0xee);
    }
    for (int i = 0; i < 4; i++) {
        V a = _mm512_shuffle_f32x4(t[i], t[i + 4], 0x88), b = _mm512_shuffle_f32x4(t[i], t[i + 4], 0xdd);
        V c = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0x88), d = _mm512_shuffle_f32x4(t[i + 8], t[i + 12], 0xdd);
        m[i] = _mm512_shuffle_f32x4(a, c, 0x88);
        m[i + 8] = _mm512_shuffle_f32x4(a, c, 0xdd);
        m[i + 4] = _mm512_shuffle_f32x4(b, d, 0x88);
        m[i + 12] = _mm512_shuffle_f32x4(b, d, 0xdd);
    }
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

#define CONV(name) sn_conv_##name##_avx512
/* clang-format off */
#define CONV_TILES(T)                                                                                                  \
    T(1, 1) T(2, 1) T(3, 1) T(4, 1) T(5, 1) T(6, 1) T(7, 1) T(8, 1) T(9, 1) T(10, 1) T(11, 1) T(12, 1) T(13, 1) T(14, 1) \
    T(1, 2) T(2, 2) T(3, 2) T(4, 2) T(5, 2) T(6, 2) T(7, 2) T(8, 2) T(9, 2) T(10, 2) T(11, 2) T(12, 2) T(13, 2) T(14, 2) \
    T(1, 3) T(2, 3) T(3, 3) T(4, 3) T(5, 3) T(6, 3) T(7, 3) T(8, 3) T(9, 3)                                            \
    T(1, 4) T(2, 4) T(3, 4) T(4, 4) T(5, 4) T(6, 4)
#define CONV_LINES(L)                                                                                                  \
    L(1) L(2) L(3) L(4) L(5) L(6) L(7) L(8) L(9) L(10) L(11) L(12) L(13) L(14)
/* clang-format on */

#include "kernels/x86/conv_simd.inc"
