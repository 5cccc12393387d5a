#include "report/compare_report.h"
#include "report/human.h"
#include "report/table.h"
#include <math.h>
#include <stdio.h>

static void compare_duration(sn_table *t, double ns)
{
    char text[SN_HUMAN_MAX];
    sn_table_cell(t, "%s", sn_human_align(sn_human_duration(text, (uint64_t)llround(ns), false)));
}

static void compare_row(sn_table *t, const sn_compare_report *r, sn_compare_figure f)
{
    const sn_comparison *c = &r->figure[f];
    sn_table_cell(t, "%s", sn_compare_figure_name(f));
    compare_duration(t, sn_compare_rounds_level(r->rounds, f, 0));
    compare_duration(t, sn_compare_rounds_level(r->rounds, f, 1));
    sn_table_cell(t, "%+.1f %%", 100 * c->change);
    if (isfinite(c->hi))
        sn_table_cell(t, "%+.1f %% .. %+.1f %%", 100 * c->lo, 100 * c->hi);
    else
        sn_table_cell(t, " ");
    if (isfinite(c->detectable))
        sn_table_cell(t, "%.1f %%", 100 * c->detectable);
    else
        sn_table_cell(t, " ");
    if (c->verdict == SN_COMPARE_SAME)
        sn_table_cell(t, "no difference larger than %.3g %%", 100 * r->margin);
    else
        sn_table_cell(t, "%s", sn_compare_verdict_text(c->verdict));
    sn_table_end_row(t);
}

setsuna_status sn_compare_report_write(const sn_compare_report *r, sn_sink *sink, bool ascii)
{
    static const char *const heading[] = {"", "A", "B", "change", "interval", "told apart", "B is"};
    uint32_t machine;
    char lost[SN_HUMAN_MAX], all[SN_HUMAN_MAX];
    sn_table *t = sn_table_create(NULL);
    for (int i = 0; i < 7; i++)
        sn_table_column(t, heading[i], i == 0 || i == 6 ? SN_TABLE_LEFT : SN_TABLE_RIGHT);
    for (int f = 0; f < SN_COMPARE_FIGURES; f++)
        compare_row(t, r, (sn_compare_figure)f);
    sn_sink_printf(sink, "A: %s\nB: %s\n", r->a, r->b);
    sn_sink_printf(sink, "%zu round%s, each process started anew, A B and B A in turn\n\n", r->rounds->n,
                   r->rounds->n == 1 ? "" : "s");
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    sn_sink_printf(sink,
                   "all verdicts are right at once with %.4g %% confidence; changes from \"told apart\" on are told in "
                   "4 of 5 cases\n",
                   100 * r->figure[0].confidence);
    for (int arm = 0; arm < 2; arm++)
        if (r->lost[arm])
            sn_sink_printf(sink, "%c lost %s of %s requests, which are in no figure\n", 'A' + arm,
                           sn_human_count(lost, r->lost[arm]), sn_human_count(all, r->requests[arm] + r->lost[arm]));
    sn_passport_text_differ(r->passport[0], r->passport[1], &machine, sink);
    if (r->refused)
        sn_sink_puts(sink, "not the same machine: no verdict (--any-machine gives one)\n");
    if (r->interrupted)
        sn_sink_puts(sink, "interrupted: these are the rounds that were complete\n");
    return status;
}

static void compare_figure_json(const sn_compare_report *r, sn_compare_figure f, sn_json *w)
{
    const sn_comparison *c = &r->figure[f];
    sn_json_begin_object(w);
    sn_json_key_f64(w, "a_ns", sn_compare_rounds_level(r->rounds, f, 0));
    sn_json_key_f64(w, "b_ns", sn_compare_rounds_level(r->rounds, f, 1));
    sn_json_key_f64(w, "change", c->change);
    if (isfinite(c->hi)) {
        sn_json_key_f64(w, "lo", c->lo);
        sn_json_key_f64(w, "hi", c->hi);
    }
    if (isfinite(c->detectable))
        sn_json_key_f64(w, "detectable", c->detectable);
    sn_json_key_string(w, "verdict", sn_compare_verdict_text(c->verdict));
    sn_json_key(w, "runs_ns");
    sn_json_begin_array_inline(w);
    for (size_t i = 0; i < 2 * r->rounds->n; i++)
        sn_json_f64(w, r->rounds->value[f][i]);
    sn_json_end_array(w);
    sn_json_end_object(w);
}

void sn_compare_report_write_json(const sn_compare_report *r, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_string(w, "a", r->a);
    sn_json_key_string(w, "b", r->b);
    sn_json_key_u64(w, "rounds", r->rounds->n);
    sn_json_key_f64(w, "confidence", r->figure[0].confidence);
    sn_json_key_f64(w, "margin", r->margin);
    sn_json_key_f64(w, "precision", r->precision);
    sn_json_key_u64(w, "requests_a", r->requests[0]);
    sn_json_key_u64(w, "requests_b", r->requests[1]);
    sn_json_key_u64(w, "lost_a", r->lost[0]);
    sn_json_key_u64(w, "lost_b", r->lost[1]);
    uint32_t machine, differ = sn_passport_text_differ(r->passport[0], r->passport[1], &machine, NULL);
    sn_json_key_u64(w, "passport_differences", differ);
    sn_json_key(w, "refused");
    sn_json_bool(w, r->refused);
    sn_json_key(w, "interrupted");
    sn_json_bool(w, r->interrupted);
    sn_json_key(w, "figures");
    sn_json_begin_object(w);
    for (int f = 0; f < SN_COMPARE_FIGURES; f++) {
        sn_json_key(w, sn_compare_figure_name((sn_compare_figure)f));
        compare_figure_json(r, (sn_compare_figure)f, w);
    }
    sn_json_end_object(w);
    sn_json_end_object(w);
}
