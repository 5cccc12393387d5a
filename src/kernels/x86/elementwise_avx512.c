#include "kernels/elementwise.h"
#include "kernels/x86/vmath_avx512.h"

#define EW_NAME(op) sn_ew_##op##_f32_avx512
#include "kernels/simd/elementwise_simd.inc"
