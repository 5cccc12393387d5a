/* Vectors of 16 floats and functions of them, for the AVX-512 level. See vmath.inc for the functions and their
 * accuracy. Include only in files that are compiled with -mavx512f -mavx512dq. */
#ifndef SN_KERNELS_X86_VMATH_AVX512_H
#define SN_KERNELS_X86_VMATH_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define SN_V(name) sn_##name##_ps512
#define SN_V_TYPE __m512
#define SN_V_MASK __mmask16
#define SN_V_LANES 16

static inline __m512 sn_set_ps512(float x)
{
    return _mm512_set1_ps(x);
}
static inline __m512 sn_load_ps512(const float *x)
{
    return _mm512_loadu_ps(x);
}
static inline void sn_store_ps512(float *y, __m512 v)
{
    _mm512_storeu_ps(y, v);
}

/* The first n lanes, 0 <= n <= 16: the others are neither read nor written, and load as 0. */
static inline __mmask16 sn_first_ps512(int64_t n)
{
    return (__mmask16)((1u << n) - 1u);
}
static inline __m512 sn_load_n_ps512(const float *x, int64_t n)
{
    return _mm512_maskz_loadu_ps(sn_first_ps512(n), x);
}
static inline void sn_store_n_ps512(float *y, __m512 v, int64_t n)
{
    _mm512_mask_storeu_ps(y, sn_first_ps512(n), v);
}
/* The others load as `fill`. */
static inline __m512 sn_load_or_ps512(const float *x, int64_t n, float fill)
{
    return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), sn_first_ps512(n), x);
}
/* v with 0 in all lanes but the first n. */
static inline __m512 sn_keep_n_ps512(__m512 v, int64_t n)
{
    return _mm512_maskz_mov_ps(sn_first_ps512(n), v);
}

static inline __m512 sn_add_ps512(__m512 a, __m512 b)
{
    return _mm512_add_ps(a, b);
}
static inline __m512 sn_sub_ps512(__m512 a, __m512 b)
{
    return _mm512_sub_ps(a, b);
}
static inline __m512 sn_mul_ps512(__m512 a, __m512 b)
{
    return _mm512_mul_ps(a, b);
}
static inline __m512 sn_div_ps512(__m512 a, __m512 b)
{
    return _mm512_div_ps(a, b);
}
/* a b + c and c - a b, rounded once. */
static inline __m512 sn_fma_ps512(__m512 a, __m512 b, __m512 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline __m512 sn_fnma_ps512(__m512 a, __m512 b, __m512 c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
/* The second operand where either is NaN or both are zeros. */
static inline __m512 sn_min_ps512(__m512 a, __m512 b)
{
    return _mm512_min_ps(a, b);
}
static inline __m512 sn_max_ps512(__m512 a, __m512 b)
{
    return _mm512_max_ps(a, b);
}

/* The last lane first. */
static inline __m512 sn_reverse_ps512(__m512 v)
{
    return _mm512_permutexvar_ps(_mm512_setr_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), v);
}

/* x moved into [-bound, bound]; NaN becomes some number there, or stays. */
static inline __m512 sn_within_ps512(__m512 x, float bound)
{
    return _mm512_range_ps(x, _mm512_set1_ps(bound), 2); /* the lesser in size, with the sign of x */
}

/* Over all lanes; the greatest and least of lanes without NaN. */
static inline float sn_lane_sum_ps512(__m512 v)
{
    return _mm512_reduce_add_ps(v);
}
static inline float sn_lane_max_ps512(__m512 v)
{
    return _mm512_reduce_max_ps(v);
}
static inline float sn_lane_min_ps512(__m512 v)
{
    return _mm512_reduce_min_ps(v);
}

static inline __m512 sn_sqrt_ps512(__m512 a)
{
    return _mm512_sqrt_ps(a);
}
static inline __m512 sn_abs_ps512(__m512 a)
{
    return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}
static inline __m512 sn_neg_ps512(__m512 a)
{
    return _mm512_xor_ps(_mm512_set1_ps(-0.0f), a);
}
/* |a| with the sign of s; a must not be negative. */
static inline __m512 sn_sign_of_ps512(__m512 a, __m512 s)
{
    return _mm512_or_ps(a, _mm512_and_ps(_mm512_set1_ps(-0.0f), s));
}
static inline __m512 sn_round_ps512(__m512 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline __m512 sn_floor_ps512(__m512 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline __m512 sn_ceil_ps512(__m512 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}

/* Comparisons are false where an operand is NaN. */
static inline __mmask16 sn_lt_ps512(__m512 a, __m512 b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
static inline __mmask16 sn_nan_ps512(__m512 a)
{
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
/* m ? a : b */
static inline __m512 sn_select_ps512(__mmask16 m, __m512 a, __m512 b)
{
    return _mm512_mask_blend_ps(m, b, a);
}

/* No lane; the lanes of either; whether there is one. */
static inline __mmask16 sn_no_lane_ps512(void)
{
    return 0;
}
static inline __mmask16 sn_either_ps512(__mmask16 a, __mmask16 b)
{
    return (__mmask16)(a | b);
}
static inline bool sn_any_lane_ps512(__mmask16 m)
{
    return m != 0;
}

/* 2^n for integers n in [-126, 127]. */
static inline __m512 sn_pow2_ps512(__m512 n)
{
    return _mm512_scalef_ps(_mm512_set1_ps(1.0f), n);
}
/* a 2^n for integers n in [-252, 254], with one rounding where the result is subnormal (a in [0.5, 2)). */
static inline __m512 sn_scale_ps512(__m512 a, __m512 n)
{
    return _mm512_scalef_ps(a, n);
}
/* x = mantissa 2^exponent with the mantissa in [1, 2), for finite x > 0. */
static inline __m512 sn_exponent_ps512(__m512 x)
{
    return _mm512_getexp_ps(x);
}
static inline __m512 sn_mantissa_ps512(__m512 x)
{
    return _mm512_getmant_ps(x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
}

#include "kernels/simd/vmath.inc"

#endif
