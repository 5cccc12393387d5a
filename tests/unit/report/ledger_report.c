#include "report/ledger_report.h"
#include "report/passport_report.h"
#include "report/utf8.h"
#include "unit/unit.h"
#include <string.h>

/* Requests of 10 us + i ns: 1 us queue, 2 us prepare, 6 us + i execute, 1 us that nobody accounts for. */
static void add_request(sn_book *b, uint64_t i)
{
    sn_ledger l;
    sn_ledger_begin_at(&l, i, 0);
    sn_ledger_wait_at(&l, SN_WAIT_QUEUE, 1000, 1000);
    sn_ledger_enter_at(&l, SN_STAGE_PREPARE, 1000);
    sn_ledger_switch_at(&l, SN_STAGE_EXECUTE, 3000);
    if (i % 2)
        sn_ledger_wait_at(&l, SN_WAIT_RUNQUEUE, 500, 3000);
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, 9000 + i);
    sn_ledger_close_at(&l, 10000 + i);
    assert_int_equal(sn_book_add(b, &l), SETSUNA_OK);
}

static char *render(const sn_book *b, bool ascii, sn_sink *s)
{
    sn_book_summary sum;
    assert_int_equal(sn_book_summarize(b, &sum), SETSUNA_OK);
    sn_sink_init_buffer(s, NULL);
    assert_int_equal(sn_ledger_report_write(&sum, NULL, s, ascii), SETSUNA_OK);
    return s->data;
}

static void test_the_whole_table(void **state)
{
    (void)state;
    sn_book b;
    sn_book_init(&b, NULL, 0);
    for (uint64_t i = 0; i < 4; i++)
        add_request(&b, i);
    sn_sink s;
    assert_string_equal(render(&b, true, &s),
                        "stage                            p50      mean       p99    share\n"
                        "-------------------------------------------------------------------------------------------\n"
                        "acquire                            -         -         -        -\n"
                        "preprocess                         -         -         -        -\n"
                        "featurize                          -         -         -        -\n"
                        "prepare                     2.000 us  2.000 us  2.000 us   20.0 %  #####\n"
                        "transfer                           -         -         -        -\n"
                        "load                               -         -         -        -\n"
                        "execute                     6.001 us  6.002 us  6.003 us   60.0 %  ##############\n"
                        "postprocess                        -         -         -        -\n"
                        "overhead                    1.000 us  1.000 us  1.000 us   10.0 %  ##\n"
                        "-------------------------------------------------------------------------------------------\n"
                        "queue (in overhead)         1.000 us  1.000 us  1.000 us   10.0 %  ##\n"
                        "run-queue wait (in stages)    500 ns    500 ns    500 ns    2.5 %  #\n"
                        "-------------------------------------------------------------------------------------------\n"
                        "unexplained                 1.000 us  1.000 us  1.000 us   10.0 %  ##\n"
                        "-------------------------------------------------------------------------------------------\n"
                        "wall                        10.00 us  10.00 us  10.00 us  100.0 %  ########################\n"
                        "\n"
                        "          head       p50      mean       p90       p95       p99     p99.9       max\n"
                        "------------------------------------------------------------------------------------\n"
                        "wall  10.00 us  10.00 us  10.00 us  10.00 us  10.00 us  10.00 us  10.00 us  10.00 us\n"
                        "\n"
                        "4 requests; quantiles (exact) by nearest rank: the smallest sample v with at least ceil(q n) "
                        "samples <= v\n"
                        "fewer than 10 requests: p90 and above are the maximum\n"
                        "run-queue wait known of 2 requests only\n");
    sn_sink_fini(&s);
    sn_book_fini(&b);
}

static void test_faults_of_the_books_are_printed(void **state)
{
    (void)state;
    sn_book b;
    sn_book_init(&b, NULL, 0);
    for (uint64_t i = 0; i < 1200; i++)
        add_request(&b, 0);
    sn_sink s;
    char *text = render(&b, false, &s);
    assert_non_null(strstr(text, "unexplained"));
    assert_null(strstr(text, "over-attributed"));
    assert_null(strstr(text, "fewer than"));
    assert_null(strstr(text, "wrong order"));
    sn_sink_fini(&s);

    sn_ledger l;
    sn_ledger_begin_at(&l, 0, 0);
    sn_ledger_add_at(&l, SN_STAGE_EXECUTE, 5000, 1000);
    sn_ledger_leave_at(&l, SN_STAGE_EXECUTE, 1000);
    sn_ledger_close_at(&l, 1000);
    l.known |= SN_LEDGER_KNOWN_COUNTS;
    l.n_minor_faults = 1234;
    l.n_switches = 1;
    assert_int_equal(sn_book_add(&b, &l), SETSUNA_OK);
    text = render(&b, false, &s);
    assert_non_null(strstr(text, "over-attributed"));
    assert_non_null(strstr(text, "stages were left in the wrong order in 1 request:"));
    assert_non_null(strstr(text, "1,234 minor and 0 major page faults, 1 context switch in 1 request\n"));
    sn_sink_fini(&s);

    sn_sink_init_buffer(&s, NULL);
    assert_int_equal(sn_ledger_report_write_worst(&b, &s, true), SETSUNA_OK);
    assert_memory_equal(s.data,
                        "request      wall   prepare   execute  overhead     queue  unexplained\n"
                        "----------------------------------------------------------------------\n"
                        "      0  10.00 us  2.000 us  6.000 us  1.000 us  1.000 us     1.000 us\n",
                        3 * 71);
    sn_sink_fini(&s);
    sn_book_fini(&b);
}

static void test_negative_rest_of_a_worst_request(void **state)
{
    (void)state;
    sn_book b;
    sn_book_init(&b, NULL, 0);
    sn_ledger l;
    sn_ledger_begin_at(&l, 9, 0);
    sn_ledger_add_at(&l, SN_STAGE_EXECUTE, 5000, 1000);
    sn_ledger_close_at(&l, 1000);
    assert_int_equal(sn_book_add(&b, &l), SETSUNA_OK);
    sn_sink s;
    sn_sink_init_buffer(&s, NULL);
    assert_int_equal(sn_ledger_report_write_worst(&b, &s, true), SETSUNA_OK);
    assert_non_null(strstr(s.data, "9  1.000 us  5.000 us    -4.000 us\n"));
    sn_sink_fini(&s);
    sn_book_fini(&b);
}

static void test_empty(void **state)
{
    (void)state;
    sn_book b;
    sn_book_init(&b, NULL, 0);
    sn_sink s;
    assert_string_equal(render(&b, true, &s), "no requests\n");
    sn_sink_fini(&s);
    sn_book_fini(&b);
}

static void test_passport(void **state)
{
    (void)state;
    sn_passport p = {.setsuna = "0.1.0",
                     .cpu = "CPU \"X\"",
                     .cpu_level = "avx2",
                     .kernel = "Linux 6.1",
                     .machine = "x86_64",
                     .compiler = "gcc 12",
                     .hypervisor = "no",
                     .governor = "unknown",
                     .clock_source = "tsc",
                     .huge_pages = "madvise",
                     .n_cpus_usable = 2,
                     .n_cpus_online = 4,
                     .page_bytes = 4096};
    sn_sink s;
    sn_sink_init_buffer(&s, NULL);
    sn_passport_write_text(&p, &s);
    assert_string_equal(s.data, "setsuna 0.1.0 on CPU \"X\" (avx2), 2 of 4 CPUs, memory unknown, Linux 6.1, clock tsc, "
                                "governor unknown, hypervisor no\n");
    sn_sink_fini(&s);
    sn_sink_init_buffer(&s, NULL);
    sn_json w;
    sn_json_init(&w, &s, 0);
    sn_passport_write_json(&p, &w);
    assert_int_equal(sn_json_finish(&w), SETSUNA_OK);
    assert_string_equal(s.data,
                        "{\"setsuna\":\"0.1.0\",\"compiler\":\"gcc 12\",\"cpu\":\"CPU \\\"X\\\"\",\"cpu_level\":"
                        "\"avx2\",\"machine\":\"x86_64\",\"kernel\":\"Linux 6.1\",\"hypervisor\":\"no\","
                        "\"governor\":\"unknown\",\"clock_source\":\"tsc\",\"huge_pages\":\"madvise\","
                        "\"n_cpus_usable\":2,\"n_cpus_online\":4,\"memory_bytes\":null,\"page_bytes\":4096}\n");
    sn_sink_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_table),
        cmocka_unit_test(test_faults_of_the_books_are_printed),
        cmocka_unit_test(test_negative_rest_of_a_worst_request),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_passport),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
