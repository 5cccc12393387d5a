/* One clock for everything: CLOCK_MONOTONIC through the vDSO, in nanoseconds (about 20 ns a call, no
 * system call). */
#ifndef SN_BASE_CLOCK_H
#define SN_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t sn_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#endif
