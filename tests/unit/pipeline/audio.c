/* Sound in: every format and sample type against what was written, mixing, change of rate against sines whose value is
 * known everywhere, limits, and files damaged at every byte. */
#include "pipeline/audio.h"
#include "unit/pipeline/mutate.h"
#include "unit/pipeline/sounds.h"
#include "unit/unit.h"
#include <math.h>

static const sn_allocator *heap(void)
{
    return sn_allocator_default();
}

static float *sine(double hz, double amplitude, int rate, size_t n)
{
    float *s = malloc(n * sizeof *s);
    for (size_t i = 0; i < n; i++)
        s[i] = (float)(amplitude * sin(2.0 * M_PI * hz * (double)i / rate + 0.3));
    return s;
}

static sn_audio decode_ok(const sound_file *f, const sn_audio_options *o)
{
    sn_audio audio = {0};
    setsuna_error err = {0};
    setsuna_status status = sn_audio_decode(heap(), f->data, f->size, o, &audio, &err);
    if (status != SETSUNA_OK)
        fail_msg("%s: %s", setsuna_status_name(status), err.text);
    return audio;
}

static void expect_fail(const void *data, size_t size, const sn_audio_options *o, setsuna_status want,
                        const char *reason)
{
    sn_audio audio = {0};
    setsuna_error err = {0};
    assert_int_equal(sn_audio_decode(heap(), data, size, o, &audio, &err), want);
    if (!strstr(err.text, reason))
        fail_msg("'%s' does not say '%s'", err.text, reason);
    sn_audio_fini(heap(), &audio);
}

/* Lossless kinds give back what was written, up to half a step of their samples. */
static void test_lossless(void **state)
{
    (void)state;
    static const struct {
        int format;
        double step;
    } kinds[] = {
        {SF_FORMAT_WAV | SF_FORMAT_PCM_16, 0x1p-15},   {SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 0x1p-7},
        {SF_FORMAT_WAV | SF_FORMAT_PCM_24, 0x1p-23},   {SF_FORMAT_WAV | SF_FORMAT_PCM_32, 0x1p-24},
        {SF_FORMAT_WAV | SF_FORMAT_FLOAT, 0x1p-24},    {SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 0x1p-24},
        {SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, 0x1p-15}, {SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 0x1p-15},
        {SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 0x1p-15},  {SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 0x1p-23},
    };
    enum { N = 10000 }; /* more than one block */
    float *want = sine(440.0, 0.9, 16000, N);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        sound_file f = sound_file_make(kinds[k].format, 16000, 1, want, N);
        sn_audio got = decode_ok(&f, NULL);
        assert_int_equal(got.n, N);
        assert_int_equal(got.rate_hz, 16000);
        for (size_t i = 0; i < N; i++) /* writers scale by 2^(bits-1) - 1, readers by 2^(bits-1): one step more */
            if (fabs((double)got.sample[i] - (double)want[i]) > 1.5 * kinds[k].step + 0x1p-24)
                fail_msg("format %x, sample %zu: %.9g for %.9g", (unsigned)kinds[k].format, i, (double)got.sample[i],
                         (double)want[i]);
        sn_audio_fini(heap(), &got);
        free(f.data);
    }
    free(want);
}

/* 16-bit samples are exactly integer / 32768, which models that want integers undo exactly. */
static void test_pcm16_is_exact(void **state)
{
    (void)state;
    static const int16_t values[] = {0, 1, -1, 32767, -32768, 12345, -12345};
    enum { N = sizeof values / sizeof *values };
    float scaled[N];
    for (size_t i = 0; i < N; i++)
        scaled[i] = (float)values[i] / 32768.0f;
    sound_file f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, scaled, N);
    memcpy(f.data + f.size - sizeof values, values, sizeof values); /* what libsndfile rounded does not matter */
    sn_audio got = decode_ok(&f, NULL);
    assert_int_equal(got.n, N);
    for (size_t i = 0; i < N; i++)
        assert_true(got.sample[i] * 32768.0f == (float)values[i]);
    sn_audio_fini(heap(), &got);
    free(f.data);
}

static double rms_difference(const float *a, const float *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    return sqrt(sum / (double)n);
}

/* A lossy file still sounds like what was written: at least 20 dB above the coding noise. */
static void test_ogg(void **state)
{
    (void)state;
    static const int formats[] = {SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_OGG | SF_FORMAT_OPUS};
    enum { N = 48000 };
    float *want = sine(440.0, 0.5, 48000, N);
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        sound_file f = sound_file_make(formats[k], 48000, 1, want, N);
        sn_audio got = decode_ok(&f, NULL);
        assert_int_equal(got.n, N);
        assert_int_equal(got.rate_hz, 48000);
        assert_true(rms_difference(got.sample + 4800, want + 4800, N - 9600) < 0.5 / sqrt(2.0) / 10.0);
        sn_audio_fini(heap(), &got);
        free(f.data);
    }
    free(want);
}

static void test_channels_are_averaged(void **state)
{
    (void)state;
    enum { N = 5000, CHANNELS = 3 };
    float *in = malloc(sizeof(float) * N * CHANNELS);
    for (size_t i = 0; i < N; i++) {
        in[i * CHANNELS] = (float)(i % 100) / 128.0f;
        in[i * CHANNELS + 1] = 0.25f;
        in[i * CHANNELS + 2] = -(float)(i % 100) / 128.0f;
    }
    sound_file f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, CHANNELS, in, N);
    sn_audio got = decode_ok(&f, NULL);
    assert_int_equal(got.n, N);
    for (size_t i = 0; i < N; i++)
        assert_true(fabsf(got.sample[i] - 0.25f / 3.0f) <= 0x1p-24f);
    sn_audio_fini(heap(), &got);
    free(f.data);
    free(in);
}

static void test_clipping_and_not_numbers(void **state)
{
    (void)state;
    float in[4] = {1.5f, -2.0f, 0.5f, 0.0f};
    sound_file f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, in, 4);
    sn_audio got = decode_ok(&f, NULL);
    assert_true(got.sample[0] == 1.0f && got.sample[1] == -1.0f && got.sample[2] == 0.5f);
    sn_audio_fini(heap(), &got);
    free(f.data);
    static const float bad[] = {NAN, INFINITY};
    for (size_t i = 0; i < 2; i++) {
        in[2] = bad[i];
        f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 16000, 1, in, 4);
        expect_fail(f.data, f.size, NULL, SETSUNA_EINPUT, "sample 2 is not a finite number");
        free(f.data);
    }
}

/* ---- change of rate -------------------------------------------------------------------------------------------- */

/* A sine keeps its phase, length and level: sample k is sin at k / rate. libsamplerate states 97 dB of signal to noise
 * for `fast`; away from the ends, where the filter sees silence, the rest is below 1e-4. */
static void test_rate_keeps_a_sine(void **state)
{
    (void)state;
    static const struct {
        int from, to;
        double hz;
    } cases[] = {{48000, 16000, 1000.0}, {8000, 16000, 1000.0},  {44100, 16000, 3000.0},
                 {16000, 48000, 5000.0}, {22050, 16000, 440.0},  {16000, 8000, 2500.0},
                 {4000, 384000, 500.0},  {384000, 4000, 1000.0}, {11025, 16000, 100.0}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        size_t n = (size_t)cases[k].from / 2;
        float *in = sine(cases[k].hz, 0.7, cases[k].from, n);
        sound_file f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_FLOAT, cases[k].from, 1, in, n);
        for (int q = SN_AUDIO_FAST; q <= SN_AUDIO_BEST; q++) {
            sn_audio_options o = {.rate_hz = (uint32_t)cases[k].to, .quality = (sn_audio_quality)q};
            sn_audio got = decode_ok(&f, &o);
            size_t want_n = (size_t)cases[k].to / 2, edge = want_n / 4;
            assert_int_equal(got.rate_hz, cases[k].to);
            assert_in_range(got.n, want_n - 1, want_n + 1);
            float *want = sine(cases[k].hz, 0.7, cases[k].to, want_n);
            double off = rms_difference(got.sample + edge, want + edge, want_n - 2 * edge);
            if (off > 1e-4)
                fail_msg("%d -> %d, quality %d: off by %g", cases[k].from, cases[k].to, q, off);
            free(want);
            sn_audio_fini(heap(), &got);
        }
        free(f.data);
        free(in);
    }
}

/* What the new rate cannot hold is removed, not folded back. */
static void test_rate_removes_aliases(void **state)
{
    (void)state;
    enum { N = 24000 };
    float *in = sine(11000.0, 0.7, 48000, N);
    sound_file f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_FLOAT, 48000, 1, in, N);
    sn_audio got = decode_ok(&f, &(sn_audio_options){.rate_hz = 16000, .quality = SN_AUDIO_MEDIUM});
    float *zero = calloc(got.n, sizeof *zero);
    assert_true(rms_difference(got.sample + 2000, zero, got.n - 4000) < 1e-4);
    free(zero);
    sn_audio_fini(heap(), &got);
    free(f.data);
    free(in);
}

/* ---- limits and damage ------------------------------------------------------------------------------------------ */

static void test_limits(void **state)
{
    (void)state;
    enum { N = 1000 };
    float *in = calloc(N * 80, sizeof *in);
    sound_file f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, in, N);
    expect_fail(f.data, f.size, &(sn_audio_options){.samples_max = N - 1}, SETSUNA_ELIMIT, "at most 999");
    expect_fail(f.data, f.size, &(sn_audio_options){.samples_max = N, .rate_hz = 32000}, SETSUNA_ELIMIT,
                "more than 1000 samples at 32000");
    expect_fail(f.data, f.size, &(sn_audio_options){.rate_hz = 1}, SETSUNA_EINVAL, "from 4000");
    free(f.data);
    static const int rates[] = {1, 3999, 384001, 2000000000};
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_PCM_16, rates[i], 1, in, N);
        expect_fail(f.data, f.size, NULL, SETSUNA_ELIMIT, "samples a second");
        free(f.data);
    }
    f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 80, in, N);
    expect_fail(f.data, f.size, NULL, SETSUNA_ELIMIT, "80 channels");
    free(f.data);
    free(in);
}

/* A FLAC that promises 2^36 - 1 samples costs no memory before they are there. */
static void test_promised_length_is_not_allocated(void **state)
{
    (void)state;
    float in[64] = {0};
    sound_file f = sound_file_make(SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 16000, 1, in, 64);
    f.data[21] |= 0x0f; /* STREAMINFO: the low 4 bits of byte 13, and bytes 14 to 17, are the sample count */
    memset(f.data + 22, 0xff, 4);
    expect_fail(f.data, f.size, NULL, SETSUNA_ELIMIT, "68719476735 samples");
    expect_fail(f.data, f.size, &(sn_audio_options){.samples_max = UINT64_MAX}, SETSUNA_EINPUT, "can be read");
    free(f.data);
}

static void test_not_a_sound(void **state)
{
    (void)state;
    static const char text[] = "This is a text, which is longer than the header of any sound file would be.";
    expect_fail(text, sizeof text, NULL, SETSUNA_EINPUT, "not a WAV, FLAC or Ogg file");
    expect_fail("", 0, NULL, SETSUNA_EINPUT, "not a WAV, FLAC or Ogg file");
    expect_fail("RIFF\4\0\0\0WAVE", 12, NULL, SETSUNA_EINPUT, "no samples");
    float in[64] = {0};
    sound_file f = sound_file_make(SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16000, 1, in, 64); /* libsndfile could */
    expect_fail(f.data, f.size, NULL, SETSUNA_EINPUT, "not a WAV, FLAC or Ogg file");
    free(f.data);
}

/* Programs that write into a pipe cannot know the length: all that is there counts. */
static void test_unknown_wav_length(void **state)
{
    (void)state;
    float in[64] = {0};
    sound_file f = sound_file_make(SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1, in, 64);
    static const uint32_t sizes[] = {0xffffffff, 0x7ffff000, 0x80000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        memcpy(f.data + f.size - 128 - 4, &sizes[i], 4);
        sn_audio got = decode_ok(&f, NULL);
        assert_int_equal(got.n, 64);
        sn_audio_fini(heap(), &got);
    }
    free(f.data);
}

typedef struct damage {
    sn_audio audio; /* reused, as a pipeline does */
    size_t n_ok, n_bad, frames;
} damage;

static void check_damaged(void *ctx, const uint8_t *data, size_t size)
{
    damage *d = ctx;
    setsuna_error err = {0};
    sn_audio_options o = {.rate_hz = 16000, .quality = SN_AUDIO_FAST, .samples_max = 1 << 16};
    setsuna_status status = sn_audio_decode(heap(), data, size, &o, &d->audio, &err);
    if (status == SETSUNA_OK) {
        d->n_ok++;
        assert_true(d->audio.n <= 1 << 16);
        for (size_t i = 0; i < d->audio.n; i++)
            assert_true(fabsf(d->audio.sample[i]) <= 1.0f);
    } else {
        d->n_bad++;
        assert_true(status == SETSUNA_EINPUT || status == SETSUNA_ELIMIT || status == SETSUNA_EUNSUPPORTED);
        assert_true(err.text[0]);
    }
}

static void check_truncated_fails(void *ctx, const uint8_t *data, size_t size)
{
    damage *d = ctx;
    size_t before = d->n_ok;
    check_damaged(ctx, data, size);
    if (d->n_ok != before)
        fail_msg("cut at byte %zu, but decoded to %zu samples", size, d->audio.n);
}

static void test_damaged(void **state)
{
    (void)state;
    enum { N = 120 };
    float *in = sine(1000.0, 0.8, 16000, N * 2);
    static const int formats[] = {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_WAV | SF_FORMAT_FLOAT,
                                  SF_FORMAT_WAVEX | SF_FORMAT_PCM_24, SF_FORMAT_FLAC | SF_FORMAT_PCM_16};
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++)
        for (int channels = 1; channels <= 2; channels++) {
            damage d = {0};
            sound_file f = sound_file_make(formats[k], 16000, channels, in, N);
            assert_non_null(f.data);
            mutate_truncate_all(f.data, f.size, check_truncated_fails, &d);
            mutate_flip_all(f.data, f.size, check_damaged, &d);
            assert_true(d.n_bad > 0);
            sn_audio_fini(heap(), &d.audio);
            free(f.data);
        }
    free(in);
}

/* A stream may end after any page: a cut file is either refused or shorter. The code books make the file long; every
 * 5th byte is damaged (the bits take turns), with the page's checksum as it was and as it should be. */
static void test_damaged_ogg(void **state)
{
    (void)state;
    enum { N = 1000 };
    float *in = sine(1000.0, 0.8, 16000, N);
    static const int formats[] = {SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_OGG | SF_FORMAT_OPUS};
    for (size_t k = 0; k < sizeof formats / sizeof *formats; k++) {
        damage d = {0};
        sound_file f = sound_file_make(formats[k], 16000, 1, in, N);
        assert_non_null(f.data);
        for (size_t i = 0; i < f.size; i += 5)
            for (int mend = 0; mend < 2; mend++) {
                uint8_t *copy = malloc(f.size);
                memcpy(copy, f.data, f.size);
                copy[i] ^= (uint8_t)(1u << i % 8);
                if (mend)
                    sound_mend_ogg(copy, f.size);
                check_damaged(&d, copy, f.size);
                free(copy);
                copy = malloc(i ? i : 1);
                memcpy(copy, f.data, i);
                if (mend)
                    sound_mend_ogg(copy, i);
                check_damaged(&d, copy, i);
                free(copy);
            }
        assert_true(d.n_bad > 0);
        sn_audio_fini(heap(), &d.audio);
        free(f.data);
    }
    free(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lossless),
        cmocka_unit_test(test_pcm16_is_exact),
        cmocka_unit_test(test_ogg),
        cmocka_unit_test(test_channels_are_averaged),
        cmocka_unit_test(test_clipping_and_not_numbers),
        cmocka_unit_test(test_rate_keeps_a_sine),
        cmocka_unit_test(test_rate_removes_aliases),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_promised_length_is_not_allocated),
        cmocka_unit_test(test_not_a_sound),
        cmocka_unit_test(test_unknown_wav_length),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_damaged_ogg),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
