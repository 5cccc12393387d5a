/* Reproducible random numbers: the same seed gives the same bits on every machine.
 *
 * xoshiro256++ of D. Blackman and S. Vigna, "Scrambled linear pseudorandom number generators" (2021): period 2^256 - 1,
 * passes their and others' batteries. Its state is filled by splitmix64, so that seeds that differ in one bit give
 * unrelated streams. Not for secrets.
 */
#ifndef SN_BASE_RANDOM_H
#define SN_BASE_RANDOM_H

#include <stdint.h>

typedef struct sn_random {
    uint64_t s[4];
} sn_random;

static inline void sn_random_init(sn_random *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        r->s[i] = z ^ z >> 31;
    }
}

static inline uint64_t sn_random_rotate(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

static inline uint64_t sn_random_u64(sn_random *r)
{
    uint64_t *s = r->s, out = sn_random_rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = sn_random_rotate(s[3], 45);
    return out;
}

/* Uniform in (0, 1): an odd multiple of 2^-53, so that its logarithm is finite. */
static inline double sn_random_unit(sn_random *r)
{
    return ((double)(sn_random_u64(r) >> 12) + 0.5) * 0x1p-52;
}

/* Uniform in [0, n), n >= 1: the high half of a product; a value is too likely by at most n / 2^64 of its share. */
static inline uint64_t sn_random_below(sn_random *r, uint64_t n)
{
    return (uint64_t)((__uint128_t)sn_random_u64(r) * n >> 64);
}

#endif
