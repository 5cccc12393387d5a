#include "cli/bench_lanes.h"
#include "base/clock.h"
#include "base/status.h"

void sn_bench_lane_init(sn_bench_lane *l)
{
    sn_book_init(&l->book, NULL, 0);
    sn_book_init(&l->openings, NULL, 0);
    sn_request_log_init(&l->log, NULL, 0);
}

void sn_bench_lane_fini(sn_bench_lane *l)
{
    sn_book_fini(&l->book);
    sn_book_fini(&l->openings);
    sn_request_log_fini(&l->log);
}

void sn_bench_lane_rewind(sn_bench_lane *l)
{
    l->more = false;
    l->n_begun = 0;
}

/* Begins the next input where the last one has no more to give. A stream's file is opened then, which is no frame's
 * work: it goes into the book `openings` (NULL: not kept), and its time is returned in *ns_out. */
static setsuna_status lane_begin(sn_bench_lane *l, sn_book *openings, uint64_t *ns_out, setsuna_error *err)
{
    *ns_out = 0;
    if (l->more)
        return SETSUNA_OK;
    sn_ledger ledger;
    sn_ledger_begin(&ledger, l->n_begun);
    setsuna_status status = sn_workload_begin(l->w, l->n_begun++, &ledger, err);
    sn_ledger_close(&ledger);
    if (status != SETSUNA_OK || !sn_workload_is_stream(l->w))
        return status;
    *ns_out = ledger.wall_ns;
    return openings && sn_book_add(openings, &ledger) != SETSUNA_OK
               ? sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory")
               : SETSUNA_OK;
}

void sn_bench_lane_keep_outputs(sn_bench_lane *l)
{
    const char *name[SN_BENCH_OUTPUTS_MAX];
    setsuna_tensor tensor[SN_BENCH_OUTPUTS_MAX];
    l->n_outputs = sn_workload_outputs(l->w, name, tensor, SN_BENCH_OUTPUTS_MAX);
    for (uint32_t i = 0; i < l->n_outputs; i++) {
        l->output[i] = (sn_bench_output){.name = name[i], .dtype = tensor[i].dtype, .shape = tensor[i].shape};
        sn_sha256_text(tensor[i].data, tensor[i].size_bytes, l->output[i].sha256);
    }
}

/* After a request, on nobody's clock. A stream has its outputs at the end of a file only. */
static setsuna_status lane_after(sn_bench_lane *l, setsuna_error *err)
{
    const sn_workload_options *o = l->options;
    if (!sn_workload_is_stream(l->w))
        return SETSUNA_OK;
    if (sn_workload_frame_s(l->w) <= 0)
        return sn_fail(err, SETSUNA_EINPUT, o->n_input ? o->input[(l->n_begun - 1) % o->n_input] : o->target,
                       "an input without a single frame: there is nothing to measure");
    if (!l->more)
        sn_bench_lane_keep_outputs(l);
    return SETSUNA_OK;
}

setsuna_status sn_bench_lane_once(sn_bench_lane *l, uint64_t *opening_ns_out, uint64_t *ns_out, setsuna_error *err)
{
    sn_ledger ledger;
    SN_TRY(lane_begin(l, NULL, opening_ns_out, err));
    sn_ledger_begin(&ledger, 0);
    setsuna_status status = sn_workload_run(l->w, &ledger, &l->more, err);
    sn_ledger_close(&ledger);
    *ns_out = ledger.wall_ns;
    return status == SETSUNA_OK ? lane_after(l, err) : status;
}

static setsuna_status lane_log(sn_bench_lane *l, const sn_ledger *ledger, uint64_t begin_ns)
{
    uint64_t row[SN_REQUEST_COLUMNS];
    if (!l->logs)
        return SETSUNA_OK;
    sn_request_row(ledger, begin_ns, 0, row);
    return sn_request_log_add(&l->log, row);
}

/* How the request's due time came about: bench_due of bench_schedule.c. */
static sn_cause_due lane_due(const sn_bench_lane *l, uint64_t id)
{
    const sn_schedule *s = l->schedule;
    if (s && s->kind == SN_SCHEDULE_MULTI)
        return id % s->point[0] == 0 ? SN_CAUSE_DUE_AFTER : SN_CAUSE_DUE_SAME;
    return s && sn_schedule_is_open(s) ? SN_CAUSE_DUE_FIXED : SN_CAUSE_DUE_AFTER;
}

/* Request id into the book. *end_out: when it was done. */
static setsuna_status lane_serve(sn_bench_lane *l, uint64_t id, const sn_bench_time *t, uint64_t *end_out,
                                 setsuna_error *err)
{
    sn_ledger ledger;
    uint32_t n_input = l->options->n_input;
    sn_ledger_begin_at(&ledger, id, t->due_ns);
    if (t->due_ns != t->begin_ns)
        sn_ledger_wait_at(&ledger, SN_WAIT_QUEUE, t->begin_ns - t->due_ns, t->begin_ns);
    setsuna_status status = sn_workload_run(l->w, &ledger, &l->more, err);
    uint64_t end = *end_out = sn_now_ns();
    sn_cause_request r = {.due_ns = t->due_ns,
                          .free_ns = t->free_ns,
                          .begin_ns = t->begin_ns,
                          .end_ns = end,
                          .group = (uint16_t)(n_input ? (l->n_begun - 1) % n_input : 0),
                          .due = (uint8_t)lane_due(l, id)};
    SN_TRY(sn_bench_causes_end(l->causes, &r, &ledger, err));
    sn_ledger_close_at(&ledger, end);
    SN_TRY(status);
    if (sn_book_add(&l->book, &ledger) != SETSUNA_OK || lane_log(l, &ledger, t->begin_ns) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory after %llu requests", (unsigned long long)id);
    return lane_after(l, err);
}

setsuna_status sn_bench_lane_request(sn_bench_lane *l, uint64_t id, setsuna_error *err)
{
    uint64_t opening_ns, end;
    SN_TRY(lane_begin(l, &l->openings, &opening_ns, err));
    sn_bench_causes_ready(l->causes);
    uint64_t now = sn_now_ns();
    return lane_serve(l, id, &(sn_bench_time){.due_ns = now, .free_ns = now, .begin_ns = now}, &end, err);
}

/* ---- the server of a schedule -------------------------------------------------------------------------- */

static setsuna_status lane_server_prepare(void *ctx, setsuna_error *err)
{
    sn_bench_lane *l = ctx;
    uint64_t opening_ns;
    return lane_begin(l, &l->openings, &opening_ns, err);
}

static void lane_server_ready(void *ctx)
{
    sn_bench_lane *l = ctx;
    sn_bench_causes_ready(l->causes);
}

static setsuna_status lane_server_serve(void *ctx, uint64_t id, const sn_bench_time *t, uint64_t *end_out,
                                        setsuna_error *err)
{
    sn_bench_lane *l = ctx;
    SN_TRY(lane_serve(l, id, t, end_out, err));
    if (l->progress)
        l->progress(l->progress_ctx, id, *end_out);
    return SETSUNA_OK;
}

static setsuna_status lane_server_lose(void *ctx, uint64_t due_ns, uint64_t now_ns, bool dropped, setsuna_error *err)
{
    sn_bench_lane *l = ctx;
    if (!l->logs)
        return SETSUNA_OK;
    uint64_t at = now_ns > due_ns ? now_ns : due_ns;
    uint64_t row[SN_REQUEST_COLUMNS] = {
        [SN_REQUEST_DUE] = due_ns,
        [SN_REQUEST_BEGIN] = at,
        [SN_REQUEST_END] = at,
        [SN_REQUEST_FLAGS] = dropped ? SN_REQUEST_IS_DROPPED : SN_REQUEST_IS_UNSERVED,
    };
    return sn_request_log_add(&l->log, row) == SETSUNA_OK
               ? SETSUNA_OK
               : sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for the log");
}

/* ---- further lanes ------------------------------------------------------------------------------------- */

/* A lane with an instance of its own. */
typedef struct lane_extra {
    sn_bench_lane lane;
    sn_workload_options options;
    sn_cli_inputs inputs;
} lane_extra;

/* An instance for a request in flight beyond the first, warm; the caller's inputs are read again. */
static setsuna_status lane_extra_open(lane_extra *x, const sn_bench_lane *first, setsuna_error *err)
{
    uint64_t opening_ns, ns;
    x->options = *first->options;
    x->inputs = *first->options->inputs;
    x->inputs.tensor = NULL;
    x->inputs.n_tensor = 0;
    x->options.inputs = &x->inputs;
    x->lane.options = &x->options;
    x->lane.logs = first->logs;
    sn_bench_lane_init(&x->lane);
    SN_TRY(sn_workload_open(&x->options, &x->lane.w, err));
    SN_TRY(sn_bench_lane_once(&x->lane, &opening_ns, &ns, err));
    sn_bench_lane_rewind(&x->lane);
    return SETSUNA_OK;
}

static void lane_extra_close(lane_extra *x)
{
    sn_workload_close(x->lane.w);
    sn_bench_lane_fini(&x->lane);
    sn_free(sn_allocator_default(), x);
}

/* Rows of all lanes by their begin; first's log takes them. */
static setsuna_status lane_join_logs(sn_bench_lane *first, lane_extra *const *extra, uint32_t n)
{
    const sn_request_log *log[SN_SCHEDULE_IN_FLIGHT_MAX] = {&first->log};
    sn_request_log all;
    if (!first->logs || n == 0)
        return SETSUNA_OK;
    for (uint32_t k = 0; k < n; k++)
        log[k + 1] = &extra[k]->lane.log;
    sn_request_log_init(&all, NULL, first->log.cap);
    setsuna_status status = sn_request_log_join(&all, log, n + 1);
    sn_request_log_fini(status == SETSUNA_OK ? &first->log : &all);
    if (status == SETSUNA_OK)
        first->log = all;
    return status;
}

static setsuna_status lane_join(sn_bench_lane *first, lane_extra *const *extra, uint32_t n, setsuna_error *err)
{
    setsuna_status status = lane_join_logs(first, extra, n);
    for (uint32_t k = 0; status == SETSUNA_OK && k < n; k++) {
        status = sn_book_merge(&first->book, &extra[k]->lane.book);
        if (status == SETSUNA_OK)
            status = sn_book_merge(&first->openings, &extra[k]->lane.openings);
    }
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail(err, status, NULL, "out of memory to join the books");
}

setsuna_status sn_bench_lanes_measure(sn_bench_lane *first, sn_bench_schedule *s, setsuna_error *err)
{
    lane_extra *extra[SN_SCHEDULE_IN_FLIGHT_MAX] = {NULL};
    sn_bench_server server[SN_SCHEDULE_IN_FLIGHT_MAX] = {{.ctx = first}};
    uint32_t n = s->schedule.in_flight - 1, opened = 0;
    setsuna_status status = SETSUNA_OK;
    for (; status == SETSUNA_OK && opened < n; opened++) {
        extra[opened] = sn_alloc_zero(sn_allocator_default(), sizeof **extra);
        if (!extra[opened]) {
            status = sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for another instance");
            break;
        }
        server[opened + 1].ctx = &extra[opened]->lane;
        status = lane_extra_open(extra[opened], first, err);
    }
    for (uint32_t k = 0; k <= n; k++) {
        server[k].prepare = lane_server_prepare;
        server[k].ready = lane_server_ready;
        server[k].serve = lane_server_serve;
        server[k].lose = lane_server_lose;
    }
    if (status == SETSUNA_OK) {
        first->schedule = &s->schedule;
        status = sn_bench_schedule_measure(s, server, err);
        first->schedule = NULL;
    }
    if (status == SETSUNA_OK)
        status = lane_join(first, extra, n, err);
    for (uint32_t k = 0; k < opened; k++)
        lane_extra_close(extra[k]);
    if (status == SETSUNA_OK && sn_bench_schedule_summarize(s) != SETSUNA_OK)
        status = sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for the summary");
    return status;
}
