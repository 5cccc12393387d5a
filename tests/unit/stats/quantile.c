#include "stats/quantile.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <string.h>

static int compare_u64(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Every quantile of up to six decimals, against integer arithmetic. */
static void test_rank_is_exact(void **state)
{
    (void)state;
    static const uint64_t ppm[] = {1,      10,     70000,  100000, 290000, 333333, 500000, 550000,
                                   570000, 900000, 950000, 990000, 999000, 999900, 999990, 999999};
    uint64_t seed = 1;
    for (size_t i = 0; i < sizeof ppm / sizeof *ppm; i++) {
        double q = (double)ppm[i] / 1e6;
        for (uint64_t n = 1; n <= 20000; n++)
            assert_int_equal(sn_quantile_rank(n, q), (n * ppm[i] + 999999) / 1000000);
        for (int j = 0; j < 20000; j++) {
            uint64_t n = 1 + series_random(&seed) % 1000000000;
            assert_int_equal(sn_quantile_rank(n, q), (n * ppm[i] + 999999) / 1000000);
        }
    }
}

static void test_rank_ends(void **state)
{
    (void)state;
    assert_int_equal(sn_quantile_rank(100, 0), 1);
    assert_int_equal(sn_quantile_rank(100, -1), 1);
    assert_int_equal(sn_quantile_rank(100, (double)NAN), 1);
    assert_int_equal(sn_quantile_rank(100, 1e-300), 1);
    assert_int_equal(sn_quantile_rank(100, 1), 100);
    assert_int_equal(sn_quantile_rank(100, 7), 100);
    assert_int_equal(sn_quantile_rank(100, 0.07), 7);
    assert_int_equal(sn_quantile_rank(1, 0.999), 1);
}

/* The published example of how tools differ: p99 of 1..100 is 99 by nearest rank. */
static void test_p99_of_1_to_100(void **state)
{
    (void)state;
    uint64_t v[100];
    for (uint64_t i = 0; i < 100; i++)
        v[i] = i + 1;
    assert_int_equal(sn_quantile_sorted(v, 100, 0.99), 99);
    assert_int_equal(sn_quantile_sorted(v, 100, 0.999), 100);
    assert_int_equal(sn_quantile_sorted(v, 100, 0.5), 50);
    assert_int_equal(sn_quantile_sorted(v, 100, 0), 1);
    assert_int_equal(sn_quantile_sorted(v, 0, 0.5), 0);
}

static void check_sort(const uint64_t *v, size_t n)
{
    uint64_t *mine = malloc((n ? n : 1) * sizeof *mine), *theirs = malloc((n ? n : 1) * sizeof *theirs);
    assert_true(mine && theirs);
    memcpy(mine, v, n * sizeof *v);
    memcpy(theirs, v, n * sizeof *v);
    sn_sort_u64(mine, n);
    qsort(theirs, n, sizeof *theirs, compare_u64);
    assert_memory_equal(mine, theirs, n * sizeof *mine);
    free(mine);
    free(theirs);
}

static void test_sort(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 47, 48, 49, 100, 257, 1000, 20011};
    uint64_t seed = 2;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i];
        for (int kind = 0; kind < SERIES_KINDS; kind++) {
            uint64_t *v = series_make((series_kind)kind, n, i);
            check_sort(v, n);
            free(v);
        }
        uint64_t *v = malloc((n ? n : 1) * sizeof *v);
        assert_non_null(v);
        for (size_t j = 0; j < n; j++) /* all 64 bits, every length of number */
            v[j] = series_random(&seed) >> series_random(&seed) % 64;
        check_sort(v, n);
        for (size_t j = 0; j < n; j++) /* few distinct values, far apart */
            v[j] = series_random(&seed) % 3 << 61 | series_random(&seed) % 2;
        check_sort(v, n);
        for (size_t j = 0; j < n; j++) /* descending, ends at the limits */
            v[j] = UINT64_MAX - j * 0x10001;
        check_sort(v, n);
        free(v);
    }
}

static void test_summary(void **state)
{
    (void)state;
    uint64_t v[1000], scratch[1000];
    for (uint64_t i = 0; i < 1000; i++)
        v[i] = (i * 7919) % 1000 + 1; /* 1..1000 shuffled: 7919 is prime to 1000 */
    uint64_t before[1000];
    memcpy(before, v, sizeof v);
    sn_summary s;
    sn_summary_exact(v, 1000, scratch, &s);
    assert_memory_equal(v, before, sizeof v);
    assert_int_equal(s.n, 1000);
    assert_int_equal(s.method, SN_SUMMARY_EXACT);
    assert_int_equal(s.min, 1);
    assert_int_equal(s.p50, 500);
    assert_int_equal(s.p90, 900);
    assert_int_equal(s.p95, 950);
    assert_int_equal(s.p99, 990);
    assert_int_equal(s.p99_9, 999);
    assert_int_equal(s.max, 1000);
    assert_true(s.mean == 500.5);
    /* variance of 1..n with divisor n - 1 is n (n + 1) / 12; 1000 rounded additions err below 1e-12 of it */
    assert_true(fabs(s.stddev - sqrt(1000.0 * 1001.0 / 12.0)) < 1e-9);

    sn_summary in_place;
    sn_summary_exact(v, 1000, v, &in_place);
    assert_int_equal(in_place.p99, 990);
    assert_int_equal(v[0], 1);
}

static void test_summary_small(void **state)
{
    (void)state;
    uint64_t one = 42, scratch[2], two[] = {UINT64_MAX, UINT64_MAX - 2};
    sn_summary s;
    sn_summary_exact(NULL, 0, NULL, &s);
    assert_int_equal(s.n, 0);
    assert_int_equal(s.max, 0);
    sn_summary_exact(&one, 1, scratch, &s);
    assert_int_equal(s.min, 42);
    assert_int_equal(s.p50, 42);
    assert_int_equal(s.p99_9, 42);
    assert_true(s.mean == 42 && s.stddev == 0);
    sn_summary_exact(two, 2, scratch, &s); /* the sum does not fit 64 bits */
    assert_int_equal(s.p50, UINT64_MAX - 2);
    assert_int_equal(s.max, UINT64_MAX);
    assert_true(s.mean == (double)UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rank_is_exact), cmocka_unit_test(test_rank_ends), cmocka_unit_test(test_p99_of_1_to_100),
        cmocka_unit_test(test_sort),          cmocka_unit_test(test_summary),   cmocka_unit_test(test_summary_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
