/* Softmax, LogSoftmax and Hardmax along an axis.
 *
 * Before opset 13 the input is taken as a matrix [dims before axis] x [dims from axis on] and rows are whole rows of
 * it; since 13 only the axis itself is normalised.
 */
#include "kernels/softmax.h"
#include "ops/op.h"
#include "ops/parts.h"
#include "ops/real.h"
#include <math.h>
#include <string.h>

typedef enum softmax_kind { SOFTMAX_PLAIN, SOFTMAX_LOG, SOFTMAX_HARD } softmax_kind;

typedef struct softmax_param {
    sn_softmax_table table;
    softmax_kind kind;
    setsuna_dtype dtype;
    int64_t outer, n, inner;
} softmax_param;

static setsuna_status softmax_plan(sn_op_ctx *c, softmax_param *p)
{
    const setsuna_shape *x = &c->in[0].shape;
    bool flat = c->op->since < 13;
    int64_t axis = sn_node_int(c->node, "axis", flat ? 1 : -1);
    int32_t a;
    SN_TRY(sn_op_want(c, 0, "float"));
    /* A flattening axis may also be the rank (a matrix of one column). A scalar is a row of one. */
    if (flat && axis == x->rank)
        a = x->rank;
    else if (!sn_axis_normalize(axis, x->rank ? x->rank : 1, &a))
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'axis' is %lld for a rank of %d", (long long)axis,
                          (int)x->rank);
    p->kind = c->node->op[0] == 'S' ? SOFTMAX_PLAIN : c->node->op[0] == 'L' ? SOFTMAX_LOG : SOFTMAX_HARD;
    p->dtype = c->in[0].dtype;
    setsuna_shape part = {.rank = a};
    int64_t total;
    memcpy(part.dim, x->dim, sizeof part.dim);
    if (!sn_shape_numel(x, &total) || !sn_shape_numel(&part, &p->outer))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is too large");
    p->n = a < x->rank && !flat ? x->dim[a] : 1;
    if (!total)
        p->outer = 0; /* nothing runs; the other extents may be anything */
    p->inner = total && !flat ? total / p->outer / p->n : 1;
    if (total && flat)
        p->n = total / p->outer;
    return sn_infer_same(c);
}

static setsuna_status softmax_infer(sn_op_ctx *c)
{
    softmax_param p;
    return softmax_plan(c, &p);
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct softmax_call {
    const softmax_param *p;
    const float *x;
    float *y;
} softmax_call;

static void softmax_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const softmax_call *q = arg;
    const softmax_param *p = q->p;
    bool is_log = p->kind == SOFTMAX_LOG;
    int64_t i, end, size = p->n * p->inner;
    sn_pool_range(p->outer, 1, part, n_parts, &i, &end);
    for (; i < end; i++)
        if (p->inner == 1)
            (is_log ? p->table.log_row : p->table.row)(q->x + i * size, p->n, q->y + i * size);
        else
            (is_log ? p->table.log_inner : p->table.inner)(q->x + i * size, p->n, p->inner, q->y + i * size);
}

static setsuna_status softmax_run(const sn_step *s, sn_run *r)
{
    softmax_call q = {s->param, sn_in(s, r, 0), sn_out(s, r, 0)};
    sn_run_parallel(s, r, softmax_part, &q);
    return SETSUNA_OK;
}

/* One row of n elements, `stride` apart, from element `at` on: f64, and Hardmax of both types. */
static void softmax_row_plain(const softmax_param *p, const void *x, void *y, int64_t at)
{
    int64_t first = 0, stride = p->inner;
    double max = sn_real_get(x, p->dtype, at), sum = 0;
    for (int64_t i = 1; i < p->n; i++) {
        double v = sn_real_get(x, p->dtype, at + i * stride);
        if (v > max || isnan(v)) {
            max = v;
            first = i;
        }
    }
    for (int64_t i = 0; i < p->n && p->kind != SOFTMAX_HARD; i++)
        sum += exp(sn_real_get(x, p->dtype, at + i * stride) - max);
    for (int64_t i = 0; i < p->n; i++) {
        double d = sn_real_get(x, p->dtype, at + i * stride) - max;
        double v = p->kind == SOFTMAX_HARD ? i == first : p->kind == SOFTMAX_LOG ? d - log(sum) : exp(d) / sum;
        sn_real_set(y, p->dtype, at + i * stride, v);
    }
}

static setsuna_status softmax_run_plain(const sn_step *s, sn_run *r)
{
    const softmax_param *p = s->param;
    for (int64_t i = 0; i < p->outer; i++)
        for (int64_t j = 0; j < p->inner; j++)
            softmax_row_plain(p, sn_in(s, r, 0), sn_out(s, r, 0), i * p->n * p->inner + j);
    return SETSUNA_OK;
}

static setsuna_status softmax_bind(sn_op_ctx *c, sn_step *s)
{
    softmax_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(softmax_plan(c, p));
    sn_softmax_table_init(&p->table, c->cpu);
    double elements = (double)p->outer * (double)p->n * (double)p->inner;
    s->param = p;
    s->flops = 16 * elements; /* a polynomial of degree 6 and the passes around it */
    s->bytes = 2 * elements * (double)setsuna_dtype_size(p->dtype);
    s->n_parts = 1;
    s->run = softmax_run_plain;
    s->kernel = "softmax_plain";
    if (p->dtype == SETSUNA_F32 && p->kind != SOFTMAX_HARD) {
        s->run = softmax_run;
        s->n_parts = sn_parts_for(c, 2 * s->flops, s->bytes);
        s->kernel = sn_arena_printf(c->arena, "sn_softmax_f32_%s%s_%s", p->kind == SOFTMAX_LOG ? "log_" : "",
                                    p->inner == 1 ? "row" : "inner", p->table.level);
        if (!s->kernel)
            return SETSUNA_ENOMEM;
    }
    return SETSUNA_OK;
}

#define SOFTMAX_FLAGS (SN_OP_F16_AS_F32 | SN_OP_INPLACE)

const sn_op sn_ops_softmax[] = {
    {"", "Softmax", 1, 12, 1, 1, 1, 1, SOFTMAX_FLAGS, "axis:i", softmax_infer, softmax_bind},
    {"", "Softmax", 13, 0, 1, 1, 1, 1, SOFTMAX_FLAGS, "axis:i", softmax_infer, softmax_bind},
    {"", "LogSoftmax", 1, 12, 1, 1, 1, 1, SOFTMAX_FLAGS, "axis:i", softmax_infer, softmax_bind},
    {"", "LogSoftmax", 13, 0, 1, 1, 1, 1, SOFTMAX_FLAGS, "axis:i", softmax_infer, softmax_bind},
    {"", "Hardmax", 1, 12, 1, 1, 1, 1, SOFTMAX_FLAGS, "axis:i", softmax_infer, softmax_bind},
    {"", "Hardmax", 13, 0, 1, 1, 1, 1, SOFTMAX_FLAGS, "axis:i", softmax_infer, softmax_bind},
    {.name = NULL},
};
