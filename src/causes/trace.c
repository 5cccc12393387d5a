#include "causes/trace.h"
#include <string.h>

/* Binary insertion: events come almost in order, a run from each CPU. */
void sn_trace_sort(sn_trace_event *e, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        if (e[i - 1].time_ns <= e[i].time_ns)
            continue;
        size_t lo = 0, hi = i;
        while (lo < hi) {
            size_t mid = lo + (hi - lo) / 2;
            if (e[mid].time_ns <= e[i].time_ns)
                lo = mid + 1;
            else
                hi = mid;
        }
        sn_trace_event moved = e[i];
        memmove(&e[lo + 1], &e[lo], (i - lo) * sizeof *e);
        e[lo] = moved;
    }
}

enum { TRACE_DEPTH = 8, TRACE_SHARES = 32 };

typedef struct trace_state {
    bool off, pushed;
    uint32_t cpu; /* where the thread is, or left */
    uint64_t off_ns, longest_ns;
    uint64_t ran_ns; /* since when `running` has the CPU that the thread was pushed from */
    int32_t running;
    struct {
        int32_t source, number;
        uint64_t since_ns;
    } handler[TRACE_DEPTH]; /* nested, on the thread's CPU; depth may be larger than what is kept */
    uint32_t depth;
    sn_trace_share who[TRACE_SHARES], interrupt[TRACE_SHARES];
} trace_state;

static void trace_give(sn_trace_share *list, int32_t task, int32_t other, uint64_t ns)
{
    int i = 0;
    while (i < TRACE_SHARES - 1 && list[i].ns > 0 && (list[i].task != task || list[i].other != other))
        i++;
    list[i] = (sn_trace_share){.task = task, .other = other, .ns = list[i].ns + ns};
}

/* The largest `n` of a list, in order. */
static void trace_top(sn_trace_share *list, sn_trace_share *out, int n)
{
    for (int k = 0; k < n; k++) {
        int best = k;
        for (int i = k + 1; i < TRACE_SHARES; i++)
            best = list[i].ns > list[best].ns ? i : best;
        sn_trace_share t = list[k];
        list[k] = list[best];
        list[best] = t;
        out[k] = list[k];
    }
}

static void trace_ran(trace_state *s, uint64_t now_ns, sn_trace_story *out)
{
    uint64_t ns = now_ns - s->ran_ns;
    s->ran_ns = now_ns;
    if (!s->pushed || ns == 0)
        return;
    trace_give(s->who, s->running, 0, ns);
    if (s->running == SN_TRACE_IDLE)
        out->idle_ns += ns;
}

static void trace_left(trace_state *s, const sn_trace_event *e)
{
    s->off = true;
    s->pushed = e->kind == SN_TRACE_PUSHED;
    s->cpu = e->cpu;
    s->off_ns = s->ran_ns = e->time_ns;
    s->running = e->other;
    s->depth = 0;
}

static void trace_came(trace_state *s, const sn_trace_event *e, sn_trace_story *out)
{
    if (!s->off)
        return;
    uint64_t ns = e->time_ns - s->off_ns;
    trace_ran(s, e->time_ns, out);
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
static void trace_handler(trace_state *s, const sn_trace_event *e, sn_trace_story *out)
{
    uint32_t top = s->depth - 1;
    if (s->depth > 0 && top < TRACE_DEPTH) {
        uint64_t ns = e->time_ns - s->handler[top].since_ns;
        out->interrupt_ns += ns;
        if (ns > 0)
            trace_give(s->interrupt, s->handler[top].source, s->handler[top].number, ns);
        s->handler[top].since_ns = e->time_ns;
    }
    if (e->kind == SN_TRACE_EXIT) {
        s->depth -= s->depth > 0;
        if (s->depth > 0 && s->depth <= TRACE_DEPTH)
            s->handler[s->depth - 1].since_ns = e->time_ns;
        return;
    }
    if (s->depth < TRACE_DEPTH) {
        s->handler[s->depth].source = e->task;
        s->handler[s->depth].number = e->other;
        s->handler[s->depth].since_ns = e->time_ns;
    }
    s->depth++;
}

/* Where the thread was at the beginning: where it first left, else where it was at the end. */
static uint32_t trace_first_cpu(const sn_trace_event *e, size_t n, int32_t thread, uint32_t cpu)
{
    for (size_t i = 0; i < n; i++)
        if (e[i].task == thread && e[i].kind <= SN_TRACE_PUSHED)
            return e[i].cpu;
    return cpu;
}

void sn_trace_tell(const sn_trace_event *e, size_t n, int32_t thread, uint32_t cpu, uint64_t from_ns, uint64_t to_ns,
                   sn_trace_story *out)
{
    memset(out, 0, sizeof *out);
    out->woken_after = SN_TRACE_NOBODY;
    while (n > 0 && e[0].time_ns < from_ns) {
        e++;
        n--;
    }
    trace_state s = {.cpu = trace_first_cpu(e, n, thread, cpu)};
    for (size_t i = 0; i < n && e[i].time_ns <= to_ns; i++) {
        bool handler = e[i].kind == SN_TRACE_ENTER || e[i].kind == SN_TRACE_EXIT, own = e[i].task == thread;
        if (handler) {
            if (!s.off && e[i].cpu == s.cpu)
                trace_handler(&s, &e[i], out);
        } else if (own && e[i].kind == SN_TRACE_CAME) {
            trace_came(&s, &e[i], out);
        } else if (own) {
            trace_left(&s, &e[i]);
        } else if (s.off && e[i].cpu == s.cpu && e[i].kind != SN_TRACE_CAME) {
            trace_ran(&s, e[i].time_ns, out); /* e[i].task ran until now */
            if (e[i].other != thread)         /* the switch to the thread itself is still the other's */
                s.running = e[i].other;
        }
    }
    trace_top(s.who, out->who, SN_TRACE_WHO);
    trace_top(s.interrupt, out->interrupt, SN_TRACE_INTERRUPTS);
}
