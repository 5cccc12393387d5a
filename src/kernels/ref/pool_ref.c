#define POOL_LEVEL ref
#include "kernels/ref/pooling_body.inc"
