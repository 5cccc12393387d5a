/* DeformConv: a 2-D convolution whose taps are moved by offsets and weighted by a mask, both inputs of their own.
 * Taps are read bilinearly; what lies outside of the image is zero. Source: ONNX DeformConv-19. */
#include "base/checked.h"
#include "ops/conv_attr.h"
#include "ops/conv_geometry.h"
#include "ops/parts.h"
#include "ops/real.h"
#include <math.h>

typedef struct deform_param {
    sn_conv_geometry geometry;
    int64_t offset_group, pixels, taps;
    setsuna_dtype dtype;
} deform_param;

typedef struct deform_call {
    const deform_param *p;
    const void *x, *w, *offset, *bias, *mask;
    void *y;
    double *column; /* one pixel's taps of all input channels, one column a thread */
} deform_call;

static setsuna_status deform_plan(sn_op_ctx *c, sn_conv_attr *a, int64_t *offset_group)
{
    SN_TRY(sn_op_want(c, 0, "float"));
    for (uint32_t i = 1; i < c->n_in; i++)
        if (sn_op_has(c, i) && c->in[i].dtype != c->in[0].dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "inputs of %s and %s", setsuna_dtype_name(c->in[0].dtype),
                              setsuna_dtype_name(c->in[i].dtype));
    if (c->in[0].shape.rank != 4)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "only 2-D deformable convolutions are supported");
    SN_TRY(sn_conv_infer(c, 0, 1, 3, c->in[0].dtype, a));
    const setsuna_shape *x = &c->in[0].shape;
    int64_t og = sn_node_int(c->node, "offset_group", 1), taps = a->kernel[1] * a->kernel[2], maps, outputs;
    if (og < 1 || x->dim[1] % og != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'offset_group' is %lld", (long long)og);
    if (!sn_mul_i64(og, taps, &maps) || maps > INT64_MAX / 2 || !sn_shape_numel(&c->out[0].shape, &outputs))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    const setsuna_shape offset = {4, {x->dim[0], 2 * maps, a->out[1], a->out[2]}};
    const setsuna_shape mask = {4, {x->dim[0], maps, a->out[1], a->out[2]}};
    if (!sn_shape_equal(&c->in[2].shape, &offset) || (sn_op_has(c, 4) && !sn_shape_equal(&c->in[4].shape, &mask)))
        return sn_op_fail(c, SETSUNA_ESHAPE, "offset or mask does not match the output and the window");
    *offset_group = og;
    return SETSUNA_OK;
}

static setsuna_status deform_infer(sn_op_ctx *c)
{
    sn_conv_attr a;
    int64_t og;
    return deform_plan(c, &a, &og);
}

/* x (H, W) at a fractional place; neighbours outside count as zero. */
static double deform_sample(const deform_call *q, int64_t plane, double h, double w)
{
    const int64_t *in = q->p->geometry.in;
    if (!(h > -1 && h < (double)in[1] && w > -1 && w < (double)in[2]))
        return 0;
    int64_t h0 = (int64_t)floor(h), w0 = (int64_t)floor(w);
    double fh = h - (double)h0, fw = w - (double)w0, sum = 0;
    for (int64_t i = 0; i < 2; i++)
        for (int64_t j = 0; j < 2; j++) {
            if (h0 + i < 0 || h0 + i >= in[1] || w0 + j < 0 || w0 + j >= in[2])
                continue;
            double weight = (i ? fh : 1 - fh) * (j ? fw : 1 - fw);
            sum += weight * sn_real_get(q->x, q->p->dtype, (plane * in[1] + h0 + i) * in[2] + w0 + j);
        }
    return sum;
}

/* The taps of all input channels for one output pixel. */
static void deform_gather(const deform_call *q, int64_t image, int64_t pixel, double *column)
{
    const deform_param *p = q->p;
    const sn_conv_geometry *g = &p->geometry;
    int64_t oh = pixel / g->out[2], ow = pixel % g->out[2], channels = g->ic / p->offset_group;
    for (int64_t og = 0; og < p->offset_group; og++)
        for (int64_t k = 0; k < p->taps; k++) {
            int64_t kh = k / g->kernel[2], kw = k % g->kernel[2], map = (image * p->offset_group + og) * p->taps + k;
            double h = (double)(oh * g->stride[1] - g->pad[1] + kh * g->dilation[1]) +
                       sn_real_get(q->offset, p->dtype, 2 * map * p->pixels + pixel);
            double w = (double)(ow * g->stride[2] - g->pad[2] + kw * g->dilation[2]) +
                       sn_real_get(q->offset, p->dtype, (2 * map + 1) * p->pixels + pixel);
            double m = q->mask ? sn_real_get(q->mask, p->dtype, map * p->pixels + pixel) : 1;
            for (int64_t c = og * channels; c < (og + 1) * channels; c++)
                column[c * p->taps + k] = m * deform_sample(q, image * g->ic + c, h, w);
        }
}

static void deform_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const deform_call *q = arg;
    const deform_param *p = q->p;
    const sn_conv_geometry *g = &p->geometry;
    int64_t opg = g->oc / g->group, k = g->ic / g->group * p->taps, i, end;
    double *column = q->column + (int64_t)part * g->ic * p->taps;
    sn_pool_range(g->n * p->pixels, 1, part, n_parts, &i, &end);
    for (; i < end; i++) {
        int64_t image = i / p->pixels, pixel = i % p->pixels;
        deform_gather(q, image, pixel, column);
        for (int64_t o = 0; o < g->oc; o++) {
            double sum = q->bias ? sn_real_get(q->bias, p->dtype, o) : 0;
            for (int64_t j = 0; j < k; j++)
                sum += sn_real_get(q->w, p->dtype, o * k + j) * column[o / opg * k + j];
            sn_real_set(q->y, p->dtype, (image * g->oc + o) * p->pixels + pixel, sum);
        }
    }
}

static setsuna_status deform_run(const sn_step *s, sn_run *r)
{
    const deform_param *p = s->param;
    deform_call q = {
        p, sn_in(s, r, 0), sn_in(s, r, 1), sn_in(s, r, 2), sn_in(s, r, 3), sn_in(s, r, 4), sn_out(s, r, 0), r->scratch};
    if (p->geometry.n && p->pixels && p->geometry.oc)
        sn_run_parallel(s, r, deform_part, &q);
    return SETSUNA_OK;
}

static setsuna_status deform_bind(sn_op_ctx *c, sn_step *s)
{
    sn_conv_attr a;
    deform_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(deform_plan(c, &a, &p->offset_group));
    sn_conv_geometry_set(&a, c->in[0].shape.dim[0], c->in[0].shape.dim[1], c->in[1].shape.dim[0], &p->geometry);
    int64_t outputs;
    if (!sn_shape_numel(&c->out[0].shape, &outputs))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    p->pixels = outputs ? a.out[1] * a.out[2] : 0;
    p->taps = a.kernel[1] * a.kernel[2];
    p->dtype = c->in[0].dtype;
    s->run = deform_run;
    s->param = p;
    s->kernel = "deform_conv";
    s->flops = 2 * (double)outputs * (double)(p->geometry.ic / p->geometry.group) * (double)p->taps;
    s->n_parts = sn_parts_for(c, 20 * s->flops, 0);
    size_t column;
    if (!sn_mul_size((size_t)p->geometry.ic, (size_t)p->taps * sizeof(double), &column) ||
        !sn_mul_size(column, s->n_parts, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the convolution needs too much memory");
    return SETSUNA_OK;
}

const sn_op sn_ops_deform_conv[] = {
    {"", "DeformConv", 19, 0, 3, 5, 1, 1, SN_OP_F16_AS_F32,
     "dilations:I group:i kernel_shape:I offset_group:i pads:I strides:I", deform_infer, deform_bind},
    {.name = NULL},
};
