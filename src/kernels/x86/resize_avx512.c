#define RESIZE_LEVEL avx512
#include "kernels/ref/resize_body.inc"
