/* Pools: the kernels against the plain loops, blocked images against plain ones, and what only some opsets have. */
#include "twin.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static int64_t between(uint64_t *seed, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(op_rig_random(seed) % (uint64_t)(hi - lo + 1));
}

typedef struct pool_case {
    int dims;
    int64_t in[3], kernel[3], stride[3], dilation[3], pads[6];
    bool ceil_mode, count_pad;
} pool_case;

static pool_case pool_random(uint64_t *seed, int dims)
{
    pool_case q = {.dims = dims, .ceil_mode = between(seed, 0, 1), .count_pad = between(seed, 0, 1)};
    for (int d = 0; d < q.dims; d++) {
        q.kernel[d] = between(seed, 1, 4);
        q.dilation[d] = between(seed, 1, 2);
        q.stride[d] = between(seed, 1, 3);
        q.pads[d] = between(seed, 0, 3);
        q.pads[q.dims + d] = between(seed, 0, 3);
        q.in[d] = (q.kernel[d] - 1) * q.dilation[d] + 1 + between(seed, 0, dims == 1 ? 60 : 7);
    }
    return q;
}

static void pool_attrs(op_rig *r, const pool_case *q, bool average)
{
    op_rig_ints(r, "kernel_shape", q->dims, q->kernel);
    op_rig_ints(r, "strides", q->dims, q->stride);
    op_rig_ints(r, "dilations", q->dims, q->dilation);
    op_rig_ints(r, "pads", 2 * q->dims, q->pads);
    op_rig_int(r, "ceil_mode", q->ceil_mode);
    if (average)
        op_rig_int(r, "count_include_pad", q->count_pad);
}

static void test_pools(void **state)
{
    (void)state;
    uint64_t seed = 8;
    for (int i = 0; i < 300; i++) {
        bool average = i & 1;
        pool_case q = pool_random(&seed, (int)between(&seed, 1, 3));
        setsuna_shape x = {2 + q.dims, {between(&seed, 1, 2), between(&seed, 1, 5)}};
        memcpy(x.dim + 2, q.in, (size_t)q.dims * sizeof q.in[0]);
        twin t;
        twin_open(&t, average ? "AveragePool" : "MaxPool", 19, (uint64_t)i, op_rig_level(i),
                  (uint32_t)between(&seed, 1, 3));
        twin_noise(&t, x, TWIN_INPUT);
        TWIN_EACH(&t, pool_attrs(r, &q, average));
        if (!average && i % 4 == 0) /* with indices both are plain loops; the indices must agree */
            TWIN_EACH(&t, r->n_out = 2);
        twin_check(&t, average ? 1e-6 : 0);
    }
}

/* Runs an operator over a blocked image and compares it with the plain one channel by channel. */
static void check_blocked(const char *plain_op, const char *blocked_op, int b, int channels, const pool_case *q,
                          sn_cpu_level level)
{
    op_rig plain, blocked;
    bool average = strstr(plain_op, "Average"), global = strstr(plain_op, "Global");
    int blocks = (channels + b - 1) / b, h = (int)q->in[0], w = (int)q->in[1];
    float *x = calloc((size_t)(2 * channels * h * w), 4), *xb = calloc((size_t)(2 * blocks * b * h * w), 4);
    uint64_t seed = 11;
    assert_true(x && xb);
    for (int i = 0; i < 2 * channels * h * w; i++) {
        int pixel = i % (h * w), c = i / (h * w) % channels, image = i / (h * w) / channels;
        x[i] = (float)op_rig_random(&seed) / (float)(1u << 30) - 1;
        xb[((image * blocks + c / b) * h * w + pixel) * b + c % b] = x[i];
    }
    op_rig_open(&plain, plain_op, 19);
    op_rig_open(&blocked, blocked_op, 1);
    blocked.cpu = level < blocked.cpu ? level : blocked.cpu;
    blocked.n_threads = 2;
    op_rig_in(&plain, SETSUNA_F32, sn_shape(4, 2, channels, h, w), x);
    op_rig_in(&blocked, SETSUNA_F32, sn_shape(5, 2, blocks, h, w, b), xb);
    op_rig_int(&blocked, "channels", channels);
    if (!global) {
        pool_attrs(&plain, q, average);
        pool_attrs(&blocked, q, average);
    }
    assert_int_equal(op_rig_run(&plain), SETSUNA_OK);
    assert_int_equal(op_rig_run(&blocked), SETSUNA_OK);
    int64_t oh = plain.out[0].shape.dim[2], ow = plain.out[0].shape.dim[3];
    assert_true(sn_shape_equal(&blocked.out[0].shape, &(setsuna_shape){5, {2, blocks, oh, ow, b}}));
    for (int64_t i = 0; i < 2 * channels * oh * ow; i++) {
        int64_t pixel = i % (oh * ow), c = i / (oh * ow) % channels, image = i / (oh * ow) / channels;
        double want = op_rig_get(&plain.out[0], i);
        double got = op_rig_get(&blocked.out[0], ((image * blocks + c / b) * oh * ow + pixel) * b + c % b);
        assert_true(got == want || fabs(got - want) <= 1e-6); /* both -inf: a window of padding */
    }
    op_rig_close(&plain);
    op_rig_close(&blocked);
    free(x);
    free(xb);
}

static void test_blocked(void **state)
{
    (void)state;
    static const int blocks[] = {16, 8, 5};
    uint64_t seed = 12;
    for (int i = 0; i < 60; i++) {
        pool_case q = pool_random(&seed, 2);
        int b = blocks[i % 3], channels = (int)between(&seed, 1, 40);
        check_blocked("MaxPool", "setsuna.MaxPool", b, channels, &q, op_rig_level(i / 3));
        check_blocked("AveragePool", "setsuna.AveragePool", b, channels, &q, op_rig_level(i / 3));
        check_blocked("GlobalAveragePool", "setsuna.GlobalAveragePool", b, channels, &q, op_rig_level(i / 3));
        check_blocked("GlobalMaxPool", "setsuna.GlobalMaxPool", b, channels, &q, op_rig_level(i / 3));
    }
}

static void test_global(void **state)
{
    (void)state;
    static const char *const ops[] = {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"};
    for (int i = 0; i < 30; i++) {
        twin t;
        twin_open(&t, ops[i % 3], 13, (uint64_t)i, op_rig_level(i / 3), 2);
        twin_noise(&t, sn_shape(4, 2, 3, 1 + i * 3, 7), TWIN_INPUT);
        twin_check(&t, 1e-6);
    }
}

static void run_1d(op_rig *r, const char *op, int opset, int n, const float *x)
{
    op_rig_open(r, op, opset);
    op_rig_in(r, SETSUNA_F32, sn_shape(3, 1, 1, n), x);
}

static void test_lp(void **state)
{
    (void)state;
    op_rig r;
    run_1d(&r, "LpPool", 18, 4, (float[]){3, -4, 12, 5});
    op_rig_ints(&r, "kernel_shape", 1, (int64_t[]){2});
    op_rig_ints(&r, "dilations", 1, (int64_t[]){2});
    op_rig_int(&r, "p", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, ((float[]){15, 9}), 8);
    op_rig_close(&r);
    run_1d(&r, "LpPool", 11, 4, (float[]){3, -4, 12, 5});
    op_rig_ints(&r, "kernel_shape", 1, (int64_t[]){2});
    op_rig_ints(&r, "strides", 1, (int64_t[]){2});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, ((float[]){5, 13}), 8);
    op_rig_close(&r);
}

/* Column-major indices count the first spatial dim fastest. */
static void test_storage_order(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "MaxPool", 12);
    r.n_out = 2;
    op_rig_in(&r, SETSUNA_U8, sn_shape(4, 1, 2, 2, 3), (uint8_t[]){1, 2, 3, 4, 5, 6, 9, 8, 7, 6, 5, 4});
    op_rig_ints(&r, "kernel_shape", 2, (int64_t[]){2, 2});
    op_rig_int(&r, "storage_order", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, ((uint8_t[]){5, 6, 9, 8}), 4);
    assert_memory_equal(r.out[1].data, ((int64_t[]){3, 5, 6, 8}), 32);
    op_rig_close(&r);
}

/* The last window of ceil_mode begins inside of the input or its left padding, or there is none. */
static void test_ceil_mode_starts_inside(void **state)
{
    (void)state;
    op_rig r;
    run_1d(&r, "MaxPool", 12, 2, (float[]){1, 2});
    op_rig_ints(&r, "kernel_shape", 1, (int64_t[]){1});
    op_rig_ints(&r, "strides", 1, (int64_t[]){2});
    op_rig_ints(&r, "pads", 2, (int64_t[]){0, 1});
    op_rig_int(&r, "ceil_mode", 1);
    assert_int_equal(op_rig_infer(&r), SETSUNA_OK);
    assert_int_equal(r.ctx->out[0].shape.dim[2], 1); /* the second one would begin in the right padding */
    op_rig_close(&r);
    run_1d(&r, "MaxPool", 12, 3, (float[]){1, 2, 3});
    op_rig_ints(&r, "kernel_shape", 1, (int64_t[]){1});
    op_rig_ints(&r, "strides", 1, (int64_t[]){4});
    op_rig_ints(&r, "pads", 2, (int64_t[]){0, 0});
    op_rig_int(&r, "ceil_mode", 1);
    assert_int_equal(op_rig_infer(&r), SETSUNA_OK);
    assert_int_equal(r.ctx->out[0].shape.dim[2], 1);
    op_rig_close(&r);
}

/* Windows of billions of taps over almost only padding end at once, with bounded memory. */
static void test_huge_windows(void **state)
{
    (void)state;
    static const char *const ops[] = {"MaxPool", "AveragePool", "LpPool"};
    for (int i = 0; i < 3; i++) {
        op_rig r;
        run_1d(&r, ops[i], 19, 4, (float[]){1, 2, 3, 4});
        op_rig_ints(&r, "kernel_shape", 1, (int64_t[]){INT32_MAX});
        op_rig_ints(&r, "pads", 2, (int64_t[]){INT32_MAX, 3});
        op_rig_ints(&r, "strides", 1, (int64_t[]){INT32_MAX});
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        assert_true(r.step.scratch_bytes < 1 << 20);
        op_rig_close(&r);
    }
}

static void test_unpool(void **state)
{
    (void)state;
    const float x[2] = {5, 6};
    const int64_t index[2] = {1, 2}, outside[2] = {1, 4}, shape[3] = {1, 1, 6};
    for (int i = 0; i < 3; i++) {
        op_rig r;
        op_rig_open(&r, "MaxUnpool", 11);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, 2), x);
        op_rig_in(&r, SETSUNA_I64, sn_shape(3, 1, 1, 2), i == 1 ? outside : index);
        if (i == 2)
            op_rig_const_i64(&r, 3, shape);
        op_rig_ints(&r, "kernel_shape", 1, (int64_t[]){2});
        op_rig_ints(&r, "strides", 1, (int64_t[]){2});
        assert_int_equal(op_rig_run(&r), i == 1 ? SETSUNA_EINPUT : SETSUNA_OK);
        if (i != 1)
            assert_memory_equal(r.out[0].data, ((float[]){0, 5, 6, 0, 0, 0}), (size_t)(i ? 24 : 16));
        op_rig_close(&r);
    }
}

typedef struct byte_image {
    int64_t n, h, w, c;
    uint8_t v[1 << 18];
} byte_image;

/* The mean of the pixels [y0, y1) x [x0, x1) of a channel, quantised: one f32 operation after the other. */
static uint8_t byte_mean(const byte_image *q, int64_t n, int64_t c, const int64_t y[2], const int64_t x[2],
                         int32_t zero, float scale)
{
    int32_t sum = 0, count = (int32_t)((y[1] - y[0]) * (x[1] - x[0]));
    for (int64_t i = y[0]; i < y[1]; i++)
        for (int64_t j = x[0]; j < x[1]; j++)
            sum += q->v[((n * q->h + i) * q->w + j) * q->c + c] - zero;
    float v = rintf((float)sum * (scale / (float)count)) + 7;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

/* Means of bytes, channels last: of whole planes and of windows, however the work is split. */
static void test_means_of_bytes(void **state)
{
    (void)state;
    static byte_image q;
    uint64_t seed = 6;
    for (int i = 0; i < 60; i++) {
        const bool global = i % 2;
        const int64_t k = global ? 0 : between(&seed, 1, 3), wide = !global && i % 4 == 0; /* whole rows */
        q.n = between(&seed, 1, 2), q.h = between(&seed, 3, 9), q.w = between(&seed, 3, 9);
        q.c = between(&seed, 1, 200);
        if (i % 8 == 1) /* large enough for two threads */
            q.n = 1, q.h = q.w = 40, q.c = between(&seed, 130, 160);
        for (int64_t b = 0; b < q.n * q.h * q.w * q.c; b++)
            q.v[b] = (uint8_t)op_rig_random(&seed);
        const int64_t kh = global ? q.h : k, kw = global || wide ? q.w : k;
        for (int level = 0; level <= (int)sn_cpu_detect(); level++) {
            op_rig r;
            op_rig_open(&r, global ? "setsuna.QGlobalAveragePool" : "setsuna.QAveragePool", 1);
            r.cpu = (sn_cpu_level)level;
            r.n_threads = i % 8 == 1 ? 2 : (uint32_t)(1 + i % 4);
            op_rig_in(&r, SETSUNA_U8, sn_shape(4, (int)q.n, (int)q.h, (int)q.w, (int)q.c), q.v);
            if (!global)
                op_rig_ints(&r, "kernel_shape", 2, (const int64_t[]){kh, kw});
            op_rig_float(&r, "x_scale", 0.03f);
            op_rig_float(&r, "y_scale", 0.02f);
            op_rig_int(&r, "x_zero", 90);
            op_rig_int(&r, "y_zero", 7);
            assert_int_equal(op_rig_run(&r), SETSUNA_OK);
            const int64_t oh = q.h - kh + 1, ow = q.w - kw + 1;
            const uint8_t *is = r.out[0].data;
            for (int64_t at = 0; at < q.n * oh * ow * q.c; at++) {
                const int64_t x = at / q.c % ow, y = at / q.c / ow % oh, n = at / q.c / ow / oh;
                assert_int_equal(is[at], byte_mean(&q, n, at % q.c, (const int64_t[]){y, y + kh},
                                                   (const int64_t[]){x, x + kw}, 90, 0.03f / 0.02f));
            }
            op_rig_close(&r);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pools),          cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_global),         cmocka_unit_test(test_lp),
        cmocka_unit_test(test_storage_order),  cmocka_unit_test(test_ceil_mode_starts_inside),
        cmocka_unit_test(test_huge_windows),   cmocka_unit_test(test_unpool),
        cmocka_unit_test(test_means_of_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
