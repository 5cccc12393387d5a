/* Resizing, and fitting a picture into the sizes that a network takes. */
#ifndef SN_PIPELINE_IMAGE_RESIZE_H
#define SN_PIPELINE_IMAGE_RESIZE_H

#include "pipeline/geometry.h"
#include "pipeline/image.h"

typedef enum sn_resize_method {
    SN_RESIZE_BILINEAR, /* two samples a side, whatever the scale: what most networks were trained with */
    SN_RESIZE_AREA      /* mean over the covered source area when shrinking; bilinear when growing */
} sn_resize_method;

/* Working memory that is kept between calls. {0} is empty. */
typedef struct sn_resize_scratch {
    void *data;
    size_t capacity_bytes;
} sn_resize_scratch;

void sn_resize_scratch_fini(const sn_allocator *a, sn_resize_scratch *scratch);

/* Fills dst, whose size is set and whose pixels may be a part of a larger picture, with src resized to it.
 *
 * channels   equal in src and dst.
 * Aliasing   src and dst must not overlap.
 * Numerics   BILINEAR: half-pixel centres, edges repeated; 11-bit fixed-point coefficients, the intermediate row is
 *            kept to 1/128 of a level: within 1 level of the exact result. AREA: f32, within 1 level as well.
 * Source     the geometry of OpenCV's cv2.resize with INTER_LINEAR and INTER_AREA.
 * Returns OK, EINVAL (an empty picture or different channels), ENOMEM. */
setsuna_status sn_resize(const sn_allocator *a, const sn_image *src, sn_image *dst, sn_resize_method method,
                         sn_resize_scratch *scratch);

typedef enum sn_fit {
    SN_FIT_STRETCH,   /* to width x height, each side by its own scale */
    SN_FIT_LETTERBOX, /* one scale; centred in width x height, the rest filled */
    SN_FIT_LIMIT, /* the longer (limit_max) or shorter (limit_min) side to limit where it is beyond it, then each side
                     rounded to a multiple on its own: two scales, both kept in the transform */
    SN_FIT_HEIGHT /* to height, width by the same scale (rounded up, at most max_width), filled on the right up to
                     min_width and to the next multiple */
} sn_fit;

typedef struct sn_fit_options {
    sn_fit fit;
    sn_resize_method method;
    int32_t width, height;        /* STRETCH, LETTERBOX; HEIGHT: height only */
    int32_t limit_max, limit_min; /* LIMIT: sides; 0 for no limit */
    int32_t multiple;             /* LIMIT, HEIGHT: >= 1 */
    int32_t min_width, max_width; /* HEIGHT: canvas width; max_width 0 for SN_IMAGE_SIDE_MAX */
    bool cut;                     /* HEIGHT: what is wider than max_width is cut off on the right, not squeezed */
    uint8_t fill[4];              /* LETTERBOX, HEIGHT */
    uint64_t pixels_max;          /* a canvas of more pixels is refused; 0: SN_IMAGE_PIXELS_DEFAULT */
} sn_fit_options;

/* Where the resized picture lies in the canvas, and the way back from the canvas to the source. */
typedef struct sn_fit_geometry {
    int32_t canvas_width, canvas_height;
    int32_t x, y, width, height; /* within the canvas, at least 1 x 1 */
    int32_t src_width;           /* columns of the source that are used, from the left */
    sn_transform to_source;
} sn_fit_geometry;

/* Geometry alone, for a source of the given size. Source of LIMIT: PaddleOCR's text detection, which resizes each side
 * to max(round(side * ratio / 32) * 32, 32). Returns OK, EINVAL (an option outside its range), ELIMIT (a canvas side
 * above SN_IMAGE_SIDE_MAX). */
setsuna_status sn_fit_geometry_compute(const sn_fit_options *options, int32_t src_width, int32_t src_height,
                                       sn_fit_geometry *out, setsuna_error *err);

/* Resizes src into the canvas dst (reused storage) as options say and fills the rest.
 * Returns as sn_fit_geometry_compute, ENOMEM. *geometry_out may be NULL. */
setsuna_status sn_resize_fit(const sn_allocator *a, const sn_image *src, const sn_fit_options *options, sn_image *dst,
                             sn_resize_scratch *scratch, sn_fit_geometry *geometry_out, setsuna_error *err);

#endif
