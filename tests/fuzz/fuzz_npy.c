/* .npy files: what is read must be written and read again as the same tensor. */
#include "graph/tensor.h"
#include "pipeline/npy.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const sn_allocator *a = sn_allocator_default();
    setsuna_tensor t, back;
    uint8_t *file;
    size_t file_size;
    if (sn_npy_parse(a, data, size, &t, NULL) != SETSUNA_OK)
        return 0;
    if (sn_npy_encode(a, &t, &file, &file_size, NULL) == SETSUNA_OK) {
        if (sn_npy_parse(a, file, file_size, &back, NULL) != SETSUNA_OK || back.dtype != t.dtype ||
            !sn_shape_equal(&back.shape, &t.shape) || (t.size_bytes && memcmp(back.data, t.data, t.size_bytes)))
            __builtin_trap();
        sn_free(a, back.data);
        sn_free(a, file);
    }
    sn_free(a, t.data);
    return 0;
}
