#define POOL_LEVEL avx512
#include "kernels/ref/pool_body.inc"
