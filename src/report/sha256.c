#include "report/sha256.h"
#include <string.h>

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (FIPS 180-4, 4.2.2). */
static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t sha256_rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void sha256_block(uint32_t state[8], const uint8_t block[64])
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++) {
        uint32_t be;
        memcpy(&be, block + 4 * i, 4);
        w[i] = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? __builtin_bswap32(be) : be;
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (sha256_rotate(a, 7) ^ sha256_rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (sha256_rotate(b, 17) ^ sha256_rotate(b, 19) ^ b >> 10);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t t1 = h + (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                      sha256_k[i] + w[i];
        uint32_t t2 =
            (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g;
        g = f;
        f = e;
        e = d + t1;
        d = c;
        c = b;
        b = a;
        a = t1 + t2;
    }
    const uint32_t add[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++)
        state[i] += add[i];
}

void sn_sha256_init(sn_sha256 *h)
{
    static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(h->state, start, sizeof start);
    h->size_bytes = 0;
}

void sn_sha256_update(sn_sha256 *h, const void *data, size_t size_bytes)
{
    const uint8_t *p = data;
    size_t held = h->size_bytes % 64;
    h->size_bytes += size_bytes;
    if (held > 0) {
        size_t take = size_bytes < 64 - held ? size_bytes : 64 - held;
        if (take > 0)
            memcpy(h->block + held, p, take);
        if (held + take < 64)
            return;
        sha256_block(h->state, h->block);
        p += take;
        size_bytes -= take;
    }
    for (; size_bytes >= 64; p += 64, size_bytes -= 64)
        sha256_block(h->state, p);
    if (size_bytes > 0)
        memcpy(h->block, p, size_bytes);
}

void sn_sha256_finish(sn_sha256 *h, char text_out[SN_SHA256_TEXT_MAX])
{
    static const char hex[] = "0123456789abcdef";
    uint64_t bits = h->size_bytes * 8;
    uint8_t tail[72] = {0x80};
    size_t pad = 64 - (h->size_bytes + 8) % 64; /* 1..64 bytes, of which the first is the mark */
    for (int i = 0; i < 8; i++)
        tail[pad + (size_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    sn_sha256_update(h, tail, pad + 8);
    for (int i = 0; i < 64; i++)
        text_out[i] = hex[h->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    text_out[64] = '\0';
}

void sn_sha256_text(const void *data, size_t size_bytes, char text_out[SN_SHA256_TEXT_MAX])
{
    sn_sha256 h;
    sn_sha256_init(&h);
    sn_sha256_update(&h, data, size_bytes);
    sn_sha256_finish(&h, text_out);
}
