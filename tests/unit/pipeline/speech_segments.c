/* Segments from made-up probabilities, and against a plain restatement of the rules on random ones. */
#include "pipeline/speech_segments.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRAME 0.032 /* seconds */

static sn_speech_segmenter silero(void)
{
    return (sn_speech_segmenter){
        .threshold = 0.5f, .exit_threshold = 0.35f, .min_speech_s = 0.25, .min_silence_s = 0.1, .pad_s = 0.03};
}

/* Segments of n frames; the last frame ends at `end_s` if that is above 0. */
static sn_pipe_slot segments_of(sn_speech_segmenter s, const float *p, size_t n, double end_s)
{
    sn_pipe_slot to;
    sn_pipe_slot_init(&to, "segments", SN_PIPE_SEGMENTS, sn_allocator_default());
    sn_speech_reset(&s);
    for (size_t i = 0; i < n; i++) {
        double end = (double)(i + 1) * FRAME;
        end = i + 1 == n && end_s > 0.0 ? end_s : end;
        assert_int_equal(sn_speech_push(&s, p[i], (double)i * FRAME, end, &to), SETSUNA_OK);
    }
    assert_int_equal(sn_speech_finish(&s, &to), SETSUNA_OK);
    return to;
}

static void assert_near(double got, double want)
{
    if (fabs(got - want) > 1e-9)
        fail_msg("%.9f instead of %.9f", got, want);
}

static void fill(float *p, size_t from, size_t to, float value)
{
    for (size_t i = from; i < to; i++)
        p[i] = value;
}

static void test_silence(void **state)
{
    (void)state;
    float p[100] = {0};
    sn_pipe_slot to = segments_of(silero(), p, 100, 0.0);
    assert_int_equal(to.segments.n, 0);
    sn_pipe_slot_fini(&to);
    to = segments_of(silero(), p, 0, 0.0);
    assert_int_equal(to.segments.n, 0);
    sn_pipe_slot_fini(&to);
}

static void test_one_segment(void **state)
{
    (void)state;
    float p[100] = {0};
    fill(p, 20, 60, 0.9f);
    sn_pipe_slot to = segments_of(silero(), p, 100, 0.0);
    assert_int_equal(to.segments.n, 1);
    assert_near(to.segments.item[0].begin_s, 20 * FRAME - 0.03);
    assert_near(to.segments.item[0].end_s, 60 * FRAME + 0.03);
    assert_near((double)to.segments.item[0].score, (double)0.9f);
    sn_pipe_slot_fini(&to);
}

/* 250 ms are 7.8 frames: 7 are dropped, 8 stay. */
static void test_short_speech_is_dropped(void **state)
{
    (void)state;
    for (size_t n = 1; n < 12; n++) {
        float p[50] = {0};
        fill(p, 10, 10 + n, 1.0f);
        sn_pipe_slot to = segments_of(silero(), p, 50, 0.0);
        assert_int_equal(to.segments.n, n >= 8);
        sn_pipe_slot_fini(&to);
    }
}

/* 100 ms are 3.1 frames. A pause is over when the first frame after it speaks; the frame that ends a segment begins
 * 4 frames after the pause does. */
static void test_short_pause_does_not_end(void **state)
{
    (void)state;
    for (size_t n = 1; n < 10; n++) {
        float p[100] = {0};
        fill(p, 10, 30, 1.0f);
        fill(p, 30 + n, 60, 1.0f);
        sn_pipe_slot to = segments_of(silero(), p, 100, 0.0);
        assert_int_equal(to.segments.n, n >= 5 ? 2 : 1);
        assert_near(to.segments.item[to.segments.n - 1].end_s, 60 * FRAME + 0.03);
        sn_pipe_slot_fini(&to);
    }
}

/* Between the thresholds, speech goes on but does not begin. */
static void test_hysteresis(void **state)
{
    (void)state;
    float p[100] = {0};
    fill(p, 0, 20, 0.4f);
    fill(p, 20, 30, 0.6f);
    fill(p, 30, 60, 0.4f);
    sn_pipe_slot to = segments_of(silero(), p, 100, 0.0);
    assert_int_equal(to.segments.n, 1);
    assert_near(to.segments.item[0].begin_s, 20 * FRAME - 0.03);
    assert_near(to.segments.item[0].end_s, 60 * FRAME + 0.03);
    assert_true(to.segments.item[0].score == (float)((10 * (double)0.6f + 30 * (double)0.4f) / 40));
    sn_pipe_slot_fini(&to);
}

static void test_pad_stays_inside(void **state)
{
    (void)state;
    float p[40];
    fill(p, 0, 40, 1.0f);
    sn_pipe_slot to = segments_of(silero(), p, 40, 1.27);
    assert_int_equal(to.segments.n, 1);
    assert_near(to.segments.item[0].begin_s, 0.0);
    assert_near(to.segments.item[0].end_s, 1.27);
    sn_pipe_slot_fini(&to);
    sn_speech_segmenter wide = silero(); /* a pad longer than the pause that ends a segment */
    wide.pad_s = 0.5;
    fill(p, 30, 40, 0.0f);
    to = segments_of(wide, p, 40, 1.27);
    assert_near(to.segments.item[0].end_s, 1.27);
    sn_pipe_slot_fini(&to);
}

/* Two segments whose pads would overlap meet half way. */
static void test_pads_meet(void **state)
{
    (void)state;
    float p[100] = {0};
    sn_speech_segmenter wide = silero();
    wide.pad_s = 0.2;
    fill(p, 10, 30, 1.0f);
    fill(p, 36, 60, 1.0f); /* 192 ms later */
    sn_pipe_slot to = segments_of(wide, p, 100, 0.0);
    assert_int_equal(to.segments.n, 2);
    assert_near(to.segments.item[0].end_s, 33 * FRAME);
    assert_near(to.segments.item[1].begin_s, 33 * FRAME);
    assert_near(to.segments.item[1].end_s, 60 * FRAME + 0.2);
    sn_pipe_slot_fini(&to);
}

/* ---- the rules, restated over the whole stream at once -------------------------------------------------------- */

typedef struct stretch {
    size_t begin, end; /* frames */
} stretch;

/* Where speech is going on in frame i, and where it ended: read off the definition, not the state machine. */
static size_t stretches(const float *p, size_t n, stretch *out)
{
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        if (p[i] < 0.5f) {
            i++;
            continue;
        }
        stretch s = {i, n};
        for (size_t k = i; k < n && s.end == n; k++) {
            if (p[k] >= 0.35f)
                continue;
            size_t low = k; /* first low frame since the last one that reached the threshold */
            for (size_t b = k; b-- > i && p[b] < 0.5f;)
                low = p[b] < 0.35f ? b : low;
            if ((double)(k - low) * FRAME >= 0.1) {
                s.end = low;
                i = k + 1;
            }
        }
        if (s.end == n)
            i = n;
        if ((double)(s.end - s.begin) * FRAME >= 0.25)
            out[count++] = s;
    }
    return count;
}

static void test_against_restatement(void **state)
{
    (void)state;
    enum { N = 400 };
    srand(20240607);
    size_t total = 0;
    for (int round = 0; round < 300; round++) {
        float p[N], level = 0.1f;
        for (size_t i = 0; i < N; i++) {
            if (rand() % 12 == 0)
                level = (float)(rand() % 1000) / 1000.0f;
            p[i] = fminf(fmaxf(level + (float)(rand() % 400 - 200) / 1000.0f, 0.0f), 1.0f);
        }
        stretch want[N];
        size_t n = stretches(p, N, want);
        sn_pipe_slot to = segments_of(silero(), p, N, 0.0);
        assert_int_equal(to.segments.n, n);
        total += n;
        for (size_t i = 0; i < n; i++) {
            double before = i ? (double)(want[i].begin - want[i - 1].end) * FRAME / 2.0 : 1.0;
            double after = i + 1 < n ? (double)(want[i + 1].begin - want[i].end) * FRAME / 2.0 : 1.0;
            assert_near(to.segments.item[i].begin_s, fmax((double)want[i].begin * FRAME - fmin(0.03, before), 0.0));
            assert_near(to.segments.item[i].end_s, fmin((double)want[i].end * FRAME + fmin(0.03, after), N * FRAME));
        }
        sn_pipe_slot_fini(&to);
    }
    assert_true(total > 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_one_segment),
        cmocka_unit_test(test_short_speech_is_dropped),
        cmocka_unit_test(test_short_pause_does_not_end),
        cmocka_unit_test(test_hysteresis),
        cmocka_unit_test(test_pad_stays_inside),
        cmocka_unit_test(test_pads_meet),
        cmocka_unit_test(test_against_restatement),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
