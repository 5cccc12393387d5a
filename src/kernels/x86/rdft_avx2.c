#include "kernels/rdft.h"
#include "kernels/transpose.h"
#include "kernels/x86/vmath_avx2.h"

#define RDFT_SYMBOL(entry) sn_rdft_##entry##_avx2
#define RDFT_TRANSPOSE sn_transpose_x4_avx2
#include "kernels/simd/rdft_simd.inc"
