/* The attribute `activation` of fused operators, with act_alpha and act_beta (kernels/activation.h). */
#ifndef SN_OPS_ACT_ATTR_H
#define SN_OPS_ACT_ATTR_H

#include "kernels/activation.h"
#include "ops/op.h"

/* Absent: none. Returns OK or EMODEL. */
setsuna_status sn_op_activation(sn_op_ctx *c, sn_act *out);

#endif
