/* setsuna run */
#include "base/clock.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/run_output.h"
#include "cli/tensor_file.h"
#include "cli/workload.h"
#include "report/human.h"
#include "report/ledger_report.h"
#include "report/stream_report.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const sn_cli_option run_options[] = {
    {"shape", "NAME=DIMS", "noise of this shape for a model's input"},
    {"input", "NAME=FILE", "an input by name: .npy or .pb for tensors, any file for bytes"},
    {"fill", "NAME=VALUE", "fill a model's input with a number"},
    {"output-dir", "DIR", "write every output there: tensors as NAME.npy, pictures as NAME.png"},
    {"threads", "N", "threads of the engine (default 1)"},
    {"cpu", "LEVEL", "cap the CPU level: " SN_CPU_LEVEL_HELP},
    {"precision", "NAME", "how products are computed: f32 (default), or bf16 with sums in f32"},
    {"no-winograd", NULL, "convolutions as plain sums only: slower, rounded less"},
    {"plan-cache", "DIR", "keep packed weights there for the next start; what is stale is made anew"},
    {"plan-limit", "N", "combinations of input shapes that stay planned (default 64)"},
    {"engine", "NAME", "native (default), onnxruntime, or auto"},
    {"onnxruntime", "PATH", "where libonnxruntime.so is"},
    {"ledger", NULL, "also print where the time of the predictions, or of a stream's frames, went"},
    {"json", NULL, "print one JSON object (docs/json.md)"},
    {.name = NULL},
};
enum {
    RUN_SHAPE,
    RUN_INPUT,
    RUN_FILL,
    RUN_DIR,
    RUN_THREADS,
    RUN_CPU,
    RUN_PRECISION,
    RUN_NO_WINOGRAD,
    RUN_PLAN_CACHE,
    RUN_PLAN_LIMIT,
    RUN_ENGINE,
    RUN_ORT,
    RUN_LEDGER,
    RUN_JSON
};

static const sn_cli_command run_command = {
    .name = "run",
    .synopsis = "PIPELINE|MODEL [INPUT...]",
    .summary = "Runs a pipeline over its input files (-: standard input), or a model over tensors, and prints what\n"
               "comes out.",
    .options = run_options,
    .details = "\nExamples:\n"
               "  setsuna run models/ppocr.yaml page.jpg --output-dir out --ledger\n"
               "  setsuna run models/silero-vad.yaml speech.wav --json\n"
               "  ffmpeg -i talk.mp4 -f wav - | setsuna run models/silero-vad.yaml -\n"
               "  setsuna run model.onnx --input x=x.npy --output-dir out\n",
};

typedef struct run {
    sn_workload_options workload;
    sn_cli_inputs inputs;
    const char *dir;
    bool json, ledger;
    sn_book book, openings; /* of the requests; of what a stream does once a file */
    double frame_s;         /* of a stream */
} run;

static setsuna_status run_make_dir(const char *dir, setsuna_error *err)
{
    if (!dir || mkdir(dir, 0777) == 0 || errno == EEXIST)
        return SETSUNA_OK;
    return sn_fail(err, SETSUNA_EIO, dir, "cannot make the folder: %s", strerror(errno));
}

/* The frames of the stream that was begun: each has its ledger, and all of them join t->whole. */
static setsuna_status run_frames(run *r, sn_workload *w, sn_book *frames, sn_run_times *t, setsuna_error *err)
{
    for (bool more = true; more;) {
        sn_ledger l;
        sn_ledger_begin(&l, frames->n);
        setsuna_status status = sn_workload_run(w, &l, &more, err);
        sn_ledger_close(&l);
        SN_TRY(status);
        sn_ledger_join(&t->whole, &l);
        t->frame_s = sn_workload_frame_s(w);
        if (t->frame_s > 0 && sn_book_add(frames, &l) != SETSUNA_OK)
            return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    }
    if (sn_book_summarize(frames, &t->frames) != SETSUNA_OK || sn_book_merge(&r->book, frames) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    return SETSUNA_OK;
}

/* Input i, whole. */
static setsuna_status run_input(run *r, sn_workload *w, uint64_t i, sn_run_times *t, setsuna_error *err)
{
    bool more;
    *t = (sn_run_times){.is_stream = sn_workload_is_stream(w)};
    sn_ledger_begin(&t->whole, i);
    setsuna_status status = sn_workload_begin(w, i, &t->whole, err);
    if (status == SETSUNA_OK && !t->is_stream)
        status = sn_workload_run(w, &t->whole, &more, err);
    sn_ledger_close(&t->whole);
    SN_TRY(status);
    if (sn_book_add(t->is_stream ? &r->openings : &r->book, &t->whole) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    if (!t->is_stream)
        return SETSUNA_OK;
    sn_book frames;
    sn_book_init(&frames, NULL, 0);
    status = run_frames(r, w, &frames, t, err);
    sn_book_fini(&frames);
    r->frame_s = t->frame_s > 0 ? t->frame_s : r->frame_s;
    return status;
}

static setsuna_status run_all(run *r, sn_workload *w, sn_run_output *out, setsuna_error *err)
{
    uint64_t n = r->workload.n_input ? r->workload.n_input : 1;
    for (uint64_t i = 0; i < n; i++) {
        sn_run_times t;
        SN_TRY(run_input(r, w, i, &t, err));
        SN_TRY(sn_run_output_add(out, w, r->workload.n_input ? r->workload.input[i] : NULL, n > 1, &t, err));
    }
    return SETSUNA_OK;
}

static setsuna_status run_print_ledger(const run *r, bool is_stream, setsuna_error *err)
{
    sn_book_summary s, openings;
    sn_sink out;
    sn_sink_init_file(&out, stdout);
    sn_sink_puts(&out, "\n");
    setsuna_status status = sn_book_summarize(&r->book, &s);
    if (status == SETSUNA_OK)
        status = sn_book_summarize(&r->openings, &openings);
    if (status == SETSUNA_OK && is_stream) {
        sn_sink_puts(&out, "per frame: ");
        sn_stream_write_frames(&s, r->frame_s, &out, false);
        sn_sink_puts(&out, "\n\n");
    }
    if (status == SETSUNA_OK)
        status = sn_ledger_report_write(&s, NULL, &out, false);
    if (status == SETSUNA_OK)
        sn_stream_write_openings(&openings, &out, false);
    if (status == SETSUNA_OK)
        status = sn_sink_flush(&out);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail(err, status, "standard output", "cannot write the ledger");
}

static setsuna_status run_do(run *r, setsuna_error *err)
{
    sn_workload *w = NULL;
    sn_run_output out;
    uint64_t begin = sn_now_ns();
    SN_TRY(run_make_dir(r->dir, err));
    SN_TRY(sn_workload_open(&r->workload, &w, err));
    sn_book_init(&r->book, NULL, 0);
    sn_book_init(&r->openings, NULL, 0);
    if (sn_workload_note(w)[0])
        fprintf(stderr, "setsuna: %s\n", sn_workload_note(w));
    sn_run_output_begin(&out, r->json, r->dir, r->workload.target, sn_workload_engine(w), sn_now_ns() - begin);
    setsuna_status status = run_all(r, w, &out, err);
    setsuna_status end = sn_run_output_end(&out, status == SETSUNA_OK);
    if (status == SETSUNA_OK && end != SETSUNA_OK)
        status = sn_fail(err, end, "standard output", "cannot write: %s", strerror(errno));
    if (status == SETSUNA_OK && r->ledger && !r->json)
        status = run_print_ledger(r, sn_workload_is_stream(w), err);
    sn_book_fini(&r->book);
    sn_book_fini(&r->openings);
    sn_workload_close(w);
    return status;
}

static int run_option(run *r, sn_cli_args *args, int word)
{
    sn_cpu_level level;
    uint64_t n;
    switch (word) {
    case RUN_SHAPE:
    case RUN_INPUT:
    case RUN_FILL:
        if (!sn_cli_inputs_add(&r->inputs, args->value, (sn_cli_input_kind)(word - RUN_SHAPE)))
            return sn_cli_usage_error(&run_command, "--%s wants %s, got \"%s\"", run_options[word].name,
                                      run_options[word].metavar, args->value);
        return SN_EXIT_OK;
    case RUN_DIR: r->dir = args->value; return SN_EXIT_OK;
    case RUN_THREADS:
        if (!sn_cli_args_u64(args, word, 1, 1024, &n))
            return args->exit_code;
        r->workload.model.n_threads = (uint32_t)n;
        return SN_EXIT_OK;
    case RUN_CPU:
        if (sn_cpu_level_parse(args->value, &level) != SETSUNA_OK)
            return sn_cli_usage_error(&run_command, "--cpu: no level \"%s\"", args->value);
        r->workload.model.cpu_level = (int)level;
        return SN_EXIT_OK;
    case RUN_PRECISION:
        if (sn_precision_parse(args->value, &r->workload.model.precision) != SETSUNA_OK)
            return sn_cli_usage_error(&run_command, "--precision: neither f32 nor bf16: \"%s\"", args->value);
        return SN_EXIT_OK;
    case RUN_NO_WINOGRAD: r->workload.model.no_winograd = true; return SN_EXIT_OK;
    case RUN_PLAN_CACHE: r->workload.model.plan_cache = args->value; return SN_EXIT_OK;
    case RUN_PLAN_LIMIT:
        if (!sn_cli_args_u64(args, word, 1, 1000000, &n))
            return args->exit_code;
        r->workload.model.plan_limit = (uint32_t)n;
        return SN_EXIT_OK;
    case RUN_ENGINE: r->workload.model.engine = args->value; return SN_EXIT_OK;
    case RUN_ORT: r->workload.model.onnxruntime_library = args->value; return SN_EXIT_OK;
    case RUN_LEDGER: r->ledger = true; return SN_EXIT_OK;
    default: r->json = true; return SN_EXIT_OK;
    }
}

int sn_cli_run(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&run_command, argc, argv);
    run r = {0};
    char *files[1024];
    r.workload = (sn_workload_options){.inputs = &r.inputs, .input = files, .model = {.cpu_level = -1}};
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        int code = SN_EXIT_OK;
        if (word == SN_CLI_STOP)
            return args.exit_code;
        if (word != SN_CLI_WORD)
            code = run_option(&r, &args, word);
        else if (!r.workload.target)
            r.workload.target = args.value;
        else if (r.workload.n_input < sizeof files / sizeof files[0])
            files[r.workload.n_input++] = argv[args.next - 1];
        else
            return sn_cli_usage_error(&run_command, "more than %zu inputs", sizeof files / sizeof files[0]);
        if (code != SN_EXIT_OK)
            return code;
    }
    if (!r.workload.target)
        return sn_cli_usage_error(&run_command, "which model or pipeline?");
    setsuna_error err = {0};
    setsuna_status status = run_do(&r, &err);
    return status == SETSUNA_OK ? SN_EXIT_OK : sn_cli_error(&err);
}
