#define POOL_LEVEL neon
#define POOL_OWN_BLOCKS
#include "kernels/ref/pool_body.inc"
#include "kernels/arm/vmath_neon.h"

#define POOL_REF(base) sn_pool_f32_##base##_ref
#include "kernels/simd/pool_block.inc"
