/* TopK. Ties go to the lower index; the result is sorted also where `sorted` does not ask for it. */
#include "base/checked.h"
#include "ops/move.h"
#include "ops/parts.h"
#include "ops/typed.h"
#include <math.h>

typedef struct topk_param topk_param;
/* One row; x, values and indices step by p->inner. values, indices: NULL when not wanted. */
typedef void topk_fn(const topk_param *p, void *values, int64_t *indices, const void *x, void *scratch);

struct topk_param {
    int64_t outer, n, inner, k; /* outer is 0 when there is nothing to do */
    size_t size;
    size_t part_bytes; /* scratch of one thread */
    bool largest;
    topk_fn *fn;
};

#define EACH_TYPE "ops/topk_typed.inc"
#include "ops/each_type.inc"

enum { TOPK_ENTRY_BYTES = 16 }; /* of the widest type */

static setsuna_status topk_axis(sn_op_ctx *c, int32_t *axis, int64_t *k)
{
    int64_t want = sn_node_int(c->node, "axis", -1);
    int32_t rank = c->in[0].shape.rank;
    size_t n = 1;
    *k = sn_node_int(c->node, "k", -1);
    if (c->op->since >= 10)
        SN_TRY(sn_op_const_ints(c, 1, k, 1, &n));
    if (!sn_axis_normalize(want, rank, axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "axis %lld is outside [-%d, %d)", (long long)want, rank, rank);
    if (n != 1 || *k < 0 || *k > c->in[0].shape.dim[*axis])
        return sn_op_fail(c, SETSUNA_ESHAPE, "k must be one number in [0, %lld]", (long long)c->in[0].shape.dim[*axis]);
    return SETSUNA_OK;
}

static setsuna_status topk_infer(sn_op_ctx *c)
{
    setsuna_shape y = c->in[0].shape;
    int32_t axis;
    int64_t k;
    SN_TRY(sn_op_want(c, 0, "num"));
    SN_TRY(topk_axis(c, &axis, &k));
    y.dim[axis] = k;
    sn_op_out(c, 0, c->in[0].dtype, &y);
    sn_op_out(c, 1, SETSUNA_I64, &y);
    return SETSUNA_OK;
}

typedef struct topk_job {
    const topk_param *p;
    uint8_t *values, *scratch;
    int64_t *indices;
    const uint8_t *x;
} topk_job;

static void topk_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const topk_job *j = arg;
    const topk_param *p = j->p;
    int64_t begin, end;
    sn_pool_range(p->outer * p->inner, 1, part, n_parts, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        int64_t o = row / p->inner, i = row % p->inner, at = o * p->k * p->inner + i;
        p->fn(p, j->values ? j->values + (size_t)at * p->size : NULL, j->indices ? j->indices + at : NULL,
              j->x + (size_t)(o * p->n * p->inner + i) * p->size, j->scratch + part * p->part_bytes);
    }
}

static setsuna_status topk_run(const sn_step *s, sn_run *r)
{
    topk_job j = {s->param, sn_out(s, r, 0), r->scratch, sn_out(s, r, 1), sn_in(s, r, 0)};
    if (j.p->outer)
        sn_run_parallel(s, r, topk_part, &j);
    return SETSUNA_OK;
}

static setsuna_status topk_bind(sn_op_ctx *c, sn_step *s)
{
    static topk_fn *const table[SN_TYPED_TABLE_SIZE] = SN_EACH_TYPE_TABLE(topk_row);
    const setsuna_shape *x = &c->in[0].shape;
    topk_param *p = sn_op_param(c, sizeof *p);
    int32_t axis = 0;
    int64_t total;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(topk_axis(c, &axis, &p->k));
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor has too many elements");
    p->n = x->dim[axis];
    p->inner = 1;
    for (int32_t i = axis + 1; i < x->rank && total; i++)
        p->inner *= x->dim[i];
    p->outer = total && p->k ? total / p->n / p->inner : 0;
    p->size = setsuna_dtype_size(c->in[0].dtype);
    p->largest = sn_node_int(c->node, "largest", 1) != 0;
    p->fn = table[c->in[0].dtype];
    s->n_parts = sn_parts_for(c, 0, (double)total * (double)p->size);
    if (!sn_mul_size((size_t)(p->outer ? p->k : 0), TOPK_ENTRY_BYTES, &p->part_bytes) ||
        !sn_align_size(p->part_bytes, SN_ALIGN, &p->part_bytes) ||
        !sn_mul_size(p->part_bytes, s->n_parts, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "k is too large");
    s->run = topk_run;
    s->param = p;
    s->kernel = "topk_heap";
    return SETSUNA_OK;
}

const sn_op sn_ops_topk[] = {
    {"", "TopK", 1, 9, 1, 1, 1, 2, SN_OP_F16_AS_F32, "axis:i k:i", topk_infer, topk_bind},
    {"", "TopK", 10, 10, 2, 2, 1, 2, SN_OP_F16_AS_F32, "axis:i", topk_infer, topk_bind},
    {"", "TopK", 11, 0, 2, 2, 1, 2, SN_OP_F16_AS_F32, "axis:i largest:i sorted:i", topk_infer, topk_bind},
    {.name = NULL},
};
