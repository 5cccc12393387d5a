/* Shape rules of Reshape, Flatten, Squeeze, Unsqueeze, Shape, Size, Expand and Tile. */
#include "op_rig.h"
#include "unit/unit.h"
#include <stdlib.h>
#include <string.h>

static setsuna_shape shape_of(int rank, const int64_t *dim)
{
    setsuna_shape s = {.rank = rank};
    memcpy(s.dim, dim, (size_t)rank * sizeof *dim);
    return s;
}

/* Output shape as text, or "status NAME". */
static const char *infer_text(op_rig *r)
{
    static char text[SN_SHAPE_TEXT_MAX];
    int answer = op_rig_infer(r);
    if (answer < 0)
        snprintf(text, sizeof text, "%s", setsuna_status_name((setsuna_status)answer));
    else if (answer == SN_INFER_NEED_VALUE)
        snprintf(text, sizeof text, "needs %u", r->ctx->need);
    else
        sn_shape_text(&r->ctx->out[0].shape, text, sizeof text);
    op_rig_close(r);
    return text;
}

#define DIMS(...)                                                                                                      \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / 8), (int64_t[])                                                           \
    {                                                                                                                  \
        __VA_ARGS__                                                                                                    \
    }

static const char *reshape_text(int opset, int allowzero, int n_x, const int64_t *x, int n, const int64_t *want)
{
    op_rig r;
    op_rig_open(&r, "Reshape", opset);
    setsuna_shape s = shape_of(n_x, x);
    int64_t numel;
    assert_true(sn_shape_numel(&s, &numel));
    op_rig_in(&r, SETSUNA_U8, s, NULL);
    op_rig_const_i64(&r, n, want);
    if (allowzero >= 0)
        op_rig_int(&r, "allowzero", allowzero);
    return infer_text(&r);
}

static void test_reshape(void **state)
{
    (void)state;
    assert_string_equal(reshape_text(13, -1, DIMS(2, 3, 4), DIMS(4, 6)), "[4,6]");
    assert_string_equal(reshape_text(13, -1, DIMS(2, 3, 4), DIMS(0, -1)), "[2,12]");
    assert_string_equal(reshape_text(13, -1, DIMS(2, 3, 4), DIMS(-1, 0, 2)), "[4,3,2]");
    assert_string_equal(reshape_text(13, -1, DIMS(2, 3, 4), DIMS(-1, -1)), "ESHAPE");
    assert_string_equal(reshape_text(13, -1, DIMS(2, 3, 4), DIMS(5, -1)), "ESHAPE");
    assert_string_equal(reshape_text(13, -1, DIMS(2, 3, 4), DIMS(24, 1, 1, 0)), "ESHAPE");
    assert_string_equal(reshape_text(13, -1, DIMS(2, 3, 4), DIMS(-2, 12)), "ESHAPE");
    assert_string_equal(reshape_text(13, -1, DIMS(2, 3, 4), DIMS(25)), "ESHAPE");
    assert_string_equal(reshape_text(13, -1, DIMS(2, 2), DIMS(INT64_MAX, INT64_MAX)), "ESHAPE");
    assert_string_equal(reshape_text(13, -1, DIMS(1), DIMS(1, 1, 1, 1, 1, 1, 1, 1, 1)), "ESHAPE");
    assert_string_equal(reshape_text(14, 0, DIMS(0, 4), DIMS(0, 4)), "[0,4]");
    assert_string_equal(reshape_text(14, 0, DIMS(0, 4), DIMS(5, -1)), "[5,0]");
    assert_string_equal(reshape_text(14, 1, DIMS(0, 4), DIMS(4, 0)), "[4,0]");
    assert_string_equal(reshape_text(14, 1, DIMS(2, 4), DIMS(4, 0)), "ESHAPE");
    assert_string_equal(reshape_text(14, 0, DIMS(0, 4), DIMS(0, -1)), "ESHAPE");   /* anything would do */
    assert_string_equal(reshape_text(13, 1, DIMS(2, 4), DIMS(8)), "EUNSUPPORTED"); /* no such attribute yet */
}

static void test_reshape_waits_for_its_shape(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "Reshape", 13);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 6), NULL);
    op_rig_in(&r, SETSUNA_I64, sn_shape(1, 2), (int64_t[]){2, 3});
    assert_string_equal(infer_text(&r), "needs 1");
}

static const char *flatten_text(int axis, int n_x, const int64_t *x)
{
    op_rig r;
    op_rig_open(&r, "Flatten", 13);
    op_rig_in(&r, SETSUNA_U8, shape_of(n_x, x), NULL);
    op_rig_int(&r, "axis", axis);
    return infer_text(&r);
}

static void test_flatten(void **state)
{
    (void)state;
    assert_string_equal(flatten_text(0, DIMS(2, 3, 4)), "[1,24]");
    assert_string_equal(flatten_text(3, DIMS(2, 3, 4)), "[24,1]");
    assert_string_equal(flatten_text(-1, DIMS(2, 3, 4)), "[6,4]");
    assert_string_equal(flatten_text(-3, DIMS(2, 3, 4)), "[1,24]");
    assert_string_equal(flatten_text(4, DIMS(2, 3, 4)), "ESHAPE");
    assert_string_equal(flatten_text(1, DIMS(3, 0)), "[3,0]");
    op_rig r;
    op_rig_open(&r, "Flatten", 13);
    op_rig_in(&r, SETSUNA_U8, sn_shape(0), NULL);
    op_rig_int(&r, "axis", 0);
    assert_string_equal(infer_text(&r), "[1,1]");
}

static const char *axes_text(const char *op, int opset, bool given, int n_x, const int64_t *x, int n,
                             const int64_t *axes)
{
    op_rig r;
    op_rig_open(&r, op, opset);
    op_rig_in(&r, SETSUNA_U8, shape_of(n_x, x), NULL);
    if (given && opset < 13)
        op_rig_ints(&r, "axes", n, axes);
    else if (given)
        op_rig_const_i64(&r, n, axes);
    return infer_text(&r);
}

static void test_squeeze(void **state)
{
    (void)state;
    for (int opset = 11; opset <= 13; opset += 2) {
        assert_string_equal(axes_text("Squeeze", opset, false, DIMS(1, 3, 1), 0, NULL), "[3]");
        assert_string_equal(axes_text("Squeeze", opset, true, DIMS(1, 3, 1), DIMS(-1)), "[1,3]");
        assert_string_equal(axes_text("Squeeze", opset, true, DIMS(1, 3, 1), DIMS(2, 0)), "[3]");
        assert_string_equal(axes_text("Squeeze", opset, true, DIMS(1, 3, 1), DIMS(1)), "ESHAPE");
        assert_string_equal(axes_text("Squeeze", opset, true, DIMS(1, 3, 1), DIMS(0, -3)), "ESHAPE");
        assert_string_equal(axes_text("Squeeze", opset, true, DIMS(1, 3, 1), DIMS(3)), "ESHAPE");
    }
    assert_string_equal(axes_text("Squeeze", 13, true, DIMS(1, 3, 1), 0, (int64_t[]){0}), "[1,3,1]");
}

static void test_unsqueeze(void **state)
{
    (void)state;
    for (int opset = 11; opset <= 13; opset += 2) {
        assert_string_equal(axes_text("Unsqueeze", opset, true, DIMS(3, 4), DIMS(0, -1)), "[1,3,4,1]");
        assert_string_equal(axes_text("Unsqueeze", opset, true, DIMS(3, 4), DIMS(2, 1)), "[3,1,1,4]");
        assert_string_equal(axes_text("Unsqueeze", opset, true, DIMS(3, 4), DIMS(1, 1)), "ESHAPE");
        assert_string_equal(axes_text("Unsqueeze", opset, true, DIMS(3, 4), DIMS(4)), "ESHAPE");
        assert_string_equal(axes_text("Unsqueeze", opset, true, DIMS(1, 1, 1, 1, 1, 1, 1), DIMS(0, 1)), "ELIMIT");
    }
    assert_string_equal(axes_text("Unsqueeze", 11, false, DIMS(3), 0, NULL), "EMODEL");
}

/* The value comes from the shape alone: no input data is there. */
static void check_shape(bool has_start, int64_t start, bool has_end, int64_t end, int n, const int64_t *want)
{
    op_rig r;
    op_rig_open(&r, "Shape", 15);
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 3, 4), NULL);
    if (has_start)
        op_rig_int(&r, "start", start);
    if (has_end)
        op_rig_int(&r, "end", end);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].shape.dim[0], n);
    if (n)
        assert_memory_equal(r.out[0].data, want, (size_t)n * 8);
    op_rig_close(&r);
}

static void test_shape_and_size(void **state)
{
    (void)state;
    check_shape(false, 0, false, 0, DIMS(2, 3, 4));
    check_shape(true, -1, false, 0, DIMS(4));
    check_shape(false, 0, true, -1, DIMS(2, 3));
    check_shape(true, INT64_MIN, true, INT64_MAX, DIMS(2, 3, 4));
    check_shape(true, 2, true, 1, 0, NULL);
    op_rig r;
    op_rig_open(&r, "Size", 13);
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 3, 4), NULL);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].shape.rank, 0);
    assert_int_equal(*(int64_t *)r.out[0].data, 24);
    op_rig_close(&r);
}

static const char *repeat_text(const char *op, int n_x, const int64_t *x, int n, const int64_t *v)
{
    op_rig r;
    op_rig_open(&r, op, 13);
    op_rig_in(&r, SETSUNA_U8, shape_of(n_x, x), NULL);
    op_rig_const_i64(&r, n, v);
    return infer_text(&r);
}

static void test_expand_and_tile_shapes(void **state)
{
    (void)state;
    assert_string_equal(repeat_text("Expand", DIMS(3, 1), DIMS(2, 1, 6)), "[2,3,6]");
    assert_string_equal(repeat_text("Expand", DIMS(3, 4), DIMS(1)), "[3,4]");
    assert_string_equal(repeat_text("Expand", DIMS(3, 1), DIMS(0)), "[3,0]");
    assert_string_equal(repeat_text("Expand", DIMS(3, 2), DIMS(4)), "ESHAPE");
    assert_string_equal(repeat_text("Expand", DIMS(3, 1), DIMS(-1)), "ESHAPE");
    assert_string_equal(repeat_text("Tile", DIMS(3, 2), DIMS(2, 3)), "[6,6]");
    assert_string_equal(repeat_text("Tile", DIMS(3, 2), DIMS(0, 3)), "[0,6]");
    assert_string_equal(repeat_text("Tile", DIMS(3, 2), DIMS(2)), "ESHAPE");
    assert_string_equal(repeat_text("Tile", DIMS(3, 2), DIMS(-1, 1)), "ESHAPE");
    assert_string_equal(repeat_text("Tile", DIMS(3, 2), DIMS(INT64_MAX, 1)), "ESHAPE");
}

static void test_expand_and_tile_values(void **state)
{
    (void)state;
    static const int16_t expanded[] = {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2}, tiled[] = {1, 1, 2, 2, 1, 1, 2, 2};
    op_rig r;
    op_rig_open(&r, "Expand", 13);
    op_rig_in(&r, SETSUNA_I16, sn_shape(2, 2, 1), (int16_t[]){1, 2});
    op_rig_const_i64(&r, DIMS(2, 1, 3));
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, expanded, sizeof expanded);
    op_rig_close(&r);
    op_rig_open(&r, "Tile", 13);
    op_rig_in(&r, SETSUNA_I16, sn_shape(2, 2, 1), (int16_t[]){1, 2});
    op_rig_const_i64(&r, DIMS(2, 2));
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, tiled, sizeof tiled);
    op_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reshape),
        cmocka_unit_test(test_reshape_waits_for_its_shape),
        cmocka_unit_test(test_flatten),
        cmocka_unit_test(test_squeeze),
        cmocka_unit_test(test_unsqueeze),
        cmocka_unit_test(test_shape_and_size),
        cmocka_unit_test(test_expand_and_tile_shapes),
        cmocka_unit_test(test_expand_and_tile_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
