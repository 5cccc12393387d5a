/* bench --per-op: times the steps of a model's plan and sets beside them what the machine could do. */
#ifndef SN_CLI_PER_OP_H
#define SN_CLI_PER_OP_H

#include "cli/workload.h"
#include "report/step_report.h"

typedef struct sn_per_op_options {
    bool wanted;
    sn_step_order order;
    double gflops, gbytes; /* a roofline that is given; 0: measure it */
    uint64_t runs;         /* at most */
    uint64_t plain_p50_ns; /* of the runs before */
} sn_per_op_options;

/* "plan", "time" or "gap". */
bool sn_per_op_parse_order(const char *text, sn_step_order *out);

/* "266,41.5": GFLOP/s and GB/s, both above 0. */
bool sn_per_op_parse_roofline(const char *text, sn_per_op_options *o);

/* Runs the workload's model step by step. The rows borrow from the workload's session and are freed with
 * sn_per_op_fini. Returns EINVAL for a pipeline, EUNSUPPORTED for another engine than the native one, ENOMEM, ELIMIT,
 * and as sn_session_run. */
setsuna_status sn_per_op_measure(sn_workload *w, const sn_per_op_options *o, sn_step_report *out, setsuna_error *err);
void sn_per_op_fini(sn_step_report *r);

#endif
