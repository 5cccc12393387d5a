#include "causes/story.h"
#include "unit/stats/series.h"
#include "unit/unit.h"

enum { ME = 100, HOG = 200, MAKE = 300, CPU = 1 };

static sn_story_event ev(uint64_t time_ns, sn_story_kind kind, int32_t task, int32_t other)
{
    return (sn_story_event){.time_ns = time_ns, .cpu = CPU, .kind = kind, .task = task, .other = other};
}

static sn_story tell(const sn_story_event *e, size_t n)
{
    sn_story s;
    sn_story_tell(e, n, ME, CPU, 1000, 10000, &s);
    return s;
}

static void test_nothing(void **state)
{
    (void)state;
    sn_story s = tell(NULL, 0);
    assert_int_equal(s.pushed_ns + s.left_ns + s.idle_ns + s.interrupt_ns, 0);
    assert_int_equal(s.woken_after, SN_STORY_NOBODY);
    assert_int_equal(s.who[0].ns, 0);
}

/* Pushed for two tasks in turn; what happened before and after is not this request's. */
static void test_pushed(void **state)
{
    (void)state;
    const sn_story_event e[] = {
        ev(500, SN_STORY_PUSHED, ME, HOG), ev(900, SN_STORY_CAME, ME, HOG),      ev(2000, SN_STORY_PUSHED, ME, HOG),
        ev(2001, SN_STORY_CAME, HOG, ME),  ev(5000, SN_STORY_PUSHED, HOG, MAKE), ev(5001, SN_STORY_CAME, MAKE, HOG),
        ev(6000, SN_STORY_LEFT, MAKE, ME), ev(6002, SN_STORY_CAME, ME, MAKE),    ev(10500, SN_STORY_PUSHED, ME, HOG),
    };
    sn_story s = tell(e, sizeof e / sizeof *e);
    assert_int_equal(s.n_pushed, 1);
    assert_int_equal(s.pushed_ns, 4002);
    assert_int_equal(s.left_ns, 0);
    assert_int_equal(s.who[0].task, HOG);
    assert_int_equal(s.who[0].ns, 3000);
    assert_int_equal(s.who[1].task, MAKE);
    assert_int_equal(s.who[1].ns, 1002); /* the switch back included */
    assert_int_equal(s.who[2].ns, 0);
    assert_int_equal(s.idle_ns, 0);
}

/* Pushed, and then nobody ran: the scheduler held it back. */
static void test_idle_meanwhile(void **state)
{
    (void)state;
    const sn_story_event e[] = {
        ev(2000, SN_STORY_PUSHED, ME, SN_STORY_IDLE),
        ev(2001, SN_STORY_CAME, SN_STORY_IDLE, ME),
        ev(7000, SN_STORY_LEFT, SN_STORY_IDLE, ME),
        ev(7001, SN_STORY_CAME, ME, SN_STORY_IDLE),
    };
    sn_story s = tell(e, sizeof e / sizeof *e);
    assert_int_equal(s.pushed_ns, 5001);
    assert_int_equal(s.idle_ns, 5001);
}

/* Left by itself, woken while another had the CPU; on the way it moved to another CPU. */
static void test_left(void **state)
{
    (void)state;
    sn_story_event e[] = {
        ev(2000, SN_STORY_LEFT, ME, SN_STORY_IDLE), ev(3000, SN_STORY_LEFT, SN_STORY_IDLE, HOG),
        ev(5000, SN_STORY_CAME, ME, MAKE),          ev(6000, SN_STORY_PUSHED, ME, HOG),
        ev(6500, SN_STORY_CAME, ME, HOG),
    };
    e[2].cpu = e[3].cpu = e[4].cpu = 7;
    sn_story s = tell(e, sizeof e / sizeof *e);
    assert_int_equal(s.n_left, 1);
    assert_int_equal(s.left_ns, 3000);
    assert_int_equal(s.woken_after, MAKE);
    assert_int_equal(s.idle_ns, 0); /* not while it waited of its own accord */
    assert_int_equal(s.n_pushed, 1);
    assert_int_equal(s.pushed_ns, 500);
    assert_int_equal(s.who[0].task, HOG);
    assert_int_equal(s.who[0].ns, 500);
}

/* A soft interrupt inside a timer's: each has its own time, and none counts twice. Those on other CPUs, and those while
 * the thread is away, are not its own. */
static void test_interrupts(void **state)
{
    (void)state;
    sn_story_event e[] = {
        ev(1100, SN_STORY_EXIT, 1, 9), /* began before */
        ev(2000, SN_STORY_ENTER, 2, 236), ev(2100, SN_STORY_ENTER, 1, 7),  ev(2400, SN_STORY_EXIT, 1, 7),
        ev(2500, SN_STORY_EXIT, 2, 236),  ev(3000, SN_STORY_ENTER, 0, 36), ev(4000, SN_STORY_EXIT, 0, 36),
        ev(5000, SN_STORY_LEFT, ME, HOG), ev(5100, SN_STORY_ENTER, 0, 36), ev(5900, SN_STORY_EXIT, 0, 36),
        ev(6000, SN_STORY_CAME, ME, HOG),
    };
    sn_story s = tell(e, sizeof e / sizeof *e);
    assert_int_equal(s.interrupt_ns, 1500);
    assert_int_equal(s.interrupt[0].task, 0);
    assert_int_equal(s.interrupt[0].other, 36);
    assert_int_equal(s.interrupt[0].ns, 1000);
    assert_int_equal(s.interrupt[1].ns, 300);
    assert_int_equal(s.interrupt[2].ns, 200);
    for (size_t i = 0; i < 7; i++)
        e[i].cpu = 3;
    s = tell(e, sizeof e / sizeof *e);
    assert_int_equal(s.interrupt_ns, 0);
}

/* Handlers nested deeper than is kept, more tasks than are kept: sums still hold, nothing is written out of bounds. */
static void test_limits(void **state)
{
    (void)state;
    sn_story_event e[512];
    size_t n = 0;
    for (int i = 0; i < 20; i++)
        e[n++] = ev(1100 + (uint64_t)i, SN_STORY_ENTER, 1, i);
    for (int i = 19; i >= 0; i--)
        e[n++] = ev(1200 - (uint64_t)i, SN_STORY_EXIT, 1, i);
    e[n++] = ev(2000, SN_STORY_PUSHED, ME, 1000);
    for (int i = 0; i < 100; i++)
        e[n++] = ev(2010 + 10 * (uint64_t)i, SN_STORY_LEFT, 1000 + i, 1001 + i);
    e[n++] = ev(4000, SN_STORY_CAME, ME, 1100);
    sn_story s = tell(e, n);
    assert_int_equal(s.pushed_ns, 2000);
    assert_int_equal(s.who[0].task, SN_STORY_NOBODY); /* all that have no room, together */
    assert_int_equal(s.who[0].ns, 2000 - 31 * 10);
    assert_true(s.interrupt_ns <= 100);
}

static void test_sort(void **state)
{
    (void)state;
    enum { N = 500 };
    sn_story_event e[N], scratch[N];
    for (uint64_t seed = 1; seed < 20; seed++) {
        uint64_t rng = seed;
        for (int i = 0; i < N; i++)
            e[i] = ev(series_random(&rng) % 200, SN_STORY_CAME, i, 0);
        sn_story_sort(e, N - seed, scratch);
        for (uint64_t i = 1; i < N - seed; i++) {
            assert_true(e[i - 1].time_ns <= e[i].time_ns);
            assert_true(e[i - 1].time_ns < e[i].time_ns || e[i - 1].task < e[i].task);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_pushed),     cmocka_unit_test(test_idle_meanwhile),
        cmocka_unit_test(test_left),    cmocka_unit_test(test_interrupts), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_sort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
