/* Stalls that come in a rhythm: whose rhythm it is.
 *
 * Operating systems and hypervisors do some things periodically. Stalls that keep the same phase of such a period, and
 * of no longer one, are probably of that making. A hint, not a proof. Source: Lord Rayleigh's test of uniformity on a
 * circle (K. V. Mardia, "Statistics of Directional Data", 1972).
 */
#ifndef SN_CAUSES_PERIOD_H
#define SN_CAUSES_PERIOD_H

#include "causes/attribute.h"

enum { SN_PERIOD_STALLS_MIN = 6, SN_PERIOD_STALLS_MAX = 4096 };

typedef struct sn_period {
    uint64_t period_ns; /* 0: no rhythm was found */
    sn_cause cause;     /* of the stalls */
    uint32_t n_stalls;
    double concentration; /* 0: spread over the period evenly, 1: always at the same phase */
    uint64_t median_ns;   /* of the stalls */
} sn_period;

/* The longest known period (1 s, 100 ms, 10 ms, 4 ms, 1 ms) that stalls at these ascending times keep; NULL-safe for
 * n 0. false: none. */
bool sn_period_find(const uint64_t *time_ns, size_t n, uint64_t *period_ns_out, double *concentration_out);

/* Looks for a rhythm in the stalls of each cause that takes a thread off the CPU: those of at least 100 us, at most
 * SN_PERIOD_STALLS_MAX of them. out: one a cause that has one, at most SN_CAUSES. Returns OK, ENOMEM. */
setsuna_status sn_period_search(const sn_cause_log *log, sn_period out[SN_CAUSES], uint32_t *n_out);

#endif
