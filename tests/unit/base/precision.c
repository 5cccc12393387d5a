#include "base/precision.h"
#include "unit/unit.h"
#include <string.h>

static void test_names_round_trip(void **state)
{
    (void)state;
    sn_precision p = SN_PRECISIONS;
    for (int i = 0; i < SN_PRECISIONS; i++) {
        assert_int_equal(sn_precision_parse(sn_precision_name((sn_precision)i), &p), SETSUNA_OK);
        assert_int_equal(p, i);
    }
    assert_int_equal(sn_precision_parse("f16", &p), SETSUNA_ENOTFOUND);
    assert_int_equal(p, SN_PRECISIONS - 1);
    assert_string_equal(sn_precision_name(SN_PRECISIONS), "?");
}

/* Where bf16 would be emulated it is refused, but for the reference, whose business that is. */
static void test_levels(void **state)
{
    (void)state;
    for (int level = 0; level < SN_CPU_LEVELS; level++) {
        bool hardware = strcmp(sn_cpu_level_name((sn_cpu_level)level), "avx512bf16") == 0;
        assert_true(sn_precision_supported(SN_PRECISION_F32, (sn_cpu_level)level));
        assert_int_equal(sn_precision_supported(SN_PRECISION_BF16, (sn_cpu_level)level),
                         level == SN_CPU_REF || hardware);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_round_trip),
        cmocka_unit_test(test_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
