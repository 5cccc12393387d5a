#include "ops/ew_step.h"
#include <string.h>

typedef struct ew_param {
    sn_ew_fn *fn;
    sn_nest nest;
    size_t size_bytes[SN_EW_IN_MAX], out_bytes; /* per element */
    _Alignas(16) unsigned char k[16];
} ew_param;

typedef struct ew_run {
    const ew_param *p;
    char *y;
    const char *in[SN_EW_IN_MAX];
} ew_run;

/* So that threads do not write to one cache line, whatever the element. */
enum { EW_GRAIN = 64 };

uint32_t sn_ew_parts(const sn_op_ctx *c, int64_t numel, double cost)
{
    double parts = 1.0 + (double)numel * cost / 65536.0;
    return parts < (double)c->n_threads ? (uint32_t)parts : c->n_threads ? c->n_threads : 1;
}

double sn_ew_cost(sn_ew_op op)
{
    switch (op) {
    case SN_EW_ACOS:
    case SN_EW_ACOSH:
    case SN_EW_ASIN:
    case SN_EW_ASINH:
    case SN_EW_ATAN:
    case SN_EW_ATANH:
    case SN_EW_COS:
    case SN_EW_COSH:
    case SN_EW_SIN:
    case SN_EW_SINH:
    case SN_EW_TAN:
    case SN_EW_POW:
    case SN_EW_POW_F64:
    case SN_EW_POW_I64:
    case SN_EW_FMOD:
    case SN_EW_MOD: return 32;
    case SN_EW_ERF:
    case SN_EW_EXP:
    case SN_EW_LOG:
    case SN_EW_TANH:
    case SN_EW_ELU:
    case SN_EW_SELU:
    case SN_EW_CELU:
    case SN_EW_SIGMOID:
    case SN_EW_SOFTPLUS:
    case SN_EW_SWISH:
    case SN_EW_GELU:
    case SN_EW_GELU_TANH:
    case SN_EW_MISH: return 8;
    default: return 1;
    }
}

setsuna_status sn_ew_account(sn_op_ctx *c, sn_step *s, double cost, int64_t *numel_out)
{
    size_t bytes;
    for (uint32_t i = 0; i < c->n_in; i++)
        if (c->in[i].present && sn_tensor_bytes(c->in[i].dtype, &c->in[i].shape, &bytes))
            s->bytes += (double)bytes;
    for (uint32_t i = 0; i < c->n_out; i++)
        if (c->out[i].present && sn_tensor_bytes(c->out[i].dtype, &c->out[i].shape, &bytes))
            s->bytes += (double)bytes;
    int64_t numel;
    if (!sn_shape_numel(&c->out[0].shape, &numel))
        return sn_op_fail(c, SETSUNA_ELIMIT, "the output is too large");
    s->flops = cost * (double)numel;
    *numel_out = numel;
    return SETSUNA_OK;
}

static void ew_tile(void *arg, int64_t y, const int64_t *in, int64_t rows, int64_t cols)
{
    const ew_run *e = arg;
    const ew_param *p = e->p;
    sn_ew_args a = {.y = e->y + (size_t)y * p->out_bytes, .rows = rows, .cols = cols, .param = p->k};
    for (uint32_t i = 0; i < p->nest.n_in; i++) {
        a.in[i] = e->in[i] + (size_t)in[i] * p->size_bytes[i];
        a.row[i] = p->nest.row[i];
        a.col[i] = p->nest.col[i];
    }
    p->fn(&a);
}

static void ew_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const ew_run *e = arg;
    int64_t begin, end;
    sn_pool_range(e->p->nest.numel, EW_GRAIN, part, n_parts, &begin, &end);
    sn_nest_run(&e->p->nest, begin, end, ew_tile, arg);
}

static setsuna_status ew_step_run(const sn_step *s, sn_run *r)
{
    ew_run e = {.p = s->param, .y = sn_out(s, r, 0)};
    if (!e.y) /* nobody reads the output */
        return SETSUNA_OK;
    for (uint32_t i = 0; i < e.p->nest.n_in; i++)
        e.in[i] = sn_in(s, r, i);
    sn_run_parallel(s, r, ew_part, &e);
    return SETSUNA_OK;
}

setsuna_status sn_ew_bind_kernel(sn_op_ctx *c, sn_step *s, sn_ew_kernel kernel, double cost, uint32_t n_in,
                                 const void *param, size_t param_bytes)
{
    int64_t numel;
    ew_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    if (!kernel.fn)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "tensors of %s are not supported",
                          setsuna_dtype_name(c->in[0].dtype));
    p->fn = kernel.fn;
    p->out_bytes = setsuna_dtype_size(c->out[0].dtype);
    for (uint32_t i = 0; i < n_in; i++)
        p->size_bytes[i] = setsuna_dtype_size(c->in[i].dtype);
    if (param_bytes)
        memcpy(p->k, param, param_bytes);
    SN_TRY(sn_nest_plan(c, &c->out[0].shape, 0, n_in, &p->nest));
    SN_TRY(sn_ew_account(c, s, cost, &numel));
    s->run = ew_step_run;
    s->param = p;
    s->kernel = kernel.name;
    s->n_parts = sn_ew_parts(c, numel, cost);
    return SETSUNA_OK;
}

setsuna_status sn_ew_bind(sn_op_ctx *c, sn_step *s, sn_ew_op op, uint32_t n_in, const void *param, size_t param_bytes)
{
    return sn_ew_bind_kernel(c, s, sn_elementwise_find(c->cpu, op, c->in[0].dtype), sn_ew_cost(op), n_in, param,
                             param_bytes);
}
