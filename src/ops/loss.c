/* NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss: scores [N, C, d...] against labels [N, d...]. */
#include "base/checked.h"
#include "ops/op.h"
#include "ops/real.h"
#include <math.h>
#include <string.h>

typedef enum loss_reduction { LOSS_NONE, LOSS_MEAN, LOSS_SUM } loss_reduction;

typedef struct loss_param {
    setsuna_dtype dtype, label_dtype;
    loss_reduction reduction;
    bool softmax, has_ignore;
    int64_t ignore, images, classes, plane;
} loss_param;

static setsuna_status loss_plan(sn_op_ctx *c, loss_param *p)
{
    const setsuna_shape *x = &c->in[0].shape, *t = &c->in[1].shape;
    const char *reduction = sn_node_string(c->node, "reduction", "mean");
    int64_t total;
    SN_TRY(sn_op_want(c, 0, "float"));
    SN_TRY(sn_op_want(c, 1, "i32 i64"));
    if (strcmp(reduction, "none") != 0 && strcmp(reduction, "mean") != 0 && strcmp(reduction, "sum") != 0)
        return sn_op_fail(c, SETSUNA_EMODEL, "attribute 'reduction' is '%.32s'", reduction);
    bool match = x->rank >= 2 && t->rank == x->rank - 1 && t->dim[0] == x->dim[0];
    for (int32_t d = 1; match && d < t->rank; d++)
        match = t->dim[d] == x->dim[d + 1];
    if (!match || !sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "scores must be [N, C, ...] and labels [N, ...]");
    if (sn_op_has(c, 2) &&
        (c->in[2].shape.rank != 1 || c->in[2].shape.dim[0] != x->dim[1] || c->in[2].dtype != c->in[0].dtype))
        return sn_op_fail(c, SETSUNA_ESHAPE, "weights must be one value of the scores' type a class");
    *p = (loss_param){.dtype = c->in[0].dtype,
                      .label_dtype = c->in[1].dtype,
                      .reduction = reduction[0] == 'n'   ? LOSS_NONE
                                   : reduction[0] == 'm' ? LOSS_MEAN
                                                         : LOSS_SUM,
                      .softmax = c->node->op[0] == 'S',
                      .has_ignore = sn_node_attr(c->node, "ignore_index") != NULL,
                      .ignore = sn_node_int(c->node, "ignore_index", 0),
                      .images = total ? x->dim[0] : 0,
                      .classes = x->dim[1]};
    p->plane = total ? total / x->dim[0] / x->dim[1] : 0;
    const setsuna_shape scalar = {.rank = 0};
    sn_op_out(c, 0, p->dtype, p->reduction == LOSS_NONE ? t : &scalar);
    sn_op_out(c, 1, p->dtype, x);
    return SETSUNA_OK;
}

static setsuna_status loss_infer(sn_op_ctx *c)
{
    loss_param p;
    return loss_plan(c, &p);
}

typedef struct loss_call {
    const loss_param *p;
    const void *x, *label, *weight;
    void *y, *log_prob;
} loss_call;

/* log sum exp over the classes at one place; 0 where the scores are log-probabilities already. */
static double loss_log_sum(const loss_call *q, int64_t at)
{
    const loss_param *p = q->p;
    double max = (double)-INFINITY, sum = 0;
    if (!p->softmax)
        return 0;
    for (int64_t c = 0; c < p->classes; c++)
        max = fmax(max, sn_real_get(q->x, p->dtype, at + c * p->plane));
    for (int64_t c = 0; c < p->classes; c++)
        sum += exp(sn_real_get(q->x, p->dtype, at + c * p->plane) - max);
    return max + log(sum);
}

static setsuna_status loss_run(const sn_step *s, sn_run *r)
{
    const loss_param *p = s->param;
    loss_call q = {p, sn_in(s, r, 0), sn_in(s, r, 1), sn_in(s, r, 2), sn_out(s, r, 0), sn_out(s, r, 1)};
    double sum = 0, weights = 0;
    for (int64_t i = 0; i < p->images * p->plane; i++) {
        int64_t at = i / p->plane * p->classes * p->plane + i % p->plane;
        int64_t t = p->label_dtype == SETSUNA_I32 ? ((const int32_t *)q.label)[i] : ((const int64_t *)q.label)[i];
        bool ignored = p->has_ignore && t == p->ignore;
        double log_sum = loss_log_sum(&q, at), w = 0, loss = 0;
        for (int64_t c = 0; c < p->classes && q.log_prob; c++)
            sn_real_set(q.log_prob, p->dtype, at + c * p->plane,
                        sn_real_get(q.x, p->dtype, at + c * p->plane) - log_sum);
        if (!ignored) {
            if (t < 0 || t >= p->classes)
                return sn_run_fail(s, r, SETSUNA_EINPUT, "label %lld of %lld classes", (long long)t,
                                   (long long)p->classes);
            w = q.weight ? sn_real_get(q.weight, p->dtype, t) : 1;
            loss = -w * (sn_real_get(q.x, p->dtype, at + t * p->plane) - log_sum);
        }
        sum += loss;
        weights += w;
        if (p->reduction == LOSS_NONE)
            sn_real_set(q.y, p->dtype, i, loss);
    }
    if (p->reduction != LOSS_NONE && q.y)
        sn_real_set(q.y, p->dtype, 0, p->reduction == LOSS_MEAN ? sum / weights : sum);
    return SETSUNA_OK;
}

static setsuna_status loss_bind(sn_op_ctx *c, sn_step *s)
{
    loss_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(loss_plan(c, p));
    s->run = loss_run;
    s->param = p;
    s->kernel = "loss";
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_loss[] = {
    {"", "NegativeLogLikelihoodLoss", 12, 0, 2, 3, 1, 1, SN_OP_F16_AS_F32, "ignore_index:i reduction:s", loss_infer,
     loss_bind},
    {"", "SoftmaxCrossEntropyLoss", 12, 0, 2, 3, 1, 2, SN_OP_F16_AS_F32, "ignore_index:i reduction:s", loss_infer,
     loss_bind},
    {.name = NULL},
};
