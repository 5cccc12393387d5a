#include "report/histogram_text.h"
#include "report/utf8.h"
#include "unit/stats/series.h"
#include "unit/unit.h"
#include <string.h>

static sn_samples record(const uint64_t *v, size_t n, sn_summary *summary)
{
    sn_samples s;
    sn_samples_init(&s, NULL, 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(sn_samples_record(&s, v[i]), SETSUNA_OK);
    assert_int_equal(sn_samples_summary(&s, summary), SETSUNA_OK);
    return s;
}

/* Whatever the data: edges ascend, and every sample has its line. */
static void check_bins(const uint64_t *v, size_t n, sn_histogram_bins *b)
{
    sn_summary sum;
    sn_samples s = record(v, n, &sum);
    sn_histogram_text_bins(&sum, b);
    assert_in_range(b->n, 1, SN_HISTOGRAM_TEXT_ROWS);
    for (size_t i = 1; i < b->n; i++)
        assert_true(b->edge[i] > b->edge[i - 1]);
    assert_true(b->edge[b->n - 1] >= sum.max);
    uint64_t count[SN_HISTOGRAM_TEXT_ROWS], total = 0;
    sn_samples_bins(&s, b->edge, b->n, count);
    for (size_t i = 0; i < b->n; i++)
        total += count[i];
    assert_int_equal(total, n);
    sn_samples_fini(&s);
}

static void test_bins_of_many_series(void **state)
{
    (void)state;
    uint64_t seed = 5;
    for (int round = 0; round < 3000; round++) {
        /* A body of any place and width, and now and then a tail. */
        double base = exp(series_unit(&seed) * 30), width = exp(series_unit(&seed) * 12 - 10);
        size_t n = 1 + series_random(&seed) % 300;
        uint64_t v[300];
        for (size_t i = 0; i < n; i++) {
            v[i] = (uint64_t)(base * (1 + width * series_unit(&seed)));
            if (series_random(&seed) % 100 == 0)
                v[i] += (uint64_t)(base * 10 * series_unit(&seed));
        }
        sn_histogram_bins b;
        check_bins(v, n, &b);
        sn_summary sum;
        sn_samples s = record(v, n, &sum);
        if (sum.p99 - sum.min > 200) /* wide enough for round steps: 10 to 16 lines */
            assert_in_range(b.n, 10, 16);
        sn_samples_fini(&s);
    }
}

static void test_extremes(void **state)
{
    (void)state;
    sn_histogram_bins b;
    const uint64_t zero[] = {0, 0, 0}, ends[] = {0, 7, UINT64_MAX}, top[] = {UINT64_MAX, UINT64_MAX - 5};
    const uint64_t far[] = {UINT64_MAX / 2, UINT64_MAX}, one[] = {33626682};
    check_bins(zero, 3, &b);
    assert_int_equal(b.n, 1);
    check_bins(ends, 3, &b);
    assert_true(b.is_log);
    check_bins(top, 2, &b);
    check_bins(far, 2, &b);
    check_bins(one, 1, &b);
    assert_int_equal(b.n, 1);
    const sn_summary none = {.n = 0};
    sn_histogram_text_bins(&none, &b);
    assert_int_equal(b.n, 0);
}

static void assert_picture(const uint64_t *v, size_t n, bool ascii, const char *want)
{
    sn_summary sum;
    sn_samples s = record(v, n, &sum);
    sn_sink k;
    sn_sink_init_buffer(&k, NULL);
    assert_int_equal(sn_histogram_text_write(&s, &sum, &k, ascii), SETSUNA_OK);
    assert_string_equal(k.data, want);
    sn_sink_fini(&k);
    sn_samples_fini(&s);
}

static void test_picture(void **state)
{
    (void)state;
    const uint64_t v[] = {1000, 1001, 1001, 1002, 1002, 1002, 1002, 1003, 1003, 1010};
    assert_picture(v, 10, true,
                   "10 samples, a line is 1 ns\n"
                   "0.999 us  ..  1.000 us  ##########                                1  10.0 %\n"
                   "1.000 us  ..  1.001 us  ####################                      2  20.0 %\n"
                   "1.001 us  ..  1.002 us  ########################################  4  40.0 %  < p50\n"
                   "1.002 us  ..  1.003 us  ####################                      2  20.0 %\n"
                   "1.003 us  ..  1.004 us                                            0   0.0 %\n"
                   "1.004 us  ..  1.005 us                                            0   0.0 %\n"
                   "1.005 us  ..  1.006 us                                            0   0.0 %\n"
                   "1.006 us  ..  1.007 us                                            0   0.0 %\n"
                   "1.007 us  ..  1.008 us                                            0   0.0 %\n"
                   "1.008 us  ..  1.009 us                                            0   0.0 %\n"
                   "1.009 us  ..  1.010 us  ##########                                1  10.0 %  < p99\n");
    const uint64_t one[] = {5000};
    assert_picture(one, 1, false,
                   "1 sample, a line is 1 ns\n"
                   "4.999 µs  ..  5.000 µs  ████████████████████████████████████████  1  100.0 %  ◀ p50 p99\n");
    assert_picture(NULL, 0, false, "no samples\n");
}

/* One outlier of a second does not squeeze a body of microseconds into one line. */
static void test_an_outlier_does_not_hide_the_body(void **state)
{
    (void)state;
    uint64_t v[500], seed = 3;
    for (int i = 0; i < 500; i++)
        v[i] = 100000 + series_random(&seed) % 20000;
    v[250] = 1000000000;
    sn_histogram_bins b;
    check_bins(v, 500, &b);
    assert_false(b.is_log);
    assert_true(b.n_linear >= 10);
    assert_int_equal(b.n, b.n_linear + 2);
}

/* Columns stand below each other whatever the units. */
static void test_lines_align(void **state)
{
    (void)state;
    for (int kind = 0; kind < SERIES_KINDS; kind++) {
        uint64_t *v = series_make((series_kind)kind, 1000, 3);
        sn_summary sum;
        sn_samples s = record(v, 1000, &sum);
        sn_sink k;
        sn_sink_init_buffer(&k, NULL);
        assert_int_equal(sn_histogram_text_write(&s, &sum, &k, false), SETSUNA_OK);
        size_t place = 0;
        char *line = strchr(k.data, '\n') + 1;
        for (char *end; (end = strchr(line, '\n')); line = end + 1) {
            *end = '\0';
            char *percent = strchr(line, '%');
            assert_non_null(percent);
            *percent = '\0';
            size_t width = sn_text_width(line);
            assert_true(place == 0 || width == place);
            place = width;
        }
        sn_sink_fini(&k);
        sn_samples_fini(&s);
        free(v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bins_of_many_series),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_an_outlier_does_not_hide_the_body),
        cmocka_unit_test(test_lines_align),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
