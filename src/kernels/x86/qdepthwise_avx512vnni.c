/* A row of outputs in two passes, both over positions (pixel times channel) that lie side by side:
 *
 *     1. four rows of the image are interleaved byte by byte into scratch: position p has its four rows at 4 p
 *     2. for each column of the kernel, four products a lane: the interleaved rows times that column's weights
 *
 * so that the shuffles of the first pass are made once for all columns of the kernel. */
#define REQUANT_VBMI
#include "kernels/qdepthwise.h"
#include "kernels/x86/requant_avx512.h"
#include <string.h>

enum { DEPTHWISE_PX = 4 };

/* n positions of four rows. Reads nothing past them; writes up to 252 bytes more. */
static void depthwise_interleave(const uint8_t *const row[4], int64_t n, uint8_t *dst)
{
    /* dwords transposed, so that what the unpacking leaves in 128-bit lanes comes out in order */
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (int64_t p = 0; p < n; p += 64) {
        const __mmask64 mask = n - p >= 64 ? ~(__mmask64)0 : _bzhi_u64(~0ull, (unsigned)(n - p));
        __m512i r[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            r[i] = _mm512_permutexvar_epi32(order, n - p >= 64 ? _mm512_loadu_si512(row[i] + p)
                                                               : _mm512_maskz_loadu_epi8(mask, row[i] + p));
        __m512i a = _mm512_unpacklo_epi8(r[0], r[1]), b = _mm512_unpackhi_epi8(r[0], r[1]);
        __m512i c = _mm512_unpacklo_epi8(r[2], r[3]), d = _mm512_unpackhi_epi8(r[2], r[3]);
        uint8_t *to = dst + 4 * p;
        _mm512_storeu_si512(to, _mm512_unpacklo_epi16(a, c));
        _mm512_storeu_si512(to + 64, _mm512_unpackhi_epi16(a, c));
        _mm512_storeu_si512(to + 128, _mm512_unpacklo_epi16(b, d));
        _mm512_storeu_si512(to + 192, _mm512_unpackhi_epi16(b, d));
    }
}

/* The rows that output row oy reads, interleaved in quads. */
static void depthwise_gather(const sn_qdepthwise *d, int64_t oy, const uint8_t *zeros, uint8_t *plane)
{
    int64_t reach = sn_qdepthwise_reach(d), rows = sn_qdepthwise_rows(d);
    int64_t left = d->pad_left < reach ? d->pad_left : reach;
    int64_t pixels = reach - left < d->iw ? reach - left : d->iw;
    for (int64_t q = 0; q < sn_qdepthwise_quads(d); q++, plane += sn_qdepthwise_plane_bytes(d)) {
        const uint8_t *row[4];
        for (int64_t i = 0; i < 4; i++) {
            int64_t y = oy * d->stride_h - d->pad_top + (4 * q + i) % d->kh * d->dilation_h;
            row[i] = 4 * q + i < rows && y >= 0 && y < d->ih ? d->x + y * d->iw * d->c : zeros;
        }
        depthwise_interleave(row, pixels * d->c, plane + 4 * left * d->c);
        memset(plane, d->x_zero, (size_t)(4 * left * d->c));
        memset(plane + 4 * (left + pixels) * d->c, d->x_zero, (size_t)(4 * (reach - left - pixels) * d->c));
    }
}

typedef struct depthwise_place {
    const uint8_t *plane, *residual;
    uint8_t *y;
    int64_t ox, c; /* first pixel and channel of the tile */
} depthwise_place;

/* Sums of px pixels of 16 channels: any kernel. */
REQUANT_INLINE void depthwise_sums_any(const sn_qdepthwise *d, const uint8_t *x, const uint8_t *w, const int px,
                                       __m512i acc[DEPTHWISE_PX])
{
    const int64_t quads = sn_qdepthwise_quads(d), channels = sn_qdepthwise_channels(d), step = 4 * d->stride_w * d->c;
    const size_t plane_bytes = sn_qdepthwise_plane_bytes(d);
    for (int64_t kx = 0; kx < d->kw; kx++, x += 4 * d->dilation_w * d->c)
        for (int64_t q = 0; q < quads; q++, w += 4 * channels) {
            const uint8_t *from = x + (size_t)q * plane_bytes;
            __m512i wv = _mm512_loadu_si512(w);
#pragma GCC unroll 4
            for (int p = 0; p < px; p++)
                acc[p] = _mm512_dpbusd_epi32(acc[p], _mm512_loadu_si512(from + p * step), wv);
        }
}

/* The same where kw and the stride are constants and columns follow each other: pixels share the columns they read. */
REQUANT_INLINE void depthwise_sums(const sn_qdepthwise *d, const uint8_t *x, const uint8_t *w, const int px,
                                   const int kw, const int stride, __m512i acc[DEPTHWISE_PX])
{
    const int64_t quads = sn_qdepthwise_quads(d), channels = sn_qdepthwise_channels(d), step = 4 * d->c;
    const size_t plane_bytes = sn_qdepthwise_plane_bytes(d);
    for (int64_t q = 0; q < quads; q++, x += plane_bytes) {
        __m512i wv[5];
#pragma GCC unroll 5
        for (int kx = 0; kx < kw; kx++)
            wv[kx] = _mm512_loadu_si512(w + 4 * channels * (kx * quads + q));
#pragma GCC unroll 11
        for (int i = 0; i < (px - 1) * stride + kw; i++) {
            const __m512i column = _mm512_loadu_si512(x + i * step);
#pragma GCC unroll 4
            for (int p = 0; p < px; p++)
                if (i - p * stride >= 0 && i - p * stride < kw)
                    acc[p] = _mm512_dpbusd_epi32(acc[p], column, wv[i - p * stride]);
        }
    }
}

/* px pixels of up to 16 nv channels. kw 0: any kernel. */
REQUANT_INLINE void depthwise_tile(const sn_qdepthwise *d, const depthwise_place *t, const int px, const int nv,
                                   const int kw, const int stride)
{
    const requant_consts k = requant_consts_of(&d->rq);
    const int64_t c = t->c;
    __m512i sum[DEPTHWISE_PX][4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++) {
        __m512i acc[DEPTHWISE_PX];
        const uint8_t *x = t->plane + 4 * (t->ox * d->stride_w * d->c + c) + 64 * v;
        const uint8_t *w = (const uint8_t *)d->w + 4 * c + 64 * v;
#pragma GCC unroll 4
        for (int p = 0; p < px; p++)
            acc[p] = v < nv ? _mm512_loadu_si512(d->rq.bias + c + 16 * v) : _mm512_setzero_si512();
        if (v < nv && kw)
            depthwise_sums(d, x, w, px, kw, stride, acc);
        else if (v < nv)
            depthwise_sums_any(d, x, w, px, acc);
        const __m512 scale = v < nv ? _mm512_loadu_ps(d->rq.scale + c + 16 * v) : _mm512_setzero_ps();
#pragma GCC unroll 4
        for (int p = 0; p < px; p++)
            sum[p][v] = v < nv ? requant_sum(acc[p], scale, &k) : acc[p];
    }
    const __mmask64 mask = d->c - c >= 64 ? ~(__mmask64)0 : _bzhi_u64(~0ull, (unsigned)(d->c - c));
#pragma GCC unroll 4
    for (int p = 0; p < px; p++) {
        __m512i b = requant_pack(sum[p], k.zero, k.lo, k.order);
        if (d->rq.table)
            b = requant_lookup(d->rq.table, b);
        if (t->residual)
            b = requant_add(&k, b, _mm512_maskz_loadu_epi8(mask, t->residual + p * d->c));
        if (nv == 4 && d->c - c >= 64)
            _mm512_storeu_si512(t->y + p * d->c, b);
        else
            _mm512_mask_storeu_epi8(t->y + p * d->c, mask, b);
    }
}

typedef void depthwise_tile_fn(const sn_qdepthwise *d, const depthwise_place *t);

#define DEPTHWISE_TILE(px, nv, kw, stride)                                                                             \
    static __attribute__((noinline)) void depthwise_tile_##px##_##nv##_##kw##_##stride(const sn_qdepthwise *d,         \
                                                                                       const depthwise_place *t)       \
    {                                                                                                                  \
        depthwise_tile(d, t, px, nv, kw, stride);                                                                      \
    }
#define DEPTHWISE_TILE_NAME(px, nv, kw, stride) depthwise_tile_##px##_##nv##_##kw##_##stride,
#define DEPTHWISE_WIDTHS(X, px, kw, stride)                                                                            \
    X(px, 1, kw, stride) X(px, 2, kw, stride) X(px, 3, kw, stride) X(px, 4, kw, stride)
#define DEPTHWISE_KERNELS(X, px)                                                                                       \
    DEPTHWISE_WIDTHS(X, px, 0, 0)                                                                                      \
    DEPTHWISE_WIDTHS(X, px, 3, 1)                                                                                      \
    DEPTHWISE_WIDTHS(X, px, 3, 2) DEPTHWISE_WIDTHS(X, px, 5, 1) DEPTHWISE_WIDTHS(X, px, 5, 2)
DEPTHWISE_KERNELS(DEPTHWISE_TILE, 1)
DEPTHWISE_KERNELS(DEPTHWISE_TILE, 4)

/* Where the tiles of a kernel begin in the tables. */
static int depthwise_kind(const sn_qdepthwise *d)
{
    if (d->dilation_w != 1 || (d->kw != 3 && d->kw != 5) || d->stride_w > 2)
        return 0;
    return (int)(1 + (d->kw - 3) + (d->stride_w - 1)) * 4;
}

void sn_qdepthwise_rows_avx512vnni(const sn_qdepthwise *d, int64_t row0, int64_t row1, void *scratch)
{
    static depthwise_tile_fn *const tile[2][20] = {{DEPTHWISE_KERNELS(DEPTHWISE_TILE_NAME, 1)},
                                                   {DEPTHWISE_KERNELS(DEPTHWISE_TILE_NAME, 4)}};
    uint8_t *zeros = scratch, *plane = zeros + sn_qdepthwise_zero_bytes(d);
    const int kind = depthwise_kind(d);
    memset(zeros, d->x_zero, (size_t)(d->iw * d->c));
    for (int64_t oy = row0; oy < row1; oy++) {
        depthwise_gather(d, oy, zeros, plane);
        for (int64_t c = 0; c < d->c; c += 64) {
            int64_t left = (d->c - c + 15) / 16, nv = left < 4 ? left : 4;
            for (int64_t ox = 0; ox < d->ow;) {
                bool four = d->ow - ox >= DEPTHWISE_PX;
                int64_t at = (oy * d->ow + ox) * d->c + c;
                const depthwise_place place = {plane, d->rq.has_residual ? d->residual + at : NULL, d->y + at, ox, c};
                tile[four][kind + nv - 1](d, &place);
                ox += four ? DEPTHWISE_PX : 1;
            }
        }
    }
}
