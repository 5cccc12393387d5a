/* Scatter, ScatterElements, ScatterND: a copy of the data with updates written or combined into it, in the order of
 * the updates. Indices are data: they are checked in every run, before they are used. */
#include "base/half.h"
#include "ops/indices.h"
#include "ops/move.h"
#include "ops/typed.h"
#include <math.h>
#include <string.h>

typedef enum scatter_reduction { SCATTER_NONE, SCATTER_ADD, SCATTER_MUL, SCATTER_MAX, SCATTER_MIN } scatter_reduction;

typedef void scatter_combine_fn(scatter_reduction op, void *dst, const void *src, int64_t n);

#define EACH_TYPE "ops/scatter_typed.inc"
#include "ops/each_type.inc"

static void scatter_combine_f16(scatter_reduction op, void *dst, const void *src, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float a = sn_f16_to_f32(((uint16_t *)dst)[i]), b = sn_f16_to_f32(((const uint16_t *)src)[i]);
        scatter_combine_f32(op, &a, &b, 1);
        ((uint16_t *)dst)[i] = sn_f32_to_f16(a);
    }
}

static void scatter_combine_bf16(scatter_reduction op, void *dst, const void *src, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float a = sn_bf16_to_f32(((uint16_t *)dst)[i]), b = sn_bf16_to_f32(((const uint16_t *)src)[i]);
        scatter_combine_f32(op, &a, &b, 1);
        ((uint16_t *)dst)[i] = sn_f32_to_bf16(a);
    }
}

/* bool: add is or, mul is and; max and min are the same two. */
static void scatter_combine_bool(scatter_reduction op, void *dst, const void *src, int64_t n)
{
    bool either = op == SCATTER_ADD || op == SCATTER_MAX;
    for (int64_t i = 0; i < n; i++) {
        bool a = ((uint8_t *)dst)[i], b = ((const uint8_t *)src)[i];
        ((uint8_t *)dst)[i] = either ? a || b : a && b;
    }
}

static scatter_combine_fn *scatter_combine_of(setsuna_dtype dtype)
{
    static scatter_combine_fn *const table[SN_TYPED_TABLE_SIZE] = SN_EACH_TYPE_TABLE(scatter_combine);
    switch (dtype) {
    case SETSUNA_F16: return scatter_combine_f16;
    case SETSUNA_BF16: return scatter_combine_bf16;
    case SETSUNA_BOOL: return scatter_combine_bool;
    default: return table[dtype];
    }
}

static setsuna_status scatter_reduction_of(sn_op_ctx *c, scatter_reduction *op)
{
    static const char *const name[] = {"none", "add", "mul", "max", "min"};
    const char *want = sn_node_string(c->node, "reduction", "none");
    for (int k = 0; k <= (c->op->since >= 18 ? SCATTER_MIN : SCATTER_MUL); k++)
        if (strcmp(want, name[k]) == 0) {
            if (k != SCATTER_NONE && !scatter_combine_of(c->in[0].dtype))
                return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "reduction %s of %s is not supported", want,
                                  setsuna_dtype_name(c->in[0].dtype));
            *op = (scatter_reduction)k;
            return SETSUNA_OK;
        }
    return sn_op_fail(c, SETSUNA_EMODEL, "reduction '%.32s' is unknown at this opset", want);
}

/* Copies the data input to the output; false when there is nothing to do at all. */
static bool scatter_copy_data(const sn_step *s, sn_run *r, size_t bytes)
{
    if (bytes)
        memcpy(sn_out(s, r, 0), sn_in(s, r, 0), bytes);
    return bytes != 0;
}

static setsuna_status scatter_infer_common(sn_op_ctx *c, const char *index_types)
{
    scatter_reduction op;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_want(c, 1, index_types));
    SN_TRY(scatter_reduction_of(c, &op));
    if (c->in[2].dtype != c->in[0].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "updates are %s, data is %s", setsuna_dtype_name(c->in[2].dtype),
                          setsuna_dtype_name(c->in[0].dtype));
    sn_op_out(c, 0, c->in[0].dtype, &c->in[0].shape);
    return SETSUNA_OK;
}

static setsuna_status scatter_misfit(sn_op_ctx *c)
{
    char a[SN_SHAPE_TEXT_MAX], b[SN_SHAPE_TEXT_MAX], d[SN_SHAPE_TEXT_MAX];
    return sn_op_fail(c, SETSUNA_ESHAPE, "indices %s, updates %s and data %s do not fit together",
                      sn_shape_text(&c->in[1].shape, a, sizeof a), sn_shape_text(&c->in[2].shape, b, sizeof b),
                      sn_shape_text(&c->in[0].shape, d, sizeof d));
}

/* ---- Scatter, ScatterElements ---------------------------------------------------------------------- */

typedef struct scatter_elements_param {
    setsuna_shape idx;
    int64_t stride[SETSUNA_RANK_MAX]; /* of data; the axis's is 0 */
    int64_t axis_stride, n, count;
    size_t size, data_bytes;
    bool wide;
    scatter_reduction op;
    scatter_combine_fn *combine;
} scatter_elements_param;

static setsuna_status scatter_elements_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape, *idx = &c->in[1].shape;
    int64_t want = sn_node_int(c->node, "axis", 0);
    int32_t axis;
    SN_TRY(scatter_infer_common(c, "i32 i64"));
    if (!sn_axis_normalize(want, x->rank, &axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d)", (long long)want, x->rank, x->rank);
    if (x->rank != idx->rank || !sn_shape_equal(idx, &c->in[2].shape))
        return scatter_misfit(c);
    for (int32_t i = 0; i < x->rank; i++)
        if (i != axis && idx->dim[i] > x->dim[i])
            return scatter_misfit(c);
    return SETSUNA_OK;
}

static setsuna_status scatter_elements_run(const sn_step *s, sn_run *r)
{
    const scatter_elements_param *p = s->param;
    const void *idx = sn_in(s, r, 1);
    const uint8_t *u = sn_in(s, r, 2);
    uint8_t *y = sn_out(s, r, 0);
    SN_TRY(sn_index_check(s, r, idx, p->wide, p->count, p->n));
    if (!scatter_copy_data(s, r, p->data_bytes))
        return SETSUNA_OK;
    int32_t last = p->idx.rank - 1;
    int64_t i[SETSUNA_RANK_MAX] = {0}, base = 0;
    for (int64_t k = 0; k < p->count;) {
        for (int64_t e = k + p->idx.dim[last], at = base; k < e; k++, at += p->stride[last]) {
            uint8_t *to = y + (size_t)(at + sn_index_at(idx, p->wide, k, p->n) * p->axis_stride) * p->size;
            if (p->combine)
                p->combine(p->op, to, u + (size_t)k * p->size, 1);
            else
                memcpy(to, u + (size_t)k * p->size, p->size);
        }
        for (int32_t d = last - 1; d >= 0; d--) {
            base += p->stride[d];
            if (++i[d] < p->idx.dim[d])
                break;
            base -= p->stride[d] * p->idx.dim[d];
            i[d] = 0;
        }
    }
    return SETSUNA_OK;
}

static setsuna_status scatter_elements_bind(sn_op_ctx *c, sn_step *s)
{
    scatter_elements_param *p = sn_op_param(c, sizeof *p);
    int32_t axis = 0;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(scatter_reduction_of(c, &p->op));
    sn_axis_normalize(sn_node_int(c->node, "axis", 0), c->in[0].shape.rank, &axis);
    p->idx = c->in[1].shape;
    if (!sn_shape_numel(&p->idx, &p->count) || !sn_tensor_bytes(c->out[0].dtype, &c->out[0].shape, &p->data_bytes))
        return sn_op_fail(c, SETSUNA_ESHAPE, "a tensor has too many elements");
    sn_move_strides(&c->in[0].shape, p->stride);
    p->axis_stride = p->stride[axis];
    p->stride[axis] = 0;
    p->n = c->in[0].shape.dim[axis];
    p->size = setsuna_dtype_size(c->in[0].dtype);
    p->wide = c->in[1].dtype == SETSUNA_I64;
    p->combine = p->op == SCATTER_NONE ? NULL : scatter_combine_of(c->in[0].dtype);
    s->run = scatter_elements_run;
    s->param = p;
    s->kernel = "scatter_elements";
    s->bytes = 2.0 * (double)p->data_bytes + (double)p->count * (double)(2 * p->size + (p->wide ? 8 : 4));
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- ScatterND ------------------------------------------------------------------------------------- */

typedef struct scatter_nd_param {
    int64_t tuples, slice; /* slice: elements of one update */
    int32_t depth;
    int64_t n[SETSUNA_RANK_MAX], stride[SETSUNA_RANK_MAX]; /* per tuple entry: extent, stride in elements */
    size_t size, data_bytes;
    scatter_reduction op;
    scatter_combine_fn *combine;
} scatter_nd_param;

static setsuna_status scatter_nd_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape, *idx = &c->in[1].shape, *u = &c->in[2].shape;
    SN_TRY(scatter_infer_common(c, "i64"));
    int64_t depth = idx->rank ? idx->dim[idx->rank - 1] : 0;
    if (x->rank < 1 || idx->rank < 1 || depth < 1 || depth > x->rank ||
        u->rank != idx->rank - 1 + x->rank - (int32_t)depth)
        return scatter_misfit(c);
    for (int32_t i = 0; i < u->rank; i++)
        if (u->dim[i] != (i < idx->rank - 1 ? idx->dim[i] : x->dim[i - (idx->rank - 1) + depth]))
            return scatter_misfit(c);
    return SETSUNA_OK;
}

static setsuna_status scatter_nd_run(const sn_step *s, sn_run *r)
{
    const scatter_nd_param *p = s->param;
    const int64_t *idx = sn_in(s, r, 1);
    const uint8_t *u = sn_in(s, r, 2);
    uint8_t *y = sn_out(s, r, 0);
    bool any = scatter_copy_data(s, r, p->data_bytes);
    size_t bytes = (size_t)p->slice * p->size;
    for (int64_t k = 0; k < p->tuples; k++, idx += p->depth) {
        uint64_t at = 0; /* wraps only when there is no data */
        for (int32_t d = 0; d < p->depth; d++) {
            int64_t i = sn_index_at(idx, true, d, p->n[d]);
            if (i < 0)
                return sn_run_fail(s, r, SETSUNA_EINPUT, "index %lld is outside [-%lld, %lld)", (long long)idx[d],
                                   (long long)p->n[d], (long long)p->n[d]);
            at += (uint64_t)i * (uint64_t)p->stride[d];
        }
        if (!any)
            continue;
        if (p->combine)
            p->combine(p->op, y + at * p->size, u + (size_t)k * bytes, p->slice);
        else
            memcpy(y + at * p->size, u + (size_t)k * bytes, bytes);
    }
    return SETSUNA_OK;
}

static setsuna_status scatter_nd_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape, *idx = &c->in[1].shape;
    scatter_nd_param *p = sn_op_param(c, sizeof *p);
    int64_t stride[SETSUNA_RANK_MAX], entries;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(scatter_reduction_of(c, &p->op));
    if (!sn_shape_numel(idx, &entries) || !sn_tensor_bytes(c->out[0].dtype, x, &p->data_bytes))
        return sn_op_fail(c, SETSUNA_ESHAPE, "a tensor has too many elements");
    p->depth = (int32_t)idx->dim[idx->rank - 1];
    p->tuples = entries / p->depth;
    sn_move_strides(x, stride);
    for (int32_t d = 0; d < p->depth; d++) {
        p->n[d] = x->dim[d];
        p->stride[d] = stride[d];
    }
    p->slice = stride[p->depth - 1];
    p->size = setsuna_dtype_size(c->in[0].dtype);
    p->combine = p->op == SCATTER_NONE ? NULL : scatter_combine_of(c->in[0].dtype);
    s->run = scatter_nd_run;
    s->param = p;
    s->kernel = "scatter_nd";
    s->bytes = 2.0 * (double)p->data_bytes + (double)entries * 8.0;
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_scatter[] = {
    {"", "Scatter", 9, 0, 3, 3, 1, 1, 0, "axis:i", scatter_elements_infer, scatter_elements_bind},
    {"", "ScatterElements", 11, 15, 3, 3, 1, 1, 0, "axis:i", scatter_elements_infer, scatter_elements_bind},
    {"", "ScatterElements", 16, 17, 3, 3, 1, 1, 0, "axis:i reduction:s", scatter_elements_infer, scatter_elements_bind},
    {"", "ScatterElements", 18, 0, 3, 3, 1, 1, 0, "axis:i reduction:s", scatter_elements_infer, scatter_elements_bind},
    {"", "ScatterND", 11, 15, 3, 3, 1, 1, 0, "", scatter_nd_infer, scatter_nd_bind},
    {"", "ScatterND", 16, 17, 3, 3, 1, 1, 0, "reduction:s", scatter_nd_infer, scatter_nd_bind},
    {"", "ScatterND", 18, 0, 3, 3, 1, 1, 0, "reduction:s", scatter_nd_infer, scatter_nd_bind},
    {.name = NULL},
};
