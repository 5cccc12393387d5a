/* Convolutions and matrix products over bytes: setsuna.QConv and setsuna.QGemm (ops/qproduct.c). */
#include "passes/quantised.h"
#include <math.h>
#include <string.h>

enum { QP_X, QP_W, QP_S, QP_B, QP_Z, QP_INPUTS };

/* The weights: constants of the graph. */
typedef struct quant_weights {
    uint32_t w, s, z; /* z: SN_NONE is zeros */
    int64_t n;        /* output channels */
} quant_weights;

static bool product_is_small(const sn_const *c)
{
    return sn_const_is_readable(c);
}

static bool product_scales_fit(const sn_graph *g, uint32_t v, int64_t n)
{
    const sn_const *c = sn_graph_const(g, v);
    int64_t count;
    if (!c || c->t.dtype != SETSUNA_F32 || c->t.shape.rank > 1 || !sn_shape_numel(&c->t.shape, &count) ||
        (count != 1 && count != n) || !product_is_small(c))
        return false;
    for (int64_t i = 0; i < count; i++) {
        double s = sn_tensor_get_f64(&c->t, i);
        if (!(s >= 0) || !(s < (double)INFINITY))
            return false;
    }
    return true;
}

/* w, s, z of bytes along an axis of n channels; n is its extent. */
static bool product_weights_fit(const sn_graph *g, quant_weights *k)
{
    const sn_const *w = sn_graph_const(g, k->w), *z = sn_graph_const(g, k->z);
    int64_t count;
    if (!w || (w->t.dtype != SETSUNA_I8 && w->t.dtype != SETSUNA_U8) || !sn_shape_numel(&w->t.shape, &count) ||
        count < 1 || !product_scales_fit(g, k->s, k->n))
        return false;
    if (k->z == SN_NONE)
        return true;
    return z && z->t.dtype == w->t.dtype && z->t.shape.rank <= 1 && sn_shape_numel(&z->t.shape, &count) &&
           (count == 1 || count == k->n) && product_is_small(z);
}

/* Weights that DequantizeLinear makes of constant bytes, with a scale for all or one along `axis`. */
static bool product_weights(const sn_quant_graph *t, uint32_t v, int32_t axis, int32_t rank, quant_weights *out)
{
    const sn_graph *g = t->g;
    if (v >= t->n_value || t->uses.producer[v] == SN_NONE)
        return false;
    const sn_node *n = &g->node[t->uses.producer[v]];
    int32_t at;
    if (!sn_node_is(n, "", "DequantizeLinear") || sn_node_int(n, "block_size", 0) != 0 ||
        g->value[n->in[0]].shape.rank != rank || !g->value[n->in[0]].has_shape)
        return false;
    *out = (quant_weights){n->in[0], n->in[1], sn_node_in(n, 2), g->value[n->in[0]].shape.dim[axis]};
    if (!product_weights_fit(g, out))
        return false;
    int64_t count;
    return (sn_shape_numel(&g->value[out->s].shape, &count) && count == 1) ||
           (sn_axis_normalize(sn_node_int(n, "axis", 1), rank, &at) && at == axis);
}

/* ---- bias -------------------------------------------------------------------------------------------------- */

static double product_scale_at(const sn_graph *g, uint32_t v, int64_t i)
{
    const sn_const *c = sn_graph_const(g, v);
    return sn_tensor_get_f64(&c->t, c->t.size_bytes == sizeof(float) ? 0 : i);
}

/* n floats become 32-bit integers of scale x_scale * w_scale; false: one does not fit. */
static bool product_round_bias(sn_graph *g, const sn_const *b, const quant_weights *w, float x_scale, int32_t *out)
{
    for (int64_t i = 0; i < w->n; i++) {
        float s = x_scale * (float)product_scale_at(g, w->s, i);
        double v = sn_tensor_get_f64(&b->t, i), q = s > 0 ? nearbyint(v / (double)s) : 0;
        if (!(fabs(q) < 1e9) || (!(s > 0) && (v < 0 || v > 0)))
            return false;
        out[i] = (int32_t)q;
    }
    return true;
}

/* The bias as an i32 constant: the one behind DequantizeLinear, whose scale is the product's, or rounded floats. */
static setsuna_status product_bias(sn_quant_graph *t, uint32_t v, const quant_weights *w, float x_scale, uint32_t *out,
                                   bool *fits)
{
    sn_graph *g = t->g;
    const sn_const *b = sn_graph_const(g, v);
    int64_t count;
    *fits = v == SN_NONE;
    if (v == SN_NONE)
        return SETSUNA_OK;
    if (b) {
        setsuna_shape shape = {.rank = 1, .dim = {w->n}};
        if (b->t.dtype != SETSUNA_F32 || !sn_shape_numel(&b->t.shape, &count) || count != w->n || !product_is_small(b))
            return SETSUNA_OK;
        int32_t *rounded = sn_arena_array(g->arena, (size_t)w->n, sizeof *rounded);
        if (!rounded)
            return SETSUNA_ENOMEM;
        *fits = product_round_bias(g, b, w, x_scale, rounded);
        *out = *fits ? sn_rewrite_const(g, SETSUNA_I32, &shape, rounded) : SN_NONE;
        return *fits && *out == SN_NONE ? SETSUNA_ENOMEM : SETSUNA_OK;
    }
    if (v >= t->n_value || t->uses.producer[v] == SN_NONE)
        return SETSUNA_OK;
    const sn_node *n = &g->node[t->uses.producer[v]];
    const sn_const *q = sn_graph_const(g, sn_node_in(n, 0)), *z = sn_graph_const(g, sn_node_in(n, 2));
    if (!sn_node_is(n, "", "DequantizeLinear") || !q || q->t.dtype != SETSUNA_I32 || q->t.shape.rank != 1 ||
        q->t.shape.dim[0] != w->n || !product_scales_fit(g, n->in[1], w->n) ||
        (sn_node_in(n, 2) != SN_NONE && (!z || !product_is_small(z))))
        return SETSUNA_OK;
    for (size_t i = 0; z && i < z->t.size_bytes / sizeof(int32_t); i++)
        if (sn_tensor_get_i64(&z->t, (int64_t)i) != 0)
            return SETSUNA_OK;
    for (int64_t i = 0; i < w->n; i++) { /* as close as two roundings in f32 leave them */
        double want = (double)(x_scale * (float)product_scale_at(g, w->s, i)), is = product_scale_at(g, n->in[1], i);
        if (fabs(want - is) > 1e-6 * want)
            return SETSUNA_OK;
    }
    *out = n->in[0];
    *fits = true;
    return SETSUNA_OK;
}

/* ---- the node ------------------------------------------------------------------------------------------------ */

/* The integer node, over the twin of x; attributes of the window come from `like`. */
static setsuna_status product_make(sn_quant_graph *t, const char *op, const sn_node *like, uint32_t x,
                                   sn_quant_scale xs, const quant_weights *w, uint32_t bias, const sn_quant_end *end)
{
    static const char *const window[] = {"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides", "transB"};
    uint32_t in[QP_INPUTS] = {0, w->w, w->s, bias, w->z}, out;
    SN_TRY(sn_quant_twin(t, x, &in[QP_X]));
    sn_node *n = sn_quant_node(t, op, like->name, in, QP_INPUTS, &out);
    if (!n || !sn_quant_set_scale(t, n, "x_scale", "x_zero", xs))
        return SETSUNA_ENOMEM;
    for (uint32_t i = 0; i < like->n_attr; i++)
        for (size_t k = 0; k < sizeof window / sizeof window[0]; k++)
            if (strcmp(like->attr[i].name, window[k]) == 0 && !sn_node_add_attr(t->g, n, &like->attr[i]))
                return SETSUNA_ENOMEM;
    if (!end->is_float) {
        if (!sn_quant_set_scale(t, n, "y_scale", "y_zero", end->s) || !sn_node_add_int(t->g, n, "lo", end->lo) ||
            !sn_node_add_int(t->g, n, "hi", end->hi))
            return SETSUNA_ENOMEM;
        return sn_quant_move(t, end->out, out);
    }
    if (!sn_node_add_int(t->g, n, "float", 1))
        return SETSUNA_ENOMEM;
    if (op[1] == 'G') {
        n->out[0] = end->out;
        return SETSUNA_OK;
    }
    n = sn_graph_add_node(t->g, "", "Transpose", 13, like->name, &out, 1, &end->out, 1);
    return n && sn_node_add_ints(t->g, n, "perm", (const int64_t[]){0, 3, 1, 2}, 4) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static bool product_rank_is(const sn_quant_graph *t, uint32_t v, int32_t rank)
{
    return v < t->n_value && t->g->value[v].has_shape && t->g->value[v].shape.rank == rank;
}

/* Which operand is what; false: not a product that QConv or QGemm can be. */
static bool product_match(const sn_quant_graph *t, const sn_node *n, const char **op, int32_t *axis, int32_t *rank)
{
    if (n->n_in < 2 || n->n_out != 1)
        return false;
    if (sn_node_is(n, "", "Conv")) {
        *op = "QConv", *axis = 0, *rank = 4;
        return product_rank_is(t, n->in[0], 4);
    }
    *op = "QGemm", *rank = 2;
    if (sn_node_is(n, "", "MatMul")) {
        *axis = 1;
        return n->in[0] < t->n_value && t->g->value[n->in[0]].shape.rank != 4 && t->g->value[n->in[0]].shape.rank > 0;
    }
    *axis = sn_node_int(n, "transB", 0) ? 0 : 1;
    float alpha = sn_node_float(n, "alpha", 1), beta = sn_node_float(n, "beta", 1);
    return sn_node_is(n, "", "Gemm") && !(alpha < 1) && !(alpha > 1) && !(beta < 1) && !(beta > 1) &&
           sn_node_int(n, "transA", 0) == 0 && product_rank_is(t, n->in[0], 2);
}

setsuna_status sn_quant_product(sn_quant_graph *t, size_t index, const sn_quant_end *end, bool *done)
{
    const sn_node n = t->g->node[index];
    const char *op;
    int32_t axis, rank;
    quant_weights w;
    uint32_t bias = SN_NONE;
    bool fits;
    if (!product_match(t, &n, &op, &axis, &rank) || t->of_real[n.in[0]].quant == SN_NONE ||
        !product_weights(t, n.in[1], axis, rank, &w))
        return SETSUNA_OK;
    const sn_quant_float x = t->of_real[n.in[0]];
    SN_TRY(product_bias(t, sn_node_in(&n, 2), &w, x.s.scale, &bias, &fits));
    if (!fits)
        return SETSUNA_OK;
    t->g->node[index].dead = true;
    *done = true;
    return product_make(t, op, &n, x.quant, x.s, &w, bias, end);
}

setsuna_status sn_quant_qlinear(sn_quant_graph *t, size_t index, bool *done)
{
    const sn_node n = t->g->node[index];
    bool conv = sn_node_is(&n, "", "QLinearConv");
    sn_quant_scale xs, ys;
    uint32_t bias = sn_node_in(&n, 8), q;
    if (n.n_in < 8 || n.n_out != 1 || n.in[0] >= t->n_value || n.in[3] == SN_NONE || !t->g->value[n.in[3]].has_shape)
        return SETSUNA_OK;
    const setsuna_shape *shape = &t->g->value[n.in[3]].shape;
    int32_t rank = conv ? 4 : 2, x_rank = t->g->value[n.in[0]].shape.rank;
    if (shape->rank != rank || (conv ? x_rank != 4 : x_rank == 4 || x_rank < 1) || sn_graph_const(t->g, n.in[0]))
        return SETSUNA_OK;
    quant_weights w = {n.in[3], n.in[4], n.in[5], shape->dim[conv ? 0 : 1]};
    if (!product_weights_fit(t->g, &w) || !sn_quant_read_scale(t->g, &n, 1, t->g->value[n.in[0]].dtype, &xs) ||
        !sn_quant_read_scale(t->g, &n, 6, t->g->value[n.out[0]].dtype, &ys) ||
        (bias != SN_NONE && !sn_graph_const(t->g, bias)))
        return SETSUNA_OK;
    SN_TRY(sn_quant_of(t, n.in[0], &q));
    t->g->node[index].dead = true;
    *done = true;
    return product_make(t, conv ? "QConv" : "QGemm", &n, q, xs, &w, bias, &(sn_quant_end){false, n.out[0], ys, 0, 255});
}
