/* 8-bit images in memory, and the picture files they come from and go to.
 *
 * Files are hostile: the size is read and checked before anything is allocated for it, decoder warnings are errors,
 * and nothing in a file can make a decoder abort or print.
 */
#ifndef SN_PIPELINE_IMAGE_H
#define SN_PIPELINE_IMAGE_H

#include "base/alloc.h"
#include "base/status.h"
#include <stdbool.h>
#include <stdint.h>

/* Interleaved samples: pixel (x, y) starts at data + y * stride_bytes + x * channels.
 * channels is 1 (gray), 3 (R, G, B) or 4 (R, G, B, A). A row may be followed by bytes that belong to nobody. */
typedef struct sn_image {
    uint8_t *data;
    int32_t width, height;
    int32_t channels;
    size_t stride_bytes;   /* >= width * channels */
    size_t capacity_bytes; /* bytes owned behind data; 0: borrowed */
} sn_image;

enum {
    SN_IMAGE_SIDE_MAX = 65535,         /* what JPEG can say; longer sides are refused for all formats */
    SN_IMAGE_PIXELS_DEFAULT = 16 << 20 /* 16 Mpx */
};

static inline uint8_t *sn_image_row(const sn_image *image, int32_t y)
{
    return image->data + (size_t)y * image->stride_bytes;
}

/* Makes image hold width x height x channels, tightly packed, in memory that it owns; what it owned before is reused
 * when it is large enough. Contents undefined. {0} is a valid empty image.
 * Returns OK, EINVAL (a side outside [1, SN_IMAGE_SIDE_MAX] or channels not 1, 3, 4), ENOMEM; image is untouched on
 * failure. */
setsuna_status sn_image_reserve(const sn_allocator *a, sn_image *image, int32_t width, int32_t height,
                                int32_t channels);

/* Makes dst a copy of src. Returns as sn_image_reserve. */
setsuna_status sn_image_copy(const sn_allocator *a, const sn_image *src, sn_image *dst);

/* Frees what image owns and empties it. */
void sn_image_fini(const sn_allocator *a, sn_image *image);

typedef struct sn_image_limits {
    uint64_t pixels;    /* width * height above this is refused; 0: SN_IMAGE_PIXELS_DEFAULT */
    int32_t shrink_min; /* JPEG only: 0, or decode at 1/2, 1/4 or 1/8 as long as the shorter side stays >= this */
} sn_image_limits;

/* Decodes a JPEG, PNG or WebP file of size bytes, told apart by its first bytes, to RGB8 into *image (reused storage
 * as in sn_image_reserve). Gray, palette and 16-bit pictures become RGB8; transparency is composited on white; the
 * EXIF orientation of a JPEG is applied.
 *
 * limits     NULL: the defaults.
 * allocator  for the image; the decoders' own tables come from the process heap.
 * Returns OK, EINPUT (not one of the three formats, or damaged: truncated data and decoder warnings count), ELIMIT
 * (too many pixels, JPEG scans or PNG chunks), EUNSUPPORTED (CMYK JPEG, animated WebP), ENOMEM. On failure the
 * contents of *image are undefined, but it may be reused and must be freed as before. */
setsuna_status sn_image_decode(const sn_allocator *a, const void *data, size_t size, const sn_image_limits *limits,
                               sn_image *image, setsuna_error *err);

/* Encodes image (1, 3 or 4 channels) as PNG. Owns: the caller frees *data_out with sn_free(a, ...).
 * Returns OK, ENOMEM, EINVAL (an empty image). */
setsuna_status sn_image_encode_png(const sn_allocator *a, const sn_image *image, uint8_t **data_out, size_t *size_out,
                                   setsuna_error *err);

/* Writes image as a PNG file; nothing partial stays behind (see sn_file_write). Returns as sn_image_encode_png, EIO. */
setsuna_status sn_image_write_png(const char *path, const sn_image *image, setsuna_error *err);

#endif
