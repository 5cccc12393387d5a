/* Slice. */
#include "ops/move.h"

/* Per axis of the input: the first index read, the step between indices, and how many are read. */
typedef struct slice_range {
    int64_t start[SETSUNA_RANK_MAX], step[SETSUNA_RANK_MAX], count[SETSUNA_RANK_MAX];
} slice_range;

/* The four lists of a Slice before defaults and clamping. */
typedef struct slice_lists {
    int64_t starts[SETSUNA_RANK_MAX], ends[SETSUNA_RANK_MAX], axes[SETSUNA_RANK_MAX], steps[SETSUNA_RANK_MAX];
    size_t n;
} slice_lists;

/* Opset 1-9: attributes. */
static setsuna_status slice_lists_attr(sn_op_ctx *c, slice_lists *l)
{
    static const char *const name[] = {"starts", "ends", "axes"};
    int64_t *const to[] = {l->starts, l->ends, l->axes};
    for (int k = 0; k < 3; k++) {
        const int64_t *list = NULL;
        size_t n = sn_node_ints(c->node, name[k], &list);
        if (k == 0)
            l->n = n;
        if (n > SETSUNA_RANK_MAX || (n != l->n && (k < 2 || n)))
            return sn_op_fail(c, SETSUNA_ESHAPE, "%s has %zu entries, starts has %zu", name[k], n, l->n);
        for (size_t i = 0; i < n; i++)
            to[k][i] = list[i];
        for (size_t i = 0; k == 2 && n == 0 && i < l->n; i++)
            l->axes[i] = (int64_t)i;
    }
    for (size_t i = 0; i < l->n; i++)
        l->steps[i] = 1;
    return SETSUNA_OK;
}

/* Opset 10 and later: inputs 1 to 4. */
static setsuna_status slice_lists_input(sn_op_ctx *c, slice_lists *l)
{
    int64_t *const to[] = {l->starts, l->ends, l->axes, l->steps};
    for (size_t i = 0; i < SETSUNA_RANK_MAX; i++) {
        l->axes[i] = (int64_t)i;
        l->steps[i] = 1;
    }
    for (uint32_t k = 0; k < 4; k++) {
        size_t n;
        if (k >= 2 && !sn_op_has(c, k + 1))
            continue;
        SN_TRY(sn_op_const_ints(c, k + 1, to[k], SETSUNA_RANK_MAX, &n));
        if (k == 0)
            l->n = n;
        else if (n != l->n)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u has %zu entries, starts has %zu", k + 1, n, l->n);
    }
    return SETSUNA_OK;
}

/* Python's slice of [0, n): never overflows, whatever the file says. */
static void slice_clamp(int64_t n, int64_t start, int64_t end, int64_t step, int64_t *start_out, int64_t *count_out)
{
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    start += start < 0 ? n : 0;
    end += end < 0 ? n : 0;
    start = start < 0 ? 0 : start > high ? high : start;
    end = end < low ? low : end > high ? high : end;
    int64_t distance = step > 0 ? end - start : start - end;
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    *start_out = start;
    *count_out = distance <= 0 || n == 0 ? 0 : (int64_t)(((uint64_t)distance - 1) / stride) + 1;
}

static setsuna_status slice_resolve(sn_op_ctx *c, slice_range *r)
{
    const setsuna_shape *x = &c->in[0].shape;
    slice_lists l = {.n = 0};
    int32_t axis[SETSUNA_RANK_MAX];
    SN_TRY(c->op->since >= 10 ? slice_lists_input(c, &l) : slice_lists_attr(c, &l));
    SN_TRY(sn_move_axes(c, l.axes, l.n, x->rank, axis));
    for (int32_t i = 0; i < x->rank; i++) {
        r->start[i] = 0;
        r->step[i] = 1;
        r->count[i] = x->dim[i];
    }
    for (size_t i = 0; i < l.n; i++) {
        int32_t a = axis[i];
        if (l.steps[i] == 0)
            return sn_op_fail(c, SETSUNA_EMODEL, "the step of axis %d is 0", a);
        r->step[a] = l.steps[i];
        slice_clamp(x->dim[a], l.starts[i], l.ends[i], l.steps[i], &r->start[a], &r->count[a]);
    }
    return SETSUNA_OK;
}

static setsuna_status slice_infer(sn_op_ctx *c)
{
    slice_range r;
    setsuna_shape y = c->in[0].shape;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(slice_resolve(c, &r));
    for (int32_t i = 0; i < y.rank; i++)
        y.dim[i] = r.count[i];
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status slice_bind(sn_op_ctx *c, sn_step *s)
{
    slice_range r = {0};
    int64_t stride[SETSUNA_RANK_MAX] = {0};
    SN_TRY(slice_resolve(c, &r));
    sn_move_strides(&c->in[0].shape, stride);
    sn_move_view v = sn_move_view_of(&c->out[0].shape);
    bool empty = sn_move_view_numel(&v) == 0;
    for (int32_t i = 0; i < v.rank && !empty; i++) {
        v.src_at += r.start[i] * stride[i];
        /* With two or more indices the step is shorter than the axis, so the product is inside the tensor. */
        v.src[i] = r.count[i] > 1 ? r.step[i] * stride[i] : 0;
    }
    return sn_move_bind(c, s, &v);
}

const sn_op sn_ops_slice[] = {
    {"", "Slice", 1, 9, 1, 1, 1, 1, 0, "axes:I ends:I starts:I", slice_infer, slice_bind},
    {"", "Slice", 10, 0, 3, 5, 1, 1, 0, "", slice_infer, slice_bind},
    {.name = NULL},
};
