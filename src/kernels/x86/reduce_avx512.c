#include "kernels/reduce.h"
#include "kernels/x86/vmath_avx512.h"
#include <math.h>

#define REDUCE_SYMBOL(entry) sn_reduce_f32_##entry##_avx512
#include "kernels/simd/reduce_simd.inc"
