/* Conv over plain images: a matrix product where that is fast, plain loops elsewhere. (2-D convolutions of whole
 * networks run as setsuna.Conv over blocked channels instead.)
 *
 *     columns   y (OC, P) = w (OC, K) * col (K, P)      panels of 32 output pixels are gathered as they are needed
 *     rows      y' (P, OC) = row (P, K) * w' (K, OC)    few pixels: w is the packed operand, y' is transposed
 *     loops     few output channels a group (depthwise), f64
 */
#include "base/checked.h"
#include "base/hash.h"
#include "kernels/conv_plain.h"
#include "kernels/gemm.h"
#include "ops/conv_attr.h"
#include "ops/conv_geometry.h"
#include "ops/parts.h"
#include <string.h>

/* Up to this many pixels weights are the larger operand: they are packed and streamed, pixels are rows. */
enum { CONV_ROWS_PIXELS_MAX = 16 };

/* Below this many output channels a group, panels cost more to gather than they save. */
enum { CONV_PANEL_MAPS_MIN = 4 };

typedef struct conv_param {
    sn_conv_geometry geometry;
    sn_gemm_table table;
    int64_t k, pixels;
    const float *w; /* packed for rows; padded rows for columns; NULL: the run's own weights */
    int64_t w_row;  /* distance between output channels of w, for columns */
    size_t thread_scratch_bytes;
} conv_param;

void sn_conv_geometry_set(const sn_conv_attr *a, int64_t n, int64_t ic, int64_t oc, sn_conv_geometry *g)
{
    *g = (sn_conv_geometry){.n = n, .ic = ic, .oc = oc, .group = a->group};
    for (int i = 0; i < SN_SPATIAL_MAX; i++) {
        g->in[i] = a->in[i];
        g->out[i] = a->out[i];
        g->kernel[i] = a->kernel[i];
        g->stride[i] = a->stride[i];
        g->dilation[i] = a->dilation[i];
        g->pad[i] = a->pad_lo[i];
    }
}

static setsuna_status conv_infer(sn_op_ctx *c)
{
    sn_conv_attr a;
    SN_TRY(sn_op_want(c, 0, "float"));
    for (uint32_t i = 1; i < c->n_in; i++)
        if (sn_op_has(c, i) && c->in[i].dtype != c->in[0].dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "inputs of %s and %s", setsuna_dtype_name(c->in[0].dtype),
                              setsuna_dtype_name(c->in[i].dtype));
    return sn_conv_infer(c, 0, 1, 2, c->in[0].dtype, &a);
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct conv_call {
    const conv_param *p;
    const void *x, *w, *bias;
    void *y;
    char *scratch;
} conv_call;

static void conv_loops_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_call *q = arg;
    const sn_conv_geometry *g = &q->p->geometry;
    int64_t in_size = g->ic * g->in[0] * g->in[1] * g->in[2], out_size = g->oc * q->p->pixels, from, to;
    sn_pool_range(g->oc, 1, part, n_parts, &from, &to);
    for (int64_t i = 0; i < g->n; i++)
        sn_conv_plain_f32(g, (const float *)q->x + i * in_size, q->w, q->bias, from, to, (float *)q->y + i * out_size);
}

static void conv_columns_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_call *q = arg;
    const conv_param *p = q->p;
    const sn_conv_geometry *g = &p->geometry;
    int64_t opg = g->oc / g->group, ipg = g->ic / g->group, in_size = g->in[0] * g->in[1] * g->in[2];
    int64_t panels = (p->pixels + p->table.nr - 1) / p->table.nr, from, to;
    float *panel = (float *)(q->scratch + part * p->thread_scratch_bytes);
    size_t panel_floats = ((size_t)(p->k * p->table.nr) + 15) & ~(size_t)15;
    sn_pool_range(g->n * g->group * panels, 1, part, n_parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        int64_t image = i / panels / g->group, group = i / panels % g->group, p0 = i % panels * p->table.nr;
        int32_t n = (int32_t)(p->pixels - p0 < p->table.nr ? p->pixels - p0 : p->table.nr);
        sn_im2col_f32(g, (const float *)q->x + (image * g->ic + group * ipg) * in_size, p0, n, p->table.nr, panel);
        sn_gemm m = {.m = opg,
                     .n = n,
                     .k = p->k,
                     .a = (p->w ? p->w : (const float *)q->w) + group * opg * p->w_row,
                     .a_row = p->w_row,
                     .a_col = 1,
                     .b_packed = panel,
                     .c = (float *)q->y + (image * g->oc + group * opg) * p->pixels + p0,
                     .ldc = p->pixels,
                     .bias_row = q->bias ? (const float *)q->bias + group * opg : NULL};
        sn_gemm_f32_run(&p->table, &m, 0, opg, 0, n, panel + panel_floats);
    }
}

static void conv_rows_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_call *q = arg;
    const conv_param *p = q->p;
    const sn_conv_geometry *g = &p->geometry;
    float *row = (float *)(q->scratch + part * p->thread_scratch_bytes);
    size_t row_floats = ((size_t)(p->pixels * p->k) + 15) & ~(size_t)15;
    float *yt = p->pixels == 1 ? q->y : row + row_floats; /* one pixel: y' is y */
    int64_t from, to;
    sn_pool_range(g->oc, p->table.nr, part, n_parts, &from, &to);
    sn_im2row_f32(g, q->x, 0, p->pixels, p->k, row);
    sn_gemm m = {.m = p->pixels,
                 .n = g->oc,
                 .k = p->k,
                 .a = row,
                 .a_row = p->k,
                 .a_col = 1,
                 .b_packed = p->w,
                 .c = yt,
                 .ldc = g->oc,
                 .bias_col = q->bias};
    sn_gemm_f32_run(&p->table, &m, 0, m.m, from, to, row + row_floats + (size_t)(p->pixels * g->oc));
    float *y = q->y;
    for (int64_t o = from; o < to && p->pixels > 1; o++)
        for (int64_t i = 0; i < p->pixels; i++)
            y[o * p->pixels + i] = yt[i * g->oc + o];
}

static setsuna_status conv_run_part(const sn_step *s, sn_run *r, sn_pool_fn *part)
{
    const conv_param *p = s->param;
    conv_call q = {.p = p,
                   .x = sn_in(s, r, 0),
                   .w = sn_in(s, r, 1),
                   .bias = sn_in(s, r, 2),
                   .y = sn_out(s, r, 0),
                   .scratch = r->scratch};
    if (p->geometry.n && p->geometry.oc && p->pixels)
        sn_run_parallel(s, r, part, &q);
    return SETSUNA_OK;
}

static setsuna_status conv_run_loops(const sn_step *s, sn_run *r)
{
    return conv_run_part(s, r, conv_loops_part);
}

static setsuna_status conv_run_columns(const sn_step *s, sn_run *r)
{
    return conv_run_part(s, r, conv_columns_part);
}

static setsuna_status conv_run_rows(const sn_step *s, sn_run *r)
{
    return conv_run_part(s, r, conv_rows_part);
}

static setsuna_status conv_run_f64(const sn_step *s, sn_run *r)
{
    const conv_param *p = s->param;
    const sn_conv_geometry *g = &p->geometry;
    int64_t in_size = g->ic * g->in[0] * g->in[1] * g->in[2], out_size = g->oc * p->pixels;
    for (int64_t i = 0; i < g->n && out_size; i++)
        sn_conv_plain_f64(g, (const double *)sn_in(s, r, 0) + i * in_size, sn_in(s, r, 1), sn_in(s, r, 2), 0, g->oc,
                          (double *)sn_out(s, r, 0) + i * out_size);
    return SETSUNA_OK;
}

/* ---- plan time ----------------------------------------------------------------------------------- */

static void conv_pack_rows(void *dst, const void *const *source, const void *arg)
{
    const conv_param *p = arg;
    sn_gemm_f32_pack_b(&p->table, p->k, p->geometry.oc, source[0], 1, p->k, 1, dst);
}

static void conv_pack_columns(void *dst, const void *const *source, const void *arg)
{
    const conv_param *p = arg;
    size_t row_bytes = (size_t)p->k * sizeof(float);
    for (int64_t o = 0; o < p->geometry.oc; o++)
        memcpy((float *)dst + o * p->w_row, (const char *)source[0] + (size_t)o * row_bytes, row_bytes);
}

/* Rows of w that are a multiple of 2 KiB apart would evict each other from L1. */
static setsuna_status conv_bind_columns(sn_op_ctx *c, sn_step *s, conv_param *p)
{
    const sn_gemm g = {.m = p->geometry.oc / p->geometry.group,
                       .n = p->table.nr,
                       .k = p->k,
                       .a_row = p->k + 16,
                       .a_col = 1,
                       .b_packed = p->w};
    const sn_const *w = c->in[1].cst;
    size_t panel = (((size_t)(p->k * p->table.nr) + 15) & ~(size_t)15) * sizeof(float), size;
    p->w_row = p->k;
    s->run = conv_run_columns;
    s->kernel = p->table.tile_name;
    p->thread_scratch_bytes = panel + sn_gemm_f32_scratch_bytes(&p->table, &g);
    if (p->k % 512 != 0)
        return SETSUNA_OK;
    if (!w) { /* the product copies blocks of them each time */
        sn_gemm d = g;
        d.a_row = p->k;
        p->thread_scratch_bytes = panel + sn_gemm_f32_scratch_bytes(&p->table, &d);
        return SETSUNA_OK;
    }
    p->w_row = p->k + 16;
    if (!sn_mul_size((size_t)p->geometry.oc, (size_t)p->w_row * sizeof(float), &size))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the weights are too large");
    const void *packed;
    SN_TRY(sn_op_pack(c, sn_hash_u64(sn_hash_u64(sn_hash_str(0, "conv_padded_rows"), w->uid), (uint64_t)p->k), size,
                      conv_pack_columns, p, &w, 1, &packed));
    p->w = packed;
    return SETSUNA_OK;
}

static setsuna_status conv_bind_rows(sn_op_ctx *c, sn_step *s, conv_param *p)
{
    const sn_const *w = c->in[1].cst;
    size_t size, rows, y;
    if (!sn_mul_size((size_t)p->k, ((size_t)p->geometry.oc + SN_GEMM_NR_MAX) * sizeof(float), &size) ||
        !sn_mul_size((size_t)p->k + 1, CONV_ROWS_PIXELS_MAX * sizeof(float), &rows) ||
        !sn_mul_size((size_t)p->geometry.oc + SN_ALIGN, CONV_ROWS_PIXELS_MAX * sizeof(float), &y))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the weights are too large");
    size = (size_t)sn_gemm_f32_packed_size(&p->table, p->k, p->geometry.oc) * sizeof(float);
    uint64_t key = sn_hash_u64(sn_hash_u64(sn_hash_str(0, "conv_panels"), w->uid), (uint64_t)p->table.nr);
    key = sn_hash_u64(key, (uint64_t)p->k);
    const void *packed;
    SN_TRY(sn_op_pack(c, key, size, conv_pack_rows, p, &w, 1, &packed));
    p->w = packed;
    const sn_gemm g = {.m = p->pixels, .n = p->geometry.oc, .k = p->k, .a_row = p->k, .a_col = 1, .b_packed = p->w};
    s->run = conv_run_rows;
    s->kernel = p->table.tile_name;
    p->thread_scratch_bytes =
        (rows + y + sn_gemm_f32_scratch_bytes(&p->table, &g) + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
    return SETSUNA_OK;
}

static setsuna_status conv_bind_f32(sn_op_ctx *c, sn_step *s, conv_param *p)
{
    const sn_conv_geometry *g = &p->geometry;
    bool empty = g->n == 0 || g->oc == 0 || p->pixels == 0 || p->k == 0;
    s->run = conv_run_loops;
    s->kernel = "sn_conv_plain_f32";
    if (empty || g->oc / g->group < CONV_PANEL_MAPS_MIN)
        return SETSUNA_OK;
    if (c->in[1].cst && g->n == 1 && g->group == 1 && p->pixels <= CONV_ROWS_PIXELS_MAX)
        return conv_bind_rows(c, s, p);
    return conv_bind_columns(c, s, p);
}

static setsuna_status conv_bind(sn_op_ctx *c, sn_step *s)
{
    sn_conv_attr a;
    conv_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_conv_infer(c, 0, 1, 2, c->in[0].dtype, &a));
    sn_conv_geometry_set(&a, c->in[0].shape.dim[0], c->in[0].shape.dim[1], c->in[1].shape.dim[0], &p->geometry);
    const sn_conv_geometry *g = &p->geometry;
    int64_t outputs;
    if (!sn_shape_numel(&c->out[0].shape, &outputs))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    p->pixels = outputs ? g->out[0] * g->out[1] * g->out[2] : 0;
    p->k = outputs ? g->ic / g->group * g->kernel[0] * g->kernel[1] * g->kernel[2] : 0;
    sn_gemm_table_init(&p->table, c->cpu);
    s->param = p;
    s->n_parts = 1;
    s->flops = 2 * (double)outputs * (double)p->k;
    if (c->in[0].dtype == SETSUNA_F64) {
        s->run = conv_run_f64;
        s->kernel = "sn_conv_plain_f64";
        return SETSUNA_OK;
    }
    SN_TRY(conv_bind_f32(c, s, p));
    s->bytes = 4.0 * ((double)outputs + (double)g->oc * (double)p->k +
                      (double)g->n * (double)g->ic * (double)(g->in[0] * g->in[1] * g->in[2]));
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    if (!sn_mul_size(p->thread_scratch_bytes, s->n_parts, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the convolution needs too much memory");
    return SETSUNA_OK;
}

const sn_op sn_ops_conv[] = {
    {"", "Conv", 1, 0, 2, 3, 1, 1, SN_OP_F16_AS_F32, "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I",
     conv_infer, conv_bind},
    {.name = NULL},
};
