#include "report/output_error.h"
#include "unit/unit.h"
#include <math.h>

static setsuna_tensor floats(float *v, int64_t n)
{
    return (setsuna_tensor){SETSUNA_F32, {1, {n}}, v, (size_t)n * sizeof *v};
}

static void test_plain(void **state)
{
    (void)state;
    float a[] = {3, -4, 0}, b[] = {3, -4.5f, 0.5f};
    setsuna_tensor want = floats(a, 3), got = floats(b, 3);
    sn_output_error e;
    assert_true(sn_output_error_of(&got, &want, &e));
    assert_true(e.max_abs == 0.5 && e.max_rel == 0.125 && e.not_finite == 0);
    assert_true(fabs(e.rms_rel - sqrt(0.5 / 25)) < 1e-15);
    assert_true(sn_output_error_of(&want, &want, &e));
    assert_true(e.max_abs == 0 && e.max_rel == 0 && e.rms_rel == 0);
}

static void test_not_finite(void **state)
{
    (void)state;
    float a[] = {NAN, INFINITY, INFINITY, 1, -INFINITY, 2}, b[] = {NAN, INFINITY, -INFINITY, NAN, 7, 2.5f};
    setsuna_tensor want = floats(a, 6), got = floats(b, 6);
    sn_output_error e;
    assert_true(sn_output_error_of(&got, &want, &e));
    assert_int_equal(e.not_finite, 3);
    assert_true(e.max_abs == 0.5 && e.max_rel == 0.25 && e.rms_rel == 0.25);
}

static void test_zero_and_huge(void **state)
{
    (void)state;
    float zero[] = {0, 0}, some[] = {0, 1e-30f};
    setsuna_tensor want = floats(zero, 2), got = floats(some, 2), none = floats(zero, 0);
    sn_output_error e;
    assert_true(sn_output_error_of(&got, &want, &e));
    assert_true(e.max_rel == 1 && e.rms_rel == 1);
    assert_true(sn_output_error_of(&none, &none, &e));
    assert_true(e.max_abs == 0 && e.max_rel == 0 && e.rms_rel == 0);
    double large[] = {1e300, 1e300}, off[] = {1e300, 1.5e300};
    want = (setsuna_tensor){SETSUNA_F64, {1, {2}}, large, sizeof large};
    got = (setsuna_tensor){SETSUNA_F64, {1, {2}}, off, sizeof off};
    assert_true(sn_output_error_of(&got, &want, &e));
    assert_true(fabs(e.max_rel - 0.5) < 1e-12 && fabs(e.rms_rel - sqrt(0.125)) < 1e-12);
}

static void test_not_comparable(void **state)
{
    (void)state;
    float v[] = {1, 2};
    setsuna_tensor a = floats(v, 2), b = floats(v, 1), text = {SETSUNA_STRING, {1, {2}}, v, sizeof v};
    sn_output_error e = {.max_abs = 5};
    assert_false(sn_output_error_of(&a, &b, &e));
    assert_false(sn_output_error_of(&text, &text, &e));
    assert_true(e.max_abs == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_zero_and_huge),
        cmocka_unit_test(test_not_comparable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
