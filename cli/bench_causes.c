#include "cli/bench_causes.h"
#include "base/status.h"
#include "causes/account.h"
#include <pthread.h>
#include <signal.h>

/* A longer pause before a request is not its own: a reading ends it. */
#define CAUSES_STALE_NS UINT64_C(20000)
/* Requests in a row that may go unread. */
enum { CAUSES_UNREAD_MAX = 256 };
/* Shorter waits are not worth a look. */
#define CAUSES_LOOK_NS UINT64_C(20000)

struct sn_bench_causes {
    sn_os_probe probe;
    sn_recorder *recorder;
    sigset_t old_mask;
    sn_os_reading last;    /* before the first of the requests since then... */
    uint32_t n_unread;     /* ...after which none was taken */
    bool left;             /* the thread has left the CPU since then */
    uint32_t usual_faults; /* of those */
    uint64_t typical_ns;   /* about the median time of a request */
    uint64_t end_ns;       /* of the last request */
    sn_os_reading before_gap;
    bool has_gap;         /* there was a pause before this request, with a reading at each end: before_gap, last */
    int32_t continued_by; /* SIGCONT came in the gap; 0: none */
    uint64_t after_ns;    /* off the CPU between the end of the last request and its reading */
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
    c->report.begin_ns = c->end_ns = sn_now_ns();
    sn_recorder_has_left(c->recorder);
    sn_os_probe_read(&c->probe, NULL, &c->last);
}

/* Ends the stretch of requests that `last` is the beginning of. */
static void causes_read(sn_bench_causes *c)
{
    sn_os_reading now;
    sn_os_probe_read(&c->probe, &c->last, &now);
    if (c->n_unread && now.has_counts)
        c->usual_faults = (uint32_t)((now.n_minor_faults - c->last.n_minor_faults) / c->n_unread);
    c->last = now;
    c->n_unread = 0;
    c->left = false;
}

void sn_bench_causes_ready(sn_bench_causes *c)
{
    if (!c)
        return;
    c->has_gap = sn_now_ns() - c->end_ns >= CAUSES_STALE_NS;
    c->continued_by = 0;
    if (!c->has_gap)
        return;
    c->continued_by = causes_continued();
    c->before_gap = c->last;
    causes_read(c);
    sn_recorder_has_left(c->recorder);
}

/* How much happened beside the request since the last reading. */
static void causes_look_beside(sn_bench_causes *c, const sn_cause_request *r, uint64_t after_ns, sn_cause_evidence *e)
{
    sn_cause_evidence beside;
    if (!c->left || !e->has_switches)
        return;
    sn_recorder_look(c->recorder, r->end_ns, after_ns, true, &beside);
    c->after_ns = beside.story.pushed_ns + beside.story.left_ns;
    sn_recorder_look(c->recorder, c->last.wall_ns, r->begin_ns, true, &beside);
    e->outside_ns = c->after_ns + beside.story.pushed_ns + beside.story.left_ns;
}

static void causes_look_at_gap(sn_bench_causes *c, uint64_t after_ns, sn_cause_request *r, sn_cause_evidence *e)
{
    uint64_t ready = r->due_ns > r->free_ns ? r->due_ns : r->free_ns;
    r->gap_runqueue_ns = after_ns;
    if (!c->has_gap)
        return;
    if (r->begin_ns - ready > CAUSES_LOOK_NS)
        sn_recorder_look(c->recorder, c->before_gap.wall_ns, c->last.wall_ns, true, e);
    e->stopped = c->continued_by != 0;
    sn_cause_account_gap(&c->before_gap, &c->last, e, r);
}

/* About the median: a step up for each request above, one down for each below. */
static void causes_learn(sn_bench_causes *c, uint64_t ns)
{
    if (c->typical_ns == 0)
        c->typical_ns = ns;
    uint64_t step = c->typical_ns / 64 + 1;
    c->typical_ns = ns > c->typical_ns ? c->typical_ns + step : c->typical_ns > step ? c->typical_ns - step : 1;
}

/* Being pushed from the CPU, or nothing at all, accounts for the request's time: the rings in memory say it all. */
static bool causes_is_told(const sn_bench_causes *c, const sn_cause_request *r, const sn_cause_evidence *in)
{
    uint64_t ns = r->end_ns - r->begin_ns;
    if (!in->has_switches || in->story.n_left > 0 || in->story.pushed_ns > ns)
        return false;
    return ns - in->story.pushed_ns <= c->typical_ns + c->typical_ns / 20 + SN_OS_PROBE_RESOLUTION_NS;
}

/* Such a request needs no system call. Besides, a system call is where a scheduler likes to let others run: one between
 * any two requests would draw disturbances out of the requests, and make them look better than they are. */
static void causes_told(sn_bench_causes *c, const sn_cause_evidence *in, sn_cause_request *r)
{
    const sn_story *s = &in->story;
    uint64_t idle = in->has_who && s->idle_ns < s->pushed_ns ? s->idle_ns : 0;
    r->cpu_ns = r->end_ns - r->begin_ns - s->pushed_ns;
    r->runqueue_ns = s->pushed_ns - idle;
    r->throttled_ns = idle;
    r->known = SN_CAUSE_KNOWN_CPU | SN_CAUSE_KNOWN_BLOCKED;
    if (in->has_interrupts) {
        r->known |= SN_CAUSE_KNOWN_INTERRUPT;
        r->interrupt_ns = s->interrupt_ns < r->cpu_ns ? s->interrupt_ns : r->cpu_ns;
    }
    r->n_minor_faults = c->usual_faults;
    c->n_unread++;
}

/* Of the requests since the last reading the others were told: what was unusual is this one's. */
static void causes_asked(sn_bench_causes *c, sn_cause_request *r, sn_cause_evidence *in, int32_t *by_out)
{
    sn_os_reading after;
    sn_os_probe_read(&c->probe, &c->last, &after);
    c->left |= sn_recorder_has_left(c->recorder); /* in the reading itself */
    causes_look_beside(c, r, after.wall_ns, in);
    sn_cause_account(&c->last, &after, in, r);
    if (c->left && r->blocked_ns > CAUSES_LOOK_NS) {
        *by_out = causes_continued();
        in->stopped = *by_out != 0;
        sn_cause_account(&c->last, &after, in, r);
    }
    uint64_t usual = (uint64_t)c->n_unread * c->usual_faults, service = r->end_ns - r->begin_ns;
    r->n_minor_faults = r->n_minor_faults > usual ? (uint32_t)(r->n_minor_faults - usual) : 0;
    uint64_t longer = service > c->typical_ns ? service - c->typical_ns : 0;
    if (r->steal_ns > longer && c->n_unread) { /* of all of them: no more of it than this one took longer */
        r->cpu_ns += r->steal_ns - longer;
        r->steal_ns = longer;
    }
    c->last = after;
    c->n_unread = 0;
    c->left = false;
}

setsuna_status sn_bench_causes_end(sn_bench_causes *c, const sn_cause_request *times, sn_ledger *l, setsuna_error *err)
{
    if (!c)
        return SETSUNA_OK;
    sn_cause_request r = *times;
    sn_cause_evidence in, gap = {.stopped = false};
    int32_t continued_by = 0;
    uint64_t after_ns = c->after_ns;
    c->after_ns = 0;
    bool left = sn_recorder_has_left(c->recorder);
    c->left |= left;
    sn_recorder_look(c->recorder, r.begin_ns, r.end_ns, left, &in);
    causes_learn(c, r.end_ns - r.begin_ns);
    if (causes_is_told(c, &r, &in))
        causes_told(c, &in, &r);
    else
        causes_asked(c, &r, &in, &continued_by);
    causes_look_at_gap(c, after_ns, &r, &gap);
    sn_cause_enter_ledger(&r, l);
    if (sn_witnesses_want(&c->witnesses, sn_witness_disturbed_ns(&r))) {
        sn_witness w;
        sn_witness_take(c->recorder, c->log.n, &r, &in, &gap, continued_by ? continued_by : c->continued_by, &w);
        sn_witnesses_add(&c->witnesses, &w);
    }
    if (sn_cause_log_add(&c->log, &r) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for --explain after %zu requests", c->log.n);
    if (c->n_unread >= CAUSES_UNREAD_MAX)
        causes_read(c);
    c->end_ns = r.end_ns;
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
