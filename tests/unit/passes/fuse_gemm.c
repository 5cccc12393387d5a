#include "unit/passes/pass_graph.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

extern const sn_pass sn_pass_fuse_gemm;

enum { M = 3, K = 12, N = 5, ELEMENTS = 256 };

/* |x| and |w| are below 4: a sum of K products and a bias has K + 4 roundings in each of the two graphs; alpha is at
 * most 2, activations have slopes of at most 1.2, and errors of their own that a twelfth of the sum's exceeds. */
#define BOUND (2 * 1.2f * 2 * (K + 4) * (16 * K + 4) * 0x1p-24f)

static pass_graph *t;
static uint32_t x, w;

static uint32_t number(float v)
{
    return pass_graph_number(t, v);
}

static uint32_t weights(setsuna_shape shape)
{
    float v[K * N];
    for (int i = 0; i < K * N; i++)
        v[i] = (float)(i * 37 % 41) / 20 - 1;
    return pass_graph_const(t, shape, v);
}

static uint32_t columns(setsuna_shape shape)
{
    float v[M * N];
    for (int i = 0; i < M * N; i++)
        v[i] = (float)(i % 7) - 3;
    return pass_graph_const(t, shape, v);
}

static void open_graph(setsuna_shape of_x)
{
    static pass_graph g;
    t = &g;
    pass_graph_open(t, 20);
    x = pass_graph_input(t, of_x);
}

/* x [2, M, K] by w [K, N]. */
static uint32_t open_matmul(void)
{
    open_graph(sn_shape(3, 2, M, K));
    w = weights(sn_shape(2, K, N));
    return pass_graph_two(t, "MatMul", x, w);
}

typedef struct gemm {
    bool trans_a, trans_b;
    float alpha, beta;
    setsuna_shape c; /* rank -1: none */
} gemm;

/* x [M, K] (or [K, M]) by w [K, N] (or [N, K]). */
static uint32_t open_gemm(gemm a)
{
    open_graph(a.trans_a ? sn_shape(2, K, M) : sn_shape(2, M, K));
    w = weights(a.trans_b ? sn_shape(2, N, K) : sn_shape(2, K, N));
    uint32_t in[3] = {x, w, a.c.rank < 0 ? SN_NONE : columns(a.c)}, y = sn_graph_add_value(t->g, "", SETSUNA_F32);
    sn_node *n = sn_graph_add_node(t->g, "", "Gemm", 13, "gemm", in, a.c.rank < 0 ? 2 : 3, &y, 1);
    assert_non_null(n);
    assert_true(sn_node_add_int(t->g, n, "transA", a.trans_a) && sn_node_add_int(t->g, n, "transB", a.trans_b) &&
                sn_node_add_float(t->g, n, "alpha", a.alpha) && sn_node_add_float(t->g, n, "beta", a.beta));
    pass_graph_infer_last(t);
    return y;
}

/* Runs graph, pass, graph, with v as the output: the same shape and values. Returns whether the pass did something. */
static bool run_pass(uint32_t v)
{
    float before[ELEMENTS], after[ELEMENTS];
    pass_graph_output(t, v);
    size_t n = pass_graph_run(t, before, ELEMENTS);
    setsuna_shape shape = t->g->value[v].shape;
    bool changed = pass_graph_pass(t, &sn_pass_fuse_gemm);
    assert_int_equal(pass_graph_run(t, after, ELEMENTS), n);
    assert_true(sn_shape_equal(&shape, &t->g->value[t->g->output[0]].shape));
    pass_graph_assert_near(before, after, n, BOUND);
    return changed;
}

/* One node is left: setsuna.Gemm of x and w. */
static const sn_node *check(uint32_t v, bool bias, const char *activation)
{
    assert_true(run_pass(v));
    const sn_node *n = &t->g->node[0];
    assert_int_equal(t->g->n_node, 1);
    assert_true(sn_node_is(n, "setsuna", "Gemm"));
    assert_int_equal(n->in[0], x);
    assert_int_equal(n->in[1], w);
    assert_int_equal(n->n_in, bias ? 3 : 2);
    assert_string_equal(sn_node_string(n, "activation", "none"), activation);
    assert_false(pass_graph_pass(t, &sn_pass_fuse_gemm));
    return n;
}

static void check_missed(uint32_t v)
{
    size_t nodes = t->g->n_node;
    assert_false(run_pass(v));
    assert_int_equal(t->g->n_node, nodes);
    pass_graph_close(t);
}

/* ---- bias ---- */

static void test_bias(void **state)
{
    (void)state;
    for (int swap = 0; swap < 2; swap++) {
        uint32_t y = open_matmul(), b = columns(sn_shape(1, N));
        const sn_node *n = check(swap ? pass_graph_two(t, "Add", b, y) : pass_graph_two(t, "Add", y, b), true, "none");
        assert_int_equal(n->in[2], b);
        pass_graph_close(t);
    }
    for (int rank = 2; rank <= 3; rank++) { /* a constant loses its leading dims */
        uint32_t y = open_matmul();
        const sn_node *n = check(
            pass_graph_two(t, "Add", y, columns(rank == 2 ? sn_shape(2, 1, N) : sn_shape(3, 1, 1, N))), true, "none");
        assert_int_equal(t->g->value[n->in[2]].shape.rank, 1);
        pass_graph_close(t);
    }
}

/* A bias need not be constant, nor made before the product. */
static void test_bias_that_is_computed(void **state)
{
    (void)state;
    uint32_t y = open_matmul(), b = pass_graph_one(t, "Neg", pass_graph_input(t, sn_shape(1, N)));
    assert_true(run_pass(pass_graph_two(t, "Add", y, b)));
    assert_int_equal(t->g->n_node, 2);
    assert_true(sn_node_is(&t->g->node[0], "", "Neg"));
    assert_true(sn_node_is(&t->g->node[1], "setsuna", "Gemm"));
    assert_int_equal(t->g->node[1].in[2], b);
    pass_graph_close(t);
}

static void test_not_a_bias(void **state)
{
    (void)state;
    static const setsuna_shape shapes[] = {{0, {0}},       {1, {1}},         {2, {M, 1}}, {2, {M, N}},
                                           {3, {2, 1, N}}, {4, {1, 1, 1, N}}}; /* the last raises the rank */
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint32_t y = open_matmul(), b = i == 4 ? pass_graph_input(t, shapes[i]) : columns(shapes[i]);
        check_missed(pass_graph_two(t, "Add", y, b));
    }
    uint32_t y = open_matmul(); /* a matrix of one row that is not constant */
    check_missed(pass_graph_two(t, "Add", y, pass_graph_input(t, sn_shape(2, 1, N))));
    y = open_matmul();
    check_missed(pass_graph_two(t, "Add", y, y));
    y = open_matmul();
    check_missed(pass_graph_two(t, "Sub", y, columns(sn_shape(1, N))));
    y = open_matmul();
    check_missed(pass_graph_two(t, "Mul", y, columns(sn_shape(1, N))));
}

/* ---- activations ---- */

static uint32_t with_float(uint32_t v, const char *name, float f)
{
    assert_true(sn_node_add_float(t->g, pass_graph_last(t), name, f));
    return v;
}

static uint32_t activation(int which, uint32_t v)
{
    switch (which) {
    case 0: return pass_graph_one(t, "Relu", v);
    case 1: return with_float(pass_graph_one(t, "LeakyRelu", v), "alpha", 0.3f);
    case 2: return pass_graph_node(t, "", "Clip", (uint32_t[]){v, number(-1), number(6)}, 3);
    case 3: return pass_graph_node(t, "", "Clip", (uint32_t[]){v, SN_NONE, number(2)}, 3);
    case 4: return pass_graph_one(t, "Sigmoid", v);
    case 5: return pass_graph_one(t, "Tanh", v);
    case 6: return with_float(with_float(pass_graph_one(t, "HardSigmoid", v), "alpha", 0.15f), "beta", 0.4f);
    case 7: return pass_graph_one(t, "HardSwish", v);
    case 8: return pass_graph_one(t, "Gelu", v);
    case 9:
        v = pass_graph_one(t, "Gelu", v);
        assert_true(sn_node_add_string(t->g, pass_graph_last(t), "approximate", "tanh"));
        return v;
    case 10: return with_float(pass_graph_node(t, "setsuna", "Swish", &v, 1), "alpha", 1.0f);
    case 11: return pass_graph_one(t, "LeakyRelu", v); /* attributes left out */
    default: return pass_graph_one(t, "HardSigmoid", v);
    }
}

static const char *const names[] = {"relu", "leaky_relu",   "clip",        "clip", "sigmoid",
                                    "tanh", "hard_sigmoid", "hard_swish",  "gelu", "gelu_tanh",
                                    "silu", "leaky_relu",   "hard_sigmoid"};
enum { ACTIVATIONS = sizeof names / sizeof *names };

static void test_activations(void **state)
{
    (void)state;
    for (int which = 0; which < ACTIVATIONS; which++)
        for (int bias = 0; bias < 2; bias++) {
            uint32_t y = open_matmul();
            if (bias)
                y = pass_graph_two(t, "Add", y, columns(sn_shape(1, N)));
            check(activation(which, y), bias, names[which]);
            pass_graph_close(t);
        }
}

static void test_not_an_activation(void **state)
{
    (void)state;
    uint32_t y = open_matmul(), low = pass_graph_input(t, sn_shape(0)); /* bounds must be known... */
    check_missed(pass_graph_node(t, "", "Clip", (uint32_t[]){y, low}, 2));
    y = open_matmul(); /* ...and in order: Clip gives the upper one then */
    check_missed(pass_graph_node(t, "", "Clip", (uint32_t[]){y, number(3), number(1)}, 3));
    y = open_matmul();
    check_missed(pass_graph_one(t, "Softplus", y));
    y = open_matmul();
    check_missed(pass_graph_one(t, "Neg", y));
}

/* ---- Gemm ---- */

static void test_gemm(void **state)
{
    (void)state;
    static const setsuna_shape shapes[] = {{-1, {0}}, {1, {N}}, {2, {1, N}}};
    for (int bits = 0; bits < 4; bits++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            float alpha = bits & 2 ? 2 : 1;
            uint32_t y = open_gemm((gemm){false, bits & 1, alpha, 1, shapes[i]});
            const sn_node *n = check(pass_graph_one(t, "Relu", y), i != 0, "relu");
            assert_true(sn_node_float(n, "alpha", 1) == alpha);
            assert_int_equal(sn_node_int(n, "transB", 0), bits & 1);
            pass_graph_close(t);
        }
    /* Without C its factor means nothing. */
    uint32_t y = open_gemm((gemm){false, false, 1, 3, {.rank = -1}});
    check(pass_graph_one(t, "Relu", y), false, "relu");
    pass_graph_close(t);
}

static void test_gemm_that_cannot_be_expressed(void **state)
{
    (void)state;
    static const gemm gemms[] = {
        {true, false, 1, 1, {1, {N}}},     /* A is read across */
        {false, false, 1, 0.5f, {1, {N}}}, /* C has a factor */
        {false, false, 1, 1, {2, {M, N}}}, /* C is not one value a column */
        {false, false, 1, 1, {2, {M, 1}}}, {false, false, 1, 1, {0, {0}}}, {false, false, 1, 1, {1, {1}}},
    };
    for (size_t i = 0; i < sizeof gemms / sizeof *gemms; i++)
        check_missed(pass_graph_one(t, "Relu", open_gemm(gemms[i])));
}

/* ---- what must stay ---- */

static void test_alone(void **state)
{
    (void)state;
    check_missed(open_matmul());
    check_missed(open_gemm((gemm){false, true, 2, 1, {1, {N}}}));
}

/* The product, or product and bias, with another reader: what it reads is still made. */
static void test_other_readers(void **state)
{
    (void)state;
    for (int output = 0; output < 2; output++) {
        uint32_t y = open_matmul(), z = pass_graph_two(t, "Add", y, columns(sn_shape(1, N)));
        uint32_t r = pass_graph_one(t, "Relu", z), other = output ? y : pass_graph_one(t, "Neg", y);
        pass_graph_output(t, r);
        pass_graph_output(t, other);
        assert_false(pass_graph_pass(t, &sn_pass_fuse_gemm));
        pass_graph_close(t);

        y = open_matmul(), z = pass_graph_two(t, "Add", y, columns(sn_shape(1, N)));
        r = pass_graph_one(t, "Relu", z), other = output ? z : pass_graph_one(t, "Neg", z);
        pass_graph_output(t, r);
        pass_graph_output(t, other);
        assert_true(pass_graph_pass(t, &sn_pass_fuse_gemm)); /* the bias goes in, the activation stays */
        assert_int_equal(t->g->n_node, output ? 2 : 3);
        assert_true(sn_node_is(&t->g->node[0], "setsuna", "Gemm"));
        assert_string_equal(sn_node_string(&t->g->node[0], "activation", "none"), "none");
        assert_int_equal(t->g->node[0].out[0], z);
        pass_graph_close(t);
    }
}

/* By a stack of matrices, or of a vector: setsuna.Gemm has a matrix on the right and rows on the left. */
static void test_other_products(void **state)
{
    (void)state;
    open_graph(sn_shape(3, 2, M, K));
    uint32_t b = pass_graph_input(t, sn_shape(3, 2, K, N));
    check_missed(pass_graph_one(t, "Relu", pass_graph_two(t, "MatMul", x, b)));
    open_graph(sn_shape(1, K));
    check_missed(pass_graph_one(t, "Relu", pass_graph_two(t, "MatMul", x, weights(sn_shape(2, K, N)))));
}

/* A matrix on the right that is not constant does. */
static void test_matrix_that_is_an_input(void **state)
{
    (void)state;
    open_graph(sn_shape(3, 2, M, K));
    w = pass_graph_input(t, sn_shape(2, K, 1));
    check(pass_graph_one(t, "Relu", pass_graph_two(t, "MatMul", x, w)), false, "relu");
    pass_graph_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bias),
        cmocka_unit_test(test_bias_that_is_computed),
        cmocka_unit_test(test_not_a_bias),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_not_an_activation),
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_gemm_that_cannot_be_expressed),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_other_readers),
        cmocka_unit_test(test_other_products),
        cmocka_unit_test(test_matrix_that_is_an_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
