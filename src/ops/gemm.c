/* Matrix products: Gemm, MatMul, and setsuna.Gemm, a MatMul by a matrix with bias and activation.
 *
 *     Gemm          y = alpha op(a) op(b) + beta c          c broadcasts to (M, N)
 *     MatMul        numpy.matmul: batches broadcast, vectors get a row or column of one
 *     setsuna.Gemm  y[..., N] = act( alpha a[..., K] op(b) + bias[N] )
 */
#include "base/checked.h"
#include "base/hash.h"
#include "graph/tensor.h"
#include "kernels/gemm_bf16.h"
#include "kernels/gemm_plain.h"
#include "ops/act_attr.h"
#include "ops/op.h"
#include "ops/parts.h"
#include <string.h>

/* How Gemm's C enters. */
typedef enum gemm_c { GEMM_C_NONE, GEMM_C_BIAS_COL, GEMM_C_BIAS_ROW, GEMM_C_FILL } gemm_c;

typedef struct gemm_param {
    sn_gemm_table table;
    sn_gemm g; /* without the run's pointers */
    setsuna_dtype dtype;
    int32_t n_dim; /* batch dims and, for each, the distance in elements of a and b (of packed b: in floats) */
    int64_t dim[SETSUNA_RANK_MAX], a_stride[SETSUNA_RANK_MAX], b_stride[SETSUNA_RANK_MAX];
    int64_t n_batch;
    gemm_c c_kind;
    int64_t c_row, c_col; /* distances in C, 0 where it broadcasts */
    float beta;
    size_t thread_scratch_bytes;
} gemm_param;

/* ---- plan time ----------------------------------------------------------------------------------- */

static setsuna_status gemm_types(sn_op_ctx *c)
{
    SN_TRY(sn_op_want(c, 0, strcmp(c->node->domain, "setsuna") == 0 ? "f32" : "f32 f64 i32 i64 u32 u64 f16 bf16"));
    for (uint32_t i = 1; i < c->n_in; i++)
        if (sn_op_has(c, i) && c->in[i].dtype != c->in[0].dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "inputs of %s and %s", setsuna_dtype_name(c->in[0].dtype),
                              setsuna_dtype_name(c->in[i].dtype));
    return SETSUNA_OK;
}

static setsuna_status gemm_shape_error(sn_op_ctx *c)
{
    char a[SN_SHAPE_TEXT_MAX], b[SN_SHAPE_TEXT_MAX];
    return sn_op_fail(c, SETSUNA_ESHAPE, "matrices of %s and %s cannot be multiplied",
                      sn_shape_text(&c->in[0].shape, a, sizeof a), sn_shape_text(&c->in[1].shape, b, sizeof b));
}

static setsuna_status gemm_plan_c(sn_op_ctx *c, gemm_param *p)
{
    p->c_kind = GEMM_C_NONE;
    p->beta = sn_node_float(c->node, "beta", 1);
    if (!sn_op_has(c, 2) || !(p->beta != 0.0f))
        return SETSUNA_OK;
    const setsuna_shape *s = &c->in[2].shape;
    int64_t rows = s->rank > 1 ? s->dim[s->rank - 2] : 1, cols = s->rank > 0 ? s->dim[s->rank - 1] : 1;
    if (s->rank > 2 || (rows != 1 && rows != p->g.m) || (cols != 1 && cols != p->g.n))
        return sn_op_fail(c, SETSUNA_ESHAPE, "C does not broadcast to [%lld,%lld]", (long long)p->g.m,
                          (long long)p->g.n);
    p->c_row = rows == 1 ? 0 : cols;
    p->c_col = cols == 1 ? 0 : 1;
    p->c_kind = GEMM_C_FILL;
    if (p->dtype == SETSUNA_F32 && p->beta == 1.0f && rows == 1 && cols == p->g.n)
        p->c_kind = GEMM_C_BIAS_COL;
    else if (p->dtype == SETSUNA_F32 && p->beta == 1.0f && cols == 1 && rows == p->g.m)
        p->c_kind = GEMM_C_BIAS_ROW;
    return SETSUNA_OK;
}

static setsuna_status gemm_plan_gemm(sn_op_ctx *c, gemm_param *p, setsuna_shape *y)
{
    const setsuna_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    bool ta = sn_node_int(c->node, "transA", 0) != 0, tb = sn_node_int(c->node, "transB", 0) != 0;
    if (a->rank != 2 || b->rank != 2 || a->dim[!ta] != b->dim[tb])
        return gemm_shape_error(c);
    p->dtype = c->in[0].dtype;
    p->n_batch = 1;
    p->g = (sn_gemm){.m = a->dim[ta], .n = b->dim[!tb], .k = a->dim[!ta], .alpha = sn_node_float(c->node, "alpha", 1)};
    p->g.a_row = ta ? 1 : p->g.k;
    p->g.a_col = ta ? p->g.m : 1;
    p->g.b_row = tb ? 1 : p->g.n;
    p->g.b_col = tb ? p->g.k : 1;
    p->g.ldc = p->g.n;
    *y = (setsuna_shape){.rank = 2, .dim = {p->g.m, p->g.n}};
    return gemm_plan_c(c, p);
}

/* Batch dims of a and b (all but the last two) against those of the output. */
static bool gemm_plan_batch(gemm_param *p, const setsuna_shape *a, const setsuna_shape *b, setsuna_shape *batch)
{
    setsuna_shape ba = *a, bb = *b;
    ba.rank = a->rank > 2 ? a->rank - 2 : 0;
    bb.rank = b->rank > 2 ? b->rank - 2 : 0;
    if (!sn_shape_broadcast(&ba, &bb, batch) || !sn_shape_numel(batch, &p->n_batch))
        return false;
    p->n_dim = batch->rank;
    int64_t sa = p->g.m * p->g.k, sb = p->g.k * p->g.n;
    for (int32_t d = p->n_dim - 1; d >= 0; d--) {
        int32_t ia = d - (p->n_dim - ba.rank), ib = d - (p->n_dim - bb.rank);
        p->dim[d] = batch->dim[d];
        p->a_stride[d] = ia < 0 || ba.dim[ia] == 1 ? 0 : sa;
        p->b_stride[d] = ib < 0 || bb.dim[ib] == 1 ? 0 : sb;
        sa *= ia < 0 ? 1 : ba.dim[ia];
        sb *= ib < 0 ? 1 : bb.dim[ib];
    }
    return true;
}

static setsuna_status gemm_plan_matmul(sn_op_ctx *c, gemm_param *p, setsuna_shape *y)
{
    const setsuna_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    bool tb = sn_node_int(c->node, "transB", 0) != 0; /* setsuna.Gemm only; b is a matrix then */
    int64_t na, nb;
    if (a->rank < 1 || b->rank < 1 || !sn_shape_numel(a, &na) || !sn_shape_numel(b, &nb))
        return gemm_shape_error(c);
    int64_t k = a->dim[a->rank - 1], bk = b->rank == 1 ? b->dim[0] : b->dim[b->rank - 2 + tb];
    if (k != bk)
        return gemm_shape_error(c);
    p->dtype = c->in[0].dtype;
    p->g = (sn_gemm){.m = a->rank > 1 ? a->dim[a->rank - 2] : 1,
                     .n = b->rank > 1 ? b->dim[b->rank - 1 - tb] : 1,
                     .k = k,
                     .alpha = sn_node_float(c->node, "alpha", 1)};
    setsuna_shape batch;
    if (!gemm_plan_batch(p, a, b, &batch) || batch.rank + (a->rank > 1) + (b->rank > 1) > SETSUNA_RANK_MAX)
        return gemm_shape_error(c);
    *y = batch;
    if (a->rank > 1)
        y->dim[y->rank++] = p->g.m;
    if (b->rank > 1)
        y->dim[y->rank++] = p->g.n;
    bool one_b = true; /* then the batch is more rows of a */
    for (int32_t d = 0; d < p->n_dim; d++)
        one_b &= p->b_stride[d] == 0 || p->dim[d] == 1;
    if (one_b && b->rank <= 2 && na && k && sn_mul_i64(p->n_batch, p->g.m, &p->g.m)) {
        p->n_batch = 1;
        p->n_dim = 0;
    }
    p->g.a_row = k;
    p->g.a_col = 1;
    p->g.b_row = tb ? 1 : p->g.n;
    p->g.b_col = tb ? k : 1;
    p->g.ldc = p->g.n;
    return SETSUNA_OK;
}

static setsuna_status gemm_plan(sn_op_ctx *c, gemm_param *p, setsuna_shape *y)
{
    if (strcmp(c->node->op, "MatMul") == 0)
        return gemm_plan_matmul(c, p, y);
    if (strcmp(c->node->domain, "setsuna") != 0)
        return gemm_plan_gemm(c, p, y);
    if (c->in[1].shape.rank != 2)
        return gemm_shape_error(c);
    SN_TRY(gemm_plan_matmul(c, p, y));
    if (sn_op_has(c, 2) && (c->in[2].shape.rank != 1 || c->in[2].shape.dim[0] != p->g.n))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the bias must have the shape [%lld]", (long long)p->g.n);
    p->c_kind = sn_op_has(c, 2) ? GEMM_C_BIAS_COL : GEMM_C_NONE;
    return sn_op_activation(c, &p->g.act);
}

static setsuna_status gemm_infer(sn_op_ctx *c)
{
    gemm_param p = {.n_dim = 0};
    setsuna_shape y;
    int64_t n;
    SN_TRY(gemm_types(c));
    SN_TRY(gemm_plan(c, &p, &y));
    if (!sn_shape_numel(&y, &n))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    bool whole = !(p.g.alpha != 1.0f) && (p.c_kind == GEMM_C_NONE || !(p.beta != 1.0f));
    if (p.dtype != SETSUNA_F32 && p.dtype != SETSUNA_F64 && p.dtype != SETSUNA_F16 && p.dtype != SETSUNA_BF16 && !whole)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "alpha and beta of an integer product must be 1");
    sn_op_out(c, 0, p.dtype, &y);
    return SETSUNA_OK;
}

typedef struct gemm_pack {
    const gemm_param *p;
    int64_t n_matrix, packed; /* matrices of b and floats of each when packed */
} gemm_pack;

static void gemm_pack_fill(void *dst, const void *const *source, const void *arg)
{
    const gemm_pack *x = arg;
    const sn_gemm *g = &x->p->g;
    for (int64_t i = 0; i < x->n_matrix; i++)
        sn_gemm_f32_pack_b(&x->p->table, g->k, g->n, (const char *)source[0] + i * g->k * g->n * (int64_t)sizeof(float),
                           g->b_row, g->b_col, g->alpha, (float *)dst + i * x->packed);
}

static setsuna_status gemm_bind_packed(sn_op_ctx *c, gemm_param *p)
{
    const sn_const *b = c->in[1].cst;
    int64_t nb, one = p->g.k * p->g.n;
    gemm_pack x = {.p = p};
    size_t size;
    if (!one || !sn_shape_numel(&c->in[1].shape, &nb))
        return SETSUNA_OK; /* nothing to pack: k or n is 0 */
    x.n_matrix = nb / one;
    /* The padding of the last panel can multiply a thin matrix by nr. */
    if (!sn_mul_size((size_t)nb, (size_t)p->table.nr * sizeof(float), &size))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the weights are too large");
    x.packed = sn_gemm_f32_packed_size(&p->table, p->g.k, p->g.n);
    for (int32_t d = 0; d < p->n_dim; d++)
        p->b_stride[d] = p->b_stride[d] / one * x.packed;
    uint32_t alpha_bits;
    memcpy(&alpha_bits, &p->g.alpha, sizeof alpha_bits);
    uint64_t key = sn_hash_u64(sn_hash_str(0, p->table.pair ? "gemm_pairs" : "gemm_panels"), b->uid);
    key = sn_hash_u64(key, (uint64_t)p->table.nr << 32 | alpha_bits);
    key = sn_hash_u64(sn_hash_u64(key, (uint64_t)p->g.k), (uint64_t)p->g.n << 1 | (p->g.b_row == 1));
    const void *packed;
    SN_TRY(sn_op_pack(c, key, (size_t)(x.n_matrix * x.packed) * sizeof(float), gemm_pack_fill, &x, &b, 1, &packed));
    p->g.b_packed = packed;
    return SETSUNA_OK;
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct gemm_call {
    const gemm_param *p;
    const char *a, *b; /* b is NULL when packed */
    char *y, *scratch;
    const float *bias_col, *bias_row;
} gemm_call;

/* Element offsets of batch i in a and in b. */
static void gemm_batch_offset(const gemm_param *p, int64_t i, int64_t *a, int64_t *b)
{
    *a = *b = 0;
    for (int32_t d = p->n_dim - 1; d >= 0; d--) {
        int64_t x = i % p->dim[d];
        i /= p->dim[d];
        *a += x * p->a_stride[d];
        *b += x * p->b_stride[d];
    }
}

static sn_gemm gemm_batch(const gemm_call *x, int64_t i)
{
    const gemm_param *p = x->p;
    sn_gemm g = p->g;
    int64_t a, b;
    gemm_batch_offset(p, i, &a, &b);
    g.a = (const float *)x->a + a;
    if (g.b_packed)
        g.b_packed += b;
    else
        g.b = (const float *)x->b + b;
    g.c = (float *)x->y + i * g.m * g.n;
    g.bias_col = x->bias_col;
    g.bias_row = x->bias_row;
    g.accumulate = p->c_kind == GEMM_C_FILL;
    return g;
}

static void gemm_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const gemm_call *x = arg;
    const gemm_param *p = x->p;
    char *scratch = x->scratch + part * p->thread_scratch_bytes;
    if (p->n_batch >= 2 * (int64_t)n_parts) {
        int64_t i, end;
        sn_pool_range(p->n_batch, 1, part, n_parts, &i, &end);
        for (; i < end; i++) {
            sn_gemm g = gemm_batch(x, i);
            sn_gemm_f32_run(&p->table, &g, 0, g.m, 0, g.n, scratch);
        }
        return;
    }
    for (int64_t i = 0; i < p->n_batch; i++) {
        sn_gemm g = gemm_batch(x, i);
        sn_gemm_f32_part(&p->table, &g, part, n_parts, scratch);
    }
}

/* y = beta * C, broadcast. */
static void gemm_fill_c(const gemm_param *p, const void *c, void *y)
{
    for (int64_t i = 0; i < p->g.m; i++)
        for (int64_t j = 0; j < p->g.n; j++) {
            int64_t to = i * p->g.n + j, from = i * p->c_row + j * p->c_col;
            switch (p->dtype) {
            case SETSUNA_F32: ((float *)y)[to] = p->beta * ((const float *)c)[from]; break;
            case SETSUNA_F64: ((double *)y)[to] = (double)p->beta * ((const double *)c)[from]; break;
            case SETSUNA_I32:
            case SETSUNA_U32: ((uint32_t *)y)[to] = ((const uint32_t *)c)[from]; break;
            default: ((uint64_t *)y)[to] = ((const uint64_t *)c)[from]; break;
            }
        }
}

static setsuna_status gemm_run(const sn_step *s, sn_run *r)
{
    const gemm_param *p = s->param;
    if (!p->n_batch || !p->g.m || !p->g.n)
        return SETSUNA_OK;
    gemm_call x = {.p = p, .a = sn_in(s, r, 0), .b = sn_in(s, r, 1), .y = sn_out(s, r, 0), .scratch = r->scratch};
    if (p->c_kind == GEMM_C_FILL)
        gemm_fill_c(p, sn_in(s, r, 2), x.y);
    x.bias_col = p->c_kind == GEMM_C_BIAS_COL ? sn_in(s, r, 2) : NULL;
    x.bias_row = p->c_kind == GEMM_C_BIAS_ROW ? sn_in(s, r, 2) : NULL;
    sn_run_parallel(s, r, gemm_part, &x);
    return SETSUNA_OK;
}

static setsuna_status gemm_run_plain(const sn_step *s, sn_run *r)
{
    const gemm_param *p = s->param;
    if (!p->n_batch || !p->g.m || !p->g.n)
        return SETSUNA_OK;
    const char *a = sn_in(s, r, 0), *b = sn_in(s, r, 1);
    char *y = sn_out(s, r, 0);
    int64_t size = (int64_t)setsuna_dtype_size(p->dtype), count = p->g.m * p->g.n;
    for (int64_t i = 0; i < p->n_batch; i++) {
        int64_t ia, ib;
        gemm_batch_offset(p, i, &ia, &ib);
        sn_gemm_plain g = {.m = p->g.m, .n = p->g.n, .k = p->g.k, .a = a + ia * size, .b = b + ib * size};
        g.a_row = p->g.a_row;
        g.a_col = p->g.a_col;
        g.b_row = p->g.b_row;
        g.b_col = p->g.b_col;
        g.c = y + i * count * size;
        g.ldc = p->g.n;
        if (p->dtype == SETSUNA_F64)
            sn_gemm_plain_f64(&g);
        else if (size == 4)
            sn_gemm_plain_u32(&g);
        else
            sn_gemm_plain_u64(&g);
    }
    if (p->dtype == SETSUNA_F64 && p->g.alpha != 1.0f)
        for (int64_t i = 0; i < p->n_batch * count; i++)
            ((double *)y)[i] *= (double)p->g.alpha;
    if (p->c_kind == GEMM_C_NONE)
        return SETSUNA_OK;
    for (int64_t i = 0; i < p->g.m; i++)
        for (int64_t j = 0; j < p->g.n; j++) {
            int64_t to = i * p->g.n + j, from = i * p->c_row + j * p->c_col;
            const void *c = sn_in(s, r, 2);
            if (p->dtype == SETSUNA_F64)
                ((double *)y)[to] += (double)p->beta * ((const double *)c)[from];
            else if (size == 4)
                ((uint32_t *)y)[to] += ((const uint32_t *)c)[from];
            else
                ((uint64_t *)y)[to] += ((const uint64_t *)c)[from];
        }
    return SETSUNA_OK;
}

/* Rounding a takes a pass over it, and panels of b that are not packed yet are converted each time: with few columns,
 * or few rows of such a b, that is more work than the product. */
static bool gemm_in_bf16(const sn_op_ctx *c, const gemm_param *p)
{
    return c->precision == SN_PRECISION_BF16 && p->dtype == SETSUNA_F32 && p->g.n >= 8 &&
           (c->in[1].cst || p->g.m > 2 * SN_GEMM_ROWS_STREAM);
}

static setsuna_status gemm_bind(sn_op_ctx *c, sn_step *s)
{
    gemm_param *p = sn_op_param(c, sizeof *p);
    setsuna_shape y;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(gemm_plan(c, p, &y));
    (gemm_in_bf16(c, p) ? sn_gemm_bf16_table_init : sn_gemm_table_init)(&p->table, c->cpu);
    s->param = p;
    double batch = (double)p->n_batch;
    s->flops = 2 * batch * (double)p->g.m * (double)p->g.n * (double)p->g.k;
    s->bytes = (double)setsuna_dtype_size(p->dtype) * batch *
               ((double)p->g.m * (double)p->g.k + (double)p->g.k * (double)p->g.n + (double)p->g.m * (double)p->g.n);
    s->n_parts = 1;
    if (p->dtype != SETSUNA_F32) {
        s->run = gemm_run_plain;
        s->kernel = "sn_gemm_plain";
        return SETSUNA_OK;
    }
    if (c->in[1].cst)
        SN_TRY(gemm_bind_packed(c, p));
    s->run = gemm_run;
    s->kernel = p->table.tile_name;
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    if (p->n_batch && p->g.m && p->g.n) /* else nothing runs, and a lone huge dim must not size anything */
        p->thread_scratch_bytes = sn_gemm_f32_scratch_bytes(&p->table, &p->g);
    if (!sn_mul_size(p->thread_scratch_bytes, s->n_parts, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the product needs too much memory");
    return SETSUNA_OK;
}

const sn_op sn_ops_gemm[] = {
    {"", "Gemm", 1, 6, 3, 3, 1, 1, SN_OP_F16_AS_F32, "alpha:f beta:f broadcast:i transA:i transB:i", gemm_infer,
     gemm_bind},
    {"", "Gemm", 7, 0, 2, 3, 1, 1, SN_OP_F16_AS_F32, "alpha:f beta:f transA:i transB:i", gemm_infer, gemm_bind},
    {"", "MatMul", 1, 0, 2, 2, 1, 1, SN_OP_F16_AS_F32, "", gemm_infer, gemm_bind},
    {"setsuna", "Gemm", 1, 0, 2, 3, 1, 1, 0, "transB:i alpha:f activation:s act_alpha:f act_beta:f", gemm_infer,
     gemm_bind},
    {.name = NULL},
};
