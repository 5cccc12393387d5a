/* The rules of MLPerf Inference's four scenarios. Its estimate of a percentile is in stats/early_stop.h.
 *
 * Source: MLCommons, inference rules and loadgen/mlperf.conf: SingleStream p90, MultiStream p99 of 8 samples a query
 * with at least 662 queries, Server p99 under Poisson arrivals, Offline at least 24,576 samples; 600 s each. A run that
 * is shorter is no MLPerf result, and is said to be none.
 */
#ifndef SN_SCHEDULE_SCENARIO_H
#define SN_SCHEDULE_SCENARIO_H

#include <stdbool.h>
#include <stdint.h>

typedef enum sn_scenario {
    SN_SCENARIO_NONE,
    SN_SCENARIO_SINGLE_STREAM,
    SN_SCENARIO_MULTI_STREAM,
    SN_SCENARIO_SERVER,
    SN_SCENARIO_OFFLINE,
} sn_scenario;

typedef struct sn_scenario_rules {
    const char *name;         /* "SingleStream" */
    double percentile;        /* of 1, that the result is about; 0: throughput */
    uint64_t min_duration_ns; /* from the first query to the end of the last */
    uint64_t min_queries;     /* after early stopping: that the percentile can be estimated at all */
    uint32_t samples;         /* a query, or of the whole run (offline), unless the schedule says otherwise */
} sn_scenario_rules;

/* NULL for none. */
const sn_scenario_rules *sn_scenario_get(sn_scenario scenario);

#endif
