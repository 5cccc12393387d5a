#include "causes/account.h"
#include "unit/unit.h"
#include <string.h>

static sn_os_reading reading(uint64_t wall, uint64_t cpu, uint64_t runqueue, uint64_t blocked, uint64_t forced)
{
    return (sn_os_reading){.wall_ns = wall,
                           .cpu_ns = cpu,
                           .runqueue_ns = runqueue,
                           .n_minor_faults = 3 * blocked,
                           .n_switches_blocked = blocked,
                           .n_switches_forced = forced,
                           .has_cpu = true,
                           .has_runqueue = true,
                           .has_counts = true};
}

static const sn_cause_evidence nothing;

/* A request from 1,000 to 1,000,000 between readings at 0 and 1,001,000: 2,000 ns of it are the measurement's. */
static sn_cause_request account(sn_os_reading after, const sn_cause_evidence *e)
{
    sn_cause_request r = {.due_ns = 1000, .free_ns = 1000, .begin_ns = 1000, .end_ns = 1000000};
    const sn_os_reading before = reading(0, 5000, 70, 4, 9);
    sn_cause_account(&before, &after, e, &r);
    uint64_t off = r.runqueue_ns + r.throttled_ns + r.steal_ns + r.stopped_ns + r.blocked_ns;
    assert_true(off == 0 || r.cpu_ns + off <= 999000);
    return r;
}

static void test_quiet(void **state)
{
    (void)state;
    sn_cause_request r = account(reading(1001000, 5000 + 1000500, 70, 4, 9), &nothing); /* the clocks differ by 500 */
    assert_int_equal(r.cpu_ns, 998500);
    assert_int_equal(r.runqueue_ns + r.steal_ns + r.blocked_ns, 0);
    assert_int_equal(r.known, SN_CAUSE_KNOWN_CPU | SN_CAUSE_KNOWN_COUNTS | SN_CAUSE_KNOWN_BLOCKED);
    r = account(reading(1001000, 5000 + 1003000, 70, 4, 9), &nothing); /* more CPU time than wall time */
    assert_int_equal(r.cpu_ns, 1001000);
    assert_int_equal(r.steal_ns, 0);
}

/* Without a recorder: what the thread did not choose, and was no other task, is steal; if it blocked, nobody can tell.
 */
static void test_readings_only(void **state)
{
    (void)state;
    sn_cause_request r = account(reading(1001000, 5000 + 601000, 70 + 300000, 4, 11), &nothing);
    assert_int_equal(r.cpu_ns, 599000);
    assert_int_equal(r.runqueue_ns, 300000);
    assert_int_equal(r.steal_ns, 100000);
    assert_int_equal(r.blocked_ns, 0);
    assert_int_equal(r.n_switches, 2);

    r = account(reading(1001000, 5000 + 601000, 70 + 300000, 5, 9), &nothing);
    assert_int_equal(r.blocked_ns, 100000);
    assert_int_equal(r.steal_ns, 0);
    assert_int_equal(r.n_minor_faults, 3);
    assert_int_equal(r.known & SN_CAUSE_KNOWN_BLOCKED, 0);
}

static void test_recorded_switches(void **state)
{
    (void)state;
    sn_cause_evidence e = {.has_switches = true, .has_who = true};
    e.story = (sn_story){.pushed_ns = 100000, .left_ns = 250000, .idle_ns = 40000};
    /* 400,000 off the CPU, 350,000 of them switched off, 180,000 of those waiting for a CPU */
    sn_cause_request r = account(reading(1001000, 5000 + 601000, 70 + 180000, 5, 10), &e);
    assert_int_equal(r.runqueue_ns, 140000);
    assert_int_equal(r.throttled_ns, 40000);
    assert_int_equal(r.blocked_ns, 170000);
    assert_int_equal(r.steal_ns, 50000);
    assert_true(r.known & SN_CAUSE_KNOWN_BLOCKED);
    e.stopped = true;
    r = account(reading(1001000, 5000 + 601000, 70 + 180000, 5, 10), &e);
    assert_int_equal(r.stopped_ns, 170000);
    assert_int_equal(r.blocked_ns, 0);

    /* The kernel keeps no run-queue statistics: being pushed is waiting for a CPU. */
    sn_os_reading after = reading(1001000, 5000 + 601000, 0, 5, 10);
    after.has_runqueue = false;
    e.stopped = false;
    r = account(after, &e);
    assert_int_equal(r.runqueue_ns + r.throttled_ns, 100000);
    assert_int_equal(r.blocked_ns, 250000);
}

/* The thread was pushed from the CPU while the reading was taken: not in the request. */
static void test_disturbed_readings(void **state)
{
    (void)state;
    sn_cause_evidence e = {.has_switches = true, .has_who = true, .outside_ns = 5000000};
    e.story.pushed_ns = 300000;
    sn_cause_request r = account(reading(6001000, 5000 + 701000, 70 + 5300000, 4, 11), &e);
    assert_int_equal(r.runqueue_ns, 300000);
    assert_int_equal(r.cpu_ns, 699000);
    assert_int_equal(r.steal_ns + r.blocked_ns, 0);
    /* Not recorded: what there was room for outside was outside. */
    r = account(reading(6001000, 5000 + 701000, 70 + 5300000, 4, 11), &nothing);
    assert_int_equal(r.runqueue_ns + r.steal_ns, 299000 - 1000);
}

static void test_interrupts_are_in_the_cpu_time(void **state)
{
    (void)state;
    sn_cause_evidence e = {.has_switches = true, .has_interrupts = true, .story = {.interrupt_ns = 7000}};
    sn_cause_request r = account(reading(1001000, 5000 + 1001000, 70, 4, 9), &e);
    assert_int_equal(r.cpu_ns, 999000);
    assert_int_equal(r.interrupt_ns, 7000);
    assert_true(r.known & SN_CAUSE_KNOWN_INTERRUPT);
}

/* What is not known is not claimed; numbers that contradict each other claim no more time than there was. */
static void test_unknown_and_absurd(void **state)
{
    (void)state;
    sn_os_reading after = reading(1001000, 0, 0, 0, 0);
    after.has_cpu = after.has_counts = after.has_runqueue = false;
    sn_cause_request r = account(after, &nothing);
    assert_int_equal(r.known, 0);
    assert_int_equal(r.cpu_ns, 0);

    sn_cause_evidence e = {.has_switches = true, .has_who = true, .story = {.pushed_ns = UINT64_MAX / 2, .idle_ns = 1}};
    r = account(reading(1001000, 5000, UINT64_MAX / 4, 9, 99), &e);
    assert_int_equal(r.runqueue_ns + r.throttled_ns + r.blocked_ns + r.steal_ns, 999000);
}

static void test_gap(void **state)
{
    (void)state;
    sn_cause_request r = {.due_ns = 0};
    const sn_os_reading last = reading(0, 0, 100, 1, 1), before = reading(50000, 1000, 30100, 2, 1);
    sn_cause_account_gap(&last, &before, &nothing, &r);
    assert_int_equal(r.gap_runqueue_ns, 30000);
    assert_int_equal(r.gap_stopped_ns, 0);
    const sn_cause_evidence stopped = {.stopped = true};
    sn_cause_account_gap(&last, &before, &stopped, &r);
    assert_int_equal(r.gap_stopped_ns, 20000);
}

static void test_ledger_columns(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin_at(&l, 0, 1000);
    sn_ledger_enter_at(&l, SN_STAGE_EXECUTE, 1000);
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, 1000000);
    sn_cause_request r = account(reading(1001000, 5000 + 601000, 70 + 300000, 4, 11), &nothing);
    r.throttled_ns = 5;
    sn_cause_enter_ledger(&r, &l);
    sn_ledger_close_at(&l, 1000000);
    assert_int_equal(l.known,
                     1u << SN_WAIT_RUNQUEUE | 1u << SN_WAIT_STEAL | 1u << SN_WAIT_BLOCKED | SN_LEDGER_KNOWN_COUNTS);
    assert_int_equal(l.wait_ns[SN_WAIT_RUNQUEUE], 300005);
    assert_int_equal(l.wait_ns[SN_WAIT_STEAL], 100000);
    assert_int_equal(l.n_switches, 2);
    assert_true(l.unexplained_ns == 0); /* columns never change the stages */
    assert_int_equal(l.n_flaws, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_readings_only),
        cmocka_unit_test(test_recorded_switches),
        cmocka_unit_test(test_disturbed_readings),
        cmocka_unit_test(test_interrupts_are_in_the_cpu_time),
        cmocka_unit_test(test_unknown_and_absurd),
        cmocka_unit_test(test_gap),
        cmocka_unit_test(test_ledger_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
