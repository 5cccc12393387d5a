/* fuse-transpose: transposes that undo each other, or that move no element, cost nothing.
 *
 *     x ─▶ Transpose p ─▶ Transpose q ─▶ y    ⇒   x ─▶ Transpose p∘q ─▶ y
 *     x ─▶ Transpose (identity) ─▶ y          ⇒   x
 *     x ─▶ Transpose that moves axes of extent 1 only ─▶ y   ⇒   x ─▶ Reshape ─▶ y
 *
 * A first transpose that others still read stays for them. An identity between a graph input and a graph output becomes
 * an Identity: outputs are values of their own.
 */
#include "base/hash.h"
#include "passes/pass.h"
#include <string.h>

typedef struct transpose_perm {
    int32_t rank;
    int32_t axis[SETSUNA_RANK_MAX]; /* axis i of the output is axis[i] of the input */
} transpose_perm;

/* The permutation of a Transpose whose input's rank is known; false for every other node. */
static bool transpose_match(const sn_graph *g, const sn_node *n, transpose_perm *p)
{
    const int64_t *list = NULL;
    if (!sn_node_is(n, "", "Transpose") || n->n_in != 1 || n->n_out != 1 || n->in[0] == SN_NONE ||
        n->out[0] == SN_NONE || !g->value[n->in[0]].has_shape)
        return false;
    p->rank = g->value[n->in[0]].shape.rank;
    size_t count = sn_node_ints(n, "perm", &list);
    if (count != 0 && count != (size_t)p->rank)
        return false;
    uint32_t seen = 0;
    for (int32_t i = 0; i < p->rank; i++) {
        int64_t a = count ? list[i] : p->rank - 1 - i;
        if (a < 0 || a >= p->rank || (seen >> a & 1u))
            return false;
        p->axis[i] = (int32_t)a;
        seen |= 1u << a;
    }
    return true;
}

static bool transpose_is_identity(const transpose_perm *p)
{
    for (int32_t i = 0; i < p->rank; i++)
        if (p->axis[i] != i)
            return false;
    return true;
}

/* Axes of other extents than 1 keep their order: the bytes stay where they are. */
static bool transpose_keeps_order(const transpose_perm *p, const setsuna_shape *x)
{
    int32_t last = -1;
    for (int32_t i = 0; i < p->rank; i++) {
        if (x->dim[p->axis[i]] == 1)
            continue;
        if (p->axis[i] < last)
            return false;
        last = p->axis[i];
    }
    return true;
}

static bool transpose_is_output(const sn_graph *g, uint32_t v)
{
    for (uint32_t k = 0; k < g->n_output; k++)
        if (g->output[k] == v)
            return true;
    return false;
}

/* n becomes a Reshape to the shape that its output has. */
static setsuna_status transpose_to_reshape(sn_graph *g, sn_node *n, const setsuna_shape *y)
{
    int64_t *dim = sn_arena_array(g->arena, (size_t)y->rank, sizeof *dim);
    uint32_t *in = sn_arena_array(g->arena, 2, sizeof *in);
    if (!dim || !in)
        return SETSUNA_ENOMEM;
    if (y->rank)
        memcpy(dim, y->dim, (size_t)y->rank * sizeof *dim);
    setsuna_tensor t = {SETSUNA_I64, {1, {y->rank}}, dim, (size_t)y->rank * sizeof *dim};
    uint64_t uid = sn_hash_bytes(sn_hash_str(0, "fuse-transpose"), dim, t.size_bytes);
    in[0] = n->in[0];
    in[1] = sn_graph_add_const(g, "", &t, uid);
    if (in[1] == SN_NONE)
        return SETSUNA_ENOMEM;
    n->op = "Reshape";
    n->opset = 13;
    n->in = in;
    n->n_in = n->n_formal = 2;
    n->attr = NULL;
    n->n_attr = 0;
    return SETSUNA_OK;
}

static setsuna_status transpose_set_perm(sn_graph *g, sn_node *n, const transpose_perm *p)
{
    int64_t list[SETSUNA_RANK_MAX];
    for (int32_t i = 0; i < p->rank; i++)
        list[i] = p->axis[i];
    return sn_node_add_ints(g, n, "perm", list, (size_t)p->rank) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

/* State of a walk over the sorted nodes. */
typedef struct transpose_walk {
    sn_graph *g;
    const sn_uses *uses;
    uint32_t *now; /* what to read instead of a value */
    bool *changed;
} transpose_walk;

static setsuna_status transpose_visit(transpose_walk *w, sn_node *n)
{
    sn_graph *g = w->g;
    transpose_perm p, first;
    if (!transpose_match(g, n, &p))
        return SETSUNA_OK;
    uint32_t producer = w->uses->producer[n->in[0]];
    if (producer != SN_NONE && transpose_match(g, &g->node[producer], &first) && first.rank == p.rank) {
        n->in[0] = g->node[producer].in[0];
        for (int32_t i = 0; i < p.rank; i++)
            p.axis[i] = first.axis[p.axis[i]];
        SN_TRY(transpose_set_perm(g, n, &p));
        *w->changed = true;
    }
    uint32_t x = n->in[0], y = n->out[0];
    if (transpose_is_identity(&p)) {
        *w->changed = true;
        if (transpose_is_output(g, y) && (w->uses->producer[x] == SN_NONE || transpose_is_output(g, x))) {
            n->op = "Identity";
            n->attr = NULL;
            n->n_attr = 0;
            return SETSUNA_OK;
        }
        w->now[y] = x;
        n->dead = true;
        return SETSUNA_OK;
    }
    const setsuna_shape *from = &g->value[x].shape;
    int64_t numel;
    if (!sn_shape_numel(from, &numel) || numel == 0 || !transpose_keeps_order(&p, from))
        return SETSUNA_OK; /* in a Reshape a dim of 0 would mean something else */
    setsuna_shape to = {.rank = p.rank};
    for (int32_t i = 0; i < p.rank; i++)
        to.dim[i] = from->dim[p.axis[i]];
    *w->changed = true;
    return transpose_to_reshape(g, n, &to);
}

static setsuna_status transpose_pass(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    sn_uses uses;
    SN_TRY(sn_uses_build(g, ctx->arena, &uses));
    size_t n_value = g->n_value; /* constants that are added have no producer and are not replaced */
    transpose_walk w = {g, &uses, sn_arena_array(ctx->arena, n_value, sizeof(uint32_t)), changed};
    if (!w.now)
        return SETSUNA_ENOMEM;
    for (size_t v = 0; v < n_value; v++)
        w.now[v] = (uint32_t)v;
    for (size_t i = 0; i < g->n_node; i++) {
        sn_node *n = &g->node[i];
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != SN_NONE)
                n->in[k] = w.now[n->in[k]];
        SN_TRY(transpose_visit(&w, n));
    }
    for (uint32_t k = 0; k < g->n_output; k++)
        g->output[k] = w.now[g->output[k]];
    return SETSUNA_OK;
}

const sn_pass sn_pass_fuse_transpose = {"fuse-transpose", transpose_pass};
