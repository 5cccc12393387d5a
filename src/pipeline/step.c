#include "pipeline/step.h"
#include "base/checked.h"
#include "pipeline/pipeline_build.h"
#include "pipeline/step_common.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* ---- all there are ------------------------------------------------------------------------------------------- */

#define SN_PIPE_STEP(symbol) extern const sn_pipe_step_type symbol;
#include "pipeline/step_list.inc"
#undef SN_PIPE_STEP

static const sn_pipe_step_type *const step_types[] = {
#define SN_PIPE_STEP(symbol) &symbol,
#include "pipeline/step_list.inc"
#undef SN_PIPE_STEP
};

#ifdef __clang_analyzer__ /* here it is defined */
#undef sn_pipe_step_fail
#endif

enum { STEP_TYPES = sizeof step_types / sizeof *step_types };

const sn_pipe_step_type *sn_pipe_step_type_at(uint32_t i)
{
    return i < STEP_TYPES ? step_types[i] : NULL;
}

const sn_pipe_step_type *sn_pipe_step_type_find(const char *name)
{
    for (uint32_t i = 0; i < STEP_TYPES; i++)
        if (strcmp(step_types[i]->name, name) == 0)
            return step_types[i];
    return NULL;
}

/* ---- slots ------------------------------------------------------------------------------------------------------ */

#define SCOPE_CLOSED UINT32_MAX

const sn_allocator *sn_pipe_build_allocator(const sn_pipe_build *build)
{
    return build->allocator;
}

sn_arena *sn_pipe_build_arena(const sn_pipe_build *build)
{
    return build->arena;
}

uint64_t sn_pipe_build_pixels_max(const sn_pipe_build *build)
{
    return build->pixels_max;
}

static sn_pipe_slot *build_find_slot(const sn_pipe_build *build, const char *name)
{
    for (size_t i = build->slots->n; i-- > 0;)
        if (build->slots->scope[i] != SCOPE_CLOSED && strcmp(build->slots->slot[i]->name, name) == 0)
            return build->slots->slot[i];
    return NULL;
}

/* A slot's name: letters, digits, '_', '-' and '.', so that it is a file name and a JSON key without escapes. */
static setsuna_status build_slot_name(const sn_yaml *node, const char **out, setsuna_error *err)
{
    enum { NAME_MAX_BYTES = 64 };
    const char *name;
    SN_TRY(sn_yaml_text(node, &name, err));
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    if (n == 0 || n > NAME_MAX_BYTES || name[n] || name[0] == '.')
        return sn_yaml_fail(err, SETSUNA_EINPUT, node,
                            "'%s' is no name for a value; use 1 to %d letters, digits, '_', '-' and '.'", name,
                            NAME_MAX_BYTES);
    *out = name;
    return SETSUNA_OK;
}

setsuna_status sn_pipe_build_slot_in(sn_pipe_build *build, const sn_yaml *node, unsigned kinds, sn_pipe_slot **out,
                                     setsuna_error *err)
{
    const char *name;
    SN_TRY(build_slot_name(node, &name, err));
    sn_pipe_slot *slot = build_find_slot(build, name);
    char all[512] = "none yet";
    if (!slot) {
        size_t at = 0;
        for (size_t i = 0; i < build->slots->n && at < sizeof all; i++)
            if (build->slots->scope[i] != SCOPE_CLOSED && (kinds & (unsigned)build->slots->slot[i]->kind)) {
                int len = snprintf(all + at, sizeof all - at, "%s%s", at ? ", " : "", build->slots->slot[i]->name);
                at += len > 0 ? (size_t)len : 0;
            }
        return sn_yaml_fail(err, SETSUNA_ENOTFOUND, node, "no earlier step makes '%s'; values that would fit here: %s",
                            name, all);
    }
    if (!(kinds & (unsigned)slot->kind)) {
        size_t at = 0;
        for (unsigned bit = 1; bit && bit <= kinds && at < sizeof all; bit <<= 1)
            if (kinds & bit) {
                int len =
                    snprintf(all + at, sizeof all - at, "%s%s", at ? " or " : "", sn_pipe_kind_name((sn_pipe_kind)bit));
                at += len > 0 ? (size_t)len : 0;
            }
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "'%s' holds %s, but %s is needed here", name,
                            sn_pipe_kind_name(slot->kind), all);
    }
    *out = slot;
    return SETSUNA_OK;
}

setsuna_status sn_pipe_build_slot_own(sn_pipe_build *build, const sn_yaml *node, sn_pipe_kind kind, sn_pipe_slot **out,
                                      setsuna_error *err)
{
    const char *name;
    SN_TRY(build_slot_name(node, &name, err));
    if (build_find_slot(build, name))
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "'%s' is made already; choose another name", name);
    sn_pipe_slot_table *t = build->slots;
    sn_pipe_slot *slot = sn_arena_alloc(build->arena, sizeof *slot);
    if (!slot || !sn_grow(build->allocator, &t->slot, &t->slot_capacity, t->n + 1, sizeof *t->slot) ||
        !sn_grow(build->allocator, &t->scope, &t->scope_capacity, t->n + 1, sizeof *t->scope))
        return sn_yaml_fail(err, SETSUNA_ENOMEM, node, "out of memory");
    sn_pipe_slot_init(slot, name, kind, build->allocator);
    t->slot[t->n] = slot;
    t->scope[t->n] = build->scope;
    t->n++;
    *out = slot;
    return SETSUNA_OK;
}

setsuna_status sn_pipe_build_slot_out(sn_pipe_build *build, const sn_yaml *node, sn_pipe_kind kind, sn_pipe_slot **out,
                                      setsuna_error *err)
{
    sn_pipe_slot *slot;
    SN_TRY(sn_pipe_build_slot_own(build, node, kind, &slot, err));
    sn_pipe_step *step = build->step;
    sn_pipe_slot **made = sn_arena_array(build->arena, (size_t)step->n_made + 1, sizeof *made);
    if (!made)
        return sn_yaml_fail(err, SETSUNA_ENOMEM, node, "out of memory");
    if (step->n_made)
        memcpy(made, step->made, step->n_made * sizeof *made);
    made[step->n_made++] = slot;
    step->made = made;
    *out = slot;
    return SETSUNA_OK;
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

static bool build_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

setsuna_status sn_pipe_build_path(sn_pipe_build *build, const sn_yaml *node, const char **out, setsuna_error *err)
{
    const char *text;
    SN_TRY(sn_yaml_text(node, &text, err));
    if (!text[0])
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "is empty; write the path of a file");
    if (text[0] == '/') {
        *out = text;
        return SETSUNA_OK;
    }
    const char *beside = sn_arena_printf(build->arena, "%s/%s", build->dir, text);
    const char *elsewhere = build->model_dir ? sn_arena_printf(build->arena, "%s/%s", build->model_dir, text) : NULL;
    if (!beside || (build->model_dir && !elsewhere))
        return sn_yaml_fail(err, SETSUNA_ENOMEM, node, "out of memory");
    if (!build_file_exists(beside)) {
        if (elsewhere && build_file_exists(elsewhere))
            beside = elsewhere;
        else
            return sn_yaml_fail(
                err, SETSUNA_ENOTFOUND, node,
                "there is no file %s%s%s; 'setsuna models fetch' gets the models that come with Setsuna", beside,
                elsewhere ? " nor " : "", elsewhere ? elsewhere : "");
    }
    *out = beside;
    return SETSUNA_OK;
}

setsuna_status sn_pipe_build_model(sn_pipe_build *build, const sn_yaml *node, sn_model **out, setsuna_error *err)
{
    const char *path;
    sn_model *model;
    SN_TRY(sn_pipe_build_path(build, node, &path, err));
    SN_TRY(sn_model_set_get(build->models, path, &model, err));
    if (!build->engine)
        build->engine = sn_model_engine(model);
    *out = model;
    return SETSUNA_OK;
}

/* ---- building steps
 * -------------------------------------------------------------------------------------------------- */

setsuna_status sn_pipe_build_enter(sn_pipe_build *build, const sn_yaml *node, setsuna_error *err)
{
    if (build->scope == SN_PIPE_NESTING_MAX)
        return sn_yaml_fail(err, SETSUNA_ELIMIT, node, "steps nested more than %d deep", SN_PIPE_NESTING_MAX);
    build->scope++;
    return SETSUNA_OK;
}

void sn_pipe_build_leave(sn_pipe_build *build)
{
    for (size_t i = 0; i < build->slots->n; i++)
        if (build->slots->scope[i] == build->scope)
            build->slots->scope[i] = SCOPE_CLOSED;
    build->scope--;
}

static setsuna_status build_find_type(const sn_pipe_build *build, const sn_yaml *node, const sn_pipe_step_type **out,
                                      setsuna_error *err)
{
    if (node->kind != SN_YAML_MAP || node->n != 1)
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "a step is one name and its fields: '- decode: {from: ...}'");
    const sn_pipe_step_type *type = sn_pipe_step_type_find(node->first->key);
    if (!type) {
        char all[1024];
        size_t at = 0;
        for (uint32_t i = 0; i < STEP_TYPES && at < sizeof all; i++) {
            int len = snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", step_types[i]->name);
            at += len > 0 ? (size_t)len : 0;
        }
        return sn_yaml_fail(err, SETSUNA_EINPUT, node->first, "there is no such step; there are: %s", all);
    }
    if (type->source && (build->has_source || build->scope > 0))
        return sn_yaml_fail(err, SETSUNA_EINPUT, node->first,
                            "a pipeline has one source of frames, outside for_each; remove this one");
    *out = type;
    return SETSUNA_OK;
}

static setsuna_status build_step(sn_pipe_build *build, const sn_yaml *node, sn_pipe_step *step, setsuna_error *err)
{
    const sn_pipe_step_type *type;
    SN_TRY(build_find_type(build, node, &type, err));
    if (type->source)
        build->has_source = true;
    step->node = node->first;
    step->allocator = build->allocator;
    step->self = sn_alloc_zero(build->allocator, type->self_bytes);
    if (!step->self)
        return sn_yaml_fail(err, SETSUNA_ENOMEM, node, "out of memory");
    step->type = type; /* from here on the step is destroyed with its list */
    sn_pipe_step *around = build->step;
    build->step = step;
    setsuna_status status = sn_pipe_fields_read(build, step->node, type->fields, type->n_fields, step->self, err);
    if (status == SETSUNA_OK && type->create)
        status = type->create(step, build, err);
    build->step = around;
    return status;
}

setsuna_status sn_pipe_build_steps(sn_pipe_build *build, const sn_yaml *list, sn_pipe_step_list *out,
                                   setsuna_error *err)
{
    *out = (sn_pipe_step_list){0};
    if (list->kind != SN_YAML_LIST || list->n == 0)
        return sn_yaml_fail(err, SETSUNA_EINPUT, list, "write the steps as a list, one '- name: {...}' each");
    size_t bytes;
    if (!sn_mul_size(list->n, sizeof(sn_pipe_step), &bytes) || !(out->step = sn_alloc_zero(build->allocator, bytes)))
        return sn_yaml_fail(err, SETSUNA_ENOMEM, list, "out of memory");
    for (const sn_yaml *c = list->first; c; c = c->next) {
        setsuna_status status = build_step(build, c, &out->step[out->n], err);
        if (out->step[out->n].type)
            out->n++;
        if (status != SETSUNA_OK)
            return status;
    }
    return SETSUNA_OK;
}

/* ---- running
 * ----------------------------------------------------------------------------------------------------------- */

void sn_pipe_step_list_reset(sn_pipe_step_list *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        sn_pipe_step *s = &list->step[i];
        s->total_ns = 0;
        for (uint32_t k = 0; k < s->n_made; k++) {
            sn_pipe_slot_clear(s->made[k]);
            s->made[k]->filled = false;
        }
        if (s->type->reset)
            s->type->reset(s);
    }
}

/* Says which step failed if nobody below knew a place. */
static setsuna_status step_place(const sn_pipe_step *s, setsuna_status status, setsuna_error *err)
{
    return sn_fail_at(err, status, "%s:%u: %s", s->node->file, s->node->line, s->type->name);
}

setsuna_status sn_pipe_step_list_run(sn_pipe_step_list *list, uint32_t first, uint32_t end, sn_pipe_pass *pass,
                                     setsuna_error *err)
{
    uint64_t now = sn_now_ns();
    setsuna_status status = SETSUNA_OK;
    for (uint32_t i = first; i < end && status == SETSUNA_OK && !pass->stop; i++) {
        sn_pipe_step *s = &list->step[i];
        uint64_t begin = now;
        if (pass->ledger)
            sn_ledger_enter_at(pass->ledger, s->type->stage, begin);
        status = s->type->run(s, pass, err);
        now = sn_now_ns();
        if (pass->ledger)
            sn_ledger_leave_at(pass->ledger, s->type->stage, now);
        s->total_ns += now - begin;
        if (status != SETSUNA_OK)
            return step_place(s, status, err);
        for (uint32_t k = 0; k < s->n_made; k++)
            s->made[k]->filled = s->made[k]->filled || !pass->stop; /* who stops has nothing to hand on */
    }
    return SETSUNA_OK;
}

setsuna_status sn_pipe_step_list_finish(sn_pipe_step_list *list, sn_pipe_pass *pass, setsuna_error *err)
{
    for (uint32_t i = 0; i < list->n; i++) {
        sn_pipe_step *s = &list->step[i];
        if (!s->type->finish)
            continue;
        sn_ledger_enter(pass->ledger, s->type->stage);
        setsuna_status status = s->type->finish(s, pass, err);
        sn_ledger_leave(pass->ledger, s->type->stage);
        if (status != SETSUNA_OK)
            return step_place(s, status, err);
    }
    return SETSUNA_OK;
}

void sn_pipe_step_list_destroy(sn_pipe_step_list *list, const sn_allocator *a)
{
    for (uint32_t i = list->n; i-- > 0;) {
        if (list->step[i].type->destroy)
            list->step[i].type->destroy(&list->step[i]);
        sn_free(a, list->step[i].self);
    }
    sn_free(a, list->step);
    *list = (sn_pipe_step_list){0};
}

/* ---- for the step files
 * ------------------------------------------------------------------------------------------------ */

setsuna_status sn_pipe_step_fail(const sn_pipe_step *step, setsuna_status status, setsuna_error *err, const char *fmt,
                                 ...)
{
    char where[256];
    snprintf(where, sizeof where, "%s:%u: %s", step->node->file, step->node->line, step->type->name);
    va_list ap;
    va_start(ap, fmt);
    sn_fail_va(err, status, where, fmt, ap);
    va_end(ap);
    return status;
}

setsuna_status sn_pipe_step_need_f32(const sn_pipe_step *step, const sn_pipe_slot *slot, setsuna_error *err)
{
    if (slot->tensor.t.dtype == SETSUNA_F32)
        return SETSUNA_OK;
    return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err,
                             "'%s' is %s, but f32 is needed here; put a cast step before this one", slot->name,
                             setsuna_dtype_name(slot->tensor.t.dtype));
}
