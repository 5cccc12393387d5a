/* What the kernel knows about a thread: CPU time, run-queue wait, page faults, context switches.
 *
 * A reading costs two system calls (about 0.6 µs), and a third one when the thread was switched since the reading
 * before it, so it is taken only where it was asked for, outside the stages:
 *
 *     sn_os_probe_read(&probe, NULL, &before);
 *     ... the request, on this thread ...
 *     sn_os_probe_read(&probe, &before, &after);
 *
 * The reading after one request may serve as the one before the next. What two readings say of the request between
 * them is worked out in causes/account.h.
 */
#ifndef SN_LEDGER_OS_PROBE_H
#define SN_LEDGER_OS_PROBE_H

#include "base/clock.h"
#include <stdbool.h>

/* Bound to the thread that opened it. */
typedef struct sn_os_probe {
    int schedstat_fd; /* -1: the kernel does not keep it, or does not let us see it */
} sn_os_probe;

typedef struct sn_os_reading {
    uint64_t wall_ns, cpu_ns;
    uint64_t runqueue_ns;
    uint64_t n_minor_faults, n_major_faults, n_switches_blocked, n_switches_forced;
    bool has_cpu, has_runqueue, has_counts;
} sn_os_reading;

/* Cannot fail: what is not available stays unknown in every reading. */
void sn_os_probe_open(sn_os_probe *p);
void sn_os_probe_close(sn_os_probe *p);

/* On the thread that opened p. What a reading says is since the start of the thread. last: an earlier reading of p, or
 * NULL; a thread that was not switched since then has not waited for a CPU either. The parts of a reading belong
 * together: one that was itself disturbed is taken again. */
void sn_os_probe_read(const sn_os_probe *p, const sn_os_reading *last, sn_os_reading *out);

/* Below this, time off the CPU that no cause accounts for is the distance between the clocks of one reading and the
 * granularity of the kernel's accounting (observed: 2 to 3 µs), not steal. */
#define SN_OS_PROBE_RESOLUTION_NS ((uint64_t)5000)

#endif
