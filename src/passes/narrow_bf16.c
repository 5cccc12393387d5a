/* narrow-bf16: with precision bf16, images between convolutions are stored in bf16 (kernels/conv_bf16.h).
 *
 *     x ═▶ setsuna.Conv ═▶ setsuna.Conv ═▶ Concat(r) ═▶ setsuna.Conv ═▶ MaxPool ═▶ y
 *         ⇒
 *     x ═▶ Cast ─▶ setsuna.Conv(narrow) ─▶ setsuna.Conv(narrow) ─▶ Concat(Cast(r)) ─▶ setsuna.Conv ═▶ MaxPool ═▶ y
 *
 *     ═▶ f32    ─▶ bf16
 *
 * A convolution computes in bf16 when its input is bf16. That pays for all dense ones but small ones and those that are
 * faster as Winograd products in f32. What they make is bf16 when everything that reads it takes bf16: such a
 * convolution, as input or residual, or an operator that only moves elements and all of whose results are bf16, too.
 * Where another value is needed in bf16, it is cast, once. A plain image of few channels is rounded by the convolution
 * that reads it (attribute bf16), and stays f32. Matrix products round their operands as they go and need no
 * types for it.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <math.h>

enum { NARROW_X = 0, NARROW_W = 1, NARROW_R = 4 };

/* Below so many operations the cast of an input costs more than the product saves. */
static const double narrow_flops_min = 1e5;

typedef enum narrow_kind { NARROW_OTHER, NARROW_CONV, NARROW_MOVE } narrow_kind;

typedef struct narrow {
    sn_graph *g;
    sn_uses uses;
    int64_t b;
    bool no_winograd;
    size_t n_node;    /* of the graph as it was */
    uint8_t *kind;    /* per node: narrow_kind */
    uint32_t *live;   /* per mover: how many of the elements' inputs are to be bf16 */
    bool *bf16;       /* per value: is to be bf16 */
    uint32_t *casted; /* per value: its bf16 twin or SN_NONE */
    uint32_t *todo;   /* values to look at again */
    size_t n_todo;
    bool *queued; /* per value: is among them */
    size_t n_value;
} narrow;

/* ---- which convolutions ------------------------------------------------------------------------------ */

typedef struct narrow_conv {
    int64_t ic, oc, group, kh, kw, px_rows, px_cols, images;
    bool unit;  /* stride and dilation 1 */
    bool plain; /* the input: pixels are rounded when they are read, so it stays f32 */
} narrow_conv;

static bool narrow_all_ones(const sn_node *n, const char *name)
{
    const int64_t *v;
    size_t count = sn_node_ints(n, name, &v);
    for (size_t i = 0; i < count; i++)
        if (v[i] != 1)
            return false;
    return true;
}

/* A blocked convolution of known shapes. false: something else. */
static bool narrow_read(const narrow *q, const sn_node *n, narrow_conv *c)
{
    const sn_graph *g = q->g;
    if (!sn_node_is(n, "setsuna", "Conv") || n->n_out != 1 || !sn_rewrite_is_f32(g, n->in[NARROW_X]) ||
        !sn_rewrite_is_f32(g, n->in[NARROW_W]) || !sn_rewrite_is_f32(g, n->out[0]))
        return false;
    const setsuna_shape *x = &g->value[n->in[NARROW_X]].shape, *w = &g->value[n->in[NARROW_W]].shape;
    const setsuna_shape *y = &g->value[n->out[0]].shape;
    if ((x->rank != w->rank + 1 && x->rank != w->rank) || w->rank < 3 || y->rank < 3)
        return false;
    bool flat = w->rank == 3;
    *c = (narrow_conv){.group = sn_node_int(n, "group", 1),
                       .oc = w->dim[0],
                       .kh = flat ? 1 : w->dim[2],
                       .kw = w->dim[w->rank - 1],
                       .images = y->dim[0],
                       .px_rows = flat ? 1 : y->dim[2],
                       .px_cols = y->dim[flat ? 2 : 3],
                       .plain = x->rank == w->rank,
                       .unit = narrow_all_ones(n, "strides") && narrow_all_ones(n, "dilations")};
    c->ic = w->dim[1] * c->group;
    return true;
}

/* What sn_conv_bf16_can says: pairs of inputs, groups that do not share blocks of outputs. */
static bool narrow_is_possible(const narrow_conv *c, int64_t b)
{
    if (c->plain)
        return c->group == 1 && c->ic > 1;
    return c->group > 0 && c->ic / c->group % 2 == 0 && (c->group == 1 || c->oc / c->group % b == 0);
}

/* Cycles of a direct product in bf16 at 93 % of the peak, and of F(4x4, 3x3) in f32 as in kernels/conv_plan.c, with
 * what it costs to store the result in twice the bytes and to cast it. */
static bool narrow_wino_is_faster(const narrow_conv *c, int64_t b)
{
    if (c->plain || c->kh != 3 || c->kw != 3 || !c->unit || c->group != 1)
        return false;
    double px = (double)(c->images * c->px_rows * c->px_cols), ic = (double)c->ic, oc = (double)c->oc;
    double tiles = (double)c->images * ceil((double)c->px_rows / 4) * ceil((double)c->px_cols / 4), lanes = (double)b;
    double oc_full = ceil(oc / lanes) * lanes, weights = 4 * 36 * ic * oc_full;
    double products = 36 * ic * oc_full * tiles / (2 * lanes * 0.9);
    double transforms = tiles * (130 * ceil(ic / lanes) + 110 * ceil(oc / lanes));
    double fetch = weights < 2e6 ? 0 : weights / 12; /* in a network they come from memory each time */
    double wino = products + fetch + transforms + 0.3 * px * oc_full;
    return wino < 0.72 * 9 * ic * oc_full * px / (4 * lanes * 0.93); /* below, both take as long: measured */
}

static bool narrow_pays(const narrow *q, const narrow_conv *c)
{
    double px = (double)(c->images * c->px_rows * c->px_cols);
    double flops = 2 * px * (double)c->oc * (double)(c->ic / c->group) * (double)(c->kh * c->kw);
    return flops >= narrow_flops_min && (q->no_winograd || !narrow_wino_is_faster(c, q->b));
}

static narrow_kind narrow_kind_of(const narrow *q, const sn_node *n)
{
    narrow_conv c;
    if (sn_node_is(n, "", "Concat") || sn_node_is(n, "", "Split"))
        return NARROW_MOVE;
    return narrow_read(q, n, &c) && narrow_is_possible(&c, q->b) && narrow_pays(q, &c) ? NARROW_CONV : NARROW_OTHER;
}

/* ---- which values ------------------------------------------------------------------------------------ */

/* Inputs of a mover that hold elements; the others say how to move them. */
static uint32_t narrow_data_inputs(const sn_node *n)
{
    return n->op[0] == 'S' ? 1 : n->n_in;
}

static bool narrow_is_plain(const sn_graph *g, const sn_node *conv)
{
    return g->value[conv->in[NARROW_X]].shape.rank == g->value[conv->in[NARROW_W]].shape.rank;
}

static bool narrow_takes(const narrow *q, uint32_t node, uint32_t v)
{
    if (node == SN_NONE) /* a graph output */
        return false;
    const sn_node *n = &q->g->node[node];
    switch ((narrow_kind)q->kind[node]) {
    case NARROW_CONV:
        for (uint32_t i = 0; i < n->n_in; i++)
            if (n->in[i] == v && (i != NARROW_X || narrow_is_plain(q->g, n)) &&
                (i != NARROW_R || sn_node_int(n, "block", 0) == 0))
                return false;
        return true;
    case NARROW_MOVE:
        for (uint32_t i = narrow_data_inputs(n); i < n->n_in; i++)
            if (n->in[i] == v)
                return false;
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] != SN_NONE && !q->bf16[n->out[k]])
                return false;
        return true;
    case NARROW_OTHER: break;
    }
    return false;
}

/* Its producer makes bf16 and every reader takes it, as far as is known. */
static bool narrow_holds(const narrow *q, uint32_t v)
{
    uint32_t producer = q->uses.producer[v];
    if (producer == SN_NONE || !sn_rewrite_is_f32(q->g, v) || q->uses.n_use[v] == 0)
        return false;
    const sn_node *n = &q->g->node[producer];
    if (q->kind[producer] == NARROW_OTHER || (q->kind[producer] == NARROW_CONV && sn_node_int(n, "block", 0) == 0))
        return false;
    bool any = q->kind[producer] == NARROW_CONV || q->live[producer] > 0;
    for (uint32_t k = 0; k < q->uses.n_use[v] && any; k++)
        any = narrow_takes(q, q->uses.reader[q->uses.first[v] + k], v);
    return any;
}

static void narrow_push(narrow *q, uint32_t v)
{
    if (v == SN_NONE || q->queued[v] || !q->bf16[v])
        return;
    q->queued[v] = true;
    q->todo[q->n_todo++] = v;
}

/* Value v is not bf16 after all: what a mover makes of it, or what a mover made it of, may not be, either. */
static void narrow_give_up(narrow *q, uint32_t v)
{
    q->bf16[v] = false;
    for (uint32_t k = 0; k < q->uses.n_use[v]; k++) {
        uint32_t reader = q->uses.reader[q->uses.first[v] + k];
        if (reader == SN_NONE || q->kind[reader] != NARROW_MOVE)
            continue;
        const sn_node *n = &q->g->node[reader];
        if ((narrow_data_inputs(n) == n->n_in || n->in[0] == v) && --q->live[reader] == 0)
            for (uint32_t i = 0; i < n->n_out; i++)
                narrow_push(q, n->out[i]);
    }
    uint32_t producer = q->uses.producer[v];
    if (producer == SN_NONE || q->kind[producer] != NARROW_MOVE)
        return;
    const sn_node *n = &q->g->node[producer];
    for (uint32_t i = 0; i < narrow_data_inputs(n); i++)
        narrow_push(q, n->in[i]);
}

/* The largest set of values that hold together: assumed of all, given up until nothing changes. Each value is given up
 * once, so the time grows with the graph's edges. */
static void narrow_settle(narrow *q)
{
    for (size_t i = 0; i < q->n_node; i++)
        for (uint32_t k = 0; q->kind[i] == NARROW_MOVE && k < narrow_data_inputs(&q->g->node[i]); k++)
            q->live[i] += q->g->node[i].in[k] != SN_NONE;
    for (size_t v = 0; v < q->n_value; v++)
        q->bf16[v] = true;
    for (uint32_t v = 0; v < q->n_value; v++)
        narrow_push(q, v);
    while (q->n_todo) {
        uint32_t v = q->todo[--q->n_todo];
        q->queued[v] = false;
        if (q->bf16[v] && !narrow_holds(q, v))
            narrow_give_up(q, v);
    }
}

/* ---- rewriting --------------------------------------------------------------------------------------- */

/* Input i of the node in bf16. Adding nodes moves them: the node is found by its index. */
static setsuna_status narrow_input(narrow *q, size_t index, uint32_t i)
{
    uint32_t v = q->g->node[index].in[i];
    if (q->bf16[v])
        return SETSUNA_OK;
    if (q->casted[v] == SN_NONE) {
        uint32_t y = sn_graph_add_value(q->g, q->g->value[v].name, SETSUNA_BF16);
        sn_node *n = y == SN_NONE ? NULL : sn_graph_add_node(q->g, "", "Cast", 13, q->g->value[v].name, &v, 1, &y, 1);
        if (!n || !sn_node_add_int(q->g, n, "to", SETSUNA_BF16))
            return SETSUNA_ENOMEM;
        q->casted[v] = y;
    }
    q->g->node[index].in[i] = q->casted[v];
    return SETSUNA_OK;
}

static setsuna_status narrow_node(narrow *q, size_t index, bool *changed)
{
    sn_node *n = &q->g->node[index];
    bool narrow_out = n->n_out > 0 && n->out[0] != SN_NONE && q->bf16[n->out[0]];
    bool plain = q->kind[index] == NARROW_CONV && narrow_is_plain(q->g, n);
    if (plain && !sn_node_add_int(q->g, n, "bf16", 1))
        return SETSUNA_ENOMEM;
    uint32_t n_in = plain ? 0 : q->kind[index] == NARROW_CONV ? 1 : narrow_out ? narrow_data_inputs(n) : 0;
    if (q->kind[index] == NARROW_CONV && narrow_out && !sn_node_add_int(q->g, n, "narrow", 1))
        return SETSUNA_ENOMEM;
    *changed |= n_in > 0 || plain;
    for (uint32_t i = 0; i < n_in; i++)
        SN_TRY(narrow_input(q, index, i));
    return SETSUNA_OK;
}

static setsuna_status narrow_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    if (ctx->precision != SN_PRECISION_BF16)
        return SETSUNA_OK;
    narrow q = {.g = g,
                .b = sn_cpu_block(ctx->cpu),
                .no_winograd = ctx->no_winograd,
                .n_node = g->n_node,
                .n_value = g->n_value};
    q.kind = sn_arena_array(ctx->arena, g->n_node, sizeof *q.kind);
    q.bf16 = sn_arena_array(ctx->arena, g->n_value, sizeof *q.bf16);
    q.casted = sn_arena_array(ctx->arena, g->n_value, sizeof *q.casted);
    q.live = sn_arena_array(ctx->arena, g->n_node, sizeof *q.live);
    q.todo = sn_arena_array(ctx->arena, g->n_value, sizeof *q.todo);
    q.queued = sn_arena_array(ctx->arena, g->n_value, sizeof *q.queued);
    if (!q.kind || !q.bf16 || !q.casted || !q.live || !q.todo || !q.queued)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_uses_build(g, ctx->arena, &q.uses));
    for (size_t i = 0; i < g->n_node; i++)
        q.kind[i] = (uint8_t)(g->node[i].dead ? NARROW_OTHER : narrow_kind_of(&q, &g->node[i]));
    for (size_t v = 0; v < g->n_value; v++)
        q.casted[v] = SN_NONE;
    narrow_settle(&q);
    for (size_t i = 0; i < q.n_node; i++)
        SN_TRY(narrow_node(&q, i, changed));
    for (size_t v = 0; v < q.n_value; v++)
        if (q.bf16[v])
            g->value[v].has_shape = false; /* inferred again, with the type */
    return SETSUNA_OK;
}

const sn_pass sn_pass_narrow_bf16 = {"narrow-bf16", narrow_run};
