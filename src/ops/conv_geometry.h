/* From checked attributes to what the plain convolution loops take. */
#ifndef SN_OPS_CONV_GEOMETRY_H
#define SN_OPS_CONV_GEOMETRY_H

#include "kernels/conv_plain.h"
#include "ops/conv_attr.h"

/* n images of ic channels, oc output channels; a's output is resolved. */
void sn_conv_geometry_set(const sn_conv_attr *a, int64_t n, int64_t ic, int64_t oc, sn_conv_geometry *g);

#endif
