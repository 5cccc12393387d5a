#include "ops/nest.h"
#include <string.h>

/* Distance of operand x (dims aligned at the right) along each dim of out; 0 where it repeats. */
static void nest_strides(const setsuna_shape *out, const setsuna_shape *x, int64_t *stride)
{
    int64_t step = 1;
    for (int d = out->rank - 1; d >= 0; d--) {
        int k = d - (out->rank - x->rank);
        int64_t dim = k >= 0 ? x->dim[k] : 1;
        stride[d] = dim == 1 ? 0 : step;
        step *= dim;
    }
}

setsuna_status sn_nest_plan(sn_op_ctx *c, const setsuna_shape *out, uint32_t first, uint32_t n_in, sn_nest *nest_out)
{
    sn_nest n = {.n_in = n_in};
    if (!sn_shape_numel(out, &n.numel))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the output is too large");
    enum { R = SETSUNA_RANK_MAX };
    int64_t *stride = sn_op_param(c, n_in * R * sizeof *stride),
            *store = sn_op_param(c, n_in * (R + 2) * sizeof *store);
    if (!stride || !store)
        return SETSUNA_ENOMEM;
    for (uint32_t i = 0; i < n_in && n.numel; i++)
        nest_strides(out, &c->in[first + i].shape, stride + i * R);

    /* Merge from the outside in; dims of 1 vanish. In place: merged dim m is at or before dim d. */
    int64_t dim[R];
    int rank = 0;
    for (int d = 0; d < out->rank && n.numel; d++) {
        if (out->dim[d] == 1)
            continue;
        bool merge = rank > 0;
        for (uint32_t i = 0; i < n_in && merge; i++)
            merge = stride[i * R + (uint32_t)rank - 1] == stride[i * R + (uint32_t)d] * out->dim[d];
        if (merge)
            dim[rank - 1] *= out->dim[d];
        else
            dim[rank++] = out->dim[d];
        for (uint32_t i = 0; i < n_in; i++)
            stride[i * R + (uint32_t)rank - 1] = stride[i * R + (uint32_t)d];
    }

    n.rank = rank > 2 ? rank - 2 : 0;
    n.cols = rank > 0 ? dim[rank - 1] : n.numel != 0;
    n.rows = rank > 1 ? dim[rank - 2] : 1;
    memcpy(n.dim, dim, (size_t)n.rank * sizeof *dim);
    int64_t *row = store, *col = store + n_in, *outer = store + 2 * (size_t)n_in;
    for (uint32_t i = 0; i < n_in; i++) {
        const int64_t *s = stride + i * R;
        col[i] = rank > 0 ? s[rank - 1] : 1;
        row[i] = rank > 1 ? s[rank - 2] : 0;
        for (int d = 0; d < n.rank; d++)
            outer[(int)i * n.rank + d] = s[d];
    }
    n.row = row;
    n.col = col;
    n.outer = outer;
    *nest_out = n;
    return SETSUNA_OK;
}

void sn_nest_run(const sn_nest *nest, int64_t begin, int64_t end, sn_nest_fn *fn, void *arg)
{
    int64_t index[SETSUNA_RANK_MAX], base[SN_OP_IN_MAX], at[SN_OP_IN_MAX];
    const int64_t tile = nest->rows * nest->cols;
    if (begin >= end)
        return;

    /* The indices of the outer loops at begin, and each operand's offset there. */
    int64_t rest = begin / tile, in_tile = begin % tile;
    memset(base, 0, sizeof base);
    for (int32_t d = nest->rank - 1; d >= 0; d--) {
        index[d] = rest % nest->dim[d];
        rest /= nest->dim[d];
        for (uint32_t i = 0; i < nest->n_in; i++)
            base[i] += index[d] * nest->outer[(int32_t)i * nest->rank + d];
    }

    for (int64_t pos = begin; pos < end;) {
        int64_t r = in_tile / nest->cols, c = in_tile % nest->cols, rows = 1, cols = nest->cols - c;
        if (cols > end - pos)
            cols = end - pos;
        if (c == 0 && cols == nest->cols) {
            int64_t left = (end - pos) / cols;
            rows = nest->rows - r < left ? nest->rows - r : left;
        }
        for (uint32_t i = 0; i < nest->n_in; i++)
            at[i] = base[i] + r * nest->row[i] + c * nest->col[i];
        fn(arg, pos, at, rows, cols);
        pos += rows * cols;
        in_tile += rows * cols;
        if (in_tile < tile)
            continue;
        in_tile = 0;
        for (int32_t d = nest->rank - 1; d >= 0; d--) { /* the next tile, as an odometer turns */
            bool wrap = ++index[d] == nest->dim[d];
            for (uint32_t i = 0; i < nest->n_in; i++) {
                int64_t s = nest->outer[(int32_t)i * nest->rank + d];
                base[i] += wrap ? s - nest->dim[d] * s : s;
            }
            if (!wrap)
                break;
            index[d] = 0;
        }
    }
}
