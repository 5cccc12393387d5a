#include "report/schedule_report.h"
#include "report/human.h"
#include "report/table.h"
#include <math.h>
#include <stdio.h>

static void schedule_cell(sn_table *t, double ns, bool ascii)
{
    char text[SN_HUMAN_MAX];
    sn_table_cell(t, "%s", sn_human_align(sn_human_duration(text, ns > 0 ? (uint64_t)llround(ns) : 0, ascii)));
}

static void schedule_row(sn_table *t, const char *name, const sn_summary *s, bool ascii)
{
    const double value[] = {(double)s->p50, s->mean, (double)s->p90, (double)s->p99, (double)s->p99_9, (double)s->max};
    sn_table_cell(t, "%s", name);
    for (size_t i = 0; i < sizeof value / sizeof *value; i++)
        schedule_cell(t, value[i], ascii);
    sn_table_end_row(t);
}

static sn_table *schedule_table(const char *first)
{
    static const char *const heading[] = {"p50", "mean", "p90", "p99", "p99.9", "max"};
    sn_table *t = sn_table_create(NULL);
    sn_table_column(t, first, SN_TABLE_LEFT);
    for (size_t i = 0; i < sizeof heading / sizeof *heading; i++)
        sn_table_column(t, heading[i], SN_TABLE_RIGHT);
    return t;
}

static setsuna_status schedule_write_table(sn_table *t, sn_sink *sink, bool ascii)
{
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    return status;
}

static setsuna_status schedule_write_curve(const sn_schedule_result *r, sn_sink *sink, bool ascii)
{
    const sn_schedule *s = r->schedule;
    char text[SN_HUMAN_MAX];
    sn_table *t = schedule_table(s->kind == SN_SCHEDULE_IDLE ? "after idling" : "at once");
    for (uint32_t i = 0; i < s->n_points; i++) {
        if (s->kind == SN_SCHEDULE_IDLE)
            sn_human_duration(text, s->point[i], ascii);
        else
            sn_human_count(text, s->point[i]);
        schedule_row(t, text, &r->point[i], ascii);
    }
    return schedule_write_table(t, sink, ascii);
}

static void schedule_write_scenario(const sn_schedule_result *r, sn_sink *sink, bool ascii)
{
    const sn_scenario_rules *rules = sn_scenario_get(r->schedule->scenario);
    char text[SN_HUMAN_MAX], need[SN_HUMAN_MAX];
    if (!rules)
        return;
    sn_sink_printf(sink, "MLPerf %s, %s queries", rules->name, sn_human_count(text, r->scenario_queries));
    if (rules->percentile > 0)
        sn_sink_printf(sink, "; p%.0f by early stopping: %s", 100 * rules->percentile,
                       r->scenario_ns ? sn_human_duration(text, r->scenario_ns, ascii) : "too few queries");
    if (!r->scenario_valid)
        sn_sink_printf(sink, "; not valid: wants %s and %llu queries",
                       sn_human_duration(need, rules->min_duration_ns, ascii), (unsigned long long)rules->min_queries);
    sn_sink_puts(sink, "\n");
}

static void schedule_write_counts(const sn_schedule_result *r, sn_sink *sink, bool ascii)
{
    char a[SN_HUMAN_MAX], b[SN_HUMAN_MAX], c[SN_HUMAN_MAX], d[SN_HUMAN_MAX];
    uint64_t n = r->service.n, all = n + r->n_dropped + r->n_unserved;
    if (r->deadline_ns)
        sn_sink_printf(sink, "deadline %s: %s late, %s of %s in time\n", sn_human_duration(a, r->deadline_ns, ascii),
                       sn_human_count(b, r->n_late),
                       sn_human_share(c, (double)(n - r->n_late) / (double)(all ? all : 1)), sn_human_count(d, all));
    if (r->n_dropped)
        sn_sink_printf(sink, "%s frames dropped: a newer one was there before their turn\n",
                       sn_human_count(a, r->n_dropped));
    if (r->n_unserved)
        sn_sink_printf(sink,
                       "OVERLOADED: %s requests were due and had no turn; latencies grow for as long as this goes on\n",
                       sn_human_count(a, r->n_unserved));
}

setsuna_status sn_schedule_report_write(const sn_schedule_result *r, sn_sink *sink, bool ascii)
{
    char rate[SN_HUMAN_MAX], busy[SN_HUMAN_MAX];
    sn_sink_printf(sink, "schedule %s, seed %llu: ", r->text, (unsigned long long)r->seed);
    if (r->offered_per_s > 0)
        sn_sink_printf(sink, "%s/s offered, ", sn_human_number(rate, r->offered_per_s));
    sn_sink_printf(sink, "busy %s; latency is from the scheduled time\n", sn_human_share(busy, r->busy));
    sn_table *t = schedule_table("");
    schedule_row(t, "queue", &r->queue, ascii);
    schedule_row(t, "send lag", &r->lag, ascii);
    schedule_row(t, "service", &r->service, ascii);
    setsuna_status status = schedule_write_table(t, sink, ascii);
    if (status == SETSUNA_OK && r->schedule->n_points > 1) {
        sn_sink_puts(sink, "\n");
        status = schedule_write_curve(r, sink, ascii);
    }
    schedule_write_counts(r, sink, ascii);
    schedule_write_scenario(r, sink, ascii);
    return status;
}

static void schedule_json_part(sn_json *w, const char *key, const sn_summary *s)
{
    sn_json_key(w, key);
    sn_json_begin_object(w);
    sn_json_key_u64(w, "p50", s->p50);
    sn_json_key_f64(w, "mean", s->mean);
    sn_json_key_u64(w, "p90", s->p90);
    sn_json_key_u64(w, "p99", s->p99);
    sn_json_key_u64(w, "p99_9", s->p99_9);
    sn_json_key_u64(w, "max", s->max);
    sn_json_end_object(w);
}

static void schedule_json_points(const sn_schedule_result *r, sn_json *w)
{
    const sn_schedule *s = r->schedule;
    sn_json_key(w, "points");
    sn_json_begin_array(w);
    for (uint32_t i = 0; i < s->n_points && s->n_points > 1; i++) {
        sn_json_begin_object(w);
        sn_json_key_u64(w, s->kind == SN_SCHEDULE_IDLE ? "idle_ns" : "at_once", s->point[i]);
        schedule_json_part(w, "latency", &r->point[i]);
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
}

void sn_schedule_report_write_json(const sn_schedule_result *r, sn_json *w)
{
    const sn_scenario_rules *rules = sn_scenario_get(r->schedule->scenario);
    sn_json_begin_object(w);
    sn_json_key_string(w, "text", r->text);
    sn_json_key_u64(w, "seed", r->seed);
    sn_json_key_f64(w, "offered_per_s", r->offered_per_s);
    sn_json_key_f64(w, "busy", r->busy);
    sn_json_key_u64(w, "dropped", r->n_dropped);
    sn_json_key_u64(w, "unserved", r->n_unserved);
    sn_json_key_u64(w, "deadline_ns", r->deadline_ns);
    sn_json_key_u64(w, "late", r->n_late);
    schedule_json_part(w, "queue_ns", &r->queue);
    schedule_json_part(w, "send_lag_ns", &r->lag);
    schedule_json_part(w, "service_ns", &r->service);
    schedule_json_points(r, w);
    if (rules) {
        sn_json_key(w, "scenario");
        sn_json_begin_object(w);
        sn_json_key_string(w, "name", rules->name);
        sn_json_key_u64(w, "queries", r->scenario_queries);
        sn_json_key_f64(w, "percentile", rules->percentile);
        sn_json_key_u64(w, "estimate_ns", r->scenario_ns);
        sn_json_key(w, "valid");
        sn_json_bool(w, r->scenario_valid);
        sn_json_end_object(w);
    }
    sn_json_end_object(w);
}
