/* setsuna bench */
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/workload.h"
#include "ledger/os_probe.h"
#include "ledger/passport.h"
#include "report/bench_result.h"
#include "report/histogram_text.h"
#include "report/human.h"
#include "report/ledger_report.h"
#include "report/passport_report.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const sn_cli_option bench_options[] = {
    {"shape", "NAME=DIMS", "fix the shape of a model's input: --shape x=1,3,640,640"},
    {"input", "NAME=FILE", "read a model's input from a .npy or .pb file"},
    {"fill", "NAME=VALUE", "fill a model's input with a number"},
    {"threads", "N", "threads of the engine (default 1)"},
    {"runs", "N", "measure N predictions"},
    {"duration", "TIME", "measure for this long: 10s, 500ms (default 3s, at least 10 predictions)"},
    {"warmup", "N|auto", "predictions before measuring; auto (default): until they stop getting faster"},
    {"cpu", "LEVEL", "cap the CPU level: ref, avx2, avx512, avx512vnni, avx512bf16"},
    {"precision", "NAME", "how products are computed: f32 (default), or bf16 with sums in f32"},
    {"engine", "NAME", "native (default), onnxruntime, or auto"},
    {"onnxruntime", "PATH", "where libonnxruntime.so is"},
    {"probe", NULL, "also read run-queue wait, faults and switches of every prediction (about 2 us each)"},
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
    BENCH_WARMUP,
    BENCH_CPU,
    BENCH_PRECISION,
    BENCH_ENGINE,
    BENCH_ORT,
    BENCH_PROBE,
    BENCH_JSON
};

static const sn_cli_command bench_command = {
    .name = "bench",
    .synopsis = "PIPELINE|MODEL [INPUT...]",
    .summary = "Measures the latency of a model or pipeline: one prediction after the other, each with its ledger.",
    .options = bench_options,
    .details = "\nInterrupt it (Ctrl-C) and it reports what it has measured so far.\n"
               "\nExamples:\n"
               "  setsuna bench model.onnx\n"
               "  setsuna bench models/cache/ppocr-v4-det.onnx --shape x=1,3,640,640 --threads 2\n"
               "  setsuna bench models/ppocr.yaml page.png --duration 10s --json\n"
               "  setsuna bench model.onnx --engine onnxruntime\n",
};

enum { BENCH_RUNS_MIN = 10, BENCH_OUTPUTS_MAX = 64 };
#define BENCH_DURATION_DEFAULT_NS UINT64_C(3000000000)
#define BENCH_WARMUP_MAX_NS UINT64_C(1000000000)

typedef struct bench {
    sn_workload_options workload;
    sn_cli_inputs inputs;
    uint64_t runs, duration_ns, warmup;
    bool warmup_auto, probe, json;
    sn_book book;
    uint64_t load_ns, first_ns, elapsed_ns;
    uint64_t last; /* number of the last measured run */
} bench;

static volatile sig_atomic_t bench_interrupted;

static void bench_on_signal(int number)
{
    (void)number;
    bench_interrupted = 1;
}

static setsuna_status bench_once(sn_workload *w, uint64_t id, sn_ledger *l, setsuna_error *err)
{
    sn_ledger_begin(l, id);
    setsuna_status status = sn_workload_run(w, id, l, err);
    sn_ledger_close(l);
    return status;
}

/* auto: windows of five predictions until the best of a window is no longer 2 % better than the best before it, for at
 * most a second. */
static setsuna_status bench_warmup(bench *b, sn_workload *w, setsuna_error *err)
{
    sn_ledger l;
    uint64_t begin = sn_now_ns(), best = UINT64_MAX;
    for (uint64_t i = 0; !b->warmup_auto && i < b->warmup && !bench_interrupted; i++)
        SN_TRY(bench_once(w, i, &l, err));
    while (b->warmup_auto && !bench_interrupted && sn_now_ns() - begin < BENCH_WARMUP_MAX_NS) {
        uint64_t window = UINT64_MAX;
        for (int i = 0; i < 5; i++) {
            SN_TRY(bench_once(w, 0, &l, err));
            window = l.wall_ns < window ? l.wall_ns : window;
        }
        if (best != UINT64_MAX && (double)window > 0.98 * (double)best)
            break;
        best = window < best ? window : best;
    }
    return SETSUNA_OK;
}

static void bench_progress(const bench *b, uint64_t done, uint64_t now, uint64_t *last)
{
    if (!isatty(STDERR_FILENO) || now - *last < 200000000)
        return;
    *last = now;
    double share = b->runs ? (double)done / (double)b->runs : (double)b->elapsed_ns / (double)b->duration_ns;
    fprintf(stderr, "\r%3.0f %%  %llu predictions ", 100 * (share > 1 ? 1 : share), (unsigned long long)done);
}

static setsuna_status bench_measure(bench *b, sn_workload *w, setsuna_error *err)
{
    sn_os_probe probe;
    sn_os_reading before = {0}, after = {0};
    sn_ledger l;
    if (b->probe) {
        sn_os_probe_open(&probe);
        sn_os_probe_read(&probe, &before);
    }
    setsuna_status status = SETSUNA_OK;
    uint64_t begin = sn_now_ns(), last = begin;
    for (uint64_t i = 0; status == SETSUNA_OK && !bench_interrupted; i++) {
        b->elapsed_ns = sn_now_ns() - begin;
        if (b->runs ? i >= b->runs : b->elapsed_ns >= b->duration_ns && i >= BENCH_RUNS_MIN)
            break;
        b->last = i;
        sn_ledger_begin(&l, i);
        status = sn_workload_run(w, i, &l, err);
        if (b->probe) {
            uint64_t end = sn_now_ns();
            sn_os_probe_read(&probe, &after);
            sn_ledger_explain(&l, &before, &after);
            sn_ledger_close_at(&l, end);
            before = after;
        } else {
            sn_ledger_close(&l);
        }
        if (status == SETSUNA_OK && sn_book_add(&b->book, &l) != SETSUNA_OK)
            status = sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory after %llu predictions", (unsigned long long)i);
        bench_progress(b, i, sn_now_ns(), &last);
    }
    b->elapsed_ns = sn_now_ns() - begin;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    if (b->probe)
        sn_os_probe_close(&probe);
    if (status == SETSUNA_OK && b->book.n == 0)
        status = sn_fail(err, SETSUNA_ECANCELED, NULL, "interrupted before the first measured prediction");
    return status;
}

static void bench_print_errors(const sn_bench_result *r, sn_sink *out)
{
    bool any = false;
    for (size_t i = 0; i < r->n_outputs; i++) {
        const sn_bench_output *o = &r->outputs[i];
        if (!o->has_error)
            continue;
        if (!any)
            sn_sink_puts(out, "\nerror against f32\n");
        any = true;
        sn_sink_printf(out, "  %-24s max %.3g, %.3g of the largest value; rms %.3g of that of the values", o->name,
                       o->error.max_abs, o->error.max_rel, o->error.rms_rel);
        if (o->error.not_finite)
            sn_sink_printf(out, "; %llu not finite in one of both", (unsigned long long)o->error.not_finite);
        sn_sink_puts(out, "\n");
    }
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
    sn_sink_printf(&out, "load %s, first prediction %s, peak memory %s, %s predictions/s\n\n",
                   sn_human_duration(load, r->load_ns, false), sn_human_duration(first, r->first_ns, false),
                   sn_human_bytes(rss, r->peak_rss_bytes), sn_human_number(rate, r->throughput_per_s));
    SN_TRY(sn_ledger_report_write(&r->ledger, NULL, &out, false));
    sn_sink_puts(&out, "\n");
    SN_TRY(sn_histogram_text_write(&b->book.series[SN_BOOK_WALL], &r->ledger.wall, &out, false));
    bench_print_errors(r, &out);
    if (bench_interrupted)
        sn_sink_puts(&out, "\ninterrupted: this is the part that was measured\n");
    return sn_sink_flush(&out);
}

/* One run in f32 on the inputs of the last run: how far its outputs are. */
static setsuna_status bench_compare(const bench *b, const setsuna_tensor *tensor, uint32_t n, sn_bench_output *output,
                                    setsuna_error *err)
{
    const char *name[BENCH_OUTPUTS_MAX];
    setsuna_tensor want[BENCH_OUTPUTS_MAX];
    sn_cli_inputs inputs = b->inputs;
    sn_workload_options o = b->workload;
    sn_workload *w;
    sn_ledger l;
    inputs.tensor = NULL;
    inputs.n_tensor = 0;
    o.inputs = &inputs;
    o.model.precision = SN_PRECISION_F32;
    SN_TRY(sn_workload_open(&o, &w, err));
    setsuna_status status = bench_once(w, o.n_input > 1 ? b->last : 0, &l, err);
    uint32_t n_want = status == SETSUNA_OK ? sn_workload_outputs(w, name, want, BENCH_OUTPUTS_MAX) : 0;
    for (uint32_t i = 0; i < n && i < n_want; i++)
        output[i].has_error = sn_output_error_of(&tensor[i], &want[i], &output[i].error);
    sn_workload_close(w);
    return status;
}

static setsuna_status bench_report(const bench *b, const sn_workload *w, setsuna_error *err)
{
    const char *name[BENCH_OUTPUTS_MAX];
    setsuna_tensor tensor[BENCH_OUTPUTS_MAX];
    sn_bench_output output[BENCH_OUTPUTS_MAX];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint32_t n = sn_workload_outputs(w, name, tensor, BENCH_OUTPUTS_MAX);
    for (uint32_t i = 0; i < n; i++) {
        output[i] = (sn_bench_output){.name = name[i], .dtype = tensor[i].dtype, .shape = tensor[i].shape};
        sn_sha256_text(tensor[i].data, tensor[i].size_bytes, output[i].sha256);
    }
    if (b->workload.model.precision != SN_PRECISION_F32)
        SN_TRY(bench_compare(b, tensor, n, output, err));
    int level = b->workload.model.cpu_level;
    sn_cpu_level best = sn_cpu_detect();
    sn_bench_result r = {
        .setsuna = SETSUNA_VERSION,
        .model = b->workload.target,
        .engine = sn_workload_engine(w),
        .threads = b->workload.model.n_threads ? b->workload.model.n_threads : 1,
        .cpu_level = sn_cpu_level_name(level < 0 || level > (int)best ? best : (sn_cpu_level)level),
        .precision = sn_precision_name(b->workload.model.precision),
        .throughput_per_s = (double)b->book.n * 1e9 / (double)(b->elapsed_ns ? b->elapsed_ns : 1),
        .load_ns = b->load_ns,
        .first_ns = b->first_ns,
        .peak_rss_bytes = (uint64_t)usage.ru_maxrss * 1024,
        .outputs = output,
        .n_outputs = n,
    };
    if (sn_book_summarize(&b->book, &r.ledger) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory for the summary");
    setsuna_status status = bench_print(b, &r);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail(err, status, "standard output", "%s", strerror(errno));
}

static setsuna_status bench_run(bench *b, setsuna_error *err)
{
    sn_workload *w = NULL;
    sn_ledger l;
    uint64_t begin = sn_now_ns();
    SN_TRY(sn_workload_open(&b->workload, &w, err));
    b->load_ns = sn_now_ns() - begin;
    sn_book_init(&b->book, NULL, 0);
    struct sigaction act = {.sa_handler = bench_on_signal}, old;
    sigaction(SIGINT, &act, &old);
    setsuna_status status = bench_once(w, 0, &l, err);
    b->first_ns = l.wall_ns;
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
    sn_workload_close(w);
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
    case BENCH_DURATION: return sn_cli_args_duration_ns(args, word, &b->duration_ns) ? SN_EXIT_OK : args->exit_code;
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
    case BENCH_ENGINE: m->engine = args->value; return SN_EXIT_OK;
    case BENCH_ORT: m->onnxruntime_library = args->value; return SN_EXIT_OK;
    case BENCH_PROBE: b->probe = true; return SN_EXIT_OK;
    default: b->json = true; return SN_EXIT_OK;
    }
}

int sn_cli_bench(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&bench_command, argc, argv);
    bench b = {.duration_ns = BENCH_DURATION_DEFAULT_NS, .warmup_auto = true};
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
    setsuna_error err = {0};
    setsuna_status status = bench_run(&b, &err);
    return status == SETSUNA_OK ? SN_EXIT_OK : sn_cli_error(&err);
}
