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
