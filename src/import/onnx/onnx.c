#include "import/onnx/onnx.h"
#include "base/clock.h"
#include "base/hash.h"
#include "import/onnx/onnx_import.h"
#include <string.h>

/* Fields of ModelProto. */
enum {
    MODEL_IR_VERSION = 1,
    MODEL_PRODUCER_NAME = 2,
    MODEL_PRODUCER_VERSION = 3,
    MODEL_DOMAIN = 4,
    MODEL_VERSION = 5,
    MODEL_GRAPH = 7,
    MODEL_OPSET_IMPORT = 8,
    MODEL_METADATA = 14,
    MODEL_FUNCTION = 25
};

/* Fields of FunctionProto. */
enum { FUNCTION_NAME = 1, FUNCTION_OPSET_IMPORT = 9, FUNCTION_DOMAIN = 10, FUNCTION_OVERLOAD = 13 };

enum { ONNX_OPSETS_MAX = 64 }; /* domains that one model or function imports */

static const size_t onnx_limit_bytes = (size_t)8 << 30;

/* ---- what the other files use ----------------------------------------------------------------------- */

setsuna_status sn_onnx_check_memory(const sn_onnx_import *im)
{
    size_t used = sn_arena_size_bytes(im->arena);
    if (used > im->limit_bytes)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "importing the model takes more than the limit of %zu bytes",
                       im->limit_bytes);
    return SETSUNA_OK;
}

setsuna_status sn_onnx_name_copy(const sn_onnx_import *im, const char *what, sn_pb_bytes name, const char **out)
{
    if (name.size > SN_NAME_MAX)
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "the name of a %s has %zu bytes, more than %d", what, name.size,
                       SN_NAME_MAX);
    if (name.size && memchr(name.data, 0, name.size))
        return sn_fail(im->err, SETSUNA_EMODEL, NULL, "the name of a %s contains a NUL", what);
    *out = name.size ? sn_arena_strndup(im->arena, (const char *)name.data, name.size) : "";
    return *out ? SETSUNA_OK : sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
}

sn_pb_bytes sn_onnx_domain(sn_pb_bytes domain)
{
    if (domain.size == 7 && memcmp(domain.data, "ai.onnx", 7) == 0)
        domain.size = 0;
    return domain;
}

bool sn_onnx_function_key(sn_pb_bytes domain, sn_pb_bytes name, sn_pb_bytes overload, uint8_t *key, size_t *len_out)
{
    const sn_pb_bytes part[] = {domain, name, overload};
    size_t len = 0;
    for (int i = 0; i < 3; i++) {
        if (part[i].size > SN_NAME_MAX)
            return false;
        if (part[i].size)
            memcpy(key + len, part[i].data, part[i].size);
        len += part[i].size;
        key[len++] = 0; /* no name contains a NUL */
    }
    *len_out = len;
    return true;
}

const sn_onnx_function *sn_onnx_function_find(const sn_onnx_import *im, sn_pb_bytes domain, sn_pb_bytes name,
                                              sn_pb_bytes overload)
{
    uint8_t key[SN_ONNX_FUNCTION_KEY_MAX];
    size_t len;
    if (im->n_function == 0 || !sn_onnx_function_key(domain, name, overload, key, &len))
        return NULL;
    const sn_onnx_name *found = sn_onnx_names_find(&im->function_by_name, (sn_pb_bytes){key, len});
    return found ? &im->function[found->value] : NULL;
}

/* The place of a constant too large to be hashed: where its data, or its message, begins. */
static uint64_t onnx_place_hash(const sn_onnx_import *im, const sn_onnx_tensor *t)
{
    uint64_t h = sn_hash_u64((uint64_t)t->t.dtype, (uint64_t)t->t.shape.rank);
    for (int i = 0; i < t->t.shape.rank; i++)
        h = sn_hash_u64(h, (uint64_t)t->t.shape.dim[i]);
    h = sn_hash_u64(h, (uint64_t)t->place);
    if (t->place == SN_ONNX_EXTERNAL)
        return sn_hash_u64(sn_hash_bytes(h, t->location.data, t->location.size), t->offset);
    const uint8_t *at = t->place == SN_ONNX_IN_FILE ? t->t.data : t->message.data;
    return sn_hash_u64(sn_hash_u64(h, im->size), (uint64_t)(at - im->data));
}

/* A larger constant may be a hole of the file that it is in. */
static size_t onnx_small_bytes(const setsuna_shape *s)
{
    int n_wide = 0;
    for (int i = 0; i < s->rank; i++)
        n_wide += s->dim[i] != 1;
    return n_wide > 1 ? SN_ONNX_HOLE_MATRIX_BYTES : SN_ONNX_HOLE_BYTES;
}

setsuna_status sn_onnx_const_make(sn_onnx_import *im, const sn_onnx_tensor *t, bool in_place, const sn_const **out)
{
    sn_const *c = sn_arena_alloc(im->arena, sizeof *c);
    if (!c)
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    c->t = t->t;
    bool hole = t->place == SN_ONNX_IN_FILE && sn_onnx_is_hole(im, t->t.data);
    bool small = t->t.size_bytes <= onnx_small_bytes(&t->t.shape) && t->place != SN_ONNX_EXTERNAL &&
                 t->t.dtype != SETSUNA_STRING;
    c->uid = small ? sn_const_uid(&t->t) : onnx_place_hash(im, t);
    if (hole) {
        if (in_place)
            SN_TRY(sn_lazy_file_load(im->file, (size_t)((uint8_t *)t->t.data - im->data), t->t.size_bytes, im->err));
        else
            c->file = im->file;
    }
    *out = c;
    if (t->place != SN_ONNX_EXTERNAL)
        return sn_onnx_check_memory(im);
    if (!im->dir)
        return sn_fail(im->err, SETSUNA_EUNSUPPORTED, NULL,
                       "tensor '%.*s' is in the file '%.*s', and models given as bytes may not refer to files",
                       SN_ONNX_TEXT(t->name), SN_ONNX_TEXT(t->location));
    sn_onnx_external e = {.cst = c, .offset = t->offset, .in_place = in_place};
    SN_TRY(sn_onnx_name_copy(im, "data file", t->location, &e.location));
    if (!sn_grow(im->allocator, &im->external, &im->cap_external, im->n_external + 1, sizeof e))
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    im->external[im->n_external++] = e;
    return sn_onnx_check_memory(im);
}

/* ---- the model's head -------------------------------------------------------------------------------- */

static setsuna_status onnx_malformed(const sn_onnx_import *im, const char *what)
{
    return sn_fail(im->err, SETSUNA_EMODEL, NULL, "malformed %s", what);
}

/* An OperatorSetIdProto. */
static setsuna_status onnx_read_opset(const sn_onnx_import *im, sn_pb_bytes message, sn_onnx_opset *out)
{
    sn_pb_bytes domain = {NULL, 0};
    uint64_t version = 0;
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        if ((f.number == 1 && f.wire != SN_PB_BYTES) || (f.number == 2 && f.wire != SN_PB_VARINT))
            return onnx_malformed(im, "opset_import");
        if (f.number == 1)
            domain = sn_onnx_domain(f.bytes);
        if (f.number == 2)
            version = f.value;
    }
    if (pb.malformed || version == 0 || version > INT32_MAX)
        return onnx_malformed(im, "opset_import");
    SN_TRY(sn_onnx_name_copy(im, "domain", domain, &out->domain));
    out->version = (int32_t)version;
    if (domain.size == 0 && version > SN_ONNX_OPSET_MAX)
        return sn_fail(
            im->err, SETSUNA_EUNSUPPORTED, NULL,
            "the model uses opset %d, the newest supported is %d; export it at that opset, or convert it with "
            "onnx.version_converter",
            out->version, SN_ONNX_OPSET_MAX);
    return SETSUNA_OK;
}

/* All imports of a model or function, which are the fields `number` of its message. */
static setsuna_status onnx_read_opsets(const sn_onnx_import *im, sn_pb_bytes message, uint32_t number,
                                       const sn_onnx_opset **out, size_t *n_out)
{
    size_t n = 0, i = 0;
    sn_pb_field f;
    for (sn_pb pb = sn_pb_open(message); sn_pb_next(&pb, &f);)
        if (f.number == number) {
            if (f.wire != SN_PB_BYTES)
                return onnx_malformed(im, "opset_import");
            if (++n > ONNX_OPSETS_MAX)
                return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "more than %d opset imports", ONNX_OPSETS_MAX);
        }
    sn_onnx_opset *opset = sn_arena_array(im->arena, n, sizeof *opset);
    if (!opset)
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    for (sn_pb pb = sn_pb_open(message); sn_pb_next(&pb, &f);)
        if (f.number == number)
            SN_TRY(onnx_read_opset(im, f.bytes, &opset[i++]));
    *out = opset;
    *n_out = n;
    return SETSUNA_OK;
}

static setsuna_status onnx_read_function(sn_onnx_import *im, sn_pb_bytes message)
{
    sn_onnx_function fn = {.message = message};
    sn_pb_bytes overload = {NULL, 0};
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        bool is_text = f.number == FUNCTION_NAME || f.number == FUNCTION_DOMAIN || f.number == FUNCTION_OVERLOAD;
        if (is_text && f.wire != SN_PB_BYTES)
            return onnx_malformed(im, "function");
        switch (f.number) {
        case FUNCTION_NAME: fn.name = f.bytes; break;
        case FUNCTION_DOMAIN: fn.domain = sn_onnx_domain(f.bytes); break;
        case FUNCTION_OVERLOAD: overload = f.bytes; break;
        default: break;
        }
    }
    if (pb.malformed || fn.name.size == 0)
        return onnx_malformed(im, "function");
    SN_TRY(onnx_read_opsets(im, message, FUNCTION_OPSET_IMPORT, &fn.opset, &fn.n_opset));
    uint8_t *key = sn_arena_alloc(im->arena, SN_ONNX_FUNCTION_KEY_MAX);
    size_t len;
    if (key && !sn_onnx_function_key(fn.domain, fn.name, overload, key, &len))
        return sn_fail(im->err, SETSUNA_ELIMIT, NULL, "the name of a function is too long");
    if (key && sn_onnx_names_find(&im->function_by_name, (sn_pb_bytes){key, len}))
        return sn_fail(im->err, SETSUNA_EMODEL, NULL, "function '%.*s' is defined twice", SN_ONNX_TEXT(fn.name));
    if (!key || !sn_grow(im->allocator, &im->function, &im->cap_function, im->n_function + 1, sizeof fn) ||
        !sn_onnx_names_add(&im->function_by_name, (sn_pb_bytes){key, len}, (uint32_t)im->n_function))
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    im->function[im->n_function++] = fn;
    return sn_onnx_check_memory(im);
}

/* A StringStringEntryProto. */
static setsuna_status onnx_read_property(const sn_onnx_import *im, sn_pb_bytes message, sn_onnx_property *out)
{
    sn_pb_bytes key = {NULL, 0}, value = {NULL, 0};
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        if ((f.number == 1 || f.number == 2) && f.wire != SN_PB_BYTES)
            return onnx_malformed(im, "metadata");
        if (f.number == 1)
            key = f.bytes;
        if (f.number == 2)
            value = f.bytes;
    }
    if (pb.malformed)
        return onnx_malformed(im, "metadata");
    out->key = sn_arena_strndup(im->arena, key.size ? (const char *)key.data : "", key.size);
    out->value = sn_arena_strndup(im->arena, value.size ? (const char *)value.data : "", value.size);
    return out->key && out->value ? SETSUNA_OK : sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
}

static setsuna_status onnx_read_metadata(sn_onnx_import *im, sn_pb_bytes message)
{
    size_t n = 0, i = 0;
    sn_pb_field f;
    for (sn_pb pb = sn_pb_open(message); sn_pb_next(&pb, &f);)
        n += f.number == MODEL_METADATA;
    sn_onnx_property *p = sn_arena_array(im->arena, n, sizeof *p);
    if (!p)
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    for (sn_pb pb = sn_pb_open(message); sn_pb_next(&pb, &f);) {
        if (f.number != MODEL_METADATA)
            continue;
        if (f.wire != SN_PB_BYTES)
            return onnx_malformed(im, "metadata");
        SN_TRY(onnx_read_property(im, f.bytes, &p[i++]));
        SN_TRY(sn_onnx_check_memory(im));
    }
    im->model->metadata = p;
    im->model->n_metadata = n;
    return SETSUNA_OK;
}

/* Where a string field of the model goes; NULL: it is not one. */
static const char **onnx_text_field(sn_onnx_model *m, uint32_t number)
{
    switch (number) {
    case MODEL_PRODUCER_NAME: return &m->producer_name;
    case MODEL_PRODUCER_VERSION: return &m->producer_version;
    case MODEL_DOMAIN: return &m->domain;
    default: return NULL;
    }
}

/* Everything but the graph, whose place goes to *graph. */
static setsuna_status onnx_read_head(sn_onnx_import *im, sn_pb_bytes message, sn_pb_bytes *graph)
{
    sn_onnx_model *m = im->model;
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    m->producer_name = m->producer_version = m->domain = "";
    while (sn_pb_next(&pb, &f)) {
        const char **text = onnx_text_field(m, f.number);
        bool is_number = f.number == MODEL_IR_VERSION || f.number == MODEL_VERSION;
        bool is_message = f.number == MODEL_GRAPH || f.number == MODEL_FUNCTION;
        if (((text || is_message) && f.wire != SN_PB_BYTES) || (is_number && f.wire != SN_PB_VARINT))
            return onnx_malformed(im, "model: a field has the wrong type");
        if (text)
            SN_TRY(sn_onnx_name_copy(im, "producer or domain", f.bytes, text));
        if (f.number == MODEL_IR_VERSION)
            m->ir_version = (int64_t)f.value;
        if (f.number == MODEL_VERSION)
            m->model_version = (int64_t)f.value;
        if (f.number == MODEL_GRAPH && graph->data)
            return onnx_malformed(im, "model: it has two graphs");
        if (f.number == MODEL_GRAPH)
            *graph = f.bytes;
        if (f.number == MODEL_FUNCTION)
            SN_TRY(onnx_read_function(im, f.bytes));
    }
    if (pb.malformed || m->ir_version < 1 || !graph->data)
        return sn_fail(im->err, SETSUNA_EMODEL, NULL, "not an ONNX model, or a damaged one: %s",
                       pb.malformed ? "the outermost message is malformed" : "it has no IR version or no graph");
    SN_TRY(onnx_read_opsets(im, message, MODEL_OPSET_IMPORT, &m->opset, &m->n_opset));
    if (m->n_opset == 0) { /* IR versions 1 and 2 had no imports */
        static const sn_onnx_opset first = {"", 1};
        m->opset = &first;
        m->n_opset = 1;
    }
    im->opset = m->opset;
    im->n_opset = m->n_opset;
    return onnx_read_metadata(im, message);
}

static setsuna_status onnx_import(sn_onnx_import *im)
{
    sn_pb_bytes message = {im->data, im->size}, graph = {NULL, 0};
    if (im->file)
        SN_TRY(sn_onnx_holes_find(im));
    SN_TRY(onnx_read_head(im, message, &graph));
    SN_TRY(sn_onnx_inline_check(im, graph));
    SN_TRY(sn_onnx_graph_build(im, graph, &im->model->graph));
    return sn_onnx_external_load(im);
}

static setsuna_status onnx_import_all(sn_lazy_file *file, const uint8_t *data, size_t size,
                                      const sn_onnx_options *options, sn_onnx_model **out, setsuna_error *err)
{
    static const sn_onnx_options defaults = {NULL, NULL, 0};
    const sn_onnx_options *o = options ? options : &defaults;
    const sn_allocator *a = o->allocator ? o->allocator : sn_allocator_default();
    sn_onnx_model *m = sn_alloc_zero(a, sizeof *m);
    sn_arena *arena = m ? sn_arena_create(a) : NULL;
    if (!arena) {
        sn_free(a, m);
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "out of memory");
    }
    m->allocator = a;
    m->arena = arena;
    uint64_t secret = sn_hash_u64((uint64_t)(uintptr_t)m, sn_now_ns());
    sn_onnx_import im = {.allocator = a,
                         .dir = o->dir,
                         .limit_bytes = o->limit_bytes ? o->limit_bytes : onnx_limit_bytes,
                         .model = m,
                         .arena = arena,
                         .file = file,
                         .data = data,
                         .size = size,
                         .secret = secret,
                         .function_by_name = sn_onnx_names_init(a, secret),
                         .err = err};
    setsuna_status status = onnx_import(&im);
    sn_onnx_names_fini(&im.function_by_name);
    sn_free(a, im.function);
    sn_free(a, im.external);
    sn_free(a, im.hole);
    if (status != SETSUNA_OK) {
        sn_onnx_destroy(m);
        return status;
    }
    *out = m;
    return SETSUNA_OK;
}

setsuna_status sn_onnx_parse(const uint8_t *data, size_t size, const sn_onnx_options *options, sn_onnx_model **out,
                             setsuna_error *err)
{
    return onnx_import_all(NULL, data, size, options, out, err);
}

setsuna_status sn_onnx_open(sn_lazy_file *file, const sn_onnx_options *options, sn_onnx_model **out, setsuna_error *err)
{
    return onnx_import_all(file->fd >= 0 ? file : NULL, file->data, file->size, options, out, err);
}

void sn_onnx_destroy(sn_onnx_model *model)
{
    if (!model)
        return;
    for (size_t i = 0; i < model->n_external; i++)
        sn_lazy_file_fini(&model->external[i]);
    sn_arena_destroy(model->arena);
    sn_free(model->allocator, model);
}

const char *sn_onnx_metadata(const sn_onnx_model *model, const char *key)
{
    for (size_t i = 0; i < model->n_metadata; i++)
        if (strcmp(model->metadata[i].key, key) == 0)
            return model->metadata[i].value;
    return NULL;
}
