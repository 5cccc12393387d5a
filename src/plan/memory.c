/* Slots and the arena: who needs which bytes from when to when.
 *
 * Values that share bytes (an alias, or an output written over a dying input) form one buffer. Buffers are placed
 * largest first, each at the lowest offset where no buffer alive at the same time lies.
 */
#include "plan/build.h"
#include "base/checked.h"
#include "base/hash.h"
#include <stdlib.h>
#include <string.h>

/* Placement looks at all earlier buffers for each one; above this count (no real model is near it) every buffer gets
 * memory of its own, and the memory limit decides. */
enum { MEMORY_PLACE_MAX = 20000 };

typedef struct mem_buffer {
    size_t bytes, offset;
    uint32_t first, last; /* steps; last = n_step for what outlives the run */
} mem_buffer;

typedef struct mem {
    sn_build *b;
    sn_plan *plan;
    uint32_t *root;    /* per value: the value whose bytes it shares; itself when none */
    uint32_t *last;    /* per root value: the last step that reads its buffer */
    uint32_t *first;   /* per root value: the step that makes it, or UINT32_MAX */
    uint8_t *dynamic;  /* per value: made by a step that sets its shape */
    uint8_t *is_input; /* per value */
    uint32_t *slot;    /* per value */
} mem;

static uint32_t mem_root(const mem *m, uint32_t v)
{
    while (m->root[v] != v)
        v = m->root[v] = m->root[m->root[v]];
    return v;
}

/* Only bytes that a step of this plan made, in the arena, may be written over. */
static bool mem_is_arena(const mem *m, uint32_t root)
{
    return !m->b->graph->value[root].cst && !m->is_input[root] && !m->dynamic[root];
}

static size_t mem_bytes(const sn_value *v)
{
    size_t bytes = 0;
    return sn_tensor_bytes(v->dtype, &v->shape, &bytes) ? bytes : 0;
}

/* Lifetimes of values before any sharing: last reader, or n_step for outputs. */
static void mem_last_reads(mem *m)
{
    const sn_graph *g = m->b->graph;
    for (size_t s = 0; s < m->plan->n_step; s++) {
        const sn_step *step = &m->plan->step[s];
        for (uint32_t k = 0; k < step->n_in; k++)
            if (step->in[k] != SN_NONE)
                m->last[step->in[k]] = (uint32_t)s;
        for (uint32_t k = 0; k < step->n_out; k++)
            if (step->out[k] != SN_NONE) {
                m->first[step->out[k]] = (uint32_t)s;
                if (m->last[step->out[k]] < s)
                    m->last[step->out[k]] = (uint32_t)s;
            }
    }
    for (uint32_t k = 0; k < g->n_output; k++)
        m->last[g->output[k]] = (uint32_t)m->plan->n_step;
}

static void mem_share(mem *m, uint32_t out, uint32_t root)
{
    m->root[out] = root;
    if (m->last[root] < m->last[out])
        m->last[root] = m->last[out];
    if (m->first[root] == UINT32_MAX)
        m->first[root] = m->first[out];
}

/* The step's first output over an input that nobody reads afterwards. */
static void mem_try_inplace(mem *m, size_t s)
{
    const sn_step *step = &m->plan->step[s];
    uint32_t out = step->n_out ? step->out[0] : SN_NONE;
    if (out == SN_NONE || m->dynamic[out])
        return;
    size_t bytes = mem_bytes(&m->b->graph->value[out]);
    for (uint32_t k = 0; k < step->n_in; k++) {
        uint32_t r = step->in[k] == SN_NONE ? SN_NONE : mem_root(m, step->in[k]);
        if (r == SN_NONE || !mem_is_arena(m, r) || m->last[r] != s || mem_bytes(&m->b->graph->value[r]) != bytes ||
            mem_bytes(&m->b->graph->value[step->in[k]]) != bytes || m->root[out] != out)
            continue;
        mem_share(m, out, r);
        return;
    }
}

/* First all aliases, so that a buffer's last reader is known through all its names; then outputs over dying inputs. */
static void mem_roots(mem *m, const sn_node *const *node, const bool *is_alias, size_t n_node)
{
    for (size_t i = 0; i < n_node; i++)
        if (is_alias[i])
            mem_share(m, node[i]->out[0], mem_root(m, node[i]->in[0]));
    size_t s = 0;
    for (size_t i = 0; i < n_node; i++) {
        if (is_alias[i])
            continue;
        const sn_op *op = sn_op_recall(&m->b->memo, node[i]->domain, node[i]->op, node[i]->opset);
        if (op && (op->flags & SN_OP_INPLACE))
            mem_try_inplace(m, s);
        s++;
    }
}

static int mem_compare(const void *a, const void *b)
{
    const mem_buffer *x = *(mem_buffer *const *)a, *y = *(mem_buffer *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first < y->first ? -1 : x->first > y->first;
}

typedef struct mem_span {
    size_t begin, end;
} mem_span;

static int mem_compare_span(const void *a, const void *b)
{
    const mem_span *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

static setsuna_status mem_place(mem *m, mem_buffer *buffer, size_t n, size_t *total_out)
{
    sn_arena *scratch = m->b->scratch;
    mem_buffer **order = sn_arena_array(scratch, n, sizeof *order);
    mem_span *span = sn_arena_array(scratch, n, sizeof *span);
    if (!order || !span)
        return SETSUNA_ENOMEM;
    for (size_t i = 0; i < n; i++)
        order[i] = &buffer[i];
    qsort(order, n, sizeof *order, mem_compare);
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        mem_buffer *x = order[i];
        size_t spans = 0, at = 0;
        for (size_t k = 0; k < i && n <= MEMORY_PLACE_MAX; k++)
            if (order[k]->first <= x->last && x->first <= order[k]->last)
                span[spans++] = (mem_span){order[k]->offset, order[k]->offset + order[k]->bytes};
        if (n > MEMORY_PLACE_MAX)
            at = total;
        qsort(span, spans, sizeof *span, mem_compare_span);
        for (size_t k = 0; k < spans && span[k].begin < at + x->bytes; k++)
            if (span[k].end > at)
                at = span[k].end;
        x->offset = at;
        size_t end;
        if (!sn_add_size(at, x->bytes, &end))
            return SETSUNA_ELIMIT;
        if (end > total)
            total = end;
    }
    *total_out = total;
    return SETSUNA_OK;
}

/* The largest sum of buffers alive at one step. */
static size_t mem_live_peak(const mem_buffer *buffer, size_t n, size_t n_step, int64_t *delta)
{
    for (size_t i = 0; i < n; i++) {
        delta[buffer[i].first] += (int64_t)buffer[i].bytes;
        delta[(size_t)buffer[i].last + 1] -= (int64_t)buffer[i].bytes;
    }
    int64_t now = 0, peak = 0;
    for (size_t s = 0; s <= n_step; s++) {
        now += delta[s];
        if (now > peak)
            peak = now;
    }
    return (size_t)peak;
}

static setsuna_status mem_arena(mem *m, size_t *offset_of)
{
    const sn_graph *g = m->b->graph;
    mem_buffer *buffer = sn_arena_array(m->b->scratch, g->n_value, sizeof *buffer);
    uint32_t *which = sn_arena_array(m->b->scratch, g->n_value, sizeof *which);
    int64_t *delta = sn_arena_array(m->b->scratch, m->plan->n_step + 2, sizeof *delta);
    if (!buffer || !which || !delta)
        return SETSUNA_ENOMEM;
    size_t n = 0;
    for (uint32_t v = 0; v < g->n_value; v++) {
        if (m->root[v] != v || m->first[v] == UINT32_MAX || !mem_is_arena(m, v))
            continue;
        size_t bytes;
        if (!sn_align_size(mem_bytes(&g->value[v]), SN_ALIGN, &bytes))
            return SETSUNA_ELIMIT;
        buffer[n] = (mem_buffer){bytes, 0, m->first[v], m->last[v]};
        which[n++] = v;
    }
    SN_TRY(mem_place(m, buffer, n, &m->plan->arena_bytes));
    for (size_t i = 0; i < n; i++)
        offset_of[which[i]] = buffer[i].offset;
    m->plan->live_bytes = mem_live_peak(buffer, n, m->plan->n_step, delta);
    return SETSUNA_OK;
}

/* Constants that a step reads in place must be there, and aligned for their type: what protobuf misaligned and what is
 * still in the file is copied once per model. */
static setsuna_status mem_const_data(mem *m, const sn_const *c, const void **out)
{
    sn_pack_store *store = m->b->env->store;
    size_t align = setsuna_dtype_size(c->t.dtype);
    if (align > 8)
        align = 8;
    if (!c->file && (align < 2 || (uintptr_t)c->t.data % align == 0)) {
        *out = c->t.data;
        return SETSUNA_OK;
    }
    uint64_t key = sn_hash_u64(sn_hash_str(0, "aligned"), c->uid);
    return sn_pack_store_get(store, key, c->t.size_bytes, NULL, NULL, &c, 1, out, m->b->err);
}

static setsuna_status mem_slot(mem *m, uint32_t v, const size_t *offset_of, const uint32_t *input_of)
{
    if (m->slot[v] != SN_NONE)
        return SETSUNA_OK;
    const sn_value *x = &m->b->graph->value[v];
    uint32_t r = mem_root(m, v), at = m->plan->n_slot++;
    const sn_value *root = &m->b->graph->value[r];
    sn_slot *s = &m->plan->slot[at];
    m->slot[v] = at;
    s->name = x->name;
    s->desc = (setsuna_tensor){x->dtype, x->shape, NULL, mem_bytes(x)};
    if (root->cst) {
        s->kind = SN_SLOT_CONST;
        m->plan->const_bytes += s->desc.size_bytes;
        return mem_const_data(m, root->cst, &s->data);
    }
    if (m->is_input[r]) {
        s->kind = SN_SLOT_INPUT;
        s->where = input_of[r];
    } else if (m->dynamic[r]) {
        s->kind = SN_SLOT_DYNAMIC;
        s->where = m->plan->n_dynamic++;
    } else {
        s->kind = SN_SLOT_ARENA;
        s->where = offset_of[r];
    }
    return SETSUNA_OK;
}

static setsuna_status mem_slots(mem *m, const uint64_t *packed, const size_t *offset_of, const uint32_t *input_of)
{
    sn_plan *plan = m->plan;
    sn_graph *g = m->b->graph;
    for (size_t s = 0; s < plan->n_step; s++) {
        const sn_step *step = &plan->step[s];
        uint32_t *in = sn_arena_array(plan->arena, step->n_in, 4), *out = sn_arena_array(plan->arena, step->n_out, 4);
        if (!in || !out)
            return SETSUNA_ENOMEM;
        for (uint32_t k = 0; k < step->n_in; k++) {
            bool skip = step->in[k] == SN_NONE || (k < 64 && (packed[s] >> k & 1));
            if (!skip)
                SN_TRY(mem_slot(m, step->in[k], offset_of, input_of));
            in[k] = skip ? SN_NONE : m->slot[step->in[k]];
        }
        for (uint32_t k = 0; k < step->n_out; k++) {
            if (step->out[k] != SN_NONE)
                SN_TRY(mem_slot(m, step->out[k], offset_of, input_of));
            out[k] = step->out[k] == SN_NONE ? SN_NONE : m->slot[step->out[k]];
        }
        plan->step[s].in = in;
        plan->step[s].out = out;
    }
    plan->output = sn_arena_array(plan->arena, g->n_output, 4);
    if (!plan->output)
        return SETSUNA_ENOMEM;
    for (uint32_t k = 0; k < g->n_output; k++) {
        SN_TRY(mem_slot(m, g->output[k], offset_of, input_of));
        plan->output[k] = m->slot[g->output[k]];
    }
    plan->n_output = g->n_output;
    return SETSUNA_OK;
}

static setsuna_status mem_init(mem *m)
{
    const sn_graph *g = m->b->graph;
    sn_arena *a = m->b->scratch;
    m->root = sn_arena_array(a, g->n_value, 4);
    m->last = sn_arena_array(a, g->n_value, 4);
    m->first = sn_arena_array(a, g->n_value, 4);
    m->slot = sn_arena_array(a, g->n_value, 4);
    m->dynamic = sn_arena_array(a, g->n_value, 1);
    m->is_input = sn_arena_array(a, g->n_value, 1);
    m->plan->slot = sn_arena_array(a, g->n_value, sizeof *m->plan->slot); /* moved when they are counted */
    if (!m->root || !m->last || !m->first || !m->slot || !m->dynamic || !m->is_input || !m->plan->slot)
        return SETSUNA_ENOMEM;
    for (uint32_t v = 0; v < g->n_value; v++) {
        m->root[v] = v;
        m->first[v] = UINT32_MAX;
        m->slot[v] = SN_NONE;
    }
    return SETSUNA_OK;
}

setsuna_status sn_plan_memory(sn_build *b, sn_plan *plan, const sn_node *const *node, const bool *is_alias,
                              size_t n_node, const uint64_t *packed)
{
    mem m = {.b = b, .plan = plan};
    const sn_graph *g = b->graph;
    SN_TRY(mem_init(&m));
    uint32_t *input_of = sn_arena_array(b->scratch, g->n_value, 4);
    size_t *offset_of = sn_arena_array(b->scratch, g->n_value, sizeof *offset_of);
    if (!input_of || !offset_of)
        return SETSUNA_ENOMEM;
    for (uint32_t k = 0; k < g->n_input; k++) {
        m.is_input[g->input[k]] = 1;
        input_of[g->input[k]] = k;
    }
    for (size_t s = 0; s < plan->n_step; s++)
        for (uint32_t k = 0; k < plan->step[s].n_out; k++)
            if (plan->step[s].out[k] != SN_NONE && !g->value[plan->step[s].out[k]].has_shape)
                m.dynamic[plan->step[s].out[k]] = 1;
    mem_last_reads(&m);
    mem_roots(&m, node, is_alias, n_node);
    SN_TRY(mem_arena(&m, offset_of));
    SN_TRY(mem_slots(&m, packed, offset_of, input_of));
    sn_slot *slot = sn_arena_array(plan->arena, plan->n_slot, sizeof *slot);
    if (!slot)
        return SETSUNA_ENOMEM;
    if (plan->n_slot)
        memcpy(slot, plan->slot, plan->n_slot * sizeof *slot);
    plan->slot = slot;
    return SETSUNA_OK;
}
