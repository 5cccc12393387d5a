/* Types, shapes and constants, node by node in topological order. */
#include "plan/build.h"
#include "base/checked.h"
#include <string.h>

void sn_build_ctx(sn_build *b, const sn_node *n, const sn_op *op, sn_pack_store *store)
{
    sn_op_ctx *c = b->ctx;
    c->node = n;
    c->op = op;
    c->n_in = n->n_formal;
    c->n_out = n->n_out;
    for (uint32_t i = 0; i < c->n_in; i++) {
        c->in[i] = (sn_operand){0};
        if (n->in[i] == SN_NONE)
            continue;
        const sn_value *v = &b->graph->value[n->in[i]];
        c->in[i] = (sn_operand){true, v->dtype, v->shape, v->cst, SETSUNA_DTYPE_NONE};
    }
    for (uint32_t i = 0; i < c->n_out; i++) {
        c->out[i] = (sn_operand){0};
        if (n->out[i] == SN_NONE)
            continue;
        const sn_value *v = &b->graph->value[n->out[i]];
        c->out[i] = (sn_operand){true, v->dtype, v->shape, NULL, SETSUNA_DTYPE_NONE};
    }
    c->cpu = b->env->cpu;
    c->precision = b->env->precision;
    c->n_threads = b->env->n_threads;
    c->no_winograd = b->env->no_winograd;
    c->arena = b->arena;
    c->store = store;
    c->need = 0;
    c->packed = 0;
    c->err = b->err;
}

/* Nodes still to be looked at. Inlining and type promotion push the nodes they made; depth is bounded by the nesting
 * of subgraphs plus one promotion. */
typedef struct prop_frame {
    const sn_node *node;
    size_t n, i;
} prop_frame;

typedef struct prop {
    sn_build *b;
    prop_frame stack[SN_SUBGRAPH_DEPTH_MAX + 4];
    int top;
    sn_node *emitted;
    uint8_t *state;
    size_t n_emitted, cap_emitted, cap_state;
} prop;

static setsuna_status prop_emit(prop *p, const sn_node *n, sn_node_state state)
{
    const sn_allocator *a = p->b->env->allocator;
    if (p->n_emitted >= SN_NODES_MAX)
        return sn_fail(p->b->err, SETSUNA_ELIMIT, NULL, "more than %d nodes after inlining", SN_NODES_MAX);
    if (!sn_grow(a, &p->emitted, &p->cap_emitted, p->n_emitted + 1, sizeof *p->emitted) ||
        !sn_grow(a, &p->state, &p->cap_state, p->n_emitted + 1, sizeof *p->state))
        return SETSUNA_ENOMEM;
    p->state[p->n_emitted] = (uint8_t)state;
    p->emitted[p->n_emitted++] = *n;
    return SETSUNA_OK;
}

static setsuna_status prop_push(prop *p, const sn_node *nodes, size_t n)
{
    if (p->top + 1 >= (int)(sizeof p->stack / sizeof p->stack[0]))
        return sn_fail(p->b->err, SETSUNA_ELIMIT, NULL, "subgraphs are nested deeper than %d", SN_SUBGRAPH_DEPTH_MAX);
    p->stack[++p->top] = (prop_frame){nodes, n, 0};
    return SETSUNA_OK;
}

static bool prop_is_half(setsuna_dtype d)
{
    return d == SETSUNA_F16 || d == SETSUNA_BF16;
}

/* One Cast from `from` to `to`, into *made; to a half type it is a setsuna.Narrow, which passes may take away. */
static setsuna_status prop_cast(sn_build *b, const sn_node *n, uint32_t from, uint32_t to, setsuna_dtype dtype,
                                sn_node *made)
{
    uint32_t *io = sn_arena_array(b->graph->arena, 2, 4);
    sn_attr *attr = sn_arena_alloc(b->graph->arena, sizeof *attr);
    if (!io || !attr)
        return SETSUNA_ENOMEM;
    io[0] = from;
    io[1] = to;
    *attr = (sn_attr){.name = "to", .kind = SN_ATTR_INT, .i = dtype};
    bool narrow = prop_is_half(dtype);
    *made = (sn_node){.name = n->name,
                      .op = narrow ? "Narrow" : "Cast",
                      .domain = narrow ? "setsuna" : "",
                      .opset = narrow ? 1 : 13,
                      .n_in = 1,
                      .n_out = 1,
                      .n_attr = 1,
                      .n_formal = 1,
                      .in = io,
                      .out = io + 1,
                      .attr = attr};
    return SETSUNA_OK;
}

/* x16 ─▶ Op ─▶ y16   ⇒   x16 ─▶ Cast ─▶ Op(f32) ─▶ Narrow ─▶ y16; outputs of other types stay as they are.
 * b->ctx holds the node as it will be, inferred: that tells which outputs are f32 in place of a half type. */
static setsuna_status prop_promote(prop *p, const sn_node *n)
{
    sn_build *b = p->b;
    sn_graph *g = b->graph;
    sn_node *made = sn_arena_array(b->scratch, (size_t)n->n_in + n->n_out + 1, sizeof *made);
    sn_node op = *n;
    op.in = sn_arena_array(g->arena, n->n_in, 4);
    op.out = sn_arena_array(g->arena, n->n_out, 4);
    if (!made || !op.in || !op.out)
        return SETSUNA_ENOMEM;
    size_t k = 0;
    for (uint32_t i = 0; i < n->n_in; i++) {
        op.in[i] = n->in[i];
        if (n->in[i] == SN_NONE || !prop_is_half(g->value[n->in[i]].dtype))
            continue;
        op.in[i] = sn_graph_add_value(g, "", SETSUNA_F32);
        if (op.in[i] == SN_NONE)
            return SETSUNA_ENOMEM;
        SN_TRY(prop_cast(b, n, n->in[i], op.in[i], SETSUNA_F32, &made[k++]));
    }
    size_t at = k++;
    for (uint32_t i = 0; i < n->n_out; i++) {
        op.out[i] = n->out[i];
        const sn_operand *o = &b->ctx->out[i];
        if (n->out[i] == SN_NONE || o->dtype != SETSUNA_F32 || o->half == SETSUNA_DTYPE_NONE)
            continue;
        op.out[i] = sn_graph_add_value(g, "", SETSUNA_F32);
        if (op.out[i] == SN_NONE)
            return SETSUNA_ENOMEM;
        SN_TRY(prop_cast(b, n, op.out[i], n->out[i], o->half, &made[k++]));
    }
    made[at] = op;
    return prop_push(p, made, k);
}

static bool prop_inputs_known(const sn_graph *g, const sn_node *n)
{
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != SN_NONE && !g->value[n->in[i]].has_shape)
            return false;
    return true;
}

static bool prop_outputs_known(const sn_graph *g, const sn_node *n)
{
    for (uint32_t i = 0; i < n->n_out; i++)
        if (n->out[i] != SN_NONE && !g->value[n->out[i]].has_shape)
            return false;
    return true;
}

static bool prop_inputs_const(const sn_graph *g, const sn_node *n)
{
    for (uint32_t i = 0; i < n->n_in; i++)
        if (n->in[i] != SN_NONE && !g->value[n->in[i]].cst)
            return false;
    return true;
}

/* The node was left alone so far and is to be folded now. */
static bool prop_is_due(sn_build *b, const sn_node *n)
{
    if (!b->late || !prop_inputs_const(b->graph, n))
        return false;
    const sn_op *op = sn_op_recall(&b->memo, n->domain, n->op, n->opset);
    return op && (op->flags & SN_OP_FOLD_LATE);
}

/* The value of Shape and Size follows from the input's shape alone. */
static bool prop_is_shape_query(const sn_node *n)
{
    return !n->domain[0] && (strcmp(n->op, "Shape") == 0 || strcmp(n->op, "Size") == 0);
}

static setsuna_status prop_set_outputs(sn_build *b, const sn_node *n)
{
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == SN_NONE)
            continue;
        const sn_operand *o = &b->ctx->out[i];
        size_t bytes;
        if (o->shape.rank < 0 || o->shape.rank > SETSUNA_RANK_MAX || !sn_tensor_bytes(o->dtype, &o->shape, &bytes) ||
            bytes > b->env->memory_limit_bytes) {
            char text[SN_SHAPE_TEXT_MAX];
            return sn_op_fail(b->ctx, SETSUNA_ELIMIT, "output %u, %s%s, is larger than the memory limit of %zu bytes",
                              i, setsuna_dtype_name(o->dtype), sn_shape_text(&o->shape, text, sizeof text),
                              b->env->memory_limit_bytes);
        }
        sn_value *v = &b->graph->value[n->out[i]];
        v->dtype = o->dtype;
        v->shape = o->shape;
        v->has_shape = true;
    }
    return SETSUNA_OK;
}

/* A deferred node takes the sequences it reads with it. */
static setsuna_status prop_emit_deferred(prop *p, const sn_node *n)
{
    for (uint32_t i = 0; i < n->n_in; i++) {
        const sn_sequence *s = n->in[i] == SN_NONE ? NULL : sn_sequence_of(p->b, n->in[i]);
        sn_node made;
        if (!s || s->written)
            continue;
        SN_TRY(sn_sequence_write_down(p->b, n->in[i], &made));
        SN_TRY(prop_emit(p, &made, SN_NODE_DEFERRED));
    }
    return prop_emit(p, n, SN_NODE_DEFERRED);
}

static setsuna_status prop_defer(prop *p, const sn_node *n, uint32_t need)
{
    sn_build *b = p->b;
    uint32_t v = n->in[need];
    if (b->graph->value[v].cst)
        return sn_op_fail(b->ctx, SETSUNA_EUNSUPPORTED, "input %u cannot be interpreted", need);
    if (!sn_grow(b->env->allocator, &b->need, &b->cap_need, b->n_need + 1, sizeof *b->need))
        return SETSUNA_ENOMEM;
    b->need[b->n_need++] = v;
    return prop_emit_deferred(p, n);
}

static setsuna_status prop_control(prop *p, const sn_node *n)
{
    sn_build *b = p->b;
    if (strcmp(n->op, "If") == 0 && n->in[0] != SN_NONE && b->graph->value[n->in[0]].cst) {
        sn_node *nodes;
        size_t count;
        SN_TRY(sn_inline_if(b, n, &nodes, &count));
        return prop_push(p, nodes, count);
    }
    return prop_inputs_known(b->graph, n) ? prop_emit(p, n, SN_NODE_DYNAMIC) : prop_emit_deferred(p, n);
}

static bool prop_is_float(setsuna_dtype d)
{
    return prop_is_half(d) || d == SETSUNA_F32 || d == SETSUNA_F64;
}

/* Shows the operands of a node that computes on half types as f32. Returns whether there are any. */
static bool prop_widen(sn_op_ctx *c)
{
    bool any = false;
    uint32_t first = c->n_in;
    for (uint32_t i = 0; (c->op->flags & SN_OP_F16_AS_F32) && i < c->n_in; i++) {
        sn_operand *o = &c->in[i];
        if (first == c->n_in && o->present && prop_is_float(o->dtype))
            first = i;
        if (!o->present || !prop_is_half(o->dtype))
            continue;
        o->half = o->dtype;
        o->dtype = SETSUNA_F32;
        o->cst = NULL;
        any = true;
    }
    for (uint32_t i = 0; any && i < c->n_out; i++)
        c->out[i].half = c->in[first].half;
    return any;
}

static setsuna_status prop_sequence(prop *p, const sn_node *n)
{
    sn_node *made;
    size_t count;
    uint32_t need;
    int answer = sn_lower_sequence(p->b, n, &made, &count, &need);
    if (answer < 0)
        return (setsuna_status)answer;
    if (answer == SN_INFER_NEED_VALUE)
        return prop_defer(p, n, need);
    if (answer == SN_SEQUENCE_UNKNOWN)
        return prop_emit_deferred(p, n);
    return count ? prop_push(p, made, count) : SETSUNA_OK;
}

/* An operator that other operators stand for. */
static bool prop_is_lowered(const sn_node *n)
{
    return sn_is_legacy_op(n) || sn_is_qoperator(n);
}

static setsuna_status prop_lower(prop *p, const sn_node *n)
{
    sn_node *made;
    size_t count;
    SN_TRY((sn_is_legacy_op(n) ? sn_lower_legacy : sn_lower_qoperator)(p->b, n, &made, &count));
    return prop_push(p, made, count);
}

static setsuna_status prop_visit(prop *p, const sn_node *n)
{
    sn_build *b = p->b;
    sn_graph *g = b->graph;
    if (n->n_out && prop_outputs_known(g, n) && !prop_is_due(b, n))
        return prop_emit(p, n, SN_NODE_PLANNED);
    const sn_op *op = NULL;
    SN_TRY(sn_op_check(n, &b->memo, &op, b->err));
    if (sn_is_sequence_op(b, n))
        return prop_sequence(p, n);
    if ((op->flags & SN_OP_CONTROL) && !prop_is_lowered(n))
        return prop_control(p, n);
    if (!prop_inputs_known(g, n))
        return prop_emit_deferred(p, n);
    if (op->flags & SN_OP_CONTROL)
        return prop_lower(p, n);
    sn_build_ctx(b, n, op, b->folding);
    bool half = prop_widen(b->ctx);
    int answer = op->infer(b->ctx);
    if (answer < 0)
        return (setsuna_status)answer;
    if (answer == SN_INFER_NEED_VALUE)
        return prop_defer(p, n, b->ctx->need);
    if (half)
        return prop_promote(p, n);
    bool foldable = !(op->flags & SN_OP_RANDOM) && (prop_inputs_const(g, n) || prop_is_shape_query(n)), folded = false;
    foldable &= b->late || !(op->flags & SN_OP_FOLD_LATE);
    bool dynamic = answer == SN_INFER_DYNAMIC;
    if (!dynamic)
        SN_TRY(prop_set_outputs(b, n));
    if (foldable)
        SN_TRY(sn_fold_node(b, n, op, dynamic, &folded));
    if (folded)
        return SETSUNA_OK;
    for (uint32_t i = 0; dynamic && i < n->n_out; i++)
        if (n->out[i] != SN_NONE)
            g->value[n->out[i]].dtype = b->ctx->out[i].dtype;
    return prop_emit(p, n, dynamic ? SN_NODE_DYNAMIC : SN_NODE_PLANNED);
}

static setsuna_status prop_all(prop *p)
{
    SN_TRY(prop_push(p, p->b->graph->node, p->b->graph->n_node));
    while (p->top >= 0) {
        prop_frame *f = &p->stack[p->top];
        if (f->i == f->n) {
            p->top--;
            continue;
        }
        const sn_node *n = &f->node[f->i++];
        setsuna_status status = n->dead ? SETSUNA_OK : prop_visit(p, n);
        if (status != SETSUNA_OK)
            return sn_fail_at(p->b->err, status, "node '%.120s' (%.60s, opset %d)", n->name, n->op, n->opset);
    }
    return SETSUNA_OK;
}

setsuna_status sn_propagate(sn_build *b)
{
    prop p = {.b = b, .top = -1};
    sn_graph *g = b->graph;
    b->n_need = 0;
    setsuna_status status = prop_all(&p);
    if (status == SETSUNA_OK) {
        if (p.n_emitted > g->cap_node) {
            g->node = sn_arena_array(g->arena, p.n_emitted, sizeof *g->node);
            g->cap_node = p.n_emitted;
        }
        b->state = sn_arena_array(b->scratch, p.n_emitted, 1);
        if (g->node && b->state) {
            if (p.n_emitted) {
                memcpy(g->node, p.emitted, p.n_emitted * sizeof *g->node);
                memcpy(b->state, p.state, p.n_emitted);
            }
            g->n_node = p.n_emitted;
        } else {
            status = SETSUNA_ENOMEM;
        }
    }
    sn_free(b->env->allocator, p.emitted);
    sn_free(b->env->allocator, p.state);
    return status;
}
