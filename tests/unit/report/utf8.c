#include "report/utf8.h"
#include "unit/unit.h"

static void check(const char *text, size_t size, uint32_t code, size_t length)
{
    size_t got = 0;
    assert_int_equal(sn_utf8_decode(text, size, &got), code);
    assert_int_equal(got, length);
}

static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3f));
    out[0] = (char)((0xf00u >> length & 0xff) | code);
    return length;
}

/* Every code point there is, surrogates excepted. */
static void test_all_code_points(void **state)
{
    (void)state;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char text[4];
        size_t length = encode(code, text), got;
        uint32_t decoded = sn_utf8_decode(text, length, &got);
        if (code >= 0xd800 && code < 0xe000) {
            if (decoded != SN_UTF8_INVALID || got != 1)
                fail_msg("surrogate U+%04X decoded", (unsigned)code);
        } else if (decoded != code || got != length) {
            fail_msg("U+%04X decoded as U+%04X", (unsigned)code, (unsigned)decoded);
        }
    }
}

/* The examples of Unicode 15, tables 3-8 to 3-11: how many bytes one replacement stands for. */
static void test_maximal_subparts(void **state)
{
    (void)state;
    check("\xc0\xaf", 2, SN_UTF8_INVALID, 1);
    check("\xe0\x80\xbf", 3, SN_UTF8_INVALID, 1);
    check("\xf0\x81\x82", 3, SN_UTF8_INVALID, 1);
    check("\xed\xa0\x80", 3, SN_UTF8_INVALID, 1);
    check("\xf4\x91\x92\x93", 4, SN_UTF8_INVALID, 1);
    check("\xff", 1, SN_UTF8_INVALID, 1);
    check("\x80", 1, SN_UTF8_INVALID, 1);
    check("\xe1\x80\xe2", 3, SN_UTF8_INVALID, 2);
    check("\xf1\x91\x92\x41", 4, SN_UTF8_INVALID, 3);
    check("\xf0\x9f\x98", 3, SN_UTF8_INVALID, 3);
    check("\xe3", 1, SN_UTF8_INVALID, 1);
    check("\xc3\x41", 2, SN_UTF8_INVALID, 1);
}

static void test_width(void **state)
{
    (void)state;
    assert_int_equal(sn_text_width(""), 0);
    assert_int_equal(sn_text_width("abc"), 3);
    assert_int_equal(sn_text_width("12.3 µs"), 7);
    assert_int_equal(sn_text_width("刹那"), 4);
    assert_int_equal(sn_text_width("한글"), 4);
    assert_int_equal(sn_text_width("e\xcc\x81"), 1); /* e with a combining acute */
    assert_int_equal(sn_text_width("█▏─◀"), 4);
    assert_int_equal(sn_text_width("\xf0\x9f\x98\x80"), 2); /* an emoji */
    assert_int_equal(sn_text_width("a\xff"
                                   "b"),
                     3);
    assert_int_equal(sn_text_width("\xef\xbd\xb1"), 1); /* halfwidth katakana */
    assert_int_equal(sn_text_width("\xe2\x80\x8b"), 0); /* zero width space */
    assert_int_equal(sn_utf8_width(0x10ffff), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_code_points),
        cmocka_unit_test(test_maximal_subparts),
        cmocka_unit_test(test_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
