/* Elementwise kernels on types other than f32: rare in models, so compiled for size rather than unrolled. */
#include "kernels/elementwise.h"
#include <math.h>
#include <stdbool.h>

#define EW_LINK static

#define T double
#define M(name) name
#define EW_NAME(op) ew_##op##_f64
#include "kernels/ref/elementwise_float.inc"
#undef T
#undef M
#undef EW_NAME

/* clang-format off */
static sn_ew_fn *const ew_table_f64[SN_EW_OPS] = {
    [SN_EW_ABS] = ew_abs_f64, [SN_EW_ACOS] = ew_acos_f64, [SN_EW_ACOSH] = ew_acosh_f64, [SN_EW_ASIN] = ew_asin_f64,
    [SN_EW_ASINH] = ew_asinh_f64, [SN_EW_ATAN] = ew_atan_f64, [SN_EW_ATANH] = ew_atanh_f64,
    [SN_EW_CEIL] = ew_ceil_f64, [SN_EW_COS] = ew_cos_f64, [SN_EW_COSH] = ew_cosh_f64, [SN_EW_ERF] = ew_erf_f64,
    [SN_EW_EXP] = ew_exp_f64, [SN_EW_FLOOR] = ew_floor_f64, [SN_EW_LOG] = ew_log_f64, [SN_EW_NEG] = ew_neg_f64,
    [SN_EW_RECIPROCAL] = ew_reciprocal_f64, [SN_EW_ROUND] = ew_round_f64, [SN_EW_SIGN] = ew_sign_f64,
    [SN_EW_SIN] = ew_sin_f64, [SN_EW_SINH] = ew_sinh_f64, [SN_EW_SQRT] = ew_sqrt_f64, [SN_EW_TAN] = ew_tan_f64,
    [SN_EW_TANH] = ew_tanh_f64, [SN_EW_SQUARE] = ew_square_f64, [SN_EW_CUBE] = ew_cube_f64,
    [SN_EW_RSQRT] = ew_rsqrt_f64, [SN_EW_RELU] = ew_relu_f64, [SN_EW_LEAKY_RELU] = ew_leaky_relu_f64,
    [SN_EW_ELU] = ew_elu_f64, [SN_EW_SELU] = ew_selu_f64, [SN_EW_CELU] = ew_celu_f64,
    [SN_EW_SIGMOID] = ew_sigmoid_f64, [SN_EW_HARD_SIGMOID] = ew_hard_sigmoid_f64,
    [SN_EW_HARD_SWISH] = ew_hard_swish_f64, [SN_EW_SOFTPLUS] = ew_softplus_f64, [SN_EW_SOFTSIGN] = ew_softsign_f64,
    [SN_EW_THRESHOLDED_RELU] = ew_thresholded_relu_f64, [SN_EW_SHRINK] = ew_shrink_f64, [SN_EW_SWISH] = ew_swish_f64,
    [SN_EW_GELU] = ew_gelu_f64, [SN_EW_GELU_TANH] = ew_gelu_tanh_f64, [SN_EW_MISH] = ew_mish_f64,
    [SN_EW_CLIP] = ew_clip_f64, [SN_EW_IS_INF] = ew_is_inf_f64, [SN_EW_IS_NAN] = ew_is_nan_f64,
    [SN_EW_ADD] = ew_add_f64, [SN_EW_SUB] = ew_sub_f64, [SN_EW_MUL] = ew_mul_f64, [SN_EW_DIV] = ew_div_f64,
    [SN_EW_POW] = ew_pow_f64, [SN_EW_POW_F64] = ew_pow_f64_f64, [SN_EW_POW_I64] = ew_pow_i64_f64,
    [SN_EW_FMOD] = ew_fmod_f64, [SN_EW_MAX] = ew_max_f64, [SN_EW_MIN] = ew_min_f64, [SN_EW_PRELU] = ew_prelu_f64,
    [SN_EW_EQUAL] = ew_equal_f64, [SN_EW_GREATER] = ew_greater_f64, [SN_EW_GREATER_EQUAL] = ew_greater_equal_f64,
    [SN_EW_LESS] = ew_less_f64, [SN_EW_LESS_EQUAL] = ew_less_equal_f64,
};
/* clang-format on */

#define T int8_t
#define EW_SIGNED 1
#define EW_MIN INT8_MIN
#define EW_MAX INT8_MAX
#define EW_NAME(op) ew_##op##_i8
#include "kernels/ref/elementwise_int.inc"
#undef T
#undef EW_SIGNED
#undef EW_MIN
#undef EW_MAX
#undef EW_NAME

#define T int16_t
#define EW_SIGNED 1
#define EW_MIN INT16_MIN
#define EW_MAX INT16_MAX
#define EW_NAME(op) ew_##op##_i16
#include "kernels/ref/elementwise_int.inc"
#undef T
#undef EW_SIGNED
#undef EW_MIN
#undef EW_MAX
#undef EW_NAME

#define T int32_t
#define EW_SIGNED 1
#define EW_MIN INT32_MIN
#define EW_MAX INT32_MAX
#define EW_NAME(op) ew_##op##_i32
#include "kernels/ref/elementwise_int.inc"
#undef T
#undef EW_SIGNED
#undef EW_MIN
#undef EW_MAX
#undef EW_NAME

#define T int64_t
#define EW_SIGNED 1
#define EW_MIN INT64_MIN
#define EW_MAX INT64_MAX
#define EW_NAME(op) ew_##op##_i64
#include "kernels/ref/elementwise_int.inc"
#undef T
#undef EW_SIGNED
#undef EW_MIN
#undef EW_MAX
#undef EW_NAME

#define T uint8_t
#define EW_SIGNED 0
#define EW_MIN 0
#define EW_MAX UINT8_MAX
#define EW_NAME(op) ew_##op##_u8
#include "kernels/ref/elementwise_int.inc"
#undef T
#undef EW_SIGNED
#undef EW_MIN
#undef EW_MAX
#undef EW_NAME

#define T uint16_t
#define EW_SIGNED 0
#define EW_MIN 0
#define EW_MAX UINT16_MAX
#define EW_NAME(op) ew_##op##_u16
#include "kernels/ref/elementwise_int.inc"
#undef T
#undef EW_SIGNED
#undef EW_MIN
#undef EW_MAX
#undef EW_NAME

#define T uint32_t
#define EW_SIGNED 0
#define EW_MIN 0
#define EW_MAX UINT32_MAX
#define EW_NAME(op) ew_##op##_u32
#include "kernels/ref/elementwise_int.inc"
#undef T
#undef EW_SIGNED
#undef EW_MIN
#undef EW_MAX
#undef EW_NAME

#define T uint64_t
#define EW_SIGNED 0
#define EW_MIN 0
#define EW_MAX UINT64_MAX
#define EW_NAME(op) ew_##op##_u64
#include "kernels/ref/elementwise_int.inc"
#undef T
#undef EW_SIGNED
#undef EW_MIN
#undef EW_MAX
#undef EW_NAME

/* bool: any byte but 0 is true, results are 0 or 1. */
#define T uint8_t
#define EW_NAME(op) ew_##op##_bool
#include "kernels/ref/elementwise_loops.inc"
EW_UNARY(not, T, !a)
EW_BINARY(and, T, T, (a != 0) & (b != 0))
EW_BINARY(or, T, T, (a | b) != 0)
EW_BINARY(xor, T, T, (a != 0) ^ (b != 0))
EW_BINARY(equal, T, T, (a != 0) == (b != 0))
#undef T
#undef EW_NAME
#undef EW_LINK

static sn_ew_fn *const ew_table_bool[SN_EW_OPS] = {
    [SN_EW_NOT] = ew_not_bool, [SN_EW_AND] = ew_and_bool,     [SN_EW_OR] = ew_or_bool,
    [SN_EW_XOR] = ew_xor_bool, [SN_EW_EQUAL] = ew_equal_bool,
};

sn_ew_fn *sn_elementwise_ref(sn_ew_op op, setsuna_dtype dtype)
{
    switch (dtype) {
    case SETSUNA_F64: return ew_table_f64[op];
    case SETSUNA_I8: return ew_table_i8[op];
    case SETSUNA_I16: return ew_table_i16[op];
    case SETSUNA_I32: return ew_table_i32[op];
    case SETSUNA_I64: return ew_table_i64[op];
    case SETSUNA_U8: return ew_table_u8[op];
    case SETSUNA_U16: return ew_table_u16[op];
    case SETSUNA_U32: return ew_table_u32[op];
    case SETSUNA_U64: return ew_table_u64[op];
    case SETSUNA_BOOL: return ew_table_bool[op];
    default: return NULL;
    }
}
