/* setsuna report */
#include "cli/report_page.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/share.h"
#include <stdio.h>
#include <string.h>

static const sn_cli_option report_options[] = {
    {"output", "FILE", "where the page goes (default report.html; - for standard output)"},
    {"o", "FILE", "the same"},
    {"lang", "en|ja", "the page's language (default en)"},
    {"db", "FILE", "the history (default: setsuna/history.db in $XDG_DATA_HOME or ~/.local/share)"},
    {.name = NULL},
};
enum { REPORT_OUTPUT, REPORT_O, REPORT_LANG, REPORT_DB };

static const sn_cli_command report_command = {
    .name = "report",
    .synopsis = "[RUN...]",
    .summary = "Makes one page of HTML of runs that bench kept: charts, composition, slowest requests, comparison.",
    .options = report_options,
    .details =
        "\nA RUN is a number of setsuna history, last, or last-1 and so on; last unless told otherwise. Two runs are\n"
        "compared as well, the first with the second. The page needs no network and no other file.\n"
        "\nExamples:\n"
        "  setsuna report\n"
        "  setsuna report last-1 last -o compared.html\n"
        "  setsuna report 12 --lang ja -o report.html\n",
};

typedef struct report_args {
    const char *db, *output;
    sn_report_language language;
    const char *word[SN_HTML_REPORT_RUNS_MAX];
    size_t n_words;
} report_args;

static setsuna_status report_load(const report_args *a, const char *path, sn_history_run **run, size_t *n_out,
                                  setsuna_error *err)
{
    sn_history *h;
    setsuna_status status = sn_history_open(path, SN_HISTORY_READ, &h, err);
    if (status != SETSUNA_OK)
        return status;
    for (*n_out = 0; *n_out < a->n_words && status == SETSUNA_OK; *n_out += status == SETSUNA_OK) {
        int64_t id;
        status = sn_history_find(h, a->word[*n_out], &id, err);
        if (status == SETSUNA_OK)
            status = sn_history_load(h, id, &run[*n_out], err);
    }
    sn_history_close(h);
    return status;
}

static int report_make(const report_args *a)
{
    char path[SN_HISTORY_PATH_MAX];
    sn_history_run *run[SN_HTML_REPORT_RUNS_MAX];
    size_t n = 0;
    setsuna_error err = {0};
    if (!a->db && !sn_cli_user_history(path, sizeof path))
        return sn_cli_fail("history", "neither XDG_DATA_HOME nor HOME says where it is; name it with --db");
    setsuna_status status = report_load(a, a->db ? a->db : path, run, &n, &err);
    if (status == SETSUNA_OK)
        status = sn_report_page_write((const sn_history_run *const *)run, n, a->language, a->output, &err);
    while (n > 0)
        sn_history_run_destroy(run[--n]);
    if (status == SETSUNA_EINVAL)
        return sn_cli_usage_error(&report_command, "%s: %s", err.where, err.text);
    if (status != SETSUNA_OK)
        return sn_cli_error(&err);
    if (strcmp(a->output, "-") != 0)
        printf("%s\n", a->output);
    return SN_EXIT_OK;
}

int sn_cli_report(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&report_command, argc, argv);
    report_args a = {.output = "report.html"};
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        if (word == SN_CLI_STOP)
            return args.exit_code;
        if (word == REPORT_OUTPUT || word == REPORT_O)
            a.output = args.value;
        else if (word == REPORT_DB)
            a.db = args.value;
        else if (word == REPORT_LANG && !sn_report_language_parse(args.value, &a.language))
            return sn_cli_usage_error(&report_command, "--lang: neither en nor ja: \"%s\"", args.value);
        else if (word == SN_CLI_WORD && a.n_words == SN_HTML_REPORT_RUNS_MAX)
            return sn_cli_usage_error(&report_command, "more than %d runs", SN_HTML_REPORT_RUNS_MAX);
        else if (word == SN_CLI_WORD)
            a.word[a.n_words++] = args.value;
    }
    if (a.n_words == 0)
        a.word[a.n_words++] = "last";
    return report_make(&a);
}
