/* Graph rewrites. One pass a file; each draws its before and after in its header comment and has a test of both.
 *
 * Passes run when a plan is made: every value has its type and its whole shape then (sn_value.dtype, .shape), and
 * values that could be computed are constants already. A pass rewrites nodes and may leave values that it made without
 * type and shape (the planner infers again after each pass that changed something) and dead nodes (dropped then).
 *
 * Order matters and is the order of passes.inc:
 *   simplify (no-ops away)  ->  outline-batch (item by item where images are large)  ->  keep-f32 (between operators on
 * f16)  ->  recognise (hard-swish, swish, GELU, layer norm; what is quantised; Fourier transforms)  ->  fold (affine,
 * batch norm into convolutions)  ->  fuse (activation, residual)  ->  layout (blocked channels)  ->  fuse-dft,
 * fuse-gemm, fuse-attention  ->  fuse-eltwise (what is left)  ->  narrow-bf16
 */
#ifndef SN_PASSES_PASS_H
#define SN_PASSES_PASS_H

#include "base/precision.h"
#include "graph/graph.h"

typedef struct sn_pass_ctx {
    sn_cpu_level cpu; /* the level the plan is for */
    sn_precision precision;
    bool no_winograd; /* convolutions as plain sums only */
    sn_arena *arena;  /* scratch of this pass: use-def chains and the like; gone when the pass returns */
    setsuna_error *err;
} sn_pass_ctx;

typedef struct sn_pass {
    const char *name; /* "fold-affine" */
    /* Sets *changed when it rewrote something. Returns OK, ENOMEM, or EMODEL. New objects go to g->arena; the uid of a
     * new constant must follow from what it was made of (sn_hash_u64 over the sources' uids and the pass's name), so
     * that packed forms are shared between plans. */
    setsuna_status (*run)(sn_graph *g, const sn_pass_ctx *ctx, bool *changed);
} sn_pass;

/* Once this pass has run, nodes of SN_OP_FOLD_LATE operators (ops/op.h) are folded like all others. */
extern const sn_pass sn_pass_recognise_quantised;

/* All passes in order, ended by NULL. */
const sn_pass *const *sn_passes(void);

#endif
