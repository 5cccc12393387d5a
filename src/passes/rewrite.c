#include "passes/rewrite.h"
#include "base/hash.h"
#include <math.h>
#include <string.h>

bool sn_rewrite_is_f32(const sn_graph *g, uint32_t v)
{
    return v != SN_NONE && g->value[v].dtype == SETSUNA_F32 && g->value[v].has_shape &&
           sn_shape_known(&g->value[v].shape);
}

/* All elements, or all but those along axis 1 of an image of shape x, are one. */
static bool rewrite_is_channels(const setsuna_shape *c, const setsuna_shape *x, bool *per_channel)
{
    *per_channel = false;
    if (c->rank > x->rank)
        return false;
    for (int32_t i = 0; i < c->rank; i++) {
        int32_t axis = i + x->rank - c->rank;
        if (c->dim[i] == 1)
            continue;
        if (axis != 1 || c->dim[i] != x->dim[1])
            return false;
        *per_channel = true;
    }
    return true;
}

bool sn_match_affine(const sn_graph *g, const sn_node *n, sn_affine *out)
{
    static const struct {
        const char *op;
        bool product, inverse;
    } ops[] = {{"Mul", true, false}, {"Add", false, false}, {"Div", true, true}, {"Sub", false, true}};
    if (n->n_in != 2 || n->n_out != 1 || n->domain[0])
        return false;
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (!sn_node_is(n, "", ops[i].op))
            continue;
        bool swap = !ops[i].inverse && sn_graph_const(g, n->in[0]);
        sn_affine a = {n->in[swap], ops[i].product, ops[i].inverse, false, sn_graph_const(g, n->in[!swap])};
        if (!a.c || sn_graph_const(g, a.x) || !sn_rewrite_is_f32(g, a.x) || !sn_rewrite_is_f32(g, n->out[0]) ||
            !sn_shape_equal(&g->value[a.x].shape, &g->value[n->out[0]].shape) || !sn_const_is_readable(a.c) ||
            !rewrite_is_channels(&a.c->t.shape, &g->value[a.x].shape, &a.per_channel))
            return false;
        *out = a;
        return true;
    }
    return false;
}

double sn_affine_at(const sn_affine *a, int64_t channel)
{
    double v = sn_tensor_get_f64(&a->c->t, a->per_channel ? channel : 0);
    if (!a->inverse)
        return v;
    return a->product ? 1 / v : -v;
}

uint32_t sn_rewrite_const(sn_graph *g, setsuna_dtype dtype, const setsuna_shape *shape, void *data)
{
    setsuna_tensor t = {.dtype = dtype, .shape = *shape, .data = data};
    if (!sn_tensor_bytes(dtype, shape, &t.size_bytes))
        return SN_NONE;
    return sn_graph_add_const(g, "", &t, sn_const_uid(&t));
}

uint32_t sn_rewrite_const_i64(sn_graph *g, const int64_t *v, size_t n)
{
    setsuna_shape shape = {.rank = 1, .dim = {(int64_t)n}};
    int64_t *copy = sn_arena_array(g->arena, n, sizeof *copy);
    if (!copy)
        return SN_NONE;
    memcpy(copy, v, n * sizeof *copy);
    return sn_rewrite_const(g, SETSUNA_I64, &shape, copy);
}

uint32_t sn_rewrite_const_reshape(sn_graph *g, uint32_t v, const setsuna_shape *shape)
{
    sn_const *c = sn_arena_alloc(g->arena, sizeof *c);
    uint32_t made = c ? sn_graph_add_value(g, g->value[v].name, g->value[v].dtype) : SN_NONE;
    if (made == SN_NONE)
        return SN_NONE;
    *c = *g->value[v].cst;
    c->t.shape = *shape;
    c->uid = sn_hash_bytes(sn_hash_str(c->uid, "reshape"), shape->dim, (size_t)shape->rank * sizeof shape->dim[0]);
    g->value[made].has_shape = true;
    g->value[made].shape = *shape;
    g->value[made].cst = c;
    return made;
}

bool sn_node_set_in(sn_graph *g, sn_node *n, uint32_t i, uint32_t v)
{
    uint32_t n_in = i < n->n_in ? n->n_in : i + 1;
    uint32_t *in = sn_arena_array(g->arena, n_in, sizeof *in);
    if (!in)
        return false;
    for (uint32_t k = 0; k < n_in; k++)
        in[k] = k < n->n_in ? n->in[k] : SN_NONE;
    in[i] = v;
    n->in = in;
    n->n_in = n->n_formal = n_in;
    return true;
}

void sn_node_become(sn_node *n, const char *op)
{
    n->domain = "setsuna";
    n->op = op;
    n->opset = 1;
}

/* The bounds of a Clip: attributes before opset 11, inputs since. false: not constant. */
static bool rewrite_clip(const sn_graph *g, const sn_node *n, sn_rewrite_act *out)
{
    float bound[2] = {sn_node_float(n, "min", -INFINITY), sn_node_float(n, "max", INFINITY)};
    for (uint32_t i = 1; i < 3; i++) {
        const sn_const *c = sn_graph_const(g, sn_node_in(n, i));
        if (sn_node_in(n, i) == SN_NONE)
            continue;
        if (!c || !sn_const_is_readable(c) || c->t.size_bytes != sizeof(float))
            return false;
        bound[i - 1] = (float)sn_tensor_get_f64(&c->t, 0);
    }
    *out = (sn_rewrite_act){"clip", bound[0], bound[1]};
    return bound[0] <= bound[1];
}

bool sn_rewrite_match_act(const sn_graph *g, const sn_node *n, sn_rewrite_act *out)
{
    static const struct {
        const char *domain, *op, *name;
        float alpha, beta; /* defaults of the attributes */
    } acts[] = {{"", "Relu", "relu", 0, 0},
                {"", "LeakyRelu", "leaky_relu", 0.01f, 0},
                {"", "Sigmoid", "sigmoid", 0, 0},
                {"", "Tanh", "tanh", 0, 0},
                {"", "HardSigmoid", "hard_sigmoid", 0.2f, 0.5f},
                {"", "HardSwish", "hard_swish", 0, 0},
                {"setsuna", "Swish", "silu", 1, 0}};
    if (sn_node_is(n, "", "Clip"))
        return rewrite_clip(g, n, out);
    if (sn_node_is(n, "", "Gelu")) {
        bool tanh_form = strcmp(sn_node_string(n, "approximate", "none"), "tanh") == 0;
        *out = (sn_rewrite_act){tanh_form ? "gelu_tanh" : "gelu", 0, 0};
        return true;
    }
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        if (sn_node_is(n, acts[i].domain, acts[i].op)) {
            *out = (sn_rewrite_act){acts[i].name, sn_node_float(n, "alpha", acts[i].alpha),
                                    sn_node_float(n, "beta", acts[i].beta)};
            return true;
        }
    return false;
}
