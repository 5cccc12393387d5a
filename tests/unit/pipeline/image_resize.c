/* Resizing against a double-precision reference, and the geometry of every fit. */
#include "pipeline/image_resize.h"
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

static double pixel(const sn_image *image, int32_t x, int32_t y, int32_t c)
{
    x = x < 0 ? 0 : x >= image->width ? image->width - 1 : x;
    y = y < 0 ? 0 : y >= image->height ? image->height - 1 : y;
    return sn_image_row(image, y)[x * image->channels + c];
}

static double reference_bilinear(const sn_image *src, double x, double y, int32_t c)
{
    double fx = floor(x), fy = floor(y), wx = x - fx, wy = y - fy;
    int32_t ix = (int32_t)fx, iy = (int32_t)fy;
    return (pixel(src, ix, iy, c) * (1 - wx) + pixel(src, ix + 1, iy, c) * wx) * (1 - wy) +
           (pixel(src, ix, iy + 1, c) * (1 - wx) + pixel(src, ix + 1, iy + 1, c) * wx) * wy;
}

static double reference_area(const sn_image *src, double x0, double x1, double y0, double y1, int32_t c)
{
    double sum = 0;
    for (int32_t y = (int32_t)y0; y < (int32_t)ceil(y1); y++)
        for (int32_t x = (int32_t)x0; x < (int32_t)ceil(x1); x++)
            sum += pixel(src, x, y, c) * (fmin(x1, x + 1) - fmax(x0, x)) * (fmin(y1, y + 1) - fmax(y0, y));
    return sum / ((x1 - x0) * (y1 - y0));
}

static const int32_t sizes[][4] = {
    {1, 1, 1, 1},    {1, 1, 7, 5},    {2, 3, 7, 5},    {7, 5, 1, 1},     {64, 48, 32, 24}, {31, 17, 64, 48},
    {97, 61, 13, 7}, {100, 3, 10, 3}, {3, 100, 3, 10}, {64, 64, 63, 65}, {50, 50, 50, 50}, {640, 3, 97, 2},
};

static void check_resize(sn_resize_method method)
{
    sn_resize_scratch scratch = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (int32_t channels = 1; channels <= 4; channels += channels == 1 ? 2 : 1) {
            sn_image src = picture_noise(sizes[i][0], sizes[i][1], channels, 17 + i);
            sn_image dst = picture_exact(sizes[i][2], sizes[i][3], channels);
            assert_int_equal(sn_resize(heap(), &src, &dst, method, &scratch), SETSUNA_OK);
            double sx = (double)src.width / dst.width, sy = (double)src.height / dst.height;
            bool area = method == SN_RESIZE_AREA && sx >= 1 && sy >= 1;
            for (int32_t y = 0; y < dst.height; y++)
                for (int32_t x = 0; x < dst.width; x++)
                    for (int32_t c = 0; c < channels; c++) {
                        double want = area ? reference_area(&src, x * sx, (x + 1) * sx, y * sy, (y + 1) * sy, c)
                                           : reference_bilinear(&src, (x + 0.5) * sx - 0.5, (y + 0.5) * sy - 0.5, c);
                        double got = pixel(&dst, x, y, c);
                        if (fabs(got - want) > 1.0)
                            fail_msg("%dx%d -> %dx%d (%d,%d,%d): %g, want %g", src.width, src.height, dst.width,
                                     dst.height, x, y, c, got, want);
                    }
            free(src.data);
            free(dst.data);
        }
    sn_resize_scratch_fini(heap(), &scratch);
}

static void test_bilinear(void **state)
{
    (void)state;
    check_resize(SN_RESIZE_BILINEAR);
}

static void test_area(void **state)
{
    (void)state;
    check_resize(SN_RESIZE_AREA);
}

static void test_constant_stays_constant(void **state)
{
    (void)state;
    sn_resize_scratch scratch = {0};
    for (int level = 0; level < 256; level += 51)
        for (int method = 0; method < 2; method++) {
            sn_image src = picture_exact(53, 41, 3), dst = picture_exact(20, 30, 3);
            memset(src.data, level, 53 * 41 * 3);
            assert_int_equal(sn_resize(heap(), &src, &dst, (sn_resize_method)method, &scratch), SETSUNA_OK);
            for (int i = 0; i < 20 * 30 * 3; i++)
                assert_int_equal(dst.data[i], level);
            free(src.data);
            free(dst.data);
        }
    sn_resize_scratch_fini(heap(), &scratch);
}

static void test_into_part(void **state)
{
    (void)state;
    sn_image src = picture_noise(9, 9, 3, 5), whole = picture_exact(30, 20, 3), alone = picture_exact(12, 10, 3);
    sn_resize_scratch scratch = {0};
    memset(whole.data, 0xee, 30 * 20 * 3);
    sn_image part = whole;
    part.data += 4 * whole.stride_bytes + 7 * 3;
    part.width = 12;
    part.height = 10;
    assert_int_equal(sn_resize(heap(), &src, &part, SN_RESIZE_BILINEAR, &scratch), SETSUNA_OK);
    assert_int_equal(sn_resize(heap(), &src, &alone, SN_RESIZE_BILINEAR, &scratch), SETSUNA_OK);
    for (int32_t y = 0; y < 20; y++)
        for (int32_t x = 0; x < 30; x++) {
            bool inside = x >= 7 && x < 19 && y >= 4 && y < 14;
            for (int32_t c = 0; c < 3; c++)
                assert_true(pixel(&whole, x, y, c) == (inside ? pixel(&alone, x - 7, y - 4, c) : 0xee));
        }
    sn_image wrong = {0};
    assert_int_equal(sn_resize(heap(), &wrong, &part, SN_RESIZE_BILINEAR, &scratch), SETSUNA_EINVAL);
    sn_resize_scratch_fini(heap(), &scratch);
    free(src.data);
    free(whole.data);
    free(alone.data);
}

static sn_fit_geometry geometry(const sn_fit_options *o, int32_t w, int32_t h)
{
    sn_fit_geometry g;
    assert_int_equal(sn_fit_geometry_compute(o, w, h, &g, NULL), SETSUNA_OK);
    return g;
}

static void test_letterbox_geometry(void **state)
{
    (void)state;
    const sn_fit_options o = {.fit = SN_FIT_LETTERBOX, .width = 128, .height = 128};
    sn_fit_geometry g = geometry(&o, 640, 480);
    assert_int_equal(g.width, 128);
    assert_int_equal(g.height, 96);
    assert_int_equal(g.x, 0);
    assert_int_equal(g.y, 16);
    sn_point p = sn_transform_point(&g.to_source, (sn_point){64, 64});
    assert_near(p.x, 320, 1e-4);
    assert_near(p.y, 240, 1e-4);
    g = geometry(&o, 10, 5000); /* extreme: never narrower than one pixel */
    assert_int_equal(g.width, 1);
    assert_int_equal(g.height, 128);
}

static void test_limit_geometry(void **state)
{
    (void)state;
    const sn_fit_options max = {.fit = SN_FIT_LIMIT, .limit_max = 960, .multiple = 32};
    sn_fit_geometry g = geometry(&max, 1920, 1080); /* ratio 0.5: 960 x 540 -> 960 x 544 */
    assert_int_equal(g.width, 960);
    assert_int_equal(g.height, 544);
    sn_point p = sn_transform_point(&g.to_source, (sn_point){960, 544});
    assert_near(p.x, 1920, 1e-3);
    assert_near(p.y, 1080, 1e-3);
    g = geometry(&max, 100, 20); /* below the limit: only rounded, 100 -> 96, 20 -> 32 */
    assert_int_equal(g.width, 96);
    assert_int_equal(g.height, 32);
    const sn_fit_options min = {.fit = SN_FIT_LIMIT, .limit_min = 736, .multiple = 32};
    g = geometry(&min, 400, 300); /* ratio 736/300: 981.3 x 736 -> 992 x 736 */
    assert_int_equal(g.width, 992);
    assert_int_equal(g.height, 736);
    sn_fit_geometry out;
    setsuna_error err;
    assert_int_equal(sn_fit_geometry_compute(&min, 60000, 1, &out, &err), SETSUNA_ELIMIT);
    assert_int_equal(sn_fit_geometry_compute(&max, 0, 1, &out, &err), SETSUNA_EINVAL);
    sn_fit_options bomb = {.fit = SN_FIT_STRETCH, .width = 60000, .height = 60000};
    assert_int_equal(sn_fit_geometry_compute(&bomb, 1, 1, &out, &err), SETSUNA_ELIMIT);
    bomb.pixels_max = UINT64_C(60000) * 60000;
    assert_int_equal(sn_fit_geometry_compute(&bomb, 1, 1, &out, &err), SETSUNA_OK);
}

static void test_height_geometry(void **state)
{
    (void)state;
    const sn_fit_options o = {.fit = SN_FIT_HEIGHT, .height = 48, .min_width = 320, .multiple = 32};
    sn_fit_geometry g = geometry(&o, 100, 20); /* 48 * 100 / 20 = 240, filled up to 320 */
    assert_int_equal(g.width, 240);
    assert_int_equal(g.canvas_width, 320);
    assert_int_equal(g.canvas_height, 48);
    g = geometry(&o, 201, 20); /* ceil(482.4) = 483 -> 512 */
    assert_int_equal(g.width, 483);
    assert_int_equal(g.canvas_width, 512);
    const sn_fit_options cut = {.fit = SN_FIT_HEIGHT, .height = 48, .max_width = 192, .multiple = 1, .cut = true};
    g = geometry(&cut, 1000, 20); /* 192 / 48 * 20 = 80 columns are used */
    assert_int_equal(g.width, 192);
    assert_int_equal(g.src_width, 80);
    assert_near(g.to_source.scale_x, 20.0 / 48, 1e-6);
    const sn_fit_options capped = {
        .fit = SN_FIT_HEIGHT, .height = 48, .max_width = 192, .min_width = 192, .multiple = 1};
    g = geometry(&capped, 1000, 20);
    assert_int_equal(g.width, 192);
    assert_int_equal(g.canvas_width, 192);
}

static void test_fit_fills_the_rest(void **state)
{
    (void)state;
    sn_image src = picture_noise(40, 20, 3, 3), dst = {0};
    sn_resize_scratch scratch = {0};
    const sn_fit_options o = {.fit = SN_FIT_LETTERBOX, .width = 32, .height = 32, .fill = {1, 2, 3}};
    sn_fit_geometry g;
    assert_int_equal(sn_resize_fit(heap(), &src, &o, &dst, &scratch, &g, NULL), SETSUNA_OK);
    assert_int_equal(g.y, 8);
    for (int32_t y = 0; y < 32; y++)
        for (int32_t x = 0; x < 32; x++) {
            double sx = (x + 0.5) * 40 / 32 - 0.5, sy = (y - 8 + 0.5) * 20 / 16 - 0.5;
            for (int32_t c = 0; c < 3; c++) {
                if (y < 8 || y >= 24)
                    assert_int_equal((int)pixel(&dst, x, y, c), c + 1);
                else
                    assert_true(fabs(pixel(&dst, x, y, c) - reference_bilinear(&src, sx, sy, c)) <= 1);
            }
        }
    const sn_fit_options high = {.fit = SN_FIT_HEIGHT, .height = 10, .min_width = 37, .multiple = 1, .fill = {9, 9, 9}};
    assert_int_equal(sn_resize_fit(heap(), &src, &high, &dst, &scratch, &g, NULL), SETSUNA_OK);
    assert_int_equal(dst.width, 37);
    assert_int_equal(g.width, 20);
    assert_int_equal((int)pixel(&dst, 36, 9, 2), 9);
    assert_int_equal((int)pixel(&dst, 20, 0, 0), 9);
    sn_image_fini(heap(), &dst);
    sn_resize_scratch_fini(heap(), &scratch);
    free(src.data);
}

static void test_cut(void **state)
{
    (void)state;
    sn_image src = picture_noise(100, 10, 1, 8), dst = {0};
    sn_resize_scratch scratch = {0};
    const sn_fit_options o = {.fit = SN_FIT_HEIGHT, .height = 10, .max_width = 30, .multiple = 1, .cut = true};
    assert_int_equal(sn_resize_fit(heap(), &src, &o, &dst, &scratch, NULL, NULL), SETSUNA_OK);
    for (int32_t y = 0; y < 10; y++)
        assert_memory_equal(sn_image_row(&dst, y), sn_image_row(&src, y), 30);
    sn_image_fini(heap(), &dst);
    sn_resize_scratch_fini(heap(), &scratch);
    free(src.data);
}

static void test_transform_chain(void **state)
{
    (void)state;
    const sn_transform crop = {0.5f, 2.0f, 3.0f, 4.0f}, letterbox = {1.5f, 0.25f, 16.0f, -8.0f};
    sn_transform both = sn_transform_then(&letterbox, &crop);
    for (int i = 0; i < 20; i++) {
        sn_point p = {(float)i * 3.5f - 11, 40 - (float)i * 7}, once = sn_transform_point(&letterbox, p);
        sn_point want = sn_transform_point(&crop, once), got = sn_transform_point(&both, p);
        assert_near(got.x, want.x, 1e-3);
        assert_near(got.y, want.y, 1e-3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bilinear),
        cmocka_unit_test(test_area),
        cmocka_unit_test(test_constant_stays_constant),
        cmocka_unit_test(test_into_part),
        cmocka_unit_test(test_letterbox_geometry),
        cmocka_unit_test(test_limit_geometry),
        cmocka_unit_test(test_height_geometry),
        cmocka_unit_test(test_fit_fills_the_rest),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_transform_chain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
