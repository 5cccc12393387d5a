/* Damaged copies of a small valid file: every truncation and every single-bit flip, each in a heap block of exactly its
 * size, so that a read one byte beyond it is caught by the address sanitizer. */
#ifndef SN_TEST_PIPELINE_MUTATE_H
#define SN_TEST_PIPELINE_MUTATE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef void mutate_fn(void *ctx, const uint8_t *data, size_t size);

static inline void mutate_truncate_all(const uint8_t *data, size_t size, mutate_fn *fn, void *ctx)
{
    for (size_t n = 0; n < size; n++) {
        uint8_t *copy = malloc(n ? n : 1);
        memcpy(copy, data, n);
        fn(ctx, copy, n);
        free(copy);
    }
}

static inline void mutate_flip_all(const uint8_t *data, size_t size, mutate_fn *fn, void *ctx)
{
    uint8_t *copy = malloc(size);
    memcpy(copy, data, size);
    for (size_t bit = 0; bit < size * 8; bit++) {
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        fn(ctx, copy, size);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(copy);
}

#endif
