/* setsuna.Conv: a convolution with everything around it, over blocked channels (kernels/conv.h).
 *
 *     Y = act(Conv(X, W * S) + B + R) * act_scale + act_shift        residual "before" (the activation)
 *     Y = act(Conv(X, W * S) + B) * act_scale + act_shift + R        residual "after"
 *
 *     X  f32, plain [N, C, (H,) W] or blocked [N, ceil(C/b), (H,) W, b]; W's rank says which. Or bf16, blocked: then
 *        the products are those of kernels/conv_bf16.h. So are those of a plain X with attribute bf16 1
 *     W  f32 constant [M, C/group, (kH,) kW];  S, B  f32 constants [M], optional;  R  like Y, optional
 *     Y  blocked when attribute block is b, plain when it is 0; f32, or bf16 with attribute narrow 1 and X in bf16. A
 *        blocked R may be of either type then
 *
 * W, S and B are constants: they are packed when the plan is made. activation and its act_alpha, act_beta are those of
 * kernels/activation.h; leaky_relu_max is max(leaky_relu, act_beta). A plain X is read in place; a plain Y or R takes
 * another pass over it, so plans keep images blocked where they can (passes/layout.c).
 */
#include "base/checked.h"
#include "base/hash.h"
#include "ops/conv_blocked.h"
#include "kernels/conv_bf16.h"
#include "ops/conv_attr.h"
#include <math.h>
#include <string.h>

/* What kernels/conv.h asks for, so that no index overflows. */
static const int64_t conv_blocked_elements_max = (int64_t)1 << 47;

typedef struct conv_blocked_param {
    sn_conv conv;
    sn_conv_table table;
    const float *w, *bias;
    sn_conv_reorder out;  /* between the kernel's result and Y; n is -1 when Y is blocked */
    size_t conv_bytes;    /* scratch: the kernel's own, then... */
    size_t result_floats; /* ...a blocked result and a blocked residual, where Y is plain */
    bool late;            /* the activation of `end` is applied to a plain Y, not to the convolution's lanes */
    sn_conv_spec end;
    sn_conv_bf16_fn *bf16;          /* NULL: f32 */
    sn_conv_bf16_pixels_fn *pixels; /* not NULL: X is plain floats, and made pixels at the end of scratch */
    size_t pixels_at;
    bool residual_bf16, y_bf16;
} conv_blocked_param;

/* ---- plan time ----------------------------------------------------------------------------------- */

setsuna_status sn_conv_blocked_constants(sn_op_ctx *c, int64_t oc)
{
    for (uint32_t i = 0; i < c->n_in; i++)
        SN_TRY(sn_op_want(c, i, i == CONV_BLOCKED_X || i == CONV_BLOCKED_R ? "f32 bf16" : "f32"));
    for (uint32_t i = CONV_BLOCKED_W; i <= CONV_BLOCKED_S; i++) {
        if (!sn_op_has(c, i))
            continue;
        if (!c->in[i].cst)
            return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "weights, bias and scale must be constants");
        if (i > CONV_BLOCKED_W && (c->in[i].shape.rank != 1 || c->in[i].shape.dim[0] != oc))
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u must have the shape [%lld]", i, (long long)oc);
    }
    return SETSUNA_OK;
}

setsuna_status sn_conv_blocked_act(sn_op_ctx *c, sn_conv_spec *s)
{
    const char *act = sn_node_string(c->node, "activation", "none");
    static const struct {
        const char *name;
        sn_conv_act act;
        bool alpha_is, beta_is; /* this, not the attribute */
        float alpha, beta;
    } acts[] = {
        {"none", SN_CONV_CLAMP, true, true, -INFINITY, INFINITY},
        {"relu", SN_CONV_CLAMP, true, true, 0, INFINITY},
        {"clip", SN_CONV_CLAMP, false, false, 0, 0},
        {"leaky_relu", SN_CONV_LEAKY, false, true, 0, -INFINITY},
        {"leaky_relu_max", SN_CONV_LEAKY, false, false, 0, 0},
        {"hard_swish", SN_CONV_HARDSWISH, true, true, 1.0f / 6, 0.5f},
        {"hard_sigmoid", SN_CONV_HARDSIGMOID, false, false, 0, 0},
        {"sigmoid", SN_CONV_SIGMOID, true, true, 0, 0},
        {"silu", SN_CONV_SWISH, false, true, 0, 0},
        {"tanh", SN_CONV_TANH, true, true, 0, 0},
    };
    s->scale = sn_node_float(c->node, "act_scale", 1);
    s->shift = sn_node_float(c->node, "act_shift", 0);
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        if (strcmp(act, acts[i].name) == 0) {
            s->act = acts[i].act;
            s->alpha = acts[i].alpha_is ? acts[i].alpha : sn_node_float(c->node, "act_alpha", 0);
            s->beta = acts[i].beta_is ? acts[i].beta : sn_node_float(c->node, "act_beta", 0);
            return SETSUNA_OK;
        }
    return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'activation' is '%.32s'", act);
}

setsuna_shape sn_conv_blocked_shape(const setsuna_shape *plain, int64_t b)
{
    setsuna_shape s = *plain;
    s.dim[1] = plain->dim[1] / b + (plain->dim[1] % b != 0);
    s.dim[s.rank++] = b;
    return s;
}

setsuna_status sn_conv_blocked_fits(sn_op_ctx *c, const setsuna_shape *s)
{
    int64_t n;
    for (int32_t i = 0; i < s->rank; i++)
        if (s->dim[i] > INT32_MAX)
            return sn_op_fail(c, SETSUNA_ELIMIT, "an extent of %lld is too large", (long long)s->dim[i]);
    if (!sn_shape_numel(s, &n) || n > conv_blocked_elements_max)
        return sn_op_fail(c, SETSUNA_ELIMIT, "a tensor is too large");
    return SETSUNA_OK;
}

setsuna_status sn_conv_blocked_input(sn_op_ctx *c, int64_t channels, int64_t b, setsuna_shape *x, bool *plain)
{
    const setsuna_shape *in = &c->in[CONV_BLOCKED_X].shape, *w = &c->in[CONV_BLOCKED_W].shape;
    *plain = in->rank == w->rank;
    *x = *in;
    if (!*plain) {
        if (in->rank != w->rank + 1)
            return sn_op_fail(c, SETSUNA_ESHAPE, "the input has rank %d and the weights %d", (int)in->rank,
                              (int)w->rank);
        x->rank--;
        x->dim[1] = channels;
    }
    setsuna_shape blocked = sn_conv_blocked_shape(x, b);
    if (channels < 1 || x->dim[1] != channels || (!*plain && !sn_shape_equal(in, &blocked)))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input is not an image of %lld channels, plain or in blocks of %lld",
                          (long long)channels, (long long)b);
    return sn_conv_blocked_fits(c, in);
}

setsuna_status sn_conv_blocked_block(sn_op_ctx *c, int64_t b, int64_t *out)
{
    *out = sn_node_int(c->node, "block", 0);
    if (*out != 0 && *out != b)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'block' is %lld; kernels work in blocks of %lld",
                          (long long)*out, (long long)b);
    return SETSUNA_OK;
}

static setsuna_status conv_blocked_residual(sn_op_ctx *c, sn_conv_spec *s, const setsuna_shape *y)
{
    const char *residual = sn_node_string(c->node, "residual", "before");
    s->residual_last = strcmp(residual, "after") == 0;
    if (!s->residual_last && strcmp(residual, "before") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'residual' is '%.32s'", residual);
    if (sn_op_has(c, CONV_BLOCKED_R) && !sn_shape_equal(&c->in[CONV_BLOCKED_R].shape, y))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the residual's shape is not the output's");
    return SETSUNA_OK;
}

static bool conv_blocked_is_bf16(const sn_op_ctx *c, uint32_t i)
{
    return sn_op_has(c, i) && c->in[i].dtype == SETSUNA_BF16;
}

/* Products are. */
static bool conv_blocked_in_bf16(const sn_op_ctx *c)
{
    return conv_blocked_is_bf16(c, CONV_BLOCKED_X) || sn_node_int(c->node, "bf16", 0) != 0;
}

/* Which of X, R and Y are bf16. */
static setsuna_status conv_blocked_types(sn_op_ctx *c, const sn_conv_spec *s, int64_t block)
{
    bool narrow = sn_node_int(c->node, "narrow", 0) != 0, plain = sn_node_int(c->node, "block", 0) == 0;
    if (sn_node_int(c->node, "bf16", 0) != 0 && !s->plain_in)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'bf16' is for plain inputs");
    if (!conv_blocked_in_bf16(c)) {
        if (narrow || conv_blocked_is_bf16(c, CONV_BLOCKED_R))
            return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "the input is f32 and the output or residual bf16");
        return SETSUNA_OK;
    }
    if (!sn_conv_bf16_can(s, block) || (s->plain_in && conv_blocked_is_bf16(c, CONV_BLOCKED_X)))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "a convolution of this form cannot be computed in bf16");
    if (plain && (narrow || conv_blocked_is_bf16(c, CONV_BLOCKED_R)))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "plain outputs and residuals are f32");
    return SETSUNA_OK;
}

/* Everything about the node: the kernel's spec, and Y's shape. */
static setsuna_status conv_blocked_read(sn_op_ctx *c, sn_conv_spec *s, setsuna_shape *y)
{
    const setsuna_shape *w = &c->in[CONV_BLOCKED_W].shape;
    sn_conv_table table;
    sn_conv_attr a;
    setsuna_shape x;
    int64_t channels, block;
    *s = (sn_conv_spec){.step_h = 1, .step_w = 1};
    if (w->rank < 3 || w->rank > 4 || !sn_mul_i64(w->dim[1], sn_node_int(c->node, "group", 1), &channels))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the weights have rank %d", (int)w->rank);
    SN_TRY(sn_conv_blocked_constants(c, w->dim[0]));
    SN_TRY(sn_conv_blocked_act(c, s));
    sn_conv_table_init(&table, c->cpu);
    int64_t b = table.limits.block;
    SN_TRY(sn_conv_blocked_block(c, b, &block));
    SN_TRY(sn_conv_blocked_input(c, channels, b, &x, &s->plain_in));
    SN_TRY(sn_conv_attr_read(c, &x, w, &a));
    SN_TRY(sn_conv_attr_output(c, false, &a));
    if (w->dim[0] < 1 || w->dim[0] % a.group != 0)
        return sn_op_fail(c, SETSUNA_ESHAPE, "%lld output channels in %lld groups", (long long)w->dim[0],
                          (long long)a.group);
    s->n = x.dim[0], s->ic = x.dim[1], s->oc = w->dim[0], s->group = a.group;
    s->ih = a.in[1], s->iw = a.in[2], s->oh = s->y_h = a.out[1], s->ow = s->y_w = a.out[2];
    s->kh = a.kernel[1], s->kw = a.kernel[2];
    s->stride_h = a.stride[1], s->stride_w = a.stride[2];
    s->dilation_h = a.dilation[1], s->dilation_w = a.dilation[2];
    s->pad_top = a.pad_lo[1], s->pad_left = a.pad_lo[2];
    setsuna_shape plain = sn_conv_attr_shape(&a, s->n, s->oc), blocked = sn_conv_blocked_shape(&plain, b);
    setsuna_shape padded = {.rank = 4, .dim = {blocked.dim[1] * b, w->dim[1] + 2 * b, s->kh, s->kw}};
    SN_TRY(sn_conv_blocked_fits(c, &blocked));
    SN_TRY(sn_conv_blocked_fits(c, &padded)); /* packed weights of a block need not begin where a block of x does */
    if (s->group > 1 && w->dim[1] < b)        /* and those of narrow groups have zeros between */
        padded.dim[1] = w->dim[1] * b;
    SN_TRY(sn_conv_blocked_fits(c, &padded));
    *y = block ? blocked : plain;
    SN_TRY(conv_blocked_types(c, s, b));
    return conv_blocked_residual(c, s, y);
}

static setsuna_status conv_blocked_infer(sn_op_ctx *c)
{
    sn_conv_spec s;
    setsuna_shape y;
    SN_TRY(conv_blocked_read(c, &s, &y));
    sn_op_out(c, 0, sn_node_int(c->node, "narrow", 0) ? SETSUNA_BF16 : SETSUNA_F32, &y);
    return SETSUNA_OK;
}

typedef struct conv_blocked_pack {
    const sn_conv *conv;
    const sn_conv_table *table;
    bool bf16;
    int64_t ic; /* of a group; conv counts pairs of them in bf16 */
} conv_blocked_pack;

static void conv_blocked_fill_weights(void *dst, const void *const *source, const void *arg)
{
    const conv_blocked_pack *p = arg;
    const sn_conv_spec *s = &p->conv->s;
    int64_t taps = s->kh * s->kw;
    const sn_conv_weights from = {source[0], source[1], p->ic * taps, taps, 1};
    if (p->bf16)
        sn_conv_bf16_pack_weights(p->conv, p->ic, &from, dst);
    else
        (p->conv->winograd ? p->table->pack_winograd : sn_conv_pack_weights)(p->conv, &from, dst);
}

static void conv_blocked_fill_bias(void *dst, const void *const *source, const void *arg)
{
    const conv_blocked_pack *p = arg;
    sn_conv_pack_bias(p->conv, source[0], dst);
}

static setsuna_status conv_blocked_pack_all(sn_op_ctx *c, conv_blocked_param *p)
{
    const sn_conv *cv = &p->conv;
    const sn_conv_spec *s = &cv->s;
    const sn_const *w = c->in[CONV_BLOCKED_W].cst;
    const sn_const *b = sn_op_has(c, CONV_BLOCKED_B) ? c->in[CONV_BLOCKED_B].cst : NULL;
    const sn_const *f = sn_op_has(c, CONV_BLOCKED_S) ? c->in[CONV_BLOCKED_S].cst : NULL;
    int64_t taps = s->kh * s->kw;
    conv_blocked_pack from = {cv, &p->table, p->bf16 != NULL, c->in[CONV_BLOCKED_W].shape.dim[1]};
    uint64_t key = sn_hash_u64(sn_hash_str(0, p->bf16 ? "conv_pairs" : "conv_bundles"), w->uid);
    const int64_t layout[] = {cv->wino_h * cv->wino_w, s->ic,        s->oc,   taps, s->group, cv->x_lanes,
                              cv->limits.block,        cv->n_bundle, cv->half};
    key = sn_hash_u64(key, f ? f->uid : 0);
    for (size_t i = 0; i < sizeof layout / sizeof layout[0]; i++)
        key = sn_hash_u64(key, (uint64_t)layout[i]);
    const void *packed;
    SN_TRY(sn_op_pack(c, key, sn_conv_weights_size(cv) * sizeof(float), conv_blocked_fill_weights, &from,
                      (const sn_const *const[]){w, f}, 2, &packed));
    p->w = packed;
    key = sn_hash_u64(sn_hash_str(0, "conv_bias"), b ? b->uid : 0);
    key = sn_hash_u64(key, (uint64_t)cv->limits.block);
    SN_TRY(sn_op_pack(c, key, sn_conv_bias_size(cv) * sizeof(float), conv_blocked_fill_bias, &from, &b, 1, &packed));
    p->bias = packed;
    return SETSUNA_OK;
}

/* ---- run time ------------------------------------------------------------------------------------ */

typedef struct conv_blocked_call {
    const conv_blocked_param *p;
    sn_conv_io io;
    const float *from; /* of a reorder */
    float *to;
} conv_blocked_call;

static void conv_blocked_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_blocked_call *q = arg;
    const conv_blocked_param *p = q->p;
    if (p->bf16) {
        const sn_conv_io *io = &q->io;
        const void *x = io->x, *w = io->w;
        const sn_conv_bf16_io narrow = {x, w, io->bias, io->residual, io->y, p->residual_bf16, p->y_bf16};
        p->bf16(&p->conv, &narrow, part, n_parts);
        return;
    }
    sn_conv_kernel(&p->table, &p->conv)(&p->conv, &q->io, part, n_parts);
}

static void conv_blocked_to_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_blocked_call *q = arg;
    q->p->table.to_blocked(&q->p->out, q->from, q->to, part, n_parts);
}

static void conv_blocked_from_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_blocked_call *q = arg;
    q->p->table.from_blocked(&q->p->out, q->from, q->to, part, n_parts);
}

static void conv_blocked_end_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_blocked_call *q = arg;
    const sn_conv_reorder *r = &q->p->out;
    int64_t from, to;
    sn_pool_range(r->n * r->c * r->px, 64, part, n_parts, &from, &to);
    q->p->table.finish(&q->p->end, q->to + from, to - from);
}

/* Rows of pixels of the whole batch, shared out. */
static void conv_blocked_pixels_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const conv_blocked_call *q = arg;
    const sn_conv_spec *s = &q->p->end;
    const int64_t px = s->ih * s->iw;
    int64_t from, to;
    sn_pool_range(s->n * s->ih, 1, part, n_parts, &from, &to);
    for (int64_t i = from; i < to; i++) {
        const float *x = q->from + i / s->ih * s->ic * px + i % s->ih * s->iw;
        q->p->pixels(x, px, s->ic, s->iw, (uint32_t *)(void *)q->to + i * s->iw * ((s->ic + 1) / 2));
    }
}

/* The products, of X or of pixels made of it. */
static void conv_blocked_products(const sn_step *s, sn_run *r, conv_blocked_call *q)
{
    if (q->p->pixels) {
        q->from = q->io.x;
        q->to = (float *)((char *)r->scratch + q->p->pixels_at);
        sn_run_parallel(s, r, conv_blocked_pixels_part, q);
        q->io.x = q->to;
    }
    sn_run_parallel(s, r, conv_blocked_part, q);
}

static setsuna_status conv_blocked_run(const sn_step *s, sn_run *r)
{
    const conv_blocked_param *p = s->param;
    conv_blocked_call q = {
        p,
        {sn_in(s, r, CONV_BLOCKED_X), p->w, p->bias, sn_in(s, r, CONV_BLOCKED_R), sn_out(s, r, 0), r->scratch},
        NULL,
        NULL};
    conv_blocked_products(s, r, &q);
    return SETSUNA_OK;
}

static setsuna_status conv_blocked_run_plain(const sn_step *s, sn_run *r)
{
    const conv_blocked_param *p = s->param;
    float *result = (float *)((char *)r->scratch + p->conv_bytes), *residual = result + p->result_floats;
    conv_blocked_call q = {p, {sn_in(s, r, CONV_BLOCKED_X), p->w, p->bias, NULL, result, r->scratch}, NULL, NULL};
    if (sn_in(s, r, CONV_BLOCKED_R)) {
        q.from = sn_in(s, r, CONV_BLOCKED_R);
        q.to = residual;
        sn_run_parallel(s, r, conv_blocked_to_part, &q);
        q.io.residual = residual;
    }
    conv_blocked_products(s, r, &q);
    q.from = result;
    q.to = sn_out(s, r, 0);
    sn_run_parallel(s, r, conv_blocked_from_part, &q);
    if (p->late)
        sn_run_parallel(s, r, conv_blocked_end_part, &q);
    return SETSUNA_OK;
}

static setsuna_status conv_blocked_bind(sn_op_ctx *c, sn_step *s)
{
    conv_blocked_param *p = sn_op_param(c, sizeof *p);
    sn_conv_spec spec;
    setsuna_shape y;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(conv_blocked_read(c, &spec, &y));
    sn_conv_table_init(&p->table, c->cpu);
    if (c->no_winograd)
        p->table.limits.winograd = SN_CONV_WINO_NEVER;
    bool plain = sn_node_int(c->node, "block", 0) == 0;
    p->end = spec;
    p->late = plain && 2 * spec.oc < p->table.limits.block && sn_conv_act_is_costly(spec.act) &&
              !(sn_op_has(c, CONV_BLOCKED_R) && spec.residual_last);
    if (p->late)
        sn_conv_spec_open(&spec);
    const sn_conv_bf16_kernel bf16 = sn_conv_bf16_find(c->cpu);
    p->bf16 = conv_blocked_in_bf16(c) ? bf16.fn : NULL;
    p->pixels = p->bf16 && spec.plain_in ? bf16.pixels : NULL;
    p->residual_bf16 = conv_blocked_is_bf16(c, CONV_BLOCKED_R);
    p->y_bf16 = sn_node_int(c->node, "narrow", 0) != 0;
    (p->bf16 ? sn_conv_bf16_plan : sn_conv_plan)(&spec, &p->table.limits, &p->conv);
    SN_TRY(conv_blocked_pack_all(c, p));
    const sn_conv *cv = &p->conv;
    double in = (double)cv->x_image * (double)spec.n, out = (double)cv->y_image * (double)spec.n;
    double y_bytes = out * (p->y_bf16 ? 2 : 4), r_bytes = out * (p->residual_bf16 ? 2 : 4);
    s->param = p;
    s->run = conv_blocked_run;
    s->kernel = p->bf16 ? bf16.name : sn_conv_kernel_name(&p->table, cv);
    s->n_parts = sn_conv_parts(cv, c->n_threads);
    s->flops = cv->flops;
    s->work = sn_conv_winograd_flops(cv);
    s->bytes = 4 * (in + (double)sn_conv_weights_size(cv)) + y_bytes + (sn_op_has(c, CONV_BLOCKED_R) ? r_bytes : 0);
    s->scratch_bytes = p->conv_bytes = sn_conv_scratch_bytes(cv, s->n_parts);
    if (plain) {
        p->out = (sn_conv_reorder){spec.n, spec.oc, spec.oh * spec.ow, cv->limits.block};
        p->result_floats = (size_t)(cv->y_image * spec.n);
        s->run = conv_blocked_run_plain;
        s->scratch_bytes += p->result_floats * sizeof(float) * (sn_op_has(c, CONV_BLOCKED_R) ? 2 : 1);
    }
    if (p->pixels) {
        p->pixels_at = (s->scratch_bytes + SN_ALIGN - 1) & ~(size_t)(SN_ALIGN - 1);
        s->scratch_bytes = p->pixels_at + (size_t)(cv->x_image * spec.n) * sizeof(uint32_t);
    }
    return SETSUNA_OK;
}

const sn_op sn_ops_conv_blocked[] = {
    {"setsuna", "Conv", 1, 0, 2, 5, 1, 1, 0,
     SN_CONV_BLOCKED_ATTRS "auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I residual:s narrow:i bf16:i",
     conv_blocked_infer, conv_blocked_bind},
    {.name = NULL},
};
