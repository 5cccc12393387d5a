#include "cli/workload.h"
#include "base/file.h"
#include "base/status.h"
#include "cli/share.h"
#include "cli/tensor_file.h"
#include <string.h>
#include <unistd.h>

enum { WORKLOAD_TENSORS_MAX = 64 };

static const char workload_standard[] = "standard input";

struct sn_workload {
    const sn_workload_options *options;
    sn_model *model; /* or */
    sn_pipeline *pipeline;
    sn_session *session;
    setsuna_tensor output[WORKLOAD_TENSORS_MAX];
    setsuna_tensor given[SN_CLI_INPUTS_MAX]; /* tensors for a pipeline's inputs; data owned */
    uint32_t n_given;
    sn_bytes standard; /* standard input, where "-" names it */
};

static bool workload_is_pipeline(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0);
}

static setsuna_status workload_open_model(sn_workload *w, setsuna_error *err)
{
    const sn_workload_options *o = w->options;
    if (o->n_input)
        return sn_fail(err, SETSUNA_EINVAL, o->input[0], "a model takes its inputs with --input NAME=FILE");
    SN_TRY(sn_model_open(o->target, &o->model, &w->model, err));
    if (sn_model_outputs(w->model) > WORKLOAD_TENSORS_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, o->target, "more than %d outputs", WORKLOAD_TENSORS_MAX);
    SN_TRY(sn_cli_inputs_make(o->inputs, w->model, true, err));
    SN_TRY(sn_session_create(w->model, &w->session, err));
    return sn_session_prepare(w->session, o->inputs->tensor, err);
}

/* --input NAME=FILE of a pipeline: a tensor file for a tensor input, any file for a bytes input. */
static setsuna_status workload_give(sn_workload *w, const sn_cli_input_spec *spec, setsuna_error *err)
{
    if (spec->kind != SN_CLI_INPUT_FILE)
        return sn_fail(err, SETSUNA_EINVAL, spec->kind == SN_CLI_INPUT_SHAPE ? "--shape" : "--fill",
                       "this is for models; a pipeline takes all it needs from its inputs");
    for (uint32_t i = 0;; i++) {
        const sn_pipe_slot *slot = sn_pipeline_input(w->pipeline, i);
        if (!slot)
            return sn_fail(err, SETSUNA_EINVAL, "--input", "the pipeline has no input \"%.*s\"", (int)spec->name_len,
                           spec->name);
        if (strlen(slot->name) != spec->name_len || memcmp(slot->name, spec->name, spec->name_len) != 0)
            continue;
        if (slot->kind == SN_PIPE_BYTES)
            return sn_pipeline_set_file(w->pipeline, i, spec->value, err);
        setsuna_tensor *t = &w->given[w->n_given];
        SN_TRY(sn_cli_tensor_read(spec->value, t, err));
        w->n_given++;
        return sn_pipeline_set_tensor(w->pipeline, i, t, err);
    }
}

static bool workload_is_standard(const char *input)
{
    return strcmp(input, "-") == 0;
}

/* Standard input is read once, whole: its bytes come only once, and a bench wants them again. */
static setsuna_status workload_read_standard(sn_workload *w, setsuna_error *err)
{
    const sn_workload_options *o = w->options;
    bool wanted = false;
    for (uint32_t i = 0; i < o->n_input; i++)
        wanted |= workload_is_standard(o->input[i]);
    return wanted ? sn_file_read_stream(STDIN_FILENO, workload_standard, SN_PIPE_INPUT_BYTES_MAX, &w->standard, err)
                  : SETSUNA_OK;
}

static setsuna_status workload_open_pipeline(sn_workload *w, setsuna_error *err)
{
    const sn_workload_options *o = w->options;
    char models[4096];
    sn_pipeline_options po = {.model = o->model};
    if (sn_cli_user_models_dir(models, sizeof models))
        po.model_dir = models;
    SN_TRY(sn_pipeline_open(o->target, &po, &w->pipeline, err));
    for (uint32_t i = 0; i < o->inputs->n_spec; i++)
        SN_TRY(workload_give(w, &o->inputs->spec[i], err));
    const sn_pipe_slot *first = sn_pipeline_input(w->pipeline, 0);
    if (o->n_input == 0 && first && o->inputs->n_spec == 0)
        return sn_fail(err, SETSUNA_EINVAL, o->target, "its input \"%s\" needs a file; name one after the pipeline",
                       first->name);
    return workload_read_standard(w, err);
}

setsuna_status sn_workload_open(const sn_workload_options *o, sn_workload **out, setsuna_error *err)
{
    sn_workload *w = sn_alloc_zero(sn_allocator_default(), sizeof *w);
    if (!w)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    w->options = o;
    setsuna_status status =
        workload_is_pipeline(o->target) ? workload_open_pipeline(w, err) : workload_open_model(w, err);
    if (status != SETSUNA_OK) {
        sn_workload_close(w);
        return status;
    }
    *out = w;
    return SETSUNA_OK;
}

void sn_workload_close(sn_workload *w)
{
    if (!w)
        return;
    sn_session_destroy(w->session);
    sn_model_close(w->model);
    sn_pipeline_close(w->pipeline);
    for (uint32_t i = 0; i < w->n_given; i++)
        sn_free(sn_allocator_default(), w->given[i].data);
    sn_bytes_fini(&w->standard);
    sn_cli_inputs_fini(w->options->inputs);
    sn_free(sn_allocator_default(), w);
}

const char *sn_workload_engine(const sn_workload *w)
{
    return w->pipeline ? sn_pipeline_engine(w->pipeline) : sn_model_engine(w->model);
}

const char *sn_workload_note(const sn_workload *w)
{
    return w->model ? sn_model_note(w->model) : "";
}

sn_pipeline *sn_workload_pipeline(const sn_workload *w)
{
    return w->pipeline;
}

sn_model *sn_workload_model(const sn_workload *w)
{
    return w->model;
}

sn_session *sn_workload_session(const sn_workload *w)
{
    return w->session;
}

bool sn_workload_is_stream(const sn_workload *w)
{
    return w->pipeline && sn_pipeline_is_stream(w->pipeline);
}

double sn_workload_frame_s(const sn_workload *w)
{
    return w->pipeline ? sn_pipeline_frame_s(w->pipeline) : 0;
}

static setsuna_status workload_set_input(sn_workload *w, const char *input, setsuna_error *err)
{
    if (workload_is_standard(input))
        return sn_pipeline_set_bytes(w->pipeline, 0, workload_standard, w->standard.data, w->standard.size, err);
    return sn_pipeline_set_file(w->pipeline, 0, input, err);
}

setsuna_status sn_workload_begin(sn_workload *w, uint64_t i, sn_ledger *ledger, setsuna_error *err)
{
    const sn_workload_options *o = w->options;
    if (w->pipeline && (o->n_input > 1 || (o->n_input == 1 && i == 0))) { /* a single path is set once */
        sn_ledger_enter(ledger, SN_STAGE_ACQUIRE);                        /* the last file is given up here */
        setsuna_status status = workload_set_input(w, o->input[i % o->n_input], err);
        sn_ledger_leave(ledger, SN_STAGE_ACQUIRE);
        SN_TRY(status);
    }
    return sn_workload_is_stream(w) ? sn_pipeline_start(w->pipeline, ledger, err) : SETSUNA_OK;
}

setsuna_status sn_workload_run(sn_workload *w, sn_ledger *ledger, bool *more_out, setsuna_error *err)
{
    if (sn_workload_is_stream(w))
        return sn_pipeline_next(w->pipeline, ledger, more_out, err);
    *more_out = false;
    if (w->pipeline)
        return sn_pipeline_run(w->pipeline, ledger, err);
    sn_ledger_enter(ledger, SN_STAGE_EXECUTE);
    setsuna_status status = sn_session_run(w->session, w->options->inputs->tensor, w->output, err);
    sn_ledger_leave(ledger, SN_STAGE_EXECUTE);
    return status;
}

uint32_t sn_workload_outputs(const sn_workload *w, const char **name, setsuna_tensor *tensor, uint32_t cap)
{
    uint32_t n = 0;
    for (uint32_t i = 0; w->model && i < sn_model_outputs(w->model) && n < cap; i++, n++) {
        name[n] = sn_model_output(w->model, i)->name;
        tensor[n] = w->output[i];
    }
    const sn_pipe_slot *slot;
    for (uint32_t i = 0; w->pipeline && (slot = sn_pipeline_output(w->pipeline, i)) && n < cap; i++)
        if (slot->kind == SN_PIPE_TENSOR) {
            name[n] = slot->name;
            tensor[n++] = slot->tensor.t;
        }
    return n;
}
