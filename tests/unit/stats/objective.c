#include "stats/objective.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

#define MS 1000000u

static void test_parse(void **state)
{
    (void)state;
    sn_objective o;
    setsuna_error err = {0};
    assert_int_equal(sn_objective_parse("p99=33ms,p50=10.5ms,goodput=100/s,error=0.1%", &o, &err), SETSUNA_OK);
    assert_int_equal(o.n_terms, 4);
    assert_string_equal(o.term[0].name, "p99");
    assert_int_equal(o.term[0].kind, SN_OBJECTIVE_QUANTILE);
    assert_true(o.term[0].quantile == 0.99 && o.term[0].limit == 33e6);
    assert_true(o.term[1].quantile == 0.5 && o.term[1].limit == 10.5e6);
    assert_int_equal(o.term[2].kind, SN_OBJECTIVE_GOODPUT);
    assert_true(o.term[2].limit == 100);
    assert_int_equal(o.term[3].kind, SN_OBJECTIVE_ERROR);
    assert_true(o.term[3].limit == 0.001);
    assert_int_equal(o.limit_ns, 33 * MS);
    assert_int_equal(sn_objective_parse("attainment=99.5%,goodput=600/min,p99.99=1s", &o, &err), SETSUNA_OK);
    assert_int_equal(o.term[0].kind, SN_OBJECTIVE_ATTAINMENT);
    assert_true(fabs(o.term[0].limit - 0.995) < 1e-15 && o.term[1].limit == 10);
    assert_string_equal(o.term[2].name, "p99.99");
    assert_int_equal(sn_objective_parse("goodput=1/s", &o, &err), SETSUNA_OK);
    assert_int_equal(o.limit_ns, 0);
    assert_int_equal(sn_objective_parse("video-30fps,error=1%", &o, &err), SETSUNA_OK);
    assert_int_equal(o.n_terms, 2);
    assert_int_equal(o.limit_ns, 33300000);
#define PARSE_PRESET(name, terms, what)                                                                                \
    assert_int_equal(sn_objective_parse(name, &o, &err), SETSUNA_OK);                                                  \
    assert_true(o.n_terms == 1 && o.term[0].quantile == 0.99 && o.limit_ns > 0);
    SN_OBJECTIVE_PRESETS(PARSE_PRESET)
#undef PARSE_PRESET
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "at character 1: wants p99=TIME"},
        {"p99=33ms,", "at character 10: wants p99=TIME"},
        {"p99=33ms;p50=1ms", "at character 9: wants a comma"},
        {"p99=33", "a time such as"},
        {"p99=0ms", "from 1ns to a year"},
        {"p99=9000h", "from 1ns to a year"},
        {"p100=1ms", "at character 2: wants a quantile"},
        {"p0=1ms", "wants a quantile"},
        {"p99.99999=1ms", "wants a quantile"},
        {"p=1ms", "wants a quantile"},
        {"p99", "wants a quantile"},
        {"goodput=many", "a rate such as"},
        {"goodput=10", "/s or /min"},
        {"goodput=0/s", "a rate from"},
        {"error=0%", "above 0%"},
        {"error=100%", "above 0%"},
        {"error=0.01", "above 0%"},
        {"attainment=", "above 0%"},
        {"p99=1ms,p99=2ms", "two limits for p99"},
        {"video-30fps,p99=2ms", "two limits for p99"},
        {"video", "wants p99=TIME"},
        {"p1=1s,p2=1s,p3=1s,p4=1s,p5=1s,p6=1s,p7=1s,p8=1s,p9=1s", "more than 8 terms"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sn_objective o = {.n_terms = 77};
        setsuna_error err = {0};
        assert_int_equal(sn_objective_parse(bad[i].text, &o, &err), SETSUNA_EINVAL);
        assert_int_equal(o.n_terms, 77);
        assert_string_equal(err.where, "--slo");
        if (!strstr(err.text, bad[i].says))
            fail_msg("\"%s\" says \"%s\", not \"%s\"", bad[i].text, err.text, bad[i].says);
    }
}

/* n independent latencies, of which a share takes 50 ms and another is lost; the others around 5 ms. */
static sn_samples make(size_t n, double slow, double lost, size_t cap)
{
    sn_samples s;
    uint64_t seed = 4;
    sn_samples_init(&s, NULL, cap);
    for (size_t i = 0; i < n; i++) {
        double u = series_unit(&seed);
        uint64_t v = u < lost ? SN_OBJECTIVE_LOST : u < lost + slow ? 50 * MS : 5 * MS + series_random(&seed) % MS;
        assert_int_equal(sn_samples_record(&s, v), SETSUNA_OK);
    }
    return s;
}

static sn_objective_result judge(const char *objective, size_t n, double slow, double lost, size_t cap)
{
    sn_objective o;
    sn_objective_result r;
    sn_samples s = make(n, slow, lost, cap);
    sn_objective_run run = {.latency = &s, .rate_per_s = 100, .open = true};
    assert_int_equal(sn_objective_parse(objective, &o, NULL), SETSUNA_OK);
    assert_int_equal(sn_objective_judge(&o, &run, 0.99, &r), SETSUNA_OK);
    sn_samples_fini(&s);
    return r;
}

/* Far from the limit on either side, and nobody can tell in between or with too few. */
static void test_quantile(void **state)
{
    (void)state;
    for (size_t cap = 1000; cap <= 100000; cap *= 100) { /* by the histogram, and exact */
        sn_objective_result r = judge("p99=33ms", 10000, 0.002, 0, cap);
        assert_int_equal(r.verdict, SN_OBJECTIVE_MET);
        assert_true(r.longer == 1 && r.term[0].tested.lo > 0 && r.term[0].tested.hi < 0.01);
        assert_true(r.term[0].measured < 6.1 * MS && r.term[0].measured > 5 * MS);
        r = judge("p99=33ms", 10000, 0.03, 0, cap);
        assert_int_equal(r.verdict, SN_OBJECTIVE_MISSED);
        assert_true(r.term[0].measured >= 50 * MS && r.term[0].measured < 50.1 * MS);
        r = judge("p99=33ms", 10000, 0.0095, 0, cap);
        assert_int_equal(r.verdict, SN_OBJECTIVE_UNDECIDED);
        assert_true(r.longer > 5);
    }
    sn_objective_result r = judge("p99=33ms", 300, 0, 0, 0);
    assert_int_equal(r.verdict, SN_OBJECTIVE_UNDECIDED);
    assert_true(r.longer > 1.5 && r.longer < 12); /* 3.3 times would do */
    assert_int_equal(judge("p99=33ms", 20, 0, 0, 0).verdict, SN_OBJECTIVE_UNDECIDED);
    assert_int_equal(judge("p99=33ms", 20, 1, 0, 0).verdict, SN_OBJECTIVE_UNDECIDED); /* nor after 20 bad ones */
    assert_int_equal(judge("p99=33ms", 1000, 1, 0, 0).verdict, SN_OBJECTIVE_MISSED);
    assert_int_equal(judge("p99=50ms", 1000, 1, 0, 0).verdict, SN_OBJECTIVE_MET); /* at the limit is within it */
}

/* What was never answered counts against every term, though all that was answered was fast. */
static void test_lost_requests(void **state)
{
    (void)state;
    sn_objective_result r = judge("p99=33ms", 10000, 0, 0.03, 0);
    assert_int_equal(r.verdict, SN_OBJECTIVE_MISSED);
    assert_true(isinf(r.term[0].measured));
    assert_in_range(r.n_lost, 250, 350);
    assert_int_equal(r.n_good, r.n - r.n_lost);
    r = judge("error=1%,p50=33ms", 10000, 0, 0.03, 0);
    assert_int_equal(r.verdict, SN_OBJECTIVE_MISSED);
    assert_int_equal(r.term[1].verdict, SN_OBJECTIVE_MET);
    assert_int_equal(judge("error=1%", 10000, 0.5, 0.001, 0).verdict, SN_OBJECTIVE_MET);
    assert_int_equal(judge("error=1%", 10000, 0.5, 0.001, 500).verdict, SN_OBJECTIVE_MET);
    assert_int_equal(judge("error=0.1%", 1000, 0, 0, 0).verdict, SN_OBJECTIVE_UNDECIDED);
    assert_int_equal(judge("attainment=95%,p90=33ms", 10000, 0.02, 0.01, 0).verdict, SN_OBJECTIVE_MET);
    assert_int_equal(judge("attainment=95%,p90=33ms", 10000, 0.05, 0.02, 0).verdict, SN_OBJECTIVE_MISSED);
}

static void test_goodput(void **state)
{
    (void)state;
    assert_int_equal(judge("goodput=95/s,p90=33ms", 10000, 0.02, 0.01, 0).verdict, SN_OBJECTIVE_MET);
    sn_objective_result r = judge("goodput=98/s,p90=33ms", 10000, 0.04, 0.02, 0);
    assert_int_equal(r.verdict, SN_OBJECTIVE_MISSED);
    assert_true(fabs(r.goodput_per_s - 94) < 1);
    assert_int_equal(judge("goodput=97/s,p90=33ms", 10000, 0.02, 0.01, 0).verdict, SN_OBJECTIVE_UNDECIDED);
    /* Of a closed loop, the rate is uncertain too. */
    sn_objective o;
    sn_samples s = make(10000, 0, 0, 0);
    sn_objective_run run = {.latency = &s, .rate_per_s = 180, .limit_ns = 33 * MS};
    assert_int_equal(sn_objective_parse("goodput=178/s", &o, NULL), SETSUNA_OK);
    assert_int_equal(sn_objective_judge(&o, &run, 0.99, &r), SETSUNA_OK);
    assert_int_equal(r.verdict, SN_OBJECTIVE_MET);
    assert_true(r.term[0].tested.lo < 179.9 && r.term[0].tested.hi > 180.1);
    run.limit_ns = 0;
    assert_int_equal(sn_objective_judge(&o, &run, 0.99, &r), SETSUNA_EINVAL);
    sn_samples_fini(&s);
    assert_int_equal(sn_objective_judge(&o, &(sn_objective_run){.latency = &s, .limit_ns = 1}, 0.99, &r),
                     SETSUNA_EINVAL);
}

/* A server that is asked for more than it can do misses every limit, whatever the first requests were like. */
static void test_overload(void **state)
{
    (void)state;
    sn_objective o;
    sn_objective_result r;
    sn_samples s = make(2000, 0, 0, 0);
    sn_objective_run run = {.latency = &s, .service = &s, .open = true, .rate_per_s = 150};
    assert_int_equal(sn_objective_parse("p99=33ms", &o, NULL), SETSUNA_OK);
    assert_int_equal(sn_objective_judge(&o, &run, 0.99, &r), SETSUNA_OK);
    assert_int_equal(r.verdict, SN_OBJECTIVE_MET); /* 5.5 ms each: 182 a second */
    assert_false(r.overloaded);
    run.rate_per_s = 190;
    assert_int_equal(sn_objective_judge(&o, &run, 0.99, &r), SETSUNA_OK);
    assert_true(r.overloaded);
    assert_int_equal(r.verdict, SN_OBJECTIVE_MISSED);
    run.rate_per_s = 10, run.given_up = true;
    assert_int_equal(sn_objective_judge(&o, &run, 0.99, &r), SETSUNA_OK);
    assert_int_equal(r.verdict, SN_OBJECTIVE_MISSED);
    sn_samples_fini(&s);
}

static void test_drift_is_undecided(void **state)
{
    (void)state;
    sn_objective o;
    sn_objective_result r;
    sn_samples s;
    uint64_t seed = 9;
    sn_samples_init(&s, NULL, 0);
    for (size_t i = 0; i < 20000; i++)
        assert_int_equal(sn_samples_record(&s, 5 * MS + 3000 * i + series_random(&seed) % MS), SETSUNA_OK);
    assert_int_equal(sn_objective_parse("p99=80ms", &o, NULL), SETSUNA_OK);
    assert_int_equal(sn_objective_judge(&o, &(sn_objective_run){.latency = &s}, 0.99, &r), SETSUNA_OK);
    assert_int_equal(r.verdict, SN_OBJECTIVE_UNDECIDED); /* the last ones take 65 ms, and it rises */
    sn_samples_fini(&s);
}

static void test_looks(void **state)
{
    (void)state;
    double spent = 0;
    for (uint32_t k = 1; k < 100000; k++)
        spent += 1 - sn_objective_look(0.99, k);
    assert_true(spent <= 0.01 && spent > 0.00999);
    assert_string_equal(sn_objective_verdict_text(SN_OBJECTIVE_MISSED), "missed");
}

static void *failing_alloc(void *ctx, size_t size_bytes)
{
    int *left = ctx;
    return (*left)-- > 0 ? malloc(size_bytes) : NULL;
}

static void failing_free(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    sn_objective o;
    sn_samples s = make(2000, 0.001, 0, 0);
    const sn_allocator *own = s.allocator;
    assert_int_equal(sn_objective_parse("p99=33ms,goodput=10/s,error=1%", &o, NULL), SETSUNA_OK);
    setsuna_status status = SETSUNA_ENOMEM;
    for (int n = 0; status != SETSUNA_OK; n++) {
        int left = n;
        sn_allocator a = {&left, failing_alloc, failing_free};
        sn_objective_result r = {.n = 77};
        s.allocator = &a;
        status = sn_objective_judge(&o, &(sn_objective_run){.latency = &s, .service = &s}, 0.99, &r);
        assert_true(status == SETSUNA_OK || (status == SETSUNA_ENOMEM && r.n == 77));
        assert_true(n < 100);
    }
    s.allocator = own;
    sn_samples_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),   cmocka_unit_test(test_parse_refuses),      cmocka_unit_test(test_quantile),
        cmocka_unit_test(test_goodput), cmocka_unit_test(test_lost_requests),      cmocka_unit_test(test_overload),
        cmocka_unit_test(test_looks),   cmocka_unit_test(test_drift_is_undecided), cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
