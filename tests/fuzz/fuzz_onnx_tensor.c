/* TensorProto files, as `setsuna run --input x=FILE.pb` reads them. */
#include "import/onnx/onnx.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    setsuna_tensor t;
    const char *name;
    if (arena && sn_onnx_parse_tensor(data, size, arena, &t, &name, NULL) == SETSUNA_OK && t.dtype != SETSUNA_STRING) {
        volatile uint8_t sum = 0; /* every byte that it claims must be there */
        for (size_t i = 0; i < t.size_bytes; i++)
            sum = (uint8_t)(sum + ((const uint8_t *)t.data)[i]);
    }
    sn_arena_destroy(arena);
    return 0;
}
