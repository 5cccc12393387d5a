#include "report/html_report.h"
#include "report/interval_report.h"
#include "report/sha256.h"
#include "report/web_asset.h"
#include "unit/unit.h"
#include <string.h>

#define HOSTILE "</script><script>alert(1)</script><!-- \xff & \"' "

static const char *const tags[] = {HOSTILE};

static sn_history_run run_of(int64_t id)
{
    return (sn_history_run){.id = id,
                            .command = HOSTILE,
                            .target = HOSTILE,
                            .engine = "native",
                            .precision = "f32",
                            .verdict = "",
                            .machine = "",
                            .tags = tags,
                            .n_tags = 1,
                            .result = "{\"model\":\"</script><!--\"}",
                            .passport = "{}"};
}

static void log_of(sn_request_log *log, uint64_t n, uint64_t slower)
{
    sn_request_log_init(log, NULL, 0);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t row[SN_REQUEST_COLUMNS] = {[SN_REQUEST_DUE] = 1000 * i,
                                            [SN_REQUEST_BEGIN] = 1000 * i,
                                            [SN_REQUEST_END] = 1000 * i + 500 + slower + i * 7919 % 50,
                                            [SN_REQUEST_EXECUTE] = 400};
        assert_int_equal(sn_request_log_add(log, row), SETSUNA_OK);
    }
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (; (text = strstr(text, what)); text += strlen(what))
        n++;
    return n;
}

static void write_page(const sn_html_report *r, sn_sink *out)
{
    sn_sink_init_buffer(out, NULL);
    assert_int_equal(sn_html_report_write(r, out), SETSUNA_OK);
}

/* Whatever texts say, the page has the two script elements that it has, and no comment of theirs. */
static void test_hostile_texts(void **state)
{
    (void)state;
    sn_history_run run = run_of(1);
    sn_request_log log;
    sn_sink out;
    log_of(&log, 100, 0);
    sn_html_report r = {.n = 1, .run = {&run}, .log = {&log}};
    write_page(&r, &out);
    assert_int_equal(count(out.data, "</script"), 2);
    assert_int_equal(count(out.data, "<script"), 2);
    assert_int_equal(count(out.data, "<!--"), 0);
    assert_int_equal(count(out.data, "<title>"), 1);
    const char *title = strstr(out.data, "<title>");
    assert_non_null(strstr(title, "&lt;/script&gt;&lt;script&gt;alert(1)"));
    sn_sink_fini(&out);
    sn_request_log_fini(&log);
}

/* The policy names the script by the digest that a browser will find. */
static void test_policy(void **state)
{
    (void)state;
    sn_history_run run = run_of(1);
    sn_html_report r = {.n = 1, .run = {&run}, .language = SN_REPORT_JAPANESE};
    char hex[SN_SHA256_TEXT_MAX];
    sn_sink out;
    write_page(&r, &out);
    const char *policy = strstr(out.data, "script-src 'sha256-");
    assert_non_null(policy);
    policy += strlen("script-src 'sha256-");
    assert_int_equal(strcspn(policy, "'"), 44);
    assert_int_equal(policy[43], '=');
    sn_sha256_text(sn_web_script, sn_web_script_bytes, hex);
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int i = 0; i < 64; i++) { /* a hexadecimal digit is four bits of six */
        unsigned bits = 0;
        for (int b = 4 * i; b < 4 * i + 4; b++) {
            const char *digit = strchr(digits, policy[b / 6]);
            assert_non_null(digit);
            bits = bits << 1 | ((unsigned)(digit - digits) >> (5 - b % 6) & 1);
        }
        assert_int_equal("0123456789abcdef"[bits], hex[i]);
    }
    assert_non_null(strstr(out.data, "<html lang=\"ja\">"));
    assert_null(strstr(out.data, "\"log\":")); /* there is none */
    sn_sink_fini(&out);
}

static void test_two_are_compared(void **state)
{
    (void)state;
    sn_history_run a = run_of(1), b = run_of(2);
    sn_request_log log_a, log_b;
    sn_sink out;
    log_of(&log_a, 20000, 0);
    log_of(&log_b, 20000, 300);
    sn_html_report r = {.n = 2, .run = {&a, &b}, .log = {&log_a, &log_b}};
    write_page(&r, &out);
    const char *comparison = strstr(out.data, "\"comparison\":[");
    assert_non_null(comparison);
    assert_int_equal(count(comparison, "\"verdict\":\"slower\""), SN_INTERVAL_REPORT_ALL);
    sn_sink_fini(&out);
    r.log[1] = NULL; /* a run without a log is shown, not compared */
    write_page(&r, &out);
    assert_null(strstr(out.data, "\"comparison\""));
    sn_sink_fini(&out);
    sn_request_log_fini(&log_a);
    sn_request_log_fini(&log_b);
}

static void test_arguments(void **state)
{
    (void)state;
    sn_html_report r = {.n = 0};
    sn_report_language language = SN_REPORT_ENGLISH;
    sn_sink out;
    sn_sink_init_buffer(&out, NULL);
    assert_int_equal(sn_html_report_write(&r, &out), SETSUNA_EINVAL);
    r.n = SN_HTML_REPORT_RUNS_MAX + 1;
    assert_int_equal(sn_html_report_write(&r, &out), SETSUNA_EINVAL);
    assert_true(sn_report_language_parse("ja", &language) && language == SN_REPORT_JAPANESE);
    assert_false(sn_report_language_parse("de", &language));
    assert_int_equal(language, SN_REPORT_JAPANESE);
    sn_sink_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_texts),
        cmocka_unit_test(test_policy),
        cmocka_unit_test(test_two_are_compared),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
