/* What the files that build a graph share: the stack of frames, and what each file does for the others.
 *
 *     onnx_graph.c   what a graph declares, its end, and the loop over everything that is open
 *     onnx_scope.c   names and values, and what subgraphs capture from outside
 *     onnx_node.c    one node with its attributes
 *     onnx_call.c    calls of model-local functions
 *
 * Functions return OK, EMODEL, EUNSUPPORTED, ELIMIT, EIO or ENOMEM; the text is in b->im->err.
 */
#ifndef SN_IMPORT_ONNX_ONNX_BUILD_H
#define SN_IMPORT_ONNX_ONNX_BUILD_H

#include "import/onnx/onnx_import.h"

/* Fields that more than one file reads: of GraphProto, NodeProto and FunctionProto. */
enum {
    SN_ONNX_GRAPH_NODE = 1,
    SN_ONNX_NODE_OUTPUT = 2,
    SN_ONNX_FUNCTION_INPUT = 4,
    SN_ONNX_FUNCTION_OUTPUT = 5,
    SN_ONNX_FUNCTION_NODE = 7
};

typedef enum sn_onnx_frame_kind { SN_ONNX_FRAME_MAIN, SN_ONNX_FRAME_SUB, SN_ONNX_FRAME_FUNCTION } sn_onnx_frame_kind;

/* One subgraph of a pending node. */
typedef struct sn_onnx_sub {
    sn_pb_bytes message;
    sn_graph *g;
    const uint32_t *formal;
    uint32_t n_formal;
    uint32_t *local; /* Owns. By index of the capture: its value in g, or SN_NONE */
    size_t n_local, cap_local;
} sn_onnx_sub;

/* A node whose subgraphs are being read. */
typedef struct sn_onnx_pending {
    sn_onnx_sub *sub; /* Owns. NULL: no node is pending */
    uint32_t n_sub, next;
    size_t node;     /* index in the frame's graph */
    uint64_t serial; /* of this node among all pending ones, from 1 */
    uint32_t *outer; /* Owns. The captured values, in the frame's graph */
    size_t n_outer, cap_outer;
} sn_onnx_pending;

typedef struct sn_onnx_frame {
    sn_onnx_frame_kind kind;
    sn_pb_bytes message;
    sn_pb nodes; /* reads on from the node in progress */
    sn_graph *g;
    sn_onnx_names names; /* of this graph or function only, and the captured ones */
    const uint32_t *formal;
    uint32_t n_formal;
    sn_onnx_pending pending;
    sn_onnx_sub *self; /* SN_ONNX_FRAME_SUB: the parent frame's pending.sub that this is */
    uint32_t owner;    /* the frame that holds g's marks: itself, or for a function its caller's */
    uint64_t *mark;    /* Owns. By value of g: serial << 32 | index of the capture */
    size_t n_mark, cap_mark;

    /* Of the function that this frame is or is in; SN_NONE: none. */
    uint32_t function_frame;
    const sn_onnx_function *function;
    const char *prefix;      /* SN_ONNX_FRAME_FUNCTION: the name of the calling node */
    sn_onnx_attr_view *args; /* SN_ONNX_FRAME_FUNCTION, Owns: attributes of the call and defaults */
    size_t n_args;
    uint32_t *call_out; /* SN_ONNX_FRAME_FUNCTION, Owns: the caller's outputs */
    size_t n_call_out;
} sn_onnx_frame;

typedef struct sn_onnx_node {
    sn_pb_bytes message, name, op, domain, overload;
    const char *label; /* its name in the graph */
    bool has_attr;
    size_t n_attr; /* in builder.attr */
} sn_onnx_node;

typedef struct sn_onnx_builder {
    sn_onnx_import *im;
    sn_onnx_frame *frame;
    uint32_t n_frame;
    uint64_t serial;
    uint32_t *in, *out; /* Owns. Values of the node in progress */
    size_t n_in, cap_in, n_out, cap_out;
    sn_onnx_attr_view attr[SN_ONNX_ATTRS_MAX]; /* of the node in progress, references resolved */
} sn_onnx_builder;

/* ---- messages and failures (onnx_scope.c) ---- */

setsuna_status sn_onnx_no_memory(const sn_onnx_builder *b);

/* The next field of that number. false: the end, or the message is malformed (pb->malformed). */
bool sn_onnx_next_field(sn_pb *pb, uint32_t number, sn_pb_bytes *out);

/* EMODEL when what was read turned out to be malformed. what: "graph". */
setsuna_status sn_onnx_message_end(const sn_onnx_builder *b, const sn_pb *pb, const char *what);

/* ---- names and values (onnx_scope.c) ---- */

/* The name in the graph: inside a function it is "caller/name", as long as that is not too long. */
setsuna_status sn_onnx_scope_label(const sn_onnx_builder *b, const sn_onnx_frame *f, const char *what, sn_pb_bytes name,
                                   const char **out);

/* Value v is constant c from now on. */
void sn_onnx_set_const(sn_graph *g, uint32_t v, const sn_const *c);

/* A new value of frame f with a name of its own. */
setsuna_status sn_onnx_scope_declare(sn_onnx_builder *b, sn_onnx_frame *f, sn_pb_bytes name, uint32_t *out);

/* The value behind a name in the frame on top; SN_NONE for "", and for an optional input that the call of a function
 * left out. */
setsuna_status sn_onnx_scope_resolve(sn_onnx_builder *b, sn_pb_bytes name, uint32_t *out);

/* The value of subgraph s that stands for capture i of its pending node; made when it is new. */
setsuna_status sn_onnx_scope_capture(sn_onnx_builder *b, const sn_onnx_frame *parent, sn_onnx_sub *s, size_t i,
                                     uint32_t *out);

/* ---- frames and graphs (onnx_graph.c) ---- */

/* A frame on top of the others. Pre: the depths were checked, so there is room. */
sn_onnx_frame *sn_onnx_frame_push(sn_onnx_builder *b, sn_onnx_frame_kind kind, sn_pb_bytes message, sn_graph *g);

/* Closes the frame on top. */
void sn_onnx_frame_pop(sn_onnx_builder *b);

/* How many frames of that kind are open. */
uint32_t sn_onnx_frame_depth(const sn_onnx_builder *b, sn_onnx_frame_kind kind);

/* An empty graph with the name that is in a GraphProto. */
setsuna_status sn_onnx_graph_create(sn_onnx_builder *b, sn_pb_bytes message, sn_graph **out);

/* Declares what the nodes of a frame make. field: SN_ONNX_GRAPH_NODE or SN_ONNX_FUNCTION_NODE. A function's outputs are
 * there already, as reserved names. */
setsuna_status sn_onnx_graph_declare_outputs(sn_onnx_builder *b, sn_onnx_frame *f, uint32_t field);

/* ---- nodes (onnx_node.c) ---- */

/* The head of a NodeProto; *out is filled as far as the message can be read, for the caller's message about it. */
setsuna_status sn_onnx_node_read(const sn_onnx_builder *b, sn_pb_bytes message, sn_onnx_node *out);

/* The version of a domain in force where frame f is: the function's own imports first. */
setsuna_status sn_onnx_node_opset(const sn_onnx_builder *b, const sn_onnx_frame *f, sn_pb_bytes domain, int32_t *out);

/* One node of the frame on top: a call, a constant, or a node of the graph. */
setsuna_status sn_onnx_node_import(sn_onnx_builder *b, sn_onnx_frame *f, sn_onnx_node *n);

/* ---- functions (onnx_call.c) ---- */

/* Opens the body of a function that a node calls. Pre: the call's inputs, outputs and attributes are in b. */
setsuna_status sn_onnx_call(sn_onnx_builder *b, sn_onnx_frame *caller, const sn_onnx_node *n,
                            const sn_onnx_function *fn);

/* The end of a body: its outputs become the caller's. */
setsuna_status sn_onnx_call_close(sn_onnx_builder *b, sn_onnx_frame *f);

#endif
