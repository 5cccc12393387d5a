/* What inlining all function calls will give, counted without inlining: each body is read once, however often it is
 * called. A file of a kilobyte can ask for 2^40 nodes; it is refused here instead of when memory or patience ends. */
#include "import/onnx/onnx_import.h"

/* Of FunctionProto, GraphProto, NodeProto and AttributeProto. */
enum {
    INLINE_FUNCTION_NODE = 7,
    INLINE_GRAPH_NODE = 1,
    INLINE_NODE_OP_TYPE = 4,
    INLINE_NODE_ATTRIBUTE = 5,
    INLINE_NODE_DOMAIN = 7,
    INLINE_NODE_OVERLOAD = 8,
    INLINE_ATTRIBUTE_GRAPH = 6
};

/* The body of a function, or (the last one) the main graph. */
typedef struct inline_body {
    uint64_t nodes, bytes; /* its own, then those of its calls too; at most one more than the limits */
    size_t call, n_call;   /* in counter.call; `call` moves on while calls are added up */
    bool entered, done;
} inline_body;

typedef struct inline_counter {
    const sn_onnx_import *im;
    inline_body *body; /* Owns, as all of these. n_function + 1 */
    uint32_t *call;    /* indices of functions */
    size_t n_call, cap_call;
    sn_pb_bytes *graph; /* subgraphs still to be read */
    size_t n_graph, cap_graph;
    uint32_t *stack; /* bodies being added up, each called by the one below; n_function + 1 */
} inline_counter;

static void inline_add(uint64_t *sum, uint64_t more, uint64_t limit)
{
    *sum = *sum + more > limit ? limit + 1 : *sum + more; /* both far below 2^63 */
}

/* Remembers the subgraphs of an attribute. false: out of memory. */
static bool inline_read_attribute(inline_counter *c, sn_pb_bytes message)
{
    sn_pb_field f;
    for (sn_pb pb = sn_pb_open(message); sn_pb_next(&pb, &f);)
        if (f.number == INLINE_ATTRIBUTE_GRAPH && f.wire == SN_PB_BYTES) {
            if (!sn_grow(c->im->allocator, &c->graph, &c->cap_graph, c->n_graph + 1, sizeof *c->graph))
                return false;
            c->graph[c->n_graph++] = f.bytes;
        }
    return true;
}

/* Remembers the call that a node is, and its subgraphs. false: out of memory. */
static bool inline_read_node(inline_counter *c, sn_pb_bytes message)
{
    sn_pb_bytes op = {(const uint8_t *)"", 0}, domain = op, overload = op;
    sn_pb_field f;
    for (sn_pb pb = sn_pb_open(message); sn_pb_next(&pb, &f);) {
        if (f.wire != SN_PB_BYTES)
            continue;
        switch (f.number) {
        case INLINE_NODE_OP_TYPE: op = f.bytes; break;
        case INLINE_NODE_DOMAIN: domain = sn_onnx_domain(f.bytes); break;
        case INLINE_NODE_OVERLOAD: overload = f.bytes; break;
        case INLINE_NODE_ATTRIBUTE:
            if (!inline_read_attribute(c, f.bytes))
                return false;
            break;
        default: break;
        }
    }
    const sn_onnx_function *fn = sn_onnx_function_find(c->im, domain, op, overload);
    if (!fn)
        return true;
    if (!sn_grow(c->im->allocator, &c->call, &c->cap_call, c->n_call + 1, sizeof *c->call))
        return false;
    c->call[c->n_call++] = (uint32_t)(fn - c->im->function);
    return true;
}

/* All nodes of a body, those of its subgraphs included. What is malformed ends the list: the import itself will say so.
 * false: out of memory. */
static bool inline_read_body(inline_counter *c, sn_pb_bytes message, uint32_t field, inline_body *b)
{
    b->call = c->n_call;
    for (;;) {
        sn_pb_field f;
        for (sn_pb pb = sn_pb_open(message); sn_pb_next(&pb, &f);) {
            if (f.number != field || f.wire != SN_PB_BYTES)
                continue;
            inline_add(&b->nodes, 1, SN_NODES_MAX);
            if (!inline_read_node(c, f.bytes))
                return false;
        }
        if (c->n_graph == 0)
            break;
        message = c->graph[--c->n_graph];
        field = INLINE_GRAPH_NODE;
    }
    b->n_call = c->n_call - b->call;
    return true;
}

/* Adds to every body that the main graph reaches what its calls give. A call of a body that is being added up, which is
 * an error, gives nothing. */
static void inline_add_up(inline_counter *c)
{
    size_t top = 0;
    c->stack[top++] = (uint32_t)c->im->n_function;
    while (top) {
        inline_body *b = &c->body[c->stack[top - 1]];
        b->entered = true;
        if (b->n_call == 0) {
            b->done = true;
            top--;
            continue;
        }
        inline_body *callee = &c->body[c->call[b->call]];
        if (!callee->entered) {
            c->stack[top++] = c->call[b->call]; /* each body is entered once, so there is room */
            continue;
        }
        b->call++;
        b->n_call--;
        if (callee->done) {
            inline_add(&b->nodes, callee->nodes, SN_NODES_MAX);
            inline_add(&b->bytes, callee->bytes, SN_ONNX_INLINED_BYTES_MAX);
        }
    }
}

static setsuna_status inline_count(inline_counter *c, sn_pb_bytes graph)
{
    const sn_onnx_import *im = c->im;
    inline_body *whole = &c->body[im->n_function];
    bool ok = inline_read_body(c, graph, INLINE_GRAPH_NODE, whole);
    for (size_t i = 0; ok && i < im->n_function; i++) {
        ok = inline_read_body(c, im->function[i].message, INLINE_FUNCTION_NODE, &c->body[i]);
        inline_add(&c->body[i].bytes, im->function[i].message.size, SN_ONNX_INLINED_BYTES_MAX);
    }
    if (!ok)
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory while counting function calls");
    inline_add_up(c);
    if (whole->nodes > SN_NODES_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "more than %d nodes, inlined functions included", SN_NODES_MAX);
    if (whole->bytes > SN_ONNX_INLINED_BYTES_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "inlining all function calls reads more than %d bytes of bodies",
                       SN_ONNX_INLINED_BYTES_MAX);
    return SETSUNA_OK;
}

setsuna_status sn_onnx_inline_check(const sn_onnx_import *im, sn_pb_bytes graph)
{
    const sn_allocator *a = im->allocator;
    inline_counter c = {.im = im};
    if (im->n_function == 0)
        return SETSUNA_OK;
    c.body = sn_alloc_zero(a, (im->n_function + 1) * sizeof *c.body);
    c.stack = sn_alloc(a, (im->n_function + 1) * sizeof *c.stack);
    setsuna_status status = c.body && c.stack
                                ? inline_count(&c, graph)
                                : sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory while counting function calls");
    sn_free(a, c.body);
    sn_free(a, c.stack);
    sn_free(a, c.call);
    sn_free(a, c.graph);
    return status;
}
