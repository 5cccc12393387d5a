/* Between the files of plan/: a plan while it is made. */
#ifndef SN_PLAN_BUILD_H
#define SN_PLAN_BUILD_H

#include "plan/plan.h"

/* What propagate found out about each node of the graph. */
typedef enum sn_node_state {
    SN_NODE_PLANNED, /* all outputs have types and shapes */
    SN_NODE_DYNAMIC, /* can run now, but its output shapes are known only afterwards (also If, Loop, Scan) */
    SN_NODE_DEFERRED /* waits for the shape or value of something */
} sn_node_state;

/* The tensors of a sequence, known at plan time. */
typedef struct sn_sequence {
    const uint32_t *item; /* values */
    size_t n;
    bool written; /* there is a SequenceConstruct for it among the deferred nodes */
} sn_sequence;

typedef struct sn_build {
    sn_plan_env *env;
    sn_graph *graph;        /* the working copy, in arena */
    sn_arena *arena;        /* of the plan: parameters and constants that stay */
    sn_arena *scratch;      /* gone when the plan is made */
    sn_pack_store *folding; /* packed constants of nodes that are folded: gone with the build */
    sn_op_ctx *ctx;         /* one, reused for every node */
    sn_op_memo memo;
    uint8_t *state; /* sn_node_state of each node of graph, after propagate */
    uint32_t *need; /* values that deferred nodes must know to be planned; may repeat. From the allocator */
    size_t n_need, cap_need;
    sn_sequence **sequence; /* per value, NULL for tensors; n_sequence entries. From the allocator */
    size_t n_sequence, cap_sequence;
    size_t folded_bytes; /* constants made by folding */
    bool late;           /* SN_OP_FOLD_LATE operators are folded now */
    setsuna_error *err;
} sn_build;

/* Infers, folds and inlines over b->graph in topological order; sets b->state and b->need, and the shape of every
 * value that a planned node makes. Values that have a shape already are not inferred again.
 * Returns OK or a failure of a node. */
setsuna_status sn_propagate(sn_build *b);

/* Fills b->ctx for a node whose inputs have shapes. */
void sn_build_ctx(sn_build *b, const sn_node *n, const sn_op *op, sn_pack_store *store);

/* Evaluates a node whose inputs are constant (or whose result follows from shapes: Shape, Size), making its outputs
 * constants of the graph. b->ctx is filled and inferred. *done is false when the result would be too large to keep. */
setsuna_status sn_fold_node(sn_build *b, const sn_node *n, const sn_op *op, bool dynamic, bool *done);

/* Cuts b->graph after what can be planned: the deferred nodes go to a new graph (in arena) whose inputs are the values
 * at the boundary; *rest_out is NULL when nothing is deferred. *bind_out: per input of rest. */
setsuna_status sn_split(sn_build *b, sn_graph **rest_out, bool **bind_out);

/* Replaces node `n` (an If with constant condition) by the chosen branch: nodes with values renamed into b->graph, in
 * topological order, in scratch. The branch's outputs are renamed to the If's. */
setsuna_status sn_inline_if(sn_build *b, const sn_node *n, sn_node **nodes_out, size_t *n_out);

/* ---- sequences (sequence_lower.c) ---- */

/* The sequence behind a value; NULL: it is a tensor, or not known. */
sn_sequence *sn_sequence_of(const sn_build *b, uint32_t value);

/* An operator on sequences or optionals, or an Identity of a sequence. */
bool sn_is_sequence_op(const sn_build *b, const sn_node *n);

enum { SN_SEQUENCE_UNKNOWN = 3 }; /* its input is not known yet: the node is deferred */

/* Resolves it: what it makes is recorded, and the nodes that stand for it (at most SN_OP_OUT_MAX + 2, in scratch) are
 * to be visited next. Returns OK, SN_INFER_NEED_VALUE (of input *need), SN_SEQUENCE_UNKNOWN, or a failure. */
int sn_lower_sequence(sn_build *b, const sn_node *n, sn_node **made_out, size_t *n_made, uint32_t *need);

/* A node that makes the sequence again in another graph. Returns OK or ENOMEM. */
setsuna_status sn_sequence_write_down(sn_build *b, uint32_t value, sn_node *made);

/* ---- operators of opsets 1 to 6 (legacy.c) ---- */

bool sn_is_legacy_op(const sn_node *n);

/* The nodes of later opsets that do the same (in scratch); input shapes are known. Returns OK, ESHAPE, ENOMEM. */
setsuna_status sn_lower_legacy(sn_build *b, const sn_node *n, sn_node **made_out, size_t *n_made);

/* ---- ONNX Runtime's operators on quantised tensors (qoperator.c) ---- */

bool sn_is_qoperator(const sn_node *n);

/* DequantizeLinear, the float operator and QuantizeLinear in its place (in scratch); input types are known. Returns OK,
 * EMODEL, EUNSUPPORTED, ENOMEM. */
setsuna_status sn_lower_qoperator(sn_build *b, const sn_node *n, sn_node **made_out, size_t *n_made);

/* Assigns slots and arena offsets. On entry the in and out of each step are value indices of b->graph; on return they
 * are slots. node: the graph's nodes in order; is_alias: those that made no step because their output is their input's
 * bytes; packed: per step, the inputs that its run does not read.
 * Drops steps that only copy what lies in its place already. Sets slot, n_slot, n_dynamic, arena_bytes, live_bytes,
 * const_bytes and output of the plan. */
setsuna_status sn_plan_memory(sn_build *b, sn_plan *plan, const sn_node *const *node, const bool *is_alias,
                              size_t n_node, const uint64_t *packed);

#endif
