#include "kernels/softmax.h"
#include "kernels/arm/vmath_neon.h"
#include <math.h>
#include <stddef.h>

#define SOFTMAX_SYMBOL(entry) sn_softmax_f32_##entry##_neon
#include "kernels/simd/softmax_simd.inc"
