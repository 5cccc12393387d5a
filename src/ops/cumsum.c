/* CumSum. Sums are made in the element type, in order along the axis: |err| <= n u sum|x|; integers wrap. */
#include "ops/move.h"
#include "ops/typed.h"
#include <string.h>

typedef struct cumsum_param cumsum_param;
typedef void cumsum_fn(const cumsum_param *p, void *y, const void *x);

struct cumsum_param {
    int64_t outer, n, inner; /* outer is 0 when there are no elements */
    bool exclusive, reverse;
    cumsum_fn *fn;
};

#define EACH_TYPE "ops/cumsum_typed.inc"
#include "ops/each_type.inc"

static setsuna_status cumsum_axis(sn_op_ctx *c, int32_t *axis)
{
    int64_t want;
    size_t n;
    SN_TRY(sn_op_const_ints(c, 1, &want, 1, &n));
    int32_t rank = c->in[0].shape.rank;
    if (n != 1 || !sn_axis_normalize(want, rank, axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the axis must be one number in [-%d, %d)", rank, rank);
    return SETSUNA_OK;
}

static setsuna_status cumsum_infer(sn_op_ctx *c)
{
    int32_t axis;
    SN_TRY(sn_op_want(c, 0, "num"));
    SN_TRY(cumsum_axis(c, &axis));
    return sn_infer_same(c);
}

static setsuna_status cumsum_run(const sn_step *s, sn_run *r)
{
    const cumsum_param *p = s->param;
    if (p->outer)
        p->fn(p, sn_out(s, r, 0), sn_in(s, r, 0));
    return SETSUNA_OK;
}

static setsuna_status cumsum_bind(sn_op_ctx *c, sn_step *s)
{
    static cumsum_fn *const table[SN_TYPED_TABLE_SIZE] = SN_EACH_TYPE_TABLE(cumsum);
    const setsuna_shape *x = &c->in[0].shape;
    cumsum_param *p = sn_op_param(c, sizeof *p);
    int32_t axis = 0;
    int64_t total;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(cumsum_axis(c, &axis));
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor has too many elements");
    p->n = x->dim[axis];
    p->inner = 1;
    for (int32_t i = axis + 1; i < x->rank && total; i++)
        p->inner *= x->dim[i];
    p->outer = total ? total / p->n / p->inner : 0;
    p->exclusive = sn_node_int(c->node, "exclusive", 0) != 0;
    p->reverse = sn_node_int(c->node, "reverse", 0) != 0;
    p->fn = table[c->in[0].dtype];
    s->run = cumsum_run;
    s->param = p;
    s->kernel = "cumsum";
    s->flops = (double)total;
    s->bytes = 2.0 * (double)total * (double)setsuna_dtype_size(c->in[0].dtype);
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_cumsum[] = {
    {"", "CumSum", 11, 0, 2, 2, 1, 1, SN_OP_F16_AS_F32, "exclusive:i reverse:i", cumsum_infer, cumsum_bind},
    {.name = NULL},
};
