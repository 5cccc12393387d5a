/* Sixteen channels at a time. */
#include "kernels/arm/requant_neon.h"
#include "kernels/qdepthwise.h"

/* What is the same for all pixels. */
typedef struct depthwise_end {
    requant_range range;
    requant_sum sum;
} depthwise_end;

/* Adds the products of one tap: sixteen bytes with as many weights. */
REQUANT_INLINE void depthwise_tap(uint8x16_t x, const int16_t *w, int32x4_t acc[4])
{
    int16x8_t x0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(x))), w0 = vld1q_s16(w);
    int16x8_t x1 = vreinterpretq_s16_u16(vmovl_high_u8(x)), w1 = vld1q_s16(w + 8);
    acc[0] = vmlal_s16(acc[0], vget_low_s16(x0), vget_low_s16(w0));
    acc[1] = vmlal_high_s16(acc[1], x0, w0);
    acc[2] = vmlal_s16(acc[2], vget_low_s16(x1), vget_low_s16(w1));
    acc[3] = vmlal_high_s16(acc[3], x1, w1);
}

/* Channels [c, c + n) of the sums of the output whose window begins at (y, x), onto the biases. */
REQUANT_INLINE void depthwise_sums(const sn_qdepthwise *d, int64_t y, int64_t x, int64_t c, int64_t n, int32x4_t acc[4])
{
    const int64_t channels = sn_qdepthwise_channels(d);
    const uint8x16_t outside = vdupq_n_u8(d->x_zero);
    const int16_t *w = (const int16_t *)d->w + c;
    for (int i = 0; i < 4; i++)
        acc[i] = vld1q_s32(d->rq.bias + c + 4 * i);
    for (int64_t ky = 0; ky < d->kh; ky++, y += d->dilation_h) {
        bool row = y >= 0 && y < d->ih;
        for (int64_t kx = 0, at = x; kx < d->kw; kx++, at += d->dilation_w, w += channels)
            depthwise_tap(
                row && at >= 0 && at < d->iw ? requant_load_n(d->x + (y * d->iw + at) * d->c + c, n) : outside, w, acc);
    }
}

/* Channels [c, c + n) of one output, n <= 16: a constant where it is 16, so that no copy of less is near. */
REQUANT_INLINE void depthwise_lanes(const sn_qdepthwise *d, const depthwise_end *end, int64_t oy, int64_t ox, int64_t c,
                                    const int64_t n)
{
    const int64_t y = oy * d->stride_h - d->pad_top, x = ox * d->stride_w - d->pad_left;
    const int64_t out = (oy * d->ow + ox) * d->c + c;
    int32x4_t acc[4];
    float32x4_t v[4];
    depthwise_sums(d, y, x, c, n, acc);
    for (int i = 0; i < 4; i++)
        v[i] = vmulq_f32(vcvtq_f32_s32(acc[i]), vld1q_f32(d->rq.scale + c + 4 * i));
    uint8x16_t q = requant_bytes(&end->range, v);
    if (d->rq.table)
        q = requant_lookup(d->rq.table, q);
    if (d->rq.has_residual)
        q = requant_add(&end->sum, q, requant_load_n(d->residual + out, n));
    requant_store_n(d->y + out, q, n);
}

void sn_qdepthwise_rows_neon(const sn_qdepthwise *d, int64_t row0, int64_t row1, void *scratch)
{
    const depthwise_end end = {requant_range_of(d->rq.zero, d->rq.lo, d->rq.hi), requant_sum_of(&d->rq.sum)};
    (void)scratch;
    for (int64_t y = row0; y < row1; y++)
        for (int64_t x = 0; x < d->ow; x++) {
            int64_t c = 0;
            for (; c + REQUANT_LANES <= d->c; c += REQUANT_LANES)
                depthwise_lanes(d, &end, y, x, c, REQUANT_LANES);
            if (c < d->c)
                depthwise_lanes(d, &end, y, x, c, d->c - c);
        }
}
