/* QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. */
#include "kernels/qlinear.h"
#include "ops/ew_step.h"
#include <math.h>
#include <string.h>

/* A tensor is cut into runs of consecutive elements that share one scale (step 0) or have consecutive ones (step 1):
 *
 *     one scale                     runs of QUANTIZE_CHUNK,       scale 0,                    step 0
 *     per axis, inner > 1           runs of inner,                scale run % dim,            step 0
 *     per axis, the last one        runs of dim,                  scale 0,                    step 1
 *     blocks along axis, inner > 1  runs of inner,                scale (o, a / block) row,   step 1
 *     blocks along the last axis    runs of block (or the rest),  scale run,                  step 0
 */
enum { QUANTIZE_CHUNK = 8192 };

typedef enum quantize_kind {
    QUANTIZE_TENSOR,
    QUANTIZE_AXIS,
    QUANTIZE_LAST_AXIS,
    QUANTIZE_BLOCK,
    QUANTIZE_LAST_BLOCK
} quantize_kind;

typedef struct quantize_param {
    quantize_kind kind;
    sn_qlinear_fn *fn;
    int64_t numel, n_run;
    int64_t dim, inner, block, n_block; /* of the axis; elements inside it; its blocks */
    size_t in_bytes, out_bytes, zero_bytes;
} quantize_param;

typedef struct quantize_run {
    const quantize_param *p;
    const char *x, *zero;
    const float *scale;
    char *y;
} quantize_run;

static int64_t quantize_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void quantize_one_run(const quantize_run *q, int64_t run)
{
    const quantize_param *p = q->p;
    int64_t at = 0, n = 0, scale = 0, step = 0;
    switch (p->kind) {
    case QUANTIZE_TENSOR:
        at = run * QUANTIZE_CHUNK;
        n = quantize_min(QUANTIZE_CHUNK, p->numel - at);
        break;
    case QUANTIZE_AXIS:
        at = run * p->inner;
        n = p->inner;
        scale = run % p->dim;
        break;
    case QUANTIZE_LAST_AXIS:
        at = run * p->dim;
        n = p->dim;
        step = 1;
        break;
    case QUANTIZE_BLOCK:
        at = run * p->inner;
        n = p->inner;
        scale = (run / p->dim * p->n_block + run % p->dim / p->block) * p->inner;
        step = 1;
        break;
    case QUANTIZE_LAST_BLOCK:
        at = run / p->n_block * p->dim + run % p->n_block * p->block;
        n = quantize_min(p->block, p->dim - run % p->n_block * p->block);
        scale = run;
        break;
    }
    p->fn(q->y + (size_t)at * p->out_bytes, q->x + (size_t)at * p->in_bytes, q->scale + scale,
          q->zero ? q->zero + (size_t)scale * p->zero_bytes : NULL, step, n);
}

static void quantize_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const quantize_run *q = arg;
    int64_t begin, end;
    sn_pool_range(q->p->n_run, 1, part, n_parts, &begin, &end);
    for (int64_t run = begin; run < end; run++)
        quantize_one_run(q, run);
}

static setsuna_status quantize_step_run(const sn_step *s, sn_run *r)
{
    quantize_run q = {
        .p = s->param, .x = sn_in(s, r, 0), .scale = sn_in(s, r, 1), .zero = sn_in(s, r, 2), .y = sn_out(s, r, 0)};
    if (q.p->numel && q.y)
        sn_run_parallel(s, r, quantize_part, &q);
    return SETSUNA_OK;
}

/* Fills in how scales lie over the tensor. */
static setsuna_status quantize_layout(sn_op_ctx *c, quantize_param *p)
{
    const setsuna_shape *x = &c->in[0].shape, *scale = &c->in[1].shape;
    int64_t n_scale, n_zero, block = sn_node_int(c->node, "block_size", 0);
    int32_t axis;
    if (!sn_shape_numel(x, &p->numel) || !sn_shape_numel(scale, &n_scale))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the input is too large");
    if (sn_op_has(c, 2) && (!sn_shape_numel(&c->in[2].shape, &n_zero) || n_zero != n_scale))
        return sn_op_fail(c, SETSUNA_ESHAPE, "scale and zero point differ in shape");
    if (block < 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "block_size is %lld", (long long)block);
    if (block == 0 && n_scale == 1 && scale->rank <= 1) {
        p->kind = QUANTIZE_TENSOR;
        p->n_run = p->numel / QUANTIZE_CHUNK + (p->numel % QUANTIZE_CHUNK != 0);
        return SETSUNA_OK;
    }
    if (c->op->since < 13)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the scale is not a scalar");
    if (!sn_axis_normalize(sn_node_int(c->node, "axis", 1), x->rank, &axis))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the axis is out of range");
    p->dim = x->dim[axis];
    p->block = block ? block : 1;
    p->n_block = p->dim / p->block + (p->dim % p->block != 0);
    bool fits = block ? scale->rank == x->rank : scale->rank == 1 && scale->dim[0] == p->dim;
    for (int32_t i = 0; block && fits && i < x->rank; i++)
        fits = scale->dim[i] == (i == axis ? p->n_block : x->dim[i]);
    if (!fits)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the scale does not fit the input along axis %d", axis);
    if (!p->numel) /* dims of 0: no runs, and other products could overflow */
        return SETSUNA_OK;
    int64_t outer = 1;
    p->inner = 1;
    for (int32_t i = 0; i < axis; i++)
        outer *= x->dim[i];
    for (int32_t i = axis + 1; i < x->rank; i++)
        p->inner *= x->dim[i];
    if (p->inner > 1) {
        p->kind = block ? QUANTIZE_BLOCK : QUANTIZE_AXIS;
        p->n_run = outer * p->dim;
    } else {
        p->kind = block ? QUANTIZE_LAST_BLOCK : QUANTIZE_LAST_AXIS;
        p->n_run = block ? outer * p->n_block : outer;
    }
    return SETSUNA_OK;
}

static setsuna_status quantize_common_bind(sn_op_ctx *c, sn_step *s)
{
    int64_t numel;
    setsuna_dtype from = c->in[0].dtype, to = c->out[0].dtype;
    quantize_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    sn_qlinear_kernel kernel = sn_qlinear_find(c->cpu, from, to);
    if (!kernel.fn || c->in[1].dtype != SETSUNA_F32)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "%s to %s with a scale of %s is not supported",
                          setsuna_dtype_name(from), setsuna_dtype_name(to), setsuna_dtype_name(c->in[1].dtype));
    p->fn = kernel.fn;
    p->in_bytes = setsuna_dtype_size(from);
    p->out_bytes = setsuna_dtype_size(to);
    p->zero_bytes = sn_op_has(c, 2) ? setsuna_dtype_size(c->in[2].dtype) : 0;
    SN_TRY(quantize_layout(c, p));
    SN_TRY(sn_ew_account(c, s, 3, &numel));
    s->run = quantize_step_run;
    s->param = p;
    s->kernel = kernel.name;
    s->n_parts = sn_ew_parts(c, numel, 1);
    return SETSUNA_OK;
}

static setsuna_status quantize_need(sn_op_ctx *c)
{
    if (!sn_op_has(c, 0) || !sn_op_has(c, 1))
        return sn_op_fail(c, SETSUNA_EMODEL, "an input is missing");
    return SETSUNA_OK;
}

/* The output's type is the zero point's; without one, attribute output_dtype (21), else u8. */
static setsuna_status quantize_infer(sn_op_ctx *c)
{
    quantize_param unused = {0};
    int64_t asked = sn_node_int(c->node, "output_dtype", SETSUNA_DTYPE_NONE);
    SN_TRY(quantize_need(c));
    SN_TRY(sn_op_want(c, 0, "f32 f16 bf16 i32"));
    SN_TRY(sn_op_want(c, 1, "f32 f16 bf16"));
    SN_TRY(sn_op_want(c, 2, "u8 i8 u16 i16"));
    SN_TRY(quantize_layout(c, &unused));
    if (asked < 0 || asked > SETSUNA_BF16 || (asked && !sn_qlinear_ref(SETSUNA_F32, (setsuna_dtype)asked)))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "output type %lld is not supported", (long long)asked);
    setsuna_dtype dtype = sn_op_has(c, 2) ? c->in[2].dtype : asked ? (setsuna_dtype)asked : SETSUNA_U8;
    if (asked && dtype != (setsuna_dtype)asked)
        return sn_op_fail(c, SETSUNA_EMODEL, "output_dtype is not the zero point's type");
    sn_op_out(c, 0, dtype, &c->in[0].shape);
    return SETSUNA_OK;
}

static setsuna_status dequantize_infer(sn_op_ctx *c)
{
    quantize_param unused = {0};
    SN_TRY(quantize_need(c));
    SN_TRY(sn_op_want(c, 0, "u8 i8 u16 i16 i32"));
    SN_TRY(sn_op_want(c, 1, "f32 f16 bf16"));
    if (sn_op_has(c, 2) && c->in[2].dtype != c->in[0].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the zero point is %s and the input is %s",
                          setsuna_dtype_name(c->in[2].dtype), setsuna_dtype_name(c->in[0].dtype));
    SN_TRY(quantize_layout(c, &unused));
    sn_op_out(c, 0, c->in[1].dtype, &c->in[0].shape);
    return SETSUNA_OK;
}

/* ---- DynamicQuantizeLinear: u8 with the range of the data, 0 included ------------------------------- */

typedef struct dynamic_param {
    int64_t numel;
    sn_qlinear_range_fn *range;
    sn_qlinear_fn *quantize;
} dynamic_param;

enum { DYNAMIC_PARTS_MAX = 64 };

typedef struct dynamic_run {
    const dynamic_param *p;
    const float *x;
    uint8_t *y;
    float scale;
    uint8_t zero;
    float min[DYNAMIC_PARTS_MAX], max[DYNAMIC_PARTS_MAX];
} dynamic_run;

static void dynamic_range_part(void *arg, uint32_t part, uint32_t n_parts)
{
    dynamic_run *d = arg;
    int64_t begin, end;
    sn_pool_range(d->p->numel, SN_ALIGN, part, n_parts, &begin, &end);
    d->p->range(d->x + begin, end - begin, &d->min[part], &d->max[part]);
}

static void dynamic_quantize_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const dynamic_run *d = arg;
    int64_t begin, end;
    sn_pool_range(d->p->numel, SN_ALIGN, part, n_parts, &begin, &end);
    d->p->quantize(d->y + begin, d->x + begin, &d->scale, &d->zero, 0, end - begin);
}

static setsuna_status dynamic_step_run(const sn_step *s, sn_run *r)
{
    dynamic_run d = {.p = s->param, .x = sn_in(s, r, 0), .y = sn_out(s, r, 0)};
    float *scale_out = sn_out(s, r, 1);
    uint8_t *zero_out = sn_out(s, r, 2);
    float low = 0, high = 0;
    if (d.p->numel)
        sn_run_parallel(s, r, dynamic_range_part, &d);
    for (uint32_t i = 0; i < s->n_parts; i++) { /* parts that did not run left 0 */
        low = d.min[i] < low ? d.min[i] : low;
        high = d.max[i] > high ? d.max[i] : high;
    }
    d.scale = high > low ? (high - low) / 255.0f : 1.0f; /* all zeros: any scale will do */
    float zero = rintf((0.0f - low) / d.scale);
    d.zero = zero > 255.0f ? 255 : zero > 0.0f ? (uint8_t)zero : 0;
    if (d.p->numel && d.y)
        sn_run_parallel(s, r, dynamic_quantize_part, &d);
    if (scale_out)
        *scale_out = d.scale;
    if (zero_out)
        *zero_out = d.zero;
    return SETSUNA_OK;
}

static setsuna_status dynamic_infer(sn_op_ctx *c)
{
    if (!sn_op_has(c, 0))
        return sn_op_fail(c, SETSUNA_EMODEL, "the input is missing");
    SN_TRY(sn_op_want(c, 0, "f32"));
    sn_op_out(c, 0, SETSUNA_U8, &c->in[0].shape);
    sn_op_out(c, 1, SETSUNA_F32, &(setsuna_shape){0});
    sn_op_out(c, 2, SETSUNA_U8, &(setsuna_shape){0});
    return SETSUNA_OK;
}

static setsuna_status dynamic_bind(sn_op_ctx *c, sn_step *s)
{
    sn_qlinear_table t;
    dynamic_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    sn_qlinear_table_init(&t, c->cpu);
    p->range = t.f32_range.fn;
    p->quantize = t.f32_u8.fn;
    SN_TRY(sn_ew_account(c, s, 5, &p->numel));
    s->run = dynamic_step_run;
    s->param = p;
    s->kernel = t.f32_u8.name;
    s->n_parts = sn_ew_parts(c, p->numel, 2);
    if (s->n_parts > DYNAMIC_PARTS_MAX)
        s->n_parts = DYNAMIC_PARTS_MAX;
    return SETSUNA_OK;
}

enum { QUANTIZE_DQ_FLAGS = SN_OP_F16_AS_F32 | SN_OP_FOLD_LATE };

/* clang-format off */
const sn_op sn_ops_qlinear[] = {
    {"", "DequantizeLinear", 10, 12, 2, 3, 1, 1, QUANTIZE_DQ_FLAGS, "", dequantize_infer, quantize_common_bind},
    {"", "DequantizeLinear", 13, 20, 2, 3, 1, 1, QUANTIZE_DQ_FLAGS, "axis:i", dequantize_infer, quantize_common_bind},
    {"", "DequantizeLinear", 21, 0, 2, 3, 1, 1, QUANTIZE_DQ_FLAGS, "axis:i block_size:i", dequantize_infer, quantize_common_bind},
    {"", "DynamicQuantizeLinear", 11, 0, 1, 1, 3, 3, 0, "", dynamic_infer, dynamic_bind},
    {"", "QuantizeLinear", 10, 12, 2, 3, 1, 1, SN_OP_F16_AS_F32, "", quantize_infer, quantize_common_bind},
    {"", "QuantizeLinear", 13, 18, 2, 3, 1, 1, SN_OP_F16_AS_F32, "axis:i", quantize_infer, quantize_common_bind},
    {"", "QuantizeLinear", 19, 20, 2, 3, 1, 1, SN_OP_F16_AS_F32, "axis:i saturate:i", quantize_infer, quantize_common_bind},
    {"", "QuantizeLinear", 21, 0, 2, 3, 1, 1, SN_OP_F16_AS_F32, "axis:i block_size:i output_dtype:i saturate:i", quantize_infer, quantize_common_bind},
    {.name = NULL},
};
/* clang-format on */
