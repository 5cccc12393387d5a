/* Steps that turn the scores of a stream into stretches of time: speech_segments and wake_words. */
#include "pipeline/speech_segments.h"
#include "pipeline/step_common.h"
#include "pipeline/wake_words.h"
#include <math.h>

/* The one number that a slot holds. */
static setsuna_status event_score(const sn_pipe_step *step, const sn_pipe_slot *slot, float *out, setsuna_error *err)
{
    float score;
    if (slot->kind == SN_PIPE_NUMBER) {
        score = (float)slot->number;
    } else {
        SN_TRY(sn_pipe_step_need_f32(step, slot, err));
        if (slot->tensor.t.size_bytes != sizeof score)
            return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err, "'%s' has %zu values, but one score is needed",
                                     slot->name, slot->tensor.t.size_bytes / sizeof score);
        score = *(const float *)slot->tensor.t.data;
    }
    if (isnan(score))
        return sn_pipe_step_fail(step, SETSUNA_EINPUT, err, "'%s' is not a number", slot->name);
    *out = score;
    return SETSUNA_OK;
}

/* ---- speech_segments ------------------------------------------------------------------------------------------------
 */

typedef struct stream_speech {
    sn_pipe_slot *from, *begin, *end, *to;
    float threshold, exit_threshold;
    int32_t min_speech_ms, min_silence_ms, pad_ms;
    sn_speech_segmenter segmenter;
} stream_speech;

enum { EVENT_MS_MAX = 3600000 };

static const sn_pipe_field speech_fields[] = {
    {"from", SN_FIELD_IN, offsetof(stream_speech, from), .kinds = SN_PIPE_TENSOR | SN_PIPE_NUMBER,
     .help = "probability of speech in the frame"},
    {"begin", SN_FIELD_IN, offsetof(stream_speech, begin), .kinds = SN_PIPE_NUMBER,
     .help = "begin of the frame, in seconds"},
    {"end", SN_FIELD_IN, offsetof(stream_speech, end), .kinds = SN_PIPE_NUMBER, .help = "end of the frame, in seconds"},
    {"to", SN_FIELD_OUT, offsetof(stream_speech, to), .kinds = SN_PIPE_SEGMENTS, .help = "the stretches of speech"},
    {"threshold", SN_FIELD_FLOAT, offsetof(stream_speech, threshold), .min = 0, .max = 1, .fallback = "0.5",
     .help = "speech begins at this probability"},
    {"exit_threshold", SN_FIELD_FLOAT, offsetof(stream_speech, exit_threshold), .min = 0, .max = 1, .fallback = "0",
     .help = "and ends below this one; 0: threshold - 0.15, at least 0.01"},
    {"min_speech_ms", SN_FIELD_INT, offsetof(stream_speech, min_speech_ms), .min = 0, .max = EVENT_MS_MAX,
     .fallback = "250", .help = "shorter segments are dropped"},
    {"min_silence_ms", SN_FIELD_INT, offsetof(stream_speech, min_silence_ms), .min = 0, .max = EVENT_MS_MAX,
     .fallback = "100", .help = "shorter pauses do not end a segment"},
    {"pad_ms", SN_FIELD_INT, offsetof(stream_speech, pad_ms), .min = 0, .max = EVENT_MS_MAX, .fallback = "30",
     .help = "added on both sides of a segment"},
};

static setsuna_status speech_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    (void)build;
    stream_speech *s = step->self;
    float exit = s->exit_threshold > 0.0f ? s->exit_threshold : fmaxf(s->threshold - 0.15f, 0.01f);
    if (exit > s->threshold)
        return sn_yaml_fail(err, SETSUNA_EINPUT, step->node,
                            "exit_threshold %g is above threshold %g; lower it, or leave it out", (double)exit,
                            (double)s->threshold);
    s->segmenter = (sn_speech_segmenter){
        .threshold = s->threshold,
        .exit_threshold = exit,
        .min_speech_s = s->min_speech_ms / 1e3,
        .min_silence_s = s->min_silence_ms / 1e3,
        .pad_s = s->pad_ms / 1e3,
    };
    return SETSUNA_OK;
}

static void speech_reset(sn_pipe_step *step)
{
    sn_speech_reset(&((stream_speech *)step->self)->segmenter);
}

static setsuna_status speech_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    stream_speech *s = step->self;
    float score = 0.0f;
    SN_TRY(event_score(step, s->from, &score, err));
    setsuna_status status = sn_speech_push(&s->segmenter, score, s->begin->number, s->end->number, s->to);
    return status == SETSUNA_OK ? status : sn_pipe_step_fail(step, status, err, "out of memory");
}

static setsuna_status speech_finish(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    stream_speech *s = step->self;
    setsuna_status status = sn_speech_finish(&s->segmenter, s->to);
    return status == SETSUNA_OK ? status : sn_pipe_step_fail(step, status, err, "out of memory");
}

const sn_pipe_step_type sn_pipe_speech_segments = {
    .name = "speech_segments",
    .help = "turns the probability of speech into stretches of speech",
    .stage = SN_STAGE_POSTPROCESS,
    SN_PIPE_FIELDS(speech_fields),
    .self_bytes = sizeof(stream_speech),
    .create = speech_create,
    .reset = speech_reset,
    .run = speech_run,
    .finish = speech_finish,
};

/* ---- wake_words -----------------------------------------------------------------------------------------------------
 */

typedef struct stream_wake_word {
    sn_pipe_slot *score;
    sn_wake_detector detector;
} stream_wake_word;

typedef struct stream_wake {
    const sn_yaml *scores;
    sn_pipe_slot *begin, *end, *to;
    float threshold;
    int32_t skip, refractory_ms;
    stream_wake_word *word;
    uint32_t n_words;
} stream_wake;

static const sn_pipe_field wake_fields[] = {
    {"scores", SN_FIELD_NODE, offsetof(stream_wake, scores), .help = "{WORD: its score in this prediction, ...}"},
    {"begin", SN_FIELD_IN, offsetof(stream_wake, begin), .kinds = SN_PIPE_NUMBER,
     .help = "begin of the frame, in seconds"},
    {"end", SN_FIELD_IN, offsetof(stream_wake, end), .kinds = SN_PIPE_NUMBER, .help = "end of the frame, in seconds"},
    {"to", SN_FIELD_OUT, offsetof(stream_wake, to), .kinds = SN_PIPE_SEGMENTS,
     .help = "when which word was recognised: just after it was said"},
    {"threshold", SN_FIELD_FLOAT, offsetof(stream_wake, threshold), .min = 0, .max = 1, .fallback = "0.5",
     .help = "score from which on a word counts as heard"},
    {"skip", SN_FIELD_INT, offsetof(stream_wake, skip), .min = 0, .max = 1 << 20, .fallback = "5",
     .help = "predictions at the start that count as 0"},
    {"refractory_ms", SN_FIELD_INT, offsetof(stream_wake, refractory_ms), .min = 0, .max = EVENT_MS_MAX,
     .fallback = "1000", .help = "a word heard again within this time is the same event"},
};

static setsuna_status wake_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    stream_wake *s = step->self;
    if (s->scores->kind != SN_YAML_MAP || s->scores->n == 0)
        return sn_yaml_fail(err, SETSUNA_EINPUT, s->scores, "write a mapping: {WORD: its score, ...}");
    s->word = sn_arena_array(sn_pipe_build_arena(build), s->scores->n, sizeof *s->word);
    if (!s->word)
        return sn_yaml_fail(err, SETSUNA_ENOMEM, s->scores, "out of memory");
    for (const sn_yaml *c = s->scores->first; c; c = c->next) {
        stream_wake_word *w = &s->word[s->n_words++];
        SN_TRY(sn_pipe_build_slot_in(build, c, SN_PIPE_TENSOR | SN_PIPE_NUMBER, &w->score, err));
        w->detector = (sn_wake_detector){.label = c->key,
                                         .threshold = s->threshold,
                                         .skip = (uint32_t)s->skip,
                                         .refractory_s = s->refractory_ms / 1e3};
    }
    return SETSUNA_OK;
}

static void wake_reset(sn_pipe_step *step)
{
    stream_wake *s = step->self;
    for (uint32_t i = 0; i < s->n_words; i++)
        sn_wake_reset(&s->word[i].detector);
}

static setsuna_status wake_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    (void)pass;
    stream_wake *s = step->self;
    for (uint32_t i = 0; i < s->n_words; i++) {
        float score = 0.0f;
        SN_TRY(event_score(step, s->word[i].score, &score, err));
        setsuna_status status = sn_wake_push(&s->word[i].detector, score, s->begin->number, s->end->number, s->to);
        if (status != SETSUNA_OK)
            return sn_pipe_step_fail(step, status, err, "out of memory");
    }
    return SETSUNA_OK;
}

const sn_pipe_step_type sn_pipe_wake_words = {
    .name = "wake_words",
    .help = "tells when words were heard from their scores",
    .stage = SN_STAGE_POSTPROCESS,
    SN_PIPE_FIELDS(wake_fields),
    .self_bytes = sizeof(stream_wake),
    .create = wake_create,
    .reset = wake_reset,
    .run = wake_run,
};
