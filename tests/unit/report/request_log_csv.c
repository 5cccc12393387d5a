#include "report/request_log_csv.h"
#include "unit/unit.h"

static void test_csv(void **state)
{
    (void)state;
    sn_request_log log;
    sn_sink s;
    sn_request_log_init(&log, NULL, 0);
    sn_sink_init_buffer(&s, NULL);
    assert_int_equal(sn_request_log_write_csv(&log, &s), SETSUNA_OK);
    assert_string_equal(s.data, "\n");
    sn_sink_fini(&s);

    uint64_t row[SN_REQUEST_COLUMNS] = {[SN_REQUEST_END] = 120, [SN_REQUEST_EXECUTE] = 0};
    assert_int_equal(sn_request_log_add(&log, row), SETSUNA_OK);
    row[SN_REQUEST_DUE] = 1, row[SN_REQUEST_BEGIN] = 10, row[SN_REQUEST_END] = UINT64_MAX;
    row[SN_REQUEST_EXECUTE] = 7, row[SN_REQUEST_FLAGS] = SN_REQUEST_IS_LATE | SN_REQUEST_IS_WARMUP;
    assert_int_equal(sn_request_log_add(&log, row), SETSUNA_OK);
    sn_sink_init_buffer(&s, NULL);
    assert_int_equal(sn_request_log_write_csv(&log, &s), SETSUNA_OK);
    assert_string_equal(s.data, "due_ns,begin_ns,end_ns,flags,execute_ns\n"
                                "0,0,120,0,0\n"
                                "1,10,18446744073709551615,9,7\n");
    sn_sink_fini(&s);
    sn_request_log_fini(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_csv)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
