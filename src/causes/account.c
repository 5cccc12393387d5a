#include "causes/account.h"

static uint64_t account_less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t account_take(uint64_t wanted, uint64_t *left)
{
    uint64_t taken = wanted < *left ? wanted : *left;
    *left -= taken;
    return taken;
}

static uint64_t account_beyond_resolution(uint64_t ns)
{
    return ns > SN_OS_PROBE_RESOLUTION_NS ? ns : 0;
}

/* Off the CPU between the readings, by column. */
typedef struct account_off {
    uint64_t runqueue, throttled, blocked, steal;
    bool apart; /* blocked and steal */
} account_off;

/* off: in the request. outside: before or after it. */
static account_off account_split(const sn_os_reading *before, const sn_os_reading *after, const sn_cause_evidence *e,
                                 uint64_t off, uint64_t outside)
{
    bool runqueue = before->has_runqueue && after->has_runqueue;
    bool went = !before->has_counts || !after->has_counts || after->n_switches_blocked > before->n_switches_blocked;
    uint64_t waited = runqueue ? account_less(after->runqueue_ns, before->runqueue_ns) : 0, left = off;
    account_off o = {.apart = e->has_switches || !went};
    waited = account_less(waited, outside);
    if (e->has_switches) {
        uint64_t switched = e->story.pushed_ns + e->story.left_ns, rest = off;
        left = account_take(switched, &rest);
        o.steal = account_beyond_resolution(rest);
        if (!runqueue)
            waited = e->story.pushed_ns;
    }
    o.runqueue = account_take(waited, &left);
    o.throttled = e->has_who ? account_take(e->story.idle_ns, &o.runqueue) : 0;
    if (e->has_switches)
        o.blocked = left;
    else if (went)
        o.blocked = account_beyond_resolution(left);
    else
        o.steal = account_beyond_resolution(left);
    return o;
}

void sn_cause_account(const sn_os_reading *before, const sn_os_reading *after, const sn_cause_evidence *e,
                      sn_cause_request *r)
{
    if (before->has_counts && after->has_counts) {
        r->known |= SN_CAUSE_KNOWN_COUNTS;
        r->n_minor_faults = (uint32_t)(after->n_minor_faults - before->n_minor_faults);
        r->n_major_faults = (uint32_t)(after->n_major_faults - before->n_major_faults);
        r->n_switches = (uint32_t)(after->n_switches_blocked - before->n_switches_blocked + after->n_switches_forced -
                                   before->n_switches_forced);
    }
    if (!before->has_cpu || !after->has_cpu)
        return;
    r->known |= SN_CAUSE_KNOWN_CPU;
    uint64_t wall = account_less(after->wall_ns, before->wall_ns), cpu = account_less(after->cpu_ns, before->cpu_ns);
    uint64_t service = r->end_ns - r->begin_ns, room = account_less(wall, service), off = account_less(wall, cpu);
    uint64_t outside = e->has_switches ? e->outside_ns : account_beyond_resolution(room);
    outside = outside < room ? outside : room;
    outside = account_take(outside, &off);
    account_off o = account_split(before, after, e, off, outside);
    r->cpu_ns = account_less(cpu, room - outside);
    uint64_t left = account_less(service, r->cpu_ns);
    r->runqueue_ns = account_take(o.runqueue, &left);
    r->throttled_ns = account_take(o.throttled, &left);
    r->blocked_ns = account_take(o.blocked, &left);
    r->steal_ns = account_take(o.steal, &left);
    r->known |= o.apart ? SN_CAUSE_KNOWN_BLOCKED : 0;
    if (e->stopped) {
        r->stopped_ns = r->blocked_ns;
        r->blocked_ns = 0;
    }
    r->helper_runqueue_ns = e->other.pushed_ns < service ? e->other.pushed_ns : service;
    if (e->has_interrupts) {
        r->known |= SN_CAUSE_KNOWN_INTERRUPT;
        r->interrupt_ns = e->story.interrupt_ns < r->cpu_ns ? e->story.interrupt_ns : r->cpu_ns;
    }
}

static void account_column(sn_ledger *l, sn_wait wait, uint64_t ns)
{
    sn_ledger_wait_at(l, wait, ns, l->mark_ns);
}

void sn_cause_enter_ledger(const sn_cause_request *r, sn_ledger *l)
{
    if (r->known & SN_CAUSE_KNOWN_CPU) {
        account_column(l, SN_WAIT_RUNQUEUE, r->runqueue_ns + r->throttled_ns);
        if (r->known & SN_CAUSE_KNOWN_BLOCKED) {
            account_column(l, SN_WAIT_STEAL, r->steal_ns);
            account_column(l, SN_WAIT_BLOCKED, r->blocked_ns + r->stopped_ns);
        }
    }
    if (r->known & SN_CAUSE_KNOWN_INTERRUPT)
        account_column(l, SN_WAIT_INTERRUPT, r->interrupt_ns);
    if (r->known & SN_CAUSE_KNOWN_COUNTS) {
        l->n_minor_faults = r->n_minor_faults;
        l->n_major_faults = r->n_major_faults;
        l->n_switches = r->n_switches;
        l->known |= SN_LEDGER_KNOWN_COUNTS;
    }
}

void sn_cause_account_gap(const sn_os_reading *last, const sn_os_reading *before, const sn_cause_evidence *e,
                          sn_cause_request *r)
{
    uint64_t gap = account_less(before->wall_ns, last->wall_ns);
    uint64_t waited = e->has_switches ? e->story.pushed_ns : 0;
    if (last->has_runqueue && before->has_runqueue)
        waited = account_less(before->runqueue_ns, last->runqueue_ns);
    r->gap_runqueue_ns += account_take(waited, &gap);
    if (e->stopped)
        r->gap_stopped_ns = gap;
}
