#include "import/onnx/onnx_import.h"
#include <string.h>

/* Fields of TypeProto, which is a oneof, and of the messages in it. */
enum {
    TYPE_TENSOR = 1,
    TYPE_SEQUENCE = 4,
    TYPE_MAP = 5,
    TYPE_OPAQUE = 7,
    TYPE_SPARSE = 8,
    TYPE_OPTIONAL = 9,
    TYPE_TENSOR_ELEM = 1,
    TYPE_TENSOR_SHAPE = 2,
    TYPE_DIM_VALUE = 1,
    TYPE_DIM_PARAM = 2
};

static setsuna_status type_fail(sn_pb_bytes name, setsuna_error *err, setsuna_status status, const char *what)
{
    return sn_fail(err, status, NULL, "the type of value '%.*s': %s", SN_ONNX_TEXT(name), what);
}

/* A dim is a number, a name, or nothing; -1 is what some exporters write for nothing. */
static setsuna_status type_read_dim(sn_pb_bytes message, sn_pb_bytes name, sn_onnx_type *t, const char **sym,
                                    sn_arena *arena, setsuna_error *err)
{
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    int64_t dim = -1;
    while (sn_pb_next(&pb, &f)) {
        if (f.number == TYPE_DIM_VALUE) {
            dim = (int64_t)f.value;
            if (f.wire != SN_PB_VARINT || dim < -1)
                return type_fail(name, err, SETSUNA_EMODEL, "a dimension is negative");
        } else if (f.number == TYPE_DIM_PARAM && f.wire == SN_PB_BYTES && f.bytes.size) {
            if (f.bytes.size > SN_NAME_MAX)
                return type_fail(name, err, SETSUNA_ELIMIT, "the name of a dimension is too long");
            sym[t->shape.rank] = sn_arena_strndup(arena, (const char *)f.bytes.data, f.bytes.size);
            if (!sym[t->shape.rank])
                return type_fail(name, err, SETSUNA_ENOMEM, "out of memory");
            t->sym = sym;
        }
    }
    t->shape.dim[t->shape.rank++] = dim;
    return pb.malformed ? type_fail(name, err, SETSUNA_EMODEL, "malformed dimension") : SETSUNA_OK;
}

static setsuna_status type_read_shape(sn_pb_bytes message, sn_pb_bytes name, sn_onnx_type *t, sn_arena *arena,
                                      setsuna_error *err)
{
    const char **sym = sn_arena_array(arena, SETSUNA_RANK_MAX, sizeof *sym);
    if (!sym)
        return type_fail(name, err, SETSUNA_ENOMEM, "out of memory");
    t->has_shape = true;
    t->shape.rank = 0;
    t->sym = NULL;
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        if (f.number != 1)
            continue;
        if (f.wire != SN_PB_BYTES)
            return type_fail(name, err, SETSUNA_EMODEL, "malformed shape");
        if (t->shape.rank == SETSUNA_RANK_MAX)
            return type_fail(name, err, SETSUNA_ELIMIT, "more than 8 dimensions");
        SN_TRY(type_read_dim(f.bytes, name, t, sym, arena, err));
    }
    return pb.malformed ? type_fail(name, err, SETSUNA_EMODEL, "malformed shape") : SETSUNA_OK;
}

static setsuna_status type_read_tensor(sn_pb_bytes message, sn_pb_bytes name, sn_onnx_type *t, sn_arena *arena,
                                       setsuna_error *err)
{
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        if (f.number == TYPE_TENSOR_ELEM) {
            if (f.wire != SN_PB_VARINT || f.value > INT32_MAX)
                return type_fail(name, err, SETSUNA_EMODEL, "malformed element type");
            t->elem = (int32_t)f.value;
            t->dtype = t->elem <= SETSUNA_BF16 ? (setsuna_dtype)t->elem : SETSUNA_DTYPE_NONE;
        } else if (f.number == TYPE_TENSOR_SHAPE) {
            if (f.wire != SN_PB_BYTES)
                return type_fail(name, err, SETSUNA_EMODEL, "malformed shape");
            SN_TRY(type_read_shape(f.bytes, name, t, arena, err));
        }
    }
    return pb.malformed ? type_fail(name, err, SETSUNA_EMODEL, "malformed") : SETSUNA_OK;
}

static const char *type_other(uint32_t field)
{
    switch (field) {
    case TYPE_SEQUENCE: return "a sequence";
    case TYPE_MAP: return "a map";
    case TYPE_OPAQUE: return "an opaque type";
    case TYPE_SPARSE: return "a sparse tensor";
    case TYPE_OPTIONAL: return "an optional";
    default: return NULL;
    }
}

static setsuna_status type_read(sn_pb_bytes message, sn_pb_bytes name, sn_onnx_type *t, sn_arena *arena,
                                setsuna_error *err)
{
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        const char *other = type_other(f.number);
        if ((f.number == TYPE_TENSOR || other) && f.wire != SN_PB_BYTES)
            return type_fail(name, err, SETSUNA_EMODEL, "malformed");
        if (other) { /* what is inside does not matter, however deep it is */
            *t = (sn_onnx_type){.is_tensor = false, .what = other};
        } else if (f.number == TYPE_TENSOR) {
            *t = (sn_onnx_type){.is_tensor = true};
            SN_TRY(type_read_tensor(f.bytes, name, t, arena, err));
        }
    }
    return pb.malformed ? type_fail(name, err, SETSUNA_EMODEL, "malformed") : SETSUNA_OK;
}

setsuna_status sn_onnx_value_info_read(sn_pb_bytes message, sn_arena *arena, sn_pb_bytes *name_out, sn_onnx_type *out,
                                       setsuna_error *err)
{
    sn_pb_bytes name = {(const uint8_t *)"", 0}, type = {NULL, 0};
    bool has_type = false;
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        if ((f.number == 1 || f.number == 2) && f.wire != SN_PB_BYTES)
            return sn_fail(err, SETSUNA_EMODEL, NULL, "malformed value info");
        if (f.number == 1)
            name = f.bytes;
        if (f.number == 2)
            type = f.bytes, has_type = true;
    }
    if (pb.malformed)
        return sn_fail(err, SETSUNA_EMODEL, NULL, "malformed value info");
    sn_onnx_type t = {.is_tensor = true};
    if (has_type)
        SN_TRY(type_read(type, name, &t, arena, err));
    *name_out = name;
    *out = t;
    return SETSUNA_OK;
}
