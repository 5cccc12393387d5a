/* Normalisations over chosen axes: MeanVarianceNormalization and LpNormalization; and LRN, over neighbouring
 * channels. */
#include "base/checked.h"
#include "ops/op.h"
#include "ops/parts.h"
#include "ops/real.h"
#include <math.h>
#include <string.h>

/* MeanVarianceNormalization-13's own: added to the standard deviation. */
#define NORM_AXES_EPSILON 1e-9

typedef struct norm_axes_param {
    setsuna_dtype dtype;
    int32_t n_keep, n_reduce; /* dims kept and dims reduced, with extents and distances in the input */
    int64_t keep[SETSUNA_RANK_MAX], keep_stride[SETSUNA_RANK_MAX];
    int64_t reduce[SETSUNA_RANK_MAX], reduce_stride[SETSUNA_RANK_MAX];
    int64_t groups, n;
    int64_t power; /* LpNormalization: 1 or 2; 0: mean and variance */
} norm_axes_param;

static setsuna_status norm_axes_list(sn_op_ctx *c, bool *reduced)
{
    static const int64_t usual[] = {0, 2, 3};
    const setsuna_shape *x = &c->in[0].shape;
    const int64_t *axes = usual;
    size_t n = 3;
    int64_t one = sn_node_int(c->node, "axis", -1);
    if (strcmp(c->node->op, "LpNormalization") == 0) {
        axes = &one;
        n = 1;
    } else if (sn_node_attr(c->node, "axes")) {
        n = sn_node_ints(c->node, "axes", &axes);
    }
    for (size_t i = 0; i < n; i++) {
        int32_t a;
        if (!sn_axis_normalize(axes[i], x->rank, &a))
            return sn_op_fail(c, SETSUNA_EMODEL, "axis %lld for a rank of %d", (long long)axes[i], (int)x->rank);
        reduced[a] = true;
    }
    return SETSUNA_OK;
}

static setsuna_status norm_axes_plan(sn_op_ctx *c, norm_axes_param *p)
{
    const setsuna_shape *x = &c->in[0].shape;
    bool reduced[SETSUNA_RANK_MAX] = {false};
    int64_t total, stride = 1;
    SN_TRY(sn_op_want(c, 0, "float"));
    SN_TRY(norm_axes_list(c, reduced));
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is too large");
    p->dtype = c->in[0].dtype;
    p->power = strcmp(c->node->op, "LpNormalization") == 0 ? sn_node_int(c->node, "p", 2) : 0;
    if (p->power < 0 || p->power > 2 || (p->power == 0 && sn_node_attr(c->node, "p")))
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'p' is %lld", (long long)p->power);
    p->groups = p->n = 1;
    for (int32_t d = x->rank - 1; d >= 0 && total; d--) {
        int32_t *count = reduced[d] ? &p->n_reduce : &p->n_keep;
        (reduced[d] ? p->reduce : p->keep)[*count] = x->dim[d];
        (reduced[d] ? p->reduce_stride : p->keep_stride)[(*count)++] = stride;
        *(reduced[d] ? &p->n : &p->groups) *= x->dim[d];
        stride *= x->dim[d];
    }
    if (!total)
        p->groups = 0;
    return sn_infer_same(c);
}

static setsuna_status norm_axes_infer(sn_op_ctx *c)
{
    norm_axes_param p = {.n = 0};
    return norm_axes_plan(c, &p);
}

static int64_t norm_axes_at(int64_t i, int32_t n, const int64_t *dim, const int64_t *stride)
{
    int64_t at = 0;
    for (int32_t d = 0; d < n; d++) {
        at += i % dim[d] * stride[d];
        i /= dim[d];
    }
    return at;
}

typedef struct norm_axes_call {
    const norm_axes_param *p;
    const void *x;
    void *y;
} norm_axes_call;

static void norm_axes_group(const norm_axes_call *q, int64_t base)
{
    const norm_axes_param *p = q->p;
    double sum = 0, sum2 = 0;
    for (int64_t i = 0; i < p->n; i++) {
        double v = sn_real_get(q->x, p->dtype, base + norm_axes_at(i, p->n_reduce, p->reduce, p->reduce_stride));
        sum += p->power == 1 ? fabs(v) : p->power == 2 ? v * v : v;
    }
    double mean = p->power ? 0 : sum / (double)p->n, by = p->power == 2 ? sqrt(sum) : sum;
    for (int64_t i = 0; i < p->n && !p->power; i++) {
        double d = sn_real_get(q->x, p->dtype, base + norm_axes_at(i, p->n_reduce, p->reduce, p->reduce_stride)) - mean;
        sum2 += d * d;
    }
    if (!p->power)
        by = sqrt(sum2 / (double)p->n) + NORM_AXES_EPSILON;
    for (int64_t i = 0; i < p->n; i++) {
        int64_t at = base + norm_axes_at(i, p->n_reduce, p->reduce, p->reduce_stride);
        /* A vector of zeros stays one. */
        sn_real_set(q->y, p->dtype, at, by != 0 ? (sn_real_get(q->x, p->dtype, at) - mean) / by : 0);
    }
}

static void norm_axes_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const norm_axes_call *q = arg;
    const norm_axes_param *p = q->p;
    int64_t i, end;
    sn_pool_range(p->groups, 1, part, n_parts, &i, &end);
    for (; i < end; i++)
        norm_axes_group(q, norm_axes_at(i, p->n_keep, p->keep, p->keep_stride));
}

static setsuna_status norm_axes_run(const sn_step *s, sn_run *r)
{
    norm_axes_call q = {s->param, sn_in(s, r, 0), sn_out(s, r, 0)};
    if (q.p->groups)
        sn_run_parallel(s, r, norm_axes_part, &q);
    return SETSUNA_OK;
}

static setsuna_status norm_axes_bind(sn_op_ctx *c, sn_step *s)
{
    norm_axes_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(norm_axes_plan(c, p));
    s->run = norm_axes_run;
    s->param = p;
    s->kernel = "norm_axes";
    s->flops = 8 * (double)p->groups * (double)p->n;
    s->n_parts = sn_parts_for(c, 8 * s->flops, 0);
    return SETSUNA_OK;
}

/* ---- LRN ----------------------------------------------------------------------------------------- */

typedef struct lrn_param {
    setsuna_dtype dtype;
    int64_t images, channels, plane, before, after;
    double alpha, beta, bias; /* alpha is divided by the size already */
} lrn_param;

typedef struct lrn_call {
    const lrn_param *p;
    const void *x;
    void *y;
} lrn_call;

static setsuna_status lrn_plan(sn_op_ctx *c, lrn_param *p)
{
    const setsuna_shape *x = &c->in[0].shape;
    int64_t size = sn_node_int(c->node, "size", 0), total;
    SN_TRY(sn_op_want(c, 0, "float"));
    if (size < 1 || size > INT32_MAX)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'size' is %lld", (long long)size);
    if (x->rank < 2 || !sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input must be [N, C, ...]");
    p->dtype = c->in[0].dtype;
    p->images = total ? x->dim[0] : 0;
    p->channels = x->dim[1];
    p->plane = total ? total / x->dim[0] / x->dim[1] : 0;
    p->before = (size - 1) / 2;
    p->after = size - 1 - p->before;
    p->alpha = (double)sn_node_float(c->node, "alpha", 0.0001f) / (double)size;
    p->beta = (double)sn_node_float(c->node, "beta", 0.75f);
    p->bias = (double)sn_node_float(c->node, "bias", 1);
    return sn_infer_same(c);
}

static setsuna_status lrn_infer(sn_op_ctx *c)
{
    lrn_param p;
    return lrn_plan(c, &p);
}

static void lrn_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const lrn_call *q = arg;
    const lrn_param *p = q->p;
    int64_t i, end;
    sn_pool_range(p->images * p->channels, 1, part, n_parts, &i, &end);
    for (; i < end; i++) {
        int64_t image = i / p->channels, c = i % p->channels;
        int64_t from = c < p->before ? 0 : c - p->before;
        int64_t to = c + p->after < p->channels ? c + p->after : p->channels - 1;
        for (int64_t k = 0; k < p->plane; k++) {
            double sum = 0;
            for (int64_t j = from; j <= to; j++) {
                double v = sn_real_get(q->x, p->dtype, (image * p->channels + j) * p->plane + k);
                sum += v * v;
            }
            double v = sn_real_get(q->x, p->dtype, i * p->plane + k), base = p->bias + p->alpha * sum;
            sn_real_set(q->y, p->dtype, i * p->plane + k, v / pow(base, p->beta));
        }
    }
}

static setsuna_status lrn_run(const sn_step *s, sn_run *r)
{
    lrn_call q = {s->param, sn_in(s, r, 0), sn_out(s, r, 0)};
    if (q.p->images)
        sn_run_parallel(s, r, lrn_part, &q);
    return SETSUNA_OK;
}

static setsuna_status lrn_bind(sn_op_ctx *c, sn_step *s)
{
    lrn_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(lrn_plan(c, p));
    s->run = lrn_run;
    s->param = p;
    s->kernel = "lrn";
    s->flops = 2 * (double)p->images * (double)p->channels * (double)p->plane * (double)(p->before + p->after + 8);
    s->n_parts = sn_parts_for(c, 8 * s->flops, 0);
    return SETSUNA_OK;
}

const sn_op sn_ops_norm_axes[] = {
    {"", "MeanVarianceNormalization", 9, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "axes:I", norm_axes_infer, norm_axes_bind},
    {"", "LpNormalization", 1, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "axis:i p:i", norm_axes_infer, norm_axes_bind},
    {"", "LRN", 1, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "alpha:f beta:f bias:f size:i", lrn_infer, lrn_bind},
    {.name = NULL},
};
