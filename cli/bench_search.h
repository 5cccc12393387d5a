/* bench --search: the largest rate that meets the objective. */
#ifndef SN_CLI_BENCH_SEARCH_H
#define SN_CLI_BENCH_SEARCH_H

#include "cli/bench_lanes.h"
#include "cli/bench_slo.h"
#include "report/search_report.h"

typedef struct sn_bench_search {
    sn_bench_lane *lane; /* warm */
    sn_bench_schedule *schedule;
    sn_bench_slo *slo;
    sn_bench_schedule_options options; /* seed, deadline and stop are used */
    double joules, seconds;            /* out: of the run that is left; 0: nobody tells */
    char text[48];                     /* out: of its schedule */
    sn_search_report report;           /* out */
} sn_bench_search;

/* Measures rate after rate with Poisson arrivals, each until there is a verdict or for at most slo->limit_ns, and
 * leaves the run of the largest rate that met the objective (otherwise that of the least) in lane, schedule and slo, as
 * if it alone had been measured. b lives as long as the schedule, which borrows its text. Returns what measuring
 * returns; ECANCELED (stopped before the first rate was measured). */
setsuna_status sn_bench_search_run(sn_bench_search *b, setsuna_error *err);

#endif
