#include "import/onnx/onnx_import.h"
#include <string.h>

/* Fields of AttributeProto. */
enum {
    ATTR_NAME = 1,
    ATTR_F = 2,
    ATTR_I = 3,
    ATTR_S = 4,
    ATTR_T = 5,
    ATTR_G = 6,
    ATTR_FLOATS = 7,
    ATTR_INTS = 8,
    ATTR_STRINGS = 9,
    ATTR_TYPE = 20,
    ATTR_REF = 21
};

/* AttributeProto.AttributeType */
enum {
    ATTR_TYPE_FLOAT = 1,
    ATTR_TYPE_INT = 2,
    ATTR_TYPE_STRING = 3,
    ATTR_TYPE_TENSOR = 4,
    ATTR_TYPE_FLOATS = 6,
    ATTR_TYPE_INTS = 7,
    ATTR_TYPE_STRINGS = 8,
    ATTR_TYPE_LAST = 14
};

/* The type that a value field implies: IR version 1 wrote no type. */
static int32_t attr_type_of_field(uint32_t field)
{
    static const int8_t type[] = {[2] = 1, [3] = 2,  [4] = 3,   [5] = 4,   [6] = 5,   [7] = 6,   [8] = 7,
                                  [9] = 8, [10] = 9, [11] = 10, [14] = 13, [15] = 14, [22] = 11, [23] = 12};
    return field < sizeof type ? type[field] : 0;
}

setsuna_status sn_onnx_attr_view_read(sn_pb_bytes message, sn_onnx_attr_view *out, setsuna_error *err)
{
    sn_onnx_attr_view v = {.name = {(const uint8_t *)"", 0}, .message = message};
    int32_t implied = 0;
    bool has_type = false;
    sn_pb pb = sn_pb_open(message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        bool is_bytes = f.number == ATTR_NAME || f.number == ATTR_REF || f.number == ATTR_G;
        if ((is_bytes && f.wire != SN_PB_BYTES) || (f.number == ATTR_TYPE && f.wire != SN_PB_VARINT))
            return sn_fail(err, SETSUNA_EMODEL, NULL, "malformed attribute");
        if (attr_type_of_field(f.number))
            implied = attr_type_of_field(f.number);
        switch (f.number) {
        case ATTR_NAME: v.name = f.bytes; break;
        case ATTR_REF: v.reference = f.bytes; break;
        case ATTR_G: v.graph = f.bytes; break;
        case ATTR_TYPE:
            has_type = f.value != 0;
            v.type = f.value <= ATTR_TYPE_LAST ? (int32_t)f.value : ATTR_TYPE_LAST;
            break;
        default: break;
        }
    }
    if (pb.malformed || v.name.size == 0)
        return sn_fail(err, SETSUNA_EMODEL, NULL, "malformed attribute or attribute without a name");
    if (!has_type)
        v.type = implied;
    if (v.type == SN_ONNX_ATTR_GRAPH && !v.graph.data && v.reference.size == 0)
        return sn_fail(err, SETSUNA_EMODEL, NULL, "attribute '%.*s' has no graph", SN_ONNX_TEXT(v.name));
    *out = v;
    return SETSUNA_OK;
}

static setsuna_status attr_malformed(const sn_onnx_import *im, const sn_onnx_attr_view *view)
{
    return sn_fail(im->err, SETSUNA_EMODEL, NULL, "attribute '%.*s' is malformed", SN_ONNX_TEXT(view->name));
}

/* The last field of that number, as protobuf has it. A value that is absent is the default: 0, "". */
static setsuna_status attr_find(const sn_onnx_import *im, const sn_onnx_attr_view *view, uint32_t number,
                                sn_pb_wire wire, sn_pb_field *out)
{
    *out = (sn_pb_field){.bytes = {(const uint8_t *)"", 0}};
    sn_pb pb = sn_pb_open(view->message);
    sn_pb_field f;
    while (sn_pb_next(&pb, &f)) {
        if (f.number != number)
            continue;
        if (f.wire != wire)
            return attr_malformed(im, view);
        *out = f;
    }
    return SETSUNA_OK;
}

/* A list of numbers: counted, then stored elem_bytes each. */
static setsuna_status attr_read_list(const sn_onnx_import *im, const sn_onnx_attr_view *view, uint32_t number,
                                     sn_pb_wire wire, size_t elem_bytes, size_t *n_out, const void **out)
{
    size_t n = 0, k;
    sn_pb_field f;
    for (sn_pb pb = sn_pb_open(view->message); sn_pb_next(&pb, &f);) {
        if (f.number != number)
            continue;
        if (!sn_pb_count(&f, wire, &k))
            return attr_malformed(im, view);
        n += k;
    }
    uint8_t *dst = sn_arena_array(im->arena, n, elem_bytes);
    if (!dst)
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    *n_out = n;
    *out = dst;
    uint64_t v;
    for (sn_pb pb = sn_pb_open(view->message); sn_pb_next(&pb, &f);) {
        if (f.number != number)
            continue;
        for (sn_pb_list list = sn_pb_list_open(&f, wire); sn_pb_list_next(&list, &v); dst += elem_bytes)
            memcpy(dst, &v, elem_bytes);
    }
    return SETSUNA_OK;
}

static setsuna_status attr_copy_text(const sn_onnx_import *im, sn_pb_bytes b, sn_text *out)
{
    out->len = b.size;
    out->data = sn_arena_strndup(im->arena, (const char *)b.data, b.size);
    return out->data ? SETSUNA_OK : sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
}

static setsuna_status attr_read_strings(const sn_onnx_import *im, const sn_onnx_attr_view *view, sn_attr *out)
{
    size_t n = 0, i = 0;
    sn_pb_field f;
    for (sn_pb pb = sn_pb_open(view->message); sn_pb_next(&pb, &f);) {
        if (f.number == ATTR_STRINGS && f.wire != SN_PB_BYTES)
            return attr_malformed(im, view);
        n += f.number == ATTR_STRINGS;
    }
    sn_text *text = sn_arena_array(im->arena, n, sizeof *text);
    if (!text)
        return sn_fail(im->err, SETSUNA_ENOMEM, NULL, "out of memory");
    for (sn_pb pb = sn_pb_open(view->message); sn_pb_next(&pb, &f);)
        if (f.number == ATTR_STRINGS)
            SN_TRY(attr_copy_text(im, f.bytes, &text[i++]));
    out->kind = SN_ATTR_STRINGS;
    out->n = n;
    out->strings = text;
    return SETSUNA_OK;
}

static setsuna_status attr_read_tensor(sn_onnx_import *im, const sn_onnx_attr_view *view, bool in_place, sn_attr *out)
{
    sn_pb_field f;
    sn_onnx_tensor t;
    SN_TRY(attr_find(im, view, ATTR_T, SN_PB_BYTES, &f));
    SN_TRY(sn_onnx_tensor_read(f.bytes, im->arena, &t, im->err));
    out->kind = SN_ATTR_TENSOR;
    return sn_onnx_const_make(im, &t, in_place, &out->t);
}

setsuna_status sn_onnx_attr_read(sn_onnx_import *im, const sn_onnx_attr_view *view, bool in_place, sn_attr *out)
{
    sn_pb_field f;
    const void *list;
    switch (view->type) {
    case ATTR_TYPE_FLOAT:
        SN_TRY(attr_find(im, view, ATTR_F, SN_PB_FIXED32, &f));
        out->kind = SN_ATTR_FLOAT;
        memcpy(&out->f, &f.value, sizeof out->f);
        return SETSUNA_OK;
    case ATTR_TYPE_INT:
        SN_TRY(attr_find(im, view, ATTR_I, SN_PB_VARINT, &f));
        out->kind = SN_ATTR_INT;
        out->i = (int64_t)f.value;
        return SETSUNA_OK;
    case ATTR_TYPE_STRING:
        SN_TRY(attr_find(im, view, ATTR_S, SN_PB_BYTES, &f));
        out->kind = SN_ATTR_STRING;
        return attr_copy_text(im, f.bytes, &out->s);
    case ATTR_TYPE_TENSOR: return attr_read_tensor(im, view, in_place, out);
    case SN_ONNX_ATTR_GRAPH: out->kind = SN_ATTR_GRAPH; return SETSUNA_OK;
    case ATTR_TYPE_FLOATS:
        SN_TRY(attr_read_list(im, view, ATTR_FLOATS, SN_PB_FIXED32, sizeof(float), &out->n, &list));
        out->kind = SN_ATTR_FLOATS;
        out->floats = list;
        return SETSUNA_OK;
    case ATTR_TYPE_INTS:
        SN_TRY(attr_read_list(im, view, ATTR_INTS, SN_PB_VARINT, sizeof(int64_t), &out->n, &list));
        out->kind = SN_ATTR_INTS;
        out->ints = list;
        return SETSUNA_OK;
    case ATTR_TYPE_STRINGS: return attr_read_strings(im, view, out);
    default: out->kind = SN_ATTR_OTHER; return SETSUNA_OK;
    }
}
