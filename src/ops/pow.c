/* Pow. From version 12 the exponent may have a type of its own: it is converted, a strip at a time, to i64 or f64.
 * Constant exponents that are cheaper than pow() become what they mean: 2 a square, 0.5 a root, -1 a reciprocal. */
#include "kernels/convert.h"
#include "ops/ew_step.h"

enum { POW_STRIP = 256 };

typedef struct pow_param {
    sn_ew_fn *fn;
    sn_convert_fn *convert;
    size_t base_bytes, exponent_bytes;
    bool clamp; /* u64 exponents, converted to i64: beyond it only odd and even matter */
    sn_nest nest;
} pow_param;

typedef struct pow_run {
    const pow_param *p;
    const char *base, *exponent;
    char *y;
} pow_run;

static void pow_tile(void *arg, int64_t y, const int64_t *in, int64_t rows, int64_t cols)
{
    const pow_run *e = arg;
    const pow_param *p = e->p;
    const sn_nest *n = &p->nest;
    union {
        int64_t i[POW_STRIP];
        double f[POW_STRIP];
    } strip;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c += POW_STRIP) {
            int64_t a = in[0] + r * n->row[0] + c * n->col[0], b = in[1] + r * n->row[1] + c * n->col[1];
            int64_t count = cols - c < POW_STRIP ? cols - c : POW_STRIP, converted = n->col[1] ? count : 1;
            p->convert(&strip, e->exponent + (size_t)b * p->exponent_bytes, converted);
            for (int64_t i = 0; p->clamp && i < converted; i++)
                if (strip.i[i] < 0)
                    strip.i[i] = INT64_MAX - 1 + (strip.i[i] & 1);
            p->fn(&(sn_ew_args){.y = e->y + (size_t)(y + r * cols + c) * p->base_bytes,
                                .in = {e->base + (size_t)a * p->base_bytes, &strip},
                                .rows = 1,
                                .cols = count,
                                .col = {n->col[0], n->col[1]}});
        }
}

static void pow_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const pow_run *e = arg;
    int64_t begin, end;
    sn_pool_range(e->p->nest.numel, SN_ALIGN, part, n_parts, &begin, &end);
    sn_nest_run(&e->p->nest, begin, end, pow_tile, arg);
}

static setsuna_status pow_step_run(const sn_step *s, sn_run *r)
{
    pow_run e = {.p = s->param, .base = sn_in(s, r, 0), .exponent = sn_in(s, r, 1), .y = sn_out(s, r, 0)};
    if (e.y)
        sn_run_parallel(s, r, pow_part, &e);
    return SETSUNA_OK;
}

static bool pow_is_float(setsuna_dtype d)
{
    return d == SETSUNA_F32 || d == SETSUNA_F64;
}

static setsuna_status pow_infer(sn_op_ctx *c)
{
    SN_TRY(sn_op_want(c, 0, "float i32 i64"));
    SN_TRY(sn_op_want(c, 1, "num"));
    if (!sn_op_has(c, 0) || !sn_op_has(c, 1))
        return sn_op_fail(c, SETSUNA_EMODEL, "an input is missing");
    return sn_infer_broadcast(c);
}

/* The operation that a constant exponent stands for; SN_EW_OPS: none. (For -0 and -inf a root differs from pow() in
 * sign or NaN, as it does in the frameworks that models come from.) */
static sn_ew_op pow_special(const sn_op_ctx *c)
{
    static const struct {
        double exponent;
        sn_ew_op op;
    } special[] = {{2, SN_EW_SQUARE}, {3, SN_EW_CUBE}, {0.5, SN_EW_SQRT}, {-0.5, SN_EW_RSQRT}, {-1, SN_EW_RECIPROCAL}};
    int64_t n;
    if (!pow_is_float(c->in[0].dtype) || !c->in[1].cst || !sn_shape_numel(&c->in[1].shape, &n) || n != 1)
        return SN_EW_OPS;
    double e = sn_tensor_get_f64(&c->in[1].cst->t, 0);
    for (size_t i = 0; i < sizeof special / sizeof special[0]; i++)
        if (e == special[i].exponent)
            return special[i].op;
    return SN_EW_OPS;
}

static setsuna_status pow_bind(sn_op_ctx *c, sn_step *s)
{
    setsuna_dtype base = c->in[0].dtype, exponent = c->in[1].dtype;
    sn_ew_op op = pow_special(c);
    if (op != SN_EW_OPS)
        return sn_ew_bind(c, s, op, 1, NULL, 0);
    if (pow_is_float(base) && base == exponent)
        return sn_ew_bind(c, s, SN_EW_POW, 2, NULL, 0);

    bool by_float = pow_is_float(exponent);
    op = by_float ? SN_EW_POW_F64 : SN_EW_POW_I64;
    sn_ew_kernel kernel = sn_elementwise_find(c->cpu, op, base);
    pow_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    p->fn = kernel.fn;
    p->convert = sn_convert_find(c->cpu, exponent, by_float ? SETSUNA_F64 : SETSUNA_I64).fn;
    p->base_bytes = setsuna_dtype_size(base);
    p->exponent_bytes = setsuna_dtype_size(exponent);
    p->clamp = exponent == SETSUNA_U64;
    if (!p->fn || !p->convert)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "%s to the power of %s is not supported", setsuna_dtype_name(base),
                          setsuna_dtype_name(exponent));
    int64_t numel;
    SN_TRY(sn_nest_plan(c, &c->out[0].shape, 0, 2, &p->nest));
    SN_TRY(sn_ew_account(c, s, sn_ew_cost(op), &numel));
    s->run = pow_step_run;
    s->param = p;
    s->kernel = kernel.name;
    s->n_parts = sn_ew_parts(c, numel, sn_ew_cost(op));
    return SETSUNA_OK;
}

static setsuna_status pow7_infer(sn_op_ctx *c)
{
    SN_TRY(pow_infer(c));
    if (c->in[0].dtype != c->in[1].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the exponent has another type");
    return SETSUNA_OK;
}

/* With two types, an exponent of fewer but wider elements could have the size of the output: not in place then. */
const sn_op sn_ops_pow[] = {
    {"", "Pow", 7, 11, 2, 2, 1, 1, SN_OP_INPLACE | SN_OP_F16_AS_F32, "", pow7_infer, pow_bind},
    {"", "Pow", 12, 0, 2, 2, 1, 1, SN_OP_F16_AS_F32, "", pow_infer, pow_bind},
    {.name = NULL},
};
