/* Arithmetic on numbers that came from a file or a peer. All return false on overflow and leave *out
 * untouched then. */
#ifndef SN_BASE_CHECKED_H
#define SN_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool sn_mul_size(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool sn_add_size(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool sn_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool sn_add_i64(int64_t a, int64_t b, int64_t *out)
{
    int64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* Rounds n up to a multiple of align (a power of two). */
static inline bool sn_align_size(size_t n, size_t align, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(n, align - 1, &r))
        return false;
    *out = r & ~(align - 1);
    return true;
}

#endif
