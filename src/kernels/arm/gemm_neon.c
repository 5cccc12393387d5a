/* 32 registers of 4 floats, taken in pairs: 24 accumulators, 4 of b, 1 of a. */
#include "kernels/gemm.h"
#include "kernels/arm/vmath_neon.h"

#define GEMM_MR 6
#define GEMM_ROWS(X, nv) X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv) X(6, nv)
#define GEMM_STREAMS(X) X(1, 1, 4) X(2, 1, 4) X(3, 1, 2) X(4, 1, 2) X(1, 2, 4) X(2, 2, 2) X(3, 2, 2) X(4, 2, 1)
#define GEMM_TILES sn_gemm_f32_6x16_neon
#include "kernels/simd/gemm_simd.inc"

#define GEMM_PACK sn_gemm_f32_pack_neon
#define GEMM_TURN sn_transpose_x4_neon
#include "kernels/simd/gemm_pack.inc"
