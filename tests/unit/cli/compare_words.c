#include "cli/compare_words.h"
#include "unit/unit.h"
#include <string.h>

static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int n; /* below 0: refused */
        const char *word[3];
    } cases[] = {
        {"", 0, {NULL}},           {"  \t ", 0, {NULL}},         {"--threads 2", 2, {"--threads", "2"}},
        {" a  b ", 2, {"a", "b"}}, {"'a b' c", 2, {"a b", "c"}}, {"x=\"it's\"'\"'", 1, {"x=it's\""}},
        {"''", 1, {""}},           {"'open", -1, {NULL}},        {"a b c d", -1, {NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sn_arena *arena = sn_arena_create(sn_allocator_default());
        char *word[3];
        int n = -1;
        setsuna_error err;
        setsuna_status status = sn_compare_words_split(arena, cases[i].text, word, 3, &n, &err);
        assert_int_equal(status, cases[i].n < 0 ? SETSUNA_EINVAL : SETSUNA_OK);
        assert_int_equal(n, cases[i].n);
        for (int k = 0; k < n; k++)
            assert_string_equal(word[k], cases[i].word[k]);
        sn_arena_destroy(arena);
    }
}

static void test_long(void **state)
{
    (void)state;
    char prog[] = "old/setsuna", bench[] = "bench", model[] = "it's.onnx", cut[] = "--", fill[] = "--fill", x[] = "x=1";
    char *words[] = {prog, bench, model, cut, bench, model, fill, x};
    sn_compare_words w;
    setsuna_error err = {0};
    assert_int_equal(sn_compare_words_long(&w, words, 8, &err), SETSUNA_OK);
    assert_string_equal(w.text[0], "old/setsuna bench 'it'\\''s.onnx'");
    assert_string_equal(w.arm[0][2], model);
    assert_null(w.arm[0][3]);
    assert_true(w.arm[1][0][0] == '/'); /* ourselves */
    assert_string_equal(w.arm[1][1], "bench");
    assert_string_equal(w.arm[1][4], "x=1");
    assert_null(w.arm[1][5]);
    sn_compare_words_fini(&w);
    for (int n = 0; n <= 4; n++) { /* no A, or no B */
        assert_int_equal(sn_compare_words_long(&w, words + (n == 0 ? 3 : 0), n == 0 ? 5 : n, &err), SETSUNA_EINVAL);
        assert_non_null(strstr(err.text, n == 0 ? "A has no" : "B has no"));
        sn_compare_words_fini(&w);
    }
}

static void test_short(void **state)
{
    (void)state;
    char model[] = "m.onnx";
    char *operand[] = {model};
    sn_compare_words w;
    setsuna_error err = {0};
    assert_int_equal(sn_compare_words_short(&w, operand, 1, "--threads 2", "", &err), SETSUNA_OK);
    assert_non_null(strstr(w.text[0], " bench --duration 1s m.onnx --threads 2"));
    assert_null(w.arm[1][5]);
    sn_compare_words_fini(&w);
    assert_int_equal(sn_compare_words_short(&w, operand, 1, "", NULL, &err), SETSUNA_EINVAL);
    sn_compare_words_fini(&w);
    assert_int_equal(sn_compare_words_short(&w, operand, 0, "", "", &err), SETSUNA_EINVAL);
    sn_compare_words_fini(&w);
    assert_int_equal(sn_compare_words_short(&w, operand, 1, "'", "", &err), SETSUNA_EINVAL);
    sn_compare_words_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_split), cmocka_unit_test(test_long),
                                       cmocka_unit_test(test_short)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
