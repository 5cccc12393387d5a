#include "kernels/rdft.h"
#include "kernels/transpose.h"
#include "kernels/x86/vmath_avx512.h"

#define RDFT_SYMBOL(entry) sn_rdft_##entry##_avx512
#define RDFT_TRANSPOSE sn_transpose_x4_avx512
#include "kernels/simd/rdft_simd.inc"
