/* What the kernel parity tests share: noise with a printed seed, and buffers that show every stray access.
 *
 *     kernel_NAME [--seed N] [--cpu LEVEL]
 */
#ifndef SN_TESTS_KERNEL_SHAPING_CHECK_H
#define SN_TESTS_KERNEL_SHAPING_CHECK_H

#include "base/cpu.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct parity {
    const char *name;
    uint64_t seed, state;
    sn_cpu_level level; /* the highest to test */
    long n_checked, n_failed;
} parity;

static inline parity parity_begin(const char *name, int argc, char **argv)
{
    parity p = {.name = name, .seed = 1, .level = sn_cpu_detect()};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            p.seed = strtoull(argv[i + 1], NULL, 0);
        else if (strcmp(argv[i], "--cpu") == 0)
            (void)sn_cpu_level_parse(argv[i + 1], &p.level);
    }
    p.state = p.seed;
    return p;
}

static inline int parity_end(const parity *p)
{
    printf("%s: %ld checks up to %s, %ld failed, seed %" PRIu64 "\n", p->name, p->n_checked,
           sn_cpu_level_name(p->level), p->n_failed, p->seed);
    return p->n_failed != 0;
}

static inline uint64_t parity_random(parity *p)
{
    p->state = p->state * 6364136223846793005u + 1442695040888963407u;
    return p->state >> 33;
}

static inline int64_t parity_between(parity *p, int64_t low, int64_t high)
{
    return low + (int64_t)(parity_random(p) % (uint64_t)(high - low + 1));
}

/* size bytes that end where the heap block ends (so that the address sanitizer sees one byte too many), behind a
 * canary, `skew` bytes off alignment. */
typedef struct parity_buffer {
    uint8_t *base, *data;
    size_t size, lead;
} parity_buffer;

enum { PARITY_CANARY = 0xc5, PARITY_LEAD = 64 };

static inline parity_buffer parity_buffer_make(size_t size, size_t skew)
{
    parity_buffer b = {.size = size, .lead = PARITY_LEAD + skew};
    b.base = malloc(b.lead + size);
    if (!b.base) {
        fprintf(stderr, "out of memory\n");
        exit(2);
    }
    memset(b.base, PARITY_CANARY, b.lead + size);
    b.data = b.base + b.lead;
    return b;
}

static inline bool parity_buffer_intact(const parity_buffer *b)
{
    for (size_t i = 0; i < b->lead; i++)
        if (b->base[i] != PARITY_CANARY)
            return false;
    return true;
}

#endif
