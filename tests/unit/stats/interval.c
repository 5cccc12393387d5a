#include "stats/interval.h"
#include "stats/batches.h"
#include "stats/compare.h"
#include "stats/early_stop.h"
#include "stats/warmup.h"
#include "unit/stats/series.h"
#include "unit/unit.h"

static sn_samples samples_of(const uint64_t *v, size_t n, size_t cap)
{
    sn_samples s;
    sn_samples_init(&s, NULL, cap);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(sn_samples_record(&s, v[i]), SETSUNA_OK);
    return s;
}

/* Blocks of `block` equal values, each block a draw of its own: the inflation is `block`. */
static uint64_t *blocks_make(size_t n, size_t block, uint64_t seed)
{
    uint64_t *v = malloc(n * sizeof *v), x = 0;
    for (size_t i = 0; v && i < n; i++) {
        if (i % block == 0)
            x = 1000000 + series_random(&seed) % 1000000;
        v[i] = x;
    }
    return v;
}

static void test_inflation_is_found(void **state)
{
    (void)state;
    for (size_t block = 1; block <= 100; block *= 10) {
        uint64_t *v = blocks_make(100000, block, 7);
        sn_batches b;
        sn_longrun l;
        sn_batches_of_indicator(&b, v, 100000, 1500000, false);
        sn_batches_longrun(&b, 0.99, &l);
        double inflation = l.variance / (l.mean * (1 - l.mean));
        assert_true(inflation > 0.9 * (double)block && inflation < 4 * (double)block);
        sn_batches_of_values(&b, v, 100000);
        sn_batches_longrun(&b, 0.99, &l);
        inflation = l.variance / (1e12 / 12);
        assert_true(inflation > 0.9 * (double)block && inflation < 4 * (double)block);
        assert_true(l.lag1_z < 3);
        free(v);
    }
}

static void test_threshold_sides(void **state)
{
    (void)state;
    uint64_t v[64];
    for (size_t i = 0; i < 64; i++)
        v[i] = i % 3; /* 0 1 2 0 1 2 ... */
    sn_batches b;
    double sum[4] = {0};
    const struct {
        uint64_t threshold;
        bool or_equal;
        double want; /* of 64: 22 zeros, 21 ones, 21 twos */
    } of[] = {{0, false, 42}, {0, true, 64}, {1, true, 42}, {2, false, 0}};
    for (int k = 0; k < 4; k++) {
        sn_batches_of_indicator(&b, v, 64, of[k].threshold, of[k].or_equal);
        assert_int_equal(b.n_batches * b.n_each, 64);
        for (uint32_t i = 0; i < b.n_batches; i++)
            sum[k] += b.mean[i] * (double)b.n_each;
        assert_true(sum[k] == of[k].want);
    }
}

/* The least numbers of queries in MLPerf's table, and one of its examples. */
static void test_early_stopping(void **state)
{
    (void)state;
    static const struct {
        double percentile;
        uint64_t least;
    } of[] = {{0.5, 11}, {0.9, 64}, {0.95, 130}, {0.99, 662}, {0.999, 6636}};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(sn_early_stop_rank(of[i].least - 1, of[i].percentile), 0);
        assert_int_equal(sn_early_stop_rank(of[i].least, of[i].percentile), of[i].least); /* t = 1 */
    }
    assert_int_equal(sn_early_stop_rank(10000, 0.99), 10000 - 77 + 1);
    assert_int_equal(sn_early_stop_rank(0, 0.9), 0);
    assert_int_equal(sn_early_stop_rank(1, 0.9), 0);
}

/* The textbook case: ranks of independent samples. */
static void test_ranks(void **state)
{
    (void)state;
    double lo, hi;
    sn_interval_ranks(527, 0.99, 0.99, &lo, &hi);
    assert_true(hi == 2); /* 0.99^527 is above 0.005 */
    sn_interval_ranks(528, 0.99, 0.99, &lo, &hi);
    assert_true(hi <= 1 && hi > 0.999 && lo > 0.97 && lo < 0.99);
    sn_interval_ranks(100, 0.5, 0.95, &lo, &hi); /* Conover's table: ranks 40 and 61 */
    assert_true(ceil(hi * 100) == 60 || ceil(hi * 100) == 61);
    assert_true(floor(lo * 100) == 40 || floor(lo * 100) == 39);
    sn_interval_ranks(3, 0.5, 0.99, &lo, &hi);
    assert_true(lo == 0 && hi == 2);
}

static void test_refusal_says_how_long(void **state)
{
    (void)state;
    static const double q[] = {0.5, 0.99, 0.999};
    uint64_t *v = series_make(SERIES_NARROW, 200000, 11);
    sn_samples s = samples_of(v, 1000, 0);
    sn_interval i[3];
    assert_int_equal(sn_interval_quantiles(&s, q, 3, 0.99, i), SETSUNA_OK);
    assert_int_equal(i[0].verdict, SN_INTERVAL_CERTIFIED);
    assert_true(i[0].lo <= i[0].value && i[0].value <= i[0].hi && i[0].lo < i[0].hi && i[0].longer == 1);
    assert_int_equal(i[2].verdict, SN_INTERVAL_SHORT);
    assert_true(i[2].lo == i[2].value && i[2].hi == i[2].value && i[2].longer > 5);
    size_t enough = (size_t)(i[2].longer * 1000 * 1.2);
    sn_samples_fini(&s);
    s = samples_of(v, enough, 0);
    assert_int_equal(sn_interval_quantiles(&s, q, 3, 0.99, i), SETSUNA_OK);
    assert_int_equal(i[2].verdict, SN_INTERVAL_CERTIFIED);
    sn_samples_fini(&s);

    s = samples_of(v, 5, 0);
    assert_int_equal(sn_interval_quantiles(&s, q, 1, 0.99, i), SETSUNA_OK);
    assert_int_equal(i[0].verdict, SN_INTERVAL_SHORT);
    assert_true(i[0].n_effective == 0 && i[0].longer > 10);
    sn_samples_fini(&s);
    free(v);
}

static void test_drift_is_refused(void **state)
{
    (void)state;
    static const double q[] = {0.5, 0.9};
    uint64_t *v = series_make(SERIES_NARROW, 20000, 12);
    for (size_t k = 0; k < 20000; k++)
        v[k] += k / 100; /* by 200 over the run, twice the width of the distribution */
    sn_samples s = samples_of(v, 20000, 0);
    sn_interval i[2];
    assert_int_equal(sn_interval_quantiles(&s, q, 2, 0.99, i), SETSUNA_OK);
    for (int k = 0; k < 2; k++) {
        assert_true(i[k].verdict != SN_INTERVAL_CERTIFIED);
        assert_true(i[k].longer >= 2);
    }
    sn_samples_fini(&s);
    free(v);
}

static void test_constant_series(void **state)
{
    (void)state;
    static const double q[] = {0.5, 0.99};
    uint64_t *v = series_make(SERIES_CONSTANT, 2000, 1);
    sn_samples s = samples_of(v, 2000, 0);
    sn_interval i[2], mean;
    assert_int_equal(sn_interval_quantiles(&s, q, 2, 0.99, i), SETSUNA_OK);
    assert_int_equal(sn_interval_mean(&s, 0.99, &mean), SETSUNA_OK);
    assert_int_equal(i[1].verdict, SN_INTERVAL_CERTIFIED);
    assert_true(i[1].lo == 123456789 && i[1].hi == 123456789);
    assert_true(mean.verdict == SN_INTERVAL_CERTIFIED && mean.lo == 123456789 && mean.hi == 123456789);
    sn_samples_fini(&s);
    free(v);
}

static void test_beyond_the_log(void **state)
{
    (void)state;
    static const double q[] = {0.5, 0.99};
    uint64_t *v = series_make(SERIES_NARROW, 50000, 5);
    sn_samples whole = samples_of(v, 50000, 0), cut = samples_of(v, 50000, 5000);
    sn_interval a[2], b[2];
    assert_int_equal(sn_interval_quantiles(&whole, q, 2, 0.99, a), SETSUNA_OK);
    assert_int_equal(sn_interval_quantiles(&cut, q, 2, 0.99, b), SETSUNA_OK);
    for (int k = 0; k < 2; k++) { /* three digits, and correlation from a tenth of the run */
        assert_int_equal(b[k].verdict, SN_INTERVAL_CERTIFIED);
        assert_true(fabs(b[k].hi - a[k].hi) < 0.01 * a[k].hi && fabs(b[k].lo - a[k].lo) < 0.01 * a[k].lo);
    }
    sn_samples_fini(&whole);
    sn_samples_fini(&cut);
    free(v);
}

static void test_arguments(void **state)
{
    (void)state;
    static const double bad[] = {0, 1, -1};
    uint64_t v[] = {1, 2, 3};
    sn_interval i;
    sn_samples none = samples_of(v, 0, 0), some = samples_of(v, 3, 0);
    assert_int_equal(sn_interval_quantiles(&none, (double[]){0.5}, 1, 0.99, &i), SETSUNA_EINVAL);
    assert_int_equal(sn_interval_mean(&none, 0.99, &i), SETSUNA_EINVAL);
    for (int k = 0; k < 3; k++)
        assert_int_equal(sn_interval_quantiles(&some, &bad[k], 1, 0.99, &i), SETSUNA_EINVAL);
    assert_int_equal(sn_interval_quantiles(&some, (double[]){0.5}, 1, 1, &i), SETSUNA_EINVAL);
    sn_samples_fini(&none);
    sn_samples_fini(&some);
}

static sn_interval interval_of(double lo, double value, double hi)
{
    return (sn_interval){.confidence = 0.95, .value = value, .lo = lo, .hi = hi, .longer = 1};
}

static void test_verdicts(void **state)
{
    (void)state;
    sn_interval a = interval_of(98, 100, 103), refused = interval_of(100, 100, 100);
    refused.verdict = SN_INTERVAL_SHORT;
    refused.longer = 7;
    const struct {
        sn_interval b;
        double margin;
        sn_compare_verdict want;
    } of[] = {
        {interval_of(108, 110, 112), 0, SN_COMPARE_SLOWER},
        {interval_of(88, 90, 92), 0, SN_COMPARE_FASTER},
        {interval_of(99, 101, 104), 0, SN_COMPARE_CANNOT_TELL},
        {interval_of(99, 101, 104), 0.1, SN_COMPARE_SAME},
        {refused, 0.1, SN_COMPARE_CANNOT_TELL},
    };
    for (size_t k = 0; k < sizeof of / sizeof *of; k++) {
        sn_comparison c;
        sn_compare_intervals(&a, &of[k].b, of[k].margin, &c);
        assert_int_equal(c.verdict, of[k].want);
        assert_true(c.lo <= c.change && c.change <= c.hi);
    }
    sn_comparison c;
    sn_compare_intervals(&a, &refused, 0, &c);
    assert_true(c.longer == 7 && isinf(c.detectable));
    assert_string_equal(sn_compare_verdict_text(SN_COMPARE_CANNOT_TELL), "cannot tell");
    sn_interval zero = interval_of(0, 0, 0);
    sn_compare_intervals(&zero, &a, 0, &c);
    assert_int_equal(c.verdict, SN_COMPARE_CANNOT_TELL);
}

static void test_pairs(void **state)
{
    (void)state;
    sn_comparison c;
    const double slower[] = {100, 105, 200, 211, 150, 157, 90, 94.2, 100, 105.4};
    assert_int_equal(sn_compare_pairs(slower, 5, 0.95, 0, &c), SETSUNA_OK);
    assert_int_equal(c.verdict, SN_COMPARE_SLOWER);
    assert_true(c.change > 0.045 && c.change < 0.055 && c.detectable < 0.02);
    assert_int_equal(sn_compare_pairs(slower, 5, 0.95, 0.1, &c), SETSUNA_OK);
    assert_int_equal(c.verdict, SN_COMPARE_SAME);
    assert_int_equal(sn_compare_pairs(slower, 3, 0.95, 0, &c), SETSUNA_OK);
    assert_int_equal(c.verdict, SN_COMPARE_CANNOT_TELL);
    assert_true(c.longer > 1);
    assert_int_equal(sn_compare_pairs((double[]){1, 0}, 1, 0.95, 0, &c), SETSUNA_EINVAL);
    assert_int_equal(sn_compare_pairs(NULL, 0, 0.95, 0, &c), SETSUNA_OK);
    assert_int_equal(c.verdict, SN_COMPARE_CANNOT_TELL);
}

/* Equal pairs with noise from run to run: 5 % of the verdicts are wrong, no more. */
static void test_pairs_hold_their_level(void **state)
{
    (void)state;
    uint64_t seed = 3;
    int told = 0;
    for (int r = 0; r < 2000; r++) {
        double v[20];
        sn_comparison c;
        for (int k = 0; k < 20; k++)
            v[k] = 100 + 10 * (series_unit(&seed) + series_unit(&seed) + series_unit(&seed));
        assert_int_equal(sn_compare_pairs(v, 10, 0.95, 0, &c), SETSUNA_OK);
        told += c.verdict != SN_COMPARE_CANNOT_TELL;
    }
    assert_in_range(told, 60, 140); /* 100 +- 4 standard deviations of 9.7 */
}

static void test_warmup(void **state)
{
    (void)state;
    const sn_allocator *a = sn_allocator_default();
    uint64_t *v = series_make(SERIES_NARROW, 10000, 21);
    sn_warmup w;
    assert_int_equal(sn_warmup_find(a, v, 10000, &w), SETSUNA_OK);
    assert_true(w.n == 0 && w.settled);
    v[3000] = UINT64_C(1) << 40; /* one spike is no warm-up */
    assert_int_equal(sn_warmup_find(a, v, 10000, &w), SETSUNA_OK);
    assert_true(w.n == 0 && w.settled);
    for (size_t i = 0; i < 700; i++)
        v[i] += 1000;
    assert_int_equal(sn_warmup_find(a, v, 10000, &w), SETSUNA_OK);
    assert_true(w.settled && w.n >= 690 && w.n <= 800);
    for (size_t i = 0; i < 6000; i++)
        v[i] += 1000;
    assert_int_equal(sn_warmup_find(a, v, 10000, &w), SETSUNA_OK);
    assert_false(w.settled);
    assert_int_equal(sn_warmup_find(a, v, 50, &w), SETSUNA_OK);
    assert_true(w.n == 0 && w.settled);
    assert_int_equal(sn_warmup_find(a, v, 0, &w), SETSUNA_OK);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inflation_is_found),
        cmocka_unit_test(test_threshold_sides),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_refusal_says_how_long),
        cmocka_unit_test(test_drift_is_refused),
        cmocka_unit_test(test_constant_series),
        cmocka_unit_test(test_beyond_the_log),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_pairs_hold_their_level),
        cmocka_unit_test(test_warmup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
