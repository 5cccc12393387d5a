/* Sessions of one model: alone, side by side, in threads, after an error, and at the memory limit. */
#include "unit/engine/session_model.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static sn_model *model_of(uint32_t n_threads, size_t limit_bytes)
{
    pb_write file = pb_exact(session_model());
    sn_model_options o = {.cpu_level = -1, .n_threads = n_threads, .memory_limit_bytes = limit_bytes};
    setsuna_error err = {0};
    sn_model *m = NULL;
    if (sn_model_parse(file.data, file.size, &o, &m, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    free(file.data); /* the model has its own copy */
    return m;
}

static sn_session *session_of(sn_model *m)
{
    sn_session *s = NULL;
    assert_int_equal(sn_session_create(m, &s, NULL), SETSUNA_OK);
    return s;
}

static void run_right(sn_session *s, uint8_t c, int64_t rows, size_t seed)
{
    static float x[SESSION_ROWS_MAX * SESSION_K];
    setsuna_error err = {0};
    setsuna_tensor out[2];
    if (session_run(s, c, rows, seed, x, out, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    assert_true(session_is_right(c, rows, x, out));
}

static void test_shapes_side_by_side(void **state)
{
    (void)state;
    sn_model *m = model_of(1, 0);
    sn_session *a = session_of(m), *b = session_of(m);
    for (int turn = 0; turn < 3; turn++)
        for (int rows = 0; rows < 6; rows++) {
            run_right(a, 1, rows, (size_t)turn);
            run_right(b, (uint8_t)(rows & 1), 5 - rows, (size_t)rows);
        }
    sn_session_destroy(a);
    run_right(b, 1, 3, 0); /* plans outlive the session that had them made */
    sn_session_destroy(b);
    sn_model_close(m);
}

static void test_prepare_is_a_head_start(void **state)
{
    (void)state;
    sn_model *m = model_of(1, 0);
    sn_session *s = session_of(m);
    const setsuna_tensor in[] = {{SETSUNA_BOOL, {0, {0}}, NULL, 1}, {SETSUNA_F32, {2, {4, SESSION_K}}, NULL, 0}};
    assert_int_equal(sn_session_prepare(s, in, NULL), SETSUNA_OK);
    run_right(s, 1, 4, 0);
    sn_session_destroy(s);
    sn_model_close(m);
}

static void test_a_session_survives_errors(void **state)
{
    (void)state;
    sn_model *m = model_of(1, 0);
    sn_session *s = session_of(m);
    float x[2 * SESSION_K] = {0};
    uint8_t c = 1;
    setsuna_error err = {0};
    setsuna_tensor out[2], in[] = {{SETSUNA_BOOL, {0, {0}}, &c, 1}, {SETSUNA_F32, {2, {2, SESSION_K}}, x, sizeof x}};
    run_right(s, 1, 2, 0);
    in[1].shape.dim[1] = SESSION_K - 1;
    assert_int_equal(sn_session_run(s, in, out, &err), SETSUNA_ESHAPE);
    assert_string_equal(err.where, "x");
    in[1].shape.dim[1] = SESSION_K;
    in[1].dtype = SETSUNA_I32;
    assert_int_equal(sn_session_run(s, in, out, &err), SETSUNA_ESHAPE);
    in[1].dtype = SETSUNA_F32;
    in[1].data = NULL;
    assert_int_equal(sn_session_run(s, in, out, &err), SETSUNA_EINVAL);
    in[1].data = (char *)x + 1;
    assert_int_equal(sn_session_run(s, in, out, &err), SETSUNA_EINVAL);
    in[1].data = x;
    in[1].shape.dim[0] = -1;
    assert_int_equal(sn_session_run(s, in, out, &err), SETSUNA_ESHAPE);
    run_right(s, 0, 2, 1);
    run_right(s, 1, 3, 2);
    sn_session_destroy(s);
    sn_model_close(m);
}

static void test_the_memory_limit(void **state)
{
    (void)state;
    enum { LIMIT_BYTES = 1 << 20, ROWS = 4096 }; /* x: 2 MiB */
    sn_model *m = model_of(1, LIMIT_BYTES);
    sn_session *s = session_of(m);
    float *x = malloc(ROWS * SESSION_K * sizeof *x);
    setsuna_error err = {0};
    setsuna_tensor out[2];
    assert_non_null(x);
    run_right(s, 1, 2, 0);
    for (uint8_t c = 0; c < 2; c++) {
        assert_int_equal(session_run(s, c, ROWS, 0, x, out, &err), SETSUNA_ELIMIT);
        assert_non_null(strstr(err.text, "limit"));
        run_right(s, c, 3, 0);
    }
    /* Dimensions that no memory has. */
    const setsuna_tensor huge[] = {{SETSUNA_BOOL, {0, {0}}, NULL, 1},
                                   {SETSUNA_F32, {2, {INT64_MAX / SESSION_K, SESSION_K}}, NULL, 0}};
    assert_int_equal(sn_session_prepare(s, huge, &err), SETSUNA_ELIMIT);
    run_right(s, 1, 2, 0);
    free(x);
    sn_session_destroy(s);
    sn_model_close(m);
}

/* Same plan, same number of threads: same bits. */
static void test_same_bits_again(void **state)
{
    (void)state;
    enum { ROWS = SESSION_ROWS_MAX };
    sn_model *m[2] = {model_of(2, 0), model_of(2, 0)};
    sn_session *s[2] = {session_of(m[0]), session_of(m[1])};
    static float x[ROWS * SESSION_K], first[ROWS * SESSION_N];
    for (int turn = 0; turn < 6; turn++) {
        for (size_t i = 0; i < ROWS * SESSION_K; i++)
            x[i] = 1.0f / (float)(i * 31 % 1009 + 1); /* sums depend on their order */
        uint8_t c = 1;
        const setsuna_tensor in[] = {{SETSUNA_BOOL, {0, {0}}, &c, 1},
                                     {SETSUNA_F32, {2, {ROWS, SESSION_K}}, x, sizeof x}};
        setsuna_tensor out[2];
        assert_int_equal(sn_session_run(s[turn % 2], in, out, NULL), SETSUNA_OK);
        assert_int_equal(out[0].size_bytes, sizeof first);
        if (turn == 0)
            memcpy(first, out[0].data, sizeof first);
        assert_memory_equal(first, out[0].data, sizeof first);
    }
    for (int i = 0; i < 2; i++) {
        sn_session_destroy(s[i]);
        sn_model_close(m[i]);
    }
}

typedef struct runner {
    sn_session *s;
    size_t id;
    int wrong;
} runner;

/* Both threads meet new shapes all the time, often the same ones at once. */
static void *runner_main(void *arg)
{
    enum { TURNS = 40, SHAPES = 9 };
    runner *r = arg;
    float *x = malloc(SESSION_ROWS_MAX * SESSION_K * sizeof *x);
    for (size_t turn = 0; turn < TURNS && x; turn++) {
        setsuna_tensor out[2];
        uint8_t c = (turn + r->id) % 3 != 0;
        int64_t rows = (int64_t)(turn % SHAPES) + 1;
        if (session_run(r->s, c, rows, turn + r->id, x, out, NULL) != SETSUNA_OK || !session_is_right(c, rows, x, out))
            r->wrong++;
    }
    r->wrong += !x;
    free(x);
    return NULL;
}

static void test_two_threads_share_a_model(void **state)
{
    (void)state;
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
        sn_model *m = model_of(n_threads, 0);
        runner r[2] = {{session_of(m), 0, 0}, {session_of(m), 1, 0}};
        pthread_t thread[2];
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_create(&thread[i], NULL, runner_main, &r[i]), 0);
        for (int i = 0; i < 2; i++)
            assert_int_equal(pthread_join(thread[i], NULL), 0);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(r[i].wrong, 0);
            sn_session_destroy(r[i].s);
        }
        sn_model_close(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_side_by_side),       cmocka_unit_test(test_prepare_is_a_head_start),
        cmocka_unit_test(test_a_session_survives_errors), cmocka_unit_test(test_the_memory_limit),
        cmocka_unit_test(test_same_bits_again),           cmocka_unit_test(test_two_threads_share_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
