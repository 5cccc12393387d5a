/* The attributes that convolutions and pools share: window, strides, dilations, padding, groups.
 *
 * Everything is brought to three spatial dims D, H, W: a model with fewer has leading dims of extent 1, window 1,
 * stride 1 and no padding, so that one loop nest serves 1-D, 2-D and 3-D.
 */
#ifndef SN_OPS_CONV_ATTR_H
#define SN_OPS_CONV_ATTR_H

#include "ops/op.h"

enum { SN_SPATIAL_MAX = 3 };

/* How the padding is found. */
typedef enum sn_auto_pad { SN_PAD_EXPLICIT, SN_PAD_SAME_UPPER, SN_PAD_SAME_LOWER, SN_PAD_VALID } sn_auto_pad;

typedef struct sn_conv_attr {
    int32_t n_dim; /* spatial dims of the model, 1 to 3; they are the last n_dim of each array */
    int64_t group;
    sn_auto_pad auto_pad;
    int64_t in[SN_SPATIAL_MAX];  /* input extents, >= 0 */
    int64_t out[SN_SPATIAL_MAX]; /* output extents: set by sn_conv_attr_output */
    int64_t kernel[SN_SPATIAL_MAX], stride[SN_SPATIAL_MAX], dilation[SN_SPATIAL_MAX]; /* 1 to INT32_MAX */
    int64_t pad_lo[SN_SPATIAL_MAX], pad_hi[SN_SPATIAL_MAX]; /* 0 to INT32_MAX; resolved by sn_conv_attr_output */
} sn_conv_attr;

/* Reads auto_pad, dilations, group, kernel_shape, pads and strides of the node; attributes it does not have take their
 * defaults. x: the input [N, C, spatial...]. w: the weights [., ., window...] that the window is taken from (and that
 * kernel_shape must agree with), or NULL: then kernel_shape must be there.
 * out->out is not set. Returns OK, EUNSUPPORTED (more than three spatial dims), ESHAPE or EMODEL. */
setsuna_status sn_conv_attr_read(sn_op_ctx *c, const setsuna_shape *x, const setsuna_shape *w, sn_conv_attr *out);

/* Output extents of a convolution or pool, and with auto_pad the padding. ceil_mode rounds up, but never so far that a
 * window begins beyond the input and its left padding. Returns OK, ESHAPE (the window is larger than the padded input).
 */
setsuna_status sn_conv_attr_output(sn_op_ctx *c, bool ceil_mode, sn_conv_attr *a);

/* [n, channels, out...] with the model's number of dims. */
setsuna_shape sn_conv_attr_shape(const sn_conv_attr *a, int64_t n, int64_t channels);

/* infer's whole work for Conv-like operators with input x (index xi), weights [M, C/group, window...] (index wi) and
 * an optional bias of M (index bi; SN_NONE: the operator has none): reads, checks channels and groups, resolves
 * the output. Sets output 0's shape and type `dtype`. */
setsuna_status sn_conv_infer(sn_op_ctx *c, uint32_t xi, uint32_t wi, uint32_t bi, setsuna_dtype dtype,
                             sn_conv_attr *out);

#endif
