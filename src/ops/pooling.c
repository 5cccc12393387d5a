/* MaxPool, AveragePool, LpPool and their global forms, over plain images and over blocked channels.
 *
 *     plain     [N][C][spatial...]            operators of ai.onnx
 *     blocked   [N][ceil(C/b)][H][W][b]       setsuna.MaxPool, .AveragePool, .GlobalAveragePool, .GlobalMaxPool; the
 *                                             attribute `channels` is C; lanes past C hold anything
 */
#include "base/checked.h"
#include "kernels/pooling.h"
#include "kernels/pool_plain.h"
#include "ops/conv_attr.h"
#include "ops/parts.h"
#include <math.h>
#include <string.h>

/* A padded row this much longer than the image's is a window of mostly padding: those go tap by tap instead. */
enum { POOL_ROW_MAX_FACTOR = 4, POOL_ROW_MAX_EXTRA = 4096 };

typedef enum pool_kind { POOL_MAX, POOL_AVERAGE, POOL_LP } pool_kind;

typedef struct pool_param {
    sn_pool_geometry geometry;
    sn_pool_table table;
    pool_kind kind;
    setsuna_dtype dtype;
    double p;
    int64_t planes, in_size, out_size; /* channels of all images, and elements of one */
    int32_t block;                     /* lanes of a blocked image, 0: plain */
    bool column_major;
    size_t thread_scratch_bytes;
} pool_param;

/* ---- attributes and shapes ----------------------------------------------------------------------- */

static pool_kind pool_kind_of(const sn_node *n)
{
    return strstr(n->op, "Max") ? POOL_MAX : strstr(n->op, "Lp") ? POOL_LP : POOL_AVERAGE;
}

static setsuna_status pool_norm_power(sn_op_ctx *c, pool_param *p)
{
    const sn_attr *a = sn_node_attr(c->node, "p");
    double power = !a ? 2 : a->kind == SN_ATTR_FLOAT ? (double)a->f : (double)a->i;
    if (!(power >= 1 && power <= 1e6))
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'p' is %g", power);
    p->p = p->kind == POOL_LP ? power : 0;
    return SETSUNA_OK;
}

static setsuna_status pool_types(sn_op_ctx *c, pool_param *p)
{
    p->kind = pool_kind_of(c->node);
    p->dtype = c->in[0].dtype;
    SN_TRY(pool_norm_power(c, p));
    if (strcmp(c->node->domain, "setsuna") == 0)
        return sn_op_want(c, 0, "f32");
    return sn_op_want(c, 0, p->kind == POOL_MAX ? "float i8 u8" : "float");
}

/* The plain shape behind a blocked one: [N, channels, H, W]; *block is 0 and the shape itself when it is plain. */
static setsuna_status pool_plain_shape(sn_op_ctx *c, setsuna_shape *x, int32_t *block)
{
    const setsuna_shape *s = &c->in[0].shape;
    *x = *s;
    *block = 0;
    if (strcmp(c->node->domain, "setsuna") != 0)
        return SETSUNA_OK;
    int64_t channels = sn_node_int(c->node, "channels", -1), b = s->rank == 5 ? s->dim[4] : 0;
    if (b < 1 || b > SN_POOL_BLOCK_MAX || channels < 0 || channels > INT64_MAX - b ||
        (channels + b - 1) / b != s->dim[1])
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is not an image of %lld channels in blocks",
                          (long long)channels);
    *x = (setsuna_shape){.rank = 4, .dim = {s->dim[0], channels, s->dim[2], s->dim[3]}};
    *block = (int32_t)b;
    return SETSUNA_OK;
}

static void pool_set_geometry(sn_op_ctx *c, const sn_conv_attr *a, pool_param *p)
{
    sn_pool_geometry *g = &p->geometry;
    for (int i = 0; i < 3; i++) {
        g->in[i] = a->in[i];
        g->out[i] = a->out[i];
        g->kernel[i] = a->kernel[i];
        g->stride[i] = a->stride[i];
        g->dilation[i] = a->dilation[i];
        g->pad_lo[i] = a->pad_lo[i];
        g->pad_hi[i] = a->pad_hi[i];
    }
    g->count_pad = sn_node_int(c->node, "count_include_pad", 0) != 0;
}

/* Sets output 0 (and indices) and fills p but for the table. */
static setsuna_status pool_plan(sn_op_ctx *c, pool_param *p)
{
    setsuna_shape x;
    sn_conv_attr a;
    int64_t n_in, n_out, images;
    SN_TRY(pool_types(c, p));
    SN_TRY(pool_plain_shape(c, &x, &p->block));
    SN_TRY(sn_conv_attr_read(c, &x, NULL, &a));
    SN_TRY(sn_conv_attr_output(c, sn_node_int(c->node, "ceil_mode", 0) != 0, &a));
    setsuna_shape y = sn_conv_attr_shape(&a, x.dim[0], x.dim[1]);
    if (p->block)
        y = (setsuna_shape){.rank = 5, .dim = {x.dim[0], c->in[0].shape.dim[1], a.out[1], a.out[2], p->block}};
    sn_op_out(c, 0, p->dtype, &y);
    sn_op_out(c, 1, SETSUNA_I64, &y);
    if (!sn_shape_numel(&c->in[0].shape, &n_in) || !sn_shape_numel(&y, &n_out) ||
        !sn_mul_i64(y.dim[0], y.dim[1], &images))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the image is too large");
    pool_set_geometry(c, &a, p);
    p->column_major = sn_node_int(c->node, "storage_order", 0) == 1;
    p->planes = n_out ? images : 0;
    p->in_size = p->planes ? n_in / p->planes : 0;
    p->out_size = p->planes ? n_out / p->planes : 0;
    return SETSUNA_OK;
}

static setsuna_status pool_infer(sn_op_ctx *c)
{
    pool_param p = {.p = 0};
    return pool_plan(c, &p);
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct pool_call {
    const pool_param *p;
    const char *x;
    char *y, *scratch;
    int64_t *index;
} pool_call;

static void pool_plain_plane(const pool_call *q, int64_t i)
{
    const pool_param *p = q->p;
    const sn_pool_geometry *g = &p->geometry;
    int64_t size = (int64_t)setsuna_dtype_size(p->dtype), base = i * p->in_size;
    const void *x = q->x + base * size;
    void *y = q->y + i * p->out_size * size;
    int64_t *index = q->index ? q->index + i * p->out_size : NULL;
    if (p->kind != POOL_MAX && p->dtype == SETSUNA_F32)
        sn_pool_plain_norm_f32(g, x, y, p->p);
    else if (p->kind != POOL_MAX)
        sn_pool_plain_norm_f64(g, x, y, p->p);
    else if (p->dtype == SETSUNA_F32)
        sn_pool_plain_max_f32(g, x, y, index, base, p->column_major);
    else if (p->dtype == SETSUNA_F64)
        sn_pool_plain_max_f64(g, x, y, index, base, p->column_major);
    else if (p->dtype == SETSUNA_I8)
        sn_pool_plain_max_i8(g, x, y, index, base, p->column_major);
    else
        sn_pool_plain_max_u8(g, x, y, index, base, p->column_major);
}

static void pool_plain_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const pool_call *q = arg;
    int64_t i, end;
    sn_pool_range(q->p->planes, 1, part, n_parts, &i, &end);
    for (; i < end; i++)
        pool_plain_plane(q, i);
}

static void pool_plane_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const pool_call *q = arg;
    const pool_param *p = q->p;
    sn_pool_plane_fn *fn = p->kind == POOL_MAX ? p->table.max_plane : p->table.avg_plane;
    float *scratch = (float *)(q->scratch + part * p->thread_scratch_bytes);
    int64_t i, end;
    sn_pool_range(p->planes, 1, part, n_parts, &i, &end);
    for (; i < end; i++)
        fn(&p->geometry, (const float *)q->x + i * p->in_size, (float *)q->y + i * p->out_size, scratch);
}

static void pool_block_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const pool_call *q = arg;
    const pool_param *p = q->p;
    sn_pool_block_fn *fn = p->kind == POOL_MAX ? p->table.max_block : p->table.avg_block;
    int64_t rows = p->geometry.out[1], i, end;
    sn_pool_range(p->planes * rows, 1, part, n_parts, &i, &end);
    while (i < end) { /* rows of all blocks; a run of them in one block at a time */
        int64_t plane = i / rows, from = i % rows, to = end - plane * rows < rows ? end - plane * rows : rows;
        fn(&p->geometry, p->block, (const float *)q->x + plane * p->in_size, (float *)q->y + plane * p->out_size, from,
           to);
        i = plane * rows + to;
    }
}

static setsuna_status pool_run_with(const sn_step *s, sn_run *r, sn_pool_fn *part)
{
    const pool_param *p = s->param;
    pool_call q = {p, sn_in(s, r, 0), sn_out(s, r, 0), r->scratch, sn_out(s, r, 1)};
    if (p->planes && p->out_size)
        sn_run_parallel(s, r, part, &q);
    return SETSUNA_OK;
}

static setsuna_status pool_run_plain(const sn_step *s, sn_run *r)
{
    return pool_run_with(s, r, pool_plain_part);
}

static setsuna_status pool_run_plane(const sn_step *s, sn_run *r)
{
    return pool_run_with(s, r, pool_plane_part);
}

static setsuna_status pool_run_block(const sn_step *s, sn_run *r)
{
    return pool_run_with(s, r, pool_block_part);
}

/* Kernels are named "max_plane avx512" and so on: one name each, made at plan time. */
static const char *pool_kernel_name(sn_op_ctx *c, const char *what, const char *level)
{
    const char *name = sn_arena_printf(c->arena, "sn_pool_f32_%s_%s", what, level);
    return name ? name : "sn_pool_f32";
}

static setsuna_status pool_bind(sn_op_ctx *c, sn_step *s)
{
    pool_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(pool_plan(c, p));
    sn_pool_table_init(&p->table, c->cpu);
    const sn_pool_geometry *g = &p->geometry;
    double outputs = (double)p->planes * (double)p->out_size;
    s->param = p;
    s->flops = outputs * (double)g->kernel[0] * (double)g->kernel[1] * (double)g->kernel[2];
    s->bytes = (double)setsuna_dtype_size(p->dtype) * (outputs + (double)p->planes * (double)p->in_size);
    s->n_parts = sn_parts_for(c, s->flops * 4, s->bytes);
    bool row = sn_pool_row(g) <= POOL_ROW_MAX_FACTOR * g->in[2] + POOL_ROW_MAX_EXTRA;
    if (p->block) {
        s->run = pool_run_block;
        s->kernel = pool_kernel_name(c, p->kind == POOL_MAX ? "max_block" : "avg_block", p->table.level);
    } else if (p->dtype == SETSUNA_F32 && p->kind != POOL_LP && row && !sn_op_has_out(c, 1)) {
        s->run = pool_run_plane;
        s->kernel = pool_kernel_name(c, p->kind == POOL_MAX ? "max_plane" : "avg_plane", p->table.level);
        p->thread_scratch_bytes = ((size_t)sn_pool_row(g) * sizeof(float) + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
        s->scratch_bytes = p->thread_scratch_bytes * s->n_parts;
    } else {
        s->run = pool_run_plain;
        s->kernel = "sn_pool_plain";
    }
    return SETSUNA_OK;
}

/* ---- global -------------------------------------------------------------------------------------- */

static setsuna_status pool_global_plan(sn_op_ctx *c, pool_param *p)
{
    const setsuna_shape *x = &c->in[0].shape;
    setsuna_shape y = *x, plain;
    int64_t n, images;
    SN_TRY(pool_types(c, p));
    SN_TRY(pool_plain_shape(c, &plain, &p->block));
    if (x->rank < 2)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has rank %d; at least 2 is needed", (int)x->rank);
    for (int32_t i = 2; i < x->rank - (p->block ? 1 : 0); i++)
        y.dim[i] = 1;
    sn_op_out(c, 0, p->dtype, &y);
    if (!sn_shape_numel(x, &n) || !sn_mul_i64(x->dim[0], x->dim[1], &images))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the image is too large");
    p->planes = images;
    p->out_size = p->block ? p->block : 1;
    p->in_size = images ? n / images : 0;
    /* The whole image as one row under one window: what pool_plain_plane needs. */
    p->geometry = (sn_pool_geometry){.in = {1, 1, p->in_size},
                                     .out = {1, 1, 1},
                                     .kernel = {1, 1, p->in_size},
                                     .stride = {1, 1, 1},
                                     .dilation = {1, 1, 1}};
    return SETSUNA_OK;
}

static setsuna_status pool_global_infer(sn_op_ctx *c)
{
    pool_param p = {.p = 0};
    return pool_global_plan(c, &p);
}

static void pool_global_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const pool_call *q = arg;
    const pool_param *p = q->p;
    bool max = p->kind == POOL_MAX;
    int64_t i, end;
    sn_pool_range(p->planes, 1, part, n_parts, &i, &end);
    for (; i < end; i++) {
        const float *x = (const float *)q->x + i * p->in_size;
        float *y = (float *)q->y + i * p->out_size;
        if (p->block)
            (max ? p->table.max_global_block : p->table.avg_global_block)(p->block, x, p->in_size / p->block, y);
        else
            *y = (max ? p->table.max_global : p->table.avg_global)(x, p->in_size);
    }
}

static setsuna_status pool_global_run(const sn_step *s, sn_run *r)
{
    return pool_run_with(s, r, pool_global_part);
}

static setsuna_status pool_global_bind(sn_op_ctx *c, sn_step *s)
{
    pool_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(pool_global_plan(c, p));
    sn_pool_table_init(&p->table, c->cpu);
    s->param = p;
    s->flops = (double)p->planes * (double)p->in_size;
    s->bytes = (double)setsuna_dtype_size(p->dtype) * s->flops;
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    s->run = pool_run_plain;
    s->kernel = "sn_pool_plain";
    if (p->dtype == SETSUNA_F32 && p->kind != POOL_LP) {
        static const char *const what[2][2] = {{"avg_global", "avg_global_block"}, {"max_global", "max_global_block"}};
        s->run = pool_global_run;
        s->kernel = pool_kernel_name(c, what[p->kind == POOL_MAX][p->block != 0], p->table.level);
    }
    return SETSUNA_OK;
}

#define POOL_ATTRS "auto_pad:s kernel_shape:I pads:I strides:I "

const sn_op sn_ops_pool[] = {
    {"", "MaxPool", 1, 0, 1, 1, 1, 2, SN_OP_F16_AS_F32, POOL_ATTRS "ceil_mode:i dilations:I storage_order:i",
     pool_infer, pool_bind},
    {"", "AveragePool", 1, 18, 1, 1, 1, 1, SN_OP_F16_AS_F32, POOL_ATTRS "ceil_mode:i count_include_pad:i", pool_infer,
     pool_bind},
    {"", "AveragePool", 19, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, POOL_ATTRS "ceil_mode:i count_include_pad:i dilations:I",
     pool_infer, pool_bind},
    {"", "LpPool", 1, 1, 1, 1, 1, 1, SN_OP_F16_AS_F32, POOL_ATTRS "p:f", pool_infer, pool_bind},
    {"", "LpPool", 2, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, POOL_ATTRS "p:i ceil_mode:i dilations:I", pool_infer, pool_bind},
    {"", "GlobalAveragePool", 1, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "", pool_global_infer, pool_global_bind},
    {"", "GlobalMaxPool", 1, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "", pool_global_infer, pool_global_bind},
    {"", "GlobalLpPool", 1, 1, 1, 1, 1, 1, SN_OP_F16_AS_F32, "p:f", pool_global_infer, pool_global_bind},
    {"", "GlobalLpPool", 2, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "p:i", pool_global_infer, pool_global_bind},
    {"setsuna", "MaxPool", 1, 0, 1, 1, 1, 1, 0, POOL_ATTRS "ceil_mode:i dilations:I channels:i", pool_infer, pool_bind},
    {"setsuna", "AveragePool", 1, 0, 1, 1, 1, 1, 0, POOL_ATTRS "ceil_mode:i count_include_pad:i dilations:I channels:i",
     pool_infer, pool_bind},
    {"setsuna", "GlobalAveragePool", 1, 0, 1, 1, 1, 1, 0, "channels:i", pool_global_infer, pool_global_bind},
    {"setsuna", "GlobalMaxPool", 1, 0, 1, 1, 1, 1, 0, "channels:i", pool_global_infer, pool_global_bind},
    {.name = NULL},
};
