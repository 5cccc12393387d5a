#include "report/log_view.h"
#include "report/log_book.h"
#include "unit/unit.h"
#include <math.h>

static void check_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.17g, not %.17g", got, want);
}

/* A request due at due_ns that took `execute` and `overhead` and 10 ns more, of which `stolen` were stolen. */
static void add(sn_request_log *log, uint64_t due_ns, uint64_t execute, uint64_t overhead, uint64_t stolen,
                uint64_t flags)
{
    uint64_t row[SN_REQUEST_COLUMNS] = {0};
    row[SN_REQUEST_DUE] = due_ns;
    row[SN_REQUEST_BEGIN] = due_ns + overhead;
    row[SN_REQUEST_END] = due_ns + overhead + execute + 10;
    row[SN_REQUEST_FLAGS] = flags;
    row[SN_REQUEST_EXECUTE] = execute;
    row[SN_REQUEST_OVERHEAD] = overhead;
    row[SN_REQUEST_QUEUE] = overhead;
    row[SN_REQUEST_STEAL] = stolen;
    row[SN_REQUEST_SWITCHES] = stolen > 0;
    assert_int_equal(sn_request_log_add(log, row), SETSUNA_OK);
}

static void open_view(sn_log_view *v, sn_request_log *log)
{
    assert_int_equal(sn_log_view_init(v, log), SETSUNA_OK);
}

static void test_empty(void **state)
{
    (void)state;
    sn_request_log log;
    sn_log_view v;
    sn_log_band band[SN_LOG_BANDS];
    size_t rank[SN_LOG_GRID_MAX];
    static uint32_t row[SN_LOG_TIMELINE_MAX];
    sn_request_log_init(&log, NULL, 0);
    add(&log, 0, 5, 0, 0, SN_REQUEST_IS_DROPPED);
    open_view(&v, &log);
    assert_int_equal(v.n, 0);
    assert_int_equal(v.n_dropped, 1);
    assert_int_equal(sn_log_view_grid(&v, rank), 0);
    assert_int_equal(sn_log_view_timeline(&v, row), 0);
    sn_log_view_bands(&v, band);
    for (int i = 0; i < SN_LOG_BANDS; i++)
        assert_true(band[i].n == 0 && band[i].mean_ns == 0);
    sn_log_view_fini(&v);
    sn_request_log_fini(&log);
}

/* 1000 requests, slower ones because they waited: bands hold 500, 400, 90, 9 and 1, and add up. */
static void test_bands(void **state)
{
    (void)state;
    sn_request_log log;
    sn_log_view v;
    sn_log_band band[SN_LOG_BANDS], mean;
    sn_request_log_init(&log, NULL, 0);
    for (uint64_t i = 0; i < 1000; i++)
        add(&log, i * 100000, 1000, 7 * ((i * 389) % 1000), 0, i < 3 ? SN_REQUEST_IS_LATE : 0);
    add(&log, 100000000, 1, 0, 0, SN_REQUEST_IS_UNSERVED);
    open_view(&v, &log);
    assert_int_equal(v.n, 1000);
    assert_int_equal(v.n_late, 3);
    assert_int_equal(v.n_unserved, 1);
    assert_int_equal(v.latency_ns[0], 1010);
    assert_int_equal(v.latency_ns[999], 1010 + 7 * 999);
    assert_int_equal(sn_request_log_latency_ns(&log, v.row[500]), v.latency_ns[500]);
    sn_log_view_bands(&v, band);
    sn_log_view_mean(&v, &mean);
    static const size_t want[SN_LOG_BANDS] = {500, 400, 90, 9, 1};
    double sum = 0, queue = 0;
    for (int i = 0; i < SN_LOG_BANDS; i++) {
        const sn_log_band *b = &band[i];
        assert_int_equal(b->n, want[i]);
        double parts = b->unexplained_ns;
        for (int s = 0; s < (int)SN_STAGES; s++)
            parts += b->stage_ns[s];
        check_near(parts, b->mean_ns, 1e-9 * b->mean_ns);
        check_near(b->unexplained_ns, 10, 1e-9);
        check_near(b->wait_ns[SN_WAIT_QUEUE], b->stage_ns[SN_STAGE_OVERHEAD], 1e-9 * b->mean_ns);
        sum += b->mean_ns * (double)b->n;
        queue += b->wait_ns[SN_WAIT_QUEUE] * (double)b->n;
    }
    check_near(sum / 1000, mean.mean_ns, 1e-9 * sum);
    check_near(queue / 1000, 7 * 999 / 2.0, 1e-6);
    check_near(band[4].mean_ns, 1010 + 7 * 999, 1e-9);
    sn_log_view_fini(&v);
    sn_request_log_fini(&log);
}

/* Ranks ascend from 1 to n, draw the last ones all, and never leave a gap that a picture would show. */
static void test_grid(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 4096, 4097, 100000, 1000000};
    size_t rank[SN_LOG_GRID_MAX];
    for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        sn_log_view v = {.n = sizes[k]};
        size_t n = sn_log_view_grid(&v, rank);
        assert_true(n >= 1 && n <= SN_LOG_GRID_MAX);
        assert_int_equal(rank[0], 1);
        assert_int_equal(rank[n - 1], v.n);
        for (size_t i = 1; i < n; i++) {
            size_t step = rank[i] - rank[i - 1], above = v.n - rank[i - 1];
            assert_true(step >= 1);
            assert_true(step == 1 || (step <= v.n / 700 && step <= above / 160));
        }
        if (v.n <= SN_LOG_GRID_MAX)
            assert_int_equal(n, v.n);
    }
}

static void test_timeline(void **state)
{
    (void)state;
    sn_request_log log;
    sn_log_view v;
    static uint32_t row[SN_LOG_TIMELINE_MAX];
    enum { N = 100003 };
    sn_request_log_init(&log, NULL, 0);
    for (uint64_t i = 0; i < N; i++)
        add(&log, i * 1000, i == 77777 ? 900000 : 500 + i % 7, 0, 0, 0);
    open_view(&v, &log);
    size_t n = sn_log_view_timeline(&v, row);
    bool has_worst = false;
    assert_true(n > SN_LOG_TIMELINE_MAX / 2 && n <= SN_LOG_TIMELINE_MAX);
    for (size_t i = 0; i < n; i++) {
        assert_true(row[i] < N && (i == 0 || row[i] > row[i - 1]));
        has_worst |= row[i] == 77777;
    }
    assert_true(has_worst);
    assert_true(row[0] < 50 && row[n - 1] > N - 50);
    sn_log_view_fini(&v);
    sn_request_log_fini(&log);
}

static void test_small_timeline_is_whole(void **state)
{
    (void)state;
    sn_request_log log;
    sn_log_view v;
    static uint32_t row[SN_LOG_TIMELINE_MAX];
    sn_request_log_init(&log, NULL, 0);
    for (uint64_t i = 0; i < 100; i++)
        add(&log, i, 10, 0, 0, i % 10 ? 0 : SN_REQUEST_IS_DROPPED);
    open_view(&v, &log);
    assert_int_equal(sn_log_view_timeline(&v, row), 90);
    assert_int_equal(row[0], 1);
    assert_int_equal(row[89], 99);
    sn_log_view_fini(&v);
    sn_request_log_fini(&log);
}

/* A tenth of the latency and 5 us at least; what lies in overhead is no disturbance of the thread. */
static void test_disturbance(void **state)
{
    (void)state;
    sn_request_log log;
    sn_request_log_init(&log, NULL, 0);
    add(&log, 0, 40000, 0, 5000, 0);
    add(&log, 1, 40000, 0, 4999, 0);
    add(&log, 2, 400000, 0, 5000, 0);
    add(&log, 3, 4000, 900000, 0, 0);
    assert_int_equal(sn_log_disturbance(&log, 0), SN_WAIT_STEAL);
    for (size_t i = 1; i < 4; i++)
        assert_int_equal(sn_log_disturbance(&log, i), SN_WAITS);
    sn_request_log_fini(&log);
}

static void test_ledger_of_a_row(void **state)
{
    (void)state;
    sn_request_log log;
    sn_ledger l;
    sn_book book;
    sn_request_log_init(&log, NULL, 0);
    add(&log, 100, 50, 20, 30, 0);
    add(&log, 200, 50, 0, 0, SN_REQUEST_IS_DROPPED);
    sn_log_ledger(&log, 0, &l);
    assert_int_equal(l.start_ns, 100);
    assert_int_equal(l.wall_ns, 80);
    assert_int_equal(l.stage_ns[SN_STAGE_EXECUTE], 50);
    assert_int_equal(l.unexplained_ns, 10);
    assert_int_equal(l.wait_ns[SN_WAIT_STEAL], 30);
    assert_int_equal(l.known, 1u << SN_WAIT_QUEUE | 1u << SN_WAIT_STEAL | SN_LEDGER_KNOWN_COUNTS);
    assert_int_equal(l.n_switches, 1);
    sn_book_init(&book, NULL, 0);
    assert_int_equal(sn_log_book(&log, &book), SETSUNA_OK);
    assert_int_equal(book.n, 1);
    sn_book_fini(&book);
    sn_request_log_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_bands),
        cmocka_unit_test(test_grid),
        cmocka_unit_test(test_timeline),
        cmocka_unit_test(test_small_timeline_is_whole),
        cmocka_unit_test(test_disturbance),
        cmocka_unit_test(test_ledger_of_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
