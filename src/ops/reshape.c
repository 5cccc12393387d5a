/* Reshape, Flatten, Squeeze, Unsqueeze: the same bytes under another shape. */
#include "base/checked.h"
#include "ops/move.h"

/* Resolves the request `want` (0: copy the dim, -1: what is left) into a shape of as many elements as x has. */
static setsuna_status reshape_resolve(sn_op_ctx *c, const setsuna_shape *x, const int64_t *want, size_t n,
                                      bool zero_is_zero, setsuna_shape *y)
{
    int32_t rest = -1;
    int64_t total, known;
    setsuna_shape s = {.rank = (int32_t)n};
    for (int32_t i = 0; i < s.rank; i++) {
        s.dim[i] = want[i];
        if (want[i] == 0 && !zero_is_zero) {
            if (i >= x->rank)
                return sn_op_fail(c, SETSUNA_ESHAPE, "dim %d of the new shape copies a dim that the input lacks", i);
            s.dim[i] = x->dim[i];
        } else if (want[i] == -1) {
            if (rest >= 0)
                return sn_op_fail(c, SETSUNA_ESHAPE, "the new shape has -1 twice");
            rest = i;
            s.dim[i] = 1;
        } else if (want[i] < 0) {
            return sn_op_fail(c, SETSUNA_ESHAPE, "the new shape has the dim %lld", (long long)want[i]);
        }
    }
    char from[SN_SHAPE_TEXT_MAX], to[SN_SHAPE_TEXT_MAX];
    if (!sn_shape_numel(x, &total) || !sn_shape_numel(&s, &known))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the shape has too many elements");
    if (rest >= 0) {
        if (known == 0 || total % known)
            return sn_op_fail(c, SETSUNA_ESHAPE, "the -1 cannot be resolved: %s does not divide %s",
                              sn_shape_text(&s, to, sizeof to), sn_shape_text(x, from, sizeof from));
        s.dim[rest] = total / known;
        known = total;
    }
    if (known != total)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%s cannot become %s", sn_shape_text(x, from, sizeof from),
                          sn_shape_text(&s, to, sizeof to));
    *y = s;
    return SETSUNA_OK;
}

static setsuna_status reshape_infer(sn_op_ctx *c)
{
    int64_t want[SETSUNA_RANK_MAX];
    size_t n;
    setsuna_shape y;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_const_ints(c, 1, want, SETSUNA_RANK_MAX, &n));
    SN_TRY(reshape_resolve(c, &c->in[0].shape, want, n, sn_node_int(c->node, "allowzero", 0) != 0, &y));
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status flatten_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    int64_t axis = sn_node_int(c->node, "axis", 1);
    if (axis < -(int64_t)x->rank || axis > x->rank)
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d]", (long long)axis, x->rank, x->rank);
    int32_t cut = (int32_t)(axis < 0 ? axis + x->rank : axis);
    setsuna_shape head = {.rank = cut}, tail = {.rank = x->rank - cut}, y = {.rank = 2};
    for (int32_t i = 0; i < x->rank; i++)
        *(i < cut ? &head.dim[i] : &tail.dim[i - cut]) = x->dim[i];
    SN_TRY(sn_move_want(c, 0));
    if (!sn_shape_numel(&head, &y.dim[0]) || !sn_shape_numel(&tail, &y.dim[1]))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the shape has too many elements");
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

/* The axes of Squeeze and Unsqueeze: attribute before opset 13, input since. *given: they were named at all. */
static setsuna_status reshape_axes(sn_op_ctx *c, int64_t *axes, size_t *n, bool *given)
{
    const int64_t *list = NULL;
    *n = 0;
    *given = c->op->since >= 13 ? sn_op_has(c, 1) : sn_node_attr(c->node, "axes") != NULL;
    if (!*given)
        return SETSUNA_OK;
    if (c->op->since >= 13)
        return sn_op_const_ints(c, 1, axes, SETSUNA_RANK_MAX, n);
    *n = sn_node_ints(c->node, "axes", &list);
    if (*n > SETSUNA_RANK_MAX)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%zu axes are named", *n);
    for (size_t i = 0; i < *n; i++)
        axes[i] = list[i];
    return SETSUNA_OK;
}

static setsuna_status squeeze_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    int64_t axes[SETSUNA_RANK_MAX];
    int32_t axis[SETSUNA_RANK_MAX];
    size_t n;
    bool given;
    uint32_t drop = 0;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(reshape_axes(c, axes, &n, &given));
    SN_TRY(sn_move_axes(c, axes, n, x->rank, axis));
    for (size_t i = 0; i < n; i++) {
        if (x->dim[axis[i]] != 1)
            return sn_op_fail(c, SETSUNA_ESHAPE, "axis %d has the extent %lld and cannot be squeezed", axis[i],
                              (long long)x->dim[axis[i]]);
        drop |= 1u << axis[i];
    }
    setsuna_shape y = {.rank = 0};
    for (int32_t i = 0; i < x->rank; i++)
        if (given ? !(drop >> i & 1u) : x->dim[i] != 1)
            y.dim[y.rank++] = x->dim[i];
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status unsqueeze_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    int64_t axes[SETSUNA_RANK_MAX];
    int32_t axis[SETSUNA_RANK_MAX];
    size_t n;
    bool given;
    uint32_t added = 0;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(reshape_axes(c, axes, &n, &given));
    if (!given)
        return sn_op_fail(c, SETSUNA_EMODEL, "the axes are missing");
    if (n + (size_t)x->rank > SETSUNA_RANK_MAX)
        return sn_op_fail(c, SETSUNA_ELIMIT, "the rank would be %zu, at most %d is supported", n + (size_t)x->rank,
                          SETSUNA_RANK_MAX);
    setsuna_shape y = {.rank = x->rank + (int32_t)n};
    SN_TRY(sn_move_axes(c, axes, n, y.rank, axis));
    for (size_t i = 0; i < n; i++)
        added |= 1u << axis[i];
    for (int32_t i = 0, from = 0; i < y.rank; i++)
        y.dim[i] = added >> i & 1u ? 1 : x->dim[from++];
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

const sn_op sn_ops_reshape[] = {
    {"", "Flatten", 1, 0, 1, 1, 1, 1, SN_OP_ALIAS, "axis:i", flatten_infer, sn_bind_copy},
    {"", "Reshape", 5, 13, 2, 2, 1, 1, SN_OP_ALIAS, "", reshape_infer, sn_bind_copy},
    {"", "Reshape", 14, 0, 2, 2, 1, 1, SN_OP_ALIAS, "allowzero:i", reshape_infer, sn_bind_copy},
    {"", "Squeeze", 1, 12, 1, 1, 1, 1, SN_OP_ALIAS, "axes:I", squeeze_infer, sn_bind_copy},
    {"", "Squeeze", 13, 0, 1, 2, 1, 1, SN_OP_ALIAS, "", squeeze_infer, sn_bind_copy},
    {"", "Unsqueeze", 1, 12, 1, 1, 1, 1, SN_OP_ALIAS, "axes:I", unsqueeze_infer, sn_bind_copy},
    {"", "Unsqueeze", 13, 0, 2, 2, 1, 1, SN_OP_ALIAS, "", unsqueeze_infer, sn_bind_copy},
    {.name = NULL},
};
