#include "schedule/schedule.h"
#include "base/hash.h"
#include "schedule/law.h"
#include "unit/unit.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static sn_schedule parsed(const char *text, uint64_t seed)
{
    sn_schedule s;
    setsuna_error err = {.text = ""};
    if (sn_schedule_parse(text, seed, &s, &err) != SETSUNA_OK)
        fail_msg("%s: %s", text, err.text);
    return s;
}

static uint64_t due(sn_schedule *s)
{
    sn_arrival a;
    assert_true(sn_schedule_next(s, &a));
    return a.due_ns;
}

/* Mean and coefficient of variation of n gaps. */
static void gaps(sn_schedule *s, int n, double *mean_out, double *cv_out)
{
    double sum = 0, squares = 0;
    uint64_t before = due(s);
    for (int i = 0; i < n; i++) {
        uint64_t at = due(s);
        assert_true(at >= before);
        double gap = (double)(at - before);
        sum += gap;
        squares += gap * gap;
        before = at;
    }
    *mean_out = sum / n;
    *cv_out = sqrt(squares / n - *mean_out * *mean_out) / *mean_out;
}

static void test_constant_does_not_drift(void **state)
{
    (void)state;
    sn_schedule s = parsed("constant:30/s", 1);
    for (uint64_t i = 0; i < 1000000; i++) {
        uint64_t at = due(&s), exact = i * 100000000 / 3;
        assert_true(at + 1 >= exact && at <= exact + 1);
    }
    sn_schedule_fini(&s);
}

static void test_gaps_have_their_moments(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double cv;
    } of[] = {{"poisson:200/s", 1},    {"gamma:200/s,cv=4", 4}, {"gamma:200/s,cv=0.5", 0.5}, {"gamma:200/s,cv=1", 1},
              {"server:12000/min", 1}, {"constant:200/s", 0},   {"gamma:200/s,cv=0", 0}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        sn_schedule s = parsed(of[i].text, 42);
        enum { N = 400000 };
        double mean, cv;
        gaps(&s, N, &mean, &cv);
        /* five standard errors of the mean; the cv of gamma gaps has a standard error of about (cv + cv^3) / sqrt(N) */
        assert_true(fabs(mean - 5e6) < 5 * 5e6 * of[i].cv / sqrt(N) + 1);
        assert_true(fabs(cv - of[i].cv) < 5 * (of[i].cv + pow(of[i].cv, 3)) / sqrt(N) + 1e-6);
        assert_true(sn_schedule_rate(&s) == 200);
        assert_true(sn_schedule_is_open(&s) && sn_schedule_is_steady(&s));
        sn_schedule_fini(&s);
    }
}

/* These numbers are what every machine must give. */
static void test_same_bits_everywhere(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t hash;
    } of[] = {
        {"poisson:1000/s", UINT64_C(0xae99d5f9af24df63)},
        {"gamma:1000/s,cv=3", UINT64_C(0xf4785b5b5a29cc2d)},
        {"ramp:10/s..1000/s,over=10s", UINT64_C(0x40d0042fba12c33f)},
        {"onoff:500/s,on=100ms,off=300ms,low=5/s,cv=2", UINT64_C(0x918b46a419d4aad7)},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        sn_schedule s = parsed(of[i].text, 7);
        for (int again = 0; again < 2; again++) {
            uint64_t hash = 0;
            for (int k = 0; k < 10000; k++)
                hash = sn_hash_u64(hash, due(&s));
            if (hash != of[i].hash)
                fail_msg("%s: 0x%016llx", of[i].text, (unsigned long long)hash);
            sn_schedule_rewind(&s, 7);
        }
        sn_schedule_rewind(&s, 8);
        uint64_t hash = 0;
        for (int k = 0; k < 10000; k++)
            hash = sn_hash_u64(hash, due(&s));
        assert_true(hash != of[i].hash);
        sn_schedule_fini(&s);
    }
}

static void test_law_functions(void **state)
{
    (void)state;
    sn_random r;
    sn_random_init(&r, 5);
    for (int i = 0; i < 100000; i++) {
        double x = sn_random_unit(&r);
        assert_true(x > 0 && x < 1);
        double scaled = ldexp(x, i % 200 - 100);
        assert_true(fabs(sn_law_log(scaled) - log(scaled)) <= 1e-15 * fmax(1, fabs(log(scaled))));
        double e = (x - 0.5) * 1400;
        assert_true(fabs(sn_law_exp(e) / exp(e) - 1) < 1e-12);
    }
    assert_true(sn_law_exp(-701) == 0 && sn_law_log(1) == 0);
}

/* Arrivals until `end` of a schedule that changes. */
static int count_until(sn_schedule *s, uint64_t begin, uint64_t end)
{
    int n = 0;
    sn_arrival a;
    sn_schedule_rewind(s, 3);
    while (sn_schedule_next(s, &a) && a.due_ns < end)
        n += a.due_ns >= begin;
    return n;
}

static void test_changing_rates(void **state)
{
    (void)state;
    const uint64_t second = 1000000000;
    sn_schedule s = parsed("ramp:0/s..1000/s,over=10s,cv=0", 3);
    assert_in_range(count_until(&s, 0, 10 * second), 4999, 5001);
    assert_in_range(count_until(&s, 0, 5 * second), 1249, 1251);
    assert_in_range(count_until(&s, 10 * second, 11 * second), 999, 1001);
    assert_true(!sn_schedule_is_steady(&s) && sn_schedule_rate(&s) == 0);
    sn_schedule_fini(&s);
    s = parsed("ramp:1000/s..10/s,over=10s", 3);
    assert_in_range(count_until(&s, 0, 10 * second), 5050 - 5 * 71, 5050 + 5 * 71);
    sn_schedule_fini(&s);
    s = parsed("step:100/s@10s,0/s@10s,300/s@1s,cv=0", 3);
    assert_in_range(count_until(&s, 0, 10 * second), 999, 1001);
    assert_int_equal(count_until(&s, 10 * second, 20 * second), 0);
    assert_in_range(count_until(&s, 20 * second, 30 * second), 2999, 3001);
    sn_schedule_fini(&s);
    s = parsed("onoff:200/s,on=1s,off=3s", 3);
    sn_arrival a;
    int n = 0;
    while (sn_schedule_next(&s, &a) && a.due_ns < 400 * second) {
        assert_true(a.due_ns % (4 * second) < second);
        n++;
    }
    assert_in_range(n, 20000 - 5 * 142, 20000 + 5 * 142);
    sn_schedule_fini(&s);
}

/* However rare arrivals are, each is found at once, and what never comes is said to be over. */
static void test_rare_arrivals(void **state)
{
    (void)state;
    sn_schedule s = parsed("onoff:0.000001/s,on=1ns,off=1ns", 3);
    sn_arrival a;
    int n = 0;
    while (n < 100000 && sn_schedule_next(&s, &a))
        n++;
    assert_in_range(n, 0, 10000); /* 146 years end it */
    sn_schedule_fini(&s);
}

static void test_curves_and_bursts(void **state)
{
    (void)state;
    sn_arrival a;
    sn_schedule s = parsed("idle:0,100us,1ms", 1);
    static const uint64_t gap[] = {0, 100000, 1000000};
    for (uint32_t i = 0; i < 9; i++) {
        assert_true(sn_schedule_next(&s, &a) && a.after_end);
        assert_true(a.point == i % 3 && a.due_ns == gap[i % 3]);
    }
    assert_true(!sn_schedule_is_open(&s) && s.n_points == 3);
    sn_schedule_fini(&s);
    s = parsed("burst:1,3,every=10ms", 1);
    static const uint64_t at[] = {0, 10000000, 10000000, 10000000, 20000000, 30000000};
    for (int i = 0; i < 6; i++)
        assert_true(due(&s) == at[i]);
    sn_schedule_fini(&s);
    s = parsed("offline:5", 1);
    for (int i = 0; i < 5; i++)
        assert_true(due(&s) == 0);
    assert_false(sn_schedule_next(&s, &a));
    sn_schedule_fini(&s);
}

static void test_scenarios(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        sn_scenario scenario;
        sn_schedule_kind kind;
        uint64_t at_once;
    } of[] = {{"single-stream", SN_SCENARIO_SINGLE_STREAM, SN_SCHEDULE_CLOSED, 0},
              {"multi-stream", SN_SCENARIO_MULTI_STREAM, SN_SCHEDULE_MULTI, 8},
              {"multi-stream:4", SN_SCENARIO_MULTI_STREAM, SN_SCHEDULE_MULTI, 4},
              {"server:50/s", SN_SCENARIO_SERVER, SN_SCHEDULE_RATE, 0},
              {"offline", SN_SCENARIO_OFFLINE, SN_SCHEDULE_BURST, 24576}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        sn_schedule s = parsed(of[i].text, 1);
        assert_int_equal(s.scenario, of[i].scenario);
        assert_int_equal(s.kind, of[i].kind);
        assert_int_equal(s.point[0], of[i].at_once);
        assert_non_null(sn_scenario_get(s.scenario));
        sn_schedule_fini(&s);
    }
    assert_null(sn_scenario_get(SN_SCENARIO_NONE));
}

static void test_frames(void **state)
{
    (void)state;
    sn_schedule s = parsed("frames:30/s", 1);
    assert_true(s.deadline_ns == 33333333 && s.queue == 1);
    sn_schedule_fini(&s);
    s = parsed("frames:25/s,deadline=20ms,queue=3", 1);
    assert_true(s.deadline_ns == 20000000 && s.queue == 3 && due(&s) == 0 && due(&s) == 40000000);
    sn_schedule_fini(&s);
    s = parsed("closed:8", 1);
    assert_true(s.in_flight == 8);
    sn_schedule_fini(&s);
    s = parsed("closed", 1);
    assert_true(s.in_flight == 1);
    sn_schedule_fini(&s);
}

/* Every message names the place and what would be right. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } of[] = {
        {"", "at character 1: wants one of closed"},
        {"poison:3/s", "at character 1: wants one of closed"},
        {"poisson", "at character 8: wants a colon"},
        {"poisson:", "at character 9: wants a rate"},
        {"poisson:200", "at character 12: wants /s or /min"},
        {"poisson:0/s", "at character 9: wants a rate from"},
        {"poisson:-3/s", "at character 9: wants a rate"},
        {"poisson:1e3/s", "at character 10: wants /s"},
        {"poisson:nan/s", "at character 9: wants a rate"},
        {"poisson:9999999999999999999/s", "at character 9: wants a rate"},
        {"poisson:2000000000/s", "at character 9: wants a rate from"},
        {"poisson:3/s,cv=2", "at character 12: wants nothing more"},
        {"gamma:3/s", "at character 10: wants \",cv=\""},
        {"gamma:3/s,cv=1000", "at character 14: wants a coefficient"},
        {"ramp:1/s,over=3s", "at character 9: wants \"..\""},
        {"ramp:1/s..2/s,over=0s", "at character 20: wants a time from 1ns"},
        {"ramp:1/s..2/s,over=3", "at character 21: wants a unit"},
        {"step:1/s", "at character 9: wants \"@\""},
        {"step:1/s@1s,0/s@1s", "wants a last rate above 0"},
        {"onoff:1/s,on=1s", "at character 16: wants \",off=\""},
        {"trace:", "wants a file with arrival times"},
        {"frames:30/s,queue=0", "at character 19: wants how many frames"},
        {"closed:0", "at character 8: wants how many are in flight"},
        {"closed:", "at character 8: wants how many are in flight"},
        {"closed:1.5", "at character 8: wants how many are in flight"},
        {"idle:1ms,", "at character 9: wants nothing more"},
        {"burst:4", "at character 8: wants \",every=\""},
        {"single-stream:3", "wants nothing more"},
        {"offline:", "wants how many samples"},
        {"multi-stream:99999999999", "wants how many samples"},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        sn_schedule s;
        setsuna_error err = {.text = ""};
        assert_int_equal(sn_schedule_parse(of[i].text, 1, &s, &err), SETSUNA_EINVAL);
        assert_string_equal(err.where, "--schedule");
        if (!strstr(err.text, of[i].says))
            fail_msg("%s: \"%s\" does not say \"%s\"", of[i].text, err.text, of[i].says);
    }
    char many[400] = "idle:1ms";
    for (int i = 0; i < 40; i++)
        strcat(many, ",1ms");
    sn_schedule s;
    setsuna_error err;
    assert_int_equal(sn_schedule_parse(many, 1, &s, &err), SETSUNA_EINVAL);
    assert_int_equal(sn_schedule_parse("trace:/does/not/exist", 1, &s, &err), SETSUNA_ENOTFOUND);
}

static sn_trace traced(const char *text)
{
    sn_trace t;
    setsuna_error err = {.text = ""};
    if (sn_trace_parse(sn_allocator_default(), text, strlen(text), "t", &t, &err) != SETSUNA_OK)
        fail_msg("%s", err.text);
    return t;
}

static void test_traces(void **state)
{
    (void)state;
    sn_trace t = traced("# recorded\n10.5\n\n10.5,POST /x\r\n 11.25 200\n12.1234567891\n");
    assert_int_equal(t.n, 4);
    assert_true(t.at_ns[0] == 0 && t.at_ns[1] == 0 && t.at_ns[2] == 750000000 && t.at_ns[3] == 1623456789);
    sn_trace_fini(&t);
    t = traced("timestamp,status\n1700000000.25;a\n1700000001");
    assert_true(t.n == 2 && t.at_ns[1] == 750000000);
    sn_trace_fini(&t);
}

static void test_hostile_traces(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } of[] = {
        {"", "no arrival times"},
        {"\n\n# x\n", "no arrival times"},
        {"time\n", "no arrival times"},
        {"time\ntime\n1\n", "line 2: wants a time"},
        {"-1\n", "line 1: wants a time"},
        {"1\nx\n", "line 2: wants a time"},
        {"1\n2x\n", "line 2: wants a time"},
        {"1\n1e3\n", "line 2: wants a time"},
        {"nan", "no arrival times"}, /* a heading */
        {"1\n99999999999999999999\n", "line 2: wants a time"},
        {"1\n4611686018\n", "line 2: wants a time"},
        {"2\n1\n", "line 2: this time is before"},
        {"5\n6\n5.9\n", "line 3: this time is before"},
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        sn_trace t;
        setsuna_error err = {.text = ""};
        assert_int_equal(
            sn_trace_parse(sn_allocator_default(), of[i].text, strlen(of[i].text), "arrivals.txt", &t, &err),
            SETSUNA_EINPUT);
        assert_string_equal(err.where, "arrivals.txt");
        if (!strstr(err.text, of[i].says))
            fail_msg("\"%s\" does not say \"%s\"", err.text, of[i].says);
    }
}

static void test_trace_schedule(void **state)
{
    (void)state;
    FILE *f = fopen("a,b.txt", "w");
    assert_non_null(f);
    fputs("100\n101\n103.5\n", f);
    fclose(f);
    sn_schedule s = parsed("trace:a,b.txt,speed=2", 1);
    sn_arrival a;
    assert_true(due(&s) == 0 && due(&s) == 500000000 && due(&s) == 1750000000);
    assert_false(sn_schedule_next(&s, &a));
    sn_schedule_rewind(&s, 1);
    assert_true(due(&s) == 0);
    assert_true(sn_schedule_is_open(&s) && !sn_schedule_is_steady(&s));
    sn_schedule_fini(&s);
    setsuna_error err;
    assert_int_equal(sn_schedule_parse("trace:a,b.txt,speed=0", 1, &s, &err), SETSUNA_EINVAL);
    remove("a,b.txt");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_does_not_drift),
        cmocka_unit_test(test_gaps_have_their_moments),
        cmocka_unit_test(test_same_bits_everywhere),
        cmocka_unit_test(test_law_functions),
        cmocka_unit_test(test_changing_rates),
        cmocka_unit_test(test_rare_arrivals),
        cmocka_unit_test(test_curves_and_bursts),
        cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_traces),
        cmocka_unit_test(test_hostile_traces),
        cmocka_unit_test(test_trace_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
