#include "kernels/norm.h"
#include "kernels/arm/vmath_neon.h"
#include <math.h>
#include <stddef.h>

#define NORM_SYMBOL(entry) sn_norm_f32_##entry##_neon
#include "kernels/simd/norm_simd.inc"
