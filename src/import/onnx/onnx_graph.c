/* GraphProto and FunctionProto -> sn_graph.
 *
 * Graphs nest (subgraphs of nodes) and functions call functions; a file decides how deep. So there is no recursion but
 * a stack of frames, one for each graph or function body that is being read:
 *
 *     main graph ── node If ──▶ frame: then_branch ── node f(x) ──▶ frame: body of f, same sn_graph as its caller
 *
 * A frame reads its names first (initializers, inputs, node outputs), then its nodes one by one, so nodes may be in
 * any order and a name that is not there is known to be an outer one. A node with subgraphs is `pending` while they
 * are read: outer values that they use are collected, and become inputs of the node and of all of them at the end.
 */
#include "import/onnx/onnx_build.h"
#include <string.h>

/* Fields of GraphProto. */
enum {
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE_INFO = 13,
    GRAPH_SPARSE_INITIALIZER = 15
};

enum { GRAPH_FRAMES_MAX = 1 + SN_SUBGRAPH_DEPTH_MAX + SN_FUNCTION_DEPTH_MAX };

/* ---- frames ---------------------------------------------------------------------------------------- */

static void graph_pending_fini(sn_onnx_builder *b, sn_onnx_pending *p)
{
    for (uint32_t i = 0; i < p->n_sub; i++)
        sn_free(b->im->allocator, p->sub[i].local);
    sn_free(b->im->allocator, p->sub);
    sn_free(b->im->allocator, p->outer);
    *p = (sn_onnx_pending){.sub = NULL};
}

void sn_onnx_frame_pop(sn_onnx_builder *b)
{
    sn_onnx_frame *f = &b->frame[--b->n_frame];
    graph_pending_fini(b, &f->pending);
    sn_onnx_names_fini(&f->names);
    sn_free(b->im->allocator, f->mark);
    sn_free(b->im->allocator, f->args);
    sn_free(b->im->allocator, f->call_out);
}

sn_onnx_frame *sn_onnx_frame_push(sn_onnx_builder *b, sn_onnx_frame_kind kind, sn_pb_bytes message, sn_graph *g)
{
    uint32_t k = b->n_frame++;
    sn_onnx_frame *f = &b->frame[k];
    *f = (sn_onnx_frame){.kind = kind,
                         .message = message,
                         .nodes = sn_pb_open(message),
                         .g = g,
                         .names = sn_onnx_names_init(b->im->allocator, b->im->secret),
                         .owner = kind == SN_ONNX_FRAME_FUNCTION ? b->frame[k - 1].owner : k,
                         .function_frame = kind == SN_ONNX_FRAME_MAIN  ? SN_NONE
                                           : kind == SN_ONNX_FRAME_SUB ? b->frame[k - 1].function_frame
                                                                       : k};
    return f;
}

uint32_t sn_onnx_frame_depth(const sn_onnx_builder *b, sn_onnx_frame_kind kind)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < b->n_frame; k++)
        n += b->frame[k].kind == kind;
    return n;
}

/* ---- the head of a graph: what it declares --------------------------------------------------------- */

static setsuna_status graph_refuse_sparse(const sn_onnx_builder *b, const sn_onnx_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes sparse, values, first = {(const uint8_t *)"", 0};
    size_t n = 0;
    while (sn_onnx_next_field(&pb, GRAPH_SPARSE_INITIALIZER, &sparse)) {
        sn_pb in = sn_pb_open(sparse);
        if (n++ == 0 && sn_onnx_next_field(&in, 1, &values)) {
            sn_pb tensor = sn_pb_open(values);
            sn_onnx_next_field(&tensor, 8, &first);
        }
    }
    if (n)
        return sn_fail(b->im->err, SETSUNA_EUNSUPPORTED, NULL,
                       "%zu sparse initializers, the first is '%.*s'; export the model with dense ones", n,
                       SN_ONNX_TEXT(first));
    return sn_onnx_message_end(b, &pb, "graph");
}

static setsuna_status graph_read_initializers(sn_onnx_builder *b, sn_onnx_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message;
    while (sn_onnx_next_field(&pb, GRAPH_INITIALIZER, &message)) {
        sn_onnx_tensor t;
        const sn_const *c;
        uint32_t v;
        SN_TRY(sn_onnx_tensor_read(message, b->im->arena, &t, b->im->err));
        if (t.name.size == 0)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "an initializer has no name");
        SN_TRY(sn_onnx_const_make(b->im, &t, false, &c));
        SN_TRY(sn_onnx_scope_declare(b, f, t.name, &v));
        sn_onnx_set_const(f->g, v, c);
    }
    return sn_onnx_message_end(b, &pb, "graph");
}

/* Inputs and outputs of the whole model must be tensors of a type we have. */
static setsuna_status graph_check_io(const sn_onnx_builder *b, sn_pb_bytes name, const sn_onnx_type *t,
                                     const char *what)
{
    if (!t->is_tensor)
        return sn_fail(b->im->err, SETSUNA_EUNSUPPORTED, NULL, "%s '%.*s' is %s; only tensors are supported", what,
                       SN_ONNX_TEXT(name), t->what);
    if (t->elem != SETSUNA_DTYPE_NONE && t->dtype == SETSUNA_DTYPE_NONE)
        return sn_fail(b->im->err, SETSUNA_EUNSUPPORTED, NULL, "%s '%.*s' has the unsupported element type %d", what,
                       SN_ONNX_TEXT(name), t->elem);
    return SETSUNA_OK;
}

static void graph_set_type(sn_graph *g, uint32_t v, const sn_onnx_type *t)
{
    sn_value *value = &g->value[v];
    if (value->cst || !t->is_tensor)
        return;
    if (value->dtype == SETSUNA_DTYPE_NONE)
        value->dtype = t->dtype;
    if (!value->has_shape && t->has_shape) {
        value->has_shape = true;
        value->shape = t->shape;
        value->sym = t->sym;
    }
}

/* Inputs that are initializers too (all of them before IR version 4) are constants. */
static setsuna_status graph_read_inputs(sn_onnx_builder *b, sn_onnx_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message, name;
    sn_onnx_type type;
    size_t n = 0;
    while (sn_onnx_next_field(&pb, GRAPH_INPUT, &message))
        n++;
    SN_TRY(sn_onnx_message_end(b, &pb, "graph"));
    uint32_t *formal = sn_arena_array(b->im->arena, n, sizeof *formal), v;
    if (!formal)
        return sn_onnx_no_memory(b);
    f->formal = formal;
    pb = sn_pb_open(f->message);
    while (sn_onnx_next_field(&pb, GRAPH_INPUT, &message)) {
        SN_TRY(sn_onnx_value_info_read(message, b->im->arena, &name, &type, b->im->err));
        const sn_onnx_name *known = sn_onnx_names_find(&f->names, name);
        if (known && f->g->value[known->value].cst)
            continue;
        if (name.size == 0)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "a graph input has no name");
        if (f->kind == SN_ONNX_FRAME_MAIN)
            SN_TRY(graph_check_io(b, name, &type, "input"));
        SN_TRY(sn_onnx_scope_declare(b, f, name, &v));
        graph_set_type(f->g, v, &type);
        formal[f->n_formal++] = v;
    }
    return SETSUNA_OK;
}

setsuna_status sn_onnx_graph_declare_outputs(sn_onnx_builder *b, sn_onnx_frame *f, uint32_t field)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message, name;
    uint32_t v;
    while (sn_onnx_next_field(&pb, field, &message)) {
        sn_pb node = sn_pb_open(message);
        while (sn_onnx_next_field(&node, SN_ONNX_NODE_OUTPUT, &name)) {
            sn_onnx_name *known = name.size ? sn_onnx_names_find(&f->names, name) : NULL;
            if (known && known->reserved)
                known->reserved = false;
            else if (name.size)
                SN_TRY(sn_onnx_scope_declare(b, f, name, &v));
        }
        SN_TRY(sn_onnx_message_end(b, &node, "node"));
    }
    return sn_onnx_message_end(b, &pb, "graph");
}

/* field: GRAPH_VALUE_INFO or GRAPH_OUTPUT */
static setsuna_status graph_read_types(sn_onnx_builder *b, sn_onnx_frame *f, uint32_t field)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message, name;
    sn_onnx_type type;
    while (sn_onnx_next_field(&pb, field, &message)) {
        SN_TRY(sn_onnx_value_info_read(message, b->im->arena, &name, &type, b->im->err));
        if (field == GRAPH_OUTPUT && f->kind == SN_ONNX_FRAME_MAIN)
            SN_TRY(graph_check_io(b, name, &type, "output"));
        const sn_onnx_name *known = sn_onnx_names_find(&f->names, name);
        if (known)
            graph_set_type(f->g, known->value, &type);
    }
    return sn_onnx_message_end(b, &pb, "graph");
}

static setsuna_status graph_read_head(sn_onnx_builder *b, sn_onnx_frame *f)
{
    SN_TRY(graph_refuse_sparse(b, f));
    SN_TRY(graph_read_initializers(b, f));
    SN_TRY(graph_read_inputs(b, f));
    SN_TRY(sn_onnx_graph_declare_outputs(b, f, SN_ONNX_GRAPH_NODE));
    SN_TRY(graph_read_types(b, f, GRAPH_OUTPUT));
    return graph_read_types(b, f, GRAPH_VALUE_INFO);
}

setsuna_status sn_onnx_graph_create(sn_onnx_builder *b, sn_pb_bytes message, sn_graph **out)
{
    sn_pb pb = sn_pb_open(message);
    sn_pb_bytes name = {(const uint8_t *)"", 0};
    const char *text;
    while (sn_onnx_next_field(&pb, GRAPH_NAME, &name)) {
    }
    SN_TRY(sn_onnx_message_end(b, &pb, "graph"));
    SN_TRY(sn_onnx_name_copy(b->im, "graph", name, &text));
    *out = sn_graph_create(b->im->arena, text);
    return *out ? SETSUNA_OK : sn_onnx_no_memory(b);
}

/* ---- the end of a graph ---------------------------------------------------------------------------- */

static setsuna_status graph_set_outputs(sn_onnx_builder *b, sn_onnx_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message, name;
    sn_onnx_type type;
    b->n_out = 0;
    while (sn_onnx_next_field(&pb, GRAPH_OUTPUT, &message)) {
        SN_TRY(sn_onnx_value_info_read(message, b->im->arena, &name, &type, b->im->err));
        if (!sn_grow(b->im->allocator, &b->out, &b->cap_out, b->n_out + 1, sizeof *b->out))
            return sn_onnx_no_memory(b);
        SN_TRY(sn_onnx_scope_resolve(b, name, &b->out[b->n_out]));
        if (b->out[b->n_out++] == SN_NONE)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "graph output '%.*s' has no value", SN_ONNX_TEXT(name));
    }
    if (b->n_out > UINT32_MAX || sn_graph_set_outputs(f->g, b->out, (uint32_t)b->n_out) != SETSUNA_OK)
        return sn_onnx_no_memory(b);
    return SETSUNA_OK;
}

static bool graph_is_ordered(const sn_graph *g, uint8_t *made)
{
    for (size_t v = 0; v < g->n_value; v++)
        made[v] = g->value[v].cst != NULL;
    for (uint32_t i = 0; i < g->n_input; i++)
        made[g->input[i]] = 1;
    for (size_t i = 0; i < g->n_node; i++) {
        const sn_node *n = &g->node[i];
        for (uint32_t k = 0; k < n->n_in; k++)
            if (n->in[k] != SN_NONE && !made[n->in[k]])
                return false;
        for (uint32_t k = 0; k < n->n_out; k++)
            if (n->out[k] != SN_NONE)
                made[n->out[k]] = 1;
    }
    return true;
}

/* A whole graph, inputs and outputs set: checked, and sorted where the file did not. */
static setsuna_status graph_finish(const sn_onnx_builder *b, sn_graph *g)
{
    SN_TRY(sn_graph_verify(g, b->im->err));
    uint8_t *made = sn_alloc_zero(b->im->allocator, g->n_value + 1);
    if (!made)
        return sn_onnx_no_memory(b);
    bool ordered = graph_is_ordered(g, made);
    sn_free(b->im->allocator, made);
    return ordered ? SETSUNA_OK : sn_graph_sort(g, b->im->err);
}

static setsuna_status graph_close(sn_onnx_builder *b, sn_onnx_frame *f)
{
    SN_TRY(graph_set_outputs(b, f));
    if (f->kind == SN_ONNX_FRAME_SUB) { /* finished with its siblings, when all captures are known */
        f->self->formal = f->formal;
        f->self->n_formal = f->n_formal;
    } else {
        if (sn_graph_set_inputs(f->g, f->formal, f->n_formal) != SETSUNA_OK)
            return sn_onnx_no_memory(b);
        SN_TRY(graph_finish(b, f->g));
    }
    sn_onnx_frame_pop(b);
    return SETSUNA_OK;
}

/* The inputs of a subgraph: the formal ones, then every capture of the node. */
static setsuna_status graph_close_sub(sn_onnx_builder *b, sn_onnx_frame *f, sn_onnx_sub *s)
{
    size_t n = s->n_formal + f->pending.n_outer;
    uint32_t *input = sn_arena_array(b->im->arena, n, sizeof *input);
    if (!input || n > UINT32_MAX)
        return sn_onnx_no_memory(b);
    if (s->n_formal)
        memcpy(input, s->formal, s->n_formal * sizeof *input);
    for (size_t i = 0; i < f->pending.n_outer; i++)
        SN_TRY(sn_onnx_scope_capture(b, f, s, i, &input[s->n_formal + i]));
    if (sn_graph_set_inputs(s->g, input, (uint32_t)n) != SETSUNA_OK)
        return sn_onnx_no_memory(b);
    return graph_finish(b, s->g);
}

static setsuna_status graph_close_pending(sn_onnx_builder *b, sn_onnx_frame *f)
{
    sn_onnx_pending *p = &f->pending;
    sn_node *n = &f->g->node[p->node];
    for (uint32_t i = 0; i < p->n_sub; i++)
        SN_TRY(graph_close_sub(b, f, &p->sub[i]));
    uint32_t *in = sn_arena_array(b->im->arena, n->n_in + p->n_outer, sizeof *in);
    if (!in || n->n_in + p->n_outer > UINT32_MAX)
        return sn_onnx_no_memory(b);
    if (n->n_in)
        memcpy(in, n->in, n->n_in * sizeof *in);
    if (p->n_outer)
        memcpy(in + n->n_in, p->outer, p->n_outer * sizeof *in);
    n->in = in;
    n->n_in += (uint32_t)p->n_outer;
    graph_pending_fini(b, p);
    return SETSUNA_OK;
}

static setsuna_status graph_open_sub(sn_onnx_builder *b, sn_onnx_frame *f)
{
    sn_onnx_sub *s = &f->pending.sub[f->pending.next++];
    if (sn_onnx_frame_depth(b, SN_ONNX_FRAME_SUB) == SN_SUBGRAPH_DEPTH_MAX)
        return sn_fail(b->im->err, SETSUNA_ELIMIT, NULL, "subgraphs are nested more than %d deep",
                       SN_SUBGRAPH_DEPTH_MAX);
    sn_onnx_frame *sub = sn_onnx_frame_push(b, SN_ONNX_FRAME_SUB, s->message, s->g);
    sub->self = s;
    return graph_read_head(b, sub);
}

/* One thing to do: the next subgraph of a pending node, the next node, or the end of a frame. */
static setsuna_status graph_step(sn_onnx_builder *b)
{
    sn_onnx_frame *f = &b->frame[b->n_frame - 1];
    setsuna_error *err = b->im->err;
    setsuna_status status;
    sn_pb_bytes message;
    if (f->pending.sub) {
        const char *name = f->g->node[f->pending.node].name, *op = f->g->node[f->pending.node].op;
        status = f->pending.next < f->pending.n_sub ? graph_open_sub(b, f) : graph_close_pending(b, f);
        return status == SETSUNA_OK ? status : sn_fail_at(err, status, "subgraph of node '%s' (%s)", name, op);
    }
    if (sn_onnx_next_field(&f->nodes, f->kind == SN_ONNX_FRAME_FUNCTION ? SN_ONNX_FUNCTION_NODE : SN_ONNX_GRAPH_NODE,
                           &message)) {
        sn_onnx_node n;
        status = sn_onnx_node_read(b, message, &n);
        if (status == SETSUNA_OK)
            status = sn_onnx_node_import(b, f, &n);
        return status == SETSUNA_OK
                   ? status
                   : sn_fail_at(err, status, "node '%.*s' (%.*s)", SN_ONNX_TEXT(n.name), SN_ONNX_TEXT(n.op));
    }
    status = f->kind == SN_ONNX_FRAME_FUNCTION ? sn_onnx_call_close(b, f) : graph_close(b, f);
    return status == SETSUNA_OK ? status : sn_fail_at(err, status, "graph '%s'", f->g->name);
}

setsuna_status sn_onnx_graph_build(sn_onnx_import *im, sn_pb_bytes message, sn_graph **out)
{
    sn_onnx_builder *b = sn_alloc_zero(im->allocator, sizeof *b);
    sn_onnx_frame *frame = sn_alloc_zero(im->allocator, GRAPH_FRAMES_MAX * sizeof *frame);
    sn_graph *g = NULL;
    setsuna_status status = SETSUNA_ENOMEM;
    if (b && frame) {
        *b = (sn_onnx_builder){.im = im, .frame = frame};
        status = sn_onnx_graph_create(b, message, &g);
        if (status == SETSUNA_OK)
            status = graph_read_head(b, sn_onnx_frame_push(b, SN_ONNX_FRAME_MAIN, message, g));
        if (status != SETSUNA_OK)
            sn_fail_at(im->err, status, "graph '%s'", g ? g->name : "");
        while (status == SETSUNA_OK && b->n_frame)
            status = graph_step(b);
        while (b->n_frame)
            sn_onnx_frame_pop(b);
        sn_free(im->allocator, b->in);
        sn_free(im->allocator, b->out);
    } else {
        sn_fail(im->err, status, NULL, "out of memory while importing the model");
    }
    sn_free(im->allocator, frame);
    sn_free(im->allocator, b);
    if (status == SETSUNA_OK)
        *out = g;
    return status;
}
