/* setsuna.ConvTranspose: upsampling by a kernel as large as its stride, over blocked channels (kernels/conv.h).
 *
 * Every output pixel has one tap then: tap (ky, kx) is a 1x1 convolution that makes each kh-th row and kw-th pixel.
 *
 *     X  f32, plain [N, C, H, W] or blocked;  W  f32 constant [C, M, kH, kW];  B, S  f32 constants [M], optional
 *     Y  act(ConvTranspose(X, W * S) + B) * act_scale + act_shift, [N, M, H kH, W kW], blocked when block is b
 *
 * Where all taps of all outputs fit one block, they are the channels of one convolution, and its result is spread over
 * a plain Y.
 *
 * A strip of a few rows is done at a time, so that all taps find its pixels in the cache, and the spread their results.
 */
#include "base/checked.h"
#include "base/hash.h"
#include "ops/conv_attr.h"
#include "ops/conv_blocked.h"
#include "ops/parts.h"
#include <string.h>

enum { CONV_UP_STRIP_BYTES = 128 << 10 }; /* of pixels read and results made: a part of the second-level cache */

typedef struct conv_up_param {
    sn_conv conv;                    /* of one tap, or of all when spread; of a strip of an image */
    int64_t rows, strips;            /* of a strip; strips of all images */
    int64_t x_image, x_row, y_image; /* elements of a whole image, and of a row of X */
    sn_conv_table table;
    const float *w, *bias;
    int64_t kh, kw, taps, maps;
    int64_t ih, iw;
    bool spread, plain; /* Y is plain, and made from scratch: by spreading taps or by the reorder */
    sn_conv_reorder out;
    bool late; /* the activation of `end` is applied to Y, not to the convolution's lanes */
    sn_conv_spec end;
} conv_up_param;

/* Everything about the node: the kernel's spec, and Y's shape. */
static setsuna_status conv_up_read(sn_op_ctx *c, conv_up_param *p, sn_conv_spec *s, setsuna_shape *y)
{
    const setsuna_shape *w = &c->in[CONV_BLOCKED_W].shape;
    setsuna_shape x;
    int64_t block;
    *s = (sn_conv_spec){.stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .group = 1, .kh = 1, .kw = 1};
    if (w->rank != 4)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the weights have rank %d", (int)w->rank);
    SN_TRY(sn_op_want(c, CONV_BLOCKED_X, "f32"));
    SN_TRY(sn_conv_blocked_constants(c, w->dim[1]));
    SN_TRY(sn_conv_blocked_act(c, s));
    sn_conv_table_init(&p->table, c->cpu);
    int64_t b = p->table.limits.block;
    SN_TRY(sn_conv_blocked_block(c, b, &block));
    SN_TRY(sn_conv_blocked_input(c, w->dim[0], b, &x, &s->plain_in));
    p->maps = w->dim[1], p->kh = w->dim[2], p->kw = w->dim[3];
    if (p->maps < 1 || p->kh < 1 || p->kw < 1 || p->kh > INT32_MAX || p->kw > INT32_MAX)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the weights are empty or too large");
    SN_TRY(sn_conv_blocked_fits(c, w));
    setsuna_shape plain = {.rank = 4, .dim = {x.dim[0], p->maps}};
    if (!sn_mul_i64(x.dim[2], p->kh, &plain.dim[2]) || !sn_mul_i64(x.dim[3], p->kw, &plain.dim[3]))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the output is too large");
    setsuna_shape blocked = sn_conv_blocked_shape(&plain, b);
    setsuna_shape padded = {.rank = 4, .dim = {blocked.dim[1] * b, w->dim[0], p->kh, p->kw}};
    SN_TRY(sn_conv_blocked_fits(c, &blocked));
    SN_TRY(sn_conv_blocked_fits(c, &padded));
    *y = block ? blocked : plain;
    p->taps = p->kh * p->kw;
    p->spread = !block && p->taps <= b && p->maps * p->taps <= b;
    s->n = x.dim[0], s->ic = x.dim[1], s->ih = s->oh = x.dim[2], s->iw = s->ow = x.dim[3];
    p->ih = s->ih, p->iw = s->iw;
    s->oc = p->spread ? p->maps * p->taps : p->maps;
    s->step_h = p->spread ? 1 : p->kh, s->step_w = p->spread ? 1 : p->kw;
    s->y_h = s->oh * s->step_h, s->y_w = s->ow * s->step_w;
    return SETSUNA_OK;
}

static setsuna_status conv_up_infer(sn_op_ctx *c)
{
    conv_up_param p;
    sn_conv_spec s;
    setsuna_shape y;
    SN_TRY(conv_up_read(c, &p, &s, &y));
    sn_op_out(c, 0, SETSUNA_F32, &y);
    return SETSUNA_OK;
}

typedef struct conv_up_pack {
    const conv_up_param *p;
    float *wide; /* one element for each output of the convolution */
} conv_up_pack;

/* A vector of one element a map, or NULL; when spread each is repeated for all taps. */
static const void *conv_up_vector(const conv_up_pack *k, const char *v)
{
    if (!v || !k->p->spread)
        return v;
    for (int64_t i = 0; i < k->p->conv.s.oc; i++)
        memcpy(&k->wide[i], v + i / k->p->taps * 4, sizeof *k->wide);
    return k->wide;
}

static void conv_up_fill_weights(void *dst, const void *const *source, const void *arg)
{
    const conv_up_pack *k = arg;
    const conv_up_param *p = k->p;
    const void *factor = conv_up_vector(k, source[1]);
    int64_t row = p->maps * p->taps;
    for (int64_t t = 0; t < (p->spread ? 1 : p->taps); t++) {
        sn_conv_weights from = {(const char *)source[0] + t * 4, factor, p->spread ? 1 : p->taps, row, 1};
        sn_conv_pack_weights(&p->conv, &from, (float *)dst + (size_t)t * sn_conv_weights_size(&p->conv));
    }
}

static void conv_up_fill_bias(void *dst, const void *const *source, const void *arg)
{
    const conv_up_pack *k = arg;
    sn_conv_pack_bias(&k->p->conv, conv_up_vector(k, source[0]), dst);
}

static setsuna_status conv_up_pack_all(sn_op_ctx *c, conv_up_param *p)
{
    const sn_conv *cv = &p->conv;
    const sn_const *w = c->in[CONV_BLOCKED_W].cst;
    const sn_const *b = sn_op_has(c, CONV_BLOCKED_B) ? c->in[CONV_BLOCKED_B].cst : NULL;
    const sn_const *f = sn_op_has(c, CONV_BLOCKED_S) ? c->in[CONV_BLOCKED_S].cst : NULL;
    conv_up_pack from = {p, p->spread ? sn_op_param(c, (size_t)cv->s.oc * sizeof(float)) : NULL};
    if (p->spread && !from.wide)
        return SETSUNA_ENOMEM;
    size_t images = p->spread ? 1 : (size_t)p->taps;
    uint64_t layout[] = {(uint64_t)cv->limits.block, (uint64_t)cv->n_bundle, p->spread, (uint64_t)p->taps,
                         (uint64_t)p->maps};
    uint64_t key = sn_hash_u64(sn_hash_u64(sn_hash_str(0, "conv_up_bundles"), w->uid), f ? f->uid : 0);
    const void *packed;
    SN_TRY(sn_op_pack(c, sn_hash_bytes(key, layout, sizeof layout), images * sn_conv_weights_size(cv) * sizeof(float),
                      conv_up_fill_weights, &from, (const sn_const *const[]){w, f}, 2, &packed));
    p->w = packed;
    key = sn_hash_u64(sn_hash_str(0, "conv_up_bias"), b ? b->uid : 0);
    SN_TRY(sn_op_pack(c, sn_hash_bytes(key, layout, sizeof layout), sn_conv_bias_size(cv) * sizeof(float),
                      conv_up_fill_bias, &from, &b, 1, &packed));
    p->bias = packed;
    return SETSUNA_OK;
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct conv_up_call {
    const conv_up_param *p;
    sn_conv_io io;
    float *plain;
} conv_up_call;

/* Pixel (y, x) of the strip's result holds a kh x kw patch of each map. first: the strip's first row, of all images. */
static void conv_up_spread(const conv_up_param *p, const float *x, float *plain, int64_t first)
{
    int64_t b = p->conv.limits.block, iw = p->iw, width = iw * p->kw, image = first / p->ih;
    for (int64_t i = 0; i < p->rows * p->maps * p->kh; i++) { /* a row of Y */
        int64_t ky = i % p->kh, row = i / p->kh % p->rows, map = i / p->kh / p->rows;
        const float *from = x + row * iw * b + map * p->taps + ky * p->kw;
        float *y = plain + (((image * p->maps + map) * p->ih + first % p->ih + row) * p->kh + ky) * width;
        for (int64_t ix = 0; ix < iw && p->kw == 2; ix++)
            memcpy(y + ix * 2, from + ix * b, 2 * sizeof *y);
        for (int64_t ix = 0; ix < iw && p->kw != 2; ix++)
            memcpy(y + ix * p->kw, from + ix * b, (size_t)p->kw * sizeof *y);
        if (p->late)
            p->table.finish(&p->end, y, width);
    }
}

static void conv_up_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_up_call *q = arg;
    const conv_up_param *p = q->p;
    sn_conv_io io = q->io;
    int64_t b = p->conv.limits.block, width = p->iw * p->kw, from, to;
    sn_pool_range(p->strips, 1, part, n_parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        int64_t image = i * p->rows / p->ih, row = i * p->rows % p->ih;
        io.x = q->io.x + image * p->x_image + row * p->x_row;
        for (int64_t t = 0; t < p->taps && !p->spread; t++) {
            io.w = q->io.w + (size_t)t * sn_conv_weights_size(&p->conv);
            io.y = q->io.y + image * p->y_image + ((row * p->kh + t / p->kw) * width + t % p->kw) * b;
            p->table.dense(&p->conv, &io, 0, 1);
        }
        if (p->spread) {
            io.y = q->io.y + part * p->conv.y_image;
            p->table.dense(&p->conv, &io, 0, 1);
            conv_up_spread(p, io.y, q->plain, i * p->rows);
        }
    }
}

static void conv_up_plain_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_up_call *q = arg;
    q->p->table.from_blocked(&q->p->out, q->io.y, q->plain, part, n_parts);
}

static setsuna_status conv_up_run(const sn_step *s, sn_run *r)
{
    const conv_up_param *p = s->param;
    float *y = sn_out(s, r, 0);
    conv_up_call q = {p, {sn_in(s, r, CONV_BLOCKED_X), p->w, p->bias, NULL, p->plain ? r->scratch : y, NULL}, y};
    sn_run_parallel(s, r, conv_up_part, &q);
    if (p->plain && !p->spread)
        sn_run_parallel(s, r, conv_up_plain_part, &q);
    return SETSUNA_OK;
}

/* Plans a strip: as many rows as divide an image and fit. It lies in X, and in Y but for what is spread, as a part of a
 * whole image. */
static void conv_up_plan(conv_up_param *p, sn_conv_spec spec)
{
    sn_conv *cv = &p->conv;
    bool empty = spec.n == 0 || spec.ih == 0 || spec.iw == 0; /* its extents may be anything */
    if (empty)
        spec.n = spec.ih = spec.iw = spec.oh = spec.ow = 1, spec.y_h = spec.step_h, spec.y_w = spec.step_w;
    int64_t b = p->table.limits.block, px = spec.ih * spec.iw, out = p->spread ? 1 : (p->maps + b - 1) / b * p->taps;
    int64_t x_blocks = (spec.ic + b - 1) / b, per_row = 4 * spec.iw * b * (x_blocks + out), images = spec.n;
    int64_t most = CONV_UP_STRIP_BYTES / per_row;
    p->rows = most > spec.ih ? spec.ih : most > 1 ? most : 1;
    while (spec.ih % p->rows)
        p->rows--;
    p->strips = empty ? 0 : images * (spec.ih / p->rows);
    p->x_row = spec.plain_in ? spec.iw : spec.iw * b;
    p->x_image = spec.plain_in ? spec.ic * px : x_blocks * px * b;
    p->y_image = p->spread ? 0 : (p->maps + b - 1) / b * px * p->taps * b;
    spec.n = 1;
    spec.ih = spec.oh = p->rows;
    spec.y_h = spec.oh * spec.step_h;
    sn_conv_plan(&spec, &p->table.limits, cv);
    if (spec.plain_in)
        cv->x_lane = px;
    else
        cv->x_block = px * b;
    if (!p->spread)
        cv->y_block = px * p->taps * b;
}

static setsuna_status conv_up_bind(sn_op_ctx *c, sn_step *s)
{
    conv_up_param *p = sn_op_param(c, sizeof *p);
    sn_conv_spec spec;
    setsuna_shape y;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(conv_up_read(c, p, &spec, &y));
    p->end = spec;
    p->late = p->spread && sn_conv_act_is_costly(spec.act);
    if (p->late)
        sn_conv_spec_open(&spec);
    conv_up_plan(p, spec);
    SN_TRY(conv_up_pack_all(c, p));
    const sn_conv *cv = &p->conv;
    double px = (double)spec.ih * (double)spec.iw;
    double out = p->spread ? px * (double)(p->taps * p->maps) : (double)p->y_image;
    s->param = p;
    s->run = conv_up_run;
    s->kernel = sn_conv_kernel_name(&p->table, cv);
    s->flops = 2 * (double)spec.n * px * (double)spec.ic * (double)(p->maps * p->taps);
    s->bytes = 4 * (out + (double)p->x_image) * (double)spec.n;
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    p->out = (sn_conv_reorder){p->strips ? spec.n : 0, p->maps, p->strips ? spec.y_h * spec.y_w : 0, cv->limits.block};
    p->plain = y.rank == 4;
    if (p->spread)
        s->scratch_bytes = (size_t)cv->y_image * sizeof(float) * s->n_parts;
    else if (p->plain)
        s->scratch_bytes = (size_t)(p->y_image * spec.n) * sizeof(float);
    return SETSUNA_OK;
}

const sn_op sn_ops_conv_transpose_blocked[] = {
    {"setsuna", "ConvTranspose", 1, 0, 2, 4, 1, 1, 0, SN_CONV_BLOCKED_ATTRS, conv_up_infer, conv_up_bind},
    {.name = NULL},
};
