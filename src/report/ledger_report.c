#include "report/ledger_report.h"
#include "report/bars.h"
#include "report/human.h"
#include "report/table.h"
#include <math.h>
#include <stdio.h>

enum { LEDGER_BAR = 24 };

static uint64_t ledger_round(double ns)
{
    return ns > 0 ? (uint64_t)llround(ns) : 0;
}

static void ledger_cell_ns(sn_table *t, uint64_t ns, bool ascii)
{
    char text[SN_HUMAN_MAX];
    sn_table_cell(t, "%s", sn_human_align(sn_human_duration(text, ns, ascii)));
}

static void ledger_row(sn_table *t, const char *name, const sn_book_row *row, double sign, bool ascii)
{
    sn_table_cell(t, "%s", name);
    if (row->ns.n == 0) {
        for (int i = 0; i < 4; i++)
            sn_table_cell(t, "-");
    } else {
        char share[SN_HUMAN_MAX], bar[SN_BAR_BYTES(LEDGER_BAR)];
        ledger_cell_ns(t, row->ns.p50, ascii);
        ledger_cell_ns(t, ledger_round(row->ns.mean), ascii);
        ledger_cell_ns(t, row->ns.p99, ascii);
        sn_table_cell(t, "%s", sn_human_share(share, sign * row->share));
        sn_table_cell(t, "%s", sn_bar(bar, sign * row->share, LEDGER_BAR, ascii));
    }
    sn_table_end_row(t);
}

static setsuna_status ledger_write_stages(const sn_book_summary *s, sn_table *t, sn_sink *sink, bool ascii)
{
    static const char *const heading[] = {"stage", "p50", "mean", "p99", "share", ""};
    for (int i = 0; i < 6; i++)
        sn_table_column(t, heading[i], i == 0 || i == 5 ? SN_TABLE_LEFT : SN_TABLE_RIGHT);
    for (int i = 0; i < SN_STAGES; i++)
        ledger_row(t, sn_stage_name((sn_stage)i), &s->stage[i], 1, ascii);

    bool waits = false;
    for (int i = 0; i < SN_WAITS; i++)
        waits |= s->wait[i].ns.n > 0;
    if (waits)
        sn_table_rule(t);
    for (int i = 0; i < SN_WAITS; i++)
        if (s->wait[i].ns.n > 0) {
            char name[64];
            bool inside = sn_wait_in_overhead((sn_wait)i);
            snprintf(name, sizeof name, "%s %s", sn_wait_name((sn_wait)i), inside ? "(in overhead)" : "(in stages)");
            ledger_row(t, name, &s->wait[i], 1, ascii);
        }

    sn_table_rule(t);
    ledger_row(t, "unexplained", &s->unexplained, 1, ascii);
    if (s->overdrawn.ns.n > 0)
        ledger_row(t, "over-attributed", &s->overdrawn, -1, ascii);
    sn_table_rule(t);
    const sn_book_row wall = {.ns = s->wall, .share = s->wall.mean > 0 ? 1 : 0};
    ledger_row(t, "wall", &wall, 1, ascii);
    return sn_table_write(t, sink, ascii);
}

static setsuna_status ledger_write_wall(const sn_summary *w, sn_table *t, sn_sink *sink, bool ascii)
{
    const struct {
        const char *name;
        uint64_t ns;
    } column[] = {{"head", w->min},    {"p50", w->p50}, {"mean", ledger_round(w->mean)},
                  {"p90", w->p90},     {"p95", w->p95}, {"p99", w->p99},
                  {"p99.9", w->p99_9}, {"max", w->max}};
    enum { COLUMNS = sizeof column / sizeof *column };
    sn_table_column(t, "", SN_TABLE_LEFT);
    for (int i = 0; i < COLUMNS; i++)
        sn_table_column(t, column[i].name, SN_TABLE_RIGHT);
    sn_table_cell(t, "wall");
    for (int i = 0; i < COLUMNS; i++)
        ledger_cell_ns(t, column[i].ns, ascii);
    sn_table_end_row(t);
    return sn_table_write(t, sink, ascii);
}

static const char *ledger_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

/* With fewer than 1 / (1 - q) samples the nearest rank of q is the last. */
static void ledger_note_unsupported(uint64_t n, sn_sink *sink)
{
    static const struct {
        uint64_t needs;
        const char *text;
    } note[] = {{2, "every quantile is"},
                {10, "p90 and above are"},
                {20, "p95 and above are"},
                {100, "p99 and above are"},
                {1000, "p99.9 is"}};
    for (size_t i = 0; i < sizeof note / sizeof *note; i++)
        if (n < note[i].needs) {
            char text[SN_HUMAN_MAX];
            sn_sink_printf(sink, "fewer than %s requests: %s the maximum\n", sn_human_count(text, note[i].needs),
                           note[i].text);
            return;
        }
}

static void ledger_write_notes(const sn_book_summary *s, sn_sink *sink)
{
    char a[SN_HUMAN_MAX], b[SN_HUMAN_MAX], c[SN_HUMAN_MAX], d[SN_HUMAN_MAX];
    sn_sink_printf(sink, "%s request%s; quantiles (%s) by " SN_QUANTILE_DEFINITION "\n", sn_human_count(a, s->n),
                   ledger_plural(s->n), sn_summary_method_text(s->wall.method));
    ledger_note_unsupported(s->n, sink);
    for (int i = 0; i < SN_WAITS; i++)
        if (s->wait[i].ns.n > 0 && s->wait[i].ns.n < s->n)
            sn_sink_printf(sink, "%s known of %s request%s only\n", sn_wait_name((sn_wait)i),
                           sn_human_count(a, s->wait[i].ns.n), ledger_plural(s->wait[i].ns.n));
    if (s->n_counted > 0)
        sn_sink_printf(sink, "%s minor and %s major page fault%s, %s context switch%s in %s request%s\n",
                       sn_human_count(a, s->n_minor_faults), sn_human_count(b, s->n_major_faults),
                       ledger_plural(s->n_major_faults), sn_human_count(c, s->n_switches),
                       s->n_switches == 1 ? "" : "es", sn_human_count(d, s->n_counted), ledger_plural(s->n_counted));
    if (s->n_flawed > 0)
        sn_sink_printf(sink, "stages were left in the wrong order in %s request%s: their attribution is uncertain\n",
                       sn_human_count(a, s->n_flawed), ledger_plural(s->n_flawed));
}

setsuna_status sn_ledger_report_write(const sn_book_summary *s, const sn_allocator *allocator, sn_sink *sink,
                                      bool ascii)
{
    if (s->n == 0) {
        sn_sink_puts(sink, "no requests\n");
        return sink->status;
    }
    sn_table *stages = sn_table_create(allocator), *wall = sn_table_create(allocator);
    setsuna_status status = ledger_write_stages(s, stages, sink, ascii);
    sn_sink_puts(sink, "\n");
    if (status == SETSUNA_OK)
        status = ledger_write_wall(&s->wall, wall, sink, ascii);
    sn_sink_puts(sink, "\n");
    ledger_write_notes(s, sink);
    sn_table_destroy(stages);
    sn_table_destroy(wall);
    return status != SETSUNA_OK ? status : sink->status;
}

static void ledger_worst_row(const sn_ledger *l, uint32_t stages, uint32_t waits, sn_table *t, bool ascii)
{
    sn_table_cell(t, "%llu", (unsigned long long)l->id);
    ledger_cell_ns(t, l->wall_ns, ascii);
    for (int i = 0; i < SN_STAGES; i++)
        if (stages >> i & 1)
            ledger_cell_ns(t, l->stage_ns[i], ascii);
    for (int i = 0; i < SN_WAITS; i++)
        if (waits >> i & 1) {
            if (l->known >> i & 1)
                ledger_cell_ns(t, l->wait_ns[i], ascii);
            else
                sn_table_cell(t, "-");
        }
    char text[SN_HUMAN_MAX];
    int64_t u = l->unexplained_ns;
    sn_human_align(sn_human_duration(text, u < 0 ? 0 - (uint64_t)u : (uint64_t)u, ascii));
    sn_table_cell(t, "%s%s", u < 0 ? "-" : "", text);
    sn_table_end_row(t);
}

setsuna_status sn_ledger_report_write_worst(const sn_book *b, sn_sink *sink, bool ascii)
{
    uint32_t stages = 0, waits = 0;
    for (uint32_t k = 0; k < b->n_worst; k++) {
        for (int i = 0; i < SN_STAGES; i++)
            stages |= (uint32_t)(b->worst[k].n_enters[i] > 0) << i;
        waits |= b->worst[k].known & ((1u << SN_WAITS) - 1);
    }
    sn_table *t = sn_table_create(b->series[SN_BOOK_WALL].allocator);
    sn_table_column(t, "request", SN_TABLE_RIGHT);
    sn_table_column(t, "wall", SN_TABLE_RIGHT);
    for (int i = 0; i < SN_STAGES; i++)
        if (stages >> i & 1)
            sn_table_column(t, sn_stage_name((sn_stage)i), SN_TABLE_RIGHT);
    for (int i = 0; i < SN_WAITS; i++)
        if (waits >> i & 1)
            sn_table_column(t, sn_wait_name((sn_wait)i), SN_TABLE_RIGHT);
    sn_table_column(t, "unexplained", SN_TABLE_RIGHT);
    for (uint32_t k = 0; k < b->n_worst; k++)
        ledger_worst_row(&b->worst[k], stages, waits, t, ascii);
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    return status;
}
