/* The native engine: import, plan on demand, execute. */
#include "engine/native.h"
#include "base/lazy_file.h"
#include "base/hash.h"
#include "engine/engine_impl.h"
#include "engine/plan_cache.h"
#include "passes/expand_gradient.h"
#include <stdlib.h>
#include <string.h>

typedef struct native_model {
    sn_model base; /* first */
    sn_lazy_file file;
    sn_onnx_model *onnx;
    sn_plan_env env;
    bool env_ready;
    sn_module *module;
    sn_io *io; /* inputs, then outputs */
    const sn_lazy_file **files;
    sn_plan_cache *cache; /* NULL: none */
} native_model;

typedef struct native_session {
    sn_session base; /* first */
    sn_pool *pool;
    sn_exec *exec;
} native_session;

static setsuna_status native_parse(native_model *m, const char *path, const sn_model_options *o, setsuna_error *err)
{
    char *dir = NULL;
    if (path) {
        const char *slash = strrchr(path, '/');
        dir = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
        if (!dir)
            return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    }
    sn_onnx_options oo = {.allocator = o->allocator, .dir = dir, .limit_bytes = o->memory_limit_bytes};
    setsuna_status status = sn_onnx_open(&m->file, &oo, &m->onnx, err);
    free(dir);
    return status;
}

static void native_io(const sn_graph *g, const uint32_t *v, uint32_t n, sn_io *io)
{
    for (uint32_t i = 0; i < n; i++) {
        const sn_value *x = &g->value[v[i]];
        io[i] = (sn_io){x->name, x->dtype, x->has_shape, x->shape, x->sym};
    }
}

static setsuna_status native_open_cache(native_model *m, const char *path, const sn_model_options *o,
                                        setsuna_error *err)
{
    size_t n = m->onnx->n_external + 1;
    m->files = sn_alloc(o->allocator, n * sizeof *m->files);
    if (!m->files)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    m->files[0] = &m->file;
    for (size_t i = 1; i < n; i++)
        m->files[i] = &m->onnx->external[i - 1];
    /* What decides how weights are packed, besides their own keys (ops/op.h). */
    uint64_t options = sn_hash_u64(sn_hash_u64((uint64_t)o->cpu_level, o->no_winograd), (uint64_t)o->precision);
    sn_plan_cache_of of = {.dir = o->plan_cache,
                           .model_path = path,
                           .options = options,
                           .files = m->files,
                           .n_files = n,
                           .store = m->env.store};
    return sn_plan_cache_open(&of, o->allocator, m->base.note, sizeof m->base.note, &m->cache, err);
}

static setsuna_status native_open_into(native_model *m, const char *path, const void *data, size_t size,
                                       const sn_model_options *o, setsuna_error *err)
{
    SN_TRY(path ? sn_lazy_file_open(path, 0, &m->file, err) : sn_lazy_file_of_bytes(data, size, &m->file, err));
    SN_TRY(native_parse(m, path, o, err));
    sn_graph *g = m->onnx->graph;
    SN_TRY(sn_expand_gradients(g, err));
    SN_TRY(sn_graph_sort(g, err)); /* drops what no output needs, and finds cycles */
    SN_TRY(sn_plan_check(g, NULL, err));
    m->env = (sn_plan_env){.allocator = o->allocator,
                           .cpu = (sn_cpu_level)o->cpu_level,
                           .precision = o->precision,
                           .n_threads = o->n_threads,
                           .no_winograd = o->no_winograd,
                           .memory_limit_bytes = o->memory_limit_bytes,
                           .plan_limit = o->plan_limit,
                           .bind_control = sn_control_bind,
                           .release_control = sn_control_release};
    size_t weights = m->file.size;
    for (size_t i = 0; i < m->onnx->n_external; i++)
        weights += m->onnx->external[i].size;
    m->env.store = sn_pack_store_create(o->allocator, weights);
    m->module = sn_module_create(&m->env, g, NULL);
    m->io = sn_alloc_zero(o->allocator, ((size_t)g->n_input + g->n_output + 1) * sizeof *m->io);
    if (!m->env.store || !m->module || !m->io || pthread_mutex_init(&m->env.lock, NULL) != 0)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    m->env_ready = true;
    native_io(g, g->input, g->n_input, m->io);
    native_io(g, g->output, g->n_output, m->io + g->n_input);
    m->base.n_input = g->n_input;
    m->base.n_output = g->n_output;
    m->base.input = m->io;
    m->base.output = m->io + g->n_input;
    return path && o->plan_cache ? native_open_cache(m, path, o, err) : SETSUNA_OK;
}

static void native_close(sn_model *model)
{
    native_model *m = (native_model *)model;
    const sn_allocator *a = m->base.allocator;
    sn_module_destroy(m->module);
    if (m->cache) /* for what was planned without being prepared */
        sn_plan_cache_save(m->cache, m->base.note, sizeof m->base.note);
    sn_plan_cache_close(m->cache);
    sn_pack_store_destroy(m->env.store);
    if (m->env_ready)
        pthread_mutex_destroy(&m->env.lock);
    sn_onnx_destroy(m->onnx);
    sn_lazy_file_fini(&m->file);
    sn_free(a, m->io);
    sn_free(a, m->files);
    sn_free(a, m);
}

/* Every message about a model begins with its file: "FILE" or "FILE: node ...". */
static setsuna_status native_fail_at(setsuna_error *err, setsuna_status status, const char *path)
{
    const char *file = path ? path : "model";
    if (err && strncmp(err->where, file, strlen(file)) != 0) {
        char inner[sizeof err->where];
        memcpy(inner, err->where, sizeof inner);
        err->where[0] = '\0';
        if (inner[0])
            sn_fail_at(err, status, "%.120s: %s", file, inner);
        else
            sn_fail_at(err, status, "%s", file);
    }
    return status;
}

static setsuna_status native_open(const char *path, const void *data, size_t size, const sn_model_options *o,
                                  sn_model **out, setsuna_error *err)
{
    if (!sn_precision_supported(o->precision, (sn_cpu_level)o->cpu_level))
        return sn_fail(err, SETSUNA_EUNSUPPORTED, "precision",
                       "level %s has no %s arithmetic; use f32, a CPU with AVX512_BF16, or level ref, which emulates "
                       "it slowly",
                       sn_cpu_level_name((sn_cpu_level)o->cpu_level), sn_precision_name(o->precision));
    native_model *m = sn_alloc_zero(o->allocator, sizeof *m);
    if (!m)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    m->base.allocator = o->allocator;
    m->file.fd = -1;
    strcpy(m->base.engine, "native");
    setsuna_status status = native_open_into(m, path, data, size, o, err);
    if (status != SETSUNA_OK) {
        native_close(&m->base);
        return native_fail_at(err, status, path);
    }
    *out = &m->base;
    return SETSUNA_OK;
}

static void native_session_destroy(sn_session *session)
{
    native_session *s = (native_session *)session;
    sn_exec_destroy(s->exec);
    sn_pool_destroy(s->pool);
    sn_free(s->base.model->allocator, s);
}

static setsuna_status native_session_create(sn_model *model, sn_session **out, setsuna_error *err)
{
    native_model *m = (native_model *)model;
    native_session *s = sn_alloc_zero(model->allocator, sizeof *s);
    if (!s)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    s->base.model = model;
    setsuna_status status = sn_pool_create(model->allocator, m->env.n_threads, &s->pool);
    if (status == SETSUNA_OK)
        status = sn_exec_create(&m->env, m->module, s->pool, &s->exec);
    if (status != SETSUNA_OK) {
        native_session_destroy(&s->base);
        return sn_fail(err, status, NULL, "cannot start a session: %s", setsuna_status_text(status));
    }
    *out = &s->base;
    return SETSUNA_OK;
}

static setsuna_status native_prepare(sn_session *session, const setsuna_tensor *inputs, setsuna_error *err)
{
    native_model *m = (native_model *)session->model;
    SN_TRY(sn_exec_prepare(((native_session *)session)->exec, inputs, err));
    if (m->cache) {
        pthread_mutex_lock(&m->env.lock); /* other sessions */
        sn_plan_cache_save(m->cache, m->base.note, sizeof m->base.note);
        pthread_mutex_unlock(&m->env.lock);
    }
    return SETSUNA_OK;
}

static setsuna_status native_run(sn_session *session, const setsuna_tensor *inputs, setsuna_tensor *outputs,
                                 setsuna_error *err)
{
    return sn_exec_run(((native_session *)session)->exec, inputs, outputs, err);
}

static const char *native_metadata(const sn_model *model, const char *key)
{
    return sn_onnx_metadata(((const native_model *)model)->onnx, key);
}

const sn_engine_ops sn_engine_native = {
    .name = "native",
    .open = native_open,
    .close = native_close,
    .session_create = native_session_create,
    .session_destroy = native_session_destroy,
    .prepare = native_prepare,
    .run = native_run,
    .metadata = native_metadata,
};

const sn_onnx_model *sn_native_onnx(const sn_model *model)
{
    return model->ops == &sn_engine_native ? ((const native_model *)model)->onnx : NULL;
}

sn_exec *sn_native_exec(sn_session *session)
{
    return session->model->ops == &sn_engine_native ? ((native_session *)session)->exec : NULL;
}

sn_plan_env *sn_native_env(sn_model *model)
{
    return model->ops == &sn_engine_native ? &((native_model *)model)->env : NULL;
}
