/* Inputs as the arguments of test programs: x=1,3,48,320 is a shape, x=FILE.npy a file, and sr=16000.0 a value. */
#ifndef SN_TESTS_E2E_TEST_INPUT_H
#define SN_TESTS_E2E_TEST_INPUT_H

#include "cli/model_inputs.h"
#include <string.h>

static inline sn_cli_input_kind test_input_kind(const char *arg)
{
    if (strstr(arg, ".npy"))
        return SN_CLI_INPUT_FILE;
    return strchr(arg, '.') ? SN_CLI_INPUT_FILL : SN_CLI_INPUT_SHAPE;
}

#endif
