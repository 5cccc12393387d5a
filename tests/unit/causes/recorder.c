/* The recorder on this kernel, with all permissions that the test has, with fewer, and with none. */
#include "causes/recorder.h"
#include "unit/unit.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void spin(uint64_t ns)
{
    uint64_t until = sn_now_ns() + ns;
    while (sn_now_ns() < until)
        ;
}

static void pin(cpu_set_t *old)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    assert_int_equal(sched_getaffinity(0, sizeof *old, old), 0);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, old)) {
            CPU_SET(cpu, &one);
            break;
        }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
}

static void *hog(void *arg)
{
    pthread_setname_np(pthread_self(), "test-hog");
    spin(60000000);
    return arg;
}

/* Two threads on one CPU: the one that looks was pushed, for the other one. */
static void check_contention(sn_recorder_level level)
{
    cpu_set_t old;
    pin(&old);
    sn_recorder *r;
    assert_int_equal(sn_recorder_open(level, &r), SETSUNA_OK);
    sn_recorder_level got = sn_recorder_get_level(r);
    assert_true(got <= level);
    pthread_t other;
    sn_cause_evidence e;
    assert_int_equal(pthread_create(&other, NULL, hog, NULL), 0);
    uint64_t from = sn_now_ns();
    spin(50000000);
    sn_recorder_look(r, from, sn_now_ns(), true, &e);
    assert_int_equal(e.has_switches, got != SN_RECORDER_NONE);
    assert_int_equal(e.has_who, got == SN_RECORDER_MACHINE);
    if (e.has_switches) {
        assert_true(e.story.n_pushed > 0);
        assert_true(e.story.pushed_ns > 1000000 && e.story.pushed_ns < 50000000 * UINT64_C(20));
    }
    if (e.has_who) {
        char name[SN_RECORDER_NAME];
        bool seen = false;
        for (int i = 0; i < SN_STORY_WHO && e.story.who[i].ns > 0; i++) {
            sn_recorder_task_name(r, e.story.who[i].task, name);
            seen |= strncmp(name, "test-hog", 8) == 0;
        }
        assert_true(seen);
    }
    pthread_join(other, NULL);
    assert_int_equal(sched_setaffinity(0, sizeof old, &old), 0);
    sn_recorder_close(r);
}

static void test_contention(void **state)
{
    (void)state;
    check_contention(SN_RECORDER_MACHINE);
    check_contention(SN_RECORDER_THREAD);
    check_contention(SN_RECORDER_NONE);
}

static void test_sleep_is_leaving(void **state)
{
    (void)state;
    sn_recorder *r;
    sn_cause_evidence e;
    assert_int_equal(sn_recorder_open(SN_RECORDER_THREAD, &r), SETSUNA_OK);
    uint64_t from = sn_now_ns();
    usleep(5000);
    sn_recorder_look(r, from, sn_now_ns(), true, &e);
    if (e.has_switches) {
        assert_true(e.story.n_left > 0);
        assert_true(e.story.left_ns >= 4000000);
    }
    sn_recorder_close(r);
}

/* A system call that is refused: perf events forbidden, as in many containers. In a child, since it is for life. */
static int refused(void)
{
    const struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_perf_event_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog prog = {sizeof filter / sizeof *filter, (struct sock_filter *)(uintptr_t)filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) != 0)
        return 77;
    sn_recorder *r;
    sn_cause_evidence e;
    if (sn_recorder_open(SN_RECORDER_MACHINE, &r) != SETSUNA_OK || sn_recorder_get_level(r) != SN_RECORDER_NONE)
        return 1;
    sn_recorder_find_threads(r);
    sn_recorder_look(r, 0, sn_now_ns(), true, &e);
    bool silent = !e.has_switches && !e.has_who && !e.has_interrupts && e.story.pushed_ns == 0;
    sn_recorder_close(r);
    return silent ? 0 : 2;
}

static void in_child(int (*run)(void))
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void test_forbidden(void **state)
{
    (void)state;
    in_child(refused);
}

/* An ordinary user sees its own switches at most, unless the machine is set to show more. */
static int ordinary(void)
{
    if (geteuid() != 0)
        return 77;
    if (setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
        return 77;
    sn_recorder *r;
    if (sn_recorder_open(SN_RECORDER_MACHINE, &r) != SETSUNA_OK)
        return 1;
    FILE *f = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
    int paranoid = 2;
    if (!f || fscanf(f, "%d", &paranoid) != 1)
        return 77;
    fclose(f);
    bool right = paranoid < 1 || sn_recorder_get_level(r) <= SN_RECORDER_THREAD;
    sn_recorder_close(r);
    return right ? 0 : 2;
}

static void test_ordinary_user(void **state)
{
    (void)state;
    in_child(ordinary);
}

static void test_names(void **state)
{
    (void)state;
    sn_recorder *r;
    char name[SN_RECORDER_NAME];
    assert_int_equal(sn_recorder_open(SN_RECORDER_NONE, &r), SETSUNA_OK);
    prctl(PR_SET_NAME, "a\x1b[31mb\nc");
    sn_recorder_task_name(r, (int32_t)syscall(SYS_gettid), name);
    for (const char *p = name; *p; p++)
        assert_true(*p >= 0x20 && *p < 0x7f);
    assert_true(strncmp(name, "a?[31mb?c (", 11) == 0);
    sn_recorder_task_name(r, SN_STORY_NOBODY, name);
    assert_string_equal(name, "another task");
    sn_recorder_task_name(r, INT32_MAX, name); /* nobody has this number */
    assert_string_equal(name, "(2147483647)");
    sn_recorder_interrupt_name(1, 9, name);
    assert_string_equal(name, "softirq RCU");
    sn_recorder_interrupt_name(1, 99, name);
    assert_string_equal(name, "softirq");
    sn_recorder_interrupt_name(-5, 0, name);
    assert_string_equal(name, "?");
    sn_recorder_close(r);
    sn_recorder_close(NULL);
}

static void test_fault_cost(void **state)
{
    (void)state;
    uint64_t ns = sn_recorder_fault_ns();
    assert_true(ns > 50 && ns < 1000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_contention), cmocka_unit_test(test_sleep_is_leaving),
        cmocka_unit_test(test_forbidden),  cmocka_unit_test(test_ordinary_user),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_fault_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
