/* simplify: nodes that do nothing are taken out of the way.
 *
 *     x ─▶ Identity ─▶ y          x ─▶ (readers of y)
 *     x ─▶ Dropout  ─▶ y    ⇒     x
 *     x ─▶ Cast(to = type of x) ─▶ y
 *     x ─▶ Reshape/Squeeze/Unsqueeze/Flatten... that keep shape and order ─▶ y
 *     x ─▶ Slice that takes everything ─▶ y
 *
 * A node that makes a graph output stays when its input is a graph input or a constant: outputs are values of their
 * own.
 */
#include "passes/pass.h"
#include <string.h>

static bool simplify_same_shape(const sn_graph *g, const sn_node *n)
{
    const sn_value *x = &g->value[n->in[0]], *y = &g->value[n->out[0]];
    return x->has_shape && y->has_shape && sn_shape_known(&x->shape) && x->dtype == y->dtype &&
           sn_shape_equal(&x->shape, &y->shape);
}

/* A Slice with steps of 1 moves nothing when it leaves nothing out. */
static bool simplify_steps_forward(const sn_graph *g, const sn_node *n)
{
    const sn_const *c = sn_graph_const(g, sn_node_in(n, 4));
    int64_t count;
    if (sn_node_in(n, 4) == SN_NONE)
        return true;
    if (!c || !sn_shape_numel(&c->t.shape, &count) || count > SETSUNA_RANK_MAX)
        return false;
    for (int64_t i = 0; i < count; i++)
        if (sn_tensor_get_i64(&c->t, i) != 1)
            return false;
    return true;
}

static bool simplify_is_noop(const sn_graph *g, const sn_node *n)
{
    static const char *const reshapes[] = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Cast", "CastLike"};
    if (n->domain[0] || n->n_in < 1 || n->n_out < 1 || n->in[0] == SN_NONE || n->out[0] == SN_NONE)
        return false;
    if (strcmp(n->op, "Identity") == 0)
        return true;
    if (strcmp(n->op, "Dropout") == 0) /* training_mode is input 2: absent or constant false */
        return (n->n_out < 2 || n->out[1] == SN_NONE) && n->n_in < 3;
    for (size_t i = 0; i < sizeof reshapes / sizeof reshapes[0]; i++)
        if (strcmp(n->op, reshapes[i]) == 0)
            return simplify_same_shape(g, n);
    return strcmp(n->op, "Slice") == 0 && simplify_same_shape(g, n) && simplify_steps_forward(g, n);
}

static bool simplify_is_output(const sn_graph *g, uint32_t v)
{
    for (uint32_t k = 0; k < g->n_output; k++)
        if (g->output[k] == v)
            return true;
    return false;
}

static setsuna_status simplify_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    sn_uses uses;
    SN_TRY(sn_uses_build(g, ctx->arena, &uses));
    /* Values in the order of the (sorted) nodes: the replacement of an input is final when its reader is reached. */
    uint32_t *now = sn_arena_array(ctx->arena, g->n_value, sizeof *now);
    if (!now)
        return SETSUNA_ENOMEM;
    for (size_t v = 0; v < g->n_value; v++)
        now[v] = (uint32_t)v;
    for (size_t i = 0; i < g->n_node; i++) {
        sn_node *n = &g->node[i];
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != SN_NONE)
                n->in[k] = now[n->in[k]];
        if (n->dead || !simplify_is_noop(g, n))
            continue;
        uint32_t x = n->in[0], y = n->out[0];
        if (simplify_is_output(g, y) && (uses.producer[x] == SN_NONE || simplify_is_output(g, x)))
            continue;
        now[y] = x;
        n->dead = true;
        *changed = true;
    }
    for (uint32_t k = 0; k < g->n_output; k++)
        g->output[k] = now[g->output[k]];
    return SETSUNA_OK;
}

const sn_pass sn_pass_simplify = {"simplify", simplify_run};
