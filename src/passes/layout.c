/* layout: images flow through convolutions, and whatever lies between them, in blocks of channels (kernels/conv.h).
 *
 *     x ─▶ setsuna.Conv ─▶ Relu ─▶ setsuna.Conv ─▶ Flatten ─▶ y
 *         ⇒
 *     x ─▶ setsuna.Conv(block 16) ═▶ Relu ═▶ setsuna.Conv(block 16) ═▶ setsuna.FromBlocked ─▶ Flatten ─▶ y
 *
 * A blocked image is an ordinary tensor [N, ceil(C/b), spatial..., b], so operators that work element by element or
 * over spatial axes run on it as they are; only their constants change shape. One walk in topological order decides:
 *
 *   convolutions   always make blocked images, except that fewer than half a block of output channels stay plain (their
 *                  images would be mostly padding). They read blocked images, or plain ones of few channels as they
 * are. others         in the table below run blocked when an input already is, and their other inputs can be made so.
 *                  Lanes past the last channel hold anything: no operator here moves a value from one lane to another.
 *   the rest       read and make plain values.
 *
 * A value is converted at most once each way, where its first reader needs it. 16 (or 8) channels side by side also is
 * what makes per-channel operands cheap: they become [1, ceil(C/b), 1..., b].
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <string.h>

enum { LAYOUT_AXES_MAX = SETSUNA_RANK_MAX, LAYOUT_INPUTS_MAX = 64 };

typedef struct layout {
    sn_graph *g;
    int64_t b;
    size_t n_value;    /* of the graph as it was */
    uint32_t *blocked; /* per value: its blocked twin or SN_NONE */
    bool *moved;       /* per value: made as the twin only, so far */
    bool *changed;
} layout;

typedef enum layout_kind {
    LAYOUT_EACH,      /* one image in, constants of one element beside it */
    LAYOUT_BROADCAST, /* element by element over several operands */
    LAYOUT_POOL,      /* has a blocked form with attribute channels */
    LAYOUT_REDUCE,    /* over spatial axes, which are kept */
    LAYOUT_CONCAT,
    LAYOUT_RESIZE,
    LAYOUT_PAD,
    LAYOUT_SPLIT,
    LAYOUT_CONV
} layout_kind;

typedef struct layout_rule {
    const char *domain, *op;
    layout_kind kind;
    const char *becomes; /* operator of "setsuna"; NULL: the same one */
} layout_rule;

static const layout_rule layout_rules[] = {
    {"setsuna", "Conv", LAYOUT_CONV, NULL},
    {"setsuna", "ConvTranspose", LAYOUT_CONV, NULL},
    {"", "Abs", LAYOUT_EACH, NULL},
    {"", "Ceil", LAYOUT_EACH, NULL},
    {"", "Celu", LAYOUT_EACH, NULL},
    {"", "Clip", LAYOUT_EACH, NULL},
    {"", "Elu", LAYOUT_EACH, NULL},
    {"", "Erf", LAYOUT_EACH, NULL},
    {"", "Exp", LAYOUT_EACH, NULL},
    {"", "Floor", LAYOUT_EACH, NULL},
    {"", "Gelu", LAYOUT_EACH, NULL},
    {"", "HardSigmoid", LAYOUT_EACH, NULL},
    {"", "HardSwish", LAYOUT_EACH, NULL},
    {"", "LeakyRelu", LAYOUT_EACH, NULL},
    {"", "Log", LAYOUT_EACH, NULL},
    {"", "Mish", LAYOUT_EACH, NULL},
    {"", "Neg", LAYOUT_EACH, NULL},
    {"", "Reciprocal", LAYOUT_EACH, NULL},
    {"", "Relu", LAYOUT_EACH, NULL},
    {"", "Round", LAYOUT_EACH, NULL},
    {"", "Selu", LAYOUT_EACH, NULL},
    {"", "Sigmoid", LAYOUT_EACH, NULL},
    {"", "Sign", LAYOUT_EACH, NULL},
    {"", "Softplus", LAYOUT_EACH, NULL},
    {"", "Softsign", LAYOUT_EACH, NULL},
    {"", "Sqrt", LAYOUT_EACH, NULL},
    {"", "Tanh", LAYOUT_EACH, NULL},
    {"", "ThresholdedRelu", LAYOUT_EACH, NULL},
    {"setsuna", "Swish", LAYOUT_EACH, NULL},
    {"", "Add", LAYOUT_BROADCAST, NULL},
    {"", "Div", LAYOUT_BROADCAST, NULL},
    {"", "Max", LAYOUT_BROADCAST, NULL},
    {"", "Mean", LAYOUT_BROADCAST, NULL},
    {"", "Min", LAYOUT_BROADCAST, NULL},
    {"", "Mul", LAYOUT_BROADCAST, NULL},
    {"", "Pow", LAYOUT_BROADCAST, NULL},
    {"", "PRelu", LAYOUT_BROADCAST, NULL},
    {"", "Sub", LAYOUT_BROADCAST, NULL},
    {"", "Sum", LAYOUT_BROADCAST, NULL},
    {"", "AveragePool", LAYOUT_POOL, "AveragePool"},
    {"", "GlobalAveragePool", LAYOUT_POOL, "GlobalAveragePool"},
    {"", "GlobalMaxPool", LAYOUT_POOL, "GlobalMaxPool"},
    {"", "MaxPool", LAYOUT_POOL, "MaxPool"},
    {"", "ReduceMax", LAYOUT_REDUCE, "GlobalMaxPool"},
    {"", "ReduceMean", LAYOUT_REDUCE, "GlobalAveragePool"},
    {"", "ReduceMin", LAYOUT_REDUCE, NULL},
    {"", "ReduceSum", LAYOUT_REDUCE, NULL},
    {"", "Concat", LAYOUT_CONCAT, NULL},
    {"", "Resize", LAYOUT_RESIZE, NULL},
    {"", "Upsample", LAYOUT_RESIZE, NULL},
    {"", "Pad", LAYOUT_PAD, NULL},
    {"", "Split", LAYOUT_SPLIT, NULL},
};

static const layout_rule *layout_rule_of(const sn_node *n)
{
    for (size_t i = 0; i < sizeof layout_rules / sizeof layout_rules[0]; i++)
        if (sn_node_is(n, layout_rules[i].domain, layout_rules[i].op))
            return &layout_rules[i];
    return NULL;
}

/* ---- values in both layouts ---------------------------------------------------------------------- */

static bool layout_is_blocked(const layout *l, uint32_t v)
{
    return v < l->n_value && l->blocked[v] != SN_NONE;
}

static const setsuna_shape *layout_shape(const layout *l, uint32_t v)
{
    return &l->g->value[v].shape;
}

/* An image that can have a blocked twin. */
static bool layout_is_image(const layout *l, uint32_t v)
{
    int64_t n;
    return sn_rewrite_is_f32(l->g, v) && layout_shape(l, v)->rank >= 3 && layout_shape(l, v)->rank <= 4 &&
           sn_shape_numel(layout_shape(l, v), &n) && n > 0;
}

/* A new value, the blocked twin of v; SN_NONE: out of memory. */
static uint32_t layout_twin(layout *l, uint32_t v)
{
    l->blocked[v] = sn_graph_add_value(l->g, "", SETSUNA_F32);
    return l->blocked[v];
}

static setsuna_status layout_reorder(layout *l, const char *op, const char *attr, int64_t value, uint32_t from,
                                     uint32_t to)
{
    sn_node *n = sn_graph_add_node(l->g, "setsuna", op, 1, "", &from, 1, &to, 1);
    if (!n || !sn_node_add_int(l->g, n, attr, value))
        return SETSUNA_ENOMEM;
    n->name = l->g->value[op[0] == 'T' ? from : to].name;
    *l->changed = true;
    return SETSUNA_OK;
}

/* Someone reads v as it is. */
static setsuna_status layout_want_plain(layout *l, uint32_t v)
{
    if (v >= l->n_value || !l->moved[v])
        return SETSUNA_OK;
    l->moved[v] = false;
    return layout_reorder(l, "FromBlocked", "channels", layout_shape(l, v)->dim[1], l->blocked[v], v);
}

static setsuna_status layout_want_blocked(layout *l, uint32_t v, uint32_t *out)
{
    if (l->blocked[v] == SN_NONE) {
        if (layout_twin(l, v) == SN_NONE)
            return SETSUNA_ENOMEM;
        SN_TRY(layout_reorder(l, "ToBlocked", "block", l->b, v, l->blocked[v]));
    }
    *out = l->blocked[v];
    return SETSUNA_OK;
}

/* Output k of the node becomes a blocked image. */
static setsuna_status layout_move_output(layout *l, sn_node *n, uint32_t k)
{
    uint32_t v = n->out[k];
    if (v == SN_NONE)
        return SETSUNA_OK;
    if (layout_twin(l, v) == SN_NONE)
        return SETSUNA_ENOMEM;
    n->out[k] = l->blocked[v];
    l->moved[v] = true;
    *l->changed = true;
    return SETSUNA_OK;
}

/* Input i of the node becomes the twin of what it was. n is a node of the graph: adding reorders moves nodes, so it is
 * found again by its index. */
static setsuna_status layout_move_input(layout *l, size_t index, uint32_t i)
{
    uint32_t twin;
    SN_TRY(layout_want_blocked(l, l->g->node[index].in[i], &twin));
    l->g->node[index].in[i] = twin;
    return SETSUNA_OK;
}

/* ---- convolutions ------------------------------------------------------------------------------------ */

enum { LAYOUT_CONV_X = 0, LAYOUT_CONV_R = 4 };

static setsuna_status layout_conv(layout *l, size_t index)
{
    const sn_node n = l->g->node[index];
    uint32_t x = n.in[LAYOUT_CONV_X], r = sn_node_in(&n, LAYOUT_CONV_R);
    int64_t ic = layout_shape(l, x)->dim[1], oc = layout_shape(l, n.out[0])->dim[1];
    bool few_in = 2 * ic < l->b && sn_node_int(&n, "group", 1) == 1, few_out = 2 * oc < l->b;
    if (layout_is_blocked(l, x) || !few_in)
        SN_TRY(layout_move_input(l, index, LAYOUT_CONV_X));
    if (few_out)
        return r == SN_NONE ? SETSUNA_OK : layout_want_plain(l, r);
    if (r != SN_NONE)
        SN_TRY(layout_move_input(l, index, LAYOUT_CONV_R));
    if (!sn_node_add_int(l->g, &l->g->node[index], "block", l->b))
        return SETSUNA_ENOMEM;
    return layout_move_output(l, &l->g->node[index], 0);
}

/* ---- element by element ------------------------------------------------------------------------------ */

static bool layout_is_one_element(const layout *l, uint32_t v)
{
    int64_t n;
    const sn_value *x = &l->g->value[v];
    return x->has_shape && sn_shape_numel(&x->shape, &n) && n == 1;
}

static bool layout_can_each(const layout *l, const sn_node *n)
{
    if (n->n_in < 1 || n->n_out != 1 || !layout_is_blocked(l, n->in[0]))
        return false;
    for (uint32_t i = 1; i < n->n_in; i++)
        if (n->in[i] != SN_NONE && !layout_is_one_element(l, n->in[i]))
            return false;
    return true;
}

/* The shape of an operand with leading ones up to the rank of y. */
static setsuna_shape layout_aligned(const setsuna_shape *s, const setsuna_shape *y)
{
    setsuna_shape a = {.rank = y->rank};
    for (int32_t i = 0; i < y->rank; i++)
        a.dim[i] = i < y->rank - s->rank ? 1 : s->dim[i - (y->rank - s->rank)];
    return a;
}

static bool layout_can_broadcast(const layout *l, const sn_node *n)
{
    if (n->n_in < 1 || n->n_out != 1 || !layout_is_image(l, n->out[0]))
        return false;
    const setsuna_shape *y = layout_shape(l, n->out[0]);
    bool any = false;
    for (uint32_t i = 0; i < n->n_in; i++) {
        uint32_t v = n->in[i];
        if (!sn_rewrite_is_f32(l->g, v))
            return false;
        const setsuna_shape *s = layout_shape(l, v);
        if (layout_is_one_element(l, v))
            continue;
        if (s->rank > y->rank || (s->rank < y->rank && !sn_graph_const(l->g, v)))
            return false;
        any |= layout_is_blocked(l, v) && sn_shape_equal(s, y);
    }
    return any;
}

/* An operand whose channel axis is 1 long is the same for all lanes: [N, 1, H, W] becomes [N, 1, H, W, 1]. */
static setsuna_status layout_spread_operand(layout *l, size_t index, uint32_t i, const setsuna_shape *s)
{
    sn_graph *g = l->g;
    uint32_t v = g->node[index].in[i], made;
    if (sn_graph_const(g, v)) {
        setsuna_shape wide = *s;
        wide.dim[wide.rank++] = 1;
        made = sn_rewrite_const_reshape(g, v, &wide);
        if (made == SN_NONE)
            return SETSUNA_ENOMEM;
    } else {
        SN_TRY(layout_want_plain(l, v));
        uint32_t axis = sn_rewrite_const_i64(g, &(int64_t){s->rank}, 1);
        made = sn_graph_add_value(g, "", SETSUNA_F32);
        if (axis == SN_NONE || made == SN_NONE ||
            !sn_graph_add_node(g, "", "Unsqueeze", 13, g->value[v].name, (uint32_t[]){v, axis}, 2, &made, 1))
            return SETSUNA_ENOMEM;
    }
    g->node[index].in[i] = made;
    return SETSUNA_OK;
}

static setsuna_status layout_broadcast(layout *l, size_t index)
{
    sn_graph *g = l->g;
    const setsuna_shape y = *layout_shape(l, g->node[index].out[0]);
    for (uint32_t i = 0; i < g->node[index].n_in; i++) {
        uint32_t v = g->node[index].in[i];
        if (layout_is_one_element(l, v)) {
            SN_TRY(layout_want_plain(l, v));
            continue;
        }
        setsuna_shape s = layout_aligned(layout_shape(l, v), &y);
        if (s.dim[1] != y.dim[1]) {
            SN_TRY(layout_spread_operand(l, index, i, &s));
            continue;
        }
        if (!sn_graph_const(g, v)) {
            SN_TRY(layout_move_input(l, index, i));
            continue;
        }
        uint32_t shaped = sn_rewrite_const_reshape(g, v, &s), twin = sn_graph_add_value(g, "", SETSUNA_F32);
        if (shaped == SN_NONE || twin == SN_NONE)
            return SETSUNA_ENOMEM;
        SN_TRY(layout_reorder(l, "ToBlocked", "block", l->b, shaped, twin)); /* folded when shapes are inferred */
        g->node[index].in[i] = twin;
    }
    return layout_move_output(l, &g->node[index], 0);
}

/* ---- pools and reductions ------------------------------------------------------------------------------ */

static bool layout_can_pool(const layout *l, const sn_node *n)
{
    return n->n_in == 1 && layout_is_blocked(l, n->in[0]) && layout_shape(l, n->in[0])->rank == 4 &&
           (n->n_out == 1 || n->out[1] == SN_NONE) && sn_node_int(n, "storage_order", 0) == 0;
}

/* Only the attributes that the blocked form has, and the channels. */
static setsuna_status layout_to_pool(layout *l, size_t index, const char *op)
{
    static const char *const kept[] = {"auto_pad",  "kernel_shape",      "pads",     "strides",
                                       "ceil_mode", "count_include_pad", "dilations"};
    sn_node *n = &l->g->node[index];
    sn_node made = *n;
    made.attr = NULL;
    made.n_attr = 0;
    bool global = op[0] == 'G';
    for (uint32_t i = 0; !global && i < n->n_attr; i++)
        for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++)
            if (strcmp(n->attr[i].name, kept[k]) == 0 && !sn_node_add_attr(l->g, &made, &n->attr[i]))
                return SETSUNA_ENOMEM;
    if (!sn_node_add_int(l->g, &made, "channels", layout_shape(l, n->in[0])->dim[1]))
        return SETSUNA_ENOMEM;
    made.n_in = made.n_formal = made.n_out = 1;
    sn_node_become(&made, op);
    *n = made;
    SN_TRY(layout_move_input(l, index, 0));
    return layout_move_output(l, &l->g->node[index], 0);
}

/* The axes of a reduction, normalized; false: not constant, or not of this form. */
static bool layout_axes(const layout *l, const sn_node *n, int32_t rank, int32_t *axes, size_t *count)
{
    const int64_t *list = NULL;
    size_t n_list = sn_node_ints(n, "axes", &list);
    const sn_const *c = sn_graph_const(l->g, sn_node_in(n, 1));
    if (n->n_in > 1 && n->in[1] != SN_NONE) {
        if (!c || c->t.dtype != SETSUNA_I64 || c->t.shape.rank != 1)
            return false;
        n_list = (size_t)c->t.shape.dim[0];
    }
    if (n_list == 0 || n_list > LAYOUT_AXES_MAX)
        return false;
    for (size_t i = 0; i < n_list; i++)
        if (!sn_axis_normalize(c ? sn_tensor_get_i64(&c->t, (int64_t)i) : list[i], rank, &axes[i]))
            return false;
    *count = n_list;
    return true;
}

static bool layout_can_reduce(const layout *l, const sn_node *n)
{
    int32_t axes[LAYOUT_AXES_MAX];
    size_t count;
    if (n->n_in < 1 || n->n_in > 2 || !layout_is_blocked(l, n->in[0]) || sn_node_int(n, "keepdims", 1) != 1 ||
        !layout_axes(l, n, layout_shape(l, n->in[0])->rank, axes, &count))
        return false;
    for (size_t i = 0; i < count; i++)
        if (axes[i] < 2)
            return false;
    return true;
}

static setsuna_status layout_reduce(layout *l, size_t index, const char *becomes)
{
    sn_graph *g = l->g;
    sn_node *n = &g->node[index];
    const setsuna_shape *x = layout_shape(l, n->in[0]);
    int32_t axes[LAYOUT_AXES_MAX];
    int64_t wide[LAYOUT_AXES_MAX];
    size_t count;
    if (!layout_axes(l, n, x->rank, axes, &count))
        return SETSUNA_OK;
    if (becomes && x->rank == 4 && count == 2 && axes[0] != axes[1])
        return layout_to_pool(l, index, becomes);
    for (size_t i = 0; i < count; i++)
        wide[i] = axes[i]; /* from the front, so they are the same in the twin */
    if (n->n_in > 1 && n->in[1] != SN_NONE) {
        uint32_t c = sn_rewrite_const_i64(g, wide, count);
        if (c == SN_NONE)
            return SETSUNA_ENOMEM;
        n->in[1] = c;
    } else if (!sn_node_add_ints(g, n, "axes", wide, count))
        return SETSUNA_ENOMEM;
    SN_TRY(layout_move_input(l, index, 0));
    return layout_move_output(l, &g->node[index], 0);
}

/* ---- concatenation --------------------------------------------------------------------------------------- */

/* At least half of the elements are blocked already. */
static bool layout_can_concat(const layout *l, const sn_node *n)
{
    int32_t axis;
    int64_t blocked = 0, all = 0, size;
    if (n->n_out != 1 || n->n_in > LAYOUT_INPUTS_MAX || !layout_is_image(l, n->out[0]) ||
        !sn_axis_normalize(sn_node_int(n, "axis", 1), layout_shape(l, n->out[0])->rank, &axis) || axis < 1)
        return false;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (!layout_is_image(l, n->in[i]) || !sn_shape_numel(layout_shape(l, n->in[i]), &size))
            return false;
        all += size;
        blocked += layout_is_blocked(l, n->in[i]) ? size : 0;
    }
    return blocked > 0 && blocked >= all / 2;
}

/* Along the channels blocks follow each other when all inputs but the last fill theirs; setsuna.Concat moves lanes. */
static setsuna_status layout_concat(layout *l, size_t index)
{
    sn_node *n = &l->g->node[index];
    int64_t channels[LAYOUT_INPUTS_MAX];
    int32_t axis = 1;
    bool whole = true;
    sn_axis_normalize(sn_node_int(n, "axis", 1), layout_shape(l, n->out[0])->rank, &axis);
    for (uint32_t i = 0; i < n->n_in; i++) {
        channels[i] = layout_shape(l, n->in[i])->dim[1];
        whole &= axis != 1 || i + 1 == n->n_in || channels[i] % l->b == 0;
    }
    if (whole) {
        if (!sn_node_add_int(l->g, n, "axis", axis))
            return SETSUNA_ENOMEM;
    } else {
        sn_node_become(n, "Concat");
        n->attr = NULL;
        n->n_attr = 0;
        if (!sn_node_add_ints(l->g, n, "channels", channels, n->n_in))
            return SETSUNA_ENOMEM;
    }
    for (uint32_t i = 0; i < l->g->node[index].n_in; i++)
        SN_TRY(layout_move_input(l, index, i));
    return layout_move_output(l, &l->g->node[index], 0);
}

/* ---- resizing ---------------------------------------------------------------------------------------------- */

enum { LAYOUT_RESIZE_ROI = 1, LAYOUT_RESIZE_SCALES = 2, LAYOUT_RESIZE_SIZES = 3 };

/* The constant of scales or sizes: rank 4, batch and channels as they are. NULL: not so. */
static const sn_const *layout_extents(const layout *l, const sn_node *n, uint32_t i, setsuna_dtype dtype)
{
    const sn_const *c = sn_graph_const(l->g, sn_node_in(n, i));
    const setsuna_shape *x = layout_shape(l, n->in[0]);
    if (!c || c->t.dtype != dtype || c->t.shape.rank != 1 || c->t.shape.dim[0] != 4)
        return NULL;
    for (int32_t d = 0; d < 2; d++)
        if (sn_tensor_get_f64(&c->t, d) != (dtype == SETSUNA_F32 ? 1.0 : (double)x->dim[d]))
            return NULL;
    return c;
}

static bool layout_can_resize(const layout *l, const sn_node *n)
{
    bool old = n->opset < 11; /* inputs X, scales; asymmetric, and rounded down when the image grows */
    if (n->n_in < 1 || n->n_out != 1 || !layout_is_blocked(l, n->in[0]) || layout_shape(l, n->in[0])->rank != 4 ||
        sn_node_attr(n, "axes") || sn_node_attr(n, "keep_aspect_ratio_policy"))
        return false;
    const sn_const *scales = layout_extents(l, n, old ? 1 : LAYOUT_RESIZE_SCALES, SETSUNA_F32);
    if (!old)
        return (scales || layout_extents(l, n, LAYOUT_RESIZE_SIZES, SETSUNA_I64)) &&
               strcmp(sn_node_string(n, "coordinate_transformation_mode", ""), "tf_crop_and_resize") != 0;
    return scales && sn_tensor_get_f64(&scales->t, 2) >= 1 && sn_tensor_get_f64(&scales->t, 3) >= 1;
}

static setsuna_status layout_resize(layout *l, size_t index)
{
    sn_graph *g = l->g;
    sn_node made = g->node[index];
    bool old = made.opset < 11;
    const sn_const *scales = layout_extents(l, &made, old ? 1 : LAYOUT_RESIZE_SCALES, SETSUNA_F32);
    const sn_const *sizes = old ? NULL : layout_extents(l, &made, LAYOUT_RESIZE_SIZES, SETSUNA_I64);
    bool ok = sn_node_add_int(g, &made, "channels", layout_shape(l, made.in[0])->dim[1]);
    if (old)
        ok = ok && sn_node_add_string(g, &made, "coordinate_transformation_mode", "asymmetric") &&
             sn_node_add_string(g, &made, "nearest_mode", "floor");
    if (sizes) {
        int64_t v[] = {sn_tensor_get_i64(&sizes->t, 2), sn_tensor_get_i64(&sizes->t, 3)};
        ok = ok && sn_node_add_ints(g, &made, "sizes", v, 2);
    } else {
        float v[] = {(float)sn_tensor_get_f64(&scales->t, 2), (float)sn_tensor_get_f64(&scales->t, 3)};
        ok = ok && sn_node_add_floats(g, &made, "scales", v, 2);
    }
    if (!ok)
        return SETSUNA_ENOMEM;
    made.n_in = made.n_formal = 1;
    sn_node_become(&made, "Resize");
    g->node[index] = made;
    SN_TRY(layout_move_input(l, index, 0));
    return layout_move_output(l, &g->node[index], 0);
}

/* ---- padding and splitting --------------------------------------------------------------------------------- */

/* Reads pads of an image of that rank; false: not constant, or batch and channels are padded too. */
static bool layout_pads(const layout *l, const sn_node *n, int32_t rank, int64_t *pads)
{
    const int64_t *list = NULL;
    size_t count = n->opset < 11 ? sn_node_ints(n, "pads", &list) : 0;
    const sn_const *c = n->opset < 11 ? NULL : sn_graph_const(l->g, sn_node_in(n, 1));
    if (c && c->t.dtype == SETSUNA_I64 && c->t.shape.rank == 1)
        count = (size_t)c->t.shape.dim[0];
    if (count != 2 * (size_t)rank || sn_node_in(n, 3) != SN_NONE)
        return false;
    for (size_t i = 0; i < count; i++) {
        pads[i] = c ? sn_tensor_get_i64(&c->t, (int64_t)i) : list[i];
        if (i % (size_t)rank < 2 && pads[i] != 0)
            return false;
    }
    return true;
}

static bool layout_can_pad(const layout *l, const sn_node *n)
{
    int64_t pads[2 * SETSUNA_RANK_MAX];
    return n->n_in >= 1 && n->n_out == 1 && layout_is_blocked(l, n->in[0]) &&
           layout_pads(l, n, layout_shape(l, n->in[0])->rank, pads);
}

static setsuna_status layout_pad(layout *l, size_t index)
{
    sn_graph *g = l->g;
    sn_node *n = &g->node[index];
    int32_t rank = layout_shape(l, n->in[0])->rank;
    int64_t pads[2 * SETSUNA_RANK_MAX] = {0}, wide[2 * SETSUNA_RANK_MAX] = {0};
    if (!layout_pads(l, n, rank, pads))
        return SETSUNA_OK;
    for (int32_t i = 0; i < rank; i++) {
        wide[i] = pads[i];
        wide[rank + 1 + i] = pads[rank + i];
    }
    size_t count = 2 * ((size_t)rank + 1);
    if (n->opset < 11) {
        if (!sn_node_add_ints(g, n, "pads", wide, count))
            return SETSUNA_ENOMEM;
    } else {
        uint32_t c = sn_rewrite_const_i64(g, wide, count);
        if (c == SN_NONE)
            return SETSUNA_ENOMEM;
        n->in[1] = c;
        SN_TRY(layout_want_plain(l, sn_node_in(n, 2)));
    }
    SN_TRY(layout_move_input(l, index, 0));
    return layout_move_output(l, &g->node[index], 0);
}

static bool layout_can_split(const layout *l, const sn_node *n)
{
    int32_t axis;
    if (n->n_in < 1 || n->n_out > LAYOUT_INPUTS_MAX || !layout_is_blocked(l, n->in[0]) ||
        !sn_axis_normalize(sn_node_int(n, "axis", 0), layout_shape(l, n->in[0])->rank, &axis) || axis != 1)
        return false;
    for (uint32_t k = 0; k < n->n_out; k++)
        if (n->out[k] == SN_NONE || !layout_is_image(l, n->out[k]) ||
            (k + 1 < n->n_out && layout_shape(l, n->out[k])->dim[1] % l->b != 0))
            return false;
    return true;
}

static setsuna_status layout_split(layout *l, size_t index)
{
    sn_graph *g = l->g;
    sn_node made = g->node[index];
    int64_t blocks[LAYOUT_INPUTS_MAX];
    for (uint32_t k = 0; k < made.n_out; k++)
        blocks[k] = (layout_shape(l, made.out[k])->dim[1] + l->b - 1) / l->b;
    uint32_t sizes = sn_rewrite_const_i64(g, blocks, made.n_out);
    made.attr = NULL;
    made.n_attr = 0;
    made.opset = 13;
    made.n_in = made.n_formal = 1;
    if (sizes == SN_NONE || !sn_node_set_in(g, &made, 1, sizes) || !sn_node_add_int(g, &made, "axis", 1))
        return SETSUNA_ENOMEM;
    g->node[index] = made;
    SN_TRY(layout_move_input(l, index, 0));
    for (uint32_t k = 0; k < made.n_out; k++)
        SN_TRY(layout_move_output(l, &g->node[index], k));
    return SETSUNA_OK;
}

/* ---- the walk -------------------------------------------------------------------------------------------- */

static bool layout_can(const layout *l, const sn_node *n, layout_kind kind)
{
    switch (kind) {
    case LAYOUT_CONV: return n->n_out == 1 && layout_is_image(l, n->in[0]) && layout_is_image(l, n->out[0]);
    case LAYOUT_EACH: return layout_can_each(l, n);
    case LAYOUT_BROADCAST: return layout_can_broadcast(l, n);
    case LAYOUT_POOL: return layout_can_pool(l, n);
    case LAYOUT_REDUCE: return layout_can_reduce(l, n);
    case LAYOUT_CONCAT: return layout_can_concat(l, n);
    case LAYOUT_RESIZE: return layout_can_resize(l, n);
    case LAYOUT_PAD: return layout_can_pad(l, n);
    case LAYOUT_SPLIT: return layout_can_split(l, n);
    }
    return false;
}

static setsuna_status layout_apply(layout *l, size_t index, const layout_rule *rule)
{
    switch (rule->kind) {
    case LAYOUT_CONV: return layout_conv(l, index);
    case LAYOUT_BROADCAST: return layout_broadcast(l, index);
    case LAYOUT_POOL: return layout_to_pool(l, index, rule->becomes);
    case LAYOUT_REDUCE: return layout_reduce(l, index, rule->becomes);
    case LAYOUT_CONCAT: return layout_concat(l, index);
    case LAYOUT_RESIZE: return layout_resize(l, index);
    case LAYOUT_PAD: return layout_pad(l, index);
    case LAYOUT_SPLIT: return layout_split(l, index);
    case LAYOUT_EACH: break;
    }
    for (uint32_t i = 1; i < l->g->node[index].n_in; i++)
        SN_TRY(layout_want_plain(l, l->g->node[index].in[i]));
    SN_TRY(layout_move_input(l, index, 0));
    return layout_move_output(l, &l->g->node[index], 0);
}

static setsuna_status layout_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    layout l = {.g = g, .b = sn_cpu_block(ctx->cpu), .n_value = g->n_value, .changed = changed};
    l.blocked = sn_arena_array(ctx->arena, g->n_value, sizeof *l.blocked);
    l.moved = sn_arena_array(ctx->arena, g->n_value, sizeof *l.moved);
    if (!l.blocked || !l.moved)
        return SETSUNA_ENOMEM;
    for (size_t v = 0; v < g->n_value; v++)
        l.blocked[v] = SN_NONE;
    for (size_t i = 0, n_node = g->n_node; i < n_node; i++) {
        const layout_rule *rule = layout_rule_of(&g->node[i]);
        if (rule && layout_can(&l, &g->node[i], rule->kind)) {
            SN_TRY(layout_apply(&l, i, rule));
            continue;
        }
        for (uint32_t k = 0; !g->node[i].dead && k < g->node[i].n_in; k++)
            SN_TRY(layout_want_plain(&l, g->node[i].in[k]));
    }
    for (uint32_t k = 0; k < g->n_output; k++)
        SN_TRY(layout_want_plain(&l, g->output[k]));
    return SETSUNA_OK;
}

const sn_pass sn_pass_layout = {"layout", layout_run};
