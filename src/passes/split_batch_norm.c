/* split-batch-norm: an inference-mode BatchNormalization is a factor and a summand per channel.
 *
 *     x ─▶ BatchNormalization(scale, bias, mean, var) ─▶ y
 *         ⇒
 *     x ─▶ Mul(m) ─▶ Add(a) ─▶ y        m = scale / sqrt(var + epsilon), a = bias - mean m, [C, 1, 1...]
 *
 * f32 with constant statistics. What makes x may absorb both (fold_affine.c); otherwise they run as elementwise steps.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <math.h>

enum { BN_X, BN_SCALE, BN_BIAS, BN_MEAN, BN_VAR, BN_INPUTS };

static bool split_bn_wanted(const sn_graph *g, const sn_node *n)
{
    if (!sn_node_is(n, "", "BatchNormalization") || n->n_in != BN_INPUTS || n->opset < 7)
        return false;
    for (uint32_t k = 1; k < n->n_out; k++)
        if (n->out[k] != SN_NONE)
            return false;
    if (sn_node_int(n, "training_mode", 0) != 0 || sn_node_int(n, "spatial", 1) != 1 ||
        !sn_rewrite_is_f32(g, n->in[BN_X]) || g->value[n->in[BN_X]].shape.rank < 2)
        return false;
    int64_t channels = g->value[n->in[BN_X]].shape.dim[1];
    for (uint32_t i = BN_SCALE; i < BN_INPUTS; i++) {
        const sn_const *c = sn_graph_const(g, n->in[i]);
        if (!c || c->t.dtype != SETSUNA_F32 || c->t.shape.rank != 1 || c->t.shape.dim[0] != channels ||
            !sn_const_is_readable(c))
            return false;
    }
    return true;
}

static setsuna_status split_bn(sn_graph *g, size_t index)
{
    const sn_node n = g->node[index];
    const setsuna_shape *x = &g->value[n.in[BN_X]].shape;
    int64_t channels = x->dim[1];
    setsuna_shape shape = {.rank = x->rank - 1, .dim = {channels}};
    for (int32_t i = 1; i < shape.rank; i++)
        shape.dim[i] = 1;
    float *m = sn_arena_array(g->arena, (size_t)channels, sizeof *m);
    float *a = sn_arena_array(g->arena, (size_t)channels, sizeof *a);
    if (!m || !a)
        return SETSUNA_ENOMEM;
    double epsilon = (double)sn_node_float(&n, "epsilon", 1e-5f);
    for (int64_t c = 0; c < channels; c++) {
        double v[BN_INPUTS];
        for (uint32_t i = BN_SCALE; i < BN_INPUTS; i++)
            v[i] = sn_tensor_get_f64(&g->value[n.in[i]].cst->t, c);
        double factor = v[BN_SCALE] / sqrt(v[BN_VAR] + epsilon);
        m[c] = (float)factor;
        a[c] = (float)(v[BN_BIAS] - v[BN_MEAN] * factor);
    }
    uint32_t mv = sn_rewrite_const(g, SETSUNA_F32, &shape, m), av = sn_rewrite_const(g, SETSUNA_F32, &shape, a);
    uint32_t product = sn_graph_add_value(g, "", SETSUNA_F32);
    if (mv == SN_NONE || av == SN_NONE || product == SN_NONE)
        return SETSUNA_ENOMEM;
    g->value[product].has_shape = true;
    g->value[product].shape = g->value[n.in[BN_X]].shape;
    if (!sn_graph_add_node(g, "", "Mul", 14, n.name, (const uint32_t[]){n.in[BN_X], mv}, 2, &product, 1) ||
        !sn_graph_add_node(g, "", "Add", 14, n.name, (const uint32_t[]){product, av}, 2, n.out, 1))
        return SETSUNA_ENOMEM;
    g->node[index].dead = true;
    return SETSUNA_OK;
}

static setsuna_status split_bn_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    (void)ctx;
    for (size_t i = 0, n = g->n_node; i < n; i++)
        if (split_bn_wanted(g, &g->node[i])) {
            SN_TRY(split_bn(g, i));
            *changed = true;
        }
    return SETSUNA_OK;
}

const sn_pass sn_pass_split_batch_norm = {"split-batch-norm", split_bn_run};
