#define POOL_LEVEL avx2
#define POOL_OWN_BLOCKS
#include "kernels/ref/pool_body.inc"
#include "kernels/x86/vmath_avx2.h"

#define POOL_REF(base) sn_pool_f32_##base##_ref
#include "kernels/simd/pool_block.inc"
