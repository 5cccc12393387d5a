/* versus [--threads N] [--rounds N] [--seconds S] [--cpu LEVEL] [--precision NAME] [--beside MODEL] MODEL
 *        [NAME=DIMS | NAME=FILE.npy | NAME=VALUE.0 ...]
 *
 * The native engine and ONNX Runtime side by side in one process, N threads each, on the same input: rounds of A B A B,
 * so that whatever else the machine does falls on both. Before each turn the other engine's workers are given time to
 * fall asleep, and one run goes untimed. Prints one JSON object: p50 and minimum of each engine over all rounds, and
 * how many times faster the native engine is by the medians and by the minima of a round (median, lowest and highest
 * round).
 *
 * --beside: a third takes turns, the native engine on another model with the same inputs (the float form of a quantised
 * one). It is "beside" in the object, and how many times faster the first is than it "over_beside_p50" and "..._min".
 * --cpu: the native engine's kernels are held to that level. --precision: of the first; the one beside is f32.
 */
#include "base/clock.h"
#include "cli/model_inputs.h"
#include "e2e/test_input.h"
#include "report/json.h"
#include "stats/quantile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { VERSUS_ROUNDS_MAX = 1000, VERSUS_RUNS_MAX = 100000, VERSUS_CONTENDERS_MAX = 3 };

/* Longer than ONNX Runtime's and our workers spin after their last region. */
static const struct timespec versus_pause = {.tv_nsec = 20000000};

typedef struct contender {
    const char *key, *engine, *path;
    sn_precision precision;
    sn_model *model;
    sn_session *session;
    setsuna_tensor out[64];
    uint64_t *sample; /* of all rounds */
    size_t n;
    double p50[VERSUS_ROUNDS_MAX], min[VERSUS_ROUNDS_MAX]; /* of each round */
} contender;

static setsuna_error error;

static void versus_die(const char *what)
{
    fprintf(stderr, "versus: %s: %s: %s\n", what, error.where, error.text);
    exit(1);
}

static uint64_t versus_run(contender *c, const setsuna_tensor *in)
{
    uint64_t begin = sn_now_ns();
    if (sn_session_run(c->session, in, c->out, &error) != SETSUNA_OK)
        versus_die(c->engine);
    return sn_now_ns() - begin;
}

static int versus_compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void versus_round(contender *c, const setsuna_tensor *in, size_t runs, int round)
{
    uint64_t *sample = c->sample + c->n;
    nanosleep(&versus_pause, NULL);
    versus_run(c, in);
    for (size_t i = 0; i < runs; i++)
        sample[i] = versus_run(c, in);
    sn_sort_u64(sample, runs);
    c->p50[round] = (double)sn_quantile_sorted(sample, runs, 0.5);
    c->min[round] = (double)sample[0];
    c->n += runs;
}

/* How many times faster than b is a, round by round. */
static void versus_print_speedup(sn_json *w, const char *key, const double *a, const double *b, int rounds)
{
    double ratio[VERSUS_ROUNDS_MAX];
    for (int r = 0; r < rounds; r++)
        ratio[r] = b[r] / a[r];
    qsort(ratio, (size_t)rounds, sizeof *ratio, versus_compare);
    sn_json_key(w, key);
    sn_json_begin_object(w);
    sn_json_key_f64(w, "median", ratio[rounds / 2]);
    sn_json_key_f64(w, "low", ratio[0]);
    sn_json_key_f64(w, "high", ratio[rounds - 1]);
    sn_json_end_object(w);
}

static void versus_print(contender *c, int n, int rounds)
{
    sn_sink sink;
    sn_json w;
    sn_sink_init_file(&sink, stdout);
    sn_json_init(&w, &sink, 0);
    sn_json_begin_object(&w);
    for (int i = 0; i < n; i++) {
        sn_sort_u64(c[i].sample, c[i].n);
        sn_json_key(&w, c[i].key);
        sn_json_begin_object(&w);
        sn_json_key_string(&w, "engine", sn_model_engine(c[i].model));
        sn_json_key_u64(&w, "runs", c[i].n);
        sn_json_key_u64(&w, "min_ns", c[i].sample[0]);
        sn_json_key_u64(&w, "p50_ns", sn_quantile_sorted(c[i].sample, c[i].n, 0.5));
        sn_json_end_object(&w);
    }
    versus_print_speedup(&w, "speedup_p50", c[0].p50, c[1].p50, rounds);
    versus_print_speedup(&w, "speedup_min", c[0].min, c[1].min, rounds);
    if (n > 2) {
        versus_print_speedup(&w, "over_beside_p50", c[0].p50, c[2].p50, rounds);
        versus_print_speedup(&w, "over_beside_min", c[0].min, c[2].min, rounds);
    }
    sn_json_end_object(&w);
    sn_json_finish(&w);
}

/* Opens all and runs each a few times. Returns how long the slowest one takes. */
static uint64_t versus_open(contender *c, int n, uint32_t threads, int level, sn_cli_inputs *in)
{
    uint64_t slowest = 1;
    for (int i = 0; i < n; i++) {
        sn_model_options o = {
            .engine = c[i].engine, .cpu_level = level, .precision = c[i].precision, .n_threads = threads};
        if (sn_model_open(c[i].path, &o, &c[i].model, &error) != SETSUNA_OK ||
            (i == 0 && sn_cli_inputs_make(in, c[0].model, true, &error) != SETSUNA_OK) ||
            sn_session_create(c[i].model, &c[i].session, &error) != SETSUNA_OK)
            versus_die(c[i].engine);
        uint64_t t = 0;
        for (int k = 0; k < 5; k++)
            t = versus_run(&c[i], in->tensor);
        slowest = t > slowest ? t : slowest;
    }
    return slowest;
}

static int versus_usage(void)
{
    fprintf(stderr, "usage: versus [--threads N] [--rounds N] [--seconds S] [--cpu LEVEL] [--precision NAME] "
                    "[--beside MODEL] MODEL [INPUT...]\n");
    return 2;
}

int main(int argc, char **argv)
{
    static contender c[VERSUS_CONTENDERS_MAX] = {{.key = "native", .engine = "native"},
                                                 {.key = "onnxruntime", .engine = "onnxruntime"},
                                                 {.key = "beside", .engine = "native"}};
    static sn_cli_inputs in;
    int rounds = 7, threads = 1, level = -1, n = 2, at = 1;
    double seconds = 4;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
        if (strcmp(argv[at], "--rounds") == 0) {
            rounds = atoi(argv[at + 1]);
        } else if (strcmp(argv[at], "--threads") == 0) {
            threads = atoi(argv[at + 1]);
        } else if (strcmp(argv[at], "--beside") == 0) {
            c[2].path = argv[at + 1];
            n = 3;
        } else if (strcmp(argv[at], "--precision") == 0) {
            if (sn_precision_parse(argv[at + 1], &c[0].precision) != SETSUNA_OK)
                return versus_usage();
        } else if (strcmp(argv[at], "--cpu") == 0) {
            sn_cpu_level cap;
            if (sn_cpu_level_parse(argv[at + 1], &cap) != SETSUNA_OK)
                return versus_usage();
            level = (int)cap;
        } else {
            seconds = atof(argv[at + 1]);
        }
    if (at >= argc || rounds < 1 || rounds > VERSUS_ROUNDS_MAX || threads < 1 || !(seconds > 0))
        return versus_usage();
    c[0].path = c[1].path = argv[at];
    for (int i = at + 1; i < argc; i++)
        sn_cli_inputs_add(&in, argv[i], test_input_kind(argv[i]));
    uint64_t slowest = versus_open(c, n, (uint32_t)threads, level, &in);
    size_t runs = (size_t)(seconds * 1e9 / (n * rounds * (double)slowest));
    runs = runs < 3 ? 3 : runs > VERSUS_RUNS_MAX ? VERSUS_RUNS_MAX : runs;
    for (int i = 0; i < n; i++)
        c[i].sample = calloc(runs * (size_t)rounds, sizeof *c[i].sample);
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < n; i++)
            versus_round(&c[(i + r) % n], in.tensor, runs, r);
    versus_print(c, n, rounds);
    for (int i = 0; i < n; i++) {
        sn_session_destroy(c[i].session);
        sn_model_close(c[i].model);
        free(c[i].sample);
    }
    sn_cli_inputs_fini(&in);
    return 0;
}
