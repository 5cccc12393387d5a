/* Shape arithmetic on public tensor types; every product is checked. */
#ifndef SN_GRAPH_TENSOR_H
#define SN_GRAPH_TENSOR_H

#include <setsuna/tensor.h>
#include <stdbool.h>

/* Product of the dims into *out. false: a dim is negative (unknown) or the product overflows int64. */
bool sn_shape_numel(const setsuna_shape *s, int64_t *out);

/* Bytes of a dense tensor. false as above, or when dtype has no size. */
bool sn_tensor_bytes(setsuna_dtype dtype, const setsuna_shape *s, size_t *out);

bool sn_shape_equal(const setsuna_shape *a, const setsuna_shape *b);

/* All dims are known (>= 0). */
bool sn_shape_known(const setsuna_shape *s);

/* ONNX axis: [-rank, rank) -> [0, rank). Returns false when out of range. */
bool sn_axis_normalize(int64_t axis, int32_t rank, int32_t *out);

/* Numpy multidirectional broadcast of a and b into *out. false: not compatible. Dims must be known. */
bool sn_shape_broadcast(const setsuna_shape *a, const setsuna_shape *b, setsuna_shape *out);

/* Shape of the given dims: sn_shape(3, 2, 5, 7). Dims are int. */
setsuna_shape sn_shape(int rank, ...);

/* "[1,3,224,224]", "[]" for a scalar, "?" for a dim of -1; into buf, always NUL-terminated. Returns buf. */
const char *sn_shape_text(const setsuna_shape *s, char *buf, size_t cap);
enum { SN_SHAPE_TEXT_MAX = 176 };

/* Element i of a constant integer tensor (i8..u64, bool) as int64; of a float tensor truncated. data may be unaligned.
 */
int64_t sn_tensor_get_i64(const setsuna_tensor *t, int64_t i);
double sn_tensor_get_f64(const setsuna_tensor *t, int64_t i);

#endif
