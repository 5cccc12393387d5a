#include "kernels/pool_plain.h"
#include <math.h>

#define POOL_T float
#define POOL_LOWEST (-INFINITY)
#define POOL_NAME sn_pool_plain_max_f32
#include "kernels/ref/pool_max.inc"

#define POOL_T double
#define POOL_LOWEST ((double)-INFINITY)
#define POOL_NAME sn_pool_plain_max_f64
#include "kernels/ref/pool_max.inc"

#define POOL_T int8_t
#define POOL_LOWEST INT8_MIN
#define POOL_NAME sn_pool_plain_max_i8
#include "kernels/ref/pool_max.inc"

#define POOL_T uint8_t
#define POOL_LOWEST 0
#define POOL_NAME sn_pool_plain_max_u8
#include "kernels/ref/pool_max.inc"

#define POOL_T float
#define POOL_NAME sn_pool_plain_norm_f32
#include "kernels/ref/pool_norm.inc"

#define POOL_T double
#define POOL_NAME sn_pool_plain_norm_f64
#include "kernels/ref/pool_norm.inc"
