#include "pipeline/speech_segments.h"
#include <math.h>

void sn_speech_reset(sn_speech_segmenter *s)
{
    s->speaking = s->pausing = false;
    s->now_s = 0.0;
    s->last_end_s = -1.0;
}

/* Tells the speech from begin_s to end_s, whose frames have this mean probability, unless it is too short. */
static setsuna_status speech_tell(sn_speech_segmenter *s, double end_s, double mean, sn_pipe_slot *to)
{
    s->speaking = s->pausing = false;
    if (end_s - s->begin_s < s->min_speech_s)
        return SETSUNA_OK;
    double pad_before = s->pad_s;
    if (s->last_end_s >= 0.0 && to->segments.n > 0) {
        double half_gap = (s->begin_s - s->last_end_s) / 2.0;
        pad_before = fmin(pad_before, half_gap);
        to->segments.item[to->segments.n - 1].end_s = s->last_end_s + pad_before;
    }
    sn_segment segment = {
        .begin_s = fmax(s->begin_s - pad_before, 0.0),
        .end_s = end_s + s->pad_s,
        .score = (float)mean,
    };
    s->last_end_s = end_s;
    return sn_pipe_slot_segment_add(to, &segment) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

setsuna_status sn_speech_push(sn_speech_segmenter *s, float probability, double begin_s, double end_s, sn_pipe_slot *to)
{
    s->now_s = end_s;
    if (!s->speaking) {
        if (probability < s->threshold)
            return SETSUNA_OK;
        s->speaking = true;
        s->begin_s = begin_s;
        s->sum = 0.0;
        s->n = 0;
    }
    if (probability >= s->threshold) {
        s->pausing = false;
    } else if (probability < s->exit_threshold && !s->pausing) {
        s->pausing = true;
        s->pause_s = begin_s;
        s->pause_sum = s->sum;
        s->pause_n = s->n;
    }
    if (s->pausing && probability < s->exit_threshold && begin_s - s->pause_s >= s->min_silence_s)
        return speech_tell(s, s->pause_s, s->pause_sum / (double)s->pause_n, to);
    s->sum += (double)probability;
    s->n++;
    return SETSUNA_OK;
}

setsuna_status sn_speech_finish(sn_speech_segmenter *s, sn_pipe_slot *to)
{
    if (s->speaking)
        SN_TRY(speech_tell(s, s->now_s, s->sum / (double)s->n, to));
    if (s->last_end_s >= 0.0 && to->segments.n > 0) {
        sn_segment *last = &to->segments.item[to->segments.n - 1];
        last->end_s = fmin(last->end_s, s->now_s); /* the pad ends with the sound */
    }
    return SETSUNA_OK;
}
