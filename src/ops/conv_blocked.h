/* What the operators over blocked channels share (ops/conv_blocked.c). */
#ifndef SN_OPS_CONV_BLOCKED_H
#define SN_OPS_CONV_BLOCKED_H

#include "kernels/conv.h"
#include "ops/op.h"

/* Inputs of setsuna.Conv and setsuna.ConvTranspose; R of the former only. */
enum { CONV_BLOCKED_X, CONV_BLOCKED_W, CONV_BLOCKED_B, CONV_BLOCKED_S, CONV_BLOCKED_R };

/* The attributes that end a convolution. */
#define SN_CONV_BLOCKED_ATTRS "block:i activation:s act_alpha:f act_beta:f act_scale:f act_shift:f "

/* Reads them into the spec. Returns OK or EMODEL. */
setsuna_status sn_conv_blocked_act(sn_op_ctx *c, sn_conv_spec *s);

/* X and R are f32 or bf16, W, B and S f32 constants. B and S have `oc` elements. */
setsuna_status sn_conv_blocked_constants(sn_op_ctx *c, int64_t oc);

/* [N, blocks, spatial..., b] of a plain shape. */
setsuna_shape sn_conv_blocked_shape(const setsuna_shape *plain, int64_t b);

/* A tensor of this shape is within what kernels/conv.h asks for. */
setsuna_status sn_conv_blocked_fits(sn_op_ctx *c, const setsuna_shape *s);

/* The plain shape of X, whose rank must be W's when it is plain, one more when it is blocked. */
setsuna_status sn_conv_blocked_input(sn_op_ctx *c, int64_t channels, int64_t b, setsuna_shape *x, bool *plain);

/* The node's attribute block: b or 0. */
setsuna_status sn_conv_blocked_block(sn_op_ctx *c, int64_t b, int64_t *out);

#endif
