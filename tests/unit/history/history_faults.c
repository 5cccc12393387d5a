/* What can happen to a history: it is gone, somebody else's, newer, locked, damaged, hostile; the disk is full or must
 * not be written to. */
#include "base/file.h"
#include "history/history.h"
#include "unit/history/history_rig.h"
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void sql(const char *path, const char *text)
{
    sqlite3 *db;
    char *message = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
    sqlite3_close(db);
}

static setsuna_status open_status(const char *path, sn_history_mode mode)
{
    sn_history *h = NULL;
    setsuna_error err = {0};
    setsuna_status status = sn_history_open(path, mode, &h, &err);
    assert_true((status == SETSUNA_OK) == (h != NULL));
    assert_int_equal(err.status, status);
    sn_history_close(h);
    return status;
}

static setsuna_status keep(const char *path, bool own_place, char *moved)
{
    int64_t id;
    sn_history_run run = rig_run(1);
    return sn_history_keep(path, own_place, &run, &id, moved, NULL);
}

static void damage(const char *path, long at, size_t n, unsigned char value)
{
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(pwrite(fd, &value, 1, at + (long)i), 1);
    close(fd);
}

static void test_absent(void **state)
{
    (void)state;
    assert_int_equal(open_status("absent.db", SN_HISTORY_READ), SETSUNA_ENOTFOUND);
    assert_int_equal(access("absent.db", F_OK), -1);
    char path[SN_HISTORY_PATH_MAX + 1];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = '\0';
    assert_int_equal(open_status(path, SN_HISTORY_WRITE), SETSUNA_EINVAL);
    sn_file_write("file", "x", 1, NULL);
    assert_int_equal(open_status("file/history.db", SN_HISTORY_WRITE), SETSUNA_EIO);
}

/* Nothing that is not ours is written to. */
static void test_not_ours(void **state)
{
    (void)state;
    char moved[SN_HISTORY_PATH_MAX];
    sn_bytes before, after;
    sql("other.db", "CREATE TABLE run (x); INSERT INTO run VALUES (1)");
    rig_add("newer.db", 1, 1);
    sql("newer.db", "PRAGMA user_version = 99; PRAGMA journal_mode = DELETE");
    sn_file_write("model.onnx", "this is a model", 15, NULL);
    static const struct {
        const char *path;
        setsuna_status status;
    } cases[] = {{"other.db", SETSUNA_EINVAL}, {"newer.db", SETSUNA_EUNSUPPORTED}, {"model.onnx", SETSUNA_EINPUT}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *path = cases[i].path;
        assert_int_equal(sn_file_read(path, 0, &before, NULL), SETSUNA_OK);
        assert_int_equal(open_status(path, SN_HISTORY_READ), cases[i].status);
        assert_int_equal(open_status(path, SN_HISTORY_WRITE), cases[i].status);
        assert_int_equal(keep(path, false, moved), cases[i].status);
        assert_string_equal(moved, "");
        assert_int_equal(sn_file_read(path, 0, &after, NULL), SETSUNA_OK);
        assert_int_equal(after.size, before.size);
        assert_memory_equal(after.data, before.data, before.size);
        sn_bytes_fini(&before);
        sn_bytes_fini(&after);
    }
}

/* The new run is in the new history, and the old one's bytes are beside it. */
static void check_moved(const char *path, bool own_place)
{
    char moved[SN_HISTORY_PATH_MAX];
    sn_bytes before, after;
    assert_int_equal(sn_file_read(path, 0, &before, NULL), SETSUNA_OK);
    assert_int_equal(keep(path, own_place, moved), SETSUNA_OK);
    assert_int_equal(strncmp(moved, path, strlen(path)), 0);
    assert_non_null(strstr(moved, ".corrupt-20"));
    assert_int_equal(sn_file_read(moved, 0, &after, NULL), SETSUNA_OK);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.data, before.data, before.size);
    sn_bytes_fini(&before);
    sn_bytes_fini(&after);
    int64_t id;
    sn_history *h = rig_open(path, SN_HISTORY_READ);
    assert_int_equal(sn_history_find(h, "last", &id, NULL), SETSUNA_OK);
    assert_int_equal(id, 1);
    sn_history_close(h);
}

static void test_corrupt(void **state)
{
    (void)state;
    rig_add("history.db", 1, 3);
    damage("history.db", 100, 3000, 0xee); /* the schema's page */
    assert_int_equal(open_status("history.db", SN_HISTORY_READ), SETSUNA_EINPUT);
    check_moved("history.db", false);
    damage("history.db", 0, 16, 'x'); /* no database at all any more, in the place of histories */
    check_moved("history.db", true);
    assert_int_equal(truncate("history.db", 5000), 0);
    check_moved("history.db", false);
    sql("history.db", "DROP TABLE tag"); /* a history without its tables */
    check_moved("history.db", false);
    glob_t g;
    assert_int_equal(glob("history.db.corrupt-*", 0, NULL, &g), 0);
    assert_int_equal(g.gl_pathc, 4);
    globfree(&g);
}

/* Two processes find the same file corrupt: both runs are in the new one. */
static void test_corrupt_for_two(void **state)
{
    (void)state;
    char moved[SN_HISTORY_PATH_MAX];
    enum { WRITERS = 4 };
    pid_t pid[WRITERS];
    int code;
    rig_add("history.db", 1, 3);
    damage("history.db", 100, 3000, 0xee);
    for (int i = 0; i < WRITERS; i++)
        if ((pid[i] = fork()) == 0)
            _exit(keep("history.db", true, moved) == SETSUNA_OK ? 0 : 1);
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(waitpid(pid[i], &code, 0), pid[i]);
        assert_int_equal(code, 0);
    }
    int64_t id;
    sn_history *h = rig_open("history.db", SN_HISTORY_READ);
    assert_int_equal(sn_history_find(h, "last", &id, NULL), SETSUNA_OK);
    assert_int_equal(id, WRITERS);
    sn_history_close(h);
    glob_t g;
    assert_int_equal(glob("history.db.corrupt-*", 0, NULL, &g), 0);
    assert_int_equal(g.gl_pathc, 1);
    globfree(&g);
}

static void test_locked(void **state)
{
    (void)state;
    char moved[SN_HISTORY_PATH_MAX];
    sqlite3 *db;
    int64_t id;
    setsuna_error err = {0};
    sn_history_run run = rig_run(2);
    rig_add("history.db", 1, 1);
    assert_int_equal(sqlite3_open("history.db", &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sn_history_keep("history.db", true, &run, &id, moved, &err), SETSUNA_EIO);
    assert_non_null(strstr(err.text, "another program"));
    assert_string_equal(moved, "");
    sn_history *h = rig_open("history.db", SN_HISTORY_READ); /* readers do not wait */
    assert_int_equal(sn_history_find(h, "last", &id, NULL), SETSUNA_OK);
    sn_history_close(h);
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    assert_int_equal(keep("history.db", true, moved), SETSUNA_OK);
}

/* In a child, whose limit cannot be raised again: a run that does not fit is refused, and the history is whole. */
static void test_disk_full(void **state)
{
    (void)state;
    rig_add("history.db", 1, 2);
    int code;
    pid_t pid = fork();
    if (pid == 0) {
        char moved[SN_HISTORY_PATH_MAX];
        int64_t id;
        setsuna_error err = {0};
        static char log[1 << 20];
        sn_history_run run = rig_run(3);
        run.log = log;
        run.log_bytes = sizeof log;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){200000, 200000});
        setsuna_status status = sn_history_keep("history.db", true, &run, &id, moved, &err);
        _exit(status == SETSUNA_EIO && strstr(err.text, "no space") && !moved[0] ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &code, 0), pid);
    assert_int_equal(code, 0);
    int64_t id;
    sn_history *h = rig_open("history.db", SN_HISTORY_READ);
    assert_int_equal(sn_history_find(h, "last", &id, NULL), SETSUNA_OK);
    assert_int_equal(id, 2);
    sn_history_close(h);
}

/* As a user who may read but not write: a copy on a read-only medium is looked at, and not added to. */
static void test_read_only(void **state)
{
    (void)state;
    rig_add("history.db", 1, 2);
    assert_int_equal(chmod("history.db", 0444), 0);
    assert_int_equal(chmod(".", 0555), 0);
    int code;
    pid_t pid = fork();
    if (pid == 0) {
        int64_t id = 0;
        char moved[SN_HISTORY_PATH_MAX];
        sn_history *h = NULL;
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        if (access("history.db", R_OK) != 0)
            _exit(77); /* a folder above is not for everybody */
        setsuna_status read = sn_history_open("history.db", SN_HISTORY_READ, &h, NULL);
        bool ok = read == SETSUNA_OK && sn_history_find(h, "last", &id, NULL) == SETSUNA_OK && id == 2 &&
                  sn_history_remove(h, 2, NULL) == SETSUNA_EIO;
        sn_history_close(h);
        _exit(ok && keep("history.db", true, moved) == SETSUNA_EIO && !moved[0] ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &code, 0), pid);
    chmod(".", 0755);
    if (WIFEXITED(code) && WEXITSTATUS(code) == 77)
        skip();
    assert_int_equal(code, 0);
}

static setsuna_status see(void *ctx, const sn_history_run *run)
{
    *(size_t *)ctx += strlen(run->target) + strlen(run->command) + run->n_tags;
    return SETSUNA_OK;
}

/* Reads all there is; nothing but a status may come of it. */
static void read_all(const char *path)
{
    sn_history *h = NULL;
    sn_history_run *run = NULL;
    int64_t id;
    size_t sum = 0;
    if (sn_history_open(path, SN_HISTORY_READ, &h, NULL) != SETSUNA_OK)
        return;
    sn_history_list(h, &(sn_history_filter){.tag = NULL}, see, &sum, NULL);
    if (sn_history_find(h, "last", &id, NULL) == SETSUNA_OK && sn_history_load(h, id, &run, NULL) == SETSUNA_OK)
        sum += strlen(run->result);
    sn_history_run_destroy(run);
    sn_history_close(h);
}

static void test_hostile_values(void **state)
{
    (void)state;
    static const char *const changes[] = {
        "UPDATE run SET p50_ns = -1",
        "UPDATE run SET threads = 1 << 40",
        "UPDATE run SET partial = 2",
        "UPDATE run SET result = '{'",
        "UPDATE run SET passport = ''",
        "UPDATE run SET passport = '[]'",
        "UPDATE run SET result = '{\"a\":1}' || char(0) || 'x'",
        "UPDATE run SET target = 'a' || char(0) || 'b'",
        "UPDATE tag SET text = hex(zeroblob(150))",
    };
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        sn_history_run *run = NULL;
        unlink("history.db");
        rig_add("history.db", 1, 1);
        sql("history.db", strstr(changes[i], "UPDATE tag") ? "DELETE FROM tag WHERE text = 'v1'" : "SELECT 1");
        sql("history.db", changes[i]);
        sn_history *h = rig_open("history.db", SN_HISTORY_READ);
        assert_int_equal(sn_history_load(h, 1, &run, NULL), SETSUNA_EINPUT);
        assert_null(run);
        sn_history_close(h);
    }
}

/* The same tables without their types, with triggers, and with a view in the place of a table. */
static void test_hostile_schema(void **state)
{
    (void)state;
    sn_history_run *run = NULL;
    char moved[SN_HISTORY_PATH_MAX];
    int64_t id;
    rig_add("history.db", 1, 1);
    sql("history.db", "CREATE TRIGGER t AFTER INSERT ON run BEGIN DELETE FROM run; END");
    assert_int_equal(keep("history.db", false, moved), SETSUNA_OK);
    sn_history *h = rig_open("history.db", SN_HISTORY_READ);
    assert_int_equal(sn_history_find(h, "2", &id, NULL), SETSUNA_OK); /* the trigger was not run */
    assert_int_equal(sn_history_find(h, "1", &id, NULL), SETSUNA_OK);
    sn_history_close(h);

    sql("history.db", "DROP TRIGGER t; CREATE TABLE r AS SELECT * FROM run; DROP TABLE tag; DROP TABLE run;"
                      "ALTER TABLE r RENAME TO run; CREATE TABLE tag (run, text); UPDATE run SET p50_ns = 'x'");
    h = rig_open("history.db", SN_HISTORY_READ);
    assert_int_equal(sn_history_load(h, 1, &run, NULL), SETSUNA_EINPUT);
    sn_history_close(h);
    sql("history.db", "ALTER TABLE run RENAME TO r; CREATE VIEW run AS SELECT * FROM r");
    h = rig_open("history.db", SN_HISTORY_READ);
    assert_int_equal(sn_history_load(h, 1, &run, NULL), SETSUNA_EINPUT);
    sn_history_close(h);
}

static void test_damaged_anywhere(void **state)
{
    (void)state;
    sn_bytes whole;
    uint64_t seed = 1;
    rig_add("history.db", 1, 40);
    assert_int_equal(sn_file_read("history.db", 0, &whole, NULL), SETSUNA_OK);
    for (int i = 0; i < 200; i++) {
        size_t size = whole.size;
        for (int k = 0; k < 4; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            whole.data[(seed >> 20) % size] ^= (uint8_t)(1u << (seed >> 60 & 7));
        }
        if (i % 5 == 0)
            size = (seed >> 30) % size;
        assert_int_equal(sn_file_write("damaged.db", whole.data, size, NULL), SETSUNA_OK);
        read_all("damaged.db");
    }
    sn_bytes_fini(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_absent, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_not_ours, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_corrupt, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_corrupt_for_two, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_locked, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_disk_full, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_read_only, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_hostile_values, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_hostile_schema, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_damaged_anywhere, rig_enter, rig_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
