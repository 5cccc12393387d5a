#include "base/sleep.h"
#include "base/clock.h"

/* Sleepers wake later than this in 1 of 100 cases at most, on a machine that is not overloaded. */
#define SLEEP_SPIN_NS UINT64_C(200000)

bool sn_sleep_until(uint64_t due_ns, const volatile sig_atomic_t *stop)
{
    for (uint64_t now; (now = sn_now_ns()) < due_ns;) {
        if (stop && *stop)
            return false;
        if (due_ns - now > SLEEP_SPIN_NS) {
            uint64_t wake = due_ns - SLEEP_SPIN_NS;
            struct timespec t = {.tv_sec = (time_t)(wake / 1000000000), .tv_nsec = (long)(wake % 1000000000)};
            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL); /* a signal ends it: asked above */
        }
    }
    return !(stop && *stop);
}
