/* ArgMax and ArgMin. A NaN is the best of all, as in numpy. */
#include "kernels/reduce.h"
#include "ops/move.h"
#include "ops/typed.h"
#include <math.h>
#include <string.h>

enum { ARG_BLOCK = 64 };

typedef struct arg_param arg_param;
typedef void arg_fn(const arg_param *p, int64_t *y, const void *x);

struct arg_param {
    int64_t outer, n, inner; /* outer is 0 when there is no output */
    bool smallest, last;
    arg_fn *fn;
    sn_reduce_rows_fn *extreme; /* f32 with inner 1 */
};

#define EACH_TYPE "ops/arg_typed.inc"
#include "ops/each_type.inc"

/* Contiguous f32: the extreme by a vector kernel, then where it is. Both passes run at the speed of memory, which a
 * loop that carries value and index does not. */
static void arg_rows_f32(const arg_param *p, int64_t *y, const void *x_data)
{
    for (int64_t o = 0; o < p->outer; o++) {
        const float *x = (const float *)x_data + o * p->n;
        float best;
        p->extreme(&best, x, 1, p->n, p->n, 1.0f);
        int64_t step = p->last ? -1 : 1, k = p->last ? p->n - 1 : 0;
        if (best == best)
            for (; x[k] != best; k += step)
                ;
        else
            for (; x[k] == x[k]; k += step)
                ;
        y[o] = k;
    }
}

static setsuna_status arg_axis(sn_op_ctx *c, int32_t *axis)
{
    int64_t want = sn_node_int(c->node, "axis", 0);
    int32_t rank = c->in[0].shape.rank;
    if (!sn_axis_normalize(want, rank, axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d)", (long long)want, rank, rank);
    return SETSUNA_OK;
}

static setsuna_status arg_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    setsuna_shape y = {.rank = 0};
    int32_t axis;
    int64_t n;
    SN_TRY(sn_op_want(c, 0, "num"));
    SN_TRY(arg_axis(c, &axis));
    for (int32_t i = 0; i < x->rank; i++)
        if (i != axis)
            y.dim[y.rank++] = x->dim[i];
        else if (sn_node_int(c->node, "keepdims", 1))
            y.dim[y.rank++] = 1;
    if (!sn_shape_numel(&y, &n) || (n && x->dim[axis] == 0))
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %d is empty: there is no best element", axis);
    sn_op_out(c, 0, SETSUNA_I64, &y);
    return SETSUNA_OK;
}

static setsuna_status arg_run(const sn_step *s, sn_run *r)
{
    const arg_param *p = s->param;
    if (p->outer)
        p->fn(p, sn_out(s, r, 0), sn_in(s, r, 0));
    return SETSUNA_OK;
}

static setsuna_status arg_bind(sn_op_ctx *c, sn_step *s)
{
    static arg_fn *const table[SN_TYPED_TABLE_SIZE] = SN_EACH_TYPE_TABLE(arg_best);
    const setsuna_shape *x = &c->in[0].shape;
    arg_param *p = sn_op_param(c, sizeof *p);
    sn_reduce_table t;
    int32_t axis = 0;
    int64_t total;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(arg_axis(c, &axis));
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor has too many elements");
    sn_reduce_table_init(&t, c->cpu);
    p->n = x->dim[axis];
    p->inner = 1;
    for (int32_t i = axis + 1; i < x->rank && total; i++)
        p->inner *= x->dim[i];
    p->outer = total ? total / p->n / p->inner : 0;
    p->smallest = strcmp(c->op->name, "ArgMin") == 0;
    p->last = sn_node_int(c->node, "select_last_index", 0) != 0;
    p->fn = table[c->in[0].dtype];
    s->kernel = "arg_blocks";
    if (c->in[0].dtype == SETSUNA_F32 && p->inner == 1) {
        p->fn = arg_rows_f32;
        p->extreme = p->smallest ? t.rows_min : t.rows_max;
        s->kernel = "arg_rows_f32";
    }
    s->run = arg_run;
    s->param = p;
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_arg[] = {
    {"", "ArgMax", 1, 11, 1, 1, 1, 1, SN_OP_F16_AS_F32, "axis:i keepdims:i", arg_infer, arg_bind},
    {"", "ArgMax", 12, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "axis:i keepdims:i select_last_index:i", arg_infer, arg_bind},
    {"", "ArgMin", 1, 11, 1, 1, 1, 1, SN_OP_F16_AS_F32, "axis:i keepdims:i", arg_infer, arg_bind},
    {"", "ArgMin", 12, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "axis:i keepdims:i select_last_index:i", arg_infer, arg_bind},
    {.name = NULL},
};
