#include "causes/story.h"
#include <string.h>

static void story_merge(const sn_story_event *a, size_t n_a, const sn_story_event *b, size_t n_b, sn_story_event *out)
{
    while (n_a > 0 && n_b > 0) {
        bool first = a->time_ns <= b->time_ns;
        *out++ = first ? *a : *b;
        a += first;
        n_a -= first;
        b += !first;
        n_b -= !first;
    }
    memcpy(out, n_a > 0 ? a : b, (n_a + n_b) * sizeof *out);
}

/* Merges from the bottom up; what is in order already, as each CPU's events are, is left alone. */
void sn_story_sort(sn_story_event *e, size_t n, sn_story_event *scratch)
{
    for (size_t width = 1; width < n; width *= 2)
        for (size_t at = 0; at + width < n; at += 2 * width) {
            size_t n_b = n - at - width < width ? n - at - width : width;
            if (e[at + width - 1].time_ns <= e[at + width].time_ns)
                continue;
            story_merge(e + at, width, e + at + width, n_b, scratch);
            memcpy(e + at, scratch, (width + n_b) * sizeof *e);
        }
}

enum { STORY_DEPTH = 8, STORY_SHARES = 32 };

typedef struct story_state {
    bool off, pushed;
    uint32_t cpu; /* where the thread is, or left */
    uint64_t off_ns, longest_ns;
    uint64_t ran_ns; /* since when `running` has the CPU that the thread was pushed from */
    int32_t running;
    struct {
        int32_t source, number;
        uint64_t since_ns;
    } handler[STORY_DEPTH]; /* nested, on the thread's CPU; depth may be larger than what is kept */
    uint32_t depth;
    sn_story_share who[STORY_SHARES], interrupt[STORY_SHARES];
} story_state;

static void story_give(sn_story_share *list, int32_t task, int32_t other, uint64_t ns)
{
    int i = 0;
    while (i < STORY_SHARES - 1 && list[i].ns > 0 && (list[i].task != task || list[i].other != other))
        i++;
    bool lumped = list[i].ns > 0 && (list[i].task != task || list[i].other != other); /* no room: the last is for all */
    list[i] = (sn_story_share){.task = lumped ? SN_STORY_NOBODY : task, .other = other, .ns = list[i].ns + ns};
}

/* The largest `n` of a list, in order. */
static void story_top(sn_story_share *list, sn_story_share *out, int n)
{
    for (int k = 0; k < n; k++) {
        int best = k;
        for (int i = k + 1; i < STORY_SHARES; i++)
            best = list[i].ns > list[best].ns ? i : best;
        sn_story_share t = list[k];
        list[k] = list[best];
        list[best] = t;
        out[k] = list[k];
    }
}

static void story_ran(story_state *s, uint64_t now_ns, sn_story *out)
{
    uint64_t ns = now_ns - s->ran_ns;
    s->ran_ns = now_ns;
    if (!s->pushed || ns == 0)
        return;
    story_give(s->who, s->running, 0, ns);
    if (s->running == SN_STORY_IDLE)
        out->idle_ns += ns;
}

static void story_left(story_state *s, const sn_story_event *e)
{
    s->off = true;
    s->pushed = e->kind == SN_STORY_PUSHED;
    s->cpu = e->cpu;
    s->off_ns = s->ran_ns = e->time_ns;
    s->running = e->other;
    s->depth = 0;
}

static void story_came(story_state *s, const sn_story_event *e, sn_story *out)
{
    if (!s->off)
        return;
    uint64_t ns = e->time_ns - s->off_ns;
    story_ran(s, e->time_ns, out);
    if (s->pushed) {
        out->pushed_ns += ns;
        out->n_pushed++;
    } else {
        out->left_ns += ns;
        out->n_left++;
        if (ns > s->longest_ns)
            out->woken_after = e->other;
        s->longest_ns = ns > s->longest_ns ? ns : s->longest_ns;
    }
    s->off = false;
    s->cpu = e->cpu;
    s->depth = 0;
}

/* Time in a handler is its own, not also that of the one it interrupted. */
static void story_handler(story_state *s, const sn_story_event *e, sn_story *out)
{
    uint32_t top = s->depth - 1;
    if (s->depth > 0 && top < STORY_DEPTH) {
        uint64_t ns = e->time_ns - s->handler[top].since_ns;
        out->interrupt_ns += ns;
        if (ns > 0)
            story_give(s->interrupt, s->handler[top].source, s->handler[top].number, ns);
        s->handler[top].since_ns = e->time_ns;
    }
    if (e->kind == SN_STORY_EXIT) {
        s->depth -= s->depth > 0;
        if (s->depth > 0 && s->depth <= STORY_DEPTH)
            s->handler[s->depth - 1].since_ns = e->time_ns;
        return;
    }
    if (s->depth < STORY_DEPTH) {
        s->handler[s->depth].source = e->task;
        s->handler[s->depth].number = e->other;
        s->handler[s->depth].since_ns = e->time_ns;
    }
    s->depth++;
}

/* Where the thread was at the beginning: where it first left, else where it was at the end. */
static uint32_t story_first_cpu(const sn_story_event *e, size_t n, int32_t thread, uint32_t cpu)
{
    for (size_t i = 0; i < n; i++)
        if (e[i].task == thread && e[i].kind <= SN_STORY_PUSHED)
            return e[i].cpu;
    return cpu;
}

void sn_story_tell(const sn_story_event *e, size_t n, int32_t thread, uint32_t cpu, uint64_t from_ns, uint64_t to_ns,
                   sn_story *out)
{
    memset(out, 0, sizeof *out);
    out->woken_after = SN_STORY_NOBODY;
    while (n > 0 && e[0].time_ns < from_ns) {
        e++;
        n--;
    }
    story_state s = {.cpu = story_first_cpu(e, n, thread, cpu)};
    for (size_t i = 0; i < n && e[i].time_ns <= to_ns; i++) {
        bool handler = e[i].kind == SN_STORY_ENTER || e[i].kind == SN_STORY_EXIT, own = e[i].task == thread;
        if (handler) {
            if (!s.off && e[i].cpu == s.cpu)
                story_handler(&s, &e[i], out);
        } else if (own && e[i].kind == SN_STORY_CAME) {
            story_came(&s, &e[i], out);
        } else if (own) {
            story_left(&s, &e[i]);
        } else if (s.off && e[i].cpu == s.cpu && e[i].kind != SN_STORY_CAME) {
            story_ran(&s, e[i].time_ns, out); /* e[i].task ran until now */
            if (e[i].other != thread)         /* the switch to the thread itself is still the other's */
                s.running = e[i].other;
        }
    }
    story_top(s.who, out->who, SN_STORY_WHO);
    story_top(s.interrupt, out->interrupt, SN_STORY_INTERRUPTS);
}
