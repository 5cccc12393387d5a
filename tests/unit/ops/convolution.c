/* Conv, ConvTranspose, DeformConv and the 8-bit convolutions. */
#include "twin.h"
#include "unit/unit.h"
#include <stdlib.h>
#include <string.h>

static int64_t between(uint64_t *seed, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(op_rig_random(seed) % (uint64_t)(hi - lo + 1));
}

/* Extents and attributes of a random convolution of 1 to 3 dims. */
typedef struct conv_case {
    int dims;
    int64_t group, in_per_group, out_per_group, batch;
    int64_t in[3], kernel[3], stride[3], dilation[3], pads[6];
} conv_case;

static conv_case conv_random(uint64_t *seed)
{
    conv_case q = {.dims = (int)between(seed, 1, 3), .batch = between(seed, 1, 2)};
    q.group = between(seed, 0, 2) ? 1 : between(seed, 2, 3);
    q.in_per_group = between(seed, 1, 9);
    q.out_per_group = between(seed, 0, 2) ? between(seed, 4, 30) : between(seed, 1, 3);
    for (int d = 0; d < q.dims; d++) {
        q.kernel[d] = between(seed, 1, 3);
        q.dilation[d] = between(seed, 1, 2);
        q.stride[d] = between(seed, 1, 3);
        q.pads[d] = between(seed, 0, 2);
        q.pads[q.dims + d] = between(seed, 0, 2);
        q.in[d] = (q.kernel[d] - 1) * q.dilation[d] + 1 + between(seed, 0, q.dims == 1 ? 90 : q.dims == 2 ? 14 : 5);
    }
    return q;
}

static setsuna_shape conv_shape(const conv_case *q, int64_t a, int64_t b, const int64_t *spatial)
{
    setsuna_shape s = {2 + q->dims, {a, b}};
    memcpy(s.dim + 2, spatial, (size_t)q->dims * sizeof *spatial);
    return s;
}

static void conv_attrs(twin *t, const conv_case *q)
{
    TWIN_EACH(t, op_rig_ints(r, "strides", q->dims, q->stride));
    TWIN_EACH(t, op_rig_ints(r, "dilations", q->dims, q->dilation));
    TWIN_EACH(t, op_rig_ints(r, "pads", 2 * q->dims, q->pads));
    TWIN_EACH(t, op_rig_int(r, "group", q->group));
}

static void test_conv(void **state)
{
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < 400; i++) {
        conv_case q = conv_random(&seed);
        twin t;
        twin_open(&t, "Conv", 11, (uint64_t)i, op_rig_level(i), (uint32_t)between(&seed, 1, 3));
        twin_noise(&t, conv_shape(&q, q.batch, q.group * q.in_per_group, q.in), TWIN_INPUT);
        twin_noise(&t, conv_shape(&q, q.group * q.out_per_group, q.in_per_group, q.kernel),
                   i % 4 ? TWIN_CONST : TWIN_INPUT);
        if (i % 3)
            twin_noise(&t, (setsuna_shape){1, {q.group * q.out_per_group}}, TWIN_INPUT);
        conv_attrs(&t, &q);
        twin_check(&t, 1e-5);
    }
}

/* Weights whose rows are 2 KiB apart take their own way (gemm_blocks.c). */
static void test_conv_of_many_channels(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++) {
        twin t;
        twin_open(&t, "Conv", 11, (uint64_t)i, op_rig_level(i), 2);
        twin_noise(&t, sn_shape(3, 1, 512, i < 6 ? 40 : 3), TWIN_INPUT);
        twin_noise(&t, sn_shape(3, 33, 512, 1), i % 2 ? TWIN_CONST : TWIN_INPUT);
        twin_check(&t, 3e-5);
    }
}

static void test_conv_transpose(void **state)
{
    (void)state;
    uint64_t seed = 4;
    for (int i = 0; i < 300; i++) {
        conv_case q = conv_random(&seed);
        twin t;
        for (int d = 0; d < q.dims; d++) { /* some output must be left */
            q.pads[d] = between(&seed, 0, 1);
            q.pads[q.dims + d] = 0;
            q.in[d] = between(&seed, 2, q.dims == 1 ? 70 : 6);
        }
        twin_open(&t, "ConvTranspose", 11, (uint64_t)i, op_rig_level(i), (uint32_t)between(&seed, 1, 3));
        twin_noise(&t, conv_shape(&q, q.batch, q.group * q.in_per_group, q.in), TWIN_INPUT);
        twin_noise(&t, conv_shape(&q, q.group * q.in_per_group, q.out_per_group, q.kernel),
                   i % 4 ? TWIN_CONST : TWIN_INPUT);
        if (i % 3)
            twin_noise(&t, (setsuna_shape){1, {q.group * q.out_per_group}}, TWIN_INPUT);
        conv_attrs(&t, &q);
        if (i % 5 == 0)
            TWIN_EACH(&t, op_rig_ints(r, "output_padding", q.dims, (int64_t[]){1, 1, 1}));
        twin_check(&t, 1e-5);
    }
}

/* Without offsets a deformable convolution is a convolution; a whole-pixel offset is a shift. */
static void test_deform_conv(void **state)
{
    (void)state;
    for (int shift = 0; shift < 2; shift++) {
        enum { C = 4, H = 6, W = 7, M = 6 };
        float offset[2 * 2 * 4 * 5 * 6], mask[2 * 4 * 5 * 6];
        twin plain, deformed;
        twin_open(&plain, "Conv", 11, 7, SN_CPU_REF, 1);
        twin_open(&deformed, "DeformConv", 19, 7, SN_CPU_REF, 2);
        for (size_t i = 0; i < sizeof mask / sizeof *mask; i++)
            mask[i] = 0.5f;
        for (size_t i = 0; i < sizeof offset / sizeof *offset; i++)
            offset[i] = shift && i / 30 % 2 == 1 ? 1.0f : 0; /* odd maps are along W */
        twin *both[] = {&plain, &deformed};
        for (int i = 0; i < 2; i++) {
            twin_noise(both[i], sn_shape(4, 1, C, H, W), TWIN_INPUT);
            twin_noise(both[i], sn_shape(4, M, C / 2, 2, 2), TWIN_INPUT);
            if (i) {
                twin_values(&deformed, sn_shape(4, 1, 2 * 2 * 4, 5, 6), offset, TWIN_INPUT);
                twin_absent(&deformed);
                twin_values(&deformed, sn_shape(4, 1, 2 * 4, 5, 6), mask, TWIN_INPUT);
                TWIN_EACH(&deformed, op_rig_int(r, "offset_group", 2));
            }
            TWIN_EACH(both[i], op_rig_int(r, "group", 2));
        }
        assert_int_equal(op_rig_run(plain.rig[1]), SETSUNA_OK);
        assert_int_equal(op_rig_run(deformed.rig[1]), SETSUNA_OK);
        const double *x = plain.rig[1]->out[0].data, *y = deformed.rig[1]->out[0].data;
        for (int i = 0; i < M * 5; i++)
            for (int k = 0; k < 6 - shift; k++)
                assert_true(x[i * 6 + k + shift] * 0.5 - y[i * 6 + k] < 1e-12 &&
                            y[i * 6 + k] - x[i * 6 + k + shift] * 0.5 < 1e-12);
        twin_check(&plain, 1e-5);
        twin_check(&deformed, 1e-5);
    }
}

static void test_conv_integer(void **state)
{
    (void)state;
    uint64_t seed = 6;
    for (int kind = 0; kind < 16; kind++) {
        enum { C = 2, H = 5, M = 3, K = 3, P = 1 };
        uint8_t x[C * H * H], w[M * C * K * K], xz = (uint8_t)op_rig_random(&seed), wz[M];
        bool xs = kind & 1, ws = kind & 2, each = kind & 4, absent = kind & 8;
        for (size_t i = 0; i < sizeof x; i++)
            x[i] = (uint8_t)op_rig_random(&seed);
        for (size_t i = 0; i < sizeof w; i++)
            w[i] = (uint8_t)op_rig_random(&seed);
        for (size_t i = 0; i < sizeof wz; i++)
            wz[i] = (uint8_t)op_rig_random(&seed);
        op_rig r;
        op_rig_open(&r, "ConvInteger", 10);
        op_rig_in(&r, xs ? SETSUNA_I8 : SETSUNA_U8, sn_shape(4, 1, C, H, H), x);
        op_rig_in(&r, ws ? SETSUNA_I8 : SETSUNA_U8, sn_shape(4, M, C, K, K), w);
        if (!absent) {
            op_rig_in(&r, xs ? SETSUNA_I8 : SETSUNA_U8, sn_shape(0), &xz);
            op_rig_in(&r, ws ? SETSUNA_I8 : SETSUNA_U8, each ? sn_shape(1, M) : sn_shape(1, 1), wz);
        }
        op_rig_ints(&r, "pads", 4, (int64_t[]){P, P, P, P});
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        for (int i = 0; i < M * H * H; i++) {
            int32_t sum = 0, o = i / (H * H), oy = i / H % H, ox = i % H;
            for (int k = 0; k < C * K * K; k++) {
                int iy = oy - P + k / K % K, ix = ox - P + k % K, at = (k / (K * K) * H + iy) * H + ix;
                if (iy < 0 || iy >= H || ix < 0 || ix >= H)
                    continue;
                int32_t a = xs ? (int8_t)x[at] : x[at], b = ws ? (int8_t)w[o * C * K * K + k] : w[o * C * K * K + k];
                if (!absent) {
                    a -= xs ? (int8_t)xz : xz;
                    b -= ws ? (int8_t)wz[each ? o : 0] : wz[each ? o : 0];
                }
                sum += a * b;
            }
            assert_int_equal(((int32_t *)r.out[0].data)[i], sum);
        }
        op_rig_close(&r);
    }
}

/* Attributes that no convolution can have are refused before anything is computed with them. */
static void test_conv_refuses(void **state)
{
    (void)state;
    static const float zeros[75]; /* 1 x 3 x 5 x 5, the largest input here */
    static const struct {
        const char *name;
        int n;
        int64_t v[4];
    } bad[] = {{"strides", 2, {0, 1}},           {"strides", 1, {1}},           {"dilations", 2, {1, -1}},
               {"pads", 4, {0, 0, -1, 0}},       {"pads", 3, {0, 0, 0}},        {"kernel_shape", 2, {3, 2}},
               {"dilations", 2, {INT32_MAX, 1}}, {"strides", 2, {INT64_MAX, 1}}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        op_rig r;
        op_rig_open(&r, "Conv", 11);
        op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 1, 5, 5), zeros);
        op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 1, 2, 2), zeros);
        op_rig_ints(&r, bad[i].name, bad[i].n, bad[i].v);
        int status = op_rig_infer(&r);
        assert_true(status == SETSUNA_EMODEL || status == SETSUNA_ESHAPE);
        op_rig_close(&r);
    }
    op_rig r;
    op_rig_open(&r, "Conv", 11);
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 3, 5, 5), zeros);
    op_rig_in(&r, SETSUNA_F32, sn_shape(4, 1, 1, 2, 2), zeros);
    op_rig_int(&r, "group", 2);
    assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
    op_rig_close(&r);
}

/* SAME keeps ceil(in / stride) and puts an odd pixel at the end (UPPER) or the beginning (LOWER). */
static void test_auto_pad(void **state)
{
    (void)state;
    const float x[5] = {1, 2, 3, 4, 5}, w[2] = {1, 10};
    static const struct {
        const char *how;
        int64_t n;
        float want[5];
    } cases[] = {{"SAME_UPPER", 5, {21, 32, 43, 54, 5}},
                 {"SAME_LOWER", 5, {10, 21, 32, 43, 54}},
                 {"VALID", 4, {21, 32, 43, 54}}};
    for (size_t i = 0; i < 3; i++) {
        op_rig r;
        op_rig_open(&r, "Conv", 11);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, 5), x);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, 2), w);
        op_rig_string(&r, "auto_pad", cases[i].how);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        assert_int_equal(r.out[0].shape.dim[2], cases[i].n);
        assert_memory_equal(r.out[0].data, cases[i].want, (size_t)cases[i].n * sizeof(float));
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv),           cmocka_unit_test(test_conv_of_many_channels),
        cmocka_unit_test(test_conv_transpose), cmocka_unit_test(test_deform_conv),
        cmocka_unit_test(test_conv_integer),   cmocka_unit_test(test_conv_refuses),
        cmocka_unit_test(test_auto_pad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
