/* Anchors, decoding, overlap and suppression, against numbers worked out by hand. */
#include "pipeline/detect.h"
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

static const sn_anchor_options blazeface = {.width = 128,
                                            .height = 128,
                                            .n_layers = 4,
                                            .stride = {8, 16, 16, 16},
                                            .n_ratios = 1,
                                            .ratio = {1},
                                            .min_scale = 0.1484375f,
                                            .max_scale = 0.75f,
                                            .extra_ratio = 1,
                                            .fixed_size = true};

static void test_blazeface_anchors(void **state)
{
    (void)state;
    sn_anchor *a;
    uint32_t n;
    assert_int_equal(sn_anchors_create(heap(), &blazeface, &a, &n), SETSUNA_OK);
    assert_int_equal(n, 896); /* 16 * 16 cells of 2, then 8 * 8 cells of 6: three layers share their cells */
    assert_near(a[0].x, 0.5 / 16, 1e-7);
    assert_near(a[1].x, 0.5 / 16, 1e-7);
    assert_near(a[2].x, 1.5 / 16, 1e-7);
    assert_near(a[32].y, 1.5 / 16, 1e-7);
    assert_near(a[511].x, 15.5 / 16, 1e-7);
    assert_near(a[512].x, 0.5 / 8, 1e-7);
    assert_near(a[517].x, 0.5 / 8, 1e-7);
    assert_near(a[518].x, 1.5 / 8, 1e-7);
    for (uint32_t i = 0; i < n; i++)
        assert_true(a[i].w == 1 && a[i].h == 1);
    sn_free(heap(), a);
}

static void test_anchor_counts_of_known_networks(void **state)
{
    (void)state;
    const struct {
        sn_anchor_options o;
        uint32_t n;
    } known[] = {
        {{.width = 192, .height = 192, .n_layers = 1, .stride = {4}, .n_ratios = 1, .ratio = {1}, .fixed_size = true},
         2304},
        {{.width = 192,
          .height = 192,
          .n_layers = 4,
          .stride = {8, 16, 16, 16},
          .n_ratios = 1,
          .ratio = {1},
          .extra_ratio = 1,
          .fixed_size = true},
         2016},
        {{.width = 224,
          .height = 224,
          .n_layers = 5,
          .stride = {8, 16, 32, 32, 32},
          .n_ratios = 1,
          .ratio = {1},
          .extra_ratio = 1,
          .fixed_size = true},
         2254},
        {{.width = 300,
          .height = 300,
          .n_layers = 6,
          .stride = {16, 32, 64, 128, 256, 512},
          .n_ratios = 5,
          .ratio = {1, 2, 0.5f, 3, 0.3333f},
          .min_scale = 0.2f,
          .max_scale = 0.95f,
          .extra_ratio = 1,
          .reduce_lowest = true},
         1917},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        sn_anchor *a;
        uint32_t n;
        assert_int_equal(sn_anchors_create(heap(), &known[i].o, &a, &n), SETSUNA_OK);
        assert_int_equal(n, known[i].n);
        sn_free(heap(), a);
    }
}

static void test_ssd_anchor_sizes(void **state)
{
    (void)state;
    const sn_anchor_options o = {.width = 64,
                                 .height = 64,
                                 .n_layers = 2,
                                 .stride = {32, 64},
                                 .n_ratios = 2,
                                 .ratio = {1, 4},
                                 .min_scale = 0.2f,
                                 .max_scale = 0.8f,
                                 .extra_ratio = 1,
                                 .reduce_lowest = true};
    sn_anchor *a;
    uint32_t n;
    assert_int_equal(sn_anchors_create(heap(), &o, &a, &n), SETSUNA_OK);
    assert_int_equal(n, 2 * 2 * 3 + 1 * 3);
    assert_near(a[0].w, 0.1, 1e-7);
    assert_near(a[1].w, 0.2 * sqrt(2), 1e-6);
    assert_near(a[1].h, 0.2 / sqrt(2), 1e-6);
    assert_near(a[2].w, 0.2 * sqrt(0.5), 1e-6);
    assert_near(a[12].w, 0.8, 1e-6);
    assert_near(a[13].w, 1.6, 1e-6);
    assert_near(a[13].h, 0.4, 1e-6);
    assert_near(a[14].w, sqrt(0.8), 1e-6); /* geometric mean with 1 after the last layer */
    sn_free(heap(), a);
}

static void test_anchor_options_refused(void **state)
{
    (void)state;
    sn_anchor *a;
    uint32_t n;
    sn_anchor_options o = blazeface;
    o.stride[2] = 0;
    assert_int_equal(sn_anchors_create(heap(), &o, &a, &n), SETSUNA_EINVAL);
    o = blazeface;
    o.n_layers = SN_ANCHOR_LAYERS_MAX + 1;
    assert_int_equal(sn_anchors_create(heap(), &o, &a, &n), SETSUNA_EINVAL);
    o = blazeface;
    o.ratio[0] = NAN;
    assert_int_equal(sn_anchors_create(heap(), &o, &a, &n), SETSUNA_EINVAL);
    o = blazeface;
    o.width = o.height = 65536;
    o.stride[0] = 1;
    assert_int_equal(sn_anchors_create(heap(), &o, &a, &n), SETSUNA_ELIMIT);
}

static void test_decode(void **state)
{
    (void)state;
    const sn_anchor anchors[2] = {{0.5f, 0.25f, 1, 1}, {0.5f, 0.5f, 0.4f, 0.2f}};
    const float coords[2][6] = {{12.8f, -6.4f, 64, 32, 10, 20}, {0, 0, 0, 0, 0, 0}}, scores[2] = {2, -1};
    sn_ssd_options o = {.x_scale = 128,
                        .y_scale = 128,
                        .w_scale = 128,
                        .h_scale = 128,
                        .sigmoid = true,
                        .n_classes = 1,
                        .background = -1,
                        .n_keypoints = 1,
                        .n_coords = 6,
                        .min_score = 0.5f};
    sn_box_list list = {0};
    assert_int_equal(sn_ssd_decode(heap(), coords[0], scores, anchors, 2, &o, &list), SETSUNA_OK);
    assert_int_equal(list.n, 1);
    const sn_box *b = list.item;
    assert_near(b->score, 1 / (1 + exp(-2)), 1e-6);
    assert_near(b->corner[0].x, 0.6 - 0.25, 1e-6);
    assert_near(b->corner[0].y, 0.2 - 0.125, 1e-6);
    assert_near(b->corner[2].x, 0.6 + 0.25, 1e-6);
    assert_near(b->corner[2].y, 0.2 + 0.125, 1e-6);
    assert_near(b->keypoint[0].x, 0.5 + 10.0 / 128, 1e-6);
    assert_near(b->keypoint[0].y, 0.25 + 20.0 / 128, 1e-6);

    /* The classic SSD head: y x h w, exponential sizes, scaled, background first. */
    const float ssd[4] = {1, 2, 0, 5 * 0.69314718f}, classes[3] = {9, 0.7f, 0.8f};
    o = (sn_ssd_options){.x_scale = 10,
                         .y_scale = 10,
                         .w_scale = 5,
                         .h_scale = 5,
                         .exponential_size = true,
                         .yx_order = true,
                         .n_classes = 3,
                         .background = 0,
                         .n_coords = 4,
                         .min_score = 0.6f};
    list.n = 0;
    assert_int_equal(sn_ssd_decode(heap(), ssd, classes, &anchors[1], 1, &o, &list), SETSUNA_OK);
    assert_int_equal(list.n, 1);
    assert_int_equal(list.item[0].class_id, 2);
    assert_near(list.item[0].corner[0].x, 0.5 + 0.2 * 0.4 - 0.4, 1e-6); /* w = 2 * .4 */
    assert_near(list.item[0].corner[0].y, 0.5 + 0.1 * 0.2 - 0.1, 1e-6); /* h = 1 * .2 */
    sn_free(heap(), list.item);
}

static void test_decode_drops_what_is_not_finite(void **state)
{
    (void)state;
    const sn_anchor anchor = {0.5f, 0.5f, 1, 1};
    const sn_ssd_options o = {.x_scale = 1,
                              .y_scale = 1,
                              .w_scale = 1,
                              .h_scale = 1,
                              .exponential_size = true,
                              .n_classes = 1,
                              .background = -1,
                              .n_coords = 4};
    const float bad[] = {NAN, INFINITY, -INFINITY, 1e30f};
    for (size_t i = 0; i < 4; i++) {
        const float coords[4] = {0, 0, bad[i] < 0 ? 0 : bad[i], bad[i] < 0 ? NAN : 0}, score = 1, nan_score = NAN;
        sn_box_list list = {0};
        assert_int_equal(sn_ssd_decode(heap(), coords, &score, &anchor, 1, &o, &list), SETSUNA_OK);
        assert_int_equal(list.n, 0);
        const float fine[4] = {0, 0, 0, 0};
        assert_int_equal(sn_ssd_decode(heap(), fine, &nan_score, &anchor, 1, &o, &list), SETSUNA_OK);
        assert_int_equal(list.n, 0);
    }
}

static sn_box upright(float x0, float y0, float x1, float y1, float score, int32_t class_id)
{
    return (sn_box){.corner = {{x0, y0}, {x1, y0}, {x1, y1}, {x0, y1}}, .score = score, .class_id = class_id};
}

static void test_iou(void **state)
{
    (void)state;
    sn_box a = upright(0, 0, 10, 10, 1, 0), b = upright(5, 5, 15, 15, 1, 0), c = upright(10, 0, 20, 10, 1, 0);
    sn_box flat = upright(3, 3, 3, 3, 1, 0);
    assert_near(sn_box_iou(&a, &b), 25.0 / 175, 1e-6);
    assert_near(sn_box_iou(&a, &a), 1, 0);
    assert_near(sn_box_iou(&a, &c), 0, 0);
    assert_near(sn_box_iou(&flat, &flat), 0, 0);
    assert_near(sn_quad_iou(a.corner, b.corner), 25.0 / 175, 1e-6);
    assert_near(sn_quad_iou(a.corner, a.corner), 1, 1e-6);
    assert_near(sn_quad_iou(a.corner, c.corner), 0, 1e-6);
    assert_near(sn_quad_iou(flat.corner, a.corner), 0, 0);
    /* A square and the diamond of its side middles: the diamond is half of it. Corner order must not matter. */
    const sn_point diamond[4] = {{5, 0}, {10, 5}, {5, 10}, {0, 5}}, reversed[4] = {{0, 5}, {5, 10}, {10, 5}, {5, 0}};
    assert_near(sn_quad_iou(a.corner, diamond), 0.5, 1e-6);
    assert_near(sn_quad_iou(reversed, a.corner), 0.5, 1e-6);
    /* A square turned by 45 degrees over itself: a regular octagon, 8 (sqrt(2) - 1) of the square of half side 1. */
    const float r = sqrtf(2);
    const sn_point square[4] = {{-1, -1}, {1, -1}, {1, 1}, {-1, 1}}, turned[4] = {{0, -r}, {r, 0}, {0, r}, {-r, 0}};
    double octagon = 8 * (sqrt(2) - 1);
    assert_near(sn_quad_iou(square, turned), octagon / (8 - octagon), 1e-6);
}

static void test_plain_suppression(void **state)
{
    (void)state;
    sn_box_list list = {0};
    const sn_box boxes[] = {upright(0, 0, 10, 10, 0.6f, 0), upright(1, 0, 11, 10, 0.9f, 0),
                            upright(2, 0, 12, 10, 0.7f, 1), upright(50, 50, 60, 60, 0.8f, 0)};
    assert_true(sn_grow(heap(), &list.item, &list.capacity, 4, sizeof *boxes));
    memcpy(list.item, boxes, sizeof boxes);
    list.n = 4;
    sn_boxes_suppress(&list, &(sn_nms_options){.iou = 0.5f});
    assert_int_equal(list.n, 3); /* the first is suppressed; the third is of another class */
    assert_near(list.item[0].score, 0.9, 1e-6);
    assert_near(list.item[0].corner[0].x, 1, 0);
    assert_near(list.item[1].score, 0.8, 1e-6);
    assert_near(list.item[2].score, 0.7, 1e-6);
    memcpy(list.item, boxes, sizeof boxes);
    list.n = 4;
    sn_boxes_suppress(&list, &(sn_nms_options){.iou = 0.5f, .across_classes = true});
    assert_int_equal(list.n, 2);
    memcpy(list.item, boxes, sizeof boxes);
    list.n = 4;
    sn_boxes_suppress(&list, &(sn_nms_options){.iou = 0.5f, .max_boxes = 1});
    assert_int_equal(list.n, 1);
    sn_free(heap(), list.item);
}

static void test_weighted_suppression(void **state)
{
    (void)state;
    sn_box_list list = {0};
    sn_box boxes[] = {upright(0, 0, 10, 10, 0.5f, 0), upright(2, 0, 12, 10, 0.75f, 0)};
    for (int i = 0; i < 2; i++) {
        boxes[i].n_keypoints = 1;
        boxes[i].keypoint[0] = (sn_point){(float)(10 * i), 5};
    }
    assert_true(sn_grow(heap(), &list.item, &list.capacity, 2, sizeof *boxes));
    memcpy(list.item, boxes, sizeof boxes);
    list.n = 2;
    sn_boxes_suppress(&list, &(sn_nms_options){.iou = 0.3f, .weighted = true});
    assert_int_equal(list.n, 1);
    assert_near(list.item[0].score, 0.75, 0);
    assert_near(list.item[0].corner[0].x, 2 * 0.75 / 1.25, 1e-6);
    assert_near(list.item[0].corner[1].x, 10 + 2 * 0.75 / 1.25, 1e-6);
    assert_near(list.item[0].keypoint[0].x, 10 * 0.75 / 1.25, 1e-6);
    sn_free(heap(), list.item);
}

static void test_suppression_of_many(void **state)
{
    (void)state;
    uint64_t seed = 11;
    sn_box_list list = {0};
    assert_true(sn_grow(heap(), &list.item, &list.capacity, 300, sizeof(sn_box)));
    for (list.n = 0; list.n < 300; list.n++) {
        float x = (float)(picture_random(&seed) % 200), y = (float)(picture_random(&seed) % 200);
        list.item[list.n] = upright(x, y, x + 30, y + 30, (float)(picture_random(&seed) % 1000) / 1000, 0);
    }
    sn_boxes_suppress(&list, &(sn_nms_options){.iou = 0.4f});
    assert_true(list.n > 1);
    for (size_t i = 0; i < list.n; i++) {
        if (i)
            assert_true(list.item[i].score <= list.item[i - 1].score);
        for (size_t k = 0; k < i; k++)
            assert_true(sn_box_iou(&list.item[i], &list.item[k]) <= 0.4f);
    }
    list.n = 0;
    sn_boxes_suppress(&list, &(sn_nms_options){.iou = 0.4f});
    assert_int_equal(list.n, 0);
    sn_free(heap(), list.item);
}

static void test_letterbox_undone(void **state)
{
    (void)state;
    sn_box box = upright(0.25f, 0.25f, 0.5f, 1.5f, 1, 0);
    box.n_keypoints = 1;
    box.keypoint[0] = (sn_point){0.5f, 2};
    sn_box_list list = {&box, 1, 1};
    const sn_transform t = {5, 5, 0, 16}; /* 640 x 480 letterboxed into 128 x 128 */
    sn_boxes_to_source(&list, 128, 128, &t, 640, 480);
    assert_near(box.corner[0].x, 160, 1e-4);
    assert_near(box.corner[0].y, 80, 1e-4);
    assert_near(box.corner[2].x, 320, 1e-4);
    assert_near(box.corner[2].y, 480, 0); /* clipped */
    assert_near(box.keypoint[0].y, (256 - 16) * 5, 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blazeface_anchors),
        cmocka_unit_test(test_anchor_counts_of_known_networks),
        cmocka_unit_test(test_ssd_anchor_sizes),
        cmocka_unit_test(test_anchor_options_refused),
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_decode_drops_what_is_not_finite),
        cmocka_unit_test(test_iou),
        cmocka_unit_test(test_plain_suppression),
        cmocka_unit_test(test_weighted_suppression),
        cmocka_unit_test(test_suppression_of_many),
        cmocka_unit_test(test_letterbox_undone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
