#include "base/status.h"
#include "unit/unit.h"
#include <stdio.h>
#include <string.h>

static void test_names_and_texts(void **state)
{
    (void)state;
    assert_string_equal(setsuna_status_name(SETSUNA_OK), "OK");
    assert_string_equal(setsuna_status_name(SETSUNA_EMODEL), "EMODEL");
    assert_string_equal(setsuna_status_text(SETSUNA_EMODEL), "malformed model");
    assert_string_equal(setsuna_status_name((setsuna_status)-1000), "?");
    assert_string_equal(setsuna_status_text((setsuna_status)7), "unknown status");
#define CHECK_VALUE(name, value, text) assert_true((value) == 0 || (value) < 0);
    SETSUNA_STATUS_LIST(CHECK_VALUE)
#undef CHECK_VALUE
}

static void test_fail_fills(void **state)
{
    (void)state;
    setsuna_error err = {0};
    assert_int_equal(sn_fail(&err, SETSUNA_EIO, "a.onnx", "byte %d of %s", 7, "9"), SETSUNA_EIO);
    assert_int_equal(err.status, SETSUNA_EIO);
    assert_string_equal(err.where, "a.onnx");
    assert_string_equal(err.text, "byte 7 of 9");
    assert_int_equal(sn_fail(NULL, SETSUNA_ENOMEM, "x", "y"), SETSUNA_ENOMEM);
}

static void test_fail_at_keeps_first_place(void **state)
{
    (void)state;
    setsuna_error err = {0};
    sn_fail(&err, SETSUNA_ESHAPE, NULL, "text");
    assert_string_equal(err.where, "");
    assert_int_equal(sn_fail_at(&err, SETSUNA_ESHAPE, "node %d", 3), SETSUNA_ESHAPE);
    assert_string_equal(err.where, "node 3");
    sn_fail_at(&err, SETSUNA_ESHAPE, "file");
    assert_string_equal(err.where, "node 3");
    assert_int_equal(sn_fail_at(NULL, SETSUNA_EIO, "x"), SETSUNA_EIO);
}

static void check_text(const char *in, const char *want)
{
    setsuna_error err = {0};
    sn_fail(&err, SETSUNA_EMODEL, NULL, "%s", in);
    assert_string_equal(err.text, want);
}

static void test_escapes(void **state)
{
    (void)state;
    check_text("a\x1b[2J\r\x7f", "a\\x1b[2J\\x0d\\x7f");
    check_text("two\nlines", "two\nlines");
    check_text("刹那 é 🙂", "刹那 é 🙂");
    check_text("\xc2\x9b[2J", "\\xc2\\x9b[2J");                        /* U+009B, the one-byte ESC [ */
    check_text("\xff\xc0\x80 \xe2\x82", "\\xff\\xc0\\x80 \\xe2\\x82"); /* no such byte, overlong NUL, cut character */
    check_text("\xed\xa0\x80", "\\xed\\xa0\\x80");                     /* surrogate */
    check_text("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80");            /* above U+10FFFF */
    check_text("\xe0\x80\xaf", "\\xe0\\x80\\xaf");                     /* overlong '/' */

    setsuna_error err = {0};
    sn_fail(&err, SETSUNA_EMODEL, "node\nsetsuna: all is well", "x");
    assert_string_equal(err.where, "node\\x0asetsuna: all is well");
}

/* Every length around the capacity: what fits is whole, what does not ends in "...", the NUL is always there. */
static void test_truncation(void **state)
{
    (void)state;
    static const char *const units[] = {"a", "é", "刹", "🙂", "\x01"};
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++)
        for (size_t len = 1; len < 300; len++) {
            char in[4 * 300 + 1] = "", whole[5 * 300] = "";
            for (size_t i = 0; i < len; i++) {
                strcat(in, units[u]);
                strcat(whole, units[u][0] == 1 ? "\\x01" : units[u]);
            }
            setsuna_error err;
            memset(&err, '#', sizeof err);
            sn_fail(&err, SETSUNA_EMODEL, in, "x");
            size_t n = strlen(err.where);
            assert_true(n < sizeof err.where);
            if (strlen(whole) < sizeof err.where) {
                assert_string_equal(err.where, whole);
            } else {
                assert_string_equal(err.where + n - 3, "...");
                assert_memory_equal(err.where, whole, n - 3);
                assert_int_equal((n - 3) % (units[u][0] == 1 ? 4 : strlen(units[u])), 0);
                assert_true(n + 4 + 3 > sizeof err.where - 1);
            }
        }
}

static void test_text_longer_than_buffer(void **state)
{
    (void)state;
    setsuna_error err = {0};
    sn_fail(&err, SETSUNA_EMODEL, NULL, "%5000s", "x");
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_string_equal(err.text + sizeof err.text - 4, "...");
    err.where[0] = '\0';
    sn_fail_at(&err, SETSUNA_EMODEL, "%5000s", "x");
    assert_string_equal(err.where + sizeof err.where - 4, "...");
}

static setsuna_status try_it(setsuna_status status, int *after)
{
    SN_TRY(status);
    *after = 1;
    return SETSUNA_OK;
}

static void test_try(void **state)
{
    (void)state;
    int after = 0;
    assert_int_equal(try_it(SETSUNA_ELIMIT, &after), SETSUNA_ELIMIT);
    assert_int_equal(after, 0);
    assert_int_equal(try_it(SETSUNA_OK, &after), SETSUNA_OK);
    assert_int_equal(after, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_texts),
        cmocka_unit_test(test_fail_fills),
        cmocka_unit_test(test_fail_at_keeps_first_place),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_text_longer_than_buffer),
        cmocka_unit_test(test_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
