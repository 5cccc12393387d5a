/* The interface every inference engine meets, and the models and sessions behind it.
 *
 *     sn_model (one file, immutable, shared)  >  sn_session (one thread at a time)  >  one run
 *
 * engine/native.c is ours; engine/onnxruntime.c loads ONNX Runtime with dlopen. Callers above (pipeline, cli, serve)
 * see only this header, so they work on both.
 */
#ifndef SN_ENGINE_ENGINE_H
#define SN_ENGINE_ENGINE_H

#include "base/alloc.h"
#include "base/precision.h"
#include "base/status.h"
#include <setsuna/tensor.h>
#include <stdbool.h>

typedef struct sn_model sn_model;
typedef struct sn_session sn_session;

typedef struct sn_model_options {
    const sn_allocator *allocator; /* NULL: the default */
    const char *engine; /* NULL or "native", "onnxruntime", "auto" (native, else onnxruntime; said in sn_model_note) */
    const char *onnxruntime_library; /* path of libonnxruntime.so; NULL: searched for, see engine/onnxruntime.c */
    int cpu_level;                   /* sn_cpu_level cap; negative: the best this machine has */
    sn_precision precision;          /* native engine only: EUNSUPPORTED where the CPU level has no such kernels */
    uint32_t n_threads;              /* 0 means 1 */
    size_t memory_limit_bytes;       /* planned memory above this is refused with ELIMIT; 0: 8 GiB */
    bool no_winograd;                /* native engine: convolutions as plain sums only (kernels/conv_winograd.h) */
    const char *plan_cache;          /* native engine, models in files: a folder for packed weights; NULL: none */
    uint32_t plan_limit;             /* native engine: shapes that stay planned (plan/plan.h); 0: 64 */
} sn_model_options;

/* An input or output as the model declares it: dims of -1 are free; sym[i] is the free dim's name or NULL. */
typedef struct sn_io {
    const char *name;
    setsuna_dtype dtype;
    bool has_shape;
    setsuna_shape shape;
    const char *const *sym; /* per dim; may be NULL */
} sn_io;

/* Opens a model file. Borrows path and options for the call only.
 * Returns OK, ENOTFOUND, EIO, EMODEL, EUNSUPPORTED (all unsupported operators are listed), ELIMIT, ENOMEM, EINVAL. */
setsuna_status sn_model_open(const char *path, const sn_model_options *options, sn_model **out, setsuna_error *err);

/* From bytes (borrowed for the call only); external data files are refused. Native engine and ONNX Runtime. */
setsuna_status sn_model_parse(const void *data, size_t size, const sn_model_options *options, sn_model **out,
                              setsuna_error *err);
void sn_model_close(sn_model *model); /* all its sessions must be destroyed before; NULL is fine */

const char *sn_model_engine(const sn_model *model); /* "native" or "onnxruntime 1.30.0" */
/* Why "auto" chose as it did, or what is wrong with the plan cache; "" when there is nothing to say. */
const char *sn_model_note(const sn_model *model);
uint32_t sn_model_inputs(const sn_model *model);
uint32_t sn_model_outputs(const sn_model *model);
const sn_io *sn_model_input(const sn_model *model, uint32_t i);
const sn_io *sn_model_output(const sn_model *model, uint32_t i);
/* ONNX metadata_props value by key, NULL when absent. */
const char *sn_model_metadata(const sn_model *model, const char *key);

setsuna_status sn_session_create(sn_model *model, sn_session **out, setsuna_error *err);
void sn_session_destroy(sn_session *session);

/* Makes ready for inputs like these, so that the first run is as fast as the next ones; otherwise the first run with
 * new shapes plans. Data may be NULL; where it is given, it decides which branch of the model is made ready, and what
 * runs in next to no time is run once with it. Outputs of the last run are lost. */
setsuna_status sn_session_prepare(sn_session *session, const setsuna_tensor *inputs, setsuna_error *err);

/* One forward pass. inputs: one tensor per model input, in order; data is borrowed for the call, aligned to its
 * element. outputs: filled with one tensor per model output; their data belongs to the session and is valid until its
 * next run, or may alias an input. With shapes seen before and one thread: no allocation and no system call (native
 * engine). Returns OK, ESHAPE (names the input), EINPUT (data out of range for an operator), ENOMEM, ELIMIT. */
setsuna_status sn_session_run(sn_session *session, const setsuna_tensor *inputs, setsuna_tensor *outputs,
                              setsuna_error *err);

/* Nanoseconds the last run spent computing, from the first step to the last (ledger stage execute). */
uint64_t sn_session_execute_ns(const sn_session *session);

#endif
