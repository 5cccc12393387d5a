/* ONNX Runtime's operators on quantised tensors against their definition. Scales are powers of two, so that every sum
 * and product is exact and the bytes must be equal; behind exponentials a result may be a step off. */
#include "unit/exec/graph_rig.h"
#include <math.h>
#include <string.h>

enum { SIDE = 4, CHANNELS = 2, ELEMENTS = CHANNELS * SIDE * SIDE };

typedef struct quantised {
    double scale;
    int zero;
} quantised;

static const quantised qa = {0.5, 3}, qb = {0.25, -7}, qy = {0.125, 1};

static int byte_at(const void *data, size_t i, bool is_signed)
{
    return is_signed ? (int)((const int8_t *)data)[i] : (int)((const uint8_t *)data)[i];
}

static double real_at(const void *data, size_t i, bool is_signed, quantised q)
{
    return q.scale * (byte_at(data, i, is_signed) - (is_signed ? q.zero : q.zero + 128));
}

static int quantise(double v, bool is_signed, quantised q)
{
    double low = is_signed ? -128 : 0;
    return (int)fmin(fmax(rint(v / q.scale) + (is_signed ? q.zero : q.zero + 128), low), low + 255);
}

typedef struct trial {
    graph_rig r;
    bool is_signed;
    setsuna_dtype type;
    uint32_t in[12], n_in;
    uint8_t a[ELEMENTS], b[ELEMENTS];
    setsuna_tensor tensor[2], out;
    uint32_t n_tensor;
} trial;

static void trial_open(trial *t, bool is_signed)
{
    memset(t, 0, sizeof *t);
    rig_open(&t->r, 13);
    t->is_signed = is_signed;
    t->type = is_signed ? SETSUNA_I8 : SETSUNA_U8;
    for (size_t i = 0; i < ELEMENTS; i++) { /* near the zero point, so that few results saturate */
        t->a[i] = (uint8_t)((is_signed ? 0 : 128) + (int)(i * 37 % 29) - 14);
        t->b[i] = (uint8_t)((is_signed ? 0 : 128) + (int)(i * 53 % 23) - 11);
    }
}

static void trial_scale(trial *t, quantised q)
{
    float scale = (float)q.scale;
    uint8_t zero = (uint8_t)(t->is_signed ? q.zero : q.zero + 128);
    setsuna_shape scalar = {0};
    t->in[t->n_in++] = rig_const(&t->r, SETSUNA_F32, &scalar, &scale);
    t->in[t->n_in++] = rig_const(&t->r, t->type, &scalar, &zero);
}

static void trial_operand(trial *t, const char *name, const uint8_t *data, quantised q)
{
    t->in[t->n_in++] = rig_input(&t->r, name, t->type);
    t->tensor[t->n_tensor++] = rig_tensor(t->type, data, 4, 1, CHANNELS, SIDE, SIDE);
    trial_scale(t, q);
}

static sn_node *trial_node(trial *t, const char *op)
{
    uint32_t y;
    sn_node *n = rig_node_many(&t->r, op, t->in, t->n_in, &y, 1);
    n->domain = "com.microsoft";
    n->opset = 1;
    rig_outputs(&t->r, &y, 1);
    return n;
}

static void trial_run(trial *t)
{
    rig_start(&t->r);
    RIG_OK(&t->r, rig_run(&t->r, t->tensor, &t->out));
    assert_int_equal(t->out.dtype, t->type);
}

static void test_pairs(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool product = (i & 1) != 0;
        trial t;
        trial_open(&t, (i & 2) != 0);
        trial_operand(&t, "a", t.a, qa);
        trial_operand(&t, "b", t.b, qb);
        trial_scale(&t, qy);
        trial_node(&t, product ? "QLinearMul" : "QLinearAdd");
        trial_run(&t);
        for (size_t k = 0; k < ELEMENTS; k++) {
            double a = real_at(t.a, k, t.is_signed, qa), b = real_at(t.b, k, t.is_signed, qb);
            assert_int_equal(byte_at(t.out.data, k, t.is_signed), quantise(product ? a * b : a + b, t.is_signed, qy));
        }
        rig_close(&t.r);
    }
}

static void test_functions(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        bool leaky = (i & 1) != 0;
        trial t;
        trial_open(&t, (i & 2) != 0);
        trial_operand(&t, "a", t.a, qa);
        trial_scale(&t, leaky ? qy : (quantised){1 / 128.0, -100});
        sn_node *n = trial_node(&t, leaky ? "QLinearLeakyRelu" : "QLinearSigmoid");
        if (leaky)
            assert_true(sn_node_add_float(t.r.g, n, "alpha", 0.25f));
        trial_run(&t);
        for (size_t k = 0; k < ELEMENTS; k++) {
            double a = real_at(t.a, k, t.is_signed, qa);
            int want = leaky ? quantise(a < 0 ? 0.25 * a : a, t.is_signed, qy)
                             : quantise(1 / (1 + exp(-a)), t.is_signed, (quantised){1 / 128.0, -100});
            assert_in_range(byte_at(t.out.data, k, t.is_signed) - want + 1, leaky ? 1 : 0, leaky ? 1 : 2);
        }
        rig_close(&t.r);
    }
}

static void test_softmax(void **state)
{
    (void)state;
    trial t;
    quantised q = {1 / 256.0, -128};
    trial_open(&t, false);
    trial_operand(&t, "a", t.a, qb);
    trial_scale(&t, q);
    sn_node *n = trial_node(&t, "QLinearSoftmax");
    assert_true(sn_node_add_int(t.r.g, n, "axis", -1) && sn_node_add_int(t.r.g, n, "opset", 13));
    trial_run(&t);
    for (size_t k = 0; k < ELEMENTS; k++) {
        double sum = 0;
        for (size_t j = k / SIDE * SIDE; j < k / SIDE * SIDE + SIDE; j++)
            sum += exp(real_at(t.a, j, false, qb));
        int want = quantise(exp(real_at(t.a, k, false, qb)) / sum, false, q);
        assert_in_range(byte_at(t.out.data, k, false) - want + 1, 0, 2);
    }
    rig_close(&t.r);
}

/* Means over a channel's plane (0), windows of 2 x 2 (1), rows (2). */
static void test_means(void **state)
{
    (void)state;
    static const char *const ops[] = {"QLinearGlobalAveragePool", "QLinearAveragePool", "QLinearReduceMean"};
    for (int i = 0; i < 6; i++) {
        int kind = i % 3;
        trial t;
        trial_open(&t, i >= 3);
        trial_operand(&t, "a", t.a, qa);
        trial_scale(&t, qy);
        sn_node *n = trial_node(&t, ops[kind]);
        if (kind == 1)
            assert_true(sn_node_add_ints(t.r.g, n, "kernel_shape", (int64_t[]){2, 2}, 2) &&
                        sn_node_add_ints(t.r.g, n, "strides", (int64_t[]){2, 2}, 2));
        if (kind == 2)
            assert_true(sn_node_add_ints(t.r.g, n, "axes", (int64_t[]){3}, 1));
        trial_run(&t);
        int h = kind == 0 ? SIDE : kind == 1 ? 2 : 1, w = kind == 1 ? 2 : SIDE, rows = SIDE / h, columns = SIDE / w;
        rig_assert_shape(&t.out, 4, 1, CHANNELS, rows, columns);
        for (int k = 0; k < CHANNELS * rows * columns; k++) {
            int c = k / (rows * columns), y = k / columns % rows * h, x = k % columns * w;
            double sum = 0;
            for (int e = 0; e < h * w; e++)
                sum += real_at(t.a, (size_t)((c * SIDE + y + e / w) * SIDE + x + e % w), t.is_signed, qa);
            assert_int_equal(byte_at(t.out.data, (size_t)k, t.is_signed), quantise(sum / (h * w), t.is_signed, qy));
        }
        rig_close(&t.r);
    }
}

static void test_concat(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        trial t;
        trial_open(&t, i != 0);
        trial_scale(&t, qy);
        trial_operand(&t, "a", t.a, qa);
        trial_operand(&t, "b", t.b, qb);
        sn_node *n = trial_node(&t, "QLinearConcat");
        assert_true(sn_node_add_int(t.r.g, n, "axis", 1));
        trial_run(&t);
        rig_assert_shape(&t.out, 4, 1, 2 * CHANNELS, SIDE, SIDE);
        for (size_t k = 0; k < 2 * ELEMENTS; k++) {
            double v = k < ELEMENTS ? real_at(t.a, k, t.is_signed, qa) : real_at(t.b, k - ELEMENTS, t.is_signed, qb);
            assert_int_equal(byte_at(t.out.data, k, t.is_signed), quantise(v, t.is_signed, qy));
        }
        rig_close(&t.r);
    }
}

static void test_where(void **state)
{
    (void)state;
    trial t;
    bool which[SIDE] = {true, false, false, true};
    setsuna_shape shape = {.rank = 1, .dim = {SIDE}};
    trial_open(&t, true);
    t.in[t.n_in++] = rig_const(&t.r, SETSUNA_BOOL, &shape, which);
    trial_operand(&t, "a", t.a, qa);
    trial_operand(&t, "b", t.b, qb);
    trial_scale(&t, qy);
    trial_node(&t, "QLinearWhere");
    trial_run(&t);
    for (size_t k = 0; k < ELEMENTS; k++) {
        double v = which[k % SIDE] ? real_at(t.a, k, true, qa) : real_at(t.b, k, true, qb);
        assert_int_equal(byte_at(t.out.data, k, true), quantise(v, true, qy));
    }
    rig_close(&t.r);
}

/* [M, K] by [K, N], transposed or not, scales for each column, a summand or none, bytes or floats. */
static void check_gemm(bool trans, bool summand, bool is_float, float alpha)
{
    enum { M = 3, K = 5, N = 4 };
    static const float column[N] = {0.25f, 0.5f, 1, 2};
    int8_t w[K * N], zero[N] = {0};
    int32_t c[N] = {7, -20, 0, 3};
    const float as = 0.5f, ys = 8;
    const uint8_t az = 120, yz = 100;
    uint8_t a[M * K] = {0};
    setsuna_shape scalar = {0}, ws = {2, {trans ? N : K, trans ? K : N}}, ns = {1, {N}};
    graph_rig r;
    uint32_t in[9], y;
    setsuna_tensor out, x = rig_tensor(SETSUNA_U8, a, 2, M, K);
    for (int i = 0; i < M * K; i++)
        a[i] = (uint8_t)(i * 91 + 5);
    for (int i = 0; i < K * N; i++)
        w[i] = (int8_t)(i * 77 + 3);
    rig_open(&r, 13);
    in[0] = rig_input(&r, "a", SETSUNA_U8);
    in[1] = rig_const(&r, SETSUNA_F32, &scalar, &as);
    in[2] = rig_const(&r, SETSUNA_U8, &scalar, &az);
    in[3] = rig_const(&r, SETSUNA_I8, &ws, w);
    in[4] = rig_const(&r, SETSUNA_F32, &ns, column);
    in[5] = rig_const(&r, SETSUNA_I8, &ns, zero);
    in[6] = summand ? rig_const(&r, SETSUNA_I32, &ns, c) : SN_NONE;
    in[7] = is_float ? SN_NONE : rig_const(&r, SETSUNA_F32, &scalar, &ys);
    in[8] = is_float ? SN_NONE : rig_const(&r, SETSUNA_U8, &scalar, &yz);
    sn_node *n = rig_node_many(&r, "QGemm", in, is_float ? 7 : 9, &y, 1);
    n->domain = "com.microsoft";
    n->opset = 1;
    assert_true(sn_node_add_int(r.g, n, "transB", trans) && sn_node_add_float(r.g, n, "alpha", alpha));
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    RIG_OK(&r, rig_run(&r, &x, &out));
    for (int i = 0; i < M * N; i++) {
        int sum = summand ? c[i % N] : 0;
        for (int k = 0; k < K; k++)
            sum += ((int)a[i / N * K + k] - az) * w[trans ? i % N * K + k : k * N + i % N];
        double real = sum * (double)alpha * (double)as * (double)column[i % N];
        if (is_float)
            assert_true((double)((float *)out.data)[i] == real);
        else
            assert_int_equal(((uint8_t *)out.data)[i], (int)fmin(fmax(rint(real / (double)ys) + yz, 0), 255));
    }
    rig_close(&r);
}

static void test_gemm(void **state)
{
    (void)state;
    for (int i = 0; i < 16; i++)
        check_gemm((i & 1) != 0, (i & 2) != 0, (i & 4) != 0, i & 8 ? 0.5f : 1);
}

/* Without a zero point the output has the operands' type. */
static void test_no_zero_point(void **state)
{
    (void)state;
    trial t;
    trial_open(&t, true);
    trial_operand(&t, "a", t.a, qa);
    trial_operand(&t, "b", t.b, qb);
    trial_scale(&t, (quantised){0.25, 0});
    t.n_in--;
    trial_node(&t, "QLinearAdd");
    trial_run(&t);
    for (size_t k = 0; k < ELEMENTS; k++)
        assert_int_equal(byte_at(t.out.data, k, true),
                         quantise(real_at(t.a, k, true, qa) + real_at(t.b, k, true, qb), true, (quantised){0.25, 0}));
    rig_close(&t.r);
}

static void test_refused(void **state)
{
    (void)state;
    trial t;
    for (int i = 0; i < 3; i++) {
        trial_open(&t, false);
        if (i == 0) { /* joins take threes */
            trial_scale(&t, qy);
            trial_operand(&t, "a", t.a, qa);
            t.in[t.n_in++] = t.in[2];
            assert_true(sn_node_add_int(t.r.g, trial_node(&t, "QLinearConcat"), "axis", 1));
        } else if (i == 1) { /* an operand is missing */
            trial_operand(&t, "a", t.a, qa);
            trial_operand(&t, "b", t.b, qb);
            trial_scale(&t, qy);
            t.in[3] = SN_NONE;
            trial_node(&t, "QLinearAdd");
        } else {
            trial_operand(&t, "a", t.a, qa);
            trial_scale(&t, qy);
            assert_true(sn_node_add_int(t.r.g, trial_node(&t, "QLinearGlobalAveragePool"), "channels_last", 1));
        }
        rig_start(&t.r);
        assert_int_equal(rig_run(&t.r, t.tensor, &t.out), i == 2 ? SETSUNA_EUNSUPPORTED : SETSUNA_EMODEL);
        rig_close(&t.r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs), cmocka_unit_test(test_functions),     cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_means), cmocka_unit_test(test_concat),        cmocka_unit_test(test_where),
        cmocka_unit_test(test_gemm),  cmocka_unit_test(test_no_zero_point), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
