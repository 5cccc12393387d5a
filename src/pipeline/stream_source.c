/* Where a stream of sound begins: decode_audio reads a file, frames cuts it into one piece a pass. */
#include "pipeline/audio.h"
#include "pipeline/step_common.h"
#include <math.h>
#include <string.h>

/* ---- decode_audio -------------------------------------------------------------------------------------------------
 */

typedef struct stream_decode {
    sn_pipe_slot *from, *to;
    int32_t rate, quality;
} stream_decode;

static const char *const decode_audio_qualities[] = {
#define DECODE_AUDIO_QUALITY(name, text) text,
    SN_AUDIO_QUALITY_LIST(DECODE_AUDIO_QUALITY)
#undef DECODE_AUDIO_QUALITY
        NULL};

static const sn_pipe_field decode_audio_fields[] = {
    {"from", SN_FIELD_IN, offsetof(stream_decode, from), .kinds = SN_PIPE_BYTES, .help = "a WAV, FLAC or Ogg file"},
    {"to", SN_FIELD_OUT, offsetof(stream_decode, to), .kinds = SN_PIPE_AUDIO,
     .help = "the sound, one channel, in [-1, 1]"},
    {"rate", SN_FIELD_INT, offsetof(stream_decode, rate), .min = SN_AUDIO_RATE_MIN, .max = SN_AUDIO_RATE_MAX,
     .help = "samples a second to bring it to"},
    {"quality", SN_FIELD_CHOICE, offsetof(stream_decode, quality), .choices = decode_audio_qualities,
     .fallback = "fast",
     .help = "of the change of rate: fast is below the noise of 16 bits and keeps the lower 80 % of the band"},
};

static setsuna_status decode_audio_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    stream_decode *s = step->self;
    const sn_audio_options options = {.rate_hz = (uint32_t)s->rate, .quality = (sn_audio_quality)s->quality};
    setsuna_status status =
        sn_audio_decode(step->allocator, s->from->bytes.data, s->from->bytes.size, &options, &s->to->audio, err);
    if (status != SETSUNA_OK && s->from->bytes.source)
        return sn_fail_at(err, status, "%s", s->from->bytes.source);
    return status;
}

const sn_pipe_step_type sn_pipe_decode_audio = {
    .name = "decode_audio",
    .help = "reads a sound file",
    .stage = SN_STAGE_PREPROCESS,
    SN_PIPE_FIELDS(decode_audio_fields),
    .self_bytes = sizeof(stream_decode),
    .run = decode_audio_run,
};

/* ---- frames -------------------------------------------------------------------------------------------------------
 */

/* Frame k has the samples [k hop - context, k hop + length) of the sound with `lead` zeros put before it:
 *
 *     0 0 0 0 s0 s1 s2 s3 s4 s5 ... 0 0 0
 *     |-context-|---length---|
 *               |--hop--|-context-|---length---|       frame 1
 */
typedef struct stream_frames {
    sn_pipe_slot *from, *to, *begin, *end;
    int32_t length, hop, context;
    float pad_begin_s, pad_end_s;
    uint64_t next; /* frame of the next pass */
} stream_frames;

enum { FRAMES_SAMPLES_MAX = 1 << 24 /* of one frame */ };

static const sn_pipe_field frames_fields[] = {
    {"from", SN_FIELD_IN, offsetof(stream_frames, from), .kinds = SN_PIPE_AUDIO, .help = "the sound"},
    {"to", SN_FIELD_OUT, offsetof(stream_frames, to), .kinds = SN_PIPE_TENSOR,
     .help = "one frame, f32 [1, context + length]"},
    {"begin", SN_FIELD_OUT, offsetof(stream_frames, begin), .kinds = SN_PIPE_NUMBER, .fallback = "",
     .help = "where the frame's `length` samples begin in the sound, in seconds"},
    {"end", SN_FIELD_OUT, offsetof(stream_frames, end), .kinds = SN_PIPE_NUMBER, .fallback = "",
     .help = "where they end, in seconds"},
    {"length", SN_FIELD_INT, offsetof(stream_frames, length), .min = 1, .max = FRAMES_SAMPLES_MAX,
     .help = "samples of a frame"},
    {"hop", SN_FIELD_INT, offsetof(stream_frames, hop), .min = 0, .max = FRAMES_SAMPLES_MAX, .fallback = "0",
     .help = "samples from the begin of a frame to that of the next, at most length; 0: length"},
    {"context", SN_FIELD_INT, offsetof(stream_frames, context), .min = 0, .max = FRAMES_SAMPLES_MAX, .fallback = "0",
     .help = "samples before the frame that are put in front of it, zeros at the start"},
    {"pad_begin", SN_FIELD_FLOAT, offsetof(stream_frames, pad_begin_s), .min = 0, .max = 60, .fallback = "0",
     .help = "seconds of silence put before the sound"},
    {"pad_end", SN_FIELD_FLOAT, offsetof(stream_frames, pad_end_s), .min = 0, .max = 60, .fallback = "0",
     .help = "seconds of silence put after it"},
};

static setsuna_status frames_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    (void)build;
    stream_frames *s = step->self;
    if (s->hop > s->length)
        return sn_yaml_fail(err, SETSUNA_EINPUT, sn_yaml_get(step->node, "hop"),
                            "is %d; it must not be above length, or samples between frames would be lost", s->hop);
    if (s->hop == 0)
        s->hop = s->length;
    return SETSUNA_OK;
}

static void frames_reset(sn_pipe_step *step)
{
    ((stream_frames *)step->self)->next = 0;
}

/* Seconds of silence as samples. */
static uint64_t frames_pad(const stream_frames *s, float seconds)
{
    return (uint64_t)llround((double)seconds * s->from->audio.rate_hz);
}

/* Frames that a sound of n samples has: one, and as many more as bring new samples. */
static uint64_t frames_count(const stream_frames *s, uint64_t n)
{
    uint64_t length = (uint64_t)s->length, hop = (uint64_t)s->hop;
    if (n <= length)
        return n > 0;
    return 1 + (n - length + hop - 1) / hop;
}

/* The samples [at, at + n) of the sound into the slot: a view where they are all there, a copy with zeros otherwise. */
static setsuna_status frames_take(const sn_pipe_step *step, int64_t at, int64_t n, setsuna_error *err)
{
    stream_frames *s = step->self;
    const setsuna_shape shape = {2, {1, n}};
    const int64_t have = (int64_t)s->from->audio.n;
    if (at >= 0 && at + n <= have) {
        setsuna_tensor view = {SETSUNA_F32, shape, s->from->audio.sample + at, (size_t)n * sizeof(float)};
        sn_pipe_slot_tensor_borrow(s->to, &view);
        return SETSUNA_OK;
    }
    setsuna_status status = sn_pipe_slot_tensor_reserve(s->to, SETSUNA_F32, &shape);
    if (status != SETSUNA_OK)
        return sn_pipe_step_fail(step, status, err, "no memory for a frame of %lld samples", (long long)n);
    float *out = s->to->tensor.t.data;
    int64_t first = at < 0 ? -at : 0, last = have - at; /* the frame's indices [first, last) are in the sound */
    last = last < n ? last : n;
    memset(out, 0, (size_t)n * sizeof *out);
    if (first < last)
        memcpy(out + first, s->from->audio.sample + at + first, (size_t)(last - first) * sizeof *out);
    return SETSUNA_OK;
}

/* Sample `at` as a time in the sound. */
static double frames_time(const stream_frames *s, int64_t at)
{
    int64_t n = (int64_t)s->from->audio.n;
    return (double)(at < 0 ? 0 : at > n ? n : at) / s->from->audio.rate_hz;
}

static setsuna_status frames_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    stream_frames *s = step->self;
    uint64_t lead = frames_pad(s, s->pad_begin_s), tail = frames_pad(s, s->pad_end_s);
    uint64_t n_frames = s->from->audio.n ? frames_count(s, lead + s->from->audio.n + tail) : 0;
    if (s->next >= n_frames) { /* an empty sound has no frame */
        pass->stop = true;
        return SETSUNA_OK;
    }
    int64_t at = (int64_t)(s->next * (uint64_t)s->hop) - (int64_t)lead;
    SN_TRY(frames_take(step, at - s->context, (int64_t)s->context + s->length, err));
    if (s->begin)
        s->begin->number = frames_time(s, at);
    if (s->end)
        s->end->number = frames_time(s, at + s->length);
    pass->frame_s = (double)s->hop / s->from->audio.rate_hz;
    pass->more = ++s->next < n_frames;
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_frames = {
    .name = "frames",
    .help = "cuts a sound into frames, one a pass",
    .stage = SN_STAGE_PREPARE,
    .source = true,
    SN_PIPE_FIELDS(frames_fields),
    .self_bytes = sizeof(stream_frames),
    .create = frames_create,
    .reset = frames_reset,
    .run = frames_run,
};
