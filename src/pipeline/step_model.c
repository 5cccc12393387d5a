/* The step that runs a model: several inputs and outputs, fixed inputs, and state carried from pass to pass. */
#include "graph/tensor.h"
#include "pipeline/step_common.h"
#include <stdio.h>
#include <string.h>

typedef struct step_model {
    const sn_yaml *file, *inputs, *outputs, *constants, *state;
    sn_pipe_slot *from, *to;
    int32_t stage; /* index into model_stages */
    sn_model *model;
    sn_session *session;
    uint32_t n_in, n_out;
    /* arrays of n_in */
    sn_pipe_slot **in_slot; /* NULL: fixed or state, whose value is in `in` */
    void **in_storage;      /* of fixed values and states */
    int32_t *in_state;      /* output that becomes this input in the next pass; -1: none */
    setsuna_tensor *in;     /* as the last run had them */
    setsuna_shape *planned; /* shapes that the session has a plan for; rank -1 at first */
    /* arrays of n_out */
    sn_pipe_slot **out_slot; /* NULL: nobody asked */
    setsuna_tensor *out;
} step_model;

/* What the model's own time counts as, and the ledger stages these are. */
static const char *const model_stages[] = {"execute", "featurize", NULL};
static const sn_stage model_ledger_stages[] = {SN_STAGE_EXECUTE, SN_STAGE_FEATURIZE};

static const sn_pipe_field model_fields[] = {
    {"file", SN_FIELD_NODE, offsetof(step_model, file), .help = "path of the model"},
    {"from", SN_FIELD_IN, offsetof(step_model, from), .kinds = SN_PIPE_TENSOR, .fallback = "",
     .help = "the tensor for a model with one input"},
    {"to", SN_FIELD_OUT, offsetof(step_model, to), .kinds = SN_PIPE_TENSOR, .fallback = "",
     .help = "the tensor of a model with one output"},
    {"inputs", SN_FIELD_NODE, offsetof(step_model, inputs), .fallback = "", .help = "{INPUT OF THE MODEL: tensor}"},
    {"outputs", SN_FIELD_NODE, offsetof(step_model, outputs), .fallback = "", .help = "{OUTPUT OF THE MODEL: name}"},
    {"constants", SN_FIELD_NODE, offsetof(step_model, constants), .fallback = "",
     .help = "{INPUT OF THE MODEL: number or list of numbers}: the same in every pass"},
    {"state", SN_FIELD_NODE, offsetof(step_model, state), .fallback = "",
     .help = "{INPUT OF THE MODEL: OUTPUT OF THE MODEL}: zeros in the first pass, then that output of the pass before"},
    {"stage", SN_FIELD_CHOICE, offsetof(step_model, stage), .choices = model_stages, .fallback = "execute",
     .help = "what its time counts as: featurize for a model that makes features for another one"},
};

/* ---- binding ------------------------------------------------------------------------------------------------------
 */

static const sn_io *model_io(const step_model *s, bool output, uint32_t i)
{
    return output ? sn_model_output(s->model, i) : sn_model_input(s->model, i);
}

/* The input or output called `name` of the scalar or key that `node` is. */
static setsuna_status model_find_io(const step_model *s, const sn_yaml *node, const char *name, bool output,
                                    uint32_t *out, setsuna_error *err)
{
    uint32_t n = output ? s->n_out : s->n_in;
    char all[512] = "";
    size_t at = 0;
    for (uint32_t i = 0; i < n; i++) {
        const char *have = model_io(s, output, i)->name;
        if (strcmp(have, name) == 0) {
            *out = i;
            return SETSUNA_OK;
        }
        int len = at < sizeof all ? snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", have) : 0;
        at += len > 0 ? (size_t)len : 0;
    }
    return sn_yaml_fail(err, SETSUNA_EINPUT, node, "the model has no %s '%s'; it has: %s", output ? "output" : "input",
                        name, all);
}

static bool model_is_bound(const step_model *s, uint32_t i)
{
    return s->in_slot[i] || s->in_storage[i];
}

static setsuna_status model_need_map(const sn_yaml *node, setsuna_error *err)
{
    return node->kind == SN_YAML_MAP
               ? SETSUNA_OK
               : sn_yaml_fail(err, SETSUNA_EINPUT, node, "write a mapping: {NAME IN THE MODEL: ...}");
}

static setsuna_status model_find_free_input(const step_model *s, const sn_yaml *c, uint32_t *out, setsuna_error *err)
{
    SN_TRY(model_find_io(s, c, c->key, false, out, err));
    if (model_is_bound(s, *out))
        return sn_yaml_fail(err, SETSUNA_EINPUT, c, "this input has a value already; remove one of them");
    return SETSUNA_OK;
}

/* Zeroed memory for input i, whose free dims become `free_dim`. */
static setsuna_status model_make_value(const sn_pipe_step *step, const sn_yaml *node, uint32_t i, int64_t free_dim,
                                       setsuna_error *err)
{
    step_model *s = step->self;
    const sn_io *io = sn_model_input(s->model, i);
    setsuna_tensor t = {.dtype = io->dtype, .shape = io->shape};
    if (!io->has_shape)
        return sn_yaml_fail(err, SETSUNA_EUNSUPPORTED, node, "the model does not say the shape of input '%s'",
                            io->name);
    for (int32_t d = 0; d < t.shape.rank; d++)
        if (t.shape.dim[d] < 0)
            t.shape.dim[d] = free_dim;
    if (!sn_tensor_bytes(t.dtype, &t.shape, &t.size_bytes) || t.size_bytes == 0)
        return sn_yaml_fail(err, SETSUNA_EUNSUPPORTED, node, "input '%s' is %s; it cannot be fixed or a state",
                            io->name, setsuna_dtype_name(t.dtype));
    t.data = sn_alloc_zero(step->allocator, t.size_bytes);
    if (!t.data)
        return sn_yaml_fail(err, SETSUNA_ENOMEM, node, "no memory for input '%s'", io->name);
    s->in_storage[i] = t.data;
    s->in[i] = t;
    return SETSUNA_OK;
}

static setsuna_status model_store_number(const sn_yaml *node, const setsuna_tensor *t, int64_t at, setsuna_error *err)
{
    double v = 0.0;
    int64_t whole = 0;
    switch (t->dtype) {
    case SETSUNA_F32:
        SN_TRY(sn_yaml_float(node, -3e38, 3e38, &v, err));
        ((float *)t->data)[at] = (float)v;
        return SETSUNA_OK;
    case SETSUNA_F64:
        SN_TRY(sn_yaml_float(node, -1e308, 1e308, &v, err));
        ((double *)t->data)[at] = v;
        return SETSUNA_OK;
    case SETSUNA_I64:
        SN_TRY(sn_yaml_int(node, INT64_MIN, INT64_MAX, &whole, err));
        ((int64_t *)t->data)[at] = whole;
        return SETSUNA_OK;
    case SETSUNA_I32:
        SN_TRY(sn_yaml_int(node, INT32_MIN, INT32_MAX, &whole, err));
        ((int32_t *)t->data)[at] = (int32_t)whole;
        return SETSUNA_OK;
    case SETSUNA_U8:
        SN_TRY(sn_yaml_int(node, 0, 255, &whole, err));
        ((uint8_t *)t->data)[at] = (uint8_t)whole;
        return SETSUNA_OK;
    case SETSUNA_BOOL: return sn_yaml_bool(node, (bool *)t->data + at, err);
    default:
        return sn_yaml_fail(err, SETSUNA_EUNSUPPORTED, node, "an input of type %s cannot be written here",
                            setsuna_dtype_name(t->dtype));
    }
}

static setsuna_status model_bind_constant(const sn_pipe_step *step, const sn_yaml *c, setsuna_error *err)
{
    step_model *s = step->self;
    uint32_t i;
    SN_TRY(model_find_free_input(s, c, &i, err));
    int64_t given = c->kind == SN_YAML_LIST ? c->n : 1, n;
    SN_TRY(model_make_value(step, c, i, sn_model_input(s->model, i)->shape.rank == 1 ? given : 1, err));
    if (!sn_shape_numel(&s->in[i].shape, &n) || n != given)
        return sn_yaml_fail(err, SETSUNA_EINPUT, c, "the input has %lld elements, but %lld are given", (long long)n,
                            (long long)given);
    if (c->kind != SN_YAML_LIST)
        return model_store_number(c, &s->in[i], 0, err);
    for (const sn_yaml *v = c->first; v; v = v->next)
        SN_TRY(model_store_number(v, &s->in[i], v->index, err));
    return SETSUNA_OK;
}

static setsuna_status model_bind_inputs(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    step_model *s = step->self;
    uint32_t i, k;
    if (s->inputs)
        SN_TRY(model_need_map(s->inputs, err));
    for (const sn_yaml *c = s->inputs ? s->inputs->first : NULL; c; c = c->next) {
        SN_TRY(model_find_free_input(s, c, &i, err));
        SN_TRY(sn_pipe_build_slot_in(build, c, SN_PIPE_TENSOR, &s->in_slot[i], err));
    }
    if (s->constants)
        SN_TRY(model_need_map(s->constants, err));
    for (const sn_yaml *c = s->constants ? s->constants->first : NULL; c; c = c->next)
        SN_TRY(model_bind_constant(step, c, err));
    if (s->state)
        SN_TRY(model_need_map(s->state, err));
    for (const sn_yaml *c = s->state ? s->state->first : NULL; c; c = c->next) {
        const char *output;
        SN_TRY(model_find_free_input(s, c, &i, err));
        SN_TRY(sn_yaml_text(c, &output, err));
        SN_TRY(model_find_io(s, c, output, true, &k, err));
        SN_TRY(model_make_value(step, c, i, 1, err));
        s->in_state[i] = (int32_t)k;
    }
    for (i = 0; i < s->n_in; i++) {
        if (model_is_bound(s, i))
            continue;
        if (!s->from)
            return sn_yaml_fail(err, SETSUNA_EINPUT, step->node,
                                "input '%s' of the model gets no value; add it to inputs, constants or state",
                                sn_model_input(s->model, i)->name);
        s->in_slot[i] = s->from;
        s->from = NULL;
    }
    if (s->from)
        return sn_yaml_fail(err, SETSUNA_EINPUT, sn_yaml_get(step->node, "from"),
                            "every input of the model has a value already; remove `from`");
    return SETSUNA_OK;
}

static setsuna_status model_bind_outputs(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    step_model *s = step->self;
    uint32_t i;
    if (s->outputs)
        SN_TRY(model_need_map(s->outputs, err));
    for (const sn_yaml *c = s->outputs ? s->outputs->first : NULL; c; c = c->next) {
        SN_TRY(model_find_io(s, c, c->key, true, &i, err));
        SN_TRY(sn_pipe_build_slot_out(build, c, SN_PIPE_TENSOR, &s->out_slot[i], err));
    }
    if (!s->to)
        return s->outputs ? SETSUNA_OK
                          : sn_yaml_fail(err, SETSUNA_EINPUT, step->node,
                                         "nothing takes what the model gives; add `to` or `outputs`");
    if (s->n_out != 1)
        return sn_yaml_fail(err, SETSUNA_EINPUT, sn_yaml_get(step->node, "to"),
                            "the model has %u outputs; write `outputs: {OUTPUT: name}` instead", s->n_out);
    if (s->out_slot[0])
        return sn_yaml_fail(err, SETSUNA_EINPUT, sn_yaml_get(step->node, "to"), "the output is in `outputs` already");
    s->out_slot[0] = s->to;
    return SETSUNA_OK;
}

static setsuna_status model_create(sn_pipe_step *step, sn_pipe_build *build, setsuna_error *err)
{
    step_model *s = step->self;
    SN_TRY(sn_pipe_build_model(build, s->file, &s->model, err));
    SN_TRY(sn_session_create(s->model, &s->session, err));
    s->n_in = sn_model_inputs(s->model);
    s->n_out = sn_model_outputs(s->model);
    sn_arena *arena = sn_pipe_build_arena(build);
    s->in_slot = sn_arena_array(arena, s->n_in, sizeof *s->in_slot);
    s->in_storage = sn_arena_array(arena, s->n_in, sizeof *s->in_storage);
    s->in_state = sn_arena_array(arena, s->n_in, sizeof *s->in_state);
    s->in = sn_arena_array(arena, s->n_in, sizeof *s->in);
    s->planned = sn_arena_array(arena, s->n_in, sizeof *s->planned);
    s->out_slot = sn_arena_array(arena, s->n_out, sizeof *s->out_slot);
    s->out = sn_arena_array(arena, s->n_out, sizeof *s->out);
    if (!s->in_slot || !s->in_storage || !s->in_state || !s->in || !s->planned || !s->out_slot || !s->out) {
        s->in_storage = NULL;
        return sn_yaml_fail(err, SETSUNA_ENOMEM, step->node, "out of memory");
    }
    for (uint32_t i = 0; i < s->n_in; i++) {
        s->in_state[i] = -1;
        s->planned[i].rank = -1;
    }
    SN_TRY(model_bind_inputs(step, build, err));
    return model_bind_outputs(step, build, err);
}

/* ---- running --------------------------------------------------------------------------------------------------------
 */

static void model_reset(sn_pipe_step *step)
{
    step_model *s = step->self;
    for (uint32_t i = 0; i < s->n_in; i++)
        if (s->in_state[i] >= 0)
            memset(s->in_storage[i], 0, s->in[i].size_bytes);
}

/* Plans where shapes are not those of the last run, on the clock of stage load. Plans are cached by the session, so
 * this is a look-up for shapes seen before. */
static setsuna_status model_plan(step_model *s, sn_pipe_pass *pass, setsuna_error *err)
{
    bool same = true;
    for (uint32_t i = 0; i < s->n_in; i++)
        same = same && s->planned[i].rank >= 0 && sn_shape_equal(&s->planned[i], &s->in[i].shape);
    if (same)
        return SETSUNA_OK;
    sn_ledger_enter(pass->ledger, SN_STAGE_LOAD);
    setsuna_status status = sn_session_prepare(s->session, s->in, err);
    sn_ledger_leave(pass->ledger, SN_STAGE_LOAD);
    for (uint32_t i = 0; i < s->n_in && status == SETSUNA_OK; i++)
        s->planned[i] = s->in[i].shape;
    return status;
}

static setsuna_status model_keep_states(const sn_pipe_step *step, setsuna_error *err)
{
    step_model *s = step->self;
    for (uint32_t i = 0; i < s->n_in; i++) {
        if (s->in_state[i] < 0)
            continue;
        const setsuna_tensor *t = &s->out[s->in_state[i]];
        if (t->dtype != s->in[i].dtype || !sn_shape_equal(&t->shape, &s->in[i].shape))
            return sn_pipe_step_fail(step, SETSUNA_ESHAPE, err,
                                     "output '%s' does not have the type and shape of input '%s', whose state it is",
                                     sn_model_output(s->model, (uint32_t)s->in_state[i])->name,
                                     sn_model_input(s->model, i)->name);
        memcpy(s->in_storage[i], t->data, t->size_bytes);
    }
    return SETSUNA_OK;
}

static setsuna_status model_run(sn_pipe_step *step, sn_pipe_pass *pass, setsuna_error *err)
{
    step_model *s = step->self;
    for (uint32_t i = 0; i < s->n_in; i++)
        if (s->in_slot[i])
            s->in[i] = s->in_slot[i]->tensor.t;
    SN_TRY(model_plan(s, pass, err));
    SN_TRY(sn_session_run(s->session, s->in, s->out, err));
    sn_ledger_add(pass->ledger, model_ledger_stages[s->stage], sn_session_execute_ns(s->session));
    for (uint32_t i = 0; i < s->n_out; i++)
        if (s->out_slot[i])
            sn_pipe_slot_tensor_borrow(s->out_slot[i], &s->out[i]);
    return model_keep_states(step, err);
}

static void model_destroy(sn_pipe_step *step)
{
    step_model *s = step->self;
    for (uint32_t i = 0; s->in_storage && i < s->n_in; i++)
        sn_free(step->allocator, s->in_storage[i]);
    sn_session_destroy(s->session);
}

const sn_pipe_step_type sn_pipe_model = {
    .name = "model",
    .help = "runs a model",
    .stage = SN_STAGE_PREPARE,
    SN_PIPE_FIELDS(model_fields),
    .self_bytes = sizeof(step_model),
    .create = model_create,
    .reset = model_reset,
    .run = model_run,
    .destroy = model_destroy,
};
