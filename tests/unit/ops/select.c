/* Outputs whose shape depends on data: NonZero, Compress, Unique. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void assert_i64(const setsuna_tensor *t, int n, const int64_t *want)
{
    assert_int_equal(t->dtype, SETSUNA_I64);
    assert_int_equal(t->size_bytes, (size_t)n * 8);
    if (n)
        assert_memory_equal(t->data, want, (size_t)n * 8);
}

static void test_nonzero(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "NonZero", 13);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 3), (float[]){0, -0.0f, 2, NAN, 0, -1});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].shape.rank, 2);
    assert_int_equal(r.out[0].shape.dim[0], 2);
    assert_i64(&r.out[0], 6, (int64_t[]){0, 1, 1, 2, 0, 2});
    op_rig_close(&r);
    op_rig_open(&r, "NonZero", 13); /* halves have two zeros, integers one */
    op_rig_in(&r, SETSUNA_F16, sn_shape(1, 3), (uint16_t[]){0x8000, 0, 1});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_i64(&r.out[0], 1, (int64_t[]){2});
    op_rig_close(&r);
    op_rig_open(&r, "NonZero", 13);
    op_rig_in(&r, SETSUNA_U16, sn_shape(1, 3), (uint16_t[]){0x8000, 0, 1});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_i64(&r.out[0], 2, (int64_t[]){0, 2});
    op_rig_close(&r);
    op_rig_open(&r, "NonZero", 13);
    op_rig_in(&r, SETSUNA_BOOL, sn_shape(2, 0, 3), NULL);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_i64(&r.out[0], 0, NULL);
    op_rig_close(&r);
    op_rig_open(&r, "NonZero", 13); /* a scalar has no axes to name */
    op_rig_in(&r, SETSUNA_I32, sn_shape(0), (int32_t[]){5});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].shape.dim[0], 0);
    assert_int_equal(r.out[0].shape.dim[1], 1);
    op_rig_close(&r);
}

static void check_compress(bool has_axis, int axis, int n, const uint8_t *cond, setsuna_shape want_shape,
                           const char *want)
{
    op_rig r;
    op_rig_open(&r, "Compress", 11);
    op_rig_in(&r, SETSUNA_U8, sn_shape(2, 3, 2), "abcdef");
    op_rig_in(&r, SETSUNA_BOOL, sn_shape(1, n), cond);
    if (has_axis)
        op_rig_int(&r, "axis", axis);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(sn_shape_equal(&r.out[0].shape, &want_shape));
    assert_memory_equal(r.out[0].data, want, strlen(want));
    op_rig_close(&r);
}

static void test_compress(void **state)
{
    (void)state;
    const uint8_t cond[] = {0, 1, 1};
    check_compress(true, 0, 3, cond, sn_shape(2, 2, 2), "cdef");
    check_compress(true, -1, 2, cond, sn_shape(2, 3, 1), "bdf");
    check_compress(false, 0, 3, cond, sn_shape(1, 2), "bc");
    check_compress(true, 0, 1, cond, sn_shape(2, 0, 2), "");
    op_rig r;
    op_rig_open(&r, "Compress", 11); /* selects beyond the end */
    op_rig_in(&r, SETSUNA_U8, sn_shape(2, 3, 2), "abcdef");
    op_rig_in(&r, SETSUNA_BOOL, sn_shape(1, 3), cond);
    op_rig_int(&r, "axis", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_EINPUT);
    op_rig_close(&r);
}

static void open_unique(op_rig *r, setsuna_dtype dtype, setsuna_shape shape, const void *x, int sorted)
{
    op_rig_open(r, "Unique", 11);
    r->n_out = 4;
    op_rig_in(r, dtype, shape, x);
    op_rig_int(r, "sorted", sorted);
}

static void test_unique(void **state)
{
    (void)state;
    static const float x[] = {2, 1, 1, 3, 4, 3}, found[] = {2, 1, 3, 4}, ascending[] = {1, 2, 3, 4};
    op_rig r;
    open_unique(&r, SETSUNA_F32, sn_shape(2, 2, 3), x, 0);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, found, sizeof found);
    assert_i64(&r.out[1], 4, (int64_t[]){0, 1, 3, 4});
    assert_i64(&r.out[2], 6, (int64_t[]){0, 1, 1, 2, 3, 2});
    assert_i64(&r.out[3], 4, (int64_t[]){1, 2, 2, 1});
    op_rig_close(&r);
    open_unique(&r, SETSUNA_F32, sn_shape(1, 6), x, 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, ascending, sizeof ascending);
    assert_i64(&r.out[1], 4, (int64_t[]){1, 0, 3, 4});
    assert_i64(&r.out[2], 6, (int64_t[]){1, 0, 0, 2, 3, 2});
    assert_i64(&r.out[3], 4, (int64_t[]){2, 1, 2, 1});
    op_rig_close(&r);
}

/* Example 4 of the specification: columns of two matrices. */
static void test_unique_axis(void **state)
{
    (void)state;
    static const double x[] = {1, 1, 0, 1, 2, 1, 0, 1, 1, 1, 0, 1, 2, 1, 0, 1};
    static const double want[] = {0, 1, 1, 1, 2, 1, 0, 1, 1, 1, 2, 1};
    op_rig r;
    open_unique(&r, SETSUNA_F64, sn_shape(3, 2, 4, 2), x, 1);
    op_rig_int(&r, "axis", -2);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    setsuna_shape want_shape = sn_shape(3, 2, 3, 2);
    assert_true(sn_shape_equal(&r.out[0].shape, &want_shape));
    assert_memory_equal(r.out[0].data, want, sizeof want);
    assert_i64(&r.out[1], 3, (int64_t[]){1, 0, 2});
    assert_i64(&r.out[2], 4, (int64_t[]){1, 0, 2, 0});
    assert_i64(&r.out[3], 3, (int64_t[]){2, 1, 1});
    op_rig_close(&r);
}

static void test_unique_special(void **state)
{
    (void)state;
    op_rig r;
    open_unique(&r, SETSUNA_F32, sn_shape(1, 5), (float[]){NAN, 1, NAN, -INFINITY, 1}, 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK); /* all NaN are one, and last */
    assert_i64(&r.out[1], 3, (int64_t[]){3, 1, 0});
    op_rig_close(&r);
    open_unique(&r, SETSUNA_I64, sn_shape(1, 0), NULL, 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_i64(&r.out[0], 0, NULL);
    assert_i64(&r.out[2], 0, NULL);
    op_rig_close(&r);
    open_unique(&r, SETSUNA_F32, sn_shape(2, 3, 0), NULL, 1); /* three empty rows are equal */
    op_rig_int(&r, "axis", 0);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_i64(&r.out[2], 3, (int64_t[]){0, 0, 0});
    assert_i64(&r.out[3], 1, (int64_t[]){3});
    op_rig_close(&r);
    const setsuna_text words[] = {{"b", 1}, {"ab", 2}, {"a", 1}, {"ab", 2}, {NULL, 0}};
    open_unique(&r, SETSUNA_STRING, sn_shape(1, 5), words, 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_i64(&r.out[1], 4, (int64_t[]){4, 2, 1, 0});
    op_rig_close(&r);
}

/* Many elements, few values: order, inverse and counts fit together. */
static void test_unique_many(void **state)
{
    (void)state;
    enum { N = 5000 };
    int32_t *x = malloc(N * sizeof *x);
    uint64_t seed = 17;
    assert_non_null(x);
    for (int i = 0; i < N; i++)
        x[i] = (int32_t)(op_rig_random(&seed) % 700) - 350;
    op_rig r;
    open_unique(&r, SETSUNA_I32, sn_shape(1, N), x, 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    const int32_t *y = r.out[0].data;
    const int64_t *first = r.out[1].data, *inverse = r.out[2].data, *count = r.out[3].data;
    int64_t n = r.out[0].shape.dim[0], sum = 0;
    for (int64_t g = 0; g < n; g++) {
        assert_true(g == 0 || y[g - 1] < y[g]);
        assert_int_equal(x[first[g]], y[g]);
        sum += count[g];
    }
    assert_int_equal(sum, N);
    for (int i = 0; i < N; i++) {
        assert_int_equal(y[inverse[i]], x[i]);
        assert_true(first[inverse[i]] <= i);
    }
    free(x);
    op_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonzero),     cmocka_unit_test(test_compress),       cmocka_unit_test(test_unique),
        cmocka_unit_test(test_unique_axis), cmocka_unit_test(test_unique_special), cmocka_unit_test(test_unique_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
