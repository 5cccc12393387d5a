/* Crops of tilted quadrilaterals: known maps, ramps that bilinear sampling reproduces exactly, degenerate corners. */
#include "pipeline/warp.h"
#include "unit/pipeline/pictures.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "unit/pipeline/near.h"

static const sn_allocator *heap(void)
{
    return sn_allocator_default();
}

static void apply(const double m[9], double x, double y, double out[2])
{
    double w = m[6] * x + m[7] * y + m[8];
    out[0] = (m[0] * x + m[1] * y + m[2]) / w;
    out[1] = (m[3] * x + m[4] * y + m[5]) / w;
}

static void test_homography_takes_corners_to_corners(void **state)
{
    (void)state;
    static const sn_point quads[][4] = {
        {{0, 0}, {10, 0}, {10, 5}, {0, 5}},
        {{100, 50}, {300, 80}, {290, 140}, {95, 120}},
        {{5000, 6000}, {5001, 6000}, {5001, 6001}, {5000, 6001}},
        {{10, 10}, {60, 40}, {50, 60}, {0, 30}},
        {{1000, 10}, {1000, 500}, {900, 500}, {900, 10}}, /* turned by 90 degrees */
    };
    for (size_t i = 0; i < sizeof quads / sizeof *quads; i++) {
        double m[9];
        assert_int_equal(sn_homography_from_quad(quads[i], 320, 48, m), SETSUNA_OK);
        static const double corner[4][2] = {{0, 0}, {320, 0}, {320, 48}, {0, 48}};
        for (int k = 0; k < 4; k++) {
            double p[2];
            apply(m, corner[k][0], corner[k][1], p);
            assert_near(p[0], quads[i][k].x, 1e-6);
            assert_near(p[1], quads[i][k].y, 1e-6);
        }
    }
}

static void test_homography_keeps_lines(void **state)
{
    (void)state;
    /* The middle of the upright rectangle maps to where the diagonals of the quad cross. */
    const sn_point q[4] = {{0, 0}, {100, 20}, {90, 80}, {10, 60}};
    double m[9], p[2];
    assert_int_equal(sn_homography_from_quad(q, 50, 30, m), SETSUNA_OK);
    apply(m, 25, 15, p);
    double ax = (double)q[2].x, ay = (double)q[2].y;
    double bx = (double)(q[3].x - q[1].x), by = (double)(q[3].y - q[1].y);
    double t =
        ((double)q[1].x * by - (double)q[1].y * bx) / (ax * by - ay * bx); /* q0 = 0: t * q2 = q1 + s * (q3 - q1) */
    assert_near(p[0], t * ax, 1e-9);
    assert_near(p[1], t * ay, 1e-9);
}

static void test_degenerate_quads(void **state)
{
    (void)state;
    const float nan_value = NAN, inf = INFINITY;
    const sn_point quads[][4] = {
        {{5, 5}, {5, 5}, {5, 5}, {5, 5}},      {{0, 0}, {10, 0}, {20, 0}, {30, 0}},
        {{0, 0}, {10, 0}, {10, 0}, {0, 0}},    {{nan_value, 0}, {10, 0}, {10, 10}, {0, 10}},
        {{0, 0}, {inf, 0}, {10, 10}, {0, 10}}, {{0, 0}, {10, 10}, {10, 0}, {0, 10}}, /* a bow tie */
    };
    sn_image src = picture_noise(20, 20, 3, 1), dst = {0};
    for (size_t i = 0; i < sizeof quads / sizeof *quads; i++) {
        double m[9];
        assert_int_equal(sn_homography_from_quad(quads[i], 8, 8, m), SETSUNA_EINPUT);
        assert_int_equal(sn_warp_quad(heap(), &src, quads[i], 8, 8, &dst), SETSUNA_EINPUT);
    }
    int32_t w, h;
    sn_quad_size(quads[3], &w, &h);
    assert_true(w >= 1 && h >= 1);
    sn_quad_size(quads[4], &w, &h);
    assert_true(w >= 1 && w <= SN_IMAGE_SIDE_MAX && h >= 1);
    free(src.data);
}

static void test_identity_crop(void **state)
{
    (void)state;
    sn_image src = picture_noise(30, 20, 3, 9), dst = {0};
    const sn_point q[4] = {{4, 3}, {24, 3}, {24, 15}, {4, 15}};
    int32_t w, h;
    sn_quad_size(q, &w, &h);
    assert_int_equal(w, 20);
    assert_int_equal(h, 12);
    assert_int_equal(sn_warp_quad(heap(), &src, q, w, h, &dst), SETSUNA_OK);
    for (int32_t y = 0; y < h; y++)
        assert_memory_equal(sn_image_row(&dst, y), sn_image_row(&src, y + 3) + 4 * 3, 20 * 3);
    sn_image_fini(heap(), &dst);
    free(src.data);
}

static void test_quarter_turn_crop(void **state)
{
    (void)state;
    sn_image src = picture_noise(30, 20, 1, 9), dst = {0};
    const sn_point q[4] = {{24, 3}, {24, 15}, {4, 15}, {4, 3}}; /* the thing's top runs down the right side */
    int32_t w, h;
    sn_quad_size(q, &w, &h);
    assert_int_equal(w, 12);
    assert_int_equal(h, 20);
    assert_int_equal(sn_warp_quad(heap(), &src, q, w, h, &dst), SETSUNA_OK);
    for (int32_t y = 0; y < h; y++)
        for (int32_t x = 0; x < w; x++)
            assert_int_equal(sn_image_row(&dst, y)[x], sn_image_row(&src, 3 + x)[23 - y]);
    sn_image_fini(heap(), &dst);
    free(src.data);
}

static void test_perspective_on_a_ramp(void **state)
{
    (void)state;
    /* On a picture that is linear in x and y, bilinear sampling is exact, so every output pixel must be the ramp at its
     * mapped place: within 0.5 for the stored ramp's rounding, 0.5 for weights of 8 bits and 0.5 for the result's. */
    sn_image src = picture_exact(200, 150, 1), dst = {0};
    for (int32_t y = 0; y < 150; y++)
        for (int32_t x = 0; x < 200; x++)
            sn_image_row(&src, y)[x] = (uint8_t)lrint(0.6 * (x + 0.5) + 0.8 * (y + 0.5));
    const sn_point q[4] = {{20, 30}, {180, 10}, {150, 120}, {40, 100}};
    double m[9];
    assert_int_equal(sn_homography_from_quad(q, 90, 60, m), SETSUNA_OK);
    assert_int_equal(sn_warp_quad(heap(), &src, q, 90, 60, &dst), SETSUNA_OK);
    for (int32_t y = 0; y < 60; y++)
        for (int32_t x = 0; x < 90; x++) {
            double p[2];
            apply(m, x + 0.5, y + 0.5, p);
            assert_near(sn_image_row(&dst, y)[x], 0.6 * p[0] + 0.8 * p[1], 1.5);
        }
    sn_image_fini(heap(), &dst);
    free(src.data);
}

static void test_border_is_repeated(void **state)
{
    (void)state;
    sn_image src = picture_exact(4, 4, 3), dst = {0};
    memset(src.data, 77, 48);
    const sn_point q[4] = {{-100, -100}, {1e6f, -100}, {1e6f, 1e6f}, {-100, 1e6f}};
    assert_int_equal(sn_warp_quad(heap(), &src, q, 16, 16, &dst), SETSUNA_OK);
    for (int i = 0; i < 16 * 16 * 3; i++)
        assert_int_equal(dst.data[i], 77);
    sn_image_fini(heap(), &dst);
    free(src.data);
}

static void test_turns(void **state)
{
    (void)state;
    for (int32_t w = 1; w < 6; w++)
        for (int32_t h = 1; h < 6; h++) {
            sn_image src = picture_noise(w, h, 3, 4), a = {0}, b = {0}, c = {0};
            assert_int_equal(sn_image_turn(heap(), &src, SN_TURN_90_CCW, &a), SETSUNA_OK);
            assert_memory_equal(sn_image_row(&a, 0), sn_image_row(&src, 0) + (w - 1) * 3,
                                3); /* top right -> top left */
            assert_int_equal(sn_image_turn(heap(), &a, SN_TURN_90_CCW, &b), SETSUNA_OK);
            assert_int_equal(sn_image_turn(heap(), &src, SN_TURN_180, &c), SETSUNA_OK);
            assert_memory_equal(b.data, c.data, (size_t)(w * h * 3));
            assert_int_equal(sn_image_turn(heap(), &a, SN_TURN_90_CW, &b), SETSUNA_OK);
            assert_memory_equal(b.data, src.data, (size_t)(w * h * 3));
            sn_image_turn_180(&c);
            assert_memory_equal(c.data, src.data, (size_t)(w * h * 3));
            sn_image_fini(heap(), &a);
            sn_image_fini(heap(), &b);
            sn_image_fini(heap(), &c);
            free(src.data);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_homography_takes_corners_to_corners),
        cmocka_unit_test(test_homography_keeps_lines),
        cmocka_unit_test(test_degenerate_quads),
        cmocka_unit_test(test_identity_crop),
        cmocka_unit_test(test_quarter_turn_crop),
        cmocka_unit_test(test_perspective_on_a_ramp),
        cmocka_unit_test(test_border_is_repeated),
        cmocka_unit_test(test_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
