#define POOL_LEVEL avx512
#include "kernels/ref/pooling_body.inc"
