/* setsuna compare */
#include "base/scan.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/compare_run.h"
#include "cli/compare_words.h"
#include "report/compare_report.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const sn_cli_option compare_options[] = {
    {"a", "OPTIONS", "short form: what A adds to the command line of bench, as one word: --a '--threads 1'"},
    {"b", "OPTIONS", "what B adds"},
    {"rounds", "N", "at most so many rounds, each one run of A and one of B (default 12, at least 6)"},
    {"precision", "P", "stop when every interval reaches at most so far: 1% (default: half of the margin)"},
    {"margin", "P", "a difference that nobody minds (default 3%)"},
    {"fail-if-slower", "P", "exit with 1 when B is slower by more than this in any figure: 3%"},
    {"any-machine", NULL, "also give a verdict where the two ran on different machines, or with other CPUs or clocks"},
    {"json", NULL, "print one JSON object (docs/json.md)"},
    {.name = NULL},
};
enum {
    COMPARE_A,
    COMPARE_B,
    COMPARE_ROUNDS,
    COMPARE_PRECISION,
    COMPARE_MARGIN,
    COMPARE_FAIL,
    COMPARE_ANY,
    COMPARE_JSON
};

static const sn_cli_command compare_command = {
    .name = "compare",
    .synopsis = "[MODEL [INPUT...]] [-- BENCH A... -- BENCH B...]",
    .summary = "Says whether one command line of bench is faster than another: engines, threads, precisions, builds.",
    .options = compare_options,
    .details =
        "\nBoth are started anew in each round, A B in one and B A in the next, and the run is the unit: what differs "
        "from\n"
        "start to start is in the intervals. Verdicts are about p50, p90, p99 and the mean: faster, slower, no "
        "difference\n"
        "larger than the margin, or cannot tell. How small a change can be told apart is said after the first rounds.\n"
        "In the long form, BENCH is `setsuna bench` of any build, or just `bench`. In the short form each run takes a "
        "second\n"
        "unless --duration or --runs are among its options. Ctrl-C ends it and tells about the rounds that are "
        "complete.\n"
        "\nExit code: 0 compared, 1 slower than --fail-if-slower allows (or a run failed), 2 the command line is "
        "wrong.\n"
        "\nExamples:\n"
        "  setsuna compare model.onnx --a '--threads 1' --b '--threads 2'\n"
        "  setsuna compare model.onnx --a '' --b '--engine onnxruntime' --rounds 20\n"
        "  setsuna compare --fail-if-slower 3% -- old/setsuna bench model.onnx -- new/setsuna bench model.onnx\n"
        "  setsuna compare -- bench a.onnx --schedule poisson:50/s -- bench b.onnx --schedule poisson:50/s\n",
};

/* After so many rounds it is said what the planned ones can tell. */
enum { COMPARE_LOOK = 4 };

typedef struct compare {
    sn_compare_words words;
    const char *a, *b; /* --a, --b */
    uint64_t rounds;
    double margin, precision, fail; /* fail below 0: never */
    bool any_machine, json;
    sn_compare_rounds table;
    sn_passport_text passport[2];
    sn_compare_report report;
} compare;

static volatile sig_atomic_t compare_interrupted;

static void compare_on_signal(int number)
{
    (void)number;
    compare_interrupted = 1;
}

/* Latencies of the answered requests in place; returns how many. */
static size_t compare_latencies(sn_request_log *log, uint64_t *lost)
{
    size_t n = 0;
    uint64_t *end = log->column[SN_REQUEST_END];
    for (size_t i = 0; i < log->n; i++) {
        uint64_t flags = sn_request_log_get(log, SN_REQUEST_FLAGS, i);
        if (flags & (SN_REQUEST_IS_DROPPED | SN_REQUEST_IS_UNSERVED | SN_REQUEST_IS_ERROR))
            ++*lost;
        else
            end[n++] = sn_request_log_latency_ns(log, i);
    }
    return n;
}

/* One run of arm 0 (A) or 1 (B). */
static setsuna_status compare_measure(compare *c, int arm, double figure[SN_COMPARE_FIGURES], setsuna_error *err)
{
    static const char *const name[] = {"A", "B"};
    sn_compare_run run = {.passport = {.n_lines = 0}};
    SN_TRY(sn_compare_run_start(c->words.arm[arm], name[arm], &compare_interrupted, &run, err));
    uint64_t lost = 0;
    size_t n = compare_latencies(&run.log, &lost);
    if (n > 0)
        sn_compare_figures(run.log.column[SN_REQUEST_END], n, figure);
    c->report.requests[arm] += n;
    c->report.lost[arm] += lost;
    sn_request_log_fini(&run.log);
    if (n == 0)
        return sn_fail(err, SETSUNA_EINPUT, name[arm], "no request was answered: there is nothing to compare");
    uint32_t machine;
    if (c->passport[arm].n_lines == 0)
        c->passport[arm] = run.passport;
    else if (sn_passport_text_differ(&c->passport[arm], &run.passport, &machine, NULL) && machine && !c->any_machine)
        return sn_fail(err, SETSUNA_EINPUT, name[arm],
                       "the machine has changed between its runs (see the passports of `bench --json`); --any-machine "
                       "goes on");
    return SETSUNA_OK;
}

static setsuna_status compare_round(compare *c, setsuna_error *err)
{
    double figure[2][SN_COMPARE_FIGURES];
    int first = c->table.n % 2 ? 1 : 0;
    SN_TRY(compare_measure(c, first, figure[first], err));
    SN_TRY(compare_measure(c, !first, figure[!first], err));
    sn_compare_rounds_add(&c->table, figure[0], figure[1]);
    return SETSUNA_OK;
}

/* What a change must be for the planned rounds to tell, from the spread of the first ones. */
static void compare_say_detectable(const compare *c)
{
    fprintf(stderr, "setsuna: after %d rounds: %llu of them should tell changes of", COMPARE_LOOK,
            (unsigned long long)c->rounds);
    for (int f = 0; f < SN_COMPARE_FIGURES; f++) {
        sn_comparison now;
        if (sn_compare_pairs(c->table.value[f], c->table.n, SN_COMPARE_CONFIDENCE, c->margin, &now) == SETSUNA_OK)
            fprintf(stderr, "%s %.1f %% (%s)", f ? "," : "",
                    100 * now.detectable * sqrt((double)c->table.n / (double)c->rounds),
                    sn_compare_figure_name((sn_compare_figure)f));
    }
    fprintf(stderr, "\n");
}

static setsuna_status compare_rounds(compare *c, setsuna_error *err)
{
    bool enough = false;
    while (c->table.n < c->rounds && !enough) {
        setsuna_status status = compare_round(c, err);
        if (status == SETSUNA_ECANCELED && c->table.n > 0) {
            c->report.interrupted = true;
            return SETSUNA_OK;
        }
        SN_TRY(status);
        SN_TRY(sn_compare_rounds_judge(&c->table, SN_COMPARE_CONFIDENCE, c->margin, c->report.figure));
        if (isatty(STDERR_FILENO))
            fprintf(stderr, "\r%zu of %llu rounds ", c->table.n, (unsigned long long)c->rounds);
        if (c->table.n == COMPARE_LOOK)
            compare_say_detectable(c);
        enough = c->table.n >= SN_COMPARE_ROUNDS_MIN && sn_compare_rounds_enough(c->report.figure, c->precision);
    }
    return SETSUNA_OK;
}

static setsuna_status compare_print(const compare *c)
{
    sn_sink out;
    sn_sink_init_file(&out, stdout);
    if (c->json) {
        sn_json w;
        sn_json_init(&w, &out, 2);
        sn_compare_report_write_json(&c->report, &w);
        return sn_json_finish(&w);
    }
    SN_TRY(sn_compare_report_write(&c->report, &out, false));
    return sn_sink_flush(&out);
}

static setsuna_status compare_run(compare *c, setsuna_error *err)
{
    uint32_t machine;
    struct sigaction act = {.sa_handler = compare_on_signal}, old; /* no SA_RESTART: waiting is to be ended */
    sigaction(SIGINT, &act, &old);
    setsuna_status status = compare_rounds(c, err);
    sigaction(SIGINT, &old, NULL);
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r\033[K");
    SN_TRY(status);
    c->report.a = c->words.text[0];
    c->report.b = c->words.text[1];
    c->report.rounds = &c->table;
    c->report.margin = c->margin;
    c->report.precision = c->precision;
    c->report.passport[0] = &c->passport[0];
    c->report.passport[1] = &c->passport[1];
    sn_passport_text_differ(&c->passport[0], &c->passport[1], &machine, NULL);
    c->report.refused = machine > 0 && !c->any_machine;
    for (int f = 0; c->report.refused && f < SN_COMPARE_FIGURES; f++)
        c->report.figure[f].verdict = SN_COMPARE_CANNOT_TELL;
    status = compare_print(c);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail(err, status, "standard output", "%s", strerror(errno));
}

static bool compare_is_slower(const compare *c)
{
    bool slower = false;
    for (int f = 0; f < SN_COMPARE_FIGURES; f++)
        slower |= c->fail >= 0 && !c->report.refused && c->table.n >= SN_COMPARE_ROUNDS_MIN &&
                  c->report.figure[f].lo > c->fail;
    return slower;
}

/* "3%" as 0.03, below 100 %. */
static int compare_share(const sn_cli_args *args, int id, double *out)
{
    const char *p = args->value;
    double n;
    if (!sn_scan_number(&p, &n) || !sn_scan_literal(&p, "%") || *p || n >= 100)
        return sn_cli_usage_error(&compare_command, "--%s takes a percentage such as 3%%, not \"%s\"",
                                  compare_options[id].name, args->value);
    *out = n / 100;
    return SN_EXIT_OK;
}

static int compare_option(compare *c, sn_cli_args *args, int word)
{
    switch (word) {
    case COMPARE_A: c->a = args->value; return SN_EXIT_OK;
    case COMPARE_B: c->b = args->value; return SN_EXIT_OK;
    case COMPARE_ROUNDS:
        return sn_cli_args_u64(args, word, SN_COMPARE_ROUNDS_MIN, SN_COMPARE_ROUNDS_MAX, &c->rounds) ? SN_EXIT_OK
                                                                                                     : args->exit_code;
    case COMPARE_PRECISION: return compare_share(args, word, &c->precision);
    case COMPARE_MARGIN: return compare_share(args, word, &c->margin);
    case COMPARE_FAIL: return compare_share(args, word, &c->fail);
    case COMPARE_ANY: c->any_machine = true; return SN_EXIT_OK;
    default: c->json = true; return SN_EXIT_OK;
    }
}

int sn_cli_compare(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&compare_command, argc, argv);
    compare c = {.rounds = 12, .margin = 0.03, .precision = -1, .fail = -1};
    int first = argc, n_operands = 0;
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        int code = SN_EXIT_OK;
        if (word == SN_CLI_STOP)
            return args.exit_code;
        if (word == SN_CLI_WORD && args.words_only) {
            first = args.next - 1;
            break;
        }
        if (word == SN_CLI_WORD)
            argv[n_operands++] = argv[args.next - 1]; /* never overtakes the walk */
        else
            code = compare_option(&c, &args, word);
        if (code != SN_EXIT_OK)
            return code;
    }
    if (c.precision < 0)
        c.precision = c.margin / 2;
    setenv("SETSUNA_NO_HISTORY", "1", 1); /* its many runs are not for the list (cli/bench_keep.h) */
    setsuna_error err = {0};
    setsuna_status status = first < argc ? sn_compare_words_long(&c.words, argv + first, argc - first, &err)
                                         : sn_compare_words_short(&c.words, argv, n_operands, c.a, c.b, &err);
    if (status == SETSUNA_OK && first < argc && (n_operands || c.a || c.b))
        status = sn_fail(&err, SETSUNA_EINVAL, NULL, "either a model with --a and --b, or two command lines");
    const bool understood = status != SETSUNA_EINVAL;
    if (status == SETSUNA_OK)
        status = compare_run(&c, &err);
    sn_compare_words_fini(&c.words);
    if (!understood)
        return sn_cli_usage_error(&compare_command, "%s", err.text);
    if (status != SETSUNA_OK)
        return sn_cli_error(&err);
    return compare_is_slower(&c) ? SN_EXIT_FAILED : SN_EXIT_OK;
}
