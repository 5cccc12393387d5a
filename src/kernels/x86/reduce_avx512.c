#include "kernels/reduce.h"
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

typedef __m512 vec;
typedef __mmask16 vnan;
enum { V_N = 16 };

static inline vec v_set1(float f)
{
    return _mm512_set1_ps(f);
}
static inline vec v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}
static inline void v_store(float *p, vec v)
{
    _mm512_storeu_ps(p, v);
}
static inline vec v_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}
static inline vec v_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}
static inline vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline vec v_abs(vec a)
{
    return _mm512_abs_ps(a);
}
static inline vec v_max(vec a, vec b)
{
    return _mm512_max_ps(a, b);
}
static inline vec v_min(vec a, vec b)
{
    return _mm512_min_ps(a, b);
}

static inline __mmask16 v_tail_mask(int64_t lanes)
{
    return (__mmask16)((1u << lanes) - 1u);
}

static inline vec v_load_tail(const float *p, int64_t lanes, float fill)
{
    return _mm512_mask_loadu_ps(_mm512_set1_ps(fill), v_tail_mask(lanes), p);
}

static inline void v_store_tail(float *p, int64_t lanes, vec v)
{
    _mm512_mask_storeu_ps(p, v_tail_mask(lanes), v);
}

static inline double v_hsum(vec v)
{
    return (double)_mm512_reduce_add_ps(v);
}
static inline float v_hmax(vec v)
{
    return _mm512_reduce_max_ps(v);
}
static inline float v_hmin(vec v)
{
    return _mm512_reduce_min_ps(v);
}

static inline vnan vnan_none(void)
{
    return 0;
}
static inline vnan vnan_or(vnan n, vec v)
{
    return (vnan)(n | _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q));
}
static inline bool vnan_any(vnan n)
{
    return n != 0;
}
static inline vec vnan_put(vec v, vnan n)
{
    return _mm512_mask_mov_ps(v, n, _mm512_set1_ps(NAN));
}

#define REDUCE_SYMBOL(entry) sn_reduce_f32_##entry##_avx512
#include "kernels/x86/reduce_simd.inc"
