#include "unit/passes/pass_graph.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

extern const sn_pass sn_pass_recognise_activation;

/* Shorthands: every spelling below reads as the formula it is. */
static pass_graph *t;
static uint32_t num(double v)
{
    return pass_graph_number(t, (float)v);
}
static uint32_t add(uint32_t a, uint32_t b)
{
    return pass_graph_two(t, "Add", a, b);
}
static uint32_t sub(uint32_t a, uint32_t b)
{
    return pass_graph_two(t, "Sub", a, b);
}
static uint32_t mul(uint32_t a, uint32_t b)
{
    return pass_graph_two(t, "Mul", a, b);
}
static uint32_t divide(uint32_t a, uint32_t b)
{
    return pass_graph_two(t, "Div", a, b);
}
static uint32_t power(uint32_t a, uint32_t b)
{
    return pass_graph_two(t, "Pow", a, b);
}
static uint32_t one(const char *op, uint32_t a)
{
    return pass_graph_one(t, op, a);
}
static uint32_t clip(uint32_t x, double low, double high)
{
    if (t->opset >= 11)
        return pass_graph_node(t, "", "Clip", (uint32_t[]){x, num(low), num(high)}, 3);
    uint32_t y = one("Clip", x);
    assert_true(sn_node_add_float(t->g, pass_graph_last(t), "min", (float)low));
    assert_true(sn_node_add_float(t->g, pass_graph_last(t), "max", (float)high));
    return y;
}
static uint32_t hard_sigmoid(uint32_t x, double alpha, double beta)
{
    uint32_t y = one("HardSigmoid", x);
    assert_true(sn_node_add_float(t->g, pass_graph_last(t), "alpha", (float)alpha));
    assert_true(sn_node_add_float(t->g, pass_graph_last(t), "beta", (float)beta));
    return y;
}

/* Builds y from x, runs the pass, and wants one node `op` reading x (or, for NULL, an unchanged graph) that computes
 * the same but for constants that were rounded to f16. Returns the node. */
static const sn_node *check_at(int32_t opset, uint32_t (*build)(uint32_t x), const char *op)
{
    static pass_graph g;
    static float before[105], after[105];
    t = &g;
    pass_graph_open(t, opset);
    uint32_t x = pass_graph_input(t, sn_shape(3, 3, 5, 7));
    pass_graph_output(t, build(x));
    size_t n = pass_graph_run(t, before, 105), nodes = t->g->n_node;
    bool changed = pass_graph_pass(t, &sn_pass_recognise_activation);
    pass_graph_run(t, after, 105);
    pass_graph_assert_near(before, after, n, 0x1p-11f);
    if (!op) {
        assert_false(changed);
        assert_int_equal(t->g->n_node, nodes);
        return NULL;
    }
    assert_true(changed);
    assert_int_equal(t->g->n_node, 1);
    assert_string_equal(t->g->node[0].op, op);
    assert_int_equal(t->g->node[0].in[0], x);
    assert_false(pass_graph_pass(t, &sn_pass_recognise_activation));
    return &t->g->node[0];
}

static const sn_node *check(uint32_t (*build)(uint32_t x), const char *op)
{
    const sn_node *n = check_at(17, build, op);
    return n;
}

static void done(void)
{
    pass_graph_close(t);
}

/* ---- hard-swish -------------------------------------------------------------------------------------- */

static uint32_t hard_swish_ppocr(uint32_t x)
{
    return divide(mul(x, clip(add(x, num(3)), 0, 6)), num(6));
}
static uint32_t hard_swish_torch(uint32_t x)
{
    return mul(x, divide(clip(add(num(3), x), 0, 6), num(6)));
}
static uint32_t hard_swish_scaled(uint32_t x)
{
    return mul(mul(num(1.0 / 6), clip(sub(x, num(-3)), 0, 6)), x);
}
/* 1/6 as f16 has it. */
static uint32_t hard_swish_scaled_x(uint32_t x)
{
    return mul(mul(x, num(0.1666259765625)), clip(add(x, num(3)), 0, 6));
}
static uint32_t hard_swish_min_max(uint32_t x)
{
    return divide(mul(pass_graph_two(t, "Min", num(6), pass_graph_two(t, "Max", add(x, num(3)), num(0))), x), num(6));
}
static uint32_t hard_swish_relu6(uint32_t x)
{
    return divide(mul(x, pass_graph_two(t, "Min", one("Relu", add(x, num(3))), num(6))), num(6));
}
static uint32_t hard_swish_gate(uint32_t x)
{
    return mul(hard_sigmoid(x, 1.0 / 6, 0.5), x);
}

static void test_hard_swish(void **state)
{
    (void)state;
    static uint32_t (*const forms[])(uint32_t) = {hard_swish_ppocr,    hard_swish_torch,   hard_swish_scaled,
                                                  hard_swish_scaled_x, hard_swish_min_max, hard_swish_relu6,
                                                  hard_swish_gate};
    static const int32_t opsets[] = {7, 11, 12, 13, 17};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        for (size_t k = 0; k < sizeof opsets / sizeof opsets[0]; k++) {
            if (opsets[k] < 8 && i == 4)
                continue; /* Max and Min do not broadcast there */
            assert_int_equal(check_at(opsets[k], forms[i], "HardSwish")->opset, 14);
            done();
        }
}

static uint32_t not_hard_swish_bound(uint32_t x)
{
    return divide(mul(x, clip(add(x, num(3)), 0, 5)), num(6));
}
static uint32_t not_hard_swish_shift(uint32_t x)
{
    return divide(mul(x, clip(add(x, num(2)), 0, 6)), num(6));
}
static uint32_t not_hard_swish_scale(uint32_t x)
{
    return divide(mul(x, clip(add(x, num(3)), 0, 6)), num(5));
}
static uint32_t not_hard_swish_other_x(uint32_t x)
{
    return divide(mul(one("Abs", x), clip(add(x, num(3)), 0, 6)), num(6));
}
static uint32_t not_hard_swish_square(uint32_t x)
{
    return divide(mul(mul(x, x), clip(add(x, num(3)), 0, 6)), num(6));
}
static uint32_t not_hard_swish_gate(uint32_t x)
{
    return mul(hard_sigmoid(x, 0.2, 0.5), x);
}

static void test_what_is_no_hard_swish(void **state)
{
    (void)state;
    static uint32_t (*const forms[])(uint32_t) = {not_hard_swish_bound,   not_hard_swish_shift,  not_hard_swish_scale,
                                                  not_hard_swish_other_x, not_hard_swish_square, not_hard_swish_gate};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        check(forms[i], NULL);
        done();
    }
}

/* ---- hard-sigmoid ------------------------------------------------------------------------------------ */

static uint32_t hard_sigmoid_spelled(uint32_t x)
{
    return divide(clip(add(x, num(3)), 0, 6), num(6));
}
static uint32_t hard_sigmoid_other(uint32_t x)
{
    return mul(clip(add(x, num(1)), 0, 2), num(0.5));
}

static void test_hard_sigmoid(void **state)
{
    (void)state;
    const sn_node *n = check(hard_sigmoid_spelled, "HardSigmoid");
    assert_true(sn_node_float(n, "alpha", 0) == (float)(1.0 / 6) && sn_node_float(n, "beta", 0) == 0.5f);
    done();
    n = check_at(9, hard_sigmoid_other, "HardSigmoid");
    assert_true(sn_node_float(n, "alpha", 0) == 0.5f && sn_node_float(n, "beta", 0) == 0.5f);
    done();
}

/* ---- swish, mish, softplus --------------------------------------------------------------------------- */

static uint32_t swish(uint32_t x)
{
    return mul(one("Sigmoid", x), x);
}
static uint32_t swish_quick(uint32_t x)
{
    return mul(x, one("Sigmoid", mul(num(1.702), x)));
}
static uint32_t not_swish(uint32_t x)
{
    return mul(mul(x, num(2)), one("Sigmoid", x));
}
static uint32_t softplus(uint32_t x)
{
    return one("Log", add(one("Exp", x), num(1)));
}
static uint32_t not_softplus(uint32_t x)
{
    return one("Log", add(one("Exp", x), num(2)));
}
static uint32_t mish(uint32_t x)
{
    return mul(x, one("Tanh", softplus(x)));
}

static void test_swish_and_mish(void **state)
{
    (void)state;
    const sn_node *n = check(swish, "Swish");
    assert_string_equal(n->domain, "setsuna");
    assert_true(sn_node_float(n, "alpha", 0) == 1.0f);
    done();
    n = check(swish_quick, "Swish");
    assert_true(sn_node_float(n, "alpha", 0) == 1.702f);
    done();
    check(not_swish, NULL), done();
    check(softplus, "Softplus"), done();
    check(not_softplus, NULL), done();
    check(mish, "Mish"), done();
}

/* ---- GELU -------------------------------------------------------------------------------------------- */

static uint32_t erf_gate(uint32_t x)
{
    return add(one("Erf", divide(x, num(1.41421356))), num(1));
}
static uint32_t gelu_bert(uint32_t x)
{
    return mul(mul(x, erf_gate(x)), num(0.5));
}
static uint32_t gelu_half_first(uint32_t x)
{
    return mul(mul(x, num(0.5)), erf_gate(x));
}
static uint32_t gelu_half_gate(uint32_t x)
{
    return mul(x, mul(num(0.5), add(num(1), one("Erf", mul(x, num(0.70710678))))));
}
static uint32_t not_gelu(uint32_t x)
{
    return mul(mul(x, add(one("Erf", divide(x, num(1.5))), num(1))), num(0.5));
}
static uint32_t tanh_gate(uint32_t u)
{
    return add(num(1), one("Tanh", u));
}
static uint32_t gelu_tanh_pow(uint32_t x)
{
    uint32_t u = mul(num(0.7978845608), add(x, mul(num(0.044715), power(x, num(3)))));
    return mul(mul(num(0.5), x), tanh_gate(u));
}
static uint32_t gelu_tanh_mul(uint32_t x)
{
    uint32_t u = mul(add(mul(mul(mul(x, x), x), num(0.044715)), x), num(0.7978845608));
    return mul(mul(x, tanh_gate(u)), num(0.5));
}
static uint32_t gelu_tanh_fast(uint32_t x)
{
    uint32_t u = mul(mul(x, num(0.7978845608)), add(num(1), mul(mul(x, num(0.044715)), x)));
    return mul(mul(num(0.5), x), tanh_gate(u));
}
static uint32_t not_gelu_tanh(uint32_t x)
{
    uint32_t u = mul(num(0.7978845608), add(x, mul(num(0.05), power(x, num(3)))));
    return mul(mul(num(0.5), x), tanh_gate(u));
}
/* An x that is a product itself. */
static uint32_t gelu_of_product(uint32_t x)
{
    return gelu_bert(mul(x, one("Abs", x)));
}
static uint32_t gelu_tanh_of_product(uint32_t x)
{
    return gelu_tanh_pow(mul(x, one("Abs", x)));
}
static uint32_t swish_of_product(uint32_t x)
{
    return swish(mul(num(2), mul(x, one("Abs", x))));
}

static void test_gelu(void **state)
{
    (void)state;
    static uint32_t (*const erf_forms[])(uint32_t) = {gelu_bert, gelu_half_first, gelu_half_gate};
    static uint32_t (*const tanh_forms[])(uint32_t) = {gelu_tanh_pow, gelu_tanh_mul, gelu_tanh_fast};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(sn_node_string(check(erf_forms[i], "Gelu"), "approximate", "none"), "none");
        done();
        assert_string_equal(sn_node_string(check(tanh_forms[i], "Gelu"), "approximate", "none"), "tanh");
        done();
    }
    check(not_gelu, NULL), done();
    check(not_gelu_tanh, NULL), done();
}

/* The activation is found where its x is made by a Mul, and only that much is replaced. */
static void test_x_is_a_product(void **state)
{
    (void)state;
    static uint32_t (*const forms[])(uint32_t) = {gelu_of_product, gelu_tanh_of_product, swish_of_product};
    static const char *const want[] = {"Gelu", "Gelu", "Swish"};
    static const size_t nodes[] = {3, 3, 4};
    for (size_t i = 0; i < 3; i++) {
        static pass_graph g;
        float before[105], after[105];
        t = &g;
        pass_graph_open(t, 17);
        pass_graph_output(t, forms[i](pass_graph_input(t, sn_shape(1, 105))));
        pass_graph_run(t, before, 105);
        assert_true(pass_graph_pass(t, &sn_pass_recognise_activation));
        assert_int_equal(t->g->n_node, nodes[i]);
        assert_string_equal(t->g->node[nodes[i] - 1].op, want[i]);
        pass_graph_run(t, after, 105);
        pass_graph_assert_near(before, after, 105, 0x1p-18f);
        done();
    }
}

/* A gate that broadcasts up, and readers of what is between. */
static void test_shapes_and_readers(void **state)
{
    (void)state;
    static pass_graph g;
    t = &g;
    pass_graph_open(t, 17);
    uint32_t x = pass_graph_input(t, sn_shape(2, 3, 4)), gate = one("Sigmoid", x);
    pass_graph_output(t, mul(x, gate));
    pass_graph_output(t, gate);
    assert_true(pass_graph_pass(t, &sn_pass_recognise_activation));
    assert_int_equal(t->g->n_node, 2); /* Sigmoid stays for the second output */
    done();

    pass_graph_open(t, 17);
    x = pass_graph_input(t, sn_shape(2, 3, 4));
    float three[] = {3}, six[] = {6};
    uint32_t wide = pass_graph_const(t, sn_shape(3, 1, 1, 1), three);
    uint32_t clipped = clip(add(x, wide), 0, 6); /* rank 3 from here on */
    pass_graph_output(t, divide(mul(x, clipped), pass_graph_const(t, sn_shape(1, 1), six)));
    assert_false(pass_graph_pass(t, &sn_pass_recognise_activation));
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hard_swish),
        cmocka_unit_test(test_what_is_no_hard_swish),
        cmocka_unit_test(test_hard_sigmoid),
        cmocka_unit_test(test_swish_and_mish),
        cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_x_is_a_product),
        cmocka_unit_test(test_shapes_and_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
