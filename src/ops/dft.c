/* DFT and STFT. */
#include "base/checked.h"
#include "kernels/fft.h"
#include "ops/op.h"
#include "ops/parts.h"
#include "ops/real.h"
#include <string.h>

typedef struct dft_param {
    sn_fft fft;
    setsuna_dtype dtype;
    bool complex_in, inverse;
    int64_t bins; /* kept of each transform */
    /* DFT: signals are [outer][length][inner][1 or 2]. STFT: [outer][length][1 or 2], frames of each. */
    int64_t outer, length, inner, frames, step;
    int64_t thread_complex; /* scratch of one thread */
} dft_param;

/* ---- shapes -------------------------------------------------------------------------------------- */

/* A constant scalar integer; *has is false when the input is absent. */
static setsuna_status dft_scalar(sn_op_ctx *c, uint32_t i, int64_t *out, bool *has)
{
    int64_t v[1];
    size_t n;
    *has = sn_op_has(c, i);
    if (!*has)
        return SETSUNA_OK;
    SN_TRY(sn_op_const_ints(c, i, v, 1, &n));
    if (n != 1)
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must be one integer", i);
    *out = v[0];
    return SETSUNA_OK;
}

static setsuna_status dft_check_length(sn_op_ctx *c, int64_t n)
{
    if (n < 1 || n > SN_FFT_MAX)
        return sn_op_fail(c, n < 1 ? SETSUNA_EMODEL : SETSUNA_ELIMIT, "a transform of %lld points", (long long)n);
    return SETSUNA_OK;
}

/* *n_out: points of the transform. p is filled but for the fft. */
static setsuna_status dft_plan(sn_op_ctx *c, dft_param *p, int64_t *n_out)
{
    const setsuna_shape *x = &c->in[0].shape;
    bool axis_input = c->op->since >= 20, has;
    int64_t axis = axis_input ? -2 : sn_node_int(c->node, "axis", 1), n = 0, total;
    int32_t a;
    bool onesided = sn_node_int(c->node, "onesided", 0) != 0;
    SN_TRY(sn_op_want(c, 0, "float"));
    if (axis_input)
        SN_TRY(dft_scalar(c, 2, &axis, &has));
    if (x->rank < 2 || !sn_axis_normalize(axis, x->rank, &a) || a == x->rank - 1 ||
        (x->dim[x->rank - 1] != 1 && x->dim[x->rank - 1] != 2))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input must be [..., signal, ..., 1 or 2] with the axis inside");
    n = x->dim[a];
    SN_TRY(dft_scalar(c, 1, &n, &has));
    SN_TRY(dft_check_length(c, n));
    p->inverse = sn_node_int(c->node, "inverse", 0) != 0;
    if (p->inverse && onesided)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "inverse and onesided exclude each other");
    p->dtype = c->in[0].dtype;
    p->complex_in = x->dim[x->rank - 1] == 2;
    p->bins = onesided ? n / 2 + 1 : n;
    p->length = x->dim[a];
    p->outer = p->inner = 1;
    setsuna_shape y = *x;
    y.dim[a] = p->bins;
    y.dim[x->rank - 1] = 2;
    if (!sn_shape_numel(&y, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    for (int32_t d = 0; d < x->rank - 1; d++)
        if (d != a)
            *(d < a ? &p->outer : &p->inner) *= total ? x->dim[d] : 0;
    p->frames = 1;
    sn_op_out(c, 0, p->dtype, &y);
    *n_out = n;
    return SETSUNA_OK;
}

static setsuna_status dft_infer(sn_op_ctx *c)
{
    dft_param p;
    int64_t n;
    return dft_plan(c, &p, &n);
}

static setsuna_status dft_plan_stft(sn_op_ctx *c, dft_param *p, int64_t *n_out)
{
    const setsuna_shape *x = &c->in[0].shape;
    bool has_step, has_length, onesided = sn_node_int(c->node, "onesided", 1) != 0;
    int64_t step = 0, n = 0, total;
    SN_TRY(sn_op_want(c, 0, "float"));
    if ((x->rank != 3 || (x->dim[2] != 1 && x->dim[2] != 2)) && x->rank != 2)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the signal must be [batch, length, 1 or 2]");
    SN_TRY(dft_scalar(c, 1, &step, &has_step));
    SN_TRY(dft_scalar(c, 3, &n, &has_length));
    if (sn_op_has(c, 2)) {
        if (c->in[2].shape.rank != 1 || c->in[2].dtype != c->in[0].dtype || (has_length && c->in[2].shape.dim[0] != n))
            return sn_op_fail(c, SETSUNA_ESHAPE, "the window must have frame_length values of the signal's type");
        n = c->in[2].shape.dim[0];
    } else if (!has_length) {
        return sn_op_fail(c, SETSUNA_EMODEL, "there is neither a window nor frame_length");
    }
    SN_TRY(dft_check_length(c, n));
    if (!has_step || step < 1 || x->dim[1] < n)
        return sn_op_fail(c, SETSUNA_EMODEL, "frames of %lld, %lld apart, over %lld samples", (long long)n,
                          (long long)step, (long long)x->dim[1]);
    p->dtype = c->in[0].dtype;
    p->complex_in = x->rank == 3 && x->dim[2] == 2;
    p->bins = onesided ? n / 2 + 1 : n;
    p->outer = x->dim[0];
    p->length = x->dim[1];
    p->inner = 1;
    p->step = step;
    p->frames = (x->dim[1] - n) / step + 1;
    const setsuna_shape y = {4, {x->dim[0], p->frames, p->bins, 2}};
    if (!sn_shape_numel(&y, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    sn_op_out(c, 0, p->dtype, &y);
    *n_out = n;
    return SETSUNA_OK;
}

static setsuna_status dft_infer_stft(sn_op_ctx *c)
{
    dft_param p;
    int64_t n;
    return dft_plan_stft(c, &p, &n);
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct dft_call {
    const dft_param *p;
    const void *x, *window;
    void *y;
    sn_complex *scratch;
} dft_call;

/* Sample j of the signal that starts at complex (or real) number `base`, samples `stride` apart. */
static sn_complex dft_sample(const dft_call *q, int64_t base, int64_t j, int64_t stride)
{
    const dft_param *p = q->p;
    int64_t at = base + j * stride;
    if (p->complex_in)
        return (sn_complex){sn_real_get(q->x, p->dtype, 2 * at), sn_real_get(q->x, p->dtype, 2 * at + 1)};
    return (sn_complex){sn_real_get(q->x, p->dtype, at), 0};
}

static void dft_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const dft_call *q = arg;
    const dft_param *p = q->p;
    sn_complex *x = q->scratch + (int64_t)part * p->thread_complex, *work = x + p->fft.n;
    double by = p->inverse ? 1 / (double)p->fft.n : 1;
    int64_t i, end;
    sn_pool_range(p->outer * p->inner, 1, part, n_parts, &i, &end);
    for (; i < end; i++) {
        int64_t o = i / p->inner, k = i % p->inner, in = o * p->length * p->inner + k, out = o * p->bins * p->inner + k;
        for (int64_t j = 0; j < p->fft.n; j++) /* shorter signals are padded, longer ones cut */
            x[j] = j < p->length ? dft_sample(q, in, j, p->inner) : (sn_complex){0, 0};
        sn_fft_run(&p->fft, x, work);
        for (int64_t j = 0; j < p->bins; j++) {
            sn_real_set(q->y, p->dtype, 2 * (out + j * p->inner), x[j].re * by);
            sn_real_set(q->y, p->dtype, 2 * (out + j * p->inner) + 1, x[j].im * by);
        }
    }
}

static void dft_part_stft(void *arg, uint32_t part, uint32_t n_parts)
{
    const dft_call *q = arg;
    const dft_param *p = q->p;
    sn_complex *x = q->scratch + (int64_t)part * p->thread_complex, *work = x + p->fft.n;
    int64_t i, end;
    sn_pool_range(p->outer * p->frames, 1, part, n_parts, &i, &end);
    for (; i < end; i++) {
        int64_t start = i / p->frames * p->length + i % p->frames * p->step;
        for (int64_t j = 0; j < p->fft.n; j++) {
            double w = q->window ? sn_real_get(q->window, p->dtype, j) : 1;
            sn_complex v = dft_sample(q, start, j, 1);
            x[j] = (sn_complex){v.re * w, v.im * w};
        }
        sn_fft_run(&p->fft, x, work);
        for (int64_t j = 0; j < p->bins; j++) {
            sn_real_set(q->y, p->dtype, 2 * (i * p->bins + j), x[j].re);
            sn_real_set(q->y, p->dtype, 2 * (i * p->bins + j) + 1, x[j].im);
        }
    }
}

static setsuna_status dft_run(const sn_step *s, sn_run *r)
{
    dft_call q = {s->param, sn_in(s, r, 0), NULL, sn_out(s, r, 0), r->scratch};
    if (q.p->outer && q.p->inner)
        sn_run_parallel(s, r, dft_part, &q);
    return SETSUNA_OK;
}

static setsuna_status dft_run_stft(const sn_step *s, sn_run *r)
{
    dft_call q = {s->param, sn_in(s, r, 0), sn_in(s, r, 2), sn_out(s, r, 0), r->scratch};
    if (q.p->outer)
        sn_run_parallel(s, r, dft_part_stft, &q);
    return SETSUNA_OK;
}

static setsuna_status dft_bind(sn_op_ctx *c, sn_step *s)
{
    dft_param *p = sn_op_param(c, sizeof *p);
    bool stft = c->node->op[0] == 'S';
    int64_t n;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(stft ? dft_plan_stft(c, p, &n) : dft_plan(c, p, &n));
    sn_complex *table = sn_arena_array(c->arena, (size_t)sn_fft_table_size(n), sizeof *table);
    if (!table)
        return SETSUNA_ENOMEM;
    sn_fft_plan(&p->fft, n, p->inverse, table);
    double transforms = (double)p->outer * (double)p->inner * (double)p->frames, log2n = 1;
    for (int64_t m = 1; m < n; m *= 2)
        log2n++;
    s->run = stft ? dft_run_stft : dft_run;
    s->param = p;
    s->kernel = "sn_fft";
    s->flops = transforms * 5 * (double)n * log2n; /* the count that transforms are compared by */
    s->n_parts = sn_parts_for(c, 20 * s->flops, 0);
    p->thread_complex = n + sn_fft_scratch_size(n);
    if (!sn_mul_size((size_t)p->thread_complex * sizeof(sn_complex), s->n_parts, &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the transform needs too much memory");
    return SETSUNA_OK;
}

const sn_op sn_ops_dft[] = {
    {"", "DFT", 17, 19, 1, 2, 1, 1, SN_OP_F16_AS_F32, "axis:i inverse:i onesided:i", dft_infer, dft_bind},
    {"", "DFT", 20, 0, 1, 3, 1, 1, SN_OP_F16_AS_F32, "inverse:i onesided:i", dft_infer, dft_bind},
    {"", "STFT", 17, 0, 2, 4, 1, 1, SN_OP_F16_AS_F32, "onesided:i", dft_infer_stft, dft_bind},
    {.name = NULL},
};
