/* RNN, GRU, LSTM: the f32 kernels against the double-precision loops over all their options. */
#include "twin.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

static const char *const directions[] = {"forward", "reverse", "bidirectional"};

static void recurrent_case(int i, const char *op, int gates)
{
    twin t;
    int dirs = i % 3 == 2 ? 2 : 1, seq = 1 + i % 7 * 5, batch = 1 + i / 2 % 3, input = 3 + i % 5,
        hidden = 1 + i * 7 % 37;
    bool layout = i / 3 % 2, last = op[0] == 'L';
    int32_t lens[3] = {seq, seq / 2, 0};
    setsuna_shape state = layout ? sn_shape(3, batch, dirs, hidden) : sn_shape(3, dirs, batch, hidden);
    twin_kind kind = i % 4 ? TWIN_CONST : TWIN_INPUT;
    twin_open(&t, op, 14, (uint64_t)i, op_rig_level(i), (uint32_t)(1 + i % 2));
    TWIN_EACH(&t, r->n_out = last ? 3 : 2);
    twin_noise(&t, layout ? sn_shape(3, batch, seq, input) : sn_shape(3, seq, batch, input), TWIN_INPUT);
    twin_noise(&t, sn_shape(3, dirs, gates * hidden, input), kind);
    /* Small enough that a step does not magnify the errors of the one before. */
    twin_noise_scaled(&t, sn_shape(3, dirs, gates * hidden, hidden), kind, 1 / sqrtf((float)hidden));
    if (i % 5)
        twin_noise(&t, sn_shape(2, dirs, 2 * gates * hidden), TWIN_INPUT);
    else
        twin_absent(&t);
    if (i % 2)
        twin_in(&t, SETSUNA_I32, sn_shape(1, batch), lens);
    else
        twin_absent(&t);
    if (i % 3)
        twin_noise(&t, state, TWIN_INPUT);
    else
        twin_absent(&t);
    if (last && i % 4)
        twin_noise(&t, state, TWIN_INPUT);
    else if (last)
        twin_absent(&t);
    if (last && i % 3 == 1)
        twin_noise(&t, sn_shape(2, dirs, 3 * hidden), TWIN_INPUT);
    TWIN_EACH(&t, op_rig_string(r, "direction", directions[i % 3]));
    TWIN_EACH(&t, op_rig_int(r, "hidden_size", hidden));
    TWIN_EACH(&t, op_rig_int(r, "layout", layout));
    if (i % 4 == 3)
        TWIN_EACH(&t, op_rig_float(r, "clip", 0.4f));
    if (op[0] == 'G')
        TWIN_EACH(&t, op_rig_int(r, "linear_before_reset", i / 2 % 2));
    if (last)
        TWIN_EACH(&t, op_rig_int(r, "input_forget", i / 4 % 2));
    twin_check(&t, 2e-5);
}

static void test_lstm(void **state)
{
    (void)state;
    for (int i = 0; i < 120; i++)
        recurrent_case(i, "LSTM", 4);
}

static void test_gru(void **state)
{
    (void)state;
    for (int i = 0; i < 120; i++)
        recurrent_case(i, "GRU", 3);
}

static void test_rnn(void **state)
{
    (void)state;
    for (int i = 0; i < 120; i++)
        recurrent_case(i, "RNN", 1);
}

/* One step of one unit with each activation, by hand: h = f(x). */
static void test_activations(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int n_alpha, n_beta;
        float alpha, beta, x;
        double want;
    } cases[] = {{"Relu", 0, 0, 0, 0, -2, 0},
                 {"sigmoid", 0, 0, 0, 0, 0, 0.5}, /* names are compared without case */
                 {"Affine", 1, 1, 2, 0.5f, 3, 6.5},
                 {"LeakyRelu", 0, 0, 0, 0, -1, -0.01},
                 {"LeakyRelu", 1, 0, 0.5f, 0, -1, -0.5},
                 {"ThresholdedRelu", 1, 0, 2, 0, 1.5f, 0},
                 {"ScaledTanh", 1, 1, 2, 0.5f, 1, 0.92423431452},
                 {"HardSigmoid", 0, 0, 0, 0, 1, 0.7},
                 {"Elu", 1, 0, 2, 0, -1, -1.26424111766},
                 {"Softsign", 0, 0, 0, 0, -3, -0.75},
                 {"Softplus", 0, 0, 0, 0, 0, 0.69314718056}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        op_rig r;
        const float one = 1, zero = 0;
        op_rig_open(&r, "RNN", 14);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, 1), &cases[i].x);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, 1), &one);
        op_rig_in(&r, SETSUNA_F32, sn_shape(3, 1, 1, 1), &zero);
        op_rig_strings(&r, "activations", 1, &cases[i].name);
        if (cases[i].n_alpha)
            op_rig_floats(&r, "activation_alpha", 1, &cases[i].alpha);
        if (cases[i].n_beta)
            op_rig_floats(&r, "activation_beta", 1, &cases[i].beta);
        assert_int_equal(op_rig_run(&r), SETSUNA_OK);
        assert_true(fabs((double)*(float *)r.out[0].data - cases[i].want) < 1e-6);
        op_rig_close(&r);
    }
}

static void test_lengths_are_checked(void **state)
{
    (void)state;
    static const float zeros[64];
    static const int32_t bad[] = {-1, 3};
    for (int i = 0; i < 2; i++)
        for (int wide = 0; wide < 2; wide++) {
            op_rig r;
            setsuna_dtype type = wide ? SETSUNA_F64 : SETSUNA_F32;
            op_rig_open(&r, "LSTM", 14);
            r.n_out = 3;
            op_rig_in(&r, type, sn_shape(3, 2, 1, 1), zeros);
            op_rig_in(&r, type, sn_shape(3, 1, 4, 1), zeros);
            op_rig_in(&r, type, sn_shape(3, 1, 4, 1), zeros);
            op_rig_absent(&r);
            op_rig_in(&r, SETSUNA_I32, sn_shape(1, 1), &bad[i]);
            assert_int_equal(op_rig_run(&r), SETSUNA_EINPUT);
            op_rig_close(&r);
        }
}

static void test_shapes_are_checked(void **state)
{
    (void)state;
    static const float zeros[64];
    const setsuna_shape bad[][3] = {{sn_shape(3, 2, 1, 3), sn_shape(3, 1, 4, 2), sn_shape(3, 1, 4, 1)},
                                    {sn_shape(3, 2, 1, 3), sn_shape(3, 1, 3, 3), sn_shape(3, 1, 4, 1)},
                                    {sn_shape(3, 2, 1, 3), sn_shape(3, 2, 4, 3), sn_shape(3, 2, 4, 1)},
                                    {sn_shape(2, 2, 3), sn_shape(3, 1, 4, 3), sn_shape(3, 1, 4, 1)}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        op_rig r;
        op_rig_open(&r, "LSTM", 14);
        for (int k = 0; k < 3; k++)
            op_rig_in(&r, SETSUNA_F32, bad[i][k], zeros);
        assert_int_equal(op_rig_infer(&r), SETSUNA_ESHAPE);
        op_rig_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lstm),
        cmocka_unit_test(test_gru),
        cmocka_unit_test(test_rnn),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_lengths_are_checked),
        cmocka_unit_test(test_shapes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
