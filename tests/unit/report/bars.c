#include "report/bars.h"
#include "report/utf8.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

static void test_bars(void **state)
{
    (void)state;
    char buf[SN_BAR_BYTES(8)];
    assert_string_equal(sn_bar(buf, 0, 8, false), "");
    assert_string_equal(sn_bar(buf, 1, 8, false), "████████");
    assert_string_equal(sn_bar(buf, 0.5, 8, false), "████");
    assert_string_equal(sn_bar(buf, 1.0 / 64, 8, false), "▏");
    assert_string_equal(sn_bar(buf, 1e-9, 8, false), "▏"); /* something is never nothing */
    assert_string_equal(sn_bar(buf, 15.0 / 64, 8, false), "█▉");
    assert_string_equal(sn_bar(buf, 7, 8, false), "████████");
    assert_string_equal(sn_bar(buf, -1, 8, false), "");
    assert_string_equal(sn_bar(buf, (double)NAN, 8, false), "");
    assert_string_equal(sn_bar(buf, 0.5, 8, true), "####");
    assert_string_equal(sn_bar(buf, 1e-9, 8, true), ".");
    assert_string_equal(sn_bar(buf, 0, 8, true), "");
}

static void test_length_grows_with_the_fraction(void **state)
{
    (void)state;
    char buf[SN_BAR_BYTES(40)];
    size_t last = 0;
    for (int i = 0; i <= 320; i++) {
        sn_bar(buf, i / 320.0, 40, false);
        assert_true(strlen(buf) < sizeof buf);
        assert_int_equal(sn_text_width(buf), (i + 7) / 8);
        assert_true(sn_text_width(buf) >= last);
        last = sn_text_width(buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bars),
        cmocka_unit_test(test_length_grows_with_the_fraction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
