/* The intermediate representation: a graph of nodes over values, in single static assignment form.
 *
 *     value 0 (input) ──▶ node Conv ──▶ value 2 ──▶ node Relu ──▶ value 3 (output)
 *     value 1 (const) ──▶
 *
 * Values and nodes are named by index, so a graph is cloned by copying two arrays; constants are shared.
 * Everything a graph points to lives in its arena, or (constant bytes) in the model it came from.
 * Nodes are in topological order after sn_graph_sort; passes mark nodes dead and sn_graph_sort drops them.
 *
 * Subgraphs (If, Loop, Scan) are closed: the importer turns each captured outer value into a further
 * input of the node AND a further input of every one of its subgraphs, in the same order, after the formal ones
 * (lambda lifting). node->n_formal counts the inputs that the operator itself defines.
 */
#ifndef SN_GRAPH_GRAPH_H
#define SN_GRAPH_GRAPH_H

#include "base/alloc.h"
#include "base/lazy_file.h"
#include "base/status.h"
#include "graph/tensor.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define SN_NONE UINT32_MAX /* no value: an optional input or output that is absent */

enum { SN_NODES_MAX = 1000000, SN_NAME_MAX = 1024, SN_SUBGRAPH_DEPTH_MAX = 32, SN_FUNCTION_DEPTH_MAX = 100 };

/* A constant tensor. data is borrowed from the model's bytes or the graph's arena, and MAY BE MISALIGNED
 * for its type (protobuf packs without padding): read through memcpy or sn_tensor_get_*, or let the plan make an
 * aligned copy. uid names the contents: two constants with one uid have equal bytes, so packed forms are shared
 * between plans.
 * Where file is set, the bytes are still in it: data only names the place, and sn_const_read gets them. That is so for
 * constants above 16 KiB only, and of those with a single dim that is not 1 above 64 KiB. */
typedef struct sn_const {
    setsuna_tensor t;
    uint64_t uid;
    const sn_lazy_file *file; /* NULL: data is readable */
} sn_const;

typedef struct sn_value {
    const char *name;    /* never NULL; may be "" for values that passes made */
    setsuna_dtype dtype; /* SETSUNA_DTYPE_NONE: not known yet */
    bool has_shape;      /* rank is known; single dims may still be -1 */
    setsuna_shape shape;
    const char *const *sym; /* per dim: its symbolic name or NULL; sym itself may be NULL */
    const sn_const *cst;    /* not NULL: a constant */
} sn_value;

typedef enum sn_attr_kind {
    SN_ATTR_INT,
    SN_ATTR_FLOAT,
    SN_ATTR_STRING,
    SN_ATTR_TENSOR,
    SN_ATTR_GRAPH,
    SN_ATTR_INTS,
    SN_ATTR_FLOATS,
    SN_ATTR_STRINGS,
    SN_ATTR_OTHER /* known to exist, not representable (sparse tensor, type proto, lists of graphs) */
} sn_attr_kind;

typedef struct sn_graph sn_graph;

typedef setsuna_text sn_text; /* here also NUL-terminated after len; may contain NUL */

typedef struct sn_attr {
    const char *name;
    sn_attr_kind kind;
    size_t n; /* elements of the list kinds */
    union {
        int64_t i;
        float f;
        sn_text s;
        const sn_const *t;
        sn_graph *g;
        const int64_t *ints;
        const float *floats;
        const sn_text *strings;
    };
} sn_attr;

typedef struct sn_node {
    const char *name;   /* never NULL; made up ("Conv_17") where the file has none */
    const char *op;     /* "Conv" */
    const char *domain; /* "" is ai.onnx, "setsuna" is ours */
    int32_t opset;      /* version of the domain in force */
    uint32_t n_in, n_out, n_attr, n_formal;
    uint32_t *in, *out; /* value indices or SN_NONE */
    sn_attr *attr;
    bool dead;
} sn_node;

struct sn_graph {
    sn_arena *arena; /* borrowed: subgraphs share the model's */
    const char *name;
    sn_value *value;
    size_t n_value, cap_value;
    sn_node *node;
    size_t n_node, cap_node;
    uint32_t *input, *output; /* value indices; constants (initializers) are not inputs */
    uint32_t n_input, n_output;
};

/* ---- building ------------------------------------------------------------------------------------ */

/* An empty graph in arena; NULL: out of memory. */
sn_graph *sn_graph_create(sn_arena *arena, const char *name);

/* A copy whose nodes and values can be changed freely; attributes, names, constants and subgraphs are shared.
 * arena: where the copy lives. NULL: out of memory. */
sn_graph *sn_graph_clone(const sn_graph *g, sn_arena *arena);

/* Adds a value (name is copied by reference) and returns its index; SN_NONE: out of memory. */
uint32_t sn_graph_add_value(sn_graph *g, const char *name, setsuna_dtype dtype);

/* Adds a constant value. data is borrowed. uid: see sn_const. SN_NONE: out of memory. */
uint32_t sn_graph_add_const(sn_graph *g, const char *name, const setsuna_tensor *t, uint64_t uid);

/* The uid of a constant from its type, shape and bytes. */
uint64_t sn_const_uid(const setsuna_tensor *t);

/* Copies a constant's bytes to dst, wherever they are. Thread-safe. Returns OK or EIO. */
setsuna_status sn_const_read(const sn_const *c, void *dst, setsuna_error *err);

/* The same of bytes [offset, offset + size_bytes), which the constant has. */
setsuna_status sn_const_read_part(const sn_const *c, size_t offset, size_t size_bytes, void *dst, setsuna_error *err);

/* Adds a node; in and out are copied. The pointer is valid until the next node is added. NULL: out of memory. */
sn_node *sn_graph_add_node(sn_graph *g, const char *domain, const char *op, int32_t opset, const char *name,
                           const uint32_t *in, uint32_t n_in, const uint32_t *out, uint32_t n_out);

setsuna_status sn_graph_set_inputs(sn_graph *g, const uint32_t *v, uint32_t n);
setsuna_status sn_graph_set_outputs(sn_graph *g, const uint32_t *v, uint32_t n);

/* Attributes: add replaces one of the same name. false: out of memory. */
bool sn_node_add_int(sn_graph *g, sn_node *n, const char *name, int64_t v);
bool sn_node_add_float(sn_graph *g, sn_node *n, const char *name, float v);
bool sn_node_add_ints(sn_graph *g, sn_node *n, const char *name, const int64_t *v, size_t count);
bool sn_node_add_floats(sn_graph *g, sn_node *n, const char *name, const float *v, size_t count);
bool sn_node_add_string(sn_graph *g, sn_node *n, const char *name, const char *v);
bool sn_node_add_attr(sn_graph *g, sn_node *n, const sn_attr *attr); /* copies *attr */

/* ---- reading ------------------------------------------------------------------------------------- */

/* NULL when absent. The typed readers give fallback when the attribute is absent or of another kind; an op's
 * check of kinds happens once, in sn_op_check (ops/op.h). */
const sn_attr *sn_node_attr(const sn_node *n, const char *name);
int64_t sn_node_int(const sn_node *n, const char *name, int64_t fallback);
float sn_node_float(const sn_node *n, const char *name, float fallback);
const char *sn_node_string(const sn_node *n, const char *name, const char *fallback);
/* Points *out into the attribute; returns the number of elements, 0 when absent. */
size_t sn_node_ints(const sn_node *n, const char *name, const int64_t **out);
size_t sn_node_floats(const sn_node *n, const char *name, const float **out);

static inline uint32_t sn_node_in(const sn_node *n, uint32_t i)
{
    return i < n->n_in ? n->in[i] : SN_NONE;
}
static inline uint32_t sn_node_out(const sn_node *n, uint32_t i)
{
    return i < n->n_out ? n->out[i] : SN_NONE;
}
static inline bool sn_node_is(const sn_node *n, const char *domain, const char *op)
{
    return !n->dead && __builtin_strcmp(n->op, op) == 0 && __builtin_strcmp(n->domain, domain) == 0;
}

/* The constant behind a value, or NULL (also for SN_NONE). */
const sn_const *sn_graph_const(const sn_graph *g, uint32_t value);

/* ---- use-def, for passes -------------------------------------------------------------------------- */

/* Who makes and who reads each value; a snapshot, rebuilt by the caller after it changed the graph. */
typedef struct sn_uses {
    uint32_t *producer; /* node index or SN_NONE (inputs, constants) per value */
    uint32_t *n_use;    /* readers (graph outputs count one each) per value */
    uint32_t *first;    /* index into reader[] per value */
    uint32_t *reader;   /* node indices, grouped by value; graph outputs are SN_NONE */
} sn_uses;

/* In arena. Returns OK or ENOMEM. Dead nodes are left out. */
setsuna_status sn_uses_build(const sn_graph *g, sn_arena *arena, sn_uses *out);

/* Makes every reader of `from` (and graph output) read `to` instead. Walks all nodes. */
void sn_graph_replace_value(sn_graph *g, uint32_t from, uint32_t to);

/* Drops dead nodes and nodes none of whose outputs are read, and puts the rest in topological order, stable.
 * Returns OK, ENOMEM, or EMODEL (a cycle: names one node on it). */
setsuna_status sn_graph_sort(sn_graph *g, setsuna_error *err);

/* Every value is made once, before it is read; indices are in range; outputs exist. Does not need sorting first
 * for anything but order. Returns OK, ENOMEM or EMODEL with the node's name. Subgraphs are checked by the
 * importer one by one, so this does not recurse. */
setsuna_status sn_graph_verify(const sn_graph *g, setsuna_error *err);

/* The graph as text, one node a line; subgraphs indented after their node (depth is bounded). */
void sn_graph_dump(const sn_graph *g, FILE *out);

#endif
