/* NonMaxSuppression, RoiAlign, MaxRoiPool; DFT and STFT; losses. */
#include "twin.h"
#include "unit/unit.h"
#include <math.h>
#include <stdlib.h>

/* ---- NonMaxSuppression --------------------------------------------------------------------------- */

/* What the operator says, by sorting and comparing everything with everything. Returns the selections. */
static int nms_naive(const float *boxes, const float *scores, int n, int64_t max, float iou, float least, int *selected)
{
    int count = 0;
    bool used[64] = {false};
    while (count < max) {
        int best = -1;
        for (int i = 0; i < n; i++)
            if (!used[i] && scores[i] > least && (best < 0 || scores[i] > scores[best]))
                best = i;
        if (best < 0)
            break;
        used[best] = true;
        bool keep = true;
        for (int k = 0; k < count; k++) {
            const float *a = boxes + 4 * best, *b = boxes + 4 * selected[k];
            double h = fmin(fmax((double)a[0], (double)a[2]), fmax((double)b[0], (double)b[2])) -
                       fmax(fmin((double)a[0], (double)a[2]), fmin((double)b[0], (double)b[2]));
            double w = fmin(fmax((double)a[1], (double)a[3]), fmax((double)b[1], (double)b[3])) -
                       fmax(fmin((double)a[1], (double)a[3]), fmin((double)b[1], (double)b[3]));
            double both = h > 0 && w > 0 ? h * w : 0;
            double any = fabs(((double)a[2] - (double)a[0]) * ((double)a[3] - (double)a[1])) +
                         fabs(((double)b[2] - (double)b[0]) * ((double)b[3] - (double)b[1])) - both;
            keep &= !(both / any > (double)iou);
        }
        if (keep)
            selected[count++] = best;
    }
    return count;
}

static void test_nms(void **state)
{
    (void)state;
    enum { N = 2, C = 3, S = 40 };
    uint64_t seed = 3;
    for (int round = 0; round < 60; round++) {
        float boxes[N * S * 4], scores[N * C * S], iou = 0.3f, least = 0.2f;
        int64_t max = 1 + round % 12;
        for (int i = 0; i < N * S * 4; i++)
            boxes[i] = (float)(op_rig_random(&seed) % 1000) / 100.0f + (i % 4 >= 2 ? 0.005f : 0);
        for (int i = 0; i < N * C * S; i++) /* few values: ties go to the lower index */
            scores[i] = (float)(op_rig_random(&seed) % 20) / 20;
        op_rig r;
        op_rig_open(&r, "NonMaxSuppression", 11);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, N, S, 4), boxes);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, N, C, S), scores);
        if (round % 2)
            op_rig_const_i64(&r, 1, &max);
        else
            op_rig_in(&r, SETSUNA_I64, sn_shape(1, 1), &max);
        op_rig_in(&r, SETSUNA_F32, sn_shape(0), &iou);
        op_rig_in(&r, SETSUNA_F32, sn_shape(0), &least);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        const int64_t *got = r.out[0].data;
        int64_t total = 0;
        for (int g = 0; g < N * C; g++) {
            int selected[S];
            int count = nms_naive(boxes + g / C * S * 4, scores + g * S, S, max, iou, least, selected);
            for (int k = 0; k < count; k++, total++) {
                assert_int_equal(got[3 * total], g / C);
                assert_int_equal(got[3 * total + 1], g % C);
                assert_int_equal(got[3 * total + 2], selected[k]);
            }
        }
        assert_int_equal(r.out[0].shape.dim[0], total);
        op_rig_close(&r);
    }
}

static void test_nms_of_nothing(void **state)
{
    (void)state;
    const float boxes[4] = {0, 0, 1, 1}, nan_score = NAN;
    const int64_t negative = -3, one = 1;
    for (int i = 0; i < 4; i++) {
        op_rig r;
        op_rig_open(&r, "NonMaxSuppression", 11);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, i == 3 ? 0 : 1, 4), boxes);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, i == 3 ? 0 : 1), &nan_score);
        if (i) /* without a maximum nothing is selected */
            op_rig_in(&r, SETSUNA_I64, sn_shape(0), i == 1 ? &negative : &one);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        assert_int_equal(r.out[0].shape.dim[0], 0);
        op_rig_close(&r);
    }
}

/* ---- regions ------------------------------------------------------------------------------------- */

static void test_roi_align(void **state)
{
    (void)state;
    const int64_t image[3] = {1, 0, 1};
    const float rois[12] = {0, 0, 7, 7, 1.5f, 2, 6, 5, -3, -3, 12, 9};
    for (int i = 0; i < 12; i++) {
        twin t;
        twin_open(&t, "RoiAlign", i % 3 ? 16 : 10, (uint64_t)i, SN_CPU_REF, (uint32_t)(1 + i % 2));
        twin_noise(&t, sn_shape(4, 2, 3, 8, 9), TWIN_INPUT);
        twin_values(&t, sn_shape(2, 3, 4), rois, TWIN_INPUT);
        twin_in(&t, SETSUNA_I64, sn_shape(1, 3), image);
        TWIN_EACH(&t, op_rig_int(r, "output_height", 3));
        TWIN_EACH(&t, op_rig_int(r, "output_width", 2));
        TWIN_EACH(&t, op_rig_int(r, "sampling_ratio", i % 4));
        TWIN_EACH(&t, op_rig_string(r, "mode", i % 2 ? "max" : "avg"));
        twin_check(&t, 1e-6);
    }
}

/* The mean over a region of a plane y + 10 x is the plane at the region's centre. */
static void test_roi_align_of_a_plane(void **state)
{
    (void)state;
    float x[64];
    const float roi[4] = {1, 2, 5, 6};
    const int64_t image = 0, outside = 1;
    for (int i = 0; i < 64; i++)
        x[i] = (float)(i / 8) + 10 * (float)(i % 8);
    for (int i = 0; i < 2; i++) {
        op_rig r;
        op_rig_open(&r, "RoiAlign", 16);
        op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 1, 8, 8), x);
        op_rig_in(&r, SETSUNA_F32, sn_shape(2, 1, 4), roi);
        op_rig_in(&r, SETSUNA_I64, sn_shape(1, 1), i ? &outside : &image);
        op_rig_int(&r, "sampling_ratio", 4);
        assert_int_equal(op_rig_run(&r), i ? SETSUNA_EINPUT : SETSUNA_OK);
        if (!i) /* centre (3, 4) less half a pixel */
            assert_true(fabs(op_rig_get(&r.out[0], 0) - (3.5 + 25)) < 1e-5);
        op_rig_close(&r);
    }
}

static void test_max_roi_pool(void **state)
{
    (void)state;
    float x[16];
    for (int i = 0; i < 16; i++)
        x[i] = (float)i;
    const float rois[10] = {0, 0, 0, 3, 3, 0, 8, 8, 9, 9};
    op_rig r;
    op_rig_open(&r, "MaxRoiPool", 1);
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 1, 4, 4), x);
    op_rig_in(&r, SETSUNA_F32, sn_shape(2, 2, 5), rois);
    op_rig_ints(&r, "pooled_shape", 2, (int64_t[]){2, 2});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_memory_equal(r.out[0].data, ((float[]){5, 7, 13, 15, 0, 0, 0, 0}), 32); /* outside: empty bins */
    op_rig_close(&r);
}

/* ---- transforms ---------------------------------------------------------------------------------- */

/* Every length up to 70 and some primes, forward and back, against the sum itself. */
static void test_dft(void **state)
{
    (void)state;
    enum { MOST = 257 };
    uint64_t seed = 2;
    for (int n = 1; n <= MOST; n += n < 70 ? 1 : 17) {
        double x[2 * MOST];
        for (int i = 0; i < 2 * n; i++)
            x[i] = (double)op_rig_random(&seed) / (1u << 30) - 1;
        for (int inverse = 0; inverse < 2; inverse++) {
            op_rig r;
            op_rig_open(&r, "DFT", 17);
            op_rig_in(&r, SETSUNA_F64, sn_shape(3, 1, n, 2), x);
            op_rig_int(&r, "inverse", inverse);
            assert_int_equal(op_rig_run(&r), SETSUNA_OK);
            for (int k = 0; k < n; k++) {
                double re = 0, im = 0, by = inverse ? 1.0 / n : 1;
                for (int j = 0; j < n; j++) {
                    double a = (inverse ? 2 : -2) * 3.14159265358979323846 * (double)((long)j * k % n) / n;
                    re += x[2 * j] * cos(a) - x[2 * j + 1] * sin(a);
                    im += x[2 * j] * sin(a) + x[2 * j + 1] * cos(a);
                }
                assert_true(fabs(op_rig_get(&r.out[0], 2 * k) - re * by) < 1e-11 * n);
                assert_true(fabs(op_rig_get(&r.out[0], 2 * k + 1) - im * by) < 1e-11 * n);
            }
            op_rig_close(&r);
        }
    }
}

static void test_dft_shapes(void **state)
{
    (void)state;
    static const float zeros[64];
    op_rig r;
    op_rig_open(&r, "DFT", 20); /* the axis is an input, -2 by default; the length pads */
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 2, 3, 5, 1), zeros);
    op_rig_const(&r, SETSUNA_I64, sn_shape(0), (int64_t[]){8});
    op_rig_const(&r, SETSUNA_I64, sn_shape(0), (int64_t[]){1});
    op_rig_int(&r, "onesided", 1);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(sn_shape_equal(&r.out[0].shape, &(setsuna_shape){4, {2, 5, 5, 2}}));
    op_rig_close(&r);
    op_rig_open(&r, "DFT", 20);
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 3, 2), zeros);
    op_rig_const(&r, SETSUNA_I64, sn_shape(0), (int64_t[]){INT64_MAX});
    assert_int_equal(op_rig_infer(&r), SETSUNA_ELIMIT);
    op_rig_close(&r);
    op_rig_open(&r, "DFT", 17); /* not along the complex numbers */
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 2, 3, 2), zeros);
    op_rig_int(&r, "axis", 2);
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
    op_rig_open(&r, "STFT", 17); /* frames of 4, 0 apart */
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 16, 1), zeros);
    op_rig_const(&r, SETSUNA_I64, sn_shape(0), (int64_t[]){0});
    op_rig_absent(&r);
    op_rig_const(&r, SETSUNA_I64, sn_shape(0), (int64_t[]){4});
    assert_int_equal(op_rig_infer(&r), SETSUNA_EMODEL);
    op_rig_close(&r);
}

/* ---- losses -------------------------------------------------------------------------------------- */

static void test_losses(void **state)
{
    (void)state;
    static const char *const reductions[] = {"none", "mean", "sum"};
    static const int64_t labels[6] = {0, 2, 1, 3, 3, 1};
    for (int i = 0; i < 24; i++) {
        twin t;
        twin_open(&t, i % 2 ? "SoftmaxCrossEntropyLoss" : "NegativeLogLikelihoodLoss", 13, (uint64_t)i, SN_CPU_REF, 1);
        if (i % 2)
            TWIN_EACH(&t, r->n_out = 2);
        twin_noise(&t, sn_shape(3, 2, 4, 3), TWIN_INPUT);
        twin_in(&t, SETSUNA_I64, sn_shape(2, 2, 3), labels);
        if (i / 6 % 2)
            twin_noise(&t, sn_shape(1, 4), TWIN_INPUT);
        TWIN_EACH(&t, op_rig_string(r, "reduction", reductions[i / 2 % 3]));
        if (i / 12)
            TWIN_EACH(&t, op_rig_int(r, "ignore_index", 3));
        twin_check(&t, 1e-5);
    }
}

static void test_labels_are_checked(void **state)
{
    (void)state;
    static const float zeros[3];
    static const int64_t bad[] = {-1, 3};
    for (int i = 0; i < 4; i++) {
        op_rig r;
        op_rig_open(&r, "SoftmaxCrossEntropyLoss", 13);
        op_rig_in(&r, SETSUNA_F32, sn_shape(2, 1, 3), zeros);
        op_rig_in(&r, SETSUNA_I64, sn_shape(1, 1), &bad[i % 2]);
        if (i >= 2) /* ignored labels may be anything */
            op_rig_int(&r, "ignore_index", bad[i % 2]);
        assert_int_equal(op_rig_run(&r), i < 2 ? SETSUNA_EINPUT : SETSUNA_OK);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nms),
        cmocka_unit_test(test_nms_of_nothing),
        cmocka_unit_test(test_roi_align),
        cmocka_unit_test(test_roi_align_of_a_plane),
        cmocka_unit_test(test_max_roi_pool),
        cmocka_unit_test(test_dft),
        cmocka_unit_test(test_dft_shapes),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_labels_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
