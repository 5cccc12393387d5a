/* MLPerf's estimate of a percentile by early stopping, so that results can be set beside those of LoadGen.
 *
 * At 99 % confidence and no tolerance: of n queries, t are discarded at most where at least a share p of all queries
 * would be faster than the slowest that is left. Queries are taken for independent, which they are not behind a queue:
 * stats/interval.h is about that. Source: MLCommons, inference policies, "early stopping"; loadgen/early_stopping.cc.
 */
#ifndef SN_STATS_EARLY_STOP_H
#define SN_STATS_EARLY_STOP_H

#include <stdint.h>

/* The rank, from 1 in ascending order, of the query whose latency is the estimate of the percentile (0 < percentile
 * < 1): n - t + 1 for the largest t with P(Bin(n, 1 - percentile) <= t) < 0.01. 0 where n is too small for t = 1. */
uint64_t sn_early_stop_rank(uint64_t n, double percentile);

#endif
