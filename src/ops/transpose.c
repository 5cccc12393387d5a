/* Transpose, DepthToSpace, SpaceToDepth: permutations of axes. */
#include "base/checked.h"
#include "ops/move.h"
#include <string.h>

/* The view that makes y with y.dim[i] = x.dim[perm[i]] from a dense x. */
static sn_move_view transpose_view(const setsuna_shape *x, const int32_t *perm)
{
    int64_t stride[SETSUNA_RANK_MAX];
    setsuna_shape y = {.rank = x->rank};
    sn_move_strides(x, stride);
    for (int32_t i = 0; i < x->rank; i++)
        y.dim[i] = x->dim[perm[i]];
    sn_move_view v = sn_move_view_of(&y);
    for (int32_t i = 0; i < x->rank; i++)
        v.src[i] = stride[perm[i]];
    return v;
}

static setsuna_status transpose_perm(sn_op_ctx *c, int32_t perm[SETSUNA_RANK_MAX])
{
    int32_t rank = c->in[0].shape.rank;
    const int64_t *list = NULL;
    size_t n = sn_node_ints(c->node, "perm", &list);
    if (n == 0 && !(sn_node_attr(c->node, "perm") && rank == 0)) {
        for (int32_t i = 0; i < rank; i++)
            perm[i] = rank - 1 - i;
        return SETSUNA_OK;
    }
    if (n != (size_t)rank)
        return sn_op_fail(c, SETSUNA_ESHAPE, "perm has %zu entries, the input's rank is %d", n, rank);
    for (size_t i = 0; i < n; i++)
        if (list[i] < 0)
            return sn_op_fail(c, SETSUNA_ESHAPE, "perm has the entry %lld", (long long)list[i]);
    return sn_move_axes(c, list, n, rank, perm);
}

static setsuna_status transpose_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    int32_t perm[SETSUNA_RANK_MAX];
    setsuna_shape y = {.rank = x->rank};
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(transpose_perm(c, perm));
    for (int32_t i = 0; i < x->rank; i++)
        y.dim[i] = x->dim[perm[i]];
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status transpose_bind(sn_op_ctx *c, sn_step *s)
{
    int32_t perm[SETSUNA_RANK_MAX];
    SN_TRY(transpose_perm(c, perm));
    sn_move_view v = transpose_view(&c->in[0].shape, perm);
    return sn_move_bind(c, s, &v);
}

/* ---- DepthToSpace, SpaceToDepth ---------------------------------------------------------------------- */

static setsuna_status depth_check(sn_op_ctx *c, int64_t *block)
{
    *block = sn_node_int(c->node, "blocksize", 0);
    if (*block < 1)
        return sn_op_fail(c, SETSUNA_EMODEL, "blocksize must be positive");
    if (c->in[0].shape.rank != 4)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has rank %d, not 4", c->in[0].shape.rank);
    return sn_move_want(c, 0);
}

static setsuna_status depth_to_space_infer(sn_op_ctx *c)
{
    setsuna_shape y = c->in[0].shape;
    int64_t b, bb;
    const char *mode = sn_node_string(c->node, "mode", "DCR");
    SN_TRY(depth_check(c, &b));
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "mode '%.32s' is neither DCR nor CRD", mode);
    if (!sn_mul_i64(b, b, &bb) || y.dim[1] % bb)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%lld channels are not a multiple of blocksize^2", (long long)y.dim[1]);
    y.dim[1] /= bb;
    if (!sn_mul_i64(y.dim[2], b, &y.dim[2]) || !sn_mul_i64(y.dim[3], b, &y.dim[3]))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status depth_to_space_bind(sn_op_ctx *c, sn_step *s)
{
    static const int32_t dcr[] = {0, 3, 4, 1, 5, 2}, crd[] = {0, 1, 4, 2, 5, 3};
    const setsuna_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    int64_t b = sn_node_int(c->node, "blocksize", 1);
    bool is_crd = strcmp(sn_node_string(c->node, "mode", "DCR"), "CRD") == 0;
    setsuna_shape split = {6, {x->dim[0], b, b, y->dim[1], x->dim[2], x->dim[3]}};
    if (is_crd) {
        split.dim[1] = y->dim[1];
        split.dim[3] = b;
    }
    sn_move_view v = transpose_view(&split, is_crd ? crd : dcr);
    return sn_move_bind(c, s, &v);
}

static setsuna_status space_to_depth_infer(sn_op_ctx *c)
{
    setsuna_shape y = c->in[0].shape;
    int64_t b, bb;
    SN_TRY(depth_check(c, &b));
    if (y.dim[2] % b || y.dim[3] % b)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%lldx%lld is not a multiple of blocksize", (long long)y.dim[2],
                          (long long)y.dim[3]);
    y.dim[2] /= b;
    y.dim[3] /= b;
    if (!sn_mul_i64(b, b, &bb) || !sn_mul_i64(y.dim[1], bb, &y.dim[1]))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status space_to_depth_bind(sn_op_ctx *c, sn_step *s)
{
    static const int32_t perm[] = {0, 3, 5, 1, 2, 4};
    const setsuna_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    int64_t b = sn_node_int(c->node, "blocksize", 1);
    setsuna_shape split = {6, {x->dim[0], x->dim[1], y->dim[2], b, y->dim[3], b}};
    sn_move_view v = transpose_view(&split, perm);
    return sn_move_bind(c, s, &v);
}

const sn_op sn_ops_transpose[] = {
    {"", "DepthToSpace", 1, 10, 1, 1, 1, 1, 0, "blocksize:i", depth_to_space_infer, depth_to_space_bind},
    {"", "DepthToSpace", 11, 0, 1, 1, 1, 1, 0, "blocksize:i mode:s", depth_to_space_infer, depth_to_space_bind},
    {"", "SpaceToDepth", 1, 0, 1, 1, 1, 1, 0, "blocksize:i", space_to_depth_infer, space_to_depth_bind},
    {"", "Transpose", 1, 0, 1, 1, 1, 1, 0, "perm:I", transpose_infer, transpose_bind},
    {.name = NULL},
};
