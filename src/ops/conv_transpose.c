/* ConvTranspose over plain images. f32 runs as a matrix product whose columns are scattered:
 *
 *     col (maps * taps, 32 pixels) = w' (maps * taps, IC) * x (IC, 32 pixels);   y += scatter(col)
 */
#include "base/checked.h"
#include "base/hash.h"
#include "kernels/conv_plain.h"
#include "kernels/gemm.h"
#include "ops/conv_attr.h"
#include "ops/conv_geometry.h"
#include "ops/parts.h"
#include <string.h>

/* Rows of one product: enough to use a panel of x well, few enough to stay in L1/L2. */
enum { CONV_TRANSPOSE_ROWS = 256 };

typedef struct conv_transpose_param {
    sn_conv_geometry geometry;
    sn_gemm_table table;
    int64_t in_size, out_size, taps;
    int64_t chunk;  /* output channels of one product */
    const float *w; /* w' of all groups, rows of w_row floats; NULL: the run's own w is transposed block by block */
    int64_t w_row;
    size_t col_bytes, thread_scratch_bytes;
} conv_transpose_param;

/* ---- shapes -------------------------------------------------------------------------------------- */

static bool conv_transpose_extent(sn_conv_attr *a, int i, int64_t extra, int64_t wanted)
{
    int64_t span, window = (a->kernel[i] - 1) * a->dilation[i] + 1 + extra;
    if (a->in[i] < 1) {
        a->out[i] = wanted > 0 ? wanted : 0;
        return true;
    }
    if (!sn_mul_i64(a->in[i] - 1, a->stride[i], &span) || !sn_add_i64(span, window, &span) || span > INT64_MAX / 4)
        return false;
    if (a->auto_pad == SN_PAD_SAME_UPPER || a->auto_pad == SN_PAD_SAME_LOWER)
        wanted = wanted >= 0 ? wanted : a->in[i] * a->stride[i];
    if (wanted >= 0) {
        int64_t pad = span > wanted ? span - wanted : 0;
        a->pad_lo[i] = a->auto_pad == SN_PAD_SAME_UPPER ? pad / 2 : pad - pad / 2;
        a->pad_hi[i] = pad - a->pad_lo[i];
        a->out[i] = wanted;
        return true;
    }
    a->out[i] = span - a->pad_lo[i] - a->pad_hi[i];
    return a->out[i] >= 0;
}

static setsuna_status conv_transpose_output(sn_op_ctx *c, sn_conv_attr *a)
{
    const int64_t *extra, *shape;
    size_t n_extra = sn_node_ints(c->node, "output_padding", &extra);
    size_t n_shape = sn_node_ints(c->node, "output_shape", &shape), n = (size_t)a->n_dim;
    if (n_shape == n + 2) { /* batch and channels may be written too */
        shape += 2;
        n_shape = n;
    }
    if ((n_extra && n_extra != n) || (n_shape && n_shape != n))
        return sn_op_fail(c, SETSUNA_EMODEL, "output_padding or output_shape does not have one entry a spatial dim");
    for (int32_t i = 0; i < SN_SPATIAL_MAX; i++) {
        int32_t d = i - (SN_SPATIAL_MAX - a->n_dim);
        int64_t e = d >= 0 && n_extra ? extra[d] : 0, want = d >= 0 && n_shape ? shape[d] : -1;
        if (e < 0 || e > INT32_MAX || (d >= 0 && n_shape && (want < 0 || want > INT32_MAX)))
            return sn_op_fail(c, SETSUNA_EMODEL, "output_padding or output_shape is out of range");
        if (!conv_transpose_extent(a, i, e, want))
            return sn_op_fail(c, SETSUNA_ESHAPE, "the padding is larger than the output, or that is too large");
    }
    return SETSUNA_OK;
}

static setsuna_status conv_transpose_plan(sn_op_ctx *c, sn_conv_attr *a)
{
    SN_TRY(sn_op_want(c, 0, "float"));
    for (uint32_t i = 1; i < c->n_in; i++)
        if (sn_op_has(c, i) && c->in[i].dtype != c->in[0].dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "inputs of %s and %s", setsuna_dtype_name(c->in[0].dtype),
                              setsuna_dtype_name(c->in[i].dtype));
    const setsuna_shape *x = &c->in[0].shape, *w = &c->in[1].shape;
    SN_TRY(sn_conv_attr_read(c, x, w, a));
    int64_t maps, n;
    if (w->dim[0] != x->dim[1] || x->dim[1] % a->group != 0 || !sn_mul_i64(w->dim[1], a->group, &maps))
        return sn_op_fail(c, SETSUNA_ESHAPE, "%lld input channels, weights of %lld and %lld groups",
                          (long long)x->dim[1], (long long)w->dim[0], (long long)a->group);
    if (sn_op_has(c, 2) && (c->in[2].shape.rank != 1 || c->in[2].shape.dim[0] != maps))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the bias must have the shape [%lld]", (long long)maps);
    SN_TRY(conv_transpose_output(c, a));
    setsuna_shape y = sn_conv_attr_shape(a, x->dim[0], maps);
    if (!sn_shape_numel(&y, &n))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status conv_transpose_infer(sn_op_ctx *c)
{
    sn_conv_attr a;
    return conv_transpose_plan(c, &a);
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct conv_transpose_call {
    const conv_transpose_param *p;
    const float *x, *w, *bias;
    float *y;
    char *scratch;
} conv_transpose_call;

/* Output channels [o0, o1) of one group and image: x and y are the group's first channel's. */
static void conv_transpose_maps(const conv_transpose_call *q, const float *x, int64_t o0, int64_t o1, float *y,
                                char *scratch)
{
    const conv_transpose_param *p = q->p;
    const sn_conv_geometry *g = &p->geometry;
    int64_t opg = g->oc / g->group, ipg = g->ic / g->group, group = o0 / opg, row = o0 % opg * p->taps;
    for (int64_t i = 0; i < (o1 - o0) * p->out_size; i++)
        y[i] = q->bias ? q->bias[o0 + i / p->out_size] : 0;
    sn_gemm m = {.m = (o1 - o0) * p->taps, .n = p->in_size, .k = ipg, .b = x, .b_row = p->in_size, .b_col = 1};
    m.a = p->w ? p->w + (group * opg * p->taps + row) * p->w_row : q->w + group * ipg * opg * p->taps + row;
    m.a_row = p->w ? p->w_row : 1;
    m.a_col = p->w ? 1 : opg * p->taps;
    m.alpha = 1;
    m.ldc = SN_IM2COL_MAX;
    for (int64_t p0 = 0; p0 < p->in_size; p0 += p->table.nr) {
        int32_t n = (int32_t)(p->in_size - p0 < p->table.nr ? p->in_size - p0 : p->table.nr);
        sn_gemm panel = m;
        panel.b += p0;
        panel.n = n;
        panel.c = (float *)scratch;
        sn_gemm_f32_run(&p->table, &panel, 0, m.m, 0, n, scratch + p->col_bytes);
        sn_col2im_f32(g, (const float *)scratch, SN_IM2COL_MAX, p0, n, o1 - o0, y);
    }
}

static void conv_transpose_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_transpose_call *q = arg;
    const conv_transpose_param *p = q->p;
    const sn_conv_geometry *g = &p->geometry;
    int64_t opg = g->oc / g->group, ipg = g->ic / g->group, from, to;
    sn_pool_range(g->oc, 1, part, n_parts, &from, &to);
    for (int64_t image = 0; image < g->n; image++)
        for (int64_t o = from; o < to;) {
            int64_t end = (o / opg + 1) * opg;
            end = end < to ? end : to;
            end = end < o + p->chunk ? end : o + p->chunk;
            conv_transpose_maps(q, q->x + (image * g->ic + o / opg * ipg) * p->in_size, o, end,
                                q->y + (image * g->oc + o) * p->out_size, q->scratch + part * p->thread_scratch_bytes);
            o = end;
        }
}

static setsuna_status conv_transpose_run(const sn_step *s, sn_run *r)
{
    const conv_transpose_param *p = s->param;
    conv_transpose_call q = {p, sn_in(s, r, 0), sn_in(s, r, 1), sn_in(s, r, 2), sn_out(s, r, 0), r->scratch};
    if (p->geometry.n && p->geometry.oc && p->out_size)
        sn_run_parallel(s, r, conv_transpose_part, &q);
    return SETSUNA_OK;
}

static setsuna_status conv_transpose_run_f64(const sn_step *s, sn_run *r)
{
    const conv_transpose_param *p = s->param;
    const sn_conv_geometry *g = &p->geometry;
    for (int64_t i = 0; i < g->n && g->oc && p->out_size; i++)
        sn_conv_transpose_plain_f64(g, (const double *)sn_in(s, r, 0) + i * g->ic * p->in_size, sn_in(s, r, 1),
                                    sn_in(s, r, 2), 0, g->oc, (double *)sn_out(s, r, 0) + i * g->oc * p->out_size);
    return SETSUNA_OK;
}

/* ---- plan time ----------------------------------------------------------------------------------- */

static void conv_transpose_pack_fill(void *dst, const void *const *source, const void *arg)
{
    const conv_transpose_param *p = arg;
    int64_t rows = p->geometry.oc / p->geometry.group * p->taps, ipg = p->geometry.ic / p->geometry.group;
    for (int64_t i = 0; i < p->geometry.ic; i++)
        for (int64_t j = 0; j < rows; j++)
            memcpy((float *)dst + (i / ipg * rows + j) * p->w_row + i % ipg,
                   (const char *)source[0] + (i * rows + j) * (int64_t)sizeof(float), sizeof(float));
}

static setsuna_status conv_transpose_bind_f32(sn_op_ctx *c, sn_step *s, conv_transpose_param *p)
{
    const sn_conv_geometry *g = &p->geometry;
    const sn_const *w = c->in[1].cst;
    int64_t opg = g->oc / g->group, ipg = g->ic / g->group;
    p->chunk = CONV_TRANSPOSE_ROWS / p->taps;
    p->chunk = p->chunk < 1 ? 1 : p->chunk < opg ? p->chunk : opg;
    if (w && ipg) {
        size_t rows = (size_t)(g->oc * p->taps), size;
        p->w_row = ipg + (ipg % 512 ? 0 : 16); /* rows a multiple of 2 KiB apart would evict each other from L1 */
        if (!sn_mul_size(rows, (size_t)p->w_row * sizeof(float), &size))
            return sn_op_fail(c, SETSUNA_ELIMIT, "the weights are too large");
        uint64_t key = sn_hash_u64(sn_hash_u64(sn_hash_str(0, "conv_transpose_rows"), w->uid), (uint64_t)ipg);
        const void *packed;
        key = sn_hash_u64(key, rows);
        SN_TRY(sn_op_pack(c, key, size, conv_transpose_pack_fill, p, &w, 1, &packed));
        p->w = packed;
    }
    const sn_gemm m = {.m = p->chunk * p->taps,
                       .n = p->table.nr,
                       .k = ipg,
                       .a_row = p->w ? p->w_row : 1,
                       .a_col = p->w ? 1 : opg * p->taps + 1,
                       .b_col = 1,
                       .alpha = 1};
    p->col_bytes = (size_t)(p->chunk * p->taps) * SN_IM2COL_MAX * sizeof(float);
    p->thread_scratch_bytes = p->col_bytes + sn_gemm_f32_scratch_bytes(&p->table, &m);
    if (!sn_mul_size(p->thread_scratch_bytes, s->n_parts, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the convolution needs too much memory");
    s->run = conv_transpose_run;
    s->kernel = p->table.tile_name;
    return SETSUNA_OK;
}

static setsuna_status conv_transpose_bind(sn_op_ctx *c, sn_step *s)
{
    sn_conv_attr a;
    conv_transpose_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(conv_transpose_plan(c, &a));
    sn_conv_geometry_set(&a, c->in[0].shape.dim[0], c->in[0].shape.dim[1], c->out[0].shape.dim[1], &p->geometry);
    const sn_conv_geometry *g = &p->geometry;
    sn_gemm_table_init(&p->table, c->cpu);
    int64_t outputs, inputs;
    if (!sn_shape_numel(&c->out[0].shape, &outputs) || !sn_shape_numel(&c->in[0].shape, &inputs))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the image is too large");
    p->out_size = outputs ? outputs / g->n / g->oc : 0;
    p->in_size = inputs ? inputs / g->n / g->ic : 0;
    p->taps = g->kernel[0] * g->kernel[1] * g->kernel[2];
    s->param = p;
    s->flops = 2 * (double)inputs * (double)p->taps * (double)(g->oc / g->group);
    s->bytes = 4.0 * ((double)inputs + (double)outputs + (double)g->ic * (double)(g->oc / g->group * p->taps));
    s->n_parts = 1;
    if (c->in[0].dtype == SETSUNA_F64 || !outputs) {
        s->run = conv_transpose_run_f64;
        s->kernel = "sn_conv_transpose_plain_f64";
        return SETSUNA_OK;
    }
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    return conv_transpose_bind_f32(c, s, p);
}

const sn_op sn_ops_conv_transpose[] = {
    {"", "ConvTranspose", 1, 0, 2, 3, 1, 1, SN_OP_F16_AS_F32,
     "auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I strides:I",
     conv_transpose_infer, conv_transpose_bind},
    {.name = NULL},
};
