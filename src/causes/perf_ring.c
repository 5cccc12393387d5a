#include "causes/perf_ring.h"
#include <linux/perf_event.h>
#include <string.h>

/* Bytes of a record that are looked at; longer ones are skipped. */
enum { PERF_LOOK_MAX = 128 };

static uint32_t perf_u32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t perf_u64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* Behind a switch's or a name's own fields: pid, tid, time (PERF_SAMPLE_TID | PERF_SAMPLE_TIME). */
enum { PERF_TRAILER = 16, PERF_HEADER = sizeof(struct perf_event_header) };

static bool perf_parse_switch(const uint8_t *p, size_t size, const struct perf_event_header *h, uint32_t cpu,
                              sn_story_event *out)
{
    bool wide = h->type == PERF_RECORD_SWITCH_CPU_WIDE;
    size_t trailer = PERF_HEADER + (wide ? 8 : 0);
    if (size < trailer + PERF_TRAILER)
        return false;
    uint32_t kind = !(h->misc & PERF_RECORD_MISC_SWITCH_OUT)        ? SN_STORY_CAME
                    : h->misc & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT ? SN_STORY_PUSHED
                                                                    : SN_STORY_LEFT;
    *out = (sn_story_event){.time_ns = perf_u64(p + trailer + 8),
                            .cpu = cpu,
                            .kind = kind,
                            .task = (int32_t)perf_u32(p + trailer + 4),
                            .other = wide ? (int32_t)perf_u32(p + PERF_HEADER + 4) : SN_STORY_NOBODY};
    return true;
}

/* PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TIME | PERF_SAMPLE_RAW; of a tracepoint's bytes the first eight are common to
 * all, then comes the number. */
static bool perf_parse_sample(const uint8_t *p, size_t size, const sn_perf_ring *r, sn_story_event *out)
{
    enum { NUMBER = PERF_HEADER + 8 + 8 + 4 + 8 };
    if (size < NUMBER + 4)
        return false;
    uint64_t id = perf_u64(p + PERF_HEADER);
    for (size_t i = 0; i < r->n_id; i++)
        if (r->id[i].id == id) {
            *out = (sn_story_event){.time_ns = perf_u64(p + PERF_HEADER + 8),
                                    .cpu = r->cpu,
                                    .kind = r->id[i].kind,
                                    .task = r->id[i].source,
                                    .other = (int32_t)perf_u32(p + NUMBER)};
            return true;
        }
    return false;
}

bool sn_perf_parse(const uint8_t *p, size_t size_bytes, const sn_perf_ring *r, sn_story_event *out)
{
    struct perf_event_header h;
    if (size_bytes < sizeof h)
        return false;
    memcpy(&h, p, sizeof h);
    if (h.type == PERF_RECORD_SWITCH || h.type == PERF_RECORD_SWITCH_CPU_WIDE)
        return perf_parse_switch(p, size_bytes, &h, r->cpu, out);
    return h.type == PERF_RECORD_SAMPLE && perf_parse_sample(p, size_bytes, r, out);
}

/* ---- the walk, from the newest record to the oldest ---------------------------------------------------- */

typedef struct perf_walk {
    const sn_perf_ring *ring;
    uint64_t at, end; /* positions only fall in time: at is that of the next record, end where the oldest must end */
    bool wrapped;     /* the end was reached: older records have been overwritten */
    size_t size;
    uint8_t record[PERF_LOOK_MAX];
} perf_walk;

uint64_t sn_perf_ring_head(const sn_perf_ring *r)
{
    const struct perf_event_mmap_page *c = r->control;
    return __atomic_load_n(&c->data_head, __ATOMIC_ACQUIRE);
}

static void perf_walk_copy(const perf_walk *w, uint64_t at, uint8_t *to, size_t size)
{
    uint64_t begin = at & (w->ring->data_bytes - 1), until_wrap = w->ring->data_bytes - begin;
    size_t first = size < until_wrap ? size : (size_t)until_wrap;
    memcpy(to, w->ring->data + begin, first);
    memcpy(to + first, w->ring->data, size - first);
}

static perf_walk perf_walk_begin(const sn_perf_ring *r)
{
    uint64_t head = sn_perf_ring_head(r);
    return (perf_walk){.ring = r, .at = head, .end = head + r->data_bytes};
}

/* The next record into w->record, w->size of its bytes. false: there is none. */
static bool perf_walk_next(perf_walk *w)
{
    struct perf_event_header h;
    if (w->end - w->at < sizeof h) {
        w->wrapped = true;
        return false;
    }
    perf_walk_copy(w, w->at, (uint8_t *)&h, sizeof h);
    if (h.size == 0)
        return false; /* never written */
    if (h.size < sizeof h || h.size > w->end - w->at) {
        w->wrapped = true;
        return false;
    }
    w->size = h.size < PERF_LOOK_MAX ? h.size : PERF_LOOK_MAX;
    perf_walk_copy(w, w->at, w->record, w->size);
    /* What has been written meanwhile took the place of the oldest records. Positions fall through zero: only their
     * differences mean something. */
    if (w->at + h.size - sn_perf_ring_head(w->ring) > w->ring->data_bytes) {
        w->wrapped = true;
        return false;
    }
    w->at += h.size;
    return true;
}

bool sn_perf_ring_collect(const sn_perf_ring *r, uint64_t from_ns, sn_story_event *out, size_t *n, size_t cap)
{
    sn_story_event e;
    perf_walk w = perf_walk_begin(r);
    while (perf_walk_next(&w)) {
        if (!sn_perf_parse(w.record, w.size, r, &e))
            continue;
        if (e.time_ns < from_ns)
            return true;
        if (*n == cap)
            return false;
        out[(*n)++] = e;
    }
    return !w.wrapped;
}

bool sn_perf_ring_comm(const sn_perf_ring *r, int32_t task, char out[16])
{
    perf_walk w = perf_walk_begin(r);
    while (perf_walk_next(&w)) {
        struct perf_event_header h;
        memcpy(&h, w.record, sizeof h);
        size_t text = PERF_HEADER + 8;
        if (h.type != PERF_RECORD_COMM || w.size <= text + PERF_TRAILER ||
            (int32_t)perf_u32(w.record + text - 4) != task)
            continue;
        size_t len = strnlen((const char *)w.record + text, w.size - text - PERF_TRAILER);
        len = len < 15 ? len : 15;
        memcpy(out, w.record + text, len);
        out[len] = '\0';
        return true;
    }
    return false;
}
