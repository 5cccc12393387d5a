#include "stats/samples.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include "unit/counting.h"
#include <string.h>

/* An allocator that fails after `left` allocations and counts what is out. */
static void test_exact_below_cap(void **state)
{
    (void)state;
    uint64_t *v = series_make(SERIES_BIMODAL, 5000, 3);
    sn_samples s;
    sn_samples_init(&s, NULL, 0);
    assert_int_equal(s.cap, SN_SAMPLES_CAP_DEFAULT);
    for (int i = 0; i < 5000; i++)
        assert_int_equal(sn_samples_record(&s, v[i]), SETSUNA_OK);
    assert_null(s.histogram);
    assert_memory_equal(s.log, v, 5000 * sizeof *v); /* in order of arrival */
    sn_summary got, exact;
    assert_int_equal(sn_samples_summary(&s, &got), SETSUNA_OK);
    assert_memory_equal(s.log, v, 5000 * sizeof *v);
    sn_summary_exact(v, 5000, v, &exact);
    assert_int_equal(got.n, exact.n);
    assert_int_equal(got.p50, exact.p50);
    assert_int_equal(got.p99_9, exact.p99_9);
    assert_true(got.mean == exact.mean && got.stddev == exact.stddev);
    assert_string_equal(sn_summary_method_text(got.method), "exact");
    sn_samples_fini(&s);
    assert_int_equal(s.n, 0);
    free(v);
}

static void test_histogram_beyond_cap(void **state)
{
    (void)state;
    uint64_t *v = series_make(SERIES_LOG_UNIFORM, 3000, 4);
    sn_samples s;
    sn_samples_init(&s, NULL, 1000);
    for (int i = 0; i < 3000; i++)
        assert_int_equal(sn_samples_record(&s, v[i]), SETSUNA_OK);
    assert_int_equal(s.n, 3000);
    assert_int_equal(s.n_log, 1000);
    assert_memory_equal(s.log, v, 1000 * sizeof *v);
    sn_summary got, exact;
    assert_int_equal(sn_samples_summary(&s, &got), SETSUNA_OK);
    sn_summary_exact(v, 3000, v, &exact);
    assert_int_equal(got.method, SN_SUMMARY_HISTOGRAM);
    assert_string_equal(sn_summary_method_text(got.method), "histogram, 3 digits");
    assert_int_equal(got.n, 3000);
    assert_int_equal(got.min, exact.min);
    assert_int_equal(got.max, exact.max);
    assert_true(got.mean == exact.mean);
    assert_true(got.p99 >= exact.p99 && (got.p99 - exact.p99) * 1024 <= exact.p99);
    sn_samples_fini(&s);
    free(v);
}

/* After a reserve, recording that many neither allocates nor fails, the cap crossed or not. */
static void test_reserve(void **state)
{
    (void)state;
    for (uint64_t total = 1; total <= 400; total += 57) {
        counting c = {.left = 100};
        sn_allocator a = {&c, counting_alloc, counting_free};
        sn_samples s;
        sn_samples_init(&s, &a, 100);
        assert_int_equal(sn_samples_reserve(&s, total), SETSUNA_OK);
        int calls = c.calls;
        c.left = 0;
        for (uint64_t i = 0; i < total; i++)
            assert_int_equal(sn_samples_record(&s, i), SETSUNA_OK);
        assert_int_equal(c.calls, calls);
        c.left = 1;
        sn_summary sum;
        assert_int_equal(sn_samples_summary(&s, &sum), SETSUNA_OK);
        assert_int_equal(sum.n, total);
        assert_int_equal(sum.method, total > 100 ? SN_SUMMARY_HISTOGRAM : SN_SUMMARY_EXACT);
        sn_samples_fini(&s);
        assert_int_equal(c.live, 0);
    }
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (int left = 0; left < 8; left++) {
        counting c = {.left = left};
        sn_allocator a = {&c, counting_alloc, counting_free};
        sn_samples s;
        sn_samples_init(&s, &a, 64);
        uint64_t recorded = 0;
        for (uint64_t i = 0; i < 100; i++)
            if (sn_samples_record(&s, i) == SETSUNA_OK)
                recorded++;
        assert_int_equal(s.n, recorded);
        sn_summary sum = {.n = 777};
        if (sn_samples_summary(&s, &sum) == SETSUNA_OK)
            assert_int_equal(sum.n, recorded);
        else
            assert_int_equal(sum.n, 777);
        sn_samples_fini(&s);
        assert_int_equal(c.live, 0);
    }
}

/* Merging equals recording both, whichever of the two sides is exact. */
static void test_merge(void **state)
{
    (void)state;
    static const size_t n_a[] = {0, 10, 100, 300}, n_b[] = {0, 5, 90, 91, 300};
    uint64_t *v = series_make(SERIES_LOG_UNIFORM, 600, 8);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 5; j++)
            for (size_t src_cap = 50; src_cap <= 1000; src_cap += 950) {
                sn_samples dst, src, all;
                sn_samples_init(&dst, NULL, 100);
                sn_samples_init(&src, NULL, src_cap);
                sn_samples_init(&all, NULL, 1000);
                for (size_t k = 0; k < n_a[i] + n_b[j]; k++) {
                    assert_int_equal(sn_samples_record(k < n_a[i] ? &dst : &src, v[k]), SETSUNA_OK);
                    assert_int_equal(sn_samples_record(&all, v[k]), SETSUNA_OK);
                }
                assert_int_equal(sn_samples_merge(&dst, &src), SETSUNA_OK);
                assert_int_equal(sn_samples_record(&dst, v[599]), SETSUNA_OK);
                assert_int_equal(sn_samples_record(&all, v[599]), SETSUNA_OK);
                sn_summary got, want;
                assert_int_equal(sn_samples_summary(&dst, &got), SETSUNA_OK);
                assert_int_equal(sn_samples_summary(&all, &want), SETSUNA_OK);
                bool exact = all.n <= 100 && n_b[j] <= src_cap;
                assert_int_equal(got.method, exact ? SN_SUMMARY_EXACT : SN_SUMMARY_HISTOGRAM);
                assert_int_equal(got.n, want.n);
                assert_int_equal(got.min, want.min);
                assert_int_equal(got.max, want.max);
                assert_true(got.mean == want.mean);
                assert_true(got.p90 >= want.p90 && (got.p90 - want.p90) * 1024 <= (exact ? 0 : want.p90));
                sn_samples_fini(&dst);
                sn_samples_fini(&src);
                sn_samples_fini(&all);
            }
    free(v);
}

static void check_bins(const sn_samples *s, const uint64_t *v, size_t n, bool exact)
{
    const uint64_t edge[] = {0, 999, 1000000, 1050000, 1099999, 45000000, SN_HISTOGRAM_VALUE_MAX};
    enum { BINS = sizeof edge / sizeof *edge };
    uint64_t count[BINS], want[BINS] = {0}, total = 0, wanted = 0;
    sn_samples_bins(s, edge, BINS, count);
    for (size_t i = 0; i < n; i++)
        for (size_t b = 0; b < BINS; b++)
            if (v[i] <= edge[b]) {
                want[b]++;
                break;
            }
    for (size_t b = 0; b < BINS; b++) {
        if (exact)
            assert_int_equal(count[b], want[b]);
        total += count[b];
        wanted += want[b];
    }
    assert_int_equal(total, wanted);
}

static void test_bins(void **state)
{
    (void)state;
    for (int kind = 0; kind < SERIES_KINDS; kind++)
        for (size_t cap = 500; cap <= 5000; cap += 4500) {
            uint64_t *v = series_make((series_kind)kind, 2000, 9);
            sn_samples s;
            sn_samples_init(&s, NULL, cap);
            for (int i = 0; i < 2000; i++)
                assert_int_equal(sn_samples_record(&s, v[i]), SETSUNA_OK);
            check_bins(&s, v, 2000, cap > 2000);
            sn_samples_fini(&s);
            free(v);
        }
    sn_samples none;
    sn_samples_init(&none, NULL, 0);
    uint64_t edge = 5, count = 9;
    sn_samples_bins(&none, &edge, 1, &count);
    assert_int_equal(count, 0);
    sn_summary sum;
    assert_int_equal(sn_samples_summary(&none, &sum), SETSUNA_OK);
    assert_int_equal(sum.n, 0);
    sn_samples_fini(&none);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_below_cap), cmocka_unit_test(test_histogram_beyond_cap),
        cmocka_unit_test(test_reserve),         cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_merge),           cmocka_unit_test(test_bins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
