/* Vectors of 8 floats and functions of them, for the AVX2 level. See vmath.inc for the functions and their accuracy.
 * Include only in files that are compiled with -mavx2 -mfma. */
#ifndef SN_KERNELS_X86_VMATH_AVX2_H
#define SN_KERNELS_X86_VMATH_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define SN_V(name) sn_##name##_ps256
#define SN_V_TYPE __m256
#define SN_V_MASK __m256 /* a lane is all ones or all zeros */
#define SN_V_LANES 8

static inline __m256 sn_set_ps256(float x)
{
    return _mm256_set1_ps(x);
}
static inline __m256 sn_load_ps256(const float *x)
{
    return _mm256_loadu_ps(x);
}
static inline void sn_store_ps256(float *y, __m256 v)
{
    _mm256_storeu_ps(y, v);
}

/* The first n lanes, 0 <= n <= 8: the others are neither read nor written, and load as 0. */
static inline __m256i sn_first_ps256(int64_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
static inline __m256 sn_load_n_ps256(const float *x, int64_t n)
{
    return _mm256_maskload_ps(x, sn_first_ps256(n));
}
static inline void sn_store_n_ps256(float *y, __m256 v, int64_t n)
{
    _mm256_maskstore_ps(y, sn_first_ps256(n), v);
}
/* The others load as `fill`. */
static inline __m256 sn_load_or_ps256(const float *x, int64_t n, float fill)
{
    __m256i first = sn_first_ps256(n);
    return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(x, first), _mm256_castsi256_ps(first));
}
/* v with 0 in all lanes but the first n. */
static inline __m256 sn_keep_n_ps256(__m256 v, int64_t n)
{
    return _mm256_and_ps(v, _mm256_castsi256_ps(sn_first_ps256(n)));
}

static inline __m256 sn_add_ps256(__m256 a, __m256 b)
{
    return _mm256_add_ps(a, b);
}
static inline __m256 sn_sub_ps256(__m256 a, __m256 b)
{
    return _mm256_sub_ps(a, b);
}
static inline __m256 sn_mul_ps256(__m256 a, __m256 b)
{
    return _mm256_mul_ps(a, b);
}
static inline __m256 sn_div_ps256(__m256 a, __m256 b)
{
    return _mm256_div_ps(a, b);
}
/* a b + c and c - a b, rounded once. */
static inline __m256 sn_fma_ps256(__m256 a, __m256 b, __m256 c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline __m256 sn_fnma_ps256(__m256 a, __m256 b, __m256 c)
{
    return _mm256_fnmadd_ps(a, b, c);
}
/* The second operand where either is NaN or both are zeros. */
static inline __m256 sn_min_ps256(__m256 a, __m256 b)
{
    return _mm256_min_ps(a, b);
}
static inline __m256 sn_max_ps256(__m256 a, __m256 b)
{
    return _mm256_max_ps(a, b);
}

/* The last lane first. */
static inline __m256 sn_reverse_ps256(__m256 v)
{
    return _mm256_permutevar8x32_ps(v, _mm256_setr_epi32(7, 6, 5, 4, 3, 2, 1, 0));
}

/* x moved into [-bound, bound]; NaN becomes some number there, or stays. */
static inline __m256 sn_within_ps256(__m256 x, float bound)
{
    return sn_max_ps256(sn_set_ps256(-bound), sn_min_ps256(sn_set_ps256(bound), x));
}

/* Over all lanes; the greatest and least of lanes without NaN. */
static inline float sn_lane_sum_ps256(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float sn_lane_max_ps256(__m256 v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
static inline float sn_lane_min_ps256(__m256 v)
{
    __m128 s = _mm_min_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_min_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_min_ss(s, _mm_movehdup_ps(s)));
}

static inline __m256 sn_sqrt_ps256(__m256 a)
{
    return _mm256_sqrt_ps(a);
}
static inline __m256 sn_abs_ps256(__m256 a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline __m256 sn_neg_ps256(__m256 a)
{
    return _mm256_xor_ps(_mm256_set1_ps(-0.0f), a);
}
/* |a| with the sign of s; a must not be negative. */
static inline __m256 sn_sign_of_ps256(__m256 a, __m256 s)
{
    return _mm256_or_ps(a, _mm256_and_ps(_mm256_set1_ps(-0.0f), s));
}
static inline __m256 sn_round_ps256(__m256 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline __m256 sn_floor_ps256(__m256 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}
static inline __m256 sn_ceil_ps256(__m256 a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
}

/* Comparisons are false where an operand is NaN. */
static inline __m256 sn_lt_ps256(__m256 a, __m256 b)
{
    return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
static inline __m256 sn_nan_ps256(__m256 a)
{
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}
/* m ? a : b */
static inline __m256 sn_select_ps256(__m256 m, __m256 a, __m256 b)
{
    return _mm256_blendv_ps(b, a, m);
}

/* No lane; the lanes of either; whether there is one. */
static inline __m256 sn_no_lane_ps256(void)
{
    return _mm256_setzero_ps();
}
static inline __m256 sn_either_ps256(__m256 a, __m256 b)
{
    return _mm256_or_ps(a, b);
}
static inline bool sn_any_lane_ps256(__m256 m)
{
    return _mm256_movemask_ps(m) != 0;
}

static inline __m256 sn_pow2_of_int_ps256(__m256i n)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(n, _mm256_set1_epi32(127)), 23));
}
/* 2^n for integers n in [-126, 127]. */
static inline __m256 sn_pow2_ps256(__m256 n)
{
    return sn_pow2_of_int_ps256(_mm256_cvtps_epi32(n));
}
/* a 2^n for integers n in [-252, 254], with one rounding where the result is subnormal (a in [0.5, 2)). */
static inline __m256 sn_scale_ps256(__m256 a, __m256 n)
{
    __m256i i = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(i, 1);
    return _mm256_mul_ps(_mm256_mul_ps(a, sn_pow2_of_int_ps256(half)), sn_pow2_of_int_ps256(_mm256_sub_epi32(i, half)));
}
/* The bits of x, or of x 2^23 where x is subnormal. */
static inline __m256i sn_normal_bits_ps256(__m256 x)
{
    __m256 tiny = sn_lt_ps256(x, _mm256_set1_ps(0x1p-126f));
    return _mm256_castps_si256(sn_select_ps256(tiny, _mm256_mul_ps(x, _mm256_set1_ps(0x1p23f)), x));
}
/* x = mantissa 2^exponent with the mantissa in [1, 2), for finite x > 0. */
static inline __m256 sn_exponent_ps256(__m256 x)
{
    __m256 tiny = sn_lt_ps256(x, _mm256_set1_ps(0x1p-126f));
    __m256i e = _mm256_sub_epi32(_mm256_srli_epi32(sn_normal_bits_ps256(x), 23), _mm256_set1_epi32(127));
    return _mm256_sub_ps(_mm256_cvtepi32_ps(e), _mm256_and_ps(tiny, _mm256_set1_ps(23.0f)));
}
static inline __m256 sn_mantissa_ps256(__m256 x)
{
    __m256 fraction = _mm256_castsi256_ps(_mm256_and_si256(sn_normal_bits_ps256(x), _mm256_set1_epi32(0x007fffff)));
    return _mm256_or_ps(fraction, _mm256_set1_ps(1.0f));
}

#include "kernels/simd/vmath.inc"

#endif
