#include "report/objective_report.h"
#include "report/human.h"
#include "report/table.h"
#include <math.h>
#include <stdio.h>

/* A value in the unit of a term's limit. */
static char *objective_value(char *buf, const sn_objective_term *t, double value)
{
    char number[SN_HUMAN_MAX];
    if (value >= 0x1p64)
        snprintf(buf, SN_HUMAN_MAX, "never");
    else if (t->kind == SN_OBJECTIVE_QUANTILE)
        sn_human_duration(buf, (uint64_t)llround(value), false);
    else if (t->kind == SN_OBJECTIVE_GOODPUT)
        snprintf(buf, SN_HUMAN_MAX, "%.28s/s", sn_human_number(number, value));
    else
        snprintf(buf, SN_HUMAN_MAX, "%.3g %%", 100 * value);
    return buf;
}

/* What is compared with what is allowed: a share, or a rate. */
static char *objective_tested(char *buf, const sn_objective_term *t, double value)
{
    if (t->kind == SN_OBJECTIVE_GOODPUT)
        return sn_human_number(buf, value);
    snprintf(buf, SN_HUMAN_MAX, "%.3g %%", 100 * value);
    return buf;
}

static void objective_row(sn_table *table, const sn_objective_term *t, const sn_objective_term_result *r)
{
    char a[SN_HUMAN_MAX], b[SN_HUMAN_MAX];
    const sn_interval *i = &r->tested;
    sn_table_cell(table, "%s", t->name);
    sn_table_cell(table, "%s", objective_value(a, t, t->limit));
    sn_table_cell(table, "%s", objective_value(a, t, r->measured));
    sn_table_cell(table, "%s", objective_tested(a, t, i->value));
    if (i->verdict == SN_INTERVAL_CERTIFIED)
        sn_table_cell(table, "%s .. %s", objective_tested(a, t, i->lo), objective_tested(b, t, i->hi));
    else
        sn_table_cell(table, "%s", sn_interval_verdict_text(i->verdict));
    if (r->stretches.known && t->kind != SN_OBJECTIVE_ATTAINMENT)
        sn_table_cell(table, "%s .. %s", objective_value(a, t, r->stretches.lo),
                      objective_value(b, t, r->stretches.hi));
    else
        sn_table_cell(table, " ");
    sn_table_cell(table, "%s %s", t->kind == SN_OBJECTIVE_GOODPUT ? ">=" : "<=", objective_tested(a, t, r->allowed));
    sn_table_cell(table, "%s", sn_objective_verdict_text(r->verdict));
    sn_table_end_row(table);
}

static void objective_notes(const sn_objective_result *r, sn_sink *sink)
{
    char a[SN_HUMAN_MAX], b[SN_HUMAN_MAX], c[SN_HUMAN_MAX], d[SN_HUMAN_MAX];
    if (r->limit_ns)
        sn_sink_printf(sink, "%s of %s requests were answered within %s: goodput %s/s\n", sn_human_count(a, r->n_good),
                       sn_human_count(b, r->n), sn_human_duration(c, r->limit_ns, false),
                       sn_human_number(d, r->goodput_per_s));
    if (r->n_lost)
        sn_sink_printf(sink, "%s were never answered, which counts against every term\n", sn_human_count(a, r->n_lost));
    if (r->overloaded)
        sn_sink_puts(sink,
                     "overloaded: more is asked for than one server can do, so every limit is missed in the end\n");
    if (r->verdict == SN_OBJECTIVE_UNDECIDED && r->unsteady)
        sn_sink_puts(sink, "parts of the run differ: what comes next, nobody can tell from it\n");
    if (r->verdict == SN_OBJECTIVE_UNDECIDED)
        sn_sink_printf(sink, "a run %.*f x longer should tell\n", r->longer < 10 ? 1 : 0, r->longer);
}

setsuna_status sn_objective_report_write(const sn_objective_report *r, sn_sink *sink, bool ascii)
{
    static const char *const heading[] = {"objective", "limit",        "measured", "beyond it",
                                          "interval",  "next stretch", "allowed",  ""};
    const sn_objective_result *result = r->result;
    sn_table *t = sn_table_create(NULL);
    for (int i = 0; i < 8; i++)
        sn_table_column(t, heading[i], i == 0 || i == 7 ? SN_TABLE_LEFT : SN_TABLE_RIGHT);
    for (uint32_t i = 0; i < r->objective->n_terms; i++)
        objective_row(t, &r->objective->term[i], &result->term[i]);
    sn_sink_printf(sink, "objective %s: %s", r->text, sn_objective_verdict_text(result->verdict));
    if (result->verdict != SN_OBJECTIVE_UNDECIDED)
        sn_sink_printf(sink, ", with %.4g %% confidence", 100 * result->confidence);
    sn_sink_puts(sink, "\n");
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    objective_notes(result, sink);
    return status;
}

static void objective_term_json(const sn_objective_term *t, const sn_objective_term_result *r, sn_json *w)
{
    static const char *const unit[] = {"ns", "of 1", "1/s", "of 1"};
    sn_json_begin_object(w);
    sn_json_key_string(w, "name", t->name);
    sn_json_key_string(w, "unit", unit[t->kind]);
    sn_json_key_f64(w, "limit", t->limit);
    if (isfinite(r->measured)) /* otherwise the quantile is a request that was never answered */
        sn_json_key_f64(w, "measured", r->measured);
    sn_json_key_string(w, "verdict", sn_objective_verdict_text(r->verdict));
    sn_json_key_f64(w, "tested", r->tested.value);
    sn_json_key_f64(w, "tested_lo", r->tested.lo);
    sn_json_key_f64(w, "tested_hi", r->tested.hi);
    sn_json_key_f64(w, "allowed", r->allowed);
    if (r->stretches.known && isfinite(r->stretches.hi)) {
        sn_json_key_f64(w, "stretch_lo", r->stretches.lo);
        sn_json_key_f64(w, "stretch_hi", r->stretches.hi);
    }
    sn_json_key_string(w, "interval", sn_interval_verdict_text(r->tested.verdict));
    sn_json_end_object(w);
}

void sn_objective_report_write_json(const sn_objective_report *r, sn_json *w)
{
    const sn_objective_result *result = r->result;
    sn_json_begin_object(w);
    sn_json_key_string(w, "text", r->text);
    sn_json_key_string(w, "verdict", sn_objective_verdict_text(result->verdict));
    sn_json_key_f64(w, "confidence", result->confidence);
    sn_json_key_f64(w, "longer", result->longer);
    sn_json_key(w, "overloaded");
    sn_json_bool(w, result->overloaded);
    sn_json_key_u64(w, "requests", result->n);
    sn_json_key_u64(w, "lost", result->n_lost);
    sn_json_key_u64(w, "good", result->n_good);
    sn_json_key_u64(w, "limit_ns", result->limit_ns);
    sn_json_key_f64(w, "goodput_per_s", result->goodput_per_s);
    sn_json_key(w, "terms");
    sn_json_begin_array(w);
    for (uint32_t i = 0; i < r->objective->n_terms; i++)
        objective_term_json(&r->objective->term[i], &result->term[i], w);
    sn_json_end_array(w);
    sn_json_end_object(w);
}

void sn_objective_presets_write(sn_sink *sink)
{
#define OBJECTIVE_PRESET_LINE(name, terms, what) sn_sink_printf(sink, "  %-14s %-12s %s\n", name, terms, what);
    SN_OBJECTIVE_PRESETS(OBJECTIVE_PRESET_LINE)
#undef OBJECTIVE_PRESET_LINE
}
