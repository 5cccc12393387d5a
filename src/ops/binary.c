/* Operators of two tensors, and of any number, with numpy broadcasting: arithmetic, comparison, logic, bits. */
#include "ops/ew_step.h"
#include <string.h>

/* ---- two operands ----------------------------------------------------------------------------------- */

typedef struct binary_def {
    const char *name;
    sn_ew_op op;
    const char *dtypes;
    bool to_bool;
} binary_def;

static const binary_def binary_defs[] = {
    {"Add", SN_EW_ADD, "num", false},
    {"And", SN_EW_AND, "bool", true},
    {"BitwiseAnd", SN_EW_BIT_AND, "int", false},
    {"BitwiseOr", SN_EW_BIT_OR, "int", false},
    {"BitwiseXor", SN_EW_BIT_XOR, "int", false},
    {"Div", SN_EW_DIV, "num", false},
    {"Equal", SN_EW_EQUAL, "any", true},
    {"Greater", SN_EW_GREATER, "num", true},
    {"GreaterOrEqual", SN_EW_GREATER_EQUAL, "num", true},
    {"Less", SN_EW_LESS, "num", true},
    {"LessOrEqual", SN_EW_LESS_EQUAL, "num", true},
    {"Mul", SN_EW_MUL, "num", false},
    {"Or", SN_EW_OR, "bool", true},
    {"PRelu", SN_EW_PRELU, "num", false},
    {"Sub", SN_EW_SUB, "num", false},
    {"Xor", SN_EW_XOR, "bool", true},
};

static const binary_def *binary_find(const char *name)
{
    for (size_t i = 0; i < sizeof binary_defs / sizeof binary_defs[0]; i++)
        if (strcmp(binary_defs[i].name, name) == 0)
            return &binary_defs[i];
    return NULL;
}

/* All inputs are present, have one type, and it is in the list. */
static setsuna_status binary_check(sn_op_ctx *c, const char *dtypes)
{
    SN_TRY(sn_op_want(c, 0, dtypes));
    for (uint32_t i = 0; i < c->n_in; i++) {
        if (!c->in[i].present)
            return sn_op_fail(c, SETSUNA_EMODEL, "input %u is missing", i);
        if (c->in[i].dtype != c->in[0].dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is %s and input 0 is %s", i,
                              setsuna_dtype_name(c->in[i].dtype), setsuna_dtype_name(c->in[0].dtype));
    }
    return SETSUNA_OK;
}

static setsuna_status binary_infer(sn_op_ctx *c)
{
    const binary_def *d = binary_find(c->op->name);
    SN_TRY(binary_check(c, d->dtypes));
    SN_TRY(sn_infer_broadcast(c));
    if (d->to_bool)
        c->out[0].dtype = SETSUNA_BOOL;
    return SETSUNA_OK;
}

static setsuna_status binary_bind(sn_op_ctx *c, sn_step *s)
{
    return sn_ew_bind(c, s, binary_find(c->op->name)->op, 2, NULL, 0);
}

/* PRelu broadcasts its slope to x, never x to the slope. */
static setsuna_status prelu_infer(sn_op_ctx *c)
{
    SN_TRY(binary_infer(c));
    if (!sn_shape_equal(&c->out[0].shape, &c->in[0].shape))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the slope does not broadcast to the input's shape");
    return SETSUNA_OK;
}

/* ---- Mod and BitShift: an attribute decides what they are ------------------------------------------- */

static setsuna_status mod_infer(sn_op_ctx *c)
{
    SN_TRY(binary_check(c, "num"));
    setsuna_dtype d = c->in[0].dtype;
    if ((d == SETSUNA_F32 || d == SETSUNA_F64 || d == SETSUNA_F16 || d == SETSUNA_BF16) &&
        !sn_node_int(c->node, "fmod", 0))
        return sn_op_fail(c, SETSUNA_EMODEL, "floating-point inputs need fmod = 1");
    return sn_infer_broadcast(c);
}

static setsuna_status mod_bind(sn_op_ctx *c, sn_step *s)
{
    return sn_ew_bind(c, s, sn_node_int(c->node, "fmod", 0) ? SN_EW_FMOD : SN_EW_MOD, 2, NULL, 0);
}

static setsuna_status shift_infer(sn_op_ctx *c)
{
    const char *way = sn_node_string(c->node, "direction", "");
    if (strcmp(way, "LEFT") != 0 && strcmp(way, "RIGHT") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "direction is neither LEFT nor RIGHT");
    SN_TRY(binary_check(c, "u8 u16 u32 u64"));
    return sn_infer_broadcast(c);
}

static setsuna_status shift_bind(sn_op_ctx *c, sn_step *s)
{
    bool left = strcmp(sn_node_string(c->node, "direction", ""), "LEFT") == 0;
    return sn_ew_bind(c, s, left ? SN_EW_SHIFT_LEFT : SN_EW_SHIFT_RIGHT, 2, NULL, 0);
}

/* ---- any number of operands: Max, Min, Sum, Mean ---------------------------------------------------- */

/* Operands are combined in order, a strip of the output at a time, in a buffer that is cached: so memory is crossed
 * once, and the output may share memory with any of the inputs. */
enum { VARIADIC_STRIP_BYTES = 4096 };

typedef struct variadic_param {
    sn_ew_fn *combine;
    sn_ew_fn *scale; /* Mean: multiplies by `factor`; NULL otherwise */
    size_t size_bytes;
    sn_nest nest;
    _Alignas(8) unsigned char factor[8]; /* 1/n in the tensor's type */
} variadic_param;

typedef struct variadic_run {
    const variadic_param *p;
    char *y;
    const char *in[SN_OP_IN_MAX];
} variadic_run;

/* One row piece: cols elements at in[operand]. */
static void variadic_strip(const variadic_run *v, int64_t y, const int64_t *in, int64_t cols)
{
    const variadic_param *p = v->p;
    _Alignas(SN_ALIGN) char strip[VARIADIC_STRIP_BYTES];
    const size_t size = p->size_bytes;
    const sn_nest *n = &p->nest;
    char *out = v->y + (size_t)y * size;
    /* in[0] is set: a variadic operator has at least one input. */
    // NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult)
    sn_ew_args a = {.y = strip, .in = {v->in[0] + (size_t)in[0] * size}, .rows = 1, .cols = cols, .col = {n->col[0]}};
    for (uint32_t i = 1; i < n->n_in; i++) {
        a.in[1] = v->in[i] + (size_t)in[i] * size;
        a.col[1] = n->col[i];
        a.y = i + 1 == n->n_in && !p->scale ? out : strip;
        p->combine(&a);
        a.in[0] = strip;
        a.col[0] = 1;
    }
    if (p->scale) {
        a.in[1] = p->factor;
        a.col[1] = 0;
        a.y = out;
        p->scale(&a);
    }
}

static void variadic_tile(void *arg, int64_t y, const int64_t *in, int64_t rows, int64_t cols)
{
    const variadic_run *v = arg;
    const sn_nest *n = &v->p->nest;
    const int64_t strip = (int64_t)(VARIADIC_STRIP_BYTES / v->p->size_bytes);
    int64_t at[SN_OP_IN_MAX];
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c += strip) {
            for (uint32_t i = 0; i < n->n_in; i++)
                at[i] = in[i] + r * n->row[i] + c * n->col[i];
            variadic_strip(v, y + r * cols + c, at, cols - c < strip ? cols - c : strip);
        }
}

static void variadic_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const variadic_run *v = arg;
    int64_t begin, end;
    sn_pool_range(v->p->nest.numel, SN_ALIGN, part, n_parts, &begin, &end);
    sn_nest_run(&v->p->nest, begin, end, variadic_tile, arg);
}

static setsuna_status variadic_step_run(const sn_step *s, sn_run *r)
{
    variadic_run v = {.p = s->param, .y = sn_out(s, r, 0)};
    if (!v.y)
        return SETSUNA_OK;
    for (uint32_t i = 0; i < s->n_in; i++)
        v.in[i] = sn_in(s, r, i);
    sn_run_parallel(s, r, variadic_part, &v);
    return SETSUNA_OK;
}

static setsuna_status variadic_infer(sn_op_ctx *c)
{
    bool order = strcmp(c->op->name, "Max") == 0 || strcmp(c->op->name, "Min") == 0;
    SN_TRY(binary_check(c, order ? "num" : "float"));
    return sn_infer_broadcast(c);
}

static setsuna_status variadic_bind(sn_op_ctx *c, sn_step *s)
{
    const char *name = c->op->name;
    bool mean = strcmp(name, "Mean") == 0;
    sn_ew_op op = strcmp(name, "Max") == 0 ? SN_EW_MAX : strcmp(name, "Min") == 0 ? SN_EW_MIN : SN_EW_ADD;
    if (c->n_in == 1)
        return sn_bind_copy(c, s);
    if (c->n_in == 2 && !mean)
        return sn_ew_bind(c, s, op, 2, NULL, 0);
    int64_t numel;
    setsuna_dtype dtype = c->in[0].dtype;
    sn_ew_kernel kernel = sn_elementwise_find(c->cpu, op, dtype);
    variadic_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    p->combine = kernel.fn;
    if (!p->combine)
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "tensors of %s are not supported", setsuna_dtype_name(dtype));
    p->size_bytes = setsuna_dtype_size(dtype);
    if (mean) { /* dividing, as the definition does, keeps the mean of equal values exact */
        p->scale = sn_elementwise_find(c->cpu, SN_EW_DIV, dtype).fn;
        float f = (float)c->n_in;
        double d = (double)c->n_in;
        memcpy(p->factor, dtype == SETSUNA_F64 ? (const void *)&d : (const void *)&f, p->size_bytes);
    }
    SN_TRY(sn_nest_plan(c, &c->out[0].shape, 0, c->n_in, &p->nest));
    SN_TRY(sn_ew_account(c, s, (double)(c->n_in - 1), &numel));
    s->run = variadic_step_run;
    s->param = p;
    s->kernel = kernel.name;
    s->n_parts = sn_ew_parts(c, numel, (double)(c->n_in - 1));
    return SETSUNA_OK;
}

/* ---- Where ------------------------------------------------------------------------------------------ */

static setsuna_status where_infer(sn_op_ctx *c)
{
    for (uint32_t i = 0; i < 3; i++)
        if (!sn_op_has(c, i))
            return sn_op_fail(c, SETSUNA_EMODEL, "input %u is missing", i);
    SN_TRY(sn_op_want(c, 0, "bool"));
    if (c->in[1].dtype != c->in[2].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the choices are %s and %s", setsuna_dtype_name(c->in[1].dtype),
                          setsuna_dtype_name(c->in[2].dtype));
    SN_TRY(sn_op_want(c, 1, "any c64 c128"));
    SN_TRY(sn_infer_broadcast(c));
    c->out[0].dtype = c->in[1].dtype;
    return SETSUNA_OK;
}

static setsuna_status where_bind(sn_op_ctx *c, sn_step *s)
{
    sn_ew_kernel kernel = {sn_elementwise_where(setsuna_dtype_size(c->out[0].dtype)), "sn_ew_where_ref"};
    return sn_ew_bind_kernel(c, s, kernel, 1, 3, NULL, 0);
}

/* A bool result of one byte could share memory with a broadcast operand of more bytes an element but fewer elements:
 * comparisons are not in place. */
enum { BINARY_ARITH = SN_OP_INPLACE | SN_OP_F16_AS_F32, BINARY_COMPARE = SN_OP_F16_AS_F32 };

/* clang-format off */
const sn_op sn_ops_binary[] = {
    {"", "Add", 7, 0, 2, 2, 1, 1, BINARY_ARITH, "", binary_infer, binary_bind},
    {"", "And", 7, 0, 2, 2, 1, 1, SN_OP_INPLACE, "", binary_infer, binary_bind},
    {"", "BitShift", 11, 0, 2, 2, 1, 1, SN_OP_INPLACE, "direction:s", shift_infer, shift_bind},
    {"", "BitwiseAnd", 18, 0, 2, 2, 1, 1, SN_OP_INPLACE, "", binary_infer, binary_bind},
    {"", "BitwiseOr", 18, 0, 2, 2, 1, 1, SN_OP_INPLACE, "", binary_infer, binary_bind},
    {"", "BitwiseXor", 18, 0, 2, 2, 1, 1, SN_OP_INPLACE, "", binary_infer, binary_bind},
    {"", "Div", 7, 0, 2, 2, 1, 1, BINARY_ARITH, "", binary_infer, binary_bind},
    {"", "Equal", 7, 0, 2, 2, 1, 1, BINARY_COMPARE, "", binary_infer, binary_bind},
    {"", "Greater", 7, 0, 2, 2, 1, 1, BINARY_COMPARE, "", binary_infer, binary_bind},
    {"", "GreaterOrEqual", 12, 0, 2, 2, 1, 1, BINARY_COMPARE, "", binary_infer, binary_bind},
    {"", "Less", 7, 0, 2, 2, 1, 1, BINARY_COMPARE, "", binary_infer, binary_bind},
    {"", "LessOrEqual", 12, 0, 2, 2, 1, 1, BINARY_COMPARE, "", binary_infer, binary_bind},
    {"", "Max", 6, 0, 1, 255, 1, 1, BINARY_ARITH, "", variadic_infer, variadic_bind},
    {"", "Mean", 6, 0, 1, 255, 1, 1, BINARY_ARITH, "", variadic_infer, variadic_bind},
    {"", "Min", 6, 0, 1, 255, 1, 1, BINARY_ARITH, "", variadic_infer, variadic_bind},
    {"", "Mod", 10, 0, 2, 2, 1, 1, BINARY_ARITH, "fmod:i", mod_infer, mod_bind},
    {"", "Mul", 7, 0, 2, 2, 1, 1, BINARY_ARITH, "", binary_infer, binary_bind},
    {"", "Or", 7, 0, 2, 2, 1, 1, SN_OP_INPLACE, "", binary_infer, binary_bind},
    {"", "PRelu", 7, 0, 2, 2, 1, 1, BINARY_ARITH, "", prelu_infer, binary_bind},
    {"", "Sub", 7, 0, 2, 2, 1, 1, BINARY_ARITH, "", binary_infer, binary_bind},
    {"", "Sum", 6, 0, 1, 255, 1, 1, BINARY_ARITH, "", variadic_infer, variadic_bind},
    {"", "Where", 9, 0, 3, 3, 1, 1, SN_OP_INPLACE, "", where_infer, where_bind},
    {"", "Xor", 7, 0, 2, 2, 1, 1, SN_OP_INPLACE, "", binary_infer, binary_bind},
    {.name = NULL},
};
/* clang-format on */
