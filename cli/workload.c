#include "cli/workload.h"
#include "base/clock.h"
#include "base/status.h"
#include <string.h>

enum { WORKLOAD_TENSORS_MAX = 64 };

struct sn_workload {
    const sn_workload_options *options;
    sn_model *model;
    sn_session *session;
    setsuna_tensor output[WORKLOAD_TENSORS_MAX];
};

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

setsuna_status sn_workload_open(const sn_workload_options *o, sn_workload **out, setsuna_error *err)
{
    sn_workload *w = sn_alloc_zero(sn_allocator_default(), sizeof *w);
    if (!w)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    w->options = o;
    setsuna_status status = workload_open_model(w, err);
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
    sn_cli_inputs_fini(w->options->inputs);
    sn_free(sn_allocator_default(), w);
}

const char *sn_workload_engine(const sn_workload *w)
{
    return sn_model_engine(w->model);
}

setsuna_status sn_workload_run(sn_workload *w, sn_ledger *ledger, setsuna_error *err)
{
    sn_ledger_enter(ledger, SN_STAGE_EXECUTE);
    setsuna_status status = sn_session_run(w->session, w->options->inputs->tensor, w->output, err);
    sn_ledger_leave(ledger, SN_STAGE_EXECUTE);
    return status;
}

uint32_t sn_workload_outputs(const sn_workload *w, const char **name, setsuna_tensor *tensor, uint32_t cap)
{
    uint32_t n = sn_model_outputs(w->model);
    for (uint32_t i = 0; i < n && i < cap; i++) {
        name[i] = sn_model_output(w->model, i)->name;
        tensor[i] = w->output[i];
    }
    return n < cap ? n : cap;
}
