/* bench --slo: an objective, and a run that goes on until there is a verdict. */
#ifndef SN_CLI_BENCH_SLO_H
#define SN_CLI_BENCH_SLO_H

#include "stats/objective.h"

enum {
    SN_EXIT_SLO_MET = 0,
    SN_EXIT_SLO_MISSED = 1,
    SN_EXIT_SLO_UNDECIDED = 2,
};

typedef struct sn_bench_slo {
    const char *text; /* NULL: no objective */
    sn_objective objective;
    double confidence; /* of a verdict, whenever it is given */
    uint64_t limit_ns; /* the longest that a run is extended to; 0: it is not */
    uint32_t looks;    /* at the run so far */
    uint64_t n_seen;   /* requests at the last one */
    setsuna_status status;
    sn_objective_result result;
} sn_bench_slo;

/* Prints the presets. */
void sn_bench_slo_help(void);

/* Reads the text; with the confidence of intervals and no limit_ns. Returns as sn_objective_parse. */
setsuna_status sn_bench_slo_init(sn_bench_slo *s, const char *text, setsuna_error *err);

/* Goodput and attainment are about requests with a limit. deadline_ns: of a request, where one was given. Returns OK;
 * EINVAL. */
setsuna_status sn_bench_slo_check(const sn_bench_slo *s, uint64_t deadline_ns, setsuna_error *err);

/* One more look at a run that took elapsed_ns so far. Returns how much longer it should go on: 0 when there is a
 * verdict, the limit is reached or memory is out, which sn_bench_slo_conclude tells. */
uint64_t sn_bench_slo_look(sn_bench_slo *s, const sn_objective_run *run, uint64_t elapsed_ns);

/* The verdict on the whole run: that of the last look unless more was measured since. Returns OK; ENOMEM; EINVAL. */
setsuna_status sn_bench_slo_conclude(sn_bench_slo *s, const sn_objective_run *run, setsuna_error *err);

/* SN_EXIT_SLO_... */
int sn_bench_slo_exit(const sn_bench_slo *s);

#endif
