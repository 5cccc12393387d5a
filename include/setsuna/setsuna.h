/* Setsuna: run a trained model with the least delay.
 *
 *     setsuna_model    a model file, immutable; any number of sessions in any number of threads
 *     setsuna_session  the workspace of one thread at a time
 *
 * The library prints nothing, never exits, reads no environment and has no global state. Every fallible call returns
 * a setsuna_status and fills the optional error with the place and the remedy. examples/predict.c shows it whole.
 */
#ifndef SETSUNA_SETSUNA_H
#define SETSUNA_SETSUNA_H

#include <setsuna/status.h>
#include <setsuna/tensor.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct setsuna_model setsuna_model;
typedef struct setsuna_session setsuna_session;

/* Zero-initialise and set what matters: every zero means the default. */
typedef struct setsuna_options {
    const char *engine;              /* "native" (default), "onnxruntime", or "auto": native, else ONNX Runtime */
    const char *onnxruntime_library; /* path of libonnxruntime.so; default: searched for */
    /* Cap: "ref", "avx2", "avx512", "avx512vnni" or "avx512bf16", on aarch64 "ref", "neon" or "neondot". Default: the
     * best that this machine has. */
    const char *cpu_level;
    unsigned n_threads;        /* default 1 */
    size_t memory_limit_bytes; /* plans that need more are refused; default 8 GiB */
    const char *precision;     /* of products: "f32" (default), or "bf16" where the CPU has AVX512_BF16 */
    int no_winograd; /* 1: convolutions only as plain sums, slower and rounded less (docs/numerics.md); default 0 */
    const char *plan_cache; /* a folder where packed weights are kept for the next process, which then starts faster and
                               shares their memory; what is stale or corrupt there is made anew; default: none */
    unsigned plan_limit;    /* combinations of input shapes that stay planned, those used last; default 64 */
} setsuna_options;

/* An input or output as the model declares it. A dim of -1 is free. */
typedef struct setsuna_io {
    const char *name; /* lives as long as the model */
    setsuna_dtype dtype;
    int has_shape; /* 0: even the rank is free */
    setsuna_shape shape;
} setsuna_io;

/* "0.1.0" */
SETSUNA_API const char *setsuna_version(void);

/* Opens an ONNX file. path and options (may be NULL) are borrowed for the call.
 * Returns OK, EINVAL (an option), ENOTFOUND, EIO, EMODEL, EUNSUPPORTED (all unsupported operators are listed in the
 * error), ELIMIT, ENOMEM. *model_out is untouched on failure. */
SETSUNA_API setsuna_status setsuna_model_open(const char *path, const setsuna_options *options,
                                              setsuna_model **model_out, setsuna_error *error);

/* The same from bytes, borrowed for the call; external data files are refused. */
SETSUNA_API setsuna_status setsuna_model_parse(const void *data, size_t size_bytes, const setsuna_options *options,
                                               setsuna_model **model_out, setsuna_error *error);

/* All sessions of the model must be destroyed before. NULL is fine. */
SETSUNA_API void setsuna_model_close(setsuna_model *model);

SETSUNA_API uint32_t setsuna_model_inputs(const setsuna_model *model);
SETSUNA_API uint32_t setsuna_model_outputs(const setsuna_model *model);

/* Returns OK, or EINVAL (no such index; *io_out is untouched). */
SETSUNA_API setsuna_status setsuna_model_input(const setsuna_model *model, uint32_t index, setsuna_io *io_out);
SETSUNA_API setsuna_status setsuna_model_output(const setsuna_model *model, uint32_t index, setsuna_io *io_out);

/* Returns OK, ENOMEM, EIO (a thread could not be started). */
SETSUNA_API setsuna_status setsuna_session_create(setsuna_model *model, setsuna_session **session_out,
                                                  setsuna_error *error);
SETSUNA_API void setsuna_session_destroy(setsuna_session *session); /* NULL is fine */

/* Makes ready for inputs of these shapes, so that the first run is as fast as the next ones; a run with new shapes does
 * it otherwise. Data may be NULL; where it is given, it decides which branch of the model is made ready, and what runs
 * in next to no time is run once with it. Outputs of the last run are lost. Returns as setsuna_session_run. */
SETSUNA_API setsuna_status setsuna_session_prepare(setsuna_session *session, const setsuna_tensor *inputs,
                                                   setsuna_error *error);

/* One forward pass: inputs[i] is the model's input i, outputs[i] becomes its output i. Input data is borrowed for the
 * call, aligned to its element, and must not lie in an output of this session. Output data belongs to the session, is
 * valid until its next run, and must not be written to. With shapes seen before and one thread, the native engine
 * allocates nothing and makes no system call.
 * Returns OK, ESHAPE (names the input), EINVAL, EINPUT (data that an operator refuses), EUNSUPPORTED, ELIMIT, ENOMEM.
 */
SETSUNA_API setsuna_status setsuna_session_run(setsuna_session *session, const setsuna_tensor *inputs,
                                               setsuna_tensor *outputs, setsuna_error *error);

#ifdef __cplusplus
}
#endif
#endif
