/* lower-conv: convolutions that the blocked kernels can run become setsuna.Conv (ops/conv_blocked.c).
 *
 *     x, W const, B const ─▶ Conv ─▶ y      ⇒      x, W, B ─▶ setsuna.Conv ─▶ y          same attributes
 *
 * f32, one or two spatial dims. Others keep the ONNX operator.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"

static bool lower_conv_wanted(const sn_graph *g, const sn_node *n)
{
    if (!sn_node_is(n, "", "Conv") || n->n_in < 2 || n->n_in > 3 || n->n_out != 1)
        return false;
    const sn_const *w = sn_graph_const(g, n->in[1]);
    bool has_bias = n->n_in == 3 && n->in[2] != SN_NONE;
    if (!w || !sn_rewrite_is_f32(g, n->in[0]) || w->t.dtype != SETSUNA_F32 || w->t.shape.rank < 3 ||
        w->t.shape.rank > 4 || (has_bias && !sn_graph_const(g, n->in[2])))
        return false;
    const setsuna_shape *x = &g->value[n->in[0]].shape;
    int64_t numel;
    return x->rank == w->t.shape.rank && sn_shape_numel(&w->t.shape, &numel) && numel > 0 &&
           sn_shape_numel(x, &numel) && numel > 0;
}

static setsuna_status lower_conv_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    (void)ctx;
    for (size_t i = 0; i < g->n_node; i++)
        if (lower_conv_wanted(g, &g->node[i])) {
            sn_node_become(&g->node[i], "Conv");
            *changed = true;
        }
    return SETSUNA_OK;
}

const sn_pass sn_pass_lower_conv = {"lower-conv", lower_conv_run};
