#include "causes/attribute.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include "unit/counting.h"
#include <string.h>

/* A server of which everything is known: arrivals every `gap` with `compute` of work, a turnaround of 1 us, and
 * disturbances of the test's choice. */
enum { COMPUTE = 400000, TURN = 1000, GAP = 500000 };

typedef struct server {
    sn_cause_log log;
    uint64_t free_ns;
} server;

static server begin(void)
{
    server s = {.free_ns = 1000000};
    sn_cause_log_init(&s.log, NULL);
    return s;
}

/* The next request, due at due_ns (0: when its server is free), disturbed by d's columns. */
static void serve(server *s, uint64_t due_ns, sn_cause_request d)
{
    d.free_ns = s->free_ns;
    d.due = due_ns ? SN_CAUSE_DUE_FIXED : SN_CAUSE_DUE_AFTER;
    d.due_ns = due_ns ? due_ns : s->free_ns;
    uint64_t lag = d.begin_ns; /* given as how late it is begun */
    d.begin_ns = (d.due_ns > d.free_ns ? d.due_ns : d.free_ns) + lag;
    d.cpu_ns += COMPUTE;
    d.known |= SN_CAUSE_KNOWN_CPU | SN_CAUSE_KNOWN_COUNTS;
    d.end_ns = d.begin_ns + d.cpu_ns + d.runqueue_ns + d.throttled_ns + d.steal_ns + d.stopped_ns + d.blocked_ns;
    s->free_ns = d.end_ns + TURN;
    assert_int_equal(sn_cause_log_add(&s->log, &d), SETSUNA_OK);
}

static const sn_cause_request quiet;

static sn_cause_summary attribute(const server *s, sn_cause_model *m)
{
    sn_cause_summary out;
    assert_int_equal(sn_cause_model_make(&s->log, 1500, m), SETSUNA_OK);
    assert_int_equal(sn_cause_attribute(&s->log, m, &out), SETSUNA_OK);
    return out;
}

static int64_t sum(const int64_t by[SN_CAUSES])
{
    int64_t all = 0;
    for (int c = 0; c < SN_CAUSES; c++)
        all += by[c];
    return all;
}

static void assert_closes(const sn_cause_parts *p)
{
    assert_true((int64_t)p->wall_ns == p->queue_ns + p->compute_ns + sum(p->by_ns));
}

static void assert_all_close(const sn_cause_summary *s)
{
    uint64_t n = 0;
    for (int b = 0; b < SN_CAUSE_BANDS; b++) {
        assert_closes(&s->band[b].sum);
        n += s->band[b].n;
    }
    assert_int_equal(n, s->n);
    for (uint32_t i = 0; i < s->n_worst; i++) {
        assert_closes(&s->worst[i].parts);
        assert_true(i == 0 || s->worst[i].parts.wall_ns <= s->worst[i - 1].parts.wall_ns);
    }
}

static void assert_same(const sn_cause_quantiles *a, const sn_cause_quantiles *b)
{
    assert_memory_equal(a, b, sizeof *a);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(sn_cause_key(SN_CAUSE_RUNQUEUE), "run_queue");
    assert_string_equal(sn_cause_text(SN_CAUSE_STOPPED), "stopped by a signal");
    assert_string_equal(sn_cause_key(SN_CAUSES), "?");
    assert_string_equal(sn_cause_text((sn_cause)-1), "?");
}

/* Nothing happened: nothing is claimed, and the prediction is the measurement. */
static void test_quiet_run(void **state)
{
    (void)state;
    server s = begin();
    sn_cause_model m;
    for (uint64_t i = 0; i < 1000; i++)
        serve(&s, 2000000 + GAP * i, quiet);
    sn_cause_summary r = attribute(&s, &m);
    assert_int_equal(m.all.n, 1000);
    assert_int_equal(m.all.cpu_ns, COMPUTE);
    assert_all_close(&r);
    assert_int_equal(r.sum.queue_ns, 0);
    assert_int_equal(r.sum.compute_ns, (int64_t)1000 * COMPUTE);
    for (int c = 0; c < SN_CAUSES; c++)
        assert_int_equal(r.sum.by_ns[c], 0);
    assert_int_equal(r.n_worst, SN_CAUSE_WORST);
    assert_int_equal(sn_cause_name(&r.worst[0].parts, 1), SN_CAUSES);
    assert_same(&r.as_it_was, &r.predicted);
    sn_cause_log_fini(&s.log);
}

/* One request loses 5 ms to another task; those behind it wait, each 100 us less than the one before. */
static void test_knock_on(void **state)
{
    (void)state;
    enum { HIT = 500, LOST = 5000000 };
    server s = begin();
    sn_cause_model m;
    for (uint64_t i = 0; i < 1000; i++)
        serve(&s, 2000000 + GAP * i, i == HIT ? (sn_cause_request){.runqueue_ns = LOST} : quiet);
    sn_cause_summary r = attribute(&s, &m);
    assert_all_close(&r);
    assert_int_equal(r.worst[0].index, HIT);
    assert_int_equal(r.worst[0].behind, HIT);
    assert_int_equal(r.worst[0].parts.by_ns[SN_CAUSE_RUNQUEUE], LOST);
    assert_int_equal(r.worst[0].parts.knock_on_ns, 0);
    /* The next was due GAP - COMPUTE after the undisturbed end; the turnaround is waited for as well. */
    const int64_t slack = GAP - COMPUTE - TURN;
    for (uint32_t k = 1; k < 20; k++) {
        const sn_cause_worst *w = &r.worst[k];
        assert_int_equal(w->index, HIT + k);
        assert_int_equal(w->behind, HIT);
        assert_int_equal(w->parts.by_ns[SN_CAUSE_RUNQUEUE], LOST - (int64_t)k * slack);
        assert_int_equal(w->parts.knock_on_ns, LOST - (int64_t)k * slack);
        assert_int_equal(w->own_ns[SN_CAUSE_RUNQUEUE], 0);
        assert_int_equal(sn_cause_name(&w->parts, 1), SN_CAUSE_RUNQUEUE);
    }
    /* Run again without it, nobody waits; without anything else, nothing changes. */
    assert_same(&r.without[SN_CAUSE_RUNQUEUE], &r.predicted);
    assert_int_equal(r.predicted.max, COMPUTE);
    assert_int_equal(r.as_it_was.max, COMPUTE + LOST);
    assert_same(&r.without[SN_CAUSE_STEAL], &r.as_it_was);
    /* Subtracting instead would have left the waiting of those behind it. */
    assert_true(r.as_it_was.p99 > COMPUTE);
    sn_cause_log_fini(&s.log);
}

/* The same in a closed loop: nobody waits behind anybody. */
static void test_closed_loop(void **state)
{
    (void)state;
    server s = begin();
    sn_cause_model m;
    for (uint64_t i = 0; i < 1000; i++)
        serve(&s, 0, i % 100 == 7 ? (sn_cause_request){.steal_ns = 3000000} : quiet);
    sn_cause_summary r = attribute(&s, &m);
    assert_all_close(&r);
    assert_int_equal(r.sum.knock_on_ns, 0);
    assert_int_equal(r.sum.queue_ns, 0);
    assert_int_equal(r.sum.by_ns[SN_CAUSE_STEAL], 10 * 3000000);
    assert_int_equal(sn_cause_name(&r.worst[9].parts, 1), SN_CAUSE_STEAL);
    assert_int_equal(sn_cause_name(&r.worst[10].parts, 1), SN_CAUSES);
    assert_int_equal(r.without[SN_CAUSE_STEAL].max, COMPUTE);
    assert_int_equal(m.turnaround_ns, TURN);
    sn_cause_log_fini(&s.log);
}

/* Two that come at once: the second waits, and that was to be expected. */
static void test_predicted_queue(void **state)
{
    (void)state;
    server s = begin();
    sn_cause_model m;
    for (uint64_t i = 0; i < 500; i++) {
        serve(&s, 2000000 + 1000000 * i, quiet);
        serve(&s, 2000000 + 1000000 * i, quiet);
    }
    sn_cause_summary r = attribute(&s, &m);
    assert_all_close(&r);
    assert_int_equal(r.sum.queue_ns, (int64_t)500 * (COMPUTE + TURN));
    assert_int_equal(r.sum.knock_on_ns, 0);
    assert_int_equal(sn_cause_name(&r.worst[0].parts, 1), SN_CAUSES);
    assert_same(&r.as_it_was, &r.predicted);
    sn_cause_log_fini(&s.log);
}

/* Every kind of disturbance, one at a time: named, with its amount. */
static void test_each_cause(void **state)
{
    (void)state;
    const struct {
        sn_cause_request d;
        sn_cause want;
        int64_t ns;
    } each[] = {
        {{.runqueue_ns = 900000}, SN_CAUSE_RUNQUEUE, 900000},
        {{.throttled_ns = 900000}, SN_CAUSE_THROTTLED, 900000},
        {{.steal_ns = 900000}, SN_CAUSE_STEAL, 900000},
        {{.stopped_ns = 900000}, SN_CAUSE_STOPPED, 900000},
        {{.blocked_ns = 900000}, SN_CAUSE_BLOCKED, 900000},
        {{.blocked_ns = 900000, .n_major_faults = 1}, SN_CAUSE_FAULT, 900000},
        {{.cpu_ns = 900000, .n_minor_faults = 400}, SN_CAUSE_FAULT, 600000}, /* 400 of 1.5 us; the rest is not */
        {{.cpu_ns = 300000, .n_minor_faults = 400}, SN_CAUSE_FAULT, 300000}, /* never more than it took longer */
        {{.cpu_ns = 900000, .interrupt_ns = 900000}, SN_CAUSE_INTERRUPT, 900000},
        {{.cpu_ns = 900000}, SN_CAUSE_SLOWER, 900000},
        {{.cpu_ns = 900000, .helper_runqueue_ns = 850000}, SN_CAUSE_RUNQUEUE, 850000},     /* spun for a helper */
        {{.blocked_ns = 900000, .helper_runqueue_ns = 950000}, SN_CAUSE_RUNQUEUE, 900000}, /* parked for it */
        {{.begin_ns = 900000}, SN_CAUSE_LAG, 900000},
        {{.begin_ns = 900000, .gap_runqueue_ns = 800000}, SN_CAUSE_RUNQUEUE, 800000},
        {{.begin_ns = 900000, .gap_stopped_ns = 5000000}, SN_CAUSE_STOPPED, 900000},
    };
    for (size_t k = 0; k < sizeof each / sizeof *each; k++) {
        server s = begin();
        sn_cause_model m;
        for (uint64_t i = 0; i < 200; i++)
            serve(&s, 2000000 + 4 * GAP * i, i == 50 ? each[k].d : quiet);
        sn_cause_summary r = attribute(&s, &m);
        assert_all_close(&r);
        assert_int_equal(r.worst[0].index, 50);
        assert_int_equal(sn_cause_name(&r.worst[0].parts, 1), each[k].want);
        assert_int_equal(r.worst[0].own_ns[each[k].want], each[k].ns);
        assert_int_equal(sn_cause_name(&r.worst[1].parts, 1), SN_CAUSES);
        sn_cause_log_fini(&s.log);
    }
}

/* What every request does is no disturbance: faults and waiting that are usual are predicted. */
static void test_the_usual_is_predicted(void **state)
{
    (void)state;
    server s = begin();
    sn_cause_model m;
    const sn_cause_request usual = {.blocked_ns = 50000, .n_minor_faults = 30};
    for (uint64_t i = 0; i < 300; i++)
        serve(&s, 0, usual);
    sn_cause_summary r = attribute(&s, &m);
    assert_int_equal(r.sum.compute_ns, (int64_t)300 * (COMPUTE + 50000));
    assert_int_equal(sum(r.sum.by_ns), 0);
    sn_cause_log_fini(&s.log);
}

/* Inputs that are more work than others, and pauses that make requests slower, are kinds of their own. */
static void test_kinds(void **state)
{
    (void)state;
    server s = begin();
    sn_cause_model m;
    for (uint64_t i = 0; i < 600; i++) {
        bool paused = i % 2 == 1; /* 10 ms: as if the CPU had to wake up */
        uint64_t work = i / 2 % 3 * 100000 + (paused ? 70000 : 0);
        serve(&s, s.free_ns + (paused ? 10000000 : 100000),
              (sn_cause_request){.cpu_ns = work, .group = (uint16_t)(i / 2 % 3)});
    }
    sn_cause_summary r = attribute(&s, &m);
    assert_all_close(&r);
    assert_int_equal(sum(r.sum.by_ns), 0);
    assert_int_equal(m.n_kinds, 6);
    sn_cause_log_fini(&s.log);
}

/* Nobody was left in peace: the medians of the disturbed ones are better than nothing. */
static void test_all_disturbed(void **state)
{
    (void)state;
    server s = begin();
    sn_cause_model m;
    for (uint64_t i = 0; i < 50; i++)
        serve(&s, 0, (sn_cause_request){.runqueue_ns = 100000 + i});
    sn_cause_summary r = attribute(&s, &m);
    assert_int_equal(m.all.n, 0);
    assert_int_equal(m.all.cpu_ns, COMPUTE);
    assert_int_equal(sum(r.sum.by_ns), r.sum.by_ns[SN_CAUSE_RUNQUEUE]);
    sn_cause_log_fini(&s.log);
}

/* Random disturbances of every kind in a busy queue: the books close to the nanosecond, the queue run again without
 * taking anything away is the one that was measured, and with everything taken away nothing is left to explain. */
static void test_random_runs_close(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        uint64_t rng = seed, due = 2000000;
        server s = begin();
        for (int i = 0; i < 700; i++) {
            sn_cause_request d = {.cpu_ns = series_random(&rng) % 20000,
                                  .n_minor_faults = (uint32_t)(series_random(&rng) % 3)};
            uint64_t *const column[] = {&d.runqueue_ns, &d.throttled_ns, &d.steal_ns,        &d.stopped_ns,
                                        &d.blocked_ns,  &d.begin_ns,     &d.gap_runqueue_ns, &d.helper_runqueue_ns};
            if (series_random(&rng) % 10 == 0)
                *column[series_random(&rng) % 8] = series_random(&rng) % 3000000;
            due += series_random(&rng) % (2 * GAP);
            serve(&s, seed % 3 ? due : 0, d);
        }
        sn_cause_model m;
        sn_cause_summary r = attribute(&s, &m);
        assert_all_close(&r);
        sn_cause_quantiles same, none;
        assert_int_equal(sn_cause_without(&s.log, &m, 0, &same), SETSUNA_OK);
        assert_same(&same, &r.as_it_was);
        assert_int_equal(sn_cause_without(&s.log, &m, (1u << SN_CAUSES) - 1, &none), SETSUNA_OK);
        assert_same(&none, &r.predicted);
        int64_t queue = 0;
        for (size_t i = 0; i < s.log.n; i++)
            queue += sn_cause_log_at(&s.log, i)->free_ns > sn_cause_log_at(&s.log, i)->due_ns;
        assert_true(seed % 3 == 0 || queue > 0);
        sn_cause_log_fini(&s.log);
    }
}

/* MultiStream: the requests of a query are due together, when the last query has ended. */
static void test_due_with_the_one_before(void **state)
{
    (void)state;
    server s = begin();
    for (int i = 0; i < 400; i++) {
        sn_cause_request d = {.due = SN_CAUSE_DUE_AFTER, .free_ns = s.free_ns, .due_ns = s.free_ns};
        if (i % 4) {
            d.due = SN_CAUSE_DUE_SAME;
            d.due_ns = sn_cause_log_at(&s.log, s.log.n - 1)->due_ns;
        }
        d.begin_ns = s.free_ns;
        d.cpu_ns = COMPUTE;
        d.runqueue_ns = i == 201 ? 1000000 : 0;
        d.known = SN_CAUSE_KNOWN_CPU;
        d.end_ns = d.begin_ns + d.cpu_ns + d.runqueue_ns;
        s.free_ns = d.end_ns + TURN;
        assert_int_equal(sn_cause_log_add(&s.log, &d), SETSUNA_OK);
    }
    sn_cause_model m;
    sn_cause_summary r = attribute(&s, &m);
    assert_all_close(&r);
    assert_int_equal(r.sum.by_ns[SN_CAUSE_RUNQUEUE], 3 * 1000000); /* itself and the two behind it in its query */
    assert_int_equal(r.worst[0].index, 203);
    assert_int_equal(r.worst[0].behind, 201);
    assert_same(&r.without[SN_CAUSE_RUNQUEUE], &r.predicted);
    sn_cause_log_fini(&s.log);
}

static void test_out_of_memory_and_empty(void **state)
{
    (void)state;
    static sn_cause_model m;
    static sn_cause_summary r;
    bool done = false;
    for (int left = 0; !done; left++) {
        counting c = {.left = left};
        sn_allocator a = {&c, counting_alloc, counting_free};
        sn_cause_log log;
        sn_cause_log_init(&log, &a);
        sn_cause_request q = {.due_ns = 1, .free_ns = 1, .begin_ns = 1, .end_ns = 5};
        bool added = sn_cause_log_add(&log, &q) == SETSUNA_OK;
        assert_int_equal(log.n, added);
        setsuna_status made = sn_cause_model_make(&log, 0, &m);
        assert_true(added || made == SETSUNA_EINVAL);
        done = made == SETSUNA_OK && sn_cause_attribute(&log, &m, &r) == SETSUNA_OK;
        sn_cause_log_fini(&log);
        assert_int_equal(c.live, 0);
        assert_true(left < 20);
    }
    assert_int_equal(r.n, 1);
}

static void test_the_log_is_bounded(void **state)
{
    (void)state;
    sn_cause_log log;
    sn_cause_log_init(&log, NULL);
    log.n = SN_CAUSE_LOG_MAX;
    assert_int_equal(sn_cause_log_add(&log, &quiet), SETSUNA_OK);
    assert_int_equal(log.n, SN_CAUSE_LOG_MAX);
    assert_int_equal(log.n_left_out, 1);
    sn_cause_log_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_quiet_run),
        cmocka_unit_test(test_knock_on),
        cmocka_unit_test(test_closed_loop),
        cmocka_unit_test(test_predicted_queue),
        cmocka_unit_test(test_each_cause),
        cmocka_unit_test(test_the_usual_is_predicted),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_all_disturbed),
        cmocka_unit_test(test_random_runs_close),
        cmocka_unit_test(test_due_with_the_one_before),
        cmocka_unit_test(test_out_of_memory_and_empty),
        cmocka_unit_test(test_the_log_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
