/* 64-bit content hash (not cryptographic): identity of constants, plan keys. */
#ifndef SN_BASE_HASH_H
#define SN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Mixes n bytes into h. Start with any h, for example 0. Source: the wyhash final mix (public domain). */
uint64_t sn_hash_bytes(uint64_t h, const void *data, size_t n);

/* The same for much data (other values): as fast as memory delivers it. */
uint64_t sn_hash_wide(uint64_t h, const void *data, size_t n);

static inline uint64_t sn_hash_u64(uint64_t h, uint64_t v)
{
    __uint128_t m = (__uint128_t)(h ^ 0xa0761d6478bd642fu) * (v ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)m ^ (uint64_t)(m >> 64) ^ (v << 1 | 1);
}

static inline uint64_t sn_hash_str(uint64_t h, const char *s)
{
    return sn_hash_bytes(h, s, strlen(s));
}

#endif
