/* The interface of a pipeline step, for those who write one.
 *
 * A step is one `const sn_step_type` in its own file, listed in step_list.inc. It declares its fields (field.h), the
 * ledger stage that its time belongs to, and up to five functions over a struct of its own:
 *
 *     open pipeline:  fields read into self  ->  create          may open files and allocate
 *     start a run:    reset                                      streams begin anew
 *     each pass:      run, run, run ...                          in the order of the file
 *     after the last: finish                                     streams hand out what they held back
 *     close:          destroy
 *
 * An image pipeline has one pass. A stream has one pass a frame: its source step sets pass->more while there is
 * another frame, and any step may set pass->stop when it has nothing to hand on yet (the rest of this pass is skipped).
 *
 * Values travel in slots (slot.h), resolved to pointers when the pipeline is opened; run neither looks up names nor,
 * once warm, allocates.
 */
#ifndef SN_PIPELINE_STEP_H
#define SN_PIPELINE_STEP_H

#include "engine/engine.h"
#include "pipeline/field.h"
#include "pipeline/slot.h"

/* X(name, text): the stages of the ledger, in the order of a prediction. */
#define SN_STEP_STAGE_LIST(X)                                                                                          \
    X(ACQUIRE, "acquire")                                                                                              \
    X(PREPROCESS, "preprocess")                                                                                        \
    X(FEATURIZE, "featurize")                                                                                          \
    X(PREPARE, "prepare")                                                                                              \
    X(TRANSFER, "transfer")                                                                                            \
    X(LOAD, "load")                                                                                                    \
    X(EXECUTE, "execute")                                                                                              \
    X(POSTPROCESS, "postprocess")                                                                                      \
    X(OVERHEAD, "overhead")

typedef enum sn_step_stage {
#define SN_STEP_STAGE_ENUM(name, text) SN_STEP_##name,
    SN_STEP_STAGE_LIST(SN_STEP_STAGE_ENUM)
#undef SN_STEP_STAGE_ENUM
        SN_STEP_STAGES
} sn_step_stage;

/* One walk through the steps. */
typedef struct sn_pass {
    uint64_t index; /* passes since the start of the run, from 0 */
    bool more;      /* out: there is another pass after this one */
    bool stop;      /* out: skip the steps after this one, in this pass */
    uint64_t stage_ns[SN_STEP_STAGES];
    sn_step_stage stage; /* that the time since stage_begin_ns belongs to */
    uint64_t stage_begin_ns;
} sn_pass;

/* The time from now on belongs to `stage`, until the next call or the end of the step. The runner enters the step's
 * declared stage before run; only a step whose work is of several stages (model) calls this. */
void sn_pass_enter(sn_pass *pass, sn_step_stage stage);

/* Moves ns of the time since the last sn_pass_enter to `stage`: for work whose own clock says how long it took. */
void sn_pass_attribute(sn_pass *pass, sn_step_stage stage, uint64_t ns);

typedef struct sn_step sn_step;

typedef struct sn_step_type {
    const char *name; /* as written in the file: "resize" */
    const char *help; /* what it does, in one line */
    sn_step_stage stage;
    const sn_field *fields;
    uint32_t n_fields;
    size_t self_bytes; /* of the step's own struct; zeroed before the fields are read into it */
    /* Each may be NULL. create that fails leaves nothing behind that destroy would have to free, or leaves self so
     * that destroy can free it: destroy is called in both cases. */
    setsuna_status (*create)(sn_step *step, sn_build *build, setsuna_error *err);
    void (*reset)(sn_step *step);
    setsuna_status (*run)(sn_step *step, sn_pass *pass, setsuna_error *err); /* never NULL */
    setsuna_status (*finish)(sn_step *step, sn_pass *pass, setsuna_error *err);
    void (*destroy)(sn_step *step);
} sn_step_type;

struct sn_step {
    const sn_step_type *type;
    void *self;
    const sn_node *node; /* the step's mapping in the file, for messages; lives as long as the pipeline */
    const sn_allocator *allocator;
    uint64_t total_ns; /* spent in this step since the start of the run */
    uint32_t n_made;   /* slots that this step makes */
    sn_slot **made;
};

/* ---- while the pipeline is opened ------------------------------------------------------------------ */

/* The allocator for what a step keeps; memory is freed by the step's destroy. */
const sn_allocator *sn_build_allocator(const sn_build *build);

/* Lives as long as the pipeline and is freed with it: for names, tables and label files. */
sn_arena *sn_build_arena(const sn_build *build);

/* The slot called by the scalar `node`, made by an earlier step (or an input of the pipeline), of one of `kinds`.
 * Returns OK, EINPUT (no name, or the slot is of another kind), ENOTFOUND (the message lists the slots there are). */
setsuna_status sn_build_slot_in(sn_build *build, const sn_node *node, unsigned kinds, sn_slot **out,
                                setsuna_error *err);

/* Makes the slot called by the scalar `node`, filled by the step being built.
 * Returns OK, EINPUT (no name, or taken by an earlier step), ENOMEM. */
setsuna_status sn_build_slot_out(sn_build *build, const sn_node *node, sn_slot_kind kind, sn_slot **out,
                                 setsuna_error *err);

/* A path in the file -> the path to open: absolute paths stay, others are relative to the pipeline file's folder.
 * Borrowed from the pipeline's arena. Returns OK, EINPUT, ENOMEM. */
setsuna_status sn_build_path(sn_build *build, const sn_node *node, const char **out, setsuna_error *err);

/* Opens the model file named by the scalar `node`, once for all steps that name it; the pipeline closes it.
 * Returns as sn_model_open; the error names the line. */
setsuna_status sn_build_model(sn_build *build, const sn_node *node, sn_model **out, setsuna_error *err);

/* ---- nested steps (for_each) ------------------------------------------------------------------------ */

typedef struct sn_step_list {
    sn_step *step;
    uint32_t n;
} sn_step_list;

enum { SN_STEP_NESTING_MAX = 3 }; /* for_each in for_each in the file */

/* A scope within the current one: slots made from here on are visible to what is built until the matching leave.
 * Returns OK, ENOMEM, ELIMIT (nested too deeply). */
setsuna_status sn_build_enter(sn_build *build, const sn_node *node, setsuna_error *err);
void sn_build_leave(sn_build *build);

/* Makes a slot in the innermost scope that no step fills: the caller does. Returns as sn_build_slot_out. */
setsuna_status sn_build_slot_own(sn_build *build, const sn_node *node, sn_slot_kind kind, sn_slot **out,
                                 setsuna_error *err);

/* Builds the steps of a list node. On failure *out holds those built so far; destroy it either way.
 * Returns as the steps' create, EINPUT, ELIMIT, ENOMEM. */
setsuna_status sn_build_steps(sn_build *build, const sn_node *list, sn_step_list *out, setsuna_error *err);

void sn_step_list_reset(sn_step_list *list);
setsuna_status sn_step_list_run(sn_step_list *list, sn_pass *pass, setsuna_error *err);
setsuna_status sn_step_list_finish(sn_step_list *list, sn_pass *pass, setsuna_error *err);
void sn_step_list_destroy(sn_step_list *list, const sn_allocator *a);

/* ---- all there are ----------------------------------------------------------------------------------- */

/* The step type called name; NULL: there is none. */
const sn_step_type *sn_step_type_find(const char *name);

/* Step type i in the order of step_list.inc; NULL past the end. */
const sn_step_type *sn_step_type_at(uint32_t i);

#endif
