/* recognise-activation: activations that exporters spell out become one node again.
 *
 *     x ─▶ Add(3) ─▶ Clip(0,6) ─▶ Mul(x) ─▶ Div(6) ─▶ y            ⇒  x ─▶ HardSwish ─▶ y
 *     x ─▶ HardSigmoid(1/6, 1/2) ─▶ Mul(x) ─▶ y                    ⇒  x ─▶ HardSwish ─▶ y
 *     x ─▶ Add(b) ─▶ Clip(0,h) ─▶ Div(h) ─▶ y                      ⇒  x ─▶ HardSigmoid(1/h, b/h) ─▶ y
 *     x ─▶ Mul(a) ─▶ Sigmoid ─▶ Mul(x) ─▶ y                        ⇒  x ─▶ setsuna.Swish(a) ─▶ y
 *     x ─▶ Div(√2) ─▶ Erf ─▶ Add(1) ─▶ Mul(x) ─▶ Mul(1/2) ─▶ y     ⇒  x ─▶ Gelu ─▶ y
 *     x ─▶ √(2/π)(x + 0.044715 x³) ─▶ Tanh ─▶ Add(1) ─▶ Mul(x) ─▶ Mul(1/2) ─▶ y  ⇒  x ─▶ Gelu(tanh) ─▶ y
 *     x ─▶ Exp ─▶ Add(1) ─▶ Log ─▶ y                               ⇒  x ─▶ Softplus ─▶ y
 *     x ─▶ Softplus ─▶ Tanh ─▶ Mul(x) ─▶ y                         ⇒  x ─▶ Mish ─▶ y
 *
 * Factors may come in any order and grouping, constants as Mul, Div or Neg, powers as Pow or products, bounds as Clip
 * of any version, Min, Max or Relu. Nodes in between may have other readers: they stay for those.
 *
 * How: a Mul or Div is read as a product, scale x factor x factor..., by going up through its operands. One factor, the
 * gate, tells the activation and what x must be; the product is then read again with x and the gate as its ends.
 */
#include "passes/pass.h"
#include <math.h>
#include <string.h>

/* Constants count as equal as far apart as rounding to f16 can have put them. */
#define RECOGNISE_NEAR 0x1p-11

enum {
    RECOGNISE_FACTORS = 6, /* of one product */
    RECOGNISE_VISITS = 16, /* values looked at while reading one */
    RECOGNISE_PEELS = 4    /* constant factors between an activation and its x */
};

typedef struct recognise {
    sn_graph *g;
    const uint32_t *producer;
} recognise;

typedef struct recognise_product {
    double scale;
    uint32_t n, factor[RECOGNISE_FACTORS];
} recognise_product;

/* ---- reading nodes ---------------------------------------------------------------------------------- */

/* The node of ONNX's own domain that makes v, if it is an `op` (NULL: any); else NULL. */
static const sn_node *recognise_maker(const recognise *r, uint32_t v, const char *op)
{
    if (v == SN_NONE || r->producer[v] == SN_NONE)
        return NULL;
    const sn_node *n = &r->g->node[r->producer[v]];
    if (n->dead || n->domain[0] || n->n_in < 1 || n->in[0] == SN_NONE || (op && strcmp(n->op, op) != 0))
        return NULL;
    return n;
}

static bool recognise_is(const sn_node *n, const char *op, uint32_t n_in)
{
    return strcmp(n->op, op) == 0 && n->n_in == n_in && n->in[n_in - 1] != SN_NONE;
}

/* v is one floating constant. */
static bool recognise_number(const recognise *r, uint32_t v, double *out)
{
    const sn_const *c = sn_graph_const(r->g, v);
    int64_t n;
    if (!c || !sn_shape_numel(&c->t.shape, &n) || n != 1)
        return false;
    if (c->t.dtype != SETSUNA_F32 && c->t.dtype != SETSUNA_F64 && c->t.dtype != SETSUNA_F16 &&
        c->t.dtype != SETSUNA_BF16 && c->t.dtype != SETSUNA_I64 && c->t.dtype != SETSUNA_I32)
        return false;
    *out = sn_tensor_get_f64(&c->t, 0);
    return true;
}

static bool recognise_near(double a, double b)
{
    return fabs(a - b) <= RECOGNISE_NEAR * fabs(b);
}

/* n is a binary operator with one constant operand: *x is the other. */
static bool recognise_with_number(const recognise *r, const sn_node *n, uint32_t *x, double *number)
{
    if (n->n_in != 2)
        return false;
    for (uint32_t k = 0; k < 2; k++)
        if (recognise_number(r, n->in[k], number) && !sn_graph_const(r->g, n->in[1 - k])) {
            *x = n->in[1 - k];
            return true;
        }
    return false;
}

/* v = *x + *number. */
static bool recognise_sum(const recognise *r, uint32_t v, uint32_t *x, double *number)
{
    const sn_node *n = recognise_maker(r, v, NULL);
    if (n && recognise_is(n, "Add", 2))
        return recognise_with_number(r, n, x, number);
    if (n && recognise_is(n, "Sub", 2) && recognise_number(r, n->in[1], number)) {
        *x = n->in[0];
        *number = -*number;
        return true;
    }
    return false;
}

/* Bound i (1 low, 2 high) of a Clip of any version; `absent` where it has none. false: not constant. */
static bool recognise_bound(const recognise *r, const sn_node *n, uint32_t i, double absent, double *out)
{
    *out = absent;
    if (n->opset < 11) {
        const sn_attr *a = sn_node_attr(n, i == 1 ? "min" : "max");
        if (a && a->kind == SN_ATTR_FLOAT)
            *out = (double)a->f;
        return true;
    }
    return sn_node_in(n, i) == SN_NONE || recognise_number(r, n->in[i], out);
}

/* v = min(high, max(low, *x)), from one or two nodes. false: no bound at all. */
static bool recognise_clip(const recognise *r, uint32_t v, uint32_t *x, double *low, double *high)
{
    double number, below, above;
    *low = -HUGE_VAL;
    *high = HUGE_VAL;
    *x = v;
    for (int i = 0; i < 2; i++) {
        const sn_node *n = recognise_maker(r, *x, NULL);
        uint32_t inner = n ? n->in[0] : SN_NONE;
        below = -HUGE_VAL;
        above = HUGE_VAL;
        if (!n)
            break;
        if (recognise_is(n, "Relu", 1))
            below = 0;
        else if (recognise_is(n, "Max", 2) && recognise_with_number(r, n, &inner, &number))
            below = number;
        else if (recognise_is(n, "Min", 2) && recognise_with_number(r, n, &inner, &number))
            above = number;
        else if (strcmp(n->op, "Clip") != 0 || !recognise_bound(r, n, 1, -HUGE_VAL, &below) ||
                 !recognise_bound(r, n, 2, HUGE_VAL, &above))
            break;
        *low = fmax(*low, below);
        *high = fmin(*high, above);
        *x = inner;
    }
    return *x != v && *low < *high; /* an order of bounds that matters is not one of ours */
}

/* ---- reading products ------------------------------------------------------------------------------- */

/* The operands that v's maker multiplies, into from[]; their number, 0: v is no product. *scale takes the constants. */
static uint32_t recognise_open(const recognise *r, uint32_t v, uint32_t *from, double *scale)
{
    const sn_node *n = recognise_maker(r, v, NULL);
    double number;
    if (!n)
        return 0;
    if (recognise_is(n, "Neg", 1)) {
        *scale = -*scale;
        from[0] = n->in[0];
        return 1;
    }
    if (recognise_is(n, "Div", 2) && recognise_number(r, n->in[1], &number)) {
        *scale /= number;
        from[0] = n->in[0];
        return 1;
    }
    if (recognise_is(n, "Pow", 2) && recognise_number(r, n->in[1], &number) && (number == 2 || number == 3)) {
        from[0] = from[1] = from[2] = n->in[0];
        return (uint32_t)number;
    }
    if (!recognise_is(n, "Mul", 2))
        return 0;
    if (recognise_with_number(r, n, from, &number)) {
        *scale *= number;
        return 1;
    }
    from[0] = n->in[0];
    from[1] = n->in[1];
    return 2;
}

/* Reads v as a product whose factors are not opened where they are x or gate (SN_NONE: no such end). false: too many
 * factors for any activation. */
static bool recognise_read(const recognise *r, uint32_t v, uint32_t x, uint32_t gate, recognise_product *out)
{
    uint32_t todo[RECOGNISE_FACTORS + 3] = {v}, n = 1, visits = 0;
    out->scale = 1;
    out->n = 0;
    while (n) {
        uint32_t w = todo[--n], from[3];
        uint32_t opened = w == x || w == gate ? 0 : recognise_open(r, w, from, &out->scale);
        if (!opened) {
            if (out->n == RECOGNISE_FACTORS)
                return false;
            out->factor[out->n++] = w;
            continue;
        }
        if (n + opened + out->n > RECOGNISE_FACTORS || ++visits > RECOGNISE_VISITS)
            return false;
        memcpy(todo + n, from, opened * sizeof *from);
        n += opened;
    }
    return true;
}

/* Everything on the way from v to its factors, these included, each once: an x that is a product itself is among them.
 * value has RECOGNISE_VISITS places; returns how many were found. */
static uint32_t recognise_reach(const recognise *r, uint32_t v, uint32_t *value)
{
    double unused = 1;
    uint32_t n = 0, from[3], opened = recognise_open(r, v, from, &unused);
    for (uint32_t at = 0;; at++) {
        for (uint32_t i = 0; i < opened; i++) {
            bool known = false;
            for (uint32_t k = 0; k < n; k++)
                known |= value[k] == from[i];
            if (!known && n < RECOGNISE_VISITS)
                value[n++] = from[i];
        }
        if (at == n)
            return n;
        opened = recognise_open(r, value[at], from, &unused);
    }
}

/* v is scale times x, `power` times, times gate (SN_NONE: no gate). */
static bool recognise_is_product(const recognise *r, uint32_t v, uint32_t x, uint32_t power, uint32_t gate,
                                 double scale)
{
    recognise_product p;
    uint32_t n_x = 0, n_gate = 0;
    if (!recognise_read(r, v, x, gate, &p) || !recognise_near(p.scale, scale))
        return false;
    for (uint32_t i = 0; i < p.n; i++) {
        n_x += p.factor[i] == x;
        n_gate += p.factor[i] == gate && gate != x;
    }
    return n_x == power && n_gate == (gate != SN_NONE) && n_x + n_gate == p.n;
}

/* ---- the gates -------------------------------------------------------------------------------------- */

/* What a product with this gate could be. */
typedef struct recognise_match {
    const char *domain, *op;
    int32_t opset;
    uint32_t x;
    double alpha; /* of Swish */
    bool tanh_form;
} recognise_match;

/* The product has the shape of x and y: nothing was broadcast up. */
static bool recognise_fits(const recognise *r, uint32_t x, uint32_t y)
{
    const sn_value *a = &r->g->value[x], *b = &r->g->value[y];
    return a->has_shape && b->has_shape && a->dtype == b->dtype &&
           (a->dtype == SETSUNA_F32 || a->dtype == SETSUNA_F64) && sn_shape_known(&a->shape) &&
           sn_shape_equal(&a->shape, &b->shape);
}

/* y = x gate, gate = Sigmoid(alpha x). */
static bool recognise_swish(const recognise *r, uint32_t y, uint32_t gate, recognise_match *m)
{
    const sn_node *n = recognise_maker(r, gate, "Sigmoid");
    double alpha = 1;
    if (!n)
        return false;
    uint32_t x = n->in[0], from[3];
    for (int i = 0; i <= RECOGNISE_PEELS; i++) {
        if (recognise_is_product(r, y, x, 1, gate, 1)) {
            *m = (recognise_match){"setsuna", "Swish", 1, x, alpha, false};
            return true;
        }
        if (recognise_open(r, x, from, &alpha) != 1)
            return false;
        x = from[0];
    }
    return false;
}

/* y = x gate, gate = HardSigmoid(x; 1/6, 1/2); or y = x gate / 6, gate = clip(x + 3, 0, 6). */
static bool recognise_hard_swish(const recognise *r, uint32_t y, uint32_t gate, recognise_match *m)
{
    const sn_node *n = recognise_maker(r, gate, "HardSigmoid");
    uint32_t x, shifted;
    double low, high, number, scale = 1;
    if (n) {
        x = n->in[0];
        if (!recognise_near((double)sn_node_float(n, "alpha", 0.2f), 1.0 / 6) ||
            !recognise_near((double)sn_node_float(n, "beta", 0.5f), 0.5))
            return false;
    } else {
        if (!recognise_clip(r, gate, &shifted, &low, &high) || low != 0 || !recognise_near(high, 6) ||
            !recognise_sum(r, shifted, &x, &number) || !recognise_near(number, 3))
            return false;
        scale = 1.0 / 6;
    }
    if (!recognise_is_product(r, y, x, 1, gate, scale))
        return false;
    *m = (recognise_match){"", "HardSwish", 14, x, 0, false};
    return true;
}

/* y = x gate / 2, gate = 1 + Erf(x / sqrt 2). */
static bool recognise_gelu(const recognise *r, uint32_t y, uint32_t gate, recognise_match *m)
{
    uint32_t inner, from[3];
    double number, scale = 1;
    if (!recognise_sum(r, gate, &inner, &number) || !recognise_near(number, 1))
        return false;
    const sn_node *n = recognise_maker(r, inner, "Erf");
    if (!n)
        return false;
    uint32_t x = n->in[0];
    for (int i = 0; i < RECOGNISE_PEELS && recognise_open(r, x, from, &scale) == 1; i++) {
        x = from[0];
        if (recognise_near(scale, M_SQRT1_2) && recognise_is_product(r, y, x, 1, gate, 0.5)) {
            *m = (recognise_match){"", "Gelu", 20, x, 0, false};
            return true;
        }
    }
    return false;
}

/* u = sqrt(2/pi) (x + 0.044715 x^3), or sqrt(2/pi) x (1 + 0.044715 x^2). */
static bool recognise_tanh_argument(const recognise *r, uint32_t u, uint32_t x)
{
    const double k = sqrt(2 / M_PI), cubic = 0.044715;
    recognise_product p;
    double number;
    uint32_t square;
    if (!recognise_read(r, u, x, SN_NONE, &p) || !recognise_near(p.scale, k) || p.n < 1 || p.n > 2)
        return false;
    uint32_t sum = p.factor[0] == x && p.n == 2 ? p.factor[1] : p.factor[0];
    if (p.n == 2)
        return p.factor[0] != p.factor[1] && (p.factor[0] == x || p.factor[1] == x) &&
               recognise_sum(r, sum, &square, &number) && recognise_near(number, 1) &&
               recognise_is_product(r, square, x, 2, SN_NONE, cubic);
    const sn_node *n = recognise_maker(r, sum, "Add");
    if (!n || n->n_in != 2)
        return false;
    for (uint32_t i = 0; i < 2; i++)
        if (n->in[i] == x && recognise_is_product(r, n->in[1 - i], x, 3, SN_NONE, cubic))
            return true;
    return false;
}

/* y = x gate / 2, gate = 1 + Tanh(u). */
static bool recognise_gelu_tanh(const recognise *r, uint32_t y, uint32_t gate, recognise_match *m)
{
    uint32_t inner, value[RECOGNISE_VISITS];
    double number;
    if (!recognise_sum(r, gate, &inner, &number) || !recognise_near(number, 1))
        return false;
    const sn_node *n = recognise_maker(r, inner, "Tanh");
    uint32_t n_value = n ? recognise_reach(r, y, value) : 0;
    for (uint32_t i = 0; i < n_value; i++)
        if (value[i] != gate && recognise_is_product(r, y, value[i], 1, gate, 0.5) &&
            recognise_tanh_argument(r, n->in[0], value[i])) {
            *m = (recognise_match){"", "Gelu", 20, value[i], 0, true};
            return true;
        }
    return false;
}

/* y = x gate, gate = Tanh(Softplus(x)). */
static bool recognise_mish(const recognise *r, uint32_t y, uint32_t gate, recognise_match *m)
{
    const sn_node *n = recognise_maker(r, gate, "Tanh");
    n = n ? recognise_maker(r, n->in[0], "Softplus") : NULL;
    if (!n || !recognise_is_product(r, y, n->in[0], 1, gate, 1))
        return false;
    *m = (recognise_match){"", "Mish", 18, n->in[0], 0, false};
    return true;
}

/* ---- rewriting -------------------------------------------------------------------------------------- */

/* n becomes an operator of one input without attributes. */
static bool recognise_become(recognise *r, sn_node *n, const char *domain, const char *op, int32_t opset, uint32_t x)
{
    uint32_t *in = sn_arena_array(r->g->arena, 1, sizeof *in);
    if (!in)
        return false;
    in[0] = x;
    n->domain = domain;
    n->op = op;
    n->opset = opset;
    n->in = in;
    n->n_in = n->n_formal = 1;
    n->n_attr = 0;
    n->attr = NULL;
    return true;
}

static setsuna_status recognise_apply(recognise *r, sn_node *n, const recognise_match *m, bool *changed)
{
    if (!recognise_become(r, n, m->domain, m->op, m->opset, m->x))
        return SETSUNA_ENOMEM;
    if (m->domain[0] && !sn_node_add_float(r->g, n, "alpha", (float)m->alpha))
        return SETSUNA_ENOMEM;
    if (m->tanh_form && !sn_node_add_string(r->g, n, "approximate", "tanh"))
        return SETSUNA_ENOMEM;
    *changed = true;
    return SETSUNA_OK;
}

/* n = clip(x + b, 0, h) / h. */
static setsuna_status recognise_hard_sigmoid(recognise *r, sn_node *n, bool *changed)
{
    recognise_product p;
    uint32_t x, shifted;
    double low, high, number;
    if (!recognise_read(r, n->out[0], SN_NONE, SN_NONE, &p) || p.n != 1 ||
        !recognise_clip(r, p.factor[0], &shifted, &low, &high) || low != 0 || !isfinite(high) ||
        !recognise_sum(r, shifted, &x, &number) || !recognise_near(p.scale, 1 / high) ||
        !recognise_fits(r, x, n->out[0]))
        return SETSUNA_OK;
    if (!recognise_become(r, n, "", "HardSigmoid", 6, x) || !sn_node_add_float(r->g, n, "alpha", (float)(1 / high)) ||
        !sn_node_add_float(r->g, n, "beta", (float)(number / high)))
        return SETSUNA_ENOMEM;
    *changed = true;
    return SETSUNA_OK;
}

static setsuna_status recognise_softplus(recognise *r, sn_node *n, bool *changed)
{
    uint32_t e;
    double number;
    if (!recognise_sum(r, n->in[0], &e, &number) || number != 1)
        return SETSUNA_OK;
    const sn_node *exp_node = recognise_maker(r, e, "Exp");
    if (!exp_node || !recognise_fits(r, exp_node->in[0], n->out[0]))
        return SETSUNA_OK;
    *changed = true;
    return recognise_become(r, n, "", "Softplus", 1, exp_node->in[0]) ? SETSUNA_OK : SETSUNA_ENOMEM;
}

/* Tries what n multiplies as gates. */
static setsuna_status recognise_gated(recognise *r, sn_node *n, bool *changed)
{
    static bool (*const gates[])(const recognise *, uint32_t, uint32_t, recognise_match *) = {
        recognise_swish, recognise_hard_swish, recognise_gelu, recognise_gelu_tanh, recognise_mish};
    uint32_t y = n->out[0], value[RECOGNISE_VISITS], n_value = recognise_reach(r, y, value);
    for (uint32_t i = 0; i < n_value; i++)
        for (size_t k = 0; k < sizeof gates / sizeof gates[0]; k++) {
            recognise_match m;
            if (gates[k](r, y, value[i], &m) && recognise_fits(r, m.x, y))
                return recognise_apply(r, n, &m, changed);
        }
    return SETSUNA_OK;
}

static setsuna_status recognise_run(sn_graph *g, const sn_pass_ctx *ctx, bool *changed)
{
    sn_uses uses;
    SN_TRY(sn_uses_build(g, ctx->arena, &uses));
    recognise r = {g, uses.producer};
    for (size_t i = 0; i < g->n_node; i++) { /* in order: what an outer pattern contains is recognised before it */
        sn_node *n = &g->node[i];
        if (n->dead || n->domain[0] || n->n_out != 1 || n->out[0] == SN_NONE || n->n_in < 1 || n->in[0] == SN_NONE)
            continue;
        if (recognise_is(n, "Log", 1))
            SN_TRY(recognise_softplus(&r, n, changed));
        bool product = recognise_is(n, "Mul", 2) || recognise_is(n, "Div", 2);
        if (product)
            SN_TRY(recognise_hard_sigmoid(&r, n, changed));
        if (product && (recognise_is(n, "Mul", 2) || recognise_is(n, "Div", 2)))
            SN_TRY(recognise_gated(&r, n, changed));
    }
    return SETSUNA_OK;
}

const sn_pass sn_pass_recognise_activation = {"recognise-activation", recognise_run};
