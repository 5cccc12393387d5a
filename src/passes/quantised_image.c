/* What lies between convolutions of bytes: sums, products, pools, joins, and what only moves bytes. */
#include "passes/quantised.h"
#include <string.h>

static const sn_quant_float *image_operand(const sn_quant_graph *t, const sn_node *n, uint32_t i)
{
    uint32_t v = sn_node_in(n, i);
    return v != SN_NONE && v < t->n_value && t->of_real[v].quant != SN_NONE ? &t->of_real[v] : NULL;
}

static setsuna_status image_end(sn_quant_graph *t, size_t index, const sn_quant_end *end, uint32_t twin, bool *done)
{
    t->g->node[index].dead = true;
    *done = true;
    return sn_quant_move(t, end->out, twin);
}

static bool image_is_gate(const setsuna_shape *a, const setsuna_shape *b)
{
    return a->rank == 4 && b->rank == 4 && a->dim[0] == b->dim[0] && a->dim[1] == b->dim[1] && b->dim[2] == 1 &&
           b->dim[3] == 1;
}

static setsuna_status image_pair(sn_quant_graph *t, size_t index, const sn_quant_end *end, bool *done)
{
    const sn_node n = t->g->node[index];
    bool product = sn_node_is(&n, "", "Mul");
    const sn_quant_float *a = image_operand(t, &n, 0), *b = image_operand(t, &n, 1);
    uint32_t in[2], out;
    if ((!product && !sn_node_is(&n, "", "Add")) || n.n_in != 2 || !a || !b)
        return SETSUNA_OK;
    if (product && image_is_gate(&t->q[b->quant].shape, &t->q[a->quant].shape)) {
        const sn_quant_float *swap = a;
        a = b, b = swap;
    }
    const setsuna_shape *sa = &t->q[a->quant].shape, *sb = &t->q[b->quant].shape;
    if (!sn_shape_equal(sa, sb) && !(product && image_is_gate(sa, sb)))
        return SETSUNA_OK;
    SN_TRY(sn_quant_twin(t, a->quant, &in[0]));
    SN_TRY(sn_quant_twin(t, b->quant, &in[1]));
    sn_node *made = sn_quant_node(t, product ? "QMul" : "QAdd", n.name, in, 2, &out);
    if (!made || !sn_quant_set_scale(t, made, "a_scale", "a_zero", a->s) ||
        !sn_quant_set_scale(t, made, "b_scale", "b_zero", b->s) ||
        !sn_quant_set_scale(t, made, "y_scale", "y_zero", end->s) || !sn_node_add_int(t->g, made, "lo", end->lo) ||
        !sn_node_add_int(t->g, made, "hi", end->hi))
        return SETSUNA_ENOMEM;
    return image_end(t, index, end, out, done);
}

/* An image times one float a channel, as squeeze-and-excitation with a float gate has it. */
static setsuna_status image_scale(sn_quant_graph *t, size_t index, const sn_quant_end *end, bool *done)
{
    const sn_node n = t->g->node[index];
    const sn_quant_float *a = image_operand(t, &n, 0);
    uint32_t f = sn_node_in(&n, 1), in[2], out;
    if (!sn_node_is(&n, "", "Mul") || n.n_in != 2)
        return SETSUNA_OK;
    if (!a || !sn_rewrite_is_f32(t->g, f) || !image_is_gate(&t->q[a->quant].shape, &t->g->value[f].shape)) {
        a = image_operand(t, &n, 1);
        f = n.in[0];
    }
    if (!a || !sn_rewrite_is_f32(t->g, f) || !image_is_gate(&t->q[a->quant].shape, &t->g->value[f].shape))
        return SETSUNA_OK;
    SN_TRY(sn_quant_want(t, f));
    SN_TRY(sn_quant_twin(t, a->quant, &in[0]));
    in[1] = f;
    sn_node *made = sn_quant_node(t, "QScale", n.name, in, 2, &out);
    if (!made || !sn_quant_set_scale(t, made, "a_scale", "a_zero", a->s) ||
        !sn_quant_set_scale(t, made, "y_scale", "y_zero", end->s) || !sn_node_add_int(t->g, made, "lo", end->lo) ||
        !sn_node_add_int(t->g, made, "hi", end->hi))
        return SETSUNA_ENOMEM;
    return image_end(t, index, end, out, done);
}

/* ---- averages ------------------------------------------------------------------------------------------------ */

/* ReduceMean over rows and columns, which are kept. */
static bool image_is_plane_mean(const sn_quant_graph *t, const sn_node *n)
{
    const int64_t *list = NULL;
    int64_t axes[2];
    size_t count = sn_node_ints(n, "axes", &list);
    const sn_const *c = sn_graph_const(t->g, sn_node_in(n, 1));
    if (sn_node_is(n, "", "GlobalAveragePool"))
        return true;
    if (!sn_node_is(n, "", "ReduceMean") || sn_node_int(n, "keepdims", 1) != 1)
        return false;
    if (c)
        count = c->t.dtype == SETSUNA_I64 && c->t.shape.rank == 1 ? (size_t)c->t.shape.dim[0] : 0;
    for (size_t i = 0; i < count && count == 2; i++) {
        int32_t axis;
        if (!sn_axis_normalize(c ? sn_tensor_get_i64(&c->t, (int64_t)i) : list[i], 4, &axis))
            return false;
        axes[i] = axis;
    }
    return count == 2 && axes[0] + axes[1] == 5 && axes[0] != axes[1] && axes[0] >= 2 && axes[1] >= 2;
}

/* The attributes of a window that QMaxPool and QAveragePool have. */
static bool image_window(sn_quant_graph *t, sn_node *made, const sn_node *n)
{
    static const char *const kept[] = {"auto_pad", "ceil_mode", "count_include_pad", "dilations", "kernel_shape",
                                       "pads",     "strides"};
    for (uint32_t i = 0; i < n->n_attr; i++)
        for (size_t k = 0; k < sizeof kept / sizeof kept[0]; k++)
            if (strcmp(n->attr[i].name, kept[k]) == 0 && !sn_node_add_attr(t->g, made, &n->attr[i]))
                return false;
    return true;
}

static setsuna_status image_mean(sn_quant_graph *t, size_t index, const sn_quant_end *end, bool *done)
{
    const sn_node n = t->g->node[index];
    const sn_quant_float *x = image_operand(t, &n, 0);
    uint32_t in, out;
    if (!x || !t->q[x->quant].image || end->lo > 0 || end->hi < 255)
        return SETSUNA_OK;
    bool plane = image_is_plane_mean(t, &n);
    if (!plane && !sn_node_is(&n, "", "AveragePool"))
        return SETSUNA_OK;
    SN_TRY(sn_quant_twin(t, x->quant, &in));
    sn_node *made = sn_quant_node(t, plane ? "QGlobalAveragePool" : "QAveragePool", n.name, &in, 1, &out);
    if (!made || (!plane && !image_window(t, made, &n)) || !sn_quant_set_scale(t, made, "x_scale", "x_zero", x->s) ||
        !sn_quant_set_scale(t, made, "y_scale", "y_zero", end->s))
        return SETSUNA_ENOMEM;
    return image_end(t, index, end, out, done);
}

/* ---- joins ----------------------------------------------------------------------------------------------------- */

/* Where dim `axis` of an image [N, C, H, W] is in [N, H, W, C]. */
static int64_t image_axis(int32_t axis)
{
    return axis == 0 ? 0 : axis == 1 ? 3 : axis - 1;
}

static setsuna_status image_concat(sn_quant_graph *t, size_t index, const sn_quant_end *end, bool *done)
{
    const sn_node n = t->g->node[index];
    int32_t axis;
    uint32_t out;
    if (!sn_node_is(&n, "", "Concat") || n.n_in < 1 || end->lo > 0 || end->hi < 255 ||
        !sn_axis_normalize(sn_node_int(&n, "axis", 1), t->g->value[n.out[0]].shape.rank, &axis))
        return SETSUNA_OK;
    for (uint32_t i = 0; i < n.n_in; i++)
        if (!image_operand(t, &n, i))
            return SETSUNA_OK;
    uint32_t *in = sn_arena_array(t->arena, n.n_in, sizeof *in);
    if (!in)
        return SETSUNA_ENOMEM;
    for (uint32_t i = 0; i < n.n_in; i++) {
        const sn_quant_float *x = image_operand(t, &n, i);
        SN_TRY(sn_quant_rescale(t, x->quant, x->s, end->s, &in[i]));
    }
    bool image = t->g->value[n.out[0]].shape.rank == 4;
    out = sn_graph_add_value(t->g, n.name, SETSUNA_DTYPE_NONE);
    sn_node *made = out == SN_NONE ? NULL : sn_graph_add_node(t->g, "", "Concat", n.opset, n.name, in, n.n_in, &out, 1);
    if (!made || !sn_node_add_int(t->g, made, "axis", image ? image_axis(axis) : axis))
        return SETSUNA_ENOMEM;
    return image_end(t, index, end, out, done);
}

setsuna_status sn_quant_combine(sn_quant_graph *t, size_t index, const sn_quant_end *end, bool *done)
{
    SN_TRY(image_pair(t, index, end, done));
    if (!*done)
        SN_TRY(image_scale(t, index, end, done));
    if (!*done)
        SN_TRY(image_mean(t, index, end, done));
    if (!*done)
        SN_TRY(image_concat(t, index, end, done));
    return SETSUNA_OK;
}

/* ---- moves ------------------------------------------------------------------------------------------------------ */

/* The result of a node that moves bytes of operand x, whose twin or bytes in order are `bytes`. */
static setsuna_status image_moved(sn_quant_graph *t, const sn_node *n, uint32_t k, const sn_quant_float *x,
                                  uint32_t bytes, bool in_order)
{
    setsuna_shape iota = {.rank = 1, .dim = {256}};
    bool is_float = t->g->value[n->out[k]].dtype == SETSUNA_F32;
    uint32_t q;
    if (is_float)
        q = sn_quant_add(t, SN_NONE, false, &t->g->value[n->out[k]].shape);
    else
        SN_TRY(sn_quant_of(t, n->out[k], &q));
    if (q == SN_NONE)
        return SETSUNA_ENOMEM;
    if (in_order)
        SN_TRY(sn_quant_from_order(t, q, bytes));
    else
        t->q[q].twin = bytes;
    if (!is_float) {
        t->q[q].moved = true;
        return SETSUNA_OK;
    }
    float *table = sn_arena_array(t->g->arena, 256, sizeof *table);
    if (!table)
        return SETSUNA_ENOMEM;
    for (int i = 0; i < 256; i++)
        table[i] = (float)(i - x->s.zero) * x->s.scale;
    sn_quant_float *f = &t->of_real[n->out[k]];
    f->quant = f->source = q;
    f->s = x->s;
    f->table = sn_rewrite_const(t->g, SETSUNA_F32, &iota, table);
    return f->table == SN_NONE ? SETSUNA_ENOMEM : SETSUNA_OK;
}

static setsuna_status image_max_pool(sn_quant_graph *t, const sn_node *n, const sn_quant_float *x)
{
    uint32_t in, out;
    if (!t->q[x->quant].image || (n->n_out > 1 && n->out[1] != SN_NONE) || sn_node_int(n, "storage_order", 0) != 0)
        return SETSUNA_OK;
    SN_TRY(sn_quant_twin(t, x->quant, &in));
    sn_node *made = sn_quant_node(t, "QMaxPool", n->name, &in, 1, &out);
    if (!made || !image_window(t, made, n))
        return SETSUNA_ENOMEM;
    return image_moved(t, n, 0, x, out, false);
}

/* Resize to the nearest pixel, of rows and columns: scales or sizes with the channels moved to the end. */
static setsuna_status image_resize(sn_quant_graph *t, const sn_node *n, const sn_quant_float *x)
{
    sn_graph *g = t->g;
    uint32_t scales = sn_node_in(n, 2), sizes = sn_node_in(n, 3), from = sizes != SN_NONE ? sizes : scales, out;
    const sn_const *c = sn_graph_const(g, from);
    if (n->n_in < 3 || !t->q[x->quant].image || !c || c->t.shape.rank != 1 || c->t.shape.dim[0] != 4 ||
        strcmp(sn_node_string(n, "mode", "nearest"), "nearest") != 0 || sn_node_attr(n, "axes") ||
        strcmp(sn_node_string(n, "coordinate_transformation_mode", ""), "tf_crop_and_resize") == 0 ||
        (c->t.dtype != SETSUNA_F32 && c->t.dtype != SETSUNA_I64) || sn_node_attr(n, "keep_aspect_ratio_policy"))
        return SETSUNA_OK;
    size_t size = setsuna_dtype_size(c->t.dtype);
    char *turned = sn_arena_array(g->arena, 4, size);
    if (!turned)
        return SETSUNA_ENOMEM;
    for (int32_t i = 0; i < 4; i++)
        memcpy(turned + (size_t)image_axis(i) * size, (const char *)c->t.data + (size_t)i * size, size);
    uint32_t in[4] = {0, SN_NONE, SN_NONE, SN_NONE}, k = sizes != SN_NONE ? 3 : 2;
    SN_TRY(sn_quant_twin(t, x->quant, &in[0]));
    in[k] = sn_rewrite_const(g, c->t.dtype, &c->t.shape, turned);
    out = sn_graph_add_value(g, n->name, SETSUNA_DTYPE_NONE);
    sn_node *made = in[k] == SN_NONE || out == SN_NONE
                        ? NULL
                        : sn_graph_add_node(g, "", "Resize", n->opset, n->name, in, k + 1, &out, 1);
    for (uint32_t i = 0; made && i < n->n_attr; i++)
        if (!sn_node_add_attr(g, made, &n->attr[i]))
            made = NULL;
    *t->changed |= made != NULL;
    return made ? image_moved(t, n, 0, x, out, false) : SETSUNA_ENOMEM;
}

/* Any operator that moves elements, over bytes in the graph's order. An image of one pixel has that order already. */
static setsuna_status image_generic(sn_quant_graph *t, const sn_node *n, const sn_quant_float *x)
{
    sn_graph *g = t->g;
    const setsuna_shape shape = t->q[x->quant].shape;
    uint32_t in[8], out[8], bytes;
    if (n->n_in > 8 || n->n_out > 8)
        return SETSUNA_OK;
    memcpy(in, n->in, n->n_in * sizeof *in);
    if (t->q[x->quant].image && shape.dim[2] == 1 && shape.dim[3] == 1) {
        SN_TRY(sn_quant_twin(t, x->quant, &bytes));
        uint32_t target = sn_rewrite_const_i64(g, shape.dim, 4), made = sn_graph_add_value(g, "", SETSUNA_DTYPE_NONE);
        if (target == SN_NONE || made == SN_NONE ||
            !sn_graph_add_node(g, "", "Reshape", 13, n->name, (uint32_t[]){bytes, target}, 2, &made, 1))
            return SETSUNA_ENOMEM;
        in[0] = made;
    } else {
        SN_TRY(sn_quant_in_order(t, x->quant, &in[0]));
    }
    for (uint32_t k = 0; k < n->n_out; k++) {
        out[k] = n->out[k] == SN_NONE ? SN_NONE : sn_graph_add_value(g, "", SETSUNA_DTYPE_NONE);
        if (n->out[k] != SN_NONE && out[k] == SN_NONE)
            return SETSUNA_ENOMEM;
    }
    sn_node *made = sn_graph_add_node(g, n->domain, n->op, n->opset, n->name, in, n->n_in, out, n->n_out);
    for (uint32_t i = 0; made && i < n->n_attr; i++)
        if (!sn_node_add_attr(g, made, &n->attr[i]))
            made = NULL;
    if (!made)
        return SETSUNA_ENOMEM;
    *t->changed = true;
    for (uint32_t k = 0; k < n->n_out; k++)
        if (n->out[k] != SN_NONE)
            SN_TRY(image_moved(t, n, k, x, out[k], true));
    return SETSUNA_OK;
}

/* The last axis is where channels are: splits and slices of channels stay channels last. */
static bool image_split_axis(const sn_quant_graph *t, const sn_node *n, const sn_quant_float *x, int32_t *axis)
{
    return sn_node_is(n, "", "Split") && t->q[x->quant].image &&
           sn_axis_normalize(sn_node_int(n, "axis", 0), 4, axis) && n->n_out <= 8;
}

static setsuna_status image_split(sn_quant_graph *t, const sn_node *n, const sn_quant_float *x, int32_t axis)
{
    sn_graph *g = t->g;
    uint32_t in[2] = {0, sn_node_in(n, 1)}, out[8];
    SN_TRY(sn_quant_twin(t, x->quant, &in[0]));
    for (uint32_t k = 0; k < n->n_out; k++) {
        out[k] = n->out[k] == SN_NONE ? SN_NONE : sn_graph_add_value(g, "", SETSUNA_DTYPE_NONE);
        if (n->out[k] != SN_NONE && out[k] == SN_NONE)
            return SETSUNA_ENOMEM;
    }
    sn_node *made = sn_graph_add_node(g, "", "Split", n->opset, n->name, in, n->n_in, out, n->n_out);
    for (uint32_t i = 0; made && i < n->n_attr; i++)
        if (!sn_node_add_attr(g, made, &n->attr[i]))
            made = NULL;
    if (!made || !sn_node_add_int(g, made, "axis", image_axis(axis)))
        return SETSUNA_ENOMEM;
    *t->changed = true;
    for (uint32_t k = 0; k < n->n_out; k++)
        if (n->out[k] != SN_NONE)
            SN_TRY(image_moved(t, n, k, x, out[k], false));
    return SETSUNA_OK;
}

static setsuna_status image_move(sn_quant_graph *t, const sn_node *n, const sn_quant_float *x)
{
    static const char *const generic[] = {"DepthToSpace", "Flatten", "Reshape", "Slice",     "SpaceToDepth",
                                          "Split",        "Squeeze", "Tile",    "Transpose", "Unsqueeze"};
    int32_t axis;
    if (sn_node_is(n, "", "MaxPool"))
        return image_max_pool(t, n, x);
    if (sn_node_is(n, "", "Resize"))
        return image_resize(t, n, x);
    if (image_split_axis(t, n, x, &axis))
        return image_split(t, n, x, axis);
    for (size_t i = 0; i < sizeof generic / sizeof generic[0]; i++)
        if (sn_node_is(n, "", generic[i]))
            return image_generic(t, n, x);
    return SETSUNA_OK;
}

setsuna_status sn_quant_moves(sn_quant_graph *t, size_t index)
{
    const sn_node n = t->g->node[index];
    const sn_quant_float *x = n.n_in ? image_operand(t, &n, 0) : NULL;
    if (n.n_in < 1 || n.in[0] == SN_NONE || n.in[0] >= t->n_value || n.n_out < 1 || n.out[0] == SN_NONE ||
        !t->g->value[n.out[0]].has_shape)
        return SETSUNA_OK;
    if (x)
        return image_move(t, &n, x);
    uint32_t q = t->of_int[n.in[0]]; /* bytes that move themselves, where they are channels last already */
    if (q == SN_NONE || !t->q[q].moved)
        return SETSUNA_OK;
    SN_TRY(image_move(t, &n, &(sn_quant_float){.quant = q}));
    q = t->of_int[n.out[0]];
    t->g->node[index].dead |= q != SN_NONE && t->q[q].moved;
    return SETSUNA_OK;
}
