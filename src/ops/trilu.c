/* Trilu: x is (batch, rows, cols). */
#include "ops/move.h"
#include <string.h>

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

const sn_op sn_ops_trilu[] = {
    {"", "Trilu", 14, 0, 1, 2, 1, 1, SN_OP_INPLACE, "upper:i", trilu_infer, trilu_bind},
    {.name = NULL},
};
