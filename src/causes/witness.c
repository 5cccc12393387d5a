#include "causes/witness.h"
#include <string.h>

static uint32_t witness_least(const sn_witnesses *s)
{
    uint32_t least = 0;
    for (uint32_t i = 1; i < s->n; i++)
        least = s->of[i].disturbed_ns < s->of[least].disturbed_ns ? i : least;
    return least;
}

bool sn_witnesses_want(const sn_witnesses *s, uint64_t disturbed_ns)
{
    if (disturbed_ns == 0)
        return false;
    return s->n < SN_WITNESSES || disturbed_ns > s->of[witness_least(s)].disturbed_ns;
}

void sn_witnesses_add(sn_witnesses *s, const sn_witness *w)
{
    if (!sn_witnesses_want(s, w->disturbed_ns))
        return;
    s->of[s->n < SN_WITNESSES ? s->n++ : witness_least(s)] = *w;
}

const sn_witness *sn_witnesses_find(const sn_witnesses *s, size_t index)
{
    for (uint32_t i = 0; i < s->n; i++)
        if (s->of[i].index == index)
            return &s->of[i];
    return NULL;
}

uint64_t sn_witness_disturbed_ns(const sn_cause_request *r)
{
    uint64_t ready = r->due_ns > r->free_ns ? r->due_ns : r->free_ns;
    return r->runqueue_ns + r->throttled_ns + r->steal_ns + r->stopped_ns + r->blocked_ns + r->interrupt_ns +
           r->helper_runqueue_ns + (r->begin_ns - ready);
}

static void witness_share(sn_witness_share *list, size_t n, const char *name, uint64_t ns)
{
    size_t at = 0, gap = 0; /* gap: where the others move up to */
    while (gap < n - 1 && list[gap].ns > 0 && strcmp(list[gap].name, name) != 0)
        gap++;
    ns += strcmp(list[gap].name, name) == 0 ? list[gap].ns : 0;
    while (at < gap && list[at].ns >= ns)
        at++;
    if (ns <= list[at].ns)
        return;
    memmove(&list[at + 1], &list[at], (gap - at) * sizeof *list);
    list[at].ns = ns;
    memcpy(list[at].name, name, sizeof list[at].name);
}

static void witness_who(const sn_recorder *rec, int32_t task, uint64_t ns, sn_witness *out)
{
    char name[SN_RECORDER_NAME];
    sn_recorder_task_name(rec, task, name);
    witness_share(out->who, SN_STORY_WHO, name, ns);
}

/* Who ran while the thread could have: those that it was pushed from the CPU for, and the one that it had to wait for
 * when it had been woken. */
static void witness_story(const sn_recorder *rec, const sn_cause_evidence *e, uint64_t waited_ns, sn_witness *out)
{
    if (!e->has_who)
        return;
    for (int i = 0; i < SN_STORY_WHO && e->story.who[i].ns > 0; i++)
        witness_who(rec, e->story.who[i].task, e->story.who[i].ns, out);
    int32_t before = e->story.woken_after;
    if (waited_ns > e->story.pushed_ns && before != SN_STORY_NOBODY && before != SN_STORY_IDLE)
        witness_who(rec, before, waited_ns - e->story.pushed_ns, out);
}

void sn_witness_take(const sn_recorder *rec, size_t index, const sn_cause_request *r, const sn_cause_evidence *in,
                     const sn_cause_evidence *gap, int32_t continued_by, sn_witness *out)
{
    *out = (sn_witness){.index = index, .disturbed_ns = sn_witness_disturbed_ns(r)};
    witness_story(rec, in, r->runqueue_ns + r->throttled_ns, out);
    bool helper = in->has_who && r->helper_runqueue_ns > r->runqueue_ns;
    for (int i = 0; helper && i < SN_STORY_WHO && in->other.who[i].ns > 0; i++)
        witness_who(rec, in->other.who[i].task, in->other.who[i].ns, out);
    witness_story(rec, gap, r->gap_runqueue_ns, out);
    for (int i = 0; i < SN_STORY_INTERRUPTS && in->story.interrupt[i].ns > 0; i++) {
        char name[SN_RECORDER_NAME];
        sn_recorder_interrupt_name(in->story.interrupt[i].task, in->story.interrupt[i].other, name);
        witness_share(out->interrupt, SN_STORY_INTERRUPTS, name, in->story.interrupt[i].ns);
    }
    if (continued_by)
        sn_recorder_task_name(rec, continued_by, out->stopped_by);
}
