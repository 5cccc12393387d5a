/* Normalisations over rows of the input:
 *
 *     LayerNormalization          a row is everything from `axis` on; scale and bias per element of it
 *     InstanceNormalization       a row is one channel of one image; scale and bias per channel
 *     GroupNormalization          a row is a group of channels; scale and bias per group (18) or channel (21)
 */
#include "kernels/norm.h"
#include "base/checked.h"
#include "ops/op.h"
#include "ops/parts.h"
#include "ops/real.h"
#include <math.h>
#include <string.h>

typedef struct norm_param {
    sn_norm_table table;
    setsuna_dtype dtype, stat_dtype;
    float epsilon;
    int64_t rows, n;         /* rows and elements of each */
    int64_t channels, plane; /* channels a row (1 for layer norm) and elements of each: n = channels * plane */
    int64_t groups;          /* rows an image */
    bool affine_per_group;   /* scale and bias are indexed by the row's group rather than its channel */
    setsuna_shape row_shape; /* layer norm: X.shape[axis:] */
    int64_t scale_stride[SETSUNA_RANK_MAX], bias_stride[SETSUNA_RANK_MAX]; /* layer norm, in row_shape's dims */
    bool dense; /* layer norm: scale and bias have one element for each of the row's */
} norm_param;

typedef struct norm_call {
    const norm_param *p;
    const void *x, *scale, *bias;
    void *y, *mean, *inv;
} norm_call;

/* ---- layer normalisation ------------------------------------------------------------------------- */

/* Strides that broadcast input i to the row's shape. */
static setsuna_status norm_layer_stride(sn_op_ctx *c, uint32_t i, const setsuna_shape *row, int64_t *stride,
                                        bool *dense)
{
    if (!sn_op_has(c, i))
        return SETSUNA_OK;
    const setsuna_shape *s = &c->in[i].shape;
    int64_t step = 1;
    int32_t shift = row->rank - s->rank;
    if (c->in[i].dtype != c->in[0].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u differs in type from the input", i);
    for (int32_t d = s->rank - 1; d >= 0; d--) {
        int64_t want = shift + d >= 0 ? row->dim[shift + d] : 1;
        if (s->dim[d] != want && s->dim[d] != 1)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u does not broadcast to the normalised dims", i);
        if (shift + d >= 0)
            stride[shift + d] = s->dim[d] == 1 ? 0 : step;
        step *= s->dim[d];
    }
    int64_t have, need;
    *dense &= sn_shape_numel(s, &have) && sn_shape_numel(row, &need) && have == need;
    return SETSUNA_OK;
}

static setsuna_status norm_layer_plan(sn_op_ctx *c, norm_param *p)
{
    const setsuna_shape *x = &c->in[0].shape;
    int64_t axis = sn_node_int(c->node, "axis", -1), total;
    int32_t a;
    SN_TRY(sn_op_want(c, 0, "float"));
    if (!sn_axis_normalize(axis, x->rank, &a))
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'axis' is %lld for a rank of %d", (long long)axis,
                          (int)x->rank);
    p->dtype = c->in[0].dtype;
    p->stat_dtype = sn_node_int(c->node, "stash_type", SETSUNA_F32) == SETSUNA_F64 ? SETSUNA_F64 : SETSUNA_F32;
    p->epsilon = sn_node_float(c->node, "epsilon", 1e-5f);
    p->row_shape.rank = x->rank - a;
    memcpy(p->row_shape.dim, x->dim + a, (size_t)p->row_shape.rank * sizeof x->dim[0]);
    p->dense = true;
    SN_TRY(norm_layer_stride(c, 1, &p->row_shape, p->scale_stride, &p->dense));
    SN_TRY(norm_layer_stride(c, 2, &p->row_shape, p->bias_stride, &p->dense));
    setsuna_shape stat = *x;
    for (int32_t d = a; d < x->rank; d++)
        stat.dim[d] = 1;
    if (!sn_shape_numel(x, &total) || !sn_shape_numel(&stat, &p->rows) || !sn_shape_numel(&p->row_shape, &p->n))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is too large");
    sn_op_out(c, 0, p->dtype, x);
    sn_op_out(c, 1, p->stat_dtype, &stat);
    sn_op_out(c, 2, p->stat_dtype, &stat);
    int64_t stash = sn_node_int(c->node, "stash_type", SETSUNA_F32); /* the type of mean and deviation, whatever x is */
    for (uint32_t i = 1; i < c->n_out; i++)
        c->out[i].half = stash == SETSUNA_BF16 || stash == SETSUNA_F16 ? (setsuna_dtype)stash : SETSUNA_DTYPE_NONE;
    return SETSUNA_OK;
}

static setsuna_status norm_layer_infer(sn_op_ctx *c)
{
    norm_param p = {.n = 0};
    return norm_layer_plan(c, &p);
}

static void norm_layer_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const norm_call *q = arg;
    const norm_param *p = q->p;
    int64_t i, end;
    sn_pool_range(p->rows, 1, part, n_parts, &i, &end);
    for (; i < end; i++)
        p->table.layer(p->n, p->epsilon, (const float *)q->x + i * p->n, q->scale, q->bias, (float *)q->y + i * p->n,
                       q->mean ? (float *)q->mean + i : NULL, q->inv ? (float *)q->inv + i : NULL);
}

/* Element i of the row in a broadcast scale or bias. */
static int64_t norm_layer_at(const norm_param *p, int64_t i, const int64_t *stride)
{
    int64_t at = 0;
    for (int32_t d = p->row_shape.rank - 1; d >= 0; d--) {
        at += i % p->row_shape.dim[d] * stride[d];
        i /= p->row_shape.dim[d];
    }
    return at;
}

static void norm_row_moments(const void *x, setsuna_dtype dtype, int64_t at, int64_t n, double *mean, double *variance)
{
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < n; i++)
        sum += sn_real_get(x, dtype, at + i);
    *mean = n ? sum / (double)n : 0;
    for (int64_t i = 0; i < n; i++) {
        double d = sn_real_get(x, dtype, at + i) - *mean;
        squares += d * d;
    }
    *variance = n ? squares / (double)n : 0;
}

static void norm_layer_plain_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const norm_call *q = arg;
    const norm_param *p = q->p;
    int64_t r, end;
    sn_pool_range(p->rows, 1, part, n_parts, &r, &end);
    for (; r < end; r++) {
        double mean, variance;
        norm_row_moments(q->x, p->dtype, r * p->n, p->n, &mean, &variance);
        double inv = 1 / sqrt(variance + (double)p->epsilon);
        for (int64_t i = 0; i < p->n; i++) {
            double a = q->scale ? sn_real_get(q->scale, p->dtype, norm_layer_at(p, i, p->scale_stride)) : 1;
            double b = q->bias ? sn_real_get(q->bias, p->dtype, norm_layer_at(p, i, p->bias_stride)) : 0;
            double v = (sn_real_get(q->x, p->dtype, r * p->n + i) - mean) * inv;
            sn_real_set(q->y, p->dtype, r * p->n + i, v * a + b);
        }
        if (q->mean)
            sn_real_set(q->mean, p->stat_dtype, r, mean);
        if (q->inv)
            sn_real_set(q->inv, p->stat_dtype, r, inv);
    }
}

static setsuna_status norm_run_with(const sn_step *s, sn_run *r, sn_pool_fn *part)
{
    norm_call q = {s->param,        sn_in(s, r, 0),  sn_in(s, r, 1), sn_in(s, r, 2),
                   sn_out(s, r, 0), sn_out(s, r, 1), sn_out(s, r, 2)};
    if (q.p->rows)
        sn_run_parallel(s, r, part, &q);
    return SETSUNA_OK;
}

static setsuna_status norm_layer_run(const sn_step *s, sn_run *r)
{
    return norm_run_with(s, r, norm_layer_part);
}

static setsuna_status norm_layer_run_plain(const sn_step *s, sn_run *r)
{
    return norm_run_with(s, r, norm_layer_plain_part);
}

static setsuna_status norm_bind_name(sn_op_ctx *c, sn_step *s, const norm_param *p, const char *what)
{
    double elements = (double)p->rows * (double)p->n;
    s->param = p;
    s->flops = 8 * elements;
    s->bytes = 2 * elements * (double)setsuna_dtype_size(p->dtype);
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    s->kernel = sn_arena_printf(c->arena, "sn_norm_f32_%s_%s", what, p->table.level);
    return s->kernel ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static setsuna_status norm_layer_bind(sn_op_ctx *c, sn_step *s)
{
    norm_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(norm_layer_plan(c, p));
    sn_norm_table_init(&p->table, c->cpu);
    SN_TRY(norm_bind_name(c, s, p, "layer"));
    s->run = norm_layer_run;
    if (p->dtype != SETSUNA_F32 || p->stat_dtype != SETSUNA_F32 || !p->dense || p->n == 0) {
        s->run = norm_layer_run_plain;
        s->kernel = "norm_layer_plain";
    }
    return SETSUNA_OK;
}

/* ---- instances and groups ------------------------------------------------------------------------ */

static setsuna_status norm_group_plan(sn_op_ctx *c, norm_param *p)
{
    const setsuna_shape *x = &c->in[0].shape;
    bool instance = strcmp(c->node->op, "InstanceNormalization") == 0;
    int64_t groups = instance ? (x->rank > 1 ? x->dim[1] : 1) : sn_node_int(c->node, "num_groups", 0), total;
    SN_TRY(sn_op_want(c, 0, "float"));
    if (x->rank < 2)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has rank %d; at least 2 is needed", (int)x->rank);
    if ((groups < 1 && !instance) || (groups > 0 && x->dim[1] % groups != 0))
        return sn_op_fail(c, SETSUNA_EMODEL, "%lld channels do not make %lld groups", (long long)x->dim[1],
                          (long long)groups);
    p->dtype = c->in[0].dtype;
    p->epsilon = sn_node_float(c->node, "epsilon", 1e-5f);
    p->groups = groups;
    p->affine_per_group = !instance && c->op->since < 21;
    int64_t affine = p->affine_per_group ? groups : x->dim[1];
    for (uint32_t i = 1; i < 3; i++)
        if (c->in[i].shape.rank != 1 || c->in[i].shape.dim[0] != affine || c->in[i].dtype != p->dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must be %lld values of the input's type", i,
                              (long long)affine);
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is too large");
    p->rows = total ? x->dim[0] * groups : 0;
    p->n = total ? total / p->rows : 0;
    p->channels = total ? x->dim[1] / groups : 1;
    p->plane = p->n / p->channels;
    return sn_infer_same(c);
}

static setsuna_status norm_group_infer(sn_op_ctx *c)
{
    norm_param p = {.n = 0};
    return norm_group_plan(c, &p);
}

static void norm_group_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const norm_call *q = arg;
    const norm_param *p = q->p;
    int64_t r, end;
    sn_pool_range(p->rows, 1, part, n_parts, &r, &end);
    for (; r < end; r++) {
        const float *x = (const float *)q->x + r * p->n;
        float *y = (float *)q->y + r * p->n, mean, variance;
        p->table.moments(x, p->n, &mean, &variance);
        float inv = 1 / sqrtf(variance + p->epsilon);
        for (int64_t c = 0; c < p->channels; c++) {
            int64_t at = p->affine_per_group ? r % p->groups : r % p->groups * p->channels + c;
            float a = inv * ((const float *)q->scale)[at];
            p->table.affine(x + c * p->plane, p->plane, a, ((const float *)q->bias)[at] - mean * a, y + c * p->plane);
        }
    }
}

static void norm_group_plain_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const norm_call *q = arg;
    const norm_param *p = q->p;
    int64_t r, end;
    sn_pool_range(p->rows, 1, part, n_parts, &r, &end);
    for (; r < end; r++) {
        double mean, variance;
        norm_row_moments(q->x, p->dtype, r * p->n, p->n, &mean, &variance);
        double inv = 1 / sqrt(variance + (double)p->epsilon);
        for (int64_t i = 0; i < p->n; i++) {
            int64_t at = p->affine_per_group ? r % p->groups : r % p->groups * p->channels + i / p->plane;
            double v = (sn_real_get(q->x, p->dtype, r * p->n + i) - mean) * inv;
            v = v * sn_real_get(q->scale, p->dtype, at) + sn_real_get(q->bias, p->dtype, at);
            sn_real_set(q->y, p->dtype, r * p->n + i, v);
        }
    }
}

static setsuna_status norm_group_run(const sn_step *s, sn_run *r)
{
    return norm_run_with(s, r, norm_group_part);
}

static setsuna_status norm_group_run_plain(const sn_step *s, sn_run *r)
{
    return norm_run_with(s, r, norm_group_plain_part);
}

static setsuna_status norm_group_bind(sn_op_ctx *c, sn_step *s)
{
    norm_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(norm_group_plan(c, p));
    sn_norm_table_init(&p->table, c->cpu);
    SN_TRY(norm_bind_name(c, s, p, "moments"));
    s->run = norm_group_run;
    if (p->dtype != SETSUNA_F32) {
        s->run = norm_group_run_plain;
        s->kernel = "norm_group_plain";
    }
    return SETSUNA_OK;
}

const sn_op sn_ops_norm[] = {
    {"", "LayerNormalization", 17, 0, 2, 3, 1, 3, SN_OP_F16_AS_F32, "axis:i epsilon:f stash_type:i", norm_layer_infer,
     norm_layer_bind},
    {"", "InstanceNormalization", 1, 5, 3, 3, 1, 1, SN_OP_F16_AS_F32, "consumed_inputs:I epsilon:f", norm_group_infer,
     norm_group_bind},
    {"", "InstanceNormalization", 6, 0, 3, 3, 1, 1, SN_OP_F16_AS_F32, "epsilon:f", norm_group_infer, norm_group_bind},
    {"", "GroupNormalization", 18, 20, 3, 3, 1, 1, SN_OP_F16_AS_F32, "epsilon:f num_groups:i", norm_group_infer,
     norm_group_bind},
    {"", "GroupNormalization", 21, 0, 3, 3, 1, 1, SN_OP_F16_AS_F32, "epsilon:f num_groups:i stash_type:i",
     norm_group_infer, norm_group_bind},
    {.name = NULL},
};
