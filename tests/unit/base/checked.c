#include "base/checked.h"
#include "unit/unit.h"

static void test_size(void **state)
{
    (void)state;
    size_t r = 7;
    assert_true(sn_mul_size(SIZE_MAX / 3, 3, &r));
    assert_true(r == SIZE_MAX);
    assert_true(sn_add_size(SIZE_MAX - 1, 1, &r));
    assert_true(r == SIZE_MAX);
    r = 7;
    assert_false(sn_mul_size(SIZE_MAX / 2 + 1, 2, &r)); /* wraps to 0 */
    assert_false(sn_mul_size((size_t)1 << 33, (size_t)1 << 33, &r));
    assert_false(sn_add_size(SIZE_MAX, 1, &r));
    assert_false(sn_align_size(SIZE_MAX - 62, 64, &r));
    assert_int_equal(r, 7);
    assert_true(sn_align_size(0, 64, &r));
    assert_int_equal(r, 0);
    assert_true(sn_align_size(65, 64, &r));
    assert_int_equal(r, 128);
    assert_true(sn_align_size(SIZE_MAX - 63, 64, &r));
    assert_true(r == SIZE_MAX - 63);
}

static void test_i64(void **state)
{
    (void)state;
    int64_t r = 7;
    assert_false(sn_mul_i64(INT64_MAX, 2, &r));
    assert_false(sn_mul_i64(INT64_MIN, -1, &r));
    assert_false(sn_mul_i64((int64_t)1 << 32, (int64_t)1 << 31, &r));
    assert_false(sn_add_i64(INT64_MAX, 1, &r));
    assert_false(sn_add_i64(INT64_MIN, -1, &r));
    assert_int_equal(r, 7);
    assert_true(sn_mul_i64(INT64_MIN, 1, &r));
    assert_true(r == INT64_MIN);
    assert_true(sn_mul_i64(-3, 4, &r));
    assert_int_equal(r, -12);
    assert_true(sn_add_i64(INT64_MAX, INT64_MIN, &r));
    assert_int_equal(r, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_size), cmocka_unit_test(test_i64)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
