/* Rhythms, quotas and witnesses. */
#include "causes/period.h"
#include "causes/quota.h"
#include "causes/witness.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <string.h>

enum { MS = 1000000 };

static uint64_t rhythm(uint64_t period_ns, uint64_t jitter_ns, size_t n)
{
    uint64_t time[200], rng = 5, found = 0;
    double r;
    for (size_t i = 0; i < n; i++)
        time[i] = 1234567 + i * period_ns + (jitter_ns ? series_random(&rng) % jitter_ns : 0);
    return sn_period_find(time, n, &found, &r) ? found : 0;
}

static void test_rhythms(void **state)
{
    (void)state;
    assert_int_equal(rhythm(UINT64_C(1000) * MS, 20 * MS, 10), UINT64_C(1000) * MS);
    assert_int_equal(rhythm(100 * MS, 5 * MS, 30), 100 * MS);
    assert_int_equal(rhythm(300 * MS, 5 * MS, 30), 100 * MS); /* every third one */
    assert_int_equal(rhythm(4 * MS, 0, 100), 4 * MS);
    assert_int_equal(rhythm(100 * MS, 5 * MS, SN_PERIOD_STALLS_MIN - 1), 0); /* too few */
    assert_int_equal(rhythm(77 * MS + 123456, 0, 100), 0);                   /* nobody's */
    assert_int_equal(rhythm(1000, 0, 100), 0);                               /* all in one burst */
}

static void test_chance_has_no_rhythm(void **state)
{
    (void)state;
    int found = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t time[50], rng = seed, now = 0, period;
        double r;
        for (int i = 0; i < 50; i++)
            time[i] = now += series_random(&rng) % (200 * MS);
        found += sn_period_find(time, 50, &period, &r);
    }
    assert_int_equal(found, 0);
}

static void test_search(void **state)
{
    (void)state;
    sn_cause_log log;
    sn_cause_log_init(&log, NULL);
    for (uint64_t i = 0; i < 2000; i++) {
        sn_cause_request r = {.begin_ns = i * 1000000, .end_ns = i * 1000000 + 900000};
        r.steal_ns = i % 100 == 0 ? 1500000 : 0;
        r.runqueue_ns = i % 100 == 50 ? 50000 : 0; /* too short to be stalls */
        assert_int_equal(sn_cause_log_add(&log, &r), SETSUNA_OK);
    }
    sn_period p[SN_CAUSES];
    uint32_t n;
    assert_int_equal(sn_period_search(&log, p, &n), SETSUNA_OK);
    assert_int_equal(n, 1);
    assert_int_equal(p[0].cause, SN_CAUSE_STEAL);
    assert_int_equal(p[0].period_ns, 100 * MS);
    assert_int_equal(p[0].n_stalls, 20);
    assert_int_equal(p[0].median_ns, 1500000);
    sn_cause_log_fini(&log);
}

static void test_quota_numbers(void **state)
{
    (void)state;
    uint64_t n = 1, ns = 1;
    assert_true(sn_quota_parse("usage_usec 5\nnr_periods 9\nnr_throttled 3\nthrottled_usec 450\n", &n, &ns));
    assert_int_equal(n, 3);
    assert_int_equal(ns, 450000);
    assert_true(sn_quota_parse("nr_periods 0\nnr_throttled 7\nthrottled_time 123", &n, &ns));
    assert_int_equal(n, 7);
    assert_int_equal(ns, 123);
    assert_false(sn_quota_parse("", &n, &ns));
    assert_false(sn_quota_parse("nr_throttled x\nthrottled_time 1\n", &n, &ns));
    assert_false(sn_quota_parse("nr_throttled 99999999999999999999999\nthrottled_time 1\n", &n, &ns));
    assert_false(sn_quota_parse("nr_throttled 1\n", &n, &ns));
    assert_int_equal(n, 7);
}

static void test_quota_group(void **state)
{
    (void)state;
    bool v2;
    size_t len;
    const char *g = sn_quota_group("0::/user.slice/a\n1:x:/b", &v2, &len);
    assert_true(g && v2 && len == strlen("/user.slice/a") && memcmp(g, "/user.slice/a", len) == 0);
    g = sn_quota_group("4:cpu,cpuacct:/c", &v2, &len);
    assert_true(g && !v2 && len == 2);
    g = sn_quota_group("4:cpuacct,cpu:/c", &v2, &len);
    assert_true(g && !v2);
    assert_null(sn_quota_group("3:cpuset:/", &v2, &len));
    assert_null(sn_quota_group("9:name=systemd:/", &v2, &len));
    assert_null(sn_quota_group("nonsense", &v2, &len));
    assert_null(sn_quota_group("1:cpu", &v2, &len));
    assert_null(sn_quota_group("", &v2, &len));
    sn_quota q;
    sn_quota_read(&q); /* whatever there is, it does not fail */
    assert_false(q.real_time);
}

/* The most disturbed are kept, whatever their order. */
static void test_witnesses(void **state)
{
    (void)state;
    static sn_witnesses s;
    assert_false(sn_witnesses_want(&s, 0));
    for (size_t i = 0; i < 500; i++) {
        uint64_t ns = 1 + i * 7919 % 500;
        sn_witnesses_add(&s, &(sn_witness){.index = i, .disturbed_ns = ns});
    }
    assert_int_equal(s.n, SN_WITNESSES);
    for (uint32_t i = 0; i < s.n; i++)
        assert_true(s.of[i].disturbed_ns > 500 - SN_WITNESSES);
    assert_false(sn_witnesses_want(&s, 500 - SN_WITNESSES));
    assert_ptr_equal(sn_witnesses_find(&s, s.of[3].index), &s.of[3]);
    assert_null(sn_witnesses_find(&s, 0));
}

static void test_what_a_witness_says(void **state)
{
    (void)state;
    sn_recorder *rec;
    assert_int_equal(sn_recorder_open(SN_RECORDER_NONE, &rec), SETSUNA_OK);
    sn_cause_request r = {.begin_ns = 3000, .due_ns = 1000, .free_ns = 500, .end_ns = 9000};
    r.runqueue_ns = 5000;
    r.gap_runqueue_ns = 400;
    sn_cause_evidence in = {.has_who = true, .has_switches = true}, gap = {.has_who = true};
    in.story.pushed_ns = 4000;
    in.story.who[0] = (sn_story_share){.task = 1, .ns = 3000};
    in.story.who[1] = (sn_story_share){.task = SN_STORY_IDLE, .ns = 1000};
    in.story.woken_after = 1; /* waited 1,000 more for it, after having been woken */
    in.story.interrupt[0] = (sn_story_share){.task = 1, .other = 9, .ns = 70};
    gap.story.woken_after = SN_STORY_NOBODY;
    sn_witness w;
    sn_witness_take(rec, 42, &r, &in, &gap, 0, &w);
    assert_int_equal(w.index, 42);
    assert_int_equal(w.disturbed_ns, 5000 + 2000);
    assert_true(strstr(w.who[0].name, "(1)") != NULL);
    assert_int_equal(w.who[0].ns, 4000);
    assert_string_equal(w.who[1].name, "idle");
    assert_int_equal(w.who[1].ns, 1000);
    assert_int_equal(w.who[2].ns, 0);
    assert_string_equal(w.interrupt[0].name, "softirq RCU");
    assert_string_equal(w.stopped_by, "");
    sn_recorder_close(rec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rhythms),
        cmocka_unit_test(test_chance_has_no_rhythm),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_quota_numbers),
        cmocka_unit_test(test_quota_group),
        cmocka_unit_test(test_witnesses),
        cmocka_unit_test(test_what_a_witness_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
