/* setsuna.Attention: scaled dot-product attention of all heads, one step from the projections to what they become.
 *
 *     y[b, h, m, :] = softmax over n (scale q[b, h, m, :] . k[b, h, n, :] [+ mask[b, h, m, n]])  v[b, h, n, :]
 *
 *     dims    batch, heads, rows (m), keys (n), depth of q and k, depth of v; each at least 1
 *     q k v   where an operand lies in its input: offset, then the distances between batches, heads, rows and columns,
 * in elements; columns of q lie side by side mask    optional input 3, [b, h, m, keys], each of the first three its dim
 * or 1, leading ones absent or not merged  0: y is [b, h, m, depth of v]; 1: [b, m, h, depth of v]
 *
 * Keys (times scale) and values of a head are packed once; then a block of rows at a time has its scores, their
 * exponentials, the product of these with the values, and the division by their sum, in cache. Scores are never written
 * to memory as a whole. The order of sums is that of the products and of softmax by themselves (kernels/gemm.h,
 * softmax.h), with scale multiplied into the keys. With precision bf16 both products are in it (kernels/gemm_bf16.h).
 */
#include "base/checked.h"
#include "kernels/gemm_bf16.h"
#include "kernels/softmax.h"
#include "ops/op.h"
#include "ops/parts.h"

/* Scores of a block of rows take half of an L1 or so, but four tiles of rows at most. */
enum { ATTENTION_SCORES = 8192, ATTENTION_TILES = 4 };

typedef struct attention_view {
    int64_t offset, batch, head, row, col;
} attention_view;

typedef struct attention_param {
    sn_gemm_table gemm;
    sn_softmax_table softmax;
    int64_t batch, heads, rows, keys, depth, width; /* width: depth of v */
    attention_view q, k, v;
    bool masked, merged;
    int64_t mask_batch, mask_head, mask_row; /* 0 where the mask broadcasts */
    float scale;
    int64_t block, ld; /* rows at a time at most; distance between rows of scores */
    size_t k_floats, v_floats, score_floats, inv_floats, thread_scratch_bytes;
} attention_param;

/* ---- plan time ----------------------------------------------------------------------------------- */

/* Attribute `name`: where input i lies. rows x cols of each head must lie within the input. */
static setsuna_status attention_view_of(sn_op_ctx *c, const attention_param *p, uint32_t i, const char *name,
                                        int64_t rows, int64_t cols, attention_view *out)
{
    const int64_t *x, dim[4] = {p->batch, p->heads, rows, cols};
    int64_t numel, last, span;
    if (sn_node_ints(c->node, name, &x) != 5 || x[0] < 0 || !sn_shape_numel(&c->in[i].shape, &numel))
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute '%s' is not a view", name);
    last = x[0];
    for (int d = 0; d < 4; d++)
        if (x[d + 1] < 1 || !sn_mul_i64(dim[d] - 1, x[d + 1], &span) || !sn_add_i64(last, span, &last))
            return sn_op_fail(c, SETSUNA_EMODEL, "attribute '%s' is not a view", name);
    if (last >= numel)
        return sn_op_fail(c, SETSUNA_ESHAPE, "'%s' reaches beyond its input", name);
    *out = (attention_view){x[0], x[1], x[2], x[3], x[4]};
    return SETSUNA_OK;
}

static setsuna_status attention_mask(sn_op_ctx *c, attention_param *p)
{
    p->masked = sn_op_has(c, 3);
    if (!p->masked)
        return SETSUNA_OK;
    const setsuna_shape *s = &c->in[3].shape;
    const int64_t want[4] = {p->batch, p->heads, p->rows, p->keys};
    int64_t dim[4] = {1, 1, 1, 1}, stride[4], size = 1;
    bool fits = s->rank >= 1 && s->rank <= 4;
    for (int d = 0; fits && d < s->rank; d++)
        dim[4 - s->rank + d] = s->dim[d];
    for (int d = 3; d >= 0; d--) {
        fits = fits && (dim[d] == want[d] || (dim[d] == 1 && d < 3));
        stride[d] = dim[d] == 1 ? 0 : size;
        size *= fits ? dim[d] : 1; /* the input's own size: it fits */
    }
    if (!fits)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the mask does not broadcast to the scores");
    p->mask_batch = stride[0];
    p->mask_head = stride[1];
    p->mask_row = stride[2];
    return SETSUNA_OK;
}

static setsuna_status attention_plan(sn_op_ctx *c, attention_param *p, setsuna_shape *y)
{
    const int64_t *dim;
    for (uint32_t i = 0; i < c->n_in; i++)
        if (sn_op_has(c, i))
            SN_TRY(sn_op_want(c, i, "f32"));
    bool has_dims = sn_node_ints(c->node, "dims", &dim) == 6;
    for (int i = 0; has_dims && i < 6; i++)
        has_dims = dim[i] >= 1;
    if (!has_dims)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'dims' is not six positive numbers");
    *p = (attention_param){.batch = dim[0],
                           .heads = dim[1],
                           .rows = dim[2],
                           .keys = dim[3],
                           .depth = dim[4],
                           .width = dim[5],
                           .merged = sn_node_int(c->node, "merged", 0) != 0,
                           .scale = sn_node_float(c->node, "scale", 1)};
    SN_TRY(attention_view_of(c, p, 0, "q", p->rows, p->depth, &p->q));
    SN_TRY(attention_view_of(c, p, 1, "k", p->keys, p->depth, &p->k));
    SN_TRY(attention_view_of(c, p, 2, "v", p->keys, p->width, &p->v));
    if (p->q.col != 1)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "columns of q do not lie side by side");
    SN_TRY(attention_mask(c, p));
    *y = (setsuna_shape){4, {p->batch, p->heads, p->rows, p->width}};
    if (p->merged) {
        y->dim[1] = p->rows;
        y->dim[2] = p->heads;
    }
    return SETSUNA_OK;
}

static setsuna_status attention_infer(sn_op_ctx *c)
{
    attention_param p;
    setsuna_shape y;
    int64_t n;
    SN_TRY(attention_plan(c, &p, &y));
    if (!sn_shape_numel(&y, &n))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    sn_op_out(c, 0, SETSUNA_F32, &y);
    return SETSUNA_OK;
}

/* Floats of a packed (k, n), rounded up to whole lines. */
static bool attention_packed(const attention_param *p, int64_t k, int64_t n, size_t *out)
{
    int64_t most;
    if (!sn_add_i64(n, p->gemm.nr + 16, &most) || !sn_mul_i64(most, k, &most) || most > INT64_MAX / 16)
        return false;
    *out = ((size_t)sn_gemm_f32_packed_size(&p->gemm, k, n) + 15) & ~(size_t)15;
    return true;
}

/* What a product needs at most: of a whole block, or of the few rows that are left of one, whose blocking is another.
 */
static size_t attention_gemm_bytes(const attention_param *p)
{
    size_t most = 0;
    for (int i = 0; i < 4; i++) {
        const bool few = i & 1, sum = i & 2;
        const sn_gemm g = {.m = few && p->block > SN_GEMM_ROWS_STREAM ? SN_GEMM_ROWS_STREAM : p->block,
                           .n = sum ? p->width : p->keys,
                           .k = sum ? p->keys : p->depth,
                           .a_row = sum ? p->ld : p->q.row,
                           .a_col = 1,
                           .b_packed = (const float *)p};
        const size_t bytes = sn_gemm_f32_scratch_bytes(&p->gemm, &g);
        most = bytes > most ? bytes : most;
    }
    return most;
}

/* Block sizes and the scratch of a thread. false: too large. */
static bool attention_size(attention_param *p)
{
    const int64_t mr = p->gemm.mr;
    size_t scores, total, gemm_bytes;
    /* 16 floats beyond a multiple of 32: rows of scores never lie a multiple of 2 KiB apart, in the same sets of L1. */
    if (p->keys > INT64_MAX / 64 || !attention_packed(p, p->depth, p->keys, &p->k_floats) ||
        !attention_packed(p, p->keys, p->width, &p->v_floats))
        return false;
    p->ld = (p->keys + 31) / 32 * 32 + 16;
    p->block = ATTENTION_SCORES / p->ld / mr * mr;
    p->block = p->block < mr ? mr : p->block > ATTENTION_TILES * mr ? ATTENTION_TILES * mr : p->block;
    p->block = p->block < p->rows ? p->block : p->rows;
    gemm_bytes = attention_gemm_bytes(p);
    if (!sn_mul_size((size_t)p->block, (size_t)p->ld, &scores))
        return false;
    p->score_floats = (scores + 15) & ~(size_t)15;
    p->inv_floats = ((size_t)p->block + 15) & ~(size_t)15;
    if (!sn_add_size(p->k_floats, p->v_floats, &total) || !sn_add_size(total, p->score_floats, &total) ||
        !sn_add_size(total, p->inv_floats, &total) || !sn_mul_size(total, sizeof(float), &total) ||
        !sn_add_size(total, gemm_bytes, &total))
        return false;
    return sn_align_size(total, SN_ALIGN, &p->thread_scratch_bytes);
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct attention_call {
    const attention_param *p;
    const float *q, *k, *v, *mask; /* mask: NULL for none */
    float *y;
    char *scratch;
} attention_call;

/* What a thread works in. */
typedef struct attention_room {
    float *k, *v, *scores; /* packed keys and values of a head; scores of a block of rows */
    float *inv;            /* one a row of the block */
    void *gemm;
} attention_room;

/* Rows [from, to) of a head whose keys and values are packed. q, mask and y: the head's. */
static void attention_block(const attention_param *p, const attention_room *room, const float *q, const float *mask,
                            float *y, int64_t ldy, int64_t from, int64_t to)
{
    const int64_t m = to - from;
    const bool rows_differ = mask && p->mask_row;
    if (rows_differ)
        for (int64_t i = 0; i < m; i++)
            __builtin_memcpy(room->scores + i * p->ld, mask + (from + i) * p->mask_row,
                             (size_t)p->keys * sizeof(float));
    const sn_gemm score = {.m = m,
                           .n = p->keys,
                           .k = p->depth,
                           .a = q + from * p->q.row,
                           .a_row = p->q.row,
                           .a_col = 1,
                           .b_packed = room->k,
                           .c = room->scores,
                           .ldc = p->ld,
                           .accumulate = rows_differ,
                           .bias_col = rows_differ ? NULL : mask};
    sn_gemm_f32_run(&p->gemm, &score, 0, m, 0, p->keys, room->gemm);
    p->softmax.exp_rows(room->scores, p->ld, m, p->keys, room->inv);
    const sn_gemm sum = {.m = m,
                         .n = p->width,
                         .k = p->keys,
                         .a = room->scores,
                         .a_row = p->ld,
                         .a_col = 1,
                         .b_packed = room->v,
                         .c = y + from * ldy,
                         .ldc = ldy};
    sn_gemm_f32_run(&p->gemm, &sum, 0, m, 0, p->width, room->gemm);
    p->softmax.scale_rows(sum.c, ldy, m, p->width, room->inv);
}

/* Rows [from, to) of head `head` of all heads of all batches. */
static void attention_head(const attention_call *x, const attention_room *room, int64_t head, int64_t from, int64_t to)
{
    const attention_param *p = x->p;
    const int64_t b = head / p->heads, h = head % p->heads;
    const float *q = x->q + p->q.offset + b * p->q.batch + h * p->q.head;
    const float *k = x->k + p->k.offset + b * p->k.batch + h * p->k.head;
    const float *v = x->v + p->v.offset + b * p->v.batch + h * p->v.head;
    const float *mask = x->mask ? x->mask + b * p->mask_batch + h * p->mask_head : NULL;
    const int64_t ldy = p->merged ? p->heads * p->width : p->width;
    float *y = x->y + (p->merged ? b * p->rows * ldy + h * p->width : head * p->rows * p->width);
    sn_gemm_f32_pack_b(&p->gemm, p->depth, p->keys, k, p->k.col, p->k.row, p->scale, room->k);
    sn_gemm_f32_pack_b(&p->gemm, p->keys, p->width, v, p->v.row, p->v.col, 1, room->v);
    const int64_t n_block = (to - from + p->block - 1) / p->block;
    for (int64_t i = 0; i < n_block; i++)
        attention_block(p, room, q, mask, y, ldy, from + (to - from) * i / n_block,
                        from + (to - from) * (i + 1) / n_block);
}

static void attention_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const attention_call *x = arg;
    const attention_param *p = x->p;
    float *scratch = (float *)(x->scratch + part * p->thread_scratch_bytes);
    attention_room room = {.k = scratch, .v = scratch + p->k_floats};
    room.scores = room.v + p->v_floats;
    room.inv = room.scores + p->score_floats;
    room.gemm = room.inv + p->inv_floats;
    const int64_t heads = p->batch * p->heads;
    int64_t i, end;
    /* Whole heads where that leaves no thread with much more than another; else rows, packing the head in between
     * twice. */
    sn_pool_range(heads * p->rows, heads >= 4 * (int64_t)n_parts ? p->rows : 1, part, n_parts, &i, &end);
    while (i < end) {
        int64_t head = i / p->rows, from = i % p->rows, to = p->rows;
        if (to - from > end - i)
            to = from + end - i;
        attention_head(x, &room, head, from, to);
        i += to - from;
    }
}

static setsuna_status attention_run(const sn_step *s, sn_run *r)
{
    attention_call x = {.p = s->param,
                        .q = sn_in(s, r, 0),
                        .k = sn_in(s, r, 1),
                        .v = sn_in(s, r, 2),
                        .mask = sn_in(s, r, 3),
                        .y = sn_out(s, r, 0),
                        .scratch = r->scratch};
    sn_run_parallel(s, r, attention_part, &x);
    return SETSUNA_OK;
}

static setsuna_status attention_bind(sn_op_ctx *c, sn_step *s)
{
    attention_param *p = sn_op_param(c, sizeof *p);
    setsuna_shape y;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(attention_plan(c, p, &y));
    (c->precision == SN_PRECISION_BF16 ? sn_gemm_bf16_table_init : sn_gemm_table_init)(&p->gemm, c->cpu);
    sn_softmax_table_init(&p->softmax, c->cpu);
    double heads = (double)p->batch * (double)p->heads, m = (double)p->rows, n = (double)p->keys;
    double d = (double)p->depth, e = (double)p->width;
    s->param = p;
    s->flops = heads * m * n * (2 * (d + e) + 16); /* 16: softmax, as by itself */
    s->bytes = heads * sizeof(float) * (m * (d + e) + n * (d + e));
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    if (!attention_size(p) || !sn_mul_size(p->thread_scratch_bytes, s->n_parts, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the product needs too much memory");
    s->run = attention_run;
    s->kernel = sn_arena_printf(c->arena, "sn_attention_%s", p->softmax.level);
    return s->kernel ? SETSUNA_OK : SETSUNA_ENOMEM;
}

const sn_op sn_ops_attention[] = {
    {"setsuna", "Attention", 1, 0, 3, 4, 1, 1, 0, "dims:I q:I k:I v:I scale:f merged:i", attention_infer,
     attention_bind},
    {.name = NULL},
};
