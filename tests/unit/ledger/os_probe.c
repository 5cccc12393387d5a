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
    sn_os_probe_read(&p, NULL, &before);
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
    sn_os_probe_read(&p, NULL, &after);
    sn_os_probe_close(&p);
    assert_true(after.n_minor_faults - before.n_minor_faults >= 64);
    assert_true(after.n_switches_blocked > before.n_switches_blocked);
    assert_true(after.cpu_ns > before.cpu_ns);
    assert_true(after.wall_ns - before.wall_ns >= 2000000);
    assert_true(after.cpu_ns - before.cpu_ns <= after.wall_ns - before.wall_ns);
    assert_int_equal(before.has_runqueue, after.has_runqueue);
    assert_true(after.runqueue_ns >= before.runqueue_ns);
}

static void test_missing_facts_stay_unknown(void **state)
{
    (void)state;
    sn_os_probe none = {-1};
    sn_os_reading before, after;
    sn_os_probe_read(&none, NULL, &before);
    assert_false(before.has_runqueue);
    sn_os_probe_close(&none);

    int pipe_ends[2]; /* a file that is no schedstat */
    assert_int_equal(pipe(pipe_ends), 0);
    sn_os_probe odd = {pipe_ends[0]};
    sn_os_probe_read(&odd, NULL, &after);
    assert_false(after.has_runqueue);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
}

/* A thread that was not switched has not waited: the number of the reading before stands, unasked. */
static void test_reading_of_who_stayed(void **state)
{
    (void)state;
    sn_os_probe none = {-1};
    sn_os_reading last, next;
    for (int attempt = 0; attempt < 100; attempt++) {
        sn_os_probe_read(&none, NULL, &last);
        last.has_runqueue = true;
        last.runqueue_ns = 12345;
        sn_os_probe_read(&none, &last, &next);
        if (next.n_switches_blocked + next.n_switches_forced == last.n_switches_blocked + last.n_switches_forced)
            break;
    }
    assert_true(next.has_runqueue);
    assert_int_equal(next.runqueue_ns, 12345);
    usleep(1000);
    sn_os_probe_read(&none, &last, &next);
    assert_false(next.has_runqueue);
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
    sn_os_probe_read(&p, NULL, &before);
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
    sn_os_probe_read(&p, NULL, &before);
    spin(50000000);
    sn_os_probe_read(&p, &before, &after);
    pthread_join(other, NULL);
    assert_int_equal(sched_setaffinity(0, sizeof old, &old), 0);
    sn_os_probe_close(&p);
    assert_true(after.runqueue_ns - before.runqueue_ns > 1000000);
    assert_true(after.runqueue_ns - before.runqueue_ns < after.wall_ns - before.wall_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_missing_facts_stay_unknown),
        cmocka_unit_test(test_reading_of_who_stayed),
        cmocka_unit_test(test_contention_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
