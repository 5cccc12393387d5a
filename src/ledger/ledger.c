#include "ledger/ledger.h"
#include <string.h>

static const struct {
    const char *name, *covers;
} stage_texts[SN_STAGES] = {
#define STAGE_TEXT(name, text, covers) [SN_STAGE_##name] = {text, covers},
    SN_STAGE_LIST(STAGE_TEXT)
#undef STAGE_TEXT
};

static const struct {
    const char *name;
    bool in_overhead;
} wait_texts[SN_WAITS] = {
#define WAIT_TEXT(name, text, in_overhead) [SN_WAIT_##name] = {text, in_overhead},
    SN_WAIT_LIST(WAIT_TEXT)
#undef WAIT_TEXT
};

const char *sn_stage_name(sn_stage stage)
{
    return (unsigned)stage < SN_STAGES ? stage_texts[stage].name : "?";
}

const char *sn_stage_covers(sn_stage stage)
{
    return (unsigned)stage < SN_STAGES ? stage_texts[stage].covers : "?";
}

const char *sn_wait_name(sn_wait wait)
{
    return (unsigned)wait < SN_WAITS ? wait_texts[wait].name : "?";
}

bool sn_wait_in_overhead(sn_wait wait)
{
    return (unsigned)wait < SN_WAITS && wait_texts[wait].in_overhead;
}

void sn_ledger_begin_at(sn_ledger *l, uint64_t id, uint64_t start_ns)
{
    memset(l, 0, sizeof *l);
    l->id = id;
    l->start_ns = l->mark_ns = start_ns;
    l->frame[0].stage = SN_STAGES;
    l->open = true;
}

/* Gives the time since the last mark to whoever has the clock. false: the call must have no effect. */
static bool ledger_stamp(sn_ledger *l, uint64_t now_ns)
{
    if (!l || !l->open) {
        if (l)
            l->n_flaws++;
        return false;
    }
    if (now_ns < l->mark_ns) {
        l->n_flaws++;
        now_ns = l->mark_ns;
    }
    struct sn_ledger_frame *f = &l->frame[l->depth];
    uint64_t passed = now_ns - l->mark_ns;
    f->own_ns += passed;
    if (l->depth > 0)
        l->stage_ns[f->stage] += passed;
    l->mark_ns = now_ns;
    return true;
}

static void ledger_push(sn_ledger *l, sn_stage stage)
{
    if (l->depth == SN_LEDGER_DEPTH) {
        l->n_flaws++;
        l->n_deep++;
        return;
    }
    l->depth++;
    l->frame[l->depth] = (struct sn_ledger_frame){.own_ns = 0, .stage = stage};
    l->n_enters[stage]++;
}

void sn_ledger_enter_at(sn_ledger *l, sn_stage stage, uint64_t now_ns)
{
    if (ledger_stamp(l, now_ns))
        ledger_push(l, stage);
}

void sn_ledger_leave_at(sn_ledger *l, sn_stage stage, uint64_t now_ns)
{
    if (!ledger_stamp(l, now_ns))
        return;
    if (l->n_deep > 0) {
        l->n_deep--;
        return;
    }
    uint32_t d = l->depth; /* frame 0 is of no stage, so the search ends there */
    while (d > 0 && l->frame[d].stage != stage)
        d--;
    if (d != l->depth || d == 0)
        l->n_flaws++;
    if (d > 0)
        l->depth = d - 1;
}

void sn_ledger_switch_at(sn_ledger *l, sn_stage stage, uint64_t now_ns)
{
    if (!ledger_stamp(l, now_ns))
        return;
    if (l->n_deep > 0) /* the innermost visit has no frame, and its successor gets none */
        return;
    if (l->depth > 0)
        l->depth--;
    else
        l->n_flaws++;
    ledger_push(l, stage);
}

void sn_ledger_add_at(sn_ledger *l, sn_stage stage, uint64_t ns, uint64_t now_ns)
{
    if (!ledger_stamp(l, now_ns))
        return;
    struct sn_ledger_frame *f = &l->frame[l->depth];
    uint64_t taken = ns < f->own_ns ? ns : f->own_ns;
    f->own_ns -= taken;
    if (l->depth > 0)
        l->stage_ns[f->stage] -= taken;
    l->stage_ns[stage] += ns;
    l->n_enters[stage]++;
}

void sn_ledger_wait_at(sn_ledger *l, sn_wait wait, uint64_t ns, uint64_t now_ns)
{
    if (!l)
        return;
    if (!l->open) {
        l->n_flaws++;
        return;
    }
    if (wait_texts[wait].in_overhead)
        sn_ledger_add_at(l, SN_STAGE_OVERHEAD, ns, now_ns);
    l->wait_ns[wait] += ns;
    l->known |= 1u << wait;
}

uint64_t sn_ledger_explained_ns(const sn_ledger *l)
{
    uint64_t sum = 0;
    for (int i = 0; i < SN_STAGES; i++)
        sum += l->stage_ns[i];
    return sum;
}

void sn_ledger_close_at(sn_ledger *l, uint64_t now_ns)
{
    if (!ledger_stamp(l, now_ns))
        return;
    if (l->depth > 0)
        l->n_flaws++;
    l->depth = l->n_deep = 0;
    l->open = false;
    l->wall_ns = l->mark_ns - l->start_ns;
    l->unexplained_ns = (int64_t)(l->wall_ns - sn_ledger_explained_ns(l));
}

void sn_ledger_join(sn_ledger *dst, const sn_ledger *src)
{
    dst->wall_ns += src->wall_ns;
    for (int i = 0; i < SN_STAGES; i++) {
        dst->stage_ns[i] += src->stage_ns[i];
        dst->n_enters[i] += src->n_enters[i];
    }
    dst->unexplained_ns += src->unexplained_ns;
    dst->known &= src->known;
    for (int i = 0; i < SN_WAITS; i++)
        dst->wait_ns[i] = dst->known >> i & 1 ? dst->wait_ns[i] + src->wait_ns[i] : 0;
    dst->n_minor_faults += src->n_minor_faults;
    dst->n_major_faults += src->n_major_faults;
    dst->n_switches += src->n_switches;
    dst->n_flaws += src->n_flaws;
}
