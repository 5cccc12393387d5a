/* Depthwise convolution of bytes against plain loops. All bits are equal. */
#include "kernels/qdepthwise.h"
#include "parity.h"

typedef struct depthwise_case {
    sn_qdepthwise d;
    uint8_t *x, *w, *residual, *want;
    int32_t *zero, *bias;
    float *scale;
    bool is_signed;
    uint8_t *table;
} depthwise_case;

static uint8_t *depthwise_bytes(parity *t, int64_t n)
{
    uint8_t *p = malloc((size_t)n + 1);
    for (int64_t i = 0; p && i < n; i++)
        p[i] = (uint8_t)(parity_random(t) % 8 ? parity_random(t) : parity_random(t) % 2 * 255);
    return p;
}

static depthwise_case depthwise_random(parity *t)
{
    depthwise_case q = {.is_signed = parity_random(t) % 2};
    sn_qdepthwise *d = &q.d;
    *d = (sn_qdepthwise){.ih = parity_between(t, 1, 9),
                         .iw = parity_between(t, 1, 20),
                         .c = parity_random(t) % 3 ? parity_between(t, 1, 150) : 16 * parity_between(t, 1, 9),
                         .kh = parity_between(t, 1, 7),
                         .kw = parity_between(t, 1, 5),
                         .stride_h = parity_between(t, 1, 2),
                         .stride_w = parity_between(t, 1, 3),
                         .dilation_h = parity_random(t) % 4 ? 1 : 2,
                         .dilation_w = parity_random(t) % 4 ? 1 : 3,
                         .pad_top = parity_between(t, 0, 3),
                         .pad_left = parity_between(t, 0, 3),
                         .x_zero = (uint8_t)parity_random(t),
                         .wide = parity_random(t) % 3 == 0};
    d->oh = parity_between(t, 1, 9); /* windows may lie anywhere, also past the image */
    d->ow = parity_between(t, 1, 15);
    q.x = depthwise_bytes(t, d->ih * d->iw * d->c);
    q.w = depthwise_bytes(t, d->c * d->kh * d->kw);
    q.residual = depthwise_bytes(t, d->oh * d->ow * d->c);
    q.table = depthwise_bytes(t, SN_REQUANT_TABLE);
    q.zero = calloc((size_t)d->c + SN_REQUANT_PAD, 4);
    q.bias = calloc((size_t)d->c + SN_REQUANT_PAD, 4);
    q.scale = calloc((size_t)d->c + SN_REQUANT_PAD, 4);
    for (int64_t c = 0; c < d->c; c++) {
        q.zero[c] = d->wide ? (int32_t)parity_between(t, q.is_signed ? -128 : 0, q.is_signed ? 127 : 255)
                            : (q.is_signed ? 0 : 128);
        q.bias[c] = (int32_t)parity_between(t, -9999, 9999);
        q.scale[c] = (float)parity_between(t, 0, 100) * 1e-4f;
    }
    int32_t lo = (int32_t)parity_between(t, 0, 100);
    d->rq = (sn_requant){.kind = SN_REQUANT_U8,
                         .bias = q.bias,
                         .scale = q.scale,
                         .zero = (int32_t)parity_between(t, 0, 255),
                         .lo = lo,
                         .hi = (int32_t)parity_between(t, lo, 255),
                         .table = parity_random(t) % 3 ? NULL : q.table,
                         .has_residual = parity_random(t) % 3 == 0,
                         .sum = {0.7f, 1.3f, -50.5f, 7, 0, 255}};
    d->x = q.x;
    d->residual = q.residual;
    q.want = malloc((size_t)(d->oh * d->ow * d->c));
    return q;
}

static void depthwise_expect(depthwise_case *q)
{
    const sn_qdepthwise *d = &q->d;
    for (int64_t i = 0; i < d->oh * d->ow * d->c; i++) {
        int64_t c = i % d->c, ox = i / d->c % d->ow, oy = i / d->c / d->ow;
        int32_t sum = q->bias[c];
        for (int64_t t = 0; t < d->kh * d->kw; t++) {
            int64_t y = oy * d->stride_h - d->pad_top + t / d->kw * d->dilation_h;
            int64_t x = ox * d->stride_w - d->pad_left + t % d->kw * d->dilation_w;
            bool in = y >= 0 && y < d->ih && x >= 0 && x < d->iw;
            uint8_t w = q->w[c * d->kh * d->kw + t];
            sum += (in ? q->x[(y * d->iw + x) * d->c + c] : d->x_zero) * ((q->is_signed ? (int8_t)w : w) - q->zero[c]);
        }
        double v = nearbyint((double)((float)sum * q->scale[c])) + d->rq.zero;
        uint8_t b = (uint8_t)(v < d->rq.lo ? d->rq.lo : v > d->rq.hi ? d->rq.hi : v);
        b = d->rq.table ? d->rq.table[b] : b;
        q->want[i] = d->rq.has_residual ? sn_quantized_add(&d->rq.sum, b, q->residual[i]) : b;
    }
}

static void depthwise_run(parity *t, depthwise_case *q, sn_cpu_level level)
{
    sn_qdepthwise d = q->d;
    sn_qdepthwise_table table;
    sn_qdepthwise_table_init(&table, level);
    if (!parity_wants(t, table.rows_name))
        return;
    int32_t *sum = malloc((size_t)d.c * 4);
    parity_block w = parity_block_make(sn_qdepthwise_packed_bytes(&table, &d), 0, false);
    parity_block y = parity_block_make((size_t)(d.oh * d.ow * d.c), parity_random(t) % 8, parity_random(t) % 2);
    parity_block scratch = parity_block_make(sn_qdepthwise_scratch_bytes(&table, &d), 0, parity_random(t) % 2);
    parity_block x = parity_block_make((size_t)(d.ih * d.iw * d.c), parity_random(t) % 8, false);
    memset(w.data, 0, w.size);
    memcpy(x.data, q->x, x.size);
    sn_qdepthwise_pack(&table, &d, q->w, q->is_signed, q->zero, w.data, sum);
    d.w = w.data;
    d.y = y.data;
    d.x = x.data;
    int64_t cut = parity_between(t, 0, d.oh);
    table.rows(&d, 0, cut, scratch.data);
    table.rows(&d, cut, d.oh, scratch.data);
    if (memcmp(y.data, q->want, y.size) != 0)
        parity_fail(t, table.rows_name,
                    "%" PRId64 "x%" PRId64 "x%" PRId64 " to %" PRId64 "x%" PRId64 ", window %" PRId64 "x%" PRId64
                    " wide %d residual %d table %d",
                    d.ih, d.iw, d.c, d.oh, d.ow, d.kh, d.kw, d.wide, d.rq.has_residual, d.rq.table != NULL);
    if (!parity_block_intact(&y) || !parity_block_intact(&scratch) || !parity_block_intact(&w))
        parity_fail(t, table.rows_name, "wrote outside of its buffers");
    free(sum);
    free(w.base);
    free(y.base);
    free(x.base);
    free(scratch.base);
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_qdepthwise", 300, argc, argv);
    for (int64_t i = 0; i < t.repeat; i++) {
        depthwise_case q = depthwise_random(&t);
        depthwise_expect(&q);
        for (sn_cpu_level level = t.lowest; level <= t.highest; level++)
            depthwise_run(&t, &q, level);
        free(q.x);
        free(q.w);
        free(q.residual);
        free(q.table);
        free(q.zero);
        free(q.bias);
        free(q.scale);
        free(q.want);
    }
    return parity_end(&t);
}
