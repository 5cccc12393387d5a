/* Trilu, ReverseSequence, DepthToSpace, SpaceToDepth, Col2Im, Det. */
#include "op_rig.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

static void check_trilu(bool upper, int64_t k, const char *want)
{
    op_rig r;
    char text[13] = "";
    op_rig_open(&r, "Trilu", 14);
    op_rig_in(&r, SETSUNA_U8, sn_shape(2, 3, 4), "abcdefghijkl");
    op_rig_in(&r, SETSUNA_I64, sn_shape(0), &k);
    op_rig_int(&r, "upper", upper);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    for (int i = 0; i < 12; i++)
        text[i] = ((char *)r.out[0].data)[i] ? ((char *)r.out[0].data)[i] : '.';
    assert_string_equal(text, want);
    op_rig_close(&r);
}

static void test_trilu(void **state)
{
    (void)state;
    check_trilu(true, 0, "abcd.fgh..kl");
    check_trilu(true, 2, "..cd...h....");
    check_trilu(true, -1, "abcdefgh.jkl");
    check_trilu(true, INT64_MAX, "............");
    check_trilu(true, INT64_MIN, "abcdefghijkl");
    check_trilu(false, 0, "a...ef..ijk.");
    check_trilu(false, 1, "ab..efg.ijkl");
    check_trilu(false, -2, "........i...");
    check_trilu(false, INT64_MAX, "abcdefghijkl");
    check_trilu(false, INT64_MIN, "............");
}

static void check_reverse(int batch_axis, const int64_t *len, setsuna_status status, const char *want)
{
    op_rig r;
    op_rig_open(&r, "ReverseSequence", 10);
    op_rig_in(&r, SETSUNA_U16, sn_shape(2, 3, 3), "a b c d e f g h i ");
    op_rig_in(&r, SETSUNA_I64, sn_shape(1, 3), len);
    op_rig_int(&r, "batch_axis", batch_axis);
    op_rig_int(&r, "time_axis", 1 - batch_axis);
    assert_int_equal(op_rig_run(&r), status);
    if (want)
        assert_memory_equal(r.out[0].data, want, 18);
    op_rig_close(&r);
}

static void test_reverse_sequence(void **state)
{
    (void)state;
    check_reverse(0, (int64_t[]){1, 2, 3}, SETSUNA_OK, "a b c e d f i h g ");
    check_reverse(1, (int64_t[]){3, 0, 2}, SETSUNA_OK, "g b f d e c a h i ");
    check_reverse(0, (int64_t[]){1, 4, 3}, SETSUNA_EINPUT, NULL);
    check_reverse(0, (int64_t[]){1, -1, 3}, SETSUNA_EINPUT, NULL);
}

/* There and back again, and the two orders of channels. */
static void test_depth_to_space(void **state)
{
    (void)state;
    uint32_t x[2 * 8 * 3 * 5];
    for (uint32_t i = 0; i < 240; i++)
        x[i] = i;
    for (int crd = 0; crd < 2; crd++) {
        op_rig r;
        op_rig_open(&r, "DepthToSpace", 13);
        op_rig_in(&r, SETSUNA_U32, sn_shape(4, 2, 8, 3, 5), x);
        op_rig_int(&r, "blocksize", 2);
        op_rig_string(&r, "mode", crd ? "CRD" : "DCR");
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        const uint32_t *y = r.out[0].data;
        for (int n = 0; n < 2; n++)
            for (int c = 0; c < 2; c++)
                for (int h = 0; h < 6; h++)
                    for (int w = 0; w < 10; w++) {
                        int block = h % 2 * 2 + w % 2, from = crd ? c * 4 + block : block * 2 + c;
                        assert_int_equal(y[((n * 2 + c) * 6 + h) * 10 + w], ((n * 8 + from) * 3 + h / 2) * 5 + w / 2);
                    }
        if (!crd) {
            op_rig back;
            op_rig_open(&back, "SpaceToDepth", 13);
            op_rig_in(&back, SETSUNA_U32, r.out[0].shape, y);
            op_rig_int(&back, "blocksize", 2);
            assert_int_equal(op_rig_run(&back), SETSUNA_OK);
            assert_memory_equal(back.out[0].data, x, sizeof x);
            op_rig_close(&back);
        }
        op_rig_close(&r);
    }
    static const int64_t bad[] = {0, -2, 3, INT64_MAX};
    for (size_t k = 0; k < 4; k++) {
        op_rig r;
        op_rig_open(&r, k & 1 ? "SpaceToDepth" : "DepthToSpace", 13);
        op_rig_in(&r, SETSUNA_U8, sn_shape(4, 1, 8, 3, 5), NULL);
        op_rig_int(&r, "blocksize", bad[k]);
        assert_true(op_rig_infer(&r) < 0);
        op_rig_close(&r);
    }
}

/* Folding what unfolding made counts each pixel as often as a block covers it. */
static void test_col2im(void **state)
{
    (void)state;
    enum { C = 2, H = 5, W = 6, KH = 2, KW = 3, PH = 1, PW = 0, SH = 2, SW = 1, DH = 2, DW = 1 };
    enum { BH = (H + 2 * PH - DH * (KH - 1) - 1) / SH + 1, BW = (W + 2 * PW - DW * (KW - 1) - 1) / SW + 1 };
    float x[C * KH * KW * BH * BW], want[C * H * W] = {0};
    int at = 0;
    for (int c = 0; c < C; c++)
        for (int kh = 0; kh < KH; kh++)
            for (int kw = 0; kw < KW; kw++)
                for (int bh = 0; bh < BH; bh++)
                    for (int bw = 0; bw < BW; bw++, at++) {
                        int h = bh * SH - PH + kh * DH, w = bw * SW - PW + kw * DW;
                        x[at] = (float)(at % 17);
                        if (h >= 0 && h < H && w >= 0 && w < W)
                            want[(c * H + h) * W + w] += x[at];
                    }
    op_rig r;
    op_rig_open(&r, "Col2Im", 18);
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, C * KH * KW, BH * BW), x);
    op_rig_const_i64(&r, 2, (int64_t[]){H, W});
    op_rig_const_i64(&r, 2, (int64_t[]){KH, KW});
    op_rig_ints(&r, "pads", 4, (int64_t[]){PH, PW, PH, PW});
    op_rig_ints(&r, "strides", 2, (int64_t[]){SH, SW});
    op_rig_ints(&r, "dilations", 2, (int64_t[]){DH, DW});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(r.out[0].size_bytes, sizeof want);
    assert_memory_equal(r.out[0].data, want, sizeof want); /* small integers: sums are exact */
    op_rig_close(&r);
    static const int64_t bad[][4] = {{0, 5, 1, 1}, {5, 5, 0, 1}, {INT64_MAX, 5, 1, 1}, {5, 5, 6, 6}, {4, 4, 1, 1}};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        op_rig_open(&r, "Col2Im", 18);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, 25), NULL);
        op_rig_const_i64(&r, 2, bad[k]);
        op_rig_const_i64(&r, 2, bad[k] + 2);
        assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
        op_rig_close(&r);
    }
}

static void test_det(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "Det", 11); /* needs a pivot; singular; odd permutation */
    op_rig_in(&r, SETSUNA_F32, sn_shape(3, 3, 2, 2), (float[]){0, 2, 3, 4, 1, 2, 2, 4, 0, 1, 1, 0});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    const float *y = r.out[0].data;
    assert_true(y[0] == -6 && y[1] == 0 && y[2] == -1);
    op_rig_close(&r);
    op_rig_open(&r, "Det", 11); /* of a 0x0 matrix */
    op_rig_in(&r, SETSUNA_F64, sn_shape(2, 0, 0), NULL);
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_true(*(double *)r.out[0].data == 1);
    op_rig_close(&r);
    op_rig_open(&r, "Det", 11);
    op_rig_in(&r, SETSUNA_F64, sn_shape(2, 2, 3), NULL);
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trilu),
        cmocka_unit_test(test_reverse_sequence),
        cmocka_unit_test(test_depth_to_space),
        cmocka_unit_test(test_col2im),
        cmocka_unit_test(test_det),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
