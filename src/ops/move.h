/* Strided copies: one engine behind every operator that only moves elements.
 *
 * An operator describes what it does as a view, "for every index i: dst[f(i)] = src[g(i)]" with f and g linear, and
 * the engine finds the fast way: unit axes are dropped, axes that are adjacent in both tensors merge, short
 * contiguous runs become wider elements, and the innermost loop becomes a memcpy, a strided loop or a blocked
 * two-axis transpose (kernels/transpose.h).
 *
 *     Transpose   src strides permuted          Expand, Tile   src strides of 0
 *     Slice       src strides times steps       Concat, Split  one view per input or output
 */
#ifndef SN_OPS_MOVE_H
#define SN_OPS_MOVE_H

#include "kernels/transpose.h"
#include "ops/op.h"

enum { SN_MOVE_RANK_MAX = 2 * SETSUNA_RANK_MAX }; /* Tile splits each axis in two */

/* dst[dst_at + sum i_k dst_stride_k] = src[src_at + sum i_k src_stride_k] for 0 <= i_k < n_k. In elements; strides may
 * be 0 (src only) or negative. Axes should be in the order of falling dst strides, which is the order of writing. */
typedef struct sn_move_view {
    int32_t rank;
    int64_t n[SN_MOVE_RANK_MAX], src[SN_MOVE_RANK_MAX], dst[SN_MOVE_RANK_MAX];
    int64_t src_at, dst_at;
} sn_move_view;

typedef enum sn_move_kind {
    SN_MOVE_NOTHING, /* no elements */
    SN_MOVE_RUNS,    /* the last axis is contiguous in both: memcpy */
    SN_MOVE_STRIDED, /* the last axis has any strides */
    SN_MOVE_BLOCKS   /* the last axis is contiguous in dst, the one before in src: transpose */
} sn_move_kind;

/* A view made ready to run. */
typedef struct sn_move {
    sn_move_kind kind;
    size_t unit_bytes; /* of the possibly widened element: 1, 2, 4, 8 or 16 */
    sn_move_view v;    /* in units; rank >= 1 unless kind is NOTHING */
    int32_t split;     /* the axis that threads share */
    sn_transpose_fn *transpose;
} sn_move;

/* elem_bytes: 1, 2, 4, 8 or 16. */
void sn_move_init(sn_move *m, const sn_move_view *v, size_t elem_bytes, const sn_transpose_table *t);

/* Runs share `part` of n_parts. dst and src need no alignment and must not overlap. */
void sn_move_run(const sn_move *m, void *dst, const void *src, uint32_t part, uint32_t n_parts);

/* Elements a view moves; its dims are products of existing tensors' dims, so this cannot overflow. */
int64_t sn_move_view_numel(const sn_move_view *v);

/* ---- for operators -------------------------------------------------------------------------------- */

/* Row-major strides of a shape. Products wrap where a tensor without elements has huge dims: nothing is addressed
 * then. */
void sn_move_strides(const setsuna_shape *s, int64_t stride[SETSUNA_RANK_MAX]);

/* A view with the axes of `out` (dense row-major dst); src strides are the caller's to set. */
sn_move_view sn_move_view_of(const setsuna_shape *out);

/* The dtype of input i has elements of a known size. Fails with EUNSUPPORTED. */
setsuna_status sn_move_want(sn_op_ctx *c, uint32_t i);

/* The axes list of a node normalised to [0, rank): distinct axes, each once. Fails with ESHAPE. */
setsuna_status sn_move_axes(sn_op_ctx *c, const int64_t *axes, size_t n, int32_t rank, int32_t out[SETSUNA_RANK_MAX]);

/* bind of an operator that is a list of views: begin once, then add each (at most n_max). Views are in elements of the
 * output's type and are copied. Sets run, param, kernel, n_parts and bytes of the step. Returns OK or ENOMEM. */
typedef struct sn_move_list sn_move_list;
setsuna_status sn_move_bind_begin(sn_op_ctx *c, sn_step *s, uint32_t n_max, sn_move_list **out);
void sn_move_bind_add(sn_op_ctx *c, sn_step *s, sn_move_list *list, uint32_t in, uint32_t out, const sn_move_view *v);

/* bind of an operator that is one view from input 0 to output 0. */
setsuna_status sn_move_bind(sn_op_ctx *c, sn_step *s, const sn_move_view *v);

#endif
