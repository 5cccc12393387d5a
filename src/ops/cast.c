/* Cast, CastLike: between all numeric types and bool.
 *
 *     setsuna.Narrow  y = x as f16 or bf16 (attribute to): a Cast that the planner puts behind operators on half types
 *                     which it runs in f32; passes/keep_f32.c takes it away where f32 is wanted again */
#include "kernels/convert.h"
#include "ops/ew_step.h"

typedef struct cast_param {
    sn_convert_fn *fn;
    int64_t numel;
    size_t from_bytes, to_bytes;
} cast_param;

typedef struct cast_run {
    const cast_param *p;
    const char *x;
    char *y;
} cast_run;

static void cast_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const cast_run *c = arg;
    int64_t begin, end;
    sn_pool_range(c->p->numel, SN_ALIGN, part, n_parts, &begin, &end);
    c->p->fn(c->y + (size_t)begin * c->p->to_bytes, c->x + (size_t)begin * c->p->from_bytes, end - begin);
}

static setsuna_status cast_step_run(const sn_step *s, sn_run *r)
{
    cast_run c = {.p = s->param, .x = sn_in(s, r, 0), .y = sn_out(s, r, 0)};
    if (c.p->numel && c.y)
        sn_run_parallel(s, r, cast_part, &c);
    return SETSUNA_OK;
}

static setsuna_status cast_infer_to(sn_op_ctx *c, int64_t to)
{
    SN_TRY(sn_op_want(c, 0, "any"));
    if (to < 0 || to > SETSUNA_BF16 || !sn_convert_ref(SETSUNA_F32, (setsuna_dtype)to))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "conversion to type %lld is not supported", (long long)to);
    sn_op_out(c, 0, (setsuna_dtype)to, &c->in[0].shape);
    return SETSUNA_OK;
}

static setsuna_status cast_infer(sn_op_ctx *c)
{
    return cast_infer_to(c, sn_node_int(c->node, "to", SETSUNA_DTYPE_NONE));
}

static setsuna_status narrow_infer(sn_op_ctx *c)
{
    int64_t to = sn_node_int(c->node, "to", SETSUNA_DTYPE_NONE);
    SN_TRY(sn_op_want(c, 0, "f32"));
    if (to != SETSUNA_F16 && to != SETSUNA_BF16)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'to' is %lld", (long long)to);
    return cast_infer_to(c, to);
}

static setsuna_status cast_like_infer(sn_op_ctx *c)
{
    return cast_infer_to(c, c->in[1].dtype);
}

static setsuna_status cast_bind(sn_op_ctx *c, sn_step *s)
{
    setsuna_dtype from = c->in[0].dtype, to = c->out[0].dtype;
    if (from == to)
        return sn_bind_copy(c, s);
    sn_convert_kernel kernel = sn_convert_find(c->cpu, from, to);
    cast_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    if (!kernel.fn)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "conversion of %s to %s is not supported", setsuna_dtype_name(from),
                          setsuna_dtype_name(to));
    p->fn = kernel.fn;
    p->from_bytes = setsuna_dtype_size(from);
    p->to_bytes = setsuna_dtype_size(to);
    SN_TRY(sn_ew_account(c, s, 1, &p->numel));
    s->run = cast_step_run;
    s->param = p;
    s->kernel = kernel.name;
    s->n_parts = sn_ew_parts(c, p->numel, 1);
    return SETSUNA_OK;
}

const sn_op sn_ops_cast[] = {
    {"", "Cast", 6, 18, 1, 1, 1, 1, 0, "to:i", cast_infer, cast_bind},
    {"", "Cast", 19, 0, 1, 1, 1, 1, 0, "to:i saturate:i", cast_infer, cast_bind}, /* saturate: f8 types only */
    {"", "CastLike", 15, 18, 2, 2, 1, 1, 0, "", cast_like_infer, cast_bind},
    {"", "CastLike", 19, 0, 2, 2, 1, 1, 0, "saturate:i", cast_like_infer, cast_bind},
    {"setsuna", "Narrow", 1, 0, 1, 1, 1, 1, 0, "to:i", narrow_infer, cast_bind},
    {.name = NULL},
};
