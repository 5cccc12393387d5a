/* What an engine implements. Inside engine/ only. */
#ifndef SN_ENGINE_IMPL_H
#define SN_ENGINE_IMPL_H

#include "engine/engine.h"

typedef struct sn_engine_ops {
    const char *name; /* as in sn_model_options.engine */
    /* path is NULL for models given as bytes. The new model's fields below are filled. */
    setsuna_status (*open)(const char *path, const void *data, size_t size, const sn_model_options *o, sn_model **out,
                           setsuna_error *err);
    void (*close)(sn_model *m);
    setsuna_status (*session_create)(sn_model *m, sn_session **out, setsuna_error *err);
    void (*session_destroy)(sn_session *s);
    setsuna_status (*prepare)(sn_session *s, const setsuna_tensor *inputs, setsuna_error *err);
    setsuna_status (*run)(sn_session *s, const setsuna_tensor *inputs, setsuna_tensor *outputs, setsuna_error *err);
    const char *(*metadata)(const sn_model *m, const char *key);
} sn_engine_ops;

/* First member of each engine's own model and session. */
struct sn_model {
    const sn_engine_ops *ops;
    const sn_allocator *allocator;
    char engine[64];
    char note[512];
    uint32_t n_input, n_output;
    sn_io *input, *output; /* owned by the engine */
};

struct sn_session {
    sn_model *model;
    uint64_t execute_ns;
};

extern const sn_engine_ops sn_engine_native;
extern const sn_engine_ops sn_engine_onnxruntime;

enum { SN_ENGINE_MEMORY_LIMIT_DEFAULT_GIB = 8 };

#endif
