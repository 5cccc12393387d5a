/* Scores of a wake word, prediction by prediction, to the moments at which it was heard.
 *
 * A word scores high in several predictions in a row, and may waver. All that reach the threshold without a break of
 * `refractory` or longer are one event.
 */
#ifndef SN_PIPELINE_WAKE_WORDS_H
#define SN_PIPELINE_WAKE_WORDS_H

#include "pipeline/slot.h"

typedef struct sn_wake_detector {
    /* Set by the caller before reset. */
    const char *label; /* of the word; goes into the segments */
    float threshold;
    uint32_t skip; /* predictions at the start that count as 0: the classifier has not heard enough yet */
    double refractory_s;
    /* State. */
    uint64_t n_seen;
    bool heard;
    size_t at; /* the event told last, among the segments */
} sn_wake_detector;

/* Begins a new stream. */
void sn_wake_reset(sn_wake_detector *w);

/* One prediction, made when the stream had reached the frame from begin_s to end_s. The first that reaches the
 * threshold appends an event to slot `to` (kind SEGMENTS), scored with its highest prediction; those that follow extend
 * it. Several detectors may share a slot. Returns OK, ENOMEM. */
setsuna_status sn_wake_push(sn_wake_detector *w, float score, double begin_s, double end_s, sn_pipe_slot *to);

#endif
