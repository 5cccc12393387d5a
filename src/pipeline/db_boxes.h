/* From the probability map of a text detector to the boxes of its words and lines.
 *
 * Source: Liao et al. 2020, "Real-time Scene Text Detection with Differentiable Binarization"; the defaults, drop rules
 * and order of the corners are those of PaddleOCR's DB post-processing.
 */
#ifndef SN_PIPELINE_DB_BOXES_H
#define SN_PIPELINE_DB_BOXES_H

#include "base/alloc.h"
#include "base/status.h"
#include "pipeline/geometry.h"

typedef struct sn_db_options {
    float threshold;     /* a pixel is text above this: .3 */
    float box_threshold; /* a box is kept if the map's mean inside is at least this: .6 */
    float unclip_ratio; /* boxes grow by area * ratio / perimeter on each side: 1.5. The network marks shrunken text. */
    float min_side;     /* boxes with a shorter side are dropped, before growing (after: + 2): 3 map pixels */
    int32_t max_boxes;  /* of the map's components only the first so many are looked at: 1000 */
} sn_db_options;

/* Working memory that is kept between calls. {0} is empty. */
typedef struct sn_db_scratch {
    void *runs;
    size_t runs_capacity;
    int32_t *chain;
    size_t chain_capacity;
} sn_db_scratch;

void sn_db_scratch_fini(const sn_allocator *a, sn_db_scratch *scratch);

/* Finds the text boxes of a map and replaces the contents of *boxes with them, in reading order.
 *
 * map          height rows of width floats, probabilities; NaN counts as 0 and everything is clamped to [0, 1].
 * to_source    from the map's pixels to the picture's; boxes are clipped to src_width x src_height.
 * Connected components (8 neighbours), the least rectangle around each, its mean probability, growth, clipping.
 * Returns OK, EINVAL (a side is not positive), ENOMEM. */
setsuna_status sn_db_boxes(const sn_allocator *a, const float *map, int32_t width, int32_t height,
                           const sn_transform *to_source, float src_width, float src_height,
                           const sn_db_options *options, sn_db_scratch *scratch, sn_box_list *boxes);

/* A rectangle at any angle: centre, unit vector along the first side, full lengths of the sides along and across it. */
typedef struct sn_rect {
    double x, y;
    double ux, uy;
    double along, across;
} sn_rect;

/* The rectangle of least area around a convex polygon of n >= 3 corners (in order, no three on a line), by rotating
 * calipers. Source: Toussaint 1983. */
sn_rect sn_rect_min_area(const double (*polygon)[2], int32_t n);

/* Corners of a rectangle as sn_box orders them: of the two leftmost the upper is top left, of the two rightmost the
 * upper is top right. */
void sn_rect_corners(const sn_rect *rect, sn_point corner_out[4]);

/* Top to bottom, left to right; boxes whose tops differ by less than half the lower one's height are one line. */
void sn_boxes_sort_reading(sn_box *boxes, size_t n);

#endif
