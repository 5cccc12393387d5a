/* setsuna bench */
#include "base/clock.h"
#include "cli/bench_causes.h"
#include "cli/bench_schedule.h"
#include "cli/bench_error.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/per_op.h"
#include "cli/workload.h"
#include "ledger/passport.h"
#include "report/bench_result.h"
#include "report/histogram_text.h"
#include "report/human.h"
#include "report/ledger_report.h"
#include "report/passport_report.h"
#include "report/stream_report.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const sn_cli_option bench_options[] = {
    {"shape", "NAME=DIMS", "fix the shape of a model's input: --shape x=1,3,640,640"},
    {"input", "NAME=FILE", "an input by name: .npy or .pb for tensors, any file for bytes"},
    {"fill", "NAME=VALUE", "fill a model's input with a number"},
    {"threads", "N", "threads of the engine (default 1)"},
    {"runs", "N", "measure N predictions; of a stream, N frames"},
    {"duration", "TIME", "measure for this long: 10s, 500ms (default 3s, at least 10 predictions or frames)"},
    {"schedule", "SPEC", "when requests are due: poisson:200/s, constant:30/s, frames:30/s, closed:4, trace:FILE..."},
    {"seed", "N", "of a random schedule (default 1)"},
    {"deadline", "TIME", "count requests that end later than this after they were due: 33.3ms"},
    {"warmup", "N|auto", "predictions or frames before measuring; auto (default): until they stop getting faster"},
    {"cpu", "LEVEL", "cap the CPU level: " SN_CPU_LEVEL_HELP},
    {"precision", "NAME", "how products are computed: f32 (default), or bf16 with sums in f32"},
    {"no-winograd", NULL, "convolutions as plain sums only: slower, rounded less"},
    {"plan-cache", "DIR", "keep packed weights there for the next start; what is stale is made anew"},
    {"engine", "NAME", "native (default), onnxruntime, or auto"},
    {"onnxruntime", "PATH", "where libonnxruntime.so is"},
    {"explain", NULL, "say why the slow ones were slow: who ran instead, steal, page faults, interrupts, queueing"},
    {"per-op", NULL, "then time every step of a model's plan, beside the least that this machine needs for it"},
    {"sort", "ORDER", "steps by plan (default), time, or gap between time and bound"},
    {"roofline", "GFLOPS,GBPS", "what the bounds are taken from, instead of measuring it"},
    {"json", NULL, "print one JSON object (docs/json.md)"},
    {.name = NULL},
};
enum {
    BENCH_SHAPE,
    BENCH_INPUT,
    BENCH_FILL,
    BENCH_THREADS,
    BENCH_RUNS,
    BENCH_DURATION,
    BENCH_SCHEDULE,
    BENCH_SEED,
    BENCH_DEADLINE,
    BENCH_WARMUP,
    BENCH_CPU,
    BENCH_PRECISION,
    BENCH_NO_WINOGRAD,
    BENCH_PLAN_CACHE,
    BENCH_ENGINE,
    BENCH_ORT,
    BENCH_EXPLAIN,
    BENCH_PER_OP,
    BENCH_SORT,
    BENCH_ROOFLINE,
    BENCH_JSON
};

static const sn_cli_command bench_command = {
    .name = "bench",
    .synopsis = "PIPELINE|MODEL [INPUT...]",
    .summary =
        "Measures the latency of a model or pipeline: one prediction, or one frame of a stream, after the other, "
        "each with its ledger.",
    .options = bench_options,
    .details =
        "\nInterrupt it (Ctrl-C) and it reports what it has measured so far.\n"
        "\nOf a stream (a pipeline that cuts a sound into frames), a request is one frame. Reading and decoding the\n"
        "file comes before its first frame and is told apart. The file is heard again and again, from its beginning,\n"
        "until enough is measured; nothing is remembered from one time to the next.\n"
        "\nWith --schedule, requests are due at set times, whatever becomes of those before them; one server takes "
        "them in\n"
        "order, and latency counts from the time they were due:\n"
        "  closed[:N]                       N in flight, each with an instance of its own\n"
        "  constant:R  poisson:R            R such as 30/s or 600/min\n"
        "  gamma:R,cv=C                     in bursts for C above 1\n"
        "  ramp:R..R,over=T  step:R@T,R@T...  onoff:R,on=T,off=T[,low=R]     each with [,cv=C]\n"
        "  trace:FILE[,speed=X]             arrival times in seconds, one a line\n"
        "  frames:R[,deadline=T][,queue=N]  a camera: frames that newer ones overtake are dropped\n"
        "  idle:T,T,...                     the idle-gap curve: each request T after the last one's end\n"
        "  burst:N,N,...,every=T            the burst curve: N at once\n"
        "  single-stream  multi-stream[:N]  server:R  offline[:N]     MLPerf's scenarios, by its rules\n"
        "\nExamples:\n"
        "  setsuna bench model.onnx\n"
        "  setsuna bench model.onnx --schedule poisson:200/s --deadline 20ms --duration 60s\n"
        "  setsuna bench model.onnx --schedule poisson:200/s --explain\n"
        "  setsuna bench models/cache/ppocr-v4-det.onnx --shape x=1,3,640,640 --threads 2\n"
        "  setsuna bench models/ppocr.yaml page.png --duration 10s --json\n"
        "  setsuna bench models/silero-vad.yaml speech.wav\n"
        "  setsuna bench model.onnx --engine onnxruntime\n"
        "  setsuna bench model.onnx --per-op --sort gap\n",
};

enum { BENCH_RUNS_MIN = 10, BENCH_OUTPUTS_MAX = 64, BENCH_WINDOW = 5 };
#define BENCH_DURATION_DEFAULT_NS UINT64_C(3000000000)
#define BENCH_DURATION_ENDLESS_NS (UINT64_C(1) << 60)
#define BENCH_WARMUP_MAX_NS UINT64_C(1000000000)

typedef struct bench {
    sn_workload_options workload;
    sn_cli_inputs inputs;
    uint64_t runs, duration_ns, warmup;
    bool warmup_auto, duration_given, explain, json;
    sn_bench_causes *causes; /* where explain is set */
    sn_bench_schedule_options when;
    sn_bench_schedule schedule; /* where when.text is set */
    sn_interval_report intervals;
    sn_per_op_options per_op;
    sn_step_report steps;
    uint64_t n_begun;       /* inputs so far, in turn */
    bool more;              /* the last one has another frame */
    sn_book book, openings; /* of the requests; of what a stream does once a file */
    uint64_t load_ns, first_ns, elapsed_ns;
    sn_bench_output output[BENCH_OUTPUTS_MAX];
    uint32_t n_outputs;
} bench;

static volatile sig_atomic_t bench_interrupted;

static void bench_on_signal(int number)
{
    (void)number;
    bench_interrupted = 1;
}

/* Begins the next input where the last one has no more to give. A stream's file is opened then, which is no frame's
 * work: it goes into the book `openings` (NULL: not kept), and its time is returned in *ns_out. */
static setsuna_status bench_begin(bench *b, sn_workload *w, sn_book *openings, uint64_t *ns_out, setsuna_error *err)
{
    *ns_out = 0;
    if (b->more)
        return SETSUNA_OK;
    sn_ledger l;
    sn_ledger_begin(&l, b->n_begun);
    setsuna_status status = sn_workload_begin(w, b->n_begun++, &l, err);
    sn_ledger_close(&l);
    if (status != SETSUNA_OK || !sn_workload_is_stream(w))
        return status;
    *ns_out = l.wall_ns;
    return openings && sn_book_add(openings, &l) != SETSUNA_OK ? sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory")
                                                               : SETSUNA_OK;
}

static void bench_keep_outputs(bench *b, const sn_workload *w)
{
    const char *name[BENCH_OUTPUTS_MAX];
    setsuna_tensor tensor[BENCH_OUTPUTS_MAX];
    b->n_outputs = sn_workload_outputs(w, name, tensor, BENCH_OUTPUTS_MAX);
    for (uint32_t i = 0; i < b->n_outputs; i++) {
        b->output[i] = (sn_bench_output){.name = name[i], .dtype = tensor[i].dtype, .shape = tensor[i].shape};
        sn_sha256_text(tensor[i].data, tensor[i].size_bytes, b->output[i].sha256);
    }
}

/* After a request, on nobody's clock. A stream has its outputs at the end of a file only. */
static setsuna_status bench_after(bench *b, const sn_workload *w, setsuna_error *err)
{
    if (!sn_workload_is_stream(w))
        return SETSUNA_OK;
    if (sn_workload_frame_s(w) <= 0)
        return sn_fail(err, SETSUNA_EINPUT,
                       b->workload.n_input ? b->workload.input[(b->n_begun - 1) % b->workload.n_input]
                                           : b->workload.target,
                       "an input without a single frame: there is nothing to measure");
    if (!b->more)
        bench_keep_outputs(b, w);
    return SETSUNA_OK;
}

/* A request that is not measured: its wall time, with that of opening its file. */
static setsuna_status bench_once(bench *b, sn_workload *w, uint64_t *opening_ns, uint64_t *ns_out, setsuna_error *err)
{
    sn_ledger l;
    SN_TRY(bench_begin(b, w, NULL, opening_ns, err));
    sn_ledger_begin(&l, 0);
    setsuna_status status = sn_workload_run(w, &l, &b->more, err);
    sn_ledger_close(&l);
    *ns_out = l.wall_ns;
    return status == SETSUNA_OK ? bench_after(b, w, err) : status;
}

static bool bench_warmup_is_over(uint64_t begin)
{
    return bench_interrupted || sn_now_ns() - begin >= BENCH_WARMUP_MAX_NS;
}

/* auto: windows of five predictions, or of all frames of a file, until the best of a window is no longer 2 % better
 * than the best before it, for at most a second. */
static setsuna_status bench_warmup(bench *b, sn_workload *w, setsuna_error *err)
{
    const uint64_t begin = sn_now_ns();
    uint64_t best = UINT64_MAX, opening_ns, ns;
    for (uint64_t i = 0; !b->warmup_auto && i < b->warmup && !bench_interrupted; i++)
        SN_TRY(bench_once(b, w, &opening_ns, &ns, err));
    while (b->warmup_auto && !bench_warmup_is_over(begin)) {
        uint64_t window = UINT64_MAX;
        for (int i = 0; (i < BENCH_WINDOW || b->more) && !bench_warmup_is_over(begin); i++) {
            SN_TRY(bench_once(b, w, &opening_ns, &ns, err));
            window = ns < window ? ns : window;
        }
        if (best != UINT64_MAX && (double)window > 0.98 * (double)best)
            break;
        best = window < best ? window : best;
    }
    return SETSUNA_OK;
}

static void bench_progress(const bench *b, bool frames, uint64_t done, uint64_t now, uint64_t *last)
{
    if (now - *last < 200000000)
        return;
    *last = now;
    if (!isatty(STDERR_FILENO))
        return;
    double share = b->runs ? (double)done / (double)b->runs : (double)b->elapsed_ns / (double)b->duration_ns;
    fprintf(stderr, "\r%3.0f %%  %llu %s ", 100 * (share > 1 ? 1 : share), (unsigned long long)done,
            frames ? "frames" : "predictions");
}

/* How the request's due time came about: bench_due of bench_schedule.c. */
static sn_cause_due bench_due_kind(const bench *b, uint64_t i)
{
    const sn_schedule *s = &b->schedule.schedule;
    if (b->when.text && s->kind == SN_SCHEDULE_MULTI)
        return i % s->point[0] == 0 ? SN_CAUSE_DUE_AFTER : SN_CAUSE_DUE_SAME;
    return b->when.text && sn_schedule_is_open(s) ? SN_CAUSE_DUE_FIXED : SN_CAUSE_DUE_AFTER;
}

/* Request i into the book. *end_out: when it was done. */
static setsuna_status bench_serve(bench *b, sn_workload *w, uint64_t i, const sn_bench_time *t, uint64_t *end_out,
                                  setsuna_error *err)
{
    sn_ledger l;
    sn_ledger_begin_at(&l, i, t->due_ns);
    if (t->due_ns != t->begin_ns)
        sn_ledger_wait_at(&l, SN_WAIT_QUEUE, t->begin_ns - t->due_ns, t->begin_ns);
    setsuna_status status = sn_workload_run(w, &l, &b->more, err);
    uint64_t end = *end_out = sn_now_ns();
    sn_cause_request r = {.due_ns = t->due_ns,
                          .free_ns = t->free_ns,
                          .begin_ns = t->begin_ns,
                          .end_ns = end,
                          .group = (uint16_t)(b->workload.n_input ? (b->n_begun - 1) % b->workload.n_input : 0),
                          .due = (uint8_t)bench_due_kind(b, i)};
    SN_TRY(sn_bench_causes_end(b->causes, &r, &l, err));
    sn_ledger_close_at(&l, end);
    SN_TRY(status);
    if (sn_book_add(&b->book, &l) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory after %llu requests", (unsigned long long)i);
    return bench_after(b, w, err);
}

/* Request i, begun at once. */
static setsuna_status bench_request(bench *b, sn_workload *w, uint64_t i, setsuna_error *err)
{
    uint64_t opening_ns, end;
    SN_TRY(bench_begin(b, w, &b->openings, &opening_ns, err));
    sn_bench_causes_ready(b->causes);
    uint64_t now = sn_now_ns();
    return bench_serve(b, w, i, &(sn_bench_time){.due_ns = now, .free_ns = now, .begin_ns = now}, &end, err);
}

/* A server of the schedule: its own instance, its own book; the first is bench's. */
typedef struct bench_lane {
    bench *b;
    sn_workload *w;
    uint64_t last; /* when progress was shown; UINT64_MAX: never */
} bench_lane;

static setsuna_status bench_lane_prepare(void *ctx, setsuna_error *err)
{
    bench_lane *l = ctx;
    uint64_t opening_ns;
    return bench_begin(l->b, l->w, &l->b->openings, &opening_ns, err);
}

static void bench_lane_ready(void *ctx)
{
    bench_lane *l = ctx;
    sn_bench_causes_ready(l->b->causes);
}

static setsuna_status bench_lane_serve(void *ctx, uint64_t id, const sn_bench_time *t, uint64_t *end_out,
                                       setsuna_error *err)
{
    bench_lane *l = ctx;
    SN_TRY(bench_serve(l->b, l->w, id, t, end_out, err));
    l->b->elapsed_ns = *end_out - l->b->schedule.begin_ns;
    if (l->last != UINT64_MAX)
        bench_progress(l->b, sn_workload_is_stream(l->w), id, *end_out, &l->last);
    return SETSUNA_OK;
}

/* An instance for each request in flight beyond the first, warm; the caller's inputs are read again. */
static setsuna_status bench_lane_open(bench_lane *l, const bench *b, setsuna_error *err)
{
    uint64_t opening_ns, ns;
    l->b = sn_alloc_zero(sn_allocator_default(), sizeof *l->b);
    if (!l->b)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for another instance");
    l->last = UINT64_MAX;
    l->b->workload = b->workload;
    l->b->inputs = b->inputs;
    l->b->inputs.tensor = NULL;
    l->b->inputs.n_tensor = 0;
    l->b->workload.inputs = &l->b->inputs;
    sn_book_init(&l->b->book, NULL, 0);
    sn_book_init(&l->b->openings, NULL, 0);
    SN_TRY(sn_workload_open(&l->b->workload, &l->w, err));
    SN_TRY(bench_once(l->b, l->w, &opening_ns, &ns, err));
    l->b->more = false;
    l->b->n_begun = 0;
    return SETSUNA_OK;
}

static setsuna_status bench_lane_join(bench *b, const bench_lane *l, setsuna_error *err)
{
    if (sn_book_merge(&b->book, &l->b->book) != SETSUNA_OK ||
        sn_book_merge(&b->openings, &l->b->openings) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory to join the books");
    return SETSUNA_OK;
}

static void bench_lane_close(bench_lane *l)
{
    if (!l->b)
        return;
    sn_workload_close(l->w);
    sn_book_fini(&l->b->book);
    sn_book_fini(&l->b->openings);
    sn_free(sn_allocator_default(), l->b);
}

/* bench_measure for --schedule. */
static setsuna_status bench_measure_schedule(bench *b, sn_workload *w, setsuna_error *err)
{
    uint32_t n = b->schedule.schedule.in_flight;
    bench_lane *lane = sn_alloc_zero(sn_allocator_default(), n * sizeof *lane);
    sn_bench_server *server = sn_alloc_zero(sn_allocator_default(), n * sizeof *server);
    setsuna_status status = lane && server ? SETSUNA_OK : sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    for (uint32_t k = 0; status == SETSUNA_OK && k < n; k++) {
        server[k] = (sn_bench_server){
            .ctx = &lane[k], .prepare = bench_lane_prepare, .ready = bench_lane_ready, .serve = bench_lane_serve};
        if (k > 0)
            status = bench_lane_open(&lane[k], b, err);
    }
    if (status == SETSUNA_OK) {
        lane[0] = (bench_lane){.b = b, .w = w};
        status = sn_bench_schedule_measure(&b->schedule, server, err);
        b->elapsed_ns = b->schedule.end_ns - b->schedule.begin_ns;
    }
    for (uint32_t k = 1; lane && k < n; k++) {
        if (status == SETSUNA_OK)
            status = bench_lane_join(b, &lane[k], err);
        bench_lane_close(&lane[k]);
    }
    sn_free(sn_allocator_default(), server);
    sn_free(sn_allocator_default(), lane);
    if (status == SETSUNA_OK && sn_bench_schedule_summarize(&b->schedule) != SETSUNA_OK)
        status = sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for the summary");
    return status;
}

/* bench_measure without a schedule: one after the other. */
static setsuna_status bench_measure_in_turn(bench *b, sn_workload *w, setsuna_error *err)
{
    setsuna_status status = SETSUNA_OK;
    uint64_t begin = sn_now_ns(), last = begin;
    for (uint64_t i = 0; status == SETSUNA_OK && !bench_interrupted; i++) {
        b->elapsed_ns = sn_now_ns() - begin;
        if (b->runs ? i >= b->runs : b->elapsed_ns >= b->duration_ns && i >= BENCH_RUNS_MIN)
            break;
        status = bench_request(b, w, i, err);
        bench_progress(b, sn_workload_is_stream(w), i, sn_now_ns(), &last);
    }
    b->elapsed_ns = sn_now_ns() - begin;
    return status;
}

static setsuna_status bench_measure(bench *b, sn_workload *w, setsuna_error *err)
{
    b->more = false; /* what the warm-up left of a stream is not gone on with */
    b->n_begun = 0;
    sn_bench_causes_start(b->causes);
    setsuna_status status = b->when.text ? bench_measure_schedule(b, w, err) : bench_measure_in_turn(b, w, err);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    if (status == SETSUNA_OK && b->book.n == 0)
        status = sn_fail(err, SETSUNA_ECANCELED, NULL, "interrupted before the first measured prediction");
    return status;
}

static setsuna_status bench_print(const bench *b, const sn_bench_result *r)
{
    sn_sink out;
    sn_sink_init_file(&out, stdout);
    if (b->json) {
        sn_json w;
        sn_json_init(&w, &out, 2);
        sn_bench_result_write_json(r, &w);
        return sn_json_finish(&w);
    }
    char load[SN_HUMAN_MAX], first[SN_HUMAN_MAX], rss[SN_HUMAN_MAX], rate[SN_HUMAN_MAX];
    sn_passport p;
    sn_passport_read(&p);
    sn_sink_printf(&out, "%s on %s, %u thread%s, level %s, %s\n", r->model, r->engine, r->threads,
                   r->threads == 1 ? "" : "s", r->cpu_level, r->precision);
    sn_passport_write_text(&p, &out);
    sn_sink_printf(&out, "load %s, first %s %s%s, peak memory %s, %s %s/s\n",
                   sn_human_duration(load, r->load_ns, false), r->is_stream ? "frame" : "prediction",
                   sn_human_duration(first, r->first_ns, false), r->is_stream ? " with opening its file" : "",
                   sn_human_bytes(rss, r->peak_rss_bytes), sn_human_number(rate, r->throughput_per_s),
                   r->is_stream ? "frames" : "predictions");
    if (r->is_stream) {
        sn_sink_puts(&out, "\nper frame: ");
        sn_stream_write_frames(&r->ledger, r->frame_s, &out, false);
        sn_sink_puts(&out, "\n");
    }
    sn_sink_puts(&out, "\n");
    SN_TRY(sn_ledger_report_write(&r->ledger, NULL, &out, false));
    sn_stream_write_openings(&r->openings, &out, false);
    sn_sink_puts(&out, "\n");
    SN_TRY(sn_interval_report_write(r->intervals, &out, false));
    if (r->schedule) {
        sn_sink_puts(&out, "\n");
        SN_TRY(sn_schedule_report_write(r->schedule, &out, false));
    }
    sn_sink_puts(&out, "\n");
    SN_TRY(sn_histogram_text_write(&b->book.series[SN_BOOK_WALL], &r->ledger.wall, &out, false));
    if (r->causes) {
        sn_sink_puts(&out, "\n");
        SN_TRY(sn_cause_report_write(r->causes, &out, false));
    }
    sn_bench_print_errors(r, &out);
    if (r->per_op) {
        sn_sink_puts(&out, "\n");
        SN_TRY(sn_step_report_write(r->per_op, &out, false));
    }
    if (bench_interrupted)
        sn_sink_puts(&out, "\ninterrupted: this is the part that was measured\n");
    return sn_sink_flush(&out);
}

/* A second of the measurement has this many requests; opening a stream's files is left out. */
static double bench_throughput(const bench *b, const sn_book_summary *openings)
{
    double ns = (double)b->elapsed_ns - openings->wall.mean * (double)openings->n;
    return (double)b->book.n * 1e9 / (ns > 1 ? ns : 1);
}

static setsuna_status bench_report(bench *b, sn_workload *w, setsuna_error *err)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    if (!sn_workload_is_stream(w))
        bench_keep_outputs(b, w);
    if (b->workload.model.precision != SN_PRECISION_F32 && !sn_workload_is_stream(w))
        SN_TRY(sn_bench_compare_f32(&b->workload, b->workload.n_input > 1 ? b->n_begun - 1 : 0, w, b->output,
                                    b->n_outputs, err));
    int level = b->workload.model.cpu_level;
    sn_cpu_level best = sn_cpu_detect();
    sn_bench_result r = {
        .setsuna = SETSUNA_VERSION,
        .model = b->workload.target,
        .engine = sn_workload_engine(w),
        .threads = b->workload.model.n_threads ? b->workload.model.n_threads : 1,
        .cpu_level = sn_cpu_level_name(level < 0 || level > (int)best ? best : (sn_cpu_level)level),
        .precision = sn_precision_name(b->workload.model.precision),
        .load_ns = b->load_ns,
        .first_ns = b->first_ns,
        .peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024,
        .is_stream = sn_workload_is_stream(w),
        .frame_s = sn_workload_frame_s(w),
        .outputs = b->output,
        .n_outputs = b->n_outputs,
    };
    if (sn_book_summarize(&b->book, &r.ledger) != SETSUNA_OK ||
        sn_book_summarize(&b->openings, &r.openings) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for the summary");
    r.throughput_per_s = bench_throughput(b, &r.openings);
    const sn_samples *latency = b->when.text ? &b->schedule.latency : &b->book.series[SN_BOOK_WALL];
    bool steady = !b->when.text || sn_schedule_is_steady(&b->schedule.schedule);
    if (sn_interval_report_make(latency, steady, &b->intervals) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for the intervals");
    r.intervals = &b->intervals;
    r.schedule = b->when.text ? &b->schedule.result : NULL;
    SN_TRY(sn_bench_causes_report(b->causes, &r.causes, err));
    if (b->per_op.wanted) {
        b->per_op.runs = b->book.n;
        b->per_op.plain_p50_ns = r.ledger.wall.p50;
        SN_TRY(sn_per_op_measure(w, &b->per_op, &b->steps, err));
        r.per_op = &b->steps;
    }
    setsuna_status status = bench_print(b, &r);
    sn_per_op_fini(&b->steps);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail(err, status, "standard output", "%s", strerror(errno));
}

/* Before anything is loaded: what is wrong with the schedule is said at once. */
static setsuna_status bench_schedule_open(bench *b, setsuna_error *err)
{
    b->when.runs = b->runs;
    b->when.duration_ns = b->duration_ns;
    SN_TRY(sn_bench_schedule_init(&b->schedule, &b->when, err));
    if (b->schedule.schedule.kind == SN_SCHEDULE_TRACE && !b->duration_given)
        b->schedule.options.duration_ns = BENCH_DURATION_ENDLESS_NS; /* it has an end of its own */
    if (b->explain && b->schedule.schedule.in_flight > 1) {
        sn_bench_schedule_fini(&b->schedule);
        return sn_fail(err, SETSUNA_EINVAL, "--explain", "only with one request in flight");
    }
    return SETSUNA_OK;
}

static setsuna_status bench_run(bench *b, setsuna_error *err)
{
    sn_workload *w = NULL;
    uint64_t opening_ns = 0;
    if (b->when.text)
        SN_TRY(bench_schedule_open(b, err));
    setsuna_status status = b->explain ? sn_bench_causes_open(&b->causes, err) : SETSUNA_OK;
    uint64_t begin = sn_now_ns();
    if (status == SETSUNA_OK)
        status = sn_workload_open(&b->workload, &w, err);
    if (status != SETSUNA_OK) {
        sn_bench_causes_close(b->causes);
        sn_bench_schedule_fini(&b->schedule);
        return status;
    }
    b->load_ns = sn_now_ns() - begin;
    sn_book_init(&b->book, NULL, 0);
    sn_book_init(&b->openings, NULL, 0);
    struct sigaction act = {.sa_handler = bench_on_signal}, old;
    sigaction(SIGINT, &act, &old);
    status = bench_once(b, w, &opening_ns, &b->first_ns, err);
    b->first_ns += opening_ns;
    if (status == SETSUNA_OK)
        status = bench_warmup(b, w, err);
    if (status == SETSUNA_OK && b->runs && sn_book_reserve(&b->book, b->runs) != SETSUNA_OK)
        status = sn_fail(err, SETSUNA_ENOMEM, "--runs", "no memory to keep this many");
    if (status == SETSUNA_OK)
        status = bench_measure(b, w, err);
    sigaction(SIGINT, &old, NULL);
    if (status == SETSUNA_OK)
        status = bench_report(b, w, err);
    sn_book_fini(&b->book);
    sn_book_fini(&b->openings);
    sn_bench_schedule_fini(&b->schedule);
    sn_workload_close(w);
    sn_bench_causes_close(b->causes);
    return status;
}

/* One option into b. Returns SN_EXIT_OK or the exit code. */
static int bench_option(bench *b, sn_cli_args *args, int word)
{
    sn_model_options *m = &b->workload.model;
    sn_cpu_level level;
    uint64_t n;
    switch (word) {
    case BENCH_SHAPE:
    case BENCH_INPUT:
    case BENCH_FILL:
        if (!sn_cli_inputs_add(&b->inputs, args->value, (sn_cli_input_kind)(word - BENCH_SHAPE)))
            return sn_cli_usage_error(&bench_command, "--%s wants %s, got \"%s\"", bench_options[word].name,
                                      bench_options[word].metavar, args->value);
        return SN_EXIT_OK;
    case BENCH_THREADS:
        if (!sn_cli_args_u64(args, word, 1, 1024, &n))
            return args->exit_code;
        m->n_threads = (uint32_t)n;
        return SN_EXIT_OK;
    case BENCH_RUNS: return sn_cli_args_u64(args, word, 1, 1000000000, &b->runs) ? SN_EXIT_OK : args->exit_code;
    case BENCH_DURATION:
        b->duration_given = true;
        return sn_cli_args_duration_ns(args, word, &b->duration_ns) ? SN_EXIT_OK : args->exit_code;
    case BENCH_SCHEDULE: b->when.text = args->value; return SN_EXIT_OK;
    case BENCH_SEED: return sn_cli_args_u64(args, word, 0, UINT64_MAX, &b->when.seed) ? SN_EXIT_OK : args->exit_code;
    case BENCH_DEADLINE:
        return sn_cli_args_duration_ns(args, word, &b->when.deadline_ns) ? SN_EXIT_OK : args->exit_code;
    case BENCH_WARMUP:
        b->warmup_auto = strcmp(args->value, "auto") == 0;
        return b->warmup_auto || sn_cli_args_u64(args, word, 0, 1000000000, &b->warmup) ? SN_EXIT_OK : args->exit_code;
    case BENCH_CPU:
        if (sn_cpu_level_parse(args->value, &level) != SETSUNA_OK)
            return sn_cli_usage_error(&bench_command, "--cpu: no level \"%s\"", args->value);
        m->cpu_level = (int)level;
        return SN_EXIT_OK;
    case BENCH_PRECISION:
        if (sn_precision_parse(args->value, &m->precision) != SETSUNA_OK)
            return sn_cli_usage_error(&bench_command, "--precision: neither f32 nor bf16: \"%s\"", args->value);
        return SN_EXIT_OK;
    case BENCH_NO_WINOGRAD: m->no_winograd = true; return SN_EXIT_OK;
    case BENCH_PLAN_CACHE: m->plan_cache = args->value; return SN_EXIT_OK;
    case BENCH_ENGINE: m->engine = args->value; return SN_EXIT_OK;
    case BENCH_ORT: m->onnxruntime_library = args->value; return SN_EXIT_OK;
    case BENCH_EXPLAIN: b->explain = true; return SN_EXIT_OK;
    case BENCH_PER_OP: b->per_op.wanted = true; return SN_EXIT_OK;
    case BENCH_SORT:
        b->per_op.wanted = true;
        return sn_per_op_parse_order(args->value, &b->per_op.order)
                   ? SN_EXIT_OK
                   : sn_cli_usage_error(&bench_command, "--sort: neither plan, time nor gap: \"%s\"", args->value);
    case BENCH_ROOFLINE:
        b->per_op.wanted = true;
        return sn_per_op_parse_roofline(args->value, &b->per_op)
                   ? SN_EXIT_OK
                   : sn_cli_usage_error(&bench_command, "--roofline wants GFLOP/s,GB/s, got \"%s\"", args->value);
    default: b->json = true; return SN_EXIT_OK;
    }
}

int sn_cli_bench(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&bench_command, argc, argv);
    bench b = {
        .duration_ns = BENCH_DURATION_DEFAULT_NS, .warmup_auto = true, .when = {.seed = 1, .stop = &bench_interrupted}};
    char *files[256];
    b.workload = (sn_workload_options){.inputs = &b.inputs, .input = files, .model = {.cpu_level = -1}};
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        int code = SN_EXIT_OK;
        if (word == SN_CLI_STOP)
            return args.exit_code;
        if (word != SN_CLI_WORD)
            code = bench_option(&b, &args, word);
        else if (!b.workload.target)
            b.workload.target = args.value;
        else if (b.workload.n_input < sizeof files / sizeof files[0])
            files[b.workload.n_input++] = argv[args.next - 1];
        else
            return sn_cli_usage_error(&bench_command, "more than %zu inputs", sizeof files / sizeof files[0]);
        if (code != SN_EXIT_OK)
            return code;
    }
    if (!b.workload.target)
        return sn_cli_usage_error(&bench_command, "which model or pipeline?");
    if (b.when.deadline_ns && !b.when.text)
        b.when.text = "closed";
    setsuna_error err = {0};
    setsuna_status status = bench_run(&b, &err);
    return status == SETSUNA_OK ? SN_EXIT_OK : sn_cli_error(&err);
}
