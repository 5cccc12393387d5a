#include "kernels/reduce.h"
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

typedef __m256 vec, vnan;
enum { V_N = 8 };

static inline vec v_set1(float f)
{
    return _mm256_set1_ps(f);
}
static inline vec v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}
static inline void v_store(float *p, vec v)
{
    _mm256_storeu_ps(p, v);
}
static inline vec v_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}
static inline vec v_abs(vec a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
static inline vec v_max(vec a, vec b)
{
    return _mm256_max_ps(a, b);
}
static inline vec v_min(vec a, vec b)
{
    return _mm256_min_ps(a, b);
}

static inline __m256i v_tail_mask(int64_t lanes)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)lanes), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vec v_load_tail(const float *p, int64_t lanes, float fill)
{
    __m256i m = v_tail_mask(lanes);
    return _mm256_blendv_ps(_mm256_set1_ps(fill), _mm256_maskload_ps(p, m), _mm256_castsi256_ps(m));
}

static inline void v_store_tail(float *p, int64_t lanes, vec v)
{
    _mm256_maskstore_ps(p, v_tail_mask(lanes), v);
}

static inline double v_hsum(vec v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return (double)_mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

static inline float v_hmax(vec v)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}

static inline float v_hmin(vec v)
{
    __m128 s = _mm_min_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_min_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_min_ss(s, _mm_movehdup_ps(s)));
}

static inline vnan vnan_none(void)
{
    return _mm256_setzero_ps();
}
static inline vnan vnan_or(vnan n, vec v)
{
    return _mm256_or_ps(n, _mm256_cmp_ps(v, v, _CMP_UNORD_Q));
}
static inline bool vnan_any(vnan n)
{
    return _mm256_movemask_ps(n) != 0;
}
static inline vec vnan_put(vec v, vnan n)
{
    return _mm256_blendv_ps(v, _mm256_set1_ps(NAN), n);
}

#define REDUCE_SYMBOL(entry) sn_reduce_f32_##entry##_avx2
#include "kernels/x86/reduce_simd.inc"
