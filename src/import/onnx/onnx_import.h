/* What the files of the ONNX importer share: the state of one import, and the messages that more than one reads. */
#ifndef SN_IMPORT_ONNX_ONNX_IMPORT_H
#define SN_IMPORT_ONNX_ONNX_IMPORT_H

#include "import/onnx/onnx.h"
#include "import/onnx/onnx_names.h"
#include "wire/protobuf.h"

/* A name in an error text: "%.*s", SN_ONNX_TEXT(bytes). Longer ones are cut. */
#define SN_ONNX_TEXT(b) (int)((b).size < 200 ? (b).size : 200), (const char *)(b).data

/* ---- tensors (onnx_tensor.c) ----------------------------------------------------------------------- */

typedef enum sn_onnx_place {
    SN_ONNX_IN_FILE,  /* the tensor's data lies in the model's bytes */
    SN_ONNX_IN_ARENA, /* it was converted */
    SN_ONNX_EXTERNAL  /* it is in another file: data is NULL until sn_onnx_external_load */
} sn_onnx_place;

typedef struct sn_onnx_tensor {
    sn_pb_bytes message, name;
    setsuna_tensor t;
    sn_onnx_place place;
    sn_pb_bytes location; /* SN_ONNX_EXTERNAL */
    uint64_t offset;
    bool has_length;
    uint64_t length;
} sn_onnx_tensor;

/* Reads a TensorProto. Conversions go to arena. Returns OK, EMODEL, EUNSUPPORTED, ELIMIT, ENOMEM. */
setsuna_status sn_onnx_tensor_read(sn_pb_bytes message, sn_arena *arena, sn_onnx_tensor *out, setsuna_error *err);

/* ---- types (onnx_type.c) --------------------------------------------------------------------------- */

typedef struct sn_onnx_type {
    bool is_tensor; /* false: sequence, map, optional, sparse, opaque; `what` says which */
    const char *what;
    int32_t elem; /* as in the file: may be a type that setsuna_dtype lacks */
    setsuna_dtype dtype;
    bool has_shape;
    setsuna_shape shape;
    const char *const *sym;
} sn_onnx_type;

/* Reads a ValueInfoProto: its name, and its type when it has one (otherwise a tensor of unknown type and shape).
 * Symbolic names go to arena. Returns OK, EMODEL, ELIMIT (rank), ENOMEM. */
setsuna_status sn_onnx_value_info_read(sn_pb_bytes message, sn_arena *arena, sn_pb_bytes *name_out, sn_onnx_type *out,
                                       setsuna_error *err);

/* ---- one import ------------------------------------------------------------------------------------ */

typedef struct sn_onnx_function {
    sn_pb_bytes message, name, domain;
    const sn_onnx_opset *opset; /* its own imports */
    size_t n_opset;
} sn_onnx_function;

/* Part of the model's file that was not loaded. */
typedef struct sn_onnx_hole {
    size_t offset, size;
} sn_onnx_hole;

typedef struct sn_onnx_external {
    sn_const *cst;
    const char *location;
    uint64_t offset;
    bool in_place; /* its bytes must be loaded */
    uint32_t file; /* index into model->external, set by sn_onnx_external_load */
} sn_onnx_external;

typedef struct sn_onnx_import {
    const sn_allocator *allocator;
    const char *dir;
    size_t limit_bytes;
    sn_onnx_model *model;
    sn_arena *arena;    /* the model's */
    sn_lazy_file *file; /* NULL: the model was given as bytes */
    const uint8_t *data;
    size_t size;
    sn_onnx_hole *hole; /* Owns (allocator). In the order of the file */
    size_t n_hole, cap_hole;
    uint64_t secret;            /* seeds tables of names */
    const sn_onnx_opset *opset; /* the model's imports */
    size_t n_opset;
    sn_onnx_function *function; /* Owns (allocator) */
    size_t n_function, cap_function;
    sn_onnx_names function_by_name; /* sn_onnx_function_key -> index */
    sn_onnx_external *external;     /* Owns (allocator) */
    size_t n_external, cap_external;
    size_t n_node, n_value, inlined_bytes; /* work done so far, against the limits */
    setsuna_error *err;
} sn_onnx_import;

/* The sum of everything kept so far is within limit_bytes. */
setsuna_status sn_onnx_check_memory(const sn_onnx_import *im);

/* A name as a C string in the arena. Returns OK, EMODEL (contains NUL), ELIMIT (too long), ENOMEM. what: "value". */
setsuna_status sn_onnx_name_copy(const sn_onnx_import *im, const char *what, sn_pb_bytes name, const char **out);

/* domain "ai.onnx" is "". */
sn_pb_bytes sn_onnx_domain(sn_pb_bytes domain);

/* One key for a function's three names. false: one of them is too long. */
enum { SN_ONNX_FUNCTION_KEY_MAX = 3 * (SN_NAME_MAX + 1) };
bool sn_onnx_function_key(sn_pb_bytes domain, sn_pb_bytes name, sn_pb_bytes overload, uint8_t *key, size_t *len_out);

/* The function that a node of this domain, operator and overload calls; NULL: none. */
const sn_onnx_function *sn_onnx_function_find(const sn_onnx_import *im, sn_pb_bytes domain, sn_pb_bytes name,
                                              sn_pb_bytes overload);

/* Refuses a model whose functions, all calls inlined, are beyond the limits, in a time that grows with the file and not
 * with what it asks for (onnx_inline.c). Returns OK, ELIMIT, ENOMEM. */
setsuna_status sn_onnx_inline_check(const sn_onnx_import *im, sn_pb_bytes graph);

/* A sn_const for a tensor that was read: uid, file, and its place in the list of external data. in_place: its bytes
 * are loaded, should they be a hole. Returns OK, EUNSUPPORTED (external data without a folder), EIO, ELIMIT, ENOMEM. */
setsuna_status sn_onnx_const_make(sn_onnx_import *im, const sn_onnx_tensor *t, bool in_place, const sn_const **out);

/* Loads im->file but for the contents of large tensors (onnx_holes.c). A malformed file is loaded whole.
 * Returns OK, EIO, ENOMEM. */
setsuna_status sn_onnx_holes_find(sn_onnx_import *im);

/* A hole begins at data. */
bool sn_onnx_is_hole(const sn_onnx_import *im, const void *data);

/* Opens the files of all external constants, points the constants into them, and loads the small ones
 * (onnx_external.c). */
setsuna_status sn_onnx_external_load(sn_onnx_import *im);

/* ---- attributes (onnx_attr.c) ---------------------------------------------------------------------- */

/* An AttributeProto's head; the value is still in the message. */
typedef struct sn_onnx_attr_view {
    sn_pb_bytes name, reference; /* reference: ref_attr_name, in function bodies */
    sn_pb_bytes message;         /* where the value is: the caller's attribute once a reference is resolved */
    int32_t type;                /* AttributeProto.AttributeType; inferred where the file has none; 0 no value */
    sn_pb_bytes graph;           /* type GRAPH */
} sn_onnx_attr_view;

enum { SN_ONNX_ATTR_GRAPH = 5 };

setsuna_status sn_onnx_attr_view_read(sn_pb_bytes message, sn_onnx_attr_view *out, setsuna_error *err);

/* The value into *out (name excepted). A graph is left to the caller: out->g is NULL. in_place: see
 * sn_onnx_const_make. Returns OK, EMODEL, EUNSUPPORTED, EIO, ELIMIT, ENOMEM. */
setsuna_status sn_onnx_attr_read(sn_onnx_import *im, const sn_onnx_attr_view *view, bool in_place, sn_attr *out);

/* ---- graphs (onnx_graph.c) ------------------------------------------------------------------------- */

/* Builds the model's graph from its GraphProto; functions must be known already. */
setsuna_status sn_onnx_graph_build(sn_onnx_import *im, sn_pb_bytes message, sn_graph **out);

#endif
