#include "engine/engine_impl.h"
#include "base/clock.h"
#include <stdio.h>
#include <string.h>

static setsuna_status engine_open_with(const sn_engine_ops *ops, const char *path, const void *data, size_t size,
                                       const sn_model_options *o, sn_model **out, setsuna_error *err)
{
    if (o->precision != SN_PRECISION_F32 && ops != &sn_engine_native)
        return sn_fail(err, SETSUNA_EUNSUPPORTED, "precision",
                       "%s computes in the model's own types; %s is for the native engine", ops->name,
                       sn_precision_name(o->precision));
    SN_TRY(ops->open(path, data, size, o, out, err));
    (*out)->ops = ops;
    return SETSUNA_OK;
}

/* Native when it can run every operator; otherwise ONNX Runtime where its library is found, and the note says so. */
static setsuna_status engine_open_auto(const char *path, const void *data, size_t size, const sn_model_options *o,
                                       sn_model **out, setsuna_error *err)
{
    setsuna_error native = {0}, other = {0};
    setsuna_status status = engine_open_with(&sn_engine_native, path, data, size, o, out, &native);
    if (status == SETSUNA_OK)
        return SETSUNA_OK;
    if (status == SETSUNA_EUNSUPPORTED &&
        engine_open_with(&sn_engine_onnxruntime, path, data, size, o, out, &other) == SETSUNA_OK) {
        snprintf((*out)->note, sizeof(*out)->note,
                 "ONNX Runtime runs this model, because the native engine cannot: %.400s", native.text);
        return SETSUNA_OK;
    }
    if (err)
        *err = native;
    return status;
}

static setsuna_status engine_open(const char *path, const void *data, size_t size, const sn_model_options *options,
                                  sn_model **out, setsuna_error *err)
{
    sn_model_options o = options ? *options : (sn_model_options){.cpu_level = -1};
    if (!o.allocator)
        o.allocator = sn_allocator_default();
    sn_cpu_level best = sn_cpu_detect();
    if (o.cpu_level < 0 || o.cpu_level > (int)best)
        o.cpu_level = (int)best;
    if (o.n_threads == 0)
        o.n_threads = 1;
    if (o.memory_limit_bytes == 0)
        o.memory_limit_bytes = (size_t)SN_ENGINE_MEMORY_LIMIT_DEFAULT_GIB << 30;
    if ((unsigned)o.precision >= SN_PRECISIONS)
        return sn_fail(err, SETSUNA_EINVAL, "precision", "there is no precision %d", (int)o.precision);
    if (!o.engine || strcmp(o.engine, "native") == 0)
        return engine_open_with(&sn_engine_native, path, data, size, &o, out, err);
    if (strcmp(o.engine, "onnxruntime") == 0)
        return engine_open_with(&sn_engine_onnxruntime, path, data, size, &o, out, err);
    if (strcmp(o.engine, "auto") == 0)
        return engine_open_auto(path, data, size, &o, out, err);
    return sn_fail(err, SETSUNA_EINVAL, "engine", "'%s' is not an engine; use native, onnxruntime or auto", o.engine);
}

setsuna_status sn_model_open(const char *path, const sn_model_options *options, sn_model **out, setsuna_error *err)
{
    return engine_open(path, NULL, 0, options, out, err);
}

setsuna_status sn_model_parse(const void *data, size_t size, const sn_model_options *options, sn_model **out,
                              setsuna_error *err)
{
    return engine_open(NULL, data, size, options, out, err);
}

void sn_model_close(sn_model *m)
{
    if (m)
        m->ops->close(m);
}

const char *sn_model_engine(const sn_model *m)
{
    return m->engine;
}
const char *sn_model_note(const sn_model *m)
{
    return m->note;
}
uint32_t sn_model_inputs(const sn_model *m)
{
    return m->n_input;
}
uint32_t sn_model_outputs(const sn_model *m)
{
    return m->n_output;
}
const sn_io *sn_model_input(const sn_model *m, uint32_t i)
{
    return &m->input[i];
}
const sn_io *sn_model_output(const sn_model *m, uint32_t i)
{
    return &m->output[i];
}
const char *sn_model_metadata(const sn_model *m, const char *key)
{
    return m->ops->metadata(m, key);
}

setsuna_status sn_session_create(sn_model *model, sn_session **out, setsuna_error *err)
{
    return model->ops->session_create(model, out, err);
}

void sn_session_destroy(sn_session *s)
{
    if (s)
        s->model->ops->session_destroy(s);
}

/* Types and shapes against what the model declares: dims of -1 take anything. */
static setsuna_status engine_check_inputs(const sn_model *m, const setsuna_tensor *inputs, bool need_data,
                                          setsuna_error *err)
{
    for (uint32_t i = 0; i < m->n_input; i++) {
        const sn_io *io = &m->input[i];
        const setsuna_tensor *t = &inputs[i];
        size_t elem = setsuna_dtype_size(t->dtype), n = 1;
        bool fits = t->dtype == io->dtype && t->shape.rank >= 0 && t->shape.rank <= SETSUNA_RANK_MAX;
        for (int d = 0; fits && d < t->shape.rank; d++)
            fits = t->shape.dim[d] >= 0 && !__builtin_mul_overflow(n, (size_t)t->shape.dim[d], &n);
        if (fits && io->has_shape) {
            fits = t->shape.rank == io->shape.rank;
            for (int d = 0; fits && d < t->shape.rank; d++)
                fits = io->shape.dim[d] < 0 || io->shape.dim[d] == t->shape.dim[d];
        }
        if (!fits) {
            char got[256] = "", want[256] = "any shape";
            size_t at = 0;
            for (int d = 0; d < t->shape.rank && d < SETSUNA_RANK_MAX && at < sizeof got; d++)
                at += (size_t)snprintf(got + at, sizeof got - at, "%s%lld", d ? "," : "", (long long)t->shape.dim[d]);
            at = 0;
            for (int d = 0; io->has_shape && d < io->shape.rank && at < sizeof want; d++)
                at += io->shape.dim[d] < 0 ? (size_t)snprintf(want + at, sizeof want - at, "%s%.40s", d ? "," : "",
                                                              io->sym && io->sym[d] ? io->sym[d] : "?")
                                           : (size_t)snprintf(want + at, sizeof want - at, "%s%lld", d ? "," : "",
                                                              (long long)io->shape.dim[d]);
            return sn_fail(err, SETSUNA_ESHAPE, io->name, "the input is %s[%s], the model wants %s[%s]",
                           setsuna_dtype_name(t->dtype), got, setsuna_dtype_name(io->dtype), want);
        }
        if (need_data && n && elem &&
            (!t->data || t->size_bytes / elem != n || (uintptr_t)t->data % (elem > 8 ? 8 : elem)))
            return sn_fail(err, SETSUNA_EINVAL, io->name, "the input's data is missing, misaligned or not %zu bytes",
                           n * elem);
    }
    return SETSUNA_OK;
}

setsuna_status sn_session_prepare(sn_session *s, const setsuna_tensor *inputs, setsuna_error *err)
{
    SN_TRY(engine_check_inputs(s->model, inputs, false, err));
    return s->model->ops->prepare(s, inputs, err);
}

setsuna_status sn_session_run(sn_session *s, const setsuna_tensor *inputs, setsuna_tensor *outputs, setsuna_error *err)
{
    SN_TRY(engine_check_inputs(s->model, inputs, true, err));
    uint64_t begin = sn_now_ns();
    setsuna_status status = s->model->ops->run(s, inputs, outputs, err);
    s->execute_ns = sn_now_ns() - begin;
    return status;
}

uint64_t sn_session_execute_ns(const sn_session *s)
{
    return s->execute_ns;
}
