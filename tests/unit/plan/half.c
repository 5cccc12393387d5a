/* Operators on f16 and bf16, which the planner runs in f32: the types of what they make, and how it is rounded. */
#include "base/half.h"
#include "unit/exec/graph_rig.h"
#include <math.h>
#include <string.h>

enum { ELEMENTS = 8 };

/* v as elements of a type, into data; returns what was stored, as numbers. */
static void store(setsuna_dtype dtype, double v, size_t i, void *data, double *stored)
{
    switch (dtype) {
    case SETSUNA_F16: {
        uint16_t h = sn_f32_to_f16((float)v);
        memcpy((char *)data + 2 * i, &h, 2);
        *stored = (double)sn_f16_to_f32(h);
        return;
    }
    case SETSUNA_BF16: {
        uint16_t h = sn_f32_to_bf16((float)v);
        memcpy((char *)data + 2 * i, &h, 2);
        *stored = (double)sn_bf16_to_f32(h);
        return;
    }
    case SETSUNA_I32: {
        int32_t k = (int32_t)v;
        memcpy((char *)data + 4 * i, &k, 4);
        *stored = k;
        return;
    }
    default: {
        float f = (float)v;
        memcpy((char *)data + 4 * i, &f, 4);
        *stored = (double)f;
    }
    }
}

/* Half the distance to a neighbour, relative. */
static double unit_roundoff(setsuna_dtype dtype)
{
    return dtype == SETSUNA_F16 ? 0x1p-11 : dtype == SETSUNA_BF16 ? 0x1p-8 : 0x1p-24;
}

/* y = a ^ b has a's type; it is rounded to that once, from the three ulps that pow may be off. */
static void check_pow(setsuna_dtype base, setsuna_dtype exponent)
{
    graph_rig r;
    rig_open(&r, 15);
    uint32_t a = rig_input(&r, "a", base), b = rig_input(&r, "b", exponent), y = rig_two(&r, "Pow", a, b);
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    uint32_t bits_a[ELEMENTS], bits_b[ELEMENTS];
    double va[ELEMENTS], vb[ELEMENTS];
    for (size_t i = 0; i < ELEMENTS; i++) {
        store(base, 1.1 + 0.37 * (double)i, i, bits_a, &va[i]);
        store(exponent, 0.7 + 0.21 * (double)i, i, bits_b, &vb[i]);
    }
    setsuna_tensor in[] = {rig_tensor(base, bits_a, 1, ELEMENTS), rig_tensor(exponent, bits_b, 1, ELEMENTS)}, out;
    RIG_OK(&r, rig_run(&r, in, &out));
    assert_int_equal(out.dtype, base);
    rig_assert_shape(&out, 1, ELEMENTS);
    for (size_t i = 0; i < ELEMENTS; i++) {
        double want = pow(va[i], vb[i]), got = sn_tensor_get_f64(&out, (int64_t)i);
        if (base == SETSUNA_I32)
            assert_true(fabs(got - want) < 1); /* towards zero */
        else if (!(fabs(got - want) <= (unit_roundoff(base) + 6 * 0x1p-24) * want))
            fail_msg("%s ^ %s: element %zu is %.9g, not %.9g", setsuna_dtype_name(base), setsuna_dtype_name(exponent),
                     i, got, want);
    }
    rig_close(&r);
}

static void test_power_has_the_type_of_its_base(void **state)
{
    (void)state;
    static const setsuna_dtype types[] = {SETSUNA_F32, SETSUNA_F16, SETSUNA_BF16};
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++)
            check_pow(types[i], types[k]);
    check_pow(SETSUNA_I32, SETSUNA_F16);
}

static float *floats(const setsuna_tensor *t)
{
    assert_int_equal(t->dtype, SETSUNA_F32);
    return t->data;
}

/* Mean and deviation have the type that stash_type says, f32 unless it says bf16. */
static void check_layer_norm(int64_t stash)
{
    graph_rig r;
    rig_open(&r, 17);
    uint32_t in[2] = {rig_input(&r, "x", SETSUNA_F16), rig_input(&r, "scale", SETSUNA_F16)}, y[3];
    sn_node *n = rig_node_many(&r, "LayerNormalization", in, 2, y, 3);
    if (stash)
        assert_true(sn_node_add_int(r.g, n, "stash_type", stash));
    rig_outputs(&r, y, 3);
    rig_start(&r);
    uint16_t x[ELEMENTS], scale[ELEMENTS];
    double vx[ELEMENTS], unused, mean = 0;
    for (size_t i = 0; i < ELEMENTS; i++) {
        store(SETSUNA_F16, 100.3 + 0.7 * (double)i * (double)i, i, x, &vx[i]);
        store(SETSUNA_F16, 1, i, scale, &unused);
        mean += vx[i] / ELEMENTS;
    }
    setsuna_tensor tensors[] = {rig_tensor(SETSUNA_F16, x, 2, 1, ELEMENTS),
                                rig_tensor(SETSUNA_F16, scale, 1, ELEMENTS)};
    setsuna_tensor out[3];
    RIG_OK(&r, rig_run(&r, tensors, out));
    assert_int_equal(out[0].dtype, SETSUNA_F16);
    assert_int_equal(out[1].dtype, stash == SETSUNA_BF16 ? SETSUNA_BF16 : SETSUNA_F32);
    assert_int_equal(out[2].dtype, out[1].dtype);
    double got = sn_tensor_get_f64(&out[1], 0);
    assert_true(fabs(got - mean) <= (unit_roundoff(out[1].dtype) + (ELEMENTS + 2) * 0x1p-24) * mean);
    rig_close(&r);
}

static void test_layer_norm_keeps_its_moments(void **state)
{
    (void)state;
    check_layer_norm(0);
    check_layer_norm(SETSUNA_F32);
    check_layer_norm(SETSUNA_BF16);
}

/* Y has the type of X, the running moments that of the moments given. */
static void check_batch_norm(setsuna_dtype data, setsuna_dtype moments)
{
    graph_rig r;
    rig_open(&r, 15);
    uint32_t in[5] = {rig_input(&r, "x", data), rig_input(&r, "scale", data), rig_input(&r, "b", data),
                      rig_input(&r, "mean", moments), rig_input(&r, "var", moments)};
    uint32_t y[3];
    sn_node *n = rig_node_many(&r, "BatchNormalization", in, 5, y, 3);
    assert_true(sn_node_add_int(r.g, n, "training_mode", 1));
    rig_outputs(&r, y, 3);
    rig_start(&r);
    uint32_t bits[3][ELEMENTS];
    double v;
    for (size_t i = 0; i < ELEMENTS; i++)
        store(data, (double)i, i, bits[0], &v);
    store(data, 1, 0, bits[1], &v);
    store(moments, 1, 0, bits[2], &v);
    setsuna_tensor tensors[] = {rig_tensor(data, bits[0], 2, ELEMENTS, 1), rig_tensor(data, bits[1], 1, 1),
                                rig_tensor(data, bits[1], 1, 1), rig_tensor(moments, bits[2], 1, 1),
                                rig_tensor(moments, bits[2], 1, 1)};
    setsuna_tensor out[3];
    RIG_OK(&r, rig_run(&r, tensors, out));
    assert_int_equal(out[0].dtype, data);
    assert_int_equal(out[1].dtype, moments);
    assert_int_equal(out[2].dtype, moments);
    rig_close(&r);
}

static void test_batch_norm_with_two_types(void **state)
{
    (void)state;
    check_batch_norm(SETSUNA_F16, SETSUNA_F32);
    check_batch_norm(SETSUNA_F32, SETSUNA_F16);
    check_batch_norm(SETSUNA_BF16, SETSUNA_BF16);
}

/* The grid's type is not the picture's; the corners of a picture are themselves. */
static void test_grid_sample_with_two_types(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 16);
    uint32_t x = rig_input(&r, "x", SETSUNA_F32), grid = rig_input(&r, "grid", SETSUNA_F16), y;
    sn_node *n = rig_node_many(&r, "GridSample", (uint32_t[]){x, grid}, 2, &y, 1);
    assert_true(sn_node_add_int(r.g, n, "align_corners", 1));
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    static const float picture[4] = {0.1f, 0.2f, 0.3f, 0.4f}; /* none of them is an f16 */
    uint16_t corners[4];
    double v;
    for (size_t i = 0; i < 4; i++)
        store(SETSUNA_F16, i == 0 || i == 1 ? -1 : 1, i, corners, &v);
    setsuna_tensor in[] = {rig_tensor(SETSUNA_F32, picture, 4, 1, 1, 2, 2),
                           rig_tensor(SETSUNA_F16, corners, 4, 1, 1, 2, 2)};
    setsuna_tensor out;
    RIG_OK(&r, rig_run(&r, in, &out));
    assert_true(floats(&out)[0] == picture[0]);
    assert_true(floats(&out)[1] == picture[3]);
    rig_close(&r);
}

/* The first floating-point input counts: the scale, not the integers before it. */
static void test_dequantized_has_the_type_of_its_scale(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 19);
    uint32_t x = rig_input(&r, "x", SETSUNA_U8), scale = rig_input(&r, "scale", SETSUNA_F16);
    uint32_t y = rig_two(&r, "DequantizeLinear", x, scale);
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    static const uint8_t bytes[3] = {0, 1, 200};
    uint16_t half;
    double step;
    store(SETSUNA_F16, 0.1, 0, &half, &step);
    setsuna_tensor in[] = {rig_tensor(SETSUNA_U8, bytes, 1, 3), rig_tensor(SETSUNA_F16, &half, 0)}, out;
    RIG_OK(&r, rig_run(&r, in, &out));
    assert_int_equal(out.dtype, SETSUNA_F16);
    assert_true(fabs(sn_tensor_get_f64(&out, 2) - 200 * step) <= 0x1p-11 * 200 * step);
    rig_close(&r);
}

/* Operators on f16 hand each other f32: one step, rounded once, and what f16 cannot hold in between is no infinity. */
static void test_a_chain_is_one_step(void **state)
{
    (void)state;
    graph_rig r;
    rig_open(&r, 13);
    uint16_t half[3];
    double k[3];
    static const double numbers[3] = {300, 0.3, 0.001};
    for (size_t i = 0; i < 3; i++)
        store(SETSUNA_F16, numbers[i], i, half, &k[i]);
    uint32_t x = rig_input(&r, "x", SETSUNA_F16), c[3];
    for (size_t i = 0; i < 3; i++)
        c[i] = rig_const(&r, SETSUNA_F16, &(setsuna_shape){0}, &half[i]);
    uint32_t y = rig_two(&r, "Mul", rig_one(&r, "Relu", rig_two(&r, "Add", rig_two(&r, "Mul", x, c[0]), c[1])), c[2]);
    rig_outputs(&r, &y, 1);
    rig_start(&r);
    uint16_t bits[ELEMENTS];
    double v[ELEMENTS];
    for (size_t i = 0; i < ELEMENTS; i++)
        store(SETSUNA_F16, -100.7 + 100.1 * (double)i, i, bits, &v[i]);
    setsuna_tensor in = rig_tensor(SETSUNA_F16, bits, 1, ELEMENTS), out;
    RIG_OK(&r, rig_run(&r, &in, &out));
    for (size_t i = 0; i < ELEMENTS; i++) {
        float sum = (float)v[i] * (float)k[0] + (float)k[1]; /* up to 180,000; no wider than the sum is rounded */
        float want = (sum > 0 ? sum : 0) * (float)k[2];
        assert_true(fabs(sn_tensor_get_f64(&out, (int64_t)i) - (double)want) <= (0x1p-11 + 4 * 0x1p-24) * (double)want);
    }
    const sn_plan *p = sn_exec_last_plan(r.exec);
    assert_int_equal(p->n_step, 3);
    assert_string_equal(p->step[0].op, "Cast");
    assert_string_equal(p->step[1].op, "Eltwise");
    assert_string_equal(p->step[2].op, "Narrow");
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_has_the_type_of_its_base),
        cmocka_unit_test(test_layer_norm_keeps_its_moments),
        cmocka_unit_test(test_batch_norm_with_two_types),
        cmocka_unit_test(test_grid_sample_with_two_types),
        cmocka_unit_test(test_dequantized_has_the_type_of_its_scale),
        cmocka_unit_test(test_a_chain_is_one_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
