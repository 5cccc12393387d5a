/* The operators over blocked channels: what they refuse, and edges that the passes never make. */
#include "unit/ops/op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

static const float zeros[1 << 14];

/* X [2, 1, 5, 6, b] of c channels (at most b) unless the shape is given, W [m, c, 3, 3]. */
static void open_conv(op_rig *r, int64_t c, int64_t m)
{
    op_rig_open(r, "setsuna.Conv", 1);
    setsuna_shape x = {5, {2, 1, 5, 6, sn_cpu_block(r->cpu)}}, w = {4, {m, c, 3, 3}};
    op_rig_in(r, SETSUNA_F32, x, zeros);
    op_rig_const(r, SETSUNA_F32, w, zeros);
}

static void assert_infer(op_rig *r, setsuna_status want)
{
    int status = op_rig_infer(r);
    if (status != want)
        fail_msg("%s, not %s: %s", setsuna_status_name((setsuna_status)status), setsuna_status_name(want), r->err.text);
    op_rig_close(r);
}

static void test_accepts(void **state)
{
    (void)state;
    op_rig r;
    open_conv(&r, 5, 7);
    op_rig_int(&r, "block", sn_cpu_block(r.cpu));
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    setsuna_shape want = {5, {2, 1, 3, 4, sn_cpu_block(r.cpu)}};
    assert_true(sn_shape_equal(&r.out[0].shape, &want));
    op_rig_close(&r);
}

static void test_conv_refuses_shapes(void **state)
{
    (void)state;
    op_rig r;
    open_conv(&r, 40, 7); /* X has one block */
    assert_infer(&r, SETSUNA_ESHAPE);
    open_conv(&r, 5, 7);
    r.in[0].shape.dim[4] = 5; /* no block is so wide */
    assert_infer(&r, SETSUNA_ESHAPE);
    open_conv(&r, 5, 7);
    r.in[0].shape.rank = 3;
    assert_infer(&r, SETSUNA_ESHAPE);
    open_conv(&r, 5, 7);
    op_rig_absent(&r); /* B */
    op_rig_const(&r, SETSUNA_F32, sn_shape(1, 6), zeros);
    assert_infer(&r, SETSUNA_ESHAPE);
    open_conv(&r, 5, 7);
    op_rig_absent(&r);
    op_rig_absent(&r);
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 2, 7, 3, 3), zeros); /* R: Y is 3 by 4 */
    assert_infer(&r, SETSUNA_ESHAPE);
    open_conv(&r, 5, 7);
    op_rig_int(&r, "group", 5); /* five channels each */
    assert_infer(&r, SETSUNA_ESHAPE);
    open_conv(&r, 1, 7);
    op_rig_int(&r, "group", 2);
    assert_infer(&r, SETSUNA_ESHAPE); /* seven outputs in two groups */
}

static void test_conv_refuses_attributes(void **state)
{
    (void)state;
    op_rig r;
    open_conv(&r, 5, 7);
    op_rig_int(&r, "block", 7);
    assert_infer(&r, SETSUNA_EMODEL);
    open_conv(&r, 5, 7);
    op_rig_string(&r, "activation", "cubic");
    assert_infer(&r, SETSUNA_EMODEL);
    open_conv(&r, 5, 7);
    op_rig_string(&r, "residual", "never");
    assert_infer(&r, SETSUNA_EMODEL);
    open_conv(&r, 5, 7);
    op_rig_ints(&r, "strides", 2, (int64_t[]){1, 0});
    assert_infer(&r, SETSUNA_EMODEL);
    open_conv(&r, 5, 7);
    op_rig_ints(&r, "dilations", 2, (int64_t[]){1, INT64_MAX});
    assert_infer(&r, SETSUNA_EMODEL);
    open_conv(&r, 5, 7);
    op_rig_ints(&r, "pads", 4, (int64_t[]){INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX});
    assert_infer(&r, SETSUNA_ELIMIT); /* an output beyond all memory */
    open_conv(&r, 5, 7);
    op_rig_int(&r, "group", INT64_MAX);
    assert_infer(&r, SETSUNA_ESHAPE);
    open_conv(&r, 5, 7);
    op_rig_ints(&r, "kernel_shape", 2, (int64_t[]){3, 4});
    assert_infer(&r, SETSUNA_ESHAPE);
}

static void test_weights_must_be_constant(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "setsuna.Conv", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 3, 5, 5), zeros);
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 2, 3, 3, 3), zeros);
    assert_infer(&r, SETSUNA_EUNSUPPORTED);
}

/* A window that sees only padding gives the bias; no image at all gives nothing. */
static void test_windows_outside(void **state)
{
    (void)state;
    static const float ones[3] = {1, 1, 1}, bias[1] = {0.5f};
    op_rig r;
    op_rig_open(&r, "setsuna.Conv", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, 1), ones);
    op_rig_const(&r, SETSUNA_F32, sn_shape(3, 1, 1, 1), ones);
    op_rig_const(&r, SETSUNA_F32, sn_shape(1, 1), bias);
    op_rig_ints(&r, "pads", 2, (int64_t[]){4, 6});
    op_rig_ints(&r, "strides", 1, (int64_t[]){2});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].shape.dim[2], 6);
    for (int i = 0; i < 6; i++)
        assert_true(((const float *)r.out[0].data)[i] == (i == 2 ? 1.5f : 0.5f));
    op_rig_close(&r);

    op_rig_open(&r, "setsuna.Conv", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 0, 3, 4), zeros);
    op_rig_const(&r, SETSUNA_F32, sn_shape(3, 2, 3, 2), zeros);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    op_rig_close(&r);
}

static void test_reorders(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "setsuna.ToBlocked", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 3, 5, 5), zeros);
    op_rig_int(&r, "block", 5);
    assert_infer(&r, SETSUNA_ESHAPE);
    op_rig_open(&r, "setsuna.ToBlocked", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(1, 3), zeros);
    op_rig_int(&r, "block", sn_cpu_block(r.cpu));
    assert_infer(&r, SETSUNA_ESHAPE);
    static const int64_t channels[] = {-1, 0, 100, INT64_MAX};
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
        op_rig_open(&r, "setsuna.FromBlocked", 1);
        op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 2, 5, (int)sn_cpu_block(r.cpu)), zeros);
        op_rig_int(&r, "channels", channels[i]);
        assert_infer(&r, SETSUNA_ESHAPE);
    }
}

static void test_concat_refuses(void **state)
{
    (void)state;
    static const int64_t channels[][2] = {{3, 40}, {0, 4}, {4, INT64_MAX}, {-3, 4}};
    for (size_t i = 0; i < sizeof channels / sizeof channels[0]; i++) {
        op_rig r;
        op_rig_open(&r, "setsuna.Concat", 1);
        setsuna_shape x = {4, {1, 1, 6, sn_cpu_block(r.cpu)}};
        op_rig_in(&r, SETSUNA_F32, x, zeros);
        op_rig_in(&r, SETSUNA_F32, x, zeros);
        op_rig_ints(&r, "channels", 2, channels[i]);
        assert_infer(&r, SETSUNA_ESHAPE);
    }
    op_rig r;
    op_rig_open(&r, "setsuna.Concat", 1);
    op_rig_in(&r, SETSUNA_F32, (setsuna_shape){4, {1, 1, 6, sn_cpu_block(r.cpu)}}, zeros);
    op_rig_ints(&r, "channels", 2, (int64_t[]){3, 3});
    assert_infer(&r, SETSUNA_EMODEL);
}

static void test_transpose_refuses(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "setsuna.ConvTranspose", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 3, 5, 5), zeros);
    op_rig_const(&r, SETSUNA_F32, sn_shape(4, 4, 3, 2, 2), zeros); /* for four channels */
    assert_infer(&r, SETSUNA_ESHAPE);
    op_rig_open(&r, "setsuna.ConvTranspose", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 3, 5), zeros);
    op_rig_const(&r, SETSUNA_F32, sn_shape(3, 3, 3, 2), zeros);
    assert_infer(&r, SETSUNA_ESHAPE);
    op_rig_open(&r, "setsuna.ConvTranspose", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 3, 5, 5), zeros);
    op_rig_const(&r, SETSUNA_F32, sn_shape(4, 3, 0, 2, 2), zeros);
    assert_infer(&r, SETSUNA_ESHAPE);
}

enum { UP_N = 2, UP_C = 5, UP_H = 24, UP_W = 100, UP_PX = UP_H * UP_W };

static float up_value(uint64_t *seed)
{
    return (float)(int32_t)(op_rig_random(seed) >> 32) * 0x1p-31f;
}

/* Element (n, m, y, x) of the result is within the rounding of UP_C products. */
static void up_check(const op_rig *r, const float *x, const float *w, int64_t maps, bool blocked, const char *what)
{
    int64_t b = sn_cpu_block(r->cpu), blocks = (maps + b - 1) / b, px = 4 * UP_PX;
    for (int64_t i = 0; i < UP_N * maps * px; i++) {
        int64_t at = i % px, m = i / px % maps, n = i / px / maps, oy = at / (2 * UP_W), ox = at % (2 * UP_W);
        double want = 0, size = 0;
        for (int64_t c = 0; c < UP_C; c++) {
            double p = (double)x[(n * UP_C + c) * UP_PX + oy / 2 * UP_W + ox / 2] *
                       (double)w[(c * maps + m) * 4 + oy % 2 * 2 + ox % 2];
            want += p;
            size += fabs(p);
        }
        double got = op_rig_get(&r->out[0], blocked ? ((n * blocks + m / b) * px + at) * b + m % b : i);
        if (!(fabs(got - want) <= (UP_C + 3) * 0x1p-24 * size))
            fail_msg("%s, level %s, %lld maps: element %lld is %g, not %g", what, sn_cpu_level_name(r->cpu),
                     (long long)maps, (long long)i, got, want);
    }
}

/* Images of several strips, whose last is none that another thread begins; each combination of layouts. */
static void test_transpose_strips(void **state)
{
    (void)state;
    static float x[UP_N * UP_C * UP_PX], blocked[UP_N * UP_PX * 16], w[UP_C * 5 * 4];
    uint64_t seed = 7;
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        x[i] = up_value(&seed);
    for (size_t i = 0; i < sizeof w / sizeof *w; i++)
        w[i] = up_value(&seed);
    for (int k = 0; k < 8 * ((int)sn_cpu_detect() + 1); k++) {
        op_rig r;
        op_rig_open(&r, "setsuna.ConvTranspose", 1);
        r.cpu = op_rig_level(k / 8);
        r.n_threads = 3;
        int64_t b = sn_cpu_block(r.cpu), maps = k & 1 ? 5 : 1;
        for (int64_t i = 0; i < UP_N * UP_C * UP_PX; i++)
            blocked[(i / UP_PX / UP_C * UP_PX + i % UP_PX) * b + i / UP_PX % UP_C] = x[i];
        setsuna_shape from = {5, {UP_N, 1, UP_H, UP_W, b}};
        op_rig_in(&r, SETSUNA_F32, k & 2 ? from : sn_shape(4, UP_N, UP_C, UP_H, UP_W), k & 2 ? blocked : x);
        op_rig_const(&r, SETSUNA_F32, sn_shape(4, UP_C, (int)maps, 2, 2), w);
        if (k & 4)
            op_rig_int(&r, "block", b);
        setsuna_status status = op_rig_run(&r);
        if (status != SETSUNA_OK)
            fail_msg("%s", r.err.text);
        up_check(&r, x, w, maps, k & 4, k & 2 ? "blocked" : "plain");
        op_rig_close(&r);
    }
}

/* An image without rows may be wider than memory. */
static void test_transpose_without_pixels(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "setsuna.ConvTranspose", 1);
    setsuna_shape x = {4, {1, 3, 0, INT64_C(1) << 40}};
    op_rig_in(&r, SETSUNA_F32, x, zeros);
    op_rig_const(&r, SETSUNA_F32, sn_shape(4, 3, 1, 2, 2), zeros);
    int status = op_rig_infer(&r);
    op_rig_close(&r);
    if (status != SETSUNA_OK) /* refused as too wide */
        return;
    op_rig_open(&r, "setsuna.ConvTranspose", 1);
    op_rig_in(&r, SETSUNA_F32, x, zeros);
    op_rig_const(&r, SETSUNA_F32, sn_shape(4, 3, 1, 2, 2), zeros);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    op_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepts),
        cmocka_unit_test(test_conv_refuses_shapes),
        cmocka_unit_test(test_conv_refuses_attributes),
        cmocka_unit_test(test_weights_must_be_constant),
        cmocka_unit_test(test_windows_outside),
        cmocka_unit_test(test_reorders),
        cmocka_unit_test(test_concat_refuses),
        cmocka_unit_test(test_transpose_refuses),
        cmocka_unit_test(test_transpose_strips),
        cmocka_unit_test(test_transpose_without_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
