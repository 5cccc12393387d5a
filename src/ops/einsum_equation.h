/* The equation of an Einsum, "bij,bjk->bik", parsed and resolved against the shapes of its operands.
 *
 * Each letter and each axis behind an ellipsis becomes a label with one extent. Extents of 1 broadcast against others,
 * as in numpy. Source: ONNX Einsum-12.
 */
#ifndef SN_OPS_EINSUM_EQUATION_H
#define SN_OPS_EINSUM_EQUATION_H

#include "ops/op.h"

enum {
    SN_EINSUM_LETTERS = 52, /* A-Z are labels 0-25, a-z 26-51: the order in which an implicit output lists them */
    SN_EINSUM_LABELS = SN_EINSUM_LETTERS + SETSUNA_RANK_MAX /* then the axes of the ellipsis, right-aligned */
};

typedef struct sn_einsum_term {
    int32_t rank;
    uint8_t label[SETSUNA_RANK_MAX]; /* of each axis */
} sn_einsum_term;

typedef struct sn_einsum_equation {
    sn_einsum_term in[SN_OP_IN_MAX], out;
    int64_t extent[SN_EINSUM_LABELS]; /* 0 or more; -1: the label does not occur */
} sn_einsum_equation;

/* The attribute `equation` of c->node with the shapes of c->in. Fails with EMODEL (syntax, a wrong number of terms) or
 * ESHAPE (ranks or extents that do not fit, more than SETSUNA_RANK_MAX axes). */
setsuna_status sn_einsum_equation_parse(sn_op_ctx *c, sn_einsum_equation *e);

#endif
