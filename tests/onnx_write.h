/* Short hands for ONNX messages in tests. Lists of names are one string: "a,b,c"; an empty name is an absent operand.
 */
#ifndef SN_TESTS_ONNX_WRITE_H
#define SN_TESTS_ONNX_WRITE_H

#include "pb_write.h"
#include <stdarg.h>

enum { ONNX_F32 = 1, ONNX_U8 = 2, ONNX_I64 = 7, ONNX_STRING = 8, ONNX_BOOL = 9 };

/* Each name of the list as one string field. "" is an empty list. */
static inline void onnx_names(pb_write *w, uint32_t field, const char *list)
{
    for (const char *p = list; *list; p++)
        if (*p == ',' || *p == '\0') {
            pb_bytes(w, field, list, (size_t)(p - list));
            if (*p == '\0')
                return;
            list = p + 1;
            if (*list == '\0') { /* "a," ends in an absent operand */
                pb_bytes(w, field, "", 0);
                return;
            }
        }
}

/* TensorProto head: name, type, dims (-1 ends the list). The data is the caller's to add. */
static inline pb_write onnx_tensor(const char *name, int type, const int64_t *dims, size_t rank)
{
    pb_write t = {0};
    if (rank)
        pb_packed(&t, 1, dims, rank);
    pb_int(&t, 2, type);
    pb_text(&t, 8, name);
    return t;
}

/* A 1-D f32 tensor in raw data. */
static inline pb_write onnx_tensor_f32(const char *name, const float *v, size_t n)
{
    int64_t dim = (int64_t)n;
    pb_write t = onnx_tensor(name, ONNX_F32, &dim, 1);
    pb_bytes(&t, 9, v, n * sizeof *v);
    return t;
}

/* A scalar i64 or bool tensor in typed data. */
static inline pb_write onnx_tensor_scalar(const char *name, int type, int64_t v)
{
    pb_write t = onnx_tensor(name, type, NULL, 0);
    pb_int(&t, type == ONNX_I64 ? 7 : 5, v);
    return t;
}

/* ValueInfoProto of a tensor; a dim below 0 is unknown. rank < 0: no shape. */
static inline pb_write onnx_value(const char *name, int type, const int64_t *dims, int rank)
{
    pb_write v = {0}, t = {0}, tensor = {0}, shape = {0};
    for (int i = 0; i < rank; i++) {
        pb_write dim = {0};
        if (dims[i] >= 0)
            pb_int(&dim, 1, dims[i]);
        pb_message(&shape, 1, dim);
    }
    pb_int(&tensor, 1, type);
    if (rank >= 0)
        pb_message(&tensor, 2, shape);
    else
        free(shape.data);
    pb_message(&t, 1, tensor);
    pb_text(&v, 1, name);
    pb_message(&v, 2, t);
    return v;
}

/* ValueInfoProto of f32 without a shape. */
static inline pb_write onnx_value_f32(const char *name)
{
    return onnx_value(name, ONNX_F32, NULL, -1);
}

/* NodeProto without attributes. */
static inline pb_write onnx_node(const char *op, const char *name, const char *in, const char *out)
{
    pb_write n = {0};
    onnx_names(&n, 1, in);
    onnx_names(&n, 2, out);
    if (*name)
        pb_text(&n, 3, name);
    pb_text(&n, 4, op);
    return n;
}

/* AttributeProto of one type; value_field as in onnx.proto. */
static inline pb_write onnx_attr_message(const char *name, int type, uint32_t value_field, pb_write value)
{
    pb_write a = {0};
    pb_text(&a, 1, name);
    pb_int(&a, 20, type);
    pb_message(&a, value_field, value);
    return a;
}

static inline pb_write onnx_attr_int(const char *name, int64_t v)
{
    pb_write a = {0};
    pb_text(&a, 1, name);
    pb_int(&a, 20, 2);
    pb_int(&a, 3, v);
    return a;
}

static inline pb_write onnx_attr_tensor(const char *name, pb_write tensor)
{
    return onnx_attr_message(name, 4, 5, tensor);
}

static inline pb_write onnx_attr_graph(const char *name, pb_write graph)
{
    return onnx_attr_message(name, 5, 6, graph);
}

/* An attribute of a function's node that stands for one of the function's. */
static inline pb_write onnx_attr_ref(const char *name, int type, const char *of)
{
    pb_write a = {0};
    pb_text(&a, 1, name);
    pb_int(&a, 20, type);
    pb_text(&a, 21, of);
    return a;
}

/* GraphProto head: name, f32 inputs and outputs without shapes. */
static inline pb_write onnx_graph(const char *name, const char *in, const char *out)
{
    pb_write g = {0}, names = {0};
    pb_text(&g, 2, name);
    for (int k = 0; k < 2; k++) {
        names = (pb_write){0};
        onnx_names(&names, 1, k ? out : in);
        for (size_t i = 0; i < names.size;) { /* one-byte tags and lengths: names are short in tests */
            char text[128];
            memcpy(text, names.data + i + 2, names.data[i + 1]);
            text[names.data[i + 1]] = '\0';
            pb_message(&g, k ? 12 : 11, onnx_value_f32(text));
            i += 2u + names.data[i + 1];
        }
        free(names.data);
    }
    return g;
}

static inline pb_write onnx_opset(const char *domain, int64_t version)
{
    pb_write o = {0};
    if (*domain)
        pb_text(&o, 1, domain);
    pb_int(&o, 2, version);
    return o;
}

/* ModelProto of IR version 8 at opset 13 around a graph, which is taken. */
static inline pb_write onnx_model(pb_write graph)
{
    pb_write m = {0};
    pb_int(&m, 1, 8);
    pb_message(&m, 7, graph);
    pb_message(&m, 8, onnx_opset("", 13));
    return m;
}

/* FunctionProto head of domain "f" at opset 13. */
static inline pb_write onnx_function(const char *name, const char *in, const char *out)
{
    pb_write f = {0};
    pb_text(&f, 1, name);
    onnx_names(&f, 4, in);
    onnx_names(&f, 5, out);
    pb_message(&f, 9, onnx_opset("", 13));
    pb_text(&f, 10, "f");
    return f;
}

/* A node that calls function `name` of domain "f". */
static inline pb_write onnx_call(const char *function, const char *name, const char *in, const char *out)
{
    pb_write n = onnx_node(function, name, in, out);
    pb_text(&n, 7, "f");
    return n;
}

#endif
