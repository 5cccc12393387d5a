#define POOL_LEVEL avx2
#include "kernels/ref/pooling_body.inc"
