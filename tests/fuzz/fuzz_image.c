/* Picture files: JPEG, PNG and WebP through the decoders, with small limits so that time goes into parsing. */
#include "pipeline/image.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    sn_image image = {0};
    setsuna_error err;
    sn_image_limits limits = {.pixels = 1 << 18, .shrink_min = size % 2 ? 8 : 0};
    setsuna_status status = sn_image_decode(sn_allocator_default(), data, size, &limits, &image, &err);
    if (status == SETSUNA_OK && (image.channels != 3 || !image.data))
        __builtin_trap();
    sn_image_fini(sn_allocator_default(), &image);
    return 0;
}
