/* Expand and Tile: elements repeated along axes. */
#include "base/checked.h"
#include "ops/move.h"

static setsuna_status expand_infer(sn_op_ctx *c)
{
    int64_t dim[SETSUNA_RANK_MAX];
    size_t n;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_const_ints(c, 1, dim, SETSUNA_RANK_MAX, &n));
    setsuna_shape want = {.rank = (int32_t)n}, y;
    for (size_t i = 0; i < n; i++) {
        if (dim[i] < 0)
            return sn_op_fail(c, SETSUNA_ESHAPE, "the shape has the dim %lld", (long long)dim[i]);
        want.dim[i] = dim[i];
    }
    if (!sn_shape_broadcast(&c->in[0].shape, &want, &y)) {
        char a[SN_SHAPE_TEXT_MAX], b[SN_SHAPE_TEXT_MAX];
        return sn_op_fail(c, SETSUNA_ESHAPE, "%s cannot be expanded to %s", sn_shape_text(&c->in[0].shape, a, sizeof a),
                          sn_shape_text(&want, b, sizeof b));
    }
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status expand_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape;
    int64_t stride[SETSUNA_RANK_MAX];
    sn_move_strides(x, stride);
    sn_move_view v = sn_move_view_of(&c->out[0].shape);
    int32_t added = v.rank - x->rank;
    for (int32_t i = 0; i < v.rank; i++)
        v.src[i] = i < added || x->dim[i - added] == 1 ? 0 : stride[i - added];
    return sn_move_bind(c, s, &v);
}

static setsuna_status tile_infer(sn_op_ctx *c)
{
    setsuna_shape y = c->in[0].shape;
    int64_t repeat[SETSUNA_RANK_MAX];
    size_t n;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_const_ints(c, 1, repeat, SETSUNA_RANK_MAX, &n));
    if (n != (size_t)y.rank)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%zu repeats are given, the input's rank is %d", n, y.rank);
    for (int32_t i = 0; i < y.rank; i++)
        if (repeat[i] < 0 || !sn_mul_i64(y.dim[i], repeat[i], &y.dim[i]))
            return sn_op_fail(c, SETSUNA_ESHAPE, "axis %d cannot be repeated %lld times", i, (long long)repeat[i]);
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

static setsuna_status tile_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape, *y = &c->out[0].shape;
    int64_t from[SETSUNA_RANK_MAX], to[SETSUNA_RANK_MAX], n;
    sn_move_view v = {.rank = 2 * x->rank};
    sn_move_strides(x, from);
    sn_move_strides(y, to);
    bool empty = !sn_shape_numel(y, &n) || n == 0;
    for (int32_t i = 0; i < x->rank; i++) { /* axis i becomes (repeat, dim) */
        v.n[2 * i] = empty ? 0 : y->dim[i] / x->dim[i];
        v.n[2 * i + 1] = x->dim[i];
        v.src[2 * i + 1] = from[i];
        v.dst[2 * i] = empty ? 0 : to[i] * x->dim[i];
        v.dst[2 * i + 1] = to[i];
    }
    return sn_move_bind(c, s, &v);
}

const sn_op sn_ops_tile[] = {
    {"", "Expand", 8, 0, 2, 2, 1, 1, 0, "", expand_infer, expand_bind},
    {"", "Tile", 6, 0, 2, 2, 1, 1, 0, "", tile_infer, tile_bind},
    {.name = NULL},
};
