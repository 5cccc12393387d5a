/* Which values share bytes.
 *
 *     alias      Reshape and its kin: the bytes of the input under another shape
 *     in place   an output over an input that nobody reads afterwards
 *     view       a step that only copies (sn_step_copy) finds pieces of its result where they have to be:
 *
 *         Split   x ├────a────┼────b────┤      a and b are parts of x
 *         Concat  y ├──a──┼────b────┼─c─┤      what makes a, b and c writes into y
 *
 * A buffer belongs to a root; other values lie in it, somewhere. It lives from the first write to the last read of any
 * of them. Each value is written once, but for what an operator in place leaves of its input; what follows asks who
 * writes when, and who still reads then.
 */
#include "plan/memory.h"
#include <string.h>

/* Each attempt at views walks over the plan's steps. Where that becomes more than this (no real model is near it),
 * tensors are copied. */
enum { SHARE_WORK_MAX = 1 << 24 };

/* One buffer moved into another, and what the other was before. */
typedef struct share_move {
    uint32_t part, whole, first, wrote, last;
    size_t at;
} share_move;

typedef struct share {
    sn_mem *m;
    size_t *live, *was; /* per step, and once more for the end: bytes alive now, and before an attempt */
    size_t live_max;
    size_t work;
    uint32_t n_move; /* of the attempt */
    share_move move[SN_OP_IN_MAX];
} share;

uint32_t sn_mem_root(const sn_mem *m, uint32_t v, size_t *at_out)
{
    size_t at = 0;
    while (m->root[v] != v) {
        uint32_t up = m->root[v];
        if (m->root[up] != up) { /* one level less for who asks next */
            m->at[v] += m->at[up];
            m->root[v] = m->root[up];
        }
        at += m->at[v];
        v = m->root[v];
    }
    *at_out = at;
    return v;
}

bool sn_mem_is_arena(const sn_mem *m, uint32_t root)
{
    return !m->b->graph->value[root].cst && !m->is_input[root] && !m->dynamic[root];
}

size_t sn_mem_bytes(const sn_mem *m, uint32_t v)
{
    const sn_value *x = &m->b->graph->value[v];
    size_t bytes = 0;
    return sn_tensor_bytes(x->dtype, &x->shape, &bytes) ? bytes : 0;
}

/* What the arena gives a buffer; sizes that leave no room for that are refused when it is laid out. */
static size_t share_buffer_bytes(const sn_mem *m, uint32_t root)
{
    return (sn_mem_bytes(m, root) + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
}

size_t sn_mem_live(const sn_mem *m, size_t *live)
{
    size_t n_step = m->plan->n_step, now = 0, most = 0;
    for (size_t s = 0; s <= n_step; s++)
        live[s] = 0;
    for (uint32_t v = 0; v < m->b->graph->n_value;
         v++) /* differences first; unsigned, so that they may go below zero */
        if (m->root[v] == v && m->first[v] != UINT32_MAX && sn_mem_is_arena(m, v)) {
            live[m->first[v]] += share_buffer_bytes(m, v);
            if (m->last[v] < n_step)
                live[m->last[v] + 1] -= share_buffer_bytes(m, v);
        }
    for (size_t s = 0; s <= n_step; s++) {
        now = live[s] += now;
        most = now > most ? now : most;
    }
    return most;
}

/* Lifetimes of values before any sharing: last reader, or n_step for outputs. */
static void share_start(sn_mem *m)
{
    const sn_graph *g = m->b->graph;
    for (uint32_t v = 0; v < g->n_value; v++) {
        m->root[v] = v;
        m->at[v] = 0;
        m->first[v] = UINT32_MAX;
        m->last[v] = m->wrote[v] = 0;
    }
    for (size_t s = 0; s < m->plan->n_step; s++) {
        const sn_step *step = &m->plan->step[s];
        for (uint32_t k = 0; k < step->n_in; k++)
            if (step->in[k] != SN_NONE)
                m->last[step->in[k]] = (uint32_t)s;
        for (uint32_t k = 0; k < step->n_out; k++)
            if (step->out[k] != SN_NONE) {
                m->first[step->out[k]] = m->wrote[step->out[k]] = (uint32_t)s;
                if (m->last[step->out[k]] < s)
                    m->last[step->out[k]] = (uint32_t)s;
            }
    }
    for (uint32_t k = 0; k < g->n_output; k++)
        m->last[g->output[k]] = (uint32_t)m->plan->n_step;
}

static uint32_t share_least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t share_most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* The buffer of root `part`, from byte `at` of that of root `whole` on. */
static void share_join(sn_mem *m, uint32_t part, uint32_t whole, size_t at)
{
    m->root[part] = whole;
    m->at[part] = at;
    m->first[whole] = share_least(m->first[whole], m->first[part]);
    m->wrote[whole] = share_most(m->wrote[whole], m->wrote[part]);
    m->last[whole] = share_most(m->last[whole], m->last[part]);
}

/* ---- in place ---------------------------------------------------------------------------------------------- */

/* Another operand of the step lies in the buffer too, and not just as input k does: it would be overwritten on the way.
 */
static bool share_is_read_elsewhere(const sn_mem *m, const sn_step *step, uint32_t k, uint32_t root)
{
    for (uint32_t i = 0; i < step->n_in; i++) {
        size_t at;
        if (i != k && step->in[i] != SN_NONE && sn_mem_root(m, step->in[i], &at) == root &&
            (at != 0 || sn_mem_bytes(m, step->in[i]) != sn_mem_bytes(m, root)))
            return true;
    }
    return false;
}

/* The step's first output over an input that nobody reads afterwards. */
static void share_in_place(sn_mem *m, size_t s)
{
    const sn_step *step = &m->plan->step[s];
    uint32_t out = step->n_out ? step->out[0] : SN_NONE;
    if (out == SN_NONE || m->dynamic[out] || m->root[out] != out)
        return;
    size_t bytes = sn_mem_bytes(m, out), at;
    for (uint32_t k = 0; k < step->n_in; k++) {
        uint32_t r = step->in[k] == SN_NONE ? SN_NONE : sn_mem_root(m, step->in[k], &at);
        if (r == SN_NONE || !sn_mem_is_arena(m, r) || m->last[r] != s || sn_mem_bytes(m, r) != bytes ||
            sn_mem_bytes(m, step->in[k]) != bytes || share_is_read_elsewhere(m, step, k, r))
            continue;
        share_join(m, out, r, 0);
        return;
    }
}

/* ---- views ------------------------------------------------------------------------------------------------- */

/* What run k of what step s copies would save: the buffer that moves, where to. False: it cannot. */
typedef bool share_find(const sn_mem *m, size_t s, uint32_t k, share_move *move);

/* An output that is a part of an input: Split, Slice. Comes before anything is done in place, so that the output is
 * written nowhere else. */
static bool share_find_in_input(const sn_mem *m, size_t s, uint32_t k, share_move *move)
{
    const sn_step *step = &m->plan->step[s];
    const sn_step_copy *c = &step->copy[k];
    uint32_t out = step->out[c->out];
    size_t at;
    uint32_t r = sn_mem_root(m, step->in[c->in], &at);
    *move = (share_move){.part = out, .whole = r, .at = at + c->from};
    return c->to == 0 && c->n_bytes == sn_mem_bytes(m, out) && m->root[out] == out && r != out &&
           move->at % SN_ALIGN == 0 && sn_mem_is_arena(m, r) && sn_mem_is_arena(m, out);
}

/* Would the buffer of root r, from byte `base` of output `out` on, hold what the step is to leave there? All that it
 * copies to these bytes must lie in the buffer, and at its place. */
static bool share_agrees(const sn_mem *m, const sn_step *step, uint32_t out, uint32_t r, size_t base)
{
    size_t end = base + sn_mem_bytes(m, r);
    for (uint32_t k = 0; k < step->n_copy; k++) {
        const sn_step_copy *c = &step->copy[k];
        size_t at;
        if (c->out != out || c->to >= end || c->to + c->n_bytes <= base)
            continue;
        if (sn_mem_root(m, step->in[c->in], &at) != r || base + at + c->from != c->to)
            return false;
    }
    return true;
}

/* An input that can be made where the step's output has it: Concat. When its buffer moves into the output's, all that
 * is written to the one comes before the step, and whoever reads it still sees it: nothing is done in place on the
 * output, or after that. */
static bool share_find_in_output(const sn_mem *m, size_t s, uint32_t k, share_move *move)
{
    const sn_step *step = &m->plan->step[s];
    const sn_step_copy *c = &step->copy[k];
    uint32_t y = step->out[c->out];
    size_t at, bytes = sn_mem_bytes(m, y);
    uint32_t r = sn_mem_root(m, step->in[c->in], &at);
    if (m->root[y] != y || r == y || !sn_mem_is_arena(m, r) || !sn_mem_is_arena(m, y) || c->to < at + c->from)
        return false;
    size_t base = c->to - at - c->from;
    *move = (share_move){.part = r, .whole = y, .at = base};
    return base % SN_ALIGN == 0 && base <= bytes && sn_mem_bytes(m, r) <= bytes - base && m->wrote[r] < s &&
           (m->wrote[y] == s || m->last[r] <= s) && share_agrees(m, step, c->out, r, base);
}

static void share_count_live(share *x, uint32_t root, bool add)
{
    size_t bytes = share_buffer_bytes(x->m, root);
    for (uint32_t s = x->m->first[root]; s <= x->m->last[root]; s++)
        x->live[s] = add ? x->live[s] + bytes : x->live[s] - bytes;
}

static void share_apply(share *x, share_move *v)
{
    sn_mem *m = x->m;
    v->first = m->first[v->whole];
    v->wrote = m->wrote[v->whole];
    v->last = m->last[v->whole];
    share_count_live(x, v->part, false);
    share_count_live(x, v->whole, false);
    share_join(m, v->part, v->whole, v->at);
    share_count_live(x, v->whole, true);
    x->move[x->n_move++] = *v;
}

static void share_undo(share *x)
{
    sn_mem *m = x->m;
    while (x->n_move) {
        const share_move *v = &x->move[--x->n_move];
        m->root[v->part] = v->part;
        m->at[v->part] = 0;
        m->first[v->whole] = v->first;
        m->wrote[v->whole] = v->wrote;
        m->last[v->whole] = v->last;
    }
    memcpy(x->live, x->was, (m->plan->n_step + 1) * sizeof *x->live);
}

/* Runs [from, to) of what step s copies, all that can be saved or none: no step may then have more bytes alive than
 * allowed, or than it had. */
static bool share_attempt(share *x, size_t s, uint32_t from, uint32_t to, share_find *find)
{
    size_t n = x->m->plan->n_step + 1;
    x->work += 4 * n * (to - from);
    if (x->work > SHARE_WORK_MAX)
        return true;
    x->n_move = 0;
    memcpy(x->was, x->live, n * sizeof *x->live);
    for (uint32_t k = from; k < to; k++) {
        share_move move;
        if (find(x->m, s, k, &move))
            share_apply(x, &move);
    }
    for (size_t i = 0; i < n; i++)
        if (x->live[i] > x->live_max && x->live[i] > x->was[i]) {
            share_undo(x);
            return false;
        }
    return true;
}

/* All parts at once, as two may need less than one of them; else one by one. */
static void share_views(share *x, share_find *find)
{
    for (size_t s = 0; s < x->m->plan->n_step; s++) {
        uint32_t n = x->m->plan->step[s].n_copy;
        if (n == 0 || n > SN_OP_IN_MAX || share_attempt(x, s, 0, n, find))
            continue;
        for (uint32_t k = 0; k < n && n > 1; k++)
            share_attempt(x, s, k, k + 1, find);
    }
}

bool sn_mem_is_moot(const sn_mem *m, const sn_step *step, const sn_step_copy *c)
{
    size_t from, to;
    return sn_mem_root(m, step->in[c->in], &from) == sn_mem_root(m, step->out[c->out], &to) &&
           from + c->from == to + c->to;
}

/* ---- all of them ------------------------------------------------------------------------------------------- */

/* Aliases first, so that a buffer's last reader is known through all its names. */
void sn_mem_share(sn_mem *m, size_t *live, size_t *was, size_t live_max)
{
    share x = {.m = m, .live = live, .was = was, .live_max = live_max};
    size_t at, s = 0;
    share_start(m);
    for (size_t i = 0; i < m->n_node; i++)
        if (m->is_alias[i]) /* an alias is its input's first byte, so at is 0 here */
            share_join(m, m->node[i]->out[0], sn_mem_root(m, m->node[i]->in[0], &at), 0);
    if (live) {
        sn_mem_live(m, live);
        share_views(&x, share_find_in_input);
    }
    for (size_t i = 0; i < m->n_node; i++) {
        if (m->is_alias[i])
            continue;
        const sn_op *op = sn_op_recall(&m->b->memo, m->node[i]->domain, m->node[i]->op, m->node[i]->opset);
        if (op && (op->flags & SN_OP_INPLACE))
            share_in_place(m, s);
        s++;
    }
    if (live) {
        sn_mem_live(m, live);
        share_views(&x, share_find_in_output);
    }
}
