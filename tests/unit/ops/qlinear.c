/* QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear: every layout of scales against its definition. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

static uint64_t noise = 3;

enum { N = 2 * 6 * 5, AXES = 3 };
static const int64_t dims[AXES] = {2, 6, 5};

/* The scale of element i: one for all (axis < 0), per axis, or per block along the axis. */
static int64_t scale_of(int64_t i, int axis, int64_t block, const setsuna_shape *scale)
{
    int64_t index[AXES] = {i / 30, i / 5 % 6, i % 5};
    if (axis < 0)
        return 0;
    if (!block)
        return index[axis];
    index[axis] /= block;
    return (index[0] * scale->dim[1] + index[1]) * scale->dim[2] + index[2];
}

static setsuna_shape scale_shape(int axis, int64_t block)
{
    setsuna_shape s = {.rank = 0};
    if (axis >= 0 && !block)
        s = (setsuna_shape){.rank = 1, .dim = {dims[axis]}};
    if (axis >= 0 && block) {
        s = (setsuna_shape){.rank = AXES, .dim = {dims[0], dims[1], dims[2]}};
        s.dim[axis] = (dims[axis] + block - 1) / block;
    }
    return s;
}

static double quantized(double x, double scale, double zero, double low, double high)
{
    return fmin(fmax(rint((double)((float)x / (float)scale)) + zero, low), high);
}

static void test_layouts(void **state)
{
    (void)state;
    static const setsuna_dtype types[] = {SETSUNA_U8, SETSUNA_I8, SETSUNA_U16, SETSUNA_I16};
    for (int round = 0; round < 4 * 4 * 4; round++) {
        int axis = round % 4 - 1;
        int64_t block = axis < 0 ? 0 : (int64_t[]){0, 1, 2, 4}[round / 4 % 4];
        setsuna_dtype type = types[round / 16];
        bool is_signed = type == SETSUNA_I8 || type == SETSUNA_I16;
        int bits = (int)setsuna_dtype_size(type) * 8;
        double low = is_signed ? -ldexp(1, bits - 1) : 0, high = ldexp(1, is_signed ? bits - 1 : bits) - 1;
        setsuna_shape shape = scale_shape(axis, block);
        float x[N], scale[N];
        uint16_t zero16[N];
        uint8_t zero8[N];
        for (int i = 0; i < N; i++) {
            x[i] = (float)(int64_t)(op_rig_random(&noise) % 2001 - 1000u) * 0.5f;
            scale[i] = 0.25f * (float)(1 + op_rig_random(&noise) % 7);
            zero16[i] = (uint16_t)(op_rig_random(&noise) % 100);
            zero8[i] = (uint8_t)zero16[i];
        }
        op_rig r, back;
        op_rig_open(&r, "QuantizeLinear", 21);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 6, 5), x);
        op_rig_in(&r, SETSUNA_F32, shape, scale);
        op_rig_in(&r, type, shape, bits == 8 ? (void *)zero8 : zero16);
        op_rig_int(&r, "axis", axis < 0 ? 1 : axis - AXES);
        op_rig_int(&r, "block_size", block);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        assert_int_equal(r.out[0].dtype, type);
        op_rig_open(&back, "DequantizeLinear", 21);
        op_rig_in(&back, type, sn_shape(3, 2, 6, 5), r.out[0].data);
        op_rig_in(&back, SETSUNA_F32, shape, scale);
        op_rig_in(&back, type, shape, bits == 8 ? (void *)zero8 : zero16);
        op_rig_int(&back, "axis", axis < 0 ? 1 : axis);
        op_rig_int(&back, "block_size", block);
        assert_int_equal(op_rig_run(&back), SETSUNA_OK);
        for (int i = 0; i < N; i++) {
            int64_t k = scale_of(i, axis, block, &shape);
            double q = quantized((double)x[i], (double)scale[k], zero16[k], low, high);
            assert_true(op_rig_get(&r.out[0], i) == q);
            assert_true(op_rig_get(&back.out[0], i) == (q - zero16[k]) * (double)scale[k]);
        }
        op_rig_close(&back);
        op_rig_close(&r);
    }
}

static void test_int32_both_ways(void **state)
{
    (void)state;
    const float scale = 2;
    op_rig r;
    op_rig_open(&r, "QuantizeLinear", 10);
    op_rig_in(&r, SETSUNA_I32, sn_shape(1, 4), (int32_t[]){5, -7, INT32_MAX, 3});
    op_rig_in(&r, SETSUNA_F32, (setsuna_shape){0}, &scale);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, ((uint8_t[]){2, 0, 255, 2}), 4);
    op_rig_close(&r);
    op_rig_open(&r, "DequantizeLinear", 13);
    op_rig_in(&r, SETSUNA_I32, sn_shape(1, 2), (int32_t[]){INT32_MIN, 9});
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 1), &scale);
    op_rig_in(&r, SETSUNA_I32, sn_shape(1, 1), (int32_t[]){INT32_MAX}); /* the difference needs more than 32 bits */
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(((float *)r.out[0].data)[0] == -0x1p33f);
    op_rig_close(&r);
}

static void test_refused(void **state)
{
    (void)state;
    static const float ones[64] = {1};
    static const struct {
        int opset;
        setsuna_shape scale;
        int64_t axis, block;
    } bad[] = {
        {12, {1, {6}}, 1, 0},        {13, {1, {5}}, 1, 0},       {13, {1, {6}}, 3, 0},    {13, {2, {1, 6}}, 1, 0},
        {21, {3, {2, 3, 5}}, 1, -2}, {21, {3, {2, 2, 5}}, 1, 2}, {21, {2, {2, 3}}, 1, 2}, {21, {0}, 1, INT64_MAX},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        op_rig r;
        op_rig_open(&r, "QuantizeLinear", bad[i].opset);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 6, 5), ones);
        op_rig_in(&r, SETSUNA_F32, bad[i].scale, ones);
        if (bad[i].opset >= 13)
            op_rig_int(&r, "axis", bad[i].axis);
        if (bad[i].block)
            op_rig_int(&r, "block_size", bad[i].block);
        assert_true(op_rig_infer(&r) < 0);
        op_rig_close(&r);
    }
}

static void test_dynamic(void **state)
{
    (void)state;
    static float x[100000];
    for (int k = 0; k < 4; k++) {
        /* ordinary, all zero, all positive, with NaN and infinity */
        for (int i = 0; i < 100000; i++)
            x[i] = k == 1 ? 0 : (float)(int64_t)(op_rig_random(&noise) % 1001 - (k == 2 ? 0u : 600u)) * 0.01f;
        if (k == 3)
            x[77] = NAN, x[99] = INFINITY;
        op_rig r;
        op_rig_open(&r, "DynamicQuantizeLinear", 11);
        r.n_out = 3;
        r.n_threads = 3;
        op_rig_in(&r, SETSUNA_F32, sn_shape(1, 100000), x);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        float scale = ((float *)r.out[1].data)[0];
        int zero = ((uint8_t *)r.out[2].data)[0];
        assert_true(scale > 0);
        assert_true(k == 1 ? zero == 0 && scale == 1 : k == 2 ? zero == 0 : k == 3 || (zero > 100 && zero < 200));
        for (int i = 0; i < 100000 && k < 3; i++)
            assert_true(fabsf(((float)((uint8_t *)r.out[0].data)[i] - (float)zero) * scale - x[i]) <= scale * 0.5001f);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_int32_both_ways),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_dynamic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
