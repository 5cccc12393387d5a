/* What the parity tests of the kernel families share: the command line, noise with a printed seed, heap blocks that
 * show every stray access, and the verdict.
 *
 *     kernel_NAME [--seed N] [--level NAME] [--repeat N] [--function TEXT]
 */
#ifndef SN_TESTS_PARITY_H
#define SN_TESTS_PARITY_H

#include "base/cpu.h"
#include "base/half.h"
#include "levels.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- one run of a test --------------------------------------------------------------------------------- */

typedef struct parity {
    const char *program;
    uint64_t seed, state;
    int64_t repeat;               /* rounds of random cases */
    sn_cpu_level lowest, highest; /* levels to test */
    const char *only;             /* part of a kernel's name, or NULL */
    int failures;
} parity;

static inline _Noreturn void parity_die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(2);
}

/* repeat: unless the command line says otherwise. */
static inline parity parity_begin(const char *program, int64_t repeat, int argc, char **argv)
{
    parity t = {.program = program, .seed = 1, .repeat = repeat, .lowest = SN_CPU_REF, .highest = sn_cpu_detect()};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--seed") == 0) {
            t.seed = strtoull(argv[++i], NULL, 0);
        } else if (more && strcmp(argv[i], "--repeat") == 0) {
            t.repeat = strtoll(argv[++i], NULL, 0);
        } else if (more && strcmp(argv[i], "--function") == 0) {
            t.only = argv[++i];
        } else if (more && strcmp(argv[i], "--level") == 0 &&
                   sn_cpu_level_parse(argv[i + 1], &t.lowest) == SETSUNA_OK && t.lowest <= t.highest) {
            t.highest = t.lowest;
            i++;
        } else {
            parity_die("usage: kernel_NAME [--seed N] [--level NAME] [--repeat N] [--function TEXT]");
        }
    }
    t.state = t.seed;
    return t;
}

/* For families whose levels above the last with f32 kernels have the same ones. */
static inline void parity_cap_f32(parity *t)
{
    sn_cpu_level most = levels_highest_f32();
    t->lowest = t->lowest < most ? t->lowest : most;
    t->highest = t->highest < most ? t->highest : most;
}

static inline bool parity_wants(const parity *t, const char *kernel)
{
    return !t->only || strstr(kernel, t->only);
}

static inline int parity_end(const parity *t)
{
    printf("%s: seed %" PRIu64 ", %s to %s, %d failures\n", t->program, t->seed, sn_cpu_level_name(t->lowest),
           sn_cpu_level_name(t->highest), t->failures);
    return t->failures != 0;
}

/* ---- noise --------------------------------------------------------------------------------------------- */

static inline uint64_t parity_random(parity *t)
{
    t->state = t->state * 6364136223846793005u + 1442695040888963407u;
    return t->state >> 33;
}

static inline int64_t parity_between(parity *t, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(parity_random(t) % (uint64_t)(hi - lo + 1));
}

static inline bool parity_coin(parity *t)
{
    return parity_random(t) & 1;
}

/* In [-1, 1]. */
static inline float parity_noise(parity *t)
{
    return (float)parity_random(t) / (float)(1u << 30) - 1;
}

/* Values that operations treat in ways of their own, and noise of several magnitudes. */
static inline float parity_f32(parity *t)
{
    static const float special[] = {0.0f,       -0.0f,     INFINITY, -INFINITY, NAN,  1.0f,  -1.0f, 0x1p-149f,
                                    -0x1p-149f, 0x1p-126f, 3.4e38f,  -3.4e38f,  0.5f, -2.5f, 6.0f,  -3.0f};
    uint64_t r = parity_random(t);
    float noise = (float)(int64_t)(parity_random(t) % 2000001 - 1000000u) * 1e-6f;
    switch (r % 8) {
    case 0: return special[r / 8 % (sizeof special / sizeof special[0])];
    case 1: return noise * 1e-30f;
    case 2: return noise * 1e10f;
    case 3: return noise * 100.0f;
    default: return noise * 4.0f;
    }
}

/* ---- verdicts ------------------------------------------------------------------------------------------ */

#define PARITY_U 0x1p-24 /* half an ulp of 1 in f32 */

enum { PARITY_FAILURES_TOLD = 20 };

static inline void parity_fail(parity *t, const char *kernel, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static inline void parity_fail(parity *t, const char *kernel, const char *fmt, ...)
{
    va_list ap;
    if (t->failures++ >= PARITY_FAILURES_TOLD)
        return;
    va_start(ap, fmt);
    fprintf(stderr, "FAIL %s, seed %" PRIu64 ": ", kernel, t->seed);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
}

static inline void parity_require(parity *t, bool ok, const char *kernel, const char *where, const char *what)
{
    if (!ok)
        parity_fail(t, kernel, "%s: %s", where, what);
}

/* What `n` roundings of sums of magnitudes up to `size` can make; below the least normal number rounding is absolute.
 */
static inline double parity_slack(int64_t n, double size)
{
    return (double)n * (PARITY_U * size + 0x1p-149);
}

/* Element i is to be within `slack` of `want`. */
static inline bool parity_expect(parity *t, const char *kernel, const char *where, int64_t i, float got, double want,
                                 double slack)
{
    if (fabs((double)got - want) <= slack + 0x1p-149 || (double)got == want || (isnan(got) && isnan(want)))
        return true;
    parity_fail(t, kernel, "%s: element %" PRId64 " is %.9g, not %.9g +- %.3g", where, i, (double)got, want, slack);
    return false;
}

static inline bool parity_same_f32(float a, float b)
{
    return sn_f32_bits(a) == sn_f32_bits(b) || (a != a && b != b);
}

/* ---- heap blocks --------------------------------------------------------------------------------------- */

/* size bytes of data, `skew` bytes off the heap's alignment. Canaries lie before and, with guard, behind it; without,
 * the data ends where the heap block does, for a sanitizer to see. As floats at data + 4 i, canaries are NaNs: a sum
 * that used one shows it. The data itself begins as canaries too, the same in every block. */
typedef struct parity_block {
    unsigned char *base, *data;
    size_t size, back;
} parity_block;

enum { PARITY_FRONT = 64, PARITY_BACK = 160 };

/* Byte i from data - PARITY_FRONT on. */
static inline unsigned char parity_canary(size_t i)
{
    return (unsigned char)(0x7fc0beefu >> i % 4 * 8);
}

static inline parity_block parity_block_make(size_t size, size_t skew, bool guard)
{
    parity_block b = {.size = size, .back = guard ? PARITY_BACK : 0};
    b.base = malloc(skew + PARITY_FRONT + size + b.back);
    if (!b.base)
        parity_die("out of memory");
    unsigned char *front = b.base + skew;
    b.data = front + PARITY_FRONT;
    for (size_t i = 0; i < PARITY_FRONT + size + b.back; i++)
        front[i] = parity_canary(i);
    return b;
}

static inline bool parity_block_intact(const parity_block *b)
{
    const unsigned char *front = b->data - PARITY_FRONT;
    bool ok = true;
    for (size_t i = 0; i < PARITY_FRONT; i++)
        ok &= front[i] == parity_canary(i);
    for (size_t i = PARITY_FRONT + b->size; i < PARITY_FRONT + b->size + b->back; i++)
        ok &= front[i] == parity_canary(i);
    return ok;
}

/* n floats in a block, misaligned by one. */
typedef struct parity_floats {
    parity_block block;
    float *data;
    size_t n;
} parity_floats;

static inline parity_floats parity_floats_make(int64_t n, bool guard)
{
    parity_floats f = {.block = parity_block_make((size_t)n * sizeof(float), sizeof(float), guard), .n = (size_t)n};
    f.data = (float *)(void *)f.block.data;
    return f;
}

/* Filled with one of several kinds of values. */
static inline parity_floats parity_floats_noise(parity *t, int64_t n)
{
    parity_floats f = parity_floats_make(n, parity_coin(t));
    uint64_t kind = parity_random(t) % 6;
    float constant = parity_noise(t);
    for (size_t i = 0; i < f.n; i++)
        f.data[i] = kind == 0   ? constant
                    : kind == 1 ? (i & 1 ? -constant : constant)
                    : kind == 2 ? parity_noise(t) * 0x1p-130f /* subnormal */
                    : kind == 3 ? parity_noise(t) * 16.0f
                                : parity_noise(t);
    return f;
}

/* Frees it; false: a canary is gone. */
static inline bool parity_floats_done(parity_floats *f)
{
    bool ok = parity_block_intact(&f->block);
    free(f->block.base);
    return ok;
}

#endif
