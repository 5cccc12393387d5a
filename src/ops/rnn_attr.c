#include "ops/rnn_attr.h"
#include "base/checked.h"
#include <math.h>
#include <string.h>
#include <strings.h>

static setsuna_status rnn_attr_direction(sn_op_ctx *c, sn_rnn_attr *a)
{
    const char *text = sn_node_string(c->node, "direction", "forward");
    a->dirs = 1;
    if (strcmp(text, "reverse") == 0)
        a->reverse[0] = true;
    else if (strcmp(text, "bidirectional") == 0) {
        a->dirs = 2;
        a->reverse[1] = true;
    } else if (strcmp(text, "forward") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'direction' is '%.32s'", text);
    return SETSUNA_OK;
}

static setsuna_status rnn_attr_act(sn_op_ctx *c, const sn_text *text, sn_rnn_act *out)
{
    static const struct {
        const char *name;
        sn_rnn_act act;
    } known[] = {
#define RNN_ATTR_ACT(name, text, alpha, beta) {text, {SN_RNN_ACT_##name, alpha, beta}},
        SN_RNN_ACT_LIST(RNN_ATTR_ACT)
#undef RNN_ATTR_ACT
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == text->len && strcasecmp(known[i].name, text->data) == 0) {
            *out = known[i].act;
            return SETSUNA_OK;
        }
    return sn_op_fail(c, SETSUNA_EUNSUPPORTED, "activation '%.32s' is not supported", text->data);
}

static bool rnn_attr_takes_alpha(sn_rnn_act_kind k)
{
    return k == SN_RNN_ACT_AFFINE || k == SN_RNN_ACT_LEAKY_RELU || k == SN_RNN_ACT_THRESHOLDED_RELU ||
           k == SN_RNN_ACT_SCALED_TANH || k == SN_RNN_ACT_HARD_SIGMOID || k == SN_RNN_ACT_ELU;
}

static bool rnn_attr_takes_beta(sn_rnn_act_kind k)
{
    return k == SN_RNN_ACT_AFFINE || k == SN_RNN_ACT_SCALED_TANH || k == SN_RNN_ACT_HARD_SIGMOID;
}

/* The lists activation_alpha and activation_beta are consumed in order by the activations that take one. */
static setsuna_status rnn_attr_acts(sn_op_ctx *c, sn_rnn_attr *a)
{
    static const sn_rnn_act sigmoid = {SN_RNN_ACT_SIGMOID, 0, 0}, tanh_act = {SN_RNN_ACT_TANH, 0, 0};
    int per_dir = a->kind == SN_RNN_LSTM ? 3 : a->kind == SN_RNN_GRU ? 2 : 1;
    const sn_attr *list = sn_node_attr(c->node, "activations");
    const float *alpha, *beta;
    size_t n_alpha = sn_node_floats(c->node, "activation_alpha", &alpha), i_alpha = 0, i_beta = 0;
    size_t n_beta = sn_node_floats(c->node, "activation_beta", &beta), n = (size_t)per_dir * (size_t)a->dirs;
    if (list && list->n && list->n < n)
        return sn_op_fail(c, SETSUNA_EMODEL, "%zu activations where %zu are needed", list->n, n);
    for (int d = 0; d < a->dirs; d++)
        for (int i = 0; i < per_dir; i++) {
            sn_rnn_act *act = &a->act[d][i];
            *act = i == 0 && a->kind != SN_RNN_PLAIN ? sigmoid : tanh_act;
            if (list && list->n)
                SN_TRY(rnn_attr_act(c, &list->strings[d * per_dir + i], act));
            if (rnn_attr_takes_alpha(act->kind) && i_alpha < n_alpha)
                act->alpha = alpha[i_alpha++];
            if (rnn_attr_takes_beta(act->kind) && i_beta < n_beta)
                act->beta = beta[i_beta++];
        }
    return SETSUNA_OK;
}

/* Input i, if present, has this shape and the type of X. */
static setsuna_status rnn_attr_want(sn_op_ctx *c, uint32_t i, const setsuna_shape *shape)
{
    char have[SN_SHAPE_TEXT_MAX], want[SN_SHAPE_TEXT_MAX];
    if (!sn_op_has(c, i))
        return SETSUNA_OK;
    if (!sn_shape_equal(&c->in[i].shape, shape))
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u is %s, not %s", i,
                          sn_shape_text(&c->in[i].shape, have, sizeof have), sn_shape_text(shape, want, sizeof want));
    if (c->in[i].dtype != c->in[0].dtype)
        return sn_op_fail(c, SETSUNA_ESHAPE, "input %u differs in type from X", i);
    return SETSUNA_OK;
}

static setsuna_status rnn_attr_shapes(sn_op_ctx *c, sn_rnn_attr *a)
{
    const setsuna_shape *x = &c->in[SN_RNN_X].shape, *r = &c->in[SN_RNN_R].shape;
    if (x->rank != 3 || r->rank != 3)
        return sn_op_fail(c, SETSUNA_ESHAPE, "X and R must have rank 3");
    a->seq = x->dim[a->batch_first];
    a->batch = x->dim[!a->batch_first];
    a->input = x->dim[2];
    a->hidden = r->dim[2];
    a->gates = a->kind == SN_RNN_LSTM ? 4 : a->kind == SN_RNN_GRU ? 3 : 1;
    if (sn_node_int(c->node, "hidden_size", a->hidden) != a->hidden)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'hidden_size' does not match R");
    int64_t d = a->dirs, h = a->hidden, gh;
    if (!sn_mul_i64(h, 2 * a->gates, &gh))
        return sn_op_fail(c, SETSUNA_ESHAPE, "hidden_size is too large");
    const setsuna_shape w = {3, {d, gh / 2, a->input}}, rs = {3, {d, gh / 2, h}}, b = {2, {d, gh}};
    const setsuna_shape p = {2, {d, 3 * h}}, lens = {1, {a->batch}};
    const setsuna_shape state = {3, {a->batch_first ? a->batch : d, a->batch_first ? d : a->batch, h}};
    SN_TRY(rnn_attr_want(c, SN_RNN_W, &w));
    SN_TRY(rnn_attr_want(c, SN_RNN_R, &rs));
    SN_TRY(rnn_attr_want(c, SN_RNN_B, &b));
    SN_TRY(rnn_attr_want(c, SN_RNN_H0, &state));
    SN_TRY(rnn_attr_want(c, SN_RNN_C0, &state));
    SN_TRY(rnn_attr_want(c, SN_RNN_P, &p));
    SN_TRY(sn_op_want(c, SN_RNN_LENS, "i32"));
    if (sn_op_has(c, SN_RNN_LENS) && !sn_shape_equal(&c->in[SN_RNN_LENS].shape, &lens))
        return sn_op_fail(c, SETSUNA_ESHAPE, "sequence_lens must have one entry a sequence");
    setsuna_shape y = {4, {a->seq, d, a->batch, h}};
    if (a->batch_first)
        y = (setsuna_shape){4, {a->batch, a->seq, d, h}};
    int64_t n;
    if (!sn_shape_numel(&y, &n) || !sn_shape_numel(x, &n))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the output is too large");
    sn_op_out(c, 0, a->dtype, &y);
    sn_op_out(c, 1, a->dtype, &state);
    sn_op_out(c, 2, a->dtype, &state);
    return SETSUNA_OK;
}

setsuna_status sn_rnn_attr_read(sn_op_ctx *c, sn_rnn_attr *out)
{
    const char *op = c->node->op;
    sn_rnn_attr a = {.kind = op[0] == 'L'   ? SN_RNN_LSTM
                             : op[0] == 'G' ? SN_RNN_GRU
                                            : SN_RNN_PLAIN,
                     .dtype = c->in[0].dtype,
                     .batch_first = sn_node_int(c->node, "layout", 0) != 0,
                     .linear_before_reset = sn_node_int(c->node, "linear_before_reset", 0) != 0,
                     .input_forget = sn_node_int(c->node, "input_forget", 0) != 0,
                     .clip = sn_node_float(c->node, "clip", INFINITY)};
    SN_TRY(sn_op_want(c, 0, "float"));
    if (!(a.clip >= 0))
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'clip' is %g", (double)a.clip);
    SN_TRY(rnn_attr_direction(c, &a));
    SN_TRY(rnn_attr_acts(c, &a));
    SN_TRY(rnn_attr_shapes(c, &a));
    int64_t h = a.hidden, d = a.dirs;
    a.x_t = a.batch_first ? a.input : a.batch * a.input;
    a.x_b = a.batch_first ? a.seq * a.input : a.input;
    a.y_d = a.batch_first ? h : a.batch * h;
    a.y_b = a.batch_first ? a.seq * d * h : h;
    a.y_t = a.batch_first ? d * h : d * a.batch * h;
    a.s_d = a.batch_first ? h : a.batch * h;
    a.s_b = a.batch_first ? d * h : h;
    *out = a;
    return SETSUNA_OK;
}

setsuna_status sn_rnn_lens(const sn_step *s, sn_run *r, const sn_rnn_attr *a, const int32_t **lens)
{
    const int32_t *l = sn_in(s, r, SN_RNN_LENS);
    for (int64_t b = 0; l && b < a->batch; b++)
        if (l[b] < 0 || l[b] > a->seq)
            return sn_run_fail(s, r, SETSUNA_EINPUT, "sequence_lens[%lld] is %d of %lld steps", (long long)b, (int)l[b],
                               (long long)a->seq);
    *lens = l;
    return SETSUNA_OK;
}
