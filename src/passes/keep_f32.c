/* keep-f32: what one operator on f16 hands to the next stays f32.
 *
 *     x ─▶ Op(f32) ─▶ setsuna.Narrow ─▶ h ─▶ Cast(f32) ─▶ Op(f32) ─▶ y      ⇒      x ─▶ Op(f32) ─▶ Op(f32) ─▶ y
 *
 *     x ─▶ setsuna.Narrow ─▶ h ─▶ Reshape ─▶ Cast(f32) ─▶ y                 ⇒      x ─▶ Reshape ─▶ y
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
#include <string.h>

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

/* Moves elements of input 0 without looking at them. */
static bool keep_f32_is_move(const keep_f32 *k, const sn_node *n)
{
    static const char *const moves[] = {"Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose"};
    if (n->dead || n->domain[0] || n->n_in < 1 || n->n_out != 1 || n->in[0] == SN_NONE || n->out[0] == SN_NONE ||
        !keep_f32_is_half(k->g, n->in[0]))
        return false;
    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
        if (strcmp(n->op, moves[i]) == 0)
            return true;
    return false;
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
        bool gone = keep_f32_is_widening(k, n) || (keep_f32_is_move(k, n) && k->unread[n->out[0]]);
        for (uint32_t j = 0; j < n->n_in && !n->dead; j++)
            if (n->in[j] != SN_NONE && (!gone || j > 0))
                k->unread[n->in[j]] = false;
    }
}

/* n moves the f32 twin of its input instead, and makes the twin of its output. */
static setsuna_status keep_f32_move(keep_f32 *k, sn_node *n)
{
    sn_graph *g = k->g;
    uint32_t made = sn_graph_add_value(g, g->value[n->out[0]].name, SETSUNA_F32);
    if (made == SN_NONE)
        return SETSUNA_ENOMEM;
    g->value[made].has_shape = g->value[n->out[0]].has_shape;
    g->value[made].shape = g->value[n->out[0]].shape;
    n->in[0] = k->wide[n->in[0]];
    k->wide[n->out[0]] = made;
    n->out[0] = made;
    return SETSUNA_OK;
}

static setsuna_status keep_f32_at(keep_f32 *k, sn_node *n, bool *changed)
{
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != SN_NONE)
            n->in[i] = k->now[n->in[i]];
    if (sn_node_is(n, "setsuna", "Narrow")) {
        k->wide[n->out[0]] = n->in[0];
    } else if (keep_f32_is_widening(k, n)) {
        uint32_t *twin = &k->wide[n->in[0]];
        if (*twin == SN_NONE) {
            *twin = n->out[0];
            return SETSUNA_OK;
        }
        k->now[n->out[0]] = *twin;
        n->dead = true;
        *changed = true;
    } else if (keep_f32_is_move(k, n) && k->wide[n->in[0]] != SN_NONE && k->unread[n->out[0]]) {
        *changed = true;
        return keep_f32_move(k, n);
    }
    return SETSUNA_OK;
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
    for (size_t i = 0; i < g->n_node; i++)
        if (!g->node[i].dead)
            SN_TRY(keep_f32_at(&k, &g->node[i], changed));
    return SETSUNA_OK;
}

const sn_pass sn_pass_keep_f32 = {"keep-f32", keep_f32_run};
