/* Normalisations and softmax. */
#include "twin.h"
#include "unit/unit.h"
#include <math.h>

static void test_softmax(void **state)
{
    (void)state;
    static const char *const ops[] = {"Softmax", "LogSoftmax", "Hardmax"};
    for (int i = 0; i < 180; i++) {
        twin t;
        int axis = i / 3 % 7 - 3; /* -3 to 3 */
        int opset = i % 2 ? 13 : 11;
        if (axis == 3 && opset == 13)
            axis = 2;
        twin_open(&t, ops[i % 3], opset, (uint64_t)i, op_rig_level(i / 2), (uint32_t)(1 + i % 3));
        twin_noise_scaled(&t, sn_shape(3, 1 + i % 4, 1 + i % 9, 1 + i % 23), TWIN_INPUT, 5);
        TWIN_EACH(&t, op_rig_int(r, "axis", axis));
        twin_check(&t, 2e-6);
    }
}

/* Before 13 everything from the axis on is one row. */
static void test_softmax_flattens(void **state)
{
    (void)state;
    for (int flat = 0; flat < 2; flat++) {
        op_rig r;
        static const float zeros[8];
        op_rig_open(&r, "Softmax", flat ? 11 : 13);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 2, 2), zeros);
        op_rig_int(&r, "axis", 1);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        assert_true(op_rig_get(&r.out[0], 3) == (flat ? 0.25 : 0.5));
        op_rig_close(&r);
    }
}

static void test_layer(void **state)
{
    (void)state;
    const setsuna_shape scales[] = {sn_shape(2, 5, 37), sn_shape(1, 37), sn_shape(2, 5, 1), sn_shape(3, 1, 5, 37),
                                    sn_shape(0)};
    for (int i = 0; i < 60; i++) {
        twin t;
        twin_open(&t, "LayerNormalization", 17, (uint64_t)i, op_rig_level(i), (uint32_t)(1 + i % 2));
        TWIN_EACH(&t, r->n_out = 3);
        twin_noise(&t, sn_shape(3, 4, 5, 37), TWIN_INPUT);
        twin_noise(&t, scales[i % 5], TWIN_INPUT);
        if (i % 2)
            twin_noise(&t, scales[i / 2 % 5], TWIN_INPUT);
        TWIN_EACH(&t, op_rig_int(r, "axis", i % 4 ? -2 : 1));
        twin_check(&t, 1e-5);
    }
}

static void test_instance_and_group(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        static const char *const ops[] = {"InstanceNormalization", "GroupNormalization", "GroupNormalization"};
        int opset = i % 3 == 0 ? 6 : i % 3 == 1 ? 18 : 21, channels = 6, groups = 3;
        twin t;
        twin_open(&t, ops[i % 3], opset, (uint64_t)i, op_rig_level(i / 3), (uint32_t)(1 + i % 2));
        twin_noise(&t, sn_shape(4, 2, channels, 3, 1 + i), TWIN_INPUT);
        for (int k = 0; k < 2; k++)
            twin_noise(&t, sn_shape(1, opset == 18 ? groups : channels), TWIN_INPUT);
        if (i % 3)
            TWIN_EACH(&t, op_rig_int(r, "num_groups", groups));
        twin_check(&t, 2e-5);
    }
}

static void test_batch(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        twin t;
        int opset = i % 3 == 0 ? 7 : i % 3 == 1 ? 9 : 15, spatial = !(opset == 7 && i % 2), training = i / 3 % 2;
        setsuna_shape stat = spatial ? sn_shape(1, 5) : sn_shape(2, 5, 7);
        float var[35];
        for (int k = 0; k < 35; k++)
            var[k] = 0.5f + (float)k / 35;
        twin_open(&t, "BatchNormalization", opset, (uint64_t)i, op_rig_level(i / 3), (uint32_t)(1 + i % 2));
        TWIN_EACH(&t, r->n_out = training && spatial ? opset == 15 ? 3 : 5 : 1);
        twin_noise(&t, sn_shape(3, 4, 5, 7), TWIN_INPUT);
        for (int k = 0; k < 3; k++)
            twin_noise(&t, stat, TWIN_INPUT);
        twin_values(&t, stat, var, TWIN_INPUT);
        if (opset == 7)
            TWIN_EACH(&t, op_rig_int(r, "spatial", spatial));
        if (opset == 15)
            TWIN_EACH(&t, op_rig_int(r, "training_mode", training));
        twin_check(&t, 2e-5);
    }
}

/* Training: mean 2, variance 1 over the batch; running = 0.9 given + 0.1 batch. */
static void test_batch_training(void **state)
{
    (void)state;
    op_rig r;
    const float one = 1, zero = 0;
    op_rig_open(&r, "BatchNormalization", 15);
    r.n_out = 3;
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 1), (float[]){1, 3});
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 1), &one);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 1), &zero);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 1), &zero);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 1), &zero);
    op_rig_int(&r, "training_mode", 1);
    op_rig_float(&r, "epsilon", 0);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, ((float[]){-1, 1}), 8);
    assert_true(fabs(op_rig_get(&r.out[1], 0) - 0.2) < 1e-7);
    assert_true(fabs(op_rig_get(&r.out[2], 0) - 0.1) < 1e-7);
    op_rig_close(&r);
}

static void test_over_axes(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "LpNormalization", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 2), (float[]){3, 4, 0, 0});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, ((float[]){0.6f, 0.8f, 0, 0}), 16); /* a zero vector stays one */
    op_rig_close(&r);
    op_rig_open(&r, "MeanVarianceNormalization", 13);
    op_rig_in(&r, SETSUNA_F64, sn_shape(2, 2, 2), (double[]){1, 10, 3, 30});
    op_rig_ints(&r, "axes", 1, (int64_t[]){0});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int i = 0; i < 4; i++)
        assert_true(fabs(op_rig_get(&r.out[0], i) - (i < 2 ? -1 : 1)) < 1e-8);
    op_rig_close(&r);
    op_rig_open(&r, "LRN", 13);
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 3, 1), (float[]){1, 2, 3});
    op_rig_int(&r, "size", 2); /* the channel itself and the next one */
    op_rig_float(&r, "alpha", 2);
    op_rig_float(&r, "beta", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(fabs(op_rig_get(&r.out[0], 0) - 1.0 / 6) < 1e-7);
    assert_true(fabs(op_rig_get(&r.out[0], 2) - 3.0 / 10) < 1e-7);
    op_rig_close(&r);
}

static void test_refuses(void **state)
{
    (void)state;
    static const float zeros[64];
    static const struct {
        const char *op, *attr;
        int64_t value;
        int n_in, want;
    } cases[] = {{"Softmax", "axis", 2, 1, SETSUNA_EMODEL},
                 {"LayerNormalization", "axis", -3, 2, SETSUNA_EMODEL},
                 {"GroupNormalization", "num_groups", 0, 3, SETSUNA_EMODEL},
                 {"GroupNormalization", "num_groups", 3, 3, SETSUNA_EMODEL},
                 {"LRN", "size", 0, 1, SETSUNA_EMODEL},
                 {"LpNormalization", "p", 3, 1, SETSUNA_EMODEL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        op_rig r;
        op_rig_open(&r, cases[i].op, 21);
        op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 4), zeros);
        for (int k = 1; k < cases[i].n_in; k++)
            op_rig_in(&r, SETSUNA_F32, sn_shape(1, 4), zeros);
        op_rig_int(&r, cases[i].attr, cases[i].value);
        assert_int_equal(op_rig_infer(&r), cases[i].want);
        op_rig_close(&r);
    }
}

/* Empty tensors are nothing to do, whatever the other dims are. */
static void test_empty(void **state)
{
    (void)state;
    static const char *const ops[] = {"Softmax", "LogSoftmax", "Hardmax", "LpNormalization", "LRN"};
    const setsuna_shape shapes[] = {sn_shape(3, 0, 3, 4), sn_shape(3, 2, 0, 4), sn_shape(3, 2, 3, 0)};
    for (int i = 0; i < 15; i++) {
        op_rig r;
        op_rig_open(&r, ops[i % 5], 13);
        op_rig_in(&r, SETSUNA_F32, shapes[i / 5], NULL);
        if (i % 5 == 4)
            op_rig_int(&r, "size", 3);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax),   cmocka_unit_test(test_softmax_flattens),
        cmocka_unit_test(test_layer),     cmocka_unit_test(test_instance_and_group),
        cmocka_unit_test(test_batch),     cmocka_unit_test(test_batch_training),
        cmocka_unit_test(test_over_axes), cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
