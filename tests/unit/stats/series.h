/* Latency-like sample series for the statistics tests, reproducible from a seed. */
#ifndef SN_TESTS_STATS_SERIES_H
#define SN_TESTS_STATS_SERIES_H

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

static inline uint64_t series_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline double series_unit(uint64_t *state) /* [0, 1) */
{
    return (double)(series_random(state) >> 11) * 0x1p-53;
}

typedef enum series_kind {
    SERIES_LOG_UNIFORM, /* 1 ns .. 1 h */
    SERIES_BIMODAL,     /* 1 ms, and 5 % around 40 ms */
    SERIES_CONSTANT,
    SERIES_EXTREME, /* 0, 1, around powers of two, the highest value */
    SERIES_NARROW,  /* 100 µs .. 100.1 µs */
    SERIES_KINDS
} series_kind;

/* n samples of one kind, none above 2^42 - 1. The caller frees. */
static inline uint64_t *series_make(series_kind kind, size_t n, uint64_t seed)
{
    uint64_t *v = malloc((n ? n : 1) * sizeof *v);
    if (!v)
        abort();
    for (size_t i = 0; i < n; i++) {
        double u = series_unit(&seed);
        switch (kind) {
        case SERIES_LOG_UNIFORM: v[i] = (uint64_t)exp(u * log(3.6e12)); break;
        case SERIES_BIMODAL:
            v[i] = series_random(&seed) % 20 ? 1000000 + (uint64_t)(u * 1e5) : 40000000 + (uint64_t)(u * 1e7);
            break;
        case SERIES_CONSTANT: v[i] = 123456789; break;
        case SERIES_EXTREME: {
            uint64_t power = (uint64_t)1 << series_random(&seed) % 43;
            v[i] = power - 1 + series_random(&seed) % (power < (uint64_t)1 << 42 ? 3 : 1);
            break;
        }
        case SERIES_NARROW: v[i] = 100000 + (uint64_t)(u * 100); break;
        case SERIES_KINDS: break;
        }
    }
    return v;
}

#endif
