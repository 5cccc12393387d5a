/* Quantised tensors byte by byte (kernels/qpoint.h).
 *
 *     setsuna.QLookup  Y[i] = T[X[i]]         X u8 or i8 (its bytes count as unsigned), T u8 [256], Y of type `to`
 *     setsuna.QAdd     Y = clamp(round((A - a_zero) a_scale / y_scale + (B - b_zero) b_scale / y_scale) + y_zero, lo,
 * hi) setsuna.QMul     Y = clamp(round((A - a_zero) (B - b_zero) a_scale b_scale / y_scale) + y_zero, lo, hi)
 *     setsuna.QScale   Y = clamp(round(f32(A - a_zero) (F[n, c] (a_scale / y_scale))) + y_zero, lo, hi)
 *
 * A, B, Y u8 of one shape; QScale's A is [N, H, W, C] and F f32 [N, C, 1, 1]; QMul's B may also have one value a
 * channel, [N, 1, 1, C] for [N, H, W, C].
 */
#include "kernels/qpoint.h"
#include "ops/op.h"
#include "ops/parts.h"

enum { QPOINT_GRAIN = 64 };

typedef struct qpoint_param {
    sn_qpoint_table table;
    int64_t numel;
    int64_t pixels, channels; /* QMul with a value a channel: of an image; 0: element by element */
    int64_t n_factor;         /* of QScale */
    sn_quantized_sum sum;
    sn_quantized_product product;
} qpoint_param;

typedef struct qpoint_call {
    const qpoint_param *p;
    const uint8_t *a, *b;
    uint8_t *y;
    const float *factor;
} qpoint_call;

static setsuna_status qpoint_account(sn_op_ctx *c, sn_step *s, qpoint_param *p, double operands)
{
    if (!sn_shape_numel(&c->out[0].shape, &p->numel))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the output is too large");
    sn_qpoint_table_init(&p->table, c->cpu);
    s->param = p;
    s->bytes = operands * (double)p->numel;
    s->flops = (double)p->numel;
    s->n_parts = sn_parts_for(c, 0, s->bytes);
    return SETSUNA_OK;
}

/* ---- tables ------------------------------------------------------------------------------------------ */

static void lookup_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qpoint_call *q = arg;
    int64_t from, to;
    sn_pool_range(q->p->numel, QPOINT_GRAIN, part, n_parts, &from, &to);
    q->p->table.lookup(q->y + from, q->a + from, q->b, to - from);
}

static setsuna_status lookup_run(const sn_step *s, sn_run *r)
{
    qpoint_call q = {.p = s->param, .a = sn_in(s, r, 0), .b = sn_in(s, r, 1), .y = sn_out(s, r, 0)};
    sn_run_parallel(s, r, lookup_part, &q);
    return SETSUNA_OK;
}

static setsuna_status lookup_infer(sn_op_ctx *c)
{
    int64_t to = sn_node_int(c->node, "to", SETSUNA_U8);
    SN_TRY(sn_op_want(c, 0, "u8 i8"));
    SN_TRY(sn_op_want(c, 1, "u8"));
    if (c->in[1].shape.rank != 1 || c->in[1].shape.dim[0] != SN_REQUANT_TABLE)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the table must have 256 entries");
    if (to != SETSUNA_U8 && to != SETSUNA_I8)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'to' is %lld", (long long)to);
    sn_op_out(c, 0, (setsuna_dtype)to, &c->in[0].shape);
    return SETSUNA_OK;
}

static setsuna_status lookup_bind(sn_op_ctx *c, sn_step *s)
{
    qpoint_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(qpoint_account(c, s, p, 2));
    s->run = lookup_run;
    s->kernel = p->table.lookup_name;
    return SETSUNA_OK;
}

/* ---- sums and products ------------------------------------------------------------------------------- */

static void add_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qpoint_call *q = arg;
    int64_t from, to;
    sn_pool_range(q->p->numel, QPOINT_GRAIN, part, n_parts, &from, &to);
    q->p->table.add(q->y + from, q->a + from, q->b + from, &q->p->sum, to - from);
}

static void mul_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qpoint_call *q = arg;
    const qpoint_param *p = q->p;
    int64_t from, to;
    if (!p->channels) {
        sn_pool_range(p->numel, QPOINT_GRAIN, part, n_parts, &from, &to);
        p->table.mul(q->y + from, q->a + from, q->b + from, &p->product, to - from);
        return;
    }
    sn_pool_range(p->numel / p->channels, 1, part, n_parts, &from, &to);
    for (int64_t i = from; i < to; i++)
        p->table.mul(q->y + i * p->channels, q->a + i * p->channels, q->b + i / p->pixels * p->channels, &p->product,
                     p->channels);
}

/* F is scaled once, then every pixel is multiplied by it. */
static void scale_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const qpoint_call *q = arg;
    const qpoint_param *p = q->p;
    int64_t from, to;
    sn_pool_range(p->numel / p->channels, 1, part, n_parts, &from, &to);
    for (int64_t i = from; i < to; i++)
        p->table.scale(q->y + i * p->channels, q->a + i * p->channels, q->factor + i / p->pixels * p->channels,
                       &p->product, p->channels);
}

static setsuna_status scale_run(const sn_step *s, sn_run *r)
{
    const qpoint_param *p = s->param;
    const float *f = sn_in(s, r, 1);
    float *factor = r->scratch;
    if (!p->numel)
        return SETSUNA_OK;
    for (int64_t i = 0; i < p->n_factor; i++)
        factor[i] = f[i] * p->product.scale;
    qpoint_call q = {.p = p, .a = sn_in(s, r, 0), .y = sn_out(s, r, 0), .factor = factor};
    sn_run_parallel(s, r, scale_part, &q);
    return SETSUNA_OK;
}

static setsuna_status pair_run(const sn_step *s, sn_run *r, sn_pool_fn *part)
{
    qpoint_call q = {.p = s->param, .a = sn_in(s, r, 0), .b = sn_in(s, r, 1), .y = sn_out(s, r, 0)};
    if (q.p->numel)
        sn_run_parallel(s, r, part, &q);
    return SETSUNA_OK;
}

static setsuna_status add_run(const sn_step *s, sn_run *r)
{
    return pair_run(s, r, add_part);
}

static setsuna_status mul_run(const sn_step *s, sn_run *r)
{
    return pair_run(s, r, mul_part);
}

static bool mul_is_by_channel(const setsuna_shape *a, const setsuna_shape *b)
{
    return a->rank == 4 && b->rank == 4 && a->dim[0] == b->dim[0] && b->dim[1] == 1 && b->dim[2] == 1 &&
           a->dim[3] == b->dim[3];
}

static setsuna_status pair_attrs(sn_op_ctx *c)
{
    static const char *const scale[] = {"a_scale", "b_scale", "y_scale"};
    static const char *const bytes[] = {"a_zero", "b_zero", "y_zero", "lo", "hi"};
    for (size_t i = 0; i < sizeof scale / sizeof scale[0]; i++) {
        float v = sn_node_float(c->node, scale[i], 1);
        if (!(v > 0) || !(v < INFINITY))
            return sn_op_fail(c, SETSUNA_EMODEL, "attribute '%s' is not a positive number", scale[i]);
    }
    for (size_t i = 0; i < sizeof bytes / sizeof bytes[0]; i++) {
        int64_t v = sn_node_int(c->node, bytes[i], 0);
        if (v < 0 || v > 255)
            return sn_op_fail(c, SETSUNA_EMODEL, "attribute '%s' is not a byte", bytes[i]);
    }
    return SETSUNA_OK;
}

static setsuna_status pair_infer(sn_op_ctx *c)
{
    const setsuna_shape *a = &c->in[0].shape, *b = &c->in[1].shape;
    SN_TRY(sn_op_want(c, 0, "u8"));
    SN_TRY(sn_op_want(c, 1, "u8"));
    if (!sn_shape_equal(a, b) && !(c->op->name[1] == 'M' && mul_is_by_channel(a, b)))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the operands differ in shape");
    SN_TRY(pair_attrs(c));
    sn_op_out(c, 0, SETSUNA_U8, a);
    return SETSUNA_OK;
}

static setsuna_status pair_bind(sn_op_ctx *c, sn_step *s)
{
    const sn_node *n = c->node;
    qpoint_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(qpoint_account(c, s, p, 3));
    float a = sn_node_float(n, "a_scale", 1), b = sn_node_float(n, "b_scale", 1), y = sn_node_float(n, "y_scale", 1);
    int32_t az = (int32_t)sn_node_int(n, "a_zero", 0), bz = (int32_t)sn_node_int(n, "b_zero", 0);
    int32_t zero = (int32_t)sn_node_int(n, "y_zero", 0);
    int32_t lo = (int32_t)sn_node_int(n, "lo", 0), hi = (int32_t)sn_node_int(n, "hi", 255);
    const setsuna_shape *shape = &c->in[0].shape;
    if (n->op[1] == 'A') {
        double shift = -(double)az * (double)(a / y) - (double)bz * (double)(b / y);
        p->sum = (sn_quantized_sum){a / y, b / y, (float)shift, zero, lo, hi};
        s->run = add_run;
        s->kernel = p->table.add_name;
        return SETSUNA_OK;
    }
    p->product = (sn_quantized_product){az, bz, zero, lo, hi, a * b / y};
    if (!sn_shape_equal(shape, &c->in[1].shape)) {
        p->pixels = shape->dim[1] * shape->dim[2];
        p->channels = shape->dim[3];
    }
    s->run = mul_run;
    s->kernel = p->table.mul_name;
    return SETSUNA_OK;
}

static setsuna_status scale_infer(sn_op_ctx *c)
{
    const setsuna_shape *a = &c->in[0].shape, *f = &c->in[1].shape;
    SN_TRY(sn_op_want(c, 0, "u8"));
    SN_TRY(sn_op_want(c, 1, "f32"));
    if (a->rank != 4 || f->rank != 4 || f->dim[0] != a->dim[0] || f->dim[1] != a->dim[3] || f->dim[2] != 1 ||
        f->dim[3] != 1)
        return sn_op_fail(c, SETSUNA_ESHAPE, "an image and a factor a channel are needed");
    SN_TRY(pair_attrs(c));
    sn_op_out(c, 0, SETSUNA_U8, a);
    return SETSUNA_OK;
}

static setsuna_status scale_bind(sn_op_ctx *c, sn_step *s)
{
    const sn_node *n = c->node;
    const setsuna_shape *a = &c->in[0].shape;
    qpoint_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(qpoint_account(c, s, p, 2));
    p->pixels = a->dim[1] * a->dim[2];
    p->channels = a->dim[3];
    p->n_factor = a->dim[0] * a->dim[3];
    p->product = (sn_quantized_product){.a_zero = (int32_t)sn_node_int(n, "a_zero", 0),
                                        .zero = (int32_t)sn_node_int(n, "y_zero", 0),
                                        .lo = (int32_t)sn_node_int(n, "lo", 0),
                                        .hi = (int32_t)sn_node_int(n, "hi", 255),
                                        .scale = sn_node_float(n, "a_scale", 1) / sn_node_float(n, "y_scale", 1)};
    s->run = scale_run;
    s->kernel = p->table.scale_name;
    s->scratch_bytes = p->numel ? (size_t)p->n_factor * sizeof(float) : 0;
    return SETSUNA_OK;
}

#define QPOINT_PAIR_ATTRS "a_scale:f a_zero:i b_scale:f b_zero:i y_scale:f y_zero:i lo:i hi:i"

const sn_op sn_ops_qpoint[] = {
    {"setsuna", "QAdd", 1, 0, 2, 2, 1, 1, SN_OP_INPLACE, QPOINT_PAIR_ATTRS, pair_infer, pair_bind},
    {"setsuna", "QLookup", 1, 0, 2, 2, 1, 1, SN_OP_INPLACE, "to:i", lookup_infer, lookup_bind},
    {"setsuna", "QMul", 1, 0, 2, 2, 1, 1, SN_OP_INPLACE, QPOINT_PAIR_ATTRS, pair_infer, pair_bind},
    {"setsuna", "QScale", 1, 0, 2, 2, 1, 1, 0, QPOINT_PAIR_ATTRS, scale_infer, scale_bind},
    {.name = NULL},
};
