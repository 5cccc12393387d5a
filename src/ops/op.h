/* What an operator is to the planner: how it checks itself, what its outputs look like, which kernel runs it.
 *
 * Three moments in a node's life, each with its own function:
 *
 *   infer   plan time: attributes and input types are checked, output types and shapes are set
 *   bind    plan time: a kernel is chosen, constants are packed, parameters are resolved into the step
 *   run     run time: step->run(step, r) reads and writes the slots; no allocation, no system call
 *
 * One file an operator family (ops/conv.c, ops/reduce.c, ...) defines a table `const sn_op sn_ops_<family>[]` ended
 * by an entry with name NULL; families.inc lists the families.
 */
#ifndef SN_OPS_OP_H
#define SN_OPS_OP_H

#include "base/pool.h"
#include "base/precision.h"
#include "graph/graph.h"
#include "ops/pack_store.h"

enum { SN_OP_IN_MAX = 64, SN_OP_OUT_MAX = 64 }; /* formal inputs and outputs of one node; Concat, Sum, Split... */

typedef struct sn_op sn_op;
typedef struct sn_op_ctx sn_op_ctx;
typedef struct sn_step sn_step;
typedef struct sn_run sn_run;

/* ---- plan time ----------------------------------------------------------------------------------- */

/* One input or output of the node being planned. */
typedef struct sn_operand {
    bool present; /* false: optional and absent */
    setsuna_dtype dtype;
    setsuna_shape shape; /* all dims known */
    const sn_const *cst; /* inputs: not NULL when the value is known at plan time (may be misaligned, see sn_const) */
    /* The f16 or bf16 that a dtype of f32 stands for (SN_OP_F16_AS_F32), or NONE. The planner sets that of the inputs,
     * and gives all outputs that of the first floating-point input; an infer whose outputs follow other rules sets
     * theirs. */
    setsuna_dtype half;
} sn_operand;

/* What infer may answer besides a setsuna_status <= 0. */
enum {
    /* Shapes depend on the value of input ctx->need, which is not known at plan time. The planner ends the segment
     * before this node and plans the rest when the value is there. Use sn_op_need(). */
    SN_INFER_NEED_VALUE = 1,
    /* Output shapes depend on data (NonZero, Unique): dtype must be set for each output; the step calls
     * sn_run_output for each of them. The planner ends the segment after this node. */
    SN_INFER_DYNAMIC = 2
};

struct sn_op_ctx {
    const sn_node *node;
    const sn_op *op;
    uint32_t n_in, n_out; /* = node's; trailing absent ones included */
    sn_operand in[SN_OP_IN_MAX];
    sn_operand out[SN_OP_OUT_MAX]; /* present is set by the planner; infer sets dtype and shape; bind reads them */
    sn_cpu_level cpu;
    sn_precision precision;
    uint32_t n_threads; /* threads a step may use */
    bool no_winograd;   /* convolutions as plain sums only */
    sn_arena *arena;    /* plan lifetime: parameters */
    sn_pack_store *store;
    uint32_t need;   /* with SN_INFER_NEED_VALUE: index of the input */
    uint64_t packed; /* set by sn_op_pack: inputs whose bytes run does not read, bit i for input i */
    setsuna_error *err;
};

typedef setsuna_status sn_step_fn(const sn_step *s, sn_run *r);

/* A run of bytes that a step copies, from input `in` to output `out`, both counted from the operand's first byte. */
typedef struct sn_step_copy {
    uint32_t in, out;
    size_t from, to, n_bytes;
} sn_step_copy;

/* One planned node. Immutable after planning, shared by sessions. */
struct sn_step {
    sn_step_fn *run;
    const void *param;   /* the op's own, plan lifetime */
    const uint32_t *in;  /* slot of each input, SN_NONE when absent */
    const uint32_t *out; /* slot of each output, SN_NONE when absent */
    uint32_t n_in, n_out;
    size_t scratch_bytes; /* what run needs in r->scratch, SN_ALIGN-aligned, contents undefined */
    uint32_t n_parts;     /* how many threads this step deserves (>= 1), set by bind; the planner caps it */
    const char *kernel;   /* "sn_conv_f32_nchw16c_avx512": for inspect and profile; never NULL after bind */
    const char *name;     /* the node's name, and op */
    const char *op;
    /* Not NULL: the n_copy runs are all that the step does, they do not overlap in an output, and one whose source is
     * its destination is left alone. The planner may give operands such places, and drop a step with nothing left to
     * do. */
    const sn_step_copy *copy;
    uint32_t n_copy;
    double flops; /* arithmetic by the operator's definition, for inspect and the roofline; 0 none, or unknown */
    double work;  /* arithmetic that the kernel's algorithm needs, where that is less (Winograd); 0: flops */
    double bytes; /* compulsory memory traffic; left 0 by bind, it becomes that of reading all inputs and writing all
                     outputs once */
};

/* Flags of sn_op. */
enum {
    SN_OP_INPLACE = 1 << 0, /* out[0] may share memory with any input of the same byte size that dies here */
    SN_OP_ALIAS = 1 << 1,   /* out[0] is in[0]'s bytes under another shape: no step at all (Reshape, Identity) */
    SN_OP_RANDOM = 1 << 2,  /* output is not a function of the inputs: never folded */
    SN_OP_CONTROL = 1 << 3, /* has subgraphs (exec/control_flow.c), or the planner puts other nodes in its place: infer
                               and bind are NULL */
    SN_OP_F16_AS_F32 = 1 << 4, /* f16 and bf16 operands: the planner wraps the node in Casts; it sees f32 */
    SN_OP_FOLD_LATE = 1 << 5   /* not folded before the pass that says so (pass.h): passes look at its inputs */
};

struct sn_op {
    const char *domain;                       /* "", "setsuna", "ai.onnx.ml", "com.microsoft" */
    const char *name;                         /* "Conv"; NULL ends a table */
    int16_t since, until;                     /* opset versions [since, until]; until 0 = no end */
    uint8_t min_in, max_in, min_out, max_out; /* counts of formal inputs and outputs; 255 = SN_OP_IN_MAX */
    uint32_t flags;
    const char *attrs; /* permitted attributes with kind: "axis:i keepdims:i axes:I alpha:f mode:s value:t pads:I"
                          (i int, f float, s string, t tensor, g graph, I ints, F floats, S strings). A node with
                          any other attribute is refused as unsupported, by sn_op_check. */
    setsuna_status (*infer)(sn_op_ctx *c);
    setsuna_status (*bind)(sn_op_ctx *c, sn_step *s);
};

/* The operator for a node: the entry of the highest `since` <= node->opset whose `until` allows it. NULL: none. */
const sn_op *sn_op_find(const char *domain, const char *name, int32_t opset);

/* What sn_op_find answered lately: a model has few operators and many nodes. All zero at first; the strings that were
 * asked for need not stay. */
enum { SN_OP_MEMO_SLOTS = 64 };

typedef struct sn_op_memo {
    const sn_op *op[SN_OP_MEMO_SLOTS];
    int32_t opset[SN_OP_MEMO_SLOTS];
} sn_op_memo;

/* As sn_op_find. memo: NULL, or used by one thread at a time. */
const sn_op *sn_op_recall(sn_op_memo *memo, const char *domain, const char *name, int32_t opset);

/* Calls fn for every registered operator, sorted by domain, name, since. */
void sn_op_each(void (*fn)(const sn_op *op, void *arg), void *arg);

/* Is there an operator, are the counts right, are all attributes permitted and of the right kind? memo: NULL is fine.
 * Returns OK, EUNSUPPORTED or EMODEL with a text that names node, operator and opset. */
setsuna_status sn_op_check(const sn_node *n, sn_op_memo *memo, const sn_op **op_out, setsuna_error *err);

/* ---- helpers for infer and bind (ops/op.c) --------------------------------------------------------- */

/* Fails with where = "node 'NAME' (OP, opset N)". */
setsuna_status sn_op_fail(sn_op_ctx *c, setsuna_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "return sn_op_need(c, 1)" in infer: the value of input i is needed. */
setsuna_status sn_op_need(sn_op_ctx *c, uint32_t i);

/* Input i is present. */
static inline bool sn_op_has(const sn_op_ctx *c, uint32_t i)
{
    return i < c->n_in && c->in[i].present;
}
static inline bool sn_op_has_out(const sn_op_ctx *c, uint32_t i)
{
    return i < c->n_out && c->out[i].present;
}

/* The input's dtype is in the set: a list such as "f32 f64 i64" or a class: "float" (f16 bf16 f32 f64), "int"
 * (all signed and unsigned), "num" (float + int), "any" (num + bool). Fails with EUNSUPPORTED and the list. */
setsuna_status sn_op_want(sn_op_ctx *c, uint32_t i, const char *dtypes);

/* All integers of constant input i (1-D or scalar, i32 or i64) into out (cap elements), count to *n_out.
 * Returns OK, SN_INFER_NEED_VALUE when it is not constant, or ESHAPE. */
setsuna_status sn_op_const_ints(sn_op_ctx *c, uint32_t i, int64_t *out, size_t cap, size_t *n_out);

/* Sets output i. */
void sn_op_out(sn_op_ctx *c, uint32_t i, setsuna_dtype dtype, const setsuna_shape *shape);

/* infer for "output 0 has input 0's type and shape". */
setsuna_status sn_infer_same(sn_op_ctx *c);

/* infer for numpy broadcasting of all inputs; output 0 takes input 0's type. */
setsuna_status sn_infer_broadcast(sn_op_ctx *c);

/* bind for SN_OP_ALIAS operators: copies input 0 to output 0 where an alias is not possible (ops/identity.c). */
setsuna_status sn_bind_copy(sn_op_ctx *c, sn_step *s);

/* Parameters of a step: zeroed plan-lifetime memory, or NULL (out of memory: return SETSUNA_ENOMEM). */
void *sn_op_param(sn_op_ctx *c, size_t size_bytes);

/* Constants in a kernel's own layout, shared by all plans of a model: the bytes with this key are made once by
 * fill and live until the model is closed.
 * key must name the layout and everything fill reads: sn_hash_u64(sn_hash_str(0, "conv_nchw16c"), cst->uid), ...
 * source: the constants that fill reads (n_source <= SN_PACK_SOURCES_MAX, entries may be NULL). Those that are inputs
 * of this node count as consumed: run must not read them (sn_in gives NULL).
 * Returns OK (*out is borrowed), ENOMEM, EIO. */
setsuna_status sn_op_pack(sn_op_ctx *c, uint64_t key, size_t size_bytes, sn_pack_fn *fill, const void *arg,
                          const sn_const *const *source, uint32_t n_source, const void **out);

/* ---- run time -------------------------------------------------------------------------------------- */

/* State of one run of one session. */
struct sn_run {
    void *const *slot;          /* data of each slot */
    const setsuna_tensor *desc; /* dtype and shape of each slot (data field unused); for dynamic slots as last set */
    void *scratch;              /* never NULL, SN_ALIGN-aligned */
    sn_pool *pool;              /* NULL: one thread */
    setsuna_error *err;
    void *session; /* exec's own */
    /* Gives a dynamic output its shape and memory (kept by the session, grows only). */
    setsuna_status (*output)(sn_run *r, uint32_t slot, setsuna_dtype dtype, const setsuna_shape *shape,
                             void **data_out);
};

#ifdef __clang_analyzer__ /* It takes the NULL of an absent operand for a possible value of one that cannot be absent. \
                           */
void *sn_in(const sn_step *s, const sn_run *r, uint32_t i);
void *sn_out(const sn_step *s, const sn_run *r, uint32_t i);
#else
static inline void *sn_in(const sn_step *s, const sn_run *r, uint32_t i)
{
    return i < s->n_in && s->in[i] != SN_NONE ? r->slot[s->in[i]] : NULL;
}

static inline void *sn_out(const sn_step *s, const sn_run *r, uint32_t i)
{
    return i < s->n_out && s->out[i] != SN_NONE ? r->slot[s->out[i]] : NULL;
}
#endif

/* Only in steps whose infer answered SN_INFER_DYNAMIC. *data_out is NULL for an absent output.
 * Returns OK, ENOMEM, ELIMIT. */
setsuna_status sn_run_output(const sn_step *s, sn_run *r, uint32_t i, setsuna_dtype dtype, const setsuna_shape *shape,
                             void **data_out);

/* A run-time failure caused by data (an index out of range): where = the node. */
setsuna_status sn_run_fail(const sn_step *s, sn_run *r, setsuna_status status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* Splits the step's work over its threads: fn(arg, part, n_parts). */
static inline void sn_run_parallel(const sn_step *s, sn_run *r, sn_pool_fn *fn, void *arg)
{
    sn_pool_run(r->pool, fn, arg, s->n_parts);
}

#ifdef __clang_analyzer__ /* see base/status.h */
#define sn_op_fail(c, status, ...) (sn_op_fail(c, status, __VA_ARGS__), (status))
#define sn_run_fail(s, r, status, ...) (sn_run_fail(s, r, status, __VA_ARGS__), (status))
#endif

#endif
