#include "base/alloc.h"
#include "cli/common.h"
#include "unit/unit.h"
#include <string.h>

enum { OPT_JSON, OPT_THREADS, OPT_DURATION };
static const sn_cli_option options[] = {
    [OPT_JSON] = {"json", NULL, "as JSON"},
    [OPT_THREADS] = {"threads", "N", "how many"},
    [OPT_DURATION] = {"duration", "TIME", "how long"},
    {NULL, NULL, NULL},
};
static const sn_cli_command command = {"bench", "MODEL", "Measures.", options, NULL};

enum { WORDS_MAX = 16 };

/* main's argv is writable; literals are not. Copies up to the NULL into `arena`. */
static sn_cli_args begin(sn_arena *arena, const char *const *words)
{
    char **argv = sn_arena_array(arena, WORDS_MAX, sizeof *argv);
    int argc = 0;
    for (; words[argc]; argc++)
        argv[argc] = sn_arena_strndup(arena, words[argc], strlen(words[argc]));
    return sn_cli_args_begin(&command, argc, argv);
}

static void test_walk(void **state)
{
    (void)state;
    static const char *const words[] = {"bench", "a.onnx", "--threads", "4",  "--json", "--duration=10s",
                                        "-",     "--",     "--json",    "--", NULL};
    static const struct {
        int code;
        const char *value;
    } want[] = {{SN_CLI_WORD, "a.onnx"}, {OPT_THREADS, "4"},      {OPT_JSON, NULL},    {OPT_DURATION, "10s"},
                {SN_CLI_WORD, "-"},      {SN_CLI_WORD, "--json"}, {SN_CLI_WORD, "--"}, {SN_CLI_END, NULL}};
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    sn_cli_args args = begin(arena, words);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        assert_int_equal(sn_cli_args_next(&args), want[i].code);
        if (want[i].value)
            assert_string_equal(args.value, want[i].value);
        else if (want[i].code >= 0)
            assert_null(args.value);
    }
    sn_arena_destroy(arena);
}

static void check_stop(const char *first, const char *second, int exit_code)
{
    const char *const words[] = {"bench", first, second, NULL};
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    sn_cli_args args = begin(arena, words);
    assert_int_equal(sn_cli_args_next(&args), SN_CLI_STOP);
    assert_int_equal(args.exit_code, exit_code);
    sn_arena_destroy(arena);
}

static void test_stops(void **state)
{
    (void)state;
    check_stop("--thread", "4", SN_EXIT_USAGE); /* no abbreviations */
    check_stop("--threadsx=4", NULL, SN_EXIT_USAGE);
    check_stop("--threads", NULL, SN_EXIT_USAGE);
    check_stop("--json=yes", NULL, SN_EXIT_USAGE);
    check_stop("-j", NULL, SN_EXIT_USAGE);
    check_stop("--=", NULL, SN_EXIT_USAGE);
    check_stop("--\x1b[2J", NULL, SN_EXIT_USAGE);
    check_stop("--help", "--nonsense", SN_EXIT_OK);
    check_stop("-h", NULL, SN_EXIT_OK);
}

static sn_cli_args with_value(const char *text)
{
    sn_cli_args args = sn_cli_args_begin(&command, 0, NULL);
    args.value = text;
    return args;
}

static void test_u64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t min, max;
        bool ok;
        uint64_t want;
    } cases[] = {
        {"1", 1, 4, true, 1},
        {"4", 1, 4, true, 4},
        {"007", 1, 9, true, 7},
        {"18446744073709551615", 0, UINT64_MAX, true, UINT64_MAX},
        {"0", 1, 4, false, 0},
        {"5", 1, 4, false, 0},
        {"", 0, 4, false, 0},
        {"-1", 0, UINT64_MAX, false, 0},
        {"+1", 0, 4, false, 0},
        {" 1", 0, 4, false, 0},
        {"1x", 0, 4, false, 0},
        {"0x1", 0, 4, false, 0},
        {"18446744073709551616", 0, UINT64_MAX, false, 0},
        {"99999999999999999999999999", 0, UINT64_MAX, false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sn_cli_args args = with_value(cases[i].text);
        uint64_t n = 77;
        assert_int_equal(sn_cli_args_u64(&args, OPT_THREADS, cases[i].min, cases[i].max, &n), cases[i].ok);
        assert_int_equal(n, cases[i].ok ? cases[i].want : 77);
        assert_int_equal(args.exit_code, cases[i].ok ? SN_EXIT_OK : SN_EXIT_USAGE);
    }
}

static void test_duration(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t want; /* 0: refused */
    } cases[] = {
        {"10s", 10000000000},
        {"500ms", 500000000},
        {"1.5ms", 1500000},
        {"0.25us", 250},
        {"7ns", 7},
        {"2m", 120000000000},
        {"1h", 3600000000000},
        {"0s", 0},
        {"0.1ns", 0},
        {"10", 0},
        {"s", 0},
        {"1.s", 0},
        {".5s", 0},
        {"1..5s", 0},
        {"-1s", 0},
        {"1 s", 0},
        {"1S", 0},
        {"", 0},
        {"9999999h", 0},
        {"1e3s", 0},
        {"99999999999999999999999s", 0},
        {"0.00000000000000000000000001s", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sn_cli_args args = with_value(cases[i].text);
        uint64_t ns = 0;
        assert_int_equal(sn_cli_args_duration_ns(&args, OPT_DURATION, &ns), cases[i].want != 0);
        assert_int_equal(ns, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
