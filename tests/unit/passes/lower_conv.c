#include "unit/passes/conv_graph.h"

static void test_conv_becomes_ours(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    pass_graph_output(&t, conv_graph_conv(&t, pass_graph_input(&t, sn_shape(4, 2, 5, 9, 7)), 6, 3));
    assert_true(conv_graph_pass(&t, &sn_pass_lower_conv));
    assert_int_equal(conv_graph_count(&t, "setsuna", "Conv"), 1);
    assert_int_equal(t.g->n_node, 1);
    assert_false(pass_graph_pass(&t, &sn_pass_lower_conv));
    pass_graph_close(&t);
}

static void test_one_dimension(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = pass_graph_input(&t, sn_shape(3, 1, 3, 20)), w = conv_graph_noise(&t, sn_shape(3, 4, 3, 5), 1);
    pass_graph_output(&t, pass_graph_two(&t, "Conv", x, w));
    assert_true(conv_graph_pass(&t, &sn_pass_lower_conv));
    assert_int_equal(conv_graph_count(&t, "setsuna", "Conv"), 1);
    pass_graph_close(&t);
}

static void test_what_stays(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = pass_graph_input(&t, sn_shape(4, 1, 2, 5, 5)), w = pass_graph_input(&t, sn_shape(4, 2, 2, 3, 3));
    uint32_t volume = pass_graph_input(&t, sn_shape(5, 1, 1, 3, 3, 3));
    pass_graph_output(&t, pass_graph_two(&t, "Conv", x, w)); /* weights that are not constant */
    pass_graph_output(&t, pass_graph_two(&t, "Conv", volume, conv_graph_noise(&t, sn_shape(5, 2, 1, 2, 2, 2), 1)));
    assert_false(pass_graph_pass(&t, &sn_pass_lower_conv));
    pass_graph_close(&t);
}

static uint32_t transpose(pass_graph *t, uint32_t x, int oc, int64_t stride, int k)
{
    const int64_t strides[] = {stride, stride};
    uint32_t w = conv_graph_noise(t, sn_shape(4, (int)conv_graph_shape(t, x)->dim[1], oc, k, k), 3);
    uint32_t b = conv_graph_noise(t, sn_shape(1, oc), 4);
    uint32_t y = pass_graph_node(t, "", "ConvTranspose", (uint32_t[]){x, w, b}, 3);
    assert_true(sn_node_add_ints(t->g, pass_graph_last(t), "strides", strides, 2));
    pass_graph_infer_last(t);
    return y;
}

/* Few outputs are spread from the lanes of one block, more are made tap by tap. */
static void test_upsampling(void **state)
{
    (void)state;
    static const int outputs[] = {1, 3, 4, 5, 17, 40};
    for (size_t i = 0; i < sizeof outputs / sizeof outputs[0]; i++)
        for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++) {
            pass_graph t;
            pass_graph_open(&t, 13);
            t.cpu = level;
            uint32_t x = pass_graph_input(&t, sn_shape(4, 2, 19, 5, 6));
            pass_graph_output(&t, transpose(&t, x, outputs[i], i % 2 ? 2 : 3, i % 2 ? 2 : 3));
            assert_true(conv_graph_pass(&t, &sn_pass_lower_conv));
            assert_int_equal(conv_graph_count(&t, "setsuna", "ConvTranspose"), 1);
            conv_graph_pass(&t, &sn_pass_layout);
            pass_graph_close(&t);
        }
}

static void test_other_upsampling_stays(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = pass_graph_input(&t, sn_shape(4, 1, 3, 5, 6));
    pass_graph_output(&t, transpose(&t, x, 4, 2, 3)); /* pixels overlap */
    pass_graph_output(&t, transpose(&t, x, 4, 3, 2)); /* pixels are skipped */
    assert_false(pass_graph_pass(&t, &sn_pass_lower_conv));
    pass_graph_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_becomes_ours),
        cmocka_unit_test(test_one_dimension),
        cmocka_unit_test(test_what_stays),
        cmocka_unit_test(test_upsampling),
        cmocka_unit_test(test_other_upsampling_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
