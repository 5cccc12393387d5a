/* Element types, shapes and tensors: the vocabulary shared by the library and its callers. */
#ifndef SETSUNA_TENSOR_H
#define SETSUNA_TENSOR_H

#include <setsuna/status.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, value, bytes per element, short name). The values are those of ONNX TensorProto.DataType. */
#define SETSUNA_DTYPE_LIST(X)                                                                                          \
    X(F32, 1, 4, "f32")                                                                                                \
    X(U8, 2, 1, "u8")                                                                                                  \
    X(I8, 3, 1, "i8")                                                                                                  \
    X(U16, 4, 2, "u16")                                                                                                \
    X(I16, 5, 2, "i16")                                                                                                \
    X(I32, 6, 4, "i32")                                                                                                \
    X(I64, 7, 8, "i64")                                                                                                \
    X(STRING, 8, 16, "string")                                                                                         \
    X(BOOL, 9, 1, "bool")                                                                                              \
    X(F16, 10, 2, "f16")                                                                                               \
    X(F64, 11, 8, "f64")                                                                                               \
    X(U32, 12, 4, "u32")                                                                                               \
    X(U64, 13, 8, "u64")                                                                                               \
    X(C64, 14, 8, "c64")                                                                                               \
    X(C128, 15, 16, "c128")                                                                                            \
    X(BF16, 16, 2, "bf16")

typedef enum setsuna_dtype {
    SETSUNA_DTYPE_NONE = 0, /* not known (yet) */
#define SETSUNA_DTYPE_ENUM(name, value, size, text) SETSUNA_##name = (value),
    SETSUNA_DTYPE_LIST(SETSUNA_DTYPE_ENUM)
#undef SETSUNA_DTYPE_ENUM
} setsuna_dtype;

enum { SETSUNA_RANK_MAX = 8 };

/* Extents from outermost to innermost; rank 0 is a scalar. A dim of -1 is not known yet (only in
 * model signatures, never in a tensor that holds data). */
typedef struct setsuna_shape {
    int32_t rank;
    int64_t dim[SETSUNA_RANK_MAX];
} setsuna_shape;

/* One element of a SETSUNA_STRING tensor: UTF-8, len bytes without a terminator. The bytes are borrowed like the
 * tensor's data; those of an output may lie in an input. */
typedef struct setsuna_text {
    const char *data;
    size_t len;
} setsuna_text;

/* A dense row-major tensor. data is borrowed unless a declaration says otherwise; it may be NULL
 * when the tensor has no elements. size_bytes == elements * bytes per element. */
typedef struct setsuna_tensor {
    setsuna_dtype dtype;
    setsuna_shape shape;
    void *data;
    size_t size_bytes;
} setsuna_tensor;

/* Bytes of one element; 0 for SETSUNA_DTYPE_NONE and unknown values. */
SETSUNA_API size_t setsuna_dtype_size(setsuna_dtype dtype);

/* "f32", "i64", ...; "none" for SETSUNA_DTYPE_NONE, "?" for unknown values. Never NULL. */
SETSUNA_API const char *setsuna_dtype_name(setsuna_dtype dtype);

#ifdef __cplusplus
}
#endif
#endif
