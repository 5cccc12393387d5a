/* Importing models in tests, and finding things in the graphs that come out. */
#ifndef SN_TESTS_IMPORT_CHECK_H
#define SN_TESTS_IMPORT_CHECK_H

#include "import/onnx/onnx.h"
#include "onnx_write.h"
#include "unit/unit.h"

typedef struct imported {
    pb_write bytes;
    setsuna_status status;
    setsuna_error err;
    sn_onnx_model *model; /* NULL when it failed */
    const sn_graph *g;
} imported;

/* Takes model. options may be NULL. */
static inline imported import_model(pb_write model, const sn_onnx_options *options)
{
    imported m = {.bytes = pb_exact(model)};
    m.status = sn_onnx_parse(m.bytes.data, m.bytes.size, options, &m.model, &m.err);
    m.g = m.model ? m.model->graph : NULL;
    return m;
}

static inline imported import_ok(pb_write model)
{
    imported m = import_model(model, NULL);
    if (m.status != SETSUNA_OK)
        fail_msg("%s: %s", m.err.where, m.err.text);
    return m;
}

static inline void import_drop(imported *m)
{
    sn_onnx_destroy(m->model);
    free(m->bytes.data);
}

/* where and text: parts of the error's; "" is in every one. */
static inline void import_fails_with(pb_write model, const sn_onnx_options *options, setsuna_status status,
                                     const char *where, const char *text)
{
    imported m = import_model(model, options);
    if (m.status != status || !strstr(m.err.text, text) || !strstr(m.err.where, where))
        fail_msg("%s %s: %s; not %s %s: %s", setsuna_status_name(m.status), m.err.where, m.err.text,
                 setsuna_status_name(status), where, text);
    assert_null(m.model);
    assert_int_equal(m.err.status, status);
    import_drop(&m);
}

static inline void import_fails(pb_write model, setsuna_status status, const char *where, const char *text)
{
    import_fails_with(model, NULL, status, where, text);
}

static inline uint32_t value_of(const sn_graph *g, const char *name)
{
    for (uint32_t v = 0; v < g->n_value; v++)
        if (strcmp(g->value[v].name, name) == 0)
            return v;
    fail_msg("no value '%s'", name);
    return SN_NONE;
}

static inline const sn_node *node_of(const sn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->n_node; i++)
        if (strcmp(g->node[i].name, name) == 0)
            return &g->node[i];
    fail_msg("no node '%s'", name);
    return NULL;
}

static inline const char *name_in(const sn_graph *g, const sn_node *n, uint32_t i)
{
    assert_true(i < n->n_in);
    return n->in[i] == SN_NONE ? "" : g->value[n->in[i]].name;
}

static inline const char *name_out(const sn_graph *g, const sn_node *n, uint32_t i)
{
    assert_true(i < n->n_out);
    return n->out[i] == SN_NONE ? "" : g->value[n->out[i]].name;
}

#endif
