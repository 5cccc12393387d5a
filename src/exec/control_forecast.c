/* If, Loop, Scan and ForEach before the first run: which bodies it will need, for which shapes, and what they give. */
#include "exec/control_flow.h"
#include "exec/frame.h"
#include "graph/tensor.h"
#include "ops/op.h"
#include <string.h>

/* Plans body i. Its outputs go to c->out, a type of NONE where they are not known. */
static void forecast_body(const sn_step *s, sn_run *r, sn_control_state *c, int i, const setsuna_tensor *formal,
                          const uint8_t *known, sn_forecast *forecast)
{
    const control_param *p = s->param;
    const control_body *body = &p->body[i];
    uint32_t n_out = sn_module_graph(body->module)->n_output;
    bool ready = sn_control_arguments(s, r, c, i, formal) == SETSUNA_OK;
    for (uint32_t k = 0; k < body->n_input && ready; k++) {
        uint32_t captured = sn_control_captured(p, body, k);
        if (captured == SN_NONE) {
            ready = c->in[k].dtype != SETSUNA_DTYPE_NONE;
            continue;
        }
        uint8_t what = s->in[captured] == SN_NONE ? SN_KNOWN_NOT : known[s->in[captured]];
        ready = what != SN_KNOWN_NOT;
        if (what != SN_KNOWN_VALUE)
            c->in[k].data = NULL;
    }
    if (!ready || sn_exec_forecast(c->exec[i], c->in, c->out, forecast, NULL) != SETSUNA_OK) {
        memset(c->out, 0, n_out * sizeof *c->out);
        forecast->whole = false;
    }
}

static bool forecast_same(const setsuna_tensor *a, const setsuna_tensor *b)
{
    return a->dtype == b->dtype && a->dtype != SETSUNA_DTYPE_NONE && sn_shape_equal(&a->shape, &b->shape);
}

/* Output k of the step will have this type and shape: its memory is there when the run wants it. */
static void forecast_output(const sn_step *s, sn_run *r, uint32_t k, setsuna_dtype dtype, const setsuna_shape *shape,
                            uint8_t *known)
{
    void *data;
    if (dtype != SETSUNA_DTYPE_NONE && s->out[k] != SN_NONE &&
        sn_run_output(s, r, k, dtype, shape, &data) == SETSUNA_OK)
        known[s->out[k]] = SN_KNOWN_SHAPE;
}

static void forecast_if(const sn_step *s, sn_run *r, sn_control_state *c, uint8_t *known, sn_forecast *forecast)
{
    setsuna_tensor cond = sn_control_input(s, r, 0), out[SN_OP_OUT_MAX];
    bool decided = cond.dtype == SETSUNA_BOOL && cond.size_bytes == 1 && cond.data && known[s->in[0]] == SN_KNOWN_VALUE;
    int first = decided ? *(const uint8_t *)cond.data != 0 : 0;
    forecast_body(s, r, c, first, NULL, known, forecast);
    memcpy(out, c->out, s->n_out * sizeof *out);
    if (!decided) {
        forecast_body(s, r, c, 1, NULL, known, forecast);
        for (uint32_t k = 0; k < s->n_out; k++)
            if (!forecast_same(&out[k], &c->out[k]))
                out[k].dtype = SETSUNA_DTYPE_NONE;
    }
    for (uint32_t k = 0; k < s->n_out; k++)
        forecast_output(s, r, k, out[k].dtype, &out[k].shape, known);
}

/* The values carried from turn to turn, where one turn leaves their shapes as they are: made[k] against was[k]. */
static void forecast_states(const sn_step *s, sn_run *r, sn_control_state *c, const setsuna_tensor *was,
                            const setsuna_tensor *made, uint8_t *known)
{
    const control_param *p = s->param;
    for (uint32_t k = 0; k < p->n_state; k++) {
        if (!forecast_same(&was[k], &made[k]) ||
            sn_control_reserve(s, r, &c->carry[k], made[k].size_bytes, 0) != SETSUNA_OK ||
            sn_control_reserve(s, r, &c->next[k], made[k].size_bytes, 0) != SETSUNA_OK)
            continue;
        if (k < s->n_out)
            forecast_output(s, r, k, made[k].dtype, &made[k].shape, known);
    }
}

/* Input i without its data; a type of NONE when it is not known. */
static setsuna_tensor forecast_input(const sn_step *s, const sn_run *r, uint32_t i, const uint8_t *known)
{
    setsuna_tensor t = sn_control_input(s, r, i);
    t.data = NULL;
    return t.dtype == SETSUNA_DTYPE_NONE || known[s->in[i]] == SN_KNOWN_NOT ? (setsuna_tensor){0} : t;
}

static void forecast_loop(const sn_step *s, sn_run *r, sn_control_state *c, uint8_t *known, sn_forecast *forecast)
{
    const control_param *p = s->param;
    setsuna_tensor formal[2 + SN_OP_IN_MAX] = {{SETSUNA_I64, {0}, NULL, 8}, {SETSUNA_BOOL, {0}, NULL, 1}};
    for (uint32_t k = 0; k < p->n_state; k++)
        formal[2 + k] = forecast_input(s, r, 2 + k, known);
    forecast_body(s, r, c, 0, formal, known, forecast);
    forecast_states(s, r, c, formal + 2, c->out + 1, known);
}

/* What one turn gets of scan input k; the number of turns to *turns. */
static setsuna_tensor forecast_slice(const control_param *p, const setsuna_tensor *scan, uint32_t k, int64_t *turns)
{
    int32_t axis;
    setsuna_tensor one = {scan->dtype, {.rank = scan->shape.rank - 1}, NULL, 0};
    if (scan->dtype == SETSUNA_DTYPE_NONE || !sn_axis_normalize(p->in_axis[k], scan->shape.rank, &axis))
        return (setsuna_tensor){0};
    for (int d = 0; d < scan->shape.rank; d++)
        if (d != axis)
            one.shape.dim[d < axis ? d : d - 1] = scan->shape.dim[d];
    *turns = scan->shape.dim[axis];
    return sn_tensor_bytes(one.dtype, &one.shape, &one.size_bytes) ? one : (setsuna_tensor){0};
}

static void forecast_scan(const sn_step *s, sn_run *r, sn_control_state *c, uint8_t *known, sn_forecast *forecast)
{
    const control_param *p = s->param;
    setsuna_tensor formal[SN_OP_IN_MAX] = {0};
    int64_t turns = 0;
    for (uint32_t k = 0; k < p->n_state; k++)
        formal[k] = forecast_input(s, r, k, known);
    for (uint32_t k = 0; k < p->n_scan; k++) {
        setsuna_tensor scan = forecast_input(s, r, p->n_state + k, known);
        formal[p->n_state + k] = forecast_slice(p, &scan, k, &turns);
    }
    forecast_body(s, r, c, 0, formal, known, forecast);
    forecast_states(s, r, c, formal, c->out, known);
    for (uint32_t k = p->n_state; k < s->n_out && turns; k++) {
        const setsuna_tensor *one = &c->out[k];
        setsuna_shape shape = {.rank = one->shape.rank + 1};
        int32_t axis;
        if (one->dtype == SETSUNA_DTYPE_NONE || one->shape.rank >= SETSUNA_RANK_MAX ||
            !sn_axis_normalize(p->out_axis[k - p->n_state], shape.rank, &axis))
            continue;
        for (int d = 0; d < shape.rank; d++)
            shape.dim[d] = d < axis ? one->shape.dim[d] : d == axis ? turns : one->shape.dim[d - 1];
        forecast_output(s, r, k, one->dtype, &shape, known);
    }
}

/* All turns take the same plan, which is made ready for every thread. */
static void forecast_each(const sn_step *s, sn_run *r, sn_control_state *c, uint8_t *known, sn_forecast *forecast)
{
    const control_param *p = s->param;
    setsuna_tensor formal[SN_OP_IN_MAX] = {0};
    sn_forecast turn = {.whole = true};
    for (uint32_t k = 0; k < s->n_in; k++) {
        setsuna_tensor whole = forecast_input(s, r, k, known);
        if (whole.dtype == SETSUNA_DTYPE_NONE) {
            forecast->whole = false;
            return;
        }
        formal[k] = sn_control_items(&whole, 0, p->together);
        formal[k].data = NULL;
    }
    forecast_body(s, r, c, 0, formal, known, &turn);
    if (sn_control_lanes(s, r, c) != SETSUNA_OK)
        turn.whole = false;
    for (uint32_t i = 0; turn.whole && i < c->n_lane; i++) {
        sn_forecast again = {.whole = true};
        turn.whole = sn_exec_forecast(c->lane[i].exec, c->in, c->lane[i].out, &again, NULL) == SETSUNA_OK;
    }
    int64_t items = r->desc[s->in[0]].shape.dim[0];
    forecast->seconds += turn.seconds * (double)(items / p->together);
    forecast->whole &= turn.whole;
    for (uint32_t k = 0; k < s->n_out; k++)
        if (s->out[k] != SN_NONE)
            known[s->out[k]] = SN_KNOWN_SHAPE;
}

void sn_control_forecast(const sn_step *s, sn_run *r, uint8_t *known, sn_forecast *forecast)
{
    const control_param *p = s->param;
    sn_control_state *c;
    if (sn_control_state_of(s, r, &c) != SETSUNA_OK) {
        forecast->whole = false;
        return;
    }
    switch (p->kind) {
    case CONTROL_IF: forecast_if(s, r, c, known, forecast); return;
    case CONTROL_EACH: forecast_each(s, r, c, known, forecast); return;
    case CONTROL_LOOP: forecast_loop(s, r, c, known, forecast); break;
    case CONTROL_SCAN: forecast_scan(s, r, c, known, forecast); break;
    case CONTROL_SCAN8: break; /* batches of its own kind, and superseded long ago: the run plans it */
    }
    forecast->whole = false; /* how often it turns, and so how long it takes, is not for us to guess */
}
