/* Clip. Bounds: attributes (6), inputs that may be absent (11, 12, 13). */
#include "ops/ew_step.h"
#include <float.h>
#include <math.h>
#include <string.h>

typedef struct clip_param {
    sn_ew_fn *fn;
    int64_t numel;
    size_t size_bytes;
    _Alignas(8) unsigned char bound[16]; /* low, high, for those that are absent */
} clip_param;

typedef struct clip_run {
    const clip_param *p;
    const char *x;
    char *y;
    _Alignas(8) unsigned char bound[16];
} clip_run;

/* The widest bounds of a type, low then high, in its own representation. */
static void clip_limits(setsuna_dtype dtype, unsigned char *bound)
{
#define CLIP_LIMITS(ctype, low, high)                                                                                  \
    do {                                                                                                               \
        ctype v_[2] = {low, high};                                                                                     \
        memcpy(bound, v_, sizeof v_);                                                                                  \
    } while (0)
    switch (dtype) {
    case SETSUNA_F32: CLIP_LIMITS(float, -INFINITY, INFINITY); break;
    case SETSUNA_F64: CLIP_LIMITS(double, -(double)INFINITY, (double)INFINITY); break;
    case SETSUNA_I8: CLIP_LIMITS(int8_t, INT8_MIN, INT8_MAX); break;
    case SETSUNA_I16: CLIP_LIMITS(int16_t, INT16_MIN, INT16_MAX); break;
    case SETSUNA_I32: CLIP_LIMITS(int32_t, INT32_MIN, INT32_MAX); break;
    case SETSUNA_I64: CLIP_LIMITS(int64_t, INT64_MIN, INT64_MAX); break;
    case SETSUNA_U8: CLIP_LIMITS(uint8_t, 0, UINT8_MAX); break;
    case SETSUNA_U16: CLIP_LIMITS(uint16_t, 0, UINT16_MAX); break;
    case SETSUNA_U32: CLIP_LIMITS(uint32_t, 0, UINT32_MAX); break;
    case SETSUNA_U64: CLIP_LIMITS(uint64_t, 0, UINT64_MAX); break;
    default: memset(bound, 0, 16); break;
    }
#undef CLIP_LIMITS
}

static void clip_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const clip_run *c = arg;
    int64_t begin, end;
    sn_pool_range(c->p->numel, SN_ALIGN, part, n_parts, &begin, &end);
    size_t at = (size_t)begin * c->p->size_bytes;
    c->p->fn(&(sn_ew_args){.y = c->y + at, .in = {c->x + at}, .rows = 1, .cols = end - begin, .param = c->bound});
}

/* Bounds that are only known now. */
static setsuna_status clip_step_run(const sn_step *s, sn_run *r)
{
    const clip_param *p = s->param;
    clip_run c = {.p = p, .x = sn_in(s, r, 0), .y = sn_out(s, r, 0)};
    if (!p->numel || !c.y)
        return SETSUNA_OK;
    memcpy(c.bound, p->bound, sizeof c.bound);
    for (uint32_t i = 0; i < 2; i++)
        if (sn_in(s, r, i + 1))
            memcpy(c.bound + i * p->size_bytes, sn_in(s, r, i + 1), p->size_bytes);
    sn_run_parallel(s, r, clip_part, &c);
    return SETSUNA_OK;
}

static setsuna_status clip_infer(sn_op_ctx *c)
{
    SN_TRY(sn_op_want(c, 0, "num"));
    for (uint32_t i = 1; i < 3; i++) {
        int64_t n;
        if (!sn_op_has(c, i))
            continue;
        if (c->in[i].dtype != c->in[0].dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "bound %u is %s and the input is %s", i,
                              setsuna_dtype_name(c->in[i].dtype), setsuna_dtype_name(c->in[0].dtype));
        if (!sn_shape_numel(&c->in[i].shape, &n) || n != 1)
            return sn_op_fail(c, SETSUNA_ESHAPE, "bound %u is not a scalar", i);
    }
    return sn_infer_same(c);
}

static setsuna_status clip_bind(sn_op_ctx *c, sn_step *s)
{
    setsuna_dtype dtype = c->in[0].dtype;
    unsigned char bound[16] = {0};
    size_t size = setsuna_dtype_size(dtype);
    clip_limits(dtype, bound);
    for (uint32_t i = 0; i < 2; i++)
        if (sn_op_has(c, i + 1) && c->in[i + 1].cst)
            memcpy(bound + i * size, c->in[i + 1].cst->t.data, size);
    bool dynamic = (sn_op_has(c, 1) && !c->in[1].cst) || (sn_op_has(c, 2) && !c->in[2].cst);
    if (!dynamic)
        return sn_ew_bind(c, s, SN_EW_CLIP, 1, bound, sizeof bound);

    sn_ew_kernel kernel = sn_elementwise_find(c->cpu, SN_EW_CLIP, dtype);
    clip_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    if (!kernel.fn)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "tensors of %s are not supported", setsuna_dtype_name(dtype));
    p->fn = kernel.fn;
    p->size_bytes = size;
    memcpy(p->bound, bound, sizeof bound);
    SN_TRY(sn_ew_account(c, s, 1, &p->numel));
    s->run = clip_step_run;
    s->param = p;
    s->kernel = kernel.name;
    s->n_parts = sn_ew_parts(c, p->numel, 1);
    return SETSUNA_OK;
}

static setsuna_status clip6_infer(sn_op_ctx *c)
{
    SN_TRY(sn_op_want(c, 0, "float"));
    return sn_infer_same(c);
}

static setsuna_status clip6_bind(sn_op_ctx *c, sn_step *s)
{
    float k[2] = {sn_node_float(c->node, "min", -FLT_MAX), sn_node_float(c->node, "max", FLT_MAX)};
    double wide[2] = {(double)k[0], (double)k[1]};
    bool is_wide = c->in[0].dtype == SETSUNA_F64;
    return sn_ew_bind(c, s, SN_EW_CLIP, 1, is_wide ? (const void *)wide : k, is_wide ? sizeof wide : sizeof k);
}

enum { CLIP_FLAGS = SN_OP_INPLACE | SN_OP_F16_AS_F32 };

const sn_op sn_ops_clip[] = {
    {"", "Clip", 6, 10, 1, 1, 1, 1, CLIP_FLAGS, "min:f max:f", clip6_infer, clip6_bind},
    {"", "Clip", 11, 0, 1, 3, 1, 1, CLIP_FLAGS, "", clip_infer, clip_bind},
    {.name = NULL},
};
