#include "base/half.h"
#include "unit/unit.h"
#include <math.h>

static void test_f16_round_trip(void **state)
{
    (void)state;
    for (uint32_t h = 0; h <= 0xffff; h++) {
        float f = sn_f16_to_f32((uint16_t)h);
        uint16_t back = sn_f32_to_f16(f);
        if ((h & 0x7c00) == 0x7c00 && (h & 0x3ff)) {
            assert_true(isnan(f));
            assert_int_equal(back & 0x7e00, 0x7e00);
            assert_int_equal(back & 0x8000, h & 0x8000);
        } else {
            assert_int_equal(back, h);
        }
    }
}

static void test_f16_values(void **state)
{
    (void)state;
    assert_true(sn_f16_to_f32(0x3c00) == 1.0f);
    assert_true(sn_f16_to_f32(0xc000) == -2.0f);
    assert_true(sn_f16_to_f32(0x7bff) == 65504.0f);
    assert_true(sn_f16_to_f32(0x0001) == 0x1p-24f);
    assert_true(sn_f16_to_f32(0x03ff) == 0x3ffp-24f);
    assert_true(isinf(sn_f16_to_f32(0xfc00)) && sn_f16_to_f32(0xfc00) < 0);
    assert_true(signbit(sn_f16_to_f32(0x8000)));
}

/* Between each pair of neighbours: just below the middle goes down, just above goes up, the middle to the even one. */
static void test_f16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x7bff; h++) {
        double lo = (double)sn_f16_to_f32((uint16_t)h), hi = (double)sn_f16_to_f32((uint16_t)(h + 1));
        float middle = (float)((lo + hi) / 2); /* exact: one more bit than f16 has */
        uint16_t even = (uint16_t)(h & 1 ? h + 1 : h);
        assert_int_equal(sn_f32_to_f16(middle), even);
        assert_int_equal(sn_f32_to_f16(nextafterf(middle, 0)), h);
        assert_int_equal(sn_f32_to_f16(nextafterf(middle, INFINITY)), h + 1);
        assert_int_equal(sn_f32_to_f16(-middle), even | 0x8000);
    }
    assert_int_equal(sn_f32_to_f16(65519.996f), 0x7bff);
    assert_int_equal(sn_f32_to_f16(65520.0f), 0x7c00);
    assert_int_equal(sn_f32_to_f16(-1e30f), 0xfc00);
    assert_int_equal(sn_f32_to_f16(0x1p-25f), 0);
    assert_int_equal(sn_f32_to_f16(-0x1p-149f), 0x8000);
}

static void test_bf16_round_trip(void **state)
{
    (void)state;
    for (uint32_t b = 0; b <= 0xffff; b++) {
        float f = sn_bf16_to_f32((uint16_t)b);
        uint16_t back = sn_f32_to_bf16(f);
        if ((b & 0x7f80) == 0x7f80 && (b & 0x7f))
            assert_true(isnan(f) && isnan(sn_bf16_to_f32(back)));
        else
            assert_int_equal(back, b);
    }
}

static void test_bf16_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (uint32_t b = 0; b < 0x7f80; b++) {
        uint32_t middle = b << 16 | 0x8000;
        assert_int_equal(sn_f32_to_bf16(sn_f32_from_bits(middle)), b & 1 ? b + 1 : b);
        assert_int_equal(sn_f32_to_bf16(sn_f32_from_bits(middle - 1)), b);
        assert_int_equal(sn_f32_to_bf16(sn_f32_from_bits(middle + 1)), b + 1);
    }
    assert_true(isnan(sn_bf16_to_f32(sn_f32_to_bf16(sn_f32_from_bits(0x7f800001))))); /* not rounded to infinity */
    assert_true(isnan(sn_bf16_to_f32(sn_f32_to_bf16(sn_f32_from_bits(0xffffffff))))); /* not wrapped to zero */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f16_round_trip),
        cmocka_unit_test(test_f16_values),
        cmocka_unit_test(test_f16_rounds_to_nearest_even),
        cmocka_unit_test(test_bf16_round_trip),
        cmocka_unit_test(test_bf16_rounds_to_nearest_even),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
