/* A pipeline: a file that chains steps, opened once and run many times.
 *
 *     setsuna: 1                      version of the format
 *     name: PP-OCRv4
 *     inputs: {picture: bytes}        what run is given; bytes or tensor
 *     steps:                          in order; each is one step name with its fields
 *       - decode: {from: picture, to: page}
 *       - resize: {from: page, to: small, fit: limit, limit_max: 960, multiple: 32}
 *       ...
 *     outputs: [lines, boxes]         slots that run hands out
 *
 * docs/pipelines.md describes the format and every step. A pipeline belongs to one thread at a time; several pipelines
 * may share models through an sn_model_set.
 */
#ifndef SN_PIPELINE_PIPELINE_H
#define SN_PIPELINE_PIPELINE_H

#include "engine/engine.h"
#include "ledger/ledger.h"
#include "pipeline/slot.h"
#include "pipeline/step.h"

enum { SN_PIPELINE_VERSION = 1 };

typedef struct sn_pipeline sn_pipeline;

/* Opened models by path, so that a file that several steps or pipelines name is loaded once. Built by one thread at a
 * time; closing it closes the models. */
typedef struct sn_model_set sn_model_set;

sn_model_set *sn_model_set_create(const sn_allocator *a, const sn_model_options *options); /* NULL: out of memory */
void sn_model_set_destroy(sn_model_set *set); /* after every pipeline that uses it; NULL is fine */

/* The model at path, opened now or before. Returns as sn_model_open. */
setsuna_status sn_model_set_get(sn_model_set *set, const char *path, sn_model **out, setsuna_error *err);

typedef struct sn_pipeline_options {
    const sn_allocator *allocator; /* NULL: the default */
    sn_model_options model;        /* how models are opened; not read when models is given */
    sn_model_set *models;          /* NULL: the pipeline has its own. Must outlive the pipeline */
    const char *model_dir;         /* where model and label files are looked for that are not beside the pipeline file;
                                      may be NULL. Borrowed for the call */
    uint64_t pixels_max;           /* of a decoded picture; 0: SN_IMAGE_PIXELS_DEFAULT */
} sn_pipeline_options;

/* Opens a pipeline file, its models and their sessions. options may be NULL.
 * Returns OK, ENOTFOUND, EIO, EINPUT and ELIMIT (in the file: where is "FILE:LINE: FIELD", and text ends with the
 * remedy), ENOMEM, and what sn_model_open returns. */
setsuna_status sn_pipeline_open(const char *path, const sn_pipeline_options *options, sn_pipeline **out,
                                setsuna_error *err);

/* From bytes; `path` stands for the file in messages, and names the folder that paths in it are relative to. */
setsuna_status sn_pipeline_parse(const char *path, const void *data, size_t size, const sn_pipeline_options *options,
                                 sn_pipeline **out, setsuna_error *err);
void sn_pipeline_close(sn_pipeline *p); /* NULL is fine */

const char *sn_pipeline_name(const sn_pipeline *p);

/* "native", or whatever the first model runs on; "none" for a pipeline without models. */
const char *sn_pipeline_engine(const sn_pipeline *p);

/* Frames come one by one: sn_pipeline_next is to be called until it says that there is no more. */
bool sn_pipeline_is_stream(const sn_pipeline *p);

/* Inputs and outputs in the order of the file. Slots are read by the caller after a run; NULL past the end. */
const sn_pipe_slot *sn_pipeline_input(const sn_pipeline *p, uint32_t i);
const sn_pipe_slot *sn_pipeline_output(const sn_pipeline *p, uint32_t i);

/* Step i at the top level, for its type and times; NULL past the end. */
const sn_pipe_step *sn_pipeline_step(const sn_pipeline *p, uint32_t i);

enum { SN_PIPE_INPUT_BYTES_MAX = 1 << 30 /* of one input file */ };

/* ---- giving inputs ----------------------------------------------------------------------------------- */

/* Input i comes from this file, read at the start of every run (ledger stage acquire). Bytes inputs only. The path is
 * copied. Returns OK, EINVAL (no such input, or not bytes), ENOMEM. */
setsuna_status sn_pipeline_set_file(sn_pipeline *p, uint32_t i, const char *path, setsuna_error *err);

/* Input i is these bytes, borrowed until the run is over. name, borrowed as long, stands for them in messages; or NULL.
 */
setsuna_status sn_pipeline_set_bytes(sn_pipeline *p, uint32_t i, const char *name, const void *data, size_t size,
                                     setsuna_error *err);

/* Input i is this tensor, borrowed until the run is over. */
setsuna_status sn_pipeline_set_tensor(sn_pipeline *p, uint32_t i, const setsuna_tensor *t, setsuna_error *err);

/* ---- running ------------------------------------------------------------------------------------------ */

/* A new run: states and collected lists begin anew, input files are read, and a stream runs the steps before its
 * source: what is done once a file, whatever the number of frames. ledger (open, or NULL) gets the stages of that.
 * Returns OK, EINVAL (an input was not given), EINPUT (the input's data), and what the steps return; where names file,
 * line and step if nothing more exact is known. */
setsuna_status sn_pipeline_start(sn_pipeline *p, sn_ledger *ledger, setsuna_error *err);

/* One pass: the whole of a picture, one frame of a stream. *more_out says whether there is another; after the last one
 * the outputs are complete. ledger (open, or NULL) gets the pass's stages. Returns as sn_pipeline_start. */
setsuna_status sn_pipeline_next(sn_pipeline *p, sn_ledger *ledger, bool *more_out, setsuna_error *err);

/* How long the frame of the last pass lasts in the stream: the time until the next one is there, in seconds. 0: it had
 * none, because the pipeline is no stream, or its input is empty. */
double sn_pipeline_frame_s(const sn_pipeline *p);

/* sn_pipeline_start and every pass, in one ledger. */
setsuna_status sn_pipeline_run(sn_pipeline *p, sn_ledger *ledger, setsuna_error *err);

#endif
