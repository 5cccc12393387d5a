/* Sixteen channels at a time, two taps a multiplication. */
#include "kernels/qdepthwise.h"
#include "kernels/qgemm.h"
#include <immintrin.h>
#include <string.h>

enum { DEPTHWISE_LANES = 16 };

static inline __m256i depthwise_load(const uint8_t *x, int64_t n)
{
    uint8_t part[DEPTHWISE_LANES] = {0};
    if (n >= DEPTHWISE_LANES)
        return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)x));
    memcpy(part, x, (size_t)n);
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)part));
}

/* Channels [c, c + n) of tap t of the output whose window begins at (y, x). */
static inline __m256i depthwise_tap(const sn_qdepthwise *d, int64_t y, int64_t x, int64_t t, int64_t c, int64_t n)
{
    y += t / d->kw * d->dilation_h;
    x += t % d->kw * d->dilation_w;
    if (y < 0 || y >= d->ih || x < 0 || x >= d->iw)
        return _mm256_set1_epi16(d->x_zero);
    return depthwise_load(d->x + (y * d->iw + x) * d->c + c, n);
}

static void depthwise_pixel(const sn_qdepthwise *d, int64_t oy, int64_t ox)
{
    int64_t y = oy * d->stride_h - d->pad_top, x = ox * d->stride_w - d->pad_left, taps = d->kh * d->kw;
    int64_t channels = sn_qdepthwise_channels(d), out = (oy * d->ow + ox) * d->c;
    for (int64_t c = 0; c < d->c; c += DEPTHWISE_LANES) {
        int64_t n = d->c - c < DEPTHWISE_LANES ? d->c - c : DEPTHWISE_LANES;
        const int16_t *w = (const int16_t *)d->w + c;
        __m256i lo = _mm256_setzero_si256(), hi = lo;
        for (int64_t t = 0; t < taps; t += 2) {
            __m256i x0 = depthwise_tap(d, y, x, t, c, n), x1 = _mm256_setzero_si256(), w1 = x1;
            __m256i w0 = _mm256_loadu_si256((const __m256i *)(w + t * channels));
            if (t + 1 < taps) {
                x1 = depthwise_tap(d, y, x, t + 1, c, n);
                w1 = _mm256_loadu_si256((const __m256i *)(w + (t + 1) * channels));
            }
            lo = _mm256_add_epi32(lo, _mm256_madd_epi16(_mm256_unpacklo_epi16(x0, x1), _mm256_unpacklo_epi16(w0, w1)));
            hi = _mm256_add_epi32(hi, _mm256_madd_epi16(_mm256_unpackhi_epi16(x0, x1), _mm256_unpackhi_epi16(w0, w1)));
        }
        int32_t sum[DEPTHWISE_LANES];
        _mm256_storeu_si256((__m256i *)sum, _mm256_permute2x128_si256(lo, hi, 0x20));
        _mm256_storeu_si256((__m256i *)(sum + 8), _mm256_permute2x128_si256(lo, hi, 0x31));
        sn_requant_row_ref(&d->rq, sum, 0, c, n, d->rq.has_residual ? d->residual + out + c : NULL, d->y + out + c);
    }
}

void sn_qdepthwise_rows_avx2(const sn_qdepthwise *d, int64_t row0, int64_t row1, void *scratch)
{
    (void)scratch;
    for (int64_t y = row0; y < row1; y++)
        for (int64_t x = 0; x < d->ow; x++)
            depthwise_pixel(d, y, x);
}
