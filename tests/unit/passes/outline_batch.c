/* What of a batch is taken item by item, and what is left whole. */
#include "unit/passes/conv_graph.h"
#include <stdlib.h>
#include <string.h>

extern const sn_pass sn_pass_outline_batch;

/* The node that the pass made; NULL when there is none. */
static const sn_node *the_each(const pass_graph *t)
{
    for (size_t i = 0; i < t->g->n_node; i++)
        if (sn_node_is(&t->g->node[i], "setsuna", "ForEach"))
            return &t->g->node[i];
    return NULL;
}

static size_t count_in_body(const sn_node *each, const char *op)
{
    const sn_graph *body = sn_node_attr(each, "body")->g;
    size_t n = 0;
    for (size_t i = 0; i < body->n_node; i++)
        n += sn_node_is(&body->node[i], "", op);
    return n;
}

/* A convolution whose output has a pixel for every k x k of x. */
static uint32_t shrink(pass_graph *t, uint32_t x, int oc, int64_t k)
{
    uint32_t y = conv_graph_conv(t, x, oc, 3);
    assert_true(sn_node_add_ints(t->g, pass_graph_last(t), "strides", (int64_t[]){k, k}, 2));
    pass_graph_infer_last(t);
    return y;
}

static void test_large_images_go_one_by_one(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = pass_graph_input(&t, sn_shape(4, 6, 16, 128, 128)); /* 1 MiB each */
    x = pass_graph_one(&t, "Relu", conv_graph_conv(&t, x, 16, 3));
    const uint32_t small = x = shrink(&t, x, 64, 32);
    /* More weights than images from here on: 16 pixels. */
    x = conv_graph_conv(&t, x, 256, 1);
    x = pass_graph_one(&t, "Relu", conv_graph_conv(&t, x, 256, 1));
    pass_graph_output(&t, x);
    assert_true(pass_graph_pass(&t, &sn_pass_outline_batch));
    const sn_node *each = the_each(&t);
    assert_non_null(each);
    assert_int_equal(sn_node_int(each, "together", 0), 1);
    assert_int_equal(each->n_in, 1);
    assert_int_equal(each->in[0], t.g->input[0]);
    assert_int_equal(each->n_out, 1);
    assert_int_equal(each->out[0], small);
    assert_int_equal(count_in_body(each, "Conv"), 2);
    assert_int_equal(count_in_body(each, "Relu"), 1);
    assert_int_equal(conv_graph_count(&t, "", "Conv"), 2);
    assert_int_equal(t.g->n_node, 4);
    pass_graph_close(&t);
}

/* Several small items share a turn: the largest divisor of the batch that fits the cache. */
static void test_small_images_go_some_at_a_time(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = pass_graph_input(&t, sn_shape(4, 30, 8, 64, 64)); /* 128 KiB; with what a convolution makes 256 */
    for (int i = 0; i < 4; i++)
        x = conv_graph_conv(&t, x, 8, 3);
    pass_graph_output(&t, x);
    assert_true(pass_graph_pass(&t, &sn_pass_outline_batch));
    assert_int_equal(sn_node_int(the_each(&t), "together", 0), 3);
    pass_graph_close(&t);
}

static void test_what_fits_the_cache_stays_whole(void **state)
{
    (void)state;
    const int batches[] = {1, 2};
    for (int i = 0; i < 2; i++) {
        pass_graph t;
        pass_graph_open(&t, 13);
        uint32_t x = pass_graph_input(&t, sn_shape(4, batches[i], 16, i ? 32 : 128, i ? 32 : 128));
        pass_graph_output(&t, conv_graph_conv(&t, conv_graph_conv(&t, x, 16, 3), 16, 3));
        assert_false(pass_graph_pass(&t, &sn_pass_outline_batch));
        pass_graph_close(&t);
    }
}

/* A residual and a branch cross nothing: all of it is taken, and both outputs are the step's. */
static void test_branches_and_outputs(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = conv_graph_conv(&t, pass_graph_input(&t, sn_shape(4, 4, 16, 96, 96)), 16, 3);
    uint32_t y = pass_graph_two(&t, "Add", conv_graph_conv(&t, x, 16, 3), x);
    uint32_t z = pass_graph_two(&t, "Mul", conv_graph_conv(&t, y, 16, 3), pass_graph_number(&t, 2));
    pass_graph_output(&t, z);
    pass_graph_output(&t, x);
    assert_true(pass_graph_pass(&t, &sn_pass_outline_batch));
    assert_int_equal(t.g->n_node, 1);
    assert_int_equal(the_each(&t)->n_out, 2);
    assert_int_equal(t.g->output[0], z);
    assert_int_equal(t.g->output[1], x);
    pass_graph_close(&t);
}

/* Nodes before which nothing can be taken: they mix items, or may. */
static uint32_t mixing(pass_graph *t, uint32_t x, int which)
{
    uint32_t y;
    switch (which) {
    case 0: /* normalised over the batch */
        y = pass_graph_one(t, "Softmax", x);
        assert_true(sn_node_add_int(t->g, pass_graph_last(t), "axis", 0));
        return y;
    case 1: /* all items in one row */
        y = pass_graph_one(t, "Flatten", x);
        assert_true(sn_node_add_int(t->g, pass_graph_last(t), "axis", 0));
        pass_graph_infer_last(t);
        return y;
    case 2: /* a constant of its own for each item */ {
        float *v = calloc(4 * 16 * 96 * 96, sizeof *v);
        assert_non_null(v);
        y = pass_graph_two(t, "Add", x, pass_graph_const(t, sn_shape(4, 4, 16, 96, 96), v));
        free(v);
        return y;
    }
    case 3: /* statistics of the batch */ {
        const uint32_t v = conv_graph_noise(t, sn_shape(1, 16), 3);
        y = pass_graph_node(t, "", "BatchNormalization", (uint32_t[]){x, v, v, v, v}, 5);
        assert_true(sn_node_add_int(t->g, pass_graph_last(t), "training_mode", 1));
        return y;
    }
    default: /* the first extent is no longer the batch */
        y = pass_graph_one(t, "Transpose", x);
        assert_true(sn_node_add_ints(t->g, pass_graph_last(t), "perm", (int64_t[]){1, 0, 2, 3}, 4));
        pass_graph_infer_last(t);
        return y;
    }
}

static void test_what_mixes_items_ends_it(void **state)
{
    (void)state;
    for (int which = 0; which < 5; which++)
        for (int behind = 0; behind < 2; behind++) {
            pass_graph t;
            pass_graph_open(&t, 15);
            uint32_t x = pass_graph_input(&t, sn_shape(4, 4, 16, 96, 96));
            if (behind)
                x = conv_graph_conv(&t, conv_graph_conv(&t, x, 16, 3), 16, 3);
            x = mixing(&t, x, which);
            if (which != 1 && which != 4)
                x = conv_graph_conv(&t, conv_graph_conv(&t, x, 16, 3), 16, 3);
            pass_graph_output(&t, x);
            assert_int_equal(pass_graph_pass(&t, &sn_pass_outline_batch), behind);
            if (behind)
                assert_int_equal(count_in_body(the_each(&t), "Conv"), 2);
            pass_graph_close(&t);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_images_go_one_by_one),      cmocka_unit_test(test_small_images_go_some_at_a_time),
        cmocka_unit_test(test_what_fits_the_cache_stays_whole), cmocka_unit_test(test_branches_and_outputs),
        cmocka_unit_test(test_what_mixes_items_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
