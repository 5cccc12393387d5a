#define POOL_LEVEL avx512
#define POOL_OWN_BLOCKS
#include "kernels/ref/pool_body.inc"
#include "kernels/x86/vmath_avx512.h"

#define POOL_REF(base) sn_pool_f32_##base##_ref
#include "kernels/simd/pool_block.inc"
