/* recognise-norm: a layer normalisation that an exporter spelled out becomes one node again.
 *
 *     x ─▶ ReduceMean ─▶ Sub ─▶ Pow(2) ─▶ ReduceMean ─▶ Add(ε) ─▶ Sqrt ─┐
 *     x ────────────────▶ Sub ─────────────────────────────────────▶ Div ─▶ [Mul(scale)] ─▶ [Add(bias)] ─▶ y
 *
 *     ⇒   x, scale, bias ─▶ LayerNormalization(axis, ε) ─▶ y
 *
 * The means are over the last axes, keeping them; the square may also be Mul(d, d); the two Subs may be one or two
 * nodes. scale and bias may be anything that broadcasts from the normalised axes. Nodes in between may have other
 * readers: they stay for those.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <string.h>

typedef struct recognise_norm {
    sn_graph *g;
    sn_uses uses;
} recognise_norm;

/* The live node that makes v when it is this operator of ai.onnx; NULL otherwise. */
static const sn_node *norm_producer(const recognise_norm *r, uint32_t v, const char *op)
{
    uint32_t at = v == SN_NONE ? SN_NONE : r->uses.producer[v];
    return at != SN_NONE && sn_node_is(&r->g->node[at], "", op) ? &r->g->node[at] : NULL;
}

static bool norm_is_float(const sn_graph *g, uint32_t v)
{
    setsuna_dtype t = g->value[v].dtype;
    return (t == SETSUNA_F32 || t == SETSUNA_F64 || t == SETSUNA_F16 || t == SETSUNA_BF16) && g->value[v].has_shape &&
           sn_shape_known(&g->value[v].shape);
}

/* v is a constant of one element that leaves the shape of the other operand as it is. */
static bool norm_scalar(const sn_graph *g, uint32_t v, uint32_t other, double *out)
{
    const sn_const *c = sn_graph_const(g, v);
    int64_t n;
    if (!c || !sn_shape_numel(&c->t.shape, &n) || n != 1 || setsuna_dtype_size(c->t.dtype) == 0 ||
        !norm_is_float(g, other) || c->t.shape.rank > g->value[other].shape.rank)
        return false;
    *out = sn_tensor_get_f64(&c->t, 0);
    return true;
}

/* n is a ReduceMean over the last axes that keeps them: *first is the first of those. */
static bool norm_last_axes(const sn_graph *g, const sn_node *n, int32_t *first)
{
    const int64_t *list;
    size_t count = sn_node_ints(n, "axes", &list);
    int64_t from_input[SETSUNA_RANK_MAX] = {0};
    const sn_const *c = sn_graph_const(g, sn_node_in(n, 1));
    int32_t rank = g->value[n->in[0]].shape.rank, low = rank;
    bool seen[SETSUNA_RANK_MAX] = {false};
    if (sn_node_in(n, 1) != SN_NONE) { /* since opset 18 */
        int64_t elements;
        if (!c || !sn_shape_numel(&c->t.shape, &elements) || elements > SETSUNA_RANK_MAX)
            return false;
        for (int64_t i = 0; i < elements; i++)
            from_input[i] = sn_tensor_get_i64(&c->t, i);
        list = from_input;
        count = (size_t)elements;
    }
    if (!count || !sn_node_int(n, "keepdims", 1))
        return false;
    for (size_t i = 0; i < count; i++) {
        int32_t a;
        if (!sn_axis_normalize(list[i], rank, &a) || seen[a])
            return false;
        seen[a] = true;
        low = a < low ? a : low;
    }
    *first = low;
    return (size_t)(rank - low) == count;
}

/* v = x - mean(x) over the last axes. */
static bool norm_match_centred(const recognise_norm *r, uint32_t v, uint32_t *x, int32_t *axis)
{
    const sn_node *sub = norm_producer(r, v, "Sub");
    const sn_node *mean = sub ? norm_producer(r, sub->in[1], "ReduceMean") : NULL;
    if (!mean || mean->in[0] != sub->in[0] || !norm_is_float(r->g, sub->in[0]))
        return false;
    *x = sub->in[0];
    return norm_last_axes(r->g, mean, axis);
}

/* v = d * d. */
static const sn_node *norm_match_square(const recognise_norm *r, uint32_t v, uint32_t *d)
{
    double power;
    const sn_node *n = norm_producer(r, v, "Pow");
    if (n) {
        *d = n->in[0];
        return norm_scalar(r->g, n->in[1], *d, &power) && power == 2 ? n : NULL;
    }
    n = norm_producer(r, v, "Mul");
    if (!n || n->in[0] != n->in[1])
        return NULL;
    *d = n->in[0];
    return n;
}

/* div = (x - mean) / sqrt(mean((x - mean)^2) + epsilon). */
static bool norm_match(const recognise_norm *r, const sn_node *div, uint32_t *x, int32_t *axis, double *epsilon)
{
    uint32_t d = SN_NONE, again;
    int32_t axis_mean, axis_var;
    const sn_node *root = norm_producer(r, div->in[1], "Sqrt");
    const sn_node *add = root ? norm_producer(r, root->in[0], "Add") : NULL;
    if (!add || !norm_match_centred(r, div->in[0], x, &axis_mean))
        return false;
    bool swap = norm_scalar(r->g, add->in[0], add->in[1], epsilon);
    if (!swap && !norm_scalar(r->g, add->in[1], add->in[0], epsilon))
        return false;
    const sn_node *var = norm_producer(r, add->in[swap], "ReduceMean");
    if (!var || !norm_match_square(r, var->in[0], &d) || !norm_match_centred(r, d, &again, &axis_var))
        return false;
    if (r->g->value[*x].dtype == SETSUNA_F64 && (double)(float)*epsilon != *epsilon)
        return false; /* the attribute is f32 */
    *axis = axis_mean;
    return again == *x && axis_mean == axis_var && norm_last_axes(r->g, var, &axis_var) && axis_mean == axis_var;
}

/* v's only reader, when it is this operator and its other operand broadcasts from the axes [axis, rank) of shape. */
static sn_node *norm_follow(const recognise_norm *r, uint32_t v, const char *op, const setsuna_shape *shape,
                            int32_t axis, uint32_t *other)
{
    if (r->uses.n_use[v] != 1 || r->uses.reader[r->uses.first[v]] == SN_NONE)
        return NULL;
    sn_node *n = &r->g->node[r->uses.reader[r->uses.first[v]]];
    if (!sn_node_is(n, "", op) || n->n_in != 2 || n->in[0] == n->in[1])
        return NULL;
    *other = n->in[0] == v ? n->in[1] : n->in[0];
    const sn_value *o = &r->g->value[*other];
    if (!norm_is_float(r->g, *other) || o->dtype != r->g->value[v].dtype)
        return NULL;
    for (int32_t i = 0; i < o->shape.rank; i++) {
        int32_t d = i + shape->rank - o->shape.rank;
        if (o->shape.dim[i] != 1 && (d < axis || o->shape.dim[i] != shape->dim[d]))
            return NULL;
        if (d < 0) /* the sum would have a higher rank than x */
            return NULL;
    }
    return n;
}

/* A scale of ones over the normalised axes; they are small, or nothing is rewritten. */
static uint32_t norm_ones(sn_graph *g, setsuna_dtype dtype, const setsuna_shape *x, int32_t axis)
{
    setsuna_shape s = {.rank = x->rank - axis};
    size_t bytes;
    memcpy(s.dim, x->dim + axis, (size_t)s.rank * sizeof s.dim[0]);
    if (dtype != SETSUNA_F32 || !sn_tensor_bytes(dtype, &s, &bytes))
        return SN_NONE;
    float *one =
        bytes <= SN_REWRITE_CONST_MAX_BYTES ? sn_arena_array(g->arena, bytes / sizeof *one, sizeof *one) : NULL;
    for (size_t i = 0; one && i < bytes / sizeof *one; i++)
        one[i] = 1;
    return one ? sn_rewrite_const(g, dtype, &s, one) : SN_NONE;
}

static setsuna_status norm_rewrite(recognise_norm *r, sn_node *div, uint32_t x, int32_t axis, double epsilon,
                                   bool *changed)
{
    sn_graph *g = r->g;
    const setsuna_shape shape = g->value[x].shape;
    uint32_t scale = SN_NONE, bias = SN_NONE;
    sn_node *last = div, *next = norm_follow(r, div->out[0], "Mul", &shape, axis, &scale);
    if (next) {
        last = next;
        next = norm_follow(r, last->out[0], "Add", &shape, axis, &bias);
        last = next ? next : last;
    } else if ((scale = norm_ones(g, g->value[x].dtype, &shape, axis)) == SN_NONE) {
        return SETSUNA_OK;
    }
    uint32_t *in = sn_arena_array(g->arena, 3, sizeof *in);
    if (!in)
        return SETSUNA_ENOMEM;
    in[0] = x;
    in[1] = scale;
    in[2] = next ? bias : SN_NONE;
    last->op = "LayerNormalization";
    last->domain = "";
    last->opset = 17;
    last->in = in;
    last->n_in = last->n_formal = next ? 3 : 2;
    last->attr = NULL;
    last->n_attr = 0;
    *changed = true;
    return sn_node_add_int(g, last, "axis", axis) && sn_node_add_float(g, last, "epsilon", (float)epsilon)
               ? SETSUNA_OK
               : SETSUNA_ENOMEM;
}

static setsuna_status recognise_norm_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    recognise_norm r = {.g = g};
    SN_TRY(sn_uses_build(g, ctx->arena, &r.uses));
    for (size_t i = 0; i < g->n_node; i++) {
        uint32_t x;
        int32_t axis;
        double epsilon;
        if (sn_node_is(&g->node[i], "", "Div") && norm_match(&r, &g->node[i], &x, &axis, &epsilon))
            SN_TRY(norm_rewrite(&r, &g->node[i], x, axis, epsilon, changed));
    }
    return SETSUNA_OK;
}

const sn_pass sn_pass_recognise_norm = {"recognise-norm", recognise_norm_run};
