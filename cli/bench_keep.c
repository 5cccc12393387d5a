#include "cli/bench_keep.h"
#include "base/status.h"
#include "cli/common.h"
#include "cli/report_page.h"
#include "cli/share.h"
#include "history/history.h"
#include "report/passport_report.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sn_bench_keep_add_tag(sn_bench_keep_options *o, const char *text)
{
    size_t n = strlen(text);
    if (n == 0 || n > SN_HISTORY_TAG_MAX || o->n_tags == SN_BENCH_TAGS_MAX)
        return false;
    o->tag[o->n_tags++] = text;
    return true;
}

static bool keep_is_off(const sn_bench_keep_options *o)
{
    return o->off || (!o->db && !o->n_tags && getenv("SETSUNA_NO_HISTORY"));
}

bool sn_bench_keep_wants_log(const sn_bench_keep_options *o)
{
    return !keep_is_off(o) || o->report;
}

/* The wall clock at a reading of the monotonic one. */
static uint64_t keep_unix_time(uint64_t at_ns)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec - (sn_now_ns() - at_ns);
}

/* A word as a shell reads it back. */
static void keep_quote(sn_sink *s, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@%+=:,./-";
    if (*word && word[strspn(word, plain)] == '\0') {
        sn_sink_puts(s, word);
        return;
    }
    sn_sink_puts(s, "'");
    for (; *word; word++)
        sn_sink_printf(s, *word == '\'' ? "'\\''" : "%c", *word);
    sn_sink_puts(s, "'");
}

/* The texts of a run; sinks that hold them. */
typedef struct keep_texts {
    sn_sink command, result, passport, machine;
    uint8_t *log;
    size_t log_bytes;
} keep_texts;

static void keep_texts_fini(keep_texts *t)
{
    sn_sink_fini(&t->command);
    sn_sink_fini(&t->result);
    sn_sink_fini(&t->passport);
    sn_sink_fini(&t->machine);
    sn_free(sn_allocator_default(), t->log);
}

static setsuna_status keep_texts_make(const sn_bench_keep_options *o, const sn_bench_keep_run *run, keep_texts *t)
{
    sn_json w;
    const sn_passport *p = run->result->passport;
    sn_sink *const sinks[] = {&t->command, &t->result, &t->passport, &t->machine};
    for (size_t i = 0; i < sizeof sinks / sizeof sinks[0]; i++)
        sn_sink_init_buffer(sinks[i], NULL);
    sn_sink_puts(&t->command, "setsuna");
    for (int i = 0; i < o->argc; i++) {
        sn_sink_puts(&t->command, " ");
        keep_quote(&t->command, o->argv[i]);
    }
    sn_json_init(&w, &t->result, 0);
    sn_bench_result_write_json(run->result, &w);
    SN_TRY(sn_json_finish(&w));
    sn_json_init(&w, &t->passport, 0);
    sn_passport_write_json(p, &w);
    SN_TRY(sn_json_finish(&w));
    sn_passport_write_text(p, &t->machine);
    SN_TRY(t->command.status);
    SN_TRY(t->machine.status);
    return sn_request_log_encode(run->log, &t->log, &t->log_bytes);
}

static setsuna_status keep_in_history(const sn_bench_keep_options *o, const sn_bench_keep_run *run,
                                      sn_history_run *kept, setsuna_error *err)
{
    char path[SN_HISTORY_PATH_MAX], moved[SN_HISTORY_PATH_MAX] = "";
    int64_t id = 0;
    if (!o->db && !sn_cli_user_history(path, sizeof path))
        return sn_fail(err, SETSUNA_ENOTFOUND, "history", "neither XDG_DATA_HOME nor HOME says where it is");
    setsuna_status status = sn_history_keep(o->db ? o->db : path, !o->db, kept, &id, moved, err);
    if (moved[0])
        sn_cli_fail(o->db ? o->db : path, "the history is corrupt; it is now %s, and a new one was begun", moved);
    kept->id = id;
    if (status == SETSUNA_OK && !run->quiet)
        printf("\nkept as run %lld: setsuna history show %lld\n", (long long)id, (long long)id);
    return status;
}

bool sn_bench_keep(const sn_bench_keep_options *o, const sn_bench_keep_run *run)
{
    const sn_bench_result *r = run->result;
    keep_texts t = {.log = NULL};
    setsuna_error err = {0};
    if (!sn_bench_keep_wants_log(o))
        return true;
    setsuna_status status = keep_texts_make(o, run, &t);
    if (status != SETSUNA_OK) {
        keep_texts_fini(&t);
        sn_cli_fail("history", "the run is not kept: %s", setsuna_status_text(status));
        return !o->db && !o->n_tags && !o->report;
    }
    sn_history_run kept = {
        .time_ns = keep_unix_time(run->begin_ns),
        .command = t.command.data,
        .target = r->model,
        .engine = r->engine,
        .threads = r->threads,
        .precision = r->precision,
        .n = r->ledger.n,
        .p50_ns = r->ledger.wall.p50,
        .p99_ns = r->ledger.wall.p99,
        .verdict = run->verdict,
        .machine = t.machine.data,
        .partial = run->partial,
        .tags = o->tag,
        .n_tags = o->n_tags,
        .result = t.result.data,
        .passport = t.passport.data,
        .log = t.log,
        .log_bytes = t.log_bytes,
    };
    bool done = true;
    if (!keep_is_off(o) && keep_in_history(o, run, &kept, &err) != SETSUNA_OK) {
        sn_cli_error(&err);
        sn_cli_fail("history", "the run is not kept (--no-history does without)");
        done = !o->db && !o->n_tags;
    }
    const sn_history_run *page = &kept;
    if (o->report && sn_report_page_write(&page, 1, SN_REPORT_ENGLISH, o->report, &err) != SETSUNA_OK) {
        sn_cli_error(&err);
        done = false;
    }
    keep_texts_fini(&t);
    return done;
}
