#include "pipeline/image.h"
#include "base/checked.h"
#include "base/file.h"
#include "pipeline/image_codec.h"
#include <string.h>

setsuna_status sn_image_reserve(const sn_allocator *a, sn_image *image, int32_t width, int32_t height, int32_t channels)
{
    if (width < 1 || height < 1 || width > SN_IMAGE_SIDE_MAX || height > SN_IMAGE_SIDE_MAX ||
        (channels != 1 && channels != 3 && channels != 4))
        return SETSUNA_EINVAL;
    size_t stride = (size_t)width * (size_t)channels, need = stride * (size_t)height; /* < 2^34 by the limits above */
    if (need > image->capacity_bytes) {
        uint8_t *fresh = sn_alloc(a, need);
        if (!fresh)
            return SETSUNA_ENOMEM;
        sn_image_fini(a, image);
        image->data = fresh;
        image->capacity_bytes = need;
    }
    image->width = width;
    image->height = height;
    image->channels = channels;
    image->stride_bytes = stride;
    return SETSUNA_OK;
}

setsuna_status sn_image_copy(const sn_allocator *a, const sn_image *src, sn_image *dst)
{
    SN_TRY(sn_image_reserve(a, dst, src->width, src->height, src->channels));
    for (int32_t y = 0; y < src->height; y++)
        memcpy(sn_image_row(dst, y), sn_image_row(src, y), dst->stride_bytes);
    return SETSUNA_OK;
}

void sn_image_fini(const sn_allocator *a, sn_image *image)
{
    if (image->capacity_bytes)
        sn_free(a, image->data);
    *image = (sn_image){0};
}

/* ---- reading ----------------------------------------------------------------------------------------- */

setsuna_status sn_image_check_size(uint64_t width, uint64_t height, uint64_t pixels_max, setsuna_error *err)
{
    if (width == 0 || height == 0)
        return sn_fail(err, SETSUNA_EINPUT, NULL, "the picture has no pixels");
    if (width > SN_IMAGE_SIDE_MAX || height > SN_IMAGE_SIDE_MAX || width * height > pixels_max)
        return sn_fail(err, SETSUNA_ELIMIT, NULL,
                       "%llu x %llu pixels are more than the limit of %llu in all and %d a side; make the picture "
                       "smaller or raise the limit",
                       (unsigned long long)width, (unsigned long long)height, (unsigned long long)pixels_max,
                       SN_IMAGE_SIDE_MAX);
    return SETSUNA_OK;
}

void sn_image_flatten(sn_image *image)
{
    size_t stride = (size_t)image->width * 3;
    for (int32_t y = 0; y < image->height; y++) {
        const uint8_t *in = sn_image_row(image, y);
        uint8_t *out = image->data + (size_t)y * stride; /* never ahead of in: 3 bytes are written for 4 read */
        for (int32_t x = 0; x < image->width; x++, in += 4, out += 3) {
            uint32_t alpha = in[3];
            for (int c = 0; c < 3; c++) {
                uint32_t v = in[c] * alpha + 255u * (255u - alpha);
                out[c] = (uint8_t)((v + 127u) / 255u);
            }
        }
    }
    image->channels = 3;
    image->stride_bytes = stride;
}

setsuna_status sn_image_orient(const sn_allocator *a, sn_image *image, int orientation)
{
    if (orientation <= 1 || orientation > 8)
        return SETSUNA_OK;
    bool transpose = orientation >= 5;
    bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    sn_image turned = {0};
    SN_TRY(sn_image_reserve(a, &turned, transpose ? image->height : image->width,
                            transpose ? image->width : image->height, image->channels));
    size_t c = (size_t)image->channels;
    for (int32_t y = 0; y < turned.height; y++) {
        uint8_t *out = sn_image_row(&turned, y);
        for (int32_t x = 0; x < turned.width; x++, out += c) {
            int32_t sx = transpose ? y : x, sy = transpose ? x : y;
            if (flip_x)
                sx = image->width - 1 - sx;
            if (flip_y)
                sy = image->height - 1 - sy;
            memcpy(out, sn_image_row(image, sy) + (size_t)sx * c, c);
        }
    }
    sn_image_fini(a, image);
    *image = turned;
    return SETSUNA_OK;
}

setsuna_status sn_image_decode(const sn_allocator *a, const void *data, size_t size, const sn_image_limits *limits,
                               sn_image *image, setsuna_error *err)
{
    static const uint8_t jpeg_magic[3] = {0xff, 0xd8, 0xff};
    static const uint8_t png_magic[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    sn_image_limits l = limits ? *limits : (sn_image_limits){0};
    if (l.pixels == 0)
        l.pixels = SN_IMAGE_PIXELS_DEFAULT;
    const uint8_t *bytes = data;
    if (size >= sizeof jpeg_magic && memcmp(bytes, jpeg_magic, sizeof jpeg_magic) == 0)
        return sn_image_decode_jpeg(a, bytes, size, &l, image, err);
    if (size >= sizeof png_magic && memcmp(bytes, png_magic, sizeof png_magic) == 0)
        return sn_image_decode_png(a, bytes, size, &l, image, err);
    if (size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0)
        return sn_image_decode_webp(a, bytes, size, &l, image, err);
    return sn_fail(err, SETSUNA_EINPUT, NULL, "not a JPEG, PNG or WebP picture (%zu bytes); convert it to one of these",
                   size);
}

setsuna_status sn_image_write_png(const char *path, const sn_image *image, setsuna_error *err)
{
    uint8_t *data;
    size_t size;
    SN_TRY(sn_image_encode_png(sn_allocator_default(), image, &data, &size, err));
    setsuna_status status = sn_file_write(path, data, size, err);
    sn_free(sn_allocator_default(), data);
    return status;
}
