#define POOL_LEVEL avx2
#include "kernels/ref/pool_body.inc"
