#include "unit/passes/conv_graph.h"

static uint32_t batch_norm(pass_graph *t, uint32_t x)
{
    int c = (int)conv_graph_shape(t, x)->dim[1];
    float var[64];
    for (int i = 0; i < c; i++)
        var[i] = 0.25f + 0.1f * (float)i;
    uint32_t in[] = {x, conv_graph_noise(t, sn_shape(1, c), 5), conv_graph_noise(t, sn_shape(1, c), 6),
                     conv_graph_noise(t, sn_shape(1, c), 7), pass_graph_const(t, sn_shape(1, c), var)};
    return pass_graph_node(t, "", "BatchNormalization", in, 5);
}

static void test_becomes_mul_and_add(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 15);
    pass_graph_output(&t, batch_norm(&t, pass_graph_input(&t, sn_shape(4, 2, 5, 3, 4))));
    assert_true(sn_node_add_float(t.g, pass_graph_last(&t), "epsilon", 0.125f));
    assert_true(conv_graph_pass(&t, &sn_pass_split_batch_norm));
    assert_int_equal(t.g->n_node, 2);
    assert_int_equal(conv_graph_count(&t, "", "Mul"), 1);
    assert_int_equal(conv_graph_count(&t, "", "Add"), 1);
    pass_graph_close(&t);
}

/* ... which the convolution before it takes. */
static void test_into_a_convolution(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = pass_graph_input(&t, sn_shape(4, 1, 3, 6, 6));
    pass_graph_output(&t, batch_norm(&t, conv_graph_conv(&t, x, 20, 3)));
    assert_true(conv_graph_pass(&t, &sn_pass_lower_conv));
    assert_true(conv_graph_pass(&t, &sn_pass_split_batch_norm));
    assert_true(conv_graph_pass(&t, &sn_pass_fold_affine));
    assert_int_equal(t.g->n_node, 1);
    pass_graph_close(&t);
}

static void test_training_and_unknown_statistics_stay(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 15);
    uint32_t x = pass_graph_input(&t, sn_shape(4, 2, 5, 3, 4)), v = pass_graph_input(&t, sn_shape(1, 5));
    pass_graph_output(&t, pass_graph_node(&t, "", "BatchNormalization", (uint32_t[]){x, v, v, v, v}, 5));
    pass_graph_output(&t, batch_norm(&t, x));
    assert_true(sn_node_add_int(t.g, pass_graph_last(&t), "training_mode", 1));
    assert_false(pass_graph_pass(&t, &sn_pass_split_batch_norm));
    pass_graph_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_becomes_mul_and_add),
        cmocka_unit_test(test_into_a_convolution),
        cmocka_unit_test(test_training_and_unknown_statistics_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
