#include "history/history.h"
#include "unit/history/history_rig.h"
#include <sys/stat.h>
#include <sys/wait.h>

static void check_equal(const sn_history_run *got, const sn_history_run *want)
{
    assert_int_equal(got->time_ns, want->time_ns);
    assert_string_equal(got->command, want->command);
    assert_string_equal(got->target, want->target);
    assert_string_equal(got->engine, want->engine);
    assert_int_equal(got->threads, want->threads);
    assert_string_equal(got->precision, want->precision);
    assert_int_equal(got->n, want->n);
    assert_int_equal(got->p50_ns, want->p50_ns);
    assert_int_equal(got->p99_ns, want->p99_ns);
    assert_string_equal(got->verdict, want->verdict);
    assert_string_equal(got->machine, want->machine);
    assert_int_equal(got->partial, want->partial);
    assert_int_equal(got->n_tags, want->n_tags);
    for (size_t i = 0; i < want->n_tags; i++)
        assert_string_equal(got->tags[i], want->tags[i]);
}

static void test_round_trip(void **state)
{
    (void)state;
    int64_t id = 0, found = 0;
    sn_history_run want = rig_run(7), *got = NULL;
    want.partial = true;
    want.target = "<script>\"'\\\n\xe5\x88\xb9\xe9\x82\xa3";
    want.p99_ns = UINT64_MAX; /* kept as the largest that SQLite has */
    sn_history *h = rig_open("a/b/history.db", SN_HISTORY_WRITE);
    assert_int_equal(sn_history_add(h, &want, &id, NULL), SETSUNA_OK);
    assert_int_equal(sn_history_find(h, "last", &found, NULL), SETSUNA_OK);
    assert_int_equal(found, id);
    sn_history_close(h);

    struct stat st;
    assert_int_equal(stat("a", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    h = rig_open("a/b/history.db", SN_HISTORY_READ);
    assert_int_equal(sn_history_load(h, id, &got, NULL), SETSUNA_OK);
    want.p99_ns = INT64_MAX;
    check_equal(got, &want);
    assert_string_equal(got->result, want.result);
    assert_string_equal(got->passport, want.passport);
    assert_int_equal(got->log_bytes, want.log_bytes);
    assert_memory_equal(got->log, want.log, want.log_bytes);
    sn_history_run_destroy(got);
    assert_int_equal(sn_history_load(h, id + 1, &got, NULL), SETSUNA_ENOTFOUND);
    sn_history_close(h);
}

static void test_no_log(void **state)
{
    (void)state;
    int64_t id;
    sn_history_run run = rig_run(1), *got;
    run.log = NULL;
    run.log_bytes = 0;
    run.n_tags = 0;
    sn_history *h = rig_open("history.db", SN_HISTORY_WRITE);
    assert_int_equal(sn_history_add(h, &run, &id, NULL), SETSUNA_OK);
    assert_int_equal(sn_history_load(h, id, &got, NULL), SETSUNA_OK);
    assert_null(got->log);
    assert_int_equal(got->n_tags, 0);
    sn_history_run_destroy(got);
    sn_history_close(h);
}

typedef struct seen {
    uint64_t n, stop_after;
    uint64_t of[16];
} seen;

static setsuna_status see(void *ctx, const sn_history_run *run)
{
    seen *s = ctx;
    sn_history_run want = rig_run(run->n);
    check_equal(run, &want);
    assert_string_equal(run->result, "");
    assert_null(run->log);
    s->of[s->n++] = run->n;
    return s->n == s->stop_after ? SETSUNA_ECANCELED : SETSUNA_OK;
}

static void test_list(void **state)
{
    (void)state;
    rig_add("history.db", 1, 6);
    sn_history *h = rig_open("history.db", SN_HISTORY_READ);
    seen s = {0};
    assert_int_equal(sn_history_list(h, &(sn_history_filter){0}, see, &s, NULL), SETSUNA_OK);
    assert_int_equal(s.n, 6);
    assert_int_equal(s.of[0], 6);
    assert_int_equal(s.of[5], 1);
    s = (seen){0};
    assert_int_equal(sn_history_list(h, &(sn_history_filter){.target = "odd", .limit = 2}, see, &s, NULL), SETSUNA_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.of[1], 3);
    s = (seen){0};
    assert_int_equal(sn_history_list(h, &(sn_history_filter){.since_ns = 5000}, see, &s, NULL), SETSUNA_OK);
    assert_int_equal(s.n, 2);
    s = (seen){0};
    assert_int_equal(sn_history_list(h, &(sn_history_filter){.tag = "night"}, see, &s, NULL), SETSUNA_OK);
    assert_int_equal(s.n, 0);
    s = (seen){.stop_after = 3};
    assert_int_equal(sn_history_list(h, &(sn_history_filter){.tag = "v1"}, see, &s, NULL), SETSUNA_ECANCELED);
    assert_int_equal(s.n, 3);
    sn_history_close(h);
}

static void test_names(void **state)
{
    (void)state;
    int64_t id = 0;
    rig_add("history.db", 1, 3);
    sn_history *h = rig_open("history.db", SN_HISTORY_READ);
    assert_int_equal(sn_history_find(h, "last-1", &id, NULL), SETSUNA_OK);
    assert_int_equal(id, 2);
    assert_int_equal(sn_history_find(h, "3", &id, NULL), SETSUNA_OK);
    assert_int_equal(id, 3);
    assert_int_equal(sn_history_find(h, "last-3", &id, NULL), SETSUNA_ENOTFOUND);
    assert_int_equal(sn_history_find(h, "4", &id, NULL), SETSUNA_ENOTFOUND);
    static const char *const wrong[] = {"",        "lastly", "last-",   "last-x", "-1",
                                        "1; DROP", "0x1",    "last--1", " 1",     "99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(sn_history_find(h, wrong[i], &id, NULL), SETSUNA_EINVAL);
    assert_int_equal(id, 3);
    sn_history_close(h);
}

static void test_tags(void **state)
{
    (void)state;
    char longest[SN_HISTORY_TAG_MAX + 2];
    sn_history_run *got;
    rig_add("history.db", 1, 1);
    sn_history *h = rig_open("history.db", SN_HISTORY_WRITE);
    assert_int_equal(sn_history_tag(h, 1, "a first", NULL), SETSUNA_OK);
    assert_int_equal(sn_history_tag(h, 1, "a first", NULL), SETSUNA_OK);
    assert_int_equal(sn_history_tag(h, 2, "x", NULL), SETSUNA_ENOTFOUND);
    assert_int_equal(sn_history_tag(h, 1, "", NULL), SETSUNA_EINVAL);
    memset(longest, 'x', sizeof longest);
    longest[SN_HISTORY_TAG_MAX + 1] = '\0';
    assert_int_equal(sn_history_tag(h, 1, longest, NULL), SETSUNA_EINVAL);
    longest[SN_HISTORY_TAG_MAX] = '\0';
    assert_int_equal(sn_history_tag(h, 1, longest, NULL), SETSUNA_OK);
    assert_int_equal(sn_history_load(h, 1, &got, NULL), SETSUNA_OK);
    assert_int_equal(got->n_tags, 4);
    assert_string_equal(got->tags[0], "a first");
    assert_string_equal(got->tags[3], longest);
    sn_history_run_destroy(got);
    sn_history_close(h);
}

static void test_remove_and_prune(void **state)
{
    (void)state;
    int64_t id;
    uint64_t n;
    seen s = {0};
    rig_add("history.db", 1, 8);
    sn_history *h = rig_open("history.db", SN_HISTORY_WRITE);
    assert_int_equal(sn_history_remove(h, 8, NULL), SETSUNA_OK);
    assert_int_equal(sn_history_remove(h, 8, NULL), SETSUNA_ENOTFOUND);
    sn_history_run run = rig_run(9);
    assert_int_equal(sn_history_add(h, &run, &id, NULL), SETSUNA_OK);
    assert_int_equal(id, 9); /* not 8 again */
    assert_int_equal(sn_history_prune(h, UINT64_MAX, 3000, &n, NULL), SETSUNA_OK);
    assert_int_equal(n, 2);
    assert_int_equal(sn_history_prune(h, 2, 0, &n, NULL), SETSUNA_OK);
    assert_int_equal(n, 4);
    assert_int_equal(sn_history_list(h, &(sn_history_filter){.tag = "v1"}, see, &s, NULL), SETSUNA_OK);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.of[0], 9);
    assert_int_equal(s.of[1], 7);
    sn_history_close(h);
}

/* Processes that begin a history and write to it at the same time. */
static void test_many_writers(void **state)
{
    (void)state;
    enum { WRITERS = 4, RUNS = 10 };
    pid_t pid[WRITERS];
    int code;
    for (int i = 0; i < WRITERS; i++)
        if ((pid[i] = fork()) == 0) {
            rig_add("history.db", 1, RUNS);
            _exit(0);
        }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(waitpid(pid[i], &code, 0), pid[i]);
        assert_true(WIFEXITED(code) && WEXITSTATUS(code) == 0);
    }
    int64_t id;
    sn_history *h = rig_open("history.db", SN_HISTORY_READ);
    assert_int_equal(sn_history_find(h, "last", &id, NULL), SETSUNA_OK);
    assert_int_equal(id, WRITERS * RUNS);
    sn_history_close(h);
}

static void test_too_large(void **state)
{
    (void)state;
    int64_t id;
    sn_history_run run = rig_run(1);
    char *large = malloc(SN_HISTORY_JSON_MAX + 2);
    assert_non_null(large);
    memset(large, ' ', SN_HISTORY_JSON_MAX + 1);
    large[SN_HISTORY_JSON_MAX + 1] = '\0';
    run.result = large;
    sn_history *h = rig_open("history.db", SN_HISTORY_WRITE);
    assert_int_equal(sn_history_add(h, &run, &id, NULL), SETSUNA_ELIMIT);
    sn_history_close(h);
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_no_log, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_list, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_names, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_tags, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_remove_and_prune, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_many_writers, rig_enter, rig_leave),
        cmocka_unit_test_setup_teardown(test_too_large, rig_enter, rig_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
