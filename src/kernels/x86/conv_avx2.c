/* Convolution kernels for AVX2 and FMA: 16 registers of 8 floats. */
#include "kernels/conv_impl.h"
#include <immintrin.h>
#include <string.h>

typedef __m256 V;
enum { VW = 8 };

static inline V v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, V a)
{
    _mm256_storeu_ps(p, a);
}
static inline __m256i v_mask(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline V v_load_n(const float *p, int64_t n)
{
    return _mm256_maskload_ps(p, v_mask(n));
}
static inline void v_store_n(float *p, V a, int64_t n)
{
    _mm256_maskstore_ps(p, v_mask(n), a);
}
static inline V v_set1(float a)
{
    return _mm256_set1_ps(a);
}
static inline V v_zero(void)
{
    return _mm256_setzero_ps();
}
static inline V v_add(V a, V b)
{
    return _mm256_add_ps(a, b);
}
static inline V v_mul(V a, V b)
{
    return _mm256_mul_ps(a, b);
}
static inline V v_div(V a, V b)
{
    return _mm256_div_ps(a, b);
}
static inline V v_fma(V a, V b, V c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline V v_max(V a, V b)
{
    return _mm256_max_ps(a, b);
}
static inline V v_min(V a, V b)
{
    return _mm256_min_ps(a, b);
}

/* exp(x) = 2^n exp(r), |r| <= ln 2 / 2. Source of the polynomial: Cephes expf. 2^n is made of its exponent's bits, in
 * two halves since n may be 128, so a result may overflow to infinity; from x = 192 on it is infinity outright. */
static inline V v_exp(V x)
{
    x = v_min(v_set1(192), v_max(v_set1(-87.33654f), x));
    V n = _mm256_round_ps(v_mul(x, v_set1(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    V r = v_fma(n, v_set1(-0.693359375f), x);
    r = v_fma(n, v_set1(2.12194440e-4f), r);
    V p = v_fma(v_set1(1.9875691500e-4f), r, v_set1(1.3981999507e-3f));
    p = v_fma(p, r, v_set1(8.3334519073e-3f));
    p = v_fma(p, r, v_set1(4.1665795894e-2f));
    p = v_fma(p, r, v_set1(1.6666665459e-1f));
    p = v_fma(p, r, v_set1(5.0000001201e-1f));
    p = v_fma(p, v_mul(r, r), v_add(r, v_set1(1)));
    __m256i e = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(e, 1), bias = _mm256_set1_epi32(127);
    __m256i rest = _mm256_sub_epi32(e, half);
    V a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    V b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return v_mul(v_mul(p, a), b);
}

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
/* clang-format off */
#define CONV_TILES(T)                                                                                                  \
    T(1, 1) T(2, 1) T(3, 1) T(4, 1) T(5, 1) T(6, 1) T(7, 1) T(8, 1) T(9, 1) T(10, 1)                                   \
    T(1, 2) T(2, 2) T(3, 2) T(4, 2) T(5, 2) T(6, 2)                                                                    \
    T(1, 3) T(2, 3) T(3, 3) T(4, 3)
#define CONV_LINES(L)                                                                                                  \
    L(1) L(2) L(3) L(4) L(5) L(6) L(7) L(8) L(9) L(10) L(11) L(12)
/* clang-format on */

#include "kernels/x86/conv_simd.inc"
