/* tail [--threads N] [--seconds S] MODEL [NAME=DIMS | NAME=FILE.npy | NAME=VALUE.0 ...]
 *
 * The tail of the native engine's latency, and what of it is the engine's own: of every run it is known whether the
 * kernel took the CPU away meanwhile (an involuntary context switch of this thread), and the quiet runs, those without,
 * are summed up apart. What stays in their tail besides the engine is the machine's interrupts, such as the timer tick,
 * and the hypervisor. Prints one JSON object: for all runs and for the quiet ones their number and quantiles in
 * nanoseconds; a quantile is null where there are not two runs beyond it. */
#include "base/clock.h"
#include "cli/model_inputs.h"
#include "e2e/test_input.h"
#include "report/json.h"
#include "stats/quantile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { TAIL_RUNS_MAX = 1 << 20 };

static setsuna_error error;

static int tail_die(const char *what)
{
    fprintf(stderr, "tail: %s: %s: %s\n", what, error.where, error.text);
    return 1;
}

static long tail_switches(void)
{
    struct rusage u;
    return getrusage(RUSAGE_THREAD, &u) == 0 ? u.ru_nivcsw : 0;
}

/* Runs for `ns`, into all and quiet. */
static bool tail_measure(sn_session *s, const setsuna_tensor *in, uint64_t ns, uint64_t *all, size_t *n_all,
                         uint64_t *quiet, size_t *n_quiet)
{
    static setsuna_tensor out[64];
    long before = tail_switches();
    for (uint64_t end = sn_now_ns() + ns; sn_now_ns() < end && *n_all < TAIL_RUNS_MAX;) {
        uint64_t begin = sn_now_ns();
        if (sn_session_run(s, in, out, &error) != SETSUNA_OK)
            return false;
        uint64_t took = sn_now_ns() - begin;
        long after = tail_switches();
        all[(*n_all)++] = took;
        if (after == before)
            quiet[(*n_quiet)++] = took;
        before = after;
    }
    return true;
}

static void tail_print(sn_json *w, const char *key, uint64_t *v, size_t n)
{
    static const struct {
        const char *key;
        double q;
    } row[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}};
    sn_sort_u64(v, n);
    sn_json_key(w, key);
    sn_json_begin_object(w);
    sn_json_key_u64(w, "runs", n);
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++) {
        sn_json_key(w, row[i].key);
        if ((double)n * (1 - row[i].q) < 2)
            sn_json_null(w);
        else
            sn_json_u64(w, sn_quantile_sorted(v, n, row[i].q));
    }
    sn_json_end_object(w);
}

int main(int argc, char **argv)
{
    static uint64_t all[TAIL_RUNS_MAX], quiet[TAIL_RUNS_MAX];
    static sn_cli_inputs in;
    sn_model_options o = {.engine = "native", .cpu_level = -1, .n_threads = 1};
    double seconds = 3;
    size_t n_all = 0, n_quiet = 0;
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
        if (strcmp(argv[at], "--seconds") == 0)
            seconds = atof(argv[at + 1]);
        else
            o.n_threads = (uint32_t)atoi(argv[at + 1]);
    if (at >= argc || !(seconds > 0 && seconds < 1e6)) {
        fprintf(stderr, "usage: tail [--threads N] [--seconds S] MODEL [INPUT...]\n");
        return 2;
    }
    const char *path = argv[at++];
    sn_model *model;
    sn_session *session;
    for (; at < argc; at++)
        sn_cli_inputs_add(&in, argv[at], test_input_kind(argv[at]));
    if (sn_model_open(path, &o, &model, &error) != SETSUNA_OK ||
        sn_cli_inputs_make(&in, model, true, &error) != SETSUNA_OK ||
        sn_session_create(model, &session, &error) != SETSUNA_OK ||
        sn_session_prepare(session, in.tensor, &error) != SETSUNA_OK)
        return tail_die(path);
    uint64_t ns = (uint64_t)(seconds * 1e9);
    memset(all, 0xff, sizeof all); /* their pages are there before it counts */
    memset(quiet, 0xff, sizeof quiet);
    if (!tail_measure(session, in.tensor, ns / 8, all, &n_all, quiet, &n_quiet))
        return tail_die(path);
    n_all = n_quiet = 0; /* that was to get warm */
    if (!tail_measure(session, in.tensor, ns, all, &n_all, quiet, &n_quiet))
        return tail_die(path);
    sn_sink sink;
    sn_json w;
    sn_sink_init_file(&sink, stdout);
    sn_json_init(&w, &sink, 0);
    sn_json_begin_object(&w);
    tail_print(&w, "all", all, n_all);
    tail_print(&w, "quiet", quiet, n_quiet);
    sn_json_end_object(&w);
    sn_session_destroy(session);
    sn_model_close(model);
    sn_cli_inputs_fini(&in);
    return sn_json_finish(&w) == SETSUNA_OK ? 0 : 1;
}
