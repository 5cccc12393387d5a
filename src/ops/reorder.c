/* setsuna.ToBlocked and setsuna.FromBlocked: images between plain and blocked channels (kernels/conv.h).
 *
 *     ToBlocked    X [N, C, spatial...]             -> Y [N, ceil(C/b), spatial..., b]   attribute block: b
 *     FromBlocked  X [N, ceil(C/b), spatial..., b]  -> Y [N, C, spatial...]              attribute channels: C
 *
 * Lanes past C become 0 on the way in and are dropped on the way out.
 */
#include "base/checked.h"
#include "kernels/conv.h"
#include "ops/op.h"
#include "ops/parts.h"
#include <string.h>

typedef struct reorder_param {
    sn_conv_reorder r;
    sn_conv_reorder_fn *fn;
} reorder_param;

static bool reorder_is_to(const sn_op_ctx *c)
{
    return strcmp(c->node->op, "ToBlocked") == 0;
}

static setsuna_status reorder_plan(sn_op_ctx *c, sn_conv_reorder *r, setsuna_shape *y)
{
    const setsuna_shape *x = &c->in[0].shape;
    sn_conv_table t;
    sn_conv_table_init(&t, c->cpu);
    bool to = reorder_is_to(c);
    int32_t plain_rank = to ? x->rank : x->rank - 1;
    SN_TRY(sn_op_want(c, 0, "f32"));
    if (plain_rank < 2 || plain_rank >= SETSUNA_RANK_MAX)
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input has rank %d", (int)x->rank);
    *r = (sn_conv_reorder){.n = x->dim[0], .px = 1, .block = t.limits.block};
    r->c = to ? x->dim[1] : sn_node_int(c->node, "channels", -1);
    int64_t blocks = r->c < 0 || r->c > INT32_MAX ? -1 : (r->c + r->block - 1) / r->block, numel;
    if (blocks < 0 || (to ? sn_node_int(c->node, "block", 0) : x->dim[x->rank - 1]) != r->block ||
        (!to && x->dim[1] != blocks))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the input does not have %lld channels in blocks of %lld", (long long)r->c,
                          (long long)r->block);
    *y = *x;
    y->rank = to ? x->rank + 1 : x->rank - 1;
    y->dim[1] = to ? blocks : r->c;
    if (to)
        y->dim[x->rank] = r->block;
    if (!sn_shape_numel(x, &numel) || !sn_shape_numel(y, &numel))
        return sn_op_fail(c, SETSUNA_ESHAPE, "the image is too large");
    for (int32_t i = 2; i < plain_rank; i++)
        if (!sn_mul_i64(r->px, x->dim[i], &r->px)) /* may overflow where another dim is 0 */
            return sn_op_fail(c, SETSUNA_ESHAPE, "the image is too large");
    return SETSUNA_OK;
}

static setsuna_status reorder_infer(sn_op_ctx *c)
{
    sn_conv_reorder r;
    setsuna_shape y;
    SN_TRY(reorder_plan(c, &r, &y));
    sn_op_out(c, 0, SETSUNA_F32, &y);
    return SETSUNA_OK;
}

typedef struct reorder_call {
    const reorder_param *p;
    const float *x;
    float *y;
} reorder_call;

static void reorder_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const reorder_call *q = arg;
    q->p->fn(&q->p->r, q->x, q->y, part, n_parts);
}

static setsuna_status reorder_run(const sn_step *s, sn_run *r)
{
    const reorder_param *p = s->param;
    reorder_call q = {p, sn_in(s, r, 0), sn_out(s, r, 0)};
    if (p->r.n && p->r.c && p->r.px)
        sn_run_parallel(s, r, reorder_part, &q);
    return SETSUNA_OK;
}

static setsuna_status reorder_bind(sn_op_ctx *c, sn_step *s)
{
    reorder_param *p = sn_op_param(c, sizeof *p);
    setsuna_shape y;
    sn_conv_table t;
    if (!p)
        return SETSUNA_ENOMEM;
    SN_TRY(reorder_plan(c, &p->r, &y));
    sn_conv_table_init(&t, c->cpu);
    p->fn = reorder_is_to(c) ? t.to_blocked : t.from_blocked;
    s->param = p;
    s->run = reorder_run;
    s->kernel = reorder_is_to(c) ? t.names->to_blocked : t.names->from_blocked;
    s->bytes = 8.0 * (double)p->r.n * (double)p->r.c * (double)p->r.px;
    s->n_parts = sn_parts_for(c, 0, s->bytes);
    return SETSUNA_OK;
}

const sn_op sn_ops_reorder[] = {
    {"setsuna", "FromBlocked", 1, 0, 1, 1, 1, 1, 0, "channels:i", reorder_infer, reorder_bind},
    {"setsuna", "ToBlocked", 1, 0, 1, 1, 1, 1, 0, "block:i", reorder_infer, reorder_bind},
    {.name = NULL},
};
