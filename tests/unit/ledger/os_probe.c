#include "ledger/os_probe.h"
#include "unit/unit.h"
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void spin(uint64_t ns)
{
    uint64_t until = sn_now_ns() + ns;
    while (sn_now_ns() < until)
        ;
}

/* The readings are cumulative and grow with what they count. */
static void test_reading(void **state)
{
    (void)state;
    sn_os_probe p;
    sn_os_reading before, after;
    sn_os_probe_open(&p);
    sn_os_probe_read(&p, &before);
    assert_true(before.has_cpu);
    assert_true(before.has_counts);
    size_t bytes = (size_t)64 * (size_t)sysconf(_SC_PAGESIZE);
    char *fresh = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(fresh != MAP_FAILED);
    madvise(fresh, bytes, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < bytes; i += (size_t)sysconf(_SC_PAGESIZE))
        ((volatile char *)fresh)[i] = 1;
    munmap(fresh, bytes);
    spin(1000000);
    usleep(1000);
    sn_os_probe_read(&p, &after);
    sn_os_probe_close(&p);
    assert_true(after.n_minor_faults - before.n_minor_faults >= 64);
    assert_true(after.n_switches_blocked > before.n_switches_blocked);
    assert_true(after.cpu_ns > before.cpu_ns);
    assert_true(after.wall_ns - before.wall_ns >= 2000000);
    assert_true(after.cpu_ns - before.cpu_ns <= after.wall_ns - before.wall_ns);
    assert_int_equal(before.has_runqueue, after.has_runqueue);
    assert_true(after.runqueue_ns >= before.runqueue_ns);
}

static sn_os_reading reading(uint64_t wall, uint64_t cpu, uint64_t runqueue, uint64_t blocked)
{
    return (sn_os_reading){.wall_ns = wall,
                           .cpu_ns = cpu,
                           .runqueue_ns = runqueue,
                           .n_minor_faults = 3 * blocked,
                           .n_switches_blocked = blocked,
                           .n_switches_forced = 1,
                           .has_cpu = true,
                           .has_runqueue = true,
                           .has_counts = true};
}

static sn_ledger explained(sn_os_reading before, sn_os_reading after)
{
    sn_ledger l;
    sn_ledger_begin_at(&l, 0, before.wall_ns);
    sn_ledger_enter_at(&l, SN_STAGE_EXECUTE, before.wall_ns);
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, after.wall_ns);
    sn_ledger_explain(&l, &before, &after);
    sn_ledger_close_at(&l, after.wall_ns);
    assert_true(l.unexplained_ns == 0); /* columns never change the stages */
    assert_int_equal(l.n_flaws, 0);
    return l;
}

static void test_explain(void **state)
{
    (void)state;
    const uint32_t all = 1u << SN_WAIT_RUNQUEUE | 1u << SN_WAIT_STEAL | SN_LEDGER_KNOWN_COUNTS;
    sn_ledger l = explained(reading(0, 0, 100, 5), reading(1000000, 600000, 100100, 5));
    assert_int_equal(l.known, all);
    assert_int_equal(l.wait_ns[SN_WAIT_RUNQUEUE], 100000);
    assert_int_equal(l.wait_ns[SN_WAIT_STEAL], 300000);
    assert_int_equal(l.n_switches, 0);

    /* Quiet: what the clocks differ by is not steal, and nor is a remainder below zero. */
    l = explained(reading(0, 0, 0, 5), reading(1000000, 997000, 0, 5));
    assert_int_equal(l.known, all);
    assert_int_equal(l.wait_ns[SN_WAIT_STEAL], 0);
    l = explained(reading(0, 0, 0, 5), reading(1000000, 1002000, 0, 5));
    assert_int_equal(l.wait_ns[SN_WAIT_STEAL], 0);

    /* A thread that blocked: nobody knows how long, so steal stays unknown. */
    l = explained(reading(0, 0, 0, 5), reading(1000000, 600000, 50, 7));
    assert_int_equal(l.known, 1u << SN_WAIT_RUNQUEUE | SN_LEDGER_KNOWN_COUNTS);
    assert_int_equal(l.n_switches, 2);
    assert_int_equal(l.n_minor_faults, 6);
}

static void test_missing_facts_stay_unknown(void **state)
{
    (void)state;
    sn_os_probe none = {-1};
    sn_os_reading before, after;
    sn_os_probe_read(&none, &before);
    assert_false(before.has_runqueue);
    sn_os_probe_read(&none, &after);
    sn_ledger l = explained(before, after);
    assert_int_equal(l.known & (1u << SN_WAIT_RUNQUEUE | 1u << SN_WAIT_STEAL), 0);
    sn_os_probe_close(&none);

    sn_os_reading nothing = {.wall_ns = 10};
    l = explained(nothing, nothing);
    assert_int_equal(l.known, 0);
    sn_ledger_explain(NULL, &before, &after);

    int pipe_ends[2]; /* a file that is no schedstat */
    assert_int_equal(pipe(pipe_ends), 0);
    sn_os_probe odd = {pipe_ends[0]};
    sn_os_probe_read(&odd, &after);
    assert_false(after.has_runqueue);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* Two busy threads on one CPU must wait for each other, and the kernel must say so where it keeps the statistics. */
static void *hog(void *arg)
{
    (void)arg;
    spin(60000000);
    return NULL;
}

static void test_contention_is_seen(void **state)
{
    (void)state;
    sn_os_probe p;
    sn_os_probe_open(&p);
    sn_os_reading before, after;
    sn_os_probe_read(&p, &before);
    if (!before.has_runqueue) {
        sn_os_probe_close(&p);
        skip();
    }
    cpu_set_t old, one;
    CPU_ZERO(&one);
    assert_int_equal(sched_getaffinity(0, sizeof old, &old), 0);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &old)) {
            CPU_SET(cpu, &one);
            break;
        }
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    pthread_t other; /* inherits the affinity */
    assert_int_equal(pthread_create(&other, NULL, hog, NULL), 0);
    sn_ledger l;
    sn_os_probe_read(&p, &before);
    sn_ledger_begin(&l, 0);
    spin(50000000);
    sn_os_probe_read(&p, &after);
    sn_ledger_explain(&l, &before, &after);
    sn_ledger_close(&l);
    pthread_join(other, NULL);
    assert_int_equal(sched_setaffinity(0, sizeof old, &old), 0);
    sn_os_probe_close(&p);
    assert_true(l.wait_ns[SN_WAIT_RUNQUEUE] > 1000000);
    assert_true(l.wait_ns[SN_WAIT_RUNQUEUE] < l.wall_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_explain),
        cmocka_unit_test(test_missing_facts_stay_unknown),
        cmocka_unit_test(test_contention_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
