#include "unit/passes/conv_graph.h"

static void test_chain_into_convolution(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t y = conv_graph_conv(&t, pass_graph_input(&t, sn_shape(4, 1, 5, 6, 7)), 18, 3);
    y = pass_graph_two(&t, "Mul", y, conv_graph_noise(&t, sn_shape(3, 18, 1, 1), 9));
    y = pass_graph_two(&t, "Add", conv_graph_noise(&t, sn_shape(4, 1, 18, 1, 1), 10), y);
    y = pass_graph_two(&t, "Sub", y, pass_graph_number(&t, 0.5f));
    y = pass_graph_two(&t, "Div", y, pass_graph_number(&t, 0.25f));
    pass_graph_output(&t, y);
    assert_true(conv_graph_pass(&t, &sn_pass_lower_conv));
    assert_true(conv_graph_pass(&t, &sn_pass_fold_affine));
    assert_int_equal(t.g->n_node, 1);
    assert_non_null(sn_graph_const(t.g, sn_node_in(&t.g->node[0], 3)));
    assert_false(pass_graph_pass(&t, &sn_pass_fold_affine));
    pass_graph_close(&t);
}

static void test_what_is_between_is_read_elsewhere(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t y = conv_graph_conv(&t, pass_graph_input(&t, sn_shape(4, 1, 2, 4, 4)), 4, 1);
    pass_graph_output(&t, pass_graph_two(&t, "Mul", y, pass_graph_number(&t, 3)));
    pass_graph_output(&t, y);
    assert_true(conv_graph_pass(&t, &sn_pass_lower_conv));
    assert_false(pass_graph_pass(&t, &sn_pass_fold_affine));
    pass_graph_close(&t);
}

/* A constant that varies along the pixels, or makes the result larger, is no factor of channels. */
static void test_other_shapes_stay(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = pass_graph_input(&t, sn_shape(4, 1, 2, 4, 4));
    pass_graph_output(&t,
                      pass_graph_two(&t, "Mul", conv_graph_conv(&t, x, 4, 1), conv_graph_noise(&t, sn_shape(1, 4), 1)));
    pass_graph_output(
        &t, pass_graph_two(&t, "Mul", conv_graph_conv(&t, x, 4, 1), conv_graph_noise(&t, sn_shape(4, 2, 4, 1, 1), 1)));
    assert_true(pass_graph_pass(&t, &sn_pass_lower_conv));
    assert_false(pass_graph_pass(&t, &sn_pass_fold_affine));
    pass_graph_close(&t);
}

static void test_neighbours_merge(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t y = pass_graph_input(&t, sn_shape(3, 2, 6, 5));
    y = pass_graph_two(&t, "Mul", y, conv_graph_noise(&t, sn_shape(2, 6, 1), 2));
    y = pass_graph_two(&t, "Mul", pass_graph_number(&t, 3), y);
    y = pass_graph_two(&t, "Add", y, pass_graph_number(&t, 1));
    y = pass_graph_two(&t, "Add", y, conv_graph_noise(&t, sn_shape(3, 1, 6, 1), 3));
    pass_graph_output(&t, y);
    assert_true(conv_graph_pass(&t, &sn_pass_fold_affine));
    assert_int_equal(t.g->n_node, 2);
    pass_graph_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain_into_convolution),
        cmocka_unit_test(test_what_is_between_is_read_elsewhere),
        cmocka_unit_test(test_other_shapes_stay),
        cmocka_unit_test(test_neighbours_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
