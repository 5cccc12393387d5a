/* MaxUnpool: values go back to where MaxPool's indices say they came from; everything else is zero. */
#include "base/checked.h"
#include "ops/conv_attr.h"
#include <string.h>

typedef struct unpool_param {
    int64_t values, outputs, places;
    setsuna_shape to, from; /* of the output, and of MaxPool's input as kernel, strides and pads imply it */
    size_t element_bytes;
} unpool_param;

/* *from: the shape that indices count in; *y: the output's, which output_shape may make another. */
static setsuna_status unpool_shape(sn_op_ctx *c, setsuna_shape *from, setsuna_shape *y)
{
    sn_conv_attr a;
    const setsuna_shape *x = &c->in[0].shape;
    SN_TRY(sn_conv_attr_read(c, x, NULL, &a));
    for (int i = 0; i < SN_SPATIAL_MAX; i++) {
        int64_t span;
        if (!sn_mul_i64(a.in[i] - 1, a.stride[i], &span) || !sn_add_i64(span, a.kernel[i], &span))
            return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
        a.out[i] = span - a.pad_lo[i] - a.pad_hi[i];
        if (a.out[i] < 0)
            return sn_op_fail(c, SETSUNA_ESHAPE, "the padding is larger than the output");
    }
    *from = *y = sn_conv_attr_shape(&a, x->dim[0], x->dim[1]);
    if (!sn_op_has(c, 2))
        return SETSUNA_OK;
    int64_t dim[SETSUNA_RANK_MAX];
    size_t n;
    SN_TRY(sn_op_const_ints(c, 2, dim, SETSUNA_RANK_MAX, &n));
    if (n != (size_t)x->rank || dim[0] != x->dim[0] || dim[1] != x->dim[1])
        return sn_op_fail(c, SETSUNA_ESHAPE, "output_shape does not match the input");
    for (size_t i = 0; i < n; i++) {
        if (dim[i] < 0)
            return sn_op_fail(c, SETSUNA_ESHAPE, "output_shape has a negative dim");
        y->dim[i] = dim[i];
    }
    return SETSUNA_OK;
}

static setsuna_status unpool_infer(sn_op_ctx *c)
{
    setsuna_shape from, y;
    int64_t n;
    SN_TRY(sn_op_want(c, 0, "float"));
    SN_TRY(sn_op_want(c, 1, "i64"));
    if (!sn_shape_equal(&c->in[0].shape, &c->in[1].shape))
        return sn_op_fail(c, SETSUNA_ESHAPE, "values and indices differ in shape");
    SN_TRY(unpool_shape(c, &from, &y));
    if (!sn_shape_numel(&y, &n) || !sn_shape_numel(&from, &n))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

/* The element of the output for place `index` of the pooled tensor, which lies in the corner of the output; -1: it is
 * not in the output. */
static int64_t unpool_locate(const unpool_param *p, int64_t index)
{
    int64_t at = 0, stride = 1;
    if (index < 0 || index >= p->places)
        return -1;
    for (int32_t d = p->to.rank - 1; d >= 0; d--) {
        int64_t i = index % p->from.dim[d];
        if (i >= p->to.dim[d])
            return -1;
        at += i * stride;
        stride *= p->to.dim[d];
        index /= p->from.dim[d];
    }
    return at;
}

static setsuna_status unpool_run(const sn_step *s, sn_run *r)
{
    const unpool_param *p = s->param;
    const char *x = sn_in(s, r, 0);
    const int64_t *index = sn_in(s, r, 1);
    char *y = sn_out(s, r, 0);
    if (p->outputs)
        memset(y, 0, (size_t)p->outputs * p->element_bytes);
    for (int64_t i = 0; i < p->values; i++) {
        int64_t at = unpool_locate(p, index[i]);
        if (at < 0)
            return sn_run_fail(s, r, SETSUNA_EINPUT, "index %lld is outside of the output", (long long)index[i]);
        memcpy(y + (size_t)at * p->element_bytes, x + (size_t)i * p->element_bytes, p->element_bytes);
    }
    return SETSUNA_OK;
}

static setsuna_status unpool_bind(sn_op_ctx *c, sn_step *s)
{
    unpool_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(unpool_shape(c, &p->from, &p->to));
    if (!sn_shape_numel(&p->from, &p->places) || !sn_shape_numel(&c->in[0].shape, &p->values) ||
        !sn_shape_numel(&c->out[0].shape, &p->outputs))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor is too large");
    p->element_bytes = setsuna_dtype_size(c->in[0].dtype);
    s->run = unpool_run;
    s->param = p;
    s->kernel = "unpool";
    s->n_parts = 1;
    s->bytes = (double)p->element_bytes * (double)(p->values + p->outputs);
    return SETSUNA_OK;
}

const sn_op sn_ops_unpool[] = {
    {"", "MaxUnpool", 9, 0, 2, 3, 1, 1, SN_OP_F16_AS_F32, "kernel_shape:I pads:I strides:I", unpool_infer, unpool_bind},
    {.name = NULL},
};
