/* fuse-eltwise: runs of elementwise operators cross memory once.
 *
 *     x, a ─▶ Add ─▶ Relu ─▶ Mul(b) ─▶ y      ⇒     x, a, b ─▶ setsuna.Eltwise("add relu mul") ─▶ y
 *
 *               ┌─▶ Sigmoid ─┐
 *     x ─▶ Add ─┤            ├─▶ Mul ─▶ y     ⇒     x, a ─▶ setsuna.Eltwise("add sigmoid mul") ─▶ y
 *               └────────────┘
 *
 * A group grows from its last node upwards: the maker of an operand joins when all its readers are in the group already
 * and its result has the shape of the group's, so nothing is computed twice and there is no cycle. f32 only. Whatever
 * is fused into convolutions and products must be so before.
 */
#include "passes/pass.h"
#include "passes/rewrite.h"
#include <math.h>
#include <string.h>

enum {
    FUSE_ELTWISE_NODES = 32,   /* of one group; ops/eltwise.c takes 64 */
    FUSE_ELTWISE_OPERANDS = 8, /* more streams than a core prefetches gain nothing */
    FUSE_ELTWISE_TEXT = 32 * FUSE_ELTWISE_NODES
};

/* An operator as the program says it. */
typedef struct fuse_eltwise_op {
    const char *name;
    uint32_t n_in; /* operands read, 1 or 2 */
    float k[2];
} fuse_eltwise_op;

typedef struct fuse_eltwise_group {
    uint32_t n, n_operand;
    uint32_t node[FUSE_ELTWISE_NODES]; /* ascending once it is complete */
    uint32_t operand[FUSE_ELTWISE_OPERANDS];
} fuse_eltwise_group;

typedef struct fuse_eltwise {
    sn_graph *g;
    sn_uses uses;
    uint32_t *group; /* per node: 1 + the index of its group's last node; 0: none */
} fuse_eltwise;

/* ---- what can be fused ------------------------------------------------------------------------------ */

/* One f32 constant. */
static bool fuse_eltwise_constant(const sn_graph *g, uint32_t v, float *out)
{
    const sn_const *c = sn_graph_const(g, v);
    if (!c || c->t.dtype != SETSUNA_F32 || c->t.size_bytes != sizeof(float))
        return false;
    *out = (float)sn_tensor_get_f64(&c->t, 0);
    return true;
}

static bool fuse_eltwise_clip(const sn_graph *g, const sn_node *n, fuse_eltwise_op *out)
{
    *out = (fuse_eltwise_op){"clip", 1, {-INFINITY, INFINITY}};
    if (n->opset < 11) {
        out->k[0] = sn_node_float(n, "min", -INFINITY);
        out->k[1] = sn_node_float(n, "max", INFINITY);
        return true;
    }
    for (uint32_t i = 0; i < 2; i++)
        if (sn_node_in(n, i + 1) != SN_NONE && !fuse_eltwise_constant(g, n->in[i + 1], &out->k[i]))
            return false;
    return true;
}

/* Powers that are cheaper than pow(): the list of ops/pow.c. */
static bool fuse_eltwise_pow(const sn_graph *g, const sn_node *n, fuse_eltwise_op *out)
{
    static const struct {
        float exponent;
        const char *name;
    } powers[] = {{2, "square"}, {3, "cube"}, {0.5f, "sqrt"}, {-0.5f, "rsqrt"}, {-1, "reciprocal"}};
    float e;
    if (n->n_in != 2 || !fuse_eltwise_constant(g, n->in[1], &e))
        return false;
    for (size_t i = 0; i < sizeof powers / sizeof powers[0]; i++)
        if (e == powers[i].exponent) {
            *out = (fuse_eltwise_op){powers[i].name, 1, {0, 0}};
            return true;
        }
    return false;
}

/* Operators that are one operation; attributes and defaults as in ops/unary.c. */
static bool fuse_eltwise_table(const sn_node *n, fuse_eltwise_op *out)
{
    static const struct {
        const char *domain, *op, *name;
        uint32_t n_in;
        const char *attr[2];
        float fallback[2];
    } ops[] = {
        {"", "Abs", "abs", 1, {0}, {0}},
        {"", "Add", "add", 2, {0}, {0}},
        {"", "Ceil", "ceil", 1, {0}, {0}},
        {"", "Celu", "celu", 1, {"alpha"}, {1}},
        {"", "Div", "div", 2, {0}, {0}},
        {"", "Elu", "elu", 1, {"alpha"}, {1}},
        {"", "Erf", "erf", 1, {0}, {0}},
        {"", "Exp", "exp", 1, {0}, {0}},
        {"", "Floor", "floor", 1, {0}, {0}},
        {"", "HardSigmoid", "hard_sigmoid", 1, {"alpha", "beta"}, {0.2f, 0.5f}},
        {"", "HardSwish", "hard_swish", 1, {0}, {0}},
        {"", "LeakyRelu", "leaky_relu", 1, {"alpha"}, {0.01f}},
        {"", "Log", "log", 1, {0}, {0}},
        {"", "Max", "max", 2, {0}, {0}},
        {"", "Min", "min", 2, {0}, {0}},
        {"", "Mish", "mish", 1, {0}, {0}},
        {"", "Mul", "mul", 2, {0}, {0}},
        {"", "Neg", "neg", 1, {0}, {0}},
        {"", "PRelu", "prelu", 2, {0}, {0}},
        {"", "Reciprocal", "reciprocal", 1, {0}, {0}},
        {"", "Relu", "relu", 1, {0}, {0}},
        {"", "Round", "round", 1, {0}, {0}},
        {"", "Sigmoid", "sigmoid", 1, {0}, {0}},
        {"", "Softplus", "softplus", 1, {0}, {0}},
        {"", "Softsign", "softsign", 1, {0}, {0}},
        {"", "Sqrt", "sqrt", 1, {0}, {0}},
        {"", "Sub", "sub", 2, {0}, {0}},
        {"", "Sum", "add", 2, {0}, {0}},
        {"", "Tanh", "tanh", 1, {0}, {0}},
        {"", "ThresholdedRelu", "thresholded_relu", 1, {"alpha"}, {1}},
        {"setsuna", "Swish", "swish", 1, {"alpha"}, {1}},
    };
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++) {
        if (!sn_node_is(n, ops[i].domain, ops[i].op) || n->n_in != ops[i].n_in)
            continue;
        *out = (fuse_eltwise_op){ops[i].name, ops[i].n_in, {0, 0}};
        for (int k = 0; k < 2; k++)
            if (ops[i].attr[k])
                out->k[k] = sn_node_float(n, ops[i].attr[k], ops[i].fallback[k]);
        return true;
    }
    return false;
}

static bool fuse_eltwise_match(const sn_graph *g, const sn_node *n, fuse_eltwise_op *out)
{
    bool known;
    if (n->dead || n->n_out != 1 || n->n_in < 1 || !sn_rewrite_is_f32(g, n->out[0]) || !sn_rewrite_is_f32(g, n->in[0]))
        return false;
    if (sn_node_is(n, "", "Clip")) {
        known = fuse_eltwise_clip(g, n, out);
    } else if (sn_node_is(n, "", "Pow")) {
        known = fuse_eltwise_pow(g, n, out);
    } else if (sn_node_is(n, "", "Gelu")) {
        bool tanh_form = strcmp(sn_node_string(n, "approximate", "none"), "tanh") == 0;
        *out = (fuse_eltwise_op){tanh_form ? "gelu_tanh" : "gelu", 1, {0, 0}};
        known = true;
    } else {
        known = fuse_eltwise_table(n, out);
    }
    /* An operation of one operand has its shape; one of two may broadcast either. */
    return known && (out->n_in == 2 ? sn_rewrite_is_f32(g, n->in[1])
                                    : sn_shape_equal(&g->value[n->in[0]].shape, &g->value[n->out[0]].shape));
}

/* ---- groups ----------------------------------------------------------------------------------------- */

static uint32_t fuse_eltwise_index(const uint32_t *list, uint32_t n, uint32_t v)
{
    uint32_t i = 0;
    while (i < n && list[i] != v)
        i++;
    return i;
}

/* Every reader of v is in the group of node `last`. */
static bool fuse_eltwise_is_inner(const fuse_eltwise *f, uint32_t v, uint32_t last)
{
    for (uint32_t i = 0; i < f->uses.n_use[v]; i++) {
        uint32_t reader = f->uses.reader[f->uses.first[v] + i];
        if (reader == SN_NONE || f->group[reader] != last + 1)
            return false;
    }
    return true;
}

/* Puts node i, whose program form is op, into the group. false: too many operands then, and nothing is changed. */
static bool fuse_eltwise_join(fuse_eltwise *f, fuse_eltwise_group *q, uint32_t i, const fuse_eltwise_op *op,
                              uint32_t last)
{
    const sn_node *n = &f->g->node[i];
    fuse_eltwise_group t = *q;
    uint32_t own = fuse_eltwise_index(t.operand, t.n_operand, n->out[0]);
    if (t.n == FUSE_ELTWISE_NODES)
        return false;
    if (own < t.n_operand) /* no operand any more */
        t.operand[own] = t.operand[--t.n_operand];
    for (uint32_t k = 0; k < op->n_in; k++) {
        if (fuse_eltwise_index(t.operand, t.n_operand, n->in[k]) < t.n_operand)
            continue;
        if (t.n_operand == FUSE_ELTWISE_OPERANDS)
            return false;
        t.operand[t.n_operand++] = n->in[k];
    }
    uint32_t at = t.n++;
    for (; at > 0 && t.node[at - 1] > i; at--)
        t.node[at] = t.node[at - 1];
    t.node[at] = i;
    f->group[i] = last + 1;
    *q = t;
    return true;
}

/* The maker of operand v, if it may join the group of node `last`. */
static uint32_t fuse_eltwise_candidate(const fuse_eltwise *f, uint32_t v, uint32_t last, fuse_eltwise_op *op)
{
    const sn_graph *g = f->g;
    uint32_t i = f->uses.producer[v];
    if (i == SN_NONE || f->group[i] || !fuse_eltwise_match(g, &g->node[i], op) || !fuse_eltwise_is_inner(f, v, last) ||
        !sn_shape_equal(&g->value[v].shape, &g->value[g->node[last].out[0]].shape))
        return SN_NONE;
    return i;
}

static void fuse_eltwise_grow(fuse_eltwise *f, fuse_eltwise_group *q, uint32_t last)
{
    fuse_eltwise_op op;
    bool grown = true;
    while (grown) {
        grown = false;
        for (uint32_t k = 0; k < q->n_operand && !grown; k++) {
            uint32_t i = fuse_eltwise_candidate(f, q->operand[k], last, &op);
            grown = i != SN_NONE && fuse_eltwise_join(f, q, i, &op, last);
        }
    }
}

/* v as the program numbers it: the operands, then the results. */
static uint32_t fuse_eltwise_number_of(const sn_graph *g, const fuse_eltwise_group *q, uint32_t v)
{
    uint32_t i = fuse_eltwise_index(q->operand, q->n_operand, v);
    for (uint32_t m = 0; i == q->n_operand && m < q->n; m++)
        if (g->node[q->node[m]].out[0] == v)
            return q->n_operand + m;
    return i;
}

/* The group's last node becomes the program; the others die. */
static setsuna_status fuse_eltwise_emit(fuse_eltwise *f, const fuse_eltwise_group *q)
{
    sn_graph *g = f->g;
    char text[FUSE_ELTWISE_TEXT] = "";
    int64_t operand[2 * FUSE_ELTWISE_NODES];
    float k[2 * FUSE_ELTWISE_NODES];
    size_t len = 0;
    for (uint32_t i = 0; i < q->n; i++) {
        fuse_eltwise_op op = {0};
        sn_node *n = &g->node[q->node[i]];
        fuse_eltwise_match(g, n, &op);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "", op.name);
        for (uint32_t j = 0; j < 2; j++) {
            operand[2 * i + j] = -1;
            k[2 * i + j] = op.k[j];
            if (j < op.n_in)
                operand[2 * i + j] = fuse_eltwise_number_of(g, q, n->in[j]);
        }
    }
    sn_node *last = &g->node[q->node[q->n - 1]];
    uint32_t *in = sn_arena_array(g->arena, q->n_operand, sizeof *in);
    char *program = sn_arena_strndup(g->arena, text, len);
    if (!in || !program)
        return SETSUNA_ENOMEM;
    memcpy(in, q->operand, q->n_operand * sizeof *in);
    for (uint32_t i = 0; i + 1 < q->n; i++)
        g->node[q->node[i]].dead = true;
    last->domain = "setsuna";
    last->op = "Eltwise";
    last->opset = 1;
    last->in = in;
    last->n_in = last->n_formal = q->n_operand;
    last->n_attr = 0;
    last->attr = NULL;
    if (!sn_node_add_string(g, last, "program", program) ||
        !sn_node_add_ints(g, last, "operands", operand, 2 * (size_t)q->n) ||
        !sn_node_add_floats(g, last, "k", k, 2 * (size_t)q->n))
        return SETSUNA_ENOMEM;
    return SETSUNA_OK;
}

static setsuna_status fuse_eltwise_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    fuse_eltwise f = {.g = g};
    SN_TRY(sn_uses_build(g, ctx->arena, &f.uses));
    f.group = sn_arena_array(ctx->arena, g->n_node, sizeof *f.group);
    if (!f.group)
        return SETSUNA_ENOMEM;
    for (size_t at = g->n_node; at-- > 0;) { /* from the end: a group is entered at its last node */
        fuse_eltwise_op op;
        fuse_eltwise_group q = {0};
        uint32_t last = (uint32_t)at;
        if (f.group[at] || !fuse_eltwise_match(g, &g->node[at], &op))
            continue;
        fuse_eltwise_join(&f, &q, last, &op, last);
        fuse_eltwise_grow(&f, &q, last);
        if (q.n < 2)
            continue;
        SN_TRY(fuse_eltwise_emit(&f, &q));
        *changed = true;
    }
    return SETSUNA_OK;
}

const sn_pass sn_pass_fuse_eltwise = {"fuse-eltwise", fuse_eltwise_run};
