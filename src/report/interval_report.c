#include "report/interval_report.h"
#include "base/status.h"
#include "report/human.h"
#include "report/table.h"
#include "stats/warmup.h"
#include <math.h>
#include <stdio.h>

static const double interval_q[SN_INTERVAL_REPORT_QUANTILES] = {0.5, 0.9, 0.95, 0.99, 0.999};
static const char *const interval_text[] = {"p50", "p90", "p95", "p99", "p99.9", "mean"};
static const char *const interval_key[] = {"p50", "p90", "p95", "p99", "p99_9", "mean"};

setsuna_status sn_interval_report_make(const sn_samples *s, bool steady, sn_interval_report *out)
{
    sn_interval_report r = {.settled = true};
    SN_TRY(sn_interval_quantiles(s, interval_q, SN_INTERVAL_REPORT_QUANTILES, SN_INTERVAL_CONFIDENCE, r.of));
    SN_TRY(sn_interval_mean(s, SN_INTERVAL_CONFIDENCE, &r.of[SN_INTERVAL_REPORT_MEAN]));
    if (steady) {
        sn_warmup w;
        SN_TRY(sn_warmup_find(s->allocator, s->log, s->n_log, &w));
        r.warmup = w.n;
        r.settled = w.settled;
    }
    *out = r;
    return SETSUNA_OK;
}

static uint64_t interval_round(double ns)
{
    return ns > 0 ? (uint64_t)llround(ns) : 0;
}

/* "3.2", "17", "250": a factor is an estimate. */
static char *interval_factor(char *buf, double longer)
{
    double step = longer < 10 ? 0.1 : longer < 100 ? 1 : 10;
    snprintf(buf, SN_HUMAN_MAX, "%.*f", longer < 10 ? 1 : 0, ceil(longer / step) * step);
    return buf;
}

static void interval_row(const sn_interval *i, const char *name, sn_table *t, bool ascii)
{
    char text[SN_HUMAN_MAX];
    sn_table_cell(t, "%s", name);
    sn_table_cell(t, "%s", sn_human_align(sn_human_duration(text, interval_round(i->value), ascii)));
    if (i->verdict != SN_INTERVAL_CERTIFIED) {
        sn_table_cell(t, " ");
        sn_table_cell(t, " ");
        sn_table_cell(t, " ");
        sn_table_cell(t, "not certifiable, %s: run %s x longer", sn_interval_verdict_text(i->verdict),
                      interval_factor(text, i->longer));
    } else {
        sn_table_cell(t, "%s", sn_human_align(sn_human_duration(text, interval_round(i->lo), ascii)));
        sn_table_cell(t, "..");
        sn_table_cell(t, "%s", sn_human_align(sn_human_duration(text, interval_round(i->hi), ascii)));
        double below = i->value > 0 ? (i->value - i->lo) / i->value : 0;
        double above = i->value > 0 ? (i->hi - i->value) / i->value : 0;
        sn_table_cell(t, "-%.1f %% +%.1f %%", 100 * below, 100 * above);
    }
    sn_table_end_row(t);
}

setsuna_status sn_interval_report_write(const sn_interval_report *r, sn_sink *sink, bool ascii)
{
    char text[SN_HUMAN_MAX];
    sn_table *t = sn_table_create(NULL);
    snprintf(text, sizeof text, "%.0f %% interval", 100 * SN_INTERVAL_CONFIDENCE);
    sn_table_column(t, "", SN_TABLE_LEFT);
    sn_table_column(t, "wall", SN_TABLE_RIGHT);
    sn_table_column(t, text, SN_TABLE_RIGHT);
    sn_table_column(t, "", SN_TABLE_LEFT);
    sn_table_column(t, "", SN_TABLE_RIGHT);
    sn_table_column(t, "", SN_TABLE_LEFT);
    for (int i = 0; i < SN_INTERVAL_REPORT_ALL; i++)
        interval_row(&r->of[i], interval_text[i], t, ascii);
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    double n_effective = r->of[0].n_effective;
    if (n_effective > 0)
        sn_sink_printf(sink, "intervals by batch means: p50 rests on %s independent requests' worth\n",
                       sn_human_count(text, interval_round(n_effective)));
    if (r->warmup)
        sn_sink_printf(sink, "the first %s requests differ from the rest: a warm-up, --warmup %llu leaves it out\n",
                       sn_human_count(text, r->warmup), (unsigned long long)r->warmup);
    if (!r->settled)
        sn_sink_puts(sink, "something changed in the second half of the run: run longer, or look at the machine\n");
    return status;
}

void sn_interval_report_write_json(const sn_interval_report *r, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_f64(w, "confidence", r->of[0].confidence);
    for (int k = 0; k < SN_INTERVAL_REPORT_ALL; k++) {
        const sn_interval *i = &r->of[k];
        sn_json_key(w, interval_key[k]);
        sn_json_begin_object(w);
        sn_json_key_string(w, "verdict", sn_interval_verdict_text(i->verdict));
        sn_json_key_f64(w, "lo", i->lo);
        sn_json_key_f64(w, "hi", i->hi);
        sn_json_key_f64(w, "n_effective", i->n_effective);
        sn_json_key_f64(w, "longer", i->longer);
        sn_json_end_object(w);
    }
    sn_json_key_u64(w, "warmup", r->warmup);
    sn_json_key(w, "settled");
    sn_json_bool(w, r->settled);
    sn_json_end_object(w);
}
