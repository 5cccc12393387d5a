#include "stats/compare_rounds.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

static void test_figures(void **state)
{
    (void)state;
    uint64_t v[100];
    double f[SN_COMPARE_FIGURES];
    for (uint64_t i = 0; i < 100; i++)
        v[i] = 100 - i;
    sn_compare_figures(v, 100, f);
    assert_true(f[SN_COMPARE_P50] == 50 && f[SN_COMPARE_P90] == 90 && f[SN_COMPARE_P99] == 99);
    assert_true(f[SN_COMPARE_MEAN] == 50.5);
    v[0] = 0;
    sn_compare_figures(v, 1, f);
    assert_true(f[SN_COMPARE_P50] == 1 && f[SN_COMPARE_MEAN] == 1);
    assert_string_equal(sn_compare_figure_name(SN_COMPARE_P99), "p99");
    assert_string_equal(sn_compare_figure_name(SN_COMPARE_FIGURES), "?");
}

/* n rounds of systems whose runs vary by 1 %, B slower by a factor. */
static void fill(sn_compare_rounds *r, size_t n, double factor)
{
    uint64_t seed = 5;
    r->n = 0;
    while (r->n < n) {
        double a[SN_COMPARE_FIGURES], b[SN_COMPARE_FIGURES];
        for (int f = 0; f < SN_COMPARE_FIGURES; f++) {
            a[f] = 1e6 * (f + 1) * (1 + 0.02 * (series_unit(&seed) - 0.5));
            b[f] = factor * 1e6 * (f + 1) * (1 + 0.02 * (series_unit(&seed) - 0.5));
        }
        sn_compare_rounds_add(r, a, b);
    }
}

static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        double factor;
        sn_compare_verdict verdict;
    } cases[] = {{1, SN_COMPARE_SAME}, {1.2, SN_COMPARE_SLOWER}, {0.8, SN_COMPARE_FASTER}};
    sn_compare_rounds *r = calloc(1, sizeof *r);
    sn_comparison c[SN_COMPARE_FIGURES];
    assert_non_null(r);
    for (size_t i = 0; i < 3; i++) {
        fill(r, 12, cases[i].factor);
        assert_int_equal(sn_compare_rounds_judge(r, 0.95, 0.03, c), SETSUNA_OK);
        for (int f = 0; f < SN_COMPARE_FIGURES; f++) {
            assert_int_equal(c[f].verdict, cases[i].verdict);
            assert_true(c[f].confidence == 0.95 && fabs(c[f].change - (cases[i].factor - 1)) < 0.02);
        }
        double level = sn_compare_rounds_level(r, SN_COMPARE_P90, 1) / sn_compare_rounds_level(r, SN_COMPARE_P90, 0);
        assert_true(fabs(level - 1 - c[SN_COMPARE_P90].change) < 1e-12);
        assert_true(sn_compare_rounds_enough(c, 0.05));
        assert_false(sn_compare_rounds_enough(c, 0.0001));
    }
    fill(r, 5, 1.2); /* a clear difference, from too few */
    assert_int_equal(sn_compare_rounds_judge(r, 0.95, 0.03, c), SETSUNA_OK);
    assert_int_equal(c[0].verdict, SN_COMPARE_CANNOT_TELL);
    assert_true(c[0].longer > 1);
    fill(r, 0, 1);
    assert_int_equal(sn_compare_rounds_judge(r, 0.95, 0.03, c), SETSUNA_OK);
    assert_false(sn_compare_rounds_enough(c, 0.5));
    assert_true(sn_compare_rounds_level(r, SN_COMPARE_P50, 0) == 0);
    assert_int_equal(sn_compare_rounds_judge(r, 1.5, 0.03, c), SETSUNA_EINVAL);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_figures), cmocka_unit_test(test_verdicts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
