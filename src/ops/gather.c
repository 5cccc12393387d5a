/* Gather, GatherElements, GatherND. Indices are data: they are checked in every run, before they are used. */
#include "base/checked.h"
#include "ops/indices.h"
#include "ops/move.h"
#include "ops/parts.h"
#include <string.h>

static setsuna_status gather_axis(sn_op_ctx *c, int32_t *axis)
{
    int64_t want = sn_node_int(c->node, "axis", 0);
    int32_t rank = c->in[0].shape.rank;
    if (!sn_axis_normalize(want, rank, axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d)", (long long)want, rank, rank);
    return SETSUNA_OK;
}

static int64_t gather_product(const setsuna_shape *s, int32_t begin, int32_t end)
{
    uint64_t n = 1; /* wraps only where another dim is 0 and nothing is addressed */
    for (int32_t i = begin; i < end; i++)
        n *= (uint64_t)s->dim[i];
    return (int64_t)n;
}

/* Copies one run of `bytes`; the common element sizes become plain moves. */
static inline void gather_copy(uint8_t *dst, const uint8_t *src, size_t bytes)
{
    switch (bytes) {
    case 1: *dst = *src; break;
    case 2: memcpy(dst, src, 2); break;
    case 4: memcpy(dst, src, 4); break;
    case 8: memcpy(dst, src, 8); break;
    default: memcpy(dst, src, bytes); break;
    }
}

/* ---- Gather: y (outer, count, inner) = x (outer, n, inner) at idx (count) ------------------------------ */

typedef struct gather_param {
    int64_t outer, n, count;
    size_t inner_bytes;
    bool wide, empty;
} gather_param;

static setsuna_status gather_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape, *idx = &c->in[1].shape;
    int32_t axis;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_want(c, 1, "i32 i64"));
    SN_TRY(gather_axis(c, &axis));
    if (x->rank - 1 + idx->rank > SETSUNA_RANK_MAX)
        return sn_op_fail(c, SETSUNA_ELIMIT, "the output's rank is above %d", SETSUNA_RANK_MAX);
    setsuna_shape y = {.rank = 0};
    for (int32_t i = 0; i < axis; i++)
        y.dim[y.rank++] = x->dim[i];
    for (int32_t i = 0; i < idx->rank; i++)
        y.dim[y.rank++] = idx->dim[i];
    for (int32_t i = axis + 1; i < x->rank; i++)
        y.dim[y.rank++] = x->dim[i];
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

typedef struct gather_job {
    const gather_param *p;
    uint8_t *y;
    const uint8_t *x;
    const void *idx;
} gather_job;

static void gather_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const gather_job *j = arg;
    const gather_param *p = j->p;
    int64_t begin, end;
    sn_pool_range(p->outer * p->count, 1, part, n_parts, &begin, &end);
    int64_t o = begin / p->count, k = begin % p->count;
    for (int64_t row = begin; row < end; row++) {
        int64_t i = sn_index_at(j->idx, p->wide, k, p->n);
        gather_copy(j->y + (size_t)row * p->inner_bytes, j->x + (size_t)(o * p->n + i) * p->inner_bytes,
                    p->inner_bytes);
        if (++k == p->count) {
            k = 0;
            o++;
        }
    }
}

static setsuna_status gather_run(const sn_step *s, sn_run *r)
{
    gather_job j = {s->param, sn_out(s, r, 0), sn_in(s, r, 0), sn_in(s, r, 1)};
    SN_TRY(sn_index_check(s, r, j.idx, j.p->wide, j.p->count, j.p->n));
    if (!j.p->empty)
        sn_run_parallel(s, r, gather_part, &j);
    return SETSUNA_OK;
}

static setsuna_status gather_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape;
    gather_param *p = sn_op_param(c, sizeof *p);
    int32_t axis = 0;
    int64_t total;
    size_t size = setsuna_dtype_size(c->in[0].dtype);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(gather_axis(c, &axis));
    if (!sn_shape_numel(&c->out[0].shape, &total) || !sn_shape_numel(&c->in[1].shape, &p->count))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output has too many elements");
    p->outer = gather_product(x, 0, axis);
    p->n = x->dim[axis];
    p->inner_bytes = (size_t)gather_product(x, axis + 1, x->rank) * size;
    p->wide = c->in[1].dtype == SETSUNA_I64;
    p->empty = total == 0;
    s->run = gather_run;
    s->param = p;
    s->kernel = "gather";
    s->bytes = 2.0 * (double)total * (double)size;
    s->n_parts = sn_parts_for(c, 0, s->bytes);
    return SETSUNA_OK;
}

/* ---- GatherElements ------------------------------------------------------------------------------------ */

/* y has the shape of idx; y[i0..] = x[i0.., idx[i0..] on the axis, ..]. */
typedef struct gather_elements_param {
    setsuna_shape y;
    int64_t stride[SETSUNA_RANK_MAX]; /* of x; the axis's is 0 */
    int64_t axis_stride, n, count;
    size_t size;
    bool wide;
} gather_elements_param;

static setsuna_status gather_elements_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape, *idx = &c->in[1].shape;
    int32_t axis;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_want(c, 1, "i32 i64"));
    SN_TRY(gather_axis(c, &axis));
    bool fits = x->rank == idx->rank;
    for (int32_t i = 0; fits && i < x->rank; i++)
        fits = i == axis || idx->dim[i] <= x->dim[i];
    if (!fits) {
        char a[SN_SHAPE_TEXT_MAX], b[SN_SHAPE_TEXT_MAX];
        return sn_op_fail(c, SETSUNA_ESHAPE, "indices of shape %s do not fit into %s", sn_shape_text(idx, a, sizeof a),
                          sn_shape_text(x, b, sizeof b));
    }
    sn_op_out(c, 0, c->in[0].dtype, idx);
    return SETSUNA_OK;
}

static setsuna_status gather_elements_run(const sn_step *s, sn_run *r)
{
    const gather_elements_param *p = s->param;
    const uint8_t *x = sn_in(s, r, 0);
    const void *idx = sn_in(s, r, 1);
    uint8_t *y = sn_out(s, r, 0);
    if (p->count == 0)
        return SETSUNA_OK;
    SN_TRY(sn_index_check(s, r, idx, p->wide, p->count, p->n));
    int32_t last = p->y.rank - 1;
    int64_t i[SETSUNA_RANK_MAX] = {0}, base = 0;
    for (int64_t k = 0; k < p->count;) {
        for (int64_t e = k + p->y.dim[last], at = base; k < e; k++, at += p->stride[last])
            gather_copy(y + (size_t)k * p->size,
                        x + (size_t)(at + sn_index_at(idx, p->wide, k, p->n) * p->axis_stride) * p->size, p->size);
        for (int32_t d = last - 1; d >= 0; d--) {
            base += p->stride[d];
            if (++i[d] < p->y.dim[d])
                break;
            base -= p->stride[d] * p->y.dim[d];
            i[d] = 0;
        }
    }
    return SETSUNA_OK;
}

static setsuna_status gather_elements_bind(sn_op_ctx *c, sn_step *s)
{
    gather_elements_param *p = sn_op_param(c, sizeof *p);
    int32_t axis = 0;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(gather_axis(c, &axis));
    p->y = c->out[0].shape;
    if (!sn_shape_numel(&p->y, &p->count))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output has too many elements");
    sn_move_strides(&c->in[0].shape, p->stride);
    p->axis_stride = p->stride[axis];
    p->stride[axis] = 0;
    p->n = c->in[0].shape.dim[axis];
    p->size = setsuna_dtype_size(c->in[0].dtype);
    p->wide = c->in[1].dtype == SETSUNA_I64;
    s->run = gather_elements_run;
    s->param = p;
    s->kernel = "gather_elements";
    s->bytes = (double)p->count * (double)(2 * p->size + (p->wide ? 8 : 4));
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- GatherND ------------------------------------------------------------------------------------------ */

/* Tuples of `depth` indices, `per_batch` of them for each of `batches`, name slices of slice_bytes. */
typedef struct gather_nd_param {
    int64_t batches, per_batch, batch_stride; /* in slices */
    int32_t depth;
    int64_t n[SETSUNA_RANK_MAX], stride[SETSUNA_RANK_MAX]; /* per tuple entry: extent, stride in slices */
    size_t slice_bytes;
    bool empty;
} gather_nd_param;

static setsuna_status gather_nd_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape, *idx = &c->in[1].shape;
    int64_t b = sn_node_int(c->node, "batch_dims", 0);
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_want(c, 1, "i64"));
    if (x->rank < 1 || idx->rank < 1 || b < 0 || b >= x->rank || b >= idx->rank)
        return sn_op_fail(c, SETSUNA_ESHAPE, "ranks %d and %d do not allow batch_dims %lld", x->rank, idx->rank,
                          (long long)b);
    int64_t depth = idx->dim[idx->rank - 1];
    bool fits = depth >= 1 && depth <= x->rank - b;
    for (int32_t i = 0; fits && i < b; i++)
        fits = x->dim[i] == idx->dim[i];
    if (!fits || idx->rank - 1 + x->rank - b - depth > SETSUNA_RANK_MAX) {
        char a[SN_SHAPE_TEXT_MAX], t[SN_SHAPE_TEXT_MAX];
        return sn_op_fail(c, SETSUNA_ESHAPE, "indices of shape %s do not fit to %s", sn_shape_text(idx, a, sizeof a),
                          sn_shape_text(x, t, sizeof t));
    }
    setsuna_shape y = {.rank = 0};
    for (int32_t i = 0; i < idx->rank - 1; i++)
        y.dim[y.rank++] = idx->dim[i];
    for (int32_t i = (int32_t)(b + depth); i < x->rank; i++)
        y.dim[y.rank++] = x->dim[i];
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status gather_nd_run(const sn_step *s, sn_run *r)
{
    const gather_nd_param *p = s->param;
    const uint8_t *x = sn_in(s, r, 0);
    const int64_t *idx = sn_in(s, r, 1);
    uint8_t *y = sn_out(s, r, 0);
    for (int64_t b = 0; b < p->batches; b++)
        for (int64_t k = 0; k < p->per_batch; k++, idx += p->depth) {
            uint64_t at = (uint64_t)b * (uint64_t)p->batch_stride; /* wraps only when nothing is copied */
            for (int32_t d = 0; d < p->depth; d++) {
                int64_t i = sn_index_at(idx, true, d, p->n[d]);
                if (i < 0)
                    return sn_run_fail(s, r, SETSUNA_EINPUT, "index %lld is outside [-%lld, %lld)", (long long)idx[d],
                                       (long long)p->n[d], (long long)p->n[d]);
                at += (uint64_t)i * (uint64_t)p->stride[d];
            }
            if (p->empty)
                continue;
            gather_copy(y, x + at * p->slice_bytes, p->slice_bytes);
            y += p->slice_bytes;
        }
    return SETSUNA_OK;
}

static setsuna_status gather_nd_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape, *idx = &c->in[1].shape;
    gather_nd_param *p = sn_op_param(c, sizeof *p);
    int64_t total;
    int32_t b = (int32_t)sn_node_int(c->node, "batch_dims", 0);
    size_t size = setsuna_dtype_size(c->in[0].dtype);
    if (!p)
        return SETSUNA_ENOMEM;
    if (!sn_shape_numel(&c->out[0].shape, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output has too many elements");
    p->depth = (int32_t)idx->dim[idx->rank - 1];
    p->batches = gather_product(idx, 0, b);
    p->per_batch = gather_product(idx, b, idx->rank - 1);
    int64_t at = 1;
    for (int32_t d = p->depth - 1; d >= 0; d--) {
        p->n[d] = x->dim[b + d];
        p->stride[d] = at;
        at = (int64_t)((uint64_t)at * (uint64_t)p->n[d]);
    }
    p->batch_stride = at;
    p->slice_bytes = (size_t)gather_product(x, b + p->depth, x->rank) * size;
    p->empty = total == 0;
    int64_t tuples;
    if (!sn_shape_numel(idx, &tuples) || tuples == 0)
        p->batches = 0;
    s->run = gather_nd_run;
    s->param = p;
    s->kernel = "gather_nd";
    s->bytes = 2.0 * (double)total * (double)size;
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_gather[] = {
    {"", "Gather", 1, 0, 2, 2, 1, 1, 0, "axis:i", gather_infer, gather_bind},
    {"", "GatherElements", 11, 0, 2, 2, 1, 1, 0, "axis:i", gather_elements_infer, gather_elements_bind},
    {"", "GatherND", 11, 11, 2, 2, 1, 1, 0, "", gather_nd_infer, gather_nd_bind},
    {"", "GatherND", 12, 0, 2, 2, 1, 1, 0, "batch_dims:i", gather_nd_infer, gather_nd_bind},
    {.name = NULL},
};
