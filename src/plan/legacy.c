/* Operators of opsets 1 to 6 whose broadcasting was told by attributes, as their successors.
 *
 *     Add-6 {broadcast=1 axis=1} (a [N,C,H,W], b [C])   ⇒   Add-7 (a, Reshape(b, [C,1,1]))
 *     PRelu-6 (x [N,C,H,W], slope [C])                  ⇒   PRelu-9 (x, Reshape(slope, [C,1,1]))
 *
 * Without axis the shapes of b and of a's end agree, which is what numpy broadcasting does. Source: Add-6, PRelu-6.
 */
#include "plan/build.h"
#include <string.h>

bool sn_is_legacy_op(const sn_node *n)
{
    static const char *const names[] = {"Add", "Sub", "Mul",   "Div",     "Pow",  "And",
                                        "Or",  "Xor", "Equal", "Greater", "Less", "PRelu"};
    for (size_t i = 0; n->opset < 7 && !n->domain[0] && i < sizeof names / sizeof names[0]; i++)
        if (strcmp(n->op, names[i]) == 0)
            return n->n_in == 2 && n->n_out == 1;
    return false;
}

/* Where the second operand's first axis lies in the first operand. false: it does not fit there. */
static bool legacy_axis(const sn_node *n, const setsuna_shape *a, const setsuna_shape *b, int32_t *axis)
{
    int64_t at = sn_node_int(n, "axis", -1);
    int64_t elements = 0;
    sn_shape_numel(b, &elements);
    *axis = a->rank - b->rank;
    if (strcmp(n->op, "PRelu") == 0)
        at = elements > 1 && b->rank == 1 && a->rank > 1 ? 1 : *axis;
    else if (!sn_node_int(n, "broadcast", 0))
        return sn_shape_equal(a, b);
    else if (sn_node_attr(n, "axis"))
        at += at < 0 ? a->rank : 0;
    else
        at = *axis;
    if (at < 0 || at + b->rank > a->rank)
        return elements == 1 && b->rank == 0;
    *axis = (int32_t)at;
    return true;
}

setsuna_status sn_lower_legacy(sn_build *b, const sn_node *n, sn_node **made_out, size_t *n_made)
{
    sn_graph *g = b->graph;
    const sn_value *x = &g->value[n->in[0]], *y = &g->value[n->in[1]];
    int32_t axis;
    if (!legacy_axis(n, &x->shape, &y->shape, &axis))
        return sn_fail(b->err, SETSUNA_ESHAPE, NULL, "the second operand does not broadcast as its attributes say");
    int64_t *dims = sn_arena_array(g->arena, SETSUNA_RANK_MAX, sizeof *dims);
    sn_node *made = sn_arena_array(b->scratch, 2, sizeof *made);
    uint32_t *io = sn_arena_array(g->arena, 6, sizeof *io);
    if (!dims || !made || !io)
        return SETSUNA_ENOMEM;
    int64_t rank = x->shape.rank - axis; /* of the operand with ones behind it */
    for (int32_t d = 0; d < rank; d++)
        dims[d] = d < y->shape.rank ? y->shape.dim[d] : 1;
    setsuna_tensor shape = {SETSUNA_I64, {.rank = 1, .dim = {rank}}, dims, (size_t)rank * sizeof *dims};
    uint32_t second = sn_graph_add_value(g, "", SETSUNA_DTYPE_NONE);
    uint32_t to = sn_graph_add_const(g, "", &shape, sn_const_uid(&shape));
    if (second == SN_NONE || to == SN_NONE)
        return SETSUNA_ENOMEM;
    io[0] = n->in[1];
    io[1] = to;
    io[2] = second;
    io[3] = n->in[0];
    io[4] = second;
    io[5] = n->out[0];
    made[0] = (sn_node){.name = n->name,
                        .op = "Reshape",
                        .domain = "",
                        .opset = 7,
                        .n_in = 2,
                        .n_out = 1,
                        .n_formal = 2,
                        .in = io,
                        .out = io + 2};
    made[1] = (sn_node){.name = n->name,
                        .op = n->op,
                        .domain = "",
                        .opset = strcmp(n->op, "PRelu") == 0 ? 9 : 7,
                        .n_in = 2,
                        .n_out = 1,
                        .n_formal = 2,
                        .in = io + 3,
                        .out = io + 5};
    *made_out = made;
    *n_made = 2;
    return SETSUNA_OK;
}
