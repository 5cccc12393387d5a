/* ReverseSequence: x is (time, batch, inner) or (batch, time, inner). */
#include "ops/move.h"
#include <string.h>

typedef struct reverse_param {
    int64_t time, batch, time_stride, batch_stride; /* strides in units of inner_bytes */
    size_t inner_bytes;
} reverse_param;

static setsuna_status reverse_infer(sn_op_ctx *c)
{
    const setsuna_shape *x = &c->in[0].shape, *len = &c->in[1].shape;
    int64_t batch = sn_node_int(c->node, "batch_axis", 1), time = sn_node_int(c->node, "time_axis", 0);
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_want(c, 1, "i64"));
    if (batch < 0 || batch > 1 || time != 1 - batch)
        return sn_op_fail(c, SETSUNA_EMODEL, "batch_axis %lld and time_axis %lld must be 0 and 1 or 1 and 0",
                          (long long)batch, (long long)time);
    if (x->rank < 2 || len->rank != 1 || len->dim[0] != x->dim[batch])
        return sn_op_fail(c, SETSUNA_ESHAPE, "there must be one length for each sequence of a batch");
    return sn_infer_same(c);
}

static setsuna_status reverse_run(const sn_step *s, sn_run *r)
{
    const reverse_param *p = s->param;
    const uint8_t *x = sn_in(s, r, 0);
    const int64_t *len = sn_in(s, r, 1);
    uint8_t *y = sn_out(s, r, 0);
    for (int64_t b = 0; b < p->batch; b++) {
        if (len[b] < 0 || len[b] > p->time)
            return sn_run_fail(s, r, SETSUNA_EINPUT, "length %lld of sequence %lld is outside [0, %lld]",
                               (long long)len[b], (long long)b, (long long)p->time);
        for (int64_t t = 0; t < p->time && p->inner_bytes; t++) {
            int64_t from = t < len[b] ? len[b] - 1 - t : t;
            memcpy(y + (size_t)(b * p->batch_stride + t * p->time_stride) * p->inner_bytes,
                   x + (size_t)(b * p->batch_stride + from * p->time_stride) * p->inner_bytes, p->inner_bytes);
        }
    }
    return SETSUNA_OK;
}

static setsuna_status reverse_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape;
    reverse_param *p = sn_op_param(c, sizeof *p);
    int32_t batch = (int32_t)sn_node_int(c->node, "batch_axis", 1);
    size_t bytes;
    if (!p)
        return SETSUNA_ENOMEM;
    if (!sn_tensor_bytes(c->out[0].dtype, x, &bytes))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor has too many elements");
    p->batch = x->dim[batch];
    p->time = x->dim[1 - batch];
    p->batch_stride = batch == 0 ? p->time : 1;
    p->time_stride = batch == 0 ? 1 : p->batch;
    p->inner_bytes = bytes ? bytes / (size_t)p->batch / (size_t)p->time : 0;
    s->run = reverse_run;
    s->param = p;
    s->kernel = "reverse_sequence";
    s->bytes = 2.0 * (double)bytes;
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_reverse[] = {
    {"", "ReverseSequence", 10, 0, 2, 2, 1, 1, 0, "batch_axis:i time_axis:i", reverse_infer, reverse_bind},
    {.name = NULL},
};
