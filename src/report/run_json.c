#include "report/run_json.h"
#include "base/status.h"
#include "report/interval_report.h"
#include "report/log_book.h"
#include "report/log_view.h"
#include "stats/compare.h"
#include "stats/quantile_method.h"
#include <stdio.h>
#include <time.h>

enum { RUN_JSON_WORST = 12 };
static const double run_json_q[] = {0.5, 0.9, 0.95, 0.99, 0.999};
enum { RUN_JSON_Q = sizeof run_json_q / sizeof run_json_q[0] };

/* A change below this is one that nobody minds. */
#define RUN_JSON_MARGIN 0.03

void sn_run_write_facts(const sn_history_run *r, sn_json *w)
{
    char when[32] = "";
    struct tm t;
    time_t seconds = (time_t)(r->time_ns / 1000000000u);
    if (gmtime_r(&seconds, &t))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &t);
    sn_json_key(w, "id");
    sn_json_i64(w, r->id);
    sn_json_key_string(w, "time", when);
    sn_json_key_u64(w, "time_ns", r->time_ns);
    sn_json_key_string(w, "command", r->command);
    sn_json_key_string(w, "target", r->target);
    sn_json_key_string(w, "engine", r->engine);
    sn_json_key_u64(w, "threads", r->threads);
    sn_json_key_string(w, "precision", r->precision);
    sn_json_key_u64(w, "requests", r->n);
    sn_json_key_u64(w, "p50_ns", r->p50_ns);
    sn_json_key_u64(w, "p99_ns", r->p99_ns);
    sn_json_key_string(w, "verdict", r->verdict);
    sn_json_key(w, "partial");
    sn_json_bool(w, r->partial);
    sn_json_key(w, "tags");
    sn_json_begin_array_inline(w);
    for (size_t i = 0; i < r->n_tags; i++)
        sn_json_string(w, r->tags[i]);
    sn_json_end_array(w);
}

void sn_run_write_log(const sn_request_log *log, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_u64(w, "requests", log->n_all);
    sn_json_key_u64(w, "rows", log->n);
    sn_json_key(w, "columns");
    sn_json_begin_object(w);
    for (int c = 0; c < (int)SN_REQUEST_COLUMNS; c++) {
        if (!log->column[c])
            continue;
        sn_json_key(w, sn_request_column_name((sn_request_column)c));
        sn_json_begin_array_inline(w);
        for (size_t i = 0; i < log->n; i++)
            sn_json_u64(w, log->column[c][i]);
        sn_json_end_array(w);
    }
    sn_json_end_object(w);
    sn_json_end_object(w);
}

/* ---- the page -------------------------------------------------------------------------------------- */

static void run_json_counts(const sn_log_view *v, sn_json *w)
{
    sn_json_key_u64(w, "requests", v->log->n_all);
    sn_json_key_u64(w, "rows", v->log->n);
    sn_json_key_u64(w, "served", v->n);
    sn_json_key_u64(w, "late", v->n_late);
    sn_json_key_u64(w, "dropped", v->n_dropped);
    sn_json_key_u64(w, "errors", v->n_error);
    sn_json_key_u64(w, "warmup", v->n_warmup);
    sn_json_key_u64(w, "unserved", v->n_unserved);
}

/* rank and ns: points of the distribution. */
static void run_json_distribution(const sn_log_view *v, sn_json *w)
{
    size_t rank[SN_LOG_GRID_MAX];
    size_t n = sn_log_view_grid(v, rank);
    sn_json_key(w, "distribution");
    sn_json_begin_object(w);
    sn_json_key(w, "rank");
    sn_json_begin_array_inline(w);
    for (size_t i = 0; i < n; i++)
        sn_json_u64(w, rank[i]);
    sn_json_end_array(w);
    sn_json_key(w, "ns");
    sn_json_begin_array_inline(w);
    for (size_t i = 0; i < n; i++)
        sn_json_u64(w, v->latency_ns[rank[i] - 1]);
    sn_json_end_array(w);
    sn_json_end_object(w);
}

/* due_ns, ns, and why: the index of the wait that disturbed it, -1 for none; flags as the log has them. */
static setsuna_status run_json_timeline(const sn_log_view *v, sn_json *w)
{
    uint32_t *row = sn_alloc(sn_allocator_default(), SN_LOG_TIMELINE_MAX * sizeof *row);
    if (!row)
        return SETSUNA_ENOMEM;
    static const char *const keys[] = {"due_ns", "ns", "why", "flags"};
    size_t n = sn_log_view_timeline(v, row);
    sn_json_key(w, "timeline");
    sn_json_begin_object(w);
    for (int k = 0; k < 4; k++) {
        sn_json_key(w, keys[k]);
        sn_json_begin_array_inline(w);
        for (size_t i = 0; i < n; i++) {
            sn_wait wait = k == 2 ? sn_log_disturbance(v->log, row[i]) : SN_WAITS;
            sn_json_i64(w, k == 0   ? (int64_t)sn_request_log_get(v->log, SN_REQUEST_DUE, row[i])
                           : k == 1 ? (int64_t)sn_request_log_latency_ns(v->log, row[i])
                           : k == 2 ? (wait == SN_WAITS ? -1 : (int64_t)wait)
                                    : (int64_t)sn_request_log_get(v->log, SN_REQUEST_FLAGS, row[i]));
        }
        sn_json_end_array(w);
    }
    sn_json_end_object(w);
    sn_free(sn_allocator_default(), row);
    return SETSUNA_OK;
}

/* Where the band's time went: an array in the order of `stages` with unexplained last, and one in that of `waits`. */
static void run_json_band(const sn_log_band *b, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_f64(w, "from", b->from);
    sn_json_key_f64(w, "to", b->to);
    sn_json_key_u64(w, "n", b->n);
    sn_json_key_f64(w, "mean_ns", b->mean_ns);
    sn_json_key(w, "stages_ns");
    sn_json_begin_array_inline(w);
    for (int s = 0; s < (int)SN_STAGES; s++)
        sn_json_f64(w, b->stage_ns[s]);
    sn_json_f64(w, b->unexplained_ns);
    sn_json_end_array(w);
    sn_json_key(w, "waits_ns");
    sn_json_begin_array_inline(w);
    for (int s = 0; s < (int)SN_WAITS; s++)
        sn_json_f64(w, b->wait_ns[s]);
    sn_json_end_array(w);
    sn_json_key_f64(w, "faults", b->faults);
    sn_json_key_f64(w, "switches", b->switches);
    sn_json_end_object(w);
}

static void run_json_composition(const sn_log_view *v, sn_json *w)
{
    sn_log_band mean, band[SN_LOG_BANDS];
    sn_log_view_mean(v, &mean);
    sn_log_view_bands(v, band);
    sn_json_key(w, "mean");
    run_json_band(&mean, w);
    sn_json_key(w, "bands");
    sn_json_begin_array(w);
    for (int i = 0; i < SN_LOG_BANDS; i++)
        run_json_band(&band[i], w);
    sn_json_end_array(w);
}

/* The slowest requests with every column, first the slowest; each key of a row that is not 0. */
static void run_json_worst(const sn_log_view *v, sn_json *w)
{
    sn_json_key(w, "worst");
    sn_json_begin_array(w);
    for (size_t k = 0; k < RUN_JSON_WORST && k < v->n; k++) {
        uint32_t row = v->row[v->n - 1 - k];
        sn_wait why = sn_log_disturbance(v->log, row);
        sn_json_begin_object(w);
        sn_json_key_u64(w, "request", row);
        sn_json_key_u64(w, "ns", v->latency_ns[v->n - 1 - k]);
        sn_json_key(w, "why");
        sn_json_i64(w, why == SN_WAITS ? -1 : (int64_t)why);
        for (int c = 0; c < (int)SN_REQUEST_COLUMNS; c++)
            if (v->log->column[c])
                sn_json_key_u64(w, sn_request_column_name((sn_request_column)c), v->log->column[c][row]);
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
}

static void run_json_methods(const uint64_t *sorted, size_t n, const char *key, sn_json *w)
{
    sn_json_key(w, key);
    sn_json_begin_array(w);
    for (int m = 0; m < (int)SN_QUANTILE_METHODS; m++) {
        sn_json_begin_array_inline(w);
        for (int i = 0; i < RUN_JSON_Q; i++)
            sn_json_f64(w, sn_quantile_as((sn_quantile_method)m, sorted, n, run_json_q[i]));
        sn_json_end_array(w);
    }
    sn_json_end_array(w);
}

/* Of latencies from the time due, and from the beginning of service where that is another time. */
static setsuna_status run_json_quantiles(const sn_log_view *v, sn_json *w)
{
    bool waits = false;
    run_json_methods(v->latency_ns, v->n, "quantiles_ns", w);
    uint64_t *service = sn_alloc(sn_allocator_default(), (v->n ? v->n : 1) * sizeof *service);
    if (!service)
        return SETSUNA_ENOMEM;
    for (size_t k = 0; k < v->n; k++) {
        uint64_t end = sn_request_log_get(v->log, SN_REQUEST_END, v->row[k]);
        service[k] = end - sn_request_log_get(v->log, SN_REQUEST_BEGIN, v->row[k]);
        waits |= service[k] != v->latency_ns[k];
    }
    sn_sort_u64(service, v->n);
    if (waits)
        run_json_methods(service, v->n, "service_quantiles_ns", w);
    sn_free(sn_allocator_default(), service);
    return SETSUNA_OK;
}

static void run_json_names(sn_json *w)
{
    sn_json_key(w, "stages");
    sn_json_begin_array_inline(w);
    for (int s = 0; s < (int)SN_STAGES; s++)
        sn_json_string(w, sn_stage_name((sn_stage)s));
    sn_json_string(w, "unexplained");
    sn_json_end_array(w);
    sn_json_key(w, "waits");
    sn_json_begin_array_inline(w);
    for (int s = 0; s < (int)SN_WAITS; s++)
        sn_json_string(w, sn_wait_name((sn_wait)s));
    sn_json_end_array(w);
    sn_json_key(w, "wait_columns");
    sn_json_begin_array_inline(w);
    for (int s = 0; s < (int)SN_WAITS; s++)
        sn_json_string(w, sn_request_column_name((sn_request_column)(SN_REQUEST_QUEUE + s)));
    sn_json_end_array(w);
    sn_json_key(w, "methods");
    sn_json_begin_array(w);
    for (int m = 0; m < (int)SN_QUANTILE_METHODS; m++) {
        sn_json_begin_object(w);
        sn_json_key_string(w, "text", sn_quantile_method_text((sn_quantile_method)m));
        sn_json_key_string(w, "formula", sn_quantile_method_formula((sn_quantile_method)m));
        sn_json_key_string(w, "tools", sn_quantile_method_tools((sn_quantile_method)m));
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
}

setsuna_status sn_run_write_page_data(const sn_history_run *r, const sn_request_log *log, sn_json *w)
{
    sn_log_view v;
    bool has_log = log && log->n > 0;
    if (has_log)
        SN_TRY(sn_log_view_init(&v, log));
    sn_json_begin_object(w);
    sn_run_write_facts(r, w);
    sn_json_key(w, "passport");
    sn_json_raw(w, r->passport);
    sn_json_key(w, "result");
    sn_json_raw(w, r->result);
    setsuna_status status = SETSUNA_OK;
    if (has_log) {
        sn_json_key(w, "log");
        sn_json_begin_object(w);
        run_json_names(w);
        run_json_counts(&v, w);
        run_json_distribution(&v, w);
        run_json_composition(&v, w);
        run_json_worst(&v, w);
        status = run_json_timeline(&v, w);
        if (status == SETSUNA_OK)
            status = run_json_quantiles(&v, w);
        sn_json_end_object(w);
        sn_log_view_fini(&v);
    }
    sn_json_end_object(w);
    return status;
}

/* ---- two runs -------------------------------------------------------------------------------------- */

/* Intervals of the latencies, in the order of the log, which is what correlation needs. */
static setsuna_status run_json_intervals(const sn_request_log *log, sn_interval_report *out)
{
    sn_samples s;
    setsuna_status status = SETSUNA_OK;
    sn_samples_init(&s, NULL, log->n);
    for (size_t i = 0; i < log->n && status == SETSUNA_OK; i++)
        if (sn_log_is_served(log, i))
            status = sn_samples_record(&s, sn_request_log_latency_ns(log, i));
    if (status == SETSUNA_OK)
        status = sn_interval_report_make(&s, false, out);
    sn_samples_fini(&s);
    return status;
}

setsuna_status sn_run_write_comparison(const sn_request_log *a, const sn_request_log *b, sn_json *w)
{
    static const char *const quantity[] = {"p50", "p90", "p95", "p99", "p99.9", "mean"};
    sn_interval_report of_a, of_b;
    SN_TRY(run_json_intervals(a, &of_a));
    SN_TRY(run_json_intervals(b, &of_b));
    sn_json_begin_array(w);
    for (int i = 0; i < SN_INTERVAL_REPORT_ALL; i++) {
        sn_comparison c;
        sn_compare_intervals(&of_a.of[i], &of_b.of[i], RUN_JSON_MARGIN, &c);
        sn_json_begin_object(w);
        sn_json_key_string(w, "quantity", quantity[i]);
        sn_json_key_f64(w, "a_ns", of_a.of[i].value);
        sn_json_key_f64(w, "b_ns", of_b.of[i].value);
        sn_json_key_string(w, "verdict", sn_compare_verdict_text(c.verdict));
        sn_json_key_f64(w, "confidence", c.confidence);
        sn_json_key_f64(w, "margin", RUN_JSON_MARGIN);
        sn_json_key_f64(w, "change", c.change);
        sn_json_key_f64(w, "lo", c.lo);
        sn_json_key_f64(w, "hi", c.hi);
        sn_json_key_f64(w, "detectable", c.detectable);
        sn_json_key_f64(w, "longer", c.longer);
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
    return SETSUNA_OK;
}
