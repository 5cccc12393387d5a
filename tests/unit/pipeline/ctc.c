/* Greedy CTC decoding of hand-made probability rows. */
#include "pipeline/ctc.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include "unit/pipeline/near.h"

static const sn_ctc_options probabilities = {0}, logits = {.logits = true};

typedef struct fixture {
    sn_arena *arena;
    sn_labels classes; /* blank a b 字 space */
    sn_ctc_text text;
} fixture;

static int set_up(void **state)
{
    static const char *const characters[] = {"a", "b", "\xe5\xad\x97"};
    const sn_labels labels = {characters, 3};
    fixture *f = calloc(1, sizeof *f);
    f->arena = sn_arena_create(sn_allocator_default());
    assert_int_equal(sn_ctc_classes(f->arena, &labels, true, &f->classes), SETSUNA_OK);
    assert_int_equal(f->classes.n, 5);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    sn_ctc_text_fini(sn_allocator_default(), &f->text);
    sn_arena_destroy(f->arena);
    free(f);
    return 0;
}

/* A row for each letter of path ('_' blank, '#' the character of three bytes): .8 there, .05 elsewhere. */
static void decode(fixture *f, const char *path)
{
    size_t steps = strlen(path);
    float *p = malloc(sizeof *p * (steps * 5 + 1));
    for (size_t t = 0; t < steps; t++)
        for (int c = 0; c < 5; c++)
            p[t * 5 + (size_t)c] = "_ab# "[c] == path[t] ? 0.8f : 0.05f;
    assert_int_equal(sn_ctc_greedy(sn_allocator_default(), p, (int32_t)steps, &f->classes, &probabilities, &f->text),
                     SETSUNA_OK);
    free(p);
}

static void test_collapse(void **state)
{
    fixture *f = *state;
    static const char *const cases[][2] = {
        {"", ""},
        {"____", ""},
        {"aaa", "a"},
        {"a_a", "aa"},
        {"_aab_b ", "abb "},
        {"#", "\xe5\xad\x97"},
        {"a#_#b", "a\xe5\xad\x97\xe5\xad\x97"
                  "b"},
        {"  _  ", "  "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        decode(f, cases[i][0]);
        assert_string_equal(f->text.bytes, cases[i][1]);
        assert_int_equal(f->text.n_bytes, strlen(cases[i][1]));
        assert_near(f->text.score, f->text.n_chars ? 0.8 : 0, 1e-6);
    }
}

static void test_positions(void **state)
{
    fixture *f = *state;
    decode(f, "__aa_b##");
    assert_int_equal(f->text.n_chars, 3);
    assert_int_equal(f->text.step[0], 2);
    assert_int_equal(f->text.step[1], 5);
    assert_int_equal(f->text.step[2], 6);
}

static void test_score_is_the_mean_of_kept_steps(void **state)
{
    fixture *f = *state;
    const float p[4][5] = {{0, 0.9f, 0, 0, 0}, {0, 0.3f, 0, 0, 0.1f}, {0.99f, 0, 0, 0, 0}, {0, 0, 0.5f, 0, 0}};
    assert_int_equal(sn_ctc_greedy(sn_allocator_default(), p[0], 4, &f->classes, &probabilities, &f->text), SETSUNA_OK);
    assert_string_equal(f->text.bytes, "ab");
    assert_near(f->text.score, (0.9 + 0.5) / 2, 1e-6); /* the repeated a does not count */
}

static void test_logits(void **state)
{
    fixture *f = *state;
    const float v[2][5] = {{0, 3, 1, 0, 0}, {1000, 0, 2000, 0, 0}};
    assert_int_equal(sn_ctc_greedy(sn_allocator_default(), v[0], 2, &f->classes, &logits, &f->text), SETSUNA_OK);
    assert_string_equal(f->text.bytes, "ab");
    assert_near(f->text.score, (exp(3) / (exp(3) + exp(1) + 3) + 1) / 2, 1e-6);
}

static void test_not_a_number(void **state)
{
    fixture *f = *state;
    const float n = NAN, v[3][5] = {{n, n, n, n, n}, {n, 0.4f, 0.2f, n, n}, {-INFINITY, n, INFINITY, 0, 0}};
    assert_int_equal(sn_ctc_greedy(sn_allocator_default(), v[0], 3, &f->classes, &logits, &f->text), SETSUNA_OK);
    assert_string_equal(f->text.bytes, "ab");
    assert_true(isfinite(f->text.score));
    assert_int_equal(sn_ctc_greedy(sn_allocator_default(), v[0], -1, &f->classes, &logits, &f->text), SETSUNA_EINVAL);
}

/* A blank between two characters, in whose shade the space has a tenth. */
static void test_space_threshold(void **state)
{
    fixture *f = *state;
    const float p[6][5] = {{0.1f, 0, 0, 0, 0.9f}, /* a leading space is a space, inserted or not */
                           {0, 0.9f, 0, 0, 0.1f}, {0.8f, 0, 0, 0, 0.2f},
                           {0.1f, 0, 0.9f, 0, 0}, {0.9f, 0, 0, 0, 0.1f}, /* no character follows: nothing is inserted */
                           {0.9f, 0, 0, 0, 0.1f}};
    static const struct {
        float threshold;
        const char *want;
    } cases[] = {{0, " ab"}, {0.3f, " ab"}, {0.2f, " a b"}, {0.05f, " a b"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int raw = 0; raw < 2; raw++) {
            float v[6][5];
            for (int t = 0; t < 6; t++)
                for (int c = 0; c < 5; c++)
                    v[t][c] = raw ? logf(p[t][c]) + 7 : p[t][c];
            const sn_ctc_options o = {.logits = raw, .space_threshold = cases[i].threshold};
            assert_int_equal(sn_ctc_greedy(sn_allocator_default(), v[0], 6, &f->classes, &o, &f->text), SETSUNA_OK);
            assert_string_equal(f->text.bytes, cases[i].want);
            assert_near(f->text.score, 0.9, 1e-5); /* what was inserted does not count */
        }
    assert_int_equal(f->text.n_chars, 4);
    assert_int_equal(f->text.step[2], 2); /* the first step after the a that shows the space */
}

/* The lanes of the maximum: the best class at every index, ties to the lower one. */
static void test_wide_rows(void **state)
{
    (void)state;
    enum { N = 100 };
    const char *names[N];
    char storage[N][12];
    for (int i = 0; i < N; i++) {
        snprintf(storage[i], sizeof storage[i], "%d", i);
        names[i] = storage[i];
    }
    for (uint32_t n = 2; n <= N; n += 7)
        for (uint32_t best = 1; best < n; best++) {
            const sn_labels classes = {names, n};
            float *row = malloc(sizeof *row * n); /* exactly: the sanitizer watches */
            for (uint32_t i = 0; i < n; i++)
                row[i] = i >= best && i % 3 == best % 3 ? 0.5f : 0.1f;
            sn_ctc_text text = {0};
            assert_int_equal(sn_ctc_greedy(sn_allocator_default(), row, 1, &classes, &probabilities, &text),
                             SETSUNA_OK);
            assert_string_equal(text.bytes, names[best]);
            sn_ctc_text_fini(sn_allocator_default(), &text);
            free(row);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_collapse, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_positions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_score_is_the_mean_of_kept_steps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_logits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_a_number, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_space_threshold, set_up, tear_down),
        cmocka_unit_test(test_wide_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
