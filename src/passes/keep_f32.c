/* keep-f32: what one operator on f16 hands to the next stays f32.
 *
 *     x ─▶ Op(f32) ─▶ setsuna.Narrow ─▶ h ─▶ Cast(f32) ─▶ Op(f32) ─▶ y      ⇒      x ─▶ Op(f32) ─▶ Op(f32) ─▶ y
 *
 *     x ─▶ setsuna.Narrow ─▶ h ─▶ Reshape ─▶ Cast(f32) ─▶ y                 ⇒      x ─▶ Reshape ─▶ y
 *
 *     x ─▶ setsuna.Narrow ─┐
 *                       h ─┴─▶ Concat ─▶ Cast(f32) ─▶ y                     ⇒      x, h ─▶ Cast(f32) ─▶ Concat ─▶ y
 *
 *     h ─▶ Cast(f32) ─▶ a,  h ─▶ Cast(f32) ─▶ b                             ⇒      h ─▶ Cast(f32) ─▶ a, b
 *
 * setsuna.Narrow is the rounding that the planner puts behind an operator which it runs in f32 (SN_OP_F16_AS_F32); a
 * Cast of the model's own is never taken away. Numerics (docs/numerics.md): each rounding to f16 or bf16 that goes was
 * an error of up to 2^-11 or 2^-8, relative, and the only place where a value beyond 65504 became infinite.
 *
 * A Cast that makes a graph output stays, and what still reads h gets it as before.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <string.h>

enum { KEEP_F32_PAD_VALUE = 2 }; /* an input of Pad */

typedef struct keep_f32 {
    sn_graph *g;
    sn_uses uses;
    uint32_t *wide; /* per value: one of the same contents in f32; SN_NONE: none */
    uint32_t *now;  /* per value: the one to read in its place */
    bool *unread;   /* per value: nobody would read it if its contents were there in f32 */
} keep_f32;

static bool keep_f32_is_half(const sn_graph *g, uint32_t v)
{
    return g->value[v].dtype == SETSUNA_F16 || g->value[v].dtype == SETSUNA_BF16;
}

static bool keep_f32_is_output(const keep_f32 *k, uint32_t v)
{
    for (uint32_t i = 0; i < k->uses.n_use[v]; i++)
        if (k->uses.reader[k->uses.first[v] + i] == SN_NONE)
            return true;
    return false;
}

/* h ─▶ Cast(f32), for a half type. */
static bool keep_f32_is_widening(const keep_f32 *k, const sn_node *n)
{
    return sn_node_is(n, "", "Cast") && n->in[0] != SN_NONE && n->out[0] != SN_NONE &&
           keep_f32_is_half(k->g, n->in[0]) && sn_node_int(n, "to", SETSUNA_DTYPE_NONE) == SETSUNA_F32 &&
           !keep_f32_is_output(k, n->out[0]);
}

/* How many inputs, from the first on, n moves without looking at their elements; 0: it does more than that. */
static uint32_t keep_f32_moved(const keep_f32 *k, const sn_node *n)
{
    static const char *const moves[] = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose", "Slice"};
    if (n->dead || n->domain[0] || n->n_in < 1 || n->n_out != 1 || n->out[0] == SN_NONE)
        return 0;
    uint32_t moved = 0;
    if (strcmp(n->op, "Concat") == 0)
        moved = n->n_in;
    else if (strcmp(n->op, "Pad") == 0)
        moved = sn_node_in(n, KEEP_F32_PAD_VALUE) == SN_NONE || sn_graph_const(k->g, n->in[KEEP_F32_PAD_VALUE]);
    for (size_t i = 0; i < sizeof moves / sizeof moves[0] && !moved; i++)
        moved = strcmp(n->op, moves[i]) == 0;
    for (uint32_t i = 0; i < moved; i++)
        if (n->in[i] == SN_NONE || !keep_f32_is_half(k->g, n->in[i]))
            return 0;
    return moved;
}

/* Readers come after what they read, so from the end: all readers of v are widenings, or moves whose own result is only
 * widened. */
static void keep_f32_find_unread(keep_f32 *k)
{
    const sn_graph *g = k->g;
    for (size_t v = 0; v < g->n_value; v++)
        k->unread[v] = !keep_f32_is_output(k, (uint32_t)v);
    for (size_t i = g->n_node; i-- > 0;) {
        const sn_node *n = &g->node[i];
        uint32_t moved = keep_f32_is_widening(k, n) ? 1 : keep_f32_moved(k, n);
        if (moved && keep_f32_is_half(g, n->out[0]) && !k->unread[n->out[0]])
            moved = 0;
        for (uint32_t j = moved; j < n->n_in && !n->dead; j++)
            if (n->in[j] != SN_NONE)
                k->unread[n->in[j]] = false;
    }
}

/* The twin of v, which has none yet: a Cast. */
static setsuna_status keep_f32_widen(keep_f32 *k, uint32_t v)
{
    uint32_t y = sn_graph_add_value(k->g, k->g->value[v].name, SETSUNA_F32);
    sn_node *n = y == SN_NONE ? NULL : sn_graph_add_node(k->g, "", "Cast", 13, k->g->value[v].name, &v, 1, &y, 1);
    if (!n || !sn_node_add_int(k->g, n, "to", SETSUNA_F32))
        return SETSUNA_ENOMEM;
    k->g->value[y].has_shape = k->g->value[v].has_shape;
    k->g->value[y].shape = k->g->value[v].shape;
    k->wide[v] = y;
    return SETSUNA_OK;
}

/* What Pad fills in, as f32. */
static setsuna_status keep_f32_pad_value(keep_f32 *k, sn_node *n)
{
    const sn_const *c = sn_graph_const(k->g, sn_node_in(n, KEEP_F32_PAD_VALUE));
    if (!c)
        return SETSUNA_OK;
    float *f = sn_arena_alloc(k->g->arena, sizeof *f);
    if (!f)
        return SETSUNA_ENOMEM;
    *f = c->t.size_bytes ? (float)sn_tensor_get_f64(&c->t, 0) : 0;
    n->in[KEEP_F32_PAD_VALUE] = sn_rewrite_const(k->g, SETSUNA_F32, &(setsuna_shape){0}, f);
    return n->in[KEEP_F32_PAD_VALUE] == SN_NONE ? SETSUNA_ENOMEM : SETSUNA_OK;
}

/* Node i moves the f32 twins of its inputs instead, and makes the twin of its output; but not where it would be all
 * Casts. */
static setsuna_status keep_f32_move(keep_f32 *k, size_t i, uint32_t moved, bool *changed)
{
    sn_graph *g = k->g;
    uint32_t y = g->node[i].out[0], n_twin = 0;
    for (uint32_t j = 0; j < moved; j++)
        n_twin += k->wide[g->node[i].in[j]] != SN_NONE;
    if (n_twin == 0)
        return SETSUNA_OK;
    *changed = true;
    for (uint32_t j = 0; j < moved; j++) {
        uint32_t x = g->node[i].in[j];
        if (k->wide[x] == SN_NONE)
            SN_TRY(keep_f32_widen(k, x));
        g->node[i].in[j] = k->wide[x];
    }
    uint32_t made = sn_graph_add_value(g, g->value[y].name, SETSUNA_F32);
    if (made == SN_NONE)
        return SETSUNA_ENOMEM;
    g->value[made].has_shape = g->value[y].has_shape;
    g->value[made].shape = g->value[y].shape;
    k->wide[y] = g->node[i].out[0] = made;
    return strcmp(g->node[i].op, "Pad") == 0 ? keep_f32_pad_value(k, &g->node[i]) : SETSUNA_OK;
}

static setsuna_status keep_f32_at(keep_f32 *k, size_t i, bool *changed)
{
    sn_node *n = &k->g->node[i];
    for (uint32_t j = 0; j < n->n_in; j++)
        if (n->in[j] != SN_NONE)
            n->in[j] = k->now[n->in[j]];
    if (sn_node_is(n, "setsuna", "Narrow")) {
        k->wide[n->out[0]] = n->in[0];
        return SETSUNA_OK;
    }
    if (keep_f32_is_widening(k, n)) {
        uint32_t *twin = &k->wide[n->in[0]];
        if (*twin == SN_NONE) {
            *twin = n->out[0];
            return SETSUNA_OK;
        }
        k->now[n->out[0]] = *twin;
        n->dead = true;
        *changed = true;
        return SETSUNA_OK;
    }
    uint32_t moved = keep_f32_moved(k, n);
    return moved && k->unread[n->out[0]] ? keep_f32_move(k, i, moved, changed) : SETSUNA_OK;
}

static setsuna_status keep_f32_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    keep_f32 k = {.g = g};
    SN_TRY(sn_uses_build(g, ctx->arena, &k.uses));
    k.wide = sn_arena_array(ctx->arena, g->n_value, sizeof *k.wide);
    k.now = sn_arena_array(ctx->arena, g->n_value, sizeof *k.now);
    k.unread = sn_arena_array(ctx->arena, g->n_value, sizeof *k.unread);
    if (!k.wide || !k.now || !k.unread)
        return SETSUNA_ENOMEM;
    for (size_t v = 0; v < g->n_value; v++) {
        k.wide[v] = SN_NONE;
        k.now[v] = (uint32_t)v;
    }
    keep_f32_find_unread(&k);
    for (size_t i = 0, n = g->n_node; i < n; i++) /* not those that it adds */
        if (!g->node[i].dead)
            SN_TRY(keep_f32_at(&k, i, changed));
    return SETSUNA_OK;
}

const sn_pass sn_pass_keep_f32 = {"keep-f32", keep_f32_run};
