/* What the parity tests of gemm, lstm, norm, pool, resize and softmax share: arguments, noise with a printed seed,
 * exact heap blocks with canaries, and the comparison with a result in double precision.
 *
 *     kernel_NAME [--seed N] [--repeat N] [--level NAME]
 */
#ifndef SN_TESTS_NN_CHECK_H
#define SN_TESTS_NN_CHECK_H

#include "base/cpu.h"
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NN_U 0x1p-24 /* half an ulp of 1 in f32 */

/* What `n` roundings of sums of magnitudes up to `size` can make; below the least normal number rounding is absolute.
 */
static inline double nn_slack(int64_t n, double size)
{
    return (double)n * (NN_U * size + 0x1p-149);
}

typedef struct nn_check {
    const char *program;
    uint64_t seed, state;
    int64_t repeat;
    sn_cpu_level lowest, highest;
    bool bf16; /* the level avx512bf16 is to be tested as well */
    int n_failed;
} nn_check;

static inline _Noreturn void nn_die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(2);
}

static inline nn_check nn_begin(const char *program, int64_t repeat, int argc, char **argv)
{
    nn_check t = {.program = program, .seed = 1, .repeat = repeat, .lowest = SN_CPU_REF, .highest = sn_cpu_detect()};
    t.bf16 = t.highest >= SN_CPU_AVX512BF16;
    if (t.highest > SN_CPU_AVX512)
        t.highest = SN_CPU_AVX512; /* these families have no other kernels of their own above */
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--seed") == 0)
            t.seed = strtoull(argv[++i], NULL, 0);
        else if (more && strcmp(argv[i], "--repeat") == 0)
            t.repeat = strtoll(argv[++i], NULL, 0);
        else if (more && strcmp(argv[i], "--level") == 0 && sn_cpu_level_parse(argv[i + 1], &t.lowest) == SETSUNA_OK &&
                 t.lowest <= t.highest) {
            t.highest = t.lowest;
            t.bf16 = false;
            i++;
        } else {
            nn_die("usage: PROGRAM [--seed N] [--repeat N] [--level NAME]");
        }
    }
    t.state = t.seed;
    return t;
}

static inline int nn_end(const nn_check *t)
{
    printf("%s: seed %" PRIu64 ", %s to %s, %d failures\n", t->program, t->seed, sn_cpu_level_name(t->lowest),
           sn_cpu_level_name(t->highest), t->n_failed);
    return t->n_failed != 0;
}

static inline uint64_t nn_random(nn_check *t)
{
    t->state = t->state * 6364136223846793005u + 1442695040888963407u;
    return t->state >> 33;
}

static inline int64_t nn_between(nn_check *t, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(nn_random(t) % (uint64_t)(hi - lo + 1));
}

static inline bool nn_coin(nn_check *t)
{
    return nn_random(t) & 1;
}

/* In [-1, 1]. */
static inline float nn_noise(nn_check *t)
{
    return (float)nn_random(t) / (float)(1u << 30) - 1;
}

/* n floats, misaligned by one element, that end where the heap block does (for a sanitizer) or, with guard, before a
 * canary (for the check below). Canaries are NaNs: a sum that used one shows it. */
typedef struct nn_buffer {
    float *base, *data;
    size_t n, guard;
} nn_buffer;

enum { NN_CANARIES = 17 };

static inline nn_buffer nn_buffer_make(int64_t n, bool guard)
{
    static const uint32_t canary = 0x7fc0beefu;
    nn_buffer b = {.n = (size_t)n, .guard = guard ? NN_CANARIES : 0};
    size_t total = NN_CANARIES + b.n + b.guard;
    b.base = malloc(total * sizeof *b.base);
    if (!b.base)
        nn_die("out of memory");
    for (size_t i = 0; i < total; i++)
        memcpy(&b.base[i], &canary, sizeof canary);
    b.data = b.base + NN_CANARIES;
    return b;
}

/* Filled with one of several kinds of values. */
static inline nn_buffer nn_buffer_noise(nn_check *t, int64_t n)
{
    nn_buffer b = nn_buffer_make(n, nn_coin(t));
    uint64_t kind = nn_random(t) % 6;
    float constant = nn_noise(t);
    for (size_t i = 0; i < b.n; i++)
        b.data[i] = kind == 0   ? constant
                    : kind == 1 ? (i & 1 ? -constant : constant)
                    : kind == 2 ? nn_noise(t) * 0x1p-130f /* subnormal */
                    : kind == 3 ? nn_noise(t) * 16.0f
                                : nn_noise(t);
    return b;
}

/* Frees it; false: a canary is gone. */
static inline bool nn_buffer_done(nn_buffer *b)
{
    static const uint32_t canary = 0x7fc0beefu;
    bool ok = true;
    for (size_t i = 0; i < NN_CANARIES; i++)
        ok &= memcmp(&b->base[i], &canary, sizeof canary) == 0;
    for (size_t i = 0; i < b->guard; i++)
        ok &= memcmp(&b->data[b->n + i], &canary, sizeof canary) == 0;
    free(b->base);
    return ok;
}

/* One element; *where is printed when it is further than `slack` from `want`. true: as it should be. */
static inline bool nn_expect(nn_check *t, const char *kernel, const char *where, int64_t i, float got, double want,
                             double slack)
{
    if (fabs((double)got - want) <= slack + 0x1p-149 || (double)got == want || (isnan(got) && isnan(want)))
        return true;
    if (t->n_failed++ < 20)
        fprintf(stderr, "FAIL %s, seed %" PRIu64 ", %s: element %" PRId64 " is %.9g, not %.9g +- %.3g\n", kernel,
                t->seed, where, i, (double)got, want, slack);
    return false;
}

static inline void nn_require(nn_check *t, bool ok, const char *kernel, const char *where, const char *what)
{
    if (!ok && t->n_failed++ < 20)
        fprintf(stderr, "FAIL %s, seed %" PRIu64 ", %s: %s\n", kernel, t->seed, where, what);
}

#endif
