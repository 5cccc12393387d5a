/* Graph surgery at plan time: taking a branch of an If, and cutting a graph where shapes depend on data. */
#include "plan/build.h"
#include "base/checked.h"
#include <string.h>

/* The value in b->graph that stands for subgraph value v; made when it is first met. */
static uint32_t inline_map(sn_build *b, const sn_graph *sub, uint32_t *map, uint32_t v)
{
    if (v == SN_NONE || map[v] != SN_NONE)
        return v == SN_NONE ? SN_NONE : map[v];
    const sn_value *from = &sub->value[v];
    uint32_t to = sn_graph_add_value(b->graph, from->name, from->cst ? from->dtype : SETSUNA_DTYPE_NONE);
    if (to == SN_NONE)
        return SN_NONE;
    sn_value *value = &b->graph->value[to];
    if (from->cst) {
        value->cst = from->cst;
        value->shape = from->cst->t.shape;
        value->has_shape = true;
    }
    return map[v] = to;
}

static setsuna_status inline_indices(sn_build *b, const sn_graph *sub, uint32_t *map, uint32_t **v, uint32_t n)
{
    uint32_t *copy = sn_arena_array(b->graph->arena, n, sizeof *copy);
    if (!copy)
        return SETSUNA_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        copy[i] = inline_map(b, sub, map, (*v)[i]);
        if (copy[i] == SN_NONE && (*v)[i] != SN_NONE)
            return SETSUNA_ENOMEM;
    }
    *v = copy;
    return SETSUNA_OK;
}

setsuna_status sn_inline_if(sn_build *b, const sn_node *n, sn_node **nodes_out, size_t *n_out)
{
    const sn_const *cond = b->graph->value[n->in[0]].cst;
    bool taken = cond->t.size_bytes && sn_tensor_get_i64(&cond->t, 0) != 0;
    const sn_attr *branch = sn_node_attr(n, taken ? "then_branch" : "else_branch");
    uint32_t captured = n->n_in - n->n_formal;
    if (!branch || branch->kind != SN_ATTR_GRAPH || branch->g->n_input != captured || branch->g->n_output < n->n_out)
        return sn_fail(b->err, SETSUNA_EMODEL, n->name, "the branches of this If do not fit its inputs and outputs");
    sn_graph *sub = sn_graph_clone(branch->g, b->scratch);
    if (!sub)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_graph_sort(sub, b->err));
    uint32_t *map = sn_arena_array(b->scratch, sub->n_value, sizeof *map);
    /* Room for one Identity per output: a branch may return a captured value, a constant, or one value twice. */
    sn_node *nodes = sn_arena_array(b->scratch, sub->n_node + n->n_out, sizeof *nodes);
    if (!map || !nodes)
        return SETSUNA_ENOMEM;
    memset(map, 0xff, sub->n_value * sizeof *map);
    for (uint32_t k = 0; k < captured; k++)
        map[sub->input[k]] = n->in[n->n_formal + k];
    for (size_t i = 0; i < sub->n_node; i++) {
        nodes[i] = sub->node[i];
        SN_TRY(inline_indices(b, sub, map, &nodes[i].in, nodes[i].n_in));
        SN_TRY(inline_indices(b, sub, map, &nodes[i].out, nodes[i].n_out));
    }
    size_t count = sub->n_node;
    for (uint32_t k = 0; k < n->n_out; k++) {
        if (n->out[k] == SN_NONE)
            continue;
        uint32_t *io = sn_arena_array(b->graph->arena, 2, sizeof *io);
        uint32_t from = inline_map(b, sub, map, sub->output[k]);
        if (!io || from == SN_NONE)
            return SETSUNA_ENOMEM;
        io[0] = from;
        io[1] = n->out[k];
        nodes[count++] = (sn_node){.name = n->name,
                                   .op = "Identity",
                                   .domain = "",
                                   .opset = 13,
                                   .n_in = 1,
                                   .n_out = 1,
                                   .n_formal = 1,
                                   .in = io,
                                   .out = io + 1};
    }
    *nodes_out = nodes;
    *n_out = count;
    return SETSUNA_OK;
}

/* Marks the values that the deferred part reads but does not make: they cross the boundary. */
static uint32_t split_mark(const sn_build *b, uint8_t *cross)
{
    const sn_graph *g = b->graph;
    uint8_t *made = cross + g->n_value; /* second half: made by a deferred node */
    uint32_t n = 0;
    for (size_t i = 0; i < g->n_node; i++)
        for (uint32_t k = 0; b->state[i] == SN_NODE_DEFERRED && k < g->node[i].n_out; k++)
            if (g->node[i].out[k] != SN_NONE)
                made[g->node[i].out[k]] = 1;
    for (size_t i = 0; i < g->n_node; i++)
        for (uint32_t k = 0; b->state[i] == SN_NODE_DEFERRED && k < g->node[i].n_in; k++) {
            uint32_t v = g->node[i].in[k];
            if (v != SN_NONE && !made[v] && !g->value[v].cst && !cross[v])
                cross[v] = 1, n++;
        }
    for (uint32_t k = 0; k < g->n_output; k++) {
        uint32_t v = g->output[k];
        if (!made[v] && !g->value[v].cst && !cross[v])
            cross[v] = 1, n++;
    }
    return n;
}

/* Keeps only the values that are read or made in g: a chain of segments would otherwise carry all values of the model
 * through each of its graphs. *of_out: the new index of each old value, in scratch. */
static setsuna_status split_compact(sn_graph *g, sn_arena *scratch, uint32_t **of_out)
{
    uint32_t *of = sn_arena_array(scratch, g->n_value, sizeof *of), n = 0;
    uint8_t *used = sn_arena_array(scratch, g->n_value, 1);
    if (!of || !used)
        return SETSUNA_ENOMEM;
    for (size_t i = 0; i < g->n_node; i++) {
        const sn_node *node = &g->node[i];
        for (uint32_t k = 0; k < node->n_in + node->n_out; k++) {
            uint32_t v = k < node->n_in ? node->in[k] : node->out[k - node->n_in];
            if (v != SN_NONE)
                used[v] = 1;
        }
    }
    for (uint32_t k = 0; k < g->n_input + g->n_output; k++)
        used[k < g->n_input ? g->input[k] : g->output[k - g->n_input]] = 1;
    for (size_t v = 0; v < g->n_value; v++)
        if (used[v]) {
            g->value[n] = g->value[v];
            of[v] = n++;
        }
    g->n_value = n;
    *of_out = of;
    return SETSUNA_OK;
}

static void split_rename(const uint32_t *of, uint32_t *v, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (v[k] != SN_NONE)
            v[k] = of[v[k]];
}

static setsuna_status split_rest(sn_build *b, const uint32_t *boundary, uint32_t n_boundary, sn_graph **out)
{
    sn_graph *rest = sn_graph_clone(b->graph, b->scratch);
    uint32_t *of;
    if (!rest)
        return SETSUNA_ENOMEM;
    size_t kept = 0;
    for (size_t i = 0; i < rest->n_node; i++)
        if (b->state[i] == SN_NODE_DEFERRED)
            rest->node[kept++] = rest->node[i];
    rest->n_node = kept;
    SN_TRY(sn_graph_set_inputs(rest, boundary, n_boundary));
    SN_TRY(split_compact(rest, b->scratch, &of));
    for (size_t i = 0; i < rest->n_node; i++) {
        split_rename(of, rest->node[i].in, rest->node[i].n_in);
        split_rename(of, rest->node[i].out, rest->node[i].n_out);
    }
    split_rename(of, rest->input, rest->n_input);
    split_rename(of, rest->output, rest->n_output);
    *out = sn_graph_clone(rest, b->arena);
    return *out ? SETSUNA_OK : SETSUNA_ENOMEM;
}

setsuna_status sn_split(sn_build *b, sn_graph **rest_out, bool **bind_out)
{
    sn_graph *g = b->graph;
    bool deferred = false;
    for (size_t i = 0; i < g->n_node; i++)
        deferred |= b->state[i] == SN_NODE_DEFERRED;
    *rest_out = NULL;
    if (!deferred)
        return SETSUNA_OK;
    uint8_t *cross = sn_arena_array(b->scratch, g->n_value, 2);
    if (!cross)
        return SETSUNA_ENOMEM;
    uint32_t n = split_mark(b, cross), at = 0;
    uint32_t *boundary = sn_arena_array(b->arena, n, sizeof *boundary);
    bool *bind = sn_arena_array(b->arena, n, sizeof *bind);
    uint8_t *needed = sn_arena_array(b->scratch, g->n_value, 1);
    if (!boundary || !bind || !needed)
        return SETSUNA_ENOMEM;
    for (size_t i = 0; i < b->n_need; i++)
        needed[b->need[i]] = 1;
    for (size_t v = 0; v < g->n_value; v++)
        if (cross[v]) {
            bind[at] = needed[v];
            boundary[at++] = (uint32_t)v;
        }
    SN_TRY(split_rest(b, boundary, n, rest_out));
    /* What stays makes the values at the boundary. */
    size_t kept = 0;
    for (size_t i = 0; i < g->n_node; i++)
        if (b->state[i] != SN_NODE_DEFERRED) {
            b->state[kept] = b->state[i];
            g->node[kept++] = g->node[i];
        }
    g->n_node = kept;
    *bind_out = bind;
    return sn_graph_set_outputs(g, boundary, n);
}
