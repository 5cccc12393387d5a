#include "base/half.h"
#include "kernels/convert.h"
#include <immintrin.h>

/* Tails go through the scalar conversions: a masked load exists for no 16-bit type at this level. */

void sn_convert_f16_f32_avx2(void *y_, const void *x_, int64_t n)
{
    float *y = y_;
    const uint16_t *x = x_;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)(x + i))));
    for (; i < n; i++)
        y[i] = sn_f16_to_f32(x[i]);
}

void sn_convert_f32_f16_avx2(void *y_, const void *x_, int64_t n)
{
    uint16_t *y = y_;
    const float *x = x_;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(void *)(y + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
    for (; i < n; i++)
        y[i] = sn_f32_to_f16(x[i]);
}

void sn_convert_bf16_f32_avx2(void *y_, const void *x_, int64_t n)
{
    float *y = y_;
    const uint16_t *x = x_;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)(x + i)));
        _mm256_storeu_ps(y + i, _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16)));
    }
    for (; i < n; i++)
        y[i] = sn_bf16_to_f32(x[i]);
}

/* sn_f32_to_bf16 in eight lanes. */
static inline __m256i convert_bf16_lanes(__m256 x)
{
    __m256i u = _mm256_castps_si256(x), odd = _mm256_and_si256(_mm256_srli_epi32(u, 16), _mm256_set1_epi32(1));
    __m256i rounded = _mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    __m256i quiet = _mm256_or_si256(u, _mm256_set1_epi32(0x00400000));
    __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, nan), 16);
}

void sn_convert_f32_bf16_avx2(void *y_, const void *x_, int64_t n)
{
    uint16_t *y = y_;
    const float *x = x_;
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i low = convert_bf16_lanes(_mm256_loadu_ps(x + i)), high = convert_bf16_lanes(_mm256_loadu_ps(x + i + 8));
        _mm256_storeu_si256((__m256i *)(void *)(y + i), _mm256_permute4x64_epi64(_mm256_packus_epi32(low, high), 0xd8));
    }
    for (; i < n; i++)
        y[i] = sn_f32_to_bf16(x[i]);
}
