/* ONNX Runtime as an engine: its shared library is loaded when the first model asks for it.
 *
 * The C header is needed to build this file (deps/onnxruntime/include, or pkg-config libonnxruntime); without it
 * the engine says so. The library is looked for at the path given in the options, at the place found when Setsuna was
 * built, and then by the dynamic linker's own rules. Source: onnxruntime_c_api.h.
 */
#include "engine/engine_impl.h"
#include <stdio.h>
#include <string.h>

#ifdef SETSUNA_HAVE_ONNXRUNTIME

#include <dlfcn.h>
#include <onnxruntime_c_api.h>

typedef struct ort_model {
    sn_model base; /* first */
    void *library;
    const OrtApi *api;
    OrtEnv *env;
    OrtSession *session;
    OrtMemoryInfo *memory;
    OrtAllocator *names;
    char **name;          /* inputs, then outputs; from `names` */
    const char ***symbol; /* per input and output: the names of free dims, or NULL */
    sn_io *io;
    sn_arena *arena;
} ort_model;

typedef struct ort_session {
    sn_session base; /* first */
    OrtValue **in, **out;
} ort_session;

/* Turns an OrtStatus into ours and frees it. */
static setsuna_status ort_check(const OrtApi *api, OrtStatus *s, setsuna_status code, const char *what,
                                setsuna_error *err)
{
    if (!s)
        return SETSUNA_OK;
    sn_fail(err, code, what, "ONNX Runtime: %s", api->GetErrorMessage(s));
    api->ReleaseStatus(s);
    return code;
}

#define ORT_TRY(m, call, code, what) SN_TRY(ort_check((m)->api, (m)->api->call, code, what, err))

static setsuna_status ort_load(ort_model *m, const sn_model_options *o, setsuna_error *err)
{
    const char *names[] = {o->onnxruntime_library,
#ifdef SETSUNA_ONNXRUNTIME_LIBRARY
                           SETSUNA_ONNXRUNTIME_LIBRARY,
#endif
                           "libonnxruntime.so.1", "libonnxruntime.so"};
    size_t n = o->onnxruntime_library ? 1 : sizeof names / sizeof names[0];
    const char *why = NULL;
    for (size_t i = 0; i < n && !m->library; i++)
        if (names[i]) {
            m->library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
            if (!m->library && !why)
                why = dlerror();
        }
    if (!m->library)
        return sn_fail(err, SETSUNA_ENOTFOUND, "ONNX Runtime",
                       "its shared library could not be loaded (%s); install it with scripts/deps --with-onnxruntime, "
                       "or name it with --onnxruntime PATH",
                       why ? why : "not found");
    const OrtApiBase *(*base)(void);
    void *symbol = dlsym(m->library, "OrtGetApiBase");
    memcpy(&base, &symbol, sizeof base); /* a data pointer holds a function on every POSIX system */
    m->api = base ? base()->GetApi(ORT_API_VERSION) : NULL;
    if (!m->api)
        return sn_fail(err, SETSUNA_EUNSUPPORTED, "ONNX Runtime", "the library is older than API version %d",
                       ORT_API_VERSION);
    snprintf(m->base.engine, sizeof m->base.engine, "onnxruntime %.32s", base()->GetVersionString());
    return SETSUNA_OK;
}

static setsuna_status ort_create(ort_model *m, const char *path, const void *data, size_t size,
                                 const sn_model_options *o, setsuna_error *err)
{
    OrtSessionOptions *so;
    ORT_TRY(m, CreateEnv(ORT_LOGGING_LEVEL_ERROR, "setsuna", &m->env), SETSUNA_EIO, NULL);
    ORT_TRY(m, CreateSessionOptions(&so), SETSUNA_ENOMEM, NULL);
    OrtStatus *s = m->api->SetIntraOpNumThreads(so, (int)o->n_threads);
    if (!s)
        s = m->api->SetInterOpNumThreads(so, 1);
    if (!s)
        s = m->api->SetSessionGraphOptimizationLevel(so, ORT_ENABLE_ALL);
    if (!s)
        s = path ? m->api->CreateSession(m->env, path, so, &m->session)
                 : m->api->CreateSessionFromArray(m->env, data, size, so, &m->session);
    m->api->ReleaseSessionOptions(so);
    SN_TRY(ort_check(m->api, s, SETSUNA_EMODEL, path, err));
    ORT_TRY(m, CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &m->memory), SETSUNA_ENOMEM, NULL);
    ORT_TRY(m, GetAllocatorWithDefaultOptions(&m->names), SETSUNA_ENOMEM, NULL);
    return SETSUNA_OK;
}

static setsuna_status ort_shape(const OrtApi *api, const OrtTensorTypeAndShapeInfo *info, setsuna_dtype *dtype,
                                setsuna_shape *shape, const char *what, setsuna_error *err)
{
    enum ONNXTensorElementDataType type;
    size_t rank;
    SN_TRY(ort_check(api, api->GetTensorElementType(info, &type), SETSUNA_EUNSUPPORTED, what, err));
    SN_TRY(ort_check(api, api->GetDimensionsCount(info, &rank), SETSUNA_EUNSUPPORTED, what, err));
    if (rank > SETSUNA_RANK_MAX)
        return sn_fail(err, SETSUNA_ELIMIT, what, "rank %zu is above %d", rank, SETSUNA_RANK_MAX);
    *dtype = (setsuna_dtype)type; /* both number types as TensorProto.DataType does */
    shape->rank = (int32_t)rank;
    return ort_check(api, api->GetDimensions(info, shape->dim, rank), SETSUNA_EUNSUPPORTED, what, err);
}

static setsuna_status ort_describe(ort_model *m, OrtTypeInfo *type, uint32_t i, setsuna_error *err)
{
    const OrtTensorTypeAndShapeInfo *info = NULL;
    sn_io *io = &m->io[i];
    io->name = m->name[i];
    ORT_TRY(m, CastTypeInfoToTensorInfo(type, &info), SETSUNA_EUNSUPPORTED, io->name);
    if (!info)
        return sn_fail(err, SETSUNA_EUNSUPPORTED, io->name, "it is not a tensor");
    SN_TRY(ort_shape(m->api, info, &io->dtype, &io->shape, io->name, err));
    io->has_shape = true;
    const char *symbols[SETSUNA_RANK_MAX] = {0};
    ORT_TRY(m, GetSymbolicDimensions(info, symbols, (size_t)io->shape.rank), SETSUNA_EUNSUPPORTED, io->name);
    const char **copy = sn_arena_array(m->arena, SETSUNA_RANK_MAX, sizeof *copy);
    for (int d = 0; copy && d < io->shape.rank; d++)
        copy[d] = symbols[d] && symbols[d][0] ? sn_arena_strndup(m->arena, symbols[d], strlen(symbols[d])) : NULL;
    io->sym = copy;
    return copy ? SETSUNA_OK : SETSUNA_ENOMEM;
}

static setsuna_status ort_signature(ort_model *m, setsuna_error *err)
{
    size_t n_in, n_out;
    ORT_TRY(m, SessionGetInputCount(m->session, &n_in), SETSUNA_EMODEL, NULL);
    ORT_TRY(m, SessionGetOutputCount(m->session, &n_out), SETSUNA_EMODEL, NULL);
    m->io = sn_arena_array(m->arena, n_in + n_out, sizeof *m->io);
    m->name = sn_arena_array(m->arena, n_in + n_out, sizeof *m->name);
    if (!m->io || !m->name)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    m->base.n_input = (uint32_t)n_in;
    m->base.n_output = (uint32_t)n_out;
    m->base.input = m->io;
    m->base.output = m->io + n_in;
    for (uint32_t i = 0; i < n_in + n_out; i++) {
        OrtTypeInfo *type;
        size_t k = i < n_in ? i : i - n_in;
        if (i < n_in) {
            ORT_TRY(m, SessionGetInputName(m->session, k, m->names, &m->name[i]), SETSUNA_EMODEL, NULL);
            ORT_TRY(m, SessionGetInputTypeInfo(m->session, k, &type), SETSUNA_EMODEL, NULL);
        } else {
            ORT_TRY(m, SessionGetOutputName(m->session, k, m->names, &m->name[i]), SETSUNA_EMODEL, NULL);
            ORT_TRY(m, SessionGetOutputTypeInfo(m->session, k, &type), SETSUNA_EMODEL, NULL);
        }
        setsuna_status status = ort_describe(m, type, i, err);
        m->api->ReleaseTypeInfo(type);
        SN_TRY(status);
    }
    return SETSUNA_OK;
}

static void ort_close(sn_model *model)
{
    ort_model *m = (ort_model *)model;
    const sn_allocator *a = m->base.allocator;
    for (uint32_t i = 0; m->name && i < m->base.n_input + m->base.n_output; i++)
        if (m->name[i])
            m->names->Free(m->names, m->name[i]);
    if (m->api && m->memory)
        m->api->ReleaseMemoryInfo(m->memory);
    if (m->api && m->session)
        m->api->ReleaseSession(m->session);
    if (m->api && m->env)
        m->api->ReleaseEnv(m->env);
    /* The library stays loaded: it starts threads and registers handlers that do not survive dlclose. */
    sn_arena_destroy(m->arena);
    sn_free(a, m);
}

static setsuna_status ort_open_into(ort_model *m, const char *path, const void *data, size_t size,
                                    const sn_model_options *o, setsuna_error *err)
{
    m->arena = sn_arena_create(o->allocator);
    if (!m->arena)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    SN_TRY(ort_load(m, o, err));
    SN_TRY(ort_create(m, path, data, size, o, err));
    return ort_signature(m, err);
}

static setsuna_status ort_open(const char *path, const void *data, size_t size, const sn_model_options *o,
                               sn_model **out, setsuna_error *err)
{
    ort_model *m = sn_alloc_zero(o->allocator, sizeof *m);
    if (!m)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    m->base.allocator = o->allocator;
    setsuna_status status = ort_open_into(m, path, data, size, o, err);
    if (status != SETSUNA_OK) {
        ort_close(&m->base);
        return status;
    }
    *out = &m->base;
    return SETSUNA_OK;
}

static void ort_release_values(ort_session *s)
{
    const ort_model *m = (const ort_model *)s->base.model;
    for (uint32_t i = 0; s->in && i < m->base.n_input; i++)
        if (s->in[i]) {
            m->api->ReleaseValue(s->in[i]);
            s->in[i] = NULL;
        }
    for (uint32_t i = 0; s->out && i < m->base.n_output; i++)
        if (s->out[i]) {
            m->api->ReleaseValue(s->out[i]);
            s->out[i] = NULL;
        }
}

static void ort_session_destroy(sn_session *session)
{
    ort_session *s = (ort_session *)session;
    const sn_allocator *a = s->base.model->allocator;
    ort_release_values(s);
    sn_free(a, s->in);
    sn_free(a, s->out);
    sn_free(a, s);
}

static setsuna_status ort_session_create(sn_model *model, sn_session **out, setsuna_error *err)
{
    ort_session *s = sn_alloc_zero(model->allocator, sizeof *s);
    if (!s)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    s->base.model = model;
    s->in = sn_alloc_zero(model->allocator, (model->n_input + 1) * sizeof(OrtValue *));
    s->out = sn_alloc_zero(model->allocator, (model->n_output + 1) * sizeof(OrtValue *));
    if (!s->in || !s->out) {
        ort_session_destroy(&s->base);
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    }
    *out = &s->base;
    return SETSUNA_OK;
}

/* ONNX Runtime plans by itself on its first run. */
static setsuna_status ort_prepare(sn_session *s, const setsuna_tensor *inputs, setsuna_error *err)
{
    (void)s;
    (void)inputs;
    (void)err;
    return SETSUNA_OK;
}

static setsuna_status ort_output(const ort_model *m, OrtValue *value, const char *name, setsuna_tensor *t,
                                 setsuna_error *err)
{
    OrtTensorTypeAndShapeInfo *info;
    ORT_TRY(m, GetTensorTypeAndShape(value, &info), SETSUNA_EUNSUPPORTED, name);
    setsuna_status status = ort_shape(m->api, info, &t->dtype, &t->shape, name, err);
    m->api->ReleaseTensorTypeAndShapeInfo(info);
    SN_TRY(status);
    ORT_TRY(m, GetTensorMutableData(value, &t->data), SETSUNA_EUNSUPPORTED, name);
    t->size_bytes = setsuna_dtype_size(t->dtype);
    for (int d = 0; d < t->shape.rank; d++)
        t->size_bytes *= (size_t)t->shape.dim[d];
    return SETSUNA_OK;
}

static setsuna_status ort_run(sn_session *session, const setsuna_tensor *inputs, setsuna_tensor *outputs,
                              setsuna_error *err)
{
    ort_session *s = (ort_session *)session;
    ort_model *m = (ort_model *)session->model;
    ort_release_values(s);
    for (uint32_t i = 0; i < m->base.n_input; i++)
        ORT_TRY(m,
                CreateTensorWithDataAsOrtValue(m->memory, inputs[i].data, inputs[i].size_bytes, inputs[i].shape.dim,
                                               (size_t)inputs[i].shape.rank,
                                               (enum ONNXTensorElementDataType)inputs[i].dtype, &s->in[i]),
                SETSUNA_EINVAL, m->io[i].name);
    ORT_TRY(m,
            Run(m->session, NULL, (const char *const *)m->name, (const OrtValue *const *)s->in, m->base.n_input,
                (const char *const *)(m->name + m->base.n_input), m->base.n_output, s->out),
            SETSUNA_EINPUT, NULL);
    for (uint32_t i = 0; i < m->base.n_output; i++)
        SN_TRY(ort_output(m, s->out[i], m->base.output[i].name, &outputs[i], err));
    return SETSUNA_OK;
}

static const char *ort_metadata(const sn_model *model, const char *key)
{
    (void)model;
    (void)key;
    return NULL;
}

const sn_engine_ops sn_engine_onnxruntime = {
    .name = "onnxruntime",
    .open = ort_open,
    .close = ort_close,
    .session_create = ort_session_create,
    .session_destroy = ort_session_destroy,
    .prepare = ort_prepare,
    .run = ort_run,
    .metadata = ort_metadata,
};

#else

static setsuna_status ort_open(const char *path, const void *data, size_t size, const sn_model_options *o,
                               sn_model **out, setsuna_error *err)
{
    (void)path;
    (void)data;
    (void)size;
    (void)o;
    (void)out;
    return sn_fail(err, SETSUNA_EUNSUPPORTED, "ONNX Runtime",
                   "this build has no ONNX Runtime engine, because its C header was not there; run "
                   "scripts/deps --with-onnxruntime and build again");
}

const sn_engine_ops sn_engine_onnxruntime = {.name = "onnxruntime", .open = ort_open};

#endif
