/* setsuna bench */
#include "base/clock.h"
#include "base/scan.h"
#include "cli/bench_error.h"
#include "cli/bench_keep.h"
#include "cli/bench_lanes.h"
#include "cli/bench_log.h"
#include "cli/bench_search.h"
#include "cli/bench_slo.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/per_op.h"
#include "ledger/energy.h"
#include "ledger/passport.h"
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
    {"slo", "TERMS", "say whether an objective is met: p99=33ms,p50=10ms,goodput=100/s,error=0.1%, or a preset"},
    {"search", NULL, "with --slo: look for the largest rate of requests that meets it"},
    {"price", "P", "of the machine for an hour, in any currency: what predictions cost"},
    {"watts", "W", "that the machine draws, where the kernel does not tell (RAPL): energy of a prediction"},
    {"warmup", "N|auto", "predictions or frames before measuring; auto (default): until they stop getting faster"},
    {"cpu", "LEVEL", "cap the CPU level: " SN_CPU_LEVEL_HELP},
    {"precision", "NAME", "how products are computed: f32 (default), or bf16 with sums in f32"},
    {"no-winograd", NULL, "convolutions as plain sums only: slower, rounded less"},
    {"plan-cache", "DIR", "keep packed weights there for the next start; what is stale is made anew"},
    {"plan-limit", "N", "combinations of input shapes that stay planned (default 64)"},
    {"engine", "NAME", "native (default), onnxruntime, or auto"},
    {"onnxruntime", "PATH", "where libonnxruntime.so is"},
    {"explain", NULL, "say why the slow ones were slow: who ran instead, steal, page faults, interrupts, queueing"},
    {"per-op", NULL, "then time every step of a model's plan, beside the least that this machine needs for it"},
    {"sort", "ORDER", "steps by plan (default), time, or gap between time and bound"},
    {"roofline", "GFLOPS,GBPS", "what the bounds are taken from, instead of measuring it"},
    {"log", "FILE", "also write every request there: .csv as text, otherwise encoded (docs/measurement.md)"},
    {"tag", "TEXT", "a word to find the run by in the history (repeatable)"},
    {"db", "FILE", "the history that keeps the run, instead of the user's (setsuna history)"},
    {"report", "FILE", "also write a page of HTML with charts of the run there (setsuna report)"},
    {"no-history", NULL, "do not keep the run"},
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
    BENCH_SLO,
    BENCH_SEARCH,
    BENCH_PRICE,
    BENCH_WATTS,
    BENCH_WARMUP,
    BENCH_CPU,
    BENCH_PRECISION,
    BENCH_NO_WINOGRAD,
    BENCH_PLAN_CACHE,
    BENCH_PLAN_LIMIT,
    BENCH_ENGINE,
    BENCH_ORT,
    BENCH_EXPLAIN,
    BENCH_PER_OP,
    BENCH_SORT,
    BENCH_ROOFLINE,
    BENCH_LOG,
    BENCH_TAG,
    BENCH_DB,
    BENCH_REPORT,
    BENCH_NO_HISTORY,
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
        "\nWith --slo the exit code is the verdict: 0 met, 1 missed (or the job failed), 2 undecided (or the command "
        "line is\n"
        "wrong). What was never answered counts against every term. Unless --runs or --duration say how much to "
        "measure,\n"
        "the run goes on until there is a verdict, for at most a minute. Presets (--slo help): video-30fps,\n"
        "video-60fps, vehicle, conversation, translation, fraud, industrial.\n"
        "\n--search measures rate after rate, each until there is a verdict or for --duration (default 20s), and tells "
        "between\n"
        "which two rates the largest one lies that meets the objective. All else that is printed is of that rate.\n"
        "\nEvery run is kept, with its requests, in the history (setsuna history); see --tag, --db and --no-history.\n"
        "\nExamples:\n"
        "  setsuna bench model.onnx\n"
        "  setsuna bench model.onnx --slo video-30fps\n"
        "  setsuna bench model.onnx --schedule poisson:200/s --slo p99=20ms,error=0.1%\n"
        "  setsuna bench model.onnx --slo p99=20ms --search --price 0.34\n"
        "  setsuna bench model.onnx --schedule poisson:200/s --deadline 20ms --duration 60s\n"
        "  setsuna bench model.onnx --schedule poisson:200/s --explain\n"
        "  setsuna bench models/cache/ppocr-v4-det.onnx --shape x=1,3,640,640 --threads 2\n"
        "  setsuna bench models/ppocr.yaml page.png --duration 10s --json\n"
        "  setsuna bench models/silero-vad.yaml speech.wav\n"
        "  setsuna bench model.onnx --engine onnxruntime\n"
        "  setsuna bench model.onnx --per-op --sort gap\n"
        "  setsuna bench model.onnx --schedule poisson:200/s --log requests.csv\n",
};

enum { BENCH_RUNS_MIN = 10, BENCH_WINDOW = 5 };
#define BENCH_DURATION_DEFAULT_NS UINT64_C(3000000000)
#define BENCH_DURATION_ENDLESS_NS (UINT64_C(1) << 60)
#define BENCH_SEARCH_EACH_NS UINT64_C(20000000000)
#define BENCH_SLO_MAX_NS UINT64_C(60000000000)
#define BENCH_WARMUP_MAX_NS UINT64_C(1000000000)

typedef struct bench {
    sn_workload_options workload;
    sn_cli_inputs inputs;
    uint64_t runs, duration_ns, warmup;
    bool warmup_auto, duration_given, explain, json;
    sn_bench_causes *causes; /* where explain is set */
    sn_bench_schedule_options when;
    sn_bench_schedule schedule; /* where when.text is set */
    sn_bench_slo slo;
    bool searches;
    sn_bench_search search; /* where it does */
    sn_cost_report cost;
    sn_interval_report intervals;
    sn_per_op_options per_op;
    sn_step_report steps;
    sn_bench_lane lane;
    const char *log; /* NULL: none is written */
    sn_bench_keep_options keep;
    bool kept; /* as sn_bench_keep says */
    uint64_t load_ns, first_ns, begin_ns, elapsed_ns;
    uint64_t progress_ns; /* when progress was shown */
} bench;

static volatile sig_atomic_t bench_interrupted;

static void bench_on_signal(int number)
{
    (void)number;
    bench_interrupted = 1;
}

static bool bench_warmup_is_over(uint64_t begin)
{
    return bench_interrupted || sn_now_ns() - begin >= BENCH_WARMUP_MAX_NS;
}

/* auto: windows of five predictions, or of all frames of a file, until the best of a window is no longer 2 % better
 * than the best before it, for at most a second. */
static setsuna_status bench_warmup(bench *b, setsuna_error *err)
{
    const uint64_t begin = sn_now_ns();
    uint64_t best = UINT64_MAX, opening_ns, ns;
    for (uint64_t i = 0; !b->warmup_auto && i < b->warmup && !bench_interrupted; i++)
        SN_TRY(sn_bench_lane_once(&b->lane, &opening_ns, &ns, err));
    while (b->warmup_auto && !bench_warmup_is_over(begin)) {
        uint64_t window = UINT64_MAX;
        for (int i = 0; (i < BENCH_WINDOW || b->lane.more) && !bench_warmup_is_over(begin); i++) {
            SN_TRY(sn_bench_lane_once(&b->lane, &opening_ns, &ns, err));
            window = ns < window ? ns : window;
        }
        if (best != UINT64_MAX && (double)window > 0.98 * (double)best)
            break;
        best = window < best ? window : best;
    }
    return SETSUNA_OK;
}

static void bench_progress(bench *b, uint64_t done, uint64_t now)
{
    if (now - b->progress_ns < 200000000)
        return;
    b->progress_ns = now;
    if (!isatty(STDERR_FILENO))
        return;
    double share = b->runs ? (double)done / (double)b->runs : (double)b->elapsed_ns / (double)b->duration_ns;
    fprintf(stderr, "\r%3.0f %%  %llu %s ", 100 * (share > 1 ? 1 : share), (unsigned long long)done,
            sn_workload_is_stream(b->lane.w) ? "frames" : "predictions");
}

static void bench_lane_progress(void *ctx, uint64_t done, uint64_t now_ns)
{
    bench *b = ctx;
    b->elapsed_ns = now_ns - b->schedule.begin_ns;
    bench_progress(b, done, now_ns);
}

/* A second of the measurement has this many requests; opening a stream's files is left out. */
static double bench_throughput(const bench *b)
{
    const sn_samples *opening = &b->lane.openings.series[SN_BOOK_WALL];
    double ns = (double)b->elapsed_ns;
    for (size_t i = 0; i < opening->n_log; i++)
        ns -= (double)opening->log[i];
    return (double)b->lane.book.n * 1e9 / (ns > 1 ? ns : 1);
}

/* What the objective is about. */
static sn_objective_run bench_judged(const bench *b)
{
    sn_objective_run run;
    if (b->when.text)
        sn_bench_schedule_judged(&b->schedule, &run);
    else
        run = (sn_objective_run){.latency = &b->lane.book.series[SN_BOOK_WALL], .rate_per_s = bench_throughput(b)};
    return run;
}

static uint64_t bench_extend_schedule(void *ctx, const sn_bench_schedule *s)
{
    bench *b = ctx;
    sn_objective_run run = bench_judged(b);
    return sn_bench_slo_look(&b->slo, &run, s->length_ns);
}

/* The time is over: whether it goes on. Looking is not in b->elapsed_ns. */
static bool bench_extends(bench *b)
{
    sn_objective_run run = bench_judged(b);
    uint64_t more = sn_bench_slo_look(&b->slo, &run, b->elapsed_ns);
    b->duration_ns = b->elapsed_ns + more;
    return more > 0;
}

/* bench_measure without a schedule: one after the other. */
static setsuna_status bench_measure_in_turn(bench *b, setsuna_error *err)
{
    setsuna_status status = SETSUNA_OK;
    uint64_t paused = 0;
    b->begin_ns = sn_now_ns();
    for (uint64_t i = 0; status == SETSUNA_OK && !bench_interrupted; i++) {
        b->elapsed_ns = sn_now_ns() - b->begin_ns - paused;
        if (b->runs ? i >= b->runs : b->elapsed_ns >= b->duration_ns && i >= BENCH_RUNS_MIN) {
            if (!bench_extends(b))
                break;
            paused = sn_now_ns() - b->begin_ns - b->elapsed_ns;
        }
        status = sn_bench_lane_request(&b->lane, i, err);
        bench_progress(b, i, sn_now_ns());
    }
    b->elapsed_ns = sn_now_ns() - b->begin_ns - paused;
    return status;
}

/* The largest rate's run, as if it had been asked for. */
static setsuna_status bench_measure_search(bench *b, setsuna_error *err)
{
    b->search = (sn_bench_search){.lane = &b->lane, .schedule = &b->schedule, .slo = &b->slo, .options = b->when};
    b->lane.progress = NULL;
    SN_TRY(sn_bench_search_run(&b->search, err));
    b->when.text = b->search.text;
    b->begin_ns = b->schedule.begin_ns;
    b->elapsed_ns = b->schedule.end_ns - b->schedule.begin_ns - b->schedule.paused_ns;
    return SETSUNA_OK;
}

static setsuna_status bench_measure_schedule(bench *b, setsuna_error *err)
{
    setsuna_status status = sn_bench_lanes_measure(&b->lane, &b->schedule, err);
    b->begin_ns = b->schedule.begin_ns;
    b->elapsed_ns = b->schedule.end_ns - b->schedule.begin_ns - b->schedule.paused_ns;
    return status;
}

static setsuna_status bench_measure(bench *b, setsuna_error *err)
{
    sn_bench_lane_rewind(&b->lane);
    b->lane.causes = b->causes;
    sn_bench_causes_start(b->causes);
    b->progress_ns = sn_now_ns();
    sn_energy before, after;
    sn_energy_read(SN_ENERGY_ROOT, &before);
    uint64_t begin = sn_now_ns();
    setsuna_status status = b->searches    ? bench_measure_search(b, err)
                            : b->when.text ? bench_measure_schedule(b, err)
                                           : bench_measure_in_turn(b, err);
    double seconds = b->searches ? b->search.seconds : (double)(sn_now_ns() - begin) * 1e-9;
    sn_energy_read(SN_ENERGY_ROOT, &after);
    double joules = b->searches ? b->search.joules : sn_energy_joules(&before, &after);
    if (joules > 0) {
        b->cost.watts = joules / seconds;
        b->cost.watts_declared = false;
    }
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    if (status == SETSUNA_OK && b->lane.book.n == 0)
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
    sn_sink_printf(&out, "%s on %s, %u thread%s, level %s, %s\n", r->model, r->engine, r->threads,
                   r->threads == 1 ? "" : "s", r->cpu_level, r->precision);
    sn_passport_write_text(r->passport, &out);
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
    if (r->slo) {
        sn_sink_puts(&out, "\n");
        SN_TRY(sn_objective_report_write(r->slo, &out, false));
    }
    if (r->search) {
        sn_sink_puts(&out, "\n");
        SN_TRY(sn_search_report_write(r->search, &out, false));
    }
    if (r->cost)
        sn_cost_report_write(r->cost, &out);
    sn_sink_puts(&out, "\n");
    SN_TRY(sn_histogram_text_write(&b->lane.book.series[SN_BOOK_WALL], &r->ledger.wall, &out, false));
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

static setsuna_status bench_report(bench *b, sn_workload *w, setsuna_error *err)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    sn_passport passport;
    sn_passport_read(&passport);
    if (!sn_workload_is_stream(w))
        sn_bench_lane_keep_outputs(&b->lane);
    if (b->workload.model.precision != SN_PRECISION_F32 && !sn_workload_is_stream(w))
        SN_TRY(sn_bench_compare_f32(&b->workload, b->workload.n_input > 1 ? b->lane.n_begun - 1 : 0, w, b->lane.output,
                                    b->lane.n_outputs, err));
    int level = b->workload.model.cpu_level;
    sn_cpu_level best = sn_cpu_detect();
    sn_bench_result r = {
        .setsuna = SETSUNA_VERSION,
        .passport = &passport,
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
        .outputs = b->lane.output,
        .n_outputs = b->lane.n_outputs,
    };
    if (sn_book_summarize(&b->lane.book, &r.ledger) != SETSUNA_OK ||
        sn_book_summarize(&b->lane.openings, &r.openings) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for the summary");
    r.throughput_per_s = bench_throughput(b);
    const sn_samples *latency = b->when.text ? &b->schedule.latency : &b->lane.book.series[SN_BOOK_WALL];
    bool steady = !b->when.text || sn_schedule_is_steady(&b->schedule.schedule);
    if (sn_interval_report_make(latency, steady, &b->intervals) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for the intervals");
    r.intervals = &b->intervals;
    if (b->lane.logs)
        SN_TRY(
            sn_bench_log_finish(&b->lane.log,
                                &(sn_bench_log_facts){.begin_ns = b->begin_ns,
                                                      .deadline_ns = b->when.text ? b->schedule.result.deadline_ns : 0,
                                                      .warmup = b->intervals.warmup},
                                err));
    r.schedule = b->when.text ? &b->schedule.result : NULL;
    sn_objective_report slo = {.text = b->slo.text, .objective = &b->slo.objective, .result = &b->slo.result};
    if (b->slo.text) {
        sn_objective_run run = bench_judged(b);
        SN_TRY(sn_bench_slo_conclude(&b->slo, &run, err));
        r.slo = &slo;
    }
    r.search = b->searches ? &b->search.report : NULL;
    b->cost.rate_per_s = b->searches && b->search.report.met > 0 ? b->search.report.met : r.throughput_per_s;
    r.cost = b->cost.price_per_hour > 0 || b->cost.watts > 0 ? &b->cost : NULL;
    SN_TRY(sn_bench_causes_report(b->causes, &r.causes, err));
    if (b->per_op.wanted) {
        b->per_op.runs = b->lane.book.n;
        b->per_op.plain_p50_ns = r.ledger.wall.p50;
        SN_TRY(sn_per_op_measure(w, &b->per_op, &b->steps, err));
        r.per_op = &b->steps;
    }
    setsuna_status status = bench_print(b, &r);
    b->kept = sn_bench_keep(
        &b->keep, &(sn_bench_keep_run){.result = &r,
                                       .log = &b->lane.log,
                                       .begin_ns = b->begin_ns,
                                       .verdict = b->slo.text ? sn_objective_verdict_text(b->slo.result.verdict)
                                                              : sn_interval_verdict_text(b->intervals.of[3].verdict),
                                       .partial = bench_interrupted,
                                       .quiet = b->json});
    sn_per_op_fini(&b->steps);
    if (status != SETSUNA_OK)
        return sn_fail(err, status, "standard output", "%s", strerror(errno));
    return b->log ? sn_bench_log_write(&b->lane.log, b->log, err) : SETSUNA_OK;
}

/* Before anything is loaded: what is wrong with the schedule is said at once. */
static setsuna_status bench_schedule_open(bench *b, setsuna_error *err)
{
    b->when.runs = b->runs;
    b->when.duration_ns = b->duration_ns;
    SN_TRY(sn_bench_schedule_init(&b->schedule, &b->when, err));
    if (b->schedule.schedule.kind == SN_SCHEDULE_TRACE && !b->duration_given)
        b->schedule.options.duration_ns = BENCH_DURATION_ENDLESS_NS; /* it has an end of its own */
    if (b->explain && (b->schedule.schedule.in_flight > 1 || b->searches)) {
        sn_bench_schedule_fini(&b->schedule);
        return sn_fail(err, SETSUNA_EINVAL, "--explain", "only with one request in flight, at one rate");
    }
    return SETSUNA_OK;
}

/* Before anything is loaded, too. A closed loop of several cannot be extended: its lanes do not wait for each other. */
static setsuna_status bench_slo_open(bench *b, setsuna_error *err)
{
    SN_TRY(sn_bench_slo_init(&b->slo, b->slo.text, err));
    SN_TRY(sn_bench_slo_check(&b->slo, b->when.deadline_ns, err));
    if (b->searches) {
        b->slo.limit_ns = b->duration_given ? b->duration_ns : BENCH_SEARCH_EACH_NS;
    } else if (!b->runs && !b->duration_given) {
        b->slo.limit_ns = BENCH_SLO_MAX_NS;
        b->when.extend = bench_extend_schedule;
        b->when.extend_ctx = b;
    }
    return SETSUNA_OK;
}

static setsuna_status bench_run(bench *b, setsuna_error *err)
{
    sn_workload *w = NULL;
    uint64_t opening_ns = 0;
    if (b->slo.text)
        SN_TRY(bench_slo_open(b, err));
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
    b->lane.options = &b->workload;
    b->lane.w = w;
    b->lane.causes = NULL; /* not of the warm-up */
    b->lane.progress = bench_lane_progress;
    b->lane.progress_ctx = b;
    sn_bench_lane_init(&b->lane);
    if (!b->log)
        sn_request_log_init(&b->lane.log, NULL, SN_BENCH_KEEP_ROWS);
    struct sigaction act = {.sa_handler = bench_on_signal}, old;
    sigaction(SIGINT, &act, &old);
    status = sn_bench_lane_once(&b->lane, &opening_ns, &b->first_ns, err);
    b->first_ns += opening_ns;
    if (status == SETSUNA_OK)
        status = bench_warmup(b, err);
    if (status == SETSUNA_OK && b->runs && sn_book_reserve(&b->lane.book, b->runs) != SETSUNA_OK)
        status = sn_fail(err, SETSUNA_ENOMEM, "--runs", "no memory to keep this many");
    if (status == SETSUNA_OK)
        status = bench_measure(b, err);
    sigaction(SIGINT, &old, NULL);
    if (status == SETSUNA_OK)
        status = bench_report(b, w, err);
    sn_bench_lane_fini(&b->lane);
    sn_bench_schedule_fini(&b->schedule);
    sn_workload_close(w);
    sn_bench_causes_close(b->causes);
    return status;
}

/* A number above 0. */
static int bench_amount(const sn_cli_args *args, double *out)
{
    const char *p = args->value;
    if (sn_scan_number(&p, out) && !*p && *out > 0)
        return SN_EXIT_OK;
    return sn_cli_usage_error(&bench_command, "a number above 0 such as 0.34 is wanted, not \"%s\"", args->value);
}

/* One option into b. Returns SN_EXIT_OK; the exit code; SN_CLI_STOP: that of args. */
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
    case BENCH_SLO:
        if (strcmp(args->value, "help") == 0) {
            sn_bench_slo_help();
            args->exit_code = SN_EXIT_OK;
            return SN_CLI_STOP;
        }
        b->slo.text = args->value;
        return SN_EXIT_OK;
    case BENCH_SEARCH: b->searches = true; return SN_EXIT_OK;
    case BENCH_PRICE: return bench_amount(args, &b->cost.price_per_hour);
    case BENCH_WATTS: b->cost.watts_declared = true; return bench_amount(args, &b->cost.watts);
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
    case BENCH_PLAN_LIMIT:
        if (!sn_cli_args_u64(args, word, 1, 1000000, &n))
            return args->exit_code;
        m->plan_limit = (uint32_t)n;
        return SN_EXIT_OK;
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
    case BENCH_LOG: b->log = args->value; return SN_EXIT_OK;
    case BENCH_TAG:
        return sn_bench_keep_add_tag(&b->keep, args->value)
                   ? SN_EXIT_OK
                   : sn_cli_usage_error(&bench_command, "--tag: at most %d, of 1 to %d bytes", SN_BENCH_TAGS_MAX,
                                        SN_HISTORY_TAG_MAX);
    case BENCH_DB: b->keep.db = args->value; return SN_EXIT_OK;
    case BENCH_REPORT: b->keep.report = args->value; return SN_EXIT_OK;
    case BENCH_NO_HISTORY: b->keep.off = true; return SN_EXIT_OK;
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
            return code == SN_CLI_STOP ? args.exit_code : code;
    }
    if (!b.workload.target)
        return sn_cli_usage_error(&bench_command, "which model or pipeline?");
    if (b.searches && (!b.slo.text || b.when.text || b.runs))
        return sn_cli_usage_error(&bench_command,
                                  "--search wants --slo, and makes its own schedule: no --schedule, no --runs");
    if (b.when.deadline_ns && !b.when.text && !b.searches)
        b.when.text = "closed";
    b.keep.argc = argc;
    b.keep.argv = argv;
    b.lane.logs = b.log || sn_bench_keep_wants_log(&b.keep);
    setsuna_error err = {0};
    setsuna_status status = bench_run(&b, &err);
    if (status != SETSUNA_OK)
        return sn_cli_error(&err);
    return !b.kept ? SN_EXIT_FAILED : b.slo.text ? sn_bench_slo_exit(&b.slo) : SN_EXIT_OK;
}
