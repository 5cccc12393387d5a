/* Frames and openings in words. */
#include "report/stream_report.h"
#include "unit/unit.h"
#include <math.h>
#include <string.h>

/* n requests of wall_ns each, of which half was preprocess. */
static sn_book_summary summary_of(int n, uint64_t wall_ns)
{
    sn_book b;
    sn_book_summary s;
    sn_book_init(&b, NULL, 0);
    for (int i = 0; i < n; i++) {
        sn_ledger l;
        sn_ledger_begin_at(&l, (uint64_t)i, 0);
        sn_ledger_enter_at(&l, SN_STAGE_PREPROCESS, 0);
        sn_ledger_leave_at(&l, SN_STAGE_PREPROCESS, wall_ns / 2);
        sn_ledger_close_at(&l, wall_ns);
        assert_int_equal(sn_book_add(&b, &l), SETSUNA_OK);
    }
    assert_int_equal(sn_book_summarize(&b, &s), SETSUNA_OK);
    sn_book_fini(&b);
    return s;
}

static void expect_frames(int n, uint64_t wall_ns, double frame_s, const char *want)
{
    sn_sink sink;
    sn_book_summary s = summary_of(n, wall_ns);
    sn_sink_init_buffer(&sink, NULL);
    sn_stream_write_frames(&s, frame_s, &sink, true);
    assert_int_equal(sink.size, strlen(want));
    assert_memory_equal(sink.data, want, sink.size);
    sn_sink_fini(&sink);
}

static void test_frames(void **state)
{
    (void)state;
    expect_frames(0, 0, 0, "no frames");
    expect_frames(1, 16000000, 0.032,
                  "1 frame of 32.00 ms in 16.00 ms each: real-time factor 0.5 (2.000 times real time)");
    expect_frames(1288, 16000, 0.032,
                  "1,288 frames of 32.00 ms in 16.00 us each: real-time factor 0.0005 (2,000 times real time)");
    expect_frames(3, 160000000, 0.08,
                  "3 frames of 80.00 ms in 160.0 ms each: real-time factor 2 (0.5000 times real time)");
}

static void test_real_time_factor(void **state)
{
    (void)state;
    sn_book_summary none = summary_of(0, 0), some = summary_of(2, 16000000);
    assert_true(sn_stream_real_time_factor(&none, 0.032) == 0);
    assert_true(sn_stream_real_time_factor(&some, 0) == 0);
    assert_true(fabs(sn_stream_real_time_factor(&some, 0.032) - 0.5) < 1e-12);
}

static void expect_openings(int n, const char *want)
{
    sn_sink sink;
    sn_book_summary s = summary_of(n, 20000000);
    sn_sink_init_buffer(&sink, NULL);
    sn_stream_write_openings(&s, &sink, true);
    assert_int_equal(sink.size, strlen(want));
    if (sink.size)
        assert_memory_equal(sink.data, want, sink.size);
    sn_sink_fini(&sink);
}

static void test_openings(void **state)
{
    (void)state;
    expect_openings(0, "");
    expect_openings(1, "opening a file, before its frames: 20.00 ms (preprocess 10.00 ms, unexplained 10.00 ms)\n");
    expect_openings(
        2, "opening a file, before its frames: 20.00 ms (preprocess 10.00 ms, unexplained 10.00 ms), mean of 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_real_time_factor),
        cmocka_unit_test(test_openings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
