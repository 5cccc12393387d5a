/* 32 registers of 16 floats: 28 accumulators, 2 of b, 1 of a. */
#include "kernels/gemm.h"
#include "kernels/x86/vmath_avx512.h"

#define GEMM_MR 14
/* clang-format off */
#define GEMM_ROWS(X, nv)                                                                                               \
    X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv) X(6, nv) X(7, nv) X(8, nv) X(9, nv) X(10, nv) X(11, nv) X(12, nv)      \
    X(13, nv) X(14, nv)
/* clang-format on */
#define GEMM_STREAMS(X) X(1, 1, 4) X(2, 1, 4) X(3, 1, 4) X(4, 1, 4) X(1, 2, 4) X(2, 2, 4) X(3, 2, 2) X(4, 2, 2)
#define GEMM_SYMBOL sn_gemm_f32_14x32_avx512
#include "kernels/simd/gemm_simd.inc"
