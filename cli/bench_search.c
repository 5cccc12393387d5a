#include "cli/bench_search.h"
#include "base/status.h"
#include "ledger/energy.h"
#include <stdio.h>

/* The interval ends where its gaps are this narrow; a finer one costs minutes and lasts as long as the weather. */
#define SEARCH_PRECISION 0.05
/* The first look at a rate. An overload shows at once. */
#define SEARCH_FIRST_NS UINT64_C(1000000000)

enum { SEARCH_SERVICES_MIN = 10, SEARCH_SERVICES_NS = 300000000 };

/* One rate's run, which may be the one that is kept. */
typedef struct search_run {
    double rate;
    char text[48];
    sn_bench_schedule schedule;
    sn_bench_slo slo;
    sn_book book, openings;
    sn_request_log log;
    double joules, seconds;
} search_run;

static uint64_t search_extend(void *ctx, const sn_bench_schedule *s)
{
    sn_objective_run run;
    sn_bench_schedule_judged(s, &run);
    return sn_bench_slo_look(ctx, &run, s->length_ns);
}

static void search_run_fini(search_run *r)
{
    sn_bench_schedule_fini(&r->schedule);
    sn_book_fini(&r->book);
    sn_book_fini(&r->openings);
    sn_request_log_fini(&r->log);
}

/* What the lane measured becomes the run's; the lane begins anew. */
static void search_take(sn_bench_lane *lane, search_run *r)
{
    r->book = lane->book;
    r->openings = lane->openings;
    r->log = lane->log;
    sn_bench_lane_init(lane);
    sn_request_log_init(&lane->log, NULL, r->log.cap);
}

static setsuna_status search_measure(const sn_bench_search *b, double rate, uint32_t k, search_run *r,
                                     setsuna_error *err)
{
    sn_energy before, after;
    sn_objective_run judged;
    *r = (search_run){.rate = rate, .slo = *b->slo};
    r->slo.confidence = sn_objective_look(SN_INTERVAL_CONFIDENCE, k);
    snprintf(r->text, sizeof r->text, "poisson:%.6f/s", rate);
    sn_bench_schedule_options o = b->options;
    o.text = r->text;
    o.extend = search_extend;
    o.extend_ctx = &r->slo;
    o.duration_ns = r->slo.limit_ns < SEARCH_FIRST_NS ? r->slo.limit_ns : SEARCH_FIRST_NS;
    setsuna_status status = sn_bench_schedule_init(&r->schedule, &o, err);
    sn_bench_lane_rewind(b->lane);
    sn_energy_read(SN_ENERGY_ROOT, &before);
    if (status == SETSUNA_OK)
        status = sn_bench_lanes_measure(b->lane, &r->schedule, err);
    sn_energy_read(SN_ENERGY_ROOT, &after);
    search_take(b->lane, r);
    sn_bench_schedule_judged(&r->schedule, &judged);
    if (status == SETSUNA_OK && judged.latency->n == 0)
        status = sn_fail(err, SETSUNA_ECANCELED, NULL, "interrupted before the first measured prediction");
    if (status == SETSUNA_OK)
        status = sn_bench_slo_conclude(&r->slo, &judged, err);
    r->joules = sn_energy_joules(&before, &after);
    r->seconds = (double)(r->schedule.end_ns - r->schedule.begin_ns) * 1e-9;
    if (status != SETSUNA_OK)
        search_run_fini(r);
    return status;
}

static void search_keep_row(sn_search_report *report, const search_run *r)
{
    const sn_objective_result *result = &r->slo.result;
    report->rate[report->n++] = (sn_search_rate){.rate_per_s = r->rate,
                                                 .verdict = result->verdict,
                                                 .overloaded = result->overloaded,
                                                 .n = result->n,
                                                 .seconds = r->seconds,
                                                 .attained = (double)result->n_good / (double)result->n};
}

/* Back into the lane and the caller's schedule and objective. */
static void search_give(sn_bench_search *b, search_run *r)
{
    sn_bench_lane_fini(b->lane);
    b->lane->book = r->book;
    b->lane->openings = r->openings;
    b->lane->log = r->log;
    *b->schedule = r->schedule;
    *b->slo = r->slo;
    snprintf(b->text, sizeof b->text, "%s", r->text);
    b->schedule->options.text = b->schedule->result.text = b->text;
    b->schedule->result.schedule = &b->schedule->schedule;
    b->joules = r->joules;
    b->seconds = r->seconds;
}

static bool search_is_better(const search_run *r, const search_run *kept)
{
    bool met = r->slo.result.verdict == SN_OBJECTIVE_MET, kept_met = kept->slo.result.verdict == SN_OBJECTIVE_MET;
    return met == kept_met ? met && r->rate > kept->rate : met;
}

/* Mean time that a request keeps the server busy, one after the other; 0: stopped before the first. */
static setsuna_status search_service(const sn_bench_search *b, double *out, setsuna_error *err)
{
    uint64_t n = 0, all = 0, opening_ns, ns;
    for (; (n < SEARCH_SERVICES_MIN || all < SEARCH_SERVICES_NS) && !*b->options.stop; n++) {
        SN_TRY(sn_bench_lane_once(b->lane, &opening_ns, &ns, err));
        all += ns ? ns : 1;
    }
    if (n == 0)
        return sn_fail(err, SETSUNA_ECANCELED, NULL, "interrupted before the first measured prediction");
    *out = (double)all / (double)n;
    return SETSUNA_OK;
}

setsuna_status sn_bench_search_run(sn_bench_search *b, setsuna_error *err)
{
    double service_ns = 0;
    SN_TRY(search_service(b, &service_ns, err));
    sn_rate_search search;
    search_run *kept = sn_alloc_zero(sn_allocator_default(), 2 * sizeof *kept), *run = kept + 1;
    double rate;
    if (!kept)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    sn_rate_search_init(&search, service_ns, SEARCH_PRECISION);
    setsuna_status status = SETSUNA_OK;
    b->report = (sn_search_report){.confidence = SN_INTERVAL_CONFIDENCE};
    while (sn_rate_search_next(&search, &rate) && !b->report.interrupted) {
        status = search_measure(b, rate, search.n + 1, run, err);
        if (status != SETSUNA_OK)
            break;
        b->report.interrupted = *b->options.stop;
        search_keep_row(&b->report, run);
        sn_rate_search_tell(&search, rate, run->slo.result.verdict, run->slo.result.in_reach);
        bool better = b->report.n == 1 || search_is_better(run, kept) ||
                      (kept->slo.result.verdict != SN_OBJECTIVE_MET && run->rate < kept->rate);
        if (better && b->report.n > 1)
            search_run_fini(kept);
        if (better)
            *kept = *run;
        else
            search_run_fini(run);
    }
    b->report.met = search.met;
    b->report.missed = search.missed;
    if (b->report.n > 0 && (status == SETSUNA_OK || status == SETSUNA_ECANCELED)) {
        status = SETSUNA_OK;
        search_give(b, kept);
    } else if (b->report.n > 0) {
        search_run_fini(kept);
    }
    sn_free(sn_allocator_default(), kept);
    return status;
}
