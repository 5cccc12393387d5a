/* RNN, GRU and LSTM. f32 with the usual activations: the products with W of many steps at once, then step by step
 * the products with R and the cell; W and R are packed panels. Everything else: rnn_plain.c.
 *
 *     gates [steps of a chunk][batch][gates * hidden] = X W' + bias      one product
 *     gates [t] += h R'                                                  one product a step
 *     (c, h) = cell(gates [t], c)
 */
#include "base/checked.h"
#include "base/hash.h"
#include "kernels/gemm.h"
#include "kernels/lstm.h"
#include "ops/parts.h"
#include "ops/rnn_attr.h"
#include <math.h>
#include <string.h>

/* Rows of one product with W: enough for the tile kernel, few enough for the gates to stay in L2. */
enum { RNN_CHUNK_ROWS = 64 };

typedef struct rnn_param {
    sn_rnn_attr a;
    sn_gemm_table gemm;
    sn_lstm_table cell;
    sn_act act[2][2]; /* GRU and plain: kernels' names of the activations */
    /* Packed weights of one direction: W, then R of all gates but a GRU's candidate, then that; in floats. */
    int64_t w_size, r_size, candidate_size, packed_size;
    const float *packed;                        /* of all directions; NULL: packed at run time into scratch */
    int64_t chunk;                              /* steps */
    size_t dir_bytes;                           /* scratch of one direction */
    size_t gates_at, sum_at, state_at, gemm_at; /* byte offsets in it; packed weights come first */
} rnn_param;

/* ---- packing ------------------------------------------------------------------------------------- */

static void rnn_pack_dir(const rnn_param *p, int64_t dir, const char *w, const char *r, float *out)
{
    const sn_rnn_attr *a = &p->a;
    int64_t gh = a->gates * a->hidden, most = a->kind == SN_RNN_GRU ? 2 * a->hidden : gh;
    const char *wd = w + dir * gh * a->input * (int64_t)sizeof(float);
    const char *rd = r + dir * gh * a->hidden * (int64_t)sizeof(float);
    sn_gemm_f32_pack_b(&p->gemm, a->input, gh, wd, 1, a->input, 1, out);
    sn_gemm_f32_pack_b(&p->gemm, a->hidden, most, rd, 1, a->hidden, 1, out + p->w_size);
    if (most < gh)
        sn_gemm_f32_pack_b(&p->gemm, a->hidden, gh - most, rd + most * a->hidden * (int64_t)sizeof(float), 1, a->hidden,
                           1, out + p->w_size + p->r_size);
}

static void rnn_pack_fill(void *dst, const void *const *source, const void *arg)
{
    const rnn_param *p = arg;
    for (int32_t d = 0; d < p->a.dirs; d++)
        rnn_pack_dir(p, d, source[0], source[1], (float *)dst + d * p->packed_size);
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct rnn_call {
    const rnn_param *p;
    const float *x, *w, *r, *b, *h0, *c0, *peephole;
    float *y, *yh, *yc;
    const int32_t *lens;
    char *scratch;
} rnn_call;

/* One direction's memory. */
typedef struct rnn_dir {
    const rnn_call *q;
    int32_t dir;
    const float *w, *r, *candidate; /* packed */
    float *gates;                   /* [chunk][batch][gates * hidden] */
    float *bias;                    /* [gates * hidden]: Wb + Rb; a GRU's candidate with linear_before_reset: Wb */
    float *candidate_bias;          /* [hidden]: Rb of a GRU's candidate; NULL without B */
    float *h, *c, *linear;          /* [batch][hidden] */
    void *gemm_scratch;
} rnn_dir;

static void rnn_start(const rnn_dir *x)
{
    const rnn_call *q = x->q;
    const sn_rnn_attr *a = &q->p->a;
    int64_t n = a->hidden, gh = a->gates * n;
    const float *b = q->b ? q->b + 2 * x->dir * gh : NULL;
    for (int64_t j = 0; j < gh && b; j++) {
        bool apart = a->kind == SN_RNN_GRU && a->linear_before_reset && j >= 2 * n;
        x->bias[j] = b[j] + (apart ? 0 : b[gh + j]);
    }
    for (int64_t j = 0; j < n && x->candidate_bias; j++)
        x->candidate_bias[j] = b[gh + 2 * n + j];
    for (int64_t i = 0; i < a->batch; i++) {
        int64_t at = x->dir * a->s_d + i * a->s_b;
        for (int64_t j = 0; j < n; j++) {
            x->h[i * n + j] = q->h0 ? q->h0[at + j] : 0;
            x->c[i * n + j] = q->c0 ? q->c0[at + j] : 0;
        }
    }
}

/* gates of steps [t0, t1) = X W' + bias. Rows of X lie evenly apart over all steps and sequences, or over the steps of
 * one sequence. */
static void rnn_input(const rnn_dir *x, int64_t t0, int64_t t1)
{
    const rnn_call *q = x->q;
    const sn_rnn_attr *a = &q->p->a;
    int64_t gh = a->gates * a->hidden;
    bool even = a->batch == 1 || a->x_t == a->batch * a->x_b;
    sn_gemm g = {.m = even ? (t1 - t0) * a->batch : t1 - t0,
                 .n = gh,
                 .k = a->input,
                 .a = q->x + t0 * a->x_t,
                 .a_row = a->batch == 1 || !even ? a->x_t : a->x_b,
                 .a_col = 1,
                 .b_packed = x->w,
                 .c = x->gates,
                 .ldc = even ? gh : a->batch * gh,
                 .bias_col = q->b ? x->bias : NULL};
    for (int64_t i = 0; i < (even ? 1 : a->batch); i++) {
        sn_gemm_f32_run(&q->p->gemm, &g, 0, g.m, 0, gh, x->gemm_scratch);
        g.a += a->x_b;
        g.c += gh;
    }
}

/* out [batch][ld] += v [batch][hidden] R', or = with `bias` (may be NULL) where start is set. */
static void rnn_recur(const rnn_dir *x, const float *packed, int64_t n, const float *v, float *out, int64_t ld,
                      bool start, const float *bias)
{
    const sn_rnn_attr *a = &x->q->p->a;
    sn_gemm g = {.m = a->batch,
                 .n = n,
                 .k = a->hidden,
                 .a = v,
                 .a_row = a->hidden,
                 .a_col = 1,
                 .b_packed = packed,
                 .c = out,
                 .ldc = ld,
                 .accumulate = !start,
                 .bias_col = bias};
    sn_gemm_f32_run(&x->q->p->gemm, &g, 0, g.m, 0, n, x->gemm_scratch);
}

static bool rnn_active(const rnn_dir *x, int64_t i, int64_t t)
{
    return !x->q->lens || t < x->q->lens[i];
}

static void rnn_step_lstm(const rnn_dir *x, int64_t t, float *gates)
{
    const rnn_call *q = x->q;
    const sn_rnn_attr *a = &q->p->a;
    int64_t n = a->hidden;
    rnn_recur(x, x->r, 4 * n, x->h, gates, 4 * n, false, NULL);
    for (int64_t i = 0; i < a->batch; i++) {
        if (!rnn_active(x, i, t))
            continue;
        sn_lstm_cell cell = {.hidden = n,
                             .gates = gates + i * 4 * n,
                             .c = x->c + i * n,
                             .peephole = q->peephole ? q->peephole + x->dir * 3 * n : NULL,
                             .clip = a->clip,
                             .input_forget = a->input_forget,
                             .c_out = x->c + i * n,
                             .h_out = x->h + i * n};
        q->p->cell.cell(&cell);
    }
}

static void rnn_step_gru(const rnn_dir *x, int64_t t, float *gates)
{
    const rnn_call *q = x->q;
    const rnn_param *p = q->p;
    const sn_rnn_attr *a = &p->a;
    int64_t n = a->hidden;
    rnn_recur(x, x->r, 2 * n, x->h, gates, 3 * n, false, NULL);
    for (int64_t i = 0; i < a->batch; i++)
        p->cell.act(gates + i * 3 * n, 2 * n, a->clip, p->act[x->dir][0]);
    if (a->linear_before_reset)
        rnn_recur(x, x->candidate, n, x->h, x->linear, n, true, x->candidate_bias);
    for (int64_t i = 0; i < a->batch; i++) {
        const float *r = gates + i * 3 * n + n, *h = x->h + i * n;
        float *candidate = gates + i * 3 * n + 2 * n, *linear = x->linear + i * n;
        if (a->linear_before_reset)
            for (int64_t j = 0; j < n; j++)
                candidate[j] += r[j] * linear[j];
        else
            for (int64_t j = 0; j < n; j++)
                linear[j] = r[j] * h[j];
    }
    if (!a->linear_before_reset)
        rnn_recur(x, x->candidate, n, x->linear, gates + 2 * n, 3 * n, false, NULL);
    for (int64_t i = 0; i < a->batch; i++) {
        float *z = gates + i * 3 * n, *candidate = z + 2 * n;
        p->cell.act(candidate, n, a->clip, p->act[x->dir][1]);
        if (rnn_active(x, i, t))
            p->cell.blend(z, candidate, n, x->h + i * n);
    }
}

static void rnn_step_plain(const rnn_dir *x, int64_t t, float *gates)
{
    const rnn_param *p = x->q->p;
    int64_t n = p->a.hidden;
    rnn_recur(x, x->r, n, x->h, gates, n, false, NULL);
    for (int64_t i = 0; i < p->a.batch; i++) {
        p->cell.act(gates + i * n, n, p->a.clip, p->act[x->dir][0]);
        if (rnn_active(x, i, t))
            memcpy(x->h + i * n, gates + i * n, (size_t)n * sizeof(float));
    }
}

static void rnn_emit(const rnn_dir *x, int64_t t)
{
    const rnn_call *q = x->q;
    const sn_rnn_attr *a = &q->p->a;
    for (int64_t i = 0; i < a->batch && q->y; i++) {
        float *y = q->y + t * a->y_t + x->dir * a->y_d + i * a->y_b;
        if (rnn_active(x, i, t))
            memcpy(y, x->h + i * a->hidden, (size_t)a->hidden * sizeof(float));
        else
            memset(y, 0, (size_t)a->hidden * sizeof(float));
    }
}

static void rnn_finish(const rnn_dir *x)
{
    const rnn_call *q = x->q;
    const sn_rnn_attr *a = &q->p->a;
    for (int64_t i = 0; i < a->batch; i++) {
        int64_t at = x->dir * a->s_d + i * a->s_b;
        if (q->yh)
            memcpy(q->yh + at, x->h + i * a->hidden, (size_t)a->hidden * sizeof(float));
        if (q->yc)
            memcpy(q->yc + at, x->c + i * a->hidden, (size_t)a->hidden * sizeof(float));
    }
}

static void rnn_direction(const rnn_call *q, int32_t dir)
{
    const rnn_param *p = q->p;
    const sn_rnn_attr *a = &p->a;
    char *scratch = q->scratch + (size_t)dir * p->dir_bytes;
    float *state = (float *)(scratch + p->state_at);
    int64_t rows = a->batch * a->hidden, gh = a->gates * a->hidden;
    const float *packed = p->packed ? p->packed + dir * p->packed_size : (const float *)scratch;
    if (!p->packed)
        rnn_pack_dir(p, dir, (const char *)q->w, (const char *)q->r, (float *)scratch);
    rnn_dir x = {.q = q,
                 .dir = dir,
                 .w = packed,
                 .r = packed + p->w_size,
                 .candidate = packed + p->w_size + p->r_size,
                 .gates = (float *)(scratch + p->gates_at),
                 .bias = (float *)(scratch + p->sum_at),
                 .h = state,
                 .c = state + rows,
                 .linear = state + 2 * rows,
                 .gemm_scratch = scratch + p->gemm_at};
    x.candidate_bias = q->b && a->kind == SN_RNN_GRU && a->linear_before_reset ? x.bias + gh : NULL;
    rnn_start(&x);
    for (int64_t done = 0; done < a->seq; done += p->chunk) {
        int64_t steps = a->seq - done < p->chunk ? a->seq - done : p->chunk;
        int64_t t0 = a->reverse[dir] ? a->seq - done - steps : done;
        rnn_input(&x, t0, t0 + steps);
        for (int64_t i = 0; i < steps; i++) {
            int64_t t = a->reverse[dir] ? t0 + steps - 1 - i : t0 + i;
            float *gates = x.gates + (t - t0) * a->batch * gh;
            if (a->kind == SN_RNN_LSTM)
                rnn_step_lstm(&x, t, gates);
            else if (a->kind == SN_RNN_GRU)
                rnn_step_gru(&x, t, gates);
            else
                rnn_step_plain(&x, t, gates);
            rnn_emit(&x, t);
        }
    }
    rnn_finish(&x);
}

static void rnn_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const rnn_call *q = arg;
    for (int32_t d = (int32_t)part; d < q->p->a.dirs; d += (int32_t)n_parts)
        rnn_direction(q, d);
}

static setsuna_status rnn_run(const sn_step *s, sn_run *r)
{
    const rnn_param *p = s->param;
    rnn_call q = {.p = p,
                  .x = sn_in(s, r, SN_RNN_X),
                  .w = sn_in(s, r, SN_RNN_W),
                  .r = sn_in(s, r, SN_RNN_R),
                  .b = sn_in(s, r, SN_RNN_B),
                  .h0 = sn_in(s, r, SN_RNN_H0),
                  .c0 = sn_in(s, r, SN_RNN_C0),
                  .peephole = sn_in(s, r, SN_RNN_P),
                  .y = sn_out(s, r, 0),
                  .yh = sn_out(s, r, 1),
                  .yc = sn_out(s, r, 2),
                  .scratch = r->scratch};
    SN_TRY(sn_rnn_lens(s, r, &p->a, &q.lens));
    sn_run_parallel(s, r, rnn_part, &q);
    return SETSUNA_OK;
}

static setsuna_status rnn_run_plain(const sn_step *s, sn_run *r)
{
    const rnn_param *p = s->param;
    return sn_rnn_plain_run(s, r, &p->a);
}

/* ---- plan time ----------------------------------------------------------------------------------- */

static setsuna_status rnn_infer(sn_op_ctx *c)
{
    sn_rnn_attr a;
    return sn_rnn_attr_read(c, &a);
}

/* The kernel's activation for a model's; false: there is none. */
static bool rnn_kernel_act(sn_rnn_act f, sn_act *out)
{
    switch (f.kind) {
    case SN_RNN_ACT_SIGMOID: *out = (sn_act){SN_ACT_SIGMOID, 0, 0}; return true;
    case SN_RNN_ACT_TANH: *out = (sn_act){SN_ACT_TANH, 0, 0}; return true;
    case SN_RNN_ACT_RELU: *out = (sn_act){SN_ACT_RELU, 0, 0}; return true;
    case SN_RNN_ACT_LEAKY_RELU: *out = (sn_act){SN_ACT_LEAKY_RELU, f.alpha, 0}; return true;
    case SN_RNN_ACT_HARD_SIGMOID: *out = (sn_act){SN_ACT_HARD_SIGMOID, f.alpha, f.beta}; return true;
    default: return false;
    }
}

static bool rnn_is_fast(rnn_param *p)
{
    const sn_rnn_attr *a = &p->a;
    if (a->dtype != SETSUNA_F32 || !a->seq || !a->batch || !a->hidden)
        return false;
    for (int d = 0; d < a->dirs; d++) {
        if (a->kind == SN_RNN_LSTM) {
            if (a->act[d][0].kind != SN_RNN_ACT_SIGMOID || a->act[d][1].kind != SN_RNN_ACT_TANH ||
                a->act[d][2].kind != SN_RNN_ACT_TANH)
                return false;
            continue;
        }
        for (int i = 0; i < (a->kind == SN_RNN_GRU ? 2 : 1); i++)
            if (!rnn_kernel_act(a->act[d][i], &p->act[d][i]))
                return false;
    }
    return true;
}

/* Adds n floats to *bytes, in whole cache lines. */
static bool rnn_reserve(size_t *bytes, int64_t n)
{
    size_t b;
    return n >= 0 && sn_mul_size((size_t)n, sizeof(float), &b) && sn_align_size(b, SN_ALIGN, &b) &&
           sn_add_size(*bytes, b, bytes);
}

static bool rnn_layout(rnn_param *p, bool constant)
{
    const sn_rnn_attr *a = &p->a;
    int64_t gh = a->gates * a->hidden, rows, gates, w, r;
    p->chunk = RNN_CHUNK_ROWS / a->batch;
    p->chunk = p->chunk < 1 ? 1 : p->chunk < a->seq ? p->chunk : a->seq;
    if (!sn_mul_i64(a->batch, p->chunk, &rows) || !sn_mul_i64(rows, gh, &gates) ||
        !sn_mul_i64(gh + 2 * SN_GEMM_NR_MAX, a->input, &w) || !sn_mul_i64(gh + 2 * SN_GEMM_NR_MAX, a->hidden, &r) ||
        w > INT64_MAX / 16 || r > INT64_MAX / 16)
        return false;
    int64_t most = a->kind == SN_RNN_GRU ? 2 * a->hidden : gh;
    p->w_size = sn_gemm_f32_packed_size(&p->gemm, a->input, gh);
    p->r_size = sn_gemm_f32_packed_size(&p->gemm, a->hidden, most);
    p->candidate_size = sn_gemm_f32_packed_size(&p->gemm, a->hidden, gh - most);
    p->packed_size = (p->w_size + p->r_size + p->candidate_size + 15) & ~(int64_t)15;
    size_t bytes = 0;
    if (!constant && !rnn_reserve(&bytes, p->packed_size))
        return false;
    p->gates_at = bytes;
    if (!rnn_reserve(&bytes, gates))
        return false;
    p->sum_at = bytes;
    if (!rnn_reserve(&bytes, gh + a->hidden))
        return false;
    p->state_at = bytes;
    if (!sn_mul_i64(a->batch, 3 * a->hidden, &rows) || !rnn_reserve(&bytes, rows))
        return false;
    p->gemm_at = bytes;
    /* Either product: many rows of X, or few of h; b is packed, so only copies of a need scratch. */
    static const float packed;
    const sn_gemm q[] = {
        {.m = p->chunk * a->batch, .k = a->input, .a_row = a->x_t, .a_col = 1, .b_packed = &packed},
        {.m = p->chunk * a->batch, .k = a->input, .a_row = a->x_b, .a_col = 1, .b_packed = &packed},
        {.m = a->batch, .k = a->hidden, .a_row = a->hidden, .a_col = 1, .b_packed = &packed},
    };
    size_t most_bytes = 0;
    for (int i = 0; i < 3; i++) {
        size_t need = sn_gemm_f32_scratch_bytes(&p->gemm, &q[i]);
        most_bytes = need > most_bytes ? need : most_bytes;
    }
    return sn_add_size(bytes, most_bytes, &bytes) && sn_align_size(bytes, SN_ALIGN, &p->dir_bytes);
}

static setsuna_status rnn_bind_fast(sn_op_ctx *c, sn_step *s, rnn_param *p)
{
    const sn_const *w = c->in[SN_RNN_W].cst, *r = c->in[SN_RNN_R].cst;
    const sn_const *const source[] = {w, r};
    bool constant = w && r;
    size_t size;
    if (!rnn_layout(p, constant) || !sn_mul_size(p->dir_bytes, (size_t)p->a.dirs, &s->scratch_bytes) ||
        !sn_mul_size((size_t)p->packed_size, (size_t)p->a.dirs * sizeof(float), &size))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the cell needs too much memory");
    s->run = rnn_run;
    s->kernel = p->a.kind == SN_RNN_LSTM ? sn_arena_printf(c->arena, "sn_lstm_f32_cell_%s", p->cell.level)
                                         : sn_arena_printf(c->arena, "sn_lstm_f32_act_%s", p->cell.level);
    if (!s->kernel)
        return SETSUNA_ENOMEM;
    if (!constant)
        return SETSUNA_OK;
    uint64_t key = sn_hash_u64(sn_hash_u64(sn_hash_str(0, "rnn_panels"), w->uid), r->uid);
    key = sn_hash_u64(sn_hash_u64(key, (uint64_t)p->gemm.nr << 32 | (uint64_t)p->a.kind), (uint64_t)p->a.input);
    const void *packed;
    SN_TRY(sn_op_pack(c, key, size, rnn_pack_fill, p, source, 2, &packed));
    p->packed = packed;
    return SETSUNA_OK;
}

static setsuna_status rnn_bind(sn_op_ctx *c, sn_step *s)
{
    rnn_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(sn_rnn_attr_read(c, &p->a));
    const sn_rnn_attr *a = &p->a;
    sn_gemm_table_init(&p->gemm, c->cpu);
    sn_lstm_table_init(&p->cell, c->cpu);
    double weights = (double)a->dirs * (double)(a->gates * a->hidden) * (double)(a->input + a->hidden);
    s->param = p;
    s->flops = 2 * weights * (double)a->seq * (double)a->batch;
    s->n_parts = 1;
    if (rnn_is_fast(p)) {
        /* The two directions are independent. */
        s->n_parts = a->dirs == 2 && sn_parts_for(c, s->flops, 0) > 1 ? 2 : 1;
        return rnn_bind_fast(c, s, p);
    }
    s->run = rnn_run_plain;
    s->kernel = "rnn_plain";
    if (!sn_rnn_plain_scratch_bytes(a, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "hidden_size is too large");
    return SETSUNA_OK;
}

#define RNN_ATTRS "activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i "

const sn_op sn_ops_rnn[] = {
    {"", "RNN", 1, 6, 3, 6, 0, 2, SN_OP_F16_AS_F32, RNN_ATTRS "output_sequence:i", rnn_infer, rnn_bind},
    {"", "RNN", 7, 0, 3, 6, 0, 2, SN_OP_F16_AS_F32, RNN_ATTRS "layout:i", rnn_infer, rnn_bind},
    {"", "GRU", 3, 6, 3, 6, 0, 2, SN_OP_F16_AS_F32, RNN_ATTRS "linear_before_reset:i output_sequence:i", rnn_infer,
     rnn_bind},
    {"", "GRU", 7, 0, 3, 6, 0, 2, SN_OP_F16_AS_F32, RNN_ATTRS "layout:i linear_before_reset:i", rnn_infer, rnn_bind},
    {"", "LSTM", 1, 6, 3, 8, 0, 3, SN_OP_F16_AS_F32, RNN_ATTRS "input_forget:i output_sequence:i", rnn_infer, rnn_bind},
    {"", "LSTM", 7, 0, 3, 8, 0, 3, SN_OP_F16_AS_F32, RNN_ATTRS "input_forget:i layout:i", rnn_infer, rnn_bind},
    {.name = NULL},
};
