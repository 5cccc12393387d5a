/* Loop nests for numpy broadcasting: made at plan time, walked at run time.
 *
 * The dims of the output are merged wherever every operand allows it, and the two innermost that are left become the
 * tile that a kernel gets (kernels/elementwise.h); the others are loops around it:
 *
 *     [2,3,32,32] + [3,1,1]            ->  outer 2,      tile 3 x 1024,  b: row 1, col 0
 *     [1,8,20,20,16] * [1,8,1,1,16]    ->  outer 8,      tile 400 x 16,  b: row 0, col 1
 *     [4,7,9] - [4,7,9]                ->  no loops,     tile 1 x 252
 */
#ifndef SN_OPS_NEST_H
#define SN_OPS_NEST_H

#include "ops/op.h"

typedef struct sn_nest {
    uint32_t n_in;
    int32_t rank;                  /* outer loops */
    int64_t numel;                 /* elements of the output */
    int64_t rows, cols;            /* the tile */
    int64_t dim[SETSUNA_RANK_MAX]; /* of the outer loops */
    const int64_t *row, *col;      /* per operand: the tile's distances; col is 0 or 1 */
    const int64_t *outer;          /* outer[operand * rank + loop]: the loop's distance */
} sn_nest;

/* For inputs first .. first + n_in - 1 of the node (all present, shapes broadcasting to *out). Lives in c->arena.
 * Returns OK, ENOMEM, or ELIMIT (more elements than an int64 counts). */
setsuna_status sn_nest_plan(sn_op_ctx *c, const setsuna_shape *out, uint32_t first, uint32_t n_in, sn_nest *nest_out);

/* One tile, or part of one: y and in[operand] are offsets in elements; rows x cols elements of the output, dense. */
typedef void sn_nest_fn(void *arg, int64_t y, const int64_t *in, int64_t rows, int64_t cols);

/* Calls fn for tiles that cover elements [begin, end) of the output, in order. */
void sn_nest_run(const sn_nest *nest, int64_t begin, int64_t end, sn_nest_fn *fn, void *arg);

/* Does operand i have the output's layout, every element once? */
static inline bool sn_nest_dense(const sn_nest *nest, uint32_t i)
{
    bool dense = (nest->col[i] == 1 || nest->cols == 1) && (nest->row[i] == nest->cols || nest->rows == 1);
    int64_t expect = nest->rows * nest->cols;
    for (int32_t d = nest->rank - 1; d >= 0; d--) {
        dense = dense && nest->outer[(int32_t)i * nest->rank + d] == expect;
        expect *= nest->dim[d];
    }
    return dense;
}

#endif
