/* What bench and run measure: a model with fixed inputs, or a pipeline with its files. One request at a time, each with
 * its ledger: a prediction, or one frame of a stream. */
#ifndef SN_CLI_WORKLOAD_H
#define SN_CLI_WORKLOAD_H

#include "cli/model_inputs.h"
#include "ledger/ledger.h"
#include "pipeline/pipeline.h"

typedef struct sn_workload sn_workload;

typedef struct sn_workload_options {
    const char *target; /* a model file, or a pipeline file (.yaml, .yml) */
    char *const *input; /* files for the pipeline's first input, in turn; "-": standard input */
    uint32_t n_input;
    sn_cli_inputs *inputs; /* --shape and --input: a model's inputs, a pipeline's other inputs */
    sn_model_options model;
} sn_workload_options;

/* Opens the target and readies its session (file to first prediction possible). Borrows the options until close.
 * Returns as sn_model_open and sn_pipeline_open, and EINVAL. */
setsuna_status sn_workload_open(const sn_workload_options *o, sn_workload **out, setsuna_error *err);
void sn_workload_close(sn_workload *w); /* NULL is fine */

const char *sn_workload_engine(const sn_workload *w);

/* Why the engine is another than the one asked for; "" when there is nothing to say. */
const char *sn_workload_note(const sn_workload *w);

/* The pipeline; NULL for a model. */
sn_pipeline *sn_workload_pipeline(const sn_workload *w);

/* The model and its session; NULL for a pipeline. */
sn_model *sn_workload_model(const sn_workload *w);
sn_session *sn_workload_session(const sn_workload *w);

/* A request is one frame of a stream, not a whole prediction. */
bool sn_workload_is_stream(const sn_workload *w);

/* As sn_pipeline_frame_s, for the last request; 0 for what is no stream. */
double sn_workload_frame_s(const sn_workload *w);

/* The next requests are about input file i modulo n_input; the one before is given up. A stream begins anew: its file
 * is read and decoded here, once for all of its frames. ledger (begun and closed by the caller, or NULL) gets the
 * stages of that. */
setsuna_status sn_workload_begin(sn_workload *w, uint64_t i, sn_ledger *ledger, setsuna_error *err);

/* One request. The caller begins and closes the ledger. *more_out: the input has another frame; when it has not, the
 * outputs are complete, and sn_workload_begin comes before the next request. */
setsuna_status sn_workload_run(sn_workload *w, sn_ledger *ledger, bool *more_out, setsuna_error *err);

/* Tensors that the last request ended with: a model's outputs, a pipeline's tensor outputs. Borrowed until the next
 * run. name[i] and tensor[i] for i below the result; at most cap. */
uint32_t sn_workload_outputs(const sn_workload *w, const char **name, setsuna_tensor *tensor, uint32_t cap);

#endif
