/* .npy files. What is read must be written again as a file that reads the same. */
#include "pipeline/npy.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void fuzz_npy_again(const sn_allocator *a, const setsuna_tensor *t)
{
    uint8_t *file = NULL;
    size_t size = 0;
    setsuna_tensor again = {0};
    if (sn_npy_encode(a, t, &file, &size, NULL) != SETSUNA_OK)
        __builtin_trap();
    if (sn_npy_parse(a, file, size, &again, NULL) != SETSUNA_OK || again.dtype != t->dtype ||
        again.shape.rank != t->shape.rank || again.size_bytes != t->size_bytes)
        __builtin_trap();
    for (int d = 0; d < t->shape.rank; d++)
        if (again.shape.dim[d] != t->shape.dim[d])
            __builtin_trap();
    if (t->size_bytes && memcmp(again.data, t->data, t->size_bytes) != 0)
        __builtin_trap();
    sn_free(a, again.data);
    sn_free(a, file);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const sn_allocator *a = sn_allocator_default();
    setsuna_tensor t = {0};
    if (sn_npy_parse(a, data, size, &t, NULL) == SETSUNA_OK) {
        fuzz_npy_again(a, &t);
        sn_free(a, t.data);
    }
    return 0;
}
