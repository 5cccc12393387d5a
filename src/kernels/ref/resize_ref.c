#define RESIZE_LEVEL ref
#include "kernels/ref/resize_body.inc"
