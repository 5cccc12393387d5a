/* ai.onnx.preview.training: one step of Adagrad, Adam and Momentum, for any number of tensors at once.
 *
 * All state is loaded to f64 a strip at a time, so one loop serves f32 and f64. */
#include "kernels/convert.h"
#include "ops/ew_step.h"
#include <math.h>
#include <string.h>

enum { TRAINING_STRIP = 256, TRAINING_STATE_MAX = 2 };

typedef enum training_kind { TRAINING_ADAGRAD, TRAINING_ADAM, TRAINING_MOMENTUM, TRAINING_NESTEROV } training_kind;

typedef struct training_param {
    training_kind kind;
    uint32_t n_tensor, n_state; /* inputs R, T, then n_tensor each of X, G and every state; outputs X and the states */
    setsuna_dtype dtype;
    sn_convert_fn *load, *store, *load_rate;
    int64_t *numel; /* [n_tensor] */
    double norm, norm_post, epsilon, decay, alpha, beta;
} training_param;

/* The rates of this step. */
typedef struct training_rate {
    double r, beta;
} training_rate;

static training_kind training_kind_of(const sn_op_ctx *c)
{
    if (strcmp(c->op->name, "Adagrad") == 0)
        return TRAINING_ADAGRAD;
    if (strcmp(c->op->name, "Adam") == 0)
        return TRAINING_ADAM;
    return strcmp(sn_node_string(c->node, "mode", ""), "nesterov") == 0 ? TRAINING_NESTEROV : TRAINING_MOMENTUM;
}

static setsuna_status training_infer(sn_op_ctx *c)
{
    const bool adam = training_kind_of(c) == TRAINING_ADAM;
    const uint32_t group = adam ? 4 : 3; /* X, G and one or two states */
    const char *mode = sn_node_string(c->node, "mode", "standard");
    int64_t n;
    if (strcmp(mode, "standard") != 0 && strcmp(mode, "nesterov") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "mode is neither standard nor nesterov");
    if (c->n_in < 2 + group || (c->n_in - 2) % group)
        return sn_op_fail(c, SETSUNA_EMODEL, "%u inputs are not 2 and %u for each tensor", c->n_in, group);
    const uint32_t n_tensor = (c->n_in - 2) / group;
    if (c->n_out != n_tensor * (group - 1))
        return sn_op_fail(c, SETSUNA_EMODEL, "%u outputs are not %u", c->n_out, n_tensor * (group - 1));
    for (uint32_t i = 0; i < c->n_in; i++)
        if (!sn_op_has(c, i))
            return sn_op_fail(c, SETSUNA_EMODEL, "input %u is missing", i);
    SN_TRY(sn_op_want(c, 0, "f32 f64"));
    SN_TRY(sn_op_want(c, 1, "i64"));
    SN_TRY(sn_op_want(c, 2, "f32 f64"));
    for (uint32_t i = 0; i < 2; i++)
        if (!sn_shape_numel(&c->in[i].shape, &n) || n != 1)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is not a scalar", i);
    for (uint32_t i = 2; i < c->n_in; i++)
        if (c->in[i].dtype != c->in[2].dtype || !sn_shape_equal(&c->in[i].shape, &c->in[2 + (i - 2) % n_tensor].shape))
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u does not match its tensor", i);
    for (uint32_t i = 0; i < c->n_out; i++)
        sn_op_out(c, i, c->in[2].dtype, &c->in[2 + i % n_tensor].shape);
    return SETSUNA_OK;
}

/* One strip: x, g and the states in, x and the states out. */
static void training_update(const training_param *p, const training_rate *t, double *x, const double *g,
                            double (*state)[TRAINING_STRIP], int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        double grad = p->norm * x[i] + g[i];
        switch (p->kind) {
        case TRAINING_ADAGRAD:
            state[0][i] += grad * grad;
            x[i] -= t->r * grad / (sqrt(state[0][i]) + p->epsilon);
            break;
        case TRAINING_ADAM:
            state[0][i] = p->alpha * state[0][i] + (1 - p->alpha) * grad;
            state[1][i] = p->beta * state[1][i] + (1 - p->beta) * grad * grad;
            x[i] = (1 - p->norm_post) * (x[i] - t->r * state[0][i] / (sqrt(state[1][i]) + p->epsilon));
            break;
        case TRAINING_MOMENTUM:
        case TRAINING_NESTEROV:
            state[0][i] = p->alpha * state[0][i] + t->beta * grad;
            x[i] -= t->r * (p->kind == TRAINING_NESTEROV ? grad + p->alpha * state[0][i] : state[0][i]);
            break;
        }
    }
}

static training_rate training_rate_of(const training_param *p, double r, int64_t t)
{
    training_rate rate = {.r = r, .beta = t > 0 ? p->beta : 1};
    if (p->kind == TRAINING_ADAGRAD)
        rate.r = r / (1 + (double)t * p->decay);
    if (p->kind == TRAINING_ADAM && t > 0)
        rate.r = r * sqrt(1 - pow(p->beta, (double)t)) / (1 - pow(p->alpha, (double)t));
    return rate;
}

static setsuna_status training_step_run(const sn_step *s, sn_run *r)
{
    const training_param *p = s->param;
    const size_t size = setsuna_dtype_size(p->dtype);
    double rate0, x[TRAINING_STRIP], g[TRAINING_STRIP], state[TRAINING_STATE_MAX][TRAINING_STRIP] = {{0}};
    p->load_rate(&rate0, sn_in(s, r, 0), 1);
    training_rate rate = training_rate_of(p, rate0, *(const int64_t *)sn_in(s, r, 1));
    for (uint32_t k = 0; k < p->n_tensor; k++)
        for (int64_t i = 0; i < p->numel[k]; i += TRAINING_STRIP) {
            int64_t n = p->numel[k] - i < TRAINING_STRIP ? p->numel[k] - i : TRAINING_STRIP;
            size_t at = (size_t)i * size;
            p->load(x, (const char *)sn_in(s, r, 2 + k) + at, n);
            p->load(g, (const char *)sn_in(s, r, 2 + p->n_tensor + k) + at, n);
            for (uint32_t j = 0; j < p->n_state; j++)
                p->load(state[j], (const char *)sn_in(s, r, 2 + (2 + j) * p->n_tensor + k) + at, n);
            training_update(p, &rate, x, g, state, n);
            if (sn_out(s, r, k))
                p->store((char *)sn_out(s, r, k) + at, x, n);
            for (uint32_t j = 0; j < p->n_state; j++)
                if (sn_out(s, r, (1 + j) * p->n_tensor + k))
                    p->store((char *)sn_out(s, r, (1 + j) * p->n_tensor + k) + at, state[j], n);
        }
    return SETSUNA_OK;
}

static setsuna_status training_bind(sn_op_ctx *c, sn_step *s)
{
    training_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    p->kind = training_kind_of(c);
    p->n_state = p->kind == TRAINING_ADAM ? 2 : 1;
    p->n_tensor = (c->n_in - 2) / (2 + p->n_state);
    p->dtype = c->in[2].dtype;
    p->load = sn_convert_ref(p->dtype, SETSUNA_F64);
    p->store = sn_convert_ref(SETSUNA_F64, p->dtype);
    p->load_rate = sn_convert_ref(c->in[0].dtype, SETSUNA_F64);
    p->norm = (double)sn_node_float(c->node, "norm_coefficient", 0);
    p->norm_post = (double)sn_node_float(c->node, "norm_coefficient_post", 0);
    p->epsilon = (double)sn_node_float(c->node, "epsilon", 1e-6f);
    p->decay = (double)sn_node_float(c->node, "decay_factor", 0);
    p->alpha = (double)sn_node_float(c->node, "alpha", 0.9f);
    p->beta = (double)sn_node_float(c->node, "beta", 0.999f);
    p->numel = sn_op_param(c, p->n_tensor * sizeof *p->numel);
    if (!p->numel)
        return SETSUNA_ENOMEM;
    for (uint32_t k = 0; k < p->n_tensor; k++)
        if (!sn_shape_numel(&c->in[2 + k].shape, &p->numel[k]))
            return sn_op_fail(c, SETSUNA_ELIMIT, "input %u is too large", 2 + k);
    s->run = training_step_run;
    s->param = p;
    s->kernel = "training";
    s->n_parts = 1;
    return SETSUNA_OK;
}

#define TRAINING "ai.onnx.preview.training"
/* clang-format off */
const sn_op sn_ops_training[] = {
    {TRAINING, "Adagrad", 1, 0, 5, 255, 2, 255, 0, "decay_factor:f epsilon:f norm_coefficient:f", training_infer, training_bind},
    {TRAINING, "Adam", 1, 0, 6, 255, 3, 255, 0, "alpha:f beta:f epsilon:f norm_coefficient:f norm_coefficient_post:f", training_infer, training_bind},
    {TRAINING, "Momentum", 1, 0, 5, 255, 2, 255, 0, "alpha:f beta:f mode:s norm_coefficient:f", training_infer, training_bind},
    {.name = NULL},
};
/* clang-format on */
