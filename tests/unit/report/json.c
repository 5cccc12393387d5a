#include "report/json.h"
#include "unit/unit.h"
#include <locale.h>
#include <math.h>
#include <string.h>

static void assert_written(sn_sink *s, const char *want)
{
    assert_string_equal(s->data ? s->data : "", want);
    sn_sink_fini(s);
}

static void small_document(sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_u64(w, "n", UINT64_MAX);
    sn_json_key(w, "list");
    sn_json_begin_array(w);
    sn_json_i64(w, INT64_MIN);
    sn_json_bool(w, true);
    sn_json_null(w);
    sn_json_begin_object(w);
    sn_json_end_object(w);
    sn_json_end_array(w);
    sn_json_key(w, "shape");
    sn_json_begin_array_inline(w);
    sn_json_u64(w, 1);
    sn_json_begin_array(w);
    sn_json_u64(w, 2);
    sn_json_u64(w, 3);
    sn_json_end_array(w);
    sn_json_end_array(w);
    sn_json_key(w, "none");
    sn_json_begin_array(w);
    sn_json_end_array(w);
    sn_json_key_f64(w, "x", 0.1);
    sn_json_end_object(w);
}

static void test_layout(void **state)
{
    (void)state;
    sn_sink s;
    sn_json w;
    sn_sink_init_buffer(&s, NULL);
    sn_json_init(&w, &s, 0);
    small_document(&w);
    assert_int_equal(sn_json_finish(&w), SETSUNA_OK);
    assert_written(&s, "{\"n\":18446744073709551615,\"list\":[-9223372036854775808,true,null,{}],\"shape\":[1,[2,3]],"
                       "\"none\":[],\"x\":0.1}\n");
    sn_sink_init_buffer(&s, NULL);
    sn_json_init(&w, &s, 2);
    small_document(&w);
    assert_int_equal(sn_json_finish(&w), SETSUNA_OK);
    assert_written(&s, "{\n"
                       "  \"n\": 18446744073709551615,\n"
                       "  \"list\": [\n"
                       "    -9223372036854775808,\n"
                       "    true,\n"
                       "    null,\n"
                       "    {}\n"
                       "  ],\n"
                       "  \"shape\": [1, [2, 3]],\n"
                       "  \"none\": [],\n"
                       "  \"x\": 0.1\n"
                       "}\n");
}

static void test_strings(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *json;
    } cases[] = {
        {"", 0, "\"\"\n"},
        {"a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"\n"},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"\n"},
        {"\0\x1f\x7f", 3, "\"\\u0000\\u001f\\u007f\"\n"},
        {"\xc2\x80\xc2\x9f\xc2\xa0", 6, "\"\\u0080\\u009f\xc2\xa0\"\n"},
        {"\xe2\x80\xa8\xe2\x80\xa9", 6, "\"\\u2028\\u2029\"\n"},
        {"刹那", 6, "\"刹那\"\n"},
        {"\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"\n"},
        {"x\xc3", 2, "\"x\xef\xbf\xbd\"\n"},
        {"\xf0\x9f\x98z", 4, "\"\xef\xbf\xbdz\"\n"},
        {"\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"\n"},
        {NULL, 0, "\"\"\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_sink s;
        sn_json w;
        sn_sink_init_buffer(&s, NULL);
        sn_json_init(&w, &s, 0);
        sn_json_string_n(&w, cases[i].text, cases[i].size);
        assert_int_equal(sn_json_finish(&w), SETSUNA_OK);
        assert_written(&s, cases[i].json);
    }
    sn_sink s;
    sn_json w;
    sn_sink_init_buffer(&s, NULL);
    sn_json_init(&w, &s, 0);
    sn_json_string(&w, NULL);
    assert_int_equal(sn_json_finish(&w), SETSUNA_OK);
    assert_written(&s, "null\n");
}

static void check_doubles(void)
{
    static const struct {
        double value;
        const char *json;
    } cases[] = {
        {0, "0\n"},
        {-0.0, "-0\n"},
        {1, "1\n"},
        {0.1, "0.1\n"},
        {1.0 / 3, "0.3333333333333333\n"},
        {1049.5, "1049.5\n"},
        {123456789.125, "123456789.125\n"},
        {1e22, "1e+22\n"},
        {5e-324, "5e-324\n"},
        {2.2250738585072014e-308, "2.2250738585072014e-308\n"},
        {1.7976931348623157e308, "1.7976931348623157e+308\n"},
        {9007199254740993.0, "9007199254740992\n"},
        {(double)NAN, "null\n"},
        {(double)INFINITY, "null\n"},
        {-(double)INFINITY, "null\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_sink s;
        sn_json w;
        sn_sink_init_buffer(&s, NULL);
        sn_json_init(&w, &s, 0);
        sn_json_f64(&w, cases[i].value);
        assert_int_equal(sn_json_finish(&w), SETSUNA_OK);
        assert_written(&s, cases[i].json);
    }
}

/* With a decimal comma, where the system has such a locale. */
static void test_doubles_in_any_locale(void **state)
{
    (void)state;
    check_doubles();
    static const char *const locales[] = {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8", "ps_AF.UTF-8"};
    for (size_t i = 0; i < sizeof locales / sizeof *locales; i++)
        if (setlocale(LC_ALL, locales[i]))
            check_doubles();
    setlocale(LC_ALL, "C");
}

typedef void misuse(sn_json *w);

static void value_without_key(sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_u64(w, 1);
    sn_json_end_object(w);
}

static void key_without_value(sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key(w, "a");
    sn_json_end_object(w);
}

static void two_keys(sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key(w, "a");
    sn_json_key(w, "b");
}

static void key_in_array(sn_json *w)
{
    sn_json_begin_array(w);
    sn_json_key(w, "a");
}

static void key_at_root(sn_json *w)
{
    sn_json_key(w, "a");
}

static void two_roots(sn_json *w)
{
    sn_json_null(w);
    sn_json_null(w);
}

static void wrong_end(sn_json *w)
{
    sn_json_begin_array(w);
    sn_json_end_object(w);
}

static void end_without_begin(sn_json *w)
{
    sn_json_null(w);
    sn_json_end_array(w);
}

static void never_ended(sn_json *w)
{
    sn_json_begin_array(w);
}

static void nothing(sn_json *w)
{
    (void)w;
}

static void test_misuse(void **state)
{
    (void)state;
    static misuse *const cases[] = {value_without_key, key_without_value, two_keys,    key_in_array, key_at_root,
                                    two_roots,         wrong_end,         never_ended, nothing,      end_without_begin};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_sink s;
        sn_json w;
        sn_sink_init_buffer(&s, NULL);
        sn_json_init(&w, &s, 2);
        cases[i](&w);
        assert_int_equal(sn_json_finish(&w), SETSUNA_EINVAL);
        size_t size = s.size;
        small_document(&w); /* nothing more is written */
        assert_int_equal(sn_json_finish(&w), SETSUNA_EINVAL);
        assert_int_equal(s.size, size);
        sn_sink_fini(&s);
    }
}

static void test_depth(void **state)
{
    (void)state;
    for (int depth = SN_JSON_DEPTH_MAX; depth <= SN_JSON_DEPTH_MAX + 1; depth++) {
        sn_sink s;
        sn_json w;
        sn_sink_init_buffer(&s, NULL);
        sn_json_init(&w, &s, 0);
        for (int i = 0; i < depth; i++)
            sn_json_begin_array(&w);
        for (int i = 0; i < depth; i++)
            sn_json_end_array(&w);
        assert_int_equal(sn_json_finish(&w), depth <= SN_JSON_DEPTH_MAX ? SETSUNA_OK : SETSUNA_ELIMIT);
        sn_sink_fini(&s);
    }
}

static void test_full_disk(void **state)
{
    (void)state;
    FILE *file = fopen("/dev/full", "w");
    if (!file)
        skip();
    sn_sink s;
    sn_json w;
    sn_sink_init_file(&s, file);
    sn_json_init(&w, &s, 0);
    small_document(&w);
    assert_int_equal(sn_json_finish(&w), SETSUNA_EIO);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout), cmocka_unit_test(test_strings), cmocka_unit_test(test_doubles_in_any_locale),
        cmocka_unit_test(test_misuse), cmocka_unit_test(test_depth),   cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
