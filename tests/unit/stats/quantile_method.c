#include "stats/quantile_method.h"
#include "stats/histogram.h"
#include "unit/unit.h"
#include <math.h>

static void check_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.17g, not %.17g", got, want);
}

static void fill(uint64_t *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        v[i] = i + 1;
}

/* Of 1..100 every tool has an opinion on p99. */
static void test_p99_of_a_hundred(void **state)
{
    (void)state;
    uint64_t v[100];
    fill(v, 100);
    static const double want[SN_QUANTILE_METHODS] = {99, 100, 99.01, 99, 100, 99, 99};
    for (int m = 0; m < (int)SN_QUANTILE_METHODS; m++)
        check_near(sn_quantile_as((sn_quantile_method)m, v, 100, 0.99), want[m], 1e-9);
}

static void test_ends_and_one(void **state)
{
    (void)state;
    uint64_t v[7];
    fill(v, 7);
    for (int m = 0; m < (int)SN_QUANTILE_METHODS; m++) {
        sn_quantile_method method = (sn_quantile_method)m;
        check_near(sn_quantile_as(method, v, 0, 0.5), 0, 0);
        check_near(sn_quantile_as(method, v, 1, 0.999), 1, 0);
        check_near(sn_quantile_as(method, v, 7, 1), 7, 0);
        double low = sn_quantile_as(method, v, 7, 0);
        assert_true(low >= 1 && low <= 7);
        for (double q = 0.05; q < 1; q += 0.05) { /* ascending, and never outside the samples */
            double value = sn_quantile_as(method, v, 7, q);
            assert_true(value >= low && value <= 7);
            low = value;
        }
        assert_string_not_equal(sn_quantile_method_text(method), "?");
        assert_string_not_equal(sn_quantile_method_formula(method), "?");
        assert_string_not_equal(sn_quantile_method_tools(method), "?");
    }
    assert_string_equal(sn_quantile_method_text(SN_QUANTILE_METHODS), "?");
}

/* NumPy's method linear: percentile([1, 2, 4, 8], 30) = 1.9, and of 75: 5. */
static void test_linear(void **state)
{
    (void)state;
    static const uint64_t v[] = {1, 2, 4, 8};
    check_near(sn_quantile_as(SN_QUANTILE_LINEAR, v, 4, 0.3), 1.9, 1e-12);
    check_near(sn_quantile_as(SN_QUANTILE_LINEAR, v, 4, 0.75), 5, 1e-12);
}

/* The bucket's upper edge is what our own histogram with the same layout answers, but for the exact maximum. */
static void test_hdr(void **state)
{
    (void)state;
    static sn_histogram h;
    uint64_t v[3] = {1500, 1000003, UINT64_C(77777777777)};
    sn_histogram_init(&h);
    for (int i = 0; i < 3; i++)
        sn_histogram_record(&h, v[i]);
    sn_histogram_record(&h, UINT64_C(99999999999));
    for (int i = 0; i < 3; i++)
        check_near(sn_quantile_as(SN_QUANTILE_HDR, &v[i], 1, 0.5), (double)sn_histogram_quantile(&h, (i + 1) / 4.0), 0);
    uint64_t huge = UINT64_MAX;
    check_near(sn_quantile_as(SN_QUANTILE_HDR, &huge, 1, 0.5), (double)SN_HISTOGRAM_VALUE_MAX, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_p99_of_a_hundred),
        cmocka_unit_test(test_ends_and_one),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_hdr),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
