#include "stats/histogram.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <string.h>

static sn_histogram *record_all(const uint64_t *v, size_t n)
{
    sn_histogram *h = sn_histogram_create(sn_allocator_default());
    assert_non_null(h);
    for (size_t i = 0; i < n; i++)
        sn_histogram_record(h, v[i]);
    return h;
}

static void drop(sn_histogram *h)
{
    sn_histogram_destroy(sn_allocator_default(), h);
}

static void assert_same(const sn_histogram *a, const sn_histogram *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->n_clamped, b->n_clamped);
    assert_int_equal(a->min, b->min);
    assert_int_equal(a->max, b->max);
    assert_true(a->sum == b->sum);
    assert_memory_equal(a->count, b->count, sizeof a->count);
}

/* The layout: buckets are contiguous, ascending, cover every value, and none is wider than 1/1024 of its lowest. */
static void test_layout(void **state)
{
    (void)state;
    sn_histogram *h = record_all(NULL, 0);
    for (uint32_t i = 0; i < SN_HISTOGRAM_BUCKETS; i++)
        h->count[i] = 1;
    h->n = SN_HISTOGRAM_BUCKETS;
    h->min = 0;
    h->max = SN_HISTOGRAM_VALUE_MAX;
    uint64_t next = 0;
    uint32_t seen = 0;
    for (sn_histogram_bar bar = {0}; sn_histogram_next(h, &bar); seen++) {
        assert_int_equal(bar.bucket, seen);
        assert_int_equal(bar.cumulative, seen + 1);
        assert_int_equal(bar.lo, next);
        assert_true(bar.hi >= bar.lo);
        assert_true((bar.hi - bar.lo) * 1024 < (bar.lo ? bar.lo : 1));
        assert_int_equal(sn_histogram_bucket(bar.lo), seen);
        assert_int_equal(sn_histogram_bucket(bar.hi), seen);
        next = bar.hi + 1;
    }
    assert_int_equal(seen, SN_HISTOGRAM_BUCKETS);
    assert_int_equal(next, SN_HISTOGRAM_VALUE_MAX + 1);
    assert_true(SN_HISTOGRAM_VALUE_MAX >= 3600u * (uint64_t)1000000000u); /* an hour fits */
    drop(h);
}

/* Bound by construction: exact <= answer, and answer - exact < exact / 1024. */
static void test_quantiles_against_exact(void **state)
{
    (void)state;
    static const double q[] = {0, 1e-6, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.999999, 1};
    static const size_t sizes[] = {1, 2, 3, 10, 100, 1000, 40000};
    for (int kind = 0; kind < SERIES_KINDS; kind++)
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            size_t n = sizes[s];
            uint64_t *v = series_make((series_kind)kind, n, 11 * s + (size_t)kind);
            sn_histogram *h = record_all(v, n);
            sn_sort_u64(v, n);
            for (size_t i = 0; i < sizeof q / sizeof *q; i++) {
                uint64_t exact = sn_quantile_sorted(v, n, q[i]), got = sn_histogram_quantile(h, q[i]);
                assert_true(got >= exact);
                assert_true((got - exact) * 1024 <= exact);
            }
            assert_int_equal(sn_histogram_quantile(h, 0), v[0]);
            assert_int_equal(sn_histogram_quantile(h, 1), v[n - 1]);
            assert_int_equal(h->min, v[0]);
            assert_int_equal(h->max, v[n - 1]);
            drop(h);
            free(v);
        }
}

static void test_summary_against_exact(void **state)
{
    (void)state;
    for (int kind = 0; kind < SERIES_KINDS; kind++) {
        size_t n = 30000;
        uint64_t *v = series_make((series_kind)kind, n, 5);
        sn_histogram *h = record_all(v, n);
        sn_summary got, exact;
        sn_histogram_summary(h, &got);
        sn_summary_exact(v, n, v, &exact);
        assert_int_equal(got.method, SN_SUMMARY_HISTOGRAM);
        assert_int_equal(got.n, n);
        assert_true(got.mean == exact.mean); /* the same integer sum divided by the same n */
        assert_int_equal(got.min, exact.min);
        assert_int_equal(got.max, exact.max);
        assert_true(got.p99 >= exact.p99 && (got.p99 - exact.p99) * 1024 <= exact.p99);
        /* Each sample moves by at most v/2048, so the standard deviation by at most the root mean square of that:
         * sqrt(mean^2 + var) / 2048, with n / (n - 1) for the divisor. */
        double rms = sqrt(exact.mean * exact.mean + exact.stddev * exact.stddev);
        assert_true(fabs(got.stddev - exact.stddev) <= rms / 2048 * (1 + 1.0 / (double)n));
        drop(h);
        free(v);
    }
}

static void test_merge_equals_recording_all(void **state)
{
    (void)state;
    uint64_t *a = series_make(SERIES_LOG_UNIFORM, 5000, 1), *b = series_make(SERIES_BIMODAL, 3000, 2);
    b[17] = SN_HISTOGRAM_VALUE_MAX + 5;
    sn_histogram *ha = record_all(a, 5000), *hb = record_all(b, 3000), *both = record_all(a, 5000);
    for (int i = 0; i < 3000; i++)
        sn_histogram_record(both, b[i]);
    sn_histogram *empty = record_all(NULL, 0);
    sn_histogram_merge(ha, empty);
    sn_histogram_merge(ha, hb);
    assert_same(ha, both);
    sn_histogram_merge(empty, hb);
    assert_same(empty, hb);
    drop(ha);
    drop(hb);
    drop(both);
    drop(empty);
    free(a);
    free(b);
}

static void test_record_n(void **state)
{
    (void)state;
    sn_histogram *h = record_all(NULL, 0), *one_by_one = record_all(NULL, 0);
    sn_histogram_record_n(h, 77777, 0);
    assert_int_equal(h->n, 0);
    assert_int_equal(h->min, UINT64_MAX);
    assert_int_equal(h->max, 0);
    sn_histogram_record_n(h, 77777, 1000);
    sn_histogram_record_n(h, UINT64_MAX, 3);
    for (int i = 0; i < 1000; i++)
        sn_histogram_record(one_by_one, 77777);
    for (int i = 0; i < 3; i++)
        sn_histogram_record(one_by_one, UINT64_MAX);
    assert_same(h, one_by_one);
    drop(h);
    drop(one_by_one);
}

static void test_clamped(void **state)
{
    (void)state;
    sn_histogram *h = record_all(NULL, 0);
    for (int i = 0; i < 90; i++)
        sn_histogram_record(h, 1000);
    sn_histogram_record_n(h, SN_HISTOGRAM_VALUE_MAX, 5);
    assert_int_equal(h->n_clamped, 0);
    sn_histogram_record_n(h, SN_HISTOGRAM_VALUE_MAX + 1, 4);
    sn_histogram_record(h, UINT64_MAX);
    assert_int_equal(h->n, 100);
    assert_int_equal(h->n_clamped, 5);
    assert_int_equal(h->max, UINT64_MAX);
    assert_int_equal(sn_histogram_quantile(h, 0.9), 1000);
    assert_int_equal(sn_histogram_quantile(h, 0.95), SN_HISTOGRAM_VALUE_MAX);
    assert_int_equal(sn_histogram_quantile(h, 0.96), UINT64_MAX); /* the only bound known for a clamped sample */
    sn_histogram_bar last = {0};
    for (sn_histogram_bar bar = {0}; sn_histogram_next(h, &bar);)
        last = bar;
    assert_int_equal(last.hi, UINT64_MAX);
    assert_int_equal(last.count, 10);
    drop(h);
}

static void test_empty_and_single(void **state)
{
    (void)state;
    sn_histogram *h = record_all(NULL, 0);
    sn_summary s;
    sn_histogram_summary(h, &s);
    assert_int_equal(s.n, 0);
    assert_int_equal(s.max, 0);
    assert_int_equal(sn_histogram_quantile(h, 0.5), 0);
    assert_true(sn_histogram_mean(h) == 0 && sn_histogram_stddev(h) == 0);
    sn_histogram_bar bar = {0};
    assert_false(sn_histogram_next(h, &bar));
    sn_histogram_record(h, 0);
    sn_histogram_summary(h, &s);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.p99_9, 0);
    assert_true(s.stddev == 0);
    drop(h);
}

static void *fail_alloc(void *ctx, size_t size_bytes)
{
    (void)ctx;
    (void)size_bytes;
    return NULL;
}

static void fail_free(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const sn_allocator none = {NULL, fail_alloc, fail_free};
    assert_null(sn_histogram_create(&none));
    sn_histogram_destroy(&none, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_quantiles_against_exact),
        cmocka_unit_test(test_summary_against_exact),
        cmocka_unit_test(test_merge_equals_recording_all),
        cmocka_unit_test(test_record_n),
        cmocka_unit_test(test_clamped),
        cmocka_unit_test(test_empty_and_single),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
