#include "ledger/ledger.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* What must hold in every closed ledger: the books balance to the nanosecond. */
static void assert_balanced(const sn_ledger *l)
{
    assert_false(l->open);
    assert_true((int64_t)l->wall_ns == (int64_t)sn_ledger_explained_ns(l) + l->unexplained_ns);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const names[] = {"acquire", "preprocess", "featurize",   "prepare", "transfer",
                                        "load",    "execute",    "postprocess", "overhead"};
    assert_int_equal(SN_STAGES, 9);
    for (int i = 0; i < SN_STAGES; i++) {
        assert_string_equal(sn_stage_name((sn_stage)i), names[i]);
        assert_true(strlen(sn_stage_covers((sn_stage)i)) > 3);
    }
    assert_string_equal(sn_stage_name(SN_STAGES), "?");
    assert_string_equal(sn_wait_name(SN_WAIT_RUNQUEUE), "run-queue wait");
    assert_string_equal(sn_wait_name((sn_wait)-1), "?");
    assert_true(sn_wait_in_overhead(SN_WAIT_QUEUE));
    assert_false(sn_wait_in_overhead(SN_WAIT_STEAL));
}

/* The picture in the header. */
static void test_nested_stages_are_exclusive(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin_at(&l, 7, 1000);
    sn_ledger_enter_at(&l, SN_STAGE_PREPARE, 1003);
    sn_ledger_enter_at(&l, SN_STAGE_EXECUTE, 1010);
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, 1110);
    sn_ledger_leave_at(&l, SN_STAGE_PREPARE, 1121);
    sn_ledger_close_at(&l, 1126);
    assert_balanced(&l);
    assert_int_equal(l.id, 7);
    assert_int_equal(l.wall_ns, 126);
    assert_int_equal(l.stage_ns[SN_STAGE_PREPARE], 7 + 11);
    assert_int_equal(l.stage_ns[SN_STAGE_EXECUTE], 100);
    assert_true(l.unexplained_ns == 3 + 5);
    assert_int_equal(l.n_enters[SN_STAGE_EXECUTE], 1);
    assert_int_equal(l.n_enters[SN_STAGE_LOAD], 0);
    assert_int_equal(l.n_flaws, 0);
}

static void test_covered_whole_closes_to_zero(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin_at(&l, 0, 50);
    sn_ledger_enter_at(&l, SN_STAGE_ACQUIRE, 50);
    sn_ledger_switch_at(&l, SN_STAGE_PREPROCESS, 61);
    sn_ledger_switch_at(&l, SN_STAGE_EXECUTE, 75);
    sn_ledger_switch_at(&l, SN_STAGE_PREPROCESS, 80); /* a stage may come again */
    sn_ledger_leave_at(&l, SN_STAGE_PREPROCESS, 81);
    sn_ledger_close_at(&l, 81);
    assert_balanced(&l);
    assert_true(l.unexplained_ns == 0);
    assert_int_equal(l.stage_ns[SN_STAGE_ACQUIRE], 11);
    assert_int_equal(l.stage_ns[SN_STAGE_PREPROCESS], 15);
    assert_int_equal(l.stage_ns[SN_STAGE_EXECUTE], 5);
    assert_int_equal(l.n_enters[SN_STAGE_PREPROCESS], 2);
    assert_int_equal(l.n_flaws, 0);
}

/* Random walks over every call: against a model that gives each tick to the innermost stage. */
static void test_random_walks_balance(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t rng = seed, now = series_random(&rng) % 1000, start = now, want[SN_STAGES + 1] = {0};
        uint32_t stack[SN_LEDGER_DEPTH + 1] = {SN_STAGES}, depth = 0;
        sn_ledger l;
        sn_ledger_begin_at(&l, seed, now);
        for (int step = 0; step < 400; step++) {
            uint64_t passed = series_random(&rng) % 1000;
            now += passed;
            want[stack[depth]] += passed;
            sn_stage stage = (sn_stage)(series_random(&rng) % SN_STAGES);
            switch (series_random(&rng) % 4) {
            case 0:
                if (depth < SN_LEDGER_DEPTH) {
                    sn_ledger_enter_at(&l, stage, now);
                    stack[++depth] = stage;
                } else {
                    sn_ledger_add_at(&l, stage, 0, now);
                }
                break;
            case 1:
                if (depth > 0)
                    sn_ledger_leave_at(&l, (sn_stage)stack[depth--], now);
                else
                    sn_ledger_wait_at(&l, SN_WAIT_QUEUE, 0, now);
                break;
            case 2:
                if (depth > 0) {
                    sn_ledger_switch_at(&l, stage, now);
                    stack[depth] = stage;
                } else {
                    sn_ledger_enter_at(&l, stage, now);
                    stack[++depth] = stage;
                }
                break;
            default: { /* no more than what has just passed: that much the visit surely has */
                uint64_t part = passed ? series_random(&rng) % (passed + 1) : 0;
                sn_ledger_add_at(&l, stage, part, now);
                want[stack[depth]] -= part;
                want[stage] += part;
            }
            }
        }
        while (depth > 0)
            sn_ledger_leave_at(&l, (sn_stage)stack[depth--], now);
        sn_ledger_close_at(&l, now);
        assert_balanced(&l);
        assert_int_equal(l.n_flaws, 0);
        assert_int_equal(l.wall_ns, now - start);
        for (int i = 0; i < SN_STAGES; i++)
            assert_int_equal(l.stage_ns[i], want[i]);
        assert_true(l.unexplained_ns == (int64_t)want[SN_STAGES]);
    }
}

static void test_add_comes_out_of_the_enclosing_visit(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin_at(&l, 0, 0);
    sn_ledger_enter_at(&l, SN_STAGE_OVERHEAD, 0);
    sn_ledger_add_at(&l, SN_STAGE_EXECUTE, 90, 100); /* an engine says: 90 of the 100 that passed */
    sn_ledger_add_at(&l, SN_STAGE_OVERHEAD, 5, 100); /* to itself: no change */
    sn_ledger_leave_at(&l, SN_STAGE_OVERHEAD, 110);
    sn_ledger_add_at(&l, SN_STAGE_TRANSFER, 15, 130); /* outside every stage */
    sn_ledger_close_at(&l, 130);
    assert_balanced(&l);
    assert_int_equal(l.stage_ns[SN_STAGE_EXECUTE], 90);
    assert_int_equal(l.stage_ns[SN_STAGE_OVERHEAD], 20);
    assert_int_equal(l.stage_ns[SN_STAGE_TRANSFER], 15);
    assert_true(l.unexplained_ns == 5);
    assert_int_equal(l.n_flaws, 0);
}

/* An earlier visit of the same stage does not pay, and the excess is shown, not hidden. */
static void test_added_too_much_is_negative(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin_at(&l, 0, 0);
    sn_ledger_enter_at(&l, SN_STAGE_OVERHEAD, 0);
    sn_ledger_leave_at(&l, SN_STAGE_OVERHEAD, 1000);
    sn_ledger_enter_at(&l, SN_STAGE_OVERHEAD, 1000);
    sn_ledger_add_at(&l, SN_STAGE_EXECUTE, 50, 1010);
    sn_ledger_leave_at(&l, SN_STAGE_OVERHEAD, 1010);
    sn_ledger_close_at(&l, 1010);
    assert_balanced(&l);
    assert_int_equal(l.stage_ns[SN_STAGE_OVERHEAD], 1000);
    assert_int_equal(l.stage_ns[SN_STAGE_EXECUTE], 50);
    assert_true(l.unexplained_ns == -40);
}

static void test_waits(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin_at(&l, 0, 1000); /* scheduled at 1000, taken up at 1400 */
    sn_ledger_wait_at(&l, SN_WAIT_QUEUE, 300, 1400);
    sn_ledger_wait_at(&l, SN_WAIT_BATCH, 100, 1400);
    sn_ledger_enter_at(&l, SN_STAGE_EXECUTE, 1400);
    sn_ledger_wait_at(&l, SN_WAIT_RUNQUEUE, 70, 1500); /* inside execute, whose time it stays */
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, 1500);
    sn_ledger_close_at(&l, 1500);
    assert_balanced(&l);
    assert_int_equal(l.wall_ns, 500);
    assert_int_equal(l.stage_ns[SN_STAGE_OVERHEAD], 400);
    assert_int_equal(l.stage_ns[SN_STAGE_EXECUTE], 100);
    assert_true(l.unexplained_ns == 0);
    assert_int_equal(l.wait_ns[SN_WAIT_QUEUE], 300);
    assert_int_equal(l.wait_ns[SN_WAIT_RUNQUEUE], 70);
    assert_int_equal(l.known, 1u << SN_WAIT_QUEUE | 1u << SN_WAIT_BATCH | 1u << SN_WAIT_RUNQUEUE);
}

static void test_misuse_is_counted_and_balances(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin_at(&l, 0, 0);
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, 10); /* not open */
    assert_int_equal(l.n_flaws, 1);
    sn_ledger_switch_at(&l, SN_STAGE_PREPARE, 20); /* nothing to end */
    assert_int_equal(l.n_flaws, 2);
    sn_ledger_enter_at(&l, SN_STAGE_EXECUTE, 30);
    sn_ledger_enter_at(&l, SN_STAGE_TRANSFER, 40);
    sn_ledger_leave_at(&l, SN_STAGE_PREPARE, 60); /* two left open inside */
    assert_int_equal(l.n_flaws, 3);
    assert_int_equal(l.depth, 0);
    sn_ledger_enter_at(&l, SN_STAGE_LOAD, 55); /* the clock went back */
    assert_int_equal(l.n_flaws, 4);
    sn_ledger_close_at(&l, 70); /* load still open */
    assert_int_equal(l.n_flaws, 5);
    assert_balanced(&l);
    assert_int_equal(l.stage_ns[SN_STAGE_PREPARE], 10);
    assert_int_equal(l.stage_ns[SN_STAGE_EXECUTE], 10);
    assert_int_equal(l.stage_ns[SN_STAGE_TRANSFER], 20);
    assert_int_equal(l.stage_ns[SN_STAGE_LOAD], 10);
    assert_true(l.unexplained_ns == 20);

    sn_ledger closed = l;
    sn_ledger_enter_at(&l, SN_STAGE_LOAD, 100);
    sn_ledger_leave_at(&l, SN_STAGE_LOAD, 100);
    sn_ledger_switch_at(&l, SN_STAGE_LOAD, 100);
    sn_ledger_add_at(&l, SN_STAGE_LOAD, 5, 100);
    sn_ledger_wait_at(&l, SN_WAIT_QUEUE, 5, 100);
    sn_ledger_wait_at(&l, SN_WAIT_STEAL, 5, 100);
    sn_ledger_close_at(&l, 100);
    assert_int_equal(l.n_flaws, closed.n_flaws + 7);
    assert_memory_equal(l.stage_ns, closed.stage_ns, sizeof l.stage_ns);
    assert_int_equal(l.known, 0);
    assert_balanced(&l);
}

static void test_too_deep(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin_at(&l, 0, 0);
    uint64_t now = 0;
    for (int i = 0; i < SN_LEDGER_DEPTH; i++)
        sn_ledger_enter_at(&l, SN_STAGE_PREPARE, now++);
    assert_int_equal(l.n_flaws, 0);
    for (int i = 0; i < 3; i++)
        sn_ledger_enter_at(&l, SN_STAGE_EXECUTE, now++);
    assert_int_equal(l.n_flaws, 3);
    sn_ledger_switch_at(&l, SN_STAGE_TRANSFER, now++);
    sn_ledger_leave_at(&l, SN_STAGE_TRANSFER, now++);
    for (int i = 0; i < 2; i++)
        sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, now++);
    for (int i = 0; i < SN_LEDGER_DEPTH; i++)
        sn_ledger_leave_at(&l, SN_STAGE_PREPARE, now++);
    sn_ledger_close_at(&l, now);
    assert_int_equal(l.n_flaws, 3);
    assert_balanced(&l);
    assert_int_equal(l.stage_ns[SN_STAGE_PREPARE], l.wall_ns - 1); /* the last tick is outside */
}

static void test_null_ledger(void **state)
{
    (void)state;
    sn_ledger_enter(NULL, SN_STAGE_LOAD);
    sn_ledger_leave(NULL, SN_STAGE_LOAD);
    sn_ledger_switch(NULL, SN_STAGE_LOAD);
    sn_ledger_add(NULL, SN_STAGE_LOAD, 1);
    sn_ledger_wait(NULL, SN_WAIT_QUEUE, 1);
    sn_ledger_close(NULL);
    sn_ledger_enter_at(NULL, SN_STAGE_LOAD, 0);
    sn_ledger_wait_at(NULL, SN_WAIT_QUEUE, 1, 0);
    sn_ledger_close_at(NULL, 0);
}

/* With the real clock: real work is found in its stage, and all of it adds up. */
static void test_join_balances(void **state)
{
    (void)state;
    sn_ledger a, b;
    sn_ledger_begin_at(&a, 7, 1000);
    sn_ledger_enter_at(&a, SN_STAGE_ACQUIRE, 1003);
    sn_ledger_leave_at(&a, SN_STAGE_ACQUIRE, 1010);
    sn_ledger_wait_at(&a, SN_WAIT_RUNQUEUE, 5, 1010);
    sn_ledger_wait_at(&a, SN_WAIT_STEAL, 2, 1010);
    sn_ledger_close_at(&a, 1020);
    sn_ledger_begin_at(&b, 8, 5000);
    sn_ledger_enter_at(&b, SN_STAGE_ACQUIRE, 5000);
    sn_ledger_switch_at(&b, SN_STAGE_EXECUTE, 5001);
    sn_ledger_leave_at(&b, SN_STAGE_EXECUTE, 5040);
    sn_ledger_leave_at(&b, SN_STAGE_EXECUTE, 5041); /* a flaw */
    sn_ledger_wait_at(&b, SN_WAIT_RUNQUEUE, 4, 5041);
    sn_ledger_add_at(&b, SN_STAGE_LOAD, 100, 5041); /* more than has passed */
    sn_ledger_close_at(&b, 5050);
    sn_ledger_join(&a, &b);
    assert_balanced(&a);
    assert_int_equal(a.id, 7);
    assert_int_equal(a.wall_ns, 20 + 50);
    assert_int_equal(a.stage_ns[SN_STAGE_ACQUIRE], 7 + 1);
    assert_int_equal(a.stage_ns[SN_STAGE_EXECUTE], 39);
    assert_int_equal(a.n_enters[SN_STAGE_ACQUIRE], 2);
    assert_int_equal(a.n_flaws, 1);
    assert_int_equal(a.known, 1u << SN_WAIT_RUNQUEUE);
    assert_int_equal(a.wait_ns[SN_WAIT_RUNQUEUE], 9);
    assert_int_equal(a.wait_ns[SN_WAIT_STEAL], 0);
}

static void test_real_clock(void **state)
{
    (void)state;
    sn_ledger l;
    sn_ledger_begin(&l, 1);
    sn_ledger_enter(&l, SN_STAGE_PREPARE);
    sn_ledger_enter(&l, SN_STAGE_EXECUTE);
    uint64_t until = sn_now_ns() + 2000000;
    while (sn_now_ns() < until)
        ;
    sn_ledger_leave(&l, SN_STAGE_EXECUTE);
    sn_ledger_leave(&l, SN_STAGE_PREPARE);
    sn_ledger_close(&l);
    assert_balanced(&l);
    assert_true(l.stage_ns[SN_STAGE_EXECUTE] >= 2000000);
    assert_true(l.unexplained_ns >= 0);
    assert_int_equal(l.n_flaws, 0);
}

/* Runs the whole path of a request, or the clock alone, where any system call but exit kills the process.
 * Returns whether it lived. */
static bool lives_without_system_calls(bool clock_only)
{
    pid_t child = fork();
    if (child == 0) {
        sn_ledger l;
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
            _exit(1);
        for (int i = 0; i < 100; i++) {
            if (clock_only) {
                sn_now_ns();
                continue;
            }
            sn_ledger_begin(&l, 0);
            sn_ledger_wait(&l, SN_WAIT_QUEUE, 1);
            sn_ledger_enter(&l, SN_STAGE_PREPARE);
            sn_ledger_switch(&l, SN_STAGE_EXECUTE);
            sn_ledger_add(&l, SN_STAGE_TRANSFER, 1);
            sn_ledger_leave(&l, SN_STAGE_EXECUTE);
            sn_ledger_close(&l);
        }
        syscall(SYS_exit, 0); /* exit_group, which _exit uses, is not allowed */
    }
    int status = 0;
    assert_true(child > 0 && waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_no_system_calls(void **state)
{
    (void)state;
    if (!lives_without_system_calls(true))
        skip(); /* no seccomp, or a clock source that the vDSO cannot read */
    assert_true(lives_without_system_calls(false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_nested_stages_are_exclusive),
        cmocka_unit_test(test_covered_whole_closes_to_zero),
        cmocka_unit_test(test_random_walks_balance),
        cmocka_unit_test(test_add_comes_out_of_the_enclosing_visit),
        cmocka_unit_test(test_added_too_much_is_negative),
        cmocka_unit_test(test_waits),
        cmocka_unit_test(test_misuse_is_counted_and_balances),
        cmocka_unit_test(test_too_deep),
        cmocka_unit_test(test_null_ledger),
        cmocka_unit_test(test_join_balances),
        cmocka_unit_test(test_real_clock),
        cmocka_unit_test(test_no_system_calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
