/* Drives any bytes through everything that reads a model: import, checks, planning, and one run on made-up inputs. For
 * fuzzing and for exhaustive mutation; what it looks for is a crash, not an answer. */
#ifndef SN_TESTS_ONNX_DRIVE_H
#define SN_TESTS_ONNX_DRIVE_H

#include "engine/engine.h"
#include "import/onnx/onnx.h"
#include <stdlib.h>
#include <string.h>

enum {
    DRIVE_MEMORY_BYTES = 8 << 20,
    DRIVE_INPUTS_MAX = 32,
    DRIVE_INPUT_BYTES_MAX = 64 << 10, /* larger inputs would only take time */
    DRIVE_DYNAMIC_DIM = 2
};

/* A Loop may run as long as its trip count says, which is no bug but no use here either. */
static inline bool drive_may_run_long(const sn_graph *g)
{
    const sn_graph *stack[1024];
    size_t n = 0;
    stack[n++] = g;
    while (n) {
        const sn_graph *top = stack[--n];
        for (size_t i = 0; i < top->n_node; i++) {
            if (strcmp(top->node[i].op, "Loop") == 0)
                return true;
            for (uint32_t k = 0; k < top->node[i].n_attr; k++)
                if (top->node[i].attr[k].kind == SN_ATTR_GRAPH) {
                    if (n == sizeof stack / sizeof stack[0])
                        return true;
                    stack[n++] = top->node[i].attr[k].g;
                }
        }
    }
    return false;
}

/* Inputs as the model declares them, unknown dims being 2 and unknown ranks 2, filled with 0, 1, 2, 3, 0, ...
 * false: too large, or not of a type that has data. The caller frees t[i].data either way. */
static inline bool drive_make_inputs(const sn_model *model, setsuna_tensor *t, uint32_t *n_out)
{
    uint32_t n = sn_model_inputs(model);
    *n_out = 0;
    if (n > DRIVE_INPUTS_MAX)
        return false;
    for (uint32_t i = 0; i < n; i++) {
        const sn_io *io = sn_model_input(model, i);
        int64_t numel;
        t[i] = (setsuna_tensor){.dtype = io->dtype ? io->dtype : SETSUNA_F32, .shape = io->shape};
        if (!io->has_shape)
            t[i].shape.rank = 2, t[i].shape.dim[0] = t[i].shape.dim[1] = -1;
        for (int k = 0; k < t[i].shape.rank; k++)
            if (t[i].shape.dim[k] < 0)
                t[i].shape.dim[k] = DRIVE_DYNAMIC_DIM;
        if (!sn_tensor_bytes(t[i].dtype, &t[i].shape, &t[i].size_bytes) || !sn_shape_numel(&t[i].shape, &numel) ||
            t[i].size_bytes > DRIVE_INPUT_BYTES_MAX)
            return false;
        uint8_t *data = calloc(t[i].size_bytes + 1, 1);
        if (!data)
            return false;
        size_t elem = setsuna_dtype_size(t[i].dtype);
        for (int64_t e = 0; e < numel; e++) { /* small integers in any type: valid as data, indices, counts */
            float f = (float)(e % 4);
            if (t[i].dtype == SETSUNA_F32)
                memcpy(data + (size_t)e * elem, &f, elem);
            else
                data[(size_t)e * elem] = (uint8_t)(t[i].dtype == SETSUNA_BOOL ? e % 2 : e % 4);
        }
        t[i].data = data;
        *n_out = i + 1;
    }
    return true;
}

/* true: it ran. */
static inline bool drive_run(sn_model *model)
{
    bool ok = false;
    setsuna_tensor in[DRIVE_INPUTS_MAX], *out = calloc(sn_model_outputs(model) + 1, sizeof *out);
    sn_session *session = NULL;
    uint32_t n = 0;
    if (out && drive_make_inputs(model, in, &n) && sn_session_create(model, &session, NULL) == SETSUNA_OK) {
        setsuna_error err;
        (void)sn_session_prepare(session, in, &err);
        ok = sn_session_run(session, in, out, &err) == SETSUNA_OK;
        if (ok) /* again: what the first run left behind must not matter */
            sn_session_run(session, in, out, &err);
        sn_session_destroy(session);
    }
    for (uint32_t i = 0; i < n; i++)
        free(in[i].data);
    free(out);
    return ok;
}

/* How far a model came. */
typedef enum drive_result { DRIVE_REFUSED, DRIVE_IMPORTED, DRIVE_OPENED, DRIVE_RAN } drive_result;

/* data must be a heap block of exactly size bytes for a sanitizer to see reads past its end. */
static inline drive_result drive_onnx(const uint8_t *data, size_t size, bool run)
{
    sn_onnx_model *imported = NULL;
    sn_onnx_options options = {.limit_bytes = DRIVE_MEMORY_BYTES};
    if (sn_onnx_parse(data, size, &options, &imported, NULL) != SETSUNA_OK)
        return DRIVE_REFUSED;
    run = run && !drive_may_run_long(imported->graph);
    sn_onnx_destroy(imported);
    sn_model *model = NULL;
    sn_model_options engine = {.cpu_level = -1, .n_threads = 1, .memory_limit_bytes = DRIVE_MEMORY_BYTES};
    setsuna_error err;
    if (sn_model_parse(data, size, &engine, &model, &err) != SETSUNA_OK)
        return DRIVE_IMPORTED;
    bool ran = run && drive_run(model);
    sn_model_close(model);
    return ran ? DRIVE_RAN : DRIVE_OPENED;
}

#endif
