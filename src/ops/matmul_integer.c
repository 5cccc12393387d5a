/* MatMulInteger and QLinearMatMul: products of 8-bit matrices with zero points, numpy.matmul shapes. */
#include "base/checked.h"
#include "graph/tensor.h"
#include "kernels/gemm_plain.h"
#include "ops/op.h"
#include "ops/parts.h"
#include "ops/quantize.h"
#include <string.h>

/* A zero point or scale: one for all, one a row (of a) or column (of b), or one a row and batch. */
typedef struct matmul_int_grain {
    int64_t step;       /* from row to row, 0: one for all */
    int64_t batch_step; /* from matrix to matrix */
} matmul_int_grain;

typedef struct matmul_int_param {
    int64_t m, n, k, n_batch;
    int32_t n_dim;
    int64_t dim[SETSUNA_RANK_MAX], a_stride[SETSUNA_RANK_MAX], b_stride[SETSUNA_RANK_MAX]; /* in matrices */
    bool a_signed, b_signed, y_signed, quantized;
    uint32_t b, a_zero, b_zero; /* inputs */
    matmul_int_grain az, bz, as, bs;
} matmul_int_param;

typedef struct matmul_int_call {
    const matmul_int_param *p;
    const uint8_t *a, *b, *az, *bz, *yz;
    const float *as, *bs, *ys;
    void *y;
    int32_t *sum; /* quantized: m * n a thread */
} matmul_int_call;

static void matmul_int_one(const matmul_int_call *q, int64_t i, int32_t *sum)
{
    const matmul_int_param *p = q->p;
    int64_t ia = 0, ib = 0, rest = i, count = p->m * p->n;
    for (int32_t d = p->n_dim - 1; d >= 0; d--) {
        ia += rest % p->dim[d] * p->a_stride[d];
        ib += rest % p->dim[d] * p->b_stride[d];
        rest /= p->dim[d];
    }
    sn_gemm_plain_8 g = {.m = p->m,
                         .n = p->n,
                         .k = p->k,
                         .a = q->a + ia * p->m * p->k,
                         .b = q->b + ib * p->k * p->n,
                         .a_signed = p->a_signed,
                         .b_signed = p->b_signed,
                         .a_zero = q->az ? q->az + ia * p->az.batch_step : NULL,
                         .b_zero = q->bz ? q->bz + ib * p->bz.batch_step : NULL,
                         .a_zero_step = p->az.step,
                         .b_zero_step = p->bz.step,
                         .c = p->quantized ? sum : (int32_t *)q->y + i * count};
    sn_gemm_plain_i32_8(&g);
    if (!p->quantized)
        return;
    const float *as = q->as + ia * p->as.batch_step, *bs = q->bs + ib * p->bs.batch_step;
    int32_t yz = sn_int8_get(q->yz, 0, p->y_signed);
    uint8_t *y = (uint8_t *)q->y + i * count;
    for (int64_t r = 0; r < p->m; r++)
        for (int64_t j = 0; j < p->n; j++) {
            float scale = as[r * p->as.step] * bs[j * p->bs.step] / *q->ys;
            y[r * p->n + j] = sn_requantize_8(sum[r * p->n + j], scale, yz, p->y_signed);
        }
}

static setsuna_status matmul_int_run(const sn_step *s, sn_run *r)
{
    const matmul_int_param *p = s->param;
    if (!p->n_batch || !p->m || !p->n)
        return SETSUNA_OK;
    matmul_int_call q = {.p = p,
                         .a = sn_in(s, r, 0),
                         .b = sn_in(s, r, p->b),
                         .az = sn_in(s, r, p->a_zero),
                         .bz = sn_in(s, r, p->b_zero),
                         .y = sn_out(s, r, 0),
                         .sum = r->scratch};
    if (p->quantized) {
        q.as = sn_in(s, r, 1);
        q.bs = sn_in(s, r, 4);
        q.ys = sn_in(s, r, 6);
        q.yz = sn_in(s, r, 7);
    }
    for (int64_t i = 0; i < p->n_batch; i++)
        matmul_int_one(&q, i, r->scratch);
    return SETSUNA_OK;
}

/* of: 0 for rows of a, 1 for columns of b. */
static setsuna_status matmul_int_grain_of(sn_op_ctx *c, uint32_t i, const setsuna_shape *x, int of, int64_t n,
                                          matmul_int_grain *out)
{
    int64_t count, elements;
    *out = (matmul_int_grain){0, 0};
    if (!sn_op_has(c, i))
        return SETSUNA_OK;
    const setsuna_shape *s = &c->in[i].shape;
    if (!sn_shape_numel(s, &count) || !sn_shape_numel(x, &elements))
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is too large", i);
    if (count == 1)
        return SETSUNA_OK;
    out->step = 1;
    if (s->rank == 1 && count == n)
        return SETSUNA_OK;
    /* [batch..., M, 1] or [batch..., 1, N]: the operand's shape with the summed dim as 1 */
    bool whole = s->rank == x->rank && s->rank >= 2;
    for (int32_t d = 0; whole && d < s->rank; d++)
        whole = s->dim[d] == (d == s->rank - 1 - of ? 1 : x->dim[d]);
    if (!whole)
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must have one element or one a %s", i, of ? "column" : "row");
    out->batch_step = n;
    return SETSUNA_OK;
}

static setsuna_status matmul_int_shape(sn_op_ctx *c, matmul_int_param *p, setsuna_shape *y)
{
    const setsuna_shape *a = &c->in[0].shape, *b = &c->in[p->b].shape;
    if (a->rank < 1 || b->rank < 1)
        return sn_op_fail(c, SETSUNA_ESHAPE, "scalars cannot be multiplied");
    setsuna_shape ba = *a, bb = *b, batch;
    ba.rank = a->rank > 2 ? a->rank - 2 : 0;
    bb.rank = b->rank > 2 ? b->rank - 2 : 0;
    p->k = a->dim[a->rank - 1];
    p->m = a->rank > 1 ? a->dim[a->rank - 2] : 1;
    p->n = b->rank > 1 ? b->dim[b->rank - 1] : 1;
    if (p->k != b->dim[b->rank > 1 ? b->rank - 2 : 0] || !sn_shape_broadcast(&ba, &bb, &batch) ||
        batch.rank + (a->rank > 1) + (b->rank > 1) > SETSUNA_RANK_MAX || !sn_shape_numel(&batch, &p->n_batch)) {
        char ta[SN_SHAPE_TEXT_MAX], tb[SN_SHAPE_TEXT_MAX];
        return sn_op_fail(c, SETSUNA_ESHAPE, "matrices of %s and %s cannot be multiplied",
                          sn_shape_text(a, ta, sizeof ta), sn_shape_text(b, tb, sizeof tb));
    }
    int64_t sa = 1, sb = 1;
    p->n_dim = batch.rank;
    for (int32_t d = p->n_dim - 1; d >= 0; d--) {
        int32_t ia = d - (p->n_dim - ba.rank), ib = d - (p->n_dim - bb.rank);
        p->dim[d] = batch.dim[d];
        p->a_stride[d] = ia < 0 || ba.dim[ia] == 1 ? 0 : sa;
        p->b_stride[d] = ib < 0 || bb.dim[ib] == 1 ? 0 : sb;
        sa *= ia < 0 ? 1 : ba.dim[ia];
        sb *= ib < 0 ? 1 : bb.dim[ib];
    }
    *y = batch;
    if (a->rank > 1)
        y->dim[y->rank++] = p->m;
    if (b->rank > 1)
        y->dim[y->rank++] = p->n;
    int64_t outputs;
    if (!sn_shape_numel(y, &outputs))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    return SETSUNA_OK;
}

static setsuna_status matmul_int_plan(sn_op_ctx *c, matmul_int_param *p)
{
    bool q = strcmp(c->node->op, "QLinearMatMul") == 0;
    *p = (matmul_int_param){.quantized = q, .b = q ? 3 : 1, .a_zero = 2, .b_zero = q ? 5 : 3};
    SN_TRY(sn_op_want(c, 0, "u8 i8"));
    SN_TRY(sn_op_want(c, p->b, "u8 i8"));
    if ((sn_op_has(c, p->a_zero) && c->in[p->a_zero].dtype != c->in[0].dtype) ||
        (sn_op_has(c, p->b_zero) && c->in[p->b_zero].dtype != c->in[p->b].dtype))
        return sn_op_fail(c, SETSUNA_ESHAPE, "a zero point differs in type from its matrix");
    setsuna_shape y;
    SN_TRY(matmul_int_shape(c, p, &y));
    const setsuna_shape *a = &c->in[0].shape, *b = &c->in[p->b].shape;
    SN_TRY(matmul_int_grain_of(c, p->a_zero, a, 0, p->m, &p->az));
    SN_TRY(matmul_int_grain_of(c, p->b_zero, b, 1, p->n, &p->bz));
    if (q) {
        int64_t count;
        for (uint32_t i = 1; i <= 6; i += i == 1 ? 3 : 2)
            SN_TRY(sn_op_want(c, i, "f32"));
        SN_TRY(sn_op_want(c, 7, "u8 i8"));
        SN_TRY(matmul_int_grain_of(c, 1, a, 0, p->m, &p->as));
        SN_TRY(matmul_int_grain_of(c, 4, b, 1, p->n, &p->bs));
        for (uint32_t i = 6; i <= 7; i++)
            if (!sn_shape_numel(&c->in[i].shape, &count) || count != 1)
                return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must have one element", i);
    }
    p->a_signed = c->in[0].dtype == SETSUNA_I8;
    p->b_signed = c->in[p->b].dtype == SETSUNA_I8;
    setsuna_dtype out = q ? c->in[7].dtype : SETSUNA_I32;
    p->y_signed = out == SETSUNA_I8;
    sn_op_out(c, 0, out, &y);
    return SETSUNA_OK;
}

static setsuna_status matmul_int_infer(sn_op_ctx *c)
{
    matmul_int_param p;
    return matmul_int_plan(c, &p);
}

static setsuna_status matmul_int_bind(sn_op_ctx *c, sn_step *s)
{
    matmul_int_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(matmul_int_plan(c, p));
    s->run = matmul_int_run;
    s->param = p;
    s->kernel = "sn_gemm_plain_i32_8";
    s->n_parts = 1;
    s->flops = 2 * (double)p->n_batch * (double)p->m * (double)p->n * (double)p->k;
    /* m * n fits: it is a factor of the output's size unless there is no output. */
    if (p->quantized && p->n_batch && !sn_mul_size((size_t)(p->m * p->n), sizeof(int32_t), &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the product needs too much memory");
    return SETSUNA_OK;
}

const sn_op sn_ops_matmul_integer[] = {
    {"", "MatMulInteger", 10, 0, 2, 4, 1, 1, 0, "", matmul_int_infer, matmul_int_bind},
    {"", "QLinearMatMul", 10, 0, 8, 8, 1, 1, 0, "", matmul_int_infer, matmul_int_bind},
    {.name = NULL},
};
