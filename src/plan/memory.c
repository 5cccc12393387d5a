/* Slots and the arena: who needs which bytes from when to when.
 *
 * Values that share bytes form one buffer (share.c). Buffers are placed one after the other, each at the lowest offset
 * where no buffer alive at the same time lies. In which order is best depends on the graph: several are tried, until
 * one leaves no gaps at the fullest step.
 */
#include "plan/memory.h"
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
    size_t rank;          /* those of higher rank are placed first, larger ones first among equals */
    uint32_t root;        /* the value */
} mem_buffer;

typedef enum mem_order {
    MEM_BY_SIZE,
    MEM_BY_PEAK, /* what is alive at the fullest step first: it will be without gaps */
    MEM_BY_LIFE, /* the longest lives first */
    MEM_BY_AREA, /* bytes times steps */
    MEM_BY_TIME, /* in the order they are made */
    MEM_ORDERS
} mem_order;

static int mem_compare(const void *a, const void *b)
{
    const mem_buffer *x = *(mem_buffer *const *)a, *y = *(mem_buffer *const *)b;
    if (x->rank != y->rank)
        return x->rank < y->rank ? 1 : -1;
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

static size_t mem_rank(const mem_buffer *x, mem_order order, uint32_t peak)
{
    switch (order) {
    case MEM_BY_PEAK: return x->first <= peak && peak <= x->last;
    case MEM_BY_LIFE: return x->last - x->first;
    case MEM_BY_AREA:
        return x->bytes / SN_ALIGN * (size_t)(x->last - x->first + 1); /* may wrap: it is an order still */
    case MEM_BY_TIME: return UINT32_MAX - x->first;
    case MEM_BY_SIZE:
    case MEM_ORDERS: break;
    }
    return 0;
}

/* Gives each buffer an offset. order and span: room for n. */
static setsuna_status mem_place(mem_buffer **order, mem_span *span, size_t n, size_t *total_out)
{
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

/* One buffer a root. */
static setsuna_status mem_buffers(const sn_mem *m, mem_buffer *buffer, mem_buffer **order, size_t *n_out)
{
    size_t n = 0;
    for (uint32_t v = 0; v < m->b->graph->n_value; v++) {
        if (m->root[v] != v || m->first[v] == UINT32_MAX || !sn_mem_is_arena(m, v))
            continue;
        size_t bytes;
        if (!sn_align_size(sn_mem_bytes(m, v), SN_ALIGN, &bytes))
            return SETSUNA_ELIMIT;
        order[n] = &buffer[n];
        buffer[n++] = (mem_buffer){.bytes = bytes, .first = m->first[v], .last = m->last[v], .root = v};
    }
    *n_out = n;
    return SETSUNA_OK;
}

/* Places what sn_mem_share decided; live: bytes alive at each step. */
static setsuna_status mem_arena(sn_mem *m, const size_t *live, size_t *offset_of)
{
    size_t n_value = m->b->graph->n_value, n = 0, total = 0;
    sn_arena *scratch = m->b->scratch;
    mem_buffer *buffer = sn_arena_array(scratch, n_value, sizeof *buffer);
    mem_buffer **order = sn_arena_array(scratch, n_value, sizeof *order);
    mem_span *span = sn_arena_array(scratch, n_value, sizeof *span);
    if (!buffer || !order || !span)
        return SETSUNA_ENOMEM;
    SN_TRY(mem_buffers(m, buffer, order, &n));
    uint32_t peak = 0;
    for (uint32_t s = 1; s <= m->plan->n_step; s++)
        peak = live[s] > live[peak] ? s : peak;
    m->plan->arena_bytes = SIZE_MAX;
    for (mem_order o = 0; o < MEM_ORDERS && m->plan->arena_bytes > live[peak]; o++) {
        for (size_t i = 0; i < n; i++)
            buffer[i].rank = mem_rank(&buffer[i], o, peak);
        SN_TRY(mem_place(order, span, n, &total));
        if (total >= m->plan->arena_bytes)
            continue;
        m->plan->arena_bytes = total;
        for (size_t i = 0; i < n; i++)
            offset_of[buffer[i].root] = buffer[i].offset;
    }
    return SETSUNA_OK;
}

/* Views only where they cost no memory: no more may be alive than without, and gaps between buffers must not eat up
 * what they save. */
static setsuna_status mem_layout(sn_mem *m, size_t *offset_of)
{
    sn_plan *plan = m->plan;
    size_t *live = sn_arena_array(m->b->scratch, plan->n_step + 1, sizeof *live);
    size_t *was = sn_arena_array(m->b->scratch, plan->n_step + 1, sizeof *was);
    if (!live || !was)
        return SETSUNA_ENOMEM;
    sn_mem_share(m, NULL, NULL, 0);
    size_t most = sn_mem_live(m, live);
    sn_mem_share(m, live, was, most);
    plan->live_bytes = sn_mem_live(m, live);
    SN_TRY(mem_arena(m, live, offset_of));
    if (plan->arena_bytes <= most)
        return SETSUNA_OK;
    size_t with_views = plan->arena_bytes;
    sn_mem_share(m, NULL, NULL, 0);
    plan->live_bytes = sn_mem_live(m, live);
    SN_TRY(mem_arena(m, live, offset_of));
    if (plan->arena_bytes < with_views)
        return SETSUNA_OK;
    sn_mem_share(m, live, was, most);
    plan->live_bytes = sn_mem_live(m, live);
    return mem_arena(m, live, offset_of);
}

/* Constants that a step reads in place must be there, and aligned for their type: what protobuf misaligned and what is
 * still in the file is copied once per model. */
static setsuna_status mem_const_data(sn_mem *m, const sn_const *c, const void **out)
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

static setsuna_status mem_slot(sn_mem *m, uint32_t v, const size_t *offset_of, const uint32_t *input_of)
{
    if (m->slot[v] != SN_NONE)
        return SETSUNA_OK;
    const sn_value *x = &m->b->graph->value[v];
    size_t at;
    uint32_t r = sn_mem_root(m, v, &at);
    const sn_value *root = &m->b->graph->value[r];
    sn_slot *s = &m->plan->slot[m->plan->n_slot];
    m->slot[v] = m->plan->n_slot++;
    s->name = x->name;
    s->desc = (setsuna_tensor){x->dtype, x->shape, NULL, sn_mem_bytes(m, v)};
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
        s->where = offset_of[r] + at;
    }
    return SETSUNA_OK;
}

/* Takes what views leave nothing to do for out of the step's traffic. True: out of the whole step. */
static bool mem_is_moot_step(const sn_mem *m, sn_step *step)
{
    uint32_t left = 0;
    for (uint32_t k = 0; k < step->n_copy; k++)
        if (sn_mem_is_moot(m, step, &step->copy[k]))
            step->bytes -= 2.0 * (double)step->copy[k].n_bytes;
        else
            left++;
    return step->copy && left == 0;
}

static setsuna_status mem_slots(sn_mem *m, const uint64_t *packed, const size_t *offset_of, const uint32_t *input_of)
{
    sn_plan *plan = m->plan;
    sn_graph *g = m->b->graph;
    size_t n_step = plan->n_step;
    plan->n_step = 0;
    for (size_t s = 0; s < n_step; s++) {
        sn_step *step = &plan->step[s];
        if (mem_is_moot_step(m, step))
            continue;
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
        step->in = in;
        step->out = out;
        plan->step[plan->n_step++] = *step;
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

static setsuna_status mem_init(sn_mem *m)
{
    const sn_graph *g = m->b->graph;
    sn_arena *a = m->b->scratch;
    m->root = sn_arena_array(a, g->n_value, 4);
    m->at = sn_arena_array(a, g->n_value, sizeof *m->at);
    m->last = sn_arena_array(a, g->n_value, 4);
    m->first = sn_arena_array(a, g->n_value, 4);
    m->wrote = sn_arena_array(a, g->n_value, 4);
    m->slot = sn_arena_array(a, g->n_value, 4);
    m->dynamic = sn_arena_array(a, g->n_value, 1);
    m->is_input = sn_arena_array(a, g->n_value, 1);
    m->plan->slot = sn_arena_array(a, g->n_value, sizeof *m->plan->slot); /* moved when they are counted */
    if (!m->root || !m->at || !m->last || !m->first || !m->wrote || !m->slot || !m->dynamic || !m->is_input ||
        !m->plan->slot)
        return SETSUNA_ENOMEM;
    for (uint32_t v = 0; v < g->n_value; v++)
        m->slot[v] = SN_NONE;
    return SETSUNA_OK;
}

setsuna_status sn_plan_memory(sn_build *b, sn_plan *plan, const sn_node *const *node, const bool *is_alias,
                              size_t n_node, const uint64_t *packed)
{
    sn_mem m = {.b = b, .plan = plan, .node = node, .is_alias = is_alias, .n_node = n_node};
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
    SN_TRY(mem_layout(&m, offset_of));
    SN_TRY(mem_slots(&m, packed, offset_of, input_of));
    sn_slot *slot = sn_arena_array(plan->arena, plan->n_slot, sizeof *slot);
    if (!slot)
        return SETSUNA_ENOMEM;
    if (plan->n_slot)
        memcpy(slot, plan->slot, plan->n_slot * sizeof *slot);
    plan->slot = slot;
    return SETSUNA_OK;
}
