#include "base/scan.h"
#include "unit/unit.h"

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value; /* below 0: none */
        size_t taken;
    } cases[] = {
        {"0", 0, 1},      {"33.3ms", 33.3, 4},
        {"007", 7, 3},    {"1.", 1, 1},
        {"1..2", 1, 1},   {"1.2.3", 1.2, 3},
        {".5", -1, 0},    {"", -1, 0},
        {"-1", -1, 0},    {"1e3", 1, 1},
        {"x", -1, 0},     {"123456789012345", 123456789012345, 15},
        {"1,5", 1, 1},    {"1234567890123456", -1, 0},
        {"0.1%", 0.1, 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *p = cases[i].text;
        double n = -1;
        assert_int_equal(sn_scan_number(&p, &n), cases[i].value >= 0);
        assert_true(n == cases[i].value);
        assert_int_equal(p - cases[i].text, cases[i].taken);
    }
}

static void test_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double ns;
        size_t taken;
    } cases[] = {{"ns", 1, 2},   {"us,", 1e3, 2},  {"ms", 1e6, 2}, {"s", 1e9, 1},
                 {"m", 6e10, 1}, {"h", 3.6e12, 1}, {"", 0, 0},     {"d", 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *p = cases[i].text;
        double ns = 0;
        assert_int_equal(sn_scan_time_unit(&p, &ns), cases[i].ns > 0);
        assert_true(ns == cases[i].ns);
        assert_int_equal(p - cases[i].text, cases[i].taken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_numbers), cmocka_unit_test(test_units)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
