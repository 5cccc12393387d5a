/* The public interface: a thin skin over engine/engine.h. The public handles are the internal ones. */
#include "engine/engine.h"
#include <setsuna/setsuna.h>

const char *setsuna_version(void)
{
    return SETSUNA_VERSION;
}

static sn_model *public_model(setsuna_model *m)
{
    return (sn_model *)m;
}
static const sn_model *public_const_model(const setsuna_model *m)
{
    return (const sn_model *)m;
}
static sn_session *public_session(setsuna_session *s)
{
    return (sn_session *)s;
}

static setsuna_status public_options(const setsuna_options *o, sn_model_options *out, setsuna_error *err)
{
    *out = (sn_model_options){.cpu_level = -1};
    if (!o)
        return SETSUNA_OK;
    out->engine = o->engine;
    out->onnxruntime_library = o->onnxruntime_library;
    out->n_threads = o->n_threads;
    out->memory_limit_bytes = o->memory_limit_bytes;
    if (o->precision && sn_precision_parse(o->precision, &out->precision) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_EINVAL, "precision", "'%s' is neither f32 nor bf16", o->precision);
    out->no_winograd = o->no_winograd != 0;
    out->plan_cache = o->plan_cache;
    out->plan_limit = o->plan_limit;
    sn_cpu_level level;
#define PUBLIC_LEVEL(name, text) " " text
    if (!o->cpu_level)
        return SETSUNA_OK;
    if (sn_cpu_level_parse(o->cpu_level, &level) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_EINVAL, "cpu_level", "'%s' is none of:" SN_CPU_LEVEL_LIST(PUBLIC_LEVEL),
                       o->cpu_level);
#undef PUBLIC_LEVEL
    out->cpu_level = (int)level;
    return SETSUNA_OK;
}

setsuna_status setsuna_model_open(const char *path, const setsuna_options *options, setsuna_model **model_out,
                                  setsuna_error *error)
{
    sn_model_options o;
    sn_model *m;
    if (!path || !model_out)
        return sn_fail(error, SETSUNA_EINVAL, "setsuna_model_open", "path and model_out must not be NULL");
    SN_TRY(public_options(options, &o, error));
    SN_TRY(sn_model_open(path, &o, &m, error));
    *model_out = (setsuna_model *)m;
    return SETSUNA_OK;
}

setsuna_status setsuna_model_parse(const void *data, size_t size_bytes, const setsuna_options *options,
                                   setsuna_model **model_out, setsuna_error *error)
{
    sn_model_options o;
    sn_model *m;
    if (!data || !model_out)
        return sn_fail(error, SETSUNA_EINVAL, "setsuna_model_parse", "data and model_out must not be NULL");
    SN_TRY(public_options(options, &o, error));
    SN_TRY(sn_model_parse(data, size_bytes, &o, &m, error));
    *model_out = (setsuna_model *)m;
    return SETSUNA_OK;
}

void setsuna_model_close(setsuna_model *model)
{
    sn_model_close(public_model(model));
}

uint32_t setsuna_model_inputs(const setsuna_model *model)
{
    return sn_model_inputs(public_const_model(model));
}
uint32_t setsuna_model_outputs(const setsuna_model *model)
{
    return sn_model_outputs(public_const_model(model));
}

static setsuna_io public_io(const sn_io *io)
{
    return (setsuna_io){io->name, io->dtype, io->has_shape, io->shape};
}

setsuna_status setsuna_model_input(const setsuna_model *model, uint32_t index, setsuna_io *io_out)
{
    if (index >= setsuna_model_inputs(model))
        return SETSUNA_EINVAL;
    *io_out = public_io(sn_model_input(public_const_model(model), index));
    return SETSUNA_OK;
}

setsuna_status setsuna_model_output(const setsuna_model *model, uint32_t index, setsuna_io *io_out)
{
    if (index >= setsuna_model_outputs(model))
        return SETSUNA_EINVAL;
    *io_out = public_io(sn_model_output(public_const_model(model), index));
    return SETSUNA_OK;
}

setsuna_status setsuna_session_create(setsuna_model *model, setsuna_session **session_out, setsuna_error *error)
{
    sn_session *s;
    if (!model || !session_out)
        return sn_fail(error, SETSUNA_EINVAL, "setsuna_session_create", "model and session_out must not be NULL");
    SN_TRY(sn_session_create(public_model(model), &s, error));
    *session_out = (setsuna_session *)s;
    return SETSUNA_OK;
}

void setsuna_session_destroy(setsuna_session *session)
{
    sn_session_destroy(public_session(session));
}

setsuna_status setsuna_session_prepare(setsuna_session *session, const setsuna_tensor *inputs, setsuna_error *error)
{
    return sn_session_prepare(public_session(session), inputs, error);
}

setsuna_status setsuna_session_run(setsuna_session *session, const setsuna_tensor *inputs, setsuna_tensor *outputs,
                                   setsuna_error *error)
{
    return sn_session_run(public_session(session), inputs, outputs, error);
}
