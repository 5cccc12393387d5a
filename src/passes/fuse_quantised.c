/* fuse-quantised: what follows a product of bytes becomes its end (ops/qproduct.c).
 *
 *     x ─▶ setsuna.QConv ─▶ setsuna.QLookup(T) ─▶ y     ⇒   x ─▶ setsuna.QConv(T) ─▶ y
 *     x ─▶ setsuna.QConv ─▶ setsuna.QAdd(r) ─▶ y        ⇒   x, r ─▶ setsuna.QConv(residual) ─▶ y
 *
 * setsuna.QGemm likewise. What is between must have no other reader; of two products that a sum joins, the later one
 * takes the other's result. The bits stay the same: the product is rounded to bytes first in either form.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <string.h>

enum { FUSE_Q_T = 5, FUSE_Q_R = 6 };

typedef struct fuse_q {
    sn_graph *g;
    sn_uses uses;
    bool *changed;
} fuse_q;

/* The product that makes bytes v for one reader only, and has no residual yet. */
static sn_node *fuse_q_product(const fuse_q *f, uint32_t v)
{
    if (v == SN_NONE || f->uses.producer[v] == SN_NONE || f->uses.n_use[v] != 1)
        return NULL;
    sn_node *n = &f->g->node[f->uses.producer[v]];
    bool product = sn_node_is(n, "setsuna", "QConv") || sn_node_is(n, "setsuna", "QGemm");
    return product && !sn_node_int(n, "float", 0) && sn_node_in(n, FUSE_Q_R) == SN_NONE ? n : NULL;
}

/* The node's work is done by the product. */
static void fuse_q_take(fuse_q *f, sn_node *product, sn_node *n)
{
    uint32_t at = f->uses.producer[product->out[0]];
    product->out[0] = n->out[0];
    f->uses.producer[n->out[0]] = at;
    n->dead = true;
    *f->changed = true;
}

static setsuna_status fuse_q_lookup(fuse_q *f, sn_node *n)
{
    sn_node *product = fuse_q_product(f, n->in[0]);
    if (!product || sn_node_in(product, FUSE_Q_T) != SN_NONE || !sn_graph_const(f->g, n->in[1]) ||
        sn_node_int(n, "to", SETSUNA_U8) != SETSUNA_U8)
        return SETSUNA_OK;
    if (!sn_node_set_in(f->g, product, FUSE_Q_T, n->in[1]))
        return SETSUNA_ENOMEM;
    fuse_q_take(f, product, n);
    return SETSUNA_OK;
}

static bool fuse_q_scales(fuse_q *f, sn_node *product, const sn_node *add, bool own_is_b)
{
    sn_graph *g = f->g;
    const char *own_scale = own_is_b ? "b_scale" : "a_scale", *own_zero = own_is_b ? "b_zero" : "a_zero";
    const char *r_scale = own_is_b ? "a_scale" : "b_scale", *r_zero = own_is_b ? "a_zero" : "b_zero";
    return sn_node_add_float(g, product, "t_scale", sn_node_float(add, own_scale, 1)) &&
           sn_node_add_int(g, product, "t_zero", sn_node_int(add, own_zero, 0)) &&
           sn_node_add_float(g, product, "r_scale", sn_node_float(add, r_scale, 1)) &&
           sn_node_add_int(g, product, "r_zero", sn_node_int(add, r_zero, 0)) &&
           sn_node_add_float(g, product, "sum_scale", sn_node_float(add, "y_scale", 1)) &&
           sn_node_add_int(g, product, "sum_zero", sn_node_int(add, "y_zero", 0)) &&
           sn_node_add_int(g, product, "sum_lo", sn_node_int(add, "lo", 0)) &&
           sn_node_add_int(g, product, "sum_hi", sn_node_int(add, "hi", 255));
}

static setsuna_status fuse_q_add(fuse_q *f, sn_node *n)
{
    sn_node *product[2] = {fuse_q_product(f, n->in[0]), fuse_q_product(f, n->in[1])};
    int own = product[1] && (!product[0] || product[1] > product[0]);
    if (!product[own] || n->in[0] == n->in[1])
        return SETSUNA_OK;
    if (!sn_node_set_in(f->g, product[own], FUSE_Q_R, n->in[!own]) || !fuse_q_scales(f, product[own], n, own))
        return SETSUNA_ENOMEM;
    fuse_q_take(f, product[own], n);
    return SETSUNA_OK;
}

static setsuna_status fuse_q_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    fuse_q f = {.g = g, .changed = changed};
    SN_TRY(sn_uses_build(g, ctx->arena, &f.uses));
    for (size_t i = 0; i < g->n_node; i++) {
        if (sn_node_is(&g->node[i], "setsuna", "QLookup"))
            SN_TRY(fuse_q_lookup(&f, &g->node[i]));
        else if (sn_node_is(&g->node[i], "setsuna", "QAdd"))
            SN_TRY(fuse_q_add(&f, &g->node[i]));
    }
    return SETSUNA_OK;
}

const sn_pass sn_pass_fuse_quantised = {"fuse-quantised", fuse_q_run};
