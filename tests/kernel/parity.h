/* What the parity tests of the small kernel families share: exact heap blocks with canaries, noise, failures. */
#ifndef SN_TESTS_PARITY_H
#define SN_TESTS_PARITY_H

#include "base/cpu.h"
#include "base/half.h"
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct parity {
    const char *program;
    uint64_t seed, state;
    sn_cpu_level lowest, highest;
    const char *only; /* part of a kernel's name, or NULL */
    int failures;
} parity;

static inline uint64_t parity_random(parity *t)
{
    t->state = t->state * 6364136223846793005u + 1442695040888963407u;
    return t->state >> 33;
}

static inline int64_t parity_between(parity *t, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(parity_random(t) % (uint64_t)(hi - lo + 1));
}

/* [--seed N] [--level NAME] [--function TEXT] */
static inline bool parity_options(parity *t, const char *program, int argc, char **argv)
{
    *t = (parity){.program = program, .seed = 1, .lowest = SN_CPU_REF, .highest = sn_cpu_detect()};
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--seed") == 0) {
            t->seed = strtoull(argv[++i], NULL, 10);
        } else if (more && strcmp(argv[i], "--function") == 0) {
            t->only = argv[++i];
        } else if (more && strcmp(argv[i], "--level") == 0 &&
                   sn_cpu_level_parse(argv[i + 1], &t->lowest) == SETSUNA_OK && t->lowest <= t->highest) {
            t->highest = t->lowest;
            i++;
        } else {
            fprintf(stderr, "usage: %s [--seed N] [--level NAME] [--function TEXT]\n", program);
            return false;
        }
    }
    t->state = t->seed;
    return true;
}

static inline bool parity_wants(const parity *t, const char *name)
{
    return !t->only || strstr(name, t->only);
}

static inline void parity_fail(parity *t, const char *kernel, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static inline void parity_fail(parity *t, const char *kernel, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "FAIL %s, seed %" PRIu64 ": ", kernel, t->seed);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "\n");
    va_end(ap);
    t->failures++;
}

static inline int parity_end(const parity *t)
{
    if (t->failures)
        fprintf(stderr, "%s: %d failures\n", t->program, t->failures);
    return t->failures != 0;
}

/* size bytes of data, `skew` bytes off the heap's alignment. Canaries lie before and, with guard, behind it; without,
 * the data ends where the heap block does, for a sanitizer to see. */
typedef struct parity_block {
    unsigned char *base, *data;
    size_t size, front, back;
} parity_block;

enum { PARITY_CANARY = 0xa5, PARITY_FRONT = 64, PARITY_BACK = 160 };

static inline parity_block parity_block_make(size_t size, size_t skew, bool guard)
{
    parity_block b = {.size = size, .front = PARITY_FRONT + skew, .back = guard ? PARITY_BACK : 0};
    b.base = malloc(b.front + size + b.back);
    if (!b.base) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    b.data = b.base + b.front;
    memset(b.base, PARITY_CANARY, b.front + size + b.back);
    return b;
}

static inline bool parity_block_intact(const parity_block *b)
{
    for (size_t i = 0; i < b->front; i++)
        if (b->base[i] != PARITY_CANARY)
            return false;
    for (size_t i = 0; i < b->back; i++)
        if (b->data[b->size + i] != PARITY_CANARY)
            return false;
    return true;
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

static inline bool parity_same_f32(float a, float b)
{
    return sn_f32_bits(a) == sn_f32_bits(b) || (a != a && b != b);
}

#endif
