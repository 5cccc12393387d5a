/* Shape and Size: values that follow from the shape of their input alone. The planner folds them also when the input
 * is not constant, so run must not (and does not) read the input's data. */
#include "ops/op.h"
#include <string.h>

typedef struct shape_param {
    size_t n;
    int64_t value[SETSUNA_RANK_MAX];
} shape_param;

static setsuna_status shape_run(const sn_step *s, sn_run *r)
{
    const shape_param *p = s->param;
    if (p->n)
        memcpy(sn_out(s, r, 0), p->value, p->n * sizeof p->value[0]);
    return SETSUNA_OK;
}

/* The range of dims [*begin, *end) that Shape-15 asks for, clamped as the specification says. */
static void shape_range(const sn_op_ctx *c, int32_t *begin, int32_t *end)
{
    int32_t rank = c->in[0].shape.rank;
    int64_t at[2] = {sn_node_int(c->node, "start", 0), sn_node_int(c->node, "end", rank)};
    for (int k = 0; k < 2; k++) {
        if (at[k] < 0)
            at[k] += rank;
        at[k] = at[k] < 0 ? 0 : at[k] > rank ? rank : at[k];
    }
    *begin = (int32_t)at[0];
    *end = (int32_t)(at[1] < at[0] ? at[0] : at[1]);
}

static setsuna_status shape_infer(sn_op_ctx *c)
{
    int32_t begin, end;
    shape_range(c, &begin, &end);
    setsuna_shape y = sn_shape(1, (int)(end - begin));
    sn_op_out(c, 0, SETSUNA_I64, &y);
    return SETSUNA_OK;
}

static setsuna_status shape_bind(sn_op_ctx *c, sn_step *s)
{
    shape_param *p = sn_op_param(c, sizeof *p);
    int32_t begin, end;
    if (!p)
        return SETSUNA_ENOMEM;
    shape_range(c, &begin, &end);
    for (int32_t i = begin; i < end; i++)
        p->value[p->n++] = c->in[0].shape.dim[i];
    s->run = shape_run;
    s->param = p;
    s->kernel = "shape";
    s->n_parts = 1;
    return SETSUNA_OK;
}

static setsuna_status size_infer(sn_op_ctx *c)
{
    setsuna_shape scalar = {.rank = 0};
    int64_t n;
    if (!sn_shape_numel(&c->in[0].shape, &n))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has too many elements");
    sn_op_out(c, 0, SETSUNA_I64, &scalar);
    return SETSUNA_OK;
}

static setsuna_status size_bind(sn_op_ctx *c, sn_step *s)
{
    shape_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    p->n = 1;
    (void)sn_shape_numel(&c->in[0].shape, &p->value[0]); /* infer saw that it does not overflow */
    s->run = shape_run;
    s->param = p;
    s->kernel = "shape";
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_shape[] = {
    {"", "Shape", 1, 14, 1, 1, 1, 1, 0, "", shape_infer, shape_bind},
    {"", "Shape", 15, 0, 1, 1, 1, 1, 0, "start:i end:i", shape_infer, shape_bind},
    {"", "Size", 1, 0, 1, 1, 1, 1, 0, "", size_infer, size_bind},
    {.name = NULL},
};
