/* outline-batch: the front of a network, where images are larger than weights, runs item by item.
 *
 *     x[N] ─▶ Conv ─▶ Relu ─▶ ... ─▶ Conv ─▶ y[N] ─▶ rest
 *       ⇒   x[N] ─▶ setsuna.ForEach { x[c] ─▶ Conv ─▶ Relu ─▶ ... ─▶ Conv ─▶ y[c] } ─▶ y[N] ─▶ rest
 *
 * A step over a whole batch leaves the caches between it and the next one: what it wrote comes back from memory. Taking
 * c items (a divisor of N) through all steps before the next c are begun keeps the images in the second-level cache, at
 * the price of reading the weights N / c times. So the nodes taken are those at the front, in topological order, up to
 * where the sum of what each saves (its images) less what it costs (its weights) is largest; and all nodes so far must
 * treat items of axis 0 alike and apart. The values of the body are those that the graph has, so that the results are
 * equal but for the order of sums that kernels choose by size.
 */
#include "base/checked.h"
#include "base/status.h"
#include "passes/pass.h"
#include <string.h>

/* Images of one step that are to stay in the second-level cache: most of it. And what must be saved at least: less is
 * not worth a second plan. */
enum { BATCH_CACHE_BYTES = 768 << 10, BATCH_SAVED_BYTES_MIN = 1 << 20 };

/* Values that may cross the end; nodes that are looked at, because each asks what crosses behind it. */
enum { BATCH_VALUES_MAX = 8, BATCH_NODES_MAX = 4096 };

typedef struct batch_front {
    const sn_graph *g;
    int64_t n;        /* items */
    bool *is_item;    /* per value: items of the batch along axis 0 */
    size_t n_node;    /* the first nodes of the graph, all of which can be outlined */
    double *images;   /* per node: bytes of one item that it reads and writes and that no fusion takes away */
    double *weights;  /* per node: bytes of its constants */
    int64_t together; /* items of a turn */
} batch_front;

/* ---- which nodes keep items apart --------------------------------------------------------------------- */

/* Input 0 is the items; all others are constants of no shape of theirs. */
static const char *const batch_unary[] = {
    "Relu",      "LeakyRelu", "Elu",        "Selu",     "Celu", "Sigmoid",  "HardSigmoid",
    "HardSwish", "Tanh",      "Softplus",   "Softsign", "Mish", "Gelu",     "Erf",
    "Exp",       "Log",       "Sqrt",       "Abs",      "Neg",  "Floor",    "Ceil",
    "Round",     "Sign",      "Reciprocal", "Clip",     "Cast", "Identity", "ThresholdedRelu",
    NULL};
/* Likewise, and they compute on planes of channels: axes 2 and up. */
static const char *const batch_planes[] = {
    "Conv",          "ConvTranspose", "MaxPool", "AveragePool",        "GlobalAveragePool",
    "GlobalMaxPool", "LpPool",        "LRN",     "BatchNormalization", "InstanceNormalization",
    "DepthToSpace",  "SpaceToDepth",  NULL};
/* Broadcast against each other. */
static const char *const batch_eltwise[] = {"Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean", "PRelu", NULL};

static bool batch_named(const char *const *list, const sn_node *n)
{
    for (; *list; list++)
        if (strcmp(*list, n->op) == 0)
            return true;
    return false;
}

static const sn_value *batch_value(const batch_front *f, const sn_node *n, uint32_t i)
{
    uint32_t v = sn_node_in(n, i);
    return v == SN_NONE ? NULL : &f->g->value[v];
}

static bool batch_items(const batch_front *f, const sn_node *n, uint32_t i)
{
    uint32_t v = sn_node_in(n, i);
    return v != SN_NONE && f->is_item[v];
}

static bool batch_rest_constant(const batch_front *f, const sn_node *n)
{
    for (uint32_t i = 1; i < n->n_in; i++)
        if (n->in[i] != SN_NONE && !f->g->value[n->in[i]].cst)
            return false;
    return true;
}

/* An attribute `axis` (or what it is when absent) that is not the first of a tensor of this rank. */
static bool batch_inner_axis(const sn_node *n, int64_t absent, int32_t rank)
{
    int64_t axis = sn_node_int(n, "axis", absent);
    return axis != 0 && axis != -(int64_t)rank;
}

/* Constants that broadcast over the items, or items. */
static bool batch_broadcasts(const batch_front *f, const sn_node *n)
{
    int32_t rank = 0;
    for (uint32_t i = 0; i < n->n_in; i++)
        if (batch_items(f, n, i) && batch_value(f, n, i)->shape.rank > rank)
            rank = batch_value(f, n, i)->shape.rank;
    for (uint32_t i = 0; i < n->n_in; i++) {
        const sn_value *v = batch_value(f, n, i);
        bool items = batch_items(f, n, i);
        if (!v || (items ? v->shape.rank != rank : !v->cst || v->shape.rank > rank) ||
            (!items && v->shape.rank == rank && v->shape.dim[0] != 1))
            return false;
    }
    return rank > 0;
}

/* By constant factors, of which the first is 1. */
static bool batch_resizes(const batch_front *f, const sn_node *n)
{
    const sn_value *scales = batch_value(f, n, strcmp(n->op, "Upsample") == 0 || n->opset < 11 ? 1 : 2);
    bool crops = strcmp(sn_node_string(n, "coordinate_transformation_mode", ""), "tf_crop_and_resize") == 0;
    float first;
    if (crops || sn_node_attr(n, "axes") || !scales || !scales->cst || scales->cst->file ||
        scales->cst->t.dtype != SETSUNA_F32 || scales->cst->t.size_bytes < sizeof first)
        return false;
    memcpy(&first, scales->cst->t.data, sizeof first);
    return first == 1;
}

/* Statistics of the whole batch. */
static bool batch_is_training(const sn_node *n)
{
    return strcmp(n->op, "BatchNormalization") == 0 && (n->opset < 7 || sn_node_int(n, "training_mode", 0) != 0);
}

static bool batch_gemm(const batch_front *f, const sn_node *n)
{
    const sn_value *c = batch_value(f, n, 2);
    return sn_node_int(n, "transA", 0) == 0 && (!c || c->shape.rank < 2 || c->shape.dim[0] == 1);
}

static bool batch_keeps_apart(const batch_front *f, const sn_node *n)
{
    const sn_value *x = batch_value(f, n, 0);
    if (n->domain[0] || !x)
        return false;
    if (batch_named(batch_eltwise, n))
        return batch_broadcasts(f, n);
    if (strcmp(n->op, "Concat") == 0) {
        for (uint32_t i = 0; i < n->n_in; i++)
            if (!batch_items(f, n, i))
                return false;
        return batch_inner_axis(n, 0, x->shape.rank);
    }
    if (!batch_items(f, n, 0) || !batch_rest_constant(f, n))
        return false;
    if (batch_named(batch_unary, n))
        return true;
    if (batch_named(batch_planes, n))
        return n->n_out == 1 && x->shape.rank >= 3 && !batch_is_training(n);
    if (strcmp(n->op, "Split") == 0)
        return batch_inner_axis(n, 0, x->shape.rank);
    if (strcmp(n->op, "Softmax") == 0)
        return batch_inner_axis(n, n->opset < 13 ? 1 : -1, x->shape.rank);
    if (strcmp(n->op, "Flatten") == 0)
        return sn_node_int(n, "axis", 1) == 1;
    if (strcmp(n->op, "QuantizeLinear") == 0 || strcmp(n->op, "DequantizeLinear") == 0)
        return batch_value(f, n, 1)->shape.rank == 0 || batch_inner_axis(n, 1, x->shape.rank);
    if (strcmp(n->op, "Resize") == 0 || strcmp(n->op, "Upsample") == 0)
        return batch_resizes(f, n);
    if (strcmp(n->op, "Gemm") == 0)
        return batch_gemm(f, n);
    return false;
}

/* ---- how far it pays ------------------------------------------------------------------------------------ */

static double batch_bytes(const sn_value *v)
{
    size_t bytes;
    return sn_tensor_bytes(v->dtype, &v->shape, &bytes) ? (double)bytes : 0;
}

/* The outputs are items, one for each of the input's. */
static bool batch_makes_items(const batch_front *f, const sn_node *n)
{
    for (uint32_t i = 0; i < n->n_out; i++) {
        const sn_value *v = n->out[i] == SN_NONE ? NULL : &f->g->value[n->out[i]];
        if (v && (!v->has_shape || v->shape.rank < 1 || v->shape.dim[0] != f->n))
            return false;
    }
    return true;
}

/* Fills the front: inputs that share their first extent are items, and so is what separable nodes make of them. */
static void batch_find(batch_front *f, double *largest)
{
    const sn_graph *g = f->g;
    for (; f->n_node < g->n_node && f->n_node < BATCH_NODES_MAX; f->n_node++) {
        const sn_node *n = &g->node[f->n_node];
        if (!batch_keeps_apart(f, n) || !batch_makes_items(f, n))
            return;
        /* Fusion leaves no trace of these, as a rule. */
        bool fused = batch_named(batch_unary, n) || batch_named(batch_eltwise, n) || strcmp(n->op, "Flatten") == 0;
        double images = 0, weights = 0;
        for (uint32_t i = 0; i < n->n_in; i++)
            if (n->in[i] != SN_NONE)
                *(g->value[n->in[i]].cst ? &weights : &images) += batch_bytes(&g->value[n->in[i]]);
        for (uint32_t i = 0; i < n->n_out; i++)
            if (n->out[i] != SN_NONE) {
                images += batch_bytes(&g->value[n->out[i]]);
                f->is_item[n->out[i]] = true;
            }
        f->images[f->n_node] = fused ? 0 : images / (double)f->n;
        f->weights[f->n_node] = fused ? 0 : weights;
        *largest = f->images[f->n_node] > *largest ? f->images[f->n_node] : *largest;
    }
}

/* The largest divisor of n whose items fit. */
static int64_t batch_together(int64_t n, double largest)
{
    int64_t best = largest > 0 ? 1 : n;
    for (int64_t c = 2; c <= n && best < n && (double)c * largest <= BATCH_CACHE_BYTES; c++)
        if (n % c == 0)
            best = c;
    return best;
}

/* Values that the first `count` nodes make and others, or the graph, read. Returns how many; they are in out while
 * there is room. */
static uint32_t batch_crossing(const batch_front *f, const sn_uses *uses, size_t count, uint32_t *out, double *bytes)
{
    uint32_t n = 0;
    *bytes = 0;
    for (size_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < f->g->node[i].n_out; k++) {
            uint32_t v = f->g->node[i].out[k];
            bool crosses = false;
            for (uint32_t r = 0; v != SN_NONE && r < uses->n_use[v]; r++) {
                uint32_t reader = uses->reader[uses->first[v] + r];
                crosses |= reader == SN_NONE || reader >= count;
            }
            if (!crosses)
                continue;
            if (n < BATCH_VALUES_MAX)
                out[n] = v;
            n++;
            *bytes += batch_bytes(&f->g->value[v]) / (double)f->n;
        }
    return n;
}

/* How many nodes to take: where most is saved. What crosses the end is copied once. 0: none. */
static size_t batch_choose(const batch_front *f, const sn_uses *uses)
{
    double sum = 0, best = 0;
    size_t count = 0;
    for (size_t i = 0; i < f->n_node; i++) {
        sum += f->images[i] * (double)f->together - f->weights[i];
        uint32_t value[BATCH_VALUES_MAX];
        double crossing = 0;
        if (sum < best || batch_crossing(f, uses, i + 1, value, &crossing) > BATCH_VALUES_MAX)
            continue;
        double saved = sum - crossing * (double)f->together;
        if (saved >= best) { /* the later of equals: an activation stays with its convolution */
            best = saved;
            count = i + 1;
        }
    }
    return best * (double)(f->n / f->together) < BATCH_SAVED_BYTES_MIN ? 0 : count;
}

/* ---- the rewrite ------------------------------------------------------------------------------------------ */

/* Value v of g as one of the body's. */
static uint32_t batch_copy_value(const sn_graph *g, sn_graph *body, uint32_t *copy, uint32_t v)
{
    if (v == SN_NONE || copy[v] != SN_NONE)
        return v == SN_NONE ? SN_NONE : copy[v];
    const sn_value *from = &g->value[v];
    copy[v] = sn_graph_add_value(body, from->name, from->dtype);
    if (copy[v] != SN_NONE && from->cst) {
        sn_value *to = &body->value[copy[v]];
        to->cst = from->cst;
        to->shape = from->shape;
        to->has_shape = true;
    }
    return copy[v];
}

static setsuna_status batch_copy_node(const sn_graph *g, sn_graph *body, uint32_t *copy, const sn_node *n)
{
    sn_node *made = sn_graph_add_node(body, n->domain, n->op, n->opset, n->name, n->in, n->n_in, n->out, n->n_out);
    if (!made)
        return SETSUNA_ENOMEM;
    made->n_formal = n->n_formal;
    made->attr = n->attr;
    made->n_attr = n->n_attr;
    for (uint32_t i = 0; i < n->n_in + n->n_out; i++) {
        uint32_t v = i < n->n_in ? n->in[i] : n->out[i - n->n_in];
        uint32_t to = batch_copy_value(g, body, copy, v);
        if (v != SN_NONE && to == SN_NONE)
            return SETSUNA_ENOMEM;
        if (i < n->n_in)
            made->in[i] = to;
        else
            made->out[i - n->n_in] = to;
    }
    return SETSUNA_OK;
}

static setsuna_status batch_rewrite(sn_graph *g, const sn_pass_ctx *ctx, const batch_front *f, const sn_uses *uses,
                                    size_t count)
{
    sn_graph *body = sn_graph_create(g->arena, "items");
    uint32_t *copy = sn_arena_array(ctx->arena, g->n_value, sizeof *copy);
    uint32_t *in = sn_arena_array(ctx->arena, g->n_input, sizeof *in), n_in = 0, out[BATCH_VALUES_MAX];
    uint32_t *formal = sn_arena_array(ctx->arena, g->n_input, sizeof *formal);
    double bytes;
    if (!body || !copy || !in || !formal)
        return SETSUNA_ENOMEM;
    memset(copy, 0xff, g->n_value * sizeof *copy);
    for (uint32_t i = 0; i < g->n_input; i++) {
        uint32_t v = g->input[i];
        bool read = false;
        for (uint32_t r = 0; f->is_item[v] && r < uses->n_use[v]; r++)
            read |= uses->reader[uses->first[v] + r] < count;
        if (!read)
            continue;
        in[n_in] = v;
        formal[n_in] = batch_copy_value(g, body, copy, v);
        if (formal[n_in++] == SN_NONE)
            return SETSUNA_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        SN_TRY(batch_copy_node(g, body, copy, &g->node[i]));
        g->node[i].dead = true;
    }
    uint32_t n_out = batch_crossing(f, uses, count, out, &bytes), made[BATCH_VALUES_MAX];
    for (uint32_t k = 0; k < n_out; k++)
        made[k] = copy[out[k]];
    SN_TRY(sn_graph_set_inputs(body, formal, n_in));
    SN_TRY(sn_graph_set_outputs(body, made, n_out));
    sn_node *each = sn_graph_add_node(g, "setsuna", "ForEach", 1, g->node[0].name, in, n_in, out, n_out);
    const sn_attr attr = {.name = "body", .kind = SN_ATTR_GRAPH, .g = body};
    if (!each || !sn_node_add_attr(g, each, &attr) || !sn_node_add_int(g, each, "together", f->together))
        return SETSUNA_ENOMEM;
    return SETSUNA_OK;
}

/* The first extent that inputs of rank 2 and more share; 0: none of 2 and more. */
static int64_t batch_extent(const sn_graph *g)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < g->n_input; i++) {
        const sn_value *v = &g->value[g->input[i]];
        if (v->cst || !v->has_shape || v->shape.rank < 2 || v->shape.dim[0] < 2)
            continue;
        if (n && n != v->shape.dim[0])
            return 0;
        n = v->shape.dim[0];
    }
    return n;
}

static setsuna_status outline_batch_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    batch_front f = {.g = g, .n = batch_extent(g)};
    if (f.n == 0)
        return SETSUNA_OK;
    f.is_item = sn_arena_array(ctx->arena, g->n_value, sizeof *f.is_item);
    f.images = sn_arena_array(ctx->arena, g->n_node, sizeof *f.images);
    f.weights = sn_arena_array(ctx->arena, g->n_node, sizeof *f.weights);
    if (!f.is_item || !f.images || !f.weights)
        return SETSUNA_ENOMEM;
    memset(f.is_item, 0, g->n_value * sizeof *f.is_item);
    for (uint32_t i = 0; i < g->n_input; i++) {
        const sn_value *v = &g->value[g->input[i]];
        f.is_item[g->input[i]] = !v->cst && v->has_shape && v->shape.rank >= 2 && v->shape.dim[0] == f.n;
    }
    double largest = 0;
    batch_find(&f, &largest);
    f.together = batch_together(f.n, largest);
    if (f.n_node == 0 || f.together == f.n)
        return SETSUNA_OK;
    sn_uses uses;
    SN_TRY(sn_uses_build(g, ctx->arena, &uses));
    size_t count = batch_choose(&f, &uses);
    if (count == 0)
        return SETSUNA_OK;
    *changed = true;
    return batch_rewrite(g, ctx, &f, &uses, count);
}

const sn_pass sn_pass_outline_batch = {"outline-batch", outline_batch_run};
