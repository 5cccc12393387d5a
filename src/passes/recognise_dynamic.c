/* recognise-dynamic: matrices and images that are quantised at run time meet constant weights in one step.
 *
 *     a, w, az, wz ─▶ MatMulInteger ─▶ y                              ⇒   setsuna.QMatMul ─▶ y (i32)
 *
 *     ... ─▶ MatMulInteger ─▶ Cast(f32) ─▶ Mul(as * s) ─▶ y           ⇒   setsuna.QMatMul ─▶ y (f32)
 *     ... ─▶ Mul(as * s) ─▶ Add(b) ─▶ y                               ⇒   with b
 *     ... ─▶ Gelu, Relu ... ─▶ y                                      ⇒   with the activation
 *     ... ─▶ Add(r) ─▶ y                                              ⇒   with r, an f32 of y's shape
 *
 * w and wz are constants, az one zero point; as is one number (DynamicQuantizeLinear's scale), s and b are constants,
 * one or one a column, in either order. What is between must have no other reader. The result has the same bits;
 * that of an activation is within its bound (kernels/activation.h).
 *
 *     x, w, xz, wz ─▶ ConvInteger ─▶ ...   ⇒   x ─▶ setsuna.ToChannelsLast ─▶ setsuna.QConv ─▶ channels first ─▶ ...
 *
 * likewise, with columns as channels. Kernels with a map of their own (depthwise) stay what they are.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <string.h>

enum { QM_A, QM_W, QM_AZ, QM_BZ, QM_AS, QM_S, QM_B, QM_R, QM_INPUTS, QC_INPUTS = 10 };

typedef struct dynamic {
    sn_graph *g;
    sn_uses uses;
} dynamic;

/* What of the nodes behind a product becomes part of it; values may be SN_NONE. */
typedef struct dynamic_end {
    uint32_t y, as, s, b, r;
    int64_t n;     /* columns or channels */
    int32_t inner; /* dims of y behind them */
    bool has_act;
    sn_rewrite_act act;
} dynamic_end;

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

/* Constant f32 along the axis of columns: one element or all of them. */
static bool dynamic_is_columns(const sn_graph *g, uint32_t v, const dynamic_end *e, bool one)
{
    const sn_const *c = sn_graph_const(g, v);
    if (!c || c->t.dtype != SETSUNA_F32)
        return false;
    int32_t at = c->t.shape.rank - 1 - e->inner;
    if (one && dynamic_has_numel(g, v, 1))
        return true;
    return at >= 0 && dynamic_has_numel(g, v, e->n) && c->t.shape.dim[at] == e->n;
}

static bool dynamic_same_shape(const sn_graph *g, uint32_t a, uint32_t b)
{
    return sn_shape_equal(&g->value[a].shape, &g->value[b].shape);
}

/* Mul(x, as * s): as one f32, s constant columns. */
static bool dynamic_scales(const dynamic *d, uint32_t v, dynamic_end *e)
{
    if (v == SN_NONE || d->uses.producer[v] == SN_NONE)
        return false;
    const sn_node *m = &d->g->node[d->uses.producer[v]];
    if (!sn_node_is(m, "", "Mul") || m->n_in != 2)
        return false;
    for (int i = 0; i < 2; i++) {
        e->as = m->in[i];
        e->s = m->in[!i];
        if (dynamic_is_columns(d->g, e->s, e, true) && !sn_graph_const(d->g, e->as) &&
            dynamic_has_numel(d->g, e->as, 1) && d->g->value[e->as].dtype == SETSUNA_F32)
            return true;
    }
    return false;
}

/* Weights with `columns` as dim `axis`, and zero points that go with them. */
static bool dynamic_match(const sn_graph *g, const sn_node *n, const char *op, int32_t rank, int32_t axis)
{
    if (!sn_node_is(n, "", op) || n->n_in < 2 || n->n_out != 1)
        return false;
    const sn_const *w = sn_graph_const(g, n->in[1]);
    uint32_t az = sn_node_in(n, 2), bz = sn_node_in(n, 3);
    if (!w || w->t.shape.rank != rank || w->t.size_bytes == 0 || g->value[n->in[0]].shape.rank < 1 ||
        (az != SN_NONE && !dynamic_has_numel(g, az, 1)))
        return false;
    if (bz == SN_NONE)
        return true;
    return sn_graph_const(g, bz) && g->value[bz].shape.rank <= 1 &&
           (dynamic_has_numel(g, bz, 1) || dynamic_has_numel(g, bz, w->t.shape.dim[axis])) &&
           sn_const_is_readable(sn_graph_const(g, bz));
}

static dynamic_end dynamic_find_end(dynamic *d, const sn_node *n, int64_t columns, int32_t inner)
{
    sn_graph *g = d->g;
    dynamic_end
        e = {.y = n->out[0], .as = SN_NONE, .s = SN_NONE, .b = SN_NONE, .r = SN_NONE, .n = columns, .inner = inner},
        with = e;
    sn_node *cast = dynamic_reader(d, e.y), *mul = NULL, *add = NULL;
    if (cast && sn_node_is(cast, "", "Cast") && sn_node_int(cast, "to", 0) == SETSUNA_F32)
        mul = dynamic_reader(d, cast->out[0]);
    if (mul && sn_node_is(mul, "", "Mul") && dynamic_scales(d, dynamic_other(mul, cast->out[0]), &with) &&
        dynamic_same_shape(g, mul->out[0], e.y)) {
        e = with;
        e.y = mul->out[0];
        cast->dead = mul->dead = true;
        add = dynamic_reader(d, e.y);
    }
    if (add && sn_node_is(add, "", "Add") && dynamic_is_columns(g, dynamic_other(add, e.y), &e, false) &&
        dynamic_same_shape(g, add->out[0], e.y)) {
        e.b = dynamic_other(add, e.y);
        e.y = add->out[0];
        add->dead = true;
    }
    return e;
}

/* An activation, then a residual, behind a product in floats. */
static void dynamic_find_rest(const dynamic *d, dynamic_end *e)
{
    sn_node *act = dynamic_reader(d, e->y);
    if (act && act->n_out == 1 && sn_rewrite_match_act(d->g, act, &e->act)) {
        e->has_act = true;
        e->y = act->out[0];
        act->dead = true;
    }
    sn_node *add = dynamic_reader(d, e->y);
    uint32_t other = add && sn_node_is(add, "", "Add") ? dynamic_other(add, e->y) : SN_NONE;
    if (other == SN_NONE || other == e->y || !sn_rewrite_is_f32(d->g, other) || sn_graph_const(d->g, other) ||
        !dynamic_same_shape(d->g, other, e->y))
        return;
    e->r = other;
    e->y = add->out[0];
    add->dead = true;
}

static setsuna_status dynamic_take_product(dynamic *d, size_t index)
{
    sn_graph *g = d->g;
    sn_node *n = &g->node[index];
    dynamic_end e = dynamic_find_end(d, n, g->value[n->in[1]].shape.dim[1], 0);
    if (e.as != SN_NONE)
        dynamic_find_rest(d, &e);
    const uint32_t in[QM_INPUTS] = {n->in[0], n->in[1], sn_node_in(n, 2), sn_node_in(n, 3), e.as, e.s, e.b, e.r};
    for (uint32_t i = 2; i < QM_INPUTS; i++)
        if (!sn_node_set_in(g, n, i, in[i]))
            return SETSUNA_ENOMEM;
    n->out[0] = e.y;
    sn_node_become(n, "QMatMul");
    if (e.has_act &&
        (!sn_node_add_string(g, n, "activation", e.act.name) || !sn_node_add_float(g, n, "act_alpha", e.act.alpha) ||
         !sn_node_add_float(g, n, "act_beta", e.act.beta)))
        return SETSUNA_ENOMEM;
    return SETSUNA_OK;
}

/* ---- convolutions --------------------------------------------------------------------------------------------- */

static bool dynamic_match_conv(const sn_graph *g, const sn_node *n)
{
    if (!dynamic_match(g, n, "ConvInteger", 4, 0) || g->value[n->in[0]].shape.rank != 4)
        return false;
    int64_t group = sn_node_int(n, "group", 1);
    return group == 1 || g->value[n->in[1]].shape.dim[1] > 1;
}

static setsuna_status dynamic_take_conv(dynamic *d, size_t index)
{
    sn_graph *g = d->g;
    const sn_node n = g->node[index];
    const dynamic_end e = dynamic_find_end(d, &n, g->value[n.in[1]].shape.dim[0], 2);
    bool is_float = e.as != SN_NONE, is_signed = g->value[n.in[0]].dtype == SETSUNA_I8;
    uint32_t x = sn_graph_add_value(g, n.name, SETSUNA_DTYPE_NONE),
             y = sn_graph_add_value(g, n.name, SETSUNA_DTYPE_NONE);
    const uint32_t in[QC_INPUTS] = {x,       n.in[1],           e.s,  SN_NONE, sn_node_in(&n, 3), SN_NONE,
                                    SN_NONE, sn_node_in(&n, 2), e.as, e.b};
    if (x == SN_NONE || y == SN_NONE || !sn_graph_add_node(g, "setsuna", "ToChannelsLast", 1, n.name, n.in, 1, &x, 1))
        return SETSUNA_ENOMEM;
    sn_node *made = sn_graph_add_node(g, "setsuna", "QConv", 1, n.name, in, QC_INPUTS, &y, 1);
    for (uint32_t i = 0; made && i < n.n_attr; i++)
        if (!sn_node_add_attr(g, made, &n.attr[i]))
            made = NULL;
    if (!made || !sn_node_add_int(g, made, is_float ? "float" : "sum", 1) ||
        !sn_node_add_int(g, made, "x_zero", is_signed ? 128 : 0))
        return SETSUNA_ENOMEM;
    g->node[index].dead = true;
    made = sn_graph_add_node(g, "", "Transpose", 13, n.name, &y, 1, &e.y, 1);
    return made && sn_node_add_ints(g, made, "perm", (const int64_t[]){0, 3, 1, 2}, 4) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static setsuna_status dynamic_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    dynamic d = {.g = g};
    SN_TRY(sn_uses_build(g, ctx->arena, &d.uses));
    for (size_t i = 0, n_node = g->n_node; i < n_node; i++) {
        if (dynamic_match(g, &g->node[i], "MatMulInteger", 2, 1))
            SN_TRY(dynamic_take_product(&d, i));
        else if (dynamic_match_conv(g, &g->node[i]))
            SN_TRY(dynamic_take_conv(&d, i));
        else
            continue;
        *changed = true;
    }
    return SETSUNA_OK;
}

const sn_pass sn_pass_recognise_dynamic = {"recognise-dynamic", dynamic_run};
