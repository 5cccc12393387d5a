#define RESIZE_LEVEL neon
#include "kernels/ref/resize_body.inc"
