/* Einsum: contracted operand by operand, from the left. Each contraction is
 *
 *     move  an operand into the order that the product wants, if it is in no usable order already; diagonals
 *           (a label twice in one term) are a stride
 *     sum   labels that only one of the two has and nobody needs later
 *     gemm  c (batch,M,N) = a (batch,M,K) * b (batch,K,N): batch labels are in both and needed later, K labels are in
 *           both and not, M and N in one
 *
 * All of it is decided in bind: a step is a list of stages. Labels of extent 1 do not take part.
 */
#include "base/checked.h"
#include "kernels/gemm.h"
#include "kernels/gemm_plain.h"
#include "kernels/reduce.h"
#include "ops/einsum_equation.h"
#include "ops/move.h"
#include "ops/parts.h"
#include <string.h>

typedef enum einsum_kind { EINSUM_MOVE, EINSUM_SUM, EINSUM_MULTIPLY, EINSUM_GEMM, EINSUM_ZERO } einsum_kind;

/* Where a tensor is: input >= 0, or one of these. */
enum { EINSUM_IN_SCRATCH = -1, EINSUM_IN_OUTPUT = -2 };

typedef struct einsum_ref {
    int32_t input;
    size_t at_bytes; /* in scratch */
} einsum_ref;

typedef struct einsum_stage {
    einsum_kind kind;
    einsum_ref a, b, y;
    sn_move move;
    int64_t batch, m, n, k;             /* sum: m rows of k; multiply and zero: m elements */
    int64_t a_row, a_col, b_row, b_col; /* of one matrix */
} einsum_stage;

typedef struct einsum_param {
    setsuna_dtype dtype;
    size_t size;
    sn_gemm_table gemm;
    sn_reduce_rows_fn *sum;
    size_t thread_at, thread_bytes; /* scratch of the products, a thread each */
    uint32_t n_stage;
    einsum_stage stage[];
} einsum_param;

/* ---- plan time ----------------------------------------------------------------------------------- */

/* A tensor on its way: labels of extents other than 1, each once, with their strides. */
typedef struct einsum_tensor {
    einsum_ref ref;
    int32_t n;
    uint8_t label[SN_MOVE_RANK_MAX];
    int64_t stride[SN_MOVE_RANK_MAX];
} einsum_tensor;

typedef struct einsum_plan {
    sn_op_ctx *c;
    einsum_param *p;
    sn_einsum_equation e;
    uint8_t out[SETSUNA_RANK_MAX]; /* labels of the output without those of extent 1 */
    int32_t n_out;
    size_t scratch_bytes;
    double flops;
} einsum_plan;

static uint64_t einsum_set(const uint8_t *label, int32_t n)
{
    uint64_t set = 0;
    for (int32_t i = 0; i < n; i++)
        set |= UINT64_C(1) << label[i];
    return set;
}

/* Product of extents; infer has seen to it that it does not overflow for any set that occurs. */
static int64_t einsum_extent(const einsum_plan *pl, const uint8_t *label, int32_t n)
{
    int64_t total = 1;
    for (int32_t i = 0; i < n; i++)
        total *= pl->e.extent[label[i]];
    return total;
}

/* Appends those of t's labels that are in `set`, in t's order. */
static int32_t einsum_pick(const einsum_tensor *t, uint64_t set, uint8_t *order, int32_t n)
{
    for (int32_t i = 0; i < t->n; i++)
        if (set >> t->label[i] & 1u)
            order[n++] = t->label[i];
    return n;
}

static einsum_tensor einsum_dense(const einsum_plan *pl, einsum_ref ref, const uint8_t *order, int32_t n)
{
    einsum_tensor t = {.ref = ref, .n = n};
    int64_t stride = 1;
    for (int32_t i = n - 1; i >= 0; i--) {
        t.label[i] = order[i];
        t.stride[i] = stride;
        stride *= pl->e.extent[order[i]];
    }
    return t;
}

static einsum_tensor einsum_operand(const einsum_plan *pl, uint32_t k)
{
    const setsuna_shape *x = &pl->c->in[k].shape;
    einsum_tensor t = {.ref = {(int32_t)k, 0}};
    int64_t stride[SETSUNA_RANK_MAX];
    sn_move_strides(x, stride);
    for (int32_t i = 0; i < x->rank; i++) {
        uint8_t label = pl->e.in[k].label[i];
        int32_t at = 0;
        if (x->dim[i] == 1)
            continue;
        while (at < t.n && t.label[at] != label)
            at++;
        if (at == t.n)
            t.label[t.n++] = label;
        t.stride[at] += stride[i];
    }
    return t;
}

static bool einsum_is_dense(const einsum_plan *pl, const einsum_tensor *t, const uint8_t *order, int32_t n)
{
    einsum_tensor want = einsum_dense(pl, t->ref, order, n);
    return t->n == n && memcmp(t->label, want.label, (size_t)n) == 0 &&
           memcmp(t->stride, want.stride, (size_t)n * sizeof t->stride[0]) == 0;
}

/* Where a result of these labels goes: the output, if it is in its order and `last`, else new scratch. */
static setsuna_status einsum_room(einsum_plan *pl, const uint8_t *order, int32_t n, bool last, einsum_ref *out)
{
    size_t bytes;
    if (last && n == pl->n_out && memcmp(order, pl->out, (size_t)n) == 0) {
        *out = (einsum_ref){EINSUM_IN_OUTPUT, 0};
        return SETSUNA_OK;
    }
    *out = (einsum_ref){EINSUM_IN_SCRATCH, pl->scratch_bytes};
    if (!sn_mul_size((size_t)einsum_extent(pl, order, n), pl->p->size, &bytes) ||
        !sn_align_size(bytes, SN_ALIGN, &bytes) || !sn_add_size(pl->scratch_bytes, bytes, &pl->scratch_bytes))
        return sn_op_fail(pl->c, SETSUNA_ELIMIT, "an intermediate result is too large");
    return SETSUNA_OK;
}

static einsum_stage *einsum_add(einsum_plan *pl, einsum_kind kind, einsum_ref a, einsum_ref y)
{
    einsum_stage *st = &pl->p->stage[pl->p->n_stage++];
    *st = (einsum_stage){.kind = kind, .a = a, .b = a, .y = y, .batch = 1, .m = 1, .n = 1, .k = 1};
    return st;
}

/* Replaces *t by a dense tensor in the given order of all its labels. */
static setsuna_status einsum_reorder(einsum_plan *pl, einsum_tensor *t, const uint8_t *order, bool last)
{
    sn_transpose_table table;
    einsum_ref to;
    sn_transpose_table_init(&table, pl->c->cpu);
    SN_TRY(einsum_room(pl, order, t->n, last, &to));
    einsum_tensor made = einsum_dense(pl, to, order, t->n);
    sn_move_view v = {.rank = t->n};
    for (int32_t i = 0; i < t->n; i++) {
        int32_t from = 0;
        while (t->label[from] != order[i])
            from++;
        v.n[i] = pl->e.extent[order[i]];
        v.src[i] = t->stride[from];
        v.dst[i] = made.stride[i];
    }
    sn_move_init(&einsum_add(pl, EINSUM_MOVE, t->ref, to)->move, &v, pl->p->size, &table);
    *t = made;
    return SETSUNA_OK;
}

/* Sums *t over its labels that are not in `keep`. */
static setsuna_status einsum_sum(einsum_plan *pl, einsum_tensor *t, uint64_t keep, bool last)
{
    uint8_t order[SN_MOVE_RANK_MAX] = {0};
    uint64_t have = einsum_set(t->label, t->n);
    einsum_ref to;
    if (!(have & ~keep))
        return SETSUNA_OK;
    int32_t n = 0;
    for (int32_t i = 0; last && i < pl->n_out; i++) /* the output's order saves a move */
        order[n++] = pl->out[i];
    if (!last)
        n = einsum_pick(t, keep, order, 0);
    int32_t all = einsum_pick(t, ~keep, order, n);
    if (!einsum_is_dense(pl, t, order, all))
        SN_TRY(einsum_reorder(pl, t, order, false));
    SN_TRY(einsum_room(pl, order, n, last, &to));
    einsum_stage *st = einsum_add(pl, EINSUM_SUM, t->ref, to);
    st->m = einsum_extent(pl, order, n);
    st->k = einsum_extent(pl, order + n, all - n);
    pl->flops += (double)st->m * (double)st->k;
    *t = einsum_dense(pl, to, order, n);
    return SETSUNA_OK;
}

/* Brings *t into (batch, rows, cols) or finds it in (batch, cols, rows); strides of one matrix to *row and *col. */
static setsuna_status einsum_matrix(einsum_plan *pl, einsum_tensor *t, const uint8_t *batch, int32_t n_batch,
                                    const uint8_t *rows, int32_t n_rows, const uint8_t *cols, int32_t n_cols,
                                    int64_t *row, int64_t *col)
{
    uint8_t order[SN_MOVE_RANK_MAX] = {0}, flipped[SN_MOVE_RANK_MAX];
    int32_t n = n_batch + n_rows + n_cols;
    memcpy(order, batch, (size_t)n_batch);
    memcpy(order + n_batch, rows, (size_t)n_rows);
    memcpy(order + n_batch + n_rows, cols, (size_t)n_cols);
    memcpy(flipped, batch, (size_t)n_batch);
    memcpy(flipped + n_batch, cols, (size_t)n_cols);
    memcpy(flipped + n_batch + n_cols, rows, (size_t)n_rows);
    *row = einsum_extent(pl, cols, n_cols);
    *col = 1;
    if (einsum_is_dense(pl, t, order, n))
        return SETSUNA_OK;
    if (einsum_is_dense(pl, t, flipped, n)) {
        *col = einsum_extent(pl, rows, n_rows);
        *row = 1;
        return SETSUNA_OK;
    }
    return einsum_reorder(pl, t, order, false);
}

/* *a = product of *a and *b, summed over what is not in `need`. */
static setsuna_status einsum_contract(einsum_plan *pl, einsum_tensor *a, einsum_tensor *b, uint64_t need, bool last)
{
    uint64_t in_a = einsum_set(a->label, a->n), in_b = einsum_set(b->label, b->n);
    SN_TRY(einsum_sum(pl, a, in_b | need, false));
    SN_TRY(einsum_sum(pl, b, in_a | need, false));
    /* The other way round when that gives the output's order: its last label is one of a's own. */
    if (last && pl->n_out && in_a >> pl->out[pl->n_out - 1] & 1u && !(in_b >> pl->out[pl->n_out - 1] & 1u)) {
        einsum_tensor swap = *a;
        *a = *b;
        *b = swap;
        uint64_t set = in_a;
        in_a = in_b;
        in_b = set;
    }
    uint8_t batch[SN_MOVE_RANK_MAX], rows[SN_MOVE_RANK_MAX], cols[SN_MOVE_RANK_MAX], inner[SN_MOVE_RANK_MAX];
    uint8_t order[SN_MOVE_RANK_MAX] = {0};
    int32_t n_batch = einsum_pick(a, in_b & need, batch, 0), n_rows = einsum_pick(a, ~in_b, rows, 0);
    int32_t n_cols = einsum_pick(b, ~in_a, cols, 0), n_inner = einsum_pick(a, in_b & ~need, inner, 0);
    int64_t a_row, a_col, b_row, b_col;
    einsum_ref to;
    SN_TRY(einsum_matrix(pl, a, batch, n_batch, rows, n_rows, inner, n_inner, &a_row, &a_col));
    SN_TRY(einsum_matrix(pl, b, batch, n_batch, inner, n_inner, cols, n_cols, &b_row, &b_col));
    memcpy(order, batch, (size_t)n_batch);
    memcpy(order + n_batch, rows, (size_t)n_rows);
    memcpy(order + n_batch + n_rows, cols, (size_t)n_cols);
    int32_t n = n_batch + n_rows + n_cols;
    SN_TRY(einsum_room(pl, order, n, last, &to));
    einsum_stage *st = einsum_add(pl, EINSUM_GEMM, a->ref, to);
    st->b = b->ref;
    st->batch = einsum_extent(pl, batch, n_batch);
    st->m = einsum_extent(pl, rows, n_rows);
    st->n = einsum_extent(pl, cols, n_cols);
    st->k = einsum_extent(pl, inner, n_inner);
    st->a_row = a_row;
    st->a_col = a_col;
    st->b_row = b_row;
    st->b_col = b_col;
    pl->flops += 2.0 * (double)st->batch * (double)st->m * (double)st->n * (double)st->k;
    if (st->m == 1 && st->n == 1 && st->k == 1) {
        st->kind = EINSUM_MULTIPLY;
        st->m = st->batch;
    }
    *a = einsum_dense(pl, to, order, n);
    return SETSUNA_OK;
}

/* Labels that the output or an operand after k has. */
static uint64_t einsum_need(const einsum_plan *pl, uint32_t k)
{
    uint64_t need = einsum_set(pl->out, pl->n_out);
    for (uint32_t i = k + 1; i < pl->c->n_in; i++)
        need |= einsum_set(pl->e.in[i].label, pl->e.in[i].rank);
    return need;
}

static setsuna_status einsum_plan_stages(einsum_plan *pl)
{
    einsum_tensor t = einsum_operand(pl, 0);
    uint32_t n_in = pl->c->n_in;
    SN_TRY(einsum_sum(pl, &t, einsum_need(pl, 0), n_in == 1));
    for (uint32_t k = 1; k < n_in; k++) {
        einsum_tensor b = einsum_operand(pl, k);
        SN_TRY(einsum_contract(pl, &t, &b, einsum_need(pl, k), k + 1 == n_in));
    }
    return t.ref.input == EINSUM_IN_OUTPUT ? SETSUNA_OK : einsum_reorder(pl, &t, pl->out, true);
}

/* The product of all extents is what the loops could run over at most; labels are at most the axes that a view has. */
static setsuna_status einsum_check_size(sn_op_ctx *c, const sn_einsum_equation *e)
{
    int64_t total = 1;
    int n = 0;
    for (int label = 0; label < SN_EINSUM_LABELS; label++) {
        if (e->extent[label] <= 1)
            continue;
        n++;
        if (!sn_mul_i64(total, e->extent[label], &total) || n > SN_MOVE_RANK_MAX)
            return sn_op_fail(c, SETSUNA_ELIMIT, "the equation has too many labels, or their extents are too large");
    }
    return SETSUNA_OK;
}

static setsuna_status einsum_infer(sn_op_ctx *c)
{
    sn_einsum_equation e;
    SN_TRY(sn_op_want(c, 0, "float i32 u32 i64 u64"));
    for (uint32_t k = 0; k < c->n_in; k++)
        if (!c->in[k].present || c->in[k].dtype != c->in[0].dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is missing or of another type than input 0", k);
    SN_TRY(sn_einsum_equation_parse(c, &e));
    SN_TRY(einsum_check_size(c, &e));
    setsuna_shape y = {.rank = e.out.rank};
    for (int32_t i = 0; i < y.rank; i++)
        y.dim[i] = e.extent[e.out.label[i]];
    sn_op_out(c, 0, c->in[0].dtype, &y);
    return SETSUNA_OK;
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct einsum_job {
    const einsum_param *p;
    const einsum_stage *stage;
    const uint8_t *a, *b;
    uint8_t *y, *thread_scratch;
} einsum_job;

static void einsum_sum_rows(const einsum_job *j, int64_t begin, int64_t end)
{
    int64_t n = j->stage->k;
    if (j->p->dtype == SETSUNA_F32) {
        j->p->sum((float *)(void *)j->y + begin, (const float *)(const void *)j->a + begin * n, end - begin, n, n,
                  1.0f);
        return;
    }
    for (int64_t i = begin; i < end; i++) {
        double f64 = 0;
        uint64_t u64 = 0;
        for (int64_t k = i * n; k < (i + 1) * n; k++)
            if (j->p->dtype == SETSUNA_F64)
                f64 += ((const double *)(const void *)j->a)[k];
            else
                u64 += j->p->size == 4 ? ((const uint32_t *)(const void *)j->a)[k]
                                       : ((const uint64_t *)(const void *)j->a)[k];
        if (j->p->dtype == SETSUNA_F64)
            ((double *)(void *)j->y)[i] = f64;
        else if (j->p->size == 4)
            ((uint32_t *)(void *)j->y)[i] = (uint32_t)u64;
        else
            ((uint64_t *)(void *)j->y)[i] = u64;
    }
}

static void einsum_multiply(const einsum_job *j, int64_t begin, int64_t end)
{
    const void *a = j->a, *b = j->b;
    void *y = j->y;
    for (int64_t i = begin; i < end; i++)
        if (j->p->dtype == SETSUNA_F32)
            ((float *)y)[i] = ((const float *)a)[i] * ((const float *)b)[i];
        else if (j->p->dtype == SETSUNA_F64)
            ((double *)y)[i] = ((const double *)a)[i] * ((const double *)b)[i];
        else if (j->p->size == 4)
            ((uint32_t *)y)[i] = ((const uint32_t *)a)[i] * ((const uint32_t *)b)[i];
        else
            ((uint64_t *)y)[i] = ((const uint64_t *)a)[i] * ((const uint64_t *)b)[i];
}

static sn_gemm einsum_gemm_f32(const einsum_stage *st)
{
    return (sn_gemm){.m = st->m,
                     .n = st->n,
                     .k = st->k,
                     .a_row = st->a_row,
                     .a_col = st->a_col,
                     .b_row = st->b_row,
                     .b_col = st->b_col,
                     .alpha = 1.0f,
                     .ldc = st->n};
}

/* Batch i; whole, or only this part of it. */
static void einsum_product(const einsum_job *j, int64_t i, bool whole, uint32_t part, uint32_t n_parts)
{
    const einsum_stage *st = j->stage;
    int64_t size = (int64_t)j->p->size;
    const uint8_t *a = j->a + i * st->m * st->k * size, *b = j->b + i * st->k * st->n * size;
    uint8_t *y = j->y + i * st->m * st->n * size, *scratch = j->thread_scratch + part * j->p->thread_bytes;
    if (j->p->dtype == SETSUNA_F32) {
        sn_gemm g = einsum_gemm_f32(st);
        g.a = (const float *)(const void *)a;
        g.b = (const float *)(const void *)b;
        g.c = (float *)(void *)y;
        if (whole)
            sn_gemm_f32_run(&j->p->gemm, &g, 0, g.m, 0, g.n, scratch);
        else
            sn_gemm_f32_part(&j->p->gemm, &g, part, n_parts, scratch);
        return;
    }
    int64_t m0 = 0, m1 = st->m;
    if (!whole)
        sn_pool_range(st->m, 1, part, n_parts, &m0, &m1);
    sn_gemm_plain g = {m1 - m0,   st->n,     st->k,     a + m0 * st->a_row * size, b,     st->a_row,
                       st->a_col, st->b_row, st->b_col, y + m0 * st->n * size,     st->n, false};
    if (j->p->dtype == SETSUNA_F64)
        sn_gemm_plain_f64(&g);
    else if (size == 4)
        sn_gemm_plain_u32(&g);
    else
        sn_gemm_plain_u64(&g);
}

static void einsum_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const einsum_job *j = arg;
    const einsum_stage *st = j->stage;
    int64_t begin, end;
    switch (st->kind) {
    case EINSUM_MOVE: sn_move_run(&st->move, j->y, j->a, part, n_parts); break;
    case EINSUM_SUM:
        sn_pool_range(st->m, 1, part, n_parts, &begin, &end);
        einsum_sum_rows(j, begin, end);
        break;
    case EINSUM_MULTIPLY:
        sn_pool_range(st->m, 16, part, n_parts, &begin, &end);
        einsum_multiply(j, begin, end);
        break;
    case EINSUM_GEMM:
        if (st->batch < 2 * (int64_t)n_parts) {
            for (int64_t i = 0; i < st->batch; i++)
                einsum_product(j, i, false, part, n_parts);
            break;
        }
        sn_pool_range(st->batch, 1, part, n_parts, &begin, &end);
        for (int64_t i = begin; i < end; i++)
            einsum_product(j, i, true, part, n_parts);
        break;
    case EINSUM_ZERO:
        if (part == 0)
            memset(j->y, 0, (size_t)st->m * j->p->size);
        break;
    }
}

static uint8_t *einsum_at(const sn_step *s, const sn_run *r, einsum_ref ref)
{
    if (ref.input == EINSUM_IN_OUTPUT)
        return sn_out(s, r, 0);
    return ref.input == EINSUM_IN_SCRATCH ? (uint8_t *)r->scratch + ref.at_bytes : sn_in(s, r, (uint32_t)ref.input);
}

static setsuna_status einsum_run(const sn_step *s, sn_run *r)
{
    const einsum_param *p = s->param;
    for (uint32_t k = 0; k < p->n_stage; k++) {
        const einsum_stage *st = &p->stage[k];
        einsum_job j = {p, st, einsum_at(s, r, st->a), einsum_at(s, r, st->b), einsum_at(s, r, st->y), NULL};
        j.thread_scratch = (uint8_t *)r->scratch + p->thread_at;
        sn_run_parallel(s, r, einsum_part, &j);
    }
    return SETSUNA_OK;
}

/* ---- bind ---------------------------------------------------------------------------------------- */

static setsuna_status einsum_scratch(einsum_plan *pl, sn_step *s)
{
    einsum_param *p = pl->p;
    size_t threads;
    p->thread_at = pl->scratch_bytes;
    for (uint32_t k = 0; k < p->n_stage && p->dtype == SETSUNA_F32; k++) {
        if (p->stage[k].kind != EINSUM_GEMM)
            continue;
        sn_gemm g = einsum_gemm_f32(&p->stage[k]);
        size_t bytes = sn_gemm_f32_scratch_bytes(&p->gemm, &g);
        p->thread_bytes = bytes > p->thread_bytes ? bytes : p->thread_bytes;
    }
    if (!sn_mul_size(p->thread_bytes, s->n_parts, &threads) || !sn_add_size(p->thread_at, threads, &s->scratch_bytes))
        return sn_op_fail(pl->c, SETSUNA_ELIMIT, "an intermediate result is too large");
    return SETSUNA_OK;
}

static setsuna_status einsum_bind(sn_op_ctx *c, sn_step *s)
{
    einsum_plan pl = {.c = c};
    int64_t total;
    bool empty = false;
    /* A contraction needs at most two moves and a sum on each side and a product; the result one move. */
    pl.p = sn_op_param(c, sizeof *pl.p + (7 * (size_t)c->n_in + 1) * sizeof pl.p->stage[0]);
    if (!pl.p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_einsum_equation_parse(c, &pl.e));
    if (!sn_shape_numel(&c->out[0].shape, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output has too many elements");
    sn_reduce_table reduce;
    sn_reduce_table_init(&reduce, c->cpu);
    sn_gemm_table_init(&pl.p->gemm, c->cpu);
    pl.p->sum = reduce.rows_sum;
    pl.p->dtype = c->in[0].dtype;
    pl.p->size = setsuna_dtype_size(pl.p->dtype);
    for (int label = 0; label < SN_EINSUM_LABELS; label++)
        empty = empty || pl.e.extent[label] == 0;
    for (int32_t i = 0; i < pl.e.out.rank; i++)
        if (pl.e.extent[pl.e.out.label[i]] != 1)
            pl.out[pl.n_out++] = pl.e.out.label[i];
    if (!empty)
        SN_TRY(einsum_plan_stages(&pl));
    else if (total) /* sums over nothing */
        einsum_add(&pl, EINSUM_ZERO, (einsum_ref){0, 0}, (einsum_ref){EINSUM_IN_OUTPUT, 0})->m = total;
    s->run = einsum_run;
    s->param = pl.p;
    s->kernel = "einsum";
    s->flops = pl.flops;
    s->n_parts = sn_parts_for(c, pl.flops, (double)total * (double)pl.p->size);
    return einsum_scratch(&pl, s);
}

const sn_op sn_ops_einsum[] = {
    {"", "Einsum", 12, 0, 1, 255, 1, 1, SN_OP_F16_AS_F32, "equation:s", einsum_infer, einsum_bind},
    {.name = NULL},
};
