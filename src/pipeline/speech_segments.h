/* Probabilities of speech, frame by frame, to stretches of speech.
 *
 *     p   threshold ------________________------------------  speech begins where p reaches it
 *         exit      ------                ------------------  and ends where p falls below this one
 *                          |<-- segment -->|<- min_silence: p must stay below `threshold` this long
 *
 * Segments shorter than min_speech are dropped; the others are widened by pad on both sides, but never past their
 * neighbours (two that are closer than 2 pad meet half way) or past the sound.
 *
 * Source: get_speech_timestamps of Silero VAD, as a description; segments can be told while the stream goes on.
 */
#ifndef SN_PIPELINE_SPEECH_SEGMENTS_H
#define SN_PIPELINE_SPEECH_SEGMENTS_H

#include "pipeline/slot.h"

typedef struct sn_speech_segmenter {
    /* Set by the caller before reset. */
    float threshold, exit_threshold; /* 0 < exit <= threshold */
    double min_speech_s, min_silence_s, pad_s;
    /* State. */
    bool speaking, pausing;  /* pausing only while speaking */
    double begin_s, pause_s; /* where this speech and the pause in it began */
    double sum, pause_sum;   /* of the probabilities since begin_s, and up to pause_s */
    uint64_t n, pause_n;     /* frames in them */
    double last_end_s;       /* of the segment told last, without its pad; negative: none yet */
    double now_s;            /* end of the last frame */
} sn_speech_segmenter;

/* Begins a new stream. */
void sn_speech_reset(sn_speech_segmenter *s);

/* One frame from begin_s to end_s, frames in order. A segment that is complete is appended to slot `to` (kind
 * SEGMENTS), scored with its mean probability; the end of the one before it may move back. Returns OK, ENOMEM. */
setsuna_status sn_speech_push(sn_speech_segmenter *s, float probability, double begin_s, double end_s,
                              sn_pipe_slot *to);

/* The stream is over: tells the speech that was still going on. Returns OK, ENOMEM. */
setsuna_status sn_speech_finish(sn_speech_segmenter *s, sn_pipe_slot *to);

#endif
