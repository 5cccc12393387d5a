/* fuse-conv: what follows a convolution element by element becomes part of it.
 *
 *     x ─▶ setsuna.Conv ─▶ Relu ─▶ y                     ⇒   x ─▶ setsuna.Conv(activation relu) ─▶ y
 *
 *     x ─▶ setsuna.Conv ─▶ Add(r) ─▶ Relu ─▶ y           ⇒   x, r ─▶ setsuna.Conv(residual before, activation relu) ─▶
 * y x ─▶ setsuna.Conv(activation) ─▶ Add(r) ─▶ y       ⇒   x, r ─▶ setsuna.Conv(activation, residual after) ─▶ y
 *
 *     x ─▶ setsuna.Conv(activation) ─▶ Mul(2) ─▶ Add(3) ─▶ y   ⇒   x ─▶ setsuna.Conv(activation, act_scale 2,
 *                                                                                       act_shift 3) ─▶ y
 *
 * Activations: Relu, Clip with constant bounds, Max with a number, LeakyRelu and the two of them, Sigmoid, Tanh,
 * HardSigmoid, HardSwish, setsuna.Swish. setsuna.ConvTranspose takes all but residuals. r has the shape of y. What is
 * between must have no other reader. Of two convolutions that an Add joins, the later one takes the other's result.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <math.h>
#include <string.h>

enum { FUSE_CONV_R = 4 };

typedef struct fuse {
    sn_graph *g;
    sn_uses uses;
    bool *changed;
} fuse;

/* The convolution that makes v for one reader only; NULL: something else does. */
static sn_node *fuse_conv_of(const fuse *f, uint32_t v)
{
    if (v == SN_NONE || f->uses.producer[v] == SN_NONE || f->uses.n_use[v] != 1)
        return NULL;
    sn_node *n = &f->g->node[f->uses.producer[v]];
    return sn_node_is(n, "setsuna", "Conv") || sn_node_is(n, "setsuna", "ConvTranspose") ? n : NULL;
}

static bool fuse_has_residual(const sn_node *conv)
{
    return sn_node_in(conv, FUSE_CONV_R) != SN_NONE;
}

static bool fuse_is_scaled(const sn_node *conv)
{
    return sn_node_attr(conv, "act_scale") || sn_node_attr(conv, "act_shift");
}

static bool fuse_is_residual_last(const sn_node *conv)
{
    return sn_node_attr(conv, "residual") != NULL; /* set by this pass, to "after" only */
}

/* The node's work is done by conv. */
static void fuse_take(fuse *f, sn_node *conv, sn_node *n)
{
    uint32_t at = f->uses.producer[conv->out[0]];
    conv->out[0] = n->out[0];
    f->uses.producer[n->out[0]] = at;
    n->dead = true;
    *f->changed = true;
}

/* A bound of Clip: constant input i, or before opset 11 the attribute. false: not constant. */
static bool fuse_bound(const sn_graph *g, const sn_node *n, uint32_t i, const char *name, float absent, float *out)
{
    *out = n->opset < 11 ? sn_node_float(n, name, absent) : absent;
    if (n->opset < 11 || sn_node_in(n, i) == SN_NONE)
        return true;
    const sn_const *c = sn_graph_const(g, n->in[i]);
    if (!c || c->t.dtype != SETSUNA_F32 || c->t.size_bytes != sizeof(float))
        return false;
    *out = (float)sn_tensor_get_f64(&c->t, 0);
    return true;
}

typedef struct fuse_act {
    const char *name;
    float alpha, beta;
} fuse_act;

static bool fuse_match_act(const sn_graph *g, const sn_node *n, fuse_act *out)
{
    static const struct {
        const char *domain, *op, *name;
        float alpha, beta; /* defaults of the attributes that count */
    } acts[] = {
        {"", "Relu", "relu", 0, 0},
        {"", "Clip", "clip", 0, 0},
        {"", "LeakyRelu", "leaky_relu", 0.01f, 0},
        {"", "Sigmoid", "sigmoid", 0, 0},
        {"", "Tanh", "tanh", 0, 0},
        {"", "HardSigmoid", "hard_sigmoid", 0.2f, 0.5f},
        {"", "HardSwish", "hard_swish", 0, 0},
        {"setsuna", "Swish", "silu", 1, 0},
    };
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (!sn_node_is(n, acts[i].domain, acts[i].op) || n->opset < (n->domain[0] ? 1 : 6))
            continue;
        *out =
            (fuse_act){acts[i].name, sn_node_float(n, "alpha", acts[i].alpha), sn_node_float(n, "beta", acts[i].beta)};
        if (out->name[0] == 'c')
            return fuse_bound(g, n, 1, "min", -INFINITY, &out->alpha) &&
                   fuse_bound(g, n, 2, "max", INFINITY, &out->beta);
        return true;
    }
    return false;
}

static setsuna_status fuse_activation(fuse *f, sn_node *n, bool *done)
{
    fuse_act act;
    if (n->n_in < 1 || n->n_out != 1 || !fuse_match_act(f->g, n, &act))
        return SETSUNA_OK;
    sn_node *conv = fuse_conv_of(f, n->in[0]);
    if (!conv || sn_node_attr(conv, "activation") || fuse_is_scaled(conv))
        return SETSUNA_OK;
    if (!sn_node_add_string(f->g, conv, "activation", act.name) ||
        !sn_node_add_float(f->g, conv, "act_alpha", act.alpha) || !sn_node_add_float(f->g, conv, "act_beta", act.beta))
        return SETSUNA_ENOMEM;
    fuse_take(f, conv, n);
    *done = true;
    return SETSUNA_OK;
}

/* The greater of a result and a number, which becomes the lower bound of its activation. */
static setsuna_status fuse_floor(fuse *f, sn_node *n, bool *done)
{
    if (!sn_node_is(n, "", "Max") || n->n_in != 2 || n->opset < 8 || n->in[0] == SN_NONE || n->in[1] == SN_NONE)
        return SETSUNA_OK;
    bool swap = sn_graph_const(f->g, n->in[0]) != NULL;
    sn_node *conv = fuse_conv_of(f, n->in[swap]);
    const sn_const *c = sn_graph_const(f->g, n->in[!swap]);
    if (!conv || !c || c->t.dtype != SETSUNA_F32 || c->t.size_bytes != sizeof(float) || fuse_is_scaled(conv) ||
        fuse_is_residual_last(conv) || !sn_rewrite_is_f32(f->g, n->out[0]) || !sn_rewrite_is_f32(f->g, n->in[swap]) ||
        !sn_shape_equal(&f->g->value[n->in[swap]].shape, &f->g->value[n->out[0]].shape))
        return SETSUNA_OK;
    float floor = (float)sn_tensor_get_f64(&c->t, 0);
    bool none = !sn_node_attr(conv, "activation");
    if (floor != floor || (!none && strcmp(sn_node_string(conv, "activation", ""), "leaky_relu") != 0))
        return SETSUNA_OK;
    if (!sn_node_add_string(f->g, conv, "activation", none ? "clip" : "leaky_relu_max") ||
        (none && !sn_node_add_float(f->g, conv, "act_alpha", floor)) ||
        !sn_node_add_float(f->g, conv, "act_beta", none ? INFINITY : floor))
        return SETSUNA_ENOMEM;
    fuse_take(f, conv, n);
    *done = true;
    return SETSUNA_OK;
}

/* A number after the activation. Without an activation fold-affine has done it. */
static setsuna_status fuse_scale(fuse *f, sn_node *n, bool *done)
{
    sn_affine a;
    if (!sn_match_affine(f->g, n, &a) || a.per_channel)
        return SETSUNA_OK;
    sn_node *conv = fuse_conv_of(f, a.x);
    if (!conv || !sn_node_attr(conv, "activation") || fuse_is_residual_last(conv))
        return SETSUNA_OK;
    double scale = (double)sn_node_float(conv, "act_scale", 1), shift = (double)sn_node_float(conv, "act_shift", 0);
    double v = sn_affine_at(&a, 0);
    scale = a.product ? scale * v : scale;
    shift = a.product ? shift * v : shift + v;
    if (!sn_node_add_float(f->g, conv, "act_scale", (float)scale) ||
        !sn_node_add_float(f->g, conv, "act_shift", (float)shift))
        return SETSUNA_ENOMEM;
    fuse_take(f, conv, n);
    *done = true;
    return SETSUNA_OK;
}

static bool fuse_may_add(const fuse *f, const sn_node *conv, uint32_t residual)
{
    const sn_graph *g = f->g;
    return conv && sn_node_is(conv, "setsuna", "Conv") && !fuse_has_residual(conv) && !sn_graph_const(g, residual) &&
           sn_rewrite_is_f32(g, residual) && sn_rewrite_is_f32(g, conv->out[0]) &&
           sn_shape_equal(&g->value[residual].shape, &g->value[conv->out[0]].shape);
}

static setsuna_status fuse_residual(fuse *f, sn_node *n)
{
    if (!sn_node_is(n, "", "Add") || n->n_in != 2 || n->in[0] == SN_NONE || n->in[1] == SN_NONE)
        return SETSUNA_OK;
    sn_node *conv[2] = {fuse_conv_of(f, n->in[0]), fuse_conv_of(f, n->in[1])};
    int pick = conv[1] && (!conv[0] || conv[1] > conv[0]);
    if (!fuse_may_add(f, conv[pick], n->in[!pick]))
        pick = !pick;
    if (!fuse_may_add(f, conv[pick], n->in[!pick]))
        return SETSUNA_OK;
    bool after = sn_node_attr(conv[pick], "activation") != NULL;
    if (!sn_node_set_in(f->g, conv[pick], FUSE_CONV_R, n->in[!pick]) ||
        (after && !sn_node_add_string(f->g, conv[pick], "residual", "after")))
        return SETSUNA_ENOMEM;
    fuse_take(f, conv[pick], n);
    return SETSUNA_OK;
}

static setsuna_status fuse_conv_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    fuse f = {.g = g, .changed = changed};
    SN_TRY(sn_uses_build(g, ctx->arena, &f.uses));
    for (size_t i = 0; i < g->n_node; i++) {
        sn_node *n = &g->node[i];
        bool done = n->dead;
        if (!done)
            SN_TRY(fuse_activation(&f, n, &done));
        if (!done)
            SN_TRY(fuse_floor(&f, n, &done));
        if (!done)
            SN_TRY(fuse_scale(&f, n, &done));
        if (!done)
            SN_TRY(fuse_residual(&f, n));
    }
    return SETSUNA_OK;
}

const sn_pass sn_pass_fuse_conv = {"fuse-conv", fuse_conv_run};
