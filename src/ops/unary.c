/* Operators of one tensor: mathematics, activations, tests. One definition a row; attributes become the kernel's
 * parameters in the order of SN_EW_LIST. */
#include "ops/ew_step.h"
#include <string.h>

typedef struct unary_def {
    const char *name;
    sn_ew_op op;
    const char *dtypes; /* as sn_op_want takes them */
    struct {
        const char *attr;
        float fallback;
    } param[2];
    bool to_bool; /* the output is bool */
} unary_def;

/* Sorted by name. Defaults: the ONNX operator specification; Selu's as of version 6. */
static const unary_def unary_defs[] = {
    {"Abs", SN_EW_ABS, "num", {{0}}, false},
    {"Acos", SN_EW_ACOS, "float", {{0}}, false},
    {"Acosh", SN_EW_ACOSH, "float", {{0}}, false},
    {"Asin", SN_EW_ASIN, "float", {{0}}, false},
    {"Asinh", SN_EW_ASINH, "float", {{0}}, false},
    {"Atan", SN_EW_ATAN, "float", {{0}}, false},
    {"Atanh", SN_EW_ATANH, "float", {{0}}, false},
    {"BitwiseNot", SN_EW_BIT_NOT, "int", {{0}}, false},
    {"Ceil", SN_EW_CEIL, "float", {{0}}, false},
    {"Celu", SN_EW_CELU, "float", {{"alpha", 1}}, false},
    {"Cos", SN_EW_COS, "float", {{0}}, false},
    {"Cosh", SN_EW_COSH, "float", {{0}}, false},
    {"Elu", SN_EW_ELU, "float", {{"alpha", 1}}, false},
    {"Erf", SN_EW_ERF, "float", {{0}}, false},
    {"Exp", SN_EW_EXP, "float", {{0}}, false},
    {"Floor", SN_EW_FLOOR, "float", {{0}}, false},
    {"Gelu", SN_EW_GELU, "float", {{0}}, false},
    {"HardSigmoid", SN_EW_HARD_SIGMOID, "float", {{"alpha", 0.2f}, {"beta", 0.5f}}, false},
    {"HardSwish", SN_EW_HARD_SWISH, "float", {{0}}, false},
    {"IsNaN", SN_EW_IS_NAN, "float", {{0}}, true},
    {"LeakyRelu", SN_EW_LEAKY_RELU, "float", {{"alpha", 0.01f}}, false},
    {"Log", SN_EW_LOG, "float", {{0}}, false},
    {"Mish", SN_EW_MISH, "float", {{0}}, false},
    {"Neg", SN_EW_NEG, "float i8 i16 i32 i64", {{0}}, false},
    {"Not", SN_EW_NOT, "bool", {{0}}, false},
    {"QuickGelu", SN_EW_SWISH, "float", {{"alpha", 1.702f}}, false},
    {"Reciprocal", SN_EW_RECIPROCAL, "float", {{0}}, false},
    {"Relu", SN_EW_RELU, "float i8 i16 i32 i64", {{0}}, false},
    {"Round", SN_EW_ROUND, "float", {{0}}, false},
    {"Selu",
     SN_EW_SELU,
     "float",
     {{"alpha", 1.67326319217681884765625f}, {"gamma", 1.05070102214813232421875f}},
     false},
    {"Shrink", SN_EW_SHRINK, "num", {{"lambd", 0.5f}, {"bias", 0}}, false},
    {"Sigmoid", SN_EW_SIGMOID, "float", {{0}}, false},
    {"Sign", SN_EW_SIGN, "num", {{0}}, false},
    {"Sin", SN_EW_SIN, "float", {{0}}, false},
    {"Sinh", SN_EW_SINH, "float", {{0}}, false},
    {"Softplus", SN_EW_SOFTPLUS, "float", {{0}}, false},
    {"Softsign", SN_EW_SOFTSIGN, "float", {{0}}, false},
    {"Sqrt", SN_EW_SQRT, "float", {{0}}, false},
    {"Swish", SN_EW_SWISH, "float", {{"alpha", 1}}, false},
    {"Tan", SN_EW_TAN, "float", {{0}}, false},
    {"Tanh", SN_EW_TANH, "float", {{0}}, false},
    {"ThresholdedRelu", SN_EW_THRESHOLDED_RELU, "float", {{"alpha", 1}}, false},
};

static const unary_def *unary_find(const char *name)
{
    for (size_t i = 0; i < sizeof unary_defs / sizeof unary_defs[0]; i++)
        if (strcmp(unary_defs[i].name, name) == 0)
            return &unary_defs[i];
    return NULL;
}

static setsuna_status unary_infer(sn_op_ctx *c)
{
    const unary_def *d = unary_find(c->op->name);
    SN_TRY(sn_op_want(c, 0, d->dtypes));
    sn_op_out(c, 0, d->to_bool ? SETSUNA_BOOL : c->in[0].dtype, &c->in[0].shape);
    return SETSUNA_OK;
}

static setsuna_status unary_bind(sn_op_ctx *c, sn_step *s)
{
    const unary_def *d = unary_find(c->op->name);
    float k[2] = {0};
    for (int i = 0; i < 2; i++)
        if (d->param[i].attr)
            k[i] = sn_node_float(c->node, d->param[i].attr, d->param[i].fallback);
    return sn_ew_bind(c, s, d->op, 1, k, sizeof k);
}

/* Gelu (20): approximate is "none" (erf) or "tanh". */
static setsuna_status gelu_infer(sn_op_ctx *c)
{
    const char *how = sn_node_string(c->node, "approximate", "none");
    if (strcmp(how, "none") != 0 && strcmp(how, "tanh") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "approximate is neither none nor tanh");
    return unary_infer(c);
}

static setsuna_status gelu_bind(sn_op_ctx *c, sn_step *s)
{
    bool tanh_form = strcmp(sn_node_string(c->node, "approximate", "none"), "tanh") == 0;
    return sn_ew_bind(c, s, tanh_form ? SN_EW_GELU_TANH : SN_EW_GELU, 1, NULL, 0);
}

static setsuna_status is_inf_infer(sn_op_ctx *c)
{
    SN_TRY(sn_op_want(c, 0, "float"));
    sn_op_out(c, 0, SETSUNA_BOOL, &c->in[0].shape);
    return SETSUNA_OK;
}

static setsuna_status is_inf_bind(sn_op_ctx *c, sn_step *s)
{
    float k[2] = {sn_node_int(c->node, "detect_negative", 1) != 0, sn_node_int(c->node, "detect_positive", 1) != 0};
    return sn_ew_bind(c, s, SN_EW_IS_INF, 1, k, sizeof k);
}

enum { UNARY_FLAGS = SN_OP_INPLACE | SN_OP_F16_AS_F32 };

/* clang-format off */
const sn_op sn_ops_unary[] = {
    {"", "Abs", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Acos", 7, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Acosh", 9, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Asin", 7, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Asinh", 9, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Atan", 7, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Atanh", 9, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "BitwiseNot", 18, 0, 1, 1, 1, 1, SN_OP_INPLACE, "", unary_infer, unary_bind},
    {"", "Ceil", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Celu", 12, 0, 1, 1, 1, 1, UNARY_FLAGS, "alpha:f", unary_infer, unary_bind},
    {"", "Cos", 7, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Cosh", 9, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Elu", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "alpha:f", unary_infer, unary_bind},
    {"", "Erf", 9, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Exp", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Floor", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Gelu", 20, 0, 1, 1, 1, 1, UNARY_FLAGS, "approximate:s", gelu_infer, gelu_bind},
    {"", "HardSigmoid", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "alpha:f beta:f", unary_infer, unary_bind},
    {"", "HardSwish", 14, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "IsInf", 10, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "detect_negative:i detect_positive:i", is_inf_infer, is_inf_bind},
    {"", "IsNaN", 9, 0, 1, 1, 1, 1, SN_OP_F16_AS_F32, "", unary_infer, unary_bind},
    {"", "LeakyRelu", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "alpha:f", unary_infer, unary_bind},
    {"", "Log", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Mish", 18, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Neg", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Not", 1, 0, 1, 1, 1, 1, SN_OP_INPLACE, "", unary_infer, unary_bind},
    {"", "Reciprocal", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Relu", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Round", 11, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Selu", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "alpha:f gamma:f", unary_infer, unary_bind},
    {"", "Shrink", 9, 0, 1, 1, 1, 1, UNARY_FLAGS, "lambd:f bias:f", unary_infer, unary_bind},
    {"", "Sigmoid", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Sign", 9, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Sin", 7, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Sinh", 9, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Softplus", 1, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Softsign", 1, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Sqrt", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Tan", 7, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "Tanh", 6, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"", "ThresholdedRelu", 10, 0, 1, 1, 1, 1, UNARY_FLAGS, "alpha:f", unary_infer, unary_bind},
    {"com.microsoft", "Gelu", 1, 0, 1, 1, 1, 1, UNARY_FLAGS, "", unary_infer, unary_bind},
    {"com.microsoft", "QuickGelu", 1, 0, 1, 1, 1, 1, UNARY_FLAGS, "alpha:f", unary_infer, unary_bind},
    {"setsuna", "Swish", 1, 0, 1, 1, 1, 1, UNARY_FLAGS, "alpha:f", unary_infer, unary_bind},
    {.name = NULL},
};
/* clang-format on */
