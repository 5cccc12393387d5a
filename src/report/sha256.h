/* SHA-256, by which outputs are compared across runs, engines and machines. Source: FIPS 180-4. */
#ifndef SN_REPORT_SHA256_H
#define SN_REPORT_SHA256_H

#include <stddef.h>
#include <stdint.h>

typedef struct sn_sha256 {
    uint32_t state[8];
    uint64_t size_bytes;
    uint8_t block[64];
} sn_sha256;

enum { SN_SHA256_TEXT_MAX = 65 };

void sn_sha256_init(sn_sha256 *h);
void sn_sha256_update(sn_sha256 *h, const void *data, size_t size_bytes);

/* The digest of all that was given, in 64 lower-case hexadecimal digits and a NUL; h is used up. */
void sn_sha256_finish(sn_sha256 *h, char text_out[SN_SHA256_TEXT_MAX]);

/* Of one piece of memory; data may be NULL when size_bytes is 0. */
void sn_sha256_text(const void *data, size_t size_bytes, char text_out[SN_SHA256_TEXT_MAX]);

#endif
