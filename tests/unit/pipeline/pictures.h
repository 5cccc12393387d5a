/* Test pictures. */
#ifndef SN_TEST_PIPELINE_PICTURES_H
#define SN_TEST_PIPELINE_PICTURES_H

#include "pipeline/image.h"
#include <assert.h>
#include <stdlib.h>

/* xorshift64*: the same numbers everywhere. */
static inline uint64_t picture_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1du;
}

/* A picture in a heap block of exactly its size (the address sanitizer sees one byte too far), free with free(data). */
static inline sn_image picture_exact(int32_t width, int32_t height, int32_t channels)
{
    sn_image image = {0};
    image.width = width;
    image.height = height;
    image.channels = channels;
    image.stride_bytes = (size_t)width * (size_t)channels;
    image.data = malloc(image.stride_bytes * (size_t)height);
    if (!image.data)
        abort();
    return image;
}

static inline sn_image picture_noise(int32_t width, int32_t height, int32_t channels, uint64_t seed)
{
    sn_image image = picture_exact(width, height, channels);
    for (size_t i = 0; i < image.stride_bytes * (size_t)height; i++)
        image.data[i] = (uint8_t)(picture_random(&seed) >> 40);
    return image;
}

#endif
