#include "report/step_report.h"
#include "graph/tensor.h"
#include "report/human.h"
#include "report/table.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

double sn_step_row_bound_ns(const sn_step_row *r)
{
    return r->compute_ns > r->memory_ns ? r->compute_ns : r->memory_ns;
}

static double step_gap_ns(const sn_step_row *r)
{
    return (double)r->p50_ns - sn_step_row_bound_ns(r);
}

static int step_in_plan(const sn_step_row *x, const sn_step_row *y)
{
    return x->step < y->step ? -1 : x->step > y->step;
}

static int step_compare_plan(const void *a, const void *b)
{
    return step_in_plan(a, b);
}

static int step_compare_time(const void *a, const void *b)
{
    const sn_step_row *x = a, *y = b;
    return x->p50_ns != y->p50_ns ? (x->p50_ns < y->p50_ns ? 1 : -1) : step_in_plan(x, y);
}

static int step_compare_gap(const void *a, const void *b)
{
    double x = step_gap_ns(a), y = step_gap_ns(b);
    return x < y ? 1 : x > y ? -1 : step_in_plan(a, b);
}

void sn_step_report_sort(sn_step_report *r, sn_step_order order)
{
    static int (*const compare[])(const void *, const void *) = {step_compare_plan, step_compare_time,
                                                                 step_compare_gap};
    if (r->n_row)
        qsort(r->row, r->n_row, sizeof *r->row, compare[order]);
}

typedef struct step_total {
    double time_ns, bound_ns, flops, bytes;
} step_total;

static step_total step_sum(const sn_step_report *r)
{
    step_total t = {0};
    for (size_t i = 0; i < r->n_row; i++) {
        t.time_ns += (double)r->row[i].p50_ns;
        t.bound_ns += sn_step_row_bound_ns(&r->row[i]);
        t.flops += r->row[i].flops;
        t.bytes += r->row[i].weight_bytes + r->row[i].operand_bytes;
    }
    return t;
}

static double step_rate(double amount, double ns)
{
    return ns > 0 ? amount / ns : 0;
}

static const char *step_bound_name(const sn_step_row *r)
{
    return sn_step_row_bound_ns(r) == 0 ? "none" : r->compute_ns >= r->memory_ns ? "compute" : "memory";
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static void step_write_roofline(const sn_step_report *r, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_string(w, "source", r->is_given ? "given" : "measured");
    sn_json_key_f64(w, "flops_per_s", r->flops_per_ns * 1e9);
    sn_json_key(w, "bandwidth");
    sn_json_begin_array(w);
    for (uint32_t i = 0; i < r->n_point; i++) {
        sn_json_begin_object(w);
        sn_json_key_f64(w, "bytes", r->point[i].bytes);
        sn_json_key_f64(w, "bytes_per_s", r->point[i].bytes_per_ns * 1e9);
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
    sn_json_key_f64(w, "touched_bytes", r->touched_bytes);
    sn_json_end_object(w);
}

static void step_write_row(const sn_step_row *s, double total_ns, sn_json *w)
{
    double ns = (double)s->p50_ns, bound = sn_step_row_bound_ns(s);
    sn_json_begin_object(w);
    sn_json_key_u64(w, "step", s->step);
    sn_json_key_u64(w, "segment", s->segment);
    sn_json_key_string(w, "name", s->name);
    sn_json_key_string(w, "op", s->op);
    sn_json_key_string(w, "kernel", s->kernel);
    sn_json_key_u64(w, "threads", s->threads);
    sn_json_key(w, "shape");
    sn_json_begin_array_inline(w);
    for (int32_t i = 0; i < s->shape.rank; i++)
        sn_json_i64(w, s->shape.dim[i]);
    sn_json_end_array(w);
    sn_json_key_u64(w, "min_ns", s->min_ns);
    sn_json_key_u64(w, "p50_ns", s->p50_ns);
    sn_json_key_f64(w, "share", step_rate(ns, total_ns));
    sn_json_key_f64(w, "flops", s->flops);
    sn_json_key_f64(w, "work_flops", s->work);
    sn_json_key_f64(w, "weight_bytes", s->weight_bytes);
    sn_json_key_f64(w, "operand_bytes", s->operand_bytes);
    sn_json_key_f64(w, "flops_per_s", 1e9 * step_rate(s->flops, ns));
    sn_json_key_f64(w, "bytes_per_s", 1e9 * step_rate(s->weight_bytes + s->operand_bytes, ns));
    sn_json_key_f64(w, "compute_ns", s->compute_ns);
    sn_json_key_f64(w, "memory_ns", s->memory_ns);
    sn_json_key_string(w, "bound", step_bound_name(s));
    sn_json_key_f64(w, "bound_ns", bound);
    sn_json_key_f64(w, "ratio", step_rate(ns, bound));
    sn_json_end_object(w);
}

void sn_step_report_write_json(const sn_step_report *r, sn_json *w)
{
    double total_ns = step_sum(r).time_ns;
    sn_json_begin_object(w);
    sn_json_key_u64(w, "timed_runs", r->runs);
    sn_json_key_u64(w, "clock_ns", r->clock_ns);
    sn_json_key_u64(w, "timed_p50_ns", r->p50_ns);
    sn_json_key_u64(w, "plain_p50_ns", r->plain_p50_ns);
    sn_json_key(w, "roofline");
    step_write_roofline(r, w);
    sn_json_key(w, "steps");
    sn_json_begin_array(w);
    for (size_t i = 0; i < r->n_row; i++)
        step_write_row(&r->row[i], total_ns, w);
    sn_json_end_array(w);
    sn_json_end_object(w);
}

/* ---- text ------------------------------------------------------------------------------------------ */

static void step_cell_ns(sn_table *t, double ns, bool ascii)
{
    char text[SN_HUMAN_MAX];
    sn_table_cell(t, "%s", sn_human_align(sn_human_duration(text, (uint64_t)llround(ns), ascii)));
}

/* A rate per nanosecond is one of 10^9 a second. */
static void step_cell_rate(sn_table *t, double amount, double ns)
{
    if (amount > 0 && ns > 0)
        sn_table_cell(t, "%.1f", amount / ns);
    else
        sn_table_cell(t, "-");
}

static void step_cells_bound(sn_table *t, double ns, double bound, bool ascii)
{
    if (bound > 0) {
        step_cell_ns(t, bound, ascii);
        sn_table_cell(t, "%.2f", ns / bound);
    } else {
        sn_table_cell(t, "-");
        sn_table_cell(t, "-");
    }
}

static void step_table_row(sn_table *t, const sn_step_row *s, double total_ns, bool ascii)
{
    char share[SN_HUMAN_MAX], shape[SN_SHAPE_TEXT_MAX];
    double ns = (double)s->p50_ns;
    sn_table_cell(t, "%u", s->step);
    sn_table_cell(t, "%s", s->op);
    sn_table_cell(t, "%s", s->kernel);
    step_cell_ns(t, (double)s->min_ns, ascii);
    step_cell_ns(t, ns, ascii);
    sn_table_cell(t, "%s", sn_human_share(share, step_rate(ns, total_ns)));
    step_cell_rate(t, s->flops, ns);
    step_cell_rate(t, s->weight_bytes + s->operand_bytes, ns);
    step_cells_bound(t, ns, sn_step_row_bound_ns(s), ascii);
    sn_table_cell(t, "%s", step_bound_name(s));
    sn_table_cell(t, "%u", s->threads);
    sn_shape_text(&s->shape, shape, sizeof shape);
    sn_table_cell(t, "%s", shape);
    sn_table_end_row(t);
}

static setsuna_status step_write_notes(const sn_step_report *r, const step_total *sum, sn_sink *sink, bool ascii)
{
    char a[SN_HUMAN_MAX], b[SN_HUMAN_MAX], c[SN_HUMAN_MAX];
    sn_sink_printf(sink, "Roofline (%s): %.4g GFLOP/s; reading", r->is_given ? "given" : "measured", r->flops_per_ns);
    for (uint32_t i = 0; i < r->n_point; i++)
        sn_sink_printf(sink, "%s %.4g GB/s of %s", i ? "," : "", r->point[i].bytes_per_ns,
                       sn_human_bytes(a, (uint64_t)r->point[i].bytes));
    sn_sink_printf(sink, ". A run touches %s.\n", sn_human_bytes(a, (uint64_t)r->touched_bytes));
    sn_sink_puts(sink,
                 "Bound: the larger of arithmetic at that rate and memory traffic at that of its size; ratio: p50 "
                 "over bound.\nGFLOP/s counts what the operator's definition needs, so Winograd may exceed the "
                 "peak; its bound counts its own products.\n");
    sn_sink_printf(sink,
                   "%llu runs timed step by step: %s p50, of which steps %s; without timing %s. A step's time includes "
                   "one reading of the clock, %llu ns.\n",
                   (unsigned long long)r->runs, sn_human_duration(a, r->p50_ns, ascii),
                   sn_human_duration(b, (uint64_t)llround(sum->time_ns), ascii),
                   sn_human_duration(c, r->plain_p50_ns, ascii), (unsigned long long)r->clock_ns);
    return sn_sink_flush(sink);
}

setsuna_status sn_step_report_write(const sn_step_report *r, sn_sink *sink, bool ascii)
{
    static const struct {
        const char *heading;
        sn_table_align align;
    } column[] = {{"STEP", SN_TABLE_RIGHT},    {"OPERATOR", SN_TABLE_LEFT}, {"KERNEL", SN_TABLE_LEFT},
                  {"MIN", SN_TABLE_RIGHT},     {"P50", SN_TABLE_RIGHT},     {"SHARE", SN_TABLE_RIGHT},
                  {"GFLOP/S", SN_TABLE_RIGHT}, {"GB/S", SN_TABLE_RIGHT},    {"BOUND", SN_TABLE_RIGHT},
                  {"RATIO", SN_TABLE_RIGHT},   {"BY", SN_TABLE_LEFT},       {"THREADS", SN_TABLE_RIGHT},
                  {"OUTPUT", SN_TABLE_LEFT}};
    sn_table *t = sn_table_create(NULL);
    step_total sum = step_sum(r);
    for (size_t i = 0; i < sizeof column / sizeof *column; i++)
        sn_table_column(t, column[i].heading, column[i].align);
    for (size_t i = 0; i < r->n_row; i++)
        step_table_row(t, &r->row[i], sum.time_ns, ascii);
    sn_table_rule(t);
    sn_table_cell(t, "%s", "");
    sn_table_cell(t, "all steps");
    sn_table_cell(t, "%s", "");
    sn_table_cell(t, "%s", "");
    step_cell_ns(t, sum.time_ns, ascii);
    sn_table_cell(t, "%s", "");
    step_cell_rate(t, sum.flops, sum.time_ns);
    step_cell_rate(t, sum.bytes, sum.time_ns);
    step_cells_bound(t, sum.time_ns, sum.bound_ns, ascii);
    sn_table_end_row(t);
    setsuna_status status = sn_table_write(t, sink, ascii);
    sn_table_destroy(t);
    return status == SETSUNA_OK ? step_write_notes(r, &sum, sink, ascii) : status;
}
