/* What a pipeline is while it is opened: the part of sn_pipe_build that field.c, step.c and pipeline.c share. */
#ifndef SN_PIPELINE_PIPELINE_BUILD_H
#define SN_PIPELINE_PIPELINE_BUILD_H

#include "pipeline/pipeline.h"

/* Owns every slot of the pipeline; slots never move. */
typedef struct sn_pipe_slot_table {
    sn_pipe_slot **slot;
    uint32_t *scope; /* of each slot; SCOPE_CLOSED once its scope is left */
    size_t n, slot_capacity, scope_capacity;
} sn_pipe_slot_table;

struct sn_pipe_build {
    const sn_allocator *allocator;
    sn_arena *arena;
    const char *file;      /* of the pipeline, for messages */
    const char *dir;       /* its folder */
    const char *model_dir; /* may be NULL */
    uint64_t pixels_max;
    sn_model_set *models;
    sn_pipe_slot_table *slots;
    uint32_t scope;     /* innermost; 0 is the pipeline itself */
    sn_pipe_step *step; /* being built; NULL outside steps */
    bool has_source;    /* a source step was built */
    const char *engine; /* of the first model; NULL so far */
};

#endif
