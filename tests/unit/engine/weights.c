/* Weights that were given back once packed, and are needed again: read from the file, if it still is what it was. */
#include "base/file.h"
#include "unit/engine/session_model.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char model_path[] = "weights_test.onnx";

static void write_model(void)
{
    setsuna_error err = {0};
    pb_write file = session_model();
    if (sn_file_write(model_path, file.data, file.size, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    free(file.data);
}

/* Opened, and w packed and released by a run of the first branch. */
static sn_session *open_and_release(sn_model **model_out)
{
    setsuna_error err = {0};
    sn_model_options o = {.cpu_level = -1};
    sn_session *s = NULL;
    float x[2 * SESSION_K];
    setsuna_tensor out[2];
    write_model();
    if (sn_model_open(model_path, &o, model_out, &err) != SETSUNA_OK)
        fail_msg("%s: %s", err.where, err.text);
    assert_int_equal(sn_session_create(*model_out, &s, &err), SETSUNA_OK);
    assert_int_equal(session_run(s, 1, 2, 0, x, out, &err), SETSUNA_OK);
    assert_true(session_is_right(1, 2, x, out));
    return s;
}

static void test_released_weights_come_back(void **state)
{
    (void)state;
    sn_model *m = NULL;
    sn_session *s = open_and_release(&m);
    setsuna_error err = {0};
    float x[3 * SESSION_K];
    setsuna_tensor out[2];
    for (int turn = 0; turn < 4; turn++) {
        uint8_t c = (uint8_t)(turn & 1);
        if (session_run(s, c, 1 + turn % 3, 0, x, out, &err) != SETSUNA_OK)
            fail_msg("%s: %s", err.where, err.text);
        assert_true(session_is_right(c, 1 + turn % 3, x, out));
    }
    sn_session_destroy(s);
    sn_model_close(m);
    unlink(model_path);
}

/* The way in which the file changes must not matter. */
static void touch_file(void)
{
    const struct timespec old[2] = {{1000, 0}, {1000, 0}};
    assert_int_equal(utimensat(AT_FDCWD, model_path, old, 0), 0);
}

static void cut_file(void)
{
    assert_int_equal(truncate(model_path, 10), 0);
}

static void test_a_changed_file_is_refused(void **state)
{
    (void)state;
    void (*const change[])(void) = {touch_file, cut_file};
    for (size_t i = 0; i < 2; i++) {
        sn_model *m = NULL;
        sn_session *s = open_and_release(&m);
        setsuna_error err = {0};
        float x[2 * SESSION_K];
        setsuna_tensor out[2];
        change[i]();
        for (int turn = 0; turn < 2; turn++) { /* and again */
            err = (setsuna_error){0};
            assert_int_equal(session_run(s, 0, 2, 0, x, out, &err), SETSUNA_EIO);
            assert_non_null(strstr(err.text, "changed"));
        }
        assert_int_equal(session_run(s, 1, 2, 3, x, out, &err), SETSUNA_OK); /* what is packed is ours */
        assert_true(session_is_right(1, 2, x, out));
        sn_session_destroy(s);
        sn_model_close(m);
    }
    unlink(model_path);
}

/* Replaced by rename, as package managers do: the open file is still the old one. */
static void test_a_replaced_file_does_not_matter(void **state)
{
    (void)state;
    sn_model *m = NULL;
    sn_session *s = open_and_release(&m);
    setsuna_error err = {0};
    float x[2 * SESSION_K];
    setsuna_tensor out[2];
    assert_int_equal(sn_file_write(model_path, "other", 5, &err), SETSUNA_OK);
    assert_int_equal(session_run(s, 0, 2, 0, x, out, &err), SETSUNA_OK);
    assert_true(session_is_right(0, 2, x, out));
    sn_session_destroy(s);
    sn_model_close(m);
    unlink(model_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_released_weights_come_back),
        cmocka_unit_test(test_a_changed_file_is_refused),
        cmocka_unit_test(test_a_replaced_file_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
