/* Pools of channels-last images of unsigned bytes, [N, H, W, C] (kernels/qpoint.h).
 *
 *     setsuna.QMaxPool            the largest byte of the window
 *     setsuna.QAveragePool        clamp(round((sum of the window - count x_zero) x_scale / (count y_scale)) + y_zero)
 *     setsuna.QGlobalAveragePool  the same of whole planes: [N, 1, 1, C]
 *
 * Windows as ONNX MaxPool and AveragePool have them; padding does not count unless count_include_pad says so.
 */
#include "base/checked.h"
#include "kernels/pooling.h"
#include "kernels/qpoint.h"
#include "ops/conv_attr.h"
#include "ops/parts.h"
#include <math.h>
#include <string.h>

typedef struct qpool_param {
    sn_qpoint_table table;
    sn_pool_geometry g; /* D is 1 */
    int64_t n, c;
    bool max;
    bool shared; /* each part adds its share of the pixels of every plane */
    float scale; /* x_scale / y_scale */
    int32_t x_zero, y_zero;
    size_t part_bytes;
} qpool_param;

typedef struct qpool_call {
    const qpool_param *p;
    const uint8_t *x;
    uint8_t *y;
    char *scratch;
    uint32_t n_parts; /* shared: that ran */
} qpool_call;

/* Outputs [*from, *to) whose tap k lies in the image. */
static void qpool_inside(const sn_pool_geometry *g, int64_t k, int64_t *from, int64_t *to)
{
    int64_t stride = g->stride[2], at = k * g->dilation[2] - g->pad_lo[2]; /* column of output 0 */
    *from = at < 0 ? (-at + stride - 1) / stride : 0;
    *to = at < g->in[2] ? (g->in[2] - 1 - at) / stride + 1 : 0;
    *to = *to < g->out[2] ? *to : g->out[2];
}

/* A row of maxima: tap after tap, each over all outputs that have it. */
static void qpool_max_row(const qpool_param *p, const uint8_t *image, int64_t oy, uint8_t *y)
{
    const sn_pool_geometry *g = &p->g;
    int64_t y0, y1, from, to;
    sn_pool_taps(g, 1, oy, &y0, &y1);
    memset(y, 0, (size_t)(g->out[2] * p->c));
    for (int64_t ky = y0; ky < y1; ky++) {
        const uint8_t *row = image + (oy * g->stride[1] + ky * g->dilation[1] - g->pad_lo[1]) * g->in[2] * p->c;
        for (int64_t kx = 0; kx < g->kernel[2]; kx++) {
            qpool_inside(g, kx, &from, &to);
            if (from >= to)
                continue;
            const uint8_t *x = row + (from * g->stride[2] + kx * g->dilation[2] - g->pad_lo[2]) * p->c;
            p->table.max(y + from * p->c, x, g->stride[2] * p->c, to - from, p->c);
        }
    }
}

static void qpool_mean_pixel(const qpool_param *p, const uint8_t *image, int64_t oy, int64_t ox, uint8_t *y,
                             int32_t *sum)
{
    const sn_pool_geometry *g = &p->g;
    int64_t y0, y1, x0, x1;
    sn_pool_taps(g, 1, oy, &y0, &y1);
    sn_pool_taps(g, 2, ox, &x0, &x1);
    memset(sum, 0, (size_t)p->c * sizeof *sum);
    /* Rows that the window takes whole follow each other. */
    const bool whole = x1 - x0 == g->in[2] && g->dilation[1] == 1 && g->dilation[2] == 1;
    const int64_t steps = whole && y0 < y1 ? y0 + 1 : y1, pixels = whole ? (y1 - y0) * g->in[2] : x1 - x0;
    for (int64_t ky = y0; ky < steps; ky++) {
        int64_t iy = oy * g->stride[1] + ky * g->dilation[1] - g->pad_lo[1];
        int64_t ix = ox * g->stride[2] + x0 * g->dilation[2] - g->pad_lo[2];
        if (x0 < x1)
            p->table.sum(sum, image + (iy * g->in[2] + ix) * p->c, g->dilation[2] * p->c, pixels, p->c);
    }
    int64_t count = sn_pool_count(g, 1, oy) * sn_pool_count(g, 2, ox), taps = (y1 - y0) * (x1 - x0);
    float scale = p->scale / (float)(count > 0 ? count : 1);
    p->table.mean(y, sum, (int32_t)taps * p->x_zero, scale, p->y_zero,
                  p->c); /* padding is zero, so x_zero less x_zero */
}

static void qpool_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qpool_call *q = arg;
    const qpool_param *p = q->p;
    const sn_pool_geometry *g = &p->g;
    int64_t from, to;
    sn_pool_range(p->n * g->out[1], 1, part, n_parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        const uint8_t *image = q->x + i / g->out[1] * g->in[1] * g->in[2] * p->c;
        uint8_t *y = q->y + i * g->out[2] * p->c;
        if (p->max)
            qpool_max_row(p, image, i % g->out[1], y);
        for (int64_t x = 0; !p->max && x < g->out[2]; x++)
            qpool_mean_pixel(p, image, i % g->out[1], x, y + x * p->c, (int32_t *)(q->scratch + part * p->part_bytes));
    }
}

/* A part's share of the pixels lies where the step before it had its share of the image: mostly with the same core. */
static void qpool_shared_part(void *arg, uint32_t part, uint32_t n_parts)
{
    qpool_call *q = arg;
    const qpool_param *p = q->p;
    const int64_t pixels = p->g.in[1] * p->g.in[2];
    int32_t *sum = (int32_t *)(q->scratch + part * p->part_bytes);
    int64_t from, to;
    if (part == 0)
        q->n_parts = n_parts;
    sn_pool_range(pixels, 1, part, n_parts, &from, &to);
    memset(sum, 0, (size_t)(p->n * p->c) * sizeof *sum);
    for (int64_t i = 0; i < p->n; i++)
        p->table.sum(sum + i * p->c, q->x + (i * pixels + from) * p->c, p->c, to - from, p->c);
}

static void qpool_end_shared(const qpool_call *q)
{
    const qpool_param *p = q->p;
    const int64_t count = p->n * p->c;
    const int32_t pixels = (int32_t)(p->g.in[1] * p->g.in[2]);
    int32_t *sum = (int32_t *)q->scratch;
    for (uint32_t part = 1; part < q->n_parts; part++) {
        const int32_t *more = (const int32_t *)(q->scratch + part * p->part_bytes);
        for (int64_t i = 0; i < count; i++)
            sum[i] += more[i];
    }
    p->table.mean(q->y, sum, pixels * p->x_zero, p->scale / (float)pixels, p->y_zero, count);
}

static setsuna_status qpool_run(const sn_step *s, sn_run *r)
{
    qpool_call q = {s->param, sn_in(s, r, 0), sn_out(s, r, 0), r->scratch, 1};
    sn_run_parallel(s, r, q.p->shared ? qpool_shared_part : qpool_part, &q);
    if (q.p->shared)
        qpool_end_shared(&q);
    return SETSUNA_OK;
}

static setsuna_status qpool_read(sn_op_ctx *c, qpool_param *p, setsuna_shape *y)
{
    const setsuna_shape *in = &c->in[0].shape;
    sn_conv_attr a;
    SN_TRY(sn_op_want(c, 0, "u8"));
    if (in->rank != 4)
        return sn_op_fail(c, SETSUNA_ESHAPE, "an image [N, H, W, C] is needed");
    setsuna_shape x = {.rank = 4, .dim = {in->dim[0], in->dim[3], in->dim[1], in->dim[2]}};
    *p = (qpool_param){.n = x.dim[0], .c = x.dim[1], .max = c->node->op[1] == 'M'};
    if (strcmp(c->node->op, "QGlobalAveragePool") == 0) {
        p->g = (sn_pool_geometry){.in = {1, x.dim[2], x.dim[3]},
                                  .out = {1, 1, 1},
                                  .kernel = {1, x.dim[2], x.dim[3]},
                                  .stride = {1, 1, 1},
                                  .dilation = {1, 1, 1}};
        *y = (setsuna_shape){.rank = 4, .dim = {p->n, 1, 1, p->c}};
    } else {
        SN_TRY(sn_conv_attr_read(c, &x, NULL, &a));
        SN_TRY(sn_conv_attr_output(c, sn_node_int(c->node, "ceil_mode", 0) != 0, &a));
        for (int i = 0; i < 3; i++) {
            p->g.in[i] = a.in[i], p->g.out[i] = a.out[i], p->g.kernel[i] = a.kernel[i];
            p->g.stride[i] = a.stride[i], p->g.dilation[i] = a.dilation[i];
            p->g.pad_lo[i] = a.pad_lo[i], p->g.pad_hi[i] = a.pad_hi[i];
        }
        p->g.count_pad = sn_node_int(c->node, "count_include_pad", 0) != 0;
        *y = (setsuna_shape){.rank = 4, .dim = {p->n, a.out[1], a.out[2], p->c}};
    }
    int64_t window;
    if (!sn_mul_i64(p->g.kernel[1], p->g.kernel[2], &window) || window > INT32_MAX / 256)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "the window is too large");
    float xs = sn_node_float(c->node, "x_scale", 1), ys = sn_node_float(c->node, "y_scale", 1);
    int64_t xz = sn_node_int(c->node, "x_zero", 0), yz = sn_node_int(c->node, "y_zero", 0);
    if (!(xs > 0) || !(ys > 0) || !(xs < INFINITY) || !(ys < INFINITY) || xz < 0 || xz > 255 || yz < 0 || yz > 255)
        return sn_op_fail(c, SETSUNA_EMODEL, "not a quantisation");
    p->scale = xs / ys;
    p->x_zero = (int32_t)xz;
    p->y_zero = (int32_t)yz;
    return SETSUNA_OK;
}

static setsuna_status qpool_infer(sn_op_ctx *c)
{
    qpool_param p;
    setsuna_shape y;
    SN_TRY(qpool_read(c, &p, &y));
    sn_op_out(c, 0, SETSUNA_U8, &y);
    return SETSUNA_OK;
}

static setsuna_status qpool_bind(sn_op_ctx *c, sn_step *s)
{
    setsuna_shape y;
    int64_t numel;
    qpool_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(qpool_read(c, p, &y));
    sn_qpoint_table_init(&p->table, c->cpu);
    if (!sn_shape_numel(&y, &numel))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the output is too large");
    s->param = p;
    s->run = qpool_run;
    s->kernel = p->max ? p->table.max_name : p->table.sum_name;
    s->flops = (double)numel * (double)(p->g.kernel[1] * p->g.kernel[2]);
    s->bytes = (double)numel + (double)p->n * (double)(p->g.in[1] * p->g.in[2]) * (double)p->c;
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    /* Of whole planes, few make less parts than there are threads. */
    p->shared = strcmp(c->node->op, "QGlobalAveragePool") == 0 && numel > 0 && p->n < (int64_t)s->n_parts;
    if (!sn_mul_size((size_t)(p->shared ? numel : p->c), sizeof(int32_t), &p->part_bytes) ||
        !sn_align_size(p->part_bytes, SN_ALIGN, &p->part_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "it needs too much memory");
    if (!sn_mul_size(p->part_bytes, s->n_parts, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "it needs too much memory");
    return SETSUNA_OK;
}

#define QPOOL_WINDOW "auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape:I pads:I strides:I "
#define QPOOL_SCALES "x_scale:f x_zero:i y_scale:f y_zero:i"

const sn_op sn_ops_qpool[] = {
    {"setsuna", "QAveragePool", 1, 0, 1, 1, 1, 1, 0, QPOOL_WINDOW QPOOL_SCALES, qpool_infer, qpool_bind},
    {"setsuna", "QGlobalAveragePool", 1, 0, 1, 1, 1, 1, 0, QPOOL_SCALES, qpool_infer, qpool_bind},
    {"setsuna", "QMaxPool", 1, 0, 1, 1, 1, 1, 0, QPOOL_WINDOW QPOOL_SCALES, qpool_infer, qpool_bind},
    {.name = NULL},
};
