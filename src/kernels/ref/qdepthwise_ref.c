#include "kernels/qdepthwise.h"
#include "kernels/qgemm.h"

static int32_t qdepthwise_at(const sn_qdepthwise *d, int64_t oy, int64_t ox, int64_t c)
{
    const int16_t *w = d->w;
    int64_t channels = sn_qdepthwise_channels(d);
    int32_t sum = 0;
    for (int64_t ky = 0; ky < d->kh; ky++)
        for (int64_t kx = 0; kx < d->kw; kx++) {
            int64_t y = oy * d->stride_h + ky * d->dilation_h - d->pad_top;
            int64_t x = ox * d->stride_w + kx * d->dilation_w - d->pad_left;
            bool inside = y >= 0 && y < d->ih && x >= 0 && x < d->iw;
            sum += (inside ? d->x[(y * d->iw + x) * d->c + c] : d->x_zero) * w[(ky * d->kw + kx) * channels + c];
        }
    return sum;
}

void sn_qdepthwise_rows_ref(const sn_qdepthwise *d, int64_t row0, int64_t row1, void *scratch)
{
    (void)scratch;
    for (int64_t y = row0; y < row1; y++)
        for (int64_t x = 0; x < d->ow; x++)
            for (int64_t c = 0; c < d->c; c++) {
                int32_t sum = qdepthwise_at(d, y, x, c);
                int64_t at = (y * d->ow + x) * d->c + c;
                sn_requant_row_ref(&d->rq, &sum, 0, c, 1, d->rq.has_residual ? d->residual + at : NULL, d->y + at);
            }
}
