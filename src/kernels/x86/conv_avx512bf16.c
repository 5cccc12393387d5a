/* Convolution in bf16. The loops are those of conv_simd.inc with pairs of channels for channels; sums that are not done
 * wait in a small buffer of floats, since y may be narrower. */
#include "kernels/conv_bf16.h"
#include "kernels/conv_impl.h"
#include <immintrin.h>

#if defined(SN_KERNEL_ROLLED)
#define CONV_UNROLL
#elif defined(__clang__)
#define CONV_UNROLL _Pragma("clang loop unroll(full)")
#else
#define CONV_UNROLL _Pragma("GCC unroll 16")
#endif

enum { VW = 16, CONV_PX_MAX = 14, CONV_BASES = 5 };

typedef __m512 V;

/* What becomes of the sums of a tile. */
typedef enum conv_end {
    CONV_WAIT,      /* into the buffer */
    CONV_CLAMP,     /* clamped, to y */
    CONV_HARDSWISH, /* likewise */
    CONV_SIGMOID,   /* to a bf16 y only */
    CONV_SWISH,     /* likewise */
} conv_end;

typedef struct conv_tile {
    const uint32_t *x; /* first pixel, first tap, first pair */
    const uint32_t *w; /* the bundle's */
    const float *init; /* biases of the bundle; NULL: go on with the sums in the buffer */
    float *buffer;     /* CONV_PX_MAX vectors a block */
    const sn_conv_spec *s;
    int64_t x_px, x_col, x_row, x_block;             /* distances: pixel, tap, row of taps, block */
    int64_t pairs, head, lanes;                      /* to read; of the first block; of the others */
    int64_t taps, first_tap, row_taps, n_row, n_col; /* in the kernel; first read; a row; rectangle read */
    const char *ahead;                               /* memory to fetch into the cache meanwhile... */
    int64_t ahead_step;                              /* ...and how far to go a pair and tap, in bytes */
    /* Outputs: first pixel and block. One of each pair of pointers is NULL, or both for no residual. */
    float *y32;
    uint16_t *y16;
    const float *r32;
    const uint16_t *r16;
    int64_t y_px, y_block;
    conv_end end;
} conv_tile;

typedef void conv_tile_fn(conv_tile *t);

static inline __attribute__((always_inline)) V conv_widen(const uint16_t *x)
{
    return (V)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)x)), 16);
}

static inline __attribute__((always_inline)) void conv_store16(uint16_t *y, V v)
{
    _mm256_storeu_si256((__m256i *)(void *)y, (__m256i)_mm512_cvtneps_pbh(v));
}

/* All sums += the products of one tap, for n pairs. Returns the end of the weights. */
static inline __attribute__((always_inline)) const uint32_t *conv_tap(V (*restrict sum)[SN_CONV_BUNDLE_MAX],
                                                                      const uint32_t *x, const uint32_t *w,
                                                                      conv_tile *t, int64_t n, const int P,
                                                                      const int NV)
{
    const int64_t x_px = t->x_px, ahead_step = t->ahead_step;
    const char *fetch = t->ahead;
    const uint32_t *base[CONV_BASES];
    CONV_UNROLL for (int k = 0; k < CONV_BASES; k++) base[k] = x + (3 * k < P ? 3 * k * x_px : 0);
    for (int64_t i = 0; i < n; i++, w += NV * VW, fetch += ahead_step) {
        __m512i row[SN_CONV_BUNDLE_MAX];
        __builtin_prefetch(fetch, 0, 2);
        CONV_UNROLL for (int v = 0; v < NV; v++) row[v] = _mm512_loadu_si512(w + v * VW);
        CONV_UNROLL for (int p = 0; p < P; p++)
        {
            __m512i in = _mm512_set1_epi32((int)base[p / 3][p % 3 * x_px]);
            CONV_UNROLL for (int v = 0; v < NV; v++) sum[p][v] =
                _mm512_dpbf16_ps(sum[p][v], (__m512bh)in, (__m512bh)row[v]);
        }
        CONV_UNROLL for (int k = 0; k < CONV_BASES; k++) base[k]++;
    }
    t->ahead = fetch;
    return w;
}

/* 1 / (1 + exp(-v)), for results that are rounded to bf16: to 2^-12 of it, or 2^-126. 2^f is a cubic polynomial with
 * the least relative error, 7.5e-5; rcp14 adds 2^-14. */
static inline __attribute__((always_inline)) V conv_sigmoid(V v)
{
    V t = _mm512_mul_ps(v, _mm512_set1_ps(-1.44269504f));
    t = _mm512_min_ps(_mm512_set1_ps(200), _mm512_max_ps(_mm512_set1_ps(-200), t)); /* NaN passes */
    V n = _mm512_roundscale_ps(t, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = _mm512_sub_ps(t, n);
    V p = _mm512_fmadd_ps(f, _mm512_set1_ps(0.05517167f), _mm512_set1_ps(0.24261112f));
    p = _mm512_fmadd_ps(f, p, _mm512_set1_ps(0.69326099f));
    p = _mm512_fmadd_ps(f, p, _mm512_set1_ps(0.99992807f));
    return _mm512_rcp14_ps(_mm512_add_ps(_mm512_set1_ps(1), _mm512_scalef_ps(p, n)));
}

static inline __attribute__((always_inline)) V conv_soft_act(const sn_conv_spec *s, conv_end end, V v)
{
    V y = end == CONV_SWISH ? _mm512_mul_ps(v, conv_sigmoid(_mm512_mul_ps(v, _mm512_set1_ps(s->alpha))))
                            : conv_sigmoid(v);
    return _mm512_fmadd_ps(y, _mm512_set1_ps(s->scale), _mm512_set1_ps(s->shift));
}

/* Sums that are complete become outputs. */
static inline __attribute__((always_inline)) void conv_tile_end(V (*restrict sum)[SN_CONV_BUNDLE_MAX],
                                                                const conv_tile *t, const int P, const int NV)
{
    const int64_t y_px = t->y_px, y_block = t->y_block;
    if (t->r32)
        CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++) sum[p][v] =
            _mm512_add_ps(sum[p][v], _mm512_loadu_ps(t->r32 + v * y_block + p * y_px));
    if (t->r16)
        CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++) sum[p][v] =
            _mm512_add_ps(sum[p][v], conv_widen(t->r16 + v * y_block + p * y_px));
    const V alpha = _mm512_set1_ps(t->s->alpha), beta = _mm512_set1_ps(t->s->beta);
    if (t->end == CONV_CLAMP) { /* max and min give their second operand when one is NaN */
        CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++) sum[p][v] =
            _mm512_min_ps(beta, _mm512_max_ps(alpha, sum[p][v]));
    } else if (t->end == CONV_SWISH) {
        CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++) sum[p][v] =
            conv_soft_act(t->s, CONV_SWISH, sum[p][v]);
    } else if (t->end == CONV_SIGMOID) {
        CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++) sum[p][v] =
            conv_soft_act(t->s, CONV_SIGMOID, sum[p][v]);
    } else {
        const V one = _mm512_set1_ps(1), scale = _mm512_set1_ps(t->s->scale), shift = _mm512_set1_ps(t->s->shift);
        CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++)
        {
            V gate = _mm512_fmadd_ps(sum[p][v], alpha, beta);
            gate = _mm512_min_ps(one, _mm512_max_ps(_mm512_setzero_ps(), gate));
            sum[p][v] = _mm512_fmadd_ps(_mm512_mul_ps(sum[p][v], gate), scale, shift);
        }
    }
    if (t->y16)
        CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++)
            conv_store16(t->y16 + v * y_block + p * y_px, sum[p][v]);
    else
        CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++)
            _mm512_storeu_ps(t->y32 + v * y_block + p * y_px, sum[p][v]);
}

static inline __attribute__((always_inline)) void conv_tile_any(conv_tile *t, const int P, const int NV)
{
    V sum[CONV_PX_MAX][SN_CONV_BUNDLE_MAX];
    const float *from = t->init ? t->init : t->buffer;
    const int64_t from_px = t->init ? 0 : VW, from_block = t->init ? VW : CONV_PX_MAX * VW;
    CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++) sum[p][v] =
        _mm512_loadu_ps(from + v * from_block + p * from_px);

    const uint32_t *w = t->w;
    int64_t n = t->head, at = 0;
    for (int64_t left = t->pairs; left > 0;) {
        n = n < left ? n : left;
        for (int64_t r = 0; r < t->n_row; r++) {
            const uint32_t *wr = w + (t->first_tap + r * t->row_taps) * n * (NV * VW);
            for (int64_t q = 0; q < t->n_col; q++)
                wr = conv_tap(sum, t->x + at + r * t->x_row + q * t->x_col, wr, t, n, P, NV);
        }
        w += t->taps * n * (NV * VW);
        left -= n;
        at += t->x_block;
        if (n != t->lanes && left > 0) /* the first block was begun at a later lane */
            at -= t->lanes - n;
        n = t->lanes;
    }

    if (t->end == CONV_WAIT)
        CONV_UNROLL for (int p = 0; p < P; p++) CONV_UNROLL for (int v = 0; v < NV; v++)
            _mm512_storeu_ps(t->buffer + (v * CONV_PX_MAX + p) * VW, sum[p][v]);
    else
        conv_tile_end(sum, t, P, NV);
}

/* clang-format off */
#define CONV_TILES(T)                                                                                                  \
    T(1, 1) T(2, 1) T(3, 1) T(4, 1) T(5, 1) T(6, 1) T(7, 1) T(8, 1) T(9, 1) T(10, 1) T(11, 1) T(12, 1) T(13, 1) T(14, 1) \
    T(1, 2) T(2, 2) T(3, 2) T(4, 2) T(5, 2) T(6, 2) T(7, 2) T(8, 2) T(9, 2) T(10, 2) T(11, 2) T(12, 2) T(13, 2) T(14, 2) \
    T(1, 3) T(2, 3) T(3, 3) T(4, 3) T(5, 3) T(6, 3) T(7, 3) T(8, 3) T(9, 3)                                            \
    T(1, 4) T(2, 4) T(3, 4) T(4, 4) T(5, 4) T(6, 4)
/* clang-format on */

#define CONV_TILE(p, v)                                                                                                \
    static void conv_tile_##p##x##v(conv_tile *t)                                                                      \
    {                                                                                                                  \
        conv_tile_any(t, p, v);                                                                                        \
    }
CONV_TILES(CONV_TILE)
#undef CONV_TILE

static conv_tile_fn *const conv_tiles[SN_CONV_BUNDLE_MAX][CONV_PX_MAX] = {
#define CONV_TILE(p, v) [v - 1][p - 1] = conv_tile_##p##x##v,
    CONV_TILES(CONV_TILE)
#undef CONV_TILE
};

/* ---- walking the tiles ------------------------------------------------------------------------------- */

/* CONV_WAIT when this activation has no form of its own here. */
static conv_end conv_soft_kind(const sn_conv_spec *s, bool y_bf16)
{
    if (!y_bf16)
        return CONV_WAIT;
    return s->act == SN_CONV_SWISH ? CONV_SWISH : s->act == SN_CONV_SIGMOID ? CONV_SIGMOID : CONV_WAIT;
}

static conv_end conv_end_kind(const sn_conv_spec *s, bool y_bf16)
{
    if (s->residual_last)
        return CONV_WAIT;
    if (s->act == SN_CONV_HARDSWISH)
        return CONV_HARDSWISH;
    conv_end soft = conv_soft_kind(s, y_bf16);
    if (soft != CONV_WAIT)
        return soft;
    return s->act == SN_CONV_CLAMP && s->scale == 1 && s->shift == 0 ? CONV_CLAMP : CONV_WAIT;
}

static inline V conv_residual(const conv_tile *t, int64_t at)
{
    return t->r32 ? _mm512_loadu_ps(t->r32 + at) : conv_widen(t->r16 + at);
}

/* Complete sums in the buffer become outputs. */
static void conv_finish(const conv_tile *t, int64_t px, int64_t blocks)
{
    const bool residual = t->r32 || t->r16;
    const conv_end soft = conv_soft_kind(t->s, t->y16 != NULL);
    for (int64_t b = 0; b < blocks; b++) {
        float *sums = t->buffer + b * CONV_PX_MAX * VW;
        for (int64_t p = 0; residual && !t->s->residual_last && p < px; p++) {
            V r = conv_residual(t, b * t->y_block + p * t->y_px);
            _mm512_storeu_ps(sums + p * VW, _mm512_add_ps(_mm512_loadu_ps(sums + p * VW), r));
        }
        if (soft == CONV_WAIT)
            sn_conv_finish_avx512(t->s, sums, px * VW);
        for (int64_t p = 0; p < px; p++) {
            int64_t at = b * t->y_block + p * t->y_px;
            V v = _mm512_loadu_ps(sums + p * VW);
            if (soft != CONV_WAIT)
                v = conv_soft_act(t->s, soft, v);
            if (residual && t->s->residual_last)
                v = _mm512_add_ps(v, conv_residual(t, at));
            if (t->y16)
                conv_store16(t->y16 + at, v);
            else
                _mm512_storeu_ps(t->y32 + at, v);
        }
    }
}

/* A tile that crosses a side of the image: tap columns with the same pixels inside go together. The first such run that
 * reaches every pixel goes first, with the biases. t.x is that of the row. */
static void conv_side_tile(const sn_conv *cv, conv_tile t, int64_t blocks, int64_t x0, int64_t px)
{
    const sn_conv_spec *s = &cv->s;
    const uint32_t *x = t.x;
    const float *bias = t.init;
    float *buffer = t.buffer;
    int64_t begin = x0 * s->stride_w - s->pad_left, step = s->stride_w, first_tap = t.first_tap;
    t.end = CONV_WAIT;
    bool begun = false;
    for (int round = 0; round < 2; round++) {
        for (int64_t k0 = 0, k1; k0 < s->kw; k0 = k1) {
            int64_t lo, hi;
            sn_conv_taps(begin + k0 * s->dilation_w, step, px, s->iw, &lo, &hi);
            for (k1 = k0 + 1; k1 < s->kw; k1++) {
                int64_t l, h;
                sn_conv_taps(begin + k1 * s->dilation_w, step, px, s->iw, &l, &h);
                if (l != lo || h != hi)
                    break;
            }
            bool whole = lo == 0 && hi == px;
            if (whole != (round == 0) || lo == hi)
                continue;
            t.x = x + (begin + lo * step + k0 * s->dilation_w) * cv->x_px;
            t.buffer = buffer + lo * VW;
            t.n_col = k1 - k0;
            t.first_tap = first_tap + k0;
            t.init = begun ? NULL : bias;
            begun = true;
            conv_tiles[blocks - 1][hi - lo - 1](&t);
        }
        if (!begun) /* no tap reaches every pixel */
            for (int64_t b = 0; b < blocks; b++)
                for (int64_t p = 0; p < px; p++)
                    _mm512_storeu_ps(buffer + (b * CONV_PX_MAX + p) * VW, _mm512_loadu_ps(bias + b * VW));
        begun = true;
    }
    t.buffer = buffer;
    conv_finish(&t, px, blocks);
}

static void conv_set_outputs(conv_tile *t, const sn_conv_bf16_io *io, int64_t at)
{
    t->y32 = io->y_bf16 ? NULL : (float *)io->y + at;
    t->y16 = io->y_bf16 ? (uint16_t *)io->y + at : NULL;
    t->r32 = io->residual && !io->residual_bf16 ? (const float *)io->residual + at : NULL;
    t->r16 = io->residual && io->residual_bf16 ? (const uint16_t *)io->residual + at : NULL;
}

/* Tiles [t0, t1) of a bundle that begins at `block`; x points to its first pair. */
static void conv_bundle_tiles(const sn_conv *cv, const sn_conv_bf16_io *io, conv_tile *ct, const uint32_t *x,
                              int64_t block, int64_t blocks, int64_t t0, int64_t t1)
{
    const sn_conv_spec *s = &cv->s;
    const conv_end end = conv_end_kind(s, io->y_bf16);
    int64_t row = t0 / cv->row_tiles, tile = t0 % cv->row_tiles, image = row / s->oh, oy = row % s->oh;
    for (int64_t t = t0; t < t1; oy++, tile = 0) {
        if (oy == s->oh)
            oy = 0, image++;
        int64_t ky0, ky1, iy = oy * s->stride_h - s->pad_top;
        sn_conv_taps(iy, s->dilation_h, s->kh, s->ih, &ky0, &ky1);
        ct->first_tap = ky0 * s->kw;
        ct->n_row = ky1 - ky0;
        ct->end = end;
        const uint32_t *xr = x + image * cv->x_image + (ct->n_row ? iy + ky0 * s->dilation_h : 0) * cv->x_row;
        int64_t at = image * cv->y_image + block * cv->y_block + oy * cv->y_row;
        for (; tile < cv->row_tiles && t < t1; tile++, t++) {
            int64_t x0 = sn_conv_tile_begin(cv, tile), px = sn_conv_tile_begin(cv, tile + 1) - x0;
            const char *ahead = ct->ahead;
            conv_set_outputs(ct, io, at + x0 * cv->y_px);
            if (x0 < cv->inner_lo || x0 + px > cv->inner_hi) {
                ct->x = xr;
                conv_side_tile(cv, *ct, blocks, x0, px);
            } else {
                ct->x = xr + (x0 * s->stride_w - s->pad_left) * cv->x_px;
                conv_tiles[blocks - 1][px - 1](ct);
                if (end == CONV_WAIT)
                    conv_finish(ct, px, blocks);
            }
            ct->ahead = ahead + ct->ahead_step * ct->pairs * ct->taps;
        }
    }
}

static void conv_bundle(const sn_conv *cv, const sn_conv_bf16_io *io, int64_t bundle, int64_t t0, int64_t t1)
{
    const sn_conv_spec *s = &cv->s;
    int64_t block = sn_conv_bundle_begin(cv, bundle), blocks = sn_conv_bundle_begin(cv, bundle + 1) - block, c0, c1;
    sn_conv_bundle_inputs(cv, bundle, &c0, &c1);
    float buffer[SN_CONV_BUNDLE_MAX * CONV_PX_MAX * VW];
    int64_t lane = c0 % cv->x_lanes;
    const int64_t bytes = blocks * VW * (int64_t)sizeof *io->w;
    conv_tile t = {.w = io->w + sn_conv_bundle_weights(cv, block),
                   .init = io->bias + block * VW,
                   .buffer = buffer,
                   .s = s,
                   .x_px = cv->x_px * s->stride_w,
                   .x_col = cv->x_px * s->dilation_w,
                   .x_row = cv->x_row * s->dilation_h,
                   .x_block = cv->x_block,
                   .pairs = c1 - c0,
                   .head = cv->x_lanes - lane,
                   .lanes = cv->x_lanes,
                   .taps = s->kh * s->kw,
                   .row_taps = s->kw,
                   .n_col = s->kw,
                   .y_px = cv->y_px,
                   .y_block = cv->y_block};
    /* While tiles pass over these weights, the next ones come into the cache, a share with each tile. */
    t.ahead = (const char *)(t.w + t.pairs * t.taps * blocks * VW);
    t.ahead_step = (bytes + t1 - t0 - 1) / (t1 - t0);
    const uint32_t *x = (const uint32_t *)(const void *)io->x;
    conv_bundle_tiles(cv, io, &t, x + c0 / cv->x_lanes * cv->x_block + lane, block, blocks, t0, t1);
}

void sn_conv_bf16_dense_avx512bf16(const sn_conv *cv, const sn_conv_bf16_io *io, uint32_t part, uint32_t n_parts)
{
    sn_conv_share share = sn_conv_part(cv, part, n_parts);
    for (int64_t t = share.t0; t < share.t1; t += cv->band_tiles) {
        int64_t end = t + cv->band_tiles < share.t1 ? t + cv->band_tiles : share.t1;
        for (int64_t b = share.b0; b < share.b1; b++)
            conv_bundle(cv, io, b, t, end);
    }
}

/* ---- pixels ---------------------------------------------------------------------------------------------- */

/* 16 pixels at once, of up to 4 channels: one or two pairs. Others are few. */
void sn_conv_bf16_pixels_avx512bf16(const float *x, int64_t x_plane, int64_t c, int64_t px, uint32_t *y)
{
    const __m512i iota = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i zip = _mm512_add_epi32(_mm512_mullo_epi32(iota, _mm512_set1_epi32(0x10001)),
                                         _mm512_set1_epi32(0x100000)); /* 16-bit lanes j and 16 + j */
    /* Elements j of two vectors beside each other: the first eight, the others. */
    const __m512i low =
        _mm512_or_epi32(_mm512_srli_epi32(iota, 1), _mm512_slli_epi32(_mm512_and_epi32(iota, _mm512_set1_epi32(1)), 4));
    const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
    const int64_t pairs = (c + 1) / 2;
    int64_t p = 0;
    for (; pairs <= 2 && p + VW <= px; p += VW, y += pairs * VW) {
        __m512i word[2];
        for (int64_t i = 0; i < pairs; i++) {
            V even = _mm512_loadu_ps(x + 2 * i * x_plane + p);
            V odd = 2 * i + 1 < c ? _mm512_loadu_ps(x + (2 * i + 1) * x_plane + p) : _mm512_setzero_ps();
            word[i] = _mm512_permutexvar_epi16(zip, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
        }
        if (pairs == 1) {
            _mm512_storeu_si512(y, word[0]);
        } else {
            _mm512_storeu_si512(y, _mm512_permutex2var_epi32(word[0], low, word[1]));
            _mm512_storeu_si512(y + VW, _mm512_permutex2var_epi32(word[0], high, word[1]));
        }
    }
    sn_conv_bf16_pixels_ref(x + p, x_plane, c, px - p, y);
}
