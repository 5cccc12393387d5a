#include "passes/quantised.h"
#include <math.h>
#include <string.h>

static uint32_t quant_bytes(sn_graph *g, setsuna_dtype type, uint8_t flip)
{
    setsuna_shape shape = {.rank = 1, .dim = {256}};
    uint8_t *b = sn_arena_array(g->arena, 256, 1);
    if (!b)
        return SN_NONE;
    for (int i = 0; i < 256; i++)
        b[i] = (uint8_t)i ^ flip;
    return sn_rewrite_const(g, type, &shape, b);
}

setsuna_status sn_quant_init(sn_quant_graph *t, sn_graph *g, sn_arena *arena, bool *changed)
{
    *t = (sn_quant_graph){.g = g, .arena = arena, .n_value = g->n_value, .changed = changed};
    SN_TRY(sn_uses_build(g, arena, &t->uses));
    t->of_int = sn_arena_array(arena, g->n_value, sizeof *t->of_int);
    t->of_real = sn_arena_array(arena, g->n_value, sizeof *t->of_real);
    t->cap_q = 3 * g->n_value + 16; /* a quant a value, and one for the bytes that a float value moves */
    t->q = sn_arena_array(arena, t->cap_q, sizeof *t->q);
    t->bytes[0] = quant_bytes(g, SETSUNA_U8, 0);
    t->bytes[1] = quant_bytes(g, SETSUNA_I8, 0x80);
    t->flip = quant_bytes(g, SETSUNA_U8, 0x80);
    if (!t->of_int || !t->of_real || !t->q || t->bytes[0] == SN_NONE || t->bytes[1] == SN_NONE || t->flip == SN_NONE)
        return SETSUNA_ENOMEM;
    for (size_t v = 0; v < t->n_value; v++) {
        t->of_int[v] = SN_NONE;
        t->of_real[v] = (sn_quant_float){.quant = SN_NONE, .source = SN_NONE};
    }
    return SETSUNA_OK;
}

uint32_t sn_quant_add(sn_quant_graph *t, uint32_t plain, bool is_signed, const setsuna_shape *shape)
{
    if (t->n_q == t->cap_q)
        return SN_NONE;
    t->q[t->n_q] = (sn_quant){.plain = plain,
                              .twin = SN_NONE,
                              .is_signed = is_signed,
                              .image = shape->rank == 4,
                              .shape = *shape,
                              .source = SN_NONE,
                              .table = SN_NONE};
    return (uint32_t)t->n_q++;
}

setsuna_status sn_quant_of(sn_quant_graph *t, uint32_t v, uint32_t *out)
{
    const sn_value *x = &t->g->value[v];
    if (t->of_int[v] == SN_NONE)
        t->of_int[v] = sn_quant_add(t, v, x->dtype == SETSUNA_I8, &x->shape);
    *out = t->of_int[v];
    return *out == SN_NONE ? SETSUNA_ENOMEM : SETSUNA_OK;
}

sn_node *sn_quant_node(sn_quant_graph *t, const char *op, const char *name, const uint32_t *in, uint32_t n_in,
                       uint32_t *out)
{
    *out = sn_graph_add_value(t->g, name, SETSUNA_DTYPE_NONE);
    sn_node *n = *out == SN_NONE ? NULL : sn_graph_add_node(t->g, "setsuna", op, 1, name, in, n_in, out, 1);
    *t->changed |= n != NULL;
    return n;
}

bool sn_quant_set_scale(sn_quant_graph *t, sn_node *n, const char *scale, const char *zero, sn_quant_scale s)
{
    return sn_node_add_float(t->g, n, scale, s.scale) && sn_node_add_int(t->g, n, zero, s.zero);
}

sn_node *sn_quant_producer(const sn_quant_graph *t, uint32_t v)
{
    if (v >= t->n_value || t->uses.producer[v] == SN_NONE || t->uses.n_use[v] != 1)
        return NULL;
    sn_node *n = &t->g->node[t->uses.producer[v]];
    return n->dead ? NULL : n;
}

/* ---- scales ------------------------------------------------------------------------------------------------ */

bool sn_quant_scalar(const sn_graph *g, uint32_t v, double *out)
{
    const sn_const *c = sn_graph_const(g, v);
    int64_t n;
    if (!c || !sn_shape_numel(&c->t.shape, &n) || n != 1)
        return false;
    *out = sn_tensor_get_f64(&c->t, 0);
    return true;
}

bool sn_quant_read_scale(const sn_graph *g, const sn_node *n, uint32_t i, setsuna_dtype type, sn_quant_scale *out)
{
    uint32_t zero_at = sn_node_in(n, i + 1);
    const sn_const *s = sn_graph_const(g, sn_node_in(n, i)), *z = sn_graph_const(g, zero_at);
    double scale, zero = 0;
    if (!s || s->t.dtype != SETSUNA_F32 || s->t.shape.rank > 1 || !sn_quant_scalar(g, n->in[i], &scale))
        return false;
    if (zero_at != SN_NONE && (!z || z->t.dtype != type || z->t.shape.rank > 1 || !sn_quant_scalar(g, zero_at, &zero)))
        return false;
    if ((type != SETSUNA_U8 && type != SETSUNA_I8) || !(scale > 0) || !(scale < (double)INFINITY))
        return false;
    *out = (sn_quant_scale){(float)scale, (int32_t)zero + (type == SETSUNA_I8 ? 128 : 0)};
    return true;
}

bool sn_quant_same_scale(sn_quant_scale a, sn_quant_scale b)
{
    return !(a.scale < b.scale) && !(a.scale > b.scale) && a.zero == b.zero;
}

int32_t sn_quant_byte(sn_quant_scale s, double v)
{
    double q = nearbyint((double)((float)v / s.scale)) + s.zero;
    return !(q > 0) ? 0 : q > 255 ? 255 : (int32_t)q;
}

/* ---- twins ------------------------------------------------------------------------------------------------- */

/* A lookup of a quant's twin; table holds bytes as signed as `is_signed`. */
static setsuna_status quant_lookup(sn_quant_graph *t, uint32_t x, uint32_t table, bool is_signed, uint32_t *out)
{
    if (is_signed && !sn_quant_node(t, "QLookup", "", (uint32_t[]){table, t->flip}, 2, &table))
        return SETSUNA_ENOMEM;
    return sn_quant_node(t, "QLookup", t->g->value[x].name, (uint32_t[]){x, table}, 2, out) ? SETSUNA_OK
                                                                                            : SETSUNA_ENOMEM;
}

/* An image that QuantizeLinear makes of plain floats is quantised and turned at once. */
static setsuna_status quant_twin_quantize(sn_quant_graph *t, sn_quant *q, bool *done)
{
    uint32_t at = q->plain < t->n_value ? t->uses.producer[q->plain] : SN_NONE;
    sn_quant_scale s;
    if (at == SN_NONE || !q->image)
        return SETSUNA_OK;
    const sn_node n = t->g->node[at];
    if (n.dead || !sn_node_is(&n, "", "QuantizeLinear") || t->g->value[n.in[0]].dtype != SETSUNA_F32 ||
        !sn_quant_read_scale(t->g, &n, 1, t->g->value[q->plain].dtype, &s))
        return SETSUNA_OK;
    sn_node *made = sn_quant_node(t, "QuantizeImage", n.name, n.in, 1, &q->twin);
    if (!made || !sn_quant_set_scale(t, made, "scale", "zero", s))
        return SETSUNA_ENOMEM;
    *done = true;
    return SETSUNA_OK;
}

/* The twin of a quant that is no function of another. */
static setsuna_status quant_twin_own(sn_quant_graph *t, sn_quant *q)
{
    bool done = q->twin != SN_NONE;
    if (!done)
        SN_TRY(quant_twin_quantize(t, q, &done));
    if (done)
        return SETSUNA_OK;
    if (q->image)
        return sn_quant_node(t, "ToChannelsLast", t->g->value[q->plain].name, &q->plain, 1, &q->twin) ? SETSUNA_OK
                                                                                                      : SETSUNA_ENOMEM;
    if (q->is_signed)
        return quant_lookup(t, q->plain, t->flip, false, &q->twin);
    q->twin = q->plain;
    return SETSUNA_OK;
}

setsuna_status sn_quant_twin(sn_quant_graph *t, uint32_t index, uint32_t *out)
{
    sn_quant *q = &t->q[index];
    if (q->twin == SN_NONE && q->source != SN_NONE) {
        sn_quant *from = &t->q[q->source]; /* no function itself */
        SN_TRY(quant_twin_own(t, from));
        SN_TRY(quant_lookup(t, from->twin, q->table, q->is_signed, &q->twin));
    }
    SN_TRY(quant_twin_own(t, q));
    *out = q->twin;
    return SETSUNA_OK;
}

setsuna_status sn_quant_in_order(sn_quant_graph *t, uint32_t index, uint32_t *out)
{
    uint32_t twin;
    SN_TRY(sn_quant_twin(t, index, &twin));
    *out = twin;
    if (!t->q[index].image)
        return SETSUNA_OK;
    return sn_quant_node(t, "FromChannelsLast", "", &twin, 1, out) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

setsuna_status sn_quant_from_order(sn_quant_graph *t, uint32_t index, uint32_t bytes)
{
    sn_quant *q = &t->q[index];
    q->twin = bytes;
    if (!q->image)
        return SETSUNA_OK;
    return sn_quant_node(t, "ToChannelsLast", "", &bytes, 1, &q->twin) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

setsuna_status sn_quant_move(sn_quant_graph *t, uint32_t out, uint32_t twin)
{
    uint32_t q;
    SN_TRY(sn_quant_of(t, out, &q));
    t->q[q].twin = twin;
    t->q[q].moved = true;
    return SETSUNA_OK;
}

/* An integer value from its twin. */
static setsuna_status quant_want_plain(sn_quant_graph *t, uint32_t index)
{
    sn_quant *q = &t->q[index];
    uint32_t x;
    sn_node *n;
    if (!q->moved)
        return SETSUNA_OK;
    q->moved = false;
    SN_TRY(sn_quant_twin(t, index, &x));
    const char *name = t->g->value[q->plain].name;
    setsuna_dtype type = q->is_signed ? SETSUNA_I8 : SETSUNA_U8;
    if (q->image) {
        n = sn_graph_add_node(t->g, "setsuna", "FromChannelsLast", 1, name, &x, 1, &q->plain, 1);
    } else {
        uint32_t table = q->is_signed ? t->flip : t->bytes[0];
        n = sn_graph_add_node(t->g, "setsuna", "QLookup", 1, name, (uint32_t[]){x, table}, 2, &q->plain, 1);
    }
    return n && sn_node_add_int(t->g, n, "to", type) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

/* A float value that reads bytes which moved, from the twin. */
static setsuna_status quant_want_real(sn_quant_graph *t, uint32_t v)
{
    sn_quant_float *f = &t->of_real[v];
    uint32_t at = t->uses.producer[v];
    if (f->quant == SN_NONE || at == SN_NONE || !sn_node_is(&t->g->node[at], "", "DequantizeLinear"))
        return SETSUNA_OK;
    if (!t->q[f->quant].moved || !t->q[f->quant].image)
        return quant_want_plain(t, f->quant);
    uint32_t x;
    SN_TRY(sn_quant_twin(t, f->quant, &x));
    t->g->node[at].dead = true;
    sn_node *n = sn_graph_add_node(t->g, "setsuna", "DequantizeImage", 1, t->g->node[at].name, &x, 1, &v, 1);
    f->quant = SN_NONE; /* done */
    *t->changed = true;
    return n && sn_quant_set_scale(t, n, "scale", "zero", f->s) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

setsuna_status sn_quant_want(sn_quant_graph *t, uint32_t v)
{
    if (v == SN_NONE || v >= t->n_value)
        return SETSUNA_OK;
    if (t->of_int[v] != SN_NONE)
        SN_TRY(quant_want_plain(t, t->of_int[v]));
    return quant_want_real(t, v);
}

/* ---- functions of one byte ---------------------------------------------------------------------------------- */

/* The same node over constants of 256 elements. */
static setsuna_status quant_clone(sn_quant_graph *t, const sn_node *n, const uint32_t *in, setsuna_dtype type,
                                  uint32_t *out)
{
    sn_attr *attr = n->attr;
    uint32_t n_attr = n->n_attr;
    *out = sn_graph_add_value(t->g, "", type);
    sn_node *made =
        *out == SN_NONE ? NULL : sn_graph_add_node(t->g, n->domain, n->op, n->opset, n->name, in, n->n_in, out, 1);
    for (uint32_t i = 0; made && i < n_attr; i++)
        if (!sn_node_add_attr(t->g, made, &attr[i]))
            made = NULL;
    *t->changed |= made != NULL;
    return made ? SETSUNA_OK : SETSUNA_ENOMEM;
}

setsuna_status sn_quant_note_dequantize(sn_quant_graph *t, const sn_node *n)
{
    uint32_t x = sn_node_in(n, 0), in[3], q;
    sn_quant_scale s;
    if (n->n_in < 2 || n->n_in > 3 || n->n_out != 1 || sn_graph_const(t->g, x) || !t->g->value[x].has_shape ||
        !sn_quant_read_scale(t->g, n, 1, t->g->value[x].dtype, &s) || sn_node_int(n, "block_size", 0) != 0)
        return SETSUNA_OK;
    SN_TRY(sn_quant_of(t, x, &q));
    const sn_quant *from = &t->q[q];
    sn_quant_float *f = &t->of_real[n->out[0]];
    f->quant = q;
    f->s = s;
    f->source = from->source == SN_NONE ? q : from->source;
    in[0] = from->source == SN_NONE ? t->bytes[from->is_signed] : from->table;
    in[1] = n->in[1];
    in[2] = sn_node_in(n, 2);
    return quant_clone(t, n, in, SETSUNA_F32, &f->table);
}

setsuna_status sn_quant_note_quantize(sn_quant_graph *t, const sn_node *n, bool *done)
{
    const sn_quant_float f = t->of_real[n->in[0]];
    uint32_t out = n->out[0], in[3] = {f.table, sn_node_in(n, 1), sn_node_in(n, 2)}, q, table;
    setsuna_dtype type = t->g->value[out].dtype;
    sn_quant_scale s;
    if (f.source == SN_NONE || n->n_in < 2 || n->n_in > 3 || !sn_quant_read_scale(t->g, n, 1, type, &s))
        return SETSUNA_OK;
    *done = true;
    *t->changed = true;
    if (f.quant != SN_NONE && sn_quant_same_scale(f.s, s)) { /* the bytes are the ones it came from */
        SN_TRY(sn_quant_of(t, out, &q));
        const sn_quant from = t->q[f.quant];
        sn_quant *same = &t->q[q];
        same->moved = true;
        if (from.source == SN_NONE)
            return sn_quant_twin(t, f.quant, &t->q[q].twin);
        if (from.is_signed == same->is_signed) {
            same->source = from.source;
            same->table = from.table;
            return SETSUNA_OK;
        }
    }
    SN_TRY(quant_clone(t, n, in, type, &table));
    SN_TRY(sn_quant_of(t, out, &q));
    t->q[q].moved = true;
    t->q[q].source = f.source;
    t->q[q].table = table;
    return SETSUNA_OK;
}

static bool quant_is_elementwise(const sn_node *n)
{
    static const char *const ops[] = {"Abs",       "Add",
                                      "Ceil",      "Celu",
                                      "Clip",      "Div",
                                      "Elu",       "Erf",
                                      "Exp",       "Floor",
                                      "Gelu",      "HardSigmoid",
                                      "HardSwish", "Identity",
                                      "LeakyRelu", "Log",
                                      "Max",       "Min",
                                      "Mish",      "Mul",
                                      "Neg",       "PRelu",
                                      "Pow",       "Reciprocal",
                                      "Relu",      "Round",
                                      "Selu",      "Sigmoid",
                                      "Softplus",  "Softsign",
                                      "Sqrt",      "Sub",
                                      "Tanh",      "ThresholdedRelu"};
    static const char *const own[] = {"Gelu", "Mish", "Swish"};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (sn_node_is(n, "", ops[i]))
            return true;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (sn_node_is(n, "setsuna", own[i]))
            return true;
    return false;
}

setsuna_status sn_quant_note_elementwise(sn_quant_graph *t, const sn_node *n)
{
    enum { OPERANDS = 4 };
    uint32_t source = SN_NONE, in[OPERANDS];
    if (!quant_is_elementwise(n) || n->n_in < 1 || n->n_in > OPERANDS || n->n_out != 1 ||
        t->g->value[n->out[0]].dtype != SETSUNA_F32)
        return SETSUNA_OK;
    const setsuna_shape *y = &t->g->value[n->out[0]].shape;
    for (uint32_t i = 0; i < n->n_in; i++) {
        double number;
        uint32_t v = in[i] = n->in[i];
        if (v == SN_NONE || (sn_quant_scalar(t->g, v, &number) && t->g->value[v].shape.rank <= 1))
            continue;
        if (v >= t->n_value || t->of_real[v].source == SN_NONE || !sn_shape_equal(&t->g->value[v].shape, y) ||
            (source != SN_NONE && source != t->of_real[v].source))
            return SETSUNA_OK;
        source = t->of_real[v].source;
        in[i] = t->of_real[v].table;
    }
    if (source == SN_NONE)
        return SETSUNA_OK;
    sn_quant_float *f = &t->of_real[n->out[0]];
    f->source = source;
    return quant_clone(t, n, in, SETSUNA_F32, &f->table);
}

setsuna_status sn_quant_rescale(sn_quant_graph *t, uint32_t q, sn_quant_scale from, sn_quant_scale to, uint32_t *twin)
{
    setsuna_shape shape = {.rank = 1, .dim = {256}};
    SN_TRY(sn_quant_twin(t, q, twin));
    if (sn_quant_same_scale(from, to))
        return SETSUNA_OK;
    uint8_t *table = sn_arena_array(t->g->arena, 256, 1);
    if (!table)
        return SETSUNA_ENOMEM;
    for (int i = 0; i < 256; i++)
        table[i] = (uint8_t)sn_quant_byte(to, (double)((float)(i - from.zero) * from.scale));
    uint32_t v = sn_rewrite_const(t->g, SETSUNA_U8, &shape, table);
    return v == SN_NONE ? SETSUNA_ENOMEM : quant_lookup(t, *twin, v, false, twin);
}
