/* Where things are in a picture: points, boxes and the way back from a resized picture to its source.
 *
 * Coordinates are in pixels, x to the right, y down; pixel (0, 0) covers [0, 1) x [0, 1).
 */
#ifndef SN_PIPELINE_GEOMETRY_H
#define SN_PIPELINE_GEOMETRY_H

#include <stddef.h>
#include <stdint.h>

typedef struct sn_point {
    float x, y;
} sn_point;

enum { SN_BOX_KEYPOINTS_MAX = 8 };

/* A detection: four corners in the order top left, top right, bottom right, bottom left of the thing itself (so a
 * rotated word has rotated corners), and what is known about it. */
typedef struct sn_box {
    sn_point corner[4];
    float score;
    int32_t class_id; /* -1: none */
    int32_t n_keypoints;
    sn_point keypoint[SN_BOX_KEYPOINTS_MAX];
} sn_box;

/* A growing list, as sn_grow keeps one. */
typedef struct sn_box_list {
    sn_box *item;
    size_t n, capacity;
} sn_box_list;

/* source = (p - offset) * scale: from a point of a resized or padded picture to the picture it was made from. */
typedef struct sn_transform {
    float scale_x, scale_y;
    float offset_x, offset_y;
} sn_transform;

static inline sn_transform sn_transform_identity(void)
{
    return (sn_transform){1.0f, 1.0f, 0.0f, 0.0f};
}

static inline sn_point sn_transform_point(const sn_transform *t, sn_point p)
{
    return (sn_point){(p.x - t->offset_x) * t->scale_x, (p.y - t->offset_y) * t->scale_y};
}

/* What `first` then `second` amounts to when both map towards the source: second(first(p)). */
static inline sn_transform sn_transform_then(const sn_transform *first, const sn_transform *second)
{
    sn_transform t = {first->scale_x * second->scale_x, first->scale_y * second->scale_y, 0.0f, 0.0f};
    t.offset_x = first->offset_x + (first->scale_x != 0.0f ? second->offset_x / first->scale_x : 0.0f);
    t.offset_y = first->offset_y + (first->scale_y != 0.0f ? second->offset_y / first->scale_y : 0.0f);
    return t;
}

#endif
