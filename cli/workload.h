/* What bench and run measure: a model with fixed inputs, or a pipeline with its files. One prediction at a time, each
 * with its ledger. */
#ifndef SN_CLI_WORKLOAD_H
#define SN_CLI_WORKLOAD_H

#include "cli/model_inputs.h"
#include "ledger/ledger.h"
#include "report/bench_result.h"

typedef struct sn_workload sn_workload;

typedef struct sn_workload_options {
    const char *target; /* a model file, or a pipeline file (.yaml, .yml) */
    char *const *input; /* files for the pipeline, in turn */
    uint32_t n_input;
    sn_cli_inputs *inputs; /* --shape and --input, for models */
    sn_model_options model;
} sn_workload_options;

/* Opens the target and readies its session (file to first prediction possible). Borrows the options until close.
 * Returns as sn_model_open and sn_pipeline_open, and EINVAL. */
setsuna_status sn_workload_open(const sn_workload_options *o, sn_workload **out, setsuna_error *err);
void sn_workload_close(sn_workload *w); /* NULL is fine */

const char *sn_workload_engine(const sn_workload *w);

/* One prediction. The ledger is begun and closed by the caller. */
setsuna_status sn_workload_run(sn_workload *w, sn_ledger *ledger, setsuna_error *err);

/* Tensors that the last prediction ended with: a model's outputs, a pipeline's tensors. Borrowed until the next run.
 * name[i] and tensor[i] for i below the result; at most cap. */
uint32_t sn_workload_outputs(const sn_workload *w, const char **name, setsuna_tensor *tensor, uint32_t cap);

#endif
