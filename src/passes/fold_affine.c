/* fold-affine: factors and summands after a convolution become part of it.
 *
 *     x ─▶ setsuna.Conv(W, B, S) ─▶ Mul(m) ─▶ Add(a) ─▶ y
 *         ⇒
 *     x ─▶ setsuna.Conv(W, B m + a, S m) ─▶ y              S is multiplied into W when that is packed
 *
 * and where there is no convolution before them, neighbours merge:
 *
 *     x ─▶ Mul(m) ─▶ Mul(n) ─▶ y   ⇒   x ─▶ Mul(m n) ─▶ y       x ─▶ Add(a) ─▶ Add(b) ─▶ y   ⇒   x ─▶ Add(a + b) ─▶ y
 *
 * m, n, a, b: one number or one per channel; Div and Sub by such constants count as Mul and Add when a convolution
 * takes them. Whatever is between must have no other reader.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"

enum { FOLD_CONV_W = 1, FOLD_CONV_B = 2, FOLD_CONV_S = 3, FOLD_CONV_R = 4 };

typedef struct fold {
    sn_graph *g;
    sn_uses uses;
    bool *changed;
} fold;

static bool fold_is_up(const sn_node *n)
{
    return sn_node_is(n, "setsuna", "ConvTranspose");
}

/* Output channels: weights are [M, C/group, ...] and [C, M, ...]. */
static int64_t fold_channels(const sn_graph *g, const sn_node *n)
{
    return g->value[n->in[FOLD_CONV_W]].shape.dim[fold_is_up(n)];
}

/* Sets the constant input `i` of a convolution to v(c) = (old or `absent`) op a(c). */
static setsuna_status fold_vector(fold *f, sn_node *conv, uint32_t i, double absent, const sn_affine *a)
{
    sn_graph *g = f->g;
    const sn_const *old = sn_graph_const(g, sn_node_in(conv, i));
    setsuna_shape shape = {.rank = 1, .dim = {fold_channels(g, conv)}};
    float *v = sn_arena_array(g->arena, (size_t)shape.dim[0], sizeof *v);
    if (!v)
        return SETSUNA_ENOMEM;
    for (int64_t c = 0; c < shape.dim[0]; c++) {
        double x = old ? sn_tensor_get_f64(&old->t, c) : absent;
        v[c] = (float)(a->product ? x * sn_affine_at(a, c) : x + sn_affine_at(a, c));
    }
    uint32_t made = sn_rewrite_const(g, SETSUNA_F32, &shape, v);
    return made != SN_NONE && sn_node_set_in(g, conv, i, made) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static bool fold_readable(const sn_graph *g, const sn_node *n, uint32_t i)
{
    const sn_const *c = sn_graph_const(g, sn_node_in(n, i));
    return !c || sn_const_is_readable(c);
}

/* A convolution that still ends in its sum. */
static bool fold_is_open(const sn_graph *g, const sn_node *n)
{
    return (sn_node_is(n, "setsuna", "Conv") || fold_is_up(n)) && !sn_node_attr(n, "activation") &&
           sn_node_in(n, FOLD_CONV_R) == SN_NONE && fold_readable(g, n, FOLD_CONV_B) &&
           fold_readable(g, n, FOLD_CONV_S) &&
           fold_channels(g, n) * (int64_t)sizeof(float) <= SN_REWRITE_CONST_MAX_BYTES;
}

static setsuna_status fold_into_conv(fold *f, sn_node *conv, const sn_affine *a)
{
    if (!a->product)
        return fold_vector(f, conv, FOLD_CONV_B, 0, a);
    if (sn_node_in(conv, FOLD_CONV_B) != SN_NONE)
        SN_TRY(fold_vector(f, conv, FOLD_CONV_B, 0, a));
    return fold_vector(f, conv, FOLD_CONV_S, 1, a);
}

/* x ─▶ n ─▶ m: m takes both constants. Neither is inverse, so that results differ by one rounding only. */
static setsuna_status fold_neighbours(fold *f, const sn_affine *first, const sn_affine *second, sn_node *m)
{
    sn_graph *g = f->g;
    const sn_affine *wide = first->per_channel ? first : second;
    const setsuna_shape *shape = &wide->c->t.shape;
    int64_t n = wide->per_channel ? g->value[first->x].shape.dim[1] : 1;
    float *v = sn_arena_array(g->arena, (size_t)n, sizeof *v);
    if (!v)
        return SETSUNA_ENOMEM;
    for (int64_t c = 0; c < n; c++) {
        double p = sn_affine_at(first, c), q = sn_affine_at(second, c);
        v[c] = (float)(first->product ? p * q : p + q);
    }
    uint32_t made = sn_rewrite_const(g, SETSUNA_F32, shape, v);
    if (made == SN_NONE || !sn_node_set_in(g, m, 0, first->x) || !sn_node_set_in(g, m, 1, made))
        return SETSUNA_ENOMEM;
    return SETSUNA_OK;
}

static setsuna_status fold_node(fold *f, size_t i)
{
    sn_graph *g = f->g;
    sn_node *n = &g->node[i];
    sn_affine a, before;
    if (!sn_match_affine(g, n, &a) || f->uses.producer[a.x] == SN_NONE || f->uses.n_use[a.x] != 1)
        return SETSUNA_OK;
    sn_node *p = &g->node[f->uses.producer[a.x]];
    if (fold_is_open(g, p)) {
        SN_TRY(fold_into_conv(f, p, &a));
        p->out[0] = n->out[0];
        f->uses.producer[n->out[0]] = f->uses.producer[a.x];
        n->dead = true;
        *f->changed = true;
    } else if (sn_match_affine(g, p, &before) && before.product == a.product && !before.inverse && !a.inverse) {
        SN_TRY(fold_neighbours(f, &before, &a, n));
        p->dead = true;
        *f->changed = true;
    }
    return SETSUNA_OK;
}

static setsuna_status fold_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    fold f = {.g = g, .changed = changed};
    SN_TRY(sn_uses_build(g, ctx->arena, &f.uses));
    for (size_t i = 0; i < g->n_node; i++)
        SN_TRY(fold_node(&f, i));
    return SETSUNA_OK;
}

const sn_pass sn_pass_fold_affine = {"fold-affine", fold_run};
