/* Boxes from single-shot detectors: anchors, decoding, overlap and suppression.
 *
 * Source: Liu et al. 2016 (SSD); the anchor rule, decoding and weighted suppression follow MediaPipe's
 * ssd_anchors_calculator, tensors_to_detections_calculator and non_max_suppression_calculator.
 */
#ifndef SN_PIPELINE_DETECT_H
#define SN_PIPELINE_DETECT_H

#include "base/alloc.h"
#include "base/status.h"
#include "pipeline/geometry.h"
#include <stdbool.h>

/* Centre and size in units of the network's input. */
typedef struct sn_anchor {
    float x, y, w, h;
} sn_anchor;

enum { SN_ANCHOR_LAYERS_MAX = 16, SN_ANCHOR_RATIOS_MAX = 8, SN_ANCHORS_MAX = 1 << 20 };

typedef struct sn_anchor_options {
    int32_t width, height; /* of the network's input */
    int32_t n_layers;
    int32_t stride[SN_ANCHOR_LAYERS_MAX]; /* consecutive equal ones share their cells */
    int32_t n_ratios;
    float ratio[SN_ANCHOR_RATIOS_MAX]; /* width / height */
    float min_scale, max_scale;        /* of the first and the last layer */
    float extra_ratio;  /* one more anchor a layer, of the geometric mean of its scale and the next; 0: none */
    bool fixed_size;    /* every anchor is 1 x 1: the network predicts sizes, not factors */
    bool reduce_lowest; /* the first layer has the three anchors (1, .1), (2, min_scale), (.5, min_scale) only */
} sn_anchor_options;

/* Anchors in the order of the network's outputs: layer by layer, row by row, cell by cell.
 * Owns: the caller frees *anchors_out with sn_free. Returns OK, EINVAL (an option out of range), ELIMIT, ENOMEM. */
setsuna_status sn_anchors_create(const sn_allocator *a, const sn_anchor_options *options, sn_anchor **anchors_out,
                                 uint32_t *n_out);

typedef struct sn_ssd_options {
    float x_scale, y_scale, w_scale, h_scale;
    bool exponential_size; /* w = exp(raw / w_scale) * anchor.w instead of raw / w_scale * anchor.w */
    bool yx_order;         /* raw is y, x, h, w instead of x, y, w, h */
    bool sigmoid;          /* raw scores are logits, clipped to [-100, 100] */
    int32_t n_classes;     /* scores a box */
    int32_t background;    /* class that is no detection; -1: none */
    int32_t n_keypoints;   /* x, y pairs behind the box, at most SN_BOX_KEYPOINTS_MAX */
    int32_t n_coords;      /* floats a box, at least 4 + 2 * n_keypoints */
    float min_score;
} sn_ssd_options;

/* Appends the boxes whose best class reaches min_score, in [0, 1] of the network's input.
 *
 * coords (n, n_coords), scores (n, n_classes), n anchors. Boxes with a coordinate that is not finite are left out.
 * Returns OK, ENOMEM. */
setsuna_status sn_ssd_decode(const sn_allocator *a, const float *coords, const float *scores, const sn_anchor *anchors,
                             uint32_t n, const sn_ssd_options *options, sn_box_list *boxes);

/* Intersection over union of the upright rectangles around two boxes; 0 where both are empty. */
float sn_box_iou(const sn_box *a, const sn_box *b);

/* Intersection over union of two convex quadrilaterals at any angle. */
float sn_quad_iou(const sn_point a[4], const sn_point b[4]);

typedef struct sn_nms_options {
    float iou;           /* boxes that overlap a better one by more than this are suppressed */
    bool weighted;       /* the survivor becomes the score-weighted mean of those it suppressed and itself */
    bool across_classes; /* boxes of different classes suppress each other too */
    int32_t max_boxes;   /* survivors; 0: no limit */
} sn_nms_options;

/* Keeps the best boxes, best first, in place. Cannot fail. */
void sn_boxes_suppress(sn_box_list *boxes, const sn_nms_options *options);

/* Maps corners and keypoints through `to_source` after scaling them by (scale_x, scale_y), and clips the corners (not
 * the keypoints) to [0, src_width] x [0, src_height]. */
void sn_boxes_to_source(sn_box_list *boxes, float scale_x, float scale_y, const sn_transform *to_source,
                        float src_width, float src_height);

#endif
