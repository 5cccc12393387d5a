/* Seals: what they cover, and which of them are believed. */
#include "engine/plan_seal.h"
#include "base/file.h"
#include "unit/unit.h"
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct rig {
    char dir[32], file[64], seal[80];
} rig;

static void rig_open(rig *r)
{
    strcpy(r->dir, "/tmp/sn-plan-seal-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->file, sizeof r->file, "%s/file", r->dir);
    snprintf(r->seal, sizeof r->seal, "%s" SN_PLAN_SEAL_SUFFIX, r->file);
    assert_int_equal(sn_file_write(r->file, "abc", 3, NULL), SETSUNA_OK);
}

static void rig_close(rig *r)
{
    unlink(r->file);
    unlink(r->seal);
    assert_int_equal(rmdir(r->dir), 0);
}

static uint64_t rig_seal(const rig *r)
{
    struct stat st;
    assert_int_equal(stat(r->file, &st), 0);
    return sn_plan_seal_of(&st);
}

static void test_a_seal_names_one_file(void **state)
{
    (void)state;
    rig r;
    rig_open(&r);
    uint64_t seal = rig_seal(&r);
    assert_true(seal != 0 && rig_seal(&r) == seal);
    assert_false(sn_plan_seal_holds(r.file, seal));
    sn_plan_seal_put(r.file, seal);
    assert_true(sn_plan_seal_holds(r.file, seal));
    assert_false(sn_plan_seal_holds(r.file, seal ^ 2));
    assert_false(sn_plan_seal_holds(r.file, 0));
    usleep(20000); /* a tick of the clock that stamps files */
    int fd = open(r.file, O_WRONLY);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    assert_true(rig_seal(&r) != seal);
    assert_int_equal(sn_file_write(r.file, "abc", 3, NULL), SETSUNA_OK); /* the same bytes, another file */
    assert_true(rig_seal(&r) != seal);
    sn_plan_seal_put(r.file, rig_seal(&r));
    assert_true(sn_plan_seal_holds(r.file, rig_seal(&r)));
    rig_close(&r);
}

static void test_a_seal_that_anybody_could_make_is_none(void **state)
{
    (void)state;
    rig r;
    char target[96];
    rig_open(&r);
    uint64_t seal = rig_seal(&r);
    sn_plan_seal_put(r.file, seal);
    assert_int_equal(chmod(r.seal, 0646), 0);
    assert_false(sn_plan_seal_holds(r.file, seal));
    assert_int_equal(chmod(r.seal, 0644), 0);
    assert_true(sn_plan_seal_holds(r.file, seal));
    snprintf(target, sizeof target, "%s/real", r.dir);
    assert_int_equal(rename(r.seal, target), 0);
    assert_int_equal(symlink(target, r.seal), 0);
    assert_false(sn_plan_seal_holds(r.file, seal));
    unlink(r.seal);
    unlink(target);
    assert_int_equal(sn_file_write(r.seal, "SNSEAL1", 8, NULL), SETSUNA_OK);
    assert_false(sn_plan_seal_holds(r.file, seal));
    unlink(r.seal);
    assert_int_equal(mkfifo(r.seal, 0600), 0);
    assert_false(sn_plan_seal_holds(r.file, seal));
    rig_close(&r);
}

static void test_young_files_are_not_settled(void **state)
{
    (void)state;
    rig r;
    struct stat st;
    rig_open(&r);
    assert_int_equal(stat(r.file, &st), 0);
    assert_false(sn_plan_seal_settled(&st));
    st.st_ctim.tv_sec -= 1 + SN_PLAN_SEAL_SETTLED_MS / 1000;
    assert_true(sn_plan_seal_settled(&st));
    st.st_ctim.tv_sec += 3600; /* the clock was turned back */
    assert_false(sn_plan_seal_settled(&st));
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_seal_names_one_file),
        cmocka_unit_test(test_a_seal_that_anybody_could_make_is_none),
        cmocka_unit_test(test_young_files_are_not_settled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
