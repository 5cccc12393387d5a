/* Where a run's warm-up ends: detected, not guessed.
 *
 * The samples' ranks are summed up; where the sum leaves the straight line the most, the run is cut, if it leaves it
 * further than a steady series would in 999 of 1,000 cases (CUSUM; W. Ploberger and W. Kraemer, "The CUSUM test with
 * OLS residuals", 1992). The cut is repeated on what is left, so that a warm-up that fades is followed to its end. How
 * far a steady series strays is known from the second half of the run with its correlation (stats/batches.h): a queue
 * that fills and empties is no warm-up. Ranks, because a spike of a thousand times the usual is one large rank and
 * cannot move the cut: what is slow now and then belongs to the tail that is to be measured.
 *
 * Chosen by simulation over MSER (White 1997), which loses a doubling of the first tenth of the latencies in the
 * variance of a queue at utilisation 0.3: docs/design/0014-honest-intervals.md.
 */
#ifndef SN_STATS_WARMUP_H
#define SN_STATS_WARMUP_H

#include "base/alloc.h"
#include <setsuna/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sn_warmup {
    size_t n;     /* the first n samples, less than half of them, are warm-up */
    bool settled; /* false: something changed in the second half: a longer warm-up, or a machine that changed */
} sn_warmup;

/* n samples in order of arrival; below 128, nothing is cut. Returns OK or ENOMEM. */
setsuna_status sn_warmup_find(const sn_allocator *a, const uint64_t *x, size_t n, sn_warmup *out);

#endif
