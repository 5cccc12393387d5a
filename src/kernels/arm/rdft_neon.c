#include "kernels/rdft.h"
#include "kernels/arm/vmath_neon.h"
#include "kernels/transpose.h"

#define RDFT_SYMBOL(entry) sn_rdft_##entry##_neon
#define RDFT_TRANSPOSE sn_transpose_x4_neon
#include "kernels/simd/rdft_simd.inc"
