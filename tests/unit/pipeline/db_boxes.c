/* Text boxes from maps whose boxes are known by construction. */
#include "pipeline/db_boxes.h"
#include "unit/pipeline/pictures.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include "unit/pipeline/near.h"

static const sn_db_options usual = {
    .threshold = 0.3f, .box_threshold = 0.6f, .unclip_ratio = 1.5f, .min_side = 3, .max_boxes = 1000};
static const sn_transform same = {1, 1, 0, 0};

static const sn_allocator *heap(void)
{
    return sn_allocator_default();
}

/* A map in a heap block of exactly its size. */
static float *make_map(int32_t w, int32_t h, float value)
{
    float *map = malloc(sizeof *map * (size_t)w * (size_t)h);
    for (int32_t i = 0; i < w * h; i++)
        map[i] = value;
    return map;
}

static void fill(float *map, int32_t w, int32_t x0, int32_t y0, int32_t x1, int32_t y1, float value)
{
    for (int32_t y = y0; y < y1; y++)
        for (int32_t x = x0; x < x1; x++)
            map[y * w + x] = value;
}

static sn_box_list find(const float *map, int32_t w, int32_t h, const sn_db_options *o)
{
    sn_db_scratch scratch = {0};
    sn_box_list list = {0};
    assert_int_equal(sn_db_boxes(heap(), map, w, h, &same, (float)w, (float)h, o, &scratch, &list), SETSUNA_OK);
    sn_db_scratch_fini(heap(), &scratch);
    return list;
}

static void assert_corners(const sn_box *b, double x0, double y0, double x1, double y1)
{
    const double want[4][2] = {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}};
    for (int i = 0; i < 4; i++) {
        assert_near(b->corner[i].x, want[i][0], 1e-3);
        assert_near(b->corner[i].y, want[i][1], 1e-3);
    }
}

static void test_upright_box(void **state)
{
    (void)state;
    float *map = make_map(200, 100, 0);
    fill(map, 200, 50, 40, 150, 60, 0.9f);
    sn_box_list list = find(map, 200, 100, &usual);
    assert_int_equal(list.n, 1);
    double d = 100.0 * 20 * 1.5 / (2 * (100 + 20)); /* area * ratio / perimeter = 12.5 */
    assert_corners(&list.item[0], 50 - d, 40 - d, 150 + d, 60 + d);
    assert_near(list.item[0].score, 0.9, 1e-6);
    sn_free(heap(), list.item);
    free(map);
}

static void test_scaled_and_clipped(void **state)
{
    (void)state;
    float *map = make_map(100, 50, 0);
    fill(map, 100, 0, 10, 40, 20, 1);
    sn_db_scratch scratch = {0};
    sn_box_list list = {0};
    const sn_transform twice = {2.0f, 3.0f, 0, 0};
    assert_int_equal(sn_db_boxes(heap(), map, 100, 50, &twice, 200, 150, &usual, &scratch, &list), SETSUNA_OK);
    assert_int_equal(list.n, 1);
    double d = 40.0 * 10 * 1.5 / 100;
    assert_corners(&list.item[0], 0, (10 - d) * 3, (40 + d) * 2, (20 + d) * 3);
    sn_db_scratch_fini(heap(), &scratch);
    sn_free(heap(), list.item);
    free(map);
}

static void test_rotated_boxes(void **state)
{
    (void)state;
    for (int degrees = -40; degrees <= 40; degrees += 10) {
        double a = degrees * M_PI / 180, ux = cos(a), uy = sin(a);
        float *map = make_map(300, 300, 0);
        for (int y = 0; y < 300; y++)
            for (int x = 0; x < 300; x++) {
                double dx = x + 0.5 - 150, dy = y + 0.5 - 150;
                if (fabs(dx * ux + dy * uy) <= 80 && fabs(-dx * uy + dy * ux) <= 12)
                    map[y * 300 + x] = 0.8f;
            }
        sn_box_list list = find(map, 300, 300, &usual);
        assert_int_equal(list.n, 1);
        double d = 160.0 * 24 * 1.5 / (2 * (160 + 24));
        double l = 80 + d, s = 12 + d;
        const double want[4][2] = {{-l, -s}, {l, -s}, {l, s}, {-l, s}};
        /* A pixel's corner is at most sqrt(1/2) beyond the true edge, on each side; a box larger by that grows by up to
         * .82 more, and both together move a corner by up to 1.53 * sqrt(2). */
        for (int i = 0; i < 4; i++) {
            assert_near(list.item[0].corner[i].x, 150 + want[i][0] * ux - want[i][1] * uy, 2.2);
            assert_near(list.item[0].corner[i].y, 150 + want[i][0] * uy + want[i][1] * ux, 2.2);
        }
        sn_free(heap(), list.item);
        free(map);
    }
}

static void test_drop_rules(void **state)
{
    (void)state;
    float *map = make_map(200, 200, 0);
    fill(map, 200, 10, 10, 60, 12, 1);      /* 2 px high: too thin */
    fill(map, 200, 10, 30, 60, 40, 0.59f);  /* text, but not sure enough */
    fill(map, 200, 10, 60, 60, 70, 0.29f);  /* below the pixel threshold */
    fill(map, 200, 10, 90, 60, 100, 0.61f); /* stays */
    sn_box_list list = find(map, 200, 200, &usual);
    assert_int_equal(list.n, 1);
    assert_near(list.item[0].score, 0.61, 1e-6);
    sn_free(heap(), list.item);
    sn_db_options tight = usual;
    tight.unclip_ratio = 0; /* 4 px high passes the first rule (3), not the one after growing (5) */
    fill(map, 200, 0, 0, 200, 200, 0);
    fill(map, 200, 10, 10, 60, 14, 1);
    list = find(map, 200, 200, &tight);
    assert_int_equal(list.n, 0);
    sn_free(heap(), list.item);
    free(map);
}

static void test_score_is_the_mean_inside(void **state)
{
    (void)state;
    /* An L: its least rectangle is 40 x 40 with 40*10 + 30*10 pixels of 1 in it, the rest 0. */
    float *map = make_map(100, 100, 0);
    fill(map, 100, 20, 20, 60, 30, 1);
    fill(map, 100, 20, 30, 30, 60, 1);
    sn_db_options any = usual;
    any.box_threshold = 0;
    sn_box_list list = find(map, 100, 100, &any);
    assert_int_equal(list.n, 1);
    assert_near(list.item[0].score, 700.0 / 1600, 1e-6); /* leaning on the diagonal it would be 2000 px */
    sn_free(heap(), list.item);
    free(map);
}

static void test_hostile_maps(void **state)
{
    (void)state;
    const float values[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 1.0f, 0.0f};
    for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
        float *map = make_map(64, 48, values[v]);
        sn_box_list list = find(map, 64, 48, &usual);
        bool text = values[v] > 0.3f;
        assert_int_equal(list.n, text ? 1 : 0);
        if (text)
            assert_corners(&list.item[0], 0, 0, 64, 48);
        sn_free(heap(), list.item);
        free(map);
    }
    uint64_t seed = 42;
    for (int round = 0; round < 50; round++) { /* noise of every kind, NaN among it */
        float *map = make_map(61, 37, 0);
        for (int i = 0; i < 61 * 37; i++) {
            uint64_t r = picture_random(&seed);
            map[i] = r % 16 == 0 ? NAN : (float)(r >> 40) * 0x1p-24f;
        }
        sn_box_list list = find(map, 61, 37, &usual);
        for (size_t i = 0; i < list.n; i++)
            for (int k = 0; k < 4; k++) {
                assert_true(list.item[i].corner[k].x >= 0 && list.item[i].corner[k].x <= 61);
                assert_true(list.item[i].corner[k].y >= 0 && list.item[i].corner[k].y <= 37);
            }
        sn_free(heap(), list.item);
        free(map);
    }
    float one = 1;
    sn_box_list list = find(&one, 1, 1, &usual);
    assert_int_equal(list.n, 0);
    sn_db_scratch scratch = {0};
    assert_int_equal(sn_db_boxes(heap(), &one, 0, 1, &same, 1, 1, &usual, &scratch, &list), SETSUNA_EINVAL);
    sn_db_scratch_fini(heap(), &scratch);
    sn_free(heap(), list.item);
}

/* Components by flood fill with an explicit stack: the slow way that is plainly right. */
static int count_components(const float *map, int32_t w, int32_t h)
{
    bool *seen = calloc((size_t)(w * h), 1);
    int32_t *stack = malloc(sizeof *stack * (size_t)(w * h));
    int components = 0;
    for (int32_t start = 0; start < w * h; start++) {
        if (seen[start] || !(map[start] > 0.3f))
            continue;
        components++;
        int32_t n = 0;
        stack[n++] = start;
        seen[start] = true;
        while (n) {
            int32_t p = stack[--n];
            for (int32_t dy = -1; dy <= 1; dy++)
                for (int32_t dx = -1; dx <= 1; dx++) {
                    int32_t x = p % w + dx, y = p / w + dy, q = y * w + x;
                    if (x < 0 || y < 0 || x >= w || y >= h || seen[q] || !(map[q] > 0.3f))
                        continue;
                    seen[q] = true;
                    stack[n++] = q;
                }
        }
    }
    free(seen);
    free(stack);
    return components;
}

static void test_components_match_flood_fill(void **state)
{
    (void)state;
    const sn_db_options all = {.threshold = 0.3f, .unclip_ratio = 10, .max_boxes = 1 << 20};
    uint64_t seed = 7;
    for (int round = 0; round < 60; round++) {
        int32_t w = 1 + (int32_t)(picture_random(&seed) % 40), h = 1 + (int32_t)(picture_random(&seed) % 40);
        float density = 0.1f + 0.01f * (float)round, *map = make_map(w, h, 0);
        for (int i = 0; i < w * h; i++)
            map[i] = (float)(picture_random(&seed) >> 40) * 0x1p-24f < density ? 1.0f : 0.0f;
        sn_box_list list = find(map, w, h, &all);
        assert_int_equal(list.n, count_components(map, w, h));
        sn_free(heap(), list.item);
        free(map);
    }
}

static void test_box_limit(void **state)
{
    (void)state;
    float *map = make_map(200, 200, 0);
    for (int32_t y = 0; y < 200; y += 20)
        for (int32_t x = 0; x < 200; x += 20)
            fill(map, 200, x, y, x + 10, y + 10, 1);
    sn_db_options few = usual;
    few.max_boxes = 7;
    sn_box_list list = find(map, 200, 200, &few);
    assert_int_equal(list.n, 7);
    sn_free(heap(), list.item);
    free(map);
}

static void test_min_area_is_minimal(void **state)
{
    (void)state;
    /* Random strictly convex polygons (points on an ellipse, in order): no side may give a smaller rectangle, and all
     * corners lie inside the one found. */
    uint64_t seed = 99;
    for (int round = 0; round < 200; round++) {
        double polygon[24][2], angle = 0;
        int32_t n = 0;
        double rx = 5 + (double)(picture_random(&seed) % 100), ry = 5 + (double)(picture_random(&seed) % 100);
        double tilt = (double)(picture_random(&seed) % 628) / 100;
        while (n < 24 && (angle += 0.05 + (double)(picture_random(&seed) % 1000) / 1500) < 2 * M_PI) {
            double x = rx * cos(angle), y = ry * sin(angle);
            polygon[n][0] = 200 + x * cos(tilt) - y * sin(tilt);
            polygon[n][1] = 300 + x * sin(tilt) + y * cos(tilt);
            n++;
        }
        if (n < 3)
            continue;
        double least = HUGE_VAL;
        for (int32_t i = 0; i < n; i++) {
            double dx = polygon[(i + 1) % n][0] - polygon[i][0], dy = polygon[(i + 1) % n][1] - polygon[i][1];
            double l = hypot(dx, dy), u0 = HUGE_VAL, u1 = -HUGE_VAL, v0 = HUGE_VAL, v1 = -HUGE_VAL;
            for (int32_t k = 0; k < n; k++) {
                double u = (polygon[k][0] * dx + polygon[k][1] * dy) / l,
                       v = (polygon[k][1] * dx - polygon[k][0] * dy) / l;
                u0 = fmin(u0, u), u1 = fmax(u1, u), v0 = fmin(v0, v), v1 = fmax(v1, v);
            }
            least = fmin(least, (u1 - u0) * (v1 - v0));
        }
        sn_rect r = sn_rect_min_area((const double(*)[2])polygon, n);
        assert_near(r.along * r.across, least, 1e-9 * least);
        for (int32_t k = 0; k < n; k++) {
            double dx = polygon[k][0] - r.x, dy = polygon[k][1] - r.y;
            assert_true(fabs(dx * r.ux + dy * r.uy) <= r.along / 2 + 1e-9);
            assert_true(fabs(dy * r.ux - dx * r.uy) <= r.across / 2 + 1e-9);
        }
    }
}

static sn_box box_at(float x, float y, float w, float h)
{
    return (sn_box){.corner = {{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}, .class_id = -1};
}

static void test_reading_order(void **state)
{
    (void)state;
    /* Two lines; the words of each are a few pixels up and down. */
    sn_box boxes[] = {box_at(300, 52, 80, 20), box_at(200, 14, 80, 20), box_at(10, 12, 80, 20),
                      box_at(10, 55, 80, 20),  box_at(100, 10, 80, 20), box_at(200, 49, 80, 20)};
    sn_boxes_sort_reading(boxes, 6);
    static const float x[] = {10, 100, 200, 10, 200, 300};
    for (int i = 0; i < 6; i++) {
        assert_true(boxes[i].corner[0].x == x[i]);
        assert_true((boxes[i].corner[0].y > 30) == (i >= 3));
    }
    sn_boxes_sort_reading(boxes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upright_box),
        cmocka_unit_test(test_scaled_and_clipped),
        cmocka_unit_test(test_rotated_boxes),
        cmocka_unit_test(test_drop_rules),
        cmocka_unit_test(test_score_is_the_mean_inside),
        cmocka_unit_test(test_hostile_maps),
        cmocka_unit_test(test_components_match_flood_fill),
        cmocka_unit_test(test_box_limit),
        cmocka_unit_test(test_min_area_is_minimal),
        cmocka_unit_test(test_reading_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
