/* What `setsuna run` prints of each prediction, for people or as JSON, and the files it writes. */
#ifndef SN_CLI_RUN_OUTPUT_H
#define SN_CLI_RUN_OUTPUT_H

#include "cli/workload.h"
#include "ledger/book.h"
#include "report/json.h"
#include "report/sink.h"

typedef struct sn_run_output {
    sn_sink sink;
    sn_json json;
    bool as_json;
    const char *dir; /* NULL: no files */
} sn_run_output;

/* What one prediction took. */
typedef struct sn_run_times {
    sn_ledger whole; /* closed; of a stream that of the file: what came before its frames, and all of them */
    bool is_stream;  /* then also: */
    double frame_s;  /* as sn_pipeline_frame_s */
    sn_book_summary frames;
} sn_run_times;

/* Borrows everything until end. */
void sn_run_output_begin(sn_run_output *o, bool as_json, const char *dir, const char *target, const char *engine,
                         uint64_t load_ns);

/* The outputs of the prediction just made. file: its input, NULL for a model. prefix: name files after the input too.
 * Returns OK, and a failure of writing a file. */
setsuna_status sn_run_output_add(sn_run_output *o, const sn_workload *w, const char *file, bool prefix,
                                 const sn_run_times *t, setsuna_error *err);

/* complete false: the JSON text is left unfinished, because an error follows. Returns OK, EIO, ENOMEM. */
setsuna_status sn_run_output_end(sn_run_output *o, bool complete);

#endif
