/* What several passes need to read and change a graph. */
#ifndef SN_PASSES_REWRITE_H
#define SN_PASSES_REWRITE_H

#include "graph/graph.h"

/* Passes read the elements of constants up to this size only, and of those only that are not in a file still. */
enum { SN_REWRITE_CONST_MAX_BYTES = 60 << 10 };

static inline bool sn_const_is_readable(const sn_const *c)
{
    return !c->file && c->t.size_bytes <= SN_REWRITE_CONST_MAX_BYTES;
}

/* A node that multiplies or adds a constant which is one number, or one number per channel (axis 1). */
typedef struct sn_affine {
    uint32_t x;        /* the other operand, of the output's shape; f32 */
    bool product;      /* x * c; otherwise x + c */
    bool inverse;      /* x / c, x - c */
    bool per_channel;  /* otherwise one number for all */
    const sn_const *c; /* f32, readable */
} sn_affine;

/* Mul, Add, Div, Sub of such a form; shapes must be known. */
bool sn_match_affine(const sn_graph *g, const sn_node *n, sn_affine *out);

/* The factor or summand of a channel, inverse applied. */
double sn_affine_at(const sn_affine *a, int64_t channel);

/* What fused operators name in their attributes activation, act_alpha and act_beta (kernels/activation.h). */
typedef struct sn_rewrite_act {
    const char *name;
    float alpha, beta;
} sn_rewrite_act;

/* Relu, LeakyRelu, Clip with constant bounds, Sigmoid, Tanh, HardSigmoid, HardSwish, Gelu, setsuna.Swish. */
bool sn_rewrite_match_act(const sn_graph *g, const sn_node *n, sn_rewrite_act *out);

/* The value is f32 and its whole shape is known. */
bool sn_rewrite_is_f32(const sn_graph *g, uint32_t v);

/* A constant whose elements lie at data, in g->arena. SN_NONE: out of memory. */
uint32_t sn_rewrite_const(sn_graph *g, setsuna_dtype dtype, const setsuna_shape *shape, void *data);

/* A 1-D i64 constant with these elements. SN_NONE: out of memory. */
uint32_t sn_rewrite_const_i64(sn_graph *g, const int64_t *v, size_t n);

/* The constant v under another shape of as many elements. SN_NONE: out of memory. */
uint32_t sn_rewrite_const_reshape(sn_graph *g, uint32_t v, const setsuna_shape *shape);

/* Makes v input i of the node, which may have fewer inputs so far; only for nodes without captured inputs.
 * false: out of memory. */
bool sn_node_set_in(sn_graph *g, sn_node *n, uint32_t i, uint32_t v);

/* Makes n a node of "setsuna" with the same inputs, outputs and attributes. */
void sn_node_become(sn_node *n, const char *op);

#endif
