#include "pipeline/pipeline.h"
#include "base/file.h"
#include "pipeline/pipeline_build.h"
#include <string.h>

/* ---- models ------------------------------------------------------------------------------------------------------ */

struct sn_model_set {
    const sn_allocator *allocator;
    sn_model_options options;
    struct model_set_entry {
        char *path;
        sn_model *model;
    } * entry;
    size_t n, capacity;
};

sn_model_set *sn_model_set_create(const sn_allocator *a, const sn_model_options *options)
{
    sn_model_set *set = sn_alloc_zero(a, sizeof *set);
    if (set) {
        set->allocator = a;
        set->options = *options;
    }
    return set;
}

void sn_model_set_destroy(sn_model_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->n; i++) {
        sn_model_close(set->entry[i].model);
        sn_free(set->allocator, set->entry[i].path);
    }
    sn_free(set->allocator, set->entry);
    sn_free(set->allocator, set);
}

setsuna_status sn_model_set_get(sn_model_set *set, const char *path, sn_model **out, setsuna_error *err)
{
    for (size_t i = 0; i < set->n; i++)
        if (strcmp(set->entry[i].path, path) == 0) {
            *out = set->entry[i].model;
            return SETSUNA_OK;
        }
    size_t len = strlen(path) + 1;
    char *copy = sn_alloc(set->allocator, len);
    if (!copy || !sn_grow(set->allocator, &set->entry, &set->capacity, set->n + 1, sizeof *set->entry)) {
        sn_free(set->allocator, copy);
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    }
    memcpy(copy, path, len);
    sn_model *model;
    setsuna_status status = sn_model_open(path, &set->options, &model, err);
    if (status != SETSUNA_OK) {
        sn_free(set->allocator, copy);
        return status;
    }
    set->entry[set->n].path = copy;
    set->entry[set->n++].model = model;
    *out = model;
    return SETSUNA_OK;
}

/* ---- opening -------------------------------------------------------------------------------------------------------
 */

typedef struct pipeline_input {
    sn_pipe_slot *slot;
    char *path; /* read at the start of each run; NULL: given by the caller */
    sn_bytes file;
    bool given;
} pipeline_input;

struct sn_pipeline {
    const sn_allocator *allocator;
    sn_arena *arena; /* the file's tree, names, slots */
    sn_model_set *models, *own_models;
    const char *name, *file, *engine;
    sn_pipe_slot_table slots;
    pipeline_input *input;
    uint32_t n_inputs;
    sn_pipe_slot **output;
    uint32_t n_outputs;
    sn_pipe_step_list steps;
    bool stream;
    uint32_t source; /* step that every pass begins with; 0 unless a stream */
    /* the run */
    uint64_t pass;
    double frame_s;
    bool running;
    bool stopped; /* by a step before the source: there is nothing to make frames of */
};

typedef struct pipeline_head {
    int32_t version;
    const char *name, *description;
    const sn_yaml *inputs, *steps, *outputs;
} pipeline_head;

static const sn_pipe_field pipeline_fields[] = {
    {"setsuna", SN_FIELD_INT, offsetof(pipeline_head, version), .min = 1, .max = SN_PIPELINE_VERSION,
     .help = "version of the format"},
    {"name", SN_FIELD_TEXT, offsetof(pipeline_head, name), .help = "what the pipeline is called"},
    {"description", SN_FIELD_TEXT, offsetof(pipeline_head, description), .fallback = "", .help = "what it does"},
    {"inputs", SN_FIELD_NODE, offsetof(pipeline_head, inputs), .help = "{NAME: bytes or tensor}"},
    {"steps", SN_FIELD_NODE, offsetof(pipeline_head, steps), .help = "the list of steps"},
    {"outputs", SN_FIELD_NODE, offsetof(pipeline_head, outputs), .help = "list of the values to hand out"},
};

static setsuna_status pipeline_read_inputs(sn_pipeline *p, sn_pipe_build *build, const sn_yaml *node,
                                           setsuna_error *err)
{
    if (node->kind != SN_YAML_MAP || node->n == 0)
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "write the inputs as {NAME: bytes} or {NAME: tensor}");
    p->input = sn_arena_array(p->arena, node->n, sizeof *p->input);
    if (!p->input)
        return sn_yaml_fail(err, SETSUNA_ENOMEM, node, "out of memory");
    for (const sn_yaml *c = node->first; c; c = c->next) {
        const char *text;
        sn_pipe_kind kind;
        SN_TRY(sn_yaml_text(c, &text, err));
        if (!sn_pipe_kind_parse(text, &kind) || (kind != SN_PIPE_BYTES && kind != SN_PIPE_TENSOR))
            return sn_yaml_fail(err, SETSUNA_EINPUT, c, "is '%s'; an input is bytes (a file) or tensor", text);
        const sn_yaml name = {
            .kind = SN_YAML_SCALAR, .line = c->line, .key = c->key, .text = c->key, .file = c->file, .parent = node};
        SN_TRY(sn_pipe_build_slot_own(build, &name, kind, &p->input[p->n_inputs].slot, err));
        p->n_inputs++;
    }
    return SETSUNA_OK;
}

static setsuna_status pipeline_read_outputs(sn_pipeline *p, sn_pipe_build *build, const sn_yaml *node,
                                            setsuna_error *err)
{
    if (node->kind != SN_YAML_LIST || node->n == 0)
        return sn_yaml_fail(err, SETSUNA_EINPUT, node, "write the outputs as a list of names: [boxes, text]");
    p->output = sn_arena_array(p->arena, node->n, sizeof *p->output);
    if (!p->output)
        return sn_yaml_fail(err, SETSUNA_ENOMEM, node, "out of memory");
    for (const sn_yaml *c = node->first; c; c = c->next) {
        SN_TRY(sn_pipe_build_slot_in(build, c, ~0u, &p->output[p->n_outputs], err));
        p->n_outputs++;
    }
    return SETSUNA_OK;
}

static setsuna_status pipeline_build(sn_pipeline *p, const sn_yaml *root, const sn_pipeline_options *o,
                                     setsuna_error *err)
{
    const char *slash = strrchr(p->file, '/');
    sn_pipe_build build = {
        .allocator = p->allocator,
        .arena = p->arena,
        .file = p->file,
        .dir = slash ? sn_arena_strndup(p->arena, p->file, slash == p->file ? 1 : (size_t)(slash - p->file)) : ".",
        .model_dir = o->model_dir ? sn_arena_strndup(p->arena, o->model_dir, strlen(o->model_dir)) : NULL,
        .pixels_max = o->pixels_max ? o->pixels_max : SN_IMAGE_PIXELS_DEFAULT,
        .models = p->models,
        .slots = &p->slots,
    };
    if (!build.dir || (o->model_dir && !build.model_dir))
        return sn_fail(err, SETSUNA_ENOMEM, p->file, "out of memory");
    pipeline_head head = {0};
    SN_TRY(sn_pipe_fields_read(&build, root, pipeline_fields, sizeof pipeline_fields / sizeof *pipeline_fields, &head,
                               err));
    p->name = head.name;
    SN_TRY(pipeline_read_inputs(p, &build, head.inputs, err));
    SN_TRY(sn_pipe_build_steps(&build, head.steps, &p->steps, err));
    SN_TRY(pipeline_read_outputs(p, &build, head.outputs, err));
    p->engine = build.engine ? build.engine : "none";
    p->stream = build.has_source;
    while (p->stream && !p->steps.step[p->source].type->source)
        p->source++;
    return SETSUNA_OK;
}

setsuna_status sn_pipeline_parse(const char *path, const void *data, size_t size, const sn_pipeline_options *options,
                                 sn_pipeline **out, setsuna_error *err)
{
    const sn_pipeline_options o = options ? *options : (sn_pipeline_options){0};
    const sn_allocator *a = o.allocator ? o.allocator : sn_allocator_default();
    sn_pipeline *p = sn_alloc_zero(a, sizeof *p);
    if (!p)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    p->allocator = a;
    sn_model_options m = o.model;
    m.allocator = m.allocator ? m.allocator : a;
    p->arena = sn_arena_create(a);
    p->own_models = o.models ? NULL : sn_model_set_create(a, &m);
    p->models = o.models ? o.models : p->own_models;
    p->file = p->arena ? sn_arena_strndup(p->arena, path, strlen(path)) : NULL;
    const sn_yaml *root;
    setsuna_status status = p->file && p->models ? sn_yaml_parse(p->arena, path, data, size, &root, err)
                                                 : sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    if (status == SETSUNA_OK)
        status = pipeline_build(p, root, &o, err);
    if (status != SETSUNA_OK) {
        sn_pipeline_close(p);
        return status;
    }
    *out = p;
    return SETSUNA_OK;
}

setsuna_status sn_pipeline_open(const char *path, const sn_pipeline_options *options, sn_pipeline **out,
                                setsuna_error *err)
{
    sn_bytes bytes;
    SN_TRY(sn_file_read(path, SN_FILE_BYTES_MAX, &bytes, err));
    setsuna_status status = sn_pipeline_parse(path, bytes.data, bytes.size, options, out, err);
    sn_bytes_fini(&bytes);
    return status;
}

void sn_pipeline_close(sn_pipeline *p)
{
    if (!p)
        return;
    sn_pipe_step_list_destroy(&p->steps, p->allocator);
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        sn_free(p->allocator, p->input[i].path);
        sn_bytes_fini(&p->input[i].file);
    }
    for (size_t i = 0; i < p->slots.n; i++)
        sn_pipe_slot_fini(p->slots.slot[i]);
    sn_free(p->allocator, p->slots.slot);
    sn_free(p->allocator, p->slots.scope);
    sn_model_set_destroy(p->own_models);
    sn_arena_destroy(p->arena);
    sn_free(p->allocator, p);
}

const char *sn_pipeline_name(const sn_pipeline *p)
{
    return p->name;
}

const char *sn_pipeline_engine(const sn_pipeline *p)
{
    return p->engine;
}

bool sn_pipeline_is_stream(const sn_pipeline *p)
{
    return p->stream;
}

const sn_pipe_slot *sn_pipeline_input(const sn_pipeline *p, uint32_t i)
{
    return i < p->n_inputs ? p->input[i].slot : NULL;
}

const sn_pipe_slot *sn_pipeline_output(const sn_pipeline *p, uint32_t i)
{
    return i < p->n_outputs ? p->output[i] : NULL;
}

const sn_pipe_step *sn_pipeline_step(const sn_pipeline *p, uint32_t i)
{
    return i < p->steps.n ? &p->steps.step[i] : NULL;
}

/* ---- inputs
 * ---------------------------------------------------------------------------------------------------------- */

static setsuna_status pipeline_find_input(sn_pipeline *p, uint32_t i, sn_pipe_kind kind, pipeline_input **out,
                                          setsuna_error *err)
{
    if (i >= p->n_inputs)
        return sn_fail(err, SETSUNA_EINVAL, p->file, "it has %u inputs, so there is no input %u", p->n_inputs, i + 1);
    if (p->input[i].slot->kind != kind)
        return sn_fail(err, SETSUNA_EINVAL, p->file, "its input '%s' takes %s, not %s", p->input[i].slot->name,
                       sn_pipe_kind_name(p->input[i].slot->kind), sn_pipe_kind_name(kind));
    *out = &p->input[i];
    return SETSUNA_OK;
}

/* Forgets a file given earlier. */
static void pipeline_input_drop_file(sn_pipeline *p, pipeline_input *in)
{
    sn_free(p->allocator, in->path);
    in->path = NULL;
    in->slot->bytes.source = NULL;
    sn_bytes_fini(&in->file);
}

setsuna_status sn_pipeline_set_file(sn_pipeline *p, uint32_t i, const char *path, setsuna_error *err)
{
    pipeline_input *in = NULL;
    SN_TRY(pipeline_find_input(p, i, SN_PIPE_BYTES, &in, err));
    size_t len = strlen(path) + 1;
    char *copy = sn_alloc(p->allocator, len);
    if (!copy)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    memcpy(copy, path, len);
    pipeline_input_drop_file(p, in);
    in->path = copy;
    in->slot->bytes.source = copy;
    in->given = true;
    return SETSUNA_OK;
}

setsuna_status sn_pipeline_set_bytes(sn_pipeline *p, uint32_t i, const char *name, const void *data, size_t size,
                                     setsuna_error *err)
{
    pipeline_input *in = NULL;
    SN_TRY(pipeline_find_input(p, i, SN_PIPE_BYTES, &in, err));
    pipeline_input_drop_file(p, in);
    in->slot->bytes.source = name;
    in->slot->bytes.data = data;
    in->slot->bytes.size = size;
    in->given = true;
    return SETSUNA_OK;
}

setsuna_status sn_pipeline_set_tensor(sn_pipeline *p, uint32_t i, const setsuna_tensor *t, setsuna_error *err)
{
    pipeline_input *in = NULL;
    SN_TRY(pipeline_find_input(p, i, SN_PIPE_TENSOR, &in, err));
    sn_pipe_slot_tensor_borrow(in->slot, t);
    in->given = true;
    return SETSUNA_OK;
}

/* ---- running
 * ---------------------------------------------------------------------------------------------------------- */

/* Files are read again in every run: that is where a prediction from a file begins. */
static setsuna_status pipeline_acquire(sn_pipeline *p, setsuna_error *err)
{
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        pipeline_input *in = &p->input[i];
        if (!in->path)
            continue;
        sn_bytes fresh;
        SN_TRY(sn_file_read(in->path, SN_PIPE_INPUT_BYTES_MAX, &fresh, err));
        sn_bytes_fini(&in->file);
        in->file = fresh;
        in->slot->bytes.data = fresh.data;
        in->slot->bytes.size = fresh.size;
    }
    return SETSUNA_OK;
}

setsuna_status sn_pipeline_start(sn_pipeline *p, sn_ledger *ledger, setsuna_error *err)
{
    p->running = false; /* until it is certain that there is a first pass */
    for (uint32_t i = 0; i < p->n_inputs; i++)
        if (!p->input[i].given)
            return sn_fail(err, SETSUNA_EINVAL, p->file, "input '%s' (%s) was not given", p->input[i].slot->name,
                           sn_pipe_kind_name(p->input[i].slot->kind));
    sn_pipe_step_list_reset(&p->steps);
    p->pass = 0;
    p->frame_s = 0;
    sn_ledger_enter(ledger, SN_STAGE_ACQUIRE);
    setsuna_status status = pipeline_acquire(p, err);
    sn_ledger_leave(ledger, SN_STAGE_ACQUIRE);
    SN_TRY(status);
    sn_pipe_pass pass = {.ledger = ledger};
    SN_TRY(sn_pipe_step_list_run(&p->steps, 0, p->source, &pass, err));
    p->stopped = pass.stop;
    p->running = true;
    return SETSUNA_OK;
}

setsuna_status sn_pipeline_next(sn_pipeline *p, sn_ledger *ledger, bool *more_out, setsuna_error *err)
{
    if (!p->running)
        return sn_fail(err, SETSUNA_EINVAL, p->file, "the run is over; start another");
    p->running = false; /* unless this pass succeeds and says that there is more */
    sn_pipe_pass pass = {.ledger = ledger, .index = p->pass};
    if (!p->stopped)
        SN_TRY(sn_pipe_step_list_run(&p->steps, p->source, p->steps.n, &pass, err));
    if (!pass.more)
        SN_TRY(sn_pipe_step_list_finish(&p->steps, &pass, err));
    p->pass++;
    p->frame_s = pass.frame_s;
    p->running = pass.more;
    *more_out = pass.more;
    return SETSUNA_OK;
}

double sn_pipeline_frame_s(const sn_pipeline *p)
{
    return p->frame_s;
}

setsuna_status sn_pipeline_run(sn_pipeline *p, sn_ledger *ledger, setsuna_error *err)
{
    SN_TRY(sn_pipeline_start(p, ledger, err));
    for (bool more = true; more;)
        SN_TRY(sn_pipeline_next(p, ledger, &more, err));
    return SETSUNA_OK;
}
