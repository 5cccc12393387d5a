/* Drawing: coverage of lines, text cells, and nothing outside the picture whatever the coordinates. */
#include "pipeline/draw.h"
#include "unit/pipeline/pictures.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "unit/pipeline/near.h"

static const sn_color white = {255, 255, 255};

static sn_image black(int32_t w, int32_t h)
{
    sn_image image = picture_exact(w, h, 3);
    memset(image.data, 0, image.stride_bytes * (size_t)h);
    return image;
}

/* Sum of coverage over the picture, in pixels. */
static double ink(const sn_image *image)
{
    double sum = 0;
    for (int32_t i = 0; i < image->width * image->height; i++)
        sum += image->data[3 * i] / 255.0;
    return sum;
}

static void test_line_covers_its_area(void **state)
{
    (void)state;
    for (int degrees = 0; degrees < 360; degrees += 15) {
        sn_image image = black(120, 120);
        double a = degrees * M_PI / 180;
        float dx = (float)(40 * cos(a)), dy = (float)(40 * sin(a));
        sn_draw_line(&image, (sn_point){60 - dx, 60 - dy}, (sn_point){60 + dx, 60 + dy}, 4, white);
        /* A rectangle of 80 x 4 and two half circles; the ramp at the edge is one pixel wide, half of it outside, so
         * the area is kept but for curvature. */
        assert_near(ink(&image), 80 * 4 + M_PI * 4, 0.02 * 320);
        free(image.data);
    }
}

static void test_line_is_where_it_should_be(void **state)
{
    (void)state;
    sn_image image = black(40, 20);
    sn_draw_line(&image, (sn_point){10, 10}, (sn_point){30, 10}, 2, (sn_color){10, 200, 30});
    for (int32_t y = 0; y < 20; y++)
        for (int32_t x = 12; x < 28; x++) { /* rows 9 and 10 are covered whole, the others not at all */
            const uint8_t *p = sn_image_row(&image, y) + 3 * x;
            assert_int_equal(p[1], y == 9 || y == 10 ? 200 : 0);
            assert_int_equal(p[0], y == 9 || y == 10 ? 10 : 0);
        }
    free(image.data);
}

static void test_quad_and_disc(void **state)
{
    (void)state;
    sn_image image = black(100, 100);
    const sn_point q[4] = {{10, 10}, {90, 10}, {90, 90}, {10, 90}};
    sn_draw_quad(&image, q, 2, white);
    assert_int_equal(sn_image_row(&image, 50)[3 * 10], 255);
    assert_int_equal(sn_image_row(&image, 90)[3 * 50], 255);
    assert_int_equal(sn_image_row(&image, 50)[3 * 50], 0);
    memset(image.data, 0, 30000);
    sn_draw_disc(&image, (sn_point){50, 50}, 10, white);
    assert_near(ink(&image), M_PI * 100, 4);
    free(image.data);
}

static void test_any_coordinates(void **state)
{
    (void)state;
    const float values[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 1e6f, -1e6f, 0, 5.5f, 1048576, -1048576};
    enum { N = sizeof values / sizeof *values };
    sn_image image = black(16, 9);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            sn_point p = {values[i], values[k]}, q = {values[k], values[(i + k) % N]};
            sn_draw_line(&image, p, q, 3, white);
            sn_draw_line(&image, p, q, values[i], white);
            sn_draw_disc(&image, q, 4, white);
            sn_draw_label(&image, p, "label", 2, white);
        }
    const int32_t edges[] = {INT32_MIN, -5, 0, 3, INT32_MAX};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 5; k++)
            sn_draw_fill(&image, edges[i], edges[k], edges[k], edges[i], white);
    sn_draw_text(&image, -100, -3, "far to the left of the picture and into it", 3, white);
    sn_draw_label(&image, (sn_point){1, 1}, "a label much longer than the picture is wide", 7000, white);
    free(image.data);
}

static void test_text(void **state)
{
    (void)state;
    assert_int_equal(sn_draw_text_length("abc"), 3);
    assert_int_equal(sn_draw_text_length("\xe5\xad\x97x\xf0\x9f\x90\x88"), 3);
    assert_int_equal(sn_draw_text_length("\x80\x80"), 1);
    assert_int_equal(sn_draw_text_length(""), 0);

    /* Every character but the space has ink, inside its cell only, and no two are equal. */
    uint64_t seen[96] = {0};
    for (int c = 0x20; c <= 0x7f; c++) {
        sn_image image = black(3 * SN_FONT_WIDTH, SN_FONT_HEIGHT);
        const char text[4] = {' ', c == 0x7f ? '\x01' : (char)c, ' ', 0};
        sn_draw_text(&image, 0, 0, text, 1, white);
        uint64_t bits = 0;
        for (int32_t y = 0; y < SN_FONT_HEIGHT; y++)
            for (int32_t x = 0; x < 3 * SN_FONT_WIDTH; x++) {
                if (!sn_image_row(&image, y)[3 * x])
                    continue;
                assert_true(x >= SN_FONT_WIDTH && x < 2 * SN_FONT_WIDTH - 1 && y >= 1 && y < SN_FONT_HEIGHT);
                bits |= (uint64_t)1 << (5 * (y - 1) + x - SN_FONT_WIDTH);
            }
        assert_true((bits != 0) == (c != ' '));
        for (int k = 0; k < c - 0x20; k++)
            assert_true(seen[k] != bits);
        seen[c - 0x20] = bits;
        free(image.data);
    }
}

static void test_text_scale(void **state)
{
    (void)state;
    sn_image small = black(SN_FONT_WIDTH, SN_FONT_HEIGHT), large = black(3 * SN_FONT_WIDTH, 3 * SN_FONT_HEIGHT);
    sn_draw_text(&small, 0, 0, "R", 1, white);
    sn_draw_text(&large, 0, 0, "R", 3, white);
    for (int32_t y = 0; y < 3 * SN_FONT_HEIGHT; y++)
        for (int32_t x = 0; x < 3 * SN_FONT_WIDTH; x++)
            assert_int_equal(sn_image_row(&large, y)[3 * x], sn_image_row(&small, y / 3)[x / 3 * 3]);
    free(small.data);
    free(large.data);
}

static void test_label(void **state)
{
    (void)state;
    sn_image image = black(60, 40);
    const sn_color yellow = {250, 230, 20}, navy = {0, 0, 90};
    sn_draw_label(&image, (sn_point){58, 2}, "Hi", 1, yellow); /* moved into the picture: x 47..59, y 0..8 */
    assert_int_equal(sn_image_row(&image, 0)[3 * 59], 250);
    assert_int_equal(sn_image_row(&image, 8)[3 * 47 + 1], 230);
    assert_int_equal(sn_image_row(&image, 9)[3 * 59], 0);
    assert_int_equal(sn_image_row(&image, 0)[3 * 46], 0);
    assert_int_equal(sn_image_row(&image, 1)[3 * 48], 0); /* H in black on a light colour */
    sn_draw_label(&image, (sn_point){0, 30}, "Hi", 1, navy);
    assert_int_equal(sn_image_row(&image, 22)[3], 255); /* and in white on a dark one */
    free(image.data);
}

static void test_palette(void **state)
{
    (void)state;
    const int32_t odd[] = {-1, INT32_MIN, INT32_MAX, 0, 7, 8};
    for (int i = 0; i < 6; i++) {
        sn_color c = sn_draw_palette(odd[i]);
        assert_true(c.r || c.g || c.b);
    }
    sn_image image = {.width = 4000, .height = 100};
    assert_int_equal(sn_draw_scale(&image), 5);
    image.width = 640;
    assert_int_equal(sn_draw_scale(&image), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_covers_its_area),
        cmocka_unit_test(test_line_is_where_it_should_be),
        cmocka_unit_test(test_quad_and_disc),
        cmocka_unit_test(test_any_coordinates),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_scale),
        cmocka_unit_test(test_label),
        cmocka_unit_test(test_palette),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
