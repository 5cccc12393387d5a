/* Concat and Split: blocks side by side along one axis. */
#include "base/checked.h"
#include "ops/move.h"

/* The view between a part of extent n at position `at` of axis `axis`, and the whole. */
static sn_move_view concat_view(const setsuna_shape *part, const setsuna_shape *whole, int32_t axis, int64_t at,
                                bool part_is_src)
{
    int64_t part_stride[SETSUNA_RANK_MAX], whole_stride[SETSUNA_RANK_MAX];
    sn_move_strides(part, part_stride);
    sn_move_strides(whole, whole_stride);
    sn_move_view v = sn_move_view_of(part);
    if (sn_move_view_numel(&v) == 0)
        return v;
    for (int32_t i = 0; i < part->rank; i++) {
        v.src[i] = part_is_src ? part_stride[i] : whole_stride[i];
        v.dst[i] = part_is_src ? whole_stride[i] : part_stride[i];
    }
    *(part_is_src ? &v.dst_at : &v.src_at) = at * whole_stride[axis];
    return v;
}

static setsuna_status concat_infer(sn_op_ctx *c)
{
    setsuna_shape y = c->in[0].shape;
    int32_t axis;
    int64_t want = sn_node_int(c->node, "axis", 0);
    if (!sn_node_attr(c->node, "axis"))
        return sn_op_fail(c, SETSUNA_EMODEL, "the attribute axis is missing");
    if (!sn_axis_normalize(want, y.rank, &axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d)", (long long)want, y.rank, y.rank);
    SN_TRY(sn_move_want(c, 0));
    for (uint32_t k = 1; k < c->n_in; k++) {
        const setsuna_shape *x = &c->in[k].shape;
        if (!c->in[k].present || c->in[k].dtype != c->in[0].dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is missing or of another type than input 0", k);
        bool fits = x->rank == y.rank;
        for (int32_t i = 0; fits && i < y.rank; i++)
            fits = i == axis || x->dim[i] == y.dim[i];
        if (!fits || !sn_add_i64(y.dim[axis], x->dim[axis], &y.dim[axis])) {
            char a[SN_SHAPE_TEXT_MAX], b[SN_SHAPE_TEXT_MAX];
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u of shape %s does not fit to %s along axis %d", k,
                              sn_shape_text(x, a, sizeof a), sn_shape_text(&c->in[0].shape, b, sizeof b), axis);
        }
    }
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status concat_bind(sn_op_ctx *c, sn_step *s)
{
    sn_move_list *list;
    int32_t axis = 0;
    int64_t at = 0;
    sn_axis_normalize(sn_node_int(c->node, "axis", 0), c->out[0].shape.rank, &axis);
    SN_TRY(sn_move_bind_begin(c, s, c->n_in, &list));
    for (uint32_t k = 0; k < c->n_in; k++) {
        sn_move_view v = concat_view(&c->in[k].shape, &c->out[0].shape, axis, at, true);
        sn_move_bind_add(c, s, list, k, 0, &v);
        at += c->in[k].shape.dim[axis];
    }
    return SETSUNA_OK;
}

/* Split: extents along the axis, from the attribute (opset 2-12), the input (13), or equal parts. */
static setsuna_status split_sizes(sn_op_ctx *c, int64_t extent, int64_t size[SN_OP_OUT_MAX])
{
    const int64_t *list = NULL;
    int64_t n_parts = c->n_out;
    size_t n = 0;
    if (sn_op_has(c, 1)) {
        if (sn_node_attr(c->node, "num_outputs"))
            return sn_op_fail(c, SETSUNA_EMODEL, "both the input split and the attribute num_outputs are given");
        SN_TRY(sn_op_const_ints(c, 1, size, SN_OP_OUT_MAX, &n));
    } else if ((n = sn_node_ints(c->node, "split", &list)) > 0 && n <= SN_OP_OUT_MAX) {
        for (size_t i = 0; i < n; i++)
            size[i] = list[i];
    } else if (n == 0) {
        bool uneven = sn_node_attr(c->node, "num_outputs") != NULL; /* the last part may be smaller */
        if (sn_node_int(c->node, "num_outputs", n_parts) != n_parts || (!uneven && extent % n_parts))
            return sn_op_fail(c, SETSUNA_ESHAPE, "an extent of %lld cannot be split into %lld equal parts",
                              (long long)extent, (long long)n_parts);
        int64_t each = extent / n_parts + (extent % n_parts != 0), left = extent;
        for (n = 0; n < c->n_out; n++) {
            size[n] = left < each ? left : each;
            left -= size[n];
        }
    }
    int64_t sum = 0;
    for (size_t i = 0; i < n && i < SN_OP_OUT_MAX; i++)
        if (size[i] < 0 || !sn_add_i64(sum, size[i], &sum))
            return sn_op_fail(c, SETSUNA_ESHAPE, "part %zu has the extent %lld", i, (long long)size[i]);
    if (n != c->n_out || sum != extent)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%zu parts of %lld in all do not make %u outputs of %lld", n,
                          (long long)sum, c->n_out, (long long)extent);
    return SETSUNA_OK;
}

static setsuna_status split_infer(sn_op_ctx *c)
{
    setsuna_shape y = c->in[0].shape;
    int64_t size[SN_OP_OUT_MAX], want = sn_node_int(c->node, "axis", 0);
    int32_t axis;
    if (!sn_axis_normalize(want, y.rank, &axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d)", (long long)want, y.rank, y.rank);
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(split_sizes(c, y.dim[axis], size));
    for (uint32_t k = 0; k < c->n_out; k++) {
        y.dim[axis] = size[k];
        sn_op_out(c, k, c->in[0].dtype, &y);
    }
    return SETSUNA_OK;
}

static setsuna_status split_bind(sn_op_ctx *c, sn_step *s)
{
    sn_move_list *list;
    int32_t axis = 0;
    int64_t at = 0, size[SN_OP_OUT_MAX] = {0};
    sn_axis_normalize(sn_node_int(c->node, "axis", 0), c->in[0].shape.rank, &axis);
    SN_TRY(split_sizes(c, c->in[0].shape.dim[axis], size));
    SN_TRY(sn_move_bind_begin(c, s, c->n_out, &list));
    for (uint32_t k = 0; k < c->n_out; k++) {
        setsuna_shape part = c->in[0].shape;
        part.dim[axis] = size[k];
        sn_move_view v = concat_view(&part, &c->in[0].shape, axis, at, false);
        if (sn_op_has_out(c, k))
            sn_move_bind_add(c, s, list, 0, k, &v);
        at += size[k];
    }
    return SETSUNA_OK;
}

const sn_op sn_ops_concat[] = {
    {"", "Concat", 4, 0, 1, 255, 1, 1, 0, "axis:i", concat_infer, concat_bind},
    {"", "Split", 2, 12, 1, 1, 1, 255, 0, "axis:i split:I", split_infer, split_bind},
    {"", "Split", 13, 17, 1, 2, 1, 255, 0, "axis:i", split_infer, split_bind},
    {"", "Split", 18, 0, 1, 2, 1, 255, 0, "axis:i num_outputs:i", split_infer, split_bind},
    {.name = NULL},
};
