#include "kernels/qpoint.h"

#define QPOINT(name) sn_qpoint_##name##_avx2
#include "kernels/ref/qpoint_body.inc"
