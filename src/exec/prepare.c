/* Getting ready for the first run: plans of what comes behind control flow and behind shapes that depend on little,
 * pages, threads; and where a run costs less than what it meets cold, a run. */
#include "base/status.h"
#include "exec/frame.h"
#include <string.h>

enum {
    PREPARE_SLICE_STEPS = 16, /* what a condition may depend on, to be worked out ahead: ... */
    PREPARE_SLICE_VALUES = 32,
    PREPARE_SLICE_BYTES = 4096 /* ... arguments of the request, such as a sample rate, rather than its data */
};

/* A run that is guessed to be shorter than this is rehearsed: code, branch predictors and caches that are cold would
 * add more than a fifth to it. Longer ones lose less than that. */
static const double prepare_rehearsal_s = 300e-6;

/* For that guess: arithmetic and memory of one core of a present machine. */
static const double prepare_flops = 250e9, prepare_bytes = 60e9;

/* ---- values that follow from what is given ------------------------------------------------------------ */

/* The steps, last one first, that values wait for. */
typedef struct prepare_slice {
    uint32_t want[PREPARE_SLICE_VALUES]; /* slots */
    uint32_t n_want;
    size_t step[PREPARE_SLICE_STEPS];
    uint32_t n_step;
    double bytes;
} prepare_slice;

static bool prepare_want(prepare_slice *x, const exec_frame *f, uint32_t slot)
{
    if (slot == SN_NONE || f->plan->slot[slot].kind == SN_SLOT_CONST)
        return true;
    if (f->plan->slot[slot].kind == SN_SLOT_INPUT)
        return f->slot[slot] != NULL;
    if (x->n_want == PREPARE_SLICE_VALUES)
        return false;
    x->want[x->n_want++] = slot;
    return true;
}

/* How a step's output and a wanted value lie to each other. */
typedef enum prepare_overlap {
    PREPARE_APART, /* no byte in common: or another value had the place at another time */
    PREPARE_MADE,  /* all of the wanted value is in the output */
    PREPARE_PARTLY /* others make the rest */
} prepare_overlap;

static prepare_overlap prepare_overlap_of(const sn_slot *made, const sn_slot *want)
{
    if (made->kind != want->kind)
        return PREPARE_APART;
    if (made->kind != SN_SLOT_ARENA || (made->where == want->where && made->desc.size_bytes == want->desc.size_bytes))
        return made->where == want->where ? PREPARE_MADE : PREPARE_APART;
    size_t made_end = made->where + made->desc.size_bytes, want_end = want->where + want->desc.size_bytes;
    if (made_end <= want->where || want_end <= made->where)
        return PREPARE_APART;
    return made->where <= want->where && want_end <= made_end ? PREPARE_MADE : PREPARE_PARTLY;
}

/* Are there wanted values among the step's outputs? No longer wanted then. Slots that share bytes are one value under
 * two shapes, or one is a part of the other; others that lie there live earlier or later than the step that asks.
 * False: a value is made in parts, which is not followed. */
static bool prepare_makes(prepare_slice *x, const exec_frame *f, const sn_step *s, bool *makes_out)
{
    const sn_slot *slot = f->plan->slot;
    *makes_out = false;
    for (uint32_t o = 0; o < s->n_out; o++)
        for (uint32_t w = 0; s->out[o] != SN_NONE && w < x->n_want;) {
            prepare_overlap overlap = prepare_overlap_of(&slot[s->out[o]], &slot[x->want[w]]);
            if (overlap == PREPARE_PARTLY)
                return false;
            *makes_out |= overlap == PREPARE_MADE;
            if (overlap == PREPARE_MADE)
                x->want[w] = x->want[--x->n_want];
            else
                w++;
        }
    return true;
}

static bool prepare_trace(prepare_slice *x, const exec_frame *f, size_t before)
{
    const sn_plan *p = f->plan;
    for (size_t i = before; x->n_want && i-- > 0;) {
        const sn_step *s = &p->step[i];
        bool makes;
        if (!prepare_makes(x, f, s, &makes))
            return false;
        if (!makes)
            continue;
        x->bytes += s->bytes;
        if (sn_control_is(s) || x->n_step == PREPARE_SLICE_STEPS || x->bytes > PREPARE_SLICE_BYTES)
            return false;
        x->step[x->n_step++] = i;
        for (uint32_t k = 0; k < s->n_in; k++)
            if (!prepare_want(x, f, s->in[k]))
                return false;
    }
    return x->n_want == 0;
}

/* Works out the values in the slots as they are before step `before`, where little is to be done for it. They are in
 * place until the next call. */
static bool prepare_values(exec_frame *f, size_t before, const uint32_t *slot, const bool *is_wanted, uint32_t n)
{
    prepare_slice x = {.n_step = 0};
    for (uint32_t i = 0; i < n; i++)
        if ((!is_wanted || is_wanted[i]) && !prepare_want(&x, f, slot[i]))
            return false;
    if (!prepare_trace(&x, f, before))
        return false;
    f->run.err = NULL; /* a failure here is one of the run's, which tells it */
    while (x.n_step) {
        const sn_step *s = &f->plan->step[x.step[--x.n_step]];
        if (s->run(s, &f->run) != SETSUNA_OK)
            return false;
    }
    return true;
}

/* ---- one plan after the other -------------------------------------------------------------------------- */

/* Touches the pages now, so that the first run does not pay for them. */
static void prepare_pages(const exec_level *l)
{
    for (size_t at = 0; at < l->arena_bytes; at += 4096)
        ((volatile char *)l->arena)[at] = 0;
}

static void prepare_steps(exec_frame *f, uint8_t *known, sn_forecast *forecast)
{
    const sn_plan *p = f->plan;
    for (uint32_t i = 0; i < p->n_slot; i++)
        known[i] = (uint8_t)(p->slot[i].kind == SN_SLOT_CONST                 ? SN_KNOWN_VALUE
                             : p->slot[i].kind == SN_SLOT_INPUT && f->slot[i] ? SN_KNOWN_VALUE
                             : p->slot[i].kind == SN_SLOT_DYNAMIC             ? SN_KNOWN_NOT
                                                                              : SN_KNOWN_SHAPE);
    for (size_t i = 0; i < p->n_step; i++) {
        const sn_step *s = &p->step[i];
        forecast->seconds += (s->work > 0 ? s->work : s->flops) / prepare_flops + s->bytes / prepare_bytes;
        if (!sn_control_is(s))
            continue;
        uint32_t decides = s->n_in ? s->in[0] : SN_NONE; /* the condition of an If, the trips of a Loop */
        uint8_t before = decides == SN_NONE ? SN_KNOWN_NOT : known[decides];
        if (decides != SN_NONE && before == SN_KNOWN_SHAPE && prepare_values(f, i, &decides, NULL, 1))
            known[decides] = SN_KNOWN_VALUE;
        sn_control_forecast(s, &f->run, known, forecast);
        if (decides != SN_NONE)
            known[decides] = before; /* its place may be another's by the next step */
    }
}

/* The boundary as inputs of the rest; false where they are not known well enough to plan it. */
static bool prepare_boundary(exec_frame *f, const uint8_t *known)
{
    const sn_plan *p = f->plan;
    const bool *bind = sn_module_binds(p->rest);
    for (uint32_t k = 0; k < p->n_output; k++)
        if (known[p->boundary[k]] == SN_KNOWN_NOT)
            return false;
    if (bind && !prepare_values(f, p->n_step, p->boundary, bind, p->n_output))
        return false;
    for (uint32_t k = 0; k < p->n_output; k++) {
        f->boundary[k] = sn_frame_tensor(f, p->boundary[k]);
        if (known[p->boundary[k]] != SN_KNOWN_VALUE && !(bind && bind[k]))
            f->boundary[k].data = NULL;
    }
    return true;
}

static void prepare_outputs(const exec_frame *f, const uint8_t *known, setsuna_tensor *outputs)
{
    for (uint32_t k = 0; k < f->plan->n_output; k++) {
        uint32_t slot = f->plan->output[k];
        outputs[k] = known[slot] == SN_KNOWN_NOT ? (setsuna_tensor){0} : f->desc[slot];
        outputs[k].data = NULL;
    }
}

setsuna_status sn_exec_forecast(sn_exec *e, const setsuna_tensor *inputs, setsuna_tensor *outputs,
                                sn_forecast *forecast, setsuna_error *err)
{
    const sn_graph *g = sn_module_graph(e->top.module);
    exec_level *l = &e->top;
    memset(outputs, 0, g->n_output * sizeof *outputs);
    for (;;) {
        exec_frame *f;
        setsuna_status status = sn_level_frame(e, l, inputs, &f, l == &e->top ? err : NULL);
        if (status != SETSUNA_OK) {
            forecast->whole = false;
            return l == &e->top ? status : SETSUNA_OK;
        }
        if (l == &e->top)
            e->last_plan = f->plan;
        uint8_t *known = sn_alloc(e->env->allocator, f->plan->n_slot + 1);
        if (!known)
            return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
        prepare_pages(l);
        sn_frame_bind(f, l, inputs);
        prepare_steps(f, known, forecast);
        f->warm = true;
        bool more = f->rest && prepare_boundary(f, known);
        forecast->whole &= more || !f->rest;
        if (!f->rest)
            prepare_outputs(f, known, outputs);
        sn_free(e->env->allocator, known);
        if (!more)
            return SETSUNA_OK;
        inputs = f->boundary;
        l = f->rest;
    }
}

/* ---- a session ------------------------------------------------------------------------------------------ */

static void prepare_nothing(void *arg, uint32_t part, uint32_t n_parts)
{
    (void)arg, (void)part, (void)n_parts;
}

static bool prepare_can_rehearse(const sn_exec *e, const setsuna_tensor *inputs, const sn_forecast *forecast)
{
    const sn_graph *g = sn_module_graph(e->top.module);
    for (uint32_t i = 0; i < g->n_input; i++)
        if (!inputs[i].data && inputs[i].size_bytes)
            return false;
    return forecast->whole && forecast->seconds < prepare_rehearsal_s;
}

static setsuna_status prepare_new(sn_exec *e, const setsuna_tensor *inputs, setsuna_error *err)
{
    const sn_allocator *a = e->env->allocator;
    sn_forecast forecast = {.whole = true};
    setsuna_tensor *outputs = sn_alloc(a, (sn_module_graph(e->top.module)->n_output + 1) * sizeof *outputs);
    if (!outputs)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    setsuna_status status = sn_exec_forecast(e, inputs, outputs, &forecast, err);
    if (status == SETSUNA_OK && prepare_can_rehearse(e, inputs, &forecast)) {
        exec_observation *observation = e->observation;
        e->observation = NULL;
        (void)sn_exec_run(e, inputs, outputs, NULL); /* data that an operator refuses: the run will say so */
        e->observation = observation;
    }
    sn_free(a, outputs);
    sn_pool_run(e->pool, prepare_nothing, NULL, sn_pool_threads(e->pool)); /* wakes the threads up */
    return status;
}

setsuna_status sn_exec_prepare(sn_exec *e, const setsuna_tensor *inputs, setsuna_error *err)
{
    exec_frame *f;
    SN_TRY(sn_level_frame(e, &e->top, inputs, &f, err));
    e->last_plan = f->plan;
    return f->warm ? SETSUNA_OK : prepare_new(e, inputs, err);
}
