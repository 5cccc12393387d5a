#include "cli/bench_causes.h"
#include "base/status.h"
#include "causes/account.h"
#include <pthread.h>
#include <signal.h>

/* An older reading is not that of the request's beginning. */
#define CAUSES_STALE_NS UINT64_C(20000)
/* Shorter waits are not worth a look. */
#define CAUSES_LOOK_NS UINT64_C(20000)

struct sn_bench_causes {
    sn_os_probe probe;
    sn_recorder *recorder;
    sigset_t old_mask;
    sn_os_reading last, before; /* the end of the last request; the beginning of the next */
    bool fresh;                 /* before is last */
    int32_t continued_by;       /* SIGCONT came in the gap; 0: none */
    uint64_t after_ns;          /* off the CPU between the end of the last request and its reading */
    sn_cause_log log;
    sn_cause_model model;
    sn_cause_summary summary;
    sn_witnesses witnesses;
    sn_cause_report report;
};

setsuna_status sn_bench_causes_open(sn_bench_causes **out, setsuna_error *err)
{
    sn_bench_causes *c = sn_alloc_zero(sn_allocator_default(), sizeof *c);
    if (!c || sn_recorder_open(SN_RECORDER_MACHINE, &c->recorder) != SETSUNA_OK) {
        sn_free(sn_allocator_default(), c);
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for --explain");
    }
    /* A blocked SIGCONT still continues the process, and then waits to be asked for: proof that it had been stopped. */
    sigset_t cont;
    sigemptyset(&cont);
    sigaddset(&cont, SIGCONT);
    pthread_sigmask(SIG_BLOCK, &cont, &c->old_mask);
    sn_os_probe_open(&c->probe);
    sn_cause_log_init(&c->log, NULL);
    c->report.fault_ns = sn_recorder_fault_ns();
    *out = c;
    return SETSUNA_OK;
}

void sn_bench_causes_close(sn_bench_causes *c)
{
    if (!c)
        return;
    pthread_sigmask(SIG_SETMASK, &c->old_mask, NULL);
    sn_os_probe_close(&c->probe);
    sn_recorder_close(c->recorder);
    sn_cause_log_fini(&c->log);
    sn_free(sn_allocator_default(), c);
}

/* Who has continued this process since the last time this was asked; 0: nobody, it was not stopped. */
static int32_t causes_continued(void)
{
    sigset_t cont;
    sigemptyset(&cont);
    sigaddset(&cont, SIGCONT);
    siginfo_t info;
    const struct timespec now = {0};
    return sigtimedwait(&cont, &info, &now) == SIGCONT ? (info.si_pid > 0 ? info.si_pid : -1) : 0;
}

void sn_bench_causes_start(sn_bench_causes *c)
{
    if (!c)
        return;
    causes_continued();
    sn_recorder_find_threads(c->recorder);
    sn_quota_read(&c->report.quota_before);
    c->report.begin_ns = sn_now_ns();
    sn_os_probe_read(&c->probe, NULL, &c->last);
    c->before = c->last;
}

void sn_bench_causes_ready(sn_bench_causes *c)
{
    if (!c)
        return;
    c->before = c->last;
    c->continued_by = 0;
    c->fresh = sn_now_ns() - c->last.wall_ns < CAUSES_STALE_NS;
    if (c->fresh)
        return;
    c->continued_by = causes_continued();
    sn_os_probe_read(&c->probe, &c->last, &c->before);
}

static bool causes_switched(const sn_os_reading *a, const sn_os_reading *b)
{
    return !a->has_counts || !b->has_counts || a->n_switches_blocked != b->n_switches_blocked ||
           a->n_switches_forced != b->n_switches_forced;
}

/* What happened in the request, and how much beside it between the readings. */
static void causes_look(sn_bench_causes *c, const sn_cause_request *r, const sn_os_reading *after, sn_cause_evidence *e)
{
    bool switched = causes_switched(&c->before, after);
    sn_recorder_look(c->recorder, r->begin_ns, r->end_ns, switched, e);
    c->after_ns = 0;
    if (!switched || !e->has_switches)
        return;
    sn_cause_evidence beside;
    sn_recorder_look(c->recorder, r->end_ns, after->wall_ns, true, &beside);
    c->after_ns = beside.story.pushed_ns + beside.story.left_ns;
    sn_recorder_look(c->recorder, c->before.wall_ns, r->begin_ns, true, &beside);
    e->outside_ns = c->after_ns + beside.story.pushed_ns + beside.story.left_ns;
}

static void causes_look_at_gap(sn_bench_causes *c, uint64_t after_ns, sn_cause_request *r, sn_cause_evidence *e)
{
    uint64_t ready = r->due_ns > r->free_ns ? r->due_ns : r->free_ns;
    r->gap_runqueue_ns = after_ns;
    if (c->fresh)
        return;
    if (r->begin_ns - ready > CAUSES_LOOK_NS)
        sn_recorder_look(c->recorder, c->last.wall_ns, c->before.wall_ns, true, e);
    e->stopped = c->continued_by != 0;
    sn_cause_account_gap(&c->last, &c->before, e, r);
}

setsuna_status sn_bench_causes_end(sn_bench_causes *c, const sn_cause_request *times, sn_ledger *l, setsuna_error *err)
{
    if (!c)
        return SETSUNA_OK;
    sn_os_reading after;
    sn_os_probe_read(&c->probe, &c->before, &after);
    sn_cause_request r = *times;
    sn_cause_evidence in = {.stopped = false}, gap = {.stopped = false};
    bool switched = causes_switched(&c->before, &after);
    int32_t continued_by = 0;
    uint64_t after_ns = c->after_ns;
    causes_look(c, &r, &after, &in);
    sn_cause_account(&c->before, &after, &in, &r);
    if (switched && r.blocked_ns > CAUSES_LOOK_NS) {
        continued_by = causes_continued();
        in.stopped = continued_by != 0;
        sn_cause_account(&c->before, &after, &in, &r);
    }
    causes_look_at_gap(c, after_ns, &r, &gap);
    sn_cause_enter_ledger(&r, l);
    if (sn_witnesses_want(&c->witnesses, sn_witness_disturbed_ns(&r))) {
        sn_witness w;
        sn_witness_take(c->recorder, c->log.n, &r, &in, &gap, continued_by ? continued_by : c->continued_by, &w);
        sn_witnesses_add(&c->witnesses, &w);
    }
    if (sn_cause_log_add(&c->log, &r) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for --explain after %zu requests", c->log.n);
    /* What was done here is long and not the next request's. */
    c->last = after;
    if (switched)
        sn_os_probe_read(&c->probe, &after, &c->last);
    return SETSUNA_OK;
}

setsuna_status sn_bench_causes_report(sn_bench_causes *c, const sn_cause_report **out, setsuna_error *err)
{
    *out = NULL;
    if (!c)
        return SETSUNA_OK;
    sn_cause_report *r = &c->report;
    sn_quota_read(&r->quota_after);
    if (sn_cause_model_make(&c->log, r->fault_ns, &c->model) != SETSUNA_OK ||
        sn_cause_attribute(&c->log, &c->model, &c->summary) != SETSUNA_OK ||
        sn_period_search(&c->log, r->period, &r->n_period) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for --explain");
    r->level = sn_recorder_get_level(c->recorder);
    r->has_interrupts = sn_recorder_has_interrupts(c->recorder);
    r->has_cpu = c->last.has_cpu;
    r->has_runqueue = c->last.has_runqueue;
    r->log = &c->log;
    r->model = &c->model;
    r->summary = &c->summary;
    r->witnesses = &c->witnesses;
    *out = r;
    return SETSUNA_OK;
}
