/* Drawing what was found onto a picture: boxes, points and small labels.
 *
 * All functions work on 3-channel pictures, draw nothing outside them, and take any coordinates: what is not finite or
 * more than SN_DRAW_REACH away is left out. Cannot fail.
 */
#ifndef SN_PIPELINE_DRAW_H
#define SN_PIPELINE_DRAW_H

#include "pipeline/geometry.h"
#include "pipeline/image.h"

enum { SN_DRAW_REACH = 1 << 20 };

typedef struct sn_color {
    uint8_t r, g, b;
} sn_color;

/* One of a few colours that are told apart easily, for class or track i (any value). */
sn_color sn_draw_palette(int32_t i);

/* A line with round ends, thickness pixels wide, its edges anti-aliased by the covered distance. */
void sn_draw_line(sn_image *image, sn_point a, sn_point b, float thickness, sn_color color);

/* The four sides of a quadrilateral. */
void sn_draw_quad(sn_image *image, const sn_point corner[4], float thickness, sn_color color);

/* A filled circle. */
void sn_draw_disc(sn_image *image, sn_point centre, float radius, sn_color color);

/* A filled rectangle; x, y may be negative. */
void sn_draw_fill(sn_image *image, int32_t x, int32_t y, int32_t width, int32_t height, sn_color color);

enum { SN_FONT_WIDTH = 6, SN_FONT_HEIGHT = 9 /* of a character cell at scale 1, spacing included */ };

/* Characters of utf8 that sn_draw_text draws: one a code point; ASCII as itself, the rest as a hollow box. */
int32_t sn_draw_text_length(const char *utf8);

/* Text with its cell's upper left corner at x, y, in letters of 5 x 7 blocks of scale x scale pixels. scale >= 1. */
void sn_draw_text(sn_image *image, int32_t x, int32_t y, const char *utf8, int32_t scale, sn_color color);

/* Text on a filled background, black or white by contrast, whose lower left corner is at `at`; moved down and left as
 * far as needed to lie inside the picture. */
void sn_draw_label(sn_image *image, sn_point at, const char *utf8, int32_t scale, sn_color background);

/* The scale and thickness that suit a picture: 1 and 2 pixels up to 800 pixels on the longer side, then in proportion.
 */
int32_t sn_draw_scale(const sn_image *image);

#endif
