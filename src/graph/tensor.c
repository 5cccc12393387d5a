#include "graph/tensor.h"
#include "base/checked.h"
#include "base/half.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t setsuna_dtype_size(setsuna_dtype dtype)
{
    switch (dtype) {
#define DTYPE_SIZE(name, value, size, text)                                                                            \
    case SETSUNA_##name: return size;
        SETSUNA_DTYPE_LIST(DTYPE_SIZE)
#undef DTYPE_SIZE
    case SETSUNA_DTYPE_NONE: return 0;
    }
    return 0;
}

const char *setsuna_dtype_name(setsuna_dtype dtype)
{
    switch (dtype) {
#define DTYPE_NAME(name, value, size, text)                                                                            \
    case SETSUNA_##name: return text;
        SETSUNA_DTYPE_LIST(DTYPE_NAME)
#undef DTYPE_NAME
    case SETSUNA_DTYPE_NONE: return "none";
    }
    return "?";
}

bool sn_shape_numel(const setsuna_shape *s, int64_t *out)
{
    int64_t n = 1;
    bool zero = false;
    for (int i = 0; i < s->rank; i++) {
        if (s->dim[i] < 0)
            return false;
        if (s->dim[i] == 0)
            zero = true;
        else if (!sn_mul_i64(n, s->dim[i], &n))
            return false;
    }
    *out = zero ? 0 : n;
    return true;
}

bool sn_tensor_bytes(setsuna_dtype dtype, const setsuna_shape *s, size_t *out)
{
    int64_t n;
    size_t size = setsuna_dtype_size(dtype);
    if (size == 0 || !sn_shape_numel(s, &n))
        return false;
    return sn_mul_size((size_t)n, size, out);
}

bool sn_shape_equal(const setsuna_shape *a, const setsuna_shape *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

bool sn_shape_known(const setsuna_shape *s)
{
    for (int i = 0; i < s->rank; i++)
        if (s->dim[i] < 0)
            return false;
    return true;
}

bool sn_axis_normalize(int64_t axis, int32_t rank, int32_t *out)
{
    if (axis < -(int64_t)rank || axis >= rank)
        return false;
    *out = (int32_t)(axis < 0 ? axis + rank : axis);
    return true;
}

bool sn_shape_broadcast(const setsuna_shape *a, const setsuna_shape *b, setsuna_shape *out)
{
    setsuna_shape r = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (int i = 0; i < r.rank; i++) {
        int ia = i - (r.rank - a->rank), ib = i - (r.rank - b->rank);
        int64_t da = ia >= 0 ? a->dim[ia] : 1, db = ib >= 0 ? b->dim[ib] : 1;
        if (da != db && da != 1 && db != 1)
            return false;
        r.dim[i] = da == 1 ? db : da;
    }
    *out = r;
    return true;
}

setsuna_shape sn_shape(int rank, ...)
{
    setsuna_shape s = {.rank = rank};
    va_list ap;
    va_start(ap, rank);
    for (int i = 0; i < rank; i++)
        s.dim[i] = va_arg(ap, int);
    va_end(ap);
    return s;
}

const char *sn_shape_text(const setsuna_shape *s, char *buf, size_t cap)
{
    size_t n = 0;
    if (cap == 0)
        return buf;
    buf[0] = '\0';
    for (int i = 0; i < s->rank; i++) {
        int w = s->dim[i] < 0 ? snprintf(buf + n, cap - n, "%c?", i ? ',' : '[')
                              : snprintf(buf + n, cap - n, "%c%lld", i ? ',' : '[', (long long)s->dim[i]);
        if (w < 0 || (size_t)w >= cap - n)
            return buf;
        n += (size_t)w;
    }
    snprintf(buf + n, cap - n, s->rank ? "]" : "[]");
    return buf;
}

/* One typed element read through memcpy: constants may be misaligned. */
#define TENSOR_ELEM(ctype)                                                                                             \
    do {                                                                                                               \
        ctype v_;                                                                                                      \
        memcpy(&v_, (const char *)t->data + (size_t)i * sizeof v_, sizeof v_);                                         \
        elem = v_;                                                                                                     \
    } while (0)

/* An element of a floating-point tensor; 0 for the other types. */
static double tensor_get_float(const setsuna_tensor *t, int64_t i)
{
    double elem = 0;
    switch (t->dtype) {
    case SETSUNA_F32: {
        float v;
        memcpy(&v, (const char *)t->data + (size_t)i * sizeof v, sizeof v);
        elem = (double)v;
        break;
    }
    case SETSUNA_F64: TENSOR_ELEM(double); break;
    case SETSUNA_F16:
    case SETSUNA_BF16: {
        uint16_t v;
        memcpy(&v, (const char *)t->data + (size_t)i * 2, 2);
        elem = (double)(t->dtype == SETSUNA_F16 ? sn_f16_to_f32(v) : sn_bf16_to_f32(v));
        break;
    }
    default: break;
    }
    return elem;
}

int64_t sn_tensor_get_i64(const setsuna_tensor *t, int64_t i)
{
    int64_t elem = 0;
    switch (t->dtype) {
    case SETSUNA_I8: TENSOR_ELEM(int8_t); break;
    case SETSUNA_U8:
    case SETSUNA_BOOL: TENSOR_ELEM(uint8_t); break;
    case SETSUNA_I16: TENSOR_ELEM(int16_t); break;
    case SETSUNA_U16: TENSOR_ELEM(uint16_t); break;
    case SETSUNA_I32: TENSOR_ELEM(int32_t); break;
    case SETSUNA_U32: TENSOR_ELEM(uint32_t); break;
    case SETSUNA_I64: TENSOR_ELEM(int64_t); break;
    case SETSUNA_U64: {
        uint64_t v;
        memcpy(&v, (const char *)t->data + (size_t)i * 8, 8);
        elem = v > INT64_MAX ? INT64_MAX : (int64_t)v;
        break;
    }
    default: {
        double v = tensor_get_float(t, i);
        elem = v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : v != v ? 0 : (int64_t)v;
        break;
    }
    }
    return elem;
}

double sn_tensor_get_f64(const setsuna_tensor *t, int64_t i)
{
    switch (t->dtype) {
    case SETSUNA_F32:
    case SETSUNA_F64:
    case SETSUNA_F16:
    case SETSUNA_BF16: return tensor_get_float(t, i);
    case SETSUNA_U64: {
        uint64_t v;
        memcpy(&v, (const char *)t->data + (size_t)i * 8, 8);
        return (double)v;
    }
    default: return (double)sn_tensor_get_i64(t, i);
    }
}
