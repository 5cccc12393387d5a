#define POOL_LEVEL ref
#include "kernels/ref/pool_body.inc"
