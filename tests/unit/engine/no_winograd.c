/* The option no_winograd, from the public interface to the kernel, and the bounds of docs/numerics.md either way. */
#include "engine/native.h"
#include "kernels/conv.h"
#include "onnx_write.h"
#include "unit/unit.h"
#include "wino_bound.h"
#include <setsuna/setsuna.h>
#include <stdlib.h>

enum { CHANNELS = 64, MAPS = 48, SIDE = 26, TAPS = 9, PIXELS = SIDE * SIDE }; /* SIDE is no multiple of a tile */

static float x[CHANNELS * PIXELS], w[MAPS * CHANNELS * TAPS];
static double want[MAPS * PIXELS], size[MAPS * PIXELS], wino[MAPS * PIXELS];

static void fill(float *v, size_t n, uint32_t noise)
{
    for (size_t i = 0; i < n; i++) {
        noise = noise * 1664525u + 1013904223u;
        v[i] = (float)(noise >> 8) * 0x1p-23f - 1.0f;
    }
}

/* y = Conv(x, w), 3x3, one pixel of padding all around. */
static pb_write conv_model(void)
{
    const int64_t x_dims[] = {1, CHANNELS, SIDE, SIDE}, w_dims[] = {MAPS, CHANNELS, 3, 3};
    pb_write g = {0}, n = onnx_node("Conv", "conv", "x,w", "y"), t = onnx_tensor("w", ONNX_F32, w_dims, 4);
    pb_write pads = {0};
    pb_text(&g, 2, "main");
    pb_text(&pads, 1, "pads");
    pb_int(&pads, 20, 7); /* INTS */
    for (int i = 0; i < 4; i++)
        pb_int(&pads, 8, 1);
    pb_message(&n, 5, pads);
    pb_message(&g, 1, n);
    pb_bytes(&t, 9, w, sizeof w);
    pb_message(&g, 5, t);
    pb_message(&g, 11, onnx_value("x", ONNX_F32, x_dims, 4));
    pb_message(&g, 12, onnx_value_f32("y"));
    return onnx_model(g);
}

static double pixel(int64_t channel, int64_t row, int64_t column)
{
    bool inside = row >= 0 && row < SIDE && column >= 0 && column < SIDE;
    return inside ? (double)x[channel * PIXELS + row * SIDE + column] : 0;
}

/* The exact sums, their magnitudes, and the bound of the 4x4 outputs of a tile. */
static void expect_tile(int64_t map, int64_t row, int64_t column)
{
    double sum[SN_WINO_PRODUCTS_MAX] = {0};
    for (int64_t c = 0; c < CHANNELS; c++) {
        double px[SN_WINO_PRODUCTS_MAX], g[TAPS];
        for (int k = 0; k < SN_WINO_PRODUCTS_MAX; k++)
            px[k] = pixel(c, row - 1 + k / SN_WINO_IN_MAX, column - 1 + k % SN_WINO_IN_MAX);
        for (int k = 0; k < TAPS; k++)
            g[k] = (double)w[(map * CHANNELS + c) * TAPS + k];
        wino_bound_add(SN_WINO_OUT_MAX, px, g, sum);
    }
    for (int r = 0; r < SN_WINO_OUT_MAX && row + r < SIDE; r++)
        for (int q = 0; q < SN_WINO_OUT_MAX && column + q < SIDE; q++) {
            int64_t at = map * PIXELS + (row + r) * SIDE + column + q;
            for (int64_t k = 0; k < CHANNELS * TAPS; k++) {
                double p = (double)w[map * CHANNELS * TAPS + k] *
                           pixel(k / TAPS, row + r - 1 + k % TAPS / 3, column + q - 1 + k % 3);
                want[at] += p;
                size[at] += fabs(p);
            }
            wino[at] = wino_bound_at(SN_WINO_OUT_MAX, sum, CHANNELS, r, q);
        }
}

static int make_expectation(void **state)
{
    (void)state;
    fill(x, sizeof x / sizeof *x, 1);
    fill(w, sizeof w / sizeof *w, 2);
    for (int64_t m = 0; m < MAPS; m++)
        for (int64_t r = 0; r < SIDE; r += SN_WINO_OUT_MAX)
            for (int64_t q = 0; q < SIDE; q += SN_WINO_OUT_MAX)
                expect_tile(m, r, q);
    return 0;
}

/* Runs the model; the result is the session's. Returns whether its convolution is a Winograd product. */
static bool run_model(const char *level, int no_winograd, setsuna_model **m, setsuna_session **s, const float **y)
{
    pb_write file = pb_exact(conv_model());
    const setsuna_options o = {.cpu_level = level, .no_winograd = no_winograd};
    const setsuna_tensor in = {SETSUNA_F32, {4, {1, CHANNELS, SIDE, SIDE}}, x, sizeof x};
    setsuna_tensor out;
    setsuna_error err = {0};
    if (setsuna_model_parse(file.data, file.size, &o, m, &err) != SETSUNA_OK ||
        setsuna_session_create(*m, s, &err) != SETSUNA_OK || setsuna_session_run(*s, &in, &out, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    free(file.data);
    assert_int_equal(out.size_bytes, sizeof(float) * MAPS * PIXELS);
    *y = out.data;
    const sn_plan *p = sn_exec_last_plan(sn_native_exec((sn_session *)*s));
    int direct = 0, winograd = 0;
    for (size_t i = 0; i < p->n_step; i++) {
        winograd += strstr(p->step[i].kernel, "conv_winograd") != NULL;
        direct += strstr(p->step[i].kernel, "conv_dense") != NULL;
    }
    assert_int_equal(direct + winograd, 1);
    return winograd == 1;
}

static void check_level(sn_cpu_level level)
{
    sn_conv_table t;
    sn_conv_table_init(&t, level);
    for (int no_winograd = 0; no_winograd < 2; no_winograd++) {
        setsuna_model *m = NULL;
        setsuna_session *s = NULL;
        const float *y;
        bool is_winograd = run_model(sn_cpu_level_name(level), no_winograd, &m, &s, &y);
        assert_int_equal(is_winograd, !no_winograd && t.limits.winograd != SN_CONV_WINO_NEVER);
        for (size_t i = 0; i < MAPS * PIXELS; i++) {
            double bound = is_winograd ? wino[i] : (CHANNELS * TAPS + 2) * 0x1p-24 * size[i];
            if (!(fabs((double)y[i] - want[i]) <= bound))
                fail_msg("level %s, no_winograd %d, element %zu: %g, not %g +- %g", sn_cpu_level_name(level),
                         no_winograd, i, (double)y[i], want[i], bound);
        }
        setsuna_session_destroy(s);
        setsuna_model_close(m);
    }
}

static void test_the_option_at_every_level(void **state)
{
    (void)state;
    for (int level = 0; level <= (int)sn_cpu_detect(); level++)
        check_level((sn_cpu_level)level);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_option_at_every_level)};
    return cmocka_run_group_tests(tests, make_expectation, NULL);
}
