/* Operators that make tensors: sizes and edges that ONNX's own cases leave out, random ones by their moments. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

static void range(op_rig *r, setsuna_dtype dtype, const void *start, const void *limit, const void *delta)
{
    op_rig_open(r, "Range", 11);
    op_rig_const(r, dtype, (setsuna_shape){0}, start);
    op_rig_const(r, dtype, (setsuna_shape){0}, limit);
    op_rig_const(r, dtype, (setsuna_shape){0}, delta);
}

static void test_range(void **state)
{
    (void)state;
    op_rig r;
    const int64_t extremes[] = {INT64_MIN, INT64_MAX, INT64_MAX, 0, -1};
    range(&r, SETSUNA_I64, &extremes[0], &extremes[1], &extremes[2]); /* three steps of 2^63 - 1 */
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].shape.dim[0], 3);
    assert_true(((int64_t *)r.out[0].data)[2] == INT64_MAX - 1);
    op_rig_close(&r);
    range(&r, SETSUNA_I64, &extremes[0], &extremes[1], &extremes[3]); /* delta 0 */
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
    range(&r, SETSUNA_I64, &extremes[1], &extremes[0], &extremes[4]); /* 2^64 - 1 elements */
    assert_int_equal(op_rig_infer(&r), SETSUNA_ELIMIT);
    op_rig_close(&r);
    const float f[] = {1, 2, 0.3f, NAN};
    range(&r, SETSUNA_F32, &f[0], &f[1], &f[2]);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].shape.dim[0], 4);
    op_rig_close(&r);
    range(&r, SETSUNA_F32, &f[1], &f[0], &f[2]);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].shape.dim[0], 0);
    op_rig_close(&r);
    range(&r, SETSUNA_F32, &f[0], &f[1], &f[3]);
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
    op_rig_open(&r, "Range", 11); /* not constant: the planner is asked to wait */
    for (int i = 0; i < 3; i++)
        op_rig_in(&r, SETSUNA_F32, (setsuna_shape){0}, &f[i]);
    assert_int_equal(op_rig_infer(&r), SN_INFER_NEED_VALUE);
    op_rig_close(&r);
}

static void test_constant_of_shape(void **state)
{
    (void)state;
    for (int dtype = SETSUNA_F32; dtype <= SETSUNA_BF16; dtype++) {
        unsigned char value[16];
        size_t size = setsuna_dtype_size((setsuna_dtype)dtype);
        if (!size)
            continue;
        for (size_t i = 0; i < sizeof value; i++)
            value[i] = (unsigned char)(0x11 * i + 1);
        sn_const c = {.t = {(setsuna_dtype)dtype, sn_shape(1, 1), value, size}};
        op_rig r;
        op_rig_open(&r, "ConstantOfShape", 9);
        op_rig_const_i64(&r, 2, (int64_t[]){37, 29});
        assert_true(sn_node_add_attr(r.graph, r.node, &(sn_attr){.name = "value", .kind = SN_ATTR_TENSOR, .t = &c}));
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        assert_int_equal(r.out[0].dtype, dtype);
        for (size_t i = 0; i < 37 * 29; i++)
            assert_memory_equal((char *)r.out[0].data + i * size, value, size);
        op_rig_close(&r);
    }
    op_rig r;
    op_rig_open(&r, "ConstantOfShape", 9);
    op_rig_const_i64(&r, 2, (int64_t[]){37, -1});
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
    op_rig_open(&r, "ConstantOfShape", 9);
    op_rig_const_i64(&r, 9, (int64_t[]){1, 1, 1, 1, 1, 1, 1, 1, 1});
    assert_true(op_rig_infer(&r) < 0);
    op_rig_close(&r);
}

static void test_eye_like(void **state)
{
    (void)state;
    static const int64_t ks[] = {0, 2, -1, 3, -4, INT64_MIN, INT64_MAX};
    for (size_t k = 0; k < sizeof ks / sizeof ks[0]; k++) {
        op_rig r;
        op_rig_open(&r, "EyeLike", 9);
        op_rig_in(&r, SETSUNA_I32, sn_shape(2, 4, 3), (int32_t[12]){0});
        op_rig_int(&r, "k", ks[k]);
        op_rig_int(&r, "dtype", SETSUNA_BF16);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        for (int64_t i = 0; i < 12; i++)
            assert_true(op_rig_get(&r.out[0], i) == (ks[k] > -100 && ks[k] < 100 && i % 3 == i / 3 + ks[k]));
        op_rig_close(&r);
    }
}

static void test_one_hot(void **state)
{
    (void)state;
    op_rig r;
    const float depth = 3.9f, nan = NAN;
    op_rig_open(&r, "OneHot", 11);
    op_rig_in(&r, SETSUNA_U64, sn_shape(2, 2, 3), (uint64_t[]){0, 1, 2, 3, UINT64_MAX, 2});
    op_rig_const(&r, SETSUNA_F32, (setsuna_shape){0}, &depth);
    op_rig_in(&r, SETSUNA_U8, sn_shape(1, 2), (uint8_t[]){7, 9});
    op_rig_int(&r, "axis", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    static const int hot[2][3] = {{0, 1, 2}, {-1, -1, 2}};
    assert_true(sn_shape_equal(&r.out[0].shape, &(setsuna_shape){3, {2, 3, 3}}));
    for (int64_t i = 0; i < 18; i++)
        assert_true(op_rig_get(&r.out[0], i) == (i / 3 % 3 == hot[i / 9][i % 3] ? 9 : 7));
    op_rig_close(&r);
    op_rig_open(&r, "OneHot", 11);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 1), &nan);
    op_rig_const_i64(&r, 1, (int64_t[]){-2});
    op_rig_in(&r, SETSUNA_U8, sn_shape(1, 2), (uint8_t[]){7, 9});
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
}

static void test_window(void **state)
{
    (void)state;
    for (int n = 0; n < 4; n++)
        for (int periodic = 0; periodic < 2; periodic++) {
            op_rig r;
            const int64_t size = n;
            op_rig_open(&r, "HannWindow", 17);
            op_rig_const(&r, SETSUNA_I64, (setsuna_shape){0}, &size);
            op_rig_int(&r, "periodic", periodic);
            op_rig_int(&r, "output_datatype", SETSUNA_F64);
            assert_int_equal(op_rig_run(&r), SETSUNA_OK);
            assert_int_equal(r.out[0].shape.dim[0], n);
            for (int i = 0; i < n; i++) {
                double s = sin(M_PI * i / (periodic ? n : n - 1));
                assert_true(fabs(op_rig_get(&r.out[0], i) - (n == 1 && !periodic ? 1 : s * s)) < 1e-15);
            }
            op_rig_close(&r);
        }
}

/* Edges and rates that lie outside of any spectrum are refused or leave the matrix in bounds. */
static void test_mel(void **state)
{
    (void)state;
    static const float edges[][2] = {{0, 4000}, {-600, 1e9f}, {4000, 0}, {NAN, 1}, {-1000, 1}, {INFINITY, 1}};
    static const int64_t rates[] = {8000, 0, -5, 1, INT64_MAX};
    for (size_t e = 0; e < sizeof edges / sizeof edges[0]; e++)
        for (size_t k = 0; k < sizeof rates / sizeof rates[0]; k++) {
            op_rig r;
            op_rig_open(&r, "MelWeightMatrix", 17);
            op_rig_const_i64(&r, 1, (int64_t[]){10});
            op_rig_const_i64(&r, 1, (int64_t[]){64});
            op_rig_in(&r, SETSUNA_I64, (setsuna_shape){0}, &rates[k]);
            op_rig_in(&r, SETSUNA_F32, (setsuna_shape){0}, &edges[e][0]);
            op_rig_in(&r, SETSUNA_F32, (setsuna_shape){0}, &edges[e][1]);
            setsuna_status status = op_rig_run(&r);
            if (e == 3 || e == 4 || rates[k] <= 0)
                assert_int_equal(status, SETSUNA_EINPUT);
            else
                assert_int_equal(status, SETSUNA_OK);
            op_rig_close(&r);
        }
}

/* ---- random ------------------------------------------------------------------------------------------ */

/* Mean and variance of the output, against theirs with tolerance of five standard errors. */
static void assert_moments(const setsuna_tensor *t, double mean, double variance)
{
    int64_t n = 0;
    double sum = 0, squares = 0;
    assert_true(sn_shape_numel(&t->shape, &n));
    for (int64_t i = 0; i < n; i++) {
        double v = op_rig_get(t, i);
        sum += v;
        squares += (v - mean) * (v - mean);
    }
    assert_true(fabs(sum / (double)n - mean) < 5 * sqrt(variance / (double)n));
    assert_true(fabs(squares / (double)n - variance) < 5 * variance * sqrt(2 / (double)n));
}

static void test_random_moments(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "RandomNormal", 1);
    op_rig_ints(&r, "shape", 2, (int64_t[]){101, 203});
    op_rig_float(&r, "mean", 2);
    op_rig_float(&r, "scale", 3);
    op_rig_float(&r, "seed", 42);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_moments(&r.out[0], 2, 9);
    op_rig_close(&r);
    op_rig_open(&r, "RandomUniformLike", 1);
    op_rig_in(&r, SETSUNA_I64, sn_shape(1, 20001), NULL);
    op_rig_float(&r, "low", -1);
    op_rig_float(&r, "high", 5);
    op_rig_int(&r, "dtype", SETSUNA_F64);
    op_rig_float(&r, "seed", 42);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_moments(&r.out[0], 2, 3);
    for (int64_t i = 0; i < 20001; i++)
        assert_true(op_rig_get(&r.out[0], i) >= -1 && op_rig_get(&r.out[0], i) < 5);
    op_rig_close(&r);
}

/* With a seed runs repeat, without they do not. */
static void test_seeds(void **state)
{
    (void)state;
    for (int seeded = 0; seeded < 2; seeded++) {
        float first[64];
        for (int run = 0; run < 2; run++) {
            op_rig r;
            op_rig_open(&r, "RandomUniform", 1);
            op_rig_ints(&r, "shape", 1, (int64_t[]){64});
            if (seeded)
                op_rig_float(&r, "seed", 3);
            assert_int_equal(op_rig_run(&r), SETSUNA_OK);
            if (run)
                assert_int_equal(memcmp(first, r.out[0].data, sizeof first) == 0, seeded);
            memcpy(first, r.out[0].data, sizeof first);
            op_rig_close(&r);
        }
    }
}

static void test_bernoulli_and_multinomial(void **state)
{
    (void)state;
    static float p[3 * 5000];
    double sum[3] = {0};
    for (int i = 0; i < 15000; i++)
        p[i] = i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : 0.25f;
    op_rig r;
    op_rig_open(&r, "Bernoulli", 15);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 15000), p);
    op_rig_float(&r, "seed", 1);
    op_rig_int(&r, "dtype", SETSUNA_I8);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int i = 0; i < 15000; i++)
        sum[i % 3] += op_rig_get(&r.out[0], i);
    assert_true(sum[0] == 0 && sum[1] == 5000 && fabs(sum[2] - 1250) < 5 * sqrt(5000 * 0.25 * 0.75));
    op_rig_close(&r);

    const float logits[] = {logf(0.5f), -INFINITY, logf(0.125f), logf(0.375f), NAN, NAN, NAN, NAN};
    op_rig_open(&r, "Multinomial", 7);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 4), logits);
    op_rig_int(&r, "sample_size", 8000);
    op_rig_int(&r, "dtype", SETSUNA_I64);
    op_rig_float(&r, "seed", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    static const double want[] = {0.5, 0, 0.125, 0.375};
    double count[4] = {0};
    for (int i = 0; i < 16000; i++) {
        int64_t k = ((int64_t *)r.out[0].data)[i];
        assert_true(k >= 0 && k < 4); /* for NaN too */
        count[k] += i < 8000;
    }
    for (int k = 0; k < 4; k++)
        assert_true(fabs(count[k] - 8000 * want[k]) <= 5 * sqrt(8000 * want[k] * (1 - want[k])));
    op_rig_close(&r);
}

static setsuna_status dropout(op_rig *r, float ratio, bool training)
{
    static float x[10000];
    for (int i = 0; i < 10000; i++)
        x[i] = 1;
    op_rig_open(r, "Dropout", 13);
    r->n_out = 2;
    op_rig_in(r, SETSUNA_F32, sn_shape(1, 10000), x);
    op_rig_in(r, SETSUNA_F32, (setsuna_shape){0}, &ratio);
    op_rig_in(r, SETSUNA_BOOL, (setsuna_shape){0}, &training);
    op_rig_int(r, "seed", 5);
    return op_rig_run(r);
}

static void test_dropout(void **state)
{
    (void)state;
    op_rig r;
    double kept = 0;
    assert_int_equal(dropout(&r, 0.75f, true), SETSUNA_OK);
    for (int i = 0; i < 10000; i++) {
        double mask = op_rig_get(&r.out[1], i);
        assert_true(op_rig_get(&r.out[0], i) == 4 * mask);
        kept += mask;
    }
    assert_true(fabs(kept - 2500) < 5 * sqrt(10000 * 0.25 * 0.75));
    op_rig_close(&r);
    assert_int_equal(dropout(&r, 0.75f, false), SETSUNA_OK);
    for (int i = 0; i < 10000; i++)
        assert_true(op_rig_get(&r.out[0], i) == 1 && op_rig_get(&r.out[1], i) == 1);
    op_rig_close(&r);
    static const float bad[] = {1, -0.5f, NAN};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(dropout(&r, bad[i], true), SETSUNA_EINPUT);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_constant_of_shape),
        cmocka_unit_test(test_eye_like),
        cmocka_unit_test(test_one_hot),
        cmocka_unit_test(test_window),
        cmocka_unit_test(test_mel),
        cmocka_unit_test(test_random_moments),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_bernoulli_and_multinomial),
        cmocka_unit_test(test_dropout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
