#include "kernels/elementwise.h"
#include "kernels/arm/vmath_neon.h"

#define EW_NAME(op) sn_ew_##op##_f32_neon
#include "kernels/simd/elementwise_simd.inc"
