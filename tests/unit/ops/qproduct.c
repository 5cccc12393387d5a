/* setsuna.QConv, QGemm and QMatMul against QLinearConv, ConvInteger and MatMulInteger, which run plain loops: the same
 * bits for every pair of types, at every CPU level. */
#include "op_rig.h"
#include "unit/unit.h"
#include <stdlib.h>
#include <string.h>

enum { BYTES = 1 << 16 };

typedef struct noise {
    uint64_t seed;
} noise;

static int64_t between(noise *t, int64_t lo, int64_t hi)
{
    return lo + (int64_t)(op_rig_random(&t->seed) % (uint64_t)(hi - lo + 1));
}

static uint8_t *bytes(noise *t, uint8_t *to, int64_t n)
{
    assert_true(n <= BYTES);
    for (int64_t i = 0; i < n; i++)
        to[i] = (uint8_t)between(t, 0, 255);
    return to;
}

static void require_run(op_rig *r)
{
    setsuna_status status = op_rig_run(r);
    if (status != SETSUNA_OK)
        print_error("%s: %s\n", r->err.where, r->err.text);
    assert_int_equal(status, SETSUNA_OK);
}

typedef struct conv_case {
    bool x_signed, w_signed, y_signed, each, zeros;
    int64_t n, group, ipg, opg, h, w, kh, kw, stride[2], dilation[2], pads[4];
    uint8_t xz, yz, wz[64];
    float xs, ys, ws[64];
    int32_t bias[64];
    uint8_t x[BYTES], weight[BYTES];
} conv_case;

static void conv_attributes(op_rig *r, const conv_case *q)
{
    op_rig_int(r, "group", q->group);
    op_rig_ints(r, "strides", 2, q->stride);
    op_rig_ints(r, "dilations", 2, q->dilation);
    op_rig_ints(r, "pads", 4, q->pads);
}

static setsuna_dtype byte_type(bool is_signed)
{
    return is_signed ? SETSUNA_I8 : SETSUNA_U8;
}

static void conv_random(noise *t, conv_case *q)
{
    *q = (conv_case){.x_signed = between(t, 0, 1), .w_signed = between(t, 0, 1), .y_signed = between(t, 0, 1)};
    q->each = between(t, 0, 1);
    q->zeros = between(t, 0, 2) == 0;
    q->n = between(t, 1, 2);
    bool depthwise = between(t, 0, 2) == 0;
    q->group = depthwise ? between(t, 2, 40) : between(t, 0, 3) ? 1 : 2;
    q->ipg = depthwise ? 1 : between(t, 1, 20);
    q->opg = depthwise ? 1 : between(t, 1, 60) / q->group + 1;
    q->kh = between(t, 1, 3), q->kw = between(t, 1, 3);
    q->h = between(t, 7, 11), q->w = between(t, 7, 11);
    for (int i = 0; i < 2; i++) {
        q->stride[i] = between(t, 1, 2);
        q->dilation[i] = between(t, 1, 2);
    }
    bool pad = between(t, 0, 1);
    for (int i = 0; i < 4; i++)
        q->pads[i] = pad ? between(t, 0, 2) : 0;
    q->xz = (uint8_t)between(t, 0, 255), q->yz = (uint8_t)between(t, 0, 255);
    q->xs = 0.02f, q->ys = 0.01f * (float)q->ipg * (float)between(t, 10, 60);
    for (int i = 0; i < 64; i++) {
        q->wz[i] = (uint8_t)(q->zeros ? between(t, 0, 255) : q->w_signed ? 0 : 128);
        q->ws[i] = 0.001f * (float)between(t, 1, 30);
        q->bias[i] = (int32_t)between(t, -3000, 3000);
    }
    bytes(t, q->x, q->n * q->group * q->ipg * q->h * q->w);
    bytes(t, q->weight, q->group * q->opg * q->ipg * q->kh * q->kw);
}

static void conv_reference(op_rig *r, const conv_case *q)
{
    int oc = (int)(q->group * q->opg), one = q->each ? oc : 1;
    setsuna_shape scalar = {0};
    op_rig_open(r, "QLinearConv", 10);
    op_rig_in(r, byte_type(q->x_signed), sn_shape(4, (int)q->n, (int)(q->group * q->ipg), (int)q->h, (int)q->w), q->x);
    op_rig_in(r, SETSUNA_F32, scalar, &q->xs);
    op_rig_in(r, byte_type(q->x_signed), scalar, &q->xz);
    op_rig_in(r, byte_type(q->w_signed), sn_shape(4, oc, (int)q->ipg, (int)q->kh, (int)q->kw), q->weight);
    op_rig_in(r, SETSUNA_F32, sn_shape(1, one), q->ws);
    op_rig_in(r, byte_type(q->w_signed), sn_shape(1, one), q->wz);
    op_rig_in(r, SETSUNA_F32, scalar, &q->ys);
    op_rig_in(r, byte_type(q->y_signed), scalar, &q->yz);
    op_rig_in(r, SETSUNA_I32, sn_shape(1, oc), q->bias);
    conv_attributes(r, q);
    require_run(r);
}

/* QConv with its image, channels last, and its weights. */
static void conv_open(op_rig *r, const conv_case *q, sn_cpu_level level, uint32_t threads)
{
    static uint8_t last[BYTES];
    int64_t c = q->group * q->ipg, px = q->h * q->w;
    uint8_t flip = q->x_signed ? 0x80 : 0;
    for (int64_t i = 0; i < q->n * c * px; i++)
        last[(i / (c * px) * px + i % px) * c + i / px % c] = q->x[i] ^ flip;
    op_rig_open(r, "setsuna.QConv", 1);
    r->cpu = level;
    r->n_threads = threads;
    op_rig_in(r, SETSUNA_U8, sn_shape(4, (int)q->n, (int)q->h, (int)q->w, (int)c), last);
    op_rig_const(r, byte_type(q->w_signed), sn_shape(4, (int)(q->group * q->opg), (int)q->ipg, (int)q->kh, (int)q->kw),
                 q->weight);
    conv_attributes(r, q);
}

static void conv_integer(op_rig *r, const conv_case *q, sn_cpu_level level, uint32_t threads)
{
    int oc = (int)(q->group * q->opg), one = q->each ? oc : 1;
    uint8_t flip = q->x_signed ? 0x80 : 0;
    conv_open(r, q, level, threads);
    op_rig_const(r, SETSUNA_F32, sn_shape(1, one), q->ws);
    op_rig_const(r, SETSUNA_I32, sn_shape(1, oc), q->bias);
    op_rig_const(r, byte_type(q->w_signed), sn_shape(1, one), q->wz);
    op_rig_float(r, "x_scale", q->xs);
    op_rig_float(r, "y_scale", q->ys);
    op_rig_int(r, "x_zero", q->xz ^ flip);
    op_rig_int(r, "y_zero", q->yz ^ (q->y_signed ? 0x80 : 0));
    require_run(r);
}

static void test_convolutions(void **state)
{
    (void)state;
    static conv_case q;
    noise t = {7};
    for (int i = 0; i < 120; i++) {
        op_rig want, is;
        conv_random(&t, &q);
        conv_reference(&want, &q);
        const setsuna_shape y = want.out[0].shape;
        int64_t px = y.dim[2] * y.dim[3], c = y.dim[1];
        for (int level = 0; level <= (int)sn_cpu_detect(); level++) {
            conv_integer(&is, &q, (sn_cpu_level)level, (uint32_t)between(&t, 1, 3));
            assert_true(sn_shape_equal(&is.out[0].shape, &(setsuna_shape){4, {y.dim[0], y.dim[2], y.dim[3], c}}));
            for (int64_t k = 0; k < y.dim[0] * c * px; k++) {
                uint8_t got = ((uint8_t *)is.out[0].data)[(k / (c * px) * px + k % px) * c + k / px % c];
                if ((got ^ (q.y_signed ? 0x80 : 0)) != ((uint8_t *)want.out[0].data)[k])
                    print_error("case %d at %s: types %d %d, zeros %d, group %d\n", i,
                                sn_cpu_level_name((sn_cpu_level)level), q.x_signed, q.w_signed, q.zeros, (int)q.group);
                assert_int_equal(got ^ (q.y_signed ? 0x80 : 0), ((uint8_t *)want.out[0].data)[k]);
            }
            op_rig_close(&is);
        }
        op_rig_close(&want);
    }
}

/* What is quantised at run time: the zero point, and for floats the scale, are not known before. */
static void conv_dynamic(op_rig *r, const conv_case *q, bool is_float, const float *shift, sn_cpu_level level,
                         uint32_t threads)
{
    int oc = (int)(q->group * q->opg), one = q->each ? oc : 1;
    conv_open(r, q, level, threads);
    if (is_float)
        op_rig_const(r, SETSUNA_F32, sn_shape(1, one), q->ws);
    else
        op_rig_absent(r);
    op_rig_absent(r);
    op_rig_const(r, byte_type(q->w_signed), sn_shape(1, one), q->wz);
    op_rig_absent(r);
    op_rig_absent(r);
    op_rig_in(r, byte_type(q->x_signed), (setsuna_shape){0}, &q->xz);
    if (is_float)
        op_rig_in(r, SETSUNA_F32, (setsuna_shape){0}, &q->xs);
    if (shift)
        op_rig_const(r, SETSUNA_F32, sn_shape(1, oc), shift);
    op_rig_int(r, is_float ? "float" : "sum", 1);
    require_run(r);
    assert_int_equal(r->out[0].dtype, is_float ? SETSUNA_F32 : SETSUNA_I32);
}

static void test_dynamic_convolutions(void **state)
{
    (void)state;
    static conv_case q;
    float shift[64];
    noise t = {13};
    for (int i = 0; i < 64; i++)
        shift[i] = (float)between(&t, -20, 20);
    for (int i = 0; i < 120; i++) {
        op_rig want, is;
        conv_random(&t, &q);
        bool is_float = between(&t, 0, 1), shifted = is_float && between(&t, 0, 1);
        int oc = (int)(q.group * q.opg);
        op_rig_open(&want, "ConvInteger", 10);
        op_rig_in(&want, byte_type(q.x_signed), sn_shape(4, (int)q.n, (int)(q.group * q.ipg), (int)q.h, (int)q.w), q.x);
        op_rig_in(&want, byte_type(q.w_signed), sn_shape(4, oc, (int)q.ipg, (int)q.kh, (int)q.kw), q.weight);
        op_rig_in(&want, byte_type(q.x_signed), (setsuna_shape){0}, &q.xz);
        op_rig_in(&want, byte_type(q.w_signed), sn_shape(1, q.each ? oc : 1), q.wz);
        conv_attributes(&want, &q);
        require_run(&want);
        int64_t c = oc, px = want.out[0].shape.dim[2] * want.out[0].shape.dim[3];
        for (int level = 0; level <= (int)sn_cpu_detect(); level++) {
            conv_dynamic(&is, &q, is_float, shifted ? shift : NULL, (sn_cpu_level)level, (uint32_t)between(&t, 1, 3));
            for (int64_t k = 0; k < q.n * c * px; k++) {
                int64_t at = (k / (c * px) * px + k % px) * c + k / px % c, o = k / px % c;
                int32_t sum = ((int32_t *)want.out[0].data)[k];
                float scaled = (float)sum * (q.xs * q.ws[q.each ? o : 0]);
                if (is_float)
                    assert_true(((float *)is.out[0].data)[at] == (shifted ? scaled + shift[o] : scaled));
                else
                    assert_int_equal(((int32_t *)is.out[0].data)[at], sum);
            }
            op_rig_close(&is);
        }
        op_rig_close(&want);
    }
}

/* ---- matrices ---------------------------------------------------------------------------------------- */

static void test_matrices(void **state)
{
    (void)state;
    static uint8_t a[BYTES], b[BYTES], zero[512];
    noise t = {11};
    for (int i = 0; i < 120; i++) {
        bool as = between(&t, 0, 1), bs = between(&t, 0, 1), each = between(&t, 0, 1);
        int m = (int)between(&t, 1, 40), k = (int)between(&t, 1, 90), n = (int)between(&t, 1, 70), one = each ? n : 1;
        uint8_t az = (uint8_t)between(&t, 0, 255);
        op_rig want, is;
        bytes(&t, a, m * k);
        bytes(&t, b, k * n);
        bytes(&t, zero, n);
        op_rig_open(&want, "MatMulInteger", 10);
        op_rig_in(&want, byte_type(as), sn_shape(2, m, k), a);
        op_rig_in(&want, byte_type(bs), sn_shape(2, k, n), b);
        op_rig_in(&want, byte_type(as), (setsuna_shape){0}, &az);
        op_rig_in(&want, byte_type(bs), sn_shape(1, one), zero);
        require_run(&want);
        for (int level = 0; level <= (int)sn_cpu_detect(); level++) {
            op_rig_open(&is, "setsuna.QMatMul", 1);
            is.cpu = (sn_cpu_level)level;
            is.n_threads = (uint32_t)between(&t, 1, 3);
            op_rig_in(&is, byte_type(as), sn_shape(2, m, k), a);
            op_rig_const(&is, byte_type(bs), sn_shape(2, k, n), b);
            op_rig_in(&is, byte_type(as), (setsuna_shape){0}, &az);
            op_rig_const(&is, byte_type(bs), sn_shape(1, one), zero);
            require_run(&is);
            assert_int_equal(is.out[0].dtype, SETSUNA_I32);
            assert_memory_equal(is.out[0].data, want.out[0].data, want.out[0].size_bytes);
            op_rig_close(&is);
        }
        op_rig_close(&want);
    }
}

static void test_scaled_matrix(void **state)
{
    (void)state;
    static const uint8_t a[] = {1, 2, 3, 4}, zero = 2;
    static const int8_t b[] = {1, -1, 2, -2};
    static const float as = 0.5f, s[] = {2, 4}, shift[] = {10, 20};
    op_rig r;
    op_rig_open(&r, "setsuna.QMatMul", 1);
    op_rig_in(&r, SETSUNA_U8, sn_shape(2, 2, 2), a);
    op_rig_const(&r, SETSUNA_I8, sn_shape(2, 2, 2), b);
    op_rig_in(&r, SETSUNA_U8, (setsuna_shape){0}, &zero);
    op_rig_absent(&r);
    op_rig_in(&r, SETSUNA_F32, (setsuna_shape){0}, &as);
    op_rig_const(&r, SETSUNA_F32, sn_shape(1, 2), s);
    op_rig_const(&r, SETSUNA_F32, sn_shape(1, 2), shift);
    require_run(&r);
    const double want[] = {10 - 1, 20 + 2, 10 + 5, 20 - 10};
    for (int i = 0; i < 4; i++)
        assert_true(op_rig_get(&r.out[0], i) == want[i]);
    op_rig_close(&r);
}

static void test_refuses(void **state)
{
    (void)state;
    static const uint8_t x[4], w[4];
    static const float s = 1;
    for (int i = 0; i < 3; i++) {
        op_rig r;
        op_rig_open(&r, "setsuna.QGemm", 1);
        op_rig_in(&r, SETSUNA_U8, sn_shape(2, 2, 2), x);
        (i == 0 ? op_rig_in : op_rig_const)(&r, SETSUNA_U8, sn_shape(2, 2, 2), w);
        op_rig_const(&r, SETSUNA_F32, sn_shape(1, 1), &s);
        op_rig_float(&r, "y_scale", i == 1 ? -1.0f : 1.0f);
        op_rig_int(&r, "x_zero", i == 2 ? 256 : 0);
        assert_true(op_rig_infer(&r) < 0);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_convolutions), cmocka_unit_test(test_dynamic_convolutions),
                                       cmocka_unit_test(test_matrices), cmocka_unit_test(test_scaled_matrix),
                                       cmocka_unit_test(test_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
