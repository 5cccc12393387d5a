#include "kernels/qpoint.h"

#define QPOINT(name) sn_qpoint_##name##_ref
#include "kernels/ref/qpoint_body.inc"
