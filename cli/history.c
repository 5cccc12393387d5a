/* setsuna history */
#include "history/history.h"
#include "base/status.h"
#include "cli/commands.h"
#include "cli/common.h"
#include "cli/history_show.h"
#include "cli/share.h"
#include "report/human.h"
#include "report/run_json.h"
#include "report/table.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const sn_cli_option history_options[] = {
    {"db", "FILE", "the history (default: setsuna/history.db in $XDG_DATA_HOME or ~/.local/share)"},
    {"target", "TEXT", "list: only of models and pipelines whose name has this in it"},
    {"tag", "TEXT", "list: only with this tag"},
    {"since", "WHEN", "list: only begun since a time such as 2026-01-31 or 2026-01-31T09:00, or 12h or 7d ago"},
    {"limit", "N", "list: the newest N (default 20; 0: all)"},
    {"json", NULL, "list, show: print one JSON object (docs/json.md)"},
    {"format", "csv|json", "export: a row a request (default), or everything that is kept"},
    {"keep", "N", "prune: remove all but the newest N"},
    {"older", "TIME", "prune: remove those begun longer ago, such as 90d"},
    {.name = NULL},
};
enum {
    HISTORY_DB,
    HISTORY_TARGET,
    HISTORY_TAG,
    HISTORY_SINCE,
    HISTORY_LIMIT,
    HISTORY_JSON,
    HISTORY_FORMAT,
    HISTORY_KEEP,
    HISTORY_OLDER
};

static const sn_cli_command history_command = {
    .name = "history",
    .synopsis = "[list | show RUN | tag RUN TEXT | export RUN... | prune | remove RUN...]",
    .summary = "Lists the runs that bench kept, shows one again, exports their requests, removes them.",
    .options = history_options,
    .details = "\nA RUN is a number of the list, last, or last-1 for the one before it, and so on.\n"
               "\nExamples:\n"
               "  setsuna history\n"
               "  setsuna history list --target ppocr --since 7d\n"
               "  setsuna history show last\n"
               "  setsuna history tag last \"before the upgrade\"\n"
               "  setsuna history export 12 13 --format csv >requests.csv\n"
               "  setsuna history prune --older 90d\n",
};

enum { HISTORY_WORDS_MAX = 256, HISTORY_LIMIT_DEFAULT = 20 };

typedef struct history_args {
    const char *db;
    sn_history_filter filter;
    bool json, as_json;
    uint64_t keep, older_ns; /* UINT64_MAX and 0: not given */
    const char *word[HISTORY_WORDS_MAX];
    size_t n_words;
    uint32_t given; /* 1u << option */
} history_args;

static uint64_t history_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* 2026-01-31, 2026-01-31T09:00 or 2026-01-31T09:00:59 in local time. */
static bool history_parse_date(const char *text, uint64_t *out)
{
    static const char *const formats[] = {"%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"};
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        struct tm t = {.tm_isdst = -1};
        const char *end = strptime(text, formats[i], &t);
        time_t time = end && !*end ? mktime(&t) : -1;
        if (time > 0) {
            *out = (uint64_t)time * 1000000000u;
            return true;
        }
    }
    return false;
}

static bool history_parse_since(sn_cli_args *args, int word, uint64_t *out)
{
    uint64_t ago, now = history_now_ns();
    if (strchr(args->value, '-')) {
        if (history_parse_date(args->value, out))
            return true;
        args->exit_code = sn_cli_usage_error(&history_command,
                                             "--since: no date such as 2026-01-31 or 2026-01-31T09:00: "
                                             "\"%s\"",
                                             args->value);
        return false;
    }
    if (!sn_cli_args_duration_ns(args, word, &ago))
        return false;
    *out = ago < now ? now - ago : 0;
    return true;
}

static int history_option(history_args *a, sn_cli_args *args, int word)
{
    bool ok = true;
    a->given |= 1u << word;
    switch (word) {
    case HISTORY_DB: a->db = args->value; break;
    case HISTORY_TARGET: a->filter.target = args->value; break;
    case HISTORY_TAG: a->filter.tag = args->value; break;
    case HISTORY_SINCE: ok = history_parse_since(args, word, &a->filter.since_ns); break;
    case HISTORY_LIMIT: ok = sn_cli_args_u64(args, word, 0, 1000000000, &a->filter.limit); break;
    case HISTORY_FORMAT:
        a->as_json = strcmp(args->value, "json") == 0;
        if (!a->as_json && strcmp(args->value, "csv") != 0)
            return sn_cli_usage_error(&history_command, "--format: neither csv nor json: \"%s\"", args->value);
        break;
    case HISTORY_KEEP: ok = sn_cli_args_u64(args, word, 0, 1000000000, &a->keep); break;
    case HISTORY_OLDER: ok = sn_cli_args_duration_ns(args, word, &a->older_ns); break;
    default: a->json = true; break;
    }
    return ok ? SN_EXIT_OK : args->exit_code;
}

/* ---- list ------------------------------------------------------------------------------------------ */

typedef struct history_list {
    sn_table *table;
    sn_json json;
    uint64_t n;
} history_list;

static setsuna_status history_list_row(void *ctx, const sn_history_run *r)
{
    history_list *l = ctx;
    char when[SN_HISTORY_WHEN_MAX], p50[SN_HUMAN_MAX], p99[SN_HUMAN_MAX], n[SN_HUMAN_MAX], tags[512] = "";
    const char *slash = strrchr(r->target, '/');
    for (size_t i = 0, at = 0; i < r->n_tags && at < sizeof tags; i++)
        at += (size_t)snprintf(tags + at, sizeof tags - at, "%s%s", i ? ", " : "", r->tags[i]);
    sn_table_cell(l->table, "%lld", (long long)r->id);
    sn_table_cell(l->table, "%s", sn_history_when(r->time_ns, when));
    sn_table_cell(l->table, "%s", slash && slash[1] ? slash + 1 : r->target);
    sn_table_cell(l->table, "%s", r->engine);
    sn_table_cell(l->table, "%u", r->threads);
    sn_table_cell(l->table, "%s", sn_human_count(n, r->n));
    sn_table_cell(l->table, "%s", sn_human_align(sn_human_duration(p50, r->p50_ns, false)));
    sn_table_cell(l->table, "%s", sn_human_align(sn_human_duration(p99, r->p99_ns, false)));
    sn_table_cell(l->table, "%s%s", r->verdict, r->partial ? ", interrupted" : "");
    sn_table_cell(l->table, "%s", tags);
    sn_table_end_row(l->table);
    l->n++;
    return SETSUNA_OK;
}

static setsuna_status history_list_object(void *ctx, const sn_history_run *r)
{
    history_list *l = ctx;
    sn_json_begin_object(&l->json);
    sn_run_write_facts(r, &l->json);
    sn_json_end_object(&l->json);
    return l->json.status;
}

static setsuna_status history_list_json(sn_history *h, const history_args *a, setsuna_error *err)
{
    sn_sink out;
    history_list l = {.table = NULL};
    sn_sink_init_file(&out, stdout);
    sn_json_init(&l.json, &out, 2);
    sn_json_begin_object(&l.json);
    sn_json_key(&l.json, "runs");
    sn_json_begin_array(&l.json);
    SN_TRY(sn_history_list(h, &a->filter, history_list_object, &l, err));
    sn_json_end_array(&l.json);
    sn_json_end_object(&l.json);
    setsuna_status status = sn_json_finish(&l.json);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail(err, status, "standard output", "%s", strerror(errno));
}

static setsuna_status history_list_table(sn_history *h, const history_args *a, setsuna_error *err)
{
    static const struct {
        const char *heading;
        sn_table_align align;
    } columns[] = {{"run", SN_TABLE_RIGHT},   {"when", SN_TABLE_LEFT}, {"target", SN_TABLE_LEFT},
                   {"engine", SN_TABLE_LEFT}, {"thr", SN_TABLE_RIGHT}, {"requests", SN_TABLE_RIGHT},
                   {"p50", SN_TABLE_RIGHT},   {"p99", SN_TABLE_RIGHT}, {"verdict", SN_TABLE_LEFT},
                   {"tags", SN_TABLE_LEFT}};
    sn_sink out;
    history_list l = {.table = sn_table_create(NULL)};
    sn_sink_init_file(&out, stdout);
    for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++)
        sn_table_column(l.table, columns[i].heading, columns[i].align);
    setsuna_status status = sn_history_list(h, &a->filter, history_list_row, &l, err);
    if (status == SETSUNA_OK && l.n == 0) {
        sn_sink_puts(&out, "no such run\n");
    } else if (status == SETSUNA_OK) {
        status = l.table ? sn_table_write(l.table, &out, false) : SETSUNA_ENOMEM;
        if (status != SETSUNA_OK)
            sn_fail(err, status, "standard output", "%s", setsuna_status_text(status));
    }
    sn_table_destroy(l.table);
    return status;
}

/* ---- the verbs ------------------------------------------------------------------------------------- */

static setsuna_status history_verb_list(sn_history *h, const history_args *a, setsuna_error *err)
{
    return a->json ? history_list_json(h, a, err) : history_list_table(h, a, err);
}

static setsuna_status history_verb_show(sn_history *h, const history_args *a, setsuna_error *err)
{
    int64_t id;
    sn_history_run *run;
    SN_TRY(sn_history_find(h, a->word[0], &id, err));
    SN_TRY(sn_history_load(h, id, &run, err));
    setsuna_status status = a->json ? sn_history_show_json(&run, 1, err) : sn_history_show(run, err);
    sn_history_run_destroy(run);
    return status;
}

static setsuna_status history_verb_tag(sn_history *h, const history_args *a, setsuna_error *err)
{
    int64_t id;
    SN_TRY(sn_history_find(h, a->word[0], &id, err));
    return sn_history_tag(h, id, a->word[1], err);
}

static setsuna_status history_verb_remove(sn_history *h, const history_args *a, setsuna_error *err)
{
    int64_t id[HISTORY_WORDS_MAX]; /* all are found before one is gone: "last" is another run then */
    for (size_t i = 0; i < a->n_words; i++)
        SN_TRY(sn_history_find(h, a->word[i], &id[i], err));
    for (size_t i = 0; i < a->n_words; i++)
        SN_TRY(sn_history_remove(h, id[i], err));
    return SETSUNA_OK;
}

static setsuna_status history_verb_export(sn_history *h, const history_args *a, setsuna_error *err)
{
    sn_history_run *run[HISTORY_WORDS_MAX];
    size_t n = 0;
    setsuna_status status = SETSUNA_OK;
    for (; n < a->n_words && status == SETSUNA_OK; n += status == SETSUNA_OK) {
        int64_t id;
        status = sn_history_find(h, a->word[n], &id, err);
        if (status == SETSUNA_OK)
            status = sn_history_load(h, id, &run[n], err);
    }
    if (status == SETSUNA_OK)
        status = a->as_json ? sn_history_show_json(run, n, err) : sn_history_export_csv(run, n, err);
    while (n > 0)
        sn_history_run_destroy(run[--n]);
    return status;
}

static setsuna_status history_verb_prune(sn_history *h, const history_args *a, setsuna_error *err)
{
    uint64_t n, now = history_now_ns();
    SN_TRY(sn_history_prune(h, a->keep, a->older_ns && a->older_ns < now ? now - a->older_ns : 0, &n, err));
    printf("removed %llu run%s\n", (unsigned long long)n, n == 1 ? "" : "s");
    return SETSUNA_OK;
}

static const struct history_verb {
    const char *name;
    setsuna_status (*run)(sn_history *h, const history_args *a, setsuna_error *err);
    sn_history_mode mode;
    size_t least, most; /* words behind it */
    uint32_t options;   /* that it knows, besides --db */
} history_verbs[] = {
    {"list", history_verb_list, SN_HISTORY_READ, 0, 0,
     1u << HISTORY_TARGET | 1u << HISTORY_TAG | 1u << HISTORY_SINCE | 1u << HISTORY_LIMIT | 1u << HISTORY_JSON},
    {"show", history_verb_show, SN_HISTORY_READ, 1, 1, 1u << HISTORY_JSON},
    {"tag", history_verb_tag, SN_HISTORY_READ, 2, 2, 0},
    {"export", history_verb_export, SN_HISTORY_READ, 1, HISTORY_WORDS_MAX, 1u << HISTORY_FORMAT},
    {"prune", history_verb_prune, SN_HISTORY_READ, 0, 0, 1u << HISTORY_KEEP | 1u << HISTORY_OLDER},
    {"remove", history_verb_remove, SN_HISTORY_READ, 1, HISTORY_WORDS_MAX, 0},
};

/* What the command line asks for. NULL: the usage error was printed. */
static const struct history_verb *history_choose(const history_args *a, const char *name)
{
    const struct history_verb *v = NULL;
    for (size_t i = 0; i < sizeof history_verbs / sizeof history_verbs[0]; i++)
        if (strcmp(name, history_verbs[i].name) == 0)
            v = &history_verbs[i];
    if (!v) {
        sn_cli_usage_error(&history_command, "no \"%s\" of it", name);
        return NULL;
    }
    if (a->n_words < v->least || a->n_words > v->most) {
        sn_cli_usage_error(&history_command, "%s wants %s", name,
                           v->least == 2  ? "a run and a text"
                           : v->most == 0 ? "no more words"
                           : v->most == 1 ? "one run"
                                          : "one run or more");
        return NULL;
    }
    for (int i = HISTORY_TARGET; history_options[i].name; i++)
        if (a->given & 1u << i & ~v->options) {
            sn_cli_usage_error(&history_command, "--%s is not for %s", history_options[i].name, name);
            return NULL;
        }
    if (v->run == history_verb_prune && !a->given) {
        sn_cli_usage_error(&history_command, "prune wants --keep or --older");
        return NULL;
    }
    return v;
}

static int history_run(const struct history_verb *v, const history_args *a)
{
    char path[SN_HISTORY_PATH_MAX];
    sn_history *h = NULL;
    setsuna_error err = {0};
    if (!a->db && !sn_cli_user_history(path, sizeof path))
        return sn_cli_fail("history", "neither XDG_DATA_HOME nor HOME says where it is; name it with --db");
    setsuna_status status = sn_history_open(a->db ? a->db : path, v->mode, &h, &err);
    if (status == SETSUNA_ENOTFOUND && !a->db && v->run == history_verb_list && !a->json) {
        printf("no run was kept yet: setsuna bench keeps every run\n");
        return SN_EXIT_OK;
    }
    if (status == SETSUNA_OK)
        status = v->run(h, a, &err);
    sn_history_close(h);
    if (status == SETSUNA_EINVAL)
        return sn_cli_usage_error(&history_command, "%s%s%s", err.where, err.where[0] ? ": " : "", err.text);
    return status == SETSUNA_OK ? SN_EXIT_OK : sn_cli_error(&err);
}

int sn_cli_history(int argc, char **argv)
{
    sn_cli_args args = sn_cli_args_begin(&history_command, argc, argv);
    history_args a = {.keep = UINT64_MAX, .filter = {.limit = HISTORY_LIMIT_DEFAULT}};
    const char *verb = NULL;
    for (int word; (word = sn_cli_args_next(&args)) != SN_CLI_END;) {
        int code = SN_EXIT_OK;
        if (word == SN_CLI_STOP)
            return args.exit_code;
        if (word != SN_CLI_WORD)
            code = history_option(&a, &args, word);
        else if (!verb)
            verb = args.value;
        else if (a.n_words < HISTORY_WORDS_MAX)
            a.word[a.n_words++] = args.value;
        else
            return sn_cli_usage_error(&history_command, "more than %d runs", HISTORY_WORDS_MAX);
        if (code != SN_EXIT_OK)
            return code;
    }
    const struct history_verb *v = history_choose(&a, verb ? verb : "list");
    return v ? history_run(v, &a) : SN_EXIT_USAGE;
}
