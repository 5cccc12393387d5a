/* setsuna.SumTo-1: x summed over the axes along which `like` would be broadcast to x's shape; the inverse of numpy
 * broadcasting, for gradients. The value of `like` is not read. */
#include "ops/op.h"
#include <string.h>

typedef struct sum_to_param {
    int64_t n;                           /* elements of x */
    int64_t dim[SETSUNA_RANK_MAX];       /* of x */
    int64_t to_stride[SETSUNA_RANK_MAX]; /* per axis of x: stride in the output, 0 where it is summed */
    int32_t rank;
    size_t out_bytes;
    bool wide; /* f64, else f32 */
} sum_to_param;

static setsuna_status sum_to_run(const sn_step *s, sn_run *r)
{
    const sum_to_param *p = s->param;
    const void *x = sn_in(s, r, 0);
    void *y = sn_out(s, r, 0);
    int64_t at[SETSUNA_RANK_MAX] = {0}, to = 0;
    if (!y)
        return SETSUNA_OK;
    memset(y, 0, p->out_bytes);
    for (int64_t i = 0; i < p->n; i++) {
        if (p->wide)
            ((double *)y)[to] += ((const double *)x)[i];
        else
            ((float *)y)[to] += ((const float *)x)[i];
        for (int32_t d = p->rank - 1; d >= 0; d--) {
            to += p->to_stride[d];
            if (++at[d] < p->dim[d])
                break;
            to -= p->to_stride[d] * p->dim[d];
            at[d] = 0;
        }
    }
    return SETSUNA_OK;
}

static setsuna_status sum_to_infer(sn_op_ctx *c)
{
    setsuna_shape both;
    SN_TRY(sn_op_want(c, 0, "f32 f64"));
    if (!sn_shape_broadcast(&c->in[0].shape, &c->in[1].shape, &both) || !sn_shape_equal(&both, &c->in[0].shape))
        return sn_op_fail(c, SETSUNA_ESHAPE, "input 1 does not broadcast to input 0");
    sn_op_out(c, 0, c->in[0].dtype, &c->in[1].shape);
    return SETSUNA_OK;
}

static setsuna_status sum_to_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    sum_to_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    p->rank = x->rank;
    p->wide = c->in[0].dtype == SETSUNA_F64;
    if (!sn_shape_numel(x, &p->n) || !sn_tensor_bytes(c->out[0].dtype, y, &p->out_bytes))
        return SETSUNA_ELIMIT;
    int64_t stride = 1;
    for (int32_t d = x->rank - 1; d >= 0; d--) {
        int32_t k = d - (x->rank - y->rank);
        p->dim[d] = x->dim[d];
        p->to_stride[d] = k >= 0 && y->dim[k] != 1 ? stride : 0;
        stride *= k >= 0 ? y->dim[k] : 1;
    }
    s->param = p;
    s->run = sum_to_run;
    s->kernel = "sum_to";
    return SETSUNA_OK;
}

const sn_op sn_ops_sum_to[] = {
    {"setsuna", "SumTo", 1, 0, 2, 2, 1, 1, 0, "", sum_to_infer, sum_to_bind},
    {.name = NULL},
};
