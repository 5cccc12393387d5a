/* setsuna.Dft against sums in double precision, and what it refuses. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { POINTS = 64, LENGTH = 1000, IMAGES = 2 };

typedef struct transform {
    int64_t hop, bins, sign, frames, block;
    const char *form;
} transform;

static float signal[IMAGES * LENGTH], window[POINTS];

static void fill(void)
{
    uint32_t seed = 5;
    for (int i = 0; i < IMAGES * LENGTH; i++) {
        seed = seed * 1664525u + 1013904223u;
        signal[i] = (float)(seed >> 8) * 0x1p-23f - 1;
    }
    for (int j = 0; j < POINTS; j++)
        window[j] = (float)(j + 1) / POINTS;
}

static void open_rig(op_rig *r, const transform *q, uint32_t threads)
{
    op_rig_open(r, "setsuna.Dft", 1);
    r->n_threads = threads;
    op_rig_in(r, SETSUNA_F32, sn_shape(3, IMAGES, 1, LENGTH), signal);
    op_rig_const(r, SETSUNA_F32, sn_shape(1, POINTS), window);
    op_rig_int(r, "hop", q->hop);
    op_rig_int(r, "bins", q->bins);
    op_rig_int(r, "sign", q->sign);
    op_rig_string(r, "form", q->form);
    if (q->frames)
        op_rig_int(r, "frames", 1);
    if (q->block)
        op_rig_int(r, "block", q->block);
}

/* Element (bin k, frame t) of image i, or its imaginary part. */
static int64_t place(const transform *q, int64_t n_frames, int64_t i, int64_t k, int64_t t, bool im)
{
    if (q->frames)
        return (i * n_frames + t) * q->bins + k;
    if (q->block)
        return ((i * ((q->bins + q->block - 1) / q->block) + k / q->block) * n_frames + t) * q->block + k % q->block;
    bool two = strcmp(q->form, "complex") == 0;
    return (i * (two ? 2 : 1) * q->bins + (im ? q->bins : 0) + k) * n_frames + t;
}

static void check(const transform *q, uint32_t threads)
{
    op_rig r;
    open_rig(&r, q, threads);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    const float *y = r.out[0].data;
    int64_t n_frames = (LENGTH - POINTS) / q->hop + 1;
    /* kernels/rdft.h; sums of magnitudes are below n. A square is off by twice that times X, which is as large. */
    double off = 6 * 6 * 0x1p-24 * POINTS;
    for (int64_t i = 0; i < IMAGES; i++)
        for (int64_t t = 0; t < n_frames; t++)
            for (int64_t k = 0; k < q->bins; k++) {
                double re = 0, im = 0;
                for (int64_t j = 0; j < POINTS; j++) {
                    double a = 2 * 3.14159265358979323846 * (double)(j * k % POINTS) / POINTS;
                    double v = (double)window[j] * (double)signal[i * LENGTH + t * q->hop + j];
                    re += v * cos(a);
                    im += (double)q->sign * v * sin(a);
                }
                double got = (double)y[place(q, n_frames, i, k, t, false)], size = hypot(re, im);
                if (strcmp(q->form, "power") == 0) {
                    assert_true(fabs(got - size * size) <= 2 * size * off + off * off + 4 * 0x1p-24 * size * size);
                } else if (strcmp(q->form, "magnitude") == 0) {
                    assert_true(fabs(got - size) <= off + 4 * 0x1p-24 * size);
                } else {
                    assert_true(fabs(got - re) <= off);
                    assert_true(fabs((double)y[place(q, n_frames, i, k, t, true)] - im) <= off);
                }
            }
    op_rig_close(&r);
}

static void test_forms(void **state)
{
    (void)state;
    fill();
    for (uint32_t threads = 1; threads <= 3; threads++)
        for (int64_t hop = 1; hop <= LENGTH; hop = hop * 7 + 4) {
            check(&(transform){hop, 33, -1, 0, 0, "complex"}, threads);
            check(&(transform){hop, 20, 1, 0, 0, "complex"}, threads);
            check(&(transform){hop, 33, -1, 0, 0, "power"}, threads);
            check(&(transform){hop, 17, -1, 1, 0, "power"}, threads);
            check(&(transform){hop, 33, -1, 0, 16, "magnitude"}, threads);
            check(&(transform){hop, 33, -1, 0, 5, "magnitude"}, threads);
        }
}

static void test_refusals(void **state)
{
    (void)state;
    const transform bad[] = {
        {0, 33, -1, 0, 0, "complex"}, {-1, 33, -1, 0, 0, "complex"},      {1, 34, -1, 0, 0, "complex"},
        {1, 0, -1, 0, 0, "power"},    {1, 33, 0, 0, 0, "power"},          {1, 33, -1, 0, 0, "polar"},
        {1, 33, -1, 1, 0, "complex"}, {1, 33, -1, 0, 16, "complex"},      {1, 33, -1, 1, 16, "power"},
        {1, 33, -1, 0, -1, "power"},  {1, 33, -1, 0, INT64_MAX, "power"},
    };
    fill();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        op_rig r;
        open_rig(&r, &bad[i], 1);
        assert_true(op_rig_infer(&r) < 0);
        op_rig_close(&r);
    }
}

/* Windows that are no power of two, too short or too long; signals that are shorter than a frame. */
static void test_lengths(void **state)
{
    static const float many[1 << 15];
    const struct {
        int points, length, status;
    } cases[] = {{64, 64, 0}, {63, 64, -1}, {32, 64, -1}, {96, 128, -1}, {128, 127, -1}, {1 << 15, 1 << 15, -1}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        op_rig r;
        op_rig_open(&r, "setsuna.Dft", 1);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, cases[i].length), many);
        op_rig_const(&r, SETSUNA_F32, sn_shape(1, cases[i].points), many);
        op_rig_int(&r, "hop", 1);
        assert_int_equal(op_rig_infer(&r) < 0 ? -1 : 0, cases[i].status);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
