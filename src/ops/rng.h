/* The random numbers of the random operators: xoshiro256++ (Blackman & Vigna, 2019), seeded through splitmix64. */
#ifndef SN_OPS_RNG_H
#define SN_OPS_RNG_H

#include "base/clock.h"
#include "graph/graph.h"
#include <string.h>

typedef struct sn_rng {
    uint64_t s[4];
} sn_rng;

static inline uint64_t sn_rng_mix(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline void sn_rng_init(sn_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = sn_rng_mix(&seed);
}

static inline uint64_t sn_rng_u64(sn_rng *r)
{
    uint64_t *s = r->s, sum = s[0] + s[3], out = (sum << 23 | sum >> 41) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return out;
}

/* Uniform on [0, 1), a multiple of 2^-53. */
static inline double sn_rng_uniform(sn_rng *r)
{
    return (double)(sn_rng_u64(r) >> 11) * 0x1p-53;
}

/* What the attribute `seed` (an int or a float) of a node says. */
typedef struct sn_rng_seed {
    bool fixed; /* false: every run draws anew */
    uint64_t value;
} sn_rng_seed;

static inline sn_rng_seed sn_rng_seed_of(const sn_node *n)
{
    const sn_attr *a = sn_node_attr(n, "seed");
    sn_rng_seed seed = {.fixed = a && (a->kind == SN_ATTR_INT || a->kind == SN_ATTR_FLOAT)};
    if (seed.fixed && a->kind == SN_ATTR_INT)
        seed.value = (uint64_t)a->i;
    if (seed.fixed && a->kind == SN_ATTR_FLOAT)
        memcpy(&seed.value, &a->f, sizeof a->f);
    return seed;
}

/* With a seed every run gives the same numbers; without, the clock and the place in memory make them differ. */
static inline void sn_rng_start(sn_rng *r, const sn_rng_seed *seed, const void *place)
{
    sn_rng_init(r, seed->fixed ? seed->value : sn_now_ns() ^ (uint64_t)(uintptr_t)place << 20);
}

#endif
