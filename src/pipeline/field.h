/* The fields of a step as a table: what may be written in the pipeline file, where it goes, and what it must be.
 *
 *     typedef struct step_resize {
 *         sn_pipe_slot *from, *to;
 *         int32_t width;
 *         ...
 *     } step_resize;
 *
 *     static const sn_pipe_field resize_fields[] = {
 *         {"from", SN_FIELD_IN, offsetof(step_resize, from), .kinds = SN_PIPE_IMAGE, .help = "picture to resize"},
 *         {"to", SN_FIELD_OUT, offsetof(step_resize, to), .kinds = SN_PIPE_IMAGE, .help = "resized picture"},
 *         {"width", SN_FIELD_INT, offsetof(step_resize, width), .min = 1, .max = 65535, .fallback = "640"},
 *     };
 *
 * A field without fallback is required. The reader refuses unknown fields and names those that exist.
 */
#ifndef SN_PIPELINE_FIELD_H
#define SN_PIPELINE_FIELD_H

#include "pipeline/pipeline_file.h"
#include "pipeline/slot.h"

typedef struct sn_pipe_build sn_pipe_build;

typedef enum sn_pipe_field_type {
    SN_FIELD_BOOL,   /* bool */
    SN_FIELD_INT,    /* int32_t in [min, max] */
    SN_FIELD_FLOAT,  /* float in [min, max] */
    SN_FIELD_FLOATS, /* sn_floats: a list of 1 to SN_FLOATS_MAX floats in [min, max], or one float */
    SN_FIELD_CHOICE, /* int32_t: index into choices */
    SN_FIELD_TEXT,   /* const char *, lives as long as the pipeline; fallback "" gives "" */
    SN_FIELD_PATH,   /* const char *: as TEXT, made relative to the pipeline file's folder; fallback "" gives NULL */
    SN_FIELD_IN,     /* sn_pipe_slot *: made by an earlier step, of one of kinds; fallback "" gives NULL */
    SN_FIELD_OUT,    /* sn_pipe_slot *: made by this step, of kind kinds; fallback "" gives NULL */
    SN_FIELD_NODE    /* const sn_yaml *: the step reads it itself; fallback "" gives NULL */
} sn_pipe_field_type;

enum { SN_FLOATS_MAX = 16 };

typedef struct sn_floats {
    uint32_t n;
    float v[SN_FLOATS_MAX];
} sn_floats;

typedef struct sn_pipe_field {
    const char *name;
    sn_pipe_field_type type;
    size_t offset;              /* of the member in the step's own struct */
    double min, max;            /* INT, FLOAT, FLOATS */
    const char *const *choices; /* CHOICE: ends with NULL */
    unsigned kinds;             /* IN: accepted sn_pipe_kind bits; OUT: the one kind */
    const char *fallback;       /* as it would be written in the file; NULL: the field is required */
    const char *help;           /* what it means, in one line */
} sn_pipe_field;

/* Fills the struct at dst from the mapping `node` by the table; creates OUT slots and resolves IN slots in build's
 * scope. Returns OK, EINPUT (unknown, missing or wrong field), ENOTFOUND (an IN slot that no earlier step makes),
 * ENOMEM. */
setsuna_status sn_pipe_fields_read(sn_pipe_build *build, const sn_yaml *node, const sn_pipe_field *fields,
                                   uint32_t n_fields, void *dst, setsuna_error *err);

#endif
