/* Resize, Upsample, GridSample, AffineGrid. */
#include "twin.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const coords[] = {"half_pixel",    "half_pixel_symmetric", "pytorch_half_pixel",
                                     "align_corners", "asymmetric",           "tf_crop_and_resize"};

/* Passes over planes against the sum over all taps at once. */
static void test_interpolation(void **state)
{
    (void)state;
    for (int i = 0; i < 144; i++) {
        twin t;
        float scales[] = {1, 1, i % 4 ? 1.7f : 1, i % 3 ? 0.6f : 2.25f}, roi[] = {0, 0, 0.2f, 0, 1, 1, 0.8f, 1};
        twin_open(&t, "Resize", 19, (uint64_t)i, op_rig_level(i), (uint32_t)(1 + i % 3));
        twin_noise(&t, sn_shape(4, 2, 3, 5 + i % 3, 9 + i % 40), TWIN_INPUT);
        twin_values(&t, sn_shape(1, 8), roi, TWIN_CONST);
        twin_values(&t, sn_shape(1, 4), scales, TWIN_CONST);
        TWIN_EACH(&t, op_rig_string(r, "mode", i % 2 ? "linear" : "cubic"));
        TWIN_EACH(&t, op_rig_string(r, "coordinate_transformation_mode", coords[i / 2 % 6]));
        TWIN_EACH(&t, op_rig_int(r, "antialias", i / 12 % 2));
        TWIN_EACH(&t, op_rig_int(r, "exclude_outside", i / 24 % 2));
        TWIN_EACH(&t, op_rig_float(r, "extrapolation_value", 7));
        twin_check(&t, 2e-6);
    }
}

/* All axes at once, in three passes. */
static void test_interpolation_of_all_axes(void **state)
{
    (void)state;
    for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++) {
        twin t;
        const float scales[] = {2, 1.5f, 1, 0.5f, 2};
        twin_open(&t, "Resize", 13, 1, level, 2);
        twin_noise(&t, sn_shape(5, 2, 4, 3, 6, 5), TWIN_INPUT);
        twin_absent(&t);
        twin_values(&t, sn_shape(1, 5), scales, TWIN_CONST);
        TWIN_EACH(&t, op_rig_string(r, "mode", "linear"));
        twin_check(&t, 2e-6);
    }
}

static void run_resize(op_rig *r, const char *mode, setsuna_shape x, const float *data, int n, const float *scales,
                       const int64_t *sizes)
{
    op_rig_open(r, "Resize", 18);
    op_rig_in(r, SETSUNA_F32, x, data);
    op_rig_absent(r);
    if (scales)
        op_rig_const(r, SETSUNA_F32, sn_shape(1, n), scales);
    else
        op_rig_absent(r);
    if (sizes)
        op_rig_const_i64(r, n, sizes);
    op_rig_string(r, "mode", mode);
}

static void assert_near(const op_rig *r, int n, const double *want)
{
    int64_t count;
    assert_true(sn_shape_numel(&r->out[0].shape, &count));
    assert_int_equal(count, n);
    for (int i = 0; i < n; i++)
        assert_true(fabs(op_rig_get(&r->out[0], i) - want[i]) < 2e-6);
}

/* The specification's own examples of opset 18. */
static void test_antialias(void **state)
{
    (void)state;
    float x[16];
    const float scales[] = {1, 1, 0.6f, 0.6f};
    for (int i = 0; i < 16; i++)
        x[i] = (float)(i + 1);
    op_rig r;
    run_resize(&r, "linear", sn_shape(4, 1, 1, 4, 4), x, 4, scales, NULL);
    op_rig_int(&r, "antialias", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_near(&r, 4, (double[]){2.875, 4.5, 9.375, 11.0});
    op_rig_close(&r);
    run_resize(&r, "cubic", sn_shape(4, 1, 1, 4, 4), x, 4, scales, NULL);
    op_rig_int(&r, "antialias", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_near(&r, 4, (double[]){2.5180721, 4.2858863, 9.589329, 11.357142});
    op_rig_close(&r);
}

static void test_axes_and_aspect(void **state)
{
    (void)state;
    const float x[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    static const char *const policy[] = {"stretch", "not_larger", "not_smaller"};
    static const int64_t want[3][2] = {{7, 8}, {4, 8}, {7, 14}}; /* 2 x 4 asked for 7 x 8 */
    for (int i = 0; i < 3; i++) {
        op_rig r;
        run_resize(&r, "nearest", sn_shape(4, 1, 1, 2, 4), x, 2, NULL, (int64_t[]){8, 7});
        op_rig_ints(&r, "axes", 2, (int64_t[]){-1, 2});
        op_rig_string(&r, "keep_aspect_ratio_policy", policy[i]);
        assert_int_equal(op_rig_infer(&r), SETSUNA_OK);
        assert_int_equal(r.ctx->out[0].shape.dim[2], want[i][0]);
        assert_int_equal(r.ctx->out[0].shape.dim[3], want[i][1]);
        op_rig_close(&r);
    }
}

/* Upsample and Resize-10: pixel floor(o / scale) when enlarging, ceil when shrinking. */
static void test_old_nearest(void **state)
{
    (void)state;
    const float x[4] = {1, 2, 3, 4}, up[2] = {1, 1.5f}, down[2] = {1, 0.6f};
    op_rig r;
    op_rig_open(&r, "Upsample", 7);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 1, 4), x);
    op_rig_floats(&r, "scales", 2, up);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_near(&r, 6, (double[]){1, 1, 2, 3, 3, 4});
    op_rig_close(&r);
    op_rig_open(&r, "Resize", 10);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 1, 4), x);
    op_rig_const(&r, SETSUNA_F32, sn_shape(1, 2), down);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_near(&r, 2, (double[]){1, 3});
    op_rig_close(&r);
}

/* Every element size, and axes before and behind the resampled one. */
static void test_nearest_moves_any_type(void **state)
{
    (void)state;
    static const setsuna_dtype types[] = {SETSUNA_U8, SETSUNA_I16, SETSUNA_F32, SETSUNA_F64};
    for (int i = 0; i < 8; i++) {
        setsuna_dtype type = types[i % 4];
        size_t size = setsuna_dtype_size(type);
        unsigned char x[2 * 3 * 16 * 8];
        const float scales[] = {1, 2, 1};
        for (size_t k = 0; k < sizeof x; k++)
            x[k] = (unsigned char)(k * 7 + k / 256);
        op_rig r;
        op_rig_open(&r, "Resize", 13);
        r.n_threads = 2;
        op_rig_in(&r, type, sn_shape(3, 2, 3, i < 4 ? 16 : 1), x);
        op_rig_absent(&r);
        op_rig_const(&r, SETSUNA_F32, sn_shape(1, 3), scales);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        size_t row = size * (i < 4 ? 16 : 1);
        for (size_t k = 0; k < 12; k++)
            assert_memory_equal((char *)r.out[0].data + k * row, x + (k / 6 * 3 + k % 6 / 2) * row, row);
        op_rig_close(&r);
    }
}

/* setsuna.Resize over blocks gives what Resize gives over planes. */
static void test_blocked(void **state)
{
    (void)state;
    enum { C = 11, H = 5, W = 6 };
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    for (int i = 0; i < 18; i++) {
        int b = i % 2 ? 16 : 8, blocks = (C + b - 1) / b;
        float x[C * H * W], xb[2 * 16 * H * W] = {0};
        const float scales[] = {1, 1, 2, i < 9 ? 2 : 1.3f};
        uint64_t seed = 4;
        for (int k = 0; k < C * H * W; k++) {
            x[k] = (float)op_rig_random(&seed) / (float)(1u << 30) - 1;
            xb[(k / (H * W) / b * H * W + k % (H * W)) * b + k / (H * W) % b] = x[k];
        }
        op_rig plain, blocked;
        run_resize(&plain, modes[i % 3], sn_shape(4, 1, C, H, W), x, 4, scales, NULL);
        op_rig_open(&blocked, "setsuna.Resize", 1);
        blocked.cpu = op_rig_level(i / 3);
        blocked.n_threads = 2;
        op_rig_in(&blocked, SETSUNA_F32, sn_shape(5, 1, blocks, H, W, b), xb);
        op_rig_int(&blocked, "channels", C);
        op_rig_string(&blocked, "mode", modes[i % 3]);
        op_rig_floats(&blocked, "scales", 2, scales + 2);
        assert_int_equal(op_rig_run(&plain), SETSUNA_OK);
        assert_int_equal(op_rig_run(&blocked), SETSUNA_OK);
        int64_t pixels = plain.out[0].shape.dim[2] * plain.out[0].shape.dim[3];
        for (int64_t k = 0; k < C * pixels; k++) {
            double want = op_rig_get(&plain.out[0], k);
            double got = op_rig_get(&blocked.out[0], (k / pixels / b * pixels + k % pixels) * b + k / pixels % b);
            assert_true(fabs(want - got) < 2e-6);
        }
        op_rig_close(&plain);
        op_rig_close(&blocked);
    }
}

static void test_refuses(void **state)
{
    (void)state;
    static const float zeros[16];
    static const float bad[][2] = {{1, 0}, {1, -1}, {1, 1e30f}, {1, NAN}};
    op_rig r;
    for (size_t i = 0; i < 4; i++) {
        run_resize(&r, "linear", sn_shape(2, 2, 3), zeros, 2, bad[i], NULL);
        assert_int_equal(op_rig_infer(&r), SETSUNA_EMODEL);
        op_rig_close(&r);
    }
    run_resize(&r, "linear", sn_shape(2, 2, 3), zeros, 2, NULL, (int64_t[]){2, -5});
    assert_int_equal(op_rig_infer(&r), SETSUNA_EMODEL);
    op_rig_close(&r);
    run_resize(&r, "linear", sn_shape(2, 0, 3), zeros, 2, NULL, (int64_t[]){2, 5});
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
    run_resize(&r, "linear", sn_shape(2, 2, 3), zeros, 2, NULL, NULL);
    assert_int_equal(op_rig_infer(&r), SETSUNA_EMODEL);
    op_rig_close(&r);
    run_resize(&r, "linear", sn_shape(2, 2, 3), zeros, 2, NULL, (int64_t[]){2, INT32_MAX});
    op_rig_int(&r, "antialias", 1);
    assert_int_equal(op_rig_infer(&r),
                     SETSUNA_OK); /* 17 GB of output: the planner's limit; the tables have their own */
    op_rig_close(&r);
}

/* Identity grids give the image back; 2-D and 3-D, f32 and f64 alike. */
static void test_grid(void **state)
{
    (void)state;
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    for (int i = 0; i < 54; i++) {
        twin t;
        bool volume = i / 27;
        twin_open(&t, "GridSample", 20, (uint64_t)i, SN_CPU_REF, (uint32_t)(1 + i % 2));
        twin_noise(&t, volume ? sn_shape(5, 2, 3, 3, 4, 5) : sn_shape(4, 2, 3, 4, 5), TWIN_INPUT);
        twin_noise_scaled(&t, volume ? sn_shape(5, 2, 2, 3, 4, 3) : sn_shape(4, 2, 6, 7, 2), TWIN_INPUT, 2.5f);
        TWIN_EACH(&t, op_rig_string(r, "mode", modes[i % 3]));
        TWIN_EACH(&t, op_rig_string(r, "padding_mode", paddings[i / 3 % 3]));
        TWIN_EACH(&t, op_rig_int(r, "align_corners", i / 9 % 2));
        twin_check(&t, 1e-5);
    }
}

static void test_affine_grid_then_sample(void **state)
{
    (void)state;
    for (int align = 0; align < 2; align++) {
        const float x[6] = {1, 2, 3, 4, 5, 6}, theta[6] = {1, 0, 0, 0, 1, 0};
        op_rig grid, sample;
        op_rig_open(&grid, "AffineGrid", 20);
        op_rig_in(&grid, SETSUNA_F32, sn_shape(3, 1, 2, 3), theta);
        op_rig_const_i64(&grid, 4, (int64_t[]){1, 1, 2, 3});
        op_rig_int(&grid, "align_corners", align);
        assert_int_equal(op_rig_run(&grid), SETSUNA_OK);
        op_rig_open(&sample, "GridSample", 20);
        op_rig_in(&sample, SETSUNA_F32, sn_shape(4, 1, 1, 2, 3), x);
        op_rig_in(&sample, SETSUNA_F32, grid.out[0].shape, grid.out[0].data);
        op_rig_int(&sample, "align_corners", align);
        assert_int_equal(op_rig_run(&sample), SETSUNA_OK);
        assert_near(&sample, 6, (double[]){1, 2, 3, 4, 5, 6});
        op_rig_close(&grid);
        op_rig_close(&sample);
    }
}

/* Places that are no numbers, or astronomically far away, read zeros or the border and nothing else. */
static void test_grid_of_garbage(void **state)
{
    (void)state;
    static const char *const paddings[] = {"zeros", "border", "reflection"};
    static const char *const modes[] = {"nearest", "linear", "cubic"};
    const float x[4] = {1, 1, 1, 1}, grid[8] = {NAN, 0, INFINITY, -INFINITY, 3e38f, -3e38f, 1e10f, NAN};
    for (int i = 0; i < 9; i++) {
        op_rig r;
        op_rig_open(&r, "GridSample", 20);
        op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 1, 2, 2), x);
        op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 2, 2, 2), grid);
        op_rig_string(&r, "padding_mode", paddings[i % 3]);
        op_rig_string(&r, "mode", modes[i / 3]);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpolation),
        cmocka_unit_test(test_interpolation_of_all_axes),
        cmocka_unit_test(test_antialias),
        cmocka_unit_test(test_axes_and_aspect),
        cmocka_unit_test(test_old_nearest),
        cmocka_unit_test(test_nearest_moves_any_type),
        cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_affine_grid_then_sample),
        cmocka_unit_test(test_grid_of_garbage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
