/* ConvInteger and QLinearConv: convolutions of 8-bit integers with zero points. */
#include "base/checked.h"
#include "ops/conv_attr.h"
#include "ops/conv_geometry.h"
#include "ops/parts.h"
#include "ops/quantize.h"
#include <string.h>

typedef struct conv_int_param {
    sn_conv_geometry geometry;
    int64_t pixels;
    bool x_signed, w_signed, y_signed;
    uint32_t x, x_zero, w, w_zero; /* inputs; *_zero may be absent */
    bool w_zero_each;              /* one an output channel */
    /* QLinearConv only */
    bool quantized;
    bool w_scale_each;
} conv_int_param;

typedef struct conv_int_call {
    const conv_int_param *p;
    const void *x, *w;
    const int32_t *bias;
    sn_conv_zero zero;
    int32_t *sum; /* one image's sums, or ConvInteger's output */
    const float *x_scale, *w_scale, *y_scale;
    int32_t y_zero;
    uint8_t *y;
} conv_int_call;

static void conv_int_image(const conv_int_call *q, const void *x, int64_t from, int64_t to, int32_t *sum)
{
    const sn_conv_geometry *g = &q->p->geometry;
    if (q->p->x_signed && q->p->w_signed)
        sn_conv_plain_i8i8(g, x, q->w, q->bias, &q->zero, from, to, sum);
    else if (q->p->x_signed)
        sn_conv_plain_i8u8(g, x, q->w, q->bias, &q->zero, from, to, sum);
    else if (q->p->w_signed)
        sn_conv_plain_u8i8(g, x, q->w, q->bias, &q->zero, from, to, sum);
    else
        sn_conv_plain_u8u8(g, x, q->w, q->bias, &q->zero, from, to, sum);
}

static void conv_int_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_int_call *q = arg;
    const conv_int_param *p = q->p;
    const sn_conv_geometry *g = &p->geometry;
    int64_t in_size = g->ic * g->in[0] * g->in[1] * g->in[2], out_size = g->oc * p->pixels, from, to;
    sn_pool_range(g->oc, 1, part, n_parts, &from, &to);
    for (int64_t i = 0; i < g->n; i++) {
        int32_t *sum = p->quantized ? q->sum : q->sum + i * out_size;
        conv_int_image(q, (const uint8_t *)q->x + i * in_size, from, to, sum);
        for (int64_t o = from; o < to && p->quantized; o++) {
            float scale = *q->x_scale * q->w_scale[p->w_scale_each ? o : 0] / *q->y_scale;
            for (int64_t k = o * p->pixels; k < (o + 1) * p->pixels; k++)
                q->y[i * out_size + k] = sn_requantize_8(sum[k], scale, q->y_zero, p->y_signed);
        }
    }
}

static setsuna_status conv_int_run(const sn_step *s, sn_run *r)
{
    const conv_int_param *p = s->param;
    const sn_conv_geometry *g = &p->geometry;
    const uint8_t *xz = sn_in(s, r, p->x_zero), *wz = sn_in(s, r, p->w_zero);
    int32_t *zeros = r->scratch; /* one an output channel, then the sums */
    conv_int_call q = {.p = p, .x = sn_in(s, r, p->x), .w = sn_in(s, r, p->w)};
    if (!g->n || !g->oc || !p->pixels)
        return SETSUNA_OK;
    for (int64_t o = 0; o < g->oc; o++)
        zeros[o] = wz ? sn_int8_get(wz, p->w_zero_each ? o : 0, p->w_signed) : 0;
    q.zero = (sn_conv_zero){xz ? sn_int8_get(xz, 0, p->x_signed) : 0, zeros};
    q.sum = p->quantized ? zeros + g->oc : sn_out(s, r, 0);
    if (p->quantized) {
        q.x_scale = sn_in(s, r, 1);
        q.w_scale = sn_in(s, r, 4);
        q.y_scale = sn_in(s, r, 6);
        q.y_zero = sn_int8_get(sn_in(s, r, 7), 0, p->y_signed);
        q.bias = sn_in(s, r, 8);
        q.y = sn_out(s, r, 0);
    }
    sn_run_parallel(s, r, conv_int_part, &q);
    return SETSUNA_OK;
}

/* Zero point or scale i: one element, or where `each` is not NULL also one for each of n channels. */
static setsuna_status conv_int_scalar(sn_op_ctx *c, uint32_t i, int64_t n, bool *each)
{
    int64_t count;
    if (!sn_op_has(c, i))
        return SETSUNA_OK;
    if (!sn_shape_numel(&c->in[i].shape, &count) || (count != 1 && !(each && c->in[i].shape.rank == 1 && count == n)))
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must have one element%s", i, each ? " a channel" : "");
    if (each)
        *each = count != 1;
    return SETSUNA_OK;
}

static setsuna_status conv_int_same_type(sn_op_ctx *c, uint32_t i, uint32_t as)
{
    if (sn_op_has(c, i) && c->in[i].dtype != c->in[as].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "inputs %u and %u differ in type", i, as);
    return SETSUNA_OK;
}

static setsuna_status conv_int_plan(sn_op_ctx *c, conv_int_param *p)
{
    bool q = strcmp(c->node->op, "QLinearConv") == 0;
    *p = (conv_int_param){.quantized = q, .w = q ? 3 : 1, .x_zero = 2, .w_zero = q ? 5 : 3};
    setsuna_dtype out = q ? c->in[7].dtype : SETSUNA_I32;
    SN_TRY(sn_op_want(c, p->x, "u8 i8"));
    SN_TRY(sn_op_want(c, p->w, "u8 i8"));
    SN_TRY(conv_int_same_type(c, p->x_zero, p->x));
    SN_TRY(conv_int_same_type(c, p->w_zero, p->w));
    sn_conv_attr a;
    SN_TRY(sn_conv_infer(c, p->x, p->w, q ? 8 : SN_NONE, out, &a));
    int64_t maps = c->in[p->w].shape.dim[0], outputs;
    SN_TRY(conv_int_scalar(c, p->x_zero, 1, NULL));
    SN_TRY(conv_int_scalar(c, p->w_zero, maps, &p->w_zero_each));
    if (q) {
        SN_TRY(sn_op_want(c, 7, "u8 i8"));
        SN_TRY(sn_op_want(c, 8, "i32"));
        for (uint32_t i = 1; i <= 6; i += i == 1 ? 3 : 2)
            SN_TRY(sn_op_want(c, i, "f32"));
        SN_TRY(conv_int_scalar(c, 1, 1, NULL));
        SN_TRY(conv_int_scalar(c, 4, maps, &p->w_scale_each));
        SN_TRY(conv_int_scalar(c, 6, 1, NULL));
        SN_TRY(conv_int_scalar(c, 7, 1, NULL));
    }
    if (!sn_shape_numel(&c->out[0].shape, &outputs))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    sn_conv_geometry_set(&a, c->in[p->x].shape.dim[0], c->in[p->x].shape.dim[1], maps, &p->geometry);
    p->pixels = outputs ? a.out[0] * a.out[1] * a.out[2] : 0;
    p->x_signed = c->in[p->x].dtype == SETSUNA_I8;
    p->w_signed = c->in[p->w].dtype == SETSUNA_I8;
    p->y_signed = out == SETSUNA_I8;
    return SETSUNA_OK;
}

static setsuna_status conv_int_infer(sn_op_ctx *c)
{
    conv_int_param p;
    return conv_int_plan(c, &p);
}

static setsuna_status conv_int_bind(sn_op_ctx *c, sn_step *s)
{
    conv_int_param *p = sn_op_param(c, sizeof *p);
    size_t sums = 0, floats;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(conv_int_plan(c, p));
    const sn_conv_geometry *g = &p->geometry;
    if ((p->quantized && !sn_mul_size((size_t)g->oc, (size_t)p->pixels, &sums)) ||
        !sn_add_size(sums, (size_t)g->oc, &floats) || !sn_mul_size(floats, sizeof(int32_t), &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the convolution needs too much memory");
    s->run = conv_int_run;
    s->param = p;
    s->kernel = "sn_conv_plain_i32";
    s->flops = 2 * (double)g->n * (double)g->oc * (double)p->pixels * (double)g->ic / (double)g->group *
               (double)(g->kernel[0] * g->kernel[1] * g->kernel[2]);
    s->n_parts = sn_parts_for(c, s->flops, 0);
    return SETSUNA_OK;
}

#define CONV_INT_ATTRS "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I"

const sn_op sn_ops_conv_integer[] = {
    {"", "ConvInteger", 10, 0, 2, 4, 1, 1, 0, CONV_INT_ATTRS, conv_int_infer, conv_int_bind},
    {"", "QLinearConv", 10, 0, 8, 9, 1, 1, 0, CONV_INT_ATTRS, conv_int_infer, conv_int_bind},
    {.name = NULL},
};
