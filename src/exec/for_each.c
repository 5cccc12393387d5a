/* setsuna.ForEach: a plan for some items of a batch, run for all of them (passes/outline_batch.c).
 *
 * With several threads each takes turns of its own, whole items from end to end, so that nobody waits within a turn.
 * The turns that are left over when each thread has had as many as all others are split within, like any other plan.
 */
#include "base/status.h"
#include "exec/control_flow.h"
#include "exec/frame.h"
#include <string.h>

setsuna_tensor sn_control_items(const setsuna_tensor *whole, int64_t t, int64_t together)
{
    setsuna_tensor items = *whole;
    items.shape.dim[0] = together;
    items.size_bytes = whole->size_bytes / (size_t)whole->shape.dim[0] * (size_t)together;
    if (whole->data)
        items.data = (char *)whole->data + (size_t)t * items.size_bytes;
    return items;
}

static int64_t each_turns(const sn_step *s, const sn_run *r)
{
    const control_param *p = s->param;
    return r->desc[s->in[0]].shape.dim[0] / p->together;
}

void sn_control_lanes_free(sn_control_state *c)
{
    for (uint32_t i = 0; c->lane && i < c->n_lane; i++) {
        sn_exec_destroy(c->lane[i].exec);
        sn_free(c->allocator, c->lane[i].in);
        sn_free(c->allocator, c->lane[i].out);
    }
    sn_free(c->allocator, c->lane);
    c->lane = NULL;
    c->n_lane = 0;
}

setsuna_status sn_control_lanes(const sn_step *s, sn_run *r, sn_control_state *c)
{
    const control_param *p = s->param;
    uint32_t n = sn_pool_threads(r->pool);
    if (n < 2 || c->n_lane || each_turns(s, r) < n)
        return SETSUNA_OK;
    const sn_graph *g = sn_module_graph(p->body[0].module);
    c->lane = sn_alloc_zero(c->allocator, n * sizeof *c->lane);
    bool ok = c->lane != NULL;
    c->n_lane = ok ? n : 0;
    for (uint32_t i = 0; ok && i < n; i++) {
        control_lane *l = &c->lane[i];
        l->in = sn_alloc_zero(c->allocator, (g->n_input + 1) * sizeof *l->in);
        l->out = sn_alloc_zero(c->allocator, (g->n_output + 1) * sizeof *l->out);
        ok = l->in && l->out && sn_exec_create(sn_exec_env(r), p->body[0].module, NULL, &l->exec) == SETSUNA_OK;
    }
    if (ok)
        return SETSUNA_OK;
    sn_control_lanes_free(c);
    return sn_run_fail(s, r, SETSUNA_ENOMEM, "out of memory");
}

/* Turn t: arguments from the step's inputs, results to its outputs. */
static setsuna_status each_turn(const sn_step *s, const sn_run *r, sn_exec *e, setsuna_tensor *in, setsuna_tensor *out,
                                int64_t t, setsuna_error *err)
{
    const control_param *p = s->param;
    for (uint32_t k = 0; k < s->n_in; k++) {
        setsuna_tensor whole = sn_control_input(s, r, k);
        in[k] = sn_control_items(&whole, t, p->together);
    }
    SN_TRY(sn_exec_run(e, in, out, err));
    for (uint32_t k = 0; k < s->n_out; k++) {
        char *to = sn_out(s, r, k);
        if (to)
            memcpy(to + (size_t)t * out[k].size_bytes, out[k].data, out[k].size_bytes);
    }
    return SETSUNA_OK;
}

typedef struct each_share {
    const sn_step *s;
    const sn_run *r;
    sn_control_state *c;
    int64_t turns;
} each_share;

static void each_part(void *arg, uint32_t part, uint32_t n_parts)
{
    const each_share *x = arg;
    control_lane *l = &x->c->lane[part];
    int64_t begin, end;
    sn_pool_range(x->turns, 1, part, n_parts, &begin, &end);
    l->status = SETSUNA_OK;
    for (int64_t t = begin; t < end && l->status == SETSUNA_OK; t++)
        l->status = each_turn(x->s, x->r, l->exec, l->in, l->out, t, &l->err);
}

setsuna_status sn_control_run_each(const sn_step *s, sn_run *r, sn_control_state *c)
{
    const control_param *p = s->param;
    int64_t turns = each_turns(s, r), at = 0;
    bool observed = ((const exec_frame *)r->session)->exec->observation != NULL; /* by one thread at a time */
    if (!c->exec[0])
        SN_TRY(sn_exec_create(sn_exec_env(r), p->body[0].module, r->pool, &c->exec[0]));
    if (!observed) {
        SN_TRY(sn_control_lanes(s, r, c));
        at = c->n_lane ? turns / c->n_lane * c->n_lane : 0;
    }
    if (at > 0) {
        each_share x = {s, r, c, at};
        sn_pool_run(r->pool, each_part, &x, c->n_lane);
        for (uint32_t i = 0; i < c->n_lane; i++)
            if (c->lane[i].status != SETSUNA_OK) {
                if (r->err)
                    *r->err = c->lane[i].err;
                return c->lane[i].status;
            }
    }
    sn_exec_observe_as(c->exec[0], r);
    for (; at < turns; at++)
        SN_TRY(each_turn(s, r, c->exec[0], c->in, c->out, at, r->err));
    return SETSUNA_OK;
}
