/* The operators with subgraphs, as far as checking goes; exec/control.c binds and runs them. */
#include "ops/op.h"

const sn_op sn_ops_control[] = {
    {"", "If", 1, 0, 1, 1, 1, 255, SN_OP_CONTROL, "then_branch:g else_branch:g", NULL, NULL},
    {"", "Loop", 1, 0, 2, 255, 1, 255, SN_OP_CONTROL, "body:g", NULL, NULL},
    {"", "Scan", 8, 8, 2, 255, 1, 255, SN_OP_CONTROL, "body:g num_scan_inputs:i directions:I", NULL, NULL},
    {"", "Scan", 9, 0, 1, 255, 1, 255, SN_OP_CONTROL,
     "body:g num_scan_inputs:i scan_input_axes:I scan_input_directions:I scan_output_axes:I scan_output_directions:I",
     NULL, NULL},
    {.name = NULL},
};
