/* ReverseSequence and Trilu: whole rows moved or cleared. */
#include "ops/move.h"
#include <string.h>

/* ---- ReverseSequence: x is (time, batch, inner) or (batch, time, inner) ------------------------------- */

typedef struct sequence_param {
    int64_t time, batch, time_stride, batch_stride; /* strides in units of inner_bytes */
    size_t inner_bytes;
} sequence_param;

static setsuna_status sequence_infer(sn_op_ctx *c)
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

static setsuna_status sequence_run(const sn_step *s, sn_run *r)
{
    const sequence_param *p = s->param;
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

static setsuna_status sequence_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape;
    sequence_param *p = sn_op_param(c, sizeof *p);
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
    s->run = sequence_run;
    s->param = p;
    s->kernel = "reverse_sequence";
    s->bytes = 2.0 * (double)bytes;
    s->n_parts = 1;
    return SETSUNA_OK;
}

/* ---- Trilu: x is (batch, rows, cols) ------------------------------------------------------------------- */

typedef struct trilu_param {
    int64_t batch, rows, cols;
    size_t size;
    bool upper, has_k;
} trilu_param;

static setsuna_status trilu_infer(sn_op_ctx *c)
{
    int64_t n;
    SN_TRY(sn_move_want(c, 0));
    SN_TRY(sn_op_want(c, 1, "i64"));
    if (c->in[0].shape.rank < 2)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has rank %d, at least 2 is needed", c->in[0].shape.rank);
    if (sn_op_has(c, 1) && (!sn_shape_numel(&c->in[1].shape, &n) || n != 1))
        return sn_op_fail(c, SETSUNA_ESHAPE, "k must be one number");
    return sn_infer_same(c);
}

static setsuna_status trilu_run(const sn_step *s, sn_run *r)
{
    const trilu_param *p = s->param;
    const uint8_t *x = sn_in(s, r, 0);
    uint8_t *y = sn_out(s, r, 0);
    int64_t k = p->has_k ? *(const int64_t *)sn_in(s, r, 1) : 0; /* read first: y may share k's memory */
    k = k < -p->rows ? -p->rows : k > p->cols ? p->cols : k;
    for (int64_t b = 0; b < p->batch; b++)
        for (int64_t i = 0; i < p->rows; i++) {
            /* Kept columns: [cut, cols) of the upper part, [0, cut) of the lower one. */
            int64_t cut = i + k + (p->upper ? 0 : 1);
            cut = cut < 0 ? 0 : cut > p->cols ? p->cols : cut;
            size_t head = (size_t)cut * p->size, row = (size_t)p->cols * p->size;
            size_t keep_at = p->upper ? head : 0, keep = p->upper ? row - head : head;
            if (x != y && keep)
                memcpy(y + keep_at, x + keep_at, keep);
            memset(y + (p->upper ? 0 : head), 0, row - keep);
            x += row;
            y += row;
        }
    return SETSUNA_OK;
}

static setsuna_status trilu_bind(sn_op_ctx *c, sn_step *s)
{
    const setsuna_shape *x = &c->in[0].shape;
    trilu_param *p = sn_op_param(c, sizeof *p);
    int64_t total;
    if (!p)
        return SETSUNA_ENOMEM;
    if (!sn_shape_numel(x, &total))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the tensor has too many elements");
    p->size = setsuna_dtype_size(c->in[0].dtype);
    p->rows = x->dim[x->rank - 2];
    p->cols = x->dim[x->rank - 1];
    p->batch = total ? total / p->rows / p->cols : 0;
    p->upper = sn_node_int(c->node, "upper", 1) != 0;
    p->has_k = sn_op_has(c, 1);
    s->run = trilu_run;
    s->param = p;
    s->kernel = "trilu";
    s->bytes = 2.0 * (double)total * (double)p->size;
    s->n_parts = 1;
    return SETSUNA_OK;
}

const sn_op sn_ops_sequence[] = {
    {"", "ReverseSequence", 10, 0, 2, 2, 1, 1, 0, "batch_axis:i time_axis:i", sequence_infer, sequence_bind},
    {"", "Trilu", 14, 0, 1, 2, 1, 1, SN_OP_INPLACE, "upper:i", trilu_infer, trilu_bind},
    {.name = NULL},
};
