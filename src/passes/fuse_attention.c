/* fuse-attention: the two products of attention and the softmax between them become one step, which reads q, k and v
 * where the projections left them.
 *
 *     q ─▶ [Reshape, Transpose, Split ...] ─▶ MatMul ─▶ [Mul c | Div c] ─▶ [Add mask] ─▶ Softmax ─▶ MatMul ─▶
 * [Transpose] k ─▶ [Reshape, Transpose, Split ...] ──┘                              v ─▶ [Reshape ...] ──┘
 *
 *        ⇒   q, k, v[, mask] ─▶ setsuna.Attention (ops/attention.c)
 *
 * f32 with all shapes known; scores of rank 4 and normalised along the last axis, c one constant number, no score with
 * another reader. Reshape, Transpose, Split, Squeeze, Unsqueeze and Gather of one constant index in front of an operand
 * go as far back as they are a matter of strides; what else reads them keeps them. A Transpose to [batch, row, head,
 * column] behind goes too.
 */
#include "base/checked.h"
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <string.h>

enum { ATTENTION_CHAIN_MAX = 12 }; /* nodes in front of an operand; exporters write up to five */

typedef struct fuse_attention {
    sn_graph *g;
    sn_uses uses;
    bool *changed;
} fuse_attention;

/* A value as elements of another one, `source`, which lies in rows. */
typedef struct attention_view {
    uint32_t source;
    int32_t rank;
    int64_t offset, dim[SETSUNA_RANK_MAX], stride[SETSUNA_RANK_MAX];
} attention_view;

/* The only reader of v; NULL when there are several, or it is the graph's output. */
static sn_node *attention_reader(const fuse_attention *f, uint32_t v)
{
    if (f->uses.n_use[v] != 1 || f->uses.reader[f->uses.first[v]] == SN_NONE)
        return NULL;
    sn_node *n = &f->g->node[f->uses.reader[f->uses.first[v]]];
    return n->dead ? NULL : n;
}

/* The node that makes v; NULL for inputs and constants. */
static sn_node *attention_producer(const fuse_attention *f, uint32_t v)
{
    uint32_t p = v == SN_NONE ? SN_NONE : f->uses.producer[v];
    return p == SN_NONE || f->g->node[p].dead ? NULL : &f->g->node[p];
}

static bool attention_is_rank4(const fuse_attention *f, uint32_t v)
{
    int64_t numel;
    if (v == SN_NONE || !sn_rewrite_is_f32(f->g, v))
        return false;
    const setsuna_shape *s = &f->g->value[v].shape;
    return s->rank == 4 && sn_shape_numel(s, &numel) && numel > 0;
}

/* ---- views ------------------------------------------------------------------------------------------ */

static attention_view attention_view_dense(const fuse_attention *f, uint32_t v)
{
    const setsuna_shape *s = &f->g->value[v].shape;
    attention_view x = {.source = v, .rank = s->rank};
    int64_t size = 1;
    for (int32_t d = s->rank - 1; d >= 0; d--) {
        x.dim[d] = s->dim[d];
        x.stride[d] = size;
        size *= s->dim[d];
    }
    return x;
}

/* Reads v as having the shape `to` of as many elements, all dims positive; false: not a matter of strides. Runs of dims
 * whose products agree are taken together; within a run, the old dims must follow each other in memory. */
static bool attention_view_reshape(attention_view *v, const setsuna_shape *to)
{
    attention_view r = {.source = v->source, .rank = to->rank, .offset = v->offset};
    memcpy(r.dim, to->dim, sizeof r.dim);
    int32_t i = v->rank - 1, j = to->rank - 1;
    while (j >= 0) {
        while (i >= 0 && v->dim[i] == 1)
            i--;
        if (i < 0) { /* only ones are left */
            r.stride[j] = 1;
            if (to->dim[j--] != 1)
                return false;
            continue;
        }
        int64_t have = v->dim[i], inner = v->stride[i], made = 1;
        for (; j >= 0 && (made < have || to->dim[j] == 1); j--) {
            r.stride[j] = inner * made;
            made *= to->dim[j];
            while (made > have && i > 0) { /* the next old dim joins the run */
                i--;
                if (v->dim[i] != 1 && v->stride[i] != inner * have)
                    return false;
                have *= v->dim[i];
            }
        }
        if (made != have)
            return false;
        i--;
    }
    *v = r;
    return true;
}

static bool attention_view_transpose(attention_view *v, const sn_node *n)
{
    const int64_t *perm;
    attention_view r = *v;
    size_t count = sn_node_ints(n, "perm", &perm);
    if (count && count != (size_t)v->rank)
        return false;
    for (int32_t i = 0; i < v->rank; i++) {
        int64_t from = count ? perm[i] : v->rank - 1 - i;
        if (from < 0 || from >= v->rank)
            return false;
        r.dim[i] = v->dim[from];
        r.stride[i] = v->stride[from];
    }
    *v = r;
    return true;
}

/* The part of a Split that makes `part`. */
static bool attention_view_split(const fuse_attention *f, attention_view *v, const sn_node *n, uint32_t part)
{
    int32_t axis;
    if (!sn_axis_normalize(sn_node_int(n, "axis", 0), v->rank, &axis))
        return false;
    int64_t at = 0;
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == SN_NONE || !f->g->value[n->out[i]].has_shape || f->g->value[n->out[i]].shape.rank != v->rank)
            return false;
        int64_t extent = f->g->value[n->out[i]].shape.dim[axis];
        if (n->out[i] == part) {
            v->offset += at * v->stride[axis];
            v->dim[axis] = extent;
            return extent > 0;
        }
        at += extent;
    }
    return false;
}

/* One index of an axis, which a scalar index takes away. */
static bool attention_view_gather(const fuse_attention *f, attention_view *v, const sn_node *n)
{
    const sn_const *c = sn_graph_const(f->g, sn_node_in(n, 1));
    int64_t count, at;
    int32_t axis;
    if (!c || !sn_const_is_readable(c) || c->t.shape.rank > 1 || !sn_shape_numel(&c->t.shape, &count) || count != 1 ||
        !sn_axis_normalize(sn_node_int(n, "axis", 0), v->rank, &axis))
        return false;
    at = sn_tensor_get_i64(&c->t, 0);
    at += at < 0 ? v->dim[axis] : 0;
    if (at < 0 || at >= v->dim[axis])
        return false;
    v->offset += at * v->stride[axis];
    v->dim[axis] = 1;
    if (c->t.shape.rank == 1)
        return true;
    v->rank--;
    for (int32_t d = axis; d < v->rank; d++) {
        v->dim[d] = v->dim[d + 1];
        v->stride[d] = v->stride[d + 1];
    }
    return true;
}

/* What n makes of a view of its first input, as its output y. */
static bool attention_view_step(const fuse_attention *f, attention_view *v, const sn_node *n, uint32_t y)
{
    if (sn_node_is(n, "", "Transpose"))
        return attention_view_transpose(v, n);
    if (sn_node_is(n, "", "Split"))
        return attention_view_split(f, v, n, y);
    if (sn_node_is(n, "", "Gather"))
        return attention_view_gather(f, v, n);
    return attention_view_reshape(v, &f->g->value[y].shape);
}

static bool attention_moves_nothing(const fuse_attention *f, const sn_node *n)
{
    static const char *const ops[] = {"Reshape", "Transpose", "Split", "Squeeze", "Unsqueeze", "Gather"};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (sn_node_is(n, "", ops[i]))
            return n->in[0] != SN_NONE && sn_rewrite_is_f32(f->g, n->in[0]) && !sn_graph_const(f->g, n->in[0]);
    return false;
}

/* v, of positive dims, as a view of the earliest value that allows it. */
static attention_view attention_trace(const fuse_attention *f, uint32_t v)
{
    uint32_t chain[ATTENTION_CHAIN_MAX + 1] = {v};
    int n = 0;
    for (sn_node *p; n < ATTENTION_CHAIN_MAX && (p = attention_producer(f, chain[n])) && attention_moves_nothing(f, p);)
        chain[++n] = p->in[0];
    for (; n > 0; n--) {
        attention_view view = attention_view_dense(f, chain[n]);
        int i = n - 1;
        while (i >= 0 && attention_view_step(f, &view, attention_producer(f, chain[i]), chain[i]))
            i--;
        if (i < 0)
            return view;
    }
    return attention_view_dense(f, v);
}

/* ---- the pattern ------------------------------------------------------------------------------------ */

typedef struct attention_match {
    sn_node *score, *softmax, *sum; /* the products, and what lies between */
    sn_node *merge;                 /* the Transpose behind, or NULL */
    uint32_t mask;                  /* or SN_NONE */
    float scale;
    attention_view q, k, v; /* k as the second operand of its product: [batch, head, depth, key] */
} attention_match;

/* n multiplies x by one constant number, or divides by it: which goes to *scale. */
static bool attention_scale(const fuse_attention *f, const sn_node *n, uint32_t x, float *scale)
{
    bool div = sn_node_is(n, "", "Div");
    if ((!div && !sn_node_is(n, "", "Mul")) || n->n_in != 2 || n->in[0] == n->in[1] || (div && n->in[0] != x))
        return false;
    const sn_const *c = sn_graph_const(f->g, n->in[n->in[0] == x]);
    if (!c || c->t.dtype != SETSUNA_F32 || c->t.size_bytes != sizeof(float) || c->file)
        return false;
    double v = sn_tensor_get_f64(&c->t, 0);
    *scale = (float)(div ? 1 / v : v);
    return true;
}

/* n adds to x, of the scores' shape, what broadcasts to it and has its last dim: the mask. */
static uint32_t attention_mask_of(const fuse_attention *f, const sn_node *n, uint32_t x)
{
    if (!sn_node_is(n, "", "Add") || n->n_in != 2 || n->in[0] == n->in[1])
        return SN_NONE;
    uint32_t mask = n->in[n->in[0] == x];
    if (mask == SN_NONE || !sn_rewrite_is_f32(f->g, mask))
        return SN_NONE;
    const setsuna_shape *s = &f->g->value[x].shape, *m = &f->g->value[mask].shape;
    if (m->rank < 1 || m->rank > 4 || m->dim[m->rank - 1] != s->dim[3])
        return SN_NONE;
    for (int32_t d = 0; d < m->rank; d++)
        if (m->dim[d] != 1 && m->dim[d] != s->dim[4 - m->rank + d])
            return SN_NONE;
    return mask;
}

/* What lies between the products: from the scores to the softmax. */
static bool attention_match_scores(const fuse_attention *f, attention_match *m)
{
    uint32_t x = m->score->out[0];
    sn_node *n = attention_reader(f, x);
    m->scale = 1;
    m->mask = SN_NONE;
    if (n && attention_scale(f, n, x, &m->scale)) {
        x = n->out[0];
        n = attention_reader(f, x);
    }
    if (n && (m->mask = attention_mask_of(f, n, x)) != SN_NONE) {
        x = n->out[0];
        n = attention_reader(f, x);
    }
    int64_t axis = n ? sn_node_int(n, "axis", n->opset < 13 ? 1 : -1) : 0;
    m->softmax = n;
    return n && sn_node_is(n, "", "Softmax") && (axis == 3 || axis == -1) && attention_is_rank4(f, x);
}

/* [b, h, rows, cols] of this batch and these heads. */
static bool attention_agrees(const attention_view *v, const attention_view *q, int64_t rows, int64_t cols)
{
    return v->rank == 4 && v->dim[0] == q->dim[0] && v->dim[1] == q->dim[1] && v->dim[2] == rows && v->dim[3] == cols;
}

static bool attention_match_at(const fuse_attention *f, sn_node *score, attention_match *m)
{
    *m = (attention_match){.score = score};
    if (!sn_node_is(score, "", "MatMul") || !attention_is_rank4(f, score->in[0]) ||
        !attention_is_rank4(f, score->in[1]) || !attention_is_rank4(f, score->out[0]) || !attention_match_scores(f, m))
        return false;
    m->sum = attention_reader(f, m->softmax->out[0]);
    if (!m->sum || !sn_node_is(m->sum, "", "MatMul") || m->sum->in[0] != m->softmax->out[0] ||
        !attention_is_rank4(f, m->sum->in[1]) || sn_graph_const(f->g, score->in[0]) ||
        sn_graph_const(f->g, score->in[1]) || sn_graph_const(f->g, m->sum->in[1]))
        return false;
    m->q = attention_trace(f, score->in[0]);
    m->k = attention_trace(f, score->in[1]);
    m->v = attention_trace(f, m->sum->in[1]);
    const int64_t depth = m->q.dim[3], keys = m->k.dim[3];
    if (!attention_agrees(&m->k, &m->q, depth, keys) || !attention_agrees(&m->v, &m->q, keys, m->v.dim[3]))
        return false;
    if (m->q.stride[3] != 1 && depth > 1)
        m->q = attention_view_dense(f, score->in[0]);
    sn_node *t = attention_reader(f, m->sum->out[0]);
    const int64_t *perm;
    if (t && sn_node_is(t, "", "Transpose") && sn_node_ints(t, "perm", &perm) == 4 && perm[0] == 0 && perm[1] == 2 &&
        perm[2] == 1 && perm[3] == 3)
        m->merge = t;
    return true;
}

/* ---- the rewrite ------------------------------------------------------------------------------------ */

/* The attribute: offset and distances of batches, heads, rows, columns. Axes of one element get a distance of 1. */
static bool attention_add_view(sn_graph *g, sn_node *n, const char *name, const attention_view *v, int row, int col)
{
    const int axis[4] = {0, 1, row, col};
    int64_t list[5] = {v->offset};
    for (int i = 0; i < 4; i++)
        list[i + 1] = v->dim[axis[i]] == 1 ? 1 : v->stride[axis[i]];
    return sn_node_add_ints(g, n, name, list, 5);
}

static setsuna_status attention_apply(const fuse_attention *f, const attention_match *m)
{
    sn_graph *g = f->g;
    sn_node *n = m->sum;
    const int64_t dims[6] = {m->q.dim[0], m->q.dim[1], m->q.dim[2], m->k.dim[3], m->q.dim[3], m->v.dim[3]};
    uint32_t *in = sn_arena_array(g->arena, 4, sizeof *in);
    if (!in)
        return SETSUNA_ENOMEM;
    in[0] = m->q.source;
    in[1] = m->k.source;
    in[2] = m->v.source;
    in[3] = m->mask;
    /* The nodes between have no other reader: the planner drops them. */
    n->in = in;
    n->n_in = n->n_formal = m->mask == SN_NONE ? 3 : 4;
    n->attr = NULL;
    n->n_attr = 0;
    sn_node_become(n, "Attention");
    if (m->merge) {
        n->out[0] = m->merge->out[0];
        m->merge->dead = true;
    }
    *f->changed = true;
    bool ok = sn_node_add_ints(g, n, "dims", dims, 6) && attention_add_view(g, n, "q", &m->q, 2, 3) &&
              attention_add_view(g, n, "k", &m->k, 3, 2) && attention_add_view(g, n, "v", &m->v, 2, 3) &&
              sn_node_add_float(g, n, "scale", m->scale) && sn_node_add_int(g, n, "merged", m->merge != NULL);
    return ok ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static setsuna_status attention_pass(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    fuse_attention f = {.g = g, .changed = changed};
    attention_match m;
    SN_TRY(sn_uses_build(g, ctx->arena, &f.uses));
    for (size_t i = 0; i < g->n_node; i++)
        if (attention_match_at(&f, &g->node[i], &m))
            SN_TRY(attention_apply(&f, &m));
    return SETSUNA_OK;
}

const sn_pass sn_pass_fuse_attention = {"fuse-attention", attention_pass};
