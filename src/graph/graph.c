#include "graph/graph.h"
#include "base/checked.h"
#include "base/hash.h"
#include <string.h>

/* ---- building ------------------------------------------------------------------------------------ */

/* Arrays live in the arena and double there: a superseded array stays until the arena goes, at most as much again. */
static bool graph_reserve(sn_arena *arena, void *array_ptr, size_t *cap, size_t need, size_t elem_bytes)
{
    if (need <= *cap)
        return true;
    size_t want = *cap ? *cap * 2 : 16;
    if (want < need)
        want = need;
    void *fresh = sn_arena_array(arena, want, elem_bytes), *old;
    if (!fresh)
        return false;
    memcpy(&old, array_ptr, sizeof old);
    if (old)
        memcpy(fresh, old, *cap * elem_bytes);
    memcpy(array_ptr, &fresh, sizeof fresh);
    *cap = want;
    return true;
}

sn_graph *sn_graph_create(sn_arena *arena, const char *name)
{
    sn_graph *g = sn_arena_alloc(arena, sizeof *g);
    if (g) {
        g->arena = arena;
        g->name = name ? name : "";
    }
    return g;
}

static uint32_t *graph_copy_indices(sn_arena *arena, const uint32_t *v, uint32_t n)
{
    uint32_t *copy = sn_arena_array(arena, n, sizeof *copy);
    if (copy && n)
        memcpy(copy, v, n * sizeof *copy);
    return copy;
}

sn_graph *sn_graph_clone(const sn_graph *g, sn_arena *arena)
{
    sn_graph *c = sn_graph_create(arena, g->name);
    if (!c || !graph_reserve(arena, &c->value, &c->cap_value, g->n_value + g->n_value / 2 + 16, sizeof *c->value) ||
        !graph_reserve(arena, &c->node, &c->cap_node, g->n_node + g->n_node / 2 + 16, sizeof *c->node))
        return NULL;
    c->n_value = g->n_value;
    c->n_node = g->n_node;
    if (g->n_value)
        memcpy(c->value, g->value, g->n_value * sizeof *c->value);
    for (size_t i = 0; i < g->n_node; i++) {
        sn_node *n = &c->node[i];
        *n = g->node[i];
        n->in = graph_copy_indices(arena, n->in, n->n_in);
        n->out = graph_copy_indices(arena, n->out, n->n_out);
        if (!n->in || !n->out)
            return NULL;
    }
    if (sn_graph_set_inputs(c, g->input, g->n_input) != SETSUNA_OK ||
        sn_graph_set_outputs(c, g->output, g->n_output) != SETSUNA_OK)
        return NULL;
    return c;
}

uint32_t sn_graph_add_value(sn_graph *g, const char *name, setsuna_dtype dtype)
{
    if (g->n_value >= UINT32_MAX - 1 ||
        !graph_reserve(g->arena, &g->value, &g->cap_value, g->n_value + 1, sizeof *g->value))
        return SN_NONE;
    g->value[g->n_value] = (sn_value){.name = name ? name : "", .dtype = dtype};
    return (uint32_t)g->n_value++;
}

uint32_t sn_graph_add_const(sn_graph *g, const char *name, const setsuna_tensor *t, uint64_t uid)
{
    sn_const *c = sn_arena_alloc(g->arena, sizeof *c);
    uint32_t v = c ? sn_graph_add_value(g, name, t->dtype) : SN_NONE;
    if (v == SN_NONE)
        return SN_NONE;
    *c = (sn_const){.t = *t, .uid = uid};
    g->value[v].has_shape = true;
    g->value[v].shape = t->shape;
    g->value[v].cst = c;
    return v;
}

uint64_t sn_const_uid(const setsuna_tensor *t)
{
    uint64_t h = sn_hash_u64(0, (uint64_t)t->dtype << 32 | (uint64_t)t->shape.rank);
    h = sn_hash_bytes(h, t->shape.dim, (size_t)t->shape.rank * sizeof t->shape.dim[0]);
    return sn_hash_bytes(h, t->data, t->size_bytes);
}

setsuna_status sn_const_read_part(const sn_const *c, size_t offset, size_t size_bytes, void *dst, setsuna_error *err)
{
    const uint8_t *from = (const uint8_t *)c->t.data + offset;
    if (c->file)
        return sn_lazy_file_read(c->file, (size_t)(from - c->file->data), size_bytes, dst, err);
    if (size_bytes)
        memcpy(dst, from, size_bytes);
    return SETSUNA_OK;
}

setsuna_status sn_const_read(const sn_const *c, void *dst, setsuna_error *err)
{
    return c->t.size_bytes ? sn_const_read_part(c, 0, c->t.size_bytes, dst, err) : SETSUNA_OK;
}

sn_node *sn_graph_add_node(sn_graph *g, const char *domain, const char *op, int32_t opset, const char *name,
                           const uint32_t *in, uint32_t n_in, const uint32_t *out, uint32_t n_out)
{
    if (!graph_reserve(g->arena, &g->node, &g->cap_node, g->n_node + 1, sizeof *g->node))
        return NULL;
    uint32_t *in_copy = graph_copy_indices(g->arena, in, n_in), *out_copy = graph_copy_indices(g->arena, out, n_out);
    if (!in_copy || !out_copy)
        return NULL;
    sn_node *n = &g->node[g->n_node++];
    *n = (sn_node){.name = name ? name : "",
                   .op = op,
                   .domain = domain,
                   .opset = opset,
                   .n_in = n_in,
                   .n_out = n_out,
                   .n_formal = n_in,
                   .in = in_copy,
                   .out = out_copy};
    return n;
}

setsuna_status sn_graph_set_inputs(sn_graph *g, const uint32_t *v, uint32_t n)
{
    uint32_t *copy = graph_copy_indices(g->arena, v, n);
    if (!copy)
        return SETSUNA_ENOMEM;
    g->input = copy;
    g->n_input = n;
    return SETSUNA_OK;
}

setsuna_status sn_graph_set_outputs(sn_graph *g, const uint32_t *v, uint32_t n)
{
    uint32_t *copy = graph_copy_indices(g->arena, v, n);
    if (!copy)
        return SETSUNA_ENOMEM;
    g->output = copy;
    g->n_output = n;
    return SETSUNA_OK;
}

bool sn_node_add_attr(sn_graph *g, sn_node *n, const sn_attr *attr)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (strcmp(n->attr[i].name, attr->name) == 0) {
            /* The array may be shared with the graph this one was cloned from: replace in a copy. */
            sn_attr *copy = sn_arena_array(g->arena, n->n_attr, sizeof *copy);
            if (!copy)
                return false;
            memcpy(copy, n->attr, n->n_attr * sizeof *copy);
            copy[i] = *attr;
            n->attr = copy;
            return true;
        }
    sn_attr *grown = sn_arena_array(g->arena, (size_t)n->n_attr + 1, sizeof *grown);
    if (!grown)
        return false;
    if (n->n_attr)
        memcpy(grown, n->attr, n->n_attr * sizeof *grown);
    grown[n->n_attr++] = *attr;
    n->attr = grown;
    return true;
}

bool sn_node_add_int(sn_graph *g, sn_node *n, const char *name, int64_t v)
{
    return sn_node_add_attr(g, n, &(sn_attr){.name = name, .kind = SN_ATTR_INT, .i = v});
}

bool sn_node_add_float(sn_graph *g, sn_node *n, const char *name, float v)
{
    return sn_node_add_attr(g, n, &(sn_attr){.name = name, .kind = SN_ATTR_FLOAT, .f = v});
}

bool sn_node_add_ints(sn_graph *g, sn_node *n, const char *name, const int64_t *v, size_t count)
{
    int64_t *copy = sn_arena_array(g->arena, count, sizeof *copy);
    if (!copy)
        return false;
    if (count)
        memcpy(copy, v, count * sizeof *copy);
    return sn_node_add_attr(g, n, &(sn_attr){.name = name, .kind = SN_ATTR_INTS, .n = count, .ints = copy});
}

bool sn_node_add_floats(sn_graph *g, sn_node *n, const char *name, const float *v, size_t count)
{
    float *copy = sn_arena_array(g->arena, count, sizeof *copy);
    if (!copy)
        return false;
    if (count)
        memcpy(copy, v, count * sizeof *copy);
    return sn_node_add_attr(g, n, &(sn_attr){.name = name, .kind = SN_ATTR_FLOATS, .n = count, .floats = copy});
}

bool sn_node_add_string(sn_graph *g, sn_node *n, const char *name, const char *v)
{
    return sn_node_add_attr(g, n, &(sn_attr){.name = name, .kind = SN_ATTR_STRING, .s = {v, strlen(v)}});
}

/* ---- reading ------------------------------------------------------------------------------------- */

const sn_attr *sn_node_attr(const sn_node *n, const char *name)
{
    for (uint32_t i = 0; i < n->n_attr; i++)
        if (strcmp(n->attr[i].name, name) == 0)
            return &n->attr[i];
    return NULL;
}

int64_t sn_node_int(const sn_node *n, const char *name, int64_t fallback)
{
    const sn_attr *a = sn_node_attr(n, name);
    return a && a->kind == SN_ATTR_INT ? a->i : fallback;
}

float sn_node_float(const sn_node *n, const char *name, float fallback)
{
    const sn_attr *a = sn_node_attr(n, name);
    return a && a->kind == SN_ATTR_FLOAT ? a->f : fallback;
}

const char *sn_node_string(const sn_node *n, const char *name, const char *fallback)
{
    const sn_attr *a = sn_node_attr(n, name);
    return a && a->kind == SN_ATTR_STRING ? a->s.data : fallback;
}

size_t sn_node_ints(const sn_node *n, const char *name, const int64_t **out)
{
    const sn_attr *a = sn_node_attr(n, name);
    if (!a || a->kind != SN_ATTR_INTS)
        return 0;
    *out = a->ints;
    return a->n;
}

size_t sn_node_floats(const sn_node *n, const char *name, const float **out)
{
    const sn_attr *a = sn_node_attr(n, name);
    if (!a || a->kind != SN_ATTR_FLOATS)
        return 0;
    *out = a->floats;
    return a->n;
}

const sn_const *sn_graph_const(const sn_graph *g, uint32_t value)
{
    return value < g->n_value ? g->value[value].cst : NULL;
}

/* ---- use-def ------------------------------------------------------------------------------------- */

setsuna_status sn_uses_build(const sn_graph *g, sn_arena *arena, sn_uses *out)
{
    sn_uses u = {.producer = sn_arena_array(arena, g->n_value, 4),
                 .n_use = sn_arena_array(arena, g->n_value, 4),
                 .first = sn_arena_array(arena, g->n_value, 4)};
    if (!u.producer || !u.n_use || !u.first)
        return SETSUNA_ENOMEM;
    if (g->n_value)
        memset(u.producer, 0xff, g->n_value * 4);
    size_t total = g->n_output;
    for (size_t i = 0; i < g->n_node; i++) {
        const sn_node *n = &g->node[i];
        if (n->dead)
            continue;
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] != SN_NONE)
                u.producer[n->out[k]] = (uint32_t)i;
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != SN_NONE)
                u.n_use[n->in[k]]++, total++;
    }
    for (uint32_t k = 0; k < g->n_output; k++)
        u.n_use[g->output[k]]++;
    u.reader = sn_arena_array(arena, total, 4);
    uint32_t *fill = sn_arena_array(arena, g->n_value, 4), at = 0;
    if (!u.reader || !fill)
        return SETSUNA_ENOMEM;
    for (size_t v = 0; v < g->n_value; v++) {
        u.first[v] = fill[v] = at;
        at += u.n_use[v];
    }
    for (size_t i = 0; i < g->n_node; i++) {
        const sn_node *n = &g->node[i];
        for (uint32_t k = 0; !n->dead && k < n->n_in; k++)
            if (n->in[k] != SN_NONE)
                u.reader[fill[n->in[k]]++] = (uint32_t)i;
    }
    for (uint32_t k = 0; k < g->n_output; k++)
        u.reader[fill[g->output[k]]++] = SN_NONE;
    *out = u;
    return SETSUNA_OK;
}

void sn_graph_replace_value(sn_graph *g, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < g->n_node; i++)
        for (uint32_t k = 0; !g->node[i].dead && k < g->node[i].n_in; k++)
            if (g->node[i].in[k] == from)
                g->node[i].in[k] = to;
    for (uint32_t k = 0; k < g->n_output; k++)
        if (g->output[k] == from)
            g->output[k] = to;
}

/* Marks the nodes that outputs depend on. An explicit stack: a file decides how deep a graph is. */
static setsuna_status graph_mark_live(const sn_graph *g, const sn_uses *u, sn_arena *scratch, bool **live_out)
{
    bool *live = sn_arena_array(scratch, g->n_node, sizeof *live);
    uint32_t *stack = sn_arena_array(scratch, g->n_node, sizeof *stack);
    if (!live || !stack)
        return SETSUNA_ENOMEM;
    size_t top = 0;
    for (uint32_t k = 0; k < g->n_output; k++) {
        uint32_t p = u->producer[g->output[k]];
        if (p != SN_NONE && !live[p])
            live[p] = true, stack[top++] = p;
    }
    while (top) {
        const sn_node *n = &g->node[stack[--top]];
        for (uint32_t k = 0; k < n->n_in; k++) {
            uint32_t p = n->in[k] == SN_NONE ? SN_NONE : u->producer[n->in[k]];
            if (p != SN_NONE && !live[p])
                live[p] = true, stack[top++] = p;
        }
    }
    *live_out = live;
    return SETSUNA_OK;
}

/* Kahn's algorithm; the ready node with the lowest old index goes first (a heap keeps the order stable). */
typedef struct graph_heap {
    uint32_t *item;
    size_t n;
} graph_heap;

static void graph_heap_push(graph_heap *h, uint32_t v)
{
    size_t i = h->n++;
    for (; i && h->item[(i - 1) / 2] > v; i = (i - 1) / 2)
        h->item[i] = h->item[(i - 1) / 2];
    h->item[i] = v;
}

static uint32_t graph_heap_pop(graph_heap *h)
{
    uint32_t top = h->item[0], last = h->item[--h->n];
    size_t i = 0;
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= h->n)
            break;
        if (c + 1 < h->n && h->item[c + 1] < h->item[c])
            c++;
        if (h->item[c] >= last)
            break;
        h->item[i] = h->item[c];
        i = c;
    }
    h->item[i] = last;
    return top;
}

static setsuna_status graph_order(sn_graph *g, sn_arena *scratch, const bool *live, const sn_uses *u,
                                  setsuna_error *err)
{
    uint32_t *missing = sn_arena_array(scratch, g->n_node, sizeof *missing);
    sn_node *sorted = sn_arena_array(scratch, g->n_node, sizeof *sorted);
    graph_heap ready = {sn_arena_array(scratch, g->n_node, sizeof(uint32_t)), 0};
    if (!missing || !sorted || !ready.item)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory while sorting the graph");
    size_t n_live = 0, done = 0;
    for (size_t i = 0; i < g->n_node; i++) {
        if (!live[i])
            continue;
        n_live++;
        for (uint32_t k = 0; k < g->node[i].n_in; k++)
            if (g->node[i].in[k] != SN_NONE && u->producer[g->node[i].in[k]] != SN_NONE)
                missing[i]++;
        if (!missing[i])
            graph_heap_push(&ready, (uint32_t)i);
    }
    while (ready.n) {
        uint32_t i = graph_heap_pop(&ready);
        sorted[done++] = g->node[i];
        for (uint32_t k = 0; k < g->node[i].n_out; k++) {
            uint32_t v = g->node[i].out[k];
            for (uint32_t r = 0; v != SN_NONE && r < u->n_use[v]; r++) {
                uint32_t reader = u->reader[u->first[v] + r];
                if (reader != SN_NONE && live[reader] && --missing[reader] == 0)
                    graph_heap_push(&ready, reader);
            }
        }
    }
    if (done != n_live) {
        for (size_t i = 0; i < g->n_node; i++)
            if (live[i] && missing[i])
                return sn_fail(err, SETSUNA_EMODEL, NULL, "the graph has a cycle through node '%s' (%s)",
                               g->node[i].name, g->node[i].op);
    }
    if (done)
        memcpy(g->node, sorted, done * sizeof *sorted);
    g->n_node = done;
    return SETSUNA_OK;
}

setsuna_status sn_graph_sort(sn_graph *g, setsuna_error *err)
{
    sn_arena *scratch = sn_arena_create(sn_arena_allocator(g->arena));
    sn_uses u;
    bool *live;
    setsuna_status status = scratch ? sn_uses_build(g, scratch, &u) : SETSUNA_ENOMEM;
    if (status == SETSUNA_OK)
        status = graph_mark_live(g, &u, scratch, &live);
    if (status == SETSUNA_OK)
        status = graph_order(g, scratch, live, &u, err);
    else
        sn_fail(err, status, NULL, "out of memory while sorting the graph");
    sn_arena_destroy(scratch);
    return status;
}

static setsuna_status graph_verify_node(const sn_graph *g, const sn_node *n, uint8_t *made, setsuna_error *err)
{
    for (uint32_t k = 0; k < n->n_in; k++)
        if (n->in[k] != SN_NONE && n->in[k] >= g->n_value)
            return sn_fail(err, SETSUNA_EMODEL, n->name, "input %u of %s does not exist", k, n->op);
    for (uint32_t k = 0; k < n->n_out; k++) {
        if (n->out[k] == SN_NONE)
            continue;
        if (n->out[k] >= g->n_value)
            return sn_fail(err, SETSUNA_EMODEL, n->name, "output %u of %s does not exist", k, n->op);
        if (made[n->out[k]])
            return sn_fail(err, SETSUNA_EMODEL, n->name, "value '%s' is made twice", g->value[n->out[k]].name);
        made[n->out[k]] = 1;
    }
    return SETSUNA_OK;
}

static setsuna_status graph_verify_with(const sn_graph *g, uint8_t *made, setsuna_error *err)
{
    for (size_t v = 0; v < g->n_value; v++)
        made[v] = g->value[v].cst != NULL;
    for (uint32_t k = 0; k < g->n_input; k++) {
        if (g->input[k] >= g->n_value || made[g->input[k]])
            return sn_fail(err, SETSUNA_EMODEL, g->name, "graph input %u is not a value of its own", k);
        made[g->input[k]] = 1;
    }
    for (size_t i = 0; i < g->n_node; i++)
        if (!g->node[i].dead)
            SN_TRY(graph_verify_node(g, &g->node[i], made, err));
    for (size_t i = 0; i < g->n_node; i++)
        for (uint32_t k = 0; !g->node[i].dead && k < g->node[i].n_in; k++)
            if (g->node[i].in[k] != SN_NONE && !made[g->node[i].in[k]])
                return sn_fail(err, SETSUNA_EMODEL, g->node[i].name, "input %u of %s, '%s', is made by nobody", k,
                               g->node[i].op, g->value[g->node[i].in[k]].name);
    for (uint32_t k = 0; k < g->n_output; k++)
        if (g->output[k] >= g->n_value || !made[g->output[k]])
            return sn_fail(err, SETSUNA_EMODEL, g->name, "graph output %u is made by nobody", k);
    return SETSUNA_OK;
}

setsuna_status sn_graph_verify(const sn_graph *g, setsuna_error *err)
{
    const sn_allocator *a = sn_arena_allocator(g->arena);
    uint8_t *made = sn_alloc_zero(a, g->n_value + 1);
    if (!made)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory while checking the graph");
    setsuna_status status = graph_verify_with(g, made, err);
    sn_free(a, made);
    return status;
}
