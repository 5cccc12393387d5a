/* Streams of sound through pipelines without models: every frame is exactly the samples that it should be, windows
 * hold exactly the last rows, and a second run begins anew. */
#include "pipeline/pipeline.h"
#include "unit/pipeline/sounds.h"
#include "unit/unit.h"
#include <math.h>

static float sample_at(int64_t i, int64_t n)
{
    return i < 0 || i >= n ? 0.0f : (float)(i + 1) / 65536.0f; /* every one different, none 0 */
}

static sound_file sound_of(int64_t n)
{
    float *s = malloc(sizeof *s * (size_t)(n + 1));
    for (int64_t i = 0; i < n; i++)
        s[i] = sample_at(i, n);
    sound_file f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, s, (size_t)n);
    free(s);
    return f;
}

static sn_pipeline *open_text(const char *text)
{
    sn_pipeline *p = NULL;
    setsuna_error err = {0};
    setsuna_status status = sn_pipeline_parse("test.yaml", text, strlen(text), NULL, &p, &err);
    if (status != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    return p;
}

static sn_pipeline *open_steps(const char *steps)
{
    char text[4096];
    snprintf(text, sizeof text,
             "setsuna: 1\nname: test\ninputs: {sound: bytes}\nsteps:\n"
             "  - decode_audio: {from: sound, to: audio, rate: 16000}\n%s",
             steps);
    return open_text(text);
}

static void expect_open_fails(const char *steps, const char *reason)
{
    char text[4096];
    snprintf(text, sizeof text,
             "setsuna: 1\nname: test\ninputs: {sound: bytes}\nsteps:\n"
             "  - decode_audio: {from: sound, to: audio, rate: 16000}\n%s",
             steps);
    sn_pipeline *p = NULL;
    setsuna_error err = {0};
    assert_int_not_equal(sn_pipeline_parse("test.yaml", text, strlen(text), NULL, &p, &err), SETSUNA_OK);
    if (!strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
}

static void start(sn_pipeline *p, const sound_file *f)
{
    setsuna_error err = {0};
    assert_int_equal(sn_pipeline_set_bytes(p, 0, NULL, f->data, f->size, &err), SETSUNA_OK);
    assert_int_equal(sn_pipeline_start(p, NULL, &err), SETSUNA_OK);
}

static bool next(sn_pipeline *p)
{
    bool more = false;
    setsuna_error err = {0};
    if (sn_pipeline_next(p, NULL, &more, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    return more;
}

/* ---- frames ---------------------------------------------------------------------------------------------------- */

static void check_frames(int64_t n, int64_t length, int64_t hop, int64_t context, int64_t lead, int64_t tail)
{
    char steps[512];
    snprintf(steps, sizeof steps,
             "  - frames: {from: audio, to: frame, length: %lld, hop: %lld, context: %lld, pad_begin: %.9f, pad_end: "
             "%.9f, begin: b, end: e}\n"
             "outputs: [frame, b, e]\n",
             (long long)length, (long long)hop, (long long)context, (double)lead / 16000.0, (double)tail / 16000.0);
    sn_pipeline *p = open_steps(steps);
    sound_file f = sound_of(n);
    hop = hop ? hop : length;
    int64_t all = lead + n + tail, frames = all <= length ? 1 : 1 + (int64_t)ceil((double)(all - length) / (double)hop);
    for (int run = 0; run < 2; run++) {
        start(p, &f);
        for (int64_t k = 0; k < frames; k++) {
            bool more = next(p);
            assert_int_equal(more, k + 1 < frames);
            const setsuna_tensor *t = &sn_pipeline_output(p, 0)->tensor.t;
            assert_int_equal(t->dtype, SETSUNA_F32);
            assert_int_equal(t->shape.rank, 2);
            assert_int_equal(t->shape.dim[0], 1);
            assert_int_equal(t->shape.dim[1], context + length);
            for (int64_t i = 0; i < context + length; i++) {
                float want = sample_at(k * hop - context + i - lead, n), got = ((const float *)t->data)[i];
                if (got != want)
                    fail_msg("n %lld length %lld hop %lld context %lld lead %lld: frame %lld, sample %lld: %g for %g",
                             (long long)n, (long long)length, (long long)hop, (long long)context, (long long)lead,
                             (long long)k, (long long)i, (double)got, (double)want);
            }
            double begin = (double)(k * hop - lead) / 16000.0, end = (double)(k * hop - lead + length) / 16000.0;
            double last = (double)n / 16000.0;
            assert_true(fabs(sn_pipeline_output(p, 1)->number - fmin(fmax(begin, 0.0), last)) < 1e-12);
            assert_true(fabs(sn_pipeline_output(p, 2)->number - fmin(fmax(end, 0.0), last)) < 1e-12);
        }
    }
    free(f.data);
    sn_pipeline_close(p);
}

static void test_frames_are_exact(void **state)
{
    (void)state;
    static const int64_t sizes[] = {1, 2, 99, 100, 101, 199, 200, 201, 1000, 1234};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_frames(sizes[i], 100, 0, 0, 0, 0);
        check_frames(sizes[i], 100, 0, 13, 0, 0);
        check_frames(sizes[i], 100, 40, 0, 0, 16);
        check_frames(sizes[i], 100, 1, 250, 0, 0);
        check_frames(sizes[i], 100, 100, 20, 160, 320);
        check_frames(sizes[i], 1, 1, 0, 1, 0);
    }
}

static void test_empty_sound(void **state)
{
    (void)state;
    sn_pipeline *p = open_steps("  - frames: {from: audio, to: frame, length: 10, pad_begin: 1, begin: b, end: e}\n"
                                "  - collect: {from: frame, to: all}\n"
                                "  - speech_segments: {from: b, begin: b, end: e, to: segments}\n"
                                "outputs: [all, segments]\n");
    sound_file some = sound_of(100), none = sound_of(0);
    start(p, &some);
    while (next(p))
        ;
    assert_true(sn_pipeline_output(p, 0)->filled);
    start(p, &none);
    assert_true(sn_pipeline_frame_s(p) == 0);
    assert_false(next(p));
    assert_true(sn_pipeline_frame_s(p) == 0);
    assert_false(sn_pipeline_output(p, 0)->filled);
    assert_int_equal(sn_pipeline_output(p, 0)->tensor.t.size_bytes, 0);
    assert_int_equal(sn_pipeline_output(p, 1)->segments.n, 0);
    free(some.data);
    free(none.data);
    sn_pipeline_close(p);
}

/* ---- ledgers ------------------------------------------------------------------------------------------------- */

static void test_frames_have_ledgers_of_their_own(void **state)
{
    (void)state;
    enum { N = 1000, LENGTH = 100, HOP = 40, FRAMES = 1 + (N - LENGTH + HOP - 1) / HOP };
    sn_pipeline *p = open_steps("  - frames: {from: audio, to: frame, length: 100, hop: 40}\n"
                                "  - affine: {from: frame, to: scaled, scale: 2}\n"
                                "  - collect: {from: scaled, to: all}\n"
                                "outputs: [all]\n");
    sound_file f = sound_of(N);
    const setsuna_tensor *all = &sn_pipeline_output(p, 0)->tensor.t;
    for (int64_t round = 0; round < 3; round++) {
        sn_ledger l;
        setsuna_error err = {0};
        assert_int_equal(sn_pipeline_set_bytes(p, 0, NULL, f.data, f.size, &err), SETSUNA_OK);
        /* The file is read and decoded before the first frame, and only then. */
        sn_ledger_begin(&l, 0);
        assert_int_equal(sn_pipeline_start(p, &l, &err), SETSUNA_OK);
        sn_ledger_close(&l);
        assert_int_equal(l.n_flaws, 0);
        for (int i = 0; i < SN_STAGES; i++)
            assert_int_equal(l.n_enters[i], i == SN_STAGE_ACQUIRE || i == SN_STAGE_PREPROCESS);
        assert_true(l.unexplained_ns >= 0);
        assert_true(sn_pipeline_frame_s(p) == 0);
        bool more = true;
        for (int64_t k = 0; more; k++) {
            sn_ledger_begin(&l, (uint64_t)k);
            assert_int_equal(sn_pipeline_next(p, &l, &more, &err), SETSUNA_OK);
            sn_ledger_close(&l);
            assert_int_equal(l.n_flaws, 0);
            for (int i = 0; i < SN_STAGES; i++)
                assert_int_equal(l.n_enters[i], i == SN_STAGE_PREPARE ? 2 : i == SN_STAGE_POSTPROCESS ? 1 : 0);
            assert_int_equal(l.wall_ns, sn_ledger_explained_ns(&l) + (uint64_t)l.unexplained_ns);
            assert_int_equal(more, k + 1 < FRAMES);
            assert_true(sn_pipeline_frame_s(p) == (double)HOP / 16000.0);
            assert_int_equal(all->shape.dim[0], k + 1); /* nothing of the round before */
            if (round == 1 && k == 3)
                break; /* and a run that is given up in the middle leaves nothing either */
        }
    }
    free(f.data);
    sn_pipeline_close(p);
}

/* A step before the source that has nothing to hand on: there are no frames, and that is no failure. */
static void test_stopped_before_the_source(void **state)
{
    (void)state;
    sn_pipeline *p = open_text("setsuna: 1\nname: test\ninputs: {sound: bytes, x: tensor}\nsteps:\n"
                               "  - window: {from: x, to: last, rows: 4}\n"
                               "  - decode_audio: {from: sound, to: audio, rate: 16000}\n"
                               "  - frames: {from: audio, to: frame, length: 10}\n"
                               "  - collect: {from: frame, to: all}\n"
                               "outputs: [all, last]\n");
    sound_file f = sound_of(100);
    float row[4] = {1, 2, 3, 4};
    setsuna_tensor few = {SETSUNA_F32, {2, {1, 1}}, row, sizeof *row},
                   enough = {SETSUNA_F32, {2, {4, 1}}, row, sizeof row};
    for (int run = 0; run < 4; run++) {
        assert_int_equal(sn_pipeline_set_tensor(p, 1, run % 2 ? &enough : &few, NULL), SETSUNA_OK);
        start(p, &f);
        int frames = 0;
        for (bool more = true; more; frames += sn_pipeline_frame_s(p) > 0)
            more = next(p);
        assert_int_equal(frames, run % 2 ? 10 : 0);
        assert_int_equal(sn_pipeline_output(p, 0)->filled, run % 2);
        assert_int_equal(sn_pipeline_output(p, 1)->filled, run % 2);
    }
    free(f.data);
    sn_pipeline_close(p);
}

/* ---- affine, window, collect ---------------------------------------------------------------------------------------
 */

/* Frames of `per` samples, taken as rows of one, through a window of `rows`. */
static void check_window(int64_t n, int64_t per, int64_t rows, const char *fill)
{
    char steps[512];
    snprintf(steps, sizeof steps,
             "  - frames: {from: audio, to: frame, length: %lld}\n"
             "  - reshape: {from: frame, to: column, shape: [1, -1, 1]}\n"
             "  - window: {from: column, to: last, rows: %lld%s%s}\n"
             "  - affine: {from: last, to: scaled, scale: 4, shift: -1}\n"
             "outputs: [last, scaled]\n",
             (long long)per, (long long)rows, fill ? ", fill: " : "", fill ? fill : "");
    sn_pipeline *p = open_steps(steps);
    sound_file f = sound_of(n);
    float before = fill ? strtof(fill, NULL) : 0.0f;
    for (int run = 0; run < 2; run++) {
        start(p, &f);
        bool more = true;
        for (int64_t k = 1; more; k++) {
            more = next(p);
            int64_t seen = k * per;
            bool full = fill || seen >= rows;
            assert_int_equal(sn_pipeline_output(p, 0)->filled, full);
            if (!full)
                continue;
            const setsuna_tensor *t = &sn_pipeline_output(p, 0)->tensor.t;
            const float *scaled = sn_pipeline_output(p, 1)->tensor.t.data;
            assert_int_equal(t->shape.rank, 3);
            assert_int_equal(t->shape.dim[1], rows);
            assert_int_equal(t->shape.dim[2], 1);
            for (int64_t i = 0; i < rows; i++) {
                int64_t at = seen - rows + i;
                float want = at < 0 ? before : sample_at(at, n);
                assert_true(((const float *)t->data)[i] == want);
                assert_true(scaled[i] == want * 4.0f - 1.0f);
            }
        }
    }
    free(f.data);
    sn_pipeline_close(p);
}

static void test_window_holds_the_last_rows(void **state)
{
    (void)state;
    static const int64_t per[] = {1, 2, 3, 7, 8, 20}, rows[] = {1, 2, 7, 8, 16};
    for (size_t i = 0; i < sizeof per / sizeof *per; i++)
        for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
            check_window(200, per[i], rows[k], NULL);
            check_window(200, per[i], rows[k], "1");
        }
}

static void test_collect_keeps_everything(void **state)
{
    (void)state;
    sn_pipeline *p = open_steps("  - frames: {from: audio, to: frame, length: 7, begin: b}\n"
                                "  - collect: {from: frame, to: all}\n"
                                "  - collect: {from: b, to: begins}\n"
                                "outputs: [all, begins]\n");
    for (int64_t n = 100; n > 0; n -= 33) {
        sound_file f = sound_of(n);
        int64_t frames = (n + 6) / 7;
        start(p, &f);
        while (next(p))
            ;
        const setsuna_tensor *all = &sn_pipeline_output(p, 0)->tensor.t, *begins = &sn_pipeline_output(p, 1)->tensor.t;
        assert_int_equal(all->shape.rank, 2);
        assert_int_equal(all->shape.dim[0], frames);
        assert_int_equal(all->shape.dim[1], 7);
        for (int64_t i = 0; i < frames * 7; i++)
            assert_true(((const float *)all->data)[i] == sample_at(i, n));
        assert_int_equal(begins->dtype, SETSUNA_F64);
        assert_int_equal(begins->shape.dim[0], frames);
        for (int64_t k = 0; k < frames; k++)
            assert_true(((const double *)begins->data)[k] == (double)(k * 7) / 16000.0);
        free(f.data);
    }
    sn_pipeline_close(p);
}

/* ---- events through the steps -------------------------------------------------------------------------------------
 */

/* The loudness of a frame of one sample stands in for a model: two bursts, one of them a word. */
static void test_events(void **state)
{
    (void)state;
    enum { N = 64 };
    float s[N] = {0};
    for (size_t i = 20; i < 40; i++)
        s[i] = 0.75f;
    sound_file f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, s, N);
    sn_pipeline *p =
        open_steps("  - frames: {from: audio, to: frame, length: 1, begin: b, end: e}\n"
                   "  - speech_segments: {from: frame, begin: b, end: e, to: segments, min_speech_ms: 1,\n"
                   "      min_silence_ms: 0, pad_ms: 0}\n"
                   "  - wake_words: {scores: {knock knock: frame, loud: frame}, begin: b, end: e, to: words}\n"
                   "outputs: [segments, words]\n");
    for (int run = 0; run < 2; run++) {
        start(p, &f);
        while (next(p))
            ;
        const sn_pipe_slot *segments = sn_pipeline_output(p, 0), *words = sn_pipeline_output(p, 1);
        assert_int_equal(segments->segments.n, 1);
        assert_true(segments->segments.item[0].begin_s == 20.0 / 16000.0);
        assert_true(segments->segments.item[0].end_s == 40.0 / 16000.0);
        assert_int_equal(words->segments.n, 2);
        assert_string_equal(words->segments.item[0].label, "knock knock");
        assert_string_equal(words->segments.item[1].label, "loud");
        assert_true(words->segments.item[0].begin_s == 20.0 / 16000.0);
        assert_true(words->segments.item[0].end_s == 40.0 / 16000.0);
    }
    free(f.data);
    sn_pipeline_close(p);
}

/* Detectors inside for_each, with one box or two, tell what they tell outside: each event once, the last one too. */
static void check_events_in_for_each(const sound_file *sound, const uint8_t *png, size_t png_size, int64_t boxes)
{
    sn_pipeline *p = open_text(
        "setsuna: 1\nname: test\ninputs: {sound: bytes, picture: bytes, places: tensor, scores: tensor}\nsteps:\n"
        "  - decode: {from: picture, to: photo}\n"
        "  - ssd_boxes: {boxes: places, scores: scores, image: photo, to: found, width: 2, height: 1, strides: [1],\n"
        "      extra_ratio: 0, fixed_size: true, sigmoid: false}\n"
        "  - decode_audio: {from: sound, to: audio, rate: 16000}\n"
        "  - frames: {from: audio, to: frame, length: 1, begin: b, end: e}\n"
        "  - speech_segments: {from: frame, begin: b, end: e, to: segments, min_speech_ms: 1, min_silence_ms: 0}\n"
        "  - wake_words: {scores: {loud: frame}, begin: b, end: e, to: words, refractory_ms: 1}\n"
        "  - for_each:\n"
        "      boxes: found\n"
        "      as: one\n"
        "      steps:\n"
        "        - speech_segments: {from: frame, begin: b, end: e, to: s, min_speech_ms: 1, min_silence_ms: 0}\n"
        "        - wake_words: {scores: {loud: frame}, begin: b, end: e, to: w, refractory_ms: 1}\n"
        "      collect: {s: segments_inside, w: words_inside}\n"
        "outputs: [segments, words, segments_inside, words_inside]\n");
    float place[8] = {0, 0, 0.25f, 0.5f, 0, 0, 0.25f, 0.5f}, score[2] = {0.9f, boxes > 1 ? 0.8f : 0.0f};
    setsuna_tensor places = {SETSUNA_F32, {3, {1, 2, 4}}, place, sizeof place};
    setsuna_tensor scores = {SETSUNA_F32, {3, {1, 2, 1}}, score, sizeof score};
    assert_int_equal(sn_pipeline_set_bytes(p, 1, NULL, png, png_size, NULL), SETSUNA_OK);
    assert_int_equal(sn_pipeline_set_tensor(p, 2, &places, NULL), SETSUNA_OK);
    assert_int_equal(sn_pipeline_set_tensor(p, 3, &scores, NULL), SETSUNA_OK);
    for (int run = 0; run < 2; run++) {
        start(p, sound);
        while (next(p))
            ;
        const sn_pipe_slot *segments = sn_pipeline_output(p, 0), *words = sn_pipeline_output(p, 1);
        assert_int_equal(segments->segments.n, 2);
        assert_int_equal(words->segments.n, 2);
        for (uint32_t k = 0; k < 2; k++) {
            const sn_pipe_slot *outside = sn_pipeline_output(p, k), *inside = sn_pipeline_output(p, 2 + k);
            assert_int_equal(inside->segments.n, 2);
            for (size_t i = 0; i < inside->segments.n; i++) {
                const sn_segment *a = &outside->segments.item[i], *b = &inside->segments.item[i];
                assert_true(a->begin_s == b->begin_s && a->end_s == b->end_s);
                assert_true(fabsf(a->score - b->score) <= 1e-6f);
            }
        }
    }
    sn_pipeline_close(p);
}

static void test_events_in_for_each(void **state)
{
    (void)state;
    enum { N = 160, GAP_BEGIN = 60, GAP_END = 120 };
    float s[N] = {0};
    for (size_t i = 20; i < N; i++) /* the second burst lasts until the end */
        s[i] = i < GAP_BEGIN || i >= GAP_END ? 0.75f : 0.0f;
    sound_file sound = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, s, N);
    sn_image photo = {0};
    uint8_t *png;
    size_t size;
    assert_int_equal(sn_image_reserve(sn_allocator_default(), &photo, 20, 10, 3), SETSUNA_OK);
    for (int y = 0; y < 10; y++)
        memset(sn_image_row(&photo, y), 0, 60);
    assert_int_equal(sn_image_encode_png(sn_allocator_default(), &photo, &png, &size, NULL), SETSUNA_OK);
    check_events_in_for_each(&sound, png, size, 1);
    check_events_in_for_each(&sound, png, size, 2); /* each frame twice: the same moments */
    sn_image_fini(sn_allocator_default(), &photo);
    sn_free(sn_allocator_default(), png);
    free(sound.data);
}

static void test_mistakes_are_told(void **state)
{
    (void)state;
    expect_open_fails("  - frames: {from: audio, to: f, length: 10, hop: 11}\noutputs: [f]\n",
                      "must not be above length");
    expect_open_fails("  - frames: {from: audio, to: f, length: 0}\noutputs: [f]\n", "from 1");
    expect_open_fails("  - frames: {from: audio, to: f, length: 10}\n"
                      "  - frames: {from: audio, to: g, length: 10}\noutputs: [f]\n",
                      "one source");
    expect_open_fails("  - frames: {from: audio, to: f, length: 10, begin: b, end: e}\n"
                      "  - speech_segments: {from: f, begin: b, end: e, to: s, threshold: 0.3, exit_threshold: 0.4}\n"
                      "outputs: [s]\n",
                      "above threshold");
    expect_open_fails("  - frames: {from: audio, to: f, length: 10, begin: b, end: e}\n"
                      "  - wake_words: {scores: [f], begin: b, end: e, to: s}\noutputs: [s]\n",
                      "write a mapping");
    expect_open_fails("  - frames: {from: audio, to: f, length: 10}\n"
                      "  - window: {from: f, to: w, rows: 4, fill: yes}\noutputs: [w]\n",
                      "not a number");
    /* Only a run can know that a frame is no score. */
    sn_pipeline *p = open_steps("  - frames: {from: audio, to: f, length: 10, begin: b, end: e}\n"
                                "  - speech_segments: {from: f, begin: b, end: e, to: s}\noutputs: [s]\n");
    sound_file f = sound_of(100);
    start(p, &f);
    bool more;
    setsuna_error err = {0};
    assert_int_equal(sn_pipeline_next(p, NULL, &more, &err), SETSUNA_ESHAPE);
    assert_non_null(strstr(err.text, "10 values, but one score"));
    assert_non_null(strstr(err.where, "test.yaml"));
    /* A sound that is none is told by its file. */
    assert_int_equal(sn_pipeline_set_bytes(p, 0, NULL, "RIFF", 4, &err), SETSUNA_OK);
    assert_int_equal(sn_pipeline_start(p, NULL, &err), SETSUNA_EINPUT);
    assert_non_null(strstr(err.text, "not a WAV"));
    assert_int_equal(sn_pipeline_next(p, NULL, &more, &err), SETSUNA_EINVAL);
    free(f.data);
    sn_pipeline_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_are_exact),
        cmocka_unit_test(test_empty_sound),
        cmocka_unit_test(test_frames_have_ledgers_of_their_own),
        cmocka_unit_test(test_stopped_before_the_source),
        cmocka_unit_test(test_window_holds_the_last_rows),
        cmocka_unit_test(test_collect_keeps_everything),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_events_in_for_each),
        cmocka_unit_test(test_mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
