/* Inputs for a model on the command line: --shape NAME=1,3,640,640, --input NAME=FILE and --fill NAME=VALUE. */
#ifndef SN_CLI_MODEL_INPUTS_H
#define SN_CLI_MODEL_INPUTS_H

#include "engine/engine.h"

enum { SN_CLI_INPUTS_MAX = 64 };

typedef enum sn_cli_input_kind { SN_CLI_INPUT_SHAPE, SN_CLI_INPUT_FILE, SN_CLI_INPUT_FILL } sn_cli_input_kind;

typedef struct sn_cli_input_spec {
    const char *name; /* of the input; borrowed from argv, not NUL-terminated at its end: see name_len */
    size_t name_len;
    const char *value; /* what stands behind "=" */
    sn_cli_input_kind kind;
} sn_cli_input_spec;

typedef struct sn_cli_inputs {
    sn_cli_input_spec spec[SN_CLI_INPUTS_MAX];
    uint32_t n_spec;
    setsuna_tensor *tensor; /* one per model input, after sn_cli_inputs_make */
    uint32_t n_tensor;
} sn_cli_inputs;

/* Remembers "NAME=VALUE". false: there is no "=" or too many were given. */
bool sn_cli_inputs_add(sn_cli_inputs *in, const char *name_value, sn_cli_input_kind kind);

/* A tensor for each input of the model: from its file, or of its shape filled with the value given, otherwise with
 * seeded noise (floats in [-1, 1), integers 0, bools false). A free dim that no --shape fixes becomes 1 where it is the
 * first, otherwise the error says which --shape to give; needs_noise may be false to leave data NULL (planning only).
 * Returns OK, EINVAL (no such input, bad shape or value), ESHAPE, ENOMEM, and what reading files returns. */
setsuna_status sn_cli_inputs_make(sn_cli_inputs *in, const sn_model *model, bool needs_data, setsuna_error *err);
void sn_cli_inputs_fini(sn_cli_inputs *in);

#endif
