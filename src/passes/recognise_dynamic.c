/* recognise-dynamic: matrices that are quantised at run time meet constant ones in one step.
 *
 *     a, w, az, wz ─▶ MatMulInteger ─▶ y                              ⇒   setsuna.QMatMul ─▶ y (i32)
 *
 *     ... ─▶ MatMulInteger ─▶ Cast(f32) ─▶ Mul(as * s) ─▶ y           ⇒   setsuna.QMatMul ─▶ y (f32)
 *     ... ─▶ Mul(as * s) ─▶ Add(b) ─▶ y                               ⇒   with b
 *
 * w and wz are constants, az one zero point; as is one number (DynamicQuantizeLinear's scale), s and b are constants,
 * one or one a column, in either order. What is between must have no other reader. The result has the same bits.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <string.h>

enum { QM_A, QM_W, QM_AZ, QM_BZ, QM_AS, QM_S, QM_B, QM_INPUTS };

typedef struct dynamic {
    sn_graph *g;
    sn_uses uses;
} dynamic;

static bool dynamic_has_numel(const sn_graph *g, uint32_t v, int64_t n)
{
    int64_t count;
    return v != SN_NONE && g->value[v].has_shape && sn_shape_numel(&g->value[v].shape, &count) && count == n;
}

/* The only reader of v, or NULL. */
static sn_node *dynamic_reader(const dynamic *d, uint32_t v)
{
    if (d->uses.n_use[v] != 1 || d->uses.reader[d->uses.first[v]] == SN_NONE)
        return NULL;
    sn_node *n = &d->g->node[d->uses.reader[d->uses.first[v]]];
    return n->dead ? NULL : n;
}

/* The other operand of a node with two. */
static uint32_t dynamic_other(const sn_node *n, uint32_t v)
{
    return n->n_in != 2 || n->n_out != 1 ? SN_NONE : n->in[0] == v ? n->in[1] : n->in[0];
}

/* Constant f32 along the last axis: one element or n. */
static bool dynamic_is_columns(const sn_graph *g, uint32_t v, int64_t n, bool one)
{
    const sn_const *c = sn_graph_const(g, v);
    if (!c || c->t.dtype != SETSUNA_F32)
        return false;
    int32_t rank = c->t.shape.rank;
    if (one && dynamic_has_numel(g, v, 1))
        return true;
    return rank >= 1 && dynamic_has_numel(g, v, n) && c->t.shape.dim[rank - 1] == n;
}

static bool dynamic_same_shape(const sn_graph *g, uint32_t a, uint32_t b)
{
    return sn_shape_equal(&g->value[a].shape, &g->value[b].shape);
}

/* Mul(x, as * s): as one f32, s constant columns. */
static bool dynamic_scales(const dynamic *d, uint32_t v, int64_t n, uint32_t *as, uint32_t *s)
{
    if (v == SN_NONE || d->uses.producer[v] == SN_NONE)
        return false;
    const sn_node *m = &d->g->node[d->uses.producer[v]];
    if (!sn_node_is(m, "", "Mul") || m->n_in != 2)
        return false;
    for (int i = 0; i < 2; i++) {
        *as = m->in[i];
        *s = m->in[!i];
        if (dynamic_is_columns(d->g, *s, n, true) && !sn_graph_const(d->g, *as) && dynamic_has_numel(d->g, *as, 1) &&
            d->g->value[*as].dtype == SETSUNA_F32)
            return true;
    }
    return false;
}

static bool dynamic_match(const sn_graph *g, const sn_node *n)
{
    if (!sn_node_is(n, "", "MatMulInteger") || n->n_in < 2 || n->n_out != 1)
        return false;
    const sn_const *w = sn_graph_const(g, n->in[1]);
    uint32_t az = sn_node_in(n, 2), bz = sn_node_in(n, 3);
    if (!w || w->t.shape.rank != 2 || w->t.size_bytes == 0 || g->value[n->in[0]].shape.rank < 1 ||
        (az != SN_NONE && !dynamic_has_numel(g, az, 1)))
        return false;
    if (bz == SN_NONE)
        return true;
    return sn_graph_const(g, bz) && g->value[bz].shape.rank <= 1 &&
           (dynamic_has_numel(g, bz, 1) || dynamic_has_numel(g, bz, w->t.shape.dim[1])) &&
           sn_graph_const(g, bz)->t.size_bytes <= SN_REWRITE_CONST_MAX_BYTES;
}

static setsuna_status dynamic_take(dynamic *d, size_t index)
{
    sn_graph *g = d->g;
    sn_node *n = &g->node[index];
    int64_t columns = g->value[n->in[1]].shape.dim[1];
    uint32_t y = n->out[0], as, s;
    uint32_t in[QM_INPUTS] = {n->in[0], n->in[1], sn_node_in(n, 2), sn_node_in(n, 3), SN_NONE, SN_NONE, SN_NONE};
    sn_node *cast = dynamic_reader(d, y), *mul = NULL, *add = NULL;
    if (cast && sn_node_is(cast, "", "Cast") && sn_node_int(cast, "to", 0) == SETSUNA_F32)
        mul = dynamic_reader(d, cast->out[0]);
    if (mul && sn_node_is(mul, "", "Mul") && dynamic_scales(d, dynamic_other(mul, cast->out[0]), columns, &as, &s) &&
        dynamic_same_shape(g, mul->out[0], y)) {
        in[QM_AS] = as;
        in[QM_S] = s;
        y = mul->out[0];
        cast->dead = mul->dead = true;
        add = dynamic_reader(d, y);
    }
    if (add && sn_node_is(add, "", "Add") && dynamic_is_columns(g, dynamic_other(add, y), columns, false) &&
        dynamic_same_shape(g, add->out[0], y)) {
        in[QM_B] = dynamic_other(add, y);
        y = add->out[0];
        add->dead = true;
    }
    for (uint32_t i = 2; i < QM_INPUTS; i++)
        if (!sn_node_set_in(g, n, i, in[i]))
            return SETSUNA_ENOMEM;
    n->out[0] = y;
    sn_node_become(n, "QMatMul");
    return SETSUNA_OK;
}

static setsuna_status dynamic_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    dynamic d = {.g = g};
    SN_TRY(sn_uses_build(g, ctx->arena, &d.uses));
    for (size_t i = 0; i < g->n_node; i++)
        if (dynamic_match(g, &g->node[i])) {
            SN_TRY(dynamic_take(&d, i));
            *changed = true;
        }
    return SETSUNA_OK;
}

const sn_pass sn_pass_recognise_dynamic = {"recognise-dynamic", dynamic_run};
