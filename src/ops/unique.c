/* Unique: distinct elements, or distinct slices along an axis. A stable merge sort of indices puts equal slices side
 * by side with their first occurrence in front; everything else follows from that order. */
#include "base/checked.h"
#include "ops/move.h"
#include "ops/typed.h"
#include <math.h>
#include <string.h>

typedef int unique_compare_fn(const void *a, const void *b, int64_t n);

typedef struct unique_param {
    setsuna_dtype dtype;
    setsuna_shape y;         /* with the axis's extent still to be set */
    int32_t axis;            /* of y */
    int64_t outer, n, inner; /* x is (outer, n, inner); slices are x[:, i, :] */
    size_t size;
    bool sorted;
    unique_compare_fn *compare;
} unique_param;

#define EACH_TYPE "ops/unique_typed.inc"
#include "ops/each_type.inc"

/* By bytes, which for UTF-8 is by code point. */
static int unique_compare_string(const void *a_data, const void *b_data, int64_t n)
{
    const setsuna_text *a = a_data, *b = b_data;
    for (int64_t i = 0; i < n; i++) {
        size_t len = a[i].len < b[i].len ? a[i].len : b[i].len;
        int order = len ? memcmp(a[i].data, b[i].data, len) : 0;
        if (order == 0)
            order = (a[i].len > b[i].len) - (a[i].len < b[i].len);
        if (order)
            return order;
    }
    return 0;
}

/* The scratch memory: six lists of n indices. */
typedef struct unique_lists {
    int64_t *order, *other; /* slices in ascending order; room for merging */
    int64_t *group;         /* of each slice */
    int64_t *first, *count; /* of each group: its first slice, its slices */
    int64_t *rank;          /* of each group: its place in the output */
} unique_lists;

static setsuna_status unique_axis(sn_op_ctx *c, int32_t *axis)
{
    int64_t want = sn_node_int(c->node, "axis", 0);
    int32_t rank = c->in[0].shape.rank;
    *axis = -1; /* no axis: the input is flattened */
    if (sn_node_attr(c->node, "axis") && !sn_axis_normalize(want, rank, axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d)", (long long)want, rank, rank);
    return SETSUNA_OK;
}

static setsuna_status unique_infer(sn_op_ctx *c)
{
    setsuna_shape y = sn_shape(1, -1), list = sn_shape(1, -1);
    int32_t axis;
    SN_TRY(sn_op_want(c, 0, "any string"));
    SN_TRY(unique_axis(c, &axis));
    if (axis >= 0) {
        y = c->in[0].shape;
        y.dim[axis] = -1;
    }
    sn_op_out(c, 0, c->in[0].dtype, &y);
    for (uint32_t k = 1; k < 4; k++)
        sn_op_out(c, k, SETSUNA_I64, &list);
    return (setsuna_status)SN_INFER_DYNAMIC;
}

static int unique_order(const unique_param *p, const uint8_t *x, int64_t a, int64_t b)
{
    size_t row = (size_t)p->inner * p->size;
    for (int64_t o = 0; o < p->outer; o++) {
        int order = p->compare(x + (size_t)(o * p->n + a) * row, x + (size_t)(o * p->n + b) * row, p->inner);
        if (order)
            return order;
    }
    return 0;
}

/* Bottom-up and stable; the result is in l->order. */
static void unique_sort(const unique_param *p, const uint8_t *x, unique_lists *l)
{
    for (int64_t i = 0; i < p->n; i++)
        l->order[i] = i;
    for (int64_t width = 1; width < p->n; width *= 2) {
        for (int64_t at = 0; at < p->n; at += 2 * width) {
            int64_t mid = at + width < p->n ? at + width : p->n, end = at + 2 * width < p->n ? at + 2 * width : p->n;
            int64_t a = at, b = mid;
            for (int64_t k = at; k < end; k++)
                l->other[k] = b == end || (a < mid && unique_order(p, x, l->order[a], l->order[b]) <= 0)
                                  ? l->order[a++]
                                  : l->order[b++];
        }
        int64_t *swap = l->order;
        l->order = l->other;
        l->other = swap;
    }
}

/* Fills group, first, count and rank; returns the number of groups. */
static int64_t unique_group(const unique_param *p, const uint8_t *x, unique_lists *l)
{
    int64_t n_group = 0;
    for (int64_t i = 0; i < p->n; i++) {
        if (i == 0 || unique_order(p, x, l->order[i - 1], l->order[i]) != 0) {
            l->first[n_group] = l->order[i];
            l->count[n_group] = 0;
            l->rank[n_group] = p->sorted ? n_group : -1;
            n_group++;
        }
        l->group[l->order[i]] = n_group - 1;
        l->count[n_group - 1]++;
    }
    int64_t next = 0;
    for (int64_t i = 0; i < p->n && !p->sorted; i++)
        if (l->rank[l->group[i]] < 0)
            l->rank[l->group[i]] = next++;
    return n_group;
}

static setsuna_status unique_write(const sn_step *s, sn_run *r, const unique_lists *l, int64_t n_group)
{
    const unique_param *p = s->param;
    const uint8_t *x = sn_in(s, r, 0);
    setsuna_shape y_shape = p->y, group_shape = {1, {n_group}}, slice_shape = {1, {p->n}};
    void *y, *first, *inverse, *count;
    y_shape.dim[p->axis] = n_group;
    SN_TRY(sn_run_output(s, r, 0, p->dtype, &y_shape, &y));
    SN_TRY(sn_run_output(s, r, 1, SETSUNA_I64, &group_shape, &first));
    SN_TRY(sn_run_output(s, r, 2, SETSUNA_I64, &slice_shape, &inverse));
    SN_TRY(sn_run_output(s, r, 3, SETSUNA_I64, &group_shape, &count));
    size_t row = (size_t)p->inner * p->size;
    for (int64_t g = 0; g < n_group; g++) {
        int64_t to = l->rank[g];
        for (int64_t o = 0; y && row && o < p->outer; o++)
            memcpy((uint8_t *)y + (size_t)(o * n_group + to) * row, x + (size_t)(o * p->n + l->first[g]) * row, row);
        if (first)
            ((int64_t *)first)[to] = l->first[g];
        if (count)
            ((int64_t *)count)[to] = l->count[g];
    }
    for (int64_t i = 0; inverse && i < p->n; i++)
        ((int64_t *)inverse)[i] = l->rank[l->group[i]];
    return SETSUNA_OK;
}

static setsuna_status unique_run(const sn_step *s, sn_run *r)
{
    const unique_param *p = s->param;
    int64_t *room = r->scratch, n_group = 0;
    unique_lists l = {0};
    if (p->n) {
        l = (unique_lists){room, room + p->n, room + 2 * p->n, room + 3 * p->n, room + 4 * p->n, room + 5 * p->n};
        unique_sort(p, sn_in(s, r, 0), &l);
        n_group = unique_group(p, sn_in(s, r, 0), &l);
    }
    return unique_write(s, r, &l, n_group);
}

static setsuna_status unique_bind(sn_op_ctx *c, sn_step *s)
{
    static unique_compare_fn *const table[SN_TYPED_TABLE_SIZE] = SN_EACH_TYPE_TABLE(unique_compare);
    const setsuna_shape *x = &c->in[0].shape;
    unique_param *p = sn_op_param(c, sizeof *p);
    int64_t total;
    int32_t axis;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(unique_axis(c, &axis));
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor has too many elements");
    p->dtype = c->in[0].dtype;
    p->size = setsuna_dtype_size(p->dtype);
    p->y = axis < 0 ? sn_shape(1, 0) : *x;
    p->axis = axis < 0 ? 0 : axis;
    p->n = axis < 0 ? total : x->dim[axis];
    p->outer = p->inner = total ? 1 : 0; /* slices without elements are all equal */
    for (int32_t i = 0; i < axis && total; i++)
        p->outer *= x->dim[i];
    for (int32_t i = axis + 1; i < x->rank && axis >= 0 && total; i++)
        p->inner *= x->dim[i];
    p->sorted = sn_node_int(c->node, "sorted", 1) != 0;
    p->compare = p->dtype == SETSUNA_BOOL     ? unique_compare_u8
                 : p->dtype == SETSUNA_STRING ? unique_compare_string
                                              : table[p->dtype];
    if (!sn_mul_size((size_t)p->n, 6 * sizeof(int64_t), &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the axis is too long");
    s->run = unique_run;
    s->param = p;
    s->kernel = "unique_sort";
    s->bytes = (double)total * (double)p->size;
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_unique[] = {
    {"", "Unique", 11, 0, 1, 1, 1, 4, SN_OP_F16_AS_F32, "axis:i sorted:i", unique_infer, unique_bind},
    {.name = NULL},
};
