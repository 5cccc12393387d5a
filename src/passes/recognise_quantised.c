/* recognise-quantised: what models spell out as floats between DequantizeLinear and QuantizeLinear is done in integers.
 *
 *     q ─▶ DQ ─▶ Conv(DQ(w)) ─▶ Relu ─▶ Q ─▶ y     ⇒   q ═▶ setsuna.QConv(lo = zero) ═▶ y      (Gemm, MatMul too)
 *     q, r ─▶ DQ, DQ ─▶ Add ─▶ Q ─▶ y              ⇒   q, r ═▶ setsuna.QAdd ═▶ y               (Mul, pools, Concat)
 *     q ─▶ DQ ─▶ HardSwish ─▶ Q ─▶ y               ⇒   q ═▶ setsuna.QLookup(256 bytes) ═▶ y    (any elementwise chain,
 *                                                                                               with Qs and DQs in it)
 *     q ─▶ QLinearConv(w) ─▶ y                     ⇒   q ═▶ setsuna.QConv ═▶ y
 *
 * ═▶ are unsigned bytes, images channels last (passes/quantised.h); conversions are made where other operators read or
 * make a value. Weights, scales and zero points must be constants, activations have one scale. Everything else stays as
 * it is: DequantizeLinear of constants too, which planning folds after this pass.
 */
#include "passes/quantised.h"
#include <math.h>

/* A bound of Clip: absent, an attribute before opset 11, or a constant. false: not known. */
static bool recognise_bound(const sn_graph *g, const sn_node *n, uint32_t i, const char *name, double absent,
                            double *out)
{
    *out = n->opset < 11 ? (double)sn_node_float(n, name, (float)absent) : absent;
    return n->opset < 11 || sn_node_in(n, i) == SN_NONE || sn_quant_scalar(g, n->in[i], out);
}

/* Goes from what QuantizeLinear reads back over Relu and Clip to what they clamp. The bounds become bytes: rounding
 * keeps order, so clamping before it is clamping after it. */
static uint32_t recognise_clamp(sn_quant_graph *t, uint32_t v, sn_quant_end *end, sn_node *dropped[4], int *n_dropped)
{
    *n_dropped = 0;
    end->lo = 0, end->hi = 255;
    while (*n_dropped < 4) {
        sn_node *n = sn_quant_producer(t, v);
        double lo = 0, hi = HUGE_VAL;
        bool clip = n && sn_node_is(n, "", "Clip");
        if (!n || n->n_in < 1 || n->in[0] == SN_NONE || (!clip && !sn_node_is(n, "", "Relu")))
            return v;
        if (clip && (!recognise_bound(t->g, n, 1, "min", -HUGE_VAL, &lo) ||
                     !recognise_bound(t->g, n, 2, "max", HUGE_VAL, &hi) || !(lo <= hi)))
            return v;
        int32_t low = sn_quant_byte(end->s, lo), high = sn_quant_byte(end->s, hi);
        /* An inner clamp narrows what the outer ones leave of it. */
        int32_t inner_lo = low < end->lo ? end->lo : low > end->hi ? end->hi : low;
        int32_t inner_hi = high < end->lo ? end->lo : high > end->hi ? end->hi : high;
        end->lo = inner_lo, end->hi = inner_hi;
        dropped[(*n_dropped)++] = n;
        v = n->in[0];
    }
    return v;
}

static setsuna_status recognise_quantize(sn_quant_graph *t, size_t index)
{
    const sn_node n = t->g->node[index];
    sn_quant_end end = {.out = n.out[0]};
    sn_node *dropped[4];
    size_t at[4];
    int n_dropped;
    bool done = false;
    if (n.n_in < 2 || n.n_out != 1 || n.in[0] >= t->n_value || t->g->value[n.in[0]].dtype != SETSUNA_F32 ||
        !t->g->value[n.out[0]].has_shape)
        return SETSUNA_OK;
    SN_TRY(sn_quant_note_quantize(t, &n, &done));
    if (done) {
        t->g->node[index].dead = true;
        return SETSUNA_OK;
    }
    if (!sn_quant_read_scale(t->g, &n, 1, t->g->value[n.out[0]].dtype, &end.s))
        return SETSUNA_OK;
    uint32_t v = recognise_clamp(t, n.in[0], &end, dropped, &n_dropped);
    for (int i = 0; i < n_dropped; i++)
        at[i] = (size_t)(dropped[i] - t->g->node);
    sn_node *from = sn_quant_producer(t, v);
    if (!from)
        return SETSUNA_OK;
    size_t producer = (size_t)(from - t->g->node);
    SN_TRY(sn_quant_product(t, producer, &end, &done));
    if (!done)
        SN_TRY(sn_quant_combine(t, producer, &end, &done));
    for (int i = 0; done && i < n_dropped; i++)
        t->g->node[at[i]].dead = true;
    if (done)
        t->g->node[index].dead = true;
    return SETSUNA_OK;
}

/* Everything that ends in bytes. */
static setsuna_status recognise_bytes(sn_quant_graph *t, size_t n_node)
{
    for (size_t i = 0; i < n_node; i++) {
        const sn_node n = t->g->node[i];
        bool done = false;
        if (n.dead)
            continue;
        if (sn_node_is(&n, "", "DequantizeLinear"))
            SN_TRY(sn_quant_note_dequantize(t, &n));
        else if (sn_node_is(&n, "", "QuantizeLinear"))
            SN_TRY(recognise_quantize(t, i));
        else if (sn_node_is(&n, "", "QLinearConv") || sn_node_is(&n, "", "QLinearMatMul"))
            SN_TRY(sn_quant_qlinear(t, i, &done));
        else {
            SN_TRY(sn_quant_note_elementwise(t, &n));
            SN_TRY(sn_quant_moves(t, i));
        }
    }
    return SETSUNA_OK;
}

/* Products whose floats somebody reads, and then what other operators read. */
static setsuna_status recognise_rest(sn_quant_graph *t, size_t n_node)
{
    for (size_t i = 0; i < n_node; i++) {
        const sn_node n = t->g->node[i];
        bool done = false;
        if (n.dead || sn_node_is(&n, "", "DequantizeLinear"))
            continue;
        if (n.n_out == 1 && n.out[0] < t->n_value && t->g->value[n.out[0]].dtype == SETSUNA_F32)
            SN_TRY(sn_quant_product(t, i, &(sn_quant_end){.is_float = true, .out = n.out[0]}, &done));
        for (uint32_t k = 0; !done && k < n.n_in; k++)
            SN_TRY(sn_quant_want(t, n.in[k]));
    }
    for (uint32_t k = 0; k < t->g->n_output; k++)
        SN_TRY(sn_quant_want(t, t->g->output[k]));
    return SETSUNA_OK;
}

static bool recognise_is_quantised(const sn_graph *g)
{
    for (size_t i = 0; i < g->n_node; i++)
        if (sn_node_is(&g->node[i], "", "DequantizeLinear") || sn_node_is(&g->node[i], "", "QLinearConv") ||
            sn_node_is(&g->node[i], "", "QLinearMatMul"))
            return true;
    return false;
}

static setsuna_status recognise_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    sn_quant_graph t;
    size_t n_node = g->n_node;
    if (!recognise_is_quantised(g))
        return SETSUNA_OK;
    SN_TRY(sn_quant_init(&t, g, ctx->arena, changed));
    SN_TRY(recognise_bytes(&t, n_node));
    return recognise_rest(&t, n_node);
}

const sn_pass sn_pass_recognise_quantised = {"recognise-quantised", recognise_run};
