/* Cutting a tilted quadrilateral out of a picture as an upright rectangle, and turning pictures by right angles. */
#ifndef SN_PIPELINE_WARP_H
#define SN_PIPELINE_WARP_H

#include "pipeline/geometry.h"
#include "pipeline/image.h"

/* The projective map that takes the corners (0, 0), (width, 0), (width, height), (0, height) to quad[0..3], as a
 * row-major 3 x 3 matrix with m[8] = 1: source = (m0 x + m1 y + m2, m3 x + m4 y + m5) / (m6 x + m7 y + m8).
 * Returns OK, or EINPUT (corners that are not finite, or three of them on a line). Source: Heckbert 1989, sec. 2.2. */
setsuna_status sn_homography_from_quad(const sn_point quad[4], double width, double height, double m_out[9]);

/* Fills dst (reused storage) with the quadrilateral of src made upright: width x height pixels, corner order as in
 * sn_box. Bilinear between pixel centres; the border pixel is repeated outside.
 * Aliasing: src and dst must not overlap. Returns OK, EINPUT (a degenerate quad), EINVAL (a size out of range), ENOMEM.
 */
setsuna_status sn_warp_quad(const sn_allocator *a, const sn_image *src, const sn_point quad[4], int32_t width,
                            int32_t height, sn_image *dst);

/* The width and height of an upright crop of quad: the longer of its two horizontal and of its two vertical edges,
 * rounded down, within [1, SN_IMAGE_SIDE_MAX]; 1 x 1 where a corner is not finite. */
void sn_quad_size(const sn_point quad[4], int32_t *width_out, int32_t *height_out);

typedef enum sn_turn { SN_TURN_90_CCW = 1, SN_TURN_180 = 2, SN_TURN_90_CW = 3 } sn_turn;

/* dst (reused storage) = src turned. Aliasing: must not overlap. Returns OK, EINVAL (an empty picture), ENOMEM. */
setsuna_status sn_image_turn(const sn_allocator *a, const sn_image *src, sn_turn turn, sn_image *dst);

/* Turns by 180 degrees in place. */
void sn_image_turn_180(sn_image *image);

#endif
