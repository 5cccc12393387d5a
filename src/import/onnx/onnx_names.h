/* From names to numbers: the scope of one graph while it is imported. Keys are borrowed from the model's bytes. */
#ifndef SN_IMPORT_ONNX_ONNX_NAMES_H
#define SN_IMPORT_ONNX_ONNX_NAMES_H

#include "base/alloc.h"
#include "wire/protobuf.h"

typedef struct sn_onnx_name {
    sn_pb_bytes key;
    uint32_t value;
    bool used, reserved; /* reserved: the value exists, but its producer has not been seen yet */
} sn_onnx_name;

/* Open addressing, at most half full. seed keeps a file from choosing names that collide. */
typedef struct sn_onnx_names {
    const sn_allocator *allocator;
    uint64_t seed;
    sn_onnx_name *slot;
    size_t cap, n;
} sn_onnx_names;

static inline sn_onnx_names sn_onnx_names_init(const sn_allocator *a, uint64_t seed)
{
    return (sn_onnx_names){.allocator = a, .seed = seed};
}
void sn_onnx_names_fini(sn_onnx_names *t);

/* The entry, or NULL. It moves when a name is added. */
sn_onnx_name *sn_onnx_names_find(const sn_onnx_names *t, sn_pb_bytes key);

/* Pre: key is not there yet. NULL: out of memory. */
sn_onnx_name *sn_onnx_names_add(sn_onnx_names *t, sn_pb_bytes key, uint32_t value);

#endif
