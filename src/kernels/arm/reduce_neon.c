#include "kernels/reduce.h"
#include "kernels/arm/vmath_neon.h"
#include <math.h>

#define REDUCE_SYMBOL(entry) sn_reduce_f32_##entry##_neon
#include "kernels/simd/reduce_simd.inc"
