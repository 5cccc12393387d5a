#include "exec/frame.h"
#include "base/clock.h"
#include "base/pages.h"
#include "base/status.h"
#include <string.h>

setsuna_status sn_exec_create(sn_plan_env *env, sn_module *module, sn_pool *pool, sn_exec **out)
{
    sn_exec *e = sn_alloc_zero(env->allocator, sizeof *e);
    if (!e)
        return SETSUNA_ENOMEM;
    e->env = env;
    e->pool = pool;
    e->top.module = module;
    *out = e;
    return SETSUNA_OK;
}

static void level_fini(sn_exec *e, exec_level *l);

static void frame_destroy(sn_exec *e, exec_frame *f)
{
    const sn_allocator *a = e->env->allocator;
    for (size_t i = 0; f->control && i < f->plan->n_step; i++)
        sn_control_state_destroy(f->control[i]);
    for (uint32_t i = 0; f->dynamic && i < f->plan->n_dynamic; i++)
        sn_free(a, f->dynamic[i].data);
    sn_free(a, f->control);
    sn_free(a, f->dynamic);
    sn_free(a, f->slot);
    sn_free(a, f->desc);
    sn_free(a, f->boundary);
    sn_plan_unref(f->plan);
    sn_free(a, f);
}

/* Frees a chain of frames and their rests without recursion: a data-dependent graph may have many segments. */
static void level_fini(sn_exec *e, exec_level *l)
{
    exec_frame *todo = l->frames;
    sn_pages_free(l->arena, l->arena_bytes);
    l->frames = NULL;
    while (todo) {
        exec_frame *f = todo;
        todo = f->next;
        if (f->rest) {
            for (exec_frame *r = f->rest->frames, *next; r; r = next) {
                next = r->next;
                r->next = todo;
                todo = r;
            }
            sn_pages_free(f->rest->arena, f->rest->arena_bytes);
            sn_free(e->env->allocator, f->rest);
        }
        frame_destroy(e, f);
    }
}

void sn_exec_destroy(sn_exec *e)
{
    if (!e)
        return;
    level_fini(e, &e->top);
    sn_free(e->env->allocator, e);
}

void sn_exec_observe(sn_exec *e, sn_exec_observer *fn, void *arg)
{
    e->own = (exec_observation){.fn = fn, .arg = arg};
    e->observation = fn ? &e->own : NULL;
}

void sn_exec_observe_as(sn_exec *e, const sn_run *r)
{
    e->observation = ((const exec_frame *)r->session)->exec->observation;
}

size_t sn_exec_size_bytes(const sn_exec *e)
{
    return e->total;
}

const sn_plan *sn_exec_last_plan(const sn_exec *e)
{
    return e->last_plan;
}

sn_control_state **sn_exec_control_state(sn_run *r, const sn_step *s)
{
    exec_frame *f = r->session;
    return &f->control[s - f->plan->step];
}

sn_plan_env *sn_exec_env(const sn_run *r)
{
    return ((exec_frame *)r->session)->exec->env;
}

/* sn_run.output: a dynamic slot gets its shape. */
static setsuna_status frame_output(sn_run *r, uint32_t slot, setsuna_dtype dtype, const setsuna_shape *shape,
                                   void **data_out)
{
    exec_frame *f = r->session;
    const sn_plan_env *env = f->exec->env;
    size_t bytes;
    if (!sn_tensor_bytes(dtype, shape, &bytes) || bytes > env->memory_limit_bytes)
        return sn_fail(r->err, SETSUNA_ELIMIT, f->plan->slot[slot].name,
                       "a data-dependent output would be larger than the memory limit of %zu bytes",
                       env->memory_limit_bytes);
    exec_buffer *b = &f->dynamic[f->plan->slot[slot].where];
    if (bytes > b->cap_bytes || !b->data) {
        size_t cap = bytes + bytes / 2 + SN_ALIGN;
        void *data = sn_alloc(env->allocator, cap);
        if (!data)
            return sn_fail(r->err, SETSUNA_ENOMEM, f->plan->slot[slot].name, "no memory for %zu bytes", bytes);
        sn_free(env->allocator, b->data);
        *b = (exec_buffer){data, cap};
    }
    f->desc[slot] = (setsuna_tensor){dtype, *shape, b->data, bytes};
    f->slot[slot] = b->data;
    *data_out = b->data;
    return SETSUNA_OK;
}

/* The workspace: slots of the arena, then scratch. Shared by the level's frames, so it only grows. */
static setsuna_status level_reserve(sn_exec *e, exec_level *l, size_t bytes, setsuna_error *err)
{
    if (bytes <= l->arena_bytes && l->arena)
        return SETSUNA_OK;
    size_t want = bytes ? bytes : SN_ALIGN;
    void *p = sn_pages_alloc(want);
    if (!p)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory for a workspace of %zu bytes", want);
    sn_pages_free(l->arena, l->arena_bytes);
    e->total += want - l->arena_bytes;
    l->arena = p;
    l->arena_bytes = want;
    return SETSUNA_OK;
}

static void frame_resolve(exec_frame *f, const exec_level *l)
{
    const sn_plan *p = f->plan;
    f->base = l->arena;
    for (uint32_t i = 0; i < p->n_slot; i++) {
        const sn_slot *s = &p->slot[i];
        if (s->kind == SN_SLOT_ARENA)
            f->slot[i] = (char *)l->arena + s->where;
        else if (s->kind == SN_SLOT_CONST)
            memcpy(&f->slot[i], &s->data, sizeof s->data); /* steps do not write to constants */
    }
    f->run.scratch = (char *)l->arena + p->arena_bytes;
}

/* A frame for a plan; takes the reference to plan. */
static setsuna_status frame_create(sn_exec *e, exec_level *l, sn_plan *plan, exec_frame **out, setsuna_error *err)
{
    const sn_allocator *a = e->env->allocator;
    exec_frame *f = sn_alloc_zero(a, sizeof *f);
    if (!f) {
        sn_plan_unref(plan);
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    }
    f->plan = plan;
    f->exec = e;
    f->slot = sn_alloc_zero(a, (plan->n_slot + 1) * sizeof *f->slot);
    f->desc = sn_alloc_zero(a, (plan->n_slot + 1) * sizeof *f->desc);
    f->dynamic = sn_alloc_zero(a, (plan->n_dynamic + 1) * sizeof *f->dynamic);
    f->control = plan->has_control ? sn_alloc_zero(a, (plan->n_step + 1) * sizeof *f->control) : NULL;
    bool ok = f->slot && f->desc && f->dynamic && (f->control || !plan->has_control);
    if (ok && plan->rest) {
        f->boundary = sn_alloc_zero(a, (plan->n_output + 1) * sizeof *f->boundary);
        f->rest = sn_alloc_zero(a, sizeof *f->rest);
        ok = f->boundary && f->rest;
        if (ok)
            f->rest->module = plan->rest;
    }
    setsuna_status status = ok ? level_reserve(e, l, plan->arena_bytes + plan->scratch_bytes, err)
                               : sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    if (status != SETSUNA_OK) {
        sn_free(a, f->rest);
        f->rest = NULL;
        frame_destroy(e, f);
        return status;
    }
    for (uint32_t i = 0; i < plan->n_slot; i++)
        f->desc[i] = plan->slot[i].desc;
    f->run = (sn_run){.slot = f->slot, .desc = f->desc, .pool = e->pool, .session = f, .output = frame_output};
    frame_resolve(f, l);
    *out = f;
    return SETSUNA_OK;
}

/* Frames beyond the limit, of which the first is the one used last, and those of plans that the module let go of. */
static void level_trim(sn_exec *e, exec_level *l)
{
    uint32_t limit = sn_plan_limit(e->env), kept = 0;
    exec_level gone = {0};
    for (exec_frame **at = &l->frames; *at;) {
        exec_frame *f = *at;
        if (++kept < limit && !atomic_load(&f->plan->evicted)) {
            at = &f->next;
            continue;
        }
        kept--;
        *at = f->next;
        f->next = gone.frames;
        gone.frames = f;
        l->n_frames--;
    }
    level_fini(e, &gone);
}

setsuna_status sn_level_frame(sn_exec *e, exec_level *l, const setsuna_tensor *inputs, exec_frame **out,
                              setsuna_error *err)
{
    for (exec_frame **at = &l->frames; *at; at = &(*at)->next) {
        exec_frame *f = *at;
        if (!sn_plan_matches(f->plan, inputs))
            continue;
        *at = f->next;
        f->next = l->frames; /* moved to the front */
        l->frames = f;
        sn_plan_touch(f->plan);
        *out = f;
        return SETSUNA_OK;
    }
    sn_plan *plan;
    SN_TRY(sn_module_plan(l->module, inputs, &plan, err));
    exec_frame *f = NULL;
    SN_TRY(frame_create(e, l, plan, &f, err));
    level_trim(e, l);
    f->next = l->frames;
    l->frames = f;
    l->n_frames++;
    *out = f;
    return SETSUNA_OK;
}

static setsuna_status frame_steps(exec_frame *f)
{
    const sn_plan *p = f->plan;
    exec_observation *o = f->exec->observation;
    if (!o) {
        for (size_t i = 0; i < p->n_step; i++)
            SN_TRY(p->step[i].run(&p->step[i], &f->run));
        return SETSUNA_OK;
    }
    for (size_t i = 0; i < p->n_step; i++) {
        uint64_t before = o->inner_ns;
        o->inner_ns = 0;
        uint64_t begin = sn_now_ns();
        setsuna_status status = p->step[i].run(&p->step[i], &f->run);
        uint64_t end = sn_now_ns();
        if (status == SETSUNA_OK)
            o->fn(o->arg, p, i, begin, end, o->inner_ns);
        o->inner_ns = before + (end - begin);
        if (status != SETSUNA_OK)
            return status;
    }
    return SETSUNA_OK;
}

void sn_frame_bind(exec_frame *f, const exec_level *l, const setsuna_tensor *inputs)
{
    const sn_plan *p = f->plan;
    if (f->base != l->arena)
        frame_resolve(f, l);
    for (uint32_t i = 0; i < p->n_slot; i++)
        if (p->slot[i].kind == SN_SLOT_INPUT)
            f->slot[i] = inputs[p->slot[i].where].data;
}

static setsuna_status exec_run_segments(sn_exec *e, const setsuna_tensor *inputs, setsuna_tensor *outputs,
                                        setsuna_error *err)
{
    exec_level *l = &e->top;
    for (;;) {
        exec_frame *f;
        SN_TRY(sn_level_frame(e, l, inputs, &f, err));
        if (l == &e->top)
            e->last_plan = f->plan;
        sn_frame_bind(f, l, inputs);
        f->warm = true;
        f->run.err = err;
        SN_TRY(frame_steps(f));
        if (!f->rest) {
            for (uint32_t k = 0; k < f->plan->n_output; k++)
                outputs[k] = sn_frame_tensor(f, f->plan->output[k]);
            return SETSUNA_OK;
        }
        for (uint32_t k = 0; k < f->plan->n_output; k++)
            f->boundary[k] = sn_frame_tensor(f, f->plan->boundary[k]);
        inputs = f->boundary;
        l = f->rest;
    }
}

setsuna_status sn_exec_run(sn_exec *e, const setsuna_tensor *inputs, setsuna_tensor *outputs, setsuna_error *err)
{
    setsuna_status status = exec_run_segments(e, inputs, outputs, err);
    sn_pool_rest(e->pool);
    return status;
}
