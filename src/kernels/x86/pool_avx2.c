#define POOL_LEVEL avx2
#include "kernels/ref/pool.inc"
