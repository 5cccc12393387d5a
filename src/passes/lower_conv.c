/* lower-conv: convolutions that the blocked kernels can run become operators of "setsuna" (ops/conv_blocked.c).
 *
 *     x, W const, B const ─▶ Conv ─▶ y             ⇒   x, W, B ─▶ setsuna.Conv ─▶ y            same attributes
 *     x, W const, B const ─▶ ConvTranspose ─▶ y    ⇒   x, W, B ─▶ setsuna.ConvTranspose ─▶ y   none
 *
 * f32. Conv: one or two spatial dims. ConvTranspose: two, the kernel as large as the stride, and no padding. Others
 * keep the ONNX operator.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"

/* f32 with constant weights of as many spatial dims as x, and constant bias. */
static bool lower_conv_operands(const sn_graph *g, const sn_node *n)
{
    if (n->n_in < 2 || n->n_in > 3 || n->n_out != 1)
        return false;
    const sn_const *w = sn_graph_const(g, n->in[1]);
    bool has_bias = n->n_in == 3 && n->in[2] != SN_NONE;
    int64_t numel;
    if (!w || w->t.dtype != SETSUNA_F32 || (has_bias && !sn_graph_const(g, n->in[2])) ||
        !sn_rewrite_is_f32(g, n->in[0]))
        return false;
    const setsuna_shape *x = &g->value[n->in[0]].shape;
    return x->rank == w->t.shape.rank && sn_shape_numel(&w->t.shape, &numel) && numel > 0 &&
           sn_shape_numel(x, &numel) && numel > 0;
}

static bool lower_conv_wanted(const sn_graph *g, const sn_node *n)
{
    return sn_node_is(n, "", "Conv") && lower_conv_operands(g, n) && g->value[n->in[1]].shape.rank >= 3 &&
           g->value[n->in[1]].shape.rank <= 4;
}

/* All entries of an optional list are `want`, or the extents of the kernel where want is -1. */
static bool lower_conv_list_is(const sn_node *n, const char *name, int64_t want, const setsuna_shape *w)
{
    const int64_t *v;
    size_t count = sn_node_ints(n, name, &v);
    for (size_t i = 0; i < count; i++)
        if (v[i] != (want >= 0 ? want : i < 2 ? w->dim[2 + i] : -1))
            return false;
    return count > 0 || !sn_node_attr(n, name);
}

static bool lower_conv_transpose_wanted(const sn_graph *g, const sn_node *n)
{
    if (!sn_node_is(n, "", "ConvTranspose") || !lower_conv_operands(g, n) || g->value[n->in[1]].shape.rank != 4)
        return false;
    const setsuna_shape *w = &g->value[n->in[1]].shape, *x = &g->value[n->in[0]].shape, *y = &g->value[n->out[0]].shape;
    return sn_node_attr(n, "strides") && lower_conv_list_is(n, "strides", -1, w) &&
           lower_conv_list_is(n, "kernel_shape", -1, w) && lower_conv_list_is(n, "dilations", 1, w) &&
           lower_conv_list_is(n, "pads", 0, w) && lower_conv_list_is(n, "output_padding", 0, w) &&
           !sn_node_attr(n, "output_shape") && sn_node_int(n, "group", 1) == 1 && sn_rewrite_is_f32(g, n->out[0]) &&
           y->dim[2] == x->dim[2] * w->dim[2] && y->dim[3] == x->dim[3] * w->dim[3];
}

static setsuna_status lower_conv_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    (void)ctx;
    for (size_t i = 0; i < g->n_node; i++) {
        sn_node *n = &g->node[i];
        if (lower_conv_wanted(g, n)) {
            sn_node_become(n, "Conv");
            *changed = true;
        } else if (lower_conv_transpose_wanted(g, n)) {
            sn_node_become(n, "ConvTranspose");
            n->attr = NULL;
            n->n_attr = 0;
            *changed = true;
        }
    }
    return SETSUNA_OK;
}

const sn_pass sn_pass_lower_conv = {"lower-conv", lower_conv_run};
