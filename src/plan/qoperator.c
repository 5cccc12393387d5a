/* Operators of ONNX Runtime on quantised tensors, as what they are defined to be.
 *
 *     QLinearAdd (a, as, az, b, bs, bz, ys, yz)   ⇒   QuantizeLinear (Add (DequantizeLinear (a, as, az),
 *                                                                          DequantizeLinear (b, bs, bz)), ys, yz)
 *     QGemm (a, as, az, b, bs, bz, c, ys, yz)     ⇒   likewise, with DequantizeLinear (c, alpha as bs)
 *
 * The pass recognise-quantised then makes integer operators of these, as of a model that was written so. Source:
 * ONNX Runtime's ContribOperators, com.microsoft 1.
 */
#include "plan/build.h"
#include <string.h>

enum { QOPERATOR_NODES_MAX = SN_OP_IN_MAX / 3 + 6 };

typedef struct qoperator {
    const char *name, *op;
    int8_t opset;    /* of op; -1: attribute opset */
    int8_t plain;    /* inputs that op takes as they are, before the triples */
    int8_t first;    /* the first triple of tensor, scale, zero point */
    int8_t operands; /* triples; 0: as many as there are */
    int8_t scale;    /* the output's; its zero point is next */
} qoperator;

static const qoperator qoperators[] = {
    {"QGemm", "Gemm", 13, 0, 0, 2, 7},
    {"QLinearAdd", "Add", 13, 0, 0, 2, 6},
    {"QLinearAveragePool", "AveragePool", 11, 0, 0, 1, 3},
    {"QLinearConcat", "Concat", 13, 0, 2, 0, 0},
    {"QLinearGlobalAveragePool", "GlobalAveragePool", 1, 0, 0, 1, 3},
    {"QLinearLeakyRelu", "LeakyRelu", 6, 0, 0, 1, 3},
    {"QLinearMul", "Mul", 13, 0, 0, 2, 6},
    {"QLinearReduceMean", "ReduceMean", 13, 0, 0, 1, 3},
    {"QLinearSigmoid", "Sigmoid", 13, 0, 0, 1, 3},
    {"QLinearSoftmax", "Softmax", -1, 0, 0, 1, 3},
    {"QLinearWhere", "Where", 9, 1, 1, 2, 7},
};

typedef struct qoperator_lower {
    sn_build *b;
    const sn_node *n;
    sn_node *made;
    size_t count;
    bool failed; /* out of memory */
} qoperator_lower;

static const qoperator *qoperator_find(const sn_node *n)
{
    for (size_t i = 0; i < sizeof qoperators / sizeof qoperators[0]; i++)
        if (sn_node_is(n, "com.microsoft", qoperators[i].name))
            return &qoperators[i];
    return NULL;
}

bool sn_is_qoperator(const sn_node *n)
{
    return qoperator_find(n) != NULL;
}

/* A node of the default domain. out SN_NONE: it makes a new value. Returns what it makes. */
static uint32_t qoperator_emit(qoperator_lower *l, const char *op, int32_t opset, const uint32_t *in, uint32_t n_in,
                               uint32_t out)
{
    sn_graph *g = l->b->graph;
    uint32_t *io = sn_arena_array(g->arena, (size_t)n_in + 1, sizeof *io);
    out = out == SN_NONE ? sn_graph_add_value(g, "", SETSUNA_DTYPE_NONE) : out;
    if (!io || out == SN_NONE) {
        l->failed = true;
        return SN_NONE;
    }
    memcpy(io, in, n_in * sizeof *io);
    io[n_in] = out;
    l->made[l->count++] = (sn_node){.name = l->n->name,
                                    .op = op,
                                    .domain = "",
                                    .opset = opset,
                                    .n_in = n_in,
                                    .n_out = 1,
                                    .n_formal = n_in,
                                    .in = io,
                                    .out = io + n_in};
    return out;
}

static uint32_t qoperator_const(qoperator_lower *l, setsuna_dtype dtype, const void *value, size_t size_bytes)
{
    sn_graph *g = l->b->graph;
    void *data = sn_arena_alloc(g->arena, size_bytes);
    if (!data) {
        l->failed = true;
        return SN_NONE;
    }
    memcpy(data, value, size_bytes);
    setsuna_tensor t = {.dtype = dtype, .data = data, .size_bytes = size_bytes};
    uint32_t v = sn_graph_add_const(g, "", &t, sn_const_uid(&t));
    l->failed |= v == SN_NONE;
    return v;
}

static uint32_t qoperator_dequantize(qoperator_lower *l, uint32_t first, int64_t axis)
{
    const uint32_t in[] = {l->n->in[first], sn_node_in(l->n, first + 1), sn_node_in(l->n, first + 2)};
    uint32_t y = qoperator_emit(l, "DequantizeLinear", 13, in, 3, SN_NONE);
    if (!l->failed && !sn_node_add_int(l->b->graph, &l->made[l->count - 1], "axis", axis))
        l->failed = true;
    return y;
}

/* QGemm's summand: integers in units of the product. */
static uint32_t qoperator_summand(qoperator_lower *l)
{
    const sn_node *n = l->n;
    float alpha = sn_node_float(n, "alpha", 1);
    uint32_t c = n->in[6], s = qoperator_emit(l, "Mul", 13, (uint32_t[]){n->in[1], n->in[4]}, 2, SN_NONE);
    if (alpha < 1 || alpha > 1)
        s = qoperator_emit(l, "Mul", 13, (uint32_t[]){s, qoperator_const(l, SETSUNA_F32, &alpha, sizeof alpha)}, 2,
                           SN_NONE);
    uint32_t y = qoperator_emit(l, "DequantizeLinear", 13, (uint32_t[]){c, s}, 2, SN_NONE);
    if (!l->failed && !sn_node_add_int(l->b->graph, &l->made[l->count - 1], "axis", -1))
        l->failed = true;
    return y;
}

/* Attributes of the float operator: all but those that only the quantised one has. */
static void qoperator_attributes(qoperator_lower *l, sn_node *made)
{
    for (uint32_t i = 0; i < l->n->n_attr && !l->failed; i++) {
        const sn_attr *a = &l->n->attr[i];
        if (strcmp(a->name, "channels_last") != 0 && strcmp(a->name, "opset") != 0 &&
            !sn_node_add_attr(l->b->graph, made, a))
            l->failed = true;
    }
}

/* The zero point gives the output's type; without one it is the operands'. */
static uint32_t qoperator_zero(qoperator_lower *l, const qoperator *q)
{
    static const int8_t zero = 0;
    uint32_t given = sn_node_in(l->n, (uint32_t)q->scale + 1), x = l->n->in[q->first];
    if (given != SN_NONE || l->b->graph->value[x].dtype != SETSUNA_I8)
        return given;
    return qoperator_const(l, SETSUNA_I8, &zero, sizeof zero);
}

static setsuna_status qoperator_check(const qoperator_lower *l, const qoperator *q, uint32_t operands)
{
    const sn_node *n = l->n;
    if (sn_node_int(n, "channels_last", 0) != 0)
        return sn_fail(l->b->err, SETSUNA_EUNSUPPORTED, NULL, "channels_last is not supported");
    if (q->operands == 0 && (n->n_in < 5 || (n->n_in - 2) % 3 != 0))
        return sn_fail(l->b->err, SETSUNA_EMODEL, NULL, "the inputs are not tensors, scales and zero points in turn");
    for (uint32_t i = 0; i < operands; i++)
        if (sn_node_in(n, (uint32_t)q->first + 3 * i) == SN_NONE)
            return sn_fail(l->b->err, SETSUNA_EMODEL, NULL, "input %u is missing", (uint32_t)q->first + 3 * i);
    for (uint32_t i = 0; i < (uint32_t)q->plain; i++)
        if (n->in[i] == SN_NONE)
            return sn_fail(l->b->err, SETSUNA_EMODEL, NULL, "input %u is missing", i);
    return SETSUNA_OK;
}

setsuna_status sn_lower_qoperator(sn_build *b, const sn_node *n, sn_node **made_out, size_t *n_made)
{
    const qoperator *q = qoperator_find(n);
    qoperator_lower l = {.b = b, .n = n};
    uint32_t operands = q->operands ? (uint32_t)q->operands : (n->n_in - 2) / 3, in[SN_OP_IN_MAX], n_in = 0;
    bool gemm = strcmp(q->name, "QGemm") == 0;
    SN_TRY(qoperator_check(&l, q, operands));
    l.made = sn_arena_array(b->scratch, QOPERATOR_NODES_MAX, sizeof *l.made);
    if (!l.made)
        return SETSUNA_ENOMEM;
    for (; n_in < (uint32_t)q->plain; n_in++)
        in[n_in] = n->in[n_in];
    for (uint32_t i = 0; i < operands; i++) {
        int64_t axis = gemm && i == 1 && sn_node_int(n, "transB", 0) ? 0 : 1; /* of a scale for each column */
        in[n_in++] = qoperator_dequantize(&l, (uint32_t)q->first + 3 * i, axis);
    }
    if (gemm && sn_node_in(n, 6) != SN_NONE)
        in[n_in++] = qoperator_summand(&l);
    bool is_float = sn_node_in(n, (uint32_t)q->scale) == SN_NONE;
    if (is_float && !gemm)
        return sn_fail(b->err, SETSUNA_EMODEL, NULL, "input %d is missing", q->scale);
    int64_t opset = q->opset < 0 ? sn_node_int(n, "opset", 13) : q->opset;
    if (opset < 1 || opset > INT32_MAX)
        return sn_fail(b->err, SETSUNA_EMODEL, NULL, "attribute 'opset' is out of range");
    uint32_t y = qoperator_emit(&l, q->op, (int32_t)opset, in, n_in, is_float ? n->out[0] : SN_NONE);
    if (!l.failed)
        qoperator_attributes(&l, &l.made[l.count - 1]);
    if (!is_float)
        qoperator_emit(&l, "QuantizeLinear", 13, (uint32_t[]){y, n->in[q->scale], qoperator_zero(&l, q)}, 3, n->out[0]);
    *made_out = l.made;
    *n_made = l.count;
    return l.failed ? SETSUNA_ENOMEM : SETSUNA_OK;
}
