/* The ten Reduce operators. f32 folds that vectorise run in passes over kernels/reduce.h; everything else takes the
 * plain way, one output element at a time, in double or in wrapping 64-bit integers. */
#include "kernels/reduce.h"
#include "base/checked.h"
#include "ops/move.h"
#include "ops/parts.h"
#include "ops/typed.h"
#include <math.h>
#include <string.h>

typedef enum reduce_kind {
    REDUCE_L1,
    REDUCE_L2,
    REDUCE_LOG_SUM,
    REDUCE_LOG_SUM_EXP,
    REDUCE_MAX,
    REDUCE_MEAN,
    REDUCE_MIN,
    REDUCE_PROD,
    REDUCE_SUM,
    REDUCE_SUM_SQUARE
} reduce_kind;

/* ---- attributes and shape rule ----------------------------------------------------------------------- */

static reduce_kind reduce_kind_of(const sn_op *op)
{
    static const char *const name[] = {"ReduceL1",   "ReduceL2",  "ReduceLogSum", "ReduceLogSumExp", "ReduceMax",
                                       "ReduceMean", "ReduceMin", "ReduceProd",   "ReduceSum",       "ReduceSumSquare"};
    int k = 0;
    while (strcmp(name[k], op->name) != 0)
        k++;
    return (reduce_kind)k;
}

/* Which axes are folded. *nothing: the node asks for no reduction at all and is a copy. */
static setsuna_status reduce_axes(sn_op_ctx *c, bool fold[SETSUNA_RANK_MAX], bool *nothing)
{
    int32_t rank = c->in[0].shape.rank, axis[SETSUNA_RANK_MAX];
    int64_t list[SETSUNA_RANK_MAX];
    const int64_t *axes = list;
    size_t n = 0;
    if (sn_op_has(c, 1)) /* only the opsets that have the input */
        SN_TRY(sn_op_const_ints(c, 1, list, SETSUNA_RANK_MAX, &n));
    else
        n = sn_node_ints(c->node, "axes", &axes);
    SN_TRY(sn_move_axes(c, axes, n, rank, axis));
    for (int32_t i = 0; i < rank; i++)
        fold[i] = n == 0;
    for (size_t i = 0; i < n; i++)
        fold[axis[i]] = true;
    *nothing = n == 0 && sn_node_int(c->node, "noop_with_empty_axes", 0) != 0;
    return SETSUNA_OK;
}

static setsuna_status reduce_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape;
    reduce_kind kind = reduce_kind_of(c->op);
    bool fold[SETSUNA_RANK_MAX], nothing, keep = sn_node_int(c->node, "keepdims", 1) != 0;
    int64_t total;
    SN_TRY(sn_op_want(c, 0, kind == REDUCE_MAX || kind == REDUCE_MIN ? "num bool" : "num"));
    SN_TRY(reduce_axes(c, fold, &nothing));
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has too many elements");
    if (nothing)
        return sn_infer_same(c);
    setsuna_shape y = {.rank = 0};
    for (int32_t i = 0; i < x->rank; i++)
        if (!fold[i] || keep)
            y.dim[y.rank++] = fold[i] ? 1 : x->dim[i];
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

/* Neighbouring axes of one fate, merged; extents of 1 are left out. At least one group is folded. */
typedef struct reduce_groups {
    int32_t count;
    int64_t n[SETSUNA_RANK_MAX], stride[SETSUNA_RANK_MAX];
    bool fold[SETSUNA_RANK_MAX];
} reduce_groups;

static void reduce_group(const setsuna_shape *x, const bool *fold, reduce_groups *g)
{
    int64_t stride[SETSUNA_RANK_MAX];
    sn_move_strides(x, stride);
    g->count = 0;
    for (int32_t i = 0; i < x->rank; i++) {
        if (x->dim[i] == 1)
            continue;
        if (g->count && g->fold[g->count - 1] == fold[i]) {
            g->n[g->count - 1] = (int64_t)((uint64_t)g->n[g->count - 1] * (uint64_t)x->dim[i]);
            g->stride[g->count - 1] = stride[i];
        } else {
            g->n[g->count] = x->dim[i];
            g->stride[g->count] = stride[i];
            g->fold[g->count++] = fold[i];
        }
    }
    if (g->count == 0 || (g->count == 1 && !g->fold[0])) { /* each element for itself */
        g->n[g->count] = g->stride[g->count] = 1;
        g->fold[g->count++] = true;
    }
}

/* ---- the plain way ----------------------------------------------------------------------------------- */

typedef struct reduce_acc {
    double f, max, log_sum; /* max and log_sum: LogSumExp, log_sum = sum of exp(x - max) */
    uint64_t u;
    uint8_t best[8]; /* max, min: an element */
    bool any;
} reduce_acc;

/* One pass, rescaled whenever the maximum grows; infinities would make NaN of inf - inf. */
static void reduce_log_add(reduce_acc *acc, double x)
{
    if (x == acc->max) {
        acc->log_sum += isinf(x) && x < 0 ? 0.0 : 1.0;
    } else if (x > acc->max) {
        acc->log_sum = acc->log_sum * exp(acc->max - x) + 1.0;
        acc->max = x;
    } else {
        acc->log_sum += exp(x - acc->max);
    }
}

typedef void reduce_fold_fn(reduce_kind kind, const void *x, int64_t n, int64_t step, reduce_acc *acc);
typedef void reduce_finish_fn(reduce_kind kind, const reduce_acc *acc, int64_t count, void *y);

#define EACH_TYPE "ops/reduce_typed.inc"
#include "ops/each_type.inc"

/* Also where nothing was folded, a bool is 0 or 1. */
static void reduce_finish_bool(reduce_kind kind, const reduce_acc *acc, int64_t count, void *y)
{
    reduce_finish_u8(kind, acc, count, y);
    *(uint8_t *)y = *(uint8_t *)y != 0;
}

typedef struct reduce_plain_param {
    reduce_kind kind;
    size_t size;
    int64_t total, count; /* elements of the output; folded into each */
    int32_t n_keep, n_fold;
    int64_t keep[SETSUNA_RANK_MAX], keep_stride[SETSUNA_RANK_MAX];
    int64_t fold[SETSUNA_RANK_MAX], fold_stride[SETSUNA_RANK_MAX];
    reduce_fold_fn *fold_fn;
    reduce_finish_fn *finish_fn;
} reduce_plain_param;

/* Advances a counter over n extents and the offset that belongs to it; false: it went round. */
static bool reduce_next(int32_t n_axes, const int64_t *n, const int64_t *stride, int64_t *i, int64_t *at)
{
    for (int32_t d = n_axes - 1; d >= 0; d--) {
        *at += stride[d];
        if (++i[d] < n[d])
            return true;
        *at -= stride[d] * n[d];
        i[d] = 0;
    }
    return false;
}

static setsuna_status reduce_plain_run(const sn_step *s, sn_run *r)
{
    const reduce_plain_param *p = s->param;
    const uint8_t *x = sn_in(s, r, 0);
    uint8_t *y = sn_out(s, r, 0);
    int64_t i[SETSUNA_RANK_MAX] = {0}, base = 0;
    int32_t last = p->n_fold - 1;
    for (int64_t k = 0; k < p->total; k++) {
        reduce_acc acc = {
            .f = p->kind == REDUCE_PROD ? 1.0 : 0.0, .max = (double)-INFINITY, .u = p->kind == REDUCE_PROD};
        int64_t j[SETSUNA_RANK_MAX] = {0}, at = base;
        if (p->count)
            do
                p->fold_fn(p->kind, x + (size_t)at * p->size, p->fold[last], p->fold_stride[last], &acc);
            while (reduce_next(last, p->fold, p->fold_stride, j, &at));
        p->finish_fn(p->kind, &acc, p->count, y + (size_t)k * p->size);
        reduce_next(p->n_keep, p->keep, p->keep_stride, i, &base);
    }
    return SETSUNA_OK;
}

static setsuna_status reduce_plain_bind(sn_op_ctx *c, sn_step *s, const reduce_groups *g, int64_t count)
{
    static reduce_fold_fn *const fold[SN_TYPED_TABLE_SIZE] = SN_EACH_TYPE_TABLE(reduce_fold);
    static reduce_finish_fn *const finish[SN_TYPED_TABLE_SIZE] = SN_EACH_TYPE_TABLE(reduce_finish);
    reduce_plain_param *p = sn_op_param(c, sizeof *p);
    setsuna_dtype dtype = c->in[0].dtype == SETSUNA_BOOL ? SETSUNA_U8 : c->in[0].dtype;
    if (!p)
        return SETSUNA_ENOMEM;
    p->kind = reduce_kind_of(c->op);
    p->size = setsuna_dtype_size(dtype);
    p->count = count;
    p->fold_fn = fold[dtype];
    p->finish_fn = c->in[0].dtype == SETSUNA_BOOL ? reduce_finish_bool : finish[dtype];
    if (!sn_shape_numel(&c->out[0].shape, &p->total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output has too many elements");
    for (int32_t i = 0; i < g->count; i++) {
        if (g->fold[i]) {
            p->fold[p->n_fold] = g->n[i];
            p->fold_stride[p->n_fold++] = count ? g->stride[i] : 0;
        } else {
            p->keep[p->n_keep] = g->n[i];
            p->keep_stride[p->n_keep++] = count ? g->stride[i] : 0;
        }
    }
    s->run = reduce_plain_run;
    s->param = p;
    s->kernel = "reduce_plain";
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- f32 in passes --------------------------------------------------------------------------------- */

enum { REDUCE_PASSES_MAX = SETSUNA_RANK_MAX / 2 };

/* (outer, n, inner) -> (outer, inner) */
typedef struct reduce_pass {
    int64_t outer, n, inner;
    sn_reduce_rows_fn *rows; /* inner == 1 */
    sn_reduce_cols_fn *cols;
    size_t at_bytes; /* of the result in scratch, unless it is the last pass */
} reduce_pass;

typedef struct reduce_f32_param {
    int32_t n_pass; /* 0: no output elements */
    reduce_pass pass[REDUCE_PASSES_MAX];
    float divisor; /* of the last pass */
    bool root, log;
} reduce_f32_param;

typedef struct reduce_job {
    const reduce_f32_param *p;
    const reduce_pass *pass;
    const float *x;
    float *y;
    bool last;
} reduce_job;

/* What is left to do to n results. */
static void reduce_f32_finish(const reduce_job *j, float *y, int64_t n)
{
    for (int64_t i = 0; i < n && j->last && j->p->root; i++)
        y[i] = sqrtf(y[i]);
    for (int64_t i = 0; i < n && j->last && j->p->log; i++)
        y[i] = logf(y[i]);
}

/* The outer indices [o, o + n_outer), and of each the columns [i, i + n_inner). */
static void reduce_f32_range(const reduce_job *j, int64_t o, int64_t n_outer, int64_t i, int64_t n_inner)
{
    const reduce_pass *pass = j->pass;
    float divisor = j->last ? j->p->divisor : 1.0f;
    if (pass->rows) {
        pass->rows(j->y + o, j->x + o * pass->n, n_outer, pass->n, pass->n, divisor);
        reduce_f32_finish(j, j->y + o, n_outer);
        return;
    }
    for (int64_t k = o; k < o + n_outer; k++) {
        float *y = j->y + k * pass->inner + i;
        pass->cols(y, j->x + k * pass->n * pass->inner + i, pass->n, n_inner, pass->inner, divisor);
        reduce_f32_finish(j, y, n_inner);
    }
}

static void reduce_f32_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const reduce_job *j = arg;
    const reduce_pass *pass = j->pass;
    int64_t begin, end;
    bool by_outer = pass->rows || pass->outer >= n_parts;
    sn_pool_range(by_outer ? pass->outer : pass->inner, by_outer ? 1 : 16, part, n_parts, &begin, &end);
    if (begin >= end)
        return;
    if (by_outer)
        reduce_f32_range(j, begin, end - begin, 0, pass->inner);
    else
        reduce_f32_range(j, 0, pass->outer, begin, end - begin);
}

static setsuna_status reduce_f32_run(const sn_step *s, sn_run *r)
{
    const reduce_f32_param *p = s->param;
    reduce_job j = {.p = p, .x = sn_in(s, r, 0)};
    for (int32_t k = 0; k < p->n_pass; k++) {
        j.pass = &p->pass[k];
        j.last = k + 1 == p->n_pass;
        j.y = j.last ? sn_out(s, r, 0) : (float *)(void *)((uint8_t *)r->scratch + p->pass[k].at_bytes);
        sn_run_parallel(s, r, reduce_f32_part, &j);
        j.x = j.y;
    }
    return SETSUNA_OK;
}

static bool reduce_f32_kernels(const sn_reduce_table *t, reduce_kind kind, reduce_pass *pass)
{
    switch (kind) {
    case REDUCE_SUM:
    case REDUCE_MEAN:
    case REDUCE_LOG_SUM: pass->rows = t->rows_sum, pass->cols = t->cols_sum; return true;
    case REDUCE_L1: pass->rows = t->rows_sumabs, pass->cols = t->cols_sumabs; return true;
    case REDUCE_L2:
    case REDUCE_SUM_SQUARE: pass->rows = t->rows_sumsq, pass->cols = t->cols_sumsq; return true;
    case REDUCE_MAX: pass->rows = t->rows_max, pass->cols = t->cols_max; return true;
    case REDUCE_MIN: pass->rows = t->rows_min, pass->cols = t->cols_min; return true;
    default: return false;
    }
}

/* Innermost folded group first: the longest stride through memory goes over the least data. */
static setsuna_status reduce_f32_bind(sn_op_ctx *c, sn_step *s, const reduce_groups *g, int64_t count, int64_t total)
{
    reduce_f32_param *p = sn_op_param(c, sizeof *p);
    reduce_kind kind = reduce_kind_of(c->op);
    sn_reduce_table t;
    if (!p)
        return SETSUNA_ENOMEM;
    sn_reduce_table_init(&t, c->cpu);
    int64_t outer = total, inner = 1;
    size_t at = 0;
    for (int32_t i = g->count - 1; i >= 0; i--) {
        outer /= g->n[i];
        if (!g->fold[i]) {
            inner *= g->n[i];
            continue;
        }
        reduce_pass *pass = &p->pass[p->n_pass++];
        *pass = (reduce_pass){.outer = outer, .n = g->n[i], .inner = inner, .at_bytes = at};
        reduce_f32_kernels(&t, p->n_pass == 1 || kind == REDUCE_MAX || kind == REDUCE_MIN ? kind : REDUCE_SUM, pass);
        if (pass->inner == 1)
            pass->cols = NULL;
        else
            pass->rows = NULL;
        at += ((size_t)(pass->outer * pass->inner) * sizeof(float) + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
    }
    p->divisor = kind == REDUCE_MEAN ? (float)count : 1.0f;
    p->root = kind == REDUCE_L2;
    p->log = kind == REDUCE_LOG_SUM;
    s->run = reduce_f32_run;
    s->param = p;
    s->scratch_bytes = p->pass[p->n_pass - 1].at_bytes; /* the last result goes to the output */
    s->kernel = p->pass[0].rows ? "reduce_f32_rows" : "reduce_f32_cols";
    s->n_parts = sn_parts_for(c, 0, (double)total * sizeof(float));
    return SETSUNA_OK;
}

static setsuna_status reduce_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape;
    bool fold[SETSUNA_RANK_MAX] = {false}, nothing;
    reduce_groups g;
    reduce_pass probe;
    sn_reduce_table t = {0};
    int64_t total, count = 1;
    SN_TRY(reduce_axes(c, fold, &nothing));
    if (nothing)
        return sn_bind_copy(c, s);
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has too many elements");
    for (int32_t i = 0; i < x->rank; i++)
        if (fold[i])
            count = total ? count * x->dim[i] : 0;
    reduce_group(x, fold, &g);
    s->flops = (double)total;
    if (c->in[0].dtype == SETSUNA_F32 && total && reduce_f32_kernels(&t, reduce_kind_of(c->op), &probe))
        return reduce_f32_bind(c, s, &g, count, total);
    return reduce_plain_bind(c, s, &g, count);
}

#define REDUCE_ATTRS_1 "axes:I keepdims:i"
#define REDUCE_ATTRS_2 "keepdims:i noop_with_empty_axes:i" /* axes became an input */

const sn_op sn_ops_reduce[] = {
    {"", "ReduceL1", 1, 17, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceL1", 18, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {"", "ReduceL2", 1, 17, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceL2", 18, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {"", "ReduceLogSum", 1, 17, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceLogSum", 18, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {"", "ReduceLogSumExp", 1, 17, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceLogSumExp", 18, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {"", "ReduceMax", 1, 17, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceMax", 18, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {"", "ReduceMean", 1, 17, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceMean", 18, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {"", "ReduceMin", 1, 17, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceMin", 18, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {"", "ReduceProd", 1, 17, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceProd", 18, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {"", "ReduceSum", 1, 12, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceSum", 13, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {"", "ReduceSumSquare", 1, 17, 1, 1, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_1, reduce_infer, reduce_bind},
    {"", "ReduceSumSquare", 18, 0, 1, 2, 1, 1, SN_OP_F16_AS_F32, REDUCE_ATTRS_2, reduce_infer, reduce_bind},
    {.name = NULL},
};
