/* If, Loop and Scan: steps that run the plans of their subgraphs.
 * Sources: ONNX If-1..21, Loop-1..21, Scan-8, Scan-9..21.
 */
#include "exec/control_flow.h"
#include "base/checked.h"
#include "base/status.h"
#include <string.h>

/* A model decides how often a loop turns; beyond this it is an attack or a mistake. */
enum { CONTROL_TRIPS_MAX = 1000000 };

/* ---- state ----------------------------------------------------------------------------------------- */

static void control_buffers_free(const sn_allocator *a, control_buffer *b, uint32_t n)
{
    for (uint32_t i = 0; b && i < n; i++)
        sn_free(a, b[i].data);
    sn_free(a, b);
}

void sn_control_state_destroy(sn_control_state *c)
{
    if (!c)
        return;
    const sn_allocator *a = c->allocator;
    sn_exec_destroy(c->exec[0]);
    sn_exec_destroy(c->exec[1]);
    control_buffers_free(a, c->carry, c->n_carry);
    control_buffers_free(a, c->next, c->n_carry);
    control_buffers_free(a, c->stack, c->n_stack);
    control_buffers_free(a, c->slice, c->n_slice);
    sn_control_lanes_free(c);
    sn_free(a, c->in);
    sn_free(a, c->out);
    sn_free(a, c);
}

setsuna_status sn_control_state_of(const sn_step *s, sn_run *r, sn_control_state **out)
{
    sn_control_state **at = sn_exec_control_state(r, s);
    if (*at) {
        *out = *at;
        return SETSUNA_OK;
    }
    const control_param *p = s->param;
    const sn_allocator *a = sn_exec_env(r)->allocator;
    sn_control_state *c = sn_alloc_zero(a, sizeof *c);
    if (!c)
        return sn_run_fail(s, r, SETSUNA_ENOMEM, "out of memory");
    *at = c; /* from here on the frame frees it, whatever is missing */
    c->allocator = a;
    uint32_t n_in = 1, n_out = 1;
    for (int i = 0; i < 2 && p->body[i].module; i++) {
        const sn_graph *g = sn_module_graph(p->body[i].module);
        n_in = g->n_input > n_in ? g->n_input : n_in;
        n_out = g->n_output > n_out ? g->n_output : n_out;
    }
    c->in = sn_alloc_zero(a, n_in * sizeof *c->in);
    c->out = sn_alloc_zero(a, n_out * sizeof *c->out);
    c->carry = sn_alloc_zero(a, (p->n_state + 1) * sizeof *c->carry);
    c->next = sn_alloc_zero(a, (p->n_state + 1) * sizeof *c->next);
    c->stack = sn_alloc_zero(a, (p->n_scan_out + 1) * sizeof *c->stack);
    c->slice = sn_alloc_zero(a, (p->n_scan + 1) * sizeof *c->slice);
    if (!c->in || !c->out || !c->carry || !c->next || !c->stack || !c->slice) {
        sn_control_state_destroy(c);
        *at = NULL;
        return sn_run_fail(s, r, SETSUNA_ENOMEM, "out of memory");
    }
    c->n_carry = p->n_state;
    c->n_stack = p->n_scan_out;
    c->n_slice = p->n_scan;
    *out = c;
    return SETSUNA_OK;
}

setsuna_tensor sn_control_input(const sn_step *s, const sn_run *r, uint32_t i)
{
    setsuna_tensor t = {0};
    if (i < s->n_in && s->in[i] != SN_NONE) {
        t = r->desc[s->in[i]];
        t.data = r->slot[s->in[i]];
    }
    return t;
}

setsuna_status sn_control_arguments(const sn_step *s, sn_run *r, sn_control_state *c, int i,
                                    const setsuna_tensor *formal)
{
    const control_param *p = s->param;
    const control_body *body = &p->body[i];
    if (!c->exec[i])
        SN_TRY(sn_exec_create(sn_exec_env(r), body->module, r->pool, &c->exec[i]));
    for (uint32_t k = 0; k < body->n_input; k++) {
        uint32_t captured = sn_control_captured(p, body, k);
        if (captured == SN_NONE)
            c->in[k] = formal[body->from[k]]; // NOLINT(clang-analyzer-core.NullDereference): the bodies of If have none
        else
            c->in[k] = sn_control_input(s, r, captured);
    }
    return SETSUNA_OK;
}

static setsuna_status control_call(const sn_step *s, sn_run *r, sn_control_state *c, int i,
                                   const setsuna_tensor *formal)
{
    SN_TRY(sn_control_arguments(s, r, c, i, formal));
    sn_exec_observe_as(c->exec[i], r);
    return sn_exec_run(c->exec[i], c->in, c->out, r->err);
}

setsuna_status sn_control_reserve(const sn_step *s, sn_run *r, control_buffer *b, size_t bytes, size_t keep)
{
    const sn_plan_env *env = sn_exec_env(r);
    if (bytes <= b->cap_bytes && b->data)
        return SETSUNA_OK;
    if (bytes > env->memory_limit_bytes)
        return sn_run_fail(s, r, SETSUNA_ELIMIT, "a value grows beyond the memory limit of %zu bytes",
                           env->memory_limit_bytes);
    size_t cap = bytes + bytes / 2 + SN_ALIGN;
    void *data = sn_alloc(env->allocator, cap);
    if (!data)
        return sn_run_fail(s, r, SETSUNA_ENOMEM, "no memory for %zu bytes", cap);
    if (b->data)
        memcpy(data, b->data, keep);
    sn_free(env->allocator, b->data);
    b->data = data;
    b->cap_bytes = cap;
    return SETSUNA_OK;
}

static setsuna_status control_keep(const sn_step *s, sn_run *r, control_buffer *b, const setsuna_tensor *t)
{
    SN_TRY(sn_control_reserve(s, r, b, t->size_bytes, 0));
    if (t->size_bytes)
        memcpy(b->data, t->data, t->size_bytes);
    b->t = *t;
    b->t.data = b->data;
    return SETSUNA_OK;
}

/* The states that the body made are the next turn's. They may lie in the ones it was given, in any order (a body that
 * swaps two), so these stay as they are until all are copied. */
static setsuna_status control_carry(const sn_step *s, sn_run *r, sn_control_state *c, const setsuna_tensor *made)
{
    for (uint32_t k = 0; k < c->n_carry; k++)
        SN_TRY(control_keep(s, r, &c->next[k], &made[k]));
    control_buffer *old = c->carry;
    c->carry = c->next;
    c->next = old;
    return SETSUNA_OK;
}

static setsuna_status control_return(const sn_step *s, sn_run *r, uint32_t i, const setsuna_tensor *t)
{
    void *data;
    SN_TRY(sn_run_output(s, r, i, t->dtype, &t->shape, &data));
    if (data && t->size_bytes)
        memcpy(data, t->data, t->size_bytes);
    return SETSUNA_OK;
}

/* ---- If -------------------------------------------------------------------------------------------- */

static setsuna_status control_run_if(const sn_step *s, sn_run *r, sn_control_state *c)
{
    setsuna_tensor cond = sn_control_input(s, r, 0);
    if (cond.dtype != SETSUNA_BOOL || cond.size_bytes != 1)
        return sn_run_fail(s, r, SETSUNA_ESHAPE, "the condition must be one bool");
    SN_TRY(control_call(s, r, c, *(const uint8_t *)cond.data != 0, NULL));
    for (uint32_t k = 0; k < s->n_out; k++)
        SN_TRY(control_return(s, r, k, &c->out[k]));
    return SETSUNA_OK;
}

/* ---- stacking, shared by Loop and Scan --------------------------------------------------------------- */

/* Appends t to the stack of output k: [turns, shape of t]. */
static setsuna_status control_append(const sn_step *s, sn_run *r, control_buffer *b, const setsuna_tensor *t,
                                     int64_t turn)
{
    if (turn == 0)
        b->t = (setsuna_tensor){t->dtype, t->shape, NULL, 0};
    if (t->dtype != b->t.dtype || !sn_shape_equal(&t->shape, &b->t.shape) || t->shape.rank >= SETSUNA_RANK_MAX)
        return sn_run_fail(s, r, SETSUNA_ESHAPE, "a stacked output changes its shape from turn to turn");
    size_t have = b->t.size_bytes, need;
    if (!sn_add_size(have, t->size_bytes, &need))
        return sn_run_fail(s, r, SETSUNA_ELIMIT, "a stacked output grows too large");
    SN_TRY(sn_control_reserve(s, r, b, need, have));
    if (t->size_bytes)
        memcpy((char *)b->data + have, t->data, t->size_bytes);
    b->t.size_bytes = need;
    return SETSUNA_OK;
}

/* Gives stack k as node output i, with the turns along `axis`; element shape and type are b->t's. */
static setsuna_status control_return_stack(const sn_step *s, sn_run *r, uint32_t i, const control_buffer *b,
                                           int64_t turns, int32_t axis, bool backward)
{
    setsuna_shape shape = {.rank = b->t.shape.rank + 1};
    int32_t at;
    if (!sn_axis_normalize(axis, shape.rank, &at))
        return sn_run_fail(s, r, SETSUNA_ESHAPE, "output axis %d is out of range", axis);
    size_t outer = 1, inner = setsuna_dtype_size(b->t.dtype);
    for (int d = 0; d < shape.rank; d++) {
        shape.dim[d] = d < at ? b->t.shape.dim[d] : d == at ? turns : b->t.shape.dim[d - 1];
        if (d < at)
            outer *= (size_t)shape.dim[d];
        else if (d > at)
            inner *= (size_t)shape.dim[d];
    }
    char *out;
    void *data;
    SN_TRY(sn_run_output(s, r, i, b->t.dtype, &shape, &data));
    out = data;
    if (!out)
        return SETSUNA_OK;
    for (int64_t t = 0; t < turns; t++) {
        const char *from = (const char *)b->data + (size_t)t * outer * inner;
        size_t to = (size_t)(backward ? turns - 1 - t : t);
        for (size_t o = 0; o < outer && inner; o++)
            memcpy(out + (o * (size_t)turns + to) * inner, from + o * inner, inner);
    }
    return SETSUNA_OK;
}

/* ---- Loop ------------------------------------------------------------------------------------------ */

/* A stacked output of a loop that never turned: element type and shape as the body declares them, 0 turns. */
static setsuna_status control_return_empty(const sn_step *s, sn_run *r, uint32_t i, const sn_graph *body, uint32_t out)
{
    const sn_value *v = &body->value[body->output[out]];
    setsuna_shape shape = {.rank = 1};
    if (v->dtype == SETSUNA_DTYPE_NONE)
        return sn_run_fail(s, r, SETSUNA_ESHAPE,
                           "the loop never ran and its body does not declare the type of output %u", out);
    for (int d = 0; v->has_shape && d < v->shape.rank && shape.rank < SETSUNA_RANK_MAX; d++)
        shape.dim[shape.rank++] = v->shape.dim[d] < 0 ? 0 : v->shape.dim[d];
    void *data;
    return sn_run_output(s, r, i, v->dtype, &shape, &data);
}

static setsuna_status control_run_loop(const sn_step *s, sn_run *r, sn_control_state *c)
{
    const control_param *p = s->param;
    setsuna_tensor max = sn_control_input(s, r, 0), cond = sn_control_input(s, r, 1);
    int64_t trips = INT64_MAX, turn = 0;
    uint8_t go = 1;
    if ((max.dtype && (max.dtype != SETSUNA_I64 || max.size_bytes != 8)) ||
        (cond.dtype && (cond.dtype != SETSUNA_BOOL || cond.size_bytes != 1)))
        return sn_run_fail(s, r, SETSUNA_ESHAPE, "the trip count must be one i64 and the condition one bool");
    if (max.dtype)
        trips = *(const int64_t *)max.data;
    if (cond.dtype)
        go = *(const uint8_t *)cond.data;
    for (uint32_t k = 0; k < p->n_state; k++) {
        setsuna_tensor t = sn_control_input(s, r, 2 + k);
        SN_TRY(control_keep(s, r, &c->carry[k], &t));
    }
    setsuna_tensor formal[2 + SN_OP_IN_MAX];
    for (; turn < trips && go; turn++) {
        if (turn >= CONTROL_TRIPS_MAX)
            return sn_run_fail(s, r, SETSUNA_ELIMIT, "the loop turns more than %d times", CONTROL_TRIPS_MAX);
        uint8_t always = 1;
        formal[0] = (setsuna_tensor){SETSUNA_I64, {0}, &turn, 8};
        formal[1] = (setsuna_tensor){SETSUNA_BOOL, {0}, &always, 1};
        for (uint32_t k = 0; k < p->n_state; k++)
            formal[2 + k] = c->carry[k].t;
        SN_TRY(control_call(s, r, c, 0, formal));
        if (c->out[0].dtype != SETSUNA_BOOL || c->out[0].size_bytes != 1)
            return sn_run_fail(s, r, SETSUNA_ESHAPE, "the body's condition must be one bool");
        go = *(const uint8_t *)c->out[0].data;
        for (uint32_t k = 0; k < p->n_scan_out; k++)
            SN_TRY(control_append(s, r, &c->stack[k], &c->out[1 + p->n_state + k], turn));
        SN_TRY(control_carry(s, r, c, c->out + 1));
    }
    for (uint32_t k = 0; k < s->n_out; k++) {
        if (k < p->n_state)
            SN_TRY(control_return(s, r, k, &c->carry[k].t));
        else if (turn)
            SN_TRY(control_return_stack(s, r, k, &c->stack[k - p->n_state], turn, 0, false));
        else
            SN_TRY(control_return_empty(s, r, k, sn_module_graph(p->body[0].module), 1 + k));
    }
    return SETSUNA_OK;
}

/* ---- Scan ------------------------------------------------------------------------------------------ */

/* Slice `index` of t along axis (normalised), without that axis; copied where it is not contiguous. */
static setsuna_status control_slice(const sn_step *s, sn_run *r, control_buffer *b, const setsuna_tensor *t,
                                    int32_t axis, int64_t index, setsuna_tensor *out)
{
    size_t outer = 1, inner = setsuna_dtype_size(t->dtype);
    *out = (setsuna_tensor){t->dtype, {.rank = t->shape.rank - 1}, NULL, 0};
    for (int d = 0; d < t->shape.rank; d++) {
        if (d < axis)
            outer *= (size_t)t->shape.dim[d];
        else if (d > axis)
            inner *= (size_t)t->shape.dim[d];
        if (d != axis)
            out->shape.dim[d < axis ? d : d - 1] = t->shape.dim[d];
    }
    out->size_bytes = outer * inner;
    size_t row = (size_t)t->shape.dim[axis] * inner;
    if (outer == 1) {
        out->data = (char *)t->data + (size_t)index * inner;
        return SETSUNA_OK;
    }
    SN_TRY(sn_control_reserve(s, r, b, out->size_bytes, 0));
    for (size_t o = 0; o < outer && inner; o++)
        memcpy((char *)b->data + o * inner, (const char *)t->data + o * row + (size_t)index * inner, inner);
    out->data = b->data;
    return SETSUNA_OK;
}

/* The turns of one sequence: scan inputs are sliced along axis, results stay in carry and stack. */
static setsuna_status control_scan_sequence(const sn_step *s, sn_run *r, sn_control_state *c,
                                            const setsuna_tensor *scan, const int32_t *axis, int64_t turns)
{
    const control_param *p = s->param;
    setsuna_tensor formal[SN_OP_IN_MAX];
    for (int64_t turn = 0; turn < turns; turn++) {
        for (uint32_t k = 0; k < p->n_state; k++)
            formal[k] = c->carry[k].t;
        for (uint32_t k = 0; k < p->n_scan; k++)
            SN_TRY(control_slice(s, r, &c->slice[k], &scan[k], axis[k], p->in_backward[k] ? turns - 1 - turn : turn,
                                 &formal[p->n_state + k]));
        SN_TRY(control_call(s, r, c, 0, formal));
        for (uint32_t k = 0; k < p->n_scan_out; k++)
            SN_TRY(control_append(s, r, &c->stack[k], &c->out[p->n_state + k], turn));
        SN_TRY(control_carry(s, r, c, c->out));
    }
    return SETSUNA_OK;
}

static setsuna_status control_run_scan(const sn_step *s, sn_run *r, sn_control_state *c)
{
    const control_param *p = s->param;
    setsuna_tensor scan[SN_OP_IN_MAX];
    int32_t axis[SN_OP_IN_MAX];
    int64_t turns = -1;
    for (uint32_t k = 0; k < p->n_state; k++) {
        setsuna_tensor t = sn_control_input(s, r, k);
        SN_TRY(control_keep(s, r, &c->carry[k], &t));
    }
    for (uint32_t k = 0; k < p->n_scan; k++) {
        scan[k] = sn_control_input(s, r, p->n_state + k);
        if (!sn_axis_normalize(p->in_axis[k], scan[k].shape.rank, &axis[k]))
            return sn_run_fail(s, r, SETSUNA_ESHAPE, "scan input %u has no axis %d", k, p->in_axis[k]);
        int64_t len = scan[k].shape.dim[axis[k]];
        if (turns >= 0 && len != turns)
            return sn_run_fail(s, r, SETSUNA_ESHAPE, "scan inputs have different lengths");
        turns = len;
    }
    if (turns > CONTROL_TRIPS_MAX)
        return sn_run_fail(s, r, SETSUNA_ELIMIT, "the scan turns more than %d times", CONTROL_TRIPS_MAX);
    SN_TRY(control_scan_sequence(s, r, c, scan, axis, turns));
    for (uint32_t k = 0; k < s->n_out; k++) {
        uint32_t o = k - p->n_state;
        if (k < p->n_state)
            SN_TRY(control_return(s, r, k, &c->carry[k].t));
        else if (turns)
            SN_TRY(control_return_stack(s, r, k, &c->stack[o], turns, p->out_axis[o], p->out_backward[o]));
        else
            SN_TRY(control_return_empty(s, r, k, sn_module_graph(p->body[0].module), k));
    }
    return SETSUNA_OK;
}

/* Item b of the batch (axis 0). */
static setsuna_tensor control_batch_item(const setsuna_tensor *t, int64_t b)
{
    setsuna_tensor one = {t->dtype, {.rank = t->shape.rank - 1}, NULL, 0};
    for (int d = 1; d < t->shape.rank; d++)
        one.shape.dim[d - 1] = t->shape.dim[d];
    one.size_bytes = t->shape.dim[0] ? t->size_bytes / (size_t)t->shape.dim[0] : 0;
    one.data = (char *)t->data + (size_t)b * one.size_bytes;
    return one;
}

/* Copies item b into node output k, whose other items come from earlier calls; shorter sequences end in zeros. */
static setsuna_status control_batch_store(const sn_step *s, sn_run *r, uint32_t k, const setsuna_tensor *item,
                                          int64_t len, bool stacked, int64_t b, int64_t batch)
{
    setsuna_shape shape = {.rank = item->shape.rank + 1 + stacked};
    if (shape.rank > SETSUNA_RANK_MAX)
        return sn_run_fail(s, r, SETSUNA_ELIMIT, "output rank above %d", SETSUNA_RANK_MAX);
    shape.dim[0] = batch;
    shape.dim[1] = len;
    for (int d = 0; d < item->shape.rank; d++)
        shape.dim[1 + stacked + d] = item->shape.dim[d];
    void *data = sn_out(s, r, k);
    if (b == 0)
        SN_TRY(sn_run_output(s, r, k, item->dtype, &shape, &data));
    size_t bytes;
    if (!data || !sn_tensor_bytes(item->dtype, &shape, &bytes) || !batch)
        return SETSUNA_OK;
    const setsuna_tensor *whole = &r->desc[s->out[k]]; /* as the first item made it */
    if (item->dtype != whole->dtype || !sn_shape_equal(&shape, &whole->shape))
        return sn_run_fail(s, r, SETSUNA_ESHAPE, "output %u changes its shape within the batch", k);
    size_t each = bytes / (size_t)batch, have = item->size_bytes < each ? item->size_bytes : each;
    char *at = (char *)data + (size_t)b * each;
    if (have)
        memcpy(at, item->data, have);
    if (each > have)
        memset(at + have, 0, each - have);
    return SETSUNA_OK;
}

static setsuna_status control_run_scan8(const sn_step *s, sn_run *r, sn_control_state *c)
{
    const control_param *p = s->param;
    setsuna_tensor lens = sn_control_input(s, r, 0), first = sn_control_input(s, r, 1 + p->n_state);
    setsuna_tensor scan[SN_OP_IN_MAX] = {0};
    const int32_t axis[SN_OP_IN_MAX] = {0};
    if (first.shape.rank < 2)
        return sn_run_fail(s, r, SETSUNA_ESHAPE, "scan inputs need a batch and a sequence axis");
    int64_t batch = first.shape.dim[0], longest = first.shape.dim[1];
    if (batch == 0) /* nothing would set the outputs, whose types only a turn of the body tells */
        return sn_run_fail(s, r, SETSUNA_ESHAPE, "the batch is empty, so that the shapes of the outputs are not known");
    if (longest > CONTROL_TRIPS_MAX ||
        (lens.dtype && (lens.dtype != SETSUNA_I64 || lens.size_bytes / 8 != (size_t)batch)))
        return sn_run_fail(s, r, SETSUNA_ESHAPE, "sequence lengths do not fit the scan inputs");
    for (uint32_t k = 0; k < p->n_state + p->n_scan; k++) {
        setsuna_tensor t = sn_control_input(s, r, 1 + k);
        if (t.shape.rank < 1 || t.shape.dim[0] != batch ||
            (k >= p->n_state && (t.shape.rank < 2 || t.shape.dim[1] != longest)))
            return sn_run_fail(s, r, SETSUNA_ESHAPE, "input %u does not fit batch %lld and length %lld", 1 + k,
                               (long long)batch, (long long)longest);
    }
    for (int64_t b = 0; b < batch; b++) {
        int64_t len = lens.dtype ? ((const int64_t *)lens.data)[b] : longest;
        if (len < 1 || len > longest)
            return sn_run_fail(s, r, SETSUNA_EINPUT, "sequence length %lld is not within 1 to %lld", (long long)len,
                               (long long)longest);
        for (uint32_t k = 0; k < p->n_state; k++) {
            setsuna_tensor whole = sn_control_input(s, r, 1 + k), t = control_batch_item(&whole, b);
            SN_TRY(control_keep(s, r, &c->carry[k], &t));
        }
        for (uint32_t k = 0; k < p->n_scan; k++) {
            setsuna_tensor whole = sn_control_input(s, r, 1 + p->n_state + k);
            scan[k] = control_batch_item(&whole, b);
        }
        SN_TRY(control_scan_sequence(s, r, c, scan, axis, len));
        for (uint32_t k = 0; k < s->n_out; k++) {
            control_buffer *from = k < p->n_state ? &c->carry[k] : &c->stack[k - p->n_state];
            setsuna_tensor item = from->t;
            item.data = from->data;
            SN_TRY(control_batch_store(s, r, k, &item, longest, k >= p->n_state, b, batch));
        }
    }
    return SETSUNA_OK;
}

setsuna_status sn_control_run(const sn_step *s, sn_run *r)
{
    const control_param *p = s->param;
    sn_control_state *c = NULL;
    SN_TRY(sn_control_state_of(s, r, &c));
    switch (p->kind) {
    case CONTROL_IF: return control_run_if(s, r, c);
    case CONTROL_LOOP: return control_run_loop(s, r, c);
    case CONTROL_SCAN: return control_run_scan(s, r, c);
    case CONTROL_SCAN8: return control_run_scan8(s, r, c);
    case CONTROL_EACH: return sn_control_run_each(s, r, c);
    }
    return SETSUNA_EINVAL;
}
