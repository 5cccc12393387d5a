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
#include "import/onnx/onnx_import.h"
#include <string.h>

/* Fields of GraphProto. */
enum {
    GRAPH_NODE = 1,
    GRAPH_NAME = 2,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    GRAPH_VALUE_INFO = 13,
    GRAPH_SPARSE_INITIALIZER = 15
};

/* Fields of NodeProto. */
enum {
    NODE_INPUT = 1,
    NODE_OUTPUT = 2,
    NODE_NAME = 3,
    NODE_OP_TYPE = 4,
    NODE_ATTRIBUTE = 5,
    NODE_DOMAIN = 7,
    NODE_OVERLOAD = 8
};

/* Fields of FunctionProto. */
enum { FUNCTION_INPUT = 4, FUNCTION_OUTPUT = 5, FUNCTION_NODE = 7, FUNCTION_ATTRIBUTE_PROTO = 11 };

enum { GRAPH_FRAMES_MAX = 1 + SN_SUBGRAPH_DEPTH_MAX + SN_FUNCTION_DEPTH_MAX, GRAPH_VALUES_MAX = 4 * SN_NODES_MAX };

typedef enum graph_kind { GRAPH_MAIN, GRAPH_SUB, GRAPH_FUNCTION } graph_kind;

/* One subgraph of a pending node. */
typedef struct graph_sub {
    sn_pb_bytes message;
    sn_graph *g;
    const uint32_t *formal;
    uint32_t n_formal;
    uint32_t *local; /* Owns. By index of the capture: its value in g, or SN_NONE */
    size_t n_local, cap_local;
} graph_sub;

/* A node whose subgraphs are being read. */
typedef struct graph_pending {
    graph_sub *sub; /* Owns. NULL: no node is pending */
    uint32_t n_sub, next;
    size_t node;     /* index in the frame's graph */
    uint64_t serial; /* of this node among all pending ones, from 1 */
    uint32_t *outer; /* Owns. The captured values, in the frame's graph */
    size_t n_outer, cap_outer;
} graph_pending;

typedef struct graph_frame {
    graph_kind kind;
    sn_pb_bytes message;
    sn_pb nodes; /* reads on from the node in progress */
    sn_graph *g;
    sn_onnx_names names; /* of this graph or function only, and the captured ones */
    const uint32_t *formal;
    uint32_t n_formal;
    graph_pending pending;
    graph_sub *self; /* GRAPH_SUB: the parent frame's pending.sub that this is */
    uint32_t owner;  /* the frame that holds g's marks: itself, or for a function its caller's */
    uint64_t *mark;  /* Owns. By value of g: serial << 32 | index of the capture */
    size_t n_mark, cap_mark;

    /* Of the function that this frame is or is in; SN_NONE: none. */
    uint32_t function_frame;
    const sn_onnx_function *function;
    const char *prefix;      /* GRAPH_FUNCTION: the name of the calling node */
    sn_onnx_attr_view *args; /* GRAPH_FUNCTION, Owns: attributes of the call and defaults */
    size_t n_args;
    uint32_t *call_out; /* GRAPH_FUNCTION, Owns: the caller's outputs */
    size_t n_call_out;
} graph_frame;

typedef struct graph_node {
    sn_pb_bytes message, name, op, domain, overload;
    const char *label; /* its name in the graph */
    bool has_attr;
    size_t n_attr; /* in builder.attr */
} graph_node;

typedef struct graph_builder {
    sn_onnx_import *im;
    graph_frame *frame;
    uint32_t n_frame;
    uint64_t serial;
    uint32_t *in, *out; /* Owns. Values of the node in progress */
    size_t n_in, cap_in, n_out, cap_out;
    sn_onnx_attr_view attr[SN_ONNX_ATTRS_MAX]; /* of the node in progress, references resolved */
} graph_builder;

static setsuna_status graph_no_memory(const graph_builder *b)
{
    return sn_fail(b->im->err, SETSUNA_ENOMEM, NULL, "out of memory while importing the model");
}

/* ---- values ---------------------------------------------------------------------------------------- */

/* The name in the graph: inside a function it is "caller/name", as long as that is not too long. */
static setsuna_status graph_label(const graph_builder *b, const graph_frame *f, const char *what, sn_pb_bytes name,
                                  const char **out)
{
    SN_TRY(sn_onnx_name_copy(b->im, what, name, out));
    if (f->function_frame == SN_NONE)
        return SETSUNA_OK;
    const char *prefix = b->frame[f->function_frame].prefix;
    if (strlen(prefix) + name.size + 1 > SN_NAME_MAX)
        return SETSUNA_OK;
    *out = sn_arena_printf(b->im->arena, "%s/%s", prefix, *out);
    return *out ? SETSUNA_OK : graph_no_memory(b);
}

static setsuna_status graph_add_value(graph_builder *b, sn_graph *g, const char *name, uint32_t *out)
{
    if (b->im->n_value >= GRAPH_VALUES_MAX)
        return sn_fail(b->im->err, SETSUNA_ELIMIT, NULL, "more than %d values", GRAPH_VALUES_MAX);
    *out = sn_graph_add_value(g, name, SETSUNA_DTYPE_NONE);
    if (*out == SN_NONE)
        return graph_no_memory(b);
    b->im->n_value++;
    return sn_onnx_check_memory(b->im);
}

static void graph_set_const(sn_graph *g, uint32_t v, const sn_const *c)
{
    sn_value *value = &g->value[v];
    value->dtype = c->t.dtype;
    value->has_shape = true;
    value->shape = c->t.shape;
    value->sym = NULL;
    value->cst = c;
}

/* A new value of frame f with a name of its own. */
static setsuna_status graph_declare(graph_builder *b, graph_frame *f, sn_pb_bytes name, uint32_t *out)
{
    const char *label;
    if (sn_onnx_names_find(&f->names, name))
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "value '%.*s' is made twice", SN_ONNX_TEXT(name));
    SN_TRY(graph_label(b, f, "value", name, &label));
    SN_TRY(graph_add_value(b, f->g, label, out));
    return sn_onnx_names_add(&f->names, name, *out) ? SETSUNA_OK : graph_no_memory(b);
}

/* A copy of value `from` of graph g as a value of graph `to`, without its constant. */
static setsuna_status graph_import_value(graph_builder *b, const sn_graph *g, uint32_t from, sn_graph *to,
                                         uint32_t *out)
{
    SN_TRY(graph_add_value(b, to, g->value[from].name, out));
    sn_value value = g->value[from];
    value.cst = NULL;
    to->value[*out] = value;
    return SETSUNA_OK;
}

/* ---- captures -------------------------------------------------------------------------------------- */

/* The index of value v of frame `parent` among what its pending node captures; added when it is new. */
static setsuna_status graph_capture_index(graph_builder *b, graph_frame *parent, uint32_t v, size_t *out)
{
    const sn_allocator *a = b->im->allocator;
    graph_frame *owner = &b->frame[parent->owner];
    graph_pending *p = &parent->pending;
    if (v >= owner->n_mark) {
        if (!sn_grow(a, &owner->mark, &owner->cap_mark, parent->g->n_value, sizeof *owner->mark))
            return graph_no_memory(b);
        memset(owner->mark + owner->n_mark, 0, (owner->cap_mark - owner->n_mark) * sizeof *owner->mark);
        owner->n_mark = owner->cap_mark;
    }
    if (owner->mark[v] >> 32 == p->serial) {
        *out = (uint32_t)owner->mark[v];
        return SETSUNA_OK;
    }
    if (!sn_grow(a, &p->outer, &p->cap_outer, p->n_outer + 1, sizeof *p->outer))
        return graph_no_memory(b);
    *out = p->n_outer;
    p->outer[p->n_outer++] = v;
    owner->mark[v] = p->serial << 32 | *out;
    return SETSUNA_OK;
}

/* The value of subgraph s that stands for capture i of its pending node; made when it is new. */
static setsuna_status graph_capture_local(graph_builder *b, const graph_frame *parent, graph_sub *s, size_t i,
                                          uint32_t *out)
{
    if (i >= s->n_local) {
        if (!sn_grow(b->im->allocator, &s->local, &s->cap_local, i + 1, sizeof *s->local))
            return graph_no_memory(b);
        memset(s->local + s->n_local, 0xff, (s->cap_local - s->n_local) * sizeof *s->local);
        s->n_local = s->cap_local;
    }
    if (s->local[i] == SN_NONE)
        SN_TRY(graph_import_value(b, parent->g, parent->pending.outer[i], s->g, &s->local[i]));
    *out = s->local[i];
    return SETSUNA_OK;
}

/* Brings value v of frame k-1 into frame k: a constant as a constant, anything else as a capture. */
static setsuna_status graph_bring_in(graph_builder *b, uint32_t k, sn_pb_bytes name, uint32_t *v)
{
    graph_frame *parent = &b->frame[k - 1], *f = &b->frame[k];
    size_t index = 0;
    if (*v != SN_NONE && parent->g->value[*v].cst) {
        const sn_const *c = parent->g->value[*v].cst;
        SN_TRY(graph_import_value(b, parent->g, *v, f->g, v));
        graph_set_const(f->g, *v, c);
    } else if (*v != SN_NONE) {
        SN_TRY(graph_capture_index(b, parent, *v, &index));
        SN_TRY(graph_capture_local(b, parent, f->self, index, v));
    }
    return sn_onnx_names_add(&f->names, name, *v) ? SETSUNA_OK : graph_no_memory(b);
}

/* The value behind a name in the frame on top; SN_NONE for "", and for an optional input that the call of a function
 * left out. */
static setsuna_status graph_resolve(graph_builder *b, sn_pb_bytes name, uint32_t *out)
{
    uint32_t top = b->n_frame - 1, k = top;
    *out = SN_NONE;
    if (name.size == 0)
        return SETSUNA_OK;
    const sn_onnx_name *found;
    while (!(found = sn_onnx_names_find(&b->frame[k].names, name)) && b->frame[k].kind == GRAPH_SUB)
        k--;
    if (!found)
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "value '%.*s' is read but made by nobody", SN_ONNX_TEXT(name));
    *out = found->value;
    while (k < top)
        SN_TRY(graph_bring_in(b, ++k, name, out));
    return SETSUNA_OK;
}

/* ---- frames ---------------------------------------------------------------------------------------- */

static void graph_pending_fini(graph_builder *b, graph_pending *p)
{
    for (uint32_t i = 0; i < p->n_sub; i++)
        sn_free(b->im->allocator, p->sub[i].local);
    sn_free(b->im->allocator, p->sub);
    sn_free(b->im->allocator, p->outer);
    *p = (graph_pending){.sub = NULL};
}

static void graph_pop(graph_builder *b)
{
    graph_frame *f = &b->frame[--b->n_frame];
    graph_pending_fini(b, &f->pending);
    sn_onnx_names_fini(&f->names);
    sn_free(b->im->allocator, f->mark);
    sn_free(b->im->allocator, f->args);
    sn_free(b->im->allocator, f->call_out);
}

/* Pre: the depths were checked, so there is room. */
static graph_frame *graph_push(graph_builder *b, graph_kind kind, sn_pb_bytes message, sn_graph *g)
{
    uint32_t k = b->n_frame++;
    graph_frame *f = &b->frame[k];
    *f = (graph_frame){.kind = kind,
                       .message = message,
                       .nodes = sn_pb_open(message),
                       .g = g,
                       .names = sn_onnx_names_init(b->im->allocator, b->im->secret),
                       .owner = kind == GRAPH_FUNCTION ? b->frame[k - 1].owner : k,
                       .function_frame = kind == GRAPH_MAIN  ? SN_NONE
                                         : kind == GRAPH_SUB ? b->frame[k - 1].function_frame
                                                             : k};
    return f;
}

static uint32_t graph_depth(const graph_builder *b, graph_kind kind)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < b->n_frame; k++)
        n += b->frame[k].kind == kind;
    return n;
}

/* ---- the head of a graph: what it declares --------------------------------------------------------- */

/* The next field of that number. false: the end, or the message is malformed (pb->malformed). */
static bool graph_next_field(sn_pb *pb, uint32_t number, sn_pb_bytes *out)
{
    sn_pb_field f;
    while (sn_pb_next(pb, &f))
        if (f.number == number) {
            if (f.wire != SN_PB_BYTES) {
                pb->malformed = true;
                return false;
            }
            *out = f.bytes;
            return true;
        }
    return false;
}

static setsuna_status graph_end(const graph_builder *b, const sn_pb *pb, const char *what)
{
    return pb->malformed ? sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "malformed %s", what) : SETSUNA_OK;
}

static setsuna_status graph_refuse_sparse(const graph_builder *b, const graph_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes sparse, values, first = {(const uint8_t *)"", 0};
    size_t n = 0;
    while (graph_next_field(&pb, GRAPH_SPARSE_INITIALIZER, &sparse)) {
        sn_pb in = sn_pb_open(sparse);
        if (n++ == 0 && graph_next_field(&in, 1, &values)) {
            sn_pb tensor = sn_pb_open(values);
            graph_next_field(&tensor, 8, &first);
        }
    }
    if (n)
        return sn_fail(b->im->err, SETSUNA_EUNSUPPORTED, NULL,
                       "%zu sparse initializers, the first is '%.*s'; export the model with dense ones", n,
                       SN_ONNX_TEXT(first));
    return graph_end(b, &pb, "graph");
}

static setsuna_status graph_read_initializers(graph_builder *b, graph_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message;
    while (graph_next_field(&pb, GRAPH_INITIALIZER, &message)) {
        sn_onnx_tensor t;
        const sn_const *c;
        uint32_t v;
        SN_TRY(sn_onnx_tensor_read(message, b->im->arena, &t, b->im->err));
        if (t.name.size == 0)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "an initializer has no name");
        SN_TRY(sn_onnx_const_make(b->im, &t, false, &c));
        SN_TRY(graph_declare(b, f, t.name, &v));
        graph_set_const(f->g, v, c);
    }
    return graph_end(b, &pb, "graph");
}

/* Inputs and outputs of the whole model must be tensors of a type we have. */
static setsuna_status graph_check_io(const graph_builder *b, sn_pb_bytes name, const sn_onnx_type *t, const char *what)
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
static setsuna_status graph_read_inputs(graph_builder *b, graph_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message, name;
    sn_onnx_type type;
    size_t n = 0;
    while (graph_next_field(&pb, GRAPH_INPUT, &message))
        n++;
    SN_TRY(graph_end(b, &pb, "graph"));
    uint32_t *formal = sn_arena_array(b->im->arena, n, sizeof *formal), v;
    if (!formal)
        return graph_no_memory(b);
    f->formal = formal;
    pb = sn_pb_open(f->message);
    while (graph_next_field(&pb, GRAPH_INPUT, &message)) {
        SN_TRY(sn_onnx_value_info_read(message, b->im->arena, &name, &type, b->im->err));
        const sn_onnx_name *known = sn_onnx_names_find(&f->names, name);
        if (known && f->g->value[known->value].cst)
            continue;
        if (name.size == 0)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "a graph input has no name");
        if (f->kind == GRAPH_MAIN)
            SN_TRY(graph_check_io(b, name, &type, "input"));
        SN_TRY(graph_declare(b, f, name, &v));
        graph_set_type(f->g, v, &type);
        formal[f->n_formal++] = v;
    }
    return SETSUNA_OK;
}

/* field: GRAPH_NODE or FUNCTION_NODE. A function's outputs are there already, as reserved names. */
static setsuna_status graph_declare_outputs(graph_builder *b, graph_frame *f, uint32_t field)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message, name;
    uint32_t v;
    while (graph_next_field(&pb, field, &message)) {
        sn_pb node = sn_pb_open(message);
        while (graph_next_field(&node, NODE_OUTPUT, &name)) {
            sn_onnx_name *known = name.size ? sn_onnx_names_find(&f->names, name) : NULL;
            if (known && known->reserved)
                known->reserved = false;
            else if (name.size)
                SN_TRY(graph_declare(b, f, name, &v));
        }
        SN_TRY(graph_end(b, &node, "node"));
    }
    return graph_end(b, &pb, "graph");
}

/* field: GRAPH_VALUE_INFO or GRAPH_OUTPUT */
static setsuna_status graph_read_types(graph_builder *b, graph_frame *f, uint32_t field)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message, name;
    sn_onnx_type type;
    while (graph_next_field(&pb, field, &message)) {
        SN_TRY(sn_onnx_value_info_read(message, b->im->arena, &name, &type, b->im->err));
        if (field == GRAPH_OUTPUT && f->kind == GRAPH_MAIN)
            SN_TRY(graph_check_io(b, name, &type, "output"));
        const sn_onnx_name *known = sn_onnx_names_find(&f->names, name);
        if (known)
            graph_set_type(f->g, known->value, &type);
    }
    return graph_end(b, &pb, "graph");
}

static setsuna_status graph_read_head(graph_builder *b, graph_frame *f)
{
    SN_TRY(graph_refuse_sparse(b, f));
    SN_TRY(graph_read_initializers(b, f));
    SN_TRY(graph_read_inputs(b, f));
    SN_TRY(graph_declare_outputs(b, f, GRAPH_NODE));
    SN_TRY(graph_read_types(b, f, GRAPH_OUTPUT));
    return graph_read_types(b, f, GRAPH_VALUE_INFO);
}

static setsuna_status graph_create(graph_builder *b, sn_pb_bytes message, sn_graph **out)
{
    sn_pb pb = sn_pb_open(message);
    sn_pb_bytes name = {(const uint8_t *)"", 0};
    const char *text;
    while (graph_next_field(&pb, GRAPH_NAME, &name)) {
    }
    SN_TRY(graph_end(b, &pb, "graph"));
    SN_TRY(sn_onnx_name_copy(b->im, "graph", name, &text));
    *out = sn_graph_create(b->im->arena, text);
    return *out ? SETSUNA_OK : graph_no_memory(b);
}

/* ---- the end of a graph ---------------------------------------------------------------------------- */

static setsuna_status graph_set_outputs(graph_builder *b, graph_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message, name;
    sn_onnx_type type;
    b->n_out = 0;
    while (graph_next_field(&pb, GRAPH_OUTPUT, &message)) {
        SN_TRY(sn_onnx_value_info_read(message, b->im->arena, &name, &type, b->im->err));
        if (!sn_grow(b->im->allocator, &b->out, &b->cap_out, b->n_out + 1, sizeof *b->out))
            return graph_no_memory(b);
        SN_TRY(graph_resolve(b, name, &b->out[b->n_out]));
        if (b->out[b->n_out++] == SN_NONE)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "graph output '%.*s' has no value", SN_ONNX_TEXT(name));
    }
    if (b->n_out > UINT32_MAX || sn_graph_set_outputs(f->g, b->out, (uint32_t)b->n_out) != SETSUNA_OK)
        return graph_no_memory(b);
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
static setsuna_status graph_finish(const graph_builder *b, sn_graph *g)
{
    SN_TRY(sn_graph_verify(g, b->im->err));
    uint8_t *made = sn_alloc_zero(b->im->allocator, g->n_value + 1);
    if (!made)
        return graph_no_memory(b);
    bool ordered = graph_is_ordered(g, made);
    sn_free(b->im->allocator, made);
    return ordered ? SETSUNA_OK : sn_graph_sort(g, b->im->err);
}

static setsuna_status graph_close(graph_builder *b, graph_frame *f)
{
    SN_TRY(graph_set_outputs(b, f));
    if (f->kind == GRAPH_SUB) { /* finished with its siblings, when all captures are known */
        f->self->formal = f->formal;
        f->self->n_formal = f->n_formal;
    } else {
        if (sn_graph_set_inputs(f->g, f->formal, f->n_formal) != SETSUNA_OK)
            return graph_no_memory(b);
        SN_TRY(graph_finish(b, f->g));
    }
    graph_pop(b);
    return SETSUNA_OK;
}

/* The inputs of a subgraph: the formal ones, then every capture of the node. */
static setsuna_status graph_close_sub(graph_builder *b, graph_frame *f, graph_sub *s)
{
    size_t n = s->n_formal + f->pending.n_outer;
    uint32_t *input = sn_arena_array(b->im->arena, n, sizeof *input);
    if (!input || n > UINT32_MAX)
        return graph_no_memory(b);
    if (s->n_formal)
        memcpy(input, s->formal, s->n_formal * sizeof *input);
    for (size_t i = 0; i < f->pending.n_outer; i++)
        SN_TRY(graph_capture_local(b, f, s, i, &input[s->n_formal + i]));
    if (sn_graph_set_inputs(s->g, input, (uint32_t)n) != SETSUNA_OK)
        return graph_no_memory(b);
    return graph_finish(b, s->g);
}

static setsuna_status graph_close_pending(graph_builder *b, graph_frame *f)
{
    graph_pending *p = &f->pending;
    sn_node *n = &f->g->node[p->node];
    for (uint32_t i = 0; i < p->n_sub; i++)
        SN_TRY(graph_close_sub(b, f, &p->sub[i]));
    uint32_t *in = sn_arena_array(b->im->arena, n->n_in + p->n_outer, sizeof *in);
    if (!in || n->n_in + p->n_outer > UINT32_MAX)
        return graph_no_memory(b);
    if (n->n_in)
        memcpy(in, n->in, n->n_in * sizeof *in);
    if (p->n_outer)
        memcpy(in + n->n_in, p->outer, p->n_outer * sizeof *in);
    n->in = in;
    n->n_in += (uint32_t)p->n_outer;
    graph_pending_fini(b, p);
    return SETSUNA_OK;
}

static setsuna_status graph_open_sub(graph_builder *b, graph_frame *f)
{
    graph_sub *s = &f->pending.sub[f->pending.next++];
    if (graph_depth(b, GRAPH_SUB) == SN_SUBGRAPH_DEPTH_MAX)
        return sn_fail(b->im->err, SETSUNA_ELIMIT, NULL, "subgraphs are nested more than %d deep",
                       SN_SUBGRAPH_DEPTH_MAX);
    graph_frame *sub = graph_push(b, GRAPH_SUB, s->message, s->g);
    sub->self = s;
    return graph_read_head(b, sub);
}

/* ---- functions ------------------------------------------------------------------------------------- */

static setsuna_status graph_check_call(graph_builder *b, const sn_onnx_function *fn)
{
    sn_onnx_import *im = b->im;
    for (uint32_t k = 0; k < b->n_frame; k++)
        if (b->frame[k].kind == GRAPH_FUNCTION && b->frame[k].function == fn)
            return sn_fail(im->err, SETSUNA_EMODEL, NULL, "function '%.*s' calls itself", SN_ONNX_TEXT(fn->name));
    if (graph_depth(b, GRAPH_FUNCTION) == SN_FUNCTION_DEPTH_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "function calls are nested more than %d deep",
                       SN_FUNCTION_DEPTH_MAX);
    im->inlined_bytes += fn->message.size; /* both far below SIZE_MAX / 2 */
    if (im->inlined_bytes > SN_ONNX_INLINED_BYTES_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "inlining all function calls reads more than %d bytes of bodies",
                       SN_ONNX_INLINED_BYTES_MAX);
    return SETSUNA_OK;
}

/* The call's attributes, then the defaults of those that it does not set. */
static setsuna_status graph_call_args(graph_builder *b, graph_frame *f, size_t n_attr)
{
    sn_onnx_attr_view v;
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes message;
    while (graph_next_field(&pb, FUNCTION_ATTRIBUTE_PROTO, &message)) {
        SN_TRY(sn_onnx_attr_view_read(message, &v, b->im->err));
        size_t i = 0;
        while (i < n_attr &&
               (b->attr[i].name.size != v.name.size || memcmp(b->attr[i].name.data, v.name.data, v.name.size) != 0))
            i++;
        if (i == SN_ONNX_ATTRS_MAX)
            return sn_fail(b->im->err, SETSUNA_ELIMIT, NULL, "a function has more than %d attributes",
                           SN_ONNX_ATTRS_MAX);
        if (i == n_attr)
            b->attr[n_attr++] = v;
    }
    SN_TRY(graph_end(b, &pb, "function"));
    if (n_attr == 0)
        return SETSUNA_OK;
    f->args = sn_alloc(b->im->allocator, n_attr * sizeof *f->args);
    if (!f->args)
        return graph_no_memory(b);
    memcpy(f->args, b->attr, n_attr * sizeof *f->args);
    f->n_args = n_attr;
    return SETSUNA_OK;
}

/* Formal inputs are the caller's values; formal outputs are reserved for the body's nodes to make. */
static setsuna_status graph_call_names(graph_builder *b, graph_frame *f)
{
    sn_pb_bytes name;
    size_t i = 0;
    sn_pb pb = sn_pb_open(f->message);
    for (; graph_next_field(&pb, FUNCTION_INPUT, &name); i++) {
        if (name.size == 0 || sn_onnx_names_find(&f->names, name))
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "input %zu of function '%.*s' is not a name of its own", i,
                           SN_ONNX_TEXT(f->function->name));
        if (!sn_onnx_names_add(&f->names, name, i < b->n_in ? b->in[i] : SN_NONE))
            return graph_no_memory(b);
    }
    SN_TRY(graph_end(b, &pb, "function"));
    size_t k = 0;
    pb = sn_pb_open(f->message);
    for (; graph_next_field(&pb, FUNCTION_OUTPUT, &name); k++) {
        if (k >= b->n_out || b->out[k] == SN_NONE || sn_onnx_names_find(&f->names, name))
            continue; /* not wanted, or an input or an earlier output again: see graph_close_function */
        sn_onnx_name *reserved = sn_onnx_names_add(&f->names, name, b->out[k]);
        if (!reserved)
            return graph_no_memory(b);
        reserved->reserved = true;
    }
    SN_TRY(graph_end(b, &pb, "function"));
    if (b->n_in > i || b->n_out > k)
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL,
                       "function '%.*s' has %zu inputs and %zu outputs, the call has %zu and %zu",
                       SN_ONNX_TEXT(f->function->name), i, k, b->n_in, b->n_out);
    return SETSUNA_OK;
}

/* Pre: the call's inputs, outputs and attributes are in b. */
static setsuna_status graph_call(graph_builder *b, graph_frame *caller, const graph_node *n, const sn_onnx_function *fn)
{
    SN_TRY(graph_check_call(b, fn));
    graph_frame *f = graph_push(b, GRAPH_FUNCTION, fn->message, caller->g);
    f->function = fn;
    f->prefix = n->label;
    SN_TRY(graph_call_args(b, f, n->n_attr));
    if (b->n_out) {
        f->call_out = sn_alloc(b->im->allocator, b->n_out * sizeof *f->call_out);
        if (!f->call_out)
            return graph_no_memory(b);
        memcpy(f->call_out, b->out, b->n_out * sizeof *f->call_out);
        f->n_call_out = b->n_out;
    }
    SN_TRY(graph_call_names(b, f));
    return graph_declare_outputs(b, f, FUNCTION_NODE);
}

static setsuna_status graph_opset(const graph_builder *b, const graph_frame *f, sn_pb_bytes domain, int32_t *out);

/* An output that no node of the body makes: one of its inputs, a constant, or the same as an earlier output. */
static setsuna_status graph_copy_output(graph_builder *b, graph_frame *f, uint32_t from, uint32_t to)
{
    if (f->g->value[from].cst) {
        graph_set_const(f->g, to, f->g->value[from].cst);
        return SETSUNA_OK;
    }
    int32_t opset = 1; /* Identity has not changed its meaning since */
    if (graph_opset(b, f, (sn_pb_bytes){(const uint8_t *)"", 0}, &opset) != SETSUNA_OK)
        opset = 1;
    return sn_graph_add_node(f->g, "", "Identity", opset, f->prefix, &from, 1, &to, 1) ? SETSUNA_OK
                                                                                       : graph_no_memory(b);
}

static setsuna_status graph_close_function(graph_builder *b, graph_frame *f)
{
    sn_pb pb = sn_pb_open(f->message);
    sn_pb_bytes name;
    for (size_t k = 0; k < f->n_call_out && graph_next_field(&pb, FUNCTION_OUTPUT, &name); k++) {
        if (f->call_out[k] == SN_NONE)
            continue;
        const sn_onnx_name *made = sn_onnx_names_find(&f->names, name);
        if (!made || made->reserved || made->value == SN_NONE)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "output '%.*s' of function '%.*s' is made by nobody",
                           SN_ONNX_TEXT(name), SN_ONNX_TEXT(f->function->name));
        if (made->value != f->call_out[k])
            SN_TRY(graph_copy_output(b, f, made->value, f->call_out[k]));
    }
    graph_pop(b);
    return SETSUNA_OK;
}

/* ---- nodes ----------------------------------------------------------------------------------------- */

/* *out is filled as far as the message can be read, for the caller's message about it. */
static setsuna_status graph_read_node(const graph_builder *b, sn_pb_bytes message, graph_node *out)
{
    const sn_pb_bytes none = {(const uint8_t *)"", 0};
    *out = (graph_node){.message = message, .name = none, .op = none, .domain = none, .overload = none};
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        if (f.number <= NODE_OVERLOAD && f.wire != SN_PB_BYTES)
            return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "malformed node");
        switch (f.number) {
        case NODE_NAME: out->name = f.bytes; break;
        case NODE_OP_TYPE: out->op = f.bytes; break;
        case NODE_ATTRIBUTE: out->has_attr = true; break;
        case NODE_DOMAIN: out->domain = sn_onnx_domain(f.bytes); break;
        case NODE_OVERLOAD: out->overload = f.bytes; break;
        default: break;
        }
    }
    if (!pb.malformed && out->op.size == 0)
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "it has no op_type");
    return graph_end(b, &pb, "node");
}

/* The version of a domain in force where frame f is: the function's own imports first. */
static setsuna_status graph_opset(const graph_builder *b, const graph_frame *f, sn_pb_bytes domain, int32_t *out)
{
    const sn_onnx_function *fn = f->function_frame == SN_NONE ? NULL : b->frame[f->function_frame].function;
    for (int round = 0; round < 2; round++) {
        const sn_onnx_opset *list = round == 0 && fn ? fn->opset : b->im->opset;
        size_t n = round == 0 && fn ? fn->n_opset : b->im->n_opset;
        for (size_t i = 0; i < n; i++)
            if (strlen(list[i].domain) == domain.size &&
                (domain.size == 0 || memcmp(list[i].domain, domain.data, domain.size) == 0)) {
                *out = list[i].version;
                return SETSUNA_OK;
            }
    }
    return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "the model imports no version of its domain '%.*s'",
                   SN_ONNX_TEXT(domain));
}

/* What a reference (ref_attr_name) stands for: *out becomes the caller's value under the body's name, or its name is
 * cleared when the caller has none. */
static setsuna_status graph_resolve_attr(const graph_builder *b, const graph_frame *f, sn_onnx_attr_view *v)
{
    if (v->reference.size == 0)
        return SETSUNA_OK;
    if (f->function_frame == SN_NONE)
        return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "attribute '%.*s' refers to a function's, but is in none",
                       SN_ONNX_TEXT(v->name));
    const graph_frame *call = &b->frame[f->function_frame];
    for (size_t i = 0; i < call->n_args; i++) {
        const sn_onnx_attr_view *arg = &call->args[i];
        if (arg->name.size != v->reference.size || memcmp(arg->name.data, v->reference.data, arg->name.size) != 0)
            continue;
        if (arg->type == SN_ONNX_ATTR_GRAPH)
            return sn_fail(b->im->err, SETSUNA_EUNSUPPORTED, NULL, "attribute '%.*s' passes a graph into a function",
                           SN_ONNX_TEXT(v->name));
        v->message = arg->message;
        v->type = arg->type;
        return SETSUNA_OK;
    }
    v->name.size = 0;
    return SETSUNA_OK;
}

static setsuna_status graph_read_attrs(graph_builder *b, const graph_frame *f, graph_node *n)
{
    sn_pb pb = sn_pb_open(n->message);
    sn_pb_bytes message;
    while (n->has_attr && graph_next_field(&pb, NODE_ATTRIBUTE, &message)) {
        if (n->n_attr == SN_ONNX_ATTRS_MAX)
            return sn_fail(b->im->err, SETSUNA_ELIMIT, NULL, "it has more than %d attributes", SN_ONNX_ATTRS_MAX);
        sn_onnx_attr_view *v = &b->attr[n->n_attr];
        SN_TRY(sn_onnx_attr_view_read(message, v, b->im->err));
        for (size_t i = 0; i < n->n_attr; i++)
            if (b->attr[i].name.size == v->name.size && memcmp(b->attr[i].name.data, v->name.data, v->name.size) == 0)
                return sn_fail(b->im->err, SETSUNA_EMODEL, NULL, "it has attribute '%.*s' twice",
                               SN_ONNX_TEXT(v->name));
        SN_TRY(graph_resolve_attr(b, f, v));
        n->n_attr += v->name.size != 0;
    }
    return SETSUNA_OK;
}

static setsuna_status graph_read_operands(graph_builder *b, const graph_frame *f, const graph_node *n)
{
    const sn_allocator *a = b->im->allocator;
    sn_pb pb = sn_pb_open(n->message);
    sn_pb_field field;
    b->n_in = b->n_out = 0;
    while (sn_pb_next(&pb, &field)) { /* graph_read_node found it well-formed */
        if (field.number == NODE_INPUT) {
            if (!sn_grow(a, &b->in, &b->cap_in, b->n_in + 1, sizeof *b->in))
                return graph_no_memory(b);
            SN_TRY(graph_resolve(b, field.bytes, &b->in[b->n_in++]));
        } else if (field.number == NODE_OUTPUT) {
            if (!sn_grow(a, &b->out, &b->cap_out, b->n_out + 1, sizeof *b->out))
                return graph_no_memory(b);
            const sn_onnx_name *declared = field.bytes.size ? sn_onnx_names_find(&f->names, field.bytes) : NULL;
            b->out[b->n_out++] = declared ? declared->value : SN_NONE;
        }
    }
    return SETSUNA_OK;
}

static bool graph_text_is(sn_pb_bytes b, const char *text)
{
    return b.size == strlen(text) && memcmp(b.data, text, b.size) == 0;
}

/* The tensor of a Constant's attribute. false: it is of a kind that stays a node (strings, sparse tensors). */
static bool graph_constant_tensor(const sn_attr *a, sn_pb_bytes name, setsuna_tensor *out)
{
    setsuna_tensor t = {.dtype = SETSUNA_I64};
    const void *data;
    if (graph_text_is(name, "value_int") && a->kind == SN_ATTR_INT) {
        data = &a->i;
    } else if (graph_text_is(name, "value_ints") && a->kind == SN_ATTR_INTS) {
        data = a->ints;
        t.shape = (setsuna_shape){1, {(int64_t)a->n}};
    } else if (graph_text_is(name, "value_float") && a->kind == SN_ATTR_FLOAT) {
        data = &a->f;
        t.dtype = SETSUNA_F32;
    } else if (graph_text_is(name, "value_floats") && a->kind == SN_ATTR_FLOATS) {
        data = a->floats;
        t.dtype = SETSUNA_F32;
        t.shape = (setsuna_shape){1, {(int64_t)a->n}};
    } else {
        return false;
    }
    sn_tensor_bytes(t.dtype, &t.shape, &t.size_bytes);
    memcpy(&t.data, &data, sizeof data); /* setsuna_tensor.data is not const; constants are only read */
    *out = t;
    return true;
}

/* A Constant becomes a constant. *done false: it stays a node. */
static setsuna_status graph_constant(graph_builder *b, graph_frame *f, const graph_node *n, bool *done)
{
    sn_onnx_import *im = b->im;
    if (n->domain.size || !graph_text_is(n->op, "Constant"))
        return SETSUNA_OK;
    if (n->n_attr != 1 || b->n_in != 0 || b->n_out != 1 || b->out[0] == SN_NONE)
        return sn_fail(im->err, SETSUNA_EMODEL, NULL, "a Constant has one attribute, no input and one output");
    sn_attr *a = sn_arena_alloc(im->arena, sizeof *a); /* scalars stay in it */
    if (!a)
        return graph_no_memory(b);
    SN_TRY(sn_onnx_attr_read(im, &b->attr[0], false, a));
    const sn_const *c = NULL;
    setsuna_tensor t;
    if (graph_text_is(b->attr[0].name, "value") && a->kind == SN_ATTR_TENSOR) {
        c = a->t;
    } else if (graph_constant_tensor(a, b->attr[0].name, &t)) {
        sn_const *made = sn_arena_alloc(im->arena, sizeof *made);
        if (!made)
            return graph_no_memory(b);
        *made = (sn_const){.t = t, .uid = sn_const_uid(&t)};
        c = made;
    }
    if (c) {
        graph_set_const(f->g, b->out[0], c);
        *done = true;
    }
    return SETSUNA_OK;
}

static setsuna_status graph_add_attrs(graph_builder *b, graph_frame *f, size_t index, size_t n_attr)
{
    sn_onnx_import *im = b->im;
    if (n_attr == 0)
        return SETSUNA_OK;
    sn_attr *attr = sn_arena_array(im->arena, n_attr, sizeof *attr);
    if (!attr)
        return graph_no_memory(b);
    f->g->node[index].attr = attr;
    uint32_t n_sub = 0;
    for (size_t i = 0; i < n_attr; i++) {
        SN_TRY(sn_onnx_name_copy(im, "attribute", b->attr[i].name, &attr[i].name));
        SN_TRY(sn_onnx_attr_read(im, &b->attr[i], true, &attr[i]));
        if (attr[i].kind == SN_ATTR_GRAPH) {
            SN_TRY(graph_create(b, b->attr[i].graph, &attr[i].g));
            n_sub++;
        }
        f->g->node[index].n_attr++;
    }
    if (n_sub == 0)
        return SETSUNA_OK;
    graph_sub *sub = sn_alloc_zero(im->allocator, n_sub * sizeof *sub);
    if (!sub)
        return graph_no_memory(b);
    f->pending = (graph_pending){.sub = sub, .node = index, .serial = ++b->serial};
    for (size_t i = 0; i < n_attr; i++)
        if (attr[i].kind == SN_ATTR_GRAPH)
            sub[f->pending.n_sub++] = (graph_sub){.message = b->attr[i].graph, .g = attr[i].g};
    return SETSUNA_OK;
}

static setsuna_status graph_add_node(graph_builder *b, graph_frame *f, const graph_node *n)
{
    int32_t opset;
    const char *op, *domain;
    SN_TRY(graph_opset(b, f, n->domain, &opset));
    SN_TRY(sn_onnx_name_copy(b->im, "operator", n->op, &op));
    SN_TRY(sn_onnx_name_copy(b->im, "domain", n->domain, &domain));
    size_t index = f->g->n_node;
    if (!sn_graph_add_node(f->g, domain, op, opset, n->label, b->in, (uint32_t)b->n_in, b->out, (uint32_t)b->n_out))
        return graph_no_memory(b);
    return graph_add_attrs(b, f, index, n->n_attr);
}

/* One node of the frame on top: a call, a constant, or a node. */
static setsuna_status graph_import_node(graph_builder *b, graph_frame *f, graph_node *n)
{
    sn_onnx_import *im = b->im;
    bool done = false;
    if (++im->n_node > SN_NODES_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "more than %d nodes, inlined functions included", SN_NODES_MAX);
    if (n->name.size == 0)
        n->label = sn_arena_printf(im->arena, "%.*s_%zu", SN_ONNX_TEXT(n->op), f->g->n_node);
    else
        SN_TRY(graph_label(b, f, "node", n->name, &n->label));
    if (!n->label)
        return graph_no_memory(b);
    SN_TRY(graph_read_attrs(b, f, n));
    SN_TRY(graph_read_operands(b, f, n));
    const sn_onnx_function *fn = sn_onnx_function_find(im, n->domain, n->op, n->overload);
    if (fn)
        return graph_call(b, f, n, fn);
    SN_TRY(graph_constant(b, f, n, &done));
    if (!done)
        SN_TRY(graph_add_node(b, f, n));
    return sn_onnx_check_memory(im);
}

/* One thing to do: the next subgraph of a pending node, the next node, or the end of a frame. */
static setsuna_status graph_step(graph_builder *b)
{
    graph_frame *f = &b->frame[b->n_frame - 1];
    setsuna_error *err = b->im->err;
    setsuna_status status;
    sn_pb_bytes message;
    if (f->pending.sub) {
        const char *name = f->g->node[f->pending.node].name, *op = f->g->node[f->pending.node].op;
        status = f->pending.next < f->pending.n_sub ? graph_open_sub(b, f) : graph_close_pending(b, f);
        return status == SETSUNA_OK ? status : sn_fail_at(err, status, "subgraph of node '%s' (%s)", name, op);
    }
    if (graph_next_field(&f->nodes, f->kind == GRAPH_FUNCTION ? FUNCTION_NODE : GRAPH_NODE, &message)) {
        graph_node n;
        status = graph_read_node(b, message, &n);
        if (status == SETSUNA_OK)
            status = graph_import_node(b, f, &n);
        return status == SETSUNA_OK
                   ? status
                   : sn_fail_at(err, status, "node '%.*s' (%.*s)", SN_ONNX_TEXT(n.name), SN_ONNX_TEXT(n.op));
    }
    status = f->kind == GRAPH_FUNCTION ? graph_close_function(b, f) : graph_close(b, f);
    return status == SETSUNA_OK ? status : sn_fail_at(err, status, "graph '%s'", f->g->name);
}

setsuna_status sn_onnx_graph_build(sn_onnx_import *im, sn_pb_bytes message, sn_graph **out)
{
    graph_builder *b = sn_alloc_zero(im->allocator, sizeof *b);
    graph_frame *frame = sn_alloc_zero(im->allocator, GRAPH_FRAMES_MAX * sizeof *frame);
    sn_graph *g = NULL;
    setsuna_status status = SETSUNA_ENOMEM;
    if (b && frame) {
        *b = (graph_builder){.im = im, .frame = frame};
        status = graph_create(b, message, &g);
        if (status == SETSUNA_OK)
            status = graph_read_head(b, graph_push(b, GRAPH_MAIN, message, g));
        if (status != SETSUNA_OK)
            sn_fail_at(im->err, status, "graph '%s'", g ? g->name : "");
        while (status == SETSUNA_OK && b->n_frame)
            status = graph_step(b);
        while (b->n_frame)
            graph_pop(b);
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
