#include "base/file.h"
#include "unit/unit.h"
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each test gets an empty folder as its working folder, with outside.txt one level above it. */
static int enter_folder(void **state)
{
    (void)state;
    char dir[] = "file-test-XXXXXX";
    if (!mkdtemp(dir) || chdir(dir) != 0 || mkdir("box", 0777) != 0)
        return -1;
    sn_file_write("outside.txt", "secret", 6, NULL);
    return chdir("box");
}

static int leave_folder(void **state)
{
    (void)state;
    char cwd[4096];
    if (chdir("..") != 0 || !getcwd(cwd, sizeof cwd) || chdir("..") != 0)
        return -1;
    char command[4200];
    snprintf(command, sizeof command, "rm -rf '%s'", cwd);
    return system(command);
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    fclose(f);
}

static void check_content(const char *path, const void *want, size_t size)
{
    sn_bytes b;
    assert_int_equal(sn_file_read(path, 0, &b, NULL), SETSUNA_OK);
    assert_int_equal(b.size, size);
    if (size)
        assert_memory_equal(b.data, want, size);
    sn_bytes_fini(&b);
}

static void test_read(void **state)
{
    (void)state;
    put("a", "hello");
    put("empty", "");
    check_content("a", "hello", 5);
    sn_bytes b = {NULL, 99};
    assert_int_equal(sn_file_read("empty", 0, &b, NULL), SETSUNA_OK);
    assert_null(b.data);
    assert_int_equal(b.size, 0);
    sn_bytes_fini(&b);
    assert_int_equal(sn_file_read("a", 5, &b, NULL), SETSUNA_OK);
    assert_int_equal((uintptr_t)b.data % 4096, 0);
    assert_int_equal(truncate("a", 0), 0); /* must not hurt what was read: under mmap this is SIGBUS */
    assert_memory_equal(b.data, "hello", 5);
    sn_bytes_fini(&b);
    assert_null(b.data);
    sn_bytes_fini(&b);
}

static void test_read_failures(void **state)
{
    (void)state;
    put("a", "hello");
    assert_int_equal(mkfifo("fifo", 0666), 0);
    sn_bytes b = {(uint8_t *)&b, 99};
    setsuna_error err = {0};
    assert_int_equal(sn_file_read("none", 0, &b, &err), SETSUNA_ENOTFOUND);
    assert_string_equal(err.where, "none");
    assert_non_null(strstr(err.text, "No such file"));
    assert_int_equal(sn_file_read("a/b", 0, &b, &err), SETSUNA_ENOTFOUND);
    assert_int_equal(sn_file_read("", 0, &b, &err), SETSUNA_ENOTFOUND);
    assert_int_equal(sn_file_read("a", 4, &b, &err), SETSUNA_ELIMIT);
    assert_int_equal(sn_file_read(".", 0, &b, &err), SETSUNA_EIO);
    assert_int_equal(sn_file_read("fifo", 0, &b, &err), SETSUNA_EIO);
    assert_int_equal(sn_file_read("/dev/zero", 0, &b, &err), SETSUNA_EIO);
    assert_int_equal(b.size, 99); /* untouched by every failure */
    assert_ptr_equal(b.data, &b);
}

/* What is written into a pipe by another process, in pieces. */
static setsuna_status read_piped(size_t size, size_t limit, sn_bytes *out, setsuna_error *err)
{
    int end[2];
    assert_int_equal(pipe(end), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(end[0]);
        for (size_t i = 0; i < size; i++) {
            char c = (char)(i * 7);
            if (write(end[1], &c, 1) != 1)
                break;
        }
        _exit(0);
    }
    close(end[1]);
    setsuna_status status = sn_file_read_stream(end[0], "the pipe", limit, out, err);
    close(end[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return status;
}

static void test_read_stream(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 200000};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        sn_bytes b;
        setsuna_error err = {0};
        assert_int_equal(read_piped(sizes[k], sizes[k], &b, &err), SETSUNA_OK);
        assert_int_equal(b.size, sizes[k]);
        for (size_t i = 0; i < b.size; i++)
            assert_int_equal(b.data[i], (uint8_t)(i * 7));
        sn_bytes_fini(&b);
    }
    sn_bytes b = {NULL, 99};
    setsuna_error err = {0};
    assert_int_equal(read_piped(300000, 100000, &b, &err), SETSUNA_ELIMIT);
    assert_string_equal(err.where, "the pipe");
    assert_int_equal(sn_file_read_stream(-1, "nothing", 0, &b, &err), SETSUNA_EIO);
    assert_int_equal(b.size, 99); /* untouched by failures */
}

static void check_beneath(const char *name, setsuna_status want)
{
    int fd = -1;
    struct stat st;
    setsuna_error err = {0};
    setsuna_status got = sn_file_open_beneath(".", name, &fd, &st, &err);
    if (got != want)
        fail_msg("\"%s\": %s (%s), not %s", name, setsuna_status_name(got), err.text, setsuna_status_name(want));
    if (got == SETSUNA_OK) {
        char text[5] = "";
        assert_int_equal(st.st_size, 4);
        assert_int_equal(sn_file_pread(fd, text, 4, 0, name, NULL), SETSUNA_OK);
        assert_string_equal(text, "fine");
        assert_int_equal(sn_file_pread(fd, text, 4, 1, name, NULL), SETSUNA_EIO); /* beyond the end */
        close(fd);
    } else {
        assert_int_equal(fd, -1);
        assert_int_equal(err.status, want);
        assert_true(err.where[0] || !name[0]);
    }
}

static void test_beneath_attacks(void **state)
{
    (void)state;
    unit_need_openat2();
    char absolute[4096];
    assert_non_null(getcwd(absolute, sizeof absolute - 8));
    strcat(absolute, "/ok");
    put("ok", "fine");
    assert_int_equal(mkdir("sub", 0777), 0);
    put("sub/ok", "fine");
    put("sub/..name", "fine");
    assert_int_equal(symlink("../outside.txt", "link-out"), 0);
    assert_int_equal(symlink("ok", "link-in"), 0);
    assert_int_equal(symlink("..", "parent"), 0);
    assert_int_equal(symlink("sub", "link-sub"), 0);
    assert_int_equal(symlink("loop", "loop"), 0);
    assert_int_equal(link("../outside.txt", "hard"), 0);
    assert_int_equal(mkfifo("fifo", 0666), 0);

    check_beneath("ok", SETSUNA_OK);
    check_beneath("sub/ok", SETSUNA_OK);
    check_beneath("./sub//ok", SETSUNA_OK);
    check_beneath("sub/..name", SETSUNA_OK);

    check_beneath(absolute, SETSUNA_EMODEL);
    check_beneath("/etc/passwd", SETSUNA_EMODEL);
    check_beneath("/proc/self/mem", SETSUNA_EMODEL);
    check_beneath("..", SETSUNA_EMODEL);
    check_beneath("../outside.txt", SETSUNA_EMODEL);
    check_beneath("sub/..", SETSUNA_EMODEL);
    check_beneath("sub/../..", SETSUNA_EMODEL);
    check_beneath("sub/../../outside.txt", SETSUNA_EMODEL);
    check_beneath("sub/../ok", SETSUNA_EMODEL);
    check_beneath("none/../ok", SETSUNA_EMODEL);
    check_beneath("link-out", SETSUNA_EMODEL);
    check_beneath("link-in", SETSUNA_EMODEL);
    check_beneath("parent/outside.txt", SETSUNA_EMODEL);
    check_beneath("link-sub/ok", SETSUNA_EMODEL);
    check_beneath("loop", SETSUNA_EMODEL);
    check_beneath("hard", SETSUNA_EMODEL);
    check_beneath("fifo", SETSUNA_EMODEL);
    check_beneath("sub", SETSUNA_EMODEL);
    check_beneath(".", SETSUNA_EMODEL);
    check_beneath("", SETSUNA_ENOTFOUND);
    check_beneath("none", SETSUNA_ENOTFOUND);
    check_beneath("ok/x", SETSUNA_ENOTFOUND);

    char name[4200];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    check_beneath(name, SETSUNA_EIO); /* ENAMETOOLONG */

    const char with_nul[] = "ok\0/../../outside.txt"; /* what follows a NUL does not exist for the system either */
    check_beneath(with_nul, SETSUNA_OK);

    int fd;
    struct stat st;
    assert_int_equal(sn_file_open_beneath("none", "ok", &fd, &st, NULL), SETSUNA_ENOTFOUND);
    assert_int_equal(sn_file_open_beneath("ok", "ok", &fd, &st, NULL), SETSUNA_ENOTFOUND);
}

static size_t count_files(void)
{
    DIR *dir = opendir(".");
    size_t n = 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void test_write(void **state)
{
    (void)state;
    mode_t mask = umask(022);
    assert_int_equal(sn_file_write("out", "one", 3, NULL), SETSUNA_OK);
    check_content("out", "one", 3);
    assert_int_equal(sn_file_write("out", "three", 5, NULL), SETSUNA_OK);
    check_content("out", "three", 5);
    assert_int_equal(sn_file_write("out", NULL, 0, NULL), SETSUNA_OK);
    check_content("out", "", 0);
    struct stat st;
    assert_int_equal(stat("out", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_int_equal(count_files(), 1);
    umask(mask);
}

/* The limit on a file's size stands in for a full disk: the write fails half-way. */
static void test_write_is_all_or_nothing(void **state)
{
    (void)state;
    enum { N = 1 << 20 };
    char *big = calloc(1, N);
    put("out", "before");
    struct rlimit old, small = {.rlim_cur = 100000};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    setsuna_error err = {0};
    setsuna_status over = sn_file_write("out", big, N, &err), fresh = sn_file_write("new", big, N, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(over, SETSUNA_EIO);
    assert_int_equal(fresh, SETSUNA_EIO);
    assert_string_equal(err.where, "out");
    check_content("out", "before", 6);
    assert_int_equal(count_files(), 1); /* neither "new" nor a temporary */
    free(big);

    assert_int_equal(sn_file_write("none/out", "x", 1, NULL), SETSUNA_ENOTFOUND);
    assert_int_equal(mkdir("folder", 0777), 0);
    assert_int_equal(sn_file_write("folder", "x", 1, NULL), SETSUNA_EIO);
    assert_int_equal(count_files(), 2);
}

#define FOLDER_TEST(f) cmocka_unit_test_setup_teardown(f, enter_folder, leave_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(test_read),        FOLDER_TEST(test_read_failures),
        FOLDER_TEST(test_read_stream), FOLDER_TEST(test_beneath_attacks),
        FOLDER_TEST(test_write),       FOLDER_TEST(test_write_is_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
