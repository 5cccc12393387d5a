/* What the kernel knows about a thread: CPU time, run-queue wait, page faults, context switches.
 *
 * A reading costs three system calls (about 1.2 µs), so it is taken only where it was asked for, outside the stages:
 *
 *     sn_os_probe_read(&probe, &before);
 *     sn_ledger_begin(&ledger, id); ... the request, on this thread ...
 *     sn_os_probe_read(&probe, &after);
 *     sn_ledger_explain(&ledger, &before, &after);
 *     sn_ledger_close(&ledger);
 *
 * The reading after one request may serve as the one before the next.
 */
#ifndef SN_LEDGER_OS_PROBE_H
#define SN_LEDGER_OS_PROBE_H

#include "ledger/ledger.h"

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

/* On the thread that opened p. What a reading says is since the start of the thread. */
void sn_os_probe_read(const sn_os_probe *p, sn_os_reading *out);

/* Below this, time off the CPU that no cause accounts for is the distance between the clocks of one reading and the
 * granularity of the kernel's accounting (observed: 2 to 3 µs), not steal. */
#define SN_OS_PROBE_RESOLUTION_NS ((uint64_t)5000)

/* Fills the columns of an open ledger from the two readings around its request:
 *   run-queue wait  where the kernel keeps it;
 *   steal           where the thread never blocked: wall time - CPU time - run-queue wait. A lower bound: a kernel
 *                   without steal accounting leaves it in the CPU time;
 *   counts          page faults and context switches. */
void sn_ledger_explain(sn_ledger *l, const sn_os_reading *before, const sn_os_reading *after);

#endif
