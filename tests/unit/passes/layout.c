#include "unit/passes/conv_graph.h"

/* Makes a graph in t: what is between an input of c channels and the value returned. */
typedef uint32_t build_fn(pass_graph *t, uint32_t x);

typedef struct want {
    size_t to, from; /* reorders, those of constants not counted */
} want;

static size_t count_reorders_in(const pass_graph *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->g->n_node; i++)
        n += sn_node_is(&t->g->node[i], "setsuna", "ToBlocked") && !sn_graph_const(t->g, t->g->node[i].in[0]);
    return n;
}

/* At every level: the result stays, and there are no more reorders than needed. */
static void check(build_fn *build, setsuna_shape input, want w)
{
    for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++) {
        pass_graph t;
        pass_graph_open(&t, 13);
        t.cpu = level;
        pass_graph_output(&t, build(&t, pass_graph_input(&t, input)));
        pass_graph_pass(&t, &sn_pass_lower_conv);
        assert_true(conv_graph_pass(&t, &sn_pass_layout));
        assert_int_equal(count_reorders_in(&t), w.to);
        assert_int_equal(conv_graph_count(&t, "setsuna", "FromBlocked"), w.from);
        pass_graph_close(&t);
    }
}

static uint32_t chain(pass_graph *t, uint32_t x)
{
    uint32_t y = conv_graph_conv(t, x, 24, 3);
    y = pass_graph_one(t, "Elu", y);
    y = pass_graph_node(t, "", "Clip", (uint32_t[]){y, pass_graph_number(t, -0.5f), SN_NONE}, 3);
    return pass_graph_one(t, "Flatten", conv_graph_conv(t, y, 17, 1));
}

static void test_chain(void **state)
{
    (void)state;
    check(chain, sn_shape(4, 2, 3, 9, 8), (want){0, 1}); /* three channels are read as they are */
    check(chain, sn_shape(4, 1, 20, 9, 8), (want){1, 1});
}

static uint32_t few_outputs(pass_graph *t, uint32_t x)
{
    uint32_t y = pass_graph_one(t, "Relu", conv_graph_conv(t, x, 16, 3));
    return pass_graph_one(t, "Sigmoid", conv_graph_conv(t, y, 3, 3));
}

static void test_few_outputs_stay_plain(void **state)
{
    (void)state;
    check(few_outputs, sn_shape(4, 1, 3, 9, 8), (want){0, 0});
}

/* Squeeze and excite: nothing leaves the blocks. */
static uint32_t squeeze_excite(pass_graph *t, uint32_t x)
{
    uint32_t y = conv_graph_conv(t, x, 40, 3);
    uint32_t g = pass_graph_one(t, "GlobalAveragePool", y);
    g = pass_graph_one(t, "Relu", conv_graph_conv(t, g, 10, 1));
    g = pass_graph_one(t, "HardSigmoid", conv_graph_conv(t, g, 40, 1));
    return conv_graph_conv(t, pass_graph_two(t, "Mul", y, g), 8, 1);
}

static void test_squeeze_excite(void **state)
{
    (void)state;
    check(squeeze_excite, sn_shape(4, 2, 16, 7, 5), (want){1, 1});
}

static uint32_t operands(pass_graph *t, uint32_t x)
{
    uint32_t y = conv_graph_conv(t, x, 24, 1);
    y = pass_graph_two(t, "Mul", y, conv_graph_noise(t, sn_shape(3, 24, 1, 1), 1));    /* per channel */
    y = pass_graph_two(t, "Add", conv_graph_noise(t, sn_shape(4, 1, 24, 5, 6), 2), y); /* per element */
    y = pass_graph_two(t, "Sub", y, conv_graph_noise(t, sn_shape(2, 5, 6), 3));        /* per pixel */
    y = pass_graph_two(t, "Div", y, conv_graph_noise(t, sn_shape(1, 6), 4));           /* per column */
    y = pass_graph_two(t, "Max", y, pass_graph_number(t, -2));
    return pass_graph_two(t, "PRelu", y, conv_graph_noise(t, sn_shape(3, 24, 1, 1), 5));
}

static void test_operands(void **state)
{
    (void)state;
    check(operands, sn_shape(4, 1, 3, 5, 6), (want){0, 1});
}

/* One number a pixel for all channels, computed: it stays plain and gets an axis. */
static uint32_t spatial_gate(pass_graph *t, uint32_t x)
{
    uint32_t y = conv_graph_conv(t, x, 24, 1), gate = pass_graph_one(t, "Sigmoid", conv_graph_conv(t, y, 1, 3));
    return pass_graph_two(t, "Mul", gate, y);
}

static void test_spatial_gate(void **state)
{
    (void)state;
    check(spatial_gate, sn_shape(4, 2, 3, 5, 6), (want){0, 1});
}

static void test_pools(void **state)
{
    (void)state;
    for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++) {
        pass_graph t;
        pass_graph_open(&t, 13);
        t.cpu = level;
        uint32_t y = conv_graph_conv(&t, pass_graph_input(&t, sn_shape(4, 1, 3, 8, 8)), 20, 1);
        uint32_t pooled = sn_graph_add_value(t.g, "", SETSUNA_F32);
        assert_non_null(sn_graph_add_node(t.g, "", "MaxPool", 12, "", &y, 1, &pooled, 1));
        assert_true(sn_node_add_ints(t.g, pass_graph_last(&t), "kernel_shape", (int64_t[]){2, 2}, 2));
        assert_true(sn_node_add_ints(t.g, pass_graph_last(&t), "strides", (int64_t[]){2, 2}, 2));
        pass_graph_infer_last(&t);
        y = pass_graph_one(&t, "ReduceMax", pooled);
        assert_true(sn_node_add_ints(t.g, pass_graph_last(&t), "axes", (int64_t[]){-1, 2}, 2));
        pass_graph_infer_last(&t);
        uint32_t line = pass_graph_one(&t, "ReduceSum", pooled);
        pass_graph_last(&t)->opset = 11;
        assert_true(sn_node_add_ints(t.g, pass_graph_last(&t), "axes", (int64_t[]){-2}, 1));
        pass_graph_infer_last(&t);
        pass_graph_output(&t, pass_graph_two(&t, "Add", line, y));
        pass_graph_pass(&t, &sn_pass_lower_conv);
        assert_true(conv_graph_pass(&t, &sn_pass_layout));
        assert_int_equal(conv_graph_count(&t, "setsuna", "MaxPool"), 1);
        assert_int_equal(conv_graph_count(&t, "setsuna", "GlobalMaxPool"), 1);
        assert_int_equal(conv_graph_count(&t, "setsuna", "FromBlocked"), 1);
        pass_graph_close(&t);
    }
}

static uint32_t concat_uneven(pass_graph *t, uint32_t x)
{
    uint32_t in[] = {conv_graph_conv(t, x, 12, 1), conv_graph_conv(t, x, 8, 3), x, conv_graph_conv(t, x, 33, 1)};
    uint32_t y = sn_graph_add_value(t->g, "", SETSUNA_F32);
    assert_non_null(sn_graph_add_node(t->g, "", "Concat", 13, "", in, 4, &y, 1));
    assert_true(sn_node_add_int(t->g, pass_graph_last(t), "axis", -3));
    pass_graph_infer_last(t);
    return conv_graph_conv(t, y, 9, 1);
}

static void test_concat(void **state)
{
    (void)state;
    check(concat_uneven, sn_shape(4, 2, 3, 5, 6), (want){1, 1});
}

static uint32_t pad_and_split(pass_graph *t, uint32_t x)
{
    static const int64_t pads[] = {0, 0, 1, 0, 0, 0, 2, 3}, sizes[] = {16, 32, 5};
    uint32_t y = conv_graph_conv(t, x, 53, 1), part[3];
    setsuna_tensor p = {SETSUNA_I64, sn_shape(1, 8), (void *)(uintptr_t)pads, sizeof pads};
    setsuna_tensor s = {SETSUNA_I64, sn_shape(1, 3), (void *)(uintptr_t)sizes, sizeof sizes};
    y = pass_graph_two(t, "Pad", y, sn_graph_add_const(t->g, "", &p, 1));
    const setsuna_shape *shape = conv_graph_shape(t, y);
    int n = (int)shape->dim[0], h = (int)shape->dim[2], w = (int)shape->dim[3];
    uint32_t in[] = {y, sn_graph_add_const(t->g, "", &s, 2)};
    part[0] = sn_graph_add_value(t->g, "", SETSUNA_F32);
    assert_non_null(sn_graph_add_node(t->g, "", "Split", 13, "", in, 2, part, 1));
    assert_true(sn_node_add_int(t->g, pass_graph_last(t), "axis", 1));
    part[1] = pass_graph_another_output(t, sn_shape(4, n, 32, h, w));
    part[2] = pass_graph_another_output(t, sn_shape(4, n, 5, h, w));
    pass_graph_infer_last(t);
    uint32_t a = conv_graph_conv(t, part[0], 8, 1), b = conv_graph_conv(t, part[1], 8, 1);
    return pass_graph_two(t, "Add", pass_graph_two(t, "Add", a, b), conv_graph_conv(t, part[2], 8, 1));
}

static void test_pad_and_split(void **state)
{
    (void)state;
    check(pad_and_split, sn_shape(4, 1, 3, 4, 4), (want){0, 1});
}

static uint32_t resize(pass_graph *t, uint32_t x)
{
    static const float scales[] = {1, 1, 2, 3};
    uint32_t y = conv_graph_conv(t, x, 20, 1), s = pass_graph_const(t, sn_shape(1, 4), scales);
    y = pass_graph_node(t, "", "Resize", (uint32_t[]){y, SN_NONE, s}, 3);
    return conv_graph_conv(t, y, 8, 1);
}

static void test_resize(void **state)
{
    (void)state;
    check(resize, sn_shape(4, 1, 3, 4, 5), (want){0, 1});
}

static uint32_t one_dimension(pass_graph *t, uint32_t x)
{
    uint32_t w = conv_graph_noise(t, sn_shape(3, 20, 3, 5), 1), v = conv_graph_noise(t, sn_shape(3, 9, 20, 3), 2);
    uint32_t y = pass_graph_one(t, "Relu", pass_graph_two(t, "Conv", x, w));
    return pass_graph_two(t, "Conv", y, v);
}

static void test_one_dimension(void **state)
{
    (void)state;
    check(one_dimension, sn_shape(3, 2, 3, 30), (want){0, 1});
}

/* Two readers that want the plain image share one reorder; one that wants blocks takes none. */
static uint32_t readers(pass_graph *t, uint32_t x)
{
    uint32_t y = conv_graph_conv(t, x, 16, 1);
    uint32_t a = pass_graph_one(t, "Softmax", y), b = pass_graph_one(t, "Transpose", y);
    assert_true(sn_node_add_ints(t->g, pass_graph_last(t), "perm", (int64_t[]){0, 1, 2, 3}, 4));
    pass_graph_infer_last(t);
    uint32_t c = conv_graph_conv(t, y, 16, 3);
    return pass_graph_two(t, "Add", pass_graph_two(t, "Add", a, b), c);
}

static void test_readers(void **state)
{
    (void)state;
    /* the sum of a and b is plain, and is brought to c's blocks */
    check(readers, sn_shape(4, 1, 3, 4, 5), (want){1, 2});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),          cmocka_unit_test(test_few_outputs_stay_plain),
        cmocka_unit_test(test_squeeze_excite), cmocka_unit_test(test_operands),
        cmocka_unit_test(test_spatial_gate),   cmocka_unit_test(test_pools),
        cmocka_unit_test(test_concat),         cmocka_unit_test(test_pad_and_split),
        cmocka_unit_test(test_resize),         cmocka_unit_test(test_one_dimension),
        cmocka_unit_test(test_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
