#include "stats/rate_search.h"
#include "unit/unit.h"
#include <math.h>

/* A system that meets rates below `met`, misses those above `missed`, and is undecided in between. */
typedef struct sys {
    double met, missed;
    bool in_reach;
} sys;

static sn_rate_search search(double service_ns, sys y)
{
    sn_rate_search s;
    double rate;
    sn_rate_search_init(&s, service_ns, 0.05);
    while (sn_rate_search_next(&s, &rate)) {
        assert_true(rate > 0 && isfinite(rate));
        assert_true(s.met < rate && rate < s.missed); /* nothing is asked twice */
        sn_rate_search_tell(&s, rate,
                            rate <= y.met      ? SN_OBJECTIVE_MET
                            : rate >= y.missed ? SN_OBJECTIVE_MISSED
                                               : SN_OBJECTIVE_UNDECIDED,
                            y.in_reach);
    }
    assert_true(s.n <= SN_RATE_SEARCH_MAX);
    return s;
}

/* Wherever the boundary lies, it is found, in few rates. */
static void test_sharp(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) { /* 5 to 2,500, of a server that does 1,000 a second, or so it seemed */
        double at = 5 * pow(1.387, i);
        sn_rate_search s = search(1e6, (sys){at, at, false});
        assert_true(s.met <= at && at <= s.missed);
        assert_true(s.missed / s.met <= 1.05);
        assert_in_range(s.n, 3, 16);
    }
}

static void test_undecided_band(void **state)
{
    (void)state;
    for (int i = 0; i < 11; i++) { /* 20 to 760 */
        double at = 20 * pow(1.439, i);
        sn_rate_search s = search(1e6, (sys){at, 1.5 * at, false});
        assert_true(s.met <= at && s.missed >= 1.5 * at);
        assert_true(s.met >= at / 1.06 && s.missed <= 1.5 * at * 1.06);
        assert_in_range(s.n, 4, 24);
    }
}

static void test_nothing_meets(void **state)
{
    (void)state;
    sn_rate_search s = search(1e6, (sys){0, 0, false});
    assert_true(s.met == 0 && s.missed < 8 && s.n < 10);
    /* Undecided, though it looks good: only the upper end is looked for. */
    s = search(1e6, (sys){0, 800, true});
    assert_true(s.met == 0 && s.missed >= 800 && s.missed <= 800 * 1.06);
    assert_true(s.unknown_lo == 500);
    s = search(1e6, (sys){0, 1e300, true});
    assert_true(isinf(s.missed));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sharp), cmocka_unit_test(test_undecided_band),
                                       cmocka_unit_test(test_nothing_meets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
