/* narrow-bf16: which images become bf16. Pixels, weights and sums are small integers, which bf16 holds exactly, so the
 * results must stay to the bit. */
#include "unit/passes/conv_graph.h"

extern const sn_pass sn_pass_narrow_bf16;

/* A k x k convolution with a bias, each output of which is a sum of two inputs. */
static uint32_t conv(pass_graph *t, uint32_t x, int oc, int k)
{
    static float w[CONV_GRAPH_ELEMENTS], b[128];
    int ic = (int)conv_graph_shape(t, x)->dim[1];
    const int64_t pads[] = {k / 2, k / 2, k / 2, k / 2};
    assert_true(oc * ic * k * k <= CONV_GRAPH_ELEMENTS && oc <= 128);
    memset(w, 0, sizeof w);
    for (int o = 0; o < oc; o++) {
        w[(o * ic + o % ic) * k * k + k * k / 2] = o % 3 ? 1 : -1;
        w[(o * ic + (7 * o + 3) % ic) * k * k] += 1;
        b[o] = (float)(o % 5 - 2);
    }
    uint32_t in[] = {x, pass_graph_const(t, sn_shape(4, oc, ic, k, k), w), pass_graph_const(t, sn_shape(1, oc), b)};
    uint32_t y = pass_graph_node(t, "", "Conv", in, 3);
    assert_true(sn_node_add_ints(t->g, pass_graph_last(t), "pads", pads, 4));
    pass_graph_infer_last(t);
    return y;
}

static size_t count_narrow(const pass_graph *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->g->n_node; i++)
        n += sn_node_int(&t->g->node[i], "narrow", 0) != 0;
    return n;
}

typedef uint32_t build_fn(pass_graph *t, uint32_t x);

/* At every level that has bf16: so many casts, so many convolutions that write bf16, and the same results. */
static void check_with(bool no_winograd, build_fn *build, setsuna_shape input, size_t casts, size_t narrow)
{
    static float before[CONV_GRAPH_ELEMENTS], after[CONV_GRAPH_ELEMENTS];
    for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++) {
        if (!sn_precision_supported(SN_PRECISION_BF16, level))
            continue;
        pass_graph t;
        pass_graph_open(&t, 13);
        t.cpu = level;
        t.no_winograd = no_winograd;
        uint32_t x = pass_graph_one(&t, "Round", pass_graph_input(&t, input));
        pass_graph_output(&t, build(&t, x));
        pass_graph_pass(&t, &sn_pass_lower_conv);
        pass_graph_pass(&t, &sn_pass_fuse_conv);
        pass_graph_pass(&t, &sn_pass_layout);
        size_t n = pass_graph_run(&t, before, CONV_GRAPH_ELEMENTS);
        assert_false(pass_graph_pass(&t, &sn_pass_narrow_bf16)); /* f32 */
        t.precision = SN_PRECISION_BF16;
        assert_int_equal(pass_graph_pass(&t, &sn_pass_narrow_bf16), casts + narrow > 0);
        assert_int_equal(conv_graph_count(&t, "", "Cast"), casts);
        assert_int_equal(count_narrow(&t), narrow);
        assert_int_equal(pass_graph_run(&t, after, CONV_GRAPH_ELEMENTS), n);
        pass_graph_assert_near(before, after, n, 0);
        pass_graph_close(&t);
    }
}

static void check(build_fn *build, setsuna_shape input, size_t casts, size_t narrow)
{
    check_with(false, build, input, casts, narrow);
}

static uint32_t chain(pass_graph *t, uint32_t x)
{
    uint32_t y = pass_graph_one(t, "Relu", conv(t, x, 48, 1));
    y = conv(t, conv(t, y, 32, 1), 32, 1);
    return pass_graph_one(t, "GlobalMaxPool", y);
}

static void test_a_chain_stays_narrow(void **state)
{
    (void)state;
    check(chain, sn_shape(4, 2, 32, 12, 11), 1, 2);
}

/* A residual of either type is read as it is. */
static uint32_t residual(pass_graph *t, uint32_t x)
{
    uint32_t y = conv(t, x, 32, 1);
    y = pass_graph_one(t, "Relu", pass_graph_two(t, "Add", conv(t, y, 32, 1), y));
    return pass_graph_two(t, "Add", conv(t, y, 32, 1), x);
}

static void test_residuals(void **state)
{
    (void)state;
    check(residual, sn_shape(4, 1, 32, 9, 13), 1, 2);
}

/* What splits and joins bf16 is bf16; what comes from elsewhere is cast on its way in. */
static uint32_t movers(pass_graph *t, uint32_t x)
{
    uint32_t y = conv(t, x, 64, 1), half = pass_graph_node(t, "", "Split", (uint32_t[]){y}, 1);
    assert_true(sn_node_add_int(t->g, pass_graph_last(t), "axis", 1));
    t->g->value[half].shape.dim[1] = 32;
    uint32_t rest = pass_graph_another_output(t, *conv_graph_shape(t, half));
    uint32_t z = conv(t, rest, 32, 1);
    uint32_t other = pass_graph_one(t, "Neg", x);
    y = sn_graph_add_value(t->g, "", SETSUNA_F32);
    assert_non_null(sn_graph_add_node(t->g, "", "Concat", 13, "", (uint32_t[]){half, z, other}, 3, &y, 1));
    assert_true(sn_node_add_int(t->g, pass_graph_last(t), "axis", 1));
    pass_graph_infer_last(t);
    return pass_graph_one(t, "Flatten", conv(t, y, 16, 1));
}

static void test_movers(void **state)
{
    (void)state;
    check(movers, sn_shape(4, 1, 32, 9, 8), 2, 2);
}

/* An operator that has no bf16 form reads f32, and what convolutions read of the same image is cast once. */
static uint32_t readers(pass_graph *t, uint32_t x)
{
    uint32_t y = conv(t, x, 32, 1);
    uint32_t pool = pass_graph_one(t, "GlobalMaxPool", y);
    uint32_t a = conv(t, y, 32, 1), b = conv(t, y, 32, 1);
    return pass_graph_two(t, "Add", pass_graph_two(t, "Mul", a, b), pool);
}

static void test_other_readers_keep_f32(void **state)
{
    (void)state;
    check(readers, sn_shape(4, 1, 32, 9, 8), 2, 0);
}

/* Pairs of channels do not come out even. */
static uint32_t odd(pass_graph *t, uint32_t x)
{
    return conv(t, conv(t, x, 33, 1), 32, 1);
}

static void test_odd_channels_stay_f32(void **state)
{
    (void)state;
    check(odd, sn_shape(4, 1, 33, 12, 12), 0, 0);
    check(odd, sn_shape(4, 1, 32, 12, 12), 1, 0);
}

static uint32_t three(pass_graph *t, uint32_t x)
{
    return conv(t, x, 64, 3);
}

static void test_winograd_stays_f32(void **state)
{
    (void)state;
    check(three, sn_shape(4, 1, 64, 28, 28), 0, 0);
    check(three, sn_shape(4, 1, 64, 6, 6), 1, 0); /* tiles of which would be mostly empty */
    check_with(true, three, sn_shape(4, 1, 64, 28, 28), 1, 0);
}

/* Few plain channels are rounded as they are read: no cast. */
static uint32_t stem(pass_graph *t, uint32_t x)
{
    uint32_t y = pass_graph_one(t, "Relu", conv(t, x, 32, 3));
    return pass_graph_one(t, "GlobalMaxPool", conv(t, y, 32, 1));
}

static void test_plain_inputs(void **state)
{
    (void)state;
    check(stem, sn_shape(4, 2, 3, 19, 13), 0, 1);
    check(stem, sn_shape(4, 1, 2, 17, 40), 0, 1);
}

/* Integers in between are neither narrowed nor cast, though Concat moves them too. */
static uint32_t quantised(pass_graph *t, uint32_t x)
{
    uint32_t in[] = {conv(t, x, 32, 1), pass_graph_number(t, 1)};
    uint32_t q = pass_graph_node(t, "", "QuantizeLinear", in, 2), both = sn_graph_add_value(t->g, "", SETSUNA_U8);
    assert_non_null(sn_graph_add_node(t->g, "", "Concat", 13, "", (uint32_t[]){q, q}, 2, &both, 1));
    assert_true(sn_node_add_int(t->g, pass_graph_last(t), "axis", 1));
    pass_graph_infer_last(t);
    uint32_t y = pass_graph_node(t, "", "DequantizeLinear", (uint32_t[]){both, in[1]}, 2);
    return pass_graph_one(t, "GlobalMaxPool", conv(t, y, 16, 1));
}

static void test_integers_between(void **state)
{
    (void)state;
    check(quantised, sn_shape(4, 1, 32, 9, 8), 2, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_stays_narrow),
        cmocka_unit_test(test_residuals),
        cmocka_unit_test(test_movers),
        cmocka_unit_test(test_other_readers_keep_f32),
        cmocka_unit_test(test_odd_channels_stay_f32),
        cmocka_unit_test(test_winograd_stays_f32),
        cmocka_unit_test(test_plain_inputs),
        cmocka_unit_test(test_integers_between),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
