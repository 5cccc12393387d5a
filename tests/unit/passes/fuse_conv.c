#include "unit/passes/conv_graph.h"
#include <math.h>

static void open_conv(pass_graph *t, uint32_t *x)
{
    pass_graph_open(t, 14);
    *x = pass_graph_input(t, sn_shape(4, 1, 5, 6, 7));
}

static void lower(pass_graph *t)
{
    assert_true(conv_graph_pass(t, &sn_pass_lower_conv));
}

static void test_activations(void **state)
{
    (void)state;
    static const char *const ops[][2] = {{"Relu", "relu"}, {"LeakyRelu", "leaky_relu"}, {"Sigmoid", "sigmoid"},
                                         {"Tanh", "tanh"}, {"HardSwish", "hard_swish"}, {"HardSigmoid", "hard_sigmoid"},
                                         {"Swish", "silu"}};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        pass_graph t;
        uint32_t x;
        open_conv(&t, &x);
        uint32_t y = conv_graph_conv(&t, x, 9, 3);
        pass_graph_output(&t, pass_graph_node(&t, ops[i][0][1] == 'w' ? "setsuna" : "", ops[i][0], &y, 1));
        lower(&t);
        assert_true(conv_graph_pass(&t, &sn_pass_fuse_conv));
        assert_int_equal(t.g->n_node, 1);
        assert_string_equal(sn_node_string(&t.g->node[0], "activation", ""), ops[i][1]);
        pass_graph_close(&t);
    }
}

static void test_clip(void **state)
{
    (void)state;
    pass_graph t;
    uint32_t x;
    open_conv(&t, &x);
    uint32_t y = conv_graph_conv(&t, x, 9, 3), low = pass_graph_number(&t, 0), high = pass_graph_number(&t, 0.5f);
    pass_graph_output(&t, pass_graph_node(&t, "", "Clip", (uint32_t[]){y, low, high}, 3));
    y = conv_graph_conv(&t, x, 9, 3);
    pass_graph_output(
        &t, pass_graph_node(&t, "", "Clip", (uint32_t[]){y, SN_NONE, pass_graph_input(&t, (setsuna_shape){0})}, 3));
    lower(&t);
    assert_true(conv_graph_pass(&t, &sn_pass_fuse_conv));
    assert_int_equal(t.g->n_node, 3); /* the bound of the second one is not known */
    pass_graph_close(&t);
}

/* Max with a number, behind a convolution or its LeakyRelu, on either side; NaN would be a result, not a bound. */
static void test_floor(void **state)
{
    (void)state;
    for (int bits = 0; bits < 16; bits++) {
        pass_graph t;
        uint32_t x;
        bool leaky = bits & 1, swap = bits & 2, nan = bits & 4, wide = bits & 8;
        open_conv(&t, &x);
        uint32_t y = conv_graph_conv(&t, x, 9, 3);
        y = leaky ? pass_graph_one(&t, "LeakyRelu", y) : y;
        uint32_t bound =
            wide ? conv_graph_noise(&t, sn_shape(3, 9, 1, 1), 5) : pass_graph_number(&t, nan ? NAN : -0.1f);
        y = swap ? pass_graph_two(&t, "Max", bound, y) : pass_graph_two(&t, "Max", y, bound);
        pass_graph_output(&t, y);
        lower(&t);
        bool fused = !wide && !nan;
        assert_int_equal(conv_graph_pass(&t, &sn_pass_fuse_conv), fused || leaky);
        assert_int_equal(t.g->n_node, fused ? 1 : 2);
        if (fused)
            assert_string_equal(sn_node_string(&t.g->node[0], "activation", ""), leaky ? "leaky_relu_max" : "clip");
        pass_graph_close(&t);
    }
}

/* Add before the activation, as in residual networks; the later convolution takes the earlier one's result. */
static void test_residual_before(void **state)
{
    (void)state;
    pass_graph t;
    uint32_t x;
    open_conv(&t, &x);
    uint32_t a = conv_graph_conv(&t, x, 9, 1), b = conv_graph_conv(&t, x, 9, 3);
    pass_graph_output(&t, pass_graph_one(&t, "Relu", pass_graph_two(&t, "Add", b, a)));
    lower(&t);
    assert_true(conv_graph_pass(&t, &sn_pass_fuse_conv));
    assert_int_equal(t.g->n_node, 2);
    assert_int_equal(sn_node_in(&t.g->node[1], 4), t.g->node[0].out[0]);
    assert_null(sn_node_attr(&t.g->node[1], "residual"));
    assert_string_equal(sn_node_string(&t.g->node[1], "activation", ""), "relu");
    pass_graph_close(&t);
}

static void test_residual_after(void **state)
{
    (void)state;
    pass_graph t;
    uint32_t x;
    open_conv(&t, &x);
    uint32_t y = pass_graph_one(&t, "Tanh", conv_graph_conv(&t, x, 5, 3));
    y = pass_graph_two(&t, "Add", x, y);
    pass_graph_output(&t, pass_graph_one(&t, "Relu", y)); /* cannot be part of it: the residual comes last */
    lower(&t);
    assert_true(conv_graph_pass(&t, &sn_pass_fuse_conv));
    assert_int_equal(t.g->n_node, 2);
    assert_string_equal(sn_node_string(&t.g->node[0], "residual", ""), "after");
    pass_graph_close(&t);
}

static void test_numbers_after_the_activation(void **state)
{
    (void)state;
    pass_graph t;
    uint32_t x;
    open_conv(&t, &x);
    uint32_t y = pass_graph_one(&t, "HardSwish", conv_graph_conv(&t, x, 5, 3));
    y = pass_graph_two(&t, "Mul", y, pass_graph_number(&t, 3));
    y = pass_graph_two(&t, "Add", y, pass_graph_number(&t, 2));
    y = pass_graph_two(&t, "Div", y, pass_graph_number(&t, 4));
    pass_graph_output(&t, y);
    lower(&t);
    assert_true(conv_graph_pass(&t, &sn_pass_fuse_conv));
    assert_int_equal(t.g->n_node, 1);
    assert_true(sn_node_float(&t.g->node[0], "act_scale", 0) == 0.75f);
    assert_true(sn_node_float(&t.g->node[0], "act_shift", 0) == 0.5f);
    pass_graph_close(&t);
}

static void test_other_readers_keep_the_sum(void **state)
{
    (void)state;
    pass_graph t;
    uint32_t x;
    open_conv(&t, &x);
    uint32_t y = conv_graph_conv(&t, x, 5, 3);
    pass_graph_output(&t, pass_graph_one(&t, "Relu", y));
    pass_graph_output(&t, pass_graph_two(&t, "Add", y, x));
    lower(&t);
    assert_false(pass_graph_pass(&t, &sn_pass_fuse_conv));
    pass_graph_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_floor),
        cmocka_unit_test(test_residual_before),
        cmocka_unit_test(test_residual_after),
        cmocka_unit_test(test_numbers_after_the_activation),
        cmocka_unit_test(test_other_readers_keep_the_sum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
