/* Operators that the planner itself takes apart, as far as checking goes: those with subgraphs are bound and run by
 * exec/control_flow.c. */
#include "ops/op.h"

const sn_op sn_ops_control[] = {
    {"", "If", 1, 0, 1, 1, 1, 255, SN_OP_CONTROL, "then_branch:g else_branch:g", NULL, NULL},
    {"", "Loop", 1, 0, 2, 255, 1, 255, SN_OP_CONTROL, "body:g", NULL, NULL},
    {"", "Scan", 8, 8, 2, 255, 1, 255, SN_OP_CONTROL, "body:g num_scan_inputs:i directions:I", NULL, NULL},
    {"", "Scan", 9, 0, 1, 255, 1, 255, SN_OP_CONTROL,
     "body:g num_scan_inputs:i scan_input_axes:I scan_input_directions:I scan_output_axes:I scan_output_directions:I",
     NULL, NULL},
    {"setsuna", "ForEach", 1, 0, 1, 255, 1, 255, SN_OP_CONTROL, "body:g together:i", NULL, NULL},
    {.name = NULL},
};

/* Sequences and optionals are resolved by the planner (plan/sequence_lower.c) and never run. */
const sn_op sn_ops_sequence_type[] = {
    {"", "SequenceEmpty", 11, 0, 0, 0, 1, 1, SN_OP_CONTROL, "dtype:i", NULL, NULL},
    {"", "SequenceConstruct", 11, 0, 1, 255, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {"", "SequenceInsert", 11, 0, 2, 3, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {"", "SequenceErase", 11, 0, 1, 2, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {"", "SequenceAt", 11, 0, 2, 2, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {"", "SequenceLength", 11, 0, 1, 1, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {"", "ConcatFromSequence", 11, 0, 1, 1, 1, 1, SN_OP_CONTROL, "axis:i new_axis:i", NULL, NULL},
    {"", "SplitToSequence", 11, 0, 1, 2, 1, 1, SN_OP_CONTROL, "axis:i keepdims:i", NULL, NULL},
    {"", "Optional", 15, 0, 1, 1, 1, 1, SN_OP_CONTROL, "type:?", NULL, NULL},
    {"", "OptionalHasElement", 15, 0, 0, 1, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {"", "OptionalGetElement", 15, 0, 1, 1, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {.name = NULL},
};

/* Broadcasting told by attributes: plan/legacy.c turns these into their successors. */
const sn_op sn_ops_legacy[] = {
    {"", "Add", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "And", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "Div", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "Equal", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "Greater", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "Less", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "Mul", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "Or", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "Pow", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "PRelu", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "Sub", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {"", "Xor", 1, 6, 2, 2, 1, 1, SN_OP_CONTROL, "axis:i broadcast:i consumed_inputs:I", NULL, NULL},
    {.name = NULL},
};

/* ONNX Runtime's operators on quantised tensors: plan/qoperator.c turns these into what they are defined to be. */
const sn_op sn_ops_qoperator[] = {
    {"com.microsoft", "QGemm", 1, 0, 6, 9, 1, 1, SN_OP_CONTROL, "alpha:f transA:i transB:i", NULL, NULL},
    {"com.microsoft", "QLinearAdd", 1, 0, 7, 8, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {"com.microsoft", "QLinearAveragePool", 1, 0, 4, 5, 1, 1, SN_OP_CONTROL,
     "auto_pad:s ceil_mode:i channels_last:i count_include_pad:i kernel_shape:I pads:I strides:I", NULL, NULL},
    {"com.microsoft", "QLinearConcat", 1, 0, 5, 255, 1, 1, SN_OP_CONTROL, "axis:i", NULL, NULL},
    {"com.microsoft", "QLinearGlobalAveragePool", 1, 0, 5, 5, 1, 1, SN_OP_CONTROL, "channels_last:i", NULL, NULL},
    {"com.microsoft", "QLinearLeakyRelu", 1, 0, 4, 5, 1, 1, SN_OP_CONTROL, "alpha:f", NULL, NULL},
    {"com.microsoft", "QLinearMul", 1, 0, 7, 8, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {"com.microsoft", "QLinearReduceMean", 1, 0, 4, 5, 1, 1, SN_OP_CONTROL, "axes:I keepdims:i", NULL, NULL},
    {"com.microsoft", "QLinearSigmoid", 1, 0, 4, 5, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {"com.microsoft", "QLinearSoftmax", 1, 0, 4, 5, 1, 1, SN_OP_CONTROL, "axis:i opset:i", NULL, NULL},
    {"com.microsoft", "QLinearWhere", 1, 0, 9, 9, 1, 1, SN_OP_CONTROL, "", NULL, NULL},
    {.name = NULL},
};
