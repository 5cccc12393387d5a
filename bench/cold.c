/* cold [--threads N] [--rounds N] MODEL [NAME=DIMS | NAME=FILE.npy | NAME=VALUE.0 ...]
 *
 * From nothing to an answer: fresh processes, the native engine without and with a plan cache and ONNX Runtime in turn.
 * Each opens the model,
 * predicts once, says when it was done, and predicts twice more. Prints one JSON object: for each engine the time from
 * just before the process was made to the end of its first prediction (and what of it had passed before main, at the
 * end of opening the model, and at the end of planning), that prediction alone, the second one, and the peak memory
 * of the process.
 *
 * cold --child FD ENGINE THREADS MODEL [INPUT...] is such a process; ENGINE native:DIR has a plan cache. */
#include "base/clock.h"
#include "cli/model_inputs.h"
#include "e2e/test_input.h"
#include "engine/plan_seal.h"
#include "report/json.h"
#include "stats/quantile.h"
#include <dirent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COLD_ROUNDS_MAX = 100, COLD_WORDS_MAX = 64, COLD_RUNS = 3 };

extern char **environ;
static setsuna_error error;

/* Moments of a cold start, as times since just before its process was made; then how long predictions took. */
typedef struct cold_answer {
    uint64_t main_ns, opened_ns, prepared_ns, done_ns;
    uint64_t first_ns, second_ns;
} cold_answer;

static int cold_fail(const char *what)
{
    fprintf(stderr, "cold: %s: %s: %s\n", what, error.where, error.text);
    return 1;
}

static int cold_child(int argc, char **argv)
{
    static sn_cli_inputs in;
    static setsuna_tensor out[64];
    bool cached = strncmp(argv[3], "native:", 7) == 0;
    sn_model_options o = {.engine = cached ? "native" : argv[3],
                          .cpu_level = -1,
                          .n_threads = (uint32_t)atoi(argv[4]),
                          .plan_cache = cached ? argv[3] + 7 : NULL};
    sn_model *model;
    sn_session *session;
    cold_answer a = {.main_ns = sn_now_ns()};
    for (int i = 6; i < argc; i++)
        sn_cli_inputs_add(&in, argv[i], test_input_kind(argv[i]));
    if (sn_model_open(argv[5], &o, &model, &error) != SETSUNA_OK)
        return cold_fail(argv[5]);
    a.opened_ns = sn_now_ns();
    if (sn_cli_inputs_make(&in, model, true, &error) != SETSUNA_OK ||
        sn_session_create(model, &session, &error) != SETSUNA_OK ||
        sn_session_prepare(session, in.tensor, &error) != SETSUNA_OK)
        return cold_fail(argv[5]);
    a.prepared_ns = sn_now_ns();
    for (int i = 0; i < COLD_RUNS; i++) {
        uint64_t begin = sn_now_ns();
        if (sn_session_run(session, in.tensor, out, &error) != SETSUNA_OK)
            return cold_fail(argv[5]);
        uint64_t end = sn_now_ns();
        if (i == 0)
            a.done_ns = end;
        if (i < 2)
            *(i ? &a.second_ns : &a.first_ns) = end - begin;
    }
    bool told = write(atoi(argv[2]), &a, sizeof a) == (ssize_t)sizeof a;
    _exit(told ? 0 : 1); /* how long it takes to give memory back is no part of the question */
}

/* One process. Returns false where it failed; it has said why. */
static bool cold_start(char *engine, char *threads, int argc, char **argv, cold_answer *a, uint64_t *peak_bytes)
{
    char fd[16], child[] = "--child", *words[COLD_WORDS_MAX] = {argv[0], child, fd, engine, threads};
    int ends[2], n = 5, code;
    for (int i = 0; i < argc && n + 1 < COLD_WORDS_MAX; i++)
        words[n++] = argv[1 + i];
    struct rusage usage;
    pid_t pid;
    if (pipe(ends) != 0)
        return false;
    snprintf(fd, sizeof fd, "%d", ends[1]);
    uint64_t begin = sn_now_ns();
    bool ok = posix_spawn(&pid, "/proc/self/exe", NULL, NULL, words, environ) == 0;
    close(ends[1]);
    if (!ok) {
        close(ends[0]);
        return false;
    }
    *a = (cold_answer){0};
    ok = read(ends[0], a, sizeof *a) == (ssize_t)sizeof *a;
    close(ends[0]);
    ok = wait4(pid, &code, 0, &usage) == pid && ok && code == 0;
    uint64_t *moment[] = {&a->main_ns, &a->opened_ns, &a->prepared_ns, &a->done_ns};
    for (size_t i = 0; i < sizeof moment / sizeof moment[0]; i++)
        *moment[i] -= begin;
    *peak_bytes = (uint64_t)usage.ru_maxrss * 1024;
    return ok;
}

/* The folder and the files in it. */
static void cold_remove(const char *dir)
{
    char path[4096];
    DIR *d = opendir(dir);
    for (const struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        unlink(path); /* "." and ".." stay, being folders */
    }
    if (d)
        closedir(d);
    rmdir(dir);
}

static void cold_print(sn_json *w, const char *key, const uint64_t *first, size_t stride, size_t n)
{
    uint64_t v[COLD_ROUNDS_MAX];
    for (size_t i = 0; i < n; i++)
        v[i] = first[i * stride];
    sn_sort_u64(v, n);
    sn_json_key(w, key);
    sn_json_begin_object(w);
    sn_json_key_u64(w, "min", v[0]);
    sn_json_key_u64(w, "p50", sn_quantile_sorted(v, n, 0.5));
    sn_json_key_u64(w, "max", v[n - 1]);
    sn_json_end_object(w);
}

int main(int argc, char **argv)
{
    static char dir[] = "/tmp/setsuna-cold-XXXXXX", native[] = "native", onnxruntime[] = "onnxruntime";
    static char cached[sizeof dir + 8];
    static char *const engine[] = {native, cached, onnxruntime};
    static const char *const name[] = {"native", "cached", "onnxruntime"};
    enum { ENGINES = 3 };
    static cold_answer answer[ENGINES][COLD_ROUNDS_MAX];
    static uint64_t peak[ENGINES][COLD_ROUNDS_MAX];
    if (argc > 5 && strcmp(argv[1], "--child") == 0)
        return cold_child(argc, argv);
    int rounds = 5, at = 1;
    char one[] = "1", *threads = one;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
        if (strcmp(argv[at], "--rounds") == 0)
            rounds = atoi(argv[at + 1]);
        else
            threads = argv[at + 1];
    if (at >= argc || rounds < 1 || rounds > COLD_ROUNDS_MAX || argc - at > COLD_WORDS_MAX - 8) {
        fprintf(stderr, "usage: cold [--threads N] [--rounds N] MODEL [INPUT...]\n");
        return 2;
    }
    argv[at - 1] = argv[0]; /* the words of a process: its name, then the model and its inputs */
    if (!mkdtemp(dir)) {
        perror(dir);
        return 1;
    }
    snprintf(cached, sizeof cached, "native:%s", dir);
    cold_answer unused;
    uint64_t unused_peak;
    bool ok = cold_start(cached, threads, argc - at, argv + at - 1, &unused, &unused_peak); /* makes the cache */
    nanosleep(&(struct timespec){.tv_sec = 1 + SN_PLAN_SEAL_SETTLED_MS / 1000}, NULL);
    ok = ok && cold_start(cached, threads, argc - at, argv + at - 1, &unused, &unused_peak); /* seals it */
    for (int r = 0; r < rounds && ok; r++)
        for (int i = 0; i < ENGINES && ok; i++)
            ok = cold_start(engine[i], threads, argc - at, argv + at - 1, &answer[i][r], &peak[i][r]);
    cold_remove(dir);
    if (!ok)
        return 1;
    sn_sink sink;
    sn_json w;
    sn_sink_init_file(&sink, stdout);
    sn_json_init(&w, &sink, 0);
    sn_json_begin_object(&w);
    for (int i = 0; i < ENGINES; i++) {
        sn_json_key(&w, name[i]);
        sn_json_begin_object(&w);
        const struct {
            const char *key;
            const uint64_t *first;
        } column[] = {{"main_ns", &answer[i]->main_ns},         {"opened_ns", &answer[i]->opened_ns},
                      {"prepared_ns", &answer[i]->prepared_ns}, {"answer_ns", &answer[i]->done_ns},
                      {"first_ns", &answer[i]->first_ns},       {"second_ns", &answer[i]->second_ns}};
        for (size_t k = 0; k < sizeof column / sizeof column[0]; k++)
            cold_print(&w, column[k].key, column[k].first, sizeof(cold_answer) / sizeof(uint64_t), (size_t)rounds);
        cold_print(&w, "peak_bytes", peak[i], 1, (size_t)rounds);
        sn_json_end_object(&w);
    }
    sn_json_end_object(&w);
    return sn_json_finish(&w) == SETSUNA_OK ? 0 : 1;
}
