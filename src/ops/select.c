/* NonZero and Compress: outputs whose shape depends on data. Each counts first and then asks for its output. */
#include "ops/move.h"
#include <string.h>

/* ---- NonZero ----------------------------------------------------------------------------------------- */

typedef struct nonzero_param {
    setsuna_shape x;
    int64_t count;
    setsuna_dtype dtype;
    size_t size;
} nonzero_param;

static setsuna_status nonzero_infer(sn_op_ctx *c)
{
    setsuna_shape y = {2, {c->in[0].shape.rank, -1}};
    SN_TRY(sn_op_want(c, 0, "any"));
    sn_op_out(c, 0, SETSUNA_I64, &y);
    return (setsuna_status)SN_INFER_DYNAMIC;
}

/* Element i differs from zero; both float zeros are zero. */
static bool nonzero_at(const nonzero_param *p, const uint8_t *x, int64_t i)
{
    static const uint8_t zero[8];
    switch (p->dtype) {
    case SETSUNA_F32: return ((const float *)(const void *)x)[i] != 0.0f;
    case SETSUNA_F64: return ((const double *)(const void *)x)[i] != 0.0;
    case SETSUNA_F16:
    case SETSUNA_BF16: return (((const uint16_t *)(const void *)x)[i] & 0x7fffu) != 0;
    default: return memcmp(x + (size_t)i * p->size, zero, p->size) != 0;
    }
}

static setsuna_status nonzero_run(const sn_step *s, sn_run *r)
{
    const nonzero_param *p = s->param;
    const uint8_t *x = sn_in(s, r, 0);
    int64_t n = 0, at[SETSUNA_RANK_MAX] = {0}, k = 0;
    for (int64_t i = 0; i < p->count; i++)
        n += nonzero_at(p, x, i);
    setsuna_shape shape = {2, {p->x.rank, n}};
    void *data;
    SN_TRY(sn_run_output(s, r, 0, SETSUNA_I64, &shape, &data));
    int64_t *y = data;
    if (n == 0 || p->x.rank == 0)
        return SETSUNA_OK;
    for (int64_t i = 0; i < p->count; i++) {
        if (nonzero_at(p, x, i)) {
            for (int32_t d = 0; d < p->x.rank; d++)
                y[d * n + k] = at[d];
            k++;
        }
        for (int32_t d = p->x.rank - 1; d >= 0 && ++at[d] == p->x.dim[d]; d--)
            at[d] = 0;
    }
    return SETSUNA_OK;
}

static setsuna_status nonzero_bind(sn_op_ctx *c, sn_step *s)
{
    nonzero_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    p->x = c->in[0].shape;
    p->dtype = c->in[0].dtype;
    p->size = setsuna_dtype_size(p->dtype);
    if (!sn_shape_numel(&p->x, &p->count))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor has too many elements");
    s->run = nonzero_run;
    s->param = p;
    s->kernel = "nonzero";
    s->bytes = (double)p->count * (double)p->size;
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- Compress: y (outer, kept, inner) of x (outer, n, inner) -------------------------------------------- */

typedef struct compress_param {
    setsuna_dtype dtype;
    setsuna_shape y;  /* with the axis's extent still to be set */
    int32_t axis;     /* of y */
    int64_t outer, n; /* outer: 0 when no element is moved whatever the condition says */
    int64_t n_cond;
    size_t inner_bytes;
} compress_param;

static setsuna_status compress_axis(sn_op_ctx *c, int32_t *axis)
{
    int64_t want = sn_node_int(c->node, "axis", 0);
    int32_t rank = c->in[0].shape.rank;
    *axis = -1; /* no axis: the input is flattened */
    if (sn_node_attr(c->node, "axis") && !sn_axis_normalize(want, rank, axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d)", (long long)want, rank, rank);
    return SETSUNA_OK;
}

static setsuna_status compress_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    int32_t axis;
    int64_t total;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_want(c, 1, "bool"));
    SN_TRY(compress_axis(c, &axis));
    setsuna_shape y = *x;
    if (axis < 0) {
        y = sn_shape(1, -1);
        axis = 0;
    }
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor has too many elements");
    if (c->in[1].shape.rank != 1)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the condition has rank %d, not 1", c->in[1].shape.rank);
    y.dim[axis] = -1;
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return (setsuna_status)SN_INFER_DYNAMIC;
}

static setsuna_status compress_run(const sn_step *s, sn_run *r)
{
    const compress_param *p = s->param;
    const uint8_t *x = sn_in(s, r, 0), *cond = sn_in(s, r, 1);
    int64_t kept = 0;
    for (int64_t k = 0; k < p->n_cond; k++) {
        if (cond[k] && k >= p->n)
            return sn_run_fail(s, r, SETSUNA_EINPUT, "the condition selects index %lld of an extent of %lld",
                               (long long)k, (long long)p->n);
        kept += cond[k] != 0;
    }
    setsuna_shape shape = p->y;
    shape.dim[p->axis] = kept;
    void *data;
    SN_TRY(sn_run_output(s, r, 0, p->dtype, &shape, &data));
    uint8_t *y = data;
    for (int64_t o = 0; o < p->outer && kept; o++)
        for (int64_t k = 0; k < p->n_cond; k++)
            if (cond[k]) {
                memcpy(y, x + (size_t)(o * p->n + k) * p->inner_bytes, p->inner_bytes);
                y += p->inner_bytes;
            }
    return SETSUNA_OK;
}

static setsuna_status compress_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape;
    compress_param *p = sn_op_param(c, sizeof *p);
    int64_t total;
    int32_t axis;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(compress_axis(c, &axis));
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor has too many elements");
    p->dtype = c->in[0].dtype;
    p->inner_bytes = setsuna_dtype_size(p->dtype);
    p->y = axis < 0 ? sn_shape(1, 0) : *x;
    p->axis = axis < 0 ? 0 : axis;
    p->n = axis < 0 ? total : x->dim[axis];
    p->n_cond = c->in[1].shape.dim[0];
    p->outer = total ? 1 : 0;
    for (int32_t i = 0; i < axis && total; i++)
        p->outer *= x->dim[i];
    for (int32_t i = axis + 1; i < x->rank && axis >= 0 && total; i++)
        p->inner_bytes *= (size_t)x->dim[i];
    s->run = compress_run;
    s->param = p;
    s->kernel = "compress";
    s->bytes = (double)total * (double)setsuna_dtype_size(p->dtype);
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_select[] = {
    {"", "Compress", 9, 0, 2, 2, 1, 1, 0, "axis:i", compress_infer, compress_bind},
    {"", "NonZero", 9, 0, 1, 1, 1, 1, 0, "", nonzero_infer, nonzero_bind},
    {.name = NULL},
};
