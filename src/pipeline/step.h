/* The interface of a pipeline step, for those who write one.
 *
 * A step is one `const sn_pipe_step_type` in its own file, listed in step_list.inc. It declares its fields (field.h),
 * the ledger stage that its time belongs to, and up to five functions over a struct of its own:
 *
 *     open pipeline:  fields read into self  ->  create          may open files and allocate
 *     start a run:    reset                                      streams begin anew
 *     each pass:      run, run, run ...                          in the order of the file
 *     after the last: finish                                     streams hand out what they held back
 *     close:          destroy
 *
 * An image pipeline has one pass. A stream has one pass a frame, from its source step on, which sets pass->more while
 * there is another frame; the steps before it, such as decoding the file, run once, when the run is started.
 * Any step may set pass->stop when it has nothing to hand on yet; the rest of that pass is skipped.
 *
 * Values travel in slots (slot.h), resolved to pointers when the pipeline is opened; run neither looks up names nor,
 * once warm, allocates.
 */
#ifndef SN_PIPELINE_STEP_H
#define SN_PIPELINE_STEP_H

#include "engine/engine.h"
#include "ledger/ledger.h"
#include "pipeline/field.h"
#include "pipeline/slot.h"

/* One walk through the steps. */
typedef struct sn_pipe_pass {
    sn_ledger *ledger; /* may be NULL. The runner enters the step's stage around run; a step whose work is of several
                          stages books the others with sn_ledger_enter and leave, or sn_ledger_add */
    uint64_t index;    /* passes since the start of the run, from 0 */
    double frame_s;    /* out, by a source step: how long a frame lasts in the stream, until the next; 0: no frame */
    bool more;         /* out, by a source step: there is another pass after this one */
    bool stop;         /* out, by any step: nothing to hand on yet, skip the steps after this one in this pass */
} sn_pipe_pass;

typedef struct sn_pipe_step sn_pipe_step;

typedef struct sn_pipe_step_type {
    const char *name; /* as written in the file: "resize" */
    const char *help; /* what it does, in one line */
    sn_stage stage;
    bool source; /* makes a stream: see above. At most one in a pipeline, not in for_each */
    const sn_pipe_field *fields;
    uint32_t n_fields;
    size_t self_bytes; /* of the step's own struct; zeroed before the fields are read into it */
    /* Each may be NULL. create that fails leaves nothing behind that destroy would have to free, or leaves self so
     * that destroy can free it: destroy is called in both cases. */
    setsuna_status (*create)(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err);
    void (*reset)(sn_pipe_step *step);
    setsuna_status (*run)(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err); /* never NULL */
    setsuna_status (*finish)(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err);
    void (*destroy)(sn_pipe_step *step);
} sn_pipe_step_type;

struct sn_pipe_step {
    const sn_pipe_step_type *type;
    void *self;
    const sn_yaml *node; /* the step's mapping in the file, for messages; lives as long as the pipeline */
    const sn_allocator *allocator;
    uint64_t total_ns; /* spent in this step since the start of the run */
    uint32_t n_made;   /* slots that this step makes */
    sn_pipe_slot **made;
};

/* ---- while the pipeline is opened ------------------------------------------------------------------ */

/* The allocator for what a step keeps; memory is freed by the step's destroy. */
const sn_allocator *sn_pipe_build_allocator(const sn_pipe_build *build);

/* Lives as long as the pipeline and is freed with it: for names, tables and label files. */
sn_arena *sn_pipe_build_arena(const sn_pipe_build *build);

/* The most pixels that a decoded picture may have. */
uint64_t sn_pipe_build_pixels_max(const sn_pipe_build *build);

/* The slot called by the scalar `node`, made by an earlier step (or an input of the pipeline), of one of `kinds`.
 * Returns OK, EINPUT (no name, or the slot is of another kind), ENOTFOUND (the message lists the slots there are). */
setsuna_status sn_pipe_build_slot_in(sn_pipe_build *build, const sn_yaml *node, unsigned kinds, sn_pipe_slot **out,
                                     setsuna_error *err);

/* Makes the slot called by the scalar `node`, filled by the step being built.
 * Returns OK, EINPUT (no name, or taken by an earlier step), ENOMEM. */
setsuna_status sn_pipe_build_slot_out(sn_pipe_build *build, const sn_yaml *node, sn_pipe_kind kind, sn_pipe_slot **out,
                                      setsuna_error *err);

/* A path in the file -> the path to open: absolute paths stay, others are looked for in the pipeline file's folder,
 * then in the folder for models. Borrowed from the pipeline's arena. Returns OK, EINPUT, ENOTFOUND (in neither),
 * ENOMEM. */
setsuna_status sn_pipe_build_path(sn_pipe_build *build, const sn_yaml *node, const char **out, setsuna_error *err);

/* Opens the model file named by the scalar `node`, once for all steps that name it; the pipeline closes it.
 * Returns as sn_model_open; the error names the line. */
setsuna_status sn_pipe_build_model(sn_pipe_build *build, const sn_yaml *node, sn_model **out, setsuna_error *err);

/* ---- nested steps (for_each) ------------------------------------------------------------------------ */

typedef struct sn_pipe_step_list {
    sn_pipe_step *step;
    uint32_t n;
} sn_pipe_step_list;

enum { SN_PIPE_NESTING_MAX = 3 }; /* for_each in for_each in the file */

/* A scope within the current one: slots made from here on are visible to what is built until the matching leave.
 * Returns OK, ENOMEM, ELIMIT (nested too deeply). */
setsuna_status sn_pipe_build_enter(sn_pipe_build *build, const sn_yaml *node, setsuna_error *err);
void sn_pipe_build_leave(sn_pipe_build *build);

/* Makes a slot in the innermost scope that no step fills: the caller does. Returns as sn_pipe_build_slot_out. */
setsuna_status sn_pipe_build_slot_own(sn_pipe_build *build, const sn_yaml *node, sn_pipe_kind kind, sn_pipe_slot **out,
                                      setsuna_error *err);

/* Builds the steps of a list node. On failure *out holds those built so far; destroy it either way.
 * Returns as the steps' create, EINPUT, ELIMIT, ENOMEM. */
setsuna_status sn_pipe_build_steps(sn_pipe_build *build, const sn_yaml *list, sn_pipe_step_list *out,
                                   setsuna_error *err);

void sn_pipe_step_list_reset(sn_pipe_step_list *list);

/* Runs the steps [first, end), up to one that stops the pass. */
setsuna_status sn_pipe_step_list_run(sn_pipe_step_list *list, uint32_t first, uint32_t end, sn_pipe_pass *pass,
                                     setsuna_error *err);

/* After the last pass: what the steps held back. */
setsuna_status sn_pipe_step_list_finish(sn_pipe_step_list *list, sn_pipe_pass *pass, setsuna_error *err);
void sn_pipe_step_list_destroy(sn_pipe_step_list *list, const sn_allocator *a);

/* ---- all there are ----------------------------------------------------------------------------------- */

/* The step type called name; NULL: there is none. */
const sn_pipe_step_type *sn_pipe_step_type_find(const char *name);

/* Step type i in the order of step_list.inc; NULL past the end. */
const sn_pipe_step_type *sn_pipe_step_type_at(uint32_t i);

#endif
