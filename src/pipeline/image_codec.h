/* Between image.c, which tells formats apart, and the files that decode one each. Nobody else includes this. */
#ifndef SN_PIPELINE_IMAGE_CODEC_H
#define SN_PIPELINE_IMAGE_CODEC_H

#include "pipeline/image.h"

/* As sn_image_decode, for data that starts with the format's magic; limits are complete. */
setsuna_status sn_image_decode_jpeg(const sn_allocator *a, const uint8_t *data, size_t size,
                                    const sn_image_limits *limits, sn_image *image, setsuna_error *err);
setsuna_status sn_image_decode_png(const sn_allocator *a, const uint8_t *data, size_t size,
                                   const sn_image_limits *limits, sn_image *image, setsuna_error *err);
setsuna_status sn_image_decode_webp(const sn_allocator *a, const uint8_t *data, size_t size,
                                    const sn_image_limits *limits, sn_image *image, setsuna_error *err);

/* Returns OK, EINPUT (a side is 0) or ELIMIT, before anything of that size is allocated. */
setsuna_status sn_image_check_size(uint64_t width, uint64_t height, uint64_t pixels_max, setsuna_error *err);

/* RGBA on white -> RGB, in place; rows are tightly packed afterwards. */
void sn_image_flatten(sn_image *image);

/* Makes a picture stored with this EXIF orientation upright. Returns OK, ENOMEM. */
setsuna_status sn_image_orient(const sn_allocator *a, sn_image *image, int orientation);

#endif
