/* ONNX: the bytes of a model become a graph. Every untrusted byte of a model is read here, and nowhere else.
 *
 * What comes out is closed and flat: model-local functions are inlined, values that a subgraph reads from outside are
 * inputs of its node and of the subgraph (see graph/graph.h), Constant nodes and initializers are constants. Whether
 * an operator can be run is not asked here: unknown ones are nodes like any other (see sn_op_check).
 *
 * Opsets 1 to 21 of the domain "ai.onnx" (written "" in the graph); other domains keep their names and versions.
 * Source: onnx.proto and IR.md of ONNX 1.16 (IR versions 1 to 10). Where we differ:
 *   - an initializer that is also a graph input is a constant, never an input with a default value;
 *   - nodes may be in any order;
 *   - names of outer values may be made again inside a subgraph, the inner one is meant there.
 */
#ifndef SN_IMPORT_ONNX_ONNX_H
#define SN_IMPORT_ONNX_ONNX_H

#include "base/lazy_file.h"
#include "graph/graph.h"

enum {
    SN_ONNX_OPSET_MAX = 21,
    SN_ONNX_ATTRS_MAX = 128,               /* attributes of one node; the richest standard operator has 20 */
    SN_ONNX_HOLE_BYTES = 64 << 10,         /* larger constants stay in the file, and are not hashed; ... */
    SN_ONNX_HOLE_MATRIX_BYTES = 16 << 10,  /* ... so do, in the model's own file, those with two dims that are not 1 */
    SN_ONNX_INLINED_BYTES_MAX = 256 << 20, /* function bodies, counted once a call */
};

typedef struct sn_onnx_options {
    const sn_allocator *allocator; /* NULL: the default */
    const char *dir;               /* folder of external data files; NULL: models that have some are refused */
    size_t limit_bytes;            /* memory that import may take, external data included; 0: 8 GiB */
} sn_onnx_options;

typedef struct sn_onnx_opset {
    const char *domain; /* "" is ai.onnx */
    int32_t version;
} sn_onnx_opset;

typedef struct sn_onnx_property {
    const char *key, *value;
} sn_onnx_property;

typedef struct sn_onnx_model {
    sn_graph *graph;
    sn_arena *arena; /* Owns. Graphs, names, converted tensors, and this struct's own strings */
    int64_t ir_version, model_version;
    const char *producer_name, *producer_version, *domain; /* "" where the file has none */
    const sn_onnx_opset *opset;
    size_t n_opset;
    const sn_onnx_property *metadata; /* metadata_props in the file's order */
    size_t n_metadata;
    sn_lazy_file *external; /* Owns. External data files that constants point into */
    size_t n_external;
    const sn_allocator *allocator;
} sn_onnx_model;

/* data is borrowed and must outlive the model: constants point into it (misaligned, see sn_const). options may be NULL.
 *
 * uid of constants: a hash of type, shape and contents, or, of large ones and of those that stay in the file, of type,
 * shape and place in the model (they are not read).
 * String tensors: data is an array of sn_text, size_bytes its size.
 *
 * Returns OK, EMODEL, EUNSUPPORTED (opset too new, sparse or 4- and 8-bit float types, inputs that are no tensors),
 * ELIMIT, ENOMEM, and for external data ENOTFOUND and EIO. */
setsuna_status sn_onnx_parse(const uint8_t *data, size_t size, const sn_onnx_options *options, sn_onnx_model **out,
                             setsuna_error *err);

/* As sn_onnx_parse, of a file of which nothing is loaded yet. file is borrowed and must outlive the model: constants
 * above 64 KiB of raw data stay in it (sn_const.file). Returns as sn_onnx_parse, and EIO. */
setsuna_status sn_onnx_open(sn_lazy_file *file, const sn_onnx_options *options, sn_onnx_model **out,
                            setsuna_error *err);

void sn_onnx_destroy(sn_onnx_model *model); /* NULL is fine */

/* The value of a metadata property (the first of that key), borrowed from the model; NULL when there is none. */
const char *sn_onnx_metadata(const sn_onnx_model *model, const char *key);

/* A file that holds one TensorProto (test data). The tensor's data is aligned to its element; it lies in `data` where
 * that is aligned already, otherwise in arena. *name_out (may be NULL) lives in arena, "" when the tensor has none.
 * External data is refused. Returns OK, EINPUT, EUNSUPPORTED, ELIMIT, ENOMEM. */
setsuna_status sn_onnx_parse_tensor(const uint8_t *data, size_t size, sn_arena *arena, setsuna_tensor *out,
                                    const char **name_out, setsuna_error *err);

#endif
