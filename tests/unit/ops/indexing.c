/* The gathers and scatters: ONNX's definitions spelled out, and indices that lie. */
#include "op_rig.h"
#include "unit/unit.h"
#include <stdlib.h>
#include <string.h>

static uint64_t index_seed = 5;

static int64_t random_between(int64_t lo, int64_t hi)
{
    return lo + (int64_t)(op_rig_random(&index_seed) % (uint64_t)(hi - lo + 1));
}

static float data[4096];

static void fill_data(void)
{
    for (int i = 0; i < 4096; i++)
        data[i] = (float)i;
}

static void test_gather(void **state)
{
    (void)state;
    for (int k = 0; k < 100; k++) {
        int64_t outer = random_between(1, 4), n = random_between(1, 9), inner = random_between(1, 20), idx64[6];
        int count = (int)random_between(0, 6);
        int32_t idx32[6];
        for (int i = 0; i < count; i++)
            idx32[i] = (int32_t)(idx64[i] = random_between(-n, n - 1));
        op_rig r;
        op_rig_open(&r, "Gather", 13);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, (int)outer, (int)n, (int)inner), data);
        op_rig_in(&r, k & 1 ? SETSUNA_I64 : SETSUNA_I32, sn_shape(2, count, 1),
                  k & 1 ? (const void *)idx64 : (const void *)idx32);
        op_rig_int(&r, "axis", k & 2 ? 1 : -2);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        assert_int_equal(r.out[0].shape.rank, 4);
        const float *y = r.out[0].data;
        for (int64_t o = 0; o < outer; o++)
            for (int i = 0; i < count; i++)
                for (int64_t j = 0; j < inner; j++)
                    assert_true(*y++ == (float)((o * n + (idx64[i] + n) % n) * inner + j));
        op_rig_close(&r);
    }
}

/* Embedding rows on three threads are those of one. */
static void test_gather_threads(void **state)
{
    (void)state;
    float *table = malloc(1000 * 96 * sizeof *table);
    int64_t idx[700];
    assert_non_null(table);
    for (int i = 0; i < 1000 * 96; i++)
        table[i] = (float)i;
    for (int i = 0; i < 700; i++)
        idx[i] = random_between(-1000, 999);
    op_rig r;
    op_rig_open(&r, "Gather", 13);
    r.n_threads = 3;
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 1000, 96), table);
    op_rig_in(&r, SETSUNA_I64, sn_shape(1, 700), idx);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(r.step.n_parts > 1);
    for (int i = 0; i < 700; i++)
        assert_memory_equal((float *)r.out[0].data + i * 96, table + (idx[i] + 1000) % 1000 * 96, 96 * sizeof *table);
    free(table);
    op_rig_close(&r);
}

static void test_gather_elements(void **state)
{
    (void)state;
    for (int k = 0; k < 60; k++) {
        int32_t axis = (int32_t)random_between(0, 2);
        int64_t x[3], y[3], idx[300];
        for (int d = 0; d < 3; d++) {
            x[d] = random_between(1, 6);
            y[d] = d == axis ? random_between(1, 6) : random_between(1, x[d]);
        }
        for (int i = 0; i < 216; i++)
            idx[i] = random_between(-x[axis], x[axis] - 1);
        op_rig r;
        op_rig_open(&r, "GatherElements", 13);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, (int)x[0], (int)x[1], (int)x[2]), data);
        op_rig_in(&r, SETSUNA_I64, sn_shape(3, (int)y[0], (int)y[1], (int)y[2]), idx);
        op_rig_int(&r, "axis", axis);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        int64_t at = 0, i[3];
        for (i[0] = 0; i[0] < y[0]; i[0]++)
            for (i[1] = 0; i[1] < y[1]; i[1]++)
                for (i[2] = 0; i[2] < y[2]; i[2]++, at++) {
                    int64_t from[3] = {i[0], i[1], i[2]};
                    from[axis] = (idx[at] + x[axis]) % x[axis];
                    assert_true(((float *)r.out[0].data)[at] == (float)((from[0] * x[1] + from[1]) * x[2] + from[2]));
                }
        op_rig_close(&r);
    }
}

static void test_gather_nd(void **state)
{
    (void)state;
    op_rig r;
    static const float want[] = {2, 3, 4, 5}, whole[] = {7, 0};
    op_rig_open(&r, "GatherND", 13); /* example 5: one batch dim */
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 2, 2), data);
    op_rig_in(&r, SETSUNA_I64, sn_shape(2, 2, 1), (int64_t[]){1, 0});
    op_rig_int(&r, "batch_dims", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, want, sizeof want);
    op_rig_close(&r);
    op_rig_open(&r, "GatherND", 13); /* whole tuples, negative */
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 2, 2), data);
    op_rig_in(&r, SETSUNA_I64, sn_shape(2, 2, 3), (int64_t[]){-1, -1, -1, 0, -2, 0});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, whole, sizeof whole);
    op_rig_close(&r);
}

static void test_bad_indices(void **state)
{
    (void)state;
    static const char *const op[] = {"Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND", "Scatter"};
    static const int64_t bad[] = {4, -5, INT64_MAX, INT64_MIN};
    for (size_t k = 0; k < 6; k++)
        for (size_t b = 0; b < 4; b++) {
            bool nd = strcmp(op[k], "GatherND") == 0 || strcmp(op[k], "ScatterND") == 0;
            op_rig r;
            op_rig_open(&r, op[k], 13);
            op_rig_in(&r, SETSUNA_F32, sn_shape(1, 4), data);
            op_rig_in(&r, SETSUNA_I64, nd ? sn_shape(2, 2, 1) : sn_shape(1, 2), (int64_t[]){0, bad[b]});
            if (strncmp(op[k], "Scatter", 7) == 0)
                op_rig_in(&r, SETSUNA_F32, sn_shape(1, 2), data);
            assert_int_equal(op_rig_run(&r), SETSUNA_EINPUT);
            assert_non_null(strstr(r.err.text, "outside"));
            op_rig_close(&r);
        }
}

static void scatter_elements(int opset, const char *reduction, setsuna_dtype dtype, const void *x, const void *u,
                             const void *want, int n)
{
    op_rig r;
    op_rig_open(&r, "ScatterElements", opset);
    op_rig_in(&r, dtype, sn_shape(1, n), x);
    op_rig_in(&r, SETSUNA_I64, sn_shape(1, 3), (int64_t[]){1, -1, 1});
    op_rig_in(&r, dtype, sn_shape(1, 3), u);
    if (reduction)
        op_rig_string(&r, "reduction", reduction);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, want, r.out[0].size_bytes);
    op_rig_close(&r);
}

static void test_scatter_reductions(void **state)
{
    (void)state;
    const float x[] = {1, 2, 3}, u[] = {5, -4, 7};
    scatter_elements(13, NULL, SETSUNA_F32, x, u, (float[]){1, 7, -4}, 3);
    scatter_elements(16, "none", SETSUNA_F32, x, u, (float[]){1, 7, -4}, 3);
    scatter_elements(16, "add", SETSUNA_F32, x, u, (float[]){1, 14, -1}, 3);
    scatter_elements(16, "mul", SETSUNA_F32, x, u, (float[]){1, 70, -12}, 3);
    scatter_elements(18, "max", SETSUNA_F32, x, u, (float[]){1, 7, 3}, 3);
    scatter_elements(18, "min", SETSUNA_F32, x, u, (float[]){1, 2, -4}, 3);
    scatter_elements(18, "add", SETSUNA_I32, (int32_t[]){0, INT32_MAX, 0}, (int32_t[]){1, 0, 0},
                     (int32_t[]){0, INT32_MIN, 0}, 3); /* wraps */
    scatter_elements(18, "mul", SETSUNA_U16, (uint16_t[]){1, 65535, 2}, (uint16_t[]){65535, 3, 1},
                     (uint16_t[]){1, 1, 6}, 3);
    scatter_elements(18, "add", SETSUNA_F16, (uint16_t[]){0x3c00, 0x3c00, 0}, (uint16_t[]){0x3c00, 0, 0x4000},
                     (uint16_t[]){0x3c00, 0x4400, 0}, 3); /* 1 + 1 + 2 = 4 */
    scatter_elements(18, "add", SETSUNA_BOOL, (uint8_t[]){0, 0, 1}, (uint8_t[]){0, 0, 1}, (uint8_t[]){0, 1, 1}, 3);
    op_rig r;
    op_rig_open(&r, "ScatterElements", 16); /* max came with opset 18 */
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 3), x);
    op_rig_in(&r, SETSUNA_I64, sn_shape(1, 3), (int64_t[]){0, 0, 0});
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 3), u);
    op_rig_string(&r, "reduction", "max");
    assert_int_equal(op_rig_infer(&r), SETSUNA_EMODEL);
    op_rig_close(&r);
}

static void test_scatter_nd_slices(void **state)
{
    (void)state;
    static const float want[] = {0, 1, 2, 103, 204, 305, 12, 14, 16};
    op_rig r;
    op_rig_open(&r, "ScatterND", 18);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 3, 3), data);
    op_rig_in(&r, SETSUNA_I64, sn_shape(2, 2, 1), (int64_t[]){1, -1});
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 3), (float[]){100, 200, 300, 6, 7, 8});
    op_rig_string(&r, "reduction", "add");
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, want, sizeof want);
    op_rig_close(&r);
}

/* Shapes that do not fit together must be refused before anything is copied. */
static void test_bad_shapes(void **state)
{
    (void)state;
    struct {
        const char *op;
        setsuna_shape x, idx, u;
    } bad[] = {
        {"Gather", {.rank = 0}, {1, {1}}, {.rank = -1}},
        {"GatherElements", {2, {2, 3}}, {2, {2, 4}}, {.rank = -1}},
        {"GatherElements", {2, {2, 3}}, {1, {3}}, {.rank = -1}},
        {"GatherND", {2, {2, 3}}, {2, {1, 3}}, {.rank = -1}},
        {"GatherND", {2, {2, 3}}, {2, {1, 0}}, {.rank = -1}},
        {"GatherND", {2, {2, 3}}, {.rank = 0}, {.rank = -1}},
        {"ScatterElements", {2, {2, 3}}, {2, {2, 3}}, {2, {2, 2}}},
        {"ScatterElements", {2, {2, 3}}, {2, {1, 4}}, {2, {1, 4}}},
        {"ScatterND", {2, {2, 3}}, {2, {1, 3}}, {1, {1}}},
        {"ScatterND", {2, {2, 3}}, {2, {1, 1}}, {2, {1, 2}}},
        {"ScatterND", {2, {2, 3}}, {2, {1, 1}}, {1, {1}}},
        {"ScatterND", {2, {2, 3}}, {1, {0}}, {2, {2, 3}}},
    };
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        op_rig r;
        op_rig_open(&r, bad[k].op, 18);
        op_rig_in(&r, SETSUNA_F32, bad[k].x, NULL);
        op_rig_in(&r, SETSUNA_I64, bad[k].idx, NULL);
        if (bad[k].u.rank >= 0)
            op_rig_in(&r, SETSUNA_F32, bad[k].u, NULL);
        assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
        op_rig_close(&r);
    }
}

static void test_nothing_to_do(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "Gather", 13); /* nothing is gathered from nothing */
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 0, 3), NULL);
    op_rig_in(&r, SETSUNA_I64, sn_shape(1, 0), NULL);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    op_rig_close(&r);
    op_rig_open(&r, "Gather", 13); /* something is */
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 0, 3), NULL);
    op_rig_in(&r, SETSUNA_I64, sn_shape(1, 1), (int64_t[]){0});
    assert_int_equal(op_rig_run(&r), SETSUNA_EINPUT);
    op_rig_close(&r);
    op_rig_open(&r, "ScatterND", 18); /* no updates */
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 3), data);
    op_rig_in(&r, SETSUNA_I64, sn_shape(2, 0, 1), NULL);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 0), NULL);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, data, 12);
    op_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_gather_threads),
        cmocka_unit_test(test_gather_elements),
        cmocka_unit_test(test_gather_nd),
        cmocka_unit_test(test_bad_indices),
        cmocka_unit_test(test_scatter_reductions),
        cmocka_unit_test(test_scatter_nd_slices),
        cmocka_unit_test(test_bad_shapes),
        cmocka_unit_test(test_nothing_to_do),
    };
    fill_data();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
