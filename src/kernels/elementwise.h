/* Elementwise kernels: y = f(a, b, c) over a tile of rows x cols.
 *
 * A tile is the inner part of a broadcast loop nest (ops/nest.h): y is dense, each operand has a distance between its
 * rows and between its columns. The patterns that matter are all tiles of one call:
 *
 *     tensor op tensor           1 x n      row -      col 1, 1
 *     tensor op scalar           1 x n      row -      col 1, 0
 *     [C,HW] op [C,1]            C x HW     row HW, 1  col 1, 0
 *     [T,D] op [D]               T x D      row D, 0   col 1, 1
 *     [HW,16] op [16] (blocked)  HW x 16    row 16, 0  col 1, 1
 */
#ifndef SN_KERNELS_ELEMENTWISE_H
#define SN_KERNELS_ELEMENTWISE_H

#include "base/cpu.h"
#include <setsuna/tensor.h>
#include <stdint.h>

/* X(NAME, name, operands): what each computes, k[] being the parameters (float[], clip: two elements of the tensor's
 * type). NaN in any operand gives NaN, except through a comparison (thresholded_relu, shrink). Definitions are those
 * of the ONNX operators of that name.
 *
 * On integers: results wrap; a division or remainder by 0 gives 0; shifts by the width or more give 0. */
#define SN_EW_LIST(X)                                                                                                  \
    X(ABS, abs, 1)                                                                                                     \
    X(ACOS, acos, 1)                                                                                                   \
    X(ACOSH, acosh, 1)                                                                                                 \
    X(ASIN, asin, 1)                                                                                                   \
    X(ASINH, asinh, 1)                                                                                                 \
    X(ATAN, atan, 1)                                                                                                   \
    X(ATANH, atanh, 1)                                                                                                 \
    X(CEIL, ceil, 1)                                                                                                   \
    X(COS, cos, 1)                                                                                                     \
    X(COSH, cosh, 1)                                                                                                   \
    X(ERF, erf, 1)                                                                                                     \
    X(EXP, exp, 1)                                                                                                     \
    X(FLOOR, floor, 1)                                                                                                 \
    X(LOG, log, 1)                                                                                                     \
    X(NEG, neg, 1)                                                                                                     \
    X(RECIPROCAL, reciprocal, 1)                                                                                       \
    X(ROUND, round, 1) /* half to even */                                                                              \
    X(SIGN, sign, 1)                                                                                                   \
    X(SIN, sin, 1)                                                                                                     \
    X(SINH, sinh, 1)                                                                                                   \
    X(SQRT, sqrt, 1)                                                                                                   \
    X(TAN, tan, 1)                                                                                                     \
    X(TANH, tanh, 1)                                                                                                   \
    X(SQUARE, square, 1) /* a a */                                                                                     \
    X(CUBE, cube, 1)     /* a a a */                                                                                   \
    X(RSQRT, rsqrt, 1)   /* 1 / sqrt(a) */                                                                             \
    X(RELU, relu, 1)                                                                                                   \
    X(LEAKY_RELU, leaky_relu, 1) /* k alpha */                                                                         \
    X(ELU, elu, 1)               /* k alpha */                                                                         \
    X(SELU, selu, 1)             /* k alpha gamma */                                                                   \
    X(CELU, celu, 1)             /* k alpha */                                                                         \
    X(SIGMOID, sigmoid, 1)                                                                                             \
    X(HARD_SIGMOID, hard_sigmoid, 1) /* k alpha beta */                                                                \
    X(HARD_SWISH, hard_swish, 1)                                                                                       \
    X(SOFTPLUS, softplus, 1)                                                                                           \
    X(SOFTSIGN, softsign, 1)                                                                                           \
    X(THRESHOLDED_RELU, thresholded_relu, 1) /* k alpha */                                                             \
    X(SHRINK, shrink, 1)                     /* k lambd bias */                                                        \
    X(SWISH, swish, 1)                       /* a sigmoid(k a), k alpha */                                             \
    X(GELU, gelu, 1)                                                                                                   \
    X(GELU_TANH, gelu_tanh, 1)                                                                                         \
    X(MISH, mish, 1)                                                                                                   \
    X(CLIP, clip, 1)     /* min(k[1], max(k[0], a)) */                                                                 \
    X(IS_INF, is_inf, 1) /* y bool; k detect_negative detect_positive */                                               \
    X(IS_NAN, is_nan, 1) /* y bool */                                                                                  \
    X(NOT, not, 1)       /* bool */                                                                                    \
    X(BIT_NOT, bit_not, 1)                                                                                             \
    X(ADD, add, 2)                                                                                                     \
    X(SUB, sub, 2)                                                                                                     \
    X(MUL, mul, 2)                                                                                                     \
    X(DIV, div, 2) /* integers: towards zero */                                                                        \
    X(POW, pow, 2)                                                                                                     \
    X(POW_F64, pow_f64, 2) /* b is f64 */                                                                              \
    X(POW_I64, pow_i64, 2) /* b is i64 */                                                                              \
    X(MOD, mod, 2)         /* sign of b; integers only */                                                              \
    X(FMOD, fmod, 2)       /* sign of a */                                                                             \
    X(MAX, max, 2)                                                                                                     \
    X(MIN, min, 2)                                                                                                     \
    X(PRELU, prelu, 2) /* a < 0 ? a b : a */                                                                           \
    X(AND, and, 2)     /* bool */                                                                                      \
    X(OR, or, 2)                                                                                                       \
    X(XOR, xor, 2)                                                                                                     \
    X(BIT_AND, bit_and, 2)                                                                                             \
    X(BIT_OR, bit_or, 2)                                                                                               \
    X(BIT_XOR, bit_xor, 2)                                                                                             \
    X(SHIFT_LEFT, shift_left, 2) /* unsigned */                                                                        \
    X(SHIFT_RIGHT, shift_right, 2)                                                                                     \
    X(EQUAL, equal, 2) /* y bool, and so on down */                                                                    \
    X(GREATER, greater, 2)                                                                                             \
    X(GREATER_EQUAL, greater_equal, 2)                                                                                 \
    X(LESS, less, 2)                                                                                                   \
    X(LESS_EQUAL, less_equal, 2)

typedef enum sn_ew_op {
#define SN_EW_ENUM(NAME, name, n_in) SN_EW_##NAME,
    SN_EW_LIST(SN_EW_ENUM)
#undef SN_EW_ENUM
        SN_EW_OPS
} sn_ew_op;

enum { SN_EW_IN_MAX = 3 };

/* One call. Operators of one operand take a dense tile: in[0] has rows * cols elements, its strides are not read.
 * Aliasing: y may be in[i] exactly where that operand has y's layout and element size; no other overlap.
 * Nothing outside the tile is read or written. Any rows, cols >= 0. */
typedef struct sn_ew_args {
    void *y; /* rows x cols, dense */
    const void *in[SN_EW_IN_MAX];
    int64_t rows, cols;
    int64_t row[SN_EW_IN_MAX]; /* elements from a row to the next; 0: the row repeats */
    int64_t col[SN_EW_IN_MAX]; /* 1, or 0: one element is the whole row */
    const void *param;         /* k[], see SN_EW_LIST */
} sn_ew_args;

typedef void sn_ew_fn(const sn_ew_args *p);

typedef struct sn_ew_kernel {
    sn_ew_fn *fn; /* NULL: no such operation on this type */
    const char *name;
} sn_ew_kernel;

/* The f32 kernels of one level, the family's table. */
typedef struct sn_elementwise_table {
#define SN_EW_ENTRY(NAME, name, n_in) sn_ew_kernel f32_##name;
    SN_EW_LIST(SN_EW_ENTRY)
#undef SN_EW_ENTRY
} sn_elementwise_table;

void sn_elementwise_table_init(sn_elementwise_table *t, sn_cpu_level level);

/* The entry of op. */
sn_ew_kernel sn_elementwise_entry(const sn_elementwise_table *t, sn_ew_op op);

/* The kernel for op on tensors of dtype: f32 from the level's table, the other types in C for any CPU (f64, i8..u64,
 * bool; fn is NULL for what is not defined or f16, bf16). */
sn_ew_kernel sn_elementwise_find(sn_cpu_level level, sn_ew_op op, setsuna_dtype dtype);

/* Operands of op, 1 or 2. */
int sn_ew_operands(sn_ew_op op);

/* The reference for types other than f32; NULL: not defined. */
sn_ew_fn *sn_elementwise_ref(sn_ew_op op, setsuna_dtype dtype);

/* y = in[0] ? in[1] : in[2]; in[0] is bool, the others and y have elements of size_bytes 1, 2, 4, 8 or 16.
 * NULL for another size. */
sn_ew_fn *sn_elementwise_where(size_t size_bytes);

/* Symbols of the f32 kernels. */
#define KERNEL(family, entry, level, symbol, numerics) sn_ew_fn symbol;
#include "kernels/elementwise.inc"
#undef KERNEL

#endif
