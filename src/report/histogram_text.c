#include "report/histogram_text.h"
#include "report/bars.h"
#include "report/human.h"
#include "report/table.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { HISTOGRAM_BODY = 14, HISTOGRAM_BAR = 40 };

/* Multiples of step that bound the bins from lo to hi. */
static uint64_t histogram_lines(uint64_t lo, uint64_t hi, uint64_t step)
{
    return (hi + step - 1) / step - (lo + step - 1) / step + 1;
}

/* The least round step that needs no more than HISTOGRAM_BODY lines. Round steps are at most 4/3 apart, so ten or so
 * lines result; only below 10 ns are they further apart. */
static uint64_t histogram_step(uint64_t lo, uint64_t hi)
{
    static const uint64_t round_steps[] = {10, 12, 15, 20, 25, 30, 40, 50, 60, 80};
    for (uint64_t step = 1; step < 10; step++)
        if (histogram_lines(lo, hi, step) <= HISTOGRAM_BODY)
            return step;
    for (uint64_t scale = 1;; scale *= 10)
        for (size_t i = 0; i < sizeof round_steps / sizeof *round_steps; i++)
            if (histogram_lines(lo, hi, round_steps[i] * scale) <= HISTOGRAM_BODY)
                return round_steps[i] * scale;
}

static void histogram_add_edge(sn_histogram_bins *b, uint64_t edge)
{
    if (b->n < SN_HISTOGRAM_TEXT_ROWS && (b->n == 0 || edge > b->edge[b->n - 1]))
        b->edge[b->n++] = edge;
}

static void histogram_linear_bins(const sn_summary *s, sn_histogram_bins *b)
{
    b->step = histogram_step(s->min, s->p99);
    for (uint64_t edge = (s->min + b->step - 1) / b->step * b->step;; edge += b->step) {
        histogram_add_edge(b, edge);
        if (edge >= s->p99)
            break;
    }
    b->n_linear = b->n;
    uint64_t last = b->edge[b->n - 1];
    if (s->max > last) {
        if (s->max / 2 > last) /* the tail is long: halve it in ratio */
            histogram_add_edge(b, (uint64_t)sqrt((double)last * (double)s->max));
        histogram_add_edge(b, s->max);
    }
}

static void histogram_log_bins(const sn_summary *s, sn_histogram_bins *b)
{
    double lo = log(s->min ? (double)s->min : 1), hi = log((double)s->max);
    b->is_log = true;
    b->step = 1;
    for (int i = 1; i < HISTOGRAM_BODY; i++)
        histogram_add_edge(b, (uint64_t)exp(lo + (hi - lo) * i / HISTOGRAM_BODY));
    if (b->edge[b->n - 1] >= s->max)
        b->n--;
    histogram_add_edge(b, s->max);
}

void sn_histogram_text_bins(const sn_summary *s, sn_histogram_bins *out)
{
    /* Times of centuries are nonsense, but must not overflow the arithmetic on edges. */
    const uint64_t most = (uint64_t)1 << 62;
    const sn_summary safe = {.min = s->min < most ? s->min : most, .p99 = s->p99 < most ? s->p99 : most, .max = s->max};
    *out = (sn_histogram_bins){.n = 0};
    if (s->n == 0)
        return;
    if (safe.p99 / 4 <= safe.min)
        histogram_linear_bins(&safe, out);
    else
        histogram_log_bins(&safe, out);
}

/* "p50", "p99", both or nothing: what lies in bin i. */
static void histogram_marks(char *text, size_t cap, const sn_histogram_bins *b, size_t i, const sn_summary *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } mark[] = {{"p50", s->p50}, {"p99", s->p99}};
    text[0] = '\0';
    for (size_t m = 0; m < sizeof mark / sizeof *mark; m++) {
        bool inside = mark[m].value <= b->edge[i] && (i == 0 || mark[m].value > b->edge[i - 1]);
        if (inside)
            snprintf(text + strlen(text), cap - strlen(text), "%s%s", text[0] ? " " : "", mark[m].name);
    }
}

static char *histogram_label(char *buf, const sn_histogram_bins *b, size_t edge, bool ascii)
{
    if (b->is_log || edge >= b->n_linear)
        return sn_human_duration(buf, b->edge[edge], ascii);
    return sn_human_duration_scaled(buf, b->edge[edge], b->edge[b->n_linear - 1], b->step, ascii);
}

static void histogram_first_label(char *buf, const sn_histogram_bins *b, const sn_summary *s, bool ascii)
{
    if (b->is_log || b->edge[0] < b->step)
        sn_human_duration(buf, s->min, ascii);
    else
        sn_human_duration_scaled(buf, b->edge[0] - b->step, b->edge[b->n_linear - 1], b->step, ascii);
}

static void histogram_title(const sn_histogram_bins *b, const sn_summary *s, sn_sink *sink, bool ascii)
{
    char text[SN_HUMAN_MAX];
    sn_sink_printf(sink, "%s sample%s, ", sn_human_count(text, s->n), s->n == 1 ? "" : "s");
    if (b->is_log) {
        double ratio = exp(log((double)s->max / (s->min ? (double)s->min : 1)) / HISTOGRAM_BODY);
        sn_sink_printf(sink, "a line is a factor of %s\n", sn_human_number(text, ratio));
    } else {
        sn_sink_printf(sink, "a line is %s%s\n", sn_human_duration_scaled(text, b->step, b->step, b->step, ascii),
                       b->n > b->n_linear ? ", the last ones wider" : "");
    }
}

setsuna_status sn_histogram_text_write(const sn_samples *samples, const sn_summary *s, sn_sink *sink, bool ascii)
{
    sn_histogram_bins b;
    sn_histogram_text_bins(s, &b);
    if (b.n == 0) {
        sn_sink_puts(sink, "no samples\n");
        return sink->status;
    }
    uint64_t count[SN_HISTOGRAM_TEXT_ROWS], most = 1;
    sn_samples_bins(samples, b.edge, b.n, count);
    for (size_t i = 0; i < b.n; i++)
        most = count[i] > most ? count[i] : most;

    histogram_title(&b, s, sink, ascii);
    sn_table *t = sn_table_create(samples->allocator);
    for (int column = 0; column < 7; column++)
        sn_table_column(t, "", column == 1 || column == 3 || column == 6 ? SN_TABLE_LEFT : SN_TABLE_RIGHT);
    char from[SN_HUMAN_MAX], to[SN_HUMAN_MAX], n[SN_HUMAN_MAX], share[SN_HUMAN_MAX], marks[16];
    char bar[SN_BAR_BYTES(HISTOGRAM_BAR)];
    histogram_first_label(from, &b, s, ascii);
    sn_human_align(from);
    for (size_t i = 0; i < b.n; i++) {
        histogram_marks(marks, sizeof marks, &b, i, s);
        sn_table_cell(t, "%s", from);
        sn_table_cell(t, "..");
        sn_table_cell(t, "%s", sn_human_align(histogram_label(to, &b, i, ascii)));
        sn_table_cell(t, "%s", sn_bar(bar, (double)count[i] / (double)most, HISTOGRAM_BAR, ascii));
        sn_table_cell(t, "%s", sn_human_count(n, count[i]));
        sn_table_cell(t, "%s", sn_human_share(share, (double)count[i] / (double)s->n));
        sn_table_cell(t, "%s%s", marks[0] ? (ascii ? "< " : "◀ ") : "", marks);
        sn_table_end_row(t);
        memcpy(from, to, sizeof from);
    }
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    return status;
}
