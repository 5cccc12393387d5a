/* Between the files of exec/: frames and the levels that keep them. */
#ifndef SN_EXEC_FRAME_H
#define SN_EXEC_FRAME_H

#include "exec/exec.h"

/* Memory that a step's data-dependent output lives in; grows only. */
typedef struct exec_buffer {
    void *data;
    size_t cap_bytes;
} exec_buffer;

typedef struct exec_frame {
    sn_run run; /* first: steps get &frame->run */
    struct sn_exec *exec;
    sn_plan *plan;
    void **slot;
    setsuna_tensor *desc;
    exec_buffer *dynamic;
    sn_control_state **control; /* per step; NULL when the plan has none */
    void *base;                 /* the arena that slot was resolved for */
    void *scratch;
    setsuna_tensor *boundary; /* inputs of the rest */
    struct exec_level *rest;  /* where the rest's frames are */
    bool warm;                /* prepared, or run */
    struct exec_frame *next;  /* most recently used first */
} exec_frame;

/* One position in the chain of segments: its workspace is shared by all frames there, which run one at a time. */
typedef struct exec_level {
    sn_module *module;
    exec_frame *frames;
    uint32_t n_frames;
    void *arena;
    size_t arena_bytes;
} exec_level;

/* Who is told of steps, shared by a session's execs. */
typedef struct exec_observation {
    sn_exec_observer *fn;
    void *arg;
    uint64_t inner_ns; /* of steps told since the innermost step that runs began, without those inside them */
} exec_observation;

struct sn_exec {
    sn_plan_env *env;
    sn_pool *pool;
    exec_level top;
    exec_observation own, *observation; /* NULL: nobody */
    const sn_plan *last_plan;
    size_t total;
};

/* The frame for these inputs, made now if there is none yet. */
setsuna_status sn_level_frame(sn_exec *e, exec_level *l, const setsuna_tensor *inputs, exec_frame **out,
                              setsuna_error *err);

/* Slots of inputs are where the caller has them, and all others where the level's workspace is now. */
void sn_frame_bind(exec_frame *f, const exec_level *l, const setsuna_tensor *inputs);

static inline setsuna_tensor sn_frame_tensor(const exec_frame *f, uint32_t slot)
{
    setsuna_tensor t = f->desc[slot];
    t.data = f->slot[slot];
    return t;
}

/* ---- getting ready for the first run (prepare.c) ---------------------------------------------------- */

/* What is known before a run of a value, by slot. */
typedef enum sn_known {
    SN_KNOWN_NOT,
    SN_KNOWN_SHAPE, /* run.desc holds */
    SN_KNOWN_VALUE  /* and run.slot has its bytes */
} sn_known;

/* What a forecast found out besides shapes. */
typedef struct sn_forecast {
    double seconds; /* a guess at how long a run takes on one core of these years */
    bool whole;     /* every plan that a run will need is there */
} sn_forecast;

/* Plans and makes ready as far as shapes are known. inputs: data may be NULL. outputs: types and shapes, without data;
 * a type of NONE where they are not known. Adds to *forecast. What cannot be planned is left to the run, which has the
 * words; but the first plan's failure is returned. */
setsuna_status sn_exec_forecast(sn_exec *e, const setsuna_tensor *inputs, setsuna_tensor *outputs,
                                sn_forecast *forecast, setsuna_error *err);

/* The same for a step of control flow in a bound frame, whose r is the run; known: per slot; those of the step's
 * outputs are set. */
void sn_control_forecast(const sn_step *s, sn_run *r, uint8_t *known, sn_forecast *forecast);

#endif
