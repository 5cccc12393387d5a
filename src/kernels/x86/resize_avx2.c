#define RESIZE_LEVEL avx2
#include "kernels/ref/resize_body.inc"
