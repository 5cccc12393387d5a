/* fuse-gemm: a product by a matrix takes the bias and the activation that follow it.
 *
 *     x ─▶ MatMul(w) ─▶ Add(b) ─▶ Gelu ─▶ y        ⇒   x, w, b ─▶ setsuna.Gemm(activation gelu) ─▶ y
 *     x ─▶ Gemm(w, b) ─▶ Relu ─▶ y                 ⇒   x, w, b ─▶ setsuna.Gemm(transB, activation relu) ─▶ y
 *
 * w is a matrix, b one value a column. Activations: Relu, LeakyRelu, Clip with constant bounds, Sigmoid, Tanh,
 * HardSigmoid, HardSwish, Gelu, setsuna.Swish. What is between must have no other reader. A product that nothing
 * follows stays as it is.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"

typedef struct fuse_gemm {
    sn_graph *g;
    sn_uses uses;
    bool *changed;
} fuse_gemm;

/* The only reader of v; NULL when there are several, or it is the graph's output. */
static sn_node *fuse_gemm_reader(const fuse_gemm *f, uint32_t v)
{
    if (f->uses.n_use[v] != 1 || f->uses.reader[f->uses.first[v]] == SN_NONE)
        return NULL;
    sn_node *n = &f->g->node[f->uses.reader[f->uses.first[v]]];
    return n->dead ? NULL : n;
}

/* A value of n elements, one a column; a constant may have leading dims of one, which it loses. SN_NONE: it is not, or
 * memory is out. */
static uint32_t fuse_gemm_columns(const fuse_gemm *f, uint32_t v, int64_t n)
{
    int64_t count;
    if (!sn_rewrite_is_f32(f->g, v) || !sn_shape_numel(&f->g->value[v].shape, &count) || count != n || n < 1)
        return SN_NONE;
    const setsuna_shape *s = &f->g->value[v].shape, flat = {1, {n}};
    if (s->rank == 1)
        return v;
    return s->rank > 1 && s->dim[s->rank - 1] == n && sn_graph_const(f->g, v) ? sn_rewrite_const_reshape(f->g, v, &flat)
                                                                              : SN_NONE;
}

/* ---- the products -------------------------------------------------------------------------------- */

/* A MatMul of f32 by a matrix: *n is its columns. */
static bool fuse_gemm_is_matmul(const fuse_gemm *f, const sn_node *m, int64_t *n)
{
    const sn_value *v = f->g->value;
    if (!sn_node_is(m, "", "MatMul") || !sn_rewrite_is_f32(f->g, m->in[0]) || !sn_rewrite_is_f32(f->g, m->in[1]) ||
        v[m->in[1]].shape.rank != 2 || v[m->in[0]].shape.rank < 2)
        return false;
    *n = v[m->in[1]].shape.dim[1];
    return true;
}

/* A Gemm that setsuna.Gemm can express: a as it lies, c one value a column or none. Its bias goes to *bias. */
static bool fuse_gemm_is_gemm(const fuse_gemm *f, const sn_node *m, uint32_t *bias)
{
    if (!sn_node_is(m, "", "Gemm") || sn_node_int(m, "transA", 0) || !sn_rewrite_is_f32(f->g, m->in[0]) ||
        !sn_rewrite_is_f32(f->g, m->in[1]))
        return false;
    int64_t n = f->g->value[m->in[1]].shape.dim[sn_node_int(m, "transB", 0) ? 0 : 1];
    *bias = SN_NONE;
    if (sn_node_in(m, 2) == SN_NONE)
        return true;
    if (sn_node_float(m, "beta", 1) != 1.0f)
        return false;
    *bias = fuse_gemm_columns(f, m->in[2], n);
    return *bias != SN_NONE;
}

/* ---- what follows -------------------------------------------------------------------------------- */

/* The Add of one value a column that alone reads v: the value, and the node in *add. */
static uint32_t fuse_gemm_match_bias(const fuse_gemm *f, uint32_t v, int64_t n, sn_node **add)
{
    sn_node *r = fuse_gemm_reader(f, v);
    if (!r || !sn_node_is(r, "", "Add") || r->in[0] == r->in[1])
        return SN_NONE;
    const sn_value *value = f->g->value;
    if (!value[r->out[0]].has_shape || !sn_shape_equal(&value[r->out[0]].shape, &value[v].shape))
        return SN_NONE;
    *add = r;
    return fuse_gemm_columns(f, r->in[r->in[0] == v], n);
}

/* m becomes setsuna.Gemm with this bias (may be SN_NONE) and makes what `last` made; act may be NULL. */
static setsuna_status fuse_gemm_apply(fuse_gemm *f, sn_node *m, uint32_t bias, sn_node *add, sn_node *act_node,
                                      const sn_rewrite_act *act)
{
    sn_graph *g = f->g;
    bool trans_b = sn_node_int(m, "transB", 0) != 0;
    float alpha = sn_node_float(m, "alpha", 1);
    uint32_t *in = sn_arena_array(g->arena, 3, sizeof *in);
    if (!in)
        return SETSUNA_ENOMEM;
    in[0] = m->in[0];
    in[1] = m->in[1];
    in[2] = bias;
    m->in = in;
    m->n_in = m->n_formal = bias == SN_NONE ? 2 : 3;
    m->attr = NULL;
    m->n_attr = 0;
    sn_node_become(m, "Gemm");
    for (int i = 0; i < 2; i++) {
        sn_node *n = i ? act_node : add;
        if (!n)
            continue;
        m->out[0] = n->out[0];
        n->dead = true;
    }
    /* The bias may be made after the product: the planner sorts the nodes again. */
    *f->changed = true;
    if ((trans_b && !sn_node_add_int(g, m, "transB", 1)) || (alpha != 1.0f && !sn_node_add_float(g, m, "alpha", alpha)))
        return SETSUNA_ENOMEM;
    if (act_node &&
        (!sn_node_add_string(g, m, "activation", act->name) || !sn_node_add_float(g, m, "act_alpha", act->alpha) ||
         !sn_node_add_float(g, m, "act_beta", act->beta)))
        return SETSUNA_ENOMEM;
    return SETSUNA_OK;
}

static setsuna_status fuse_gemm_at(fuse_gemm *f, sn_node *m)
{
    uint32_t bias = SN_NONE;
    sn_node *add = NULL, *act_node = NULL;
    sn_rewrite_act act = {"none", 0, 0};
    int64_t n;
    if (fuse_gemm_is_matmul(f, m, &n)) {
        bias = fuse_gemm_match_bias(f, m->out[0], n, &add);
        if (bias == SN_NONE)
            add = NULL;
    } else if (!fuse_gemm_is_gemm(f, m, &bias)) {
        return SETSUNA_OK;
    }
    act_node = fuse_gemm_reader(f, add ? add->out[0] : m->out[0]);
    if (act_node && !sn_rewrite_match_act(f->g, act_node, &act))
        act_node = NULL;
    return add || act_node ? fuse_gemm_apply(f, m, bias, add, act_node, &act) : SETSUNA_OK;
}

static setsuna_status fuse_gemm_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    fuse_gemm f = {.g = g, .changed = changed};
    SN_TRY(sn_uses_build(g, ctx->arena, &f.uses));
    for (size_t i = 0; i < g->n_node; i++)
        if (!g->node[i].dead)
            SN_TRY(fuse_gemm_at(&f, &g->node[i]));
    return SETSUNA_OK;
}

const sn_pass sn_pass_fuse_gemm = {"fuse-gemm", fuse_gemm_run};
