/* The YAML subset: trees and their places, everything that is refused, strict numbers, and damage at every byte. */
#include "pipeline/pipeline_file.h"
#include "unit/pipeline/mutate.h"
#include "unit/unit.h"
#include <locale.h>
#include <stdio.h>

static setsuna_status parse_bytes(sn_arena *arena, const void *data, size_t size, const sn_yaml **out,
                                  setsuna_error *err)
{
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, data, size);
    setsuna_status status = sn_yaml_parse(arena, "p.yaml", exact, size, out, err);
    free(exact);
    return status;
}

/* The tree lives as long as *arena_out. */
static const sn_yaml *parse(const char *text, sn_arena **arena_out)
{
    const sn_yaml *root = NULL;
    setsuna_error err = {0};
    *arena_out = sn_arena_create(sn_allocator_default());
    if (parse_bytes(*arena_out, text, strlen(text), &root, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    return root;
}

static void test_tree(void **state)
{
    (void)state;
    sn_arena *arena;
    const sn_yaml *root = parse("# comment\na: 1\nlist:\n  - x\n  - {k: 'v', n: [1, 2]}\nempty: \n", &arena);
    assert_int_equal(root->kind, SN_YAML_MAP);
    assert_int_equal(root->n, 3);
    const sn_yaml *a = sn_yaml_get(root, "a"), *list = sn_yaml_get(root, "list");
    assert_string_equal(a->text, "1");
    assert_int_equal(a->line, 2);
    assert_false(a->quoted);
    assert_int_equal(list->kind, SN_YAML_LIST);
    assert_int_equal(list->n, 2);
    const sn_yaml *map = list->first->next;
    assert_int_equal(map->index, 1);
    assert_int_equal(map->line, 5);
    assert_true(sn_yaml_get(map, "k")->quoted);
    assert_int_equal(sn_yaml_get(map, "n")->n, 2);
    assert_ptr_equal(sn_yaml_get(map, "n")->parent, map);
    assert_string_equal(sn_yaml_get(root, "empty")->text, "");
    assert_null(sn_yaml_get(root, "none"));
    assert_null(sn_yaml_get(a, "none"));
    assert_null(sn_yaml_get(NULL, "none"));
    setsuna_error err = {0};
    assert_int_equal(sn_yaml_fail(&err, SETSUNA_EINPUT, sn_yaml_get(map, "n")->first->next, "is %s", "wrong"),
                     SETSUNA_EINPUT);
    assert_string_equal(err.where, "p.yaml:5: list[1].n[1]");
    assert_string_equal(err.text, "is wrong");
    sn_arena_destroy(arena);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where, *says;
    } bad[] = {
        {"", "p.yaml", "empty"},
        {"# only a comment\n", "p.yaml", "empty"},
        {"a: 1\nb: *x\n", "p.yaml:2", "aliases"},
        {"a: &x 1\n", "p.yaml:1", "anchors"},
        {"a: !!int 1\n", "p.yaml:1", "tags"},
        {"a: [1, !t [2]]\n", "p.yaml:1", "tags"},
        {"%YAML 1.1\n---\na: 1\n", "p.yaml", "directives"},
        {"a: 1\n---\nb: 2\n", "p.yaml:2", "second document"},
        {"a: 1\nb: 2\na: 3\n", "p.yaml:3", "'a' is given twice, the first time on line 1"},
        {"? [x]\n: 1\n", "p.yaml:1", "a key must be a word"},
        {"? {x: 1}\n: 1\n", "p.yaml:1", "a key must be a word"},
        {"a: [1, 2\nb: 3\n", "p.yaml", "not valid YAML"},
        {"a: 'x\n", "p.yaml", "not valid YAML"},
        {"a: \"\\0\"\n", "p.yaml:1", "NUL"},
        {"a: \xff\n", "p.yaml", "not valid YAML"},
        {"\ta: 1\n", "p.yaml:1", "not valid YAML"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sn_arena *arena = sn_arena_create(sn_allocator_default());
        const sn_yaml *root;
        setsuna_error err = {0};
        setsuna_status status = parse_bytes(arena, bad[i].text, strlen(bad[i].text), &root, &err);
        if (status != SETSUNA_EINPUT || strncmp(err.where, bad[i].where, strlen(bad[i].where)) != 0 ||
            !strstr(err.text, bad[i].says))
            fail_msg("%zu: status %d, %s: %s", i, status, err.where, err.text);
        sn_arena_destroy(arena);
    }
}

/* n copies of one text between two others. */
static setsuna_status parse_repeated(const char *head, const char *text, size_t n, const char *tail)
{
    size_t each = strlen(text), size = strlen(head) + each * n + strlen(tail);
    char *all = malloc(size + 1), *p = all;
    p += sprintf(p, "%s", head);
    for (size_t i = 0; i < n; i++, p += each)
        memcpy(p, text, each);
    sprintf(p, "%s", tail);
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    const sn_yaml *root;
    setsuna_error err = {0};
    setsuna_status status = parse_bytes(arena, all, size, &root, &err);
    assert_true(status == SETSUNA_OK || err.text[0] != '\0');
    sn_arena_destroy(arena);
    free(all);
    return status;
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(parse_repeated("a: ", "[", SN_FILE_DEPTH_MAX - 1, ""), SETSUNA_EINPUT); /* not closed */
    assert_int_equal(parse_repeated("a: ", "[", SN_FILE_DEPTH_MAX, ""), SETSUNA_ELIMIT);
    assert_int_equal(parse_repeated("a: ", "[", 500000, ""), SETSUNA_ELIMIT);
    assert_int_equal(parse_repeated("a: ", "{b: ", 100000, ""), SETSUNA_ELIMIT);
    assert_int_equal(parse_repeated("[", "1,", SN_FILE_NODES_MAX - 1, "]"), SETSUNA_OK);
    assert_int_equal(parse_repeated("[", "1,", SN_FILE_NODES_MAX, "]"), SETSUNA_ELIMIT);
    assert_int_equal(parse_repeated("a: ", "x", SN_FILE_SCALAR_MAX, ""), SETSUNA_OK);
    assert_int_equal(parse_repeated("a: ", "x", SN_FILE_SCALAR_MAX + 1, ""), SETSUNA_ELIMIT);
    assert_int_equal(parse_repeated("#", "x", SN_FILE_BYTES_MAX, ""), SETSUNA_ELIMIT);
    char keys[16 * (SN_FILE_KEYS_MAX + 1)], *p = keys;
    for (int i = 0; i <= SN_FILE_KEYS_MAX; i++) {
        if (i == SN_FILE_KEYS_MAX)
            assert_int_equal(parse_repeated(keys, "", 0, ""), SETSUNA_OK);
        p += sprintf(p, "k%d: 1\n", i);
    }
    assert_int_equal(parse_repeated(keys, "", 0, ""), SETSUNA_ELIMIT);
}

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_int;
        int64_t i;
        bool is_float;
        double f;
    } cases[] = {
        {"0", true, 0, true, 0},
        {"-0", true, 0, true, 0},
        {"42", true, 42, true, 42},
        {"-17", true, -17, true, -17},
        {"007", true, 7, true, 7},
        {"9223372036854775807", true, INT64_MAX, true, 0x1p63},
        {"-9223372036854775808", true, INT64_MIN, true, -0x1p63},
        {"9223372036854775808", false, 0, true, 0x1p63},
        {"1.5", false, 0, true, 1.5},
        {"-.25", false, 0, true, -0.25},
        {"3.", false, 0, true, 3},
        {"1e3", false, 0, true, 1000},
        {"2.5E-1", false, 0, true, 0.25},
        {"1e+2", false, 0, true, 100},
        {"0.1", false, 0, true, 0.1},
        {"'5'", false, 0, false, 0},
        {"''", false, 0, false, 0},
        {"+5", false, 0, false, 0},
        {"0x10", false, 0, false, 0},
        {"1_000", false, 0, false, 0},
        {"1,5", false, 0, false, 0},
        {"nan", false, 0, false, 0},
        {".inf", false, 0, false, 0},
        {"1e", false, 0, false, 0},
        {"1e+", false, 0, false, 0},
        {".", false, 0, false, 0},
        {"--", false, 0, false, 0},
        {"1 2", false, 0, false, 0},
        {"1e999", false, 0, false, 0}, /* infinite: outside every range */
        {"[1]", false, 0, false, 0},
        {"true", false, 0, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[64];
        sn_arena *arena;
        snprintf(text, sizeof text, "v: %s\n", cases[i].text);
        const sn_yaml *v = sn_yaml_get(parse(text, &arena), "v");
        int64_t n = -1;
        double d = -1;
        setsuna_error err = {0};
        bool is_int = sn_yaml_int(v, INT64_MIN, INT64_MAX, &n, &err) == SETSUNA_OK;
        assert_true(is_int || strstr(err.text, "whole number"));
        bool is_float = sn_yaml_float(v, -1e300, 1e300, &d, NULL) == SETSUNA_OK;
        if (is_int != cases[i].is_int || is_float != cases[i].is_float || (is_int && n != cases[i].i) ||
            (is_float && !(d == cases[i].f)))
            fail_msg("%s: int %d (%lld), float %d (%.17g)", cases[i].text, is_int, (long long)n, is_float, d);
        sn_arena_destroy(arena);
    }
}

static void test_ranges_and_bool(void **state)
{
    (void)state;
    sn_arena *arena;
    const sn_yaml *root = parse("n: 12\nf: 0.5\nyes: true\nno: false\nq: 'true'\nold: yes\n", &arena);
    int64_t n;
    double d;
    bool b;
    const char *text;
    setsuna_error err = {0};
    assert_int_equal(sn_yaml_int(sn_yaml_get(root, "n"), 0, 11, &n, &err), SETSUNA_EINPUT);
    assert_string_equal(err.text, "is 12; it must be from 0 to 11");
    assert_int_equal(sn_yaml_int(sn_yaml_get(root, "n"), 12, 12, &n, &err), SETSUNA_OK);
    assert_int_equal(sn_yaml_float(sn_yaml_get(root, "f"), 0.6, 1, &d, &err), SETSUNA_EINPUT);
    assert_string_equal(err.where, "p.yaml:2: f");
    assert_int_equal(sn_yaml_bool(sn_yaml_get(root, "yes"), &b, &err), SETSUNA_OK);
    assert_true(b);
    assert_int_equal(sn_yaml_bool(sn_yaml_get(root, "no"), &b, &err), SETSUNA_OK);
    assert_false(b);
    assert_int_equal(sn_yaml_bool(sn_yaml_get(root, "q"), &b, &err), SETSUNA_EINPUT);
    assert_int_equal(sn_yaml_bool(sn_yaml_get(root, "old"), &b, &err), SETSUNA_EINPUT);
    assert_int_equal(sn_yaml_text(sn_yaml_get(root, "q"), &text, &err), SETSUNA_OK);
    assert_int_equal(sn_yaml_text(root, &text, &err), SETSUNA_EINPUT);
    sn_arena_destroy(arena);
}

/* A caller that uses a decimal comma must not change what a file means. */
static void test_any_locale(void **state)
{
    (void)state;
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE.utf8"};
    for (size_t i = 0; i < sizeof commas / sizeof *commas && !setlocale(LC_NUMERIC, commas[i]); i++)
        ;
    sn_arena *arena;
    double d;
    assert_int_equal(sn_yaml_float(sn_yaml_get(parse("v: 0.75\n", &arena), "v"), 0, 1, &d, NULL), SETSUNA_OK);
    assert_true(d == 0.75);
    sn_arena_destroy(arena);
    setlocale(LC_NUMERIC, "C");
}

static void parse_damaged(void *ctx, const uint8_t *data, size_t size)
{
    (void)ctx;
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    const sn_yaml *root = NULL;
    setsuna_error err = {0};
    if (sn_yaml_parse(arena, "x", data, size, &root, &err) == SETSUNA_OK)
        assert_non_null(root);
    else
        assert_true(err.text[0] != '\0');
    sn_arena_destroy(arena);
}

static void test_damaged(void **state)
{
    (void)state;
    static const char text[] = "setsuna: 1\nsteps:\n  - a: {b: [1, 'x', \"\\u00e4\"], c: |\n      block\n    }\n"
                               "  - &anchor !tag d: *anchor\n? complex\n: >-\n  folded\n  text\n";
    mutate_truncate_all((const uint8_t *)text, sizeof text - 1, parse_damaged, NULL);
    mutate_flip_all((const uint8_t *)text, sizeof text - 1, parse_damaged, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),    cmocka_unit_test(test_refused),         cmocka_unit_test(test_limits),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_ranges_and_bool), cmocka_unit_test(test_any_locale),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
