/* The elementwise kernels, in the manner of checkasm.
 *
 * Shapes: every kernel of every level on tiles of all operand patterns, around multiples of the vector, in place and
 * not, off alignment, at the end of heap blocks: the bits must be those of the same elements computed one by one, and
 * for the kernels of class exact those of the reference.
 *
 * Accuracy: the functions of class ulp over a sweep of all floats against the C library's double.
 */
#include "kernels/elementwise.h"
#include "kernels/kernel.h"
#include "parity.h"

/* ---- shapes ------------------------------------------------------------------------------------------ */

typedef struct test_kernel {
    sn_ew_op op;
    const char *name;
    sn_ew_fn *fn, *ref; /* ref: NULL where the class is not exact */
    size_t out_bytes, in_bytes[2];
    float k[2];
} test_kernel;

typedef struct test_tile {
    int64_t rows, cols, row[2], col[2];
} test_tile;

/* How an operand lies: dense, one row for all, one element a row, one element for all, or rows with a gap. */
static void test_tile_operand(test_tile *t, int i, int pattern)
{
    t->row[i] = pattern == 0 ? t->cols : pattern == 2 ? 1 : pattern == 4 ? t->cols + 3 : 0;
    t->col[i] = pattern == 0 || pattern == 1 || pattern == 4;
}

/* Elements that an operand spans. */
static int64_t test_span(const test_tile *t, int i)
{
    return t->rows && t->cols ? (t->rows - 1) * t->row[i] + (t->cols - 1) * t->col[i] + 1 : 0;
}

static void test_fill(parity *t, parity_block *b, size_t elem_bytes)
{
    for (size_t i = 0; i + elem_bytes <= b->size; i += elem_bytes) {
        float f = parity_f32(t);
        double d = (double)f;
        int64_t n = (int64_t)(parity_random(t) % 9) - 4;
        memcpy(b->data + i,
               elem_bytes == 4        ? (const void *)&f
               : parity_random(t) % 2 ? (const void *)&d
                                      : &n,
               elem_bytes);
    }
}

/* The element of output (r, c) by a call for it alone. */
static void test_single(const test_kernel *q, const test_tile *s, const unsigned char *const *in, int64_t r, int64_t c,
                        sn_ew_fn *fn, void *out)
{
    sn_ew_args a = {.y = out, .rows = 1, .cols = 1, .col = {1, 1}, .param = q->k};
    for (int i = 0; i < sn_ew_operands(q->op); i++)
        a.in[i] = in[i] + (size_t)(r * s->row[i] + c * s->col[i]) * q->in_bytes[i];
    fn(&a);
}

static bool test_same(const test_kernel *q, const void *got, const void *want)
{
    float a, b;
    if (q->out_bytes != sizeof a)
        return memcmp(got, want, q->out_bytes) == 0;
    memcpy(&a, got, sizeof a);
    memcpy(&b, want, sizeof b);
    return parity_same_f32(a, b);
}

static void test_shape(parity *t, const test_kernel *q, const test_tile *s, int in_place)
{
    const int n_in = sn_ew_operands(q->op);
    const size_t n = (size_t)(s->rows * s->cols), skew = parity_random(t) % 2 ? 4 * (parity_random(t) % 16) : 0;
    parity_block y = parity_block_make(n * q->out_bytes, skew, true), x[2], copy[2];
    const unsigned char *in[2] = {NULL, NULL};
    sn_ew_args a = {.y = y.data, .rows = s->rows, .cols = s->cols, .param = q->k};
    for (int i = 0; i < n_in; i++) {
        size_t size = (size_t)test_span(s, i) * q->in_bytes[i];
        x[i] = parity_block_make(size, q->in_bytes[i] == 4 ? 4 * (parity_random(t) % 4) : 0, false);
        copy[i] = parity_block_make(size, 0, false);
        test_fill(t, &x[i], q->in_bytes[i]);
        memcpy(copy[i].data, x[i].data, size);
        in[i] = copy[i].data;
        a.in[i] = x[i].data;
        a.row[i] = s->row[i];
        a.col[i] = s->col[i];
        if (in_place == i)
            a.y = x[i].data;
    }
    q->fn(&a);
    bool ok = parity_block_intact(&y);
    for (int i = 0; i < n_in; i++)
        ok = ok && parity_block_intact(&x[i]) && (in_place == i || memcmp(x[i].data, copy[i].data, copy[i].size) == 0);
    if (!ok)
        parity_fail(t, q->name, "%" PRId64 "x%" PRId64 ": wrote outside of its output", s->rows, s->cols);
    for (int64_t i = 0; ok && i < s->rows * s->cols; i++) {
        unsigned char single[8], ref[8];
        const unsigned char *got = (const unsigned char *)a.y + (size_t)i * q->out_bytes;
        test_single(q, s, in, i / s->cols, i % s->cols, q->fn, single);
        if (q->ref)
            test_single(q, s, in, i / s->cols, i % s->cols, q->ref, ref);
        ok = test_same(q, got, single) && (!q->ref || test_same(q, got, ref));
        if (!ok)
            parity_fail(t, q->name,
                        "%" PRId64 "x%" PRId64 " rows %" PRId64 ",%" PRId64 " cols %" PRId64 ",%" PRId64
                        " in place %d: element %" PRId64 " differs from %s",
                        s->rows, s->cols, s->row[0], s->row[1], s->col[0], s->col[1], in_place, i,
                        test_same(q, got, single) ? "the reference" : "itself alone");
    }
    for (int i = 0; i < n_in; i++)
        free(x[i].base), free(copy[i].base);
    free(y.base);
}

static void test_shapes(parity *t, const test_kernel *q)
{
    static const int64_t cols[] = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 23, 24, 31, 32, 33, 47, 48, 61, 64, 127};
    static const int64_t rows[] = {1, 2, 5};
    const bool binary = sn_ew_operands(q->op) == 2;
    for (size_t c = 0; c < sizeof cols / sizeof cols[0]; c++)
        for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
            for (int pattern = 0; pattern < (binary ? 25 : 1); pattern++) {
                test_tile s = {.rows = rows[r], .cols = cols[c]};
                test_tile_operand(&s, 0, pattern % 5);
                test_tile_operand(&s, 1, pattern / 5);
                int place = -1;
                if (parity_random(t) % 2 && q->out_bytes == q->in_bytes[0] && pattern % 5 == 0)
                    place = 0;
                else if (binary && parity_random(t) % 2 && q->out_bytes == q->in_bytes[1] && pattern / 5 == 0)
                    place = 1;
                test_shape(t, q, &s, place);
            }
}

/* ---- accuracy ---------------------------------------------------------------------------------------- */

static double test_logistic(double x)
{
    return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
}

static double test_softplus(double x)
{
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double test_gelu(double x)
{
    return 0.5 * x * erfc(-x * M_SQRT1_2);
}

static double test_gelu_argument(double x)
{
    return 2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
}

static double test_gelu_tanh(double x)
{
    return x * test_logistic(test_gelu_argument(x));
}

static double test_mish(double x)
{
    return x * tanh(test_softplus(x));
}

static double test_swish(double x)
{
    return x * test_logistic(x);
}

static double test_elu(double x)
{
    return x < 0 ? expm1(x) : x;
}

static double test_selu(double x)
{
    return x > 0 ? 1.5 * x : 1.5 * 1.25 * expm1(x);
}

static double test_celu(double x)
{
    return x > 0 ? x : 0.5 * expm1(x / 0.5);
}

/* What a function may be off by, see test_bound. */
typedef struct test_function {
    sn_ew_op op;
    const char *name;
    double (*exact)(double);
    double ulp;      /* of the exact result */
    double argument; /* more of them for each unit of |argument_of(x)|: an exponent's own rounding */
    double (*argument_of)(double);
    double small; /* error of values near the smallest ones, beyond their ulps */
    bool times_x; /* the function is x times a value that may be so small */
    float k[2];
} test_function;

static double test_argument(double x)
{
    return isinf(x) ? 0 : x;
}

static double test_half_square(double x)
{
    return 0.5 * x * x;
}

static const test_function test_functions[] = {
    {SN_EW_EXP, "exp", exp, 1, 0, NULL, 0, false, {0, 0}},
    {SN_EW_LOG, "log", log, 1, 0, NULL, 0, false, {0, 0}},
    {SN_EW_TANH, "tanh", tanh, 3, 0, NULL, 0, false, {0, 0}},
    {SN_EW_ERF, "erf", erf, 1, 0, NULL, 0, false, {0, 0}},
    {SN_EW_SIGMOID, "sigmoid", test_logistic, 4, 1.0 / 16, test_argument, 0x1p-128, false, {0, 0}},
    {SN_EW_SOFTPLUS, "softplus", test_softplus, 2, 0, NULL, 0, false, {0, 0}},
    {SN_EW_ELU, "elu", test_elu, 2, 0, NULL, 0, false, {1, 0}},
    {SN_EW_SELU, "selu", test_selu, 3, 0, NULL, 0, false, {1.25f, 1.5f}},
    {SN_EW_CELU, "celu", test_celu, 2, 0, NULL, 0, false, {0.5f, 0}},
    {SN_EW_SWISH, "swish", test_swish, 4, 1.0 / 16, test_argument, 0x1p-128, true, {1, 0}},
    {SN_EW_MISH, "mish", test_mish, 4, 0, NULL, 0x1p-149, true, {0, 0}},
    {SN_EW_GELU, "gelu", test_gelu, 6, 3, test_half_square, 0x1p-149, true, {0, 0}},
    {SN_EW_GELU_TANH, "gelu_tanh", test_gelu_tanh, 4, 3, test_gelu_argument, 0x1p-128, true, {0, 0}},
};

static double test_bound(const test_function *f, double x, double want)
{
    int e;
    frexp(want, &e);
    double unit = fmax(ldexp(1, e - 24), 0x1p-149);
    double bound = f->ulp * unit;
    if (f->argument_of)
        bound += f->argument * fabs(f->argument_of(x)) * unit;
    if (!f->times_x || isfinite(x))
        bound += f->small * (f->times_x ? fabs(x) : 1);
    return bound;
}

/* The vector GELU calls erfc 0 from 5.3 on: |x| < 5.3 sqrt 2. */
static bool test_is_flushed(const test_function *f, float x, float y)
{
    return f->op == SN_EW_GELU && x < -7.49f && x > -1e6f && fabsf(y) <= 1e-12f;
}

static void test_accuracy_strip(parity *t, const test_function *f, const char *name, const float *x, const float *y,
                                int n)
{
    for (int i = 0; i < n; i++) {
        double want = f->exact((double)x[i]);
        bool ok =
            isnan(want) ? isnan(y[i])
            : isinf((float)want) || isinf(y[i])
                ? (float)want == y[i]
                : fabs((double)y[i] - want) <= test_bound(f, (double)x[i], want) || test_is_flushed(f, x[i], y[i]);
        if (!ok) {
            parity_fail(t, name, "at %a: %a, exactly %a", (double)x[i], (double)y[i], want);
            return;
        }
    }
}

/* Every 9973rd float, from a random start: about 430,000 of all signs, exponents, NaN and subnormals. */
static void test_accuracy(parity *t, const test_function *f, sn_ew_kernel kernel)
{
    enum { N = 1024, STEP = 9973 };
    float x[N], y[N];
    uint64_t bits = parity_random(t) % STEP;
    int before = t->failures;
    while (bits <= UINT32_MAX && t->failures == before) {
        int n = 0;
        for (; n < N && bits <= UINT32_MAX; bits += STEP)
            x[n++] = sn_f32_from_bits((uint32_t)bits);
        kernel.fn(&(sn_ew_args){.y = y, .in = {x}, .rows = 1, .cols = n, .param = f->k});
        test_accuracy_strip(t, f, kernel.name, x, y, n);
    }
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static const char *test_class(const char *symbol)
{
    unsigned n;
    const sn_kernel_info *info = sn_kernels(&n);
    for (unsigned i = 0; i < n; i++)
        if (strcmp(info[i].symbol, symbol) == 0)
            return info[i].numerics;
    return "";
}

static bool test_is_bool(sn_ew_op op)
{
    return op == SN_EW_IS_INF || op == SN_EW_IS_NAN || (op >= SN_EW_EQUAL && op <= SN_EW_LESS_EQUAL);
}

static void test_level(parity *t, sn_cpu_level level, bool shapes)
{
    sn_elementwise_table table, below, ref;
    sn_elementwise_table_init(&table, level);
    sn_elementwise_table_init(&below, level ? (sn_cpu_level)(level - 1) : level);
    sn_elementwise_table_init(&ref, SN_CPU_REF);
    for (int op = 0; op < SN_EW_OPS; op++) {
        sn_ew_kernel kernel = sn_elementwise_entry(&table, (sn_ew_op)op);
        bool is_new = kernel.fn && (!level || kernel.fn != sn_elementwise_entry(&below, (sn_ew_op)op).fn);
        if (!is_new || !parity_wants(t, kernel.name))
            continue;
        bool exact = strcmp(test_class(kernel.name), "exact") == 0;
        test_kernel q = {.op = (sn_ew_op)op,
                         .name = kernel.name,
                         .fn = kernel.fn,
                         .ref = exact ? sn_elementwise_entry(&ref, (sn_ew_op)op).fn : NULL,
                         .out_bytes = test_is_bool((sn_ew_op)op) ? 1 : 4,
                         .in_bytes = {4, op == SN_EW_POW_F64 || op == SN_EW_POW_I64 ? 8 : 4},
                         .k = {-0.75f, 1.25f}};
        if (shapes)
            test_shapes(t, &q);
        for (size_t i = 0; !shapes && i < sizeof test_functions / sizeof test_functions[0]; i++)
            if (test_functions[i].op == (sn_ew_op)op)
                test_accuracy(t, &test_functions[i], kernel);
    }
}

int main(int argc, char **argv)
{
    parity t = parity_begin("kernel_elementwise", 1, argc, argv);
    for (sn_cpu_level level = t.lowest; level <= t.highest; level++) {
        test_level(&t, level, true);
        test_level(&t, level, false);
    }
    return parity_end(&t);
}
