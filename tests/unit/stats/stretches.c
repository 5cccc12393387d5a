#include "stats/stretches.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <math.h>

static void test_bound(void **state)
{
    (void)state;
    double figure[SN_STRETCHES];
    sn_stretches s;
    for (int k = 0; k < SN_STRETCHES; k++)
        figure[k] = 7;
    sn_stretches_bound(figure, 0.99, &s);
    assert_true(s.known && s.least == 7 && s.most == 7 && fabs(s.lo - 7) < 1e-12 && fabs(s.hi - 7) < 1e-12);
    for (int k = 0; k < SN_STRETCHES; k++)
        figure[k] = k % 2 ? exp(1) : exp(-1); /* deviation of the logarithms: sqrt(16 / 15) */
    sn_stretches_bound(figure, 0.99, &s);
    double half = 2.9467128835 * sqrt(16.0 / 15 * 17 / 16); /* Student's t, 15 degrees, 0.995 */
    assert_true(fabs(log(s.hi) - half) < 1e-6 && fabs(log(s.lo) + half) < 1e-6);
    figure[3] = 0;
    sn_stretches_bound(figure, 0.99, &s);
    assert_true(s.known && s.lo == 0 && isinf(s.hi) && s.least == 0);
}

/* The next stretch of independent samples lies within the bounds as often as was asked for. */
static void test_coverage(void **state)
{
    (void)state;
    uint64_t seed = 11, held = 0, runs = 400;
    for (uint64_t r = 0; r < runs; r++) {
        sn_samples s;
        sn_stretches b;
        uint64_t next[1000];
        sn_samples_init(&s, NULL, 0);
        for (size_t i = 0; i < 17000; i++) {
            uint64_t v = (uint64_t)(-log(1 - series_unit(&seed)) * 1e6);
            if (i < 16000)
                assert_int_equal(sn_samples_record(&s, v), SETSUNA_OK);
            else
                next[i - 16000] = v;
        }
        sn_sort_u64(next, 1000);
        assert_int_equal(sn_stretches_quantile(&s, 0.99, 0.95, &b), SETSUNA_OK);
        double v = (double)sn_quantile_sorted(next, 1000, 0.99);
        held += b.lo <= v && v <= b.hi;
        sn_samples_fini(&s);
    }
    assert_in_range(held, runs * 92 / 100, runs * 98 / 100); /* 95 % +- 3 standard errors */
}

static void test_too_few(void **state)
{
    (void)state;
    sn_samples s;
    sn_stretches b;
    sn_samples_init(&s, NULL, 0);
    assert_int_equal(sn_stretches_quantile(&s, 0.5, 0.99, &b), SETSUNA_OK);
    assert_false(b.known);
    for (uint64_t i = 0; i < 3199; i++)
        assert_int_equal(sn_samples_record(&s, 5), SETSUNA_OK);
    assert_int_equal(sn_stretches_quantile(&s, 0.99, 0.99, &b), SETSUNA_OK);
    assert_false(b.known);
    assert_int_equal(sn_samples_record(&s, 5), SETSUNA_OK);
    assert_int_equal(sn_stretches_quantile(&s, 0.99, 0.99, &b), SETSUNA_OK);
    assert_true(b.known && b.least == 5);
    sn_samples_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bound), cmocka_unit_test(test_coverage),
                                       cmocka_unit_test(test_too_few)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
