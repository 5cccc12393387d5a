/* fuse-dft: what becomes of a Fourier transform is computed where its frames are.
 *
 *     x ─▶ setsuna.Dft(form complex) ─▶ v
 *     v ─▶ Slice(real parts)      ─▶ [Unsqueeze, Transpose...] ─▶ Pow(2) ─┐
 *     v ─▶ Slice(imaginary parts) ─▶ [the same]                ─▶ Pow(2) ─▶ Add ─▶ [Sqrt] ─▶ y
 *
 *         ⇒   x ─▶ setsuna.Dft(form power or magnitude, frames first or not) ─▶ [Reshape] ─▶ y
 *
 *     x ─▶ setsuna.Dft(form power or magnitude) ─▶ setsuna.ToBlocked ─▶ y    ⇒   x ─▶ setsuna.Dft(block) ─▶ y
 *
 * The squares may also be Mul(v, v). What lies between moves no elements but to exchange bins and frames. Values in
 * between must have no other reader.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <string.h>

enum { FUSE_DFT_STEPS_MAX = 16, FUSE_DFT_NONE = -1, FUSE_DFT_N = 0, FUSE_DFT_BINS = 1, FUSE_DFT_FRAMES = 2 };

typedef struct fuse_dft {
    sn_graph *g;
    sn_uses uses;
} fuse_dft;

/* The two halves on their way to the sum. */
typedef struct dft_halves {
    uint32_t v[2];
    int axis[SETSUNA_RANK_MAX]; /* which axis of [N, bins, frames] one of v is; FUSE_DFT_NONE: of extent 1 */
    bool squared;
} dft_halves;

/* The node that reads v, and nobody else does, however often; NULL otherwise. */
static sn_node *fuse_dft_reader(const fuse_dft *f, uint32_t v)
{
    const uint32_t *reader = f->uses.reader + f->uses.first[v];
    for (uint32_t i = 0; i < f->uses.n_use[v]; i++)
        if (reader[i] == SN_NONE || reader[i] != reader[0])
            return NULL;
    return f->uses.n_use[v] && !f->g->node[reader[0]].dead ? &f->g->node[reader[0]] : NULL;
}

static const setsuna_shape *fuse_dft_shape(const fuse_dft *f, uint32_t v)
{
    return &f->g->value[v].shape;
}

/* ---- halves ---------------------------------------------------------------------------------------------- */

/* The integers of a constant list; their number, or 0. */
static size_t fuse_dft_list(const sn_graph *g, uint32_t v, int64_t out[SETSUNA_RANK_MAX])
{
    const sn_const *c = sn_graph_const(g, v);
    int64_t n;
    if (!c || (c->t.dtype != SETSUNA_I64 && c->t.dtype != SETSUNA_I32) || !sn_shape_numel(&c->t.shape, &n) ||
        n > SETSUNA_RANK_MAX)
        return 0;
    for (int64_t i = 0; i < n; i++)
        out[i] = sn_tensor_get_i64(&c->t, i);
    return (size_t)n;
}

/* The node takes all of its input but along axis 1: *first is where it begins there. */
static bool fuse_dft_slice(const fuse_dft *f, const sn_node *n, int64_t *first)
{
    int64_t start[SETSUNA_RANK_MAX], axes[SETSUNA_RANK_MAX], step[SETSUNA_RANK_MAX];
    if (!sn_node_is(n, "", "Slice") || n->opset < 10 || !sn_rewrite_is_f32(f->g, n->out[0]))
        return false;
    const setsuna_shape *x = fuse_dft_shape(f, n->in[0]), *y = fuse_dft_shape(f, n->out[0]);
    size_t count = fuse_dft_list(f->g, sn_node_in(n, 1), start);
    bool has_axes = sn_node_in(n, 3) != SN_NONE, has_steps = sn_node_in(n, 4) != SN_NONE;
    if (!count || (has_axes && fuse_dft_list(f->g, n->in[3], axes) != count) ||
        (has_steps && fuse_dft_list(f->g, n->in[4], step) != count) || y->dim[0] != x->dim[0] || y->dim[2] != x->dim[2])
        return false;
    *first = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t a;
        if ((has_steps && step[i] != 1) || !sn_axis_normalize(has_axes ? axes[i] : (int64_t)i, x->rank, &a))
            return false;
        if (a == 1) /* the slice is not empty: its start is inside, or before the beginning */
            *first = start[i] >= 0 ? start[i] : start[i] >= -x->dim[1] ? start[i] + x->dim[1] : 0;
    }
    return true;
}

/* The readers of a transform are slices of its two halves. */
static bool fuse_dft_begin(const fuse_dft *f, const sn_node *dft, dft_halves *h)
{
    uint32_t v = dft->out[0];
    int64_t bins = sn_node_int(dft, "bins", 0);
    bool found[2] = {false, false};
    if (f->uses.n_use[v] != 2 || !sn_rewrite_is_f32(f->g, v))
        return false;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t at = f->uses.reader[f->uses.first[v] + i];
        int64_t first;
        if (at == SN_NONE || !fuse_dft_slice(f, &f->g->node[at], &first) || (first != 0 && first != bins) ||
            fuse_dft_shape(f, f->g->node[at].out[0])->dim[1] != bins)
            return false;
        h->v[first != 0] = f->g->node[at].out[0];
        found[first != 0] = true;
    }
    for (int i = 0; i < 3; i++)
        h->axis[i] = i;
    h->squared = false;
    return found[0] && found[1];
}

/* ---- what happens to both ---------------------------------------------------------------------------------- */

/* Axes keep their order through a change of shape that only adds and drops those of extent 1. */
static bool fuse_dft_reshape(dft_halves *h, const setsuna_shape *from, const setsuna_shape *to)
{
    int axis[SETSUNA_RANK_MAX];
    int32_t at = 0;
    for (int32_t i = 0; i < to->rank; i++) {
        axis[i] = FUSE_DFT_NONE;
        if (to->dim[i] == 1)
            continue;
        while (at < from->rank && from->dim[at] == 1)
            at++;
        if (at == from->rank || from->dim[at] != to->dim[i])
            return false;
        axis[i] = h->axis[at++];
    }
    memcpy(h->axis, axis, sizeof axis);
    return true;
}

static bool fuse_dft_transpose(dft_halves *h, const sn_node *a, const sn_node *b, int32_t rank)
{
    const int64_t *p = NULL, *q = NULL;
    int axis[SETSUNA_RANK_MAX];
    size_t n = sn_node_ints(a, "perm", &p);
    if (n != (size_t)rank || sn_node_ints(b, "perm", &q) != n || memcmp(p, q, n * sizeof *p) != 0)
        return false;
    for (int32_t i = 0; i < rank; i++) {
        if (p[i] < 0 || p[i] >= rank)
            return false;
        axis[i] = h->axis[p[i]];
    }
    memcpy(h->axis, axis, (size_t)rank * sizeof *axis);
    return true;
}

static bool fuse_dft_is_reshape(const sn_node *n)
{
    return sn_node_is(n, "", "Unsqueeze") || sn_node_is(n, "", "Squeeze") || sn_node_is(n, "", "Reshape") ||
           sn_node_is(n, "", "Flatten");
}

/* n squares v. */
static bool fuse_dft_is_square(const fuse_dft *f, const sn_node *n, uint32_t v)
{
    int64_t one;
    if (n->in[0] != v || n->n_in != 2)
        return false;
    if (sn_node_is(n, "", "Mul"))
        return n->in[1] == v;
    const sn_const *c = sn_graph_const(f->g, n->in[1]);
    return sn_node_is(n, "", "Pow") && c && sn_shape_numel(&c->t.shape, &one) && one == 1 &&
           c->t.size_bytes <= SN_REWRITE_CONST_MAX_BYTES && sn_tensor_get_f64(&c->t, 0) == 2 &&
           sn_shape_equal(fuse_dft_shape(f, v), fuse_dft_shape(f, n->out[0]));
}

/* One step with both halves; false: something else happens to them. */
static bool fuse_dft_step(const fuse_dft *f, dft_halves *h, const sn_node *a, const sn_node *b)
{
    if (a->n_out != 1 || b->n_out != 1 || a->in[0] != h->v[0] || b->in[0] != h->v[1] ||
        !sn_rewrite_is_f32(f->g, a->out[0]) || !sn_rewrite_is_f32(f->g, b->out[0]) ||
        !sn_shape_equal(fuse_dft_shape(f, a->out[0]), fuse_dft_shape(f, b->out[0])))
        return false;
    const setsuna_shape *from = fuse_dft_shape(f, h->v[0]), *to = fuse_dft_shape(f, a->out[0]);
    if (!h->squared && fuse_dft_is_square(f, a, h->v[0]) && fuse_dft_is_square(f, b, h->v[1]))
        h->squared = true;
    else if (sn_node_is(a, "", "Transpose") && sn_node_is(b, "", "Transpose")) {
        if (!fuse_dft_transpose(h, a, b, from->rank))
            return false;
    } else if (!fuse_dft_is_reshape(a) || !fuse_dft_is_reshape(b) || !fuse_dft_reshape(h, from, to)) {
        return false;
    }
    h->v[0] = a->out[0];
    h->v[1] = b->out[0];
    return true;
}

/* The Add of both squares, or NULL. */
static sn_node *fuse_dft_sum(const fuse_dft *f, dft_halves *h)
{
    for (int i = 0; i < FUSE_DFT_STEPS_MAX; i++) {
        sn_node *a = fuse_dft_reader(f, h->v[0]), *b = fuse_dft_reader(f, h->v[1]);
        if (!a || !b)
            return NULL;
        if (a == b)
            return h->squared && sn_node_is(a, "", "Add") ? a : NULL;
        if (!fuse_dft_step(f, h, a, b))
            return NULL;
    }
    return NULL;
}

/* ---- rewriting ------------------------------------------------------------------------------------------- */

/* y, of the given shape, is a transform's output under another shape. */
static setsuna_status fuse_dft_add_reshape(sn_graph *g, uint32_t x, uint32_t y)
{
    const setsuna_shape shape = g->value[y].shape;
    uint32_t to = sn_rewrite_const_i64(g, shape.dim, (size_t)shape.rank);
    return to != SN_NONE && sn_graph_add_node(g, "", "Reshape", 13, g->value[y].name, (uint32_t[]){x, to}, 2, &y, 1)
               ? SETSUNA_OK
               : SETSUNA_ENOMEM;
}

/* Frames come before bins. false: other axes changed places as well. */
static bool fuse_dft_order(const dft_halves *h, const setsuna_shape *y, bool *frames_first)
{
    int seen[3], n = 0;
    for (int32_t i = 0; i < y->rank; i++)
        if (y->dim[i] != 1 && n < 3)
            seen[n++] = h->axis[i];
    int at[3] = {-1, -1, -1};
    for (int i = 0; i < n; i++)
        at[seen[i]] = i;
    *frames_first = at[FUSE_DFT_FRAMES] >= 0 && at[FUSE_DFT_FRAMES] < at[FUSE_DFT_BINS];
    return at[FUSE_DFT_N] <= 0;
}

/* The transform at index becomes one whose output is y, made by `last` so far. */
static setsuna_status fuse_dft_rewrite(sn_graph *g, size_t index, sn_node *last, bool root, bool frames_first)
{
    uint32_t y = last->out[0];
    const sn_node dft = g->node[index];
    const setsuna_shape *v = &g->value[dft.out[0]].shape, *to = &g->value[y].shape;
    int64_t bins = sn_node_int(&dft, "bins", 0);
    setsuna_shape own = {3, {v->dim[0], frames_first ? v->dim[2] : bins, frames_first ? bins : v->dim[2]}};
    bool same = sn_shape_equal(&own, to);
    uint32_t made = same ? y : sn_graph_add_value(g, g->value[y].name, SETSUNA_F32);
    last->dead = true; /* and nobody wants what it read */
    if (made == SN_NONE)
        return SETSUNA_ENOMEM;
    sn_node *n = sn_graph_add_node(g, "setsuna", "Dft", 1, dft.name, dft.in, dft.n_in, &made, 1);
    if (!n || !sn_node_add_int(g, n, "hop", sn_node_int(&dft, "hop", 1)) || !sn_node_add_int(g, n, "bins", bins) ||
        !sn_node_add_string(g, n, "form", root ? "magnitude" : "power") ||
        !sn_node_add_int(g, n, "frames", frames_first))
        return SETSUNA_ENOMEM;
    return same ? SETSUNA_OK : fuse_dft_add_reshape(g, made, y);
}

static setsuna_status fuse_dft_power(fuse_dft *f, size_t index, bool *changed)
{
    dft_halves h;
    bool frames_first;
    if (!fuse_dft_begin(f, &f->g->node[index], &h))
        return SETSUNA_OK;
    sn_node *add = fuse_dft_sum(f, &h);
    if (!add || !fuse_dft_order(&h, fuse_dft_shape(f, h.v[0]), &frames_first))
        return SETSUNA_OK;
    sn_node *root = fuse_dft_reader(f, add->out[0]);
    bool has_root = root && sn_node_is(root, "", "Sqrt");
    *changed = true;
    return fuse_dft_rewrite(f->g, index, has_root ? root : add, has_root, frames_first);
}

static setsuna_status fuse_dft_block(fuse_dft *f, size_t index, bool *changed)
{
    sn_node *n = &f->g->node[index], *to = fuse_dft_reader(f, n->out[0]);
    if (!to || !sn_node_is(to, "setsuna", "ToBlocked") || sn_node_int(n, "frames", 0) || sn_node_attr(n, "block"))
        return SETSUNA_OK;
    n->out[0] = to->out[0];
    to->dead = true;
    *changed = true;
    return sn_node_add_int(f->g, n, "block", sn_node_int(to, "block", 0)) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static setsuna_status fuse_dft_each(sn_graph *g, const sn_pass_ctx *ctx, bool complex_form,
                                    setsuna_status (*rewrite)(fuse_dft *f, size_t index, bool *changed), bool *changed)
{
    fuse_dft f = {.g = g};
    SN_TRY(sn_uses_build(g, ctx->arena, &f.uses));
    for (size_t i = 0, n = g->n_node; i < n; i++)
        if (sn_node_is(&g->node[i], "setsuna", "Dft") &&
            complex_form == (strcmp(sn_node_string(&g->node[i], "form", "complex"), "complex") == 0))
            SN_TRY(rewrite(&f, i, changed));
    return SETSUNA_OK;
}

static setsuna_status fuse_dft_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    bool any = false;
    for (size_t i = 0; i < g->n_node && !any; i++)
        any = sn_node_is(&g->node[i], "setsuna", "Dft");
    if (!any)
        return SETSUNA_OK;
    SN_TRY(fuse_dft_each(g, ctx, true, fuse_dft_power, changed));
    return fuse_dft_each(g, ctx, false, fuse_dft_block, changed);
}

const sn_pass sn_pass_fuse_dft = {"fuse-dft", fuse_dft_run};
