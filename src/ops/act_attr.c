#include "ops/act_attr.h"
#include <string.h>

setsuna_status sn_op_activation(sn_op_ctx *c, sn_act *out)
{
    static const char *const names[] = {
#define ACT_ATTR_NAME(name, text) text,
        SN_ACT_LIST(ACT_ATTR_NAME)
#undef ACT_ATTR_NAME
    };
    const char *text = sn_node_string(c->node, "activation", "none");
    for (unsigned i = 0; i < SN_ACT_KINDS; i++)
        if (strcmp(text, names[i]) == 0) {
            *out =
                (sn_act){(sn_act_kind)i, sn_node_float(c->node, "act_alpha", 0), sn_node_float(c->node, "act_beta", 0)};
            return SETSUNA_OK;
        }
    return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'activation' is '%.32s'", text);
}
