/* Quantised networks before and after they are recognised: what is left of the graph, and that it computes the same.
 * The float form rounds sums that lie next to a half differently now and then, so single elements may be a step apart.
 */
#include "unit/passes/conv_graph.h"

extern const sn_pass sn_pass_recognise_dynamic, sn_pass_fuse_quantised;

enum { QUANT_ELEMENTS = 1 << 14 };

static uint32_t byte_const(pass_graph *t, setsuna_dtype type, setsuna_shape shape, int seed)
{
    int64_t n;
    assert_true(sn_shape_numel(&shape, &n));
    uint8_t *v = sn_arena_array(t->g->arena, (size_t)n + 1, 1);
    for (int64_t i = 0; i < n; i++)
        v[i] = seed < 0 ? (uint8_t)-seed : (uint8_t)((uint32_t)(i + seed) * 2654435761u >> 13);
    setsuna_tensor c = {.dtype = type, .shape = shape, .data = v, .size_bytes = (size_t)n};
    return sn_graph_add_const(t->g, "", &c, sn_const_uid(&c));
}

/* zero counts from the type's own 0 byte. */
static uint32_t zero_const(pass_graph *t, setsuna_dtype type, int zero)
{
    return byte_const(t, type, (setsuna_shape){0}, zero ? -zero : -256);
}

static uint32_t quantize(pass_graph *t, uint32_t x, float scale, setsuna_dtype type, int zero)
{
    uint32_t s = pass_graph_number(t, scale), z = zero_const(t, type, zero);
    return pass_graph_node(t, "", "QuantizeLinear", (uint32_t[]){x, s, z}, 3);
}

static uint32_t dequantize(pass_graph *t, uint32_t x, float scale, setsuna_dtype type, int zero)
{
    uint32_t s = pass_graph_number(t, scale), z = zero_const(t, type, zero);
    return pass_graph_node(t, "", "DequantizeLinear", (uint32_t[]){x, s, z}, 3);
}

static uint32_t through(pass_graph *t, uint32_t x, float scale, setsuna_dtype type, int zero)
{
    return dequantize(t, quantize(t, x, scale, type, zero), scale, type, zero);
}

static uint32_t weights(pass_graph *t, setsuna_shape shape, setsuna_dtype type)
{
    return dequantize(t, byte_const(t, type, shape, 5), 0.01f, type, type == SETSUNA_U8 ? 128 : 0);
}

static uint32_t concat(pass_graph *t, uint32_t a, uint32_t b)
{
    uint32_t y = sn_graph_add_value(t->g, "", SETSUNA_F32);
    sn_node *n = sn_graph_add_node(t->g, "", "Concat", t->opset, "Concat", (uint32_t[]){a, b}, 2, &y, 1);
    assert_true(n && sn_node_add_int(t->g, n, "axis", 1));
    pass_graph_infer_last(t);
    return y;
}

/* Runs the graph, the passes, the graph. `step`: how far apart single elements may be. */
static void recognise(pass_graph *t, float step)
{
    static float before[QUANT_ELEMENTS], after[QUANT_ELEMENTS];
    size_t n = pass_graph_run(t, before, QUANT_ELEMENTS), off = 0;
    assert_true(pass_graph_pass(t, &sn_pass_recognise_quantised));
    pass_graph_pass(t, &sn_pass_fuse_quantised);
    assert_int_equal(pass_graph_run(t, after, QUANT_ELEMENTS), n);
    for (size_t i = 0; i < n; i++) {
        double d = (double)before[i] - (double)after[i];
        off += d > 1e-6 || d < -1e-6;
        assert_true(d <= (double)step * 1.001 && d >= (double)step * -1.001);
    }
    assert_true(n < 50 || off <= n / 50); /* a matrix product carries a step of one element into all */
}

/* Convolution with ReLU, all pairs of types. */
static void test_convolution(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        setsuna_dtype a = i & 1 ? SETSUNA_I8 : SETSUNA_U8, w = i & 2 ? SETSUNA_I8 : SETSUNA_U8;
        pass_graph t;
        pass_graph_open(&t, 13);
        uint32_t x = pass_graph_input(&t, sn_shape(4, 1, 5, 7, 6));
        x = through(&t, x, 0.03f, a, 3);
        uint32_t y = pass_graph_node(&t, "", "Conv", (uint32_t[]){x, weights(&t, sn_shape(4, 9, 5, 3, 3), w)}, 2);
        y = through(&t, pass_graph_one(&t, "Relu", y), 0.05f, a, 7);
        pass_graph_output(&t, y);
        recognise(&t, 0.05f);
        assert_int_equal(conv_graph_count(&t, "setsuna", "QConv"), 1);
        assert_int_equal(conv_graph_count(&t, "", "Conv") + conv_graph_count(&t, "", "Relu"), 0);
        pass_graph_close(&t);
    }
}

/* Swish as two quantised nodes is one table, whatever lies between its parts. */
static void test_table(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = through(&t, pass_graph_input(&t, sn_shape(4, 2, 8, 5, 5)), 0.03f, SETSUNA_U8, 120);
    uint32_t s = through(&t, pass_graph_one(&t, "Sigmoid", x), 1 / 256.0f, SETSUNA_U8, 0);
    uint32_t y = through(&t, pass_graph_two(&t, "Mul", x, s), 0.04f, SETSUNA_I8, 20);
    pass_graph_output(&t, y);
    recognise(&t, 0.0f);
    assert_int_equal(conv_graph_count(&t, "setsuna", "QMul"), 0);
    assert_int_equal(conv_graph_count(&t, "setsuna", "QuantizeImage"), 1);
    pass_graph_close(&t);
}

static void test_residual(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = through(&t, pass_graph_input(&t, sn_shape(4, 2, 8, 5, 5)), 0.03f, SETSUNA_U8, 120);
    uint32_t w = weights(&t, sn_shape(4, 8, 8, 1, 1), SETSUNA_I8);
    uint32_t y = through(&t, pass_graph_node(&t, "", "Conv", (uint32_t[]){x, w}, 2), 0.06f, SETSUNA_U8, 100);
    y = pass_graph_one(&t, "Relu", pass_graph_two(&t, "Add", y, x));
    pass_graph_output(&t, through(&t, y, 0.05f, SETSUNA_U8, 90));
    recognise(&t, 0.1f);
    assert_int_equal(conv_graph_count(&t, "setsuna", "QConv"), 1);
    assert_int_equal(conv_graph_count(&t, "setsuna", "QAdd"), 0);
    pass_graph_close(&t);
}

/* Pools, joins and matrix products; what nobody recognises is computed in floats between. */
static void test_a_network(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = through(&t, pass_graph_input(&t, sn_shape(4, 1, 6, 8, 8)), 0.03f, SETSUNA_U8, 128);
    uint32_t p = pass_graph_node(&t, "", "Softmax", &x, 1); /* stays */
    p = through(&t, p, 1 / 255.0f, SETSUNA_U8, 0);
    uint32_t y = through(&t, concat(&t, x, p), 0.03f, SETSUNA_U8, 128);
    uint32_t g = through(&t, pass_graph_one(&t, "GlobalAveragePool", y), 0.01f, SETSUNA_U8, 128);
    y = through(&t, pass_graph_two(&t, "Mul", y, g), 0.02f, SETSUNA_U8, 128);
    y = through(&t, pass_graph_one(&t, "GlobalAveragePool", y), 0.01f, SETSUNA_U8, 128);
    y = through(&t, pass_graph_one(&t, "Flatten", y), 0.01f, SETSUNA_U8, 128);
    y = pass_graph_node(&t, "", "MatMul", (uint32_t[]){y, weights(&t, sn_shape(2, 12, 5), SETSUNA_I8)}, 2);
    pass_graph_output(&t, y);
    recognise(&t, 0.2f);
    assert_int_equal(conv_graph_count(&t, "setsuna", "QGemm"), 1);
    assert_int_equal(conv_graph_count(&t, "setsuna", "QMul"), 1);
    assert_int_equal(conv_graph_count(&t, "setsuna", "QGlobalAveragePool"), 2);
    assert_int_equal(conv_graph_count(&t, "", "Softmax"), 1);
    pass_graph_close(&t);
}

static void test_other_readers(void **state)
{
    (void)state;
    pass_graph t;
    pass_graph_open(&t, 13);
    uint32_t x = through(&t, pass_graph_input(&t, sn_shape(4, 1, 4, 5, 5)), 0.03f, SETSUNA_I8, 0);
    uint32_t y = pass_graph_node(&t, "", "Conv", (uint32_t[]){x, weights(&t, sn_shape(4, 4, 4, 1, 1), SETSUNA_I8)}, 2);
    pass_graph_output(&t, pass_graph_two(&t, "Add", y, through(&t, y, 0.05f, SETSUNA_I8, 0)));
    recognise(&t, 0.06f); /* the sum before rounding has two readers: it is made in floats, from integers */
    assert_int_equal(conv_graph_count(&t, "setsuna", "QConv"), 1);
    pass_graph_close(&t);
}

/* ConvInteger with what ONNX Runtime's quantiser writes behind it, and by itself. Integers, so the bits are the same.
 */
static void test_dynamic_convolution(void **state)
{
    (void)state;
    static float before[QUANT_ELEMENTS], after[QUANT_ELEMENTS];
    for (int i = 0; i < 4; i++) {
        bool scaled = i < 3, shifted = i == 1, depthwise = i == 2;
        pass_graph t;
        uint32_t q[3];
        pass_graph_open(&t, 13);
        uint32_t x = pass_graph_input(&t, sn_shape(4, 1, 6, 7, 5));
        for (int k = 0; k < 3; k++)
            q[k] = sn_graph_add_value(t.g, "", SETSUNA_DTYPE_NONE);
        assert_true(sn_graph_add_node(t.g, "", "DynamicQuantizeLinear", t.opset, "q", &x, 1, q, 3));
        pass_graph_infer_last(&t);
        uint32_t w = byte_const(&t, SETSUNA_I8, sn_shape(4, 6, depthwise ? 1 : 6, 3, 3), 5);
        uint32_t y = sn_graph_add_value(t.g, "", SETSUNA_DTYPE_NONE), sum = y;
        sn_node *n = sn_graph_add_node(t.g, "", "ConvInteger", t.opset, "c", (uint32_t[]){q[0], w, q[2]}, 3, &sum, 1);
        assert_true(n && sn_node_add_int(t.g, n, "group", depthwise ? 6 : 1));
        pass_graph_infer_last(&t);
        y = sn_graph_add_value(t.g, "", SETSUNA_DTYPE_NONE);
        n = sn_graph_add_node(t.g, "", "Cast", t.opset, "f", &sum, 1, &y, 1);
        assert_true(n && sn_node_add_int(t.g, n, "to", SETSUNA_F32));
        pass_graph_infer_last(&t);
        if (scaled) {
            uint32_t s = conv_graph_noise(&t, sn_shape(3, 6, 1, 1), 9);
            y = pass_graph_two(&t, "Mul", y, pass_graph_two(&t, "Mul", q[1], s));
        }
        if (shifted)
            y = pass_graph_two(&t, "Add", y, conv_graph_noise(&t, sn_shape(4, 1, 6, 1, 1), 10));
        pass_graph_output(&t, y);
        size_t count = pass_graph_run(&t, before, QUANT_ELEMENTS);
        assert_int_equal(pass_graph_pass(&t, &sn_pass_recognise_dynamic), !depthwise);
        assert_int_equal(pass_graph_run(&t, after, QUANT_ELEMENTS), count);
        assert_memory_equal(before, after, count * sizeof *after);
        assert_int_equal(conv_graph_count(&t, "setsuna", "QConv"), !depthwise);
        assert_int_equal(conv_graph_count(&t, "", "Cast"), depthwise || !scaled);
        assert_int_equal(conv_graph_count(&t, "", "Add"), 0);
        pass_graph_close(&t);
    }
}

/* Dynamically quantised products of a transformer: what follows in floats is part of the step. */
static void test_dynamic_product(void **state)
{
    (void)state;
    static float before[QUANT_ELEMENTS], after[QUANT_ELEMENTS];
    enum { M = 5, K = 12, N = 7 };
    for (int i = 0; i < 12; i++) {
        const bool relu = i & 1, residual = i & 2, also_read = i >= 4 && i < 8, broadcast = i >= 8;
        pass_graph t;
        uint32_t q[3];
        pass_graph_open(&t, 13);
        uint32_t x = pass_graph_input(&t, sn_shape(3, 1, M, K));
        uint32_t r = pass_graph_input(&t, broadcast ? sn_shape(2, 1, N) : sn_shape(3, 1, M, N));
        for (int k = 0; k < 3; k++)
            q[k] = sn_graph_add_value(t.g, "", SETSUNA_DTYPE_NONE);
        assert_true(sn_graph_add_node(t.g, "", "DynamicQuantizeLinear", t.opset, "q", &x, 1, q, 3));
        pass_graph_infer_last(&t);
        uint32_t w = byte_const(&t, SETSUNA_I8, sn_shape(2, K, N), 5);
        uint32_t y = pass_graph_node(&t, "", "MatMulInteger", (uint32_t[]){q[0], w, q[2]}, 3), sum = y;
        y = sn_graph_add_value(t.g, "", SETSUNA_DTYPE_NONE);
        sn_node *n = sn_graph_add_node(t.g, "", "Cast", t.opset, "f", &sum, 1, &y, 1);
        assert_true(n && sn_node_add_int(t.g, n, "to", SETSUNA_F32));
        pass_graph_infer_last(&t);
        y = pass_graph_two(&t, "Mul", y, pass_graph_two(&t, "Mul", q[1], conv_graph_noise(&t, sn_shape(1, N), 9)));
        y = pass_graph_two(&t, "Add", conv_graph_noise(&t, sn_shape(1, N), 10), y);
        const uint32_t sums = y;
        y = relu ? pass_graph_one(&t, "Relu", y) : y;
        y = residual ? pass_graph_two(&t, "Add", r, y) : y;
        pass_graph_output(&t, y);
        if (also_read)
            pass_graph_output(&t, sums);
        size_t count = pass_graph_run(&t, before, QUANT_ELEMENTS);
        assert_true(pass_graph_pass(&t, &sn_pass_recognise_dynamic));
        assert_int_equal(pass_graph_run(&t, after, QUANT_ELEMENTS), count);
        assert_memory_equal(before, after, count * sizeof *after);
        assert_int_equal(conv_graph_count(&t, "setsuna", "QMatMul"), 1);
        assert_int_equal(conv_graph_count(&t, "", "Cast"), 0);
        assert_int_equal(conv_graph_count(&t, "", "Relu"), relu && also_read);
        assert_int_equal(conv_graph_count(&t, "", "Add"), residual && (also_read || broadcast));
        pass_graph_close(&t);
    }
}

/* Pools and moves of bytes that are no floats between, as ONNX Runtime's quantiser writes them. */
static void test_bytes_move(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        setsuna_dtype type = i ? SETSUNA_I8 : SETSUNA_U8;
        pass_graph t;
        pass_graph_open(&t, 13);
        uint32_t x = through(&t, pass_graph_input(&t, sn_shape(4, 1, 6, 8, 8)), 0.03f, type, 3);
        uint32_t y =
            pass_graph_node(&t, "", "Conv", (uint32_t[]){x, weights(&t, sn_shape(4, 9, 6, 3, 3), SETSUNA_I8)}, 2);
        uint32_t pooled = sn_graph_add_value(t.g, "", SETSUNA_DTYPE_NONE), from = quantize(&t, y, 0.05f, type, 7);
        sn_node *n = sn_graph_add_node(t.g, "", "MaxPool", t.opset, "p", &from, 1, &pooled, 1);
        assert_true(n && sn_node_add_ints(t.g, n, "kernel_shape", (const int64_t[]){2, 2}, 2) &&
                    sn_node_add_ints(t.g, n, "strides", (const int64_t[]){2, 2}, 2));
        pass_graph_infer_last(&t);
        y = pass_graph_one(&t, "Flatten", pooled);
        pass_graph_output(&t, dequantize(&t, y, 0.05f, type, 7));
        recognise(&t, 0.05f);
        assert_int_equal(conv_graph_count(&t, "setsuna", "QMaxPool"), 1);
        assert_int_equal(conv_graph_count(&t, "", "MaxPool"), 0);
        pass_graph_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution),     cmocka_unit_test(test_table),
        cmocka_unit_test(test_residual),        cmocka_unit_test(test_a_network),
        cmocka_unit_test(test_other_readers),   cmocka_unit_test(test_dynamic_convolution),
        cmocka_unit_test(test_dynamic_product), cmocka_unit_test(test_bytes_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
