#include "cli/history_show.h"
#include "base/status.h"
#include "ledger/request_log.h"
#include "report/histogram_text.h"
#include "report/human.h"
#include "report/interval_report.h"
#include "report/ledger_report.h"
#include "report/log_book.h"
#include "report/run_json.h"
#include "report/table.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

char *sn_history_when(uint64_t time_ns, char *buf)
{
    struct tm t;
    time_t seconds = (time_t)(time_ns / 1000000000u);
    buf[0] = '\0';
    if (localtime_r(&seconds, &t))
        strftime(buf, SN_HISTORY_WHEN_MAX, "%Y-%m-%d %H:%M:%S", &t);
    return buf;
}

static setsuna_status show_output(setsuna_status status, setsuna_error *err)
{
    return status == SETSUNA_OK ? SETSUNA_OK
                                : sn_fail(err, status, "standard output", "%s",
                                          status == SETSUNA_EIO ? strerror(errno) : setsuna_status_text(status));
}

/* An empty log where none was kept. */
static setsuna_status show_parse_log(const sn_history_run *r, sn_request_log *log, setsuna_error *err)
{
    char where[64];
    if (!r->log) {
        sn_request_log_init(log, NULL, 0);
        return SETSUNA_OK;
    }
    setsuna_status status = sn_request_log_parse(r->log, r->log_bytes, NULL, 0, log, err);
    snprintf(where, sizeof where, "the log of run %lld", (long long)r->id);
    return status == SETSUNA_OK ? SETSUNA_OK : sn_fail_at(err, status, "%s", where);
}

/* ---- for people ------------------------------------------------------------------------------------ */

static void show_fact(sn_table *t, const char *name, const char *text)
{
    sn_table_cell(t, "%s", name);
    sn_table_cell(t, "%s", text);
    sn_table_end_row(t);
}

static setsuna_status show_facts(const sn_history_run *r, sn_sink *out)
{
    char text[512], when[SN_HISTORY_WHEN_MAX], n[SN_HUMAN_MAX], p50[SN_HUMAN_MAX], p99[SN_HUMAN_MAX];
    char machine[512];
    sn_table *t = sn_table_create(NULL);
    sn_table_column(t, "", SN_TABLE_LEFT);
    sn_table_column(t, "", SN_TABLE_LEFT);
    snprintf(text, sizeof text, "%lld%s", (long long)r->id, r->partial ? ", interrupted: a part of it" : "");
    show_fact(t, "run", text);
    show_fact(t, "when", sn_history_when(r->time_ns, when));
    show_fact(t, "target", r->target);
    snprintf(text, sizeof text, "%s, %u thread%s, %s", r->engine, r->threads, r->threads == 1 ? "" : "s", r->precision);
    show_fact(t, "engine", text);
    snprintf(text, sizeof text, "%s: p50 %s, p99 %s (%s)", sn_human_count(n, r->n),
             sn_human_duration(p50, r->p50_ns, false), sn_human_duration(p99, r->p99_ns, false), r->verdict);
    show_fact(t, "requests", text);
    for (size_t i = 0; i < r->n_tags; i++)
        show_fact(t, i ? "" : "tags", r->tags[i]);
    snprintf(machine, sizeof machine, "%s", r->machine);
    machine[strcspn(machine, "\n")] = '\0';
    show_fact(t, "machine", machine);
    show_fact(t, "command", r->command);
    setsuna_status status = t ? sn_table_write(t, out, false) : SETSUNA_ENOMEM;
    sn_table_destroy(t);
    return status;
}

static setsuna_status show_book(const sn_book *book, sn_sink *out)
{
    sn_book_summary summary;
    sn_interval_report intervals;
    SN_TRY(sn_book_summarize(book, &summary));
    SN_TRY(sn_ledger_report_write(&summary, NULL, out, false));
    sn_sink_puts(out, "\nslowest\n");
    SN_TRY(sn_ledger_report_write_worst(book, out, false));
    SN_TRY(sn_interval_report_make(&book->series[SN_BOOK_WALL], true, &intervals));
    sn_sink_puts(out, "\n");
    SN_TRY(sn_interval_report_write(&intervals, out, false));
    sn_sink_puts(out, "\n");
    return sn_histogram_text_write(&book->series[SN_BOOK_WALL], &summary.wall, out, false);
}

setsuna_status sn_history_show(const sn_history_run *r, setsuna_error *err)
{
    sn_sink out;
    sn_request_log log;
    sn_book book;
    SN_TRY(show_parse_log(r, &log, err));
    sn_sink_init_file(&out, stdout);
    sn_book_init(&book, NULL, 0);
    setsuna_status status = show_facts(r, &out);
    if (status == SETSUNA_OK)
        status = sn_log_book(&log, &book);
    sn_sink_puts(&out, "\n");
    if (status == SETSUNA_OK && book.n > 0)
        status = show_book(&book, &out);
    else if (status == SETSUNA_OK)
        sn_sink_puts(&out, "no log of its requests was kept\n");
    if (log.n < log.n_all)
        sn_sink_printf(&out, "\nthe log has the first %zu of %llu requests\n", log.n, (unsigned long long)log.n_all);
    if (status == SETSUNA_OK)
        status = sn_sink_flush(&out);
    sn_book_fini(&book);
    sn_request_log_fini(&log);
    return show_output(status, err);
}

/* ---- for programs ---------------------------------------------------------------------------------- */

static setsuna_status show_write_run(const sn_history_run *r, sn_json *w, setsuna_error *err)
{
    sn_request_log log;
    SN_TRY(show_parse_log(r, &log, err));
    sn_json_begin_object(w);
    sn_run_write_facts(r, w);
    sn_json_key(w, "passport");
    sn_json_raw(w, r->passport);
    sn_json_key(w, "result");
    sn_json_raw(w, r->result);
    if (r->log) {
        sn_json_key(w, "log");
        sn_run_write_log(&log, w);
    }
    sn_json_end_object(w);
    sn_request_log_fini(&log);
    return SETSUNA_OK;
}

setsuna_status sn_history_show_json(sn_history_run *const *run, size_t n, setsuna_error *err)
{
    sn_sink out;
    sn_json w;
    sn_sink_init_file(&out, stdout);
    sn_json_init(&w, &out, 2);
    sn_json_begin_object(&w);
    sn_json_key(&w, "runs");
    sn_json_begin_array(&w);
    for (size_t i = 0; i < n; i++)
        SN_TRY(show_write_run(run[i], &w, err));
    sn_json_end_array(&w);
    sn_json_end_object(&w);
    return show_output(sn_json_finish(&w), err);
}

setsuna_status sn_history_export_csv(sn_history_run *const *run, size_t n, setsuna_error *err)
{
    sn_sink out;
    sn_sink_init_file(&out, stdout);
    sn_sink_puts(&out, "run");
    for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
        sn_sink_printf(&out, ",%s", sn_request_column_name((sn_request_column)c));
    sn_sink_puts(&out, "\n");
    for (size_t k = 0; k < n; k++) {
        sn_request_log log;
        SN_TRY(show_parse_log(run[k], &log, err));
        for (size_t i = 0; i < log.n; i++) {
            sn_sink_printf(&out, "%lld", (long long)run[k]->id);
            for (int c = 0; c < SN_REQUEST_COLUMNS; c++)
                sn_sink_printf(&out, ",%llu", (unsigned long long)sn_request_log_get(&log, (sn_request_column)c, i));
            sn_sink_puts(&out, "\n");
        }
        sn_request_log_fini(&log);
    }
    return show_output(sn_sink_flush(&out), err);
}
