#include "kernels/softmax.h"
#include "kernels/x86/vmath_avx512.h"
#include <math.h>
#include <stddef.h>

#define SOFTMAX_SYMBOL(entry) sn_softmax_f32_##entry##_avx512
#include "kernels/simd/softmax_simd.inc"
