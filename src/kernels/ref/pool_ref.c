#define POOL_LEVEL ref
#include "kernels/ref/pool.inc"
