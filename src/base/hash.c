#include "base/hash.h"

static uint64_t hash_mix(uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint64_t hash_load(const unsigned char *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

uint64_t sn_hash_bytes(uint64_t h, const void *data, size_t n)
{
    const uint64_t k0 = 0xa0761d6478bd642fu, k1 = 0xe7037ed1a0b428dbu, k2 = 0x8ebc6af09c88c6e3u;
    const unsigned char *p = data;
    size_t left = n;
    h ^= k0;
    for (; left >= 16; left -= 16, p += 16)
        h = hash_mix(hash_load(p) ^ k1, hash_load(p + 8) ^ h);
    uint64_t tail[2] = {0, 0};
    if (left)
        memcpy(tail, p, left);
    return hash_mix(k2 ^ n, hash_mix(tail[0] ^ k1, tail[1] ^ h));
}

/* Eight chains, so that a step does not wait for the product of the one before. */
uint64_t sn_hash_wide(uint64_t h, const void *data, size_t n)
{
    enum { LANES = 8 };
    static const uint64_t seed[LANES] = {0xa0761d6478bd642fu, 0xe7037ed1a0b428dbu, 0x8ebc6af09c88c6e3u,
                                         0x589965cc75374cc3u, 0x1d8e4e27c47d124fu, 0xeb44accab455d165u,
                                         0x9c6e6877736c46e3u, 0x3d5e62a2b1f2a9d7u};
    const unsigned char *p = data;
    uint64_t lane[LANES];
    size_t left = n;
    for (int i = 0; i < LANES; i++)
        lane[i] = h ^ seed[i];
    for (; left >= 16 * LANES; left -= 16 * LANES, p += 16 * LANES)
        for (int i = 0; i < LANES; i++)
            lane[i] = hash_mix(hash_load(p + 16 * i) ^ seed[i], hash_load(p + 16 * i + 8) ^ lane[i]);
    for (int i = 0; i < LANES; i++)
        h = sn_hash_u64(h, lane[i]);
    return sn_hash_bytes(sn_hash_u64(h, n), p, left);
}
