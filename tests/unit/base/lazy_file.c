#include "base/lazy_file.h"
#include "unit/unit.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N = 3 * 4096 + 100 };

static uint8_t content[N];

static int make_file(void **state)
{
    (void)state;
    for (int i = 0; i < N; i++)
        content[i] = (uint8_t)(i * 7 + i / 256);
    FILE *f = fopen("lazy.bin", "wb");
    bool ok = f && fwrite(content, 1, N, f) == N;
    return !f || fclose(f) != 0 || !ok;
}

static int drop_file(void **state)
{
    (void)state;
    return unlink("lazy.bin");
}

static void test_parts_are_there_once_loaded(void **state)
{
    (void)state;
    sn_lazy_file f;
    assert_int_equal(sn_lazy_file_open("lazy.bin", 0, &f, NULL), SETSUNA_OK);
    assert_int_equal(f.size, N);
    assert_int_equal(sn_lazy_file_load(&f, 5, 4096, NULL), SETSUNA_OK);
    assert_memory_equal(f.data + 5, content + 5, 4096);
    assert_int_equal(sn_lazy_file_load(&f, N - 1, 1, NULL), SETSUNA_OK);
    assert_int_equal(f.data[N - 1], content[N - 1]);
    sn_lazy_file_hole(&f, 2 * 4096, 4096);
    static uint8_t copy[N];
    assert_int_equal(sn_lazy_file_read(&f, 0, N, copy, NULL), SETSUNA_OK);
    assert_memory_equal(copy, content, N);
    assert_int_equal(sn_lazy_file_load(&f, 0, N, NULL), SETSUNA_OK); /* a hole can still be filled */
    assert_memory_equal(f.data, content, N);
    sn_lazy_file_fini(&f);
    assert_null(f.data);
    sn_lazy_file_fini(&f);
}

static void test_a_file_that_changed_is_refused(void **state)
{
    (void)state;
    uint8_t byte;
    setsuna_error err;
    sn_lazy_file f;
    assert_int_equal(sn_lazy_file_open("lazy.bin", 0, &f, NULL), SETSUNA_OK);
    assert_int_equal(sn_lazy_file_read(&f, 0, 1, &byte, NULL), SETSUNA_OK);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, f.changed};
    times[1].tv_nsec ^= 1;
    assert_int_equal(futimens(f.fd, times), 0);
    assert_int_equal(sn_lazy_file_read(&f, 0, 1, &byte, &err), SETSUNA_EIO);
    assert_non_null(strstr(err.text, "changed"));
    times[1].tv_nsec ^= 1;
    assert_int_equal(futimens(f.fd, times), 0);
    assert_int_equal(sn_lazy_file_read(&f, 0, 1, &byte, NULL), SETSUNA_OK);
    assert_int_equal(truncate("lazy.bin", 10), 0);
    assert_int_equal(sn_lazy_file_read(&f, 0, 1, &byte, NULL), SETSUNA_EIO);
    assert_int_equal(sn_lazy_file_load(&f, 4096, 10, NULL), SETSUNA_EIO); /* no SIGBUS */
    sn_lazy_file_fini(&f);
}

static void test_bytes_are_all_there(void **state)
{
    (void)state;
    sn_lazy_file f;
    uint8_t copy[10];
    assert_int_equal(sn_lazy_file_of_bytes(content, N, &f, NULL), SETSUNA_OK);
    assert_memory_equal(f.data, content, N);
    assert_int_equal(sn_lazy_file_read(&f, 100, 10, copy, NULL), SETSUNA_OK);
    assert_memory_equal(copy, content + 100, 10);
    assert_int_equal(sn_lazy_file_load(&f, 0, N, NULL), SETSUNA_OK);
    sn_lazy_file_fini(&f);
    assert_int_equal(sn_lazy_file_of_bytes(NULL, 0, &f, NULL), SETSUNA_OK);
    assert_null(f.data);
    sn_lazy_file_fini(&f);
}

static void test_failures(void **state)
{
    (void)state;
    unit_need_openat2();
    sn_lazy_file f;
    assert_int_equal(sn_lazy_file_open("none", 0, &f, NULL), SETSUNA_ENOTFOUND);
    sn_lazy_file_fini(&f); /* closes nothing */
    assert_int_equal(sn_lazy_file_open("lazy.bin", N - 1, &f, NULL), SETSUNA_ELIMIT);
    assert_int_equal(sn_lazy_file_open(".", 0, &f, NULL), SETSUNA_EIO);
    assert_int_equal(sn_lazy_file_open_beneath(".", "../lazy.bin", &f, NULL), SETSUNA_EMODEL);
    sn_lazy_file_fini(&f);
    assert_int_equal(sn_lazy_file_open_beneath(".", "lazy.bin", &f, NULL), SETSUNA_OK);
    assert_int_equal(f.size, N);
    sn_lazy_file_fini(&f);
    FILE *empty = fopen("empty.bin", "wb");
    assert_non_null(empty);
    fclose(empty);
    assert_int_equal(sn_lazy_file_open("empty.bin", 0, &f, NULL), SETSUNA_OK);
    assert_int_equal(f.size, 0);
    assert_int_equal(sn_lazy_file_load(&f, 0, 0, NULL), SETSUNA_OK);
    sn_lazy_file_fini(&f);
    unlink("empty.bin");
}

#define FILE_TEST(t) cmocka_unit_test_setup_teardown(t, make_file, drop_file)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_parts_are_there_once_loaded),
        FILE_TEST(test_a_file_that_changed_is_refused),
        FILE_TEST(test_bytes_are_all_there),
        FILE_TEST(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
