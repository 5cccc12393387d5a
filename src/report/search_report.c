#include "report/search_report.h"
#include "report/human.h"
#include "report/table.h"
#include <math.h>
#include <stdio.h>

static void search_row(sn_table *t, const sn_search_rate *r)
{
    char text[SN_HUMAN_MAX];
    sn_table_cell(t, "%s/s", sn_human_number(text, r->rate_per_s));
    sn_table_cell(t, "%s%s", sn_objective_verdict_text(r->verdict), r->overloaded ? ", overloaded" : "");
    sn_table_cell(t, "%s", sn_human_count(text, r->n));
    sn_table_cell(t, "%.3g s", r->seconds);
    sn_table_cell(t, "%.4g %%", 100 * r->attained);
    sn_table_end_row(t);
}

static void search_conclusion(const sn_search_report *r, sn_sink *sink)
{
    char lo[SN_HUMAN_MAX], hi[SN_HUMAN_MAX];
    if (r->met > 0 && isfinite(r->missed))
        sn_sink_printf(sink, "the largest rate that meets it lies between %s/s and %s/s, with %.4g %% confidence\n",
                       sn_human_number(lo, r->met), sn_human_number(hi, r->missed), 100 * r->confidence);
    else if (r->met > 0)
        sn_sink_printf(sink, "%s/s meet it, with %.4g %% confidence; no rate was seen to miss it\n",
                       sn_human_number(lo, r->met), 100 * r->confidence);
    else if (isfinite(r->missed))
        sn_sink_printf(sink, "no rate was seen to meet it; %s/s miss it, with %.4g %% confidence\n",
                       sn_human_number(hi, r->missed), 100 * r->confidence);
    else
        sn_sink_puts(sink, "no rate got a verdict: measure each for longer (--duration), or on a steadier machine\n");
    if (r->interrupted)
        sn_sink_puts(sink, "interrupted: the interval would have become narrower\n");
}

setsuna_status sn_search_report_write(const sn_search_report *r, sn_sink *sink, bool ascii)
{
    static const char *const heading[] = {"rate", "objective", "requests", "measured for", "in time"};
    sn_table *t = sn_table_create(NULL);
    for (int i = 0; i < 5; i++)
        sn_table_column(t, heading[i], i == 1 ? SN_TABLE_LEFT : SN_TABLE_RIGHT);
    for (uint32_t i = 0; i < r->n; i++)
        search_row(t, &r->rate[i]);
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    search_conclusion(r, sink);
    return status;
}

void sn_search_report_write_json(const sn_search_report *r, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_f64(w, "confidence", r->confidence);
    if (r->met > 0)
        sn_json_key_f64(w, "met_per_s", r->met);
    if (isfinite(r->missed))
        sn_json_key_f64(w, "missed_per_s", r->missed);
    sn_json_key(w, "interrupted");
    sn_json_bool(w, r->interrupted);
    sn_json_key(w, "rates");
    sn_json_begin_array(w);
    for (uint32_t i = 0; i < r->n; i++) {
        const sn_search_rate *k = &r->rate[i];
        sn_json_begin_object(w);
        sn_json_key_f64(w, "rate_per_s", k->rate_per_s);
        sn_json_key_string(w, "verdict", sn_objective_verdict_text(k->verdict));
        sn_json_key(w, "overloaded");
        sn_json_bool(w, k->overloaded);
        sn_json_key_u64(w, "requests", k->n);
        sn_json_key_f64(w, "seconds", k->seconds);
        sn_json_key_f64(w, "attained", k->attained);
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
    sn_json_end_object(w);
}

static double cost_of(const sn_cost_report *r, double predictions)
{
    return r->price_per_hour / 3600 / r->rate_per_s * predictions;
}

static double cost_joules(const sn_cost_report *r)
{
    return r->watts / r->rate_per_s;
}

void sn_cost_report_write(const sn_cost_report *r, sn_sink *sink)
{
    char rate[SN_HUMAN_MAX];
    if (r->price_per_hour > 0)
        sn_sink_printf(sink, "at %s/s and %.6g an hour: %.4g for 1,000 predictions, %.4g for a million\n",
                       sn_human_number(rate, r->rate_per_s), r->price_per_hour, cost_of(r, 1e3), cost_of(r, 1e6));
    if (r->watts > 0)
        sn_sink_printf(sink, "at %s/s and %.4g W (%s): %.4g J a prediction, %.4g kWh a million\n",
                       sn_human_number(rate, r->rate_per_s), r->watts, r->watts_declared ? "declared" : "measured",
                       cost_joules(r), cost_joules(r) * 1e6 / 3.6e6);
}

void sn_cost_report_write_json(const sn_cost_report *r, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_f64(w, "rate_per_s", r->rate_per_s);
    if (r->price_per_hour > 0) {
        sn_json_key_f64(w, "price_per_hour", r->price_per_hour);
        sn_json_key_f64(w, "per_thousand", cost_of(r, 1e3));
        sn_json_key_f64(w, "per_million", cost_of(r, 1e6));
    }
    if (r->watts > 0) {
        sn_json_key_f64(w, "watts", r->watts);
        sn_json_key_string(w, "watts_source", r->watts_declared ? "declared" : "measured");
        sn_json_key_f64(w, "joules", cost_joules(r));
    }
    sn_json_end_object(w);
}
