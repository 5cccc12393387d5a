#include "base/checked.h"
#include "import/onnx/onnx_import.h"
#include <stdio.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data is little-endian and used in place");

/* Fields of TensorProto. */
enum {
    TENSOR_DIMS = 1,
    TENSOR_TYPE = 2,
    TENSOR_SEGMENT = 3,
    TENSOR_FLOATS = 4,
    TENSOR_INT32S = 5,
    TENSOR_STRINGS = 6,
    TENSOR_INT64S = 7,
    TENSOR_NAME = 8,
    TENSOR_RAW = 9,
    TENSOR_DOUBLES = 10,
    TENSOR_UINT64S = 11,
    TENSOR_EXTERNAL = 13,
    TENSOR_LOCATION = 14
};

/* How a type's typed data is stored: in which field, as which wire type, how many numbers an element. */
typedef struct tensor_store {
    uint32_t field;
    sn_pb_wire wire;
    uint32_t per_elem;
} tensor_store;

static tensor_store tensor_store_of(setsuna_dtype dtype)
{
    switch (dtype) {
    case SETSUNA_F32: return (tensor_store){TENSOR_FLOATS, SN_PB_FIXED32, 1};
    case SETSUNA_C64: return (tensor_store){TENSOR_FLOATS, SN_PB_FIXED32, 2};
    case SETSUNA_F64: return (tensor_store){TENSOR_DOUBLES, SN_PB_FIXED64, 1};
    case SETSUNA_C128: return (tensor_store){TENSOR_DOUBLES, SN_PB_FIXED64, 2};
    case SETSUNA_I64: return (tensor_store){TENSOR_INT64S, SN_PB_VARINT, 1};
    case SETSUNA_U32:
    case SETSUNA_U64: return (tensor_store){TENSOR_UINT64S, SN_PB_VARINT, 1};
    default: return (tensor_store){TENSOR_INT32S, SN_PB_VARINT, 1};
    }
}

/* One pass over the message: everything but the typed data, whose numbers are counted. */
typedef struct tensor_view {
    int64_t type, location;
    setsuna_shape shape;
    bool has_raw;
    sn_pb_bytes raw;
    size_t n_number[TENSOR_UINT64S + 1]; /* by field: numbers in the typed data fields */
    sn_pb_bytes packed;                  /* the typed data when it is one packed list */
    size_t n_list;                       /* fields of typed data seen */
} tensor_view;

static setsuna_status tensor_fail(const sn_onnx_tensor *t, setsuna_error *err, setsuna_status status, const char *fmt,
                                  ...) __attribute__((format(printf, 4, 5)));
static setsuna_status tensor_fail(const sn_onnx_tensor *t, setsuna_error *err, setsuna_status status, const char *fmt,
                                  ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return sn_fail(err, status, NULL, "tensor '%.*s': %s", SN_ONNX_TEXT(t->name), text);
}

static setsuna_status tensor_read_dims(const sn_pb_field *f, sn_onnx_tensor *t, tensor_view *v, setsuna_error *err)
{
    size_t n;
    uint64_t dim;
    if (!sn_pb_count(f, SN_PB_VARINT, &n))
        return tensor_fail(t, err, SETSUNA_EMODEL, "malformed dims");
    if (n > (size_t)(SETSUNA_RANK_MAX - v->shape.rank))
        return tensor_fail(t, err, SETSUNA_ELIMIT, "more than %d dimensions", SETSUNA_RANK_MAX);
    sn_pb_list list = sn_pb_list_open(f, SN_PB_VARINT);
    while (sn_pb_list_next(&list, &dim)) {
        if (dim > INT64_MAX)
            return tensor_fail(t, err, SETSUNA_EMODEL, "negative dimension %lld", (long long)(int64_t)dim);
        v->shape.dim[v->shape.rank++] = (int64_t)dim;
    }
    return SETSUNA_OK;
}

/* Strict: digits only, no sign, no overflow. */
static bool tensor_parse_u64(sn_pb_bytes text, uint64_t *out)
{
    uint64_t v = 0;
    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, text.data[i] - '0', &v))
            return false;
    *out = v;
    return true;
}

static bool tensor_key_is(sn_pb_bytes key, const char *name)
{
    return key.size == strlen(name) && memcmp(key.data, name, key.size) == 0;
}

/* A StringStringEntryProto of external_data. The checksum is not looked at: it says nothing about who wrote it. */
static setsuna_status tensor_read_external(sn_pb_bytes message, sn_onnx_tensor *t, setsuna_error *err)
{
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    sn_pb_bytes key = {NULL, 0}, value = {NULL, 0};
    while (sn_pb_next(&pb, &f)) {
        if (f.number == 1 && f.wire == SN_PB_BYTES)
            key = f.bytes;
        if (f.number == 2 && f.wire == SN_PB_BYTES)
            value = f.bytes;
    }
    if (pb.malformed)
        return tensor_fail(t, err, SETSUNA_EMODEL, "malformed external_data");
    if (tensor_key_is(key, "location")) {
        t->location = value;
    } else if (tensor_key_is(key, "offset")) {
        if (!tensor_parse_u64(value, &t->offset))
            return tensor_fail(t, err, SETSUNA_EMODEL, "external offset '%.*s' is no number", SN_ONNX_TEXT(value));
    } else if (tensor_key_is(key, "length")) {
        if (!tensor_parse_u64(value, &t->length))
            return tensor_fail(t, err, SETSUNA_EMODEL, "external length '%.*s' is no number", SN_ONNX_TEXT(value));
        t->has_length = true;
    }
    return SETSUNA_OK;
}

static setsuna_status tensor_read_numbers(const sn_pb_field *f, sn_onnx_tensor *t, tensor_view *v, setsuna_error *err)
{
    sn_pb_wire wire = f->number == TENSOR_FLOATS    ? SN_PB_FIXED32
                      : f->number == TENSOR_DOUBLES ? SN_PB_FIXED64
                                                    : SN_PB_VARINT;
    size_t n;
    if (!sn_pb_count(f, wire, &n))
        return tensor_fail(t, err, SETSUNA_EMODEL, "malformed list in field %u", f->number);
    v->n_number[f->number] += n; /* at least a byte each: cannot overflow */
    v->n_list++;
    v->packed = f->bytes;
    return SETSUNA_OK;
}

static setsuna_status tensor_read_field(const sn_pb_field *f, sn_onnx_tensor *t, tensor_view *v, setsuna_error *err)
{
    bool right_wire;
    switch (f->number) {
    case TENSOR_DIMS: return tensor_read_dims(f, t, v, err);
    case TENSOR_FLOATS:
    case TENSOR_INT32S:
    case TENSOR_INT64S:
    case TENSOR_DOUBLES:
    case TENSOR_UINT64S: return tensor_read_numbers(f, t, v, err);
    case TENSOR_TYPE:
        right_wire = f->wire == SN_PB_VARINT;
        v->type = (int64_t)f->value;
        break;
    case TENSOR_LOCATION:
        right_wire = f->wire == SN_PB_VARINT;
        v->location = (int64_t)f->value;
        break;
    case TENSOR_STRINGS:
        right_wire = f->wire == SN_PB_BYTES;
        v->n_number[TENSOR_STRINGS]++;
        break;
    case TENSOR_NAME: /* read before */ right_wire = f->wire == SN_PB_BYTES; break;
    case TENSOR_RAW:
        right_wire = f->wire == SN_PB_BYTES;
        v->has_raw = true;
        v->raw = f->bytes;
        break;
    case TENSOR_EXTERNAL:
        if (f->wire == SN_PB_BYTES)
            return tensor_read_external(f->bytes, t, err);
        right_wire = false;
        break;
    case TENSOR_SEGMENT: return tensor_fail(t, err, SETSUNA_EUNSUPPORTED, "stored in segments");
    default: return SETSUNA_OK;
    }
    return right_wire ? SETSUNA_OK : tensor_fail(t, err, SETSUNA_EMODEL, "field %u has the wrong type", f->number);
}

static setsuna_status tensor_view_read(sn_pb_bytes message, sn_onnx_tensor *t, tensor_view *v, setsuna_error *err)
{
    sn_pb_field f;
    for (sn_pb pb = sn_pb_open(message); sn_pb_next(&pb, &f);) /* the name first: errors tell it */
        if (f.number == TENSOR_NAME && f.wire == SN_PB_BYTES)
            t->name = f.bytes;
    sn_pb pb = sn_pb_open(message);
    while (sn_pb_next(&pb, &f))
        SN_TRY(tensor_read_field(&f, t, v, err));
    return pb.malformed ? tensor_fail(t, err, SETSUNA_EMODEL, "malformed message") : SETSUNA_OK;
}

/* int32_data holds the small types; a number that does not fit its type is not a value of the tensor. */
static bool tensor_store_small(setsuna_dtype dtype, uint64_t number, void *dst)
{
    int64_t v = (int32_t)(uint32_t)number, lo = 0, hi;
    switch (dtype) {
    case SETSUNA_I8: lo = INT8_MIN, hi = INT8_MAX; break;
    case SETSUNA_I16: lo = INT16_MIN, hi = INT16_MAX; break;
    case SETSUNA_I32: lo = INT32_MIN, hi = INT32_MAX; break;
    case SETSUNA_U8: hi = UINT8_MAX; break;
    case SETSUNA_BOOL: hi = 1; break;
    default: hi = UINT16_MAX; break; /* u16, and the bits of f16 and bf16 */
    }
    if (v < lo || v > hi)
        return false;
    memcpy(dst, &v, setsuna_dtype_size(dtype));
    return true;
}

static bool tensor_store_number(setsuna_dtype dtype, uint64_t number, void *dst)
{
    switch (dtype) {
    case SETSUNA_U32:
        if (number > UINT32_MAX)
            return false;
        memcpy(dst, &number, 4);
        return true;
    case SETSUNA_F32:
    case SETSUNA_C64: memcpy(dst, &number, 4); return true;
    case SETSUNA_F64:
    case SETSUNA_C128:
    case SETSUNA_I64:
    case SETSUNA_U64: memcpy(dst, &number, 8); return true;
    default: return tensor_store_small(dtype, number, dst);
    }
}

/* Pre: the message was read before, the field holds as many numbers as the tensor has. */
static setsuna_status tensor_convert(sn_pb_bytes message, const tensor_store *store, sn_onnx_tensor *t, sn_arena *arena,
                                     setsuna_error *err)
{
    uint8_t *dst = sn_arena_alloc(arena, t->t.size_bytes);
    if (!dst)
        return tensor_fail(t, err, SETSUNA_ENOMEM, "no memory for its %zu bytes", t->t.size_bytes);
    t->t.data = dst;
    t->place = SN_ONNX_IN_ARENA;
    size_t step = setsuna_dtype_size(t->t.dtype) / store->per_elem;
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    uint64_t number;
    while (sn_pb_next(&pb, &f)) {
        if (f.number != store->field)
            continue;
        for (sn_pb_list list = sn_pb_list_open(&f, store->wire); sn_pb_list_next(&list, &number); dst += step)
            if (!tensor_store_number(t->t.dtype, number, dst))
                return tensor_fail(t, err, SETSUNA_EMODEL, "%lld does not fit its type %s", (long long)number,
                                   setsuna_dtype_name(t->t.dtype));
    }
    return SETSUNA_OK;
}

static void *tensor_borrow(const uint8_t *p)
{
    return (void *)(uintptr_t)p; /* setsuna_tensor.data is not const; constants are only read */
}

static setsuna_status tensor_read_typed(sn_pb_bytes message, const tensor_view *v, int64_t numel, sn_onnx_tensor *t,
                                        sn_arena *arena, setsuna_error *err)
{
    tensor_store store = tensor_store_of(t->t.dtype);
    size_t have = v->n_number[store.field], want;
    if (!sn_mul_size((size_t)numel, store.per_elem, &want) || have != want)
        return tensor_fail(t, err, SETSUNA_EMODEL, "has %zu numbers, its shape needs %zu", have,
                           (size_t)numel * store.per_elem);
    if (v->n_list == 1 && store.wire != SN_PB_VARINT) { /* a packed list of fixed numbers is the tensor's bytes */
        t->t.data = tensor_borrow(v->packed.data);
        return SETSUNA_OK;
    }
    return tensor_convert(message, &store, t, arena, err);
}

static setsuna_status tensor_read_raw(const tensor_view *v, sn_onnx_tensor *t, setsuna_error *err)
{
    if (v->raw.size != t->t.size_bytes)
        return tensor_fail(t, err, SETSUNA_EMODEL, "has %zu bytes, its shape needs %zu", v->raw.size, t->t.size_bytes);
    if (t->t.dtype == SETSUNA_BOOL)
        for (size_t i = 0; i < v->raw.size; i++)
            if (v->raw.data[i] > 1)
                return tensor_fail(t, err, SETSUNA_EMODEL, "element %zu is neither 0 nor 1", i);
    t->t.data = tensor_borrow(v->raw.data);
    return SETSUNA_OK;
}

static setsuna_status tensor_read_strings(sn_pb_bytes message, const tensor_view *v, int64_t numel, sn_onnx_tensor *t,
                                          sn_arena *arena, setsuna_error *err)
{
    size_t n = v->n_number[TENSOR_STRINGS], i = 0;
    if (v->has_raw || n != (size_t)numel)
        return tensor_fail(t, err, SETSUNA_EMODEL, "has %zu strings, its shape needs %lld", n, (long long)numel);
    sn_text *text = sn_arena_array(arena, n, sizeof *text);
    if (!text)
        return tensor_fail(t, err, SETSUNA_ENOMEM, "no memory for its %zu strings", n);
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        if (f.number != TENSOR_STRINGS)
            continue;
        text[i].len = f.bytes.size;
        text[i].data = sn_arena_strndup(arena, (const char *)f.bytes.data, f.bytes.size);
        if (!text[i++].data)
            return tensor_fail(t, err, SETSUNA_ENOMEM, "no memory for its strings");
    }
    t->t.data = text;
    t->t.size_bytes = n * sizeof *text;
    t->place = SN_ONNX_IN_ARENA;
    return SETSUNA_OK;
}

static setsuna_status tensor_check_external(const tensor_view *v, sn_onnx_tensor *t, setsuna_error *err)
{
    if (t->location.size == 0)
        return tensor_fail(t, err, SETSUNA_EMODEL, "external data without a location");
    if (t->t.dtype == SETSUNA_STRING || v->has_raw || v->n_list)
        return tensor_fail(t, err, SETSUNA_EMODEL, "external data beside data of its own, or of strings");
    if (t->has_length && t->length != t->t.size_bytes)
        return tensor_fail(t, err, SETSUNA_EMODEL, "external length is %llu, its shape needs %zu",
                           (unsigned long long)t->length, t->t.size_bytes);
    t->place = SN_ONNX_EXTERNAL;
    return SETSUNA_OK;
}

setsuna_status sn_onnx_tensor_read(sn_pb_bytes message, sn_arena *arena, sn_onnx_tensor *out, setsuna_error *err)
{
    sn_onnx_tensor t = {.message = message, .name = {(const uint8_t *)"", 0}, .place = SN_ONNX_IN_FILE};
    tensor_view v = {.location = 0};
    int64_t numel;
    SN_TRY(tensor_view_read(message, &t, &v, err));
    if (v.type < SETSUNA_F32 || v.type > SETSUNA_BF16)
        return tensor_fail(&t, err, v.type <= 0 ? SETSUNA_EMODEL : SETSUNA_EUNSUPPORTED,
                           "element type %lld is not supported", (long long)v.type);
    t.t.dtype = (setsuna_dtype)v.type;
    t.t.shape = v.shape;
    if (!sn_shape_numel(&v.shape, &numel) ||
        (t.t.dtype != SETSUNA_STRING && !sn_tensor_bytes(t.t.dtype, &v.shape, &t.t.size_bytes)))
        return tensor_fail(&t, err, SETSUNA_EMODEL, "its dimensions overflow");
    if (v.location == 1)
        SN_TRY(tensor_check_external(&v, &t, err));
    else if (v.location != 0)
        return tensor_fail(&t, err, SETSUNA_EMODEL, "unknown data_location %lld", (long long)v.location);
    else if (t.t.dtype == SETSUNA_STRING)
        SN_TRY(tensor_read_strings(message, &v, numel, &t, arena, err));
    else if (v.has_raw && v.n_list == 0)
        SN_TRY(tensor_read_raw(&v, &t, err));
    else if (v.has_raw)
        return tensor_fail(&t, err, SETSUNA_EMODEL, "has both raw and typed data");
    else
        SN_TRY(tensor_read_typed(message, &v, numel, &t, arena, err));
    *out = t;
    return SETSUNA_OK;
}

setsuna_status sn_onnx_parse_tensor(const uint8_t *data, size_t size, sn_arena *arena, setsuna_tensor *out,
                                    const char **name_out, setsuna_error *err)
{
    sn_onnx_tensor t = {0};
    setsuna_status status = sn_onnx_tensor_read((sn_pb_bytes){data, size}, arena, &t, err);
    if (status == SETSUNA_EMODEL) { /* not a model: the caller's input data is malformed */
        status = SETSUNA_EINPUT;
        if (err)
            err->status = status;
    }
    SN_TRY(status);
    if (t.place == SN_ONNX_EXTERNAL)
        return tensor_fail(&t, err, SETSUNA_EUNSUPPORTED, "its data is in another file");
    if (t.name.size > SN_NAME_MAX)
        return tensor_fail(&t, err, SETSUNA_ELIMIT, "its name is longer than %d bytes", SN_NAME_MAX);
    const char *name = sn_arena_strndup(arena, (const char *)t.name.data, t.name.size);
    size_t elem = setsuna_dtype_size(t.t.dtype);
    if (name && t.place == SN_ONNX_IN_FILE && t.t.size_bytes && (uintptr_t)t.t.data % (elem > 8 ? 8 : elem)) {
        void *copy = sn_arena_alloc(arena, t.t.size_bytes);
        if (copy)
            memcpy(copy, t.t.data, t.t.size_bytes);
        t.t.data = copy;
    }
    if (!name || (t.t.size_bytes && !t.t.data))
        return tensor_fail(&t, err, SETSUNA_ENOMEM, "no memory for its %zu bytes", t.t.size_bytes);
    *out = t.t;
    if (name_out)
        *name_out = name;
    return SETSUNA_OK;
}
