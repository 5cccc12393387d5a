#include "kernels/norm.h"
#include "kernels/x86/vmath_avx2.h"
#include <math.h>
#include <stddef.h>

#define NORM_SYMBOL(entry) sn_norm_f32_##entry##_avx2
#include "kernels/simd/norm_simd.inc"
