#define GEMM_TILES sn_gemm_f32_14x32_avx512
#define GEMM_FMA(a, b, c) _mm512_fmadd_ps(a, b, c)
#include "kernels/x86/gemm_avx512.inc"

#define GEMM_PACK sn_gemm_f32_pack_avx512
#define GEMM_TURN sn_transpose_x4_avx512
#include "kernels/simd/gemm_pack.inc"
