/* Operators whose output is their input's bytes: no step runs for them unless a copy is needed. */
#include "ops/op.h"
#include <string.h>

typedef struct identity_param {
    size_t size_bytes;
} identity_param;

static setsuna_status identity_run(const sn_step *s, sn_run *r)
{
    const identity_param *p = s->param;
    if (p->size_bytes && sn_out(s, r, 0) != sn_in(s, r, 0))
        memmove(sn_out(s, r, 0), sn_in(s, r, 0), p->size_bytes);
    return SETSUNA_OK;
}

/* The step of every SN_OP_ALIAS operator, for when the output must have memory of its own (a graph output). */
setsuna_status sn_bind_copy(sn_op_ctx *c, sn_step *s)
{
    identity_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    if (!sn_tensor_bytes(c->out[0].dtype, &c->out[0].shape, &p->size_bytes))
        return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "tensors of %s cannot be copied",
                          setsuna_dtype_name(c->out[0].dtype));
    s->run = identity_run;
    s->param = p;
    s->kernel = "copy";
    s->bytes = 2.0 * (double)p->size_bytes;
    return SETSUNA_OK;
}

const sn_op sn_ops_identity[] = {
    {"", "Identity", 1, 0, 1, 1, 1, 1, SN_OP_ALIAS, "", sn_infer_same, sn_bind_copy},
    {.name = NULL},
};
