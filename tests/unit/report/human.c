#include "report/human.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <locale.h>
#include <string.h>

static void test_duration(void **state)
{
    (void)state;
    static const struct {
        uint64_t ns;
        const char *text;
    } cases[] = {{0, "0 ns"},
                 {7, "7 ns"},
                 {999, "999 ns"},
                 {1000, "1.000 µs"},
                 {1234, "1.234 µs"},
                 {9999, "9.999 µs"},
                 {12345, "12.35 µs"},
                 {99994, "99.99 µs"},
                 {99995, "100.0 µs"}, /* 100.00 would have five digits */
                 {999949, "999.9 µs"},
                 {999950, "1.000 ms"},
                 {16666666, "16.67 ms"},
                 {33300000, "33.30 ms"},
                 {999949999, "999.9 ms"},
                 {999950000, "1.000 s"},
                 {59990000000, "59.99 s"},
                 {999949999999, "999.9 s"},
                 {999950000000, "1000 s"},
                 {3600000000000, "3600 s"},
                 {UINT64_MAX, "18446744074 s"}};
    char buf[SN_HUMAN_MAX];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(sn_human_duration(buf, cases[i].ns, false), cases[i].text);
    assert_string_equal(sn_human_duration(buf, 12345, true), "12.35 us");
    assert_string_equal(sn_human_align(sn_human_duration(buf, 12345, true)), "12.35 us");
    assert_string_equal(sn_human_align(sn_human_duration(buf, 1500000000, true)), "1.500 s ");
}

/* Off by at most half a unit of the fourth digit: 1/2000 of the value. */
static void test_duration_error(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        uint64_t ns = series_random(&seed) >> series_random(&seed) % 60;
        char buf[SN_HUMAN_MAX], *unit;
        sn_human_duration(buf, ns, true);
        double value = strtod(buf, &unit);
        double scale = !strcmp(unit, " ns") ? 1 : !strcmp(unit, " us") ? 1e3 : !strcmp(unit, " ms") ? 1e6 : 1e9;
        assert_true(strcmp(unit, " s") == 0 || scale < 1e9);
        assert_true(fabs(value * scale - (double)ns) <= (double)ns / 2000 * (1 + 1e-9));
        assert_true(value < 1000 || scale == 1e9);
    }
}

static void test_duration_scaled(void **state)
{
    (void)state;
    char buf[SN_HUMAN_MAX];
    assert_string_equal(sn_human_duration_scaled(buf, 33000000, 36000000, 300000, false), "33.0 ms");
    assert_string_equal(sn_human_duration_scaled(buf, 1000001, 1000009, 1, false), "1.000001 ms");
    assert_string_equal(sn_human_duration_scaled(buf, 900000, 1100000, 50000, false), "0.90 ms");
    assert_string_equal(sn_human_duration_scaled(buf, 250, 250, 250, false), "250 ns");
    assert_string_equal(sn_human_duration_scaled(buf, 2000000000, 5000000000, 1000000000, false), "2 s");
    assert_string_equal(sn_human_duration_scaled(buf, UINT64_MAX, UINT64_MAX, 1, false), "18446744073.709551615 s");
}

static void test_bytes(void **state)
{
    (void)state;
    char buf[SN_HUMAN_MAX];
    assert_string_equal(sn_human_bytes(buf, 0), "0 B");
    assert_string_equal(sn_human_bytes(buf, 1023), "1023 B");
    assert_string_equal(sn_human_bytes(buf, 1024), "1.00 KiB");
    assert_string_equal(sn_human_bytes(buf, 1024 * 100 + 512), "101 KiB");
    assert_string_equal(sn_human_bytes(buf, 1024 * 1000), "1000 KiB");
    assert_string_equal(sn_human_bytes(buf, 1024 * 1024 - 1), "1.00 MiB");
    assert_string_equal(sn_human_bytes(buf, 1234567890), "1.15 GiB");
    assert_string_equal(sn_human_bytes(buf, UINT64_MAX), "16.0 EiB");
}

static void test_count_share_number(void **state)
{
    (void)state;
    char buf[SN_HUMAN_MAX];
    assert_string_equal(sn_human_count(buf, 0), "0");
    assert_string_equal(sn_human_count(buf, 999), "999");
    assert_string_equal(sn_human_count(buf, 1000), "1,000");
    assert_string_equal(sn_human_count(buf, 1234567), "1,234,567");
    assert_string_equal(sn_human_count(buf, UINT64_MAX), "18,446,744,073,709,551,615");
    assert_string_equal(sn_human_share(buf, 0), "0.0 %");
    assert_string_equal(sn_human_share(buf, 0.0001), "< 0.1 %");
    assert_string_equal(sn_human_share(buf, 0.0005), "0.1 %");
    assert_string_equal(sn_human_share(buf, 0.1234), "12.3 %");
    assert_string_equal(sn_human_share(buf, 1), "100.0 %");
    assert_string_equal(sn_human_share(buf, -0.25), "-25.0 %");
    assert_string_equal(sn_human_share(buf, (double)NAN), "-");
    assert_string_equal(sn_human_share(buf, (double)INFINITY), "-");
    assert_string_equal(sn_human_number(buf, 0), "0.0000");
    assert_string_equal(sn_human_number(buf, 0.12345), "0.1235");
    assert_string_equal(sn_human_number(buf, -12.345), "-12.35");
    assert_string_equal(sn_human_number(buf, 29.4), "29.40");
    assert_string_equal(sn_human_number(buf, 9999.6), "10,000");
    assert_string_equal(sn_human_number(buf, 123456.7), "123,457");
    assert_string_equal(sn_human_number(buf, 1e300), "-");
    assert_string_equal(sn_human_number(buf, (double)NAN), "-");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_duration),           cmocka_unit_test(test_duration_error),
        cmocka_unit_test(test_duration_scaled),    cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_count_share_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
