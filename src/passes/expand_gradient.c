/* expand-gradient: ai.onnx.preview.training.Gradient-1 is replaced by the nodes that compute it (reverse mode).
 *
 *     a, b ─▶ Mul ─▶ c ─▶ ...              a, b ─▶ Mul ─▶ c ─▶ ...
 *     a, b ─▶ Gradient{xs=[a,b] y=c}   ⇒   1 (shape of c) = dc
 *                ─▶ da, db                 da = SumTo(dc * b, a),  db = SumTo(dc * a, b)
 *
 * It runs on the graph as imported, before nodes that no output needs are dropped: y may be needed by the gradient
 * only. SumTo undoes broadcasting, so no shape need be known. Differentiable: Add Sub Mul Div Neg Identity Exp Log.
 */
#include "passes/expand_gradient.h"
#include "base/hash.h"
#include <string.h>

typedef struct gradient {
    sn_graph *g;
    sn_arena *scratch;
    uint32_t *producer; /* node per value, SN_NONE for inputs and constants; of the graph before it was extended */
    uint32_t *grad;     /* per value: its gradient, SN_NONE when nothing has reached it */
    size_t n_value;
    bool failed; /* out of memory */
} gradient;

static uint32_t gradient_emit(gradient *d, const char *domain, const char *op, uint32_t a, uint32_t b)
{
    uint32_t in[2] = {a, b}, out = sn_graph_add_value(d->g, "", SETSUNA_DTYPE_NONE);
    if (out == SN_NONE ||
        !sn_graph_add_node(d->g, domain, op, domain[0] ? 1 : 13, "gradient", in, b == SN_NONE ? 1 : 2, &out, 1)) {
        d->failed = true;
        return SN_NONE;
    }
    return out;
}

/* Adds g, summed to the shape of x, to the gradient of x. */
static void gradient_flow(gradient *d, uint32_t x, uint32_t g)
{
    if (x == SN_NONE || x >= d->n_value || d->failed)
        return;
    uint32_t part = gradient_emit(d, "setsuna", "SumTo", g, x);
    d->grad[x] = d->grad[x] == SN_NONE ? part : gradient_emit(d, "", "Add", d->grad[x], part);
}

/* Hands the gradient of the node's output on to its inputs. false: no rule. */
static bool gradient_rule(gradient *d, const sn_node *n, uint32_t g)
{
    uint32_t a = sn_node_in(n, 0), b = sn_node_in(n, 1), y = n->out[0];
    if (n->domain[0])
        return false;
    if (strcmp(n->op, "Add") == 0) {
        gradient_flow(d, a, g);
        gradient_flow(d, b, g);
    } else if (strcmp(n->op, "Sub") == 0) {
        gradient_flow(d, a, g);
        gradient_flow(d, b, gradient_emit(d, "", "Neg", g, SN_NONE));
    } else if (strcmp(n->op, "Mul") == 0) {
        gradient_flow(d, a, gradient_emit(d, "", "Mul", g, b));
        gradient_flow(d, b, gradient_emit(d, "", "Mul", g, a));
    } else if (strcmp(n->op, "Div") == 0) {
        uint32_t over = gradient_emit(d, "", "Div", g, b); /* d(a/b) = da/b - y db/b */
        gradient_flow(d, a, over);
        gradient_flow(d, b, gradient_emit(d, "", "Neg", gradient_emit(d, "", "Mul", over, y), SN_NONE));
    } else if (strcmp(n->op, "Neg") == 0) {
        gradient_flow(d, a, gradient_emit(d, "", "Neg", g, SN_NONE));
    } else if (strcmp(n->op, "Identity") == 0) {
        gradient_flow(d, a, g);
    } else if (strcmp(n->op, "Exp") == 0) {
        gradient_flow(d, a, gradient_emit(d, "", "Mul", g, y));
    } else if (strcmp(n->op, "Log") == 0) {
        gradient_flow(d, a, gradient_emit(d, "", "Div", g, a));
    } else {
        return false;
    }
    return true;
}

/* Nodes that y depends on, each after its producers, stopping at values in xs. Depth first with an explicit stack; a
 * cycle ends in EMODEL, because a node is on the stack at most once. */
static setsuna_status gradient_order(gradient *d, const sn_node *n, uint32_t y, uint32_t *order, size_t *n_order,
                                     setsuna_error *err)
{
    size_t nodes = d->g->n_node, top = 0;
    uint8_t *state = sn_arena_array(d->scratch, nodes, 1); /* 0 new, 1 on the stack, 2 done */
    uint32_t *stack = sn_arena_array(d->scratch, nodes + 1, sizeof *stack), *at;
    at = sn_arena_array(d->scratch, nodes + 1, sizeof *at);
    bool *stop = sn_arena_array(d->scratch, d->n_value, sizeof *stop);
    if (!state || !stack || !at || !stop)
        return SETSUNA_ENOMEM;
    for (uint32_t k = 0; k < n->n_in; k++)
        if (n->in[k] != SN_NONE)
            stop[n->in[k]] = true;
    if (d->producer[y] != SN_NONE && !stop[y])
        stack[top++] = d->producer[y];
    *n_order = 0;
    while (top) {
        uint32_t i = stack[top - 1];
        state[i] = 1;
        if (at[top - 1] == d->g->node[i].n_in) {
            state[i] = 2;
            order[(*n_order)++] = i;
            at[--top] = 0;
            continue;
        }
        uint32_t v = d->g->node[i].in[at[top - 1]++];
        uint32_t p = v == SN_NONE || stop[v] ? SN_NONE : d->producer[v];
        if (p != SN_NONE && state[p] == 1)
            return sn_fail(err, SETSUNA_EMODEL, n->name, "the graph has a cycle");
        if (p != SN_NONE && state[p] == 0) {
            stack[top] = p;
            at[top++] = 0;
        }
    }
    return SETSUNA_OK;
}

/* ones of the shape of y */
static uint32_t gradient_ones(gradient *d, uint32_t y)
{
    float *one = sn_arena_alloc(d->g->arena, sizeof *one);
    sn_const *c = sn_arena_alloc(d->g->arena, sizeof *c);
    uint32_t shape = gradient_emit(d, "", "Shape", y, SN_NONE),
             ones = gradient_emit(d, "", "ConstantOfShape", shape, SN_NONE);
    if (!one || !c || d->failed) {
        d->failed = true;
        return SN_NONE;
    }
    *one = 1;
    c->t = (setsuna_tensor){SETSUNA_F32, {.rank = 1, .dim = {1}}, one, sizeof *one};
    c->uid = sn_const_uid(&c->t);
    sn_attr value = {.name = "value", .kind = SN_ATTR_TENSOR, .t = c};
    if (!sn_node_add_attr(d->g, &d->g->node[d->g->n_node - 1], &value))
        d->failed = true;
    return ones;
}

static setsuna_status gradient_expand(sn_graph *g, size_t index, sn_arena *scratch, setsuna_error *err)
{
    sn_node n = g->node[index];
    const char *name = sn_node_string(&n, "y", "");
    gradient d = {.g = g, .scratch = scratch, .n_value = g->n_value};
    d.producer = sn_arena_array(scratch, g->n_value, sizeof *d.producer);
    d.grad = sn_arena_array(scratch, g->n_value, sizeof *d.grad);
    uint32_t *order = sn_arena_array(scratch, g->n_node, sizeof *order), y = SN_NONE;
    if (!d.producer || !d.grad || !order)
        return SETSUNA_ENOMEM;
    memset(d.producer, 0xff, g->n_value * sizeof *d.producer);
    memset(d.grad, 0xff, g->n_value * sizeof *d.grad);
    for (size_t i = 0; i < g->n_node; i++)
        for (uint32_t k = 0; k < g->node[i].n_out; k++)
            if (g->node[i].out[k] != SN_NONE && i != index)
                d.producer[g->node[i].out[k]] = (uint32_t)i;
    for (uint32_t v = 0; v < g->n_value && y == SN_NONE; v++)
        if (strcmp(g->value[v].name, name) == 0)
            y = v;
    if (y == SN_NONE)
        return sn_fail(err, SETSUNA_EMODEL, n.name, "Gradient of '%.64s': the graph has no such value", name);
    size_t count;
    SN_TRY(gradient_order(&d, &n, y, order, &count, err));
    d.grad[y] = gradient_ones(&d, y);
    while (count--) {
        sn_node at = g->node[order[count]]; /* a copy: emitting moves the array */
        uint32_t out = at.n_out ? at.out[0] : SN_NONE;
        if (out != SN_NONE && d.grad[out] != SN_NONE && !gradient_rule(&d, &at, d.grad[out]))
            return sn_fail(err, SETSUNA_EUNSUPPORTED, n.name, "Gradient through node '%.64s' (%.64s) is not supported",
                           at.name, at.op);
    }
    for (uint32_t k = 0; k < n.n_out && k < n.n_in && !d.failed; k++) {
        if (n.out[k] == SN_NONE || n.in[k] == SN_NONE)
            continue;
        uint32_t from = d.grad[n.in[k]];
        if (from == SN_NONE)
            return sn_fail(err, SETSUNA_EMODEL, n.name, "'%.64s' does not depend on input %u", name, k);
        if (!sn_graph_add_node(g, "", "Identity", 13, n.name, &from, 1, &n.out[k], 1))
            d.failed = true;
    }
    g->node[index].dead = true;
    return d.failed ? SETSUNA_ENOMEM : SETSUNA_OK;
}

setsuna_status sn_expand_gradients(sn_graph *g, setsuna_error *err)
{
    for (size_t i = 0, n = g->n_node; i < n; i++) {
        if (!sn_node_is(&g->node[i], "ai.onnx.preview.training", "Gradient"))
            continue;
        sn_arena *scratch = sn_arena_create(sn_arena_allocator(g->arena));
        setsuna_status status = scratch ? gradient_expand(g, i, scratch, err) : SETSUNA_ENOMEM;
        sn_arena_destroy(scratch);
        SN_TRY(status);
    }
    return SETSUNA_OK;
}
