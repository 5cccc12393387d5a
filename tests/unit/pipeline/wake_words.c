/* Events from made-up scores. */
#include "pipeline/wake_words.h"
#include "unit/unit.h"
#include <string.h>

#define FRAME 0.08 /* seconds */

static sn_wake_detector detector(const char *label)
{
    return (sn_wake_detector){.label = label, .threshold = 0.5f, .skip = 5, .refractory_s = 1.0};
}

static void push_all(sn_wake_detector *w, const float *score, size_t n, sn_pipe_slot *to)
{
    sn_wake_reset(w);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(sn_wake_push(w, score[i], (double)i * FRAME, (double)(i + 1) * FRAME, to), SETSUNA_OK);
}

static void test_one_event_a_word(void **state)
{
    (void)state;
    sn_pipe_slot to;
    sn_pipe_slot_init(&to, "words", SN_PIPE_SEGMENTS, sn_allocator_default());
    float score[50] = {[20] = 0.5f, [21] = 0.9f, [22] = 0.2f, [23] = 0.7f, [24] = 0.4999f};
    sn_wake_detector w = detector("computer");
    push_all(&w, score, 50, &to);
    assert_int_equal(to.segments.n, 1);
    assert_true(to.segments.item[0].begin_s == 20 * FRAME);
    assert_true(to.segments.item[0].end_s == 24 * FRAME);
    assert_true(to.segments.item[0].score == 0.9f);
    assert_string_equal(to.segments.item[0].label, "computer");
    sn_pipe_slot_clear(&to);
    push_all(&w, score, 50, &to); /* a second stream gives the same */
    assert_int_equal(to.segments.n, 1);
    sn_pipe_slot_fini(&to);
}

static void test_first_predictions_do_not_count(void **state)
{
    (void)state;
    for (size_t at = 0; at < 8; at++) {
        sn_pipe_slot to;
        sn_pipe_slot_init(&to, "words", SN_PIPE_SEGMENTS, sn_allocator_default());
        float score[10] = {0};
        score[at] = 1.0f;
        sn_wake_detector w = detector("a");
        push_all(&w, score, 10, &to);
        assert_int_equal(to.segments.n, at >= 5);
        sn_pipe_slot_fini(&to);
    }
}

/* 1 s is 12.5 frames, from the end of the last score over the threshold. */
static void test_refractory(void **state)
{
    (void)state;
    for (size_t gap = 1; gap < 20; gap++) {
        sn_pipe_slot to;
        sn_pipe_slot_init(&to, "words", SN_PIPE_SEGMENTS, sn_allocator_default());
        float score[64] = {[10] = 0.8f};
        score[10 + gap] = 0.9f;
        sn_wake_detector w = detector("a");
        push_all(&w, score, 64, &to);
        assert_int_equal(to.segments.n, gap - 1 >= 13 ? 2 : 1);
        sn_pipe_slot_fini(&to);
    }
}

/* Words that share a list do not touch each other's events. */
static void test_two_words(void **state)
{
    (void)state;
    sn_pipe_slot to;
    sn_pipe_slot_init(&to, "words", SN_PIPE_SEGMENTS, sn_allocator_default());
    sn_wake_detector a = detector("a"), b = detector("b");
    for (size_t i = 0; i < 60; i++) {
        double begin = (double)i * FRAME, end = (double)(i + 1) * FRAME;
        assert_int_equal(sn_wake_push(&a, i == 10 || i == 14 ? 0.6f : 0.0f, begin, end, &to), SETSUNA_OK);
        assert_int_equal(sn_wake_push(&b, i == 12 ? 0.7f : 0.0f, begin, end, &to), SETSUNA_OK);
    }
    assert_int_equal(to.segments.n, 2);
    assert_string_equal(to.segments.item[0].label, "a");
    assert_true(to.segments.item[0].end_s == 15 * FRAME);
    assert_string_equal(to.segments.item[1].label, "b");
    assert_true(to.segments.item[1].begin_s == 12 * FRAME && to.segments.item[1].end_s == 13 * FRAME);
    sn_pipe_slot_fini(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_event_a_word),
        cmocka_unit_test(test_first_predictions_do_not_count),
        cmocka_unit_test(test_refractory),
        cmocka_unit_test(test_two_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
