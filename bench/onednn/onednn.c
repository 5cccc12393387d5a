/* onednn [--threads N] [--rounds N] [--only TEXT]
 *
 * Setsuna's kernels beside oneDNN's, layer by layer and type by type, in one process, rounds of A B A B. Prints a
 * Markdown table: the least time of each over all rounds, and how many times faster ours is by the minima of a round
 * (median, lowest and highest round). GFLOP/s and GOP/s are of the plain sum: Winograd needs less.
 */
#include "layer.h"
#include "stats/quantile.h"
#include <dnnl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 100, RUNS_MAX = 2000 };
#define TURN_NS 8e6

static const layer layers[] = {
    {"stem 7x7 /2, 3-64, 224", 3, 64, 1, 224, 224, 7, 2},
    {"stem 3x3 /2, 3-32, 224", 3, 32, 1, 224, 224, 3, 2},
    {"3x3, 64-64, 56", 64, 64, 1, 56, 56, 3, 1},
    {"3x3, 128-128, 28", 128, 128, 1, 28, 28, 3, 1},
    {"3x3, 256-256, 14", 256, 256, 1, 14, 14, 3, 1},
    {"3x3, 512-512, 7", 512, 512, 1, 7, 7, 3, 1},
    {"3x3 /2, 128-128, 56", 128, 128, 1, 56, 56, 3, 2},
    {"3x3, 96-32, 160", 96, 32, 1, 160, 160, 3, 1},
    {"1x1, 64-256, 56", 64, 256, 1, 56, 56, 1, 1},
    {"1x1, 256-64, 56", 256, 64, 1, 56, 56, 1, 1},
    {"1x1, 1024-256, 14", 1024, 256, 1, 14, 14, 1, 1},
    {"1x1, 512-2048, 7", 512, 2048, 1, 7, 7, 1, 1},
    {"1x1, 16-96, 112", 16, 96, 1, 112, 112, 1, 1},
    {"1x1, 96-24, 56", 96, 24, 1, 56, 56, 1, 1},
    {"1x1, 384-64, 14", 384, 64, 1, 14, 14, 1, 1},
    {"1x1, 160-960, 7", 160, 960, 1, 7, 7, 1, 1},
    {"depthwise 3x3, 32, 112", 32, 32, 32, 112, 112, 3, 1},
    {"depthwise 3x3 /2, 96, 112", 96, 96, 96, 112, 112, 3, 2},
    {"depthwise 3x3, 384, 14", 384, 384, 384, 14, 14, 3, 1},
    {"depthwise 5x5, 240, 28", 240, 240, 240, 28, 28, 5, 1},
    {"depthwise 5x5, 1152, 7", 1152, 1152, 1152, 7, 7, 5, 1},
    {"product 128x768, 768-768", 768, 768, 1, 128, 1, 0, 1},
    {"product 128x768, 768-3072", 768, 3072, 1, 128, 1, 0, 1},
    {"product 128x3072, 3072-768", 3072, 768, 1, 128, 1, 0, 1},
    {"product 128x384, 384-1536", 384, 1536, 1, 128, 1, 0, 1},
    {"product 197x192, 192-768", 192, 768, 1, 197, 1, 0, 1},
    {"product 1x2048, 2048-1000", 2048, 1000, 1, 1, 1, 0, 1},
};
static const char *const type_name[LAYER_TYPES] = {"f32", "bf16", "int8"};

/* Longer than either side's workers spin. */
static const struct timespec pause_between = {.tv_nsec = 5000000};

typedef struct compared {
    uint64_t least[2];
    double ratio[ROUNDS_MAX];
} compared;

static int compare_f64(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static uint64_t least_of(const uint64_t *ns, size_t n)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < n; i++)
        least = ns[i] < least ? ns[i] : least;
    return least;
}

static void compare_rounds(layer_native *ours, layer_onednn *theirs, int rounds, size_t runs, compared *out)
{
    static uint64_t ns[RUNS_MAX];
    out->least[0] = out->least[1] = UINT64_MAX;
    for (int r = 0; r < rounds; r++) {
        uint64_t least[2];
        for (int k = 0; k < 2; k++) {
            int side = (k + r) % 2;
            nanosleep(&pause_between, NULL);
            if (side == 0)
                layer_native_run(ours, runs, ns);
            else
                layer_onednn_run(theirs, runs, ns);
            least[side] = least_of(ns, runs);
            out->least[side] = least[side] < out->least[side] ? least[side] : out->least[side];
        }
        out->ratio[r] = (double)least[1] / (double)least[0];
    }
    qsort(out->ratio, (size_t)rounds, sizeof *out->ratio, compare_f64);
}

/* One row. Returns how many times faster ours is, 0 where there is nothing to compare. */
static double compare_layer(const layer *l, layer_type type, uint32_t threads, int rounds)
{
    layer_onednn *theirs = layer_onednn_open(l, type);
    layer_native *ours = layer_native_open(l, type, threads, (size_t)(rounds + 1) * RUNS_MAX);
    double middle = 0;
    if (ours && theirs) {
        static uint64_t first[3];
        compared c;
        layer_native_run(ours, 3, first);
        double runs = TURN_NS / (double)least_of(first, 3);
        compare_rounds(ours, theirs, rounds, runs < 5 ? 5 : runs > RUNS_MAX ? RUNS_MAX : (size_t)runs, &c);
        middle = c.ratio[rounds / 2];
        double flops = layer_flops(l);
        printf("| %s | %s | %.1f | %.0f | %.1f | %.0f | %.2f (%.2f-%.2f) | %s | %s |\n", l->name, type_name[type],
               (double)c.least[0] / 1e3, flops / (double)c.least[0], (double)c.least[1] / 1e3,
               flops / (double)c.least[1], middle, c.ratio[0], c.ratio[rounds - 1], layer_native_kernel(ours),
               layer_onednn_kernel(theirs));
        fflush(stdout);
    } else {
        printf("| %s | %s | - | - | - | - | - | %s | %s |\n", l->name, type_name[type], ours ? "" : "none",
               theirs ? "" : "none");
    }
    layer_native_close(ours);
    layer_onednn_close(theirs);
    return middle;
}

/* OpenMP reads its number of threads before main. */
static void set_openmp_threads(char **argv, const char *threads)
{
    const char *now = getenv("OMP_NUM_THREADS");
    if (now && strcmp(now, threads) == 0)
        return;
    setenv("OMP_NUM_THREADS", threads, 1);
    execv("/proc/self/exe", argv);
    perror("onednn: /proc/self/exe");
    exit(1);
}

int main(int argc, char **argv)
{
    const char *threads = "1", *only = "";
    int rounds = 7, at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2)
        if (strcmp(argv[at], "--threads") == 0)
            threads = argv[at + 1];
        else if (strcmp(argv[at], "--rounds") == 0)
            rounds = atoi(argv[at + 1]);
        else
            only = argv[at + 1];
    if (at < argc || rounds < 1 || rounds > ROUNDS_MAX || atoi(threads) < 1) {
        fprintf(stderr, "usage: onednn [--threads N] [--rounds N] [--only TEXT]\n");
        return 2;
    }
    set_openmp_threads(argv, threads);
    const dnnl_version_t *v = dnnl_version();
    printf("oneDNN %d.%d.%d, %s thread%s.\n\n", v->major, v->minor, v->patch, threads, atoi(threads) > 1 ? "s" : "");
    printf("| layer | type | µs | GFLOP/s | oneDNN µs | GFLOP/s | times faster | our kernel | oneDNN's |\n"
           "|---|---|--:|--:|--:|--:|--:|---|---|\n");
    for (int type = 0; type < LAYER_TYPES; type++) {
        double logs = 0;
        int n = 0;
        for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
            double ratio =
                strstr(layers[i].name, only) ? compare_layer(&layers[i], type, (uint32_t)atoi(threads), rounds) : 0;
            logs += ratio > 0 ? log(ratio) : 0;
            n += ratio > 0;
        }
        if (n)
            printf("| **geometric mean of %d** | %s | | | | | **%.2f** | | |\n", n, type_name[type], exp(logs / n));
    }
    return 0;
}
