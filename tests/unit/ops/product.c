/* Gemm, MatMul, setsuna.Gemm and the 8-bit products. */
#include "twin.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

static void test_gemm(void **state)
{
    (void)state;
    const setsuna_shape c_shapes[] = {sn_shape(0),        sn_shape(1, 1),      sn_shape(1, 37),  sn_shape(2, 1, 37),
                                      sn_shape(2, 19, 1), sn_shape(2, 19, 37), sn_shape(2, 1, 1)};
    for (int i = 0; i < 240; i++) {
        twin t;
        int64_t m = 19, n = 37, k = 23;
        bool ta = i & 1, tb = i >> 1 & 1;
        twin_open(&t, "Gemm", 13, (uint64_t)i, op_rig_level(i), (uint32_t)(1 + i % 2));
        twin_noise(&t, ta ? sn_shape(2, (int)k, (int)m) : sn_shape(2, (int)m, (int)k), TWIN_INPUT);
        twin_noise(&t, tb ? sn_shape(2, (int)n, (int)k) : sn_shape(2, (int)k, (int)n), i % 5 ? TWIN_CONST : TWIN_INPUT);
        if (i % 8)
            twin_noise(&t, c_shapes[i % 7], TWIN_INPUT);
        TWIN_EACH(&t, op_rig_int(r, "transA", ta));
        TWIN_EACH(&t, op_rig_int(r, "transB", tb));
        TWIN_EACH(&t, op_rig_float(r, "alpha", i % 3 ? 1 : 0.5f));
        TWIN_EACH(&t, op_rig_float(r, "beta", i % 4 == 0 ? 0 : i % 4 == 1 ? -0.25f : 1));
        twin_check(&t, 1e-5);
    }
}

/* Small whole numbers: bf16 holds them, and f32 their sums, so nothing is rounded. */
static void whole_values(twin *t, setsuna_shape shape, twin_kind kind)
{
    static float v[1 << 12];
    int64_t n;
    assert_true(sn_shape_numel(&shape, &n) && n <= 1 << 12);
    for (int64_t i = 0; i < n; i++)
        v[i] = (float)(int64_t)(op_rig_random(&t->seed) % 17) - 8;
    twin_values(t, shape, v, kind);
}

static void test_gemm_in_bf16(void **state)
{
    (void)state;
    for (int i = 0; i < 96; i++) {
        sn_cpu_level level = i % 2 ? sn_cpu_detect() : SN_CPU_REF;
        if (!sn_precision_supported(SN_PRECISION_BF16, level))
            continue;
        twin t;
        const int m = i % 3 ? 19 : 3, n = 37, k = 23;
        bool ta = i >> 1 & 1, tb = i >> 2 & 1, constant = i % 5 != 0;
        twin_open(&t, "Gemm", 13, (uint64_t)i, level, (uint32_t)(1 + i % 2));
        t.rig[0]->precision = SN_PRECISION_BF16;
        whole_values(&t, ta ? sn_shape(2, k, m) : sn_shape(2, m, k), TWIN_INPUT);
        whole_values(&t, tb ? sn_shape(2, n, k) : sn_shape(2, k, n), constant ? TWIN_CONST : TWIN_INPUT);
        if (i % 4)
            whole_values(&t, sn_shape(1, n), TWIN_INPUT);
        TWIN_EACH(&t, op_rig_int(r, "transA", ta));
        TWIN_EACH(&t, op_rig_int(r, "transB", tb));
        TWIN_EACH(&t, op_rig_float(r, "alpha", i % 3 ? 1 : 0.5f));
        twin_check(&t, 0);
    }
}

static void test_matmul_broadcasts(void **state)
{
    (void)state;
    const setsuna_shape shapes[][2] = {{sn_shape(1, 9), sn_shape(1, 9)},
                                       {sn_shape(1, 9), sn_shape(2, 9, 5)},
                                       {sn_shape(2, 5, 9), sn_shape(1, 9)},
                                       {sn_shape(3, 4, 5, 9), sn_shape(1, 9)},
                                       {sn_shape(1, 9), sn_shape(3, 4, 9, 5)},
                                       {sn_shape(3, 4, 5, 9), sn_shape(2, 9, 33)},
                                       {sn_shape(4, 3, 1, 5, 9), sn_shape(4, 1, 4, 9, 33)},
                                       {sn_shape(2, 5, 9), sn_shape(4, 3, 2, 9, 6)},
                                       {sn_shape(3, 4, 5, 0), sn_shape(3, 4, 0, 6)},
                                       {sn_shape(3, 0, 5, 9), sn_shape(2, 9, 6)},
                                       {sn_shape(3, 2, 40, 600), sn_shape(3, 2, 600, 35)}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int constant = 0; constant < 2; constant++)
            for (sn_cpu_level level = SN_CPU_REF; level <= sn_cpu_detect(); level++) {
                twin t;
                twin_open(&t, "MatMul", 13, i, level, (uint32_t)(1 + i % 3));
                twin_noise(&t, shapes[i][0], TWIN_INPUT);
                twin_noise(&t, shapes[i][1], constant ? TWIN_CONST : TWIN_INPUT);
                twin_check(&t, 3e-5);
            }
}

static void test_matmul_refuses(void **state)
{
    (void)state;
    const setsuna_shape shapes[][2] = {{sn_shape(2, 3, 4), sn_shape(2, 5, 6)},
                                       {sn_shape(0), sn_shape(2, 5, 6)},
                                       {sn_shape(3, 2, 3, 4), sn_shape(3, 3, 4, 5)}};
    static const float zeros[64];
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        op_rig r;
        op_rig_open(&r, "MatMul", 13);
        op_rig_in(&r, SETSUNA_F32, shapes[i][0], zeros);
        op_rig_in(&r, SETSUNA_F32, shapes[i][1], zeros);
        assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
        op_rig_close(&r);
    }
}

static void test_integers_wrap_around(void **state)
{
    (void)state;
    op_rig r;
    op_rig_open(&r, "MatMul", 13);
    op_rig_in(&r, SETSUNA_I32, sn_shape(2, 1, 2), (int32_t[]){INT32_MAX, 3});
    op_rig_in(&r, SETSUNA_I32, sn_shape(2, 2, 1), (int32_t[]){2, 4});
    assert_int_equal(op_rig_run(&r), SETSUNA_OK);
    assert_int_equal(((int32_t *)r.out[0].data)[0], 10); /* -2 + 12 */
    op_rig_close(&r);
}

/* Against Gemm in double, with the activation applied here. */
static void test_fused_activation(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        float alpha, beta;
    } acts[] = {{"none", 0, 0}, {"relu", 0, 0}, {"clip", -0.5f, 0.25f}, {"gelu", 0, 0}, {"silu", 1, 0}};
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        twin t;
        twin_open(&t, "Gemm", 13, i, sn_cpu_detect(), 1);
        twin_noise(&t, sn_shape(2, 6, 40), TWIN_INPUT);
        twin_noise(&t, sn_shape(2, 40, 50), TWIN_CONST);
        twin_noise(&t, sn_shape(1, 50), TWIN_INPUT);
        op_rig *plain = t.rig[1], *fused = t.rig[0];
        fused->node->domain = "setsuna";
        fused->node->opset = 1;
        op_rig_string(fused, "activation", acts[i].name);
        op_rig_float(fused, "act_alpha", acts[i].alpha);
        op_rig_float(fused, "act_beta", acts[i].beta);
        assert_int_equal(op_rig_run(fused), SETSUNA_OK);
        assert_int_equal(op_rig_run(plain), SETSUNA_OK);
        for (int64_t k = 0; k < 300; k++) {
            double x = ((double *)plain->out[0].data)[k], y = x;
            if (i == 1)
                y = fmax(x, 0);
            if (i == 2)
                y = fmin(fmax(x, (double)acts[i].alpha), (double)acts[i].beta);
            if (i == 3)
                y = 0.5 * x * erfc(-x * 0.70710678118654752);
            if (i == 4)
                y = x / (1 + exp(-x));
            assert_true(fabs((double)((float *)fused->out[0].data)[k] - y) < 2e-5);
        }
        twin_check(&(twin){{plain, fused}, 0}, (double)INFINITY); /* closes both */
    }
}

static int32_t value_8(const void *x, int64_t i, bool is_signed)
{
    return is_signed ? ((const int8_t *)x)[i] : ((const uint8_t *)x)[i];
}

static void test_matmul_integer(void **state)
{
    (void)state;
    enum { B = 2, M = 3, K = 7, N = 5 };
    uint64_t seed = 5;
    for (int kind = 0; kind < 16; kind++) {
        uint8_t a[B * M * K], b[K * N], az[M], bz[N];
        bool as = kind & 1, bs = kind & 2, each = kind & 4, absent = kind & 8;
        uint8_t *all[] = {a, b, az, bz};
        const size_t size[] = {sizeof a, sizeof b, sizeof az, sizeof bz};
        for (int j = 0; j < 4; j++)
            for (size_t i = 0; i < size[j]; i++)
                all[j][i] = (uint8_t)op_rig_random(&seed);
        op_rig r;
        op_rig_open(&r, "MatMulInteger", 10);
        op_rig_in(&r, as ? SETSUNA_I8 : SETSUNA_U8, sn_shape(3, B, M, K), a);
        op_rig_in(&r, bs ? SETSUNA_I8 : SETSUNA_U8, sn_shape(2, K, N), b);
        if (!absent) {
            op_rig_in(&r, as ? SETSUNA_I8 : SETSUNA_U8, each ? sn_shape(1, M) : sn_shape(0), az);
            op_rig_in(&r, bs ? SETSUNA_I8 : SETSUNA_U8, each ? sn_shape(1, N) : sn_shape(0), bz);
        }
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        for (int i = 0; i < B * M * N; i++) {
            int32_t sum = 0;
            for (int k = 0; k < K; k++) {
                int32_t x = value_8(a, i / N * K + k, as), y = value_8(b, k * N + i % N, bs);
                if (!absent) {
                    x -= value_8(az, each ? i / N % M : 0, as);
                    y -= value_8(bz, each ? i % N : 0, bs);
                }
                sum += x * y;
            }
            assert_int_equal(((int32_t *)r.out[0].data)[i], sum);
        }
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gemm),
        cmocka_unit_test(test_gemm_in_bf16),
        cmocka_unit_test(test_matmul_broadcasts),
        cmocka_unit_test(test_matmul_refuses),
        cmocka_unit_test(test_integers_wrap_around),
        cmocka_unit_test(test_fused_activation),
        cmocka_unit_test(test_matmul_integer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
