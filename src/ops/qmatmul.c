/* setsuna.QMatMul: a matrix of bytes that was quantised at run time, times a constant one (kernels/qgemm.h).
 *
 *     P = (A - AZ) (W - BZ)                 exact, modulo 2^32
 *     Y = P                                 i32, without AS
 *     Y = act(f32(P) * (AS * S) + B) + R    f32, each operation rounded; act: attributes activation, act_alpha,
 * act_beta
 *
 *     A  u8 or i8 [..., K];  W  u8 or i8 constant [K, N];  AZ  like A, one element, or absent;  BZ  like W, constant
 * [1] or [N], or absent;  AS  f32, one element;  S  f32 constant [1] or [N];  B  f32 constant [N] or absent;
 *     R  f32 [..., N] or absent
 */
#include "base/checked.h"
#include "base/hash.h"
#include "graph/tensor.h"
#include "kernels/qgemm.h"
#include "ops/act_attr.h"
#include "ops/op.h"
#include "ops/parts.h"
#include <string.h>

enum { QM_A, QM_W, QM_AZ, QM_BZ, QM_AS, QM_S, QM_B, QM_R };

static const int64_t qmatmul_elements_max = (int64_t)1 << 40;

typedef struct qmatmul_param {
    sn_qgemm_table table;
    sn_qgemm g;
    bool is_signed, staged, each_s, has_zero;
    int64_t m, n, k;
    const char *packed;                         /* of W, then the sums of its columns, then its zero points */
    size_t at_sum, at_b_zero, columns;          /* columns: bytes of an array over them */
    size_t flip_bytes, stage_bytes, part_bytes; /* scratch: bias, scale, shift; signed A; staged A; parts */
} qmatmul_param;

static const int64_t qmatmul_tap;

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct qmatmul_call {
    const qmatmul_param *p;
    sn_qgemm g;
    const uint8_t *a;
    uint8_t *flipped;
    char *stage, *scratch;
} qmatmul_call;

/* Rows in the level's format. */
static void qmatmul_stage_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qmatmul_call *q = arg;
    const qmatmul_param *p = q->p;
    int64_t from, to;
    sn_pool_range(p->m, 1, part, n_parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        const uint8_t *row = q->a + i * p->k;
        if (p->is_signed) {
            uint8_t *flipped = q->flipped + i * p->k;
            for (int64_t k = 0; k < p->k; k++)
                flipped[k] = row[k] ^ 0x80;
            row = flipped;
        }
        if (p->staged)
            p->table.stage(q->stage + i * p->g.px_step_bytes, row, p->k);
    }
}

static void qmatmul_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qmatmul_call *q = arg;
    sn_qgemm_part(&q->p->table, &q->g, part, n_parts, q->scratch + part * q->p->part_bytes);
}

/* sum (a - a0)(w' - z') = sum a w' - a0 sum w' - z' sum a + K a0 z' */
static void qmatmul_columns(const qmatmul_param *p, int32_t a_zero, const float *a_scale, const float *s,
                            const float *shift, int32_t *bias, float *scale, float *padded)
{
    const int32_t *sum = (const int32_t *)(p->packed + p->at_sum);
    const int32_t *b_zero = (const int32_t *)(p->packed + p->at_b_zero);
    for (int64_t j = 0; j < p->n; j++) {
        uint32_t zero = p->has_zero ? (uint32_t)b_zero[j] * (uint32_t)p->k : 0;
        bias[j] = (int32_t)((uint32_t)a_zero * (zero - (uint32_t)sum[j]));
    }
    for (int64_t j = 0; a_scale && j < p->n; j++)
        scale[j] = *a_scale * s[p->each_s ? j : 0];
    if (shift)
        memcpy(padded, shift, (size_t)p->n * sizeof *padded);
}

static setsuna_status qmatmul_run(const sn_step *s, sn_run *r)
{
    const qmatmul_param *p = s->param;
    const uint8_t *zero = sn_in(s, r, QM_AZ);
    const float *shift = sn_in(s, r, QM_B);
    char *at = r->scratch;
    if (!p->m || !sn_out(s, r, 0))
        return SETSUNA_OK;
    qmatmul_call q = {.p = p, .g = p->g, .a = sn_in(s, r, QM_A)};
    int32_t *bias = (int32_t *)at, a_zero = zero ? p->is_signed ? (int8_t)*zero : *zero : 0;
    float *scale = (float *)(at + p->columns), *padded = (float *)(at + 2 * p->columns);
    q.flipped = (uint8_t *)at + 3 * p->columns;
    q.stage = (char *)q.flipped + p->flip_bytes;
    q.scratch = q.stage + p->stage_bytes;
    qmatmul_columns(p, a_zero + (p->is_signed ? 128 : 0), sn_in(s, r, QM_AS), sn_in(s, r, QM_S), shift, bias, scale,
                    padded);
    if (p->is_signed || p->staged)
        sn_run_parallel(s, r, qmatmul_stage_part, &q);
    q.g.a = p->staged ? (const void *)q.stage : p->is_signed ? q.flipped : q.a;
    q.g.b = p->packed;
    q.g.y = sn_out(s, r, 0);
    q.g.residual = sn_in(s, r, QM_R);
    q.g.rq.bias = bias;
    q.g.rq.scale = scale;
    q.g.rq.shift = shift ? padded : NULL;
    q.g.rq.b_zero = p->has_zero ? (const int32_t *)(p->packed + p->at_b_zero) : NULL;
    sn_run_parallel(s, r, qmatmul_part, &q);
    return SETSUNA_OK;
}

/* ---- plan time ----------------------------------------------------------------------------------- */

static setsuna_status qmatmul_constant(sn_op_ctx *c, uint32_t i, const char *type, int64_t n, bool one)
{
    int64_t count;
    if (!sn_op_has(c, i))
        return SETSUNA_OK;
    SN_TRY(sn_op_want(c, i, type));
    if (!c->in[i].cst)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "input %u must be a constant", i);
    if (!sn_shape_numel(&c->in[i].shape, &count) || (count != n && !(one && count == 1)))
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must have %lld elements", i, (long long)n);
    return SETSUNA_OK;
}

static setsuna_status qmatmul_one(sn_op_ctx *c, uint32_t i)
{
    int64_t count;
    if (sn_op_has(c, i) && (!sn_shape_numel(&c->in[i].shape, &count) || count != 1))
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must have one element", i);
    return SETSUNA_OK;
}

static setsuna_status qmatmul_infer(sn_op_ctx *c)
{
    const setsuna_shape *a = &c->in[QM_A].shape, *w = &c->in[QM_W].shape;
    int64_t m, size;
    sn_act act;
    SN_TRY(sn_op_want(c, QM_A, "u8 i8"));
    SN_TRY(sn_op_want(c, QM_W, "u8 i8"));
    if (!c->in[QM_W].cst || a->rank < 1 || w->rank != 2 || w->dim[0] != a->dim[a->rank - 1] || w->dim[0] < 1 ||
        w->dim[1] < 1 || !sn_shape_numel(a, &m))
        return sn_op_fail(c, SETSUNA_ESHAPE, "a matrix and a constant one that fits it are needed");
    if ((sn_op_has(c, QM_AZ) && c->in[QM_AZ].dtype != c->in[QM_A].dtype) ||
        (sn_op_has(c, QM_BZ) && c->in[QM_BZ].dtype != c->in[QM_W].dtype) || sn_op_has(c, QM_AS) != sn_op_has(c, QM_S) ||
        (sn_op_has(c, QM_B) && !sn_op_has(c, QM_S)))
        return sn_op_fail(c, SETSUNA_ESHAPE, "zero points or scales do not go with the matrices");
    SN_TRY(qmatmul_one(c, QM_AZ));
    SN_TRY(qmatmul_one(c, QM_AS));
    SN_TRY(sn_op_want(c, QM_AS, "f32"));
    SN_TRY(qmatmul_constant(c, QM_BZ, "u8 i8", w->dim[1], true));
    SN_TRY(qmatmul_constant(c, QM_S, "f32", w->dim[1], true));
    SN_TRY(qmatmul_constant(c, QM_B, "f32", w->dim[1], false));
    if (!sn_mul_i64(m / w->dim[0], w->dim[1] + 64, &size) || size > qmatmul_elements_max || m > qmatmul_elements_max ||
        !sn_mul_i64(w->dim[0] + 64, w->dim[1] + 64, &size) || size > qmatmul_elements_max)
        return sn_op_fail(c, SETSUNA_ELIMIT, "a matrix is too large");
    setsuna_shape y = *a;
    y.dim[y.rank - 1] = w->dim[1];
    SN_TRY(sn_op_activation(c, &act));
    SN_TRY(sn_op_want(c, QM_R, "f32"));
    if ((sn_op_has(c, QM_R) || act.kind != SN_ACT_NONE) && !sn_op_has(c, QM_AS))
        return sn_op_fail(c, SETSUNA_EMODEL, "integers have no activation and no residual");
    if (sn_op_has(c, QM_R) && !sn_shape_equal(&c->in[QM_R].shape, &y))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the residual is not like the output");
    sn_op_out(c, 0, sn_op_has(c, QM_AS) ? SETSUNA_F32 : SETSUNA_I32, &y);
    return SETSUNA_OK;
}

typedef struct qmatmul_pack {
    const qmatmul_param *p;
    const sn_const *w, *z;
} qmatmul_pack;

static int32_t qmatmul_base(const sn_const *w)
{
    return w->t.dtype == SETSUNA_U8 ? 128 : 0;
}

static void qmatmul_fill(void *dst, const void *const *source, const void *arg)
{
    const qmatmul_pack *k = arg;
    const qmatmul_param *p = k->p;
    bool is_signed = k->w->t.dtype == SETSUNA_I8;
    const uint8_t *z = source[1];
    sn_qgemm_source from = {source[0], is_signed, qmatmul_base(k->w), 1, p->k, 1, 0, 0, p->n};
    sn_qgemm_pack(&p->table.limits, p->n, 1, &from, dst, (int32_t *)((char *)dst + p->at_sum));
    int32_t *zero = (int32_t *)((char *)dst + p->at_b_zero);
    for (int64_t j = 0; j < p->n; j++) {
        int64_t at = k->z && k->z->t.size_bytes == 1 ? 0 : j;
        uint8_t byte = z ? z[at] : 0;
        zero[j] = (is_signed ? (int32_t)(int8_t)byte : (int32_t)byte) - from.base;
    }
}

static size_t qmatmul_align(size_t n)
{
    return (n + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
}

static setsuna_status qmatmul_bind_packed(sn_op_ctx *c, qmatmul_param *p)
{
    qmatmul_pack k = {p, c->in[QM_W].cst, sn_op_has(c, QM_BZ) ? c->in[QM_BZ].cst : NULL};
    p->has_zero = k.z ? k.z->file != NULL : qmatmul_base(k.w) != 0;
    for (size_t i = 0; k.z && !k.z->file && i < k.z->t.size_bytes; i++)
        p->has_zero |= sn_tensor_get_i64(&k.z->t, (int64_t)i) != qmatmul_base(k.w);
    p->at_sum = qmatmul_align(sn_qgemm_packed_bytes(&p->table.limits, p->n, 1, p->k));
    p->at_b_zero = p->at_sum + p->columns;
    uint64_t key = sn_hash_u64(sn_hash_u64(sn_hash_str(0, "qmatmul"), k.w->uid), k.z ? k.z->uid : 0);
    key = sn_hash_u64(sn_hash_u64(key, (uint64_t)p->table.limits.nr), (uint64_t)p->table.limits.group);
    const void *packed;
    SN_TRY(sn_op_pack(c, key, p->at_b_zero + p->columns, qmatmul_fill, &k, (const sn_const *const[]){k.w, k.z}, 2,
                      &packed));
    p->packed = packed;
    return SETSUNA_OK;
}

static setsuna_status qmatmul_bind(sn_op_ctx *c, sn_step *s)
{
    qmatmul_param *p = sn_op_param(c, sizeof *p);
    int64_t numel;
    static const int32_t present;
    if (!p)
        return SETSUNA_ENOMEM;
    sn_qgemm_table_init(&p->table, c->cpu);
    const setsuna_shape *w = &c->in[QM_W].shape;
    const sn_qgemm_limits *l = &p->table.limits;
    p->k = w->dim[0];
    p->n = w->dim[1];
    if (!sn_shape_numel(&c->in[QM_A].shape, &numel))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the matrix is too large");
    p->m = numel / p->k;
    p->is_signed = c->in[QM_A].dtype == SETSUNA_I8;
    p->each_s = sn_op_has(c, QM_S) && c->in[QM_S].cst->t.size_bytes != sizeof(float);
    p->columns = qmatmul_align(((size_t)p->n + SN_REQUANT_PAD) * sizeof(int32_t));
    SN_TRY(qmatmul_bind_packed(c, p));
    p->staged = l->bytes != 1 || p->k % l->group != 0;
    int64_t row = p->staged ? (p->k + l->group - 1) / l->group * l->group * l->bytes : p->k;
    p->g = (sn_qgemm){.rows = 1,
                      .pixels = p->m,
                      .n = p->n,
                      .n_tap = 1,
                      .k = p->k,
                      .px_step_bytes = row,
                      .tap = &qmatmul_tap,
                      .rq = {.kind = sn_op_has(c, QM_AS) ? SN_REQUANT_F32 : SN_REQUANT_I32},
                      .ldy = p->n};
    SN_TRY(sn_op_activation(c, &p->g.rq.act));
    p->g.rq.has_residual = sn_op_has(c, QM_R);
    p->g.rq.b_zero = p->has_zero ? &present : NULL; /* replaced by each run */
    p->flip_bytes = p->is_signed ? qmatmul_align((size_t)numel) : 0;
    p->stage_bytes = p->staged ? qmatmul_align((size_t)(p->m * row)) : 0;
    p->part_bytes = sn_qgemm_scratch_bytes(&p->table, &p->g);
    s->run = qmatmul_run;
    s->param = p;
    s->kernel = p->table.tile_name;
    s->flops = 2 * (double)numel * (double)p->n;
    s->bytes = (double)numel + (double)p->m * (double)p->n * (sn_op_has(c, QM_R) ? 8 : 4) + (double)p->k * (double)p->n;
    s->n_parts = sn_parts_for(c, s->flops / 4, s->bytes);
    size_t fixed = 3 * p->columns + p->flip_bytes + p->stage_bytes;
    if (!sn_mul_size(p->part_bytes, s->n_parts, &s->scratch_bytes) ||
        !sn_add_size(s->scratch_bytes, fixed, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "it needs too much memory");
    return SETSUNA_OK;
}

const sn_op sn_ops_qmatmul[] = {
    {"setsuna", "QMatMul", 1, 0, 2, 8, 1, 1, 0, "activation:s act_alpha:f act_beta:f", qmatmul_infer, qmatmul_bind},
    {.name = NULL},
};
