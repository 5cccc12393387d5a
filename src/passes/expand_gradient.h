/* Gradient nodes become the nodes that compute them, right after import. */
#ifndef SN_PASSES_EXPAND_GRADIENT_H
#define SN_PASSES_EXPAND_GRADIENT_H

#include "graph/graph.h"

/* Returns OK, EMODEL (no such value, a cycle), EUNSUPPORTED (an operator without a rule, named), ENOMEM. */
setsuna_status sn_expand_gradients(sn_graph *g, setsuna_error *err);

#endif
