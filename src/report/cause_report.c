#include "report/cause_report.h"
#include "base/status.h"
#include "report/human.h"
#include "report/table.h"
#include <stdio.h>
#include <string.h>

enum { CAUSE_ROWS = 8 /* of the slowest */, CAUSE_TEXT = 256, CAUSE_SHARES = 3 /* of those who ran */ };

/* ---- bands --------------------------------------------------------------------------------------------- */

static void cause_cell(sn_table *t, double ns, bool ascii)
{
    char text[SN_HUMAN_MAX];
    double size = ns < 0 ? -ns : ns;
    sn_human_align(sn_human_duration(text, (uint64_t)(size + 0.5), ascii));
    sn_table_cell(t, "%s%s", ns <= -0.5 ? "-" : "", text);
}

static void cause_band_name(const sn_cause_band *b, char out[SN_HUMAN_MAX])
{
    if (b->from <= 0)
        snprintf(out, SN_HUMAN_MAX, "to p%g", 100 * b->to);
    else if (b->to >= 1)
        snprintf(out, SN_HUMAN_MAX, "above p%g", 100 * b->from);
    else
        snprintf(out, SN_HUMAN_MAX, "p%g-%g", 100 * b->from, 100 * b->to);
}

/* A cause has a row when it is a thousandth of the time of some band. */
static bool cause_is_worth_a_row(const sn_cause_summary *s, int c)
{
    for (int b = 0; b < SN_CAUSE_BANDS; b++) {
        int64_t ns = s->band[b].sum.by_ns[c];
        if ((uint64_t)(ns < 0 ? -ns : ns) > s->band[b].sum.wall_ns / 1000)
            return true;
    }
    return false;
}

static void cause_band_row(const sn_cause_summary *s, const char *name, int c, sn_table *t, bool ascii)
{
    sn_table_cell(t, "%s", name);
    for (int b = 0; b < SN_CAUSE_BANDS; b++) {
        const sn_cause_band *band = &s->band[b];
        const int64_t value[] = {(int64_t)band->sum.wall_ns, band->sum.compute_ns, band->sum.queue_ns};
        if (band->n == 0)
            continue;
        cause_cell(t, (double)(c < 0 ? value[-c - 1] : band->sum.by_ns[c]) / (double)band->n, ascii);
    }
    sn_table_end_row(t);
}

static setsuna_status cause_write_bands(const sn_cause_report *r, sn_sink *sink, bool ascii)
{
    const sn_cause_summary *s = r->summary;
    sn_table *t = sn_table_create(NULL);
    char text[SN_HUMAN_MAX];
    sn_table_column(t, "mean of the requests", SN_TABLE_LEFT);
    for (int b = 0; b < SN_CAUSE_BANDS; b++)
        if (s->band[b].n > 0) {
            cause_band_name(&s->band[b], text);
            sn_table_column(t, text, SN_TABLE_RIGHT);
        }
    sn_table_cell(t, "requests");
    for (int b = 0; b < SN_CAUSE_BANDS; b++)
        if (s->band[b].n > 0)
            sn_table_cell(t, "%s", sn_human_count(text, s->band[b].n));
    sn_table_end_row(t);
    cause_band_row(s, "wall", -1, t, ascii);
    sn_table_rule(t);
    cause_band_row(s, "predicted compute", -2, t, ascii);
    cause_band_row(s, "predicted queueing", -3, t, ascii);
    for (int c = 0; c < SN_CAUSES; c++)
        if (c == SN_CAUSE_UNEXPLAINED || cause_is_worth_a_row(s, c))
            cause_band_row(s, sn_cause_text((sn_cause)c), c, t, ascii);
    sn_table_rule(t);
    sn_table_cell(t, "predictable");
    for (int b = 0; b < SN_CAUSE_BANDS; b++) {
        const sn_cause_parts *p = &s->band[b].sum;
        if (s->band[b].n > 0)
            sn_table_cell(t, "%s", sn_human_share(text, (double)(p->queue_ns + p->compute_ns) / (double)p->wall_ns));
    }
    sn_table_end_row(t);
    sn_table_cell(t, "mostly");
    for (int b = 0; b < SN_CAUSE_BANDS; b++)
        if (s->band[b].n > 0) {
            sn_cause c = sn_cause_name(&s->band[b].sum, s->band[b].n);
            sn_table_cell(t, "%s", c == SN_CAUSES ? "as predicted" : sn_cause_text(c));
        }
    sn_table_end_row(t);
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    return status;
}

/* ---- the slowest --------------------------------------------------------------------------------------- */

static void cause_append(char *text, const char *piece)
{
    size_t used = strlen(text);
    snprintf(text + used, CAUSE_TEXT - used, "%s", piece);
}

static void cause_append_share(char *text, const char *name, uint64_t ns, bool ascii)
{
    char time[SN_HUMAN_MAX];
    cause_append(text, *text ? ", " : "");
    cause_append(text, name);
    cause_append(text, " ");
    cause_append(text, sn_human_duration(time, ns, ascii));
}

/* Who or what it was, as far as that was seen. */
static void cause_evidence(const sn_cause_report *r, sn_cause c, size_t index, bool ascii, char text[CAUSE_TEXT])
{
    const sn_witness *w = sn_witnesses_find(r->witnesses, index);
    const sn_cause_request *q = sn_cause_log_at(r->log, index);
    char number[SN_HUMAN_MAX];
    text[0] = '\0';
    if (c == SN_CAUSE_FAULT) {
        cause_append(text, sn_human_count(number, q->n_minor_faults));
        cause_append(text, " minor, ");
        cause_append(text, sn_human_count(number, q->n_major_faults));
        cause_append(text, " major");
    }
    if (!w)
        return;
    bool interrupts = c == SN_CAUSE_INTERRUPT,
         ran = c == SN_CAUSE_RUNQUEUE || c == SN_CAUSE_LAG || c == SN_CAUSE_THROTTLED;
    const sn_witness_share *share = interrupts ? w->interrupt : w->who;
    for (int i = 0; (interrupts || ran) && i < CAUSE_SHARES && share[i].ns > 0; i++)
        cause_append_share(text, share[i].name, share[i].ns, ascii);
    if (c == SN_CAUSE_STOPPED && w->stopped_by[0]) {
        cause_append(text, "continued by ");
        cause_append(text, w->stopped_by);
    }
}

static void cause_worst_row(const sn_cause_report *r, const sn_cause_worst *w, sn_table *t, bool ascii)
{
    const sn_cause_request *q = sn_cause_log_at(r->log, w->index);
    sn_cause c = sn_cause_name(&w->parts, 1);
    char evidence[CAUSE_TEXT] = "";
    sn_table_cell(t, "%zu", w->index);
    sn_table_cell(t, "%.3f s", (double)(q->due_ns - r->begin_ns) * 1e-9);
    cause_cell(t, (double)w->parts.wall_ns, ascii);
    cause_cell(t, (double)(w->parts.queue_ns + w->parts.compute_ns), ascii);
    if (c == SN_CAUSES) {
        sn_table_cell(t, "as predicted");
        sn_table_end_row(t);
        return;
    }
    sn_table_cell(t, "%s", sn_cause_text(c));
    cause_cell(t, (double)w->parts.by_ns[c], ascii);
    bool behind = w->own_ns[c] < w->parts.by_ns[c] / 2 && w->behind != w->index;
    cause_evidence(r, c, behind ? w->behind : w->index, ascii, evidence);
    if (behind)
        sn_table_cell(t, "behind request %zu%s%s", w->behind, *evidence ? ": " : "", evidence);
    else
        sn_table_cell(t, "%s", *evidence ? evidence : w->parts.knock_on_ns > 0 && w->own_ns[c] == 0 ? "queued" : "");
    sn_table_end_row(t);
}

static setsuna_status cause_write_worst(const sn_cause_report *r, sn_sink *sink, bool ascii)
{
    static const char *const heading[] = {"slowest", "due at", "wall", "predicted", "mostly", "", "seen"};
    sn_table *t = sn_table_create(NULL);
    for (int i = 0; i < 7; i++)
        sn_table_column(t, heading[i], i == 4 || i == 6 ? SN_TABLE_LEFT : SN_TABLE_RIGHT);
    for (uint32_t k = 0; k < r->summary->n_worst && k < CAUSE_ROWS; k++)
        cause_worst_row(r, &r->summary->worst[k], t, ascii);
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    return status;
}

/* ---- what would be ------------------------------------------------------------------------------------- */

static void cause_without_row(const char *name, const sn_cause_quantiles *q, sn_table *t, bool ascii)
{
    const uint64_t value[] = {q->p50, q->p90, q->p99, q->p99_9, q->max};
    sn_table_cell(t, "%s", name);
    for (size_t i = 0; i < sizeof value / sizeof *value; i++)
        cause_cell(t, (double)value[i], ascii);
    sn_table_end_row(t);
}

static bool cause_moves(uint64_t was, uint64_t is)
{
    return (was > is ? was - is : is - was) > was / 100;
}

/* Taking the cause away moves some quantile by more than a hundredth. */
static bool cause_matters(const sn_cause_quantiles *was, const sn_cause_quantiles *is)
{
    return cause_moves(was->p50, is->p50) || cause_moves(was->p90, is->p90) || cause_moves(was->p99, is->p99) ||
           cause_moves(was->p99_9, is->p99_9) || cause_moves(was->max, is->max);
}

static setsuna_status cause_write_without(const sn_cause_summary *s, sn_sink *sink, bool ascii)
{
    static const char *const heading[] = {"p50", "p90", "p99", "p99.9", "max"};
    sn_table *t = sn_table_create(NULL);
    sn_table_column(t, "wall, the queue run again", SN_TABLE_LEFT);
    for (int i = 0; i < 5; i++)
        sn_table_column(t, heading[i], SN_TABLE_RIGHT);
    cause_without_row("as it was", &s->as_it_was, t, ascii);
    for (int c = 0; c < SN_CAUSES; c++) {
        char name[64];
        snprintf(name, sizeof name, "without %s", sn_cause_text((sn_cause)c));
        if (cause_matters(&s->as_it_was, &s->without[c]))
            cause_without_row(name, &s->without[c], t, ascii);
    }
    cause_without_row("as predicted", &s->predicted, t, ascii);
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    return status;
}

/* ---- notes --------------------------------------------------------------------------------------------- */

void sn_cause_report_hint(const sn_cause_report *r, const sn_period *p, const char **suggests, const char **against)
{
    const sn_quota *a = &r->quota_before, *b = &r->quota_after;
    *against = "";
    if (p->period_ns == 100000000) {
        *suggests = "a CPU quota: control groups and hypervisors use periods of 100 ms";
        if (a->known && b->known)
            *against = b->n_throttled > a->n_throttled ? "" : "this process's own group was not throttled (cpu.stat)";
    } else if (p->period_ns == 1000000000) {
        *suggests = "throttling of real-time tasks, or something that runs once a second";
        *against = b->real_time ? "" : "this thread is not scheduled as a real-time one";
    } else {
        *suggests = p->period_ns <= 10000000 ? "the scheduler's tick" : "something periodic";
    }
}

static void cause_write_hints(const sn_cause_report *r, sn_sink *sink, bool ascii)
{
    for (uint32_t i = 0; i < r->n_period; i++) {
        const sn_period *p = &r->period[i];
        const char *suggests, *against;
        char every[SN_HUMAN_MAX], each[SN_HUMAN_MAX];
        sn_cause_report_hint(r, p, &suggests, &against);
        sn_sink_printf(sink, "%u stalls by %s of about %s keep a period of %s, which suggests %s%s%s\n", p->n_stalls,
                       sn_cause_text(p->cause), sn_human_duration(each, p->median_ns, ascii),
                       sn_human_duration(every, p->period_ns, ascii), suggests, *against ? "; against it: " : "",
                       against);
    }
    if (r->quota_before.known && r->quota_after.n_throttled > r->quota_before.n_throttled)
        sn_sink_printf(sink, "this process's control group was throttled %llu times meanwhile (cpu.stat)\n",
                       (unsigned long long)(r->quota_after.n_throttled - r->quota_before.n_throttled));
}

static void cause_write_notes(const sn_cause_report *r, sn_sink *sink, bool ascii)
{
    static const char *const level[] = {
        "readings at both ends only: perf events are not permitted",
        "this thread's switches; who ran instead would need CAP_PERFMON or kernel.perf_event_paranoid below 1",
        "switches of every CPU"};
    char a[SN_HUMAN_MAX], b[SN_HUMAN_MAX];
    sn_sink_printf(sink, "seen: %s%s%s%s\n", level[r->level], r->has_interrupts ? ", interrupts" : "",
                   r->has_cpu ? "" : "; no CPU times", r->has_runqueue ? "" : "; no run-queue statistics");
    if (r->level == SN_RECORDER_MACHINE && !r->has_interrupts)
        sn_sink_puts(sink, "interrupts are in the CPU time: their tracepoints want tracefs mounted and readable\n");
    if (r->fault_ns)
        sn_sink_printf(sink, "page faults beyond the usual %s are estimated at %s each, as measured here\n",
                       sn_human_count(a, r->model->all.n_minor_faults), sn_human_duration(b, r->fault_ns, ascii));
    if (r->model->all.n == 0)
        sn_sink_puts(sink, "every request was disturbed: what they took all the same is taken for the prediction\n");
    sn_sink_printf(sink,
                   "predicted compute is the median of %s undisturbed requests; 99 %% of the ledgers close within %s\n",
                   sn_human_count(a, r->model->all.n), sn_human_duration(b, r->summary->residual_p99_ns, ascii));
    if (r->log->n_left_out)
        sn_sink_printf(sink, "explained are the first %s requests, not the %s after them\n",
                       sn_human_count(a, r->log->n), sn_human_count(b, r->log->n_left_out));
    cause_write_hints(r, sink, ascii);
}

setsuna_status sn_cause_report_write(const sn_cause_report *r, sn_sink *sink, bool ascii)
{
    sn_sink_puts(sink, "why the slow ones were slow\n\n");
    SN_TRY(cause_write_bands(r, sink, ascii));
    sn_sink_puts(sink, "\n");
    SN_TRY(cause_write_worst(r, sink, ascii));
    sn_sink_puts(sink, "\n");
    SN_TRY(cause_write_without(r->summary, sink, ascii));
    sn_sink_puts(sink, "\n");
    cause_write_notes(r, sink, ascii);
    return sink->status;
}
