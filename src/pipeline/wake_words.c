#include "pipeline/wake_words.h"

void sn_wake_reset(sn_wake_detector *w)
{
    w->n_seen = 0;
    w->heard = false;
}

setsuna_status sn_wake_push(sn_wake_detector *w, float score, double begin_s, double end_s, sn_pipe_slot *to)
{
    if (w->n_seen++ < w->skip || score < w->threshold)
        return SETSUNA_OK;
    if (w->heard && begin_s - to->segments.item[w->at].end_s < w->refractory_s) {
        sn_segment *event = &to->segments.item[w->at];
        event->end_s = end_s;
        event->score = score > event->score ? score : event->score;
        return SETSUNA_OK;
    }
    sn_segment event = {.begin_s = begin_s, .end_s = end_s, .score = score, .label = w->label};
    if (!sn_pipe_slot_segment_add(to, &event))
        return SETSUNA_ENOMEM;
    w->heard = true;
    w->at = to->segments.n - 1;
    return SETSUNA_OK;
}
