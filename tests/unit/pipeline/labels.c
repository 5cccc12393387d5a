/* Label files, softmax and the best k. */
#include "pipeline/labels.h"
#include "unit/pipeline/mutate.h"
#include "unit/pipeline/pictures.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>
#include "unit/pipeline/near.h"

static setsuna_status parse(sn_arena *arena, const char *text, size_t size, sn_labels *out, setsuna_error *err)
{
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, text, size);
    setsuna_status status = sn_labels_parse(arena, "labels.txt", exact, size, out, err);
    free(exact);
    return status;
}

static void test_lines(void **state)
{
    (void)state;
    static const char with_mark[] = "\xef\xbb\xbf" /* not one literal: \xbfca would be one character */
                                    "cat\r\ndog\r\n \xe7\x8c\xab\r\n";
    static const char *const texts[] = {"cat\ndog\n \xe7\x8c\xab", "cat\ndog\n \xe7\x8c\xab\n", with_mark};
    for (int i = 0; i < 3; i++) {
        sn_arena *arena = sn_arena_create(sn_allocator_default());
        sn_labels labels;
        assert_int_equal(parse(arena, texts[i], strlen(texts[i]), &labels, NULL), SETSUNA_OK);
        assert_int_equal(labels.n, 3);
        assert_string_equal(labels.item[0], "cat");
        assert_string_equal(labels.item[1], "dog");
        assert_string_equal(labels.item[2], " \xe7\x8c\xab"); /* the space is part of it */
        sn_arena_destroy(arena);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        const char *says;
    } bad[] = {
        {"", 0, "no labels"},
        {"a\n\nb", 4, "line 2 is empty"},
        {"a\nb\xff", 4, "line 2 is not valid UTF-8"},
        {"\xc0\x80", 2, "line 1"},
        {"\xed\xa0\x80", 3, "line 1"},
        {"\xf4\x90\x80\x80", 4, "line 1"},
        {"a\xe7\x8c", 3, "UTF-8"},
        {"a\0b", 3, "control character (0x00)"},
        {"a\tb", 3, "control character (0x09)"},
        {"\xe0\x9f\xbf", 3, "UTF-8"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sn_arena *arena = sn_arena_create(sn_allocator_default());
        sn_labels labels;
        setsuna_error err = {0};
        assert_int_equal(parse(arena, bad[i].text, bad[i].size, &labels, &err), SETSUNA_EINPUT);
        assert_string_equal(err.where, "labels.txt");
        if (!strstr(err.text, bad[i].says))
            fail_msg("%zu: '%s' does not say '%s'", i, err.text, bad[i].says);
        sn_arena_destroy(arena);
    }
    char longest[SN_LABEL_LENGTH_MAX + 1];
    memset(longest, 'x', sizeof longest);
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    sn_labels labels;
    assert_int_equal(parse(arena, longest, SN_LABEL_LENGTH_MAX, &labels, NULL), SETSUNA_OK);
    assert_int_equal(parse(arena, longest, SN_LABEL_LENGTH_MAX + 1, &labels, NULL), SETSUNA_ELIMIT);
    char *many = malloc(2 * SN_LABELS_MAX + 2);
    for (size_t i = 0; i <= SN_LABELS_MAX; i++)
        memcpy(many + 2 * i, "a\n", 2);
    assert_int_equal(parse(arena, many, 2 * SN_LABELS_MAX + 2, &labels, NULL), SETSUNA_ELIMIT);
    free(many);
    sn_arena_destroy(arena);
}

static void parse_damaged(void *ctx, const uint8_t *data, size_t size)
{
    (void)ctx;
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    sn_labels labels = {0};
    setsuna_error err = {0};
    if (sn_labels_parse(arena, "x", data, size, &labels, &err) == SETSUNA_OK)
        for (uint32_t i = 0; i < labels.n; i++)
            assert_true(labels.item[i][0] != '\0');
    else
        assert_true(err.text[0] != '\0');
    sn_arena_destroy(arena);
}

static void test_damaged(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf\xe7\x8c\xab\r\n\xf0\x9f\x90\x88\nA b\n\xc3\xa4";
    mutate_truncate_all((const uint8_t *)text, sizeof text - 1, parse_damaged, NULL);
    mutate_flip_all((const uint8_t *)text, sizeof text - 1, parse_damaged, NULL);
}

static void test_read(void **state)
{
    (void)state;
    char path[] = "labels_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "one\ntwo", 7), 7);
    close(fd);
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    sn_labels labels;
    assert_int_equal(sn_labels_read(arena, path, &labels, NULL), SETSUNA_OK);
    assert_string_equal(labels.item[1], "two");
    unlink(path);
    assert_int_equal(sn_labels_read(arena, path, &labels, NULL), SETSUNA_ENOTFOUND);
    sn_arena_destroy(arena);
}

static void test_softmax(void **state)
{
    (void)state;
    const float in[4] = {1, 2, 3, 1000};
    float out[4];
    sn_softmax(in, 3, out);
    double sum = exp(1) + exp(2) + exp(3);
    for (int i = 0; i < 3; i++)
        assert_near(out[i], exp(i + 1) / sum, 1e-7);
    sn_softmax(in, 4, out); /* no overflow */
    assert_near(out[3], 1, 0);
    const float odd[3] = {NAN, 0, 0};
    sn_softmax(odd, 3, out);
    assert_near(out[0], 0, 0);
    assert_near(out[1], 0.5, 1e-7);
    const float infinite[3] = {INFINITY, 5, INFINITY};
    sn_softmax(infinite, 3, out);
    assert_near(out[0], 0.5, 1e-7);
    assert_near(out[1], 0, 0);
    const float none[2] = {-INFINITY, -INFINITY};
    sn_softmax(none, 2, out);
    assert_near(out[0], 0.5, 1e-7);
    sn_softmax(none, 0, out);
}

static void test_top_k(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int round = 0; round < 200; round++) {
        float score[50];
        int32_t best[60];
        size_t n = picture_random(&seed) % 51;
        uint32_t k = (uint32_t)(picture_random(&seed) % 60), valid = 0;
        for (size_t i = 0; i < n; i++) {
            score[i] = picture_random(&seed) % 8 == 0 ? NAN : (float)(picture_random(&seed) % 20);
            valid += score[i] == score[i];
        }
        uint32_t have = sn_top_k(score, n, k, best);
        assert_int_equal(have, k < valid ? k : valid);
        for (uint32_t i = 0; i < have; i++) { /* exactly i of the others rank before number i */
            uint32_t before = 0;
            for (size_t j = 0; j < n; j++)
                before += score[j] > score[best[i]] || (score[j] == score[best[i]] && (int32_t)j < best[i]);
            assert_int_equal(before, i);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines), cmocka_unit_test(test_refused), cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_read),  cmocka_unit_test(test_softmax), cmocka_unit_test(test_top_k),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
