/* Picture files: JPEG, PNG and WebP by their first bytes, at full size and shrunk, into one reused picture. */
#include "pipeline/image.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { FUZZ_PIXELS_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    const sn_allocator *a = sn_allocator_default();
    sn_image image = {0};
    for (int32_t shrink = 0; shrink <= 8; shrink += 8) {
        sn_image_limits limits = {.pixels = FUZZ_PIXELS_MAX, .shrink_min = shrink};
        if (sn_image_decode(a, data, size, &limits, &image, NULL) != SETSUNA_OK)
            continue;
        if (image.channels != 3 || (uint64_t)image.width * (uint64_t)image.height > FUZZ_PIXELS_MAX)
            __builtin_trap();
        volatile uint8_t sum = 0; /* every pixel that it claims must be there */
        for (int32_t y = 0; y < image.height; y++)
            for (int32_t x = 0; x < image.width * image.channels; x++)
                sum = (uint8_t)(sum + sn_image_row(&image, y)[x]);
    }
    sn_image_fini(a, &image);
    return 0;
}
