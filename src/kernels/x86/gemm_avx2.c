/* 16 registers of 8 floats: 12 accumulators, 2 of b, 1 of a. */
#include "kernels/gemm.h"
#include "kernels/x86/vmath_avx2.h"

#define GEMM_MR 6
#define GEMM_ROWS(X, nv) X(1, nv) X(2, nv) X(3, nv) X(4, nv) X(5, nv) X(6, nv)
#define GEMM_STREAMS(X) X(1, 1, 4) X(2, 1, 4) X(3, 1, 2) X(4, 1, 2) X(1, 2, 4) X(2, 2, 2) X(3, 2, 2) X(4, 2, 1)
#define GEMM_TILES sn_gemm_f32_6x16_avx2
#include "kernels/simd/gemm_simd.inc"

#define GEMM_PACK sn_gemm_f32_pack_avx2
#define GEMM_TURN sn_transpose_x4_avx2
#include "kernels/simd/gemm_pack.inc"
