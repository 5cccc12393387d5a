/* BatchNormalization.
 *
 *     inference   y = (x - mean) / sqrt(var + epsilon) * scale + B      with the given mean and var
 *     training    the same with the batch's own mean and variance, which also update the running ones:
 *                 running = given * momentum + batch * (1 - momentum)
 *
 * Outputs: up to opset 13 Y, mean, var, saved_mean, saved_var (the last four ask for training); since 14 Y,
 * running_mean, running_var with the attribute training_mode. spatial = 0 (opsets up to 8) has one mean for each
 * element of an image.
 */
#include "base/checked.h"
#include "kernels/norm.h"
#include "ops/op.h"
#include "ops/parts.h"
#include "ops/real.h"
#include <math.h>
#include <string.h>

typedef struct batch_norm_param {
    sn_norm_table table;
    setsuna_dtype dtype, stat_dtype, scale_dtype;
    bool training;
    double epsilon, momentum;
    int64_t images, channels, plane; /* spatial = 0: channels are all elements of an image, plane is 1 */
} batch_norm_param;

typedef struct batch_norm_call {
    const batch_norm_param *p;
    const void *x, *scale, *bias, *mean, *var;
    void *y;
    double *ab; /* per channel: factor and summand */
} batch_norm_call;

static setsuna_status batch_norm_plan(sn_op_ctx *c, batch_norm_param *p)
{
    const setsuna_shape *x = &c->in[0].shape;
    bool old = c->op->since < 14, spatial = sn_node_int(c->node, "spatial", 1) != 0;
    int64_t total;
    SN_TRY(sn_op_want(c, 0, "float"));
    SN_TRY(sn_op_want(c, 1, "f32 f64"));
    SN_TRY(sn_op_want(c, 3, "f32 f64"));
    if (x->rank < 1 || !sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input must be [N, C, ...]");
    p->dtype = c->in[0].dtype;
    p->scale_dtype = c->in[1].dtype;
    p->stat_dtype = c->in[3].dtype;
    p->epsilon = (double)sn_node_float(c->node, "epsilon", 1e-5f);
    p->momentum = (double)sn_node_float(c->node, "momentum", 0.9f);
    p->images = x->dim[0];
    p->channels = x->rank > 1 ? x->dim[1] : 1;
    p->plane = total ? total / p->images / p->channels : 0;
    setsuna_shape stat = {1, {p->channels}};
    if (!spatial) {
        stat.rank = x->rank - 1;
        memcpy(stat.dim, x->dim + 1, (size_t)stat.rank * sizeof stat.dim[0]);
        p->channels = total ? total / p->images : 0;
        p->plane = 1;
    }
    for (uint32_t i = 1; i < 5; i++)
        if (!sn_shape_equal(&c->in[i].shape, &stat) || c->in[i].dtype != c->in[i < 3 ? 1 : 3].dtype)
            return sn_op_fail(c, SETSUNA_ESHAPE, "input %u does not match the input's channels", i);
    p->training = !old && sn_node_int(c->node, "training_mode", 0) != 0;
    for (uint32_t i = 1; i < c->n_out; i++) {
        p->training |= old && c->out[i].present;
        sn_op_out(c, i, p->stat_dtype, &stat);
        c->out[i].half = c->in[3].half;
    }
    if (!old && !p->training && (sn_op_has_out(c, 1) || sn_op_has_out(c, 2)))
        return sn_op_fail(c, SETSUNA_EMODEL, "running_mean and running_var need training_mode");
    sn_op_out(c, 0, p->dtype, x);
    return SETSUNA_OK;
}

static setsuna_status batch_norm_infer(sn_op_ctx *c)
{
    batch_norm_param p = {.images = 0};
    return batch_norm_plan(c, &p);
}

/* ---- run time ------------------------------------------------------------------------------------ */

static void batch_norm_batch_moments(const batch_norm_call *q, int64_t c, double *mean, double *variance)
{
    const batch_norm_param *p = q->p;
    double sum = 0, squares = 0, n = (double)p->images * (double)p->plane;
    for (int64_t i = 0; i < p->images; i++)
        for (int64_t k = 0; k < p->plane; k++)
            sum += sn_real_get(q->x, p->dtype, (i * p->channels + c) * p->plane + k);
    *mean = sum / n;
    for (int64_t i = 0; i < p->images; i++)
        for (int64_t k = 0; k < p->plane; k++) {
            double d = sn_real_get(q->x, p->dtype, (i * p->channels + c) * p->plane + k) - *mean;
            squares += d * d;
        }
    *variance = squares / n;
}

static void batch_norm_stat(const sn_step *s, sn_run *r, uint32_t i, int64_t c, double v)
{
    const batch_norm_param *p = s->param;
    if (sn_out(s, r, i))
        sn_real_set(sn_out(s, r, i), p->stat_dtype, c, v);
}

/* Factor and summand of each channel; statistics outputs. */
static void batch_norm_coefficients(const sn_step *s, sn_run *r, const batch_norm_call *q)
{
    const batch_norm_param *p = q->p;
    for (int64_t c = 0; c < p->channels; c++) {
        double given_mean = sn_real_get(q->mean, p->stat_dtype, c), mean = given_mean;
        double given_var = sn_real_get(q->var, p->stat_dtype, c), var = given_var;
        if (p->training) {
            batch_norm_batch_moments(q, c, &mean, &var);
            batch_norm_stat(s, r, 1, c, given_mean * p->momentum + mean * (1 - p->momentum));
            batch_norm_stat(s, r, 2, c, given_var * p->momentum + var * (1 - p->momentum));
            batch_norm_stat(s, r, 3, c, mean);
            batch_norm_stat(s, r, 4, c, var);
        }
        double a = sn_real_get(q->scale, p->scale_dtype, c) / sqrt(var + p->epsilon);
        q->ab[2 * c] = a;
        q->ab[2 * c + 1] = sn_real_get(q->bias, p->scale_dtype, c) - mean * a;
    }
}

static void batch_norm_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const batch_norm_call *q = arg;
    const batch_norm_param *p = q->p;
    int64_t i, end;
    sn_pool_range(p->images * p->channels, 1, part, n_parts, &i, &end);
    for (; i < end; i++) {
        const double *ab = q->ab + i % p->channels * 2;
        if (p->dtype == SETSUNA_F32)
            p->table.affine((const float *)q->x + i * p->plane, p->plane, (float)ab[0], (float)ab[1],
                            (float *)q->y + i * p->plane);
        else
            for (int64_t k = i * p->plane; k < (i + 1) * p->plane; k++)
                ((double *)q->y)[k] = ((const double *)q->x)[k] * ab[0] + ab[1];
    }
}

static setsuna_status batch_norm_run(const sn_step *s, sn_run *r)
{
    batch_norm_call q = {s->param,       sn_in(s, r, 0), sn_in(s, r, 1),  sn_in(s, r, 2),
                         sn_in(s, r, 3), sn_in(s, r, 4), sn_out(s, r, 0), r->scratch};
    batch_norm_coefficients(s, r, &q);
    if (q.p->images && q.p->plane)
        sn_run_parallel(s, r, batch_norm_part, &q);
    return SETSUNA_OK;
}

static setsuna_status batch_norm_bind(sn_op_ctx *c, sn_step *s)
{
    batch_norm_param *p = sn_op_param(c, sizeof *p);
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(batch_norm_plan(c, p));
    sn_norm_table_init(&p->table, c->cpu);
    double elements = (double)p->images * (double)p->channels * (double)p->plane;
    s->run = batch_norm_run;
    s->param = p;
    s->kernel = sn_arena_printf(c->arena, "sn_norm_f32_affine_%s", p->table.level);
    s->flops = 2 * elements;
    s->bytes = 2 * elements * (double)setsuna_dtype_size(p->dtype);
    s->n_parts = sn_parts_for(c, s->flops, s->bytes);
    if (!s->kernel)
        return SETSUNA_ENOMEM;
    if (!sn_mul_size((size_t)p->channels, 2 * sizeof(double), &s->scratch_bytes))
        return sn_op_fail(c, SETSUNA_ESHAPE, "there are too many channels");
    return SETSUNA_OK;
}

const sn_op sn_ops_batch_norm[] = {
    {"", "BatchNormalization", 1, 6, 5, 5, 1, 5, SN_OP_F16_AS_F32,
     "consumed_inputs:I epsilon:f is_test:i momentum:f spatial:i", batch_norm_infer, batch_norm_bind},
    {"", "BatchNormalization", 7, 8, 5, 5, 1, 5, SN_OP_F16_AS_F32, "epsilon:f momentum:f spatial:i", batch_norm_infer,
     batch_norm_bind},
    {"", "BatchNormalization", 9, 13, 5, 5, 1, 5, SN_OP_F16_AS_F32, "epsilon:f momentum:f", batch_norm_infer,
     batch_norm_bind},
    {"", "BatchNormalization", 14, 0, 5, 5, 1, 3, SN_OP_F16_AS_F32, "epsilon:f momentum:f training_mode:i",
     batch_norm_infer, batch_norm_bind},
    {.name = NULL},
};
