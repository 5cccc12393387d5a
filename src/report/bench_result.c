#include "report/bench_result.h"
#include "report/ledger_json.h"
#include "report/passport_report.h"
#include "report/stream_report.h"

static void bench_write_output(const sn_bench_output *o, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_string(w, "name", o->name);
    sn_json_key_string(w, "dtype", setsuna_dtype_name(o->dtype));
    sn_json_key(w, "shape");
    sn_json_begin_array_inline(w);
    for (int32_t i = 0; i < o->shape.rank; i++)
        sn_json_i64(w, o->shape.dim[i]);
    sn_json_end_array(w);
    sn_json_key_string(w, "sha256", o->sha256);
    if (o->has_error) {
        sn_json_key(w, "error");
        sn_json_begin_object(w);
        sn_json_key_f64(w, "max_abs", o->error.max_abs);
        sn_json_key_f64(w, "max_rel", o->error.max_rel);
        sn_json_key_f64(w, "rms_rel", o->error.rms_rel);
        sn_json_key_u64(w, "not_finite", o->error.not_finite);
        sn_json_end_object(w);
    }
    sn_json_end_object(w);
}

static void bench_write_stream(const sn_bench_result *r, sn_json *w)
{
    sn_json_key(w, "stream");
    sn_json_begin_object(w);
    sn_json_key_f64(w, "frame_s", r->frame_s);
    sn_json_key_f64(w, "real_time_factor", sn_stream_real_time_factor(&r->ledger, r->frame_s));
    sn_json_key_u64(w, "files", r->openings.n);
    sn_json_key(w, "opening");
    sn_json_begin_object(w);
    sn_ledger_json_write(&r->openings, w);
    sn_json_end_object(w);
    sn_json_end_object(w);
}

void sn_bench_result_write_json(const sn_bench_result *r, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_string(w, "setsuna", r->setsuna);
    sn_json_key_string(w, "model", r->model);
    sn_json_key_string(w, "engine", r->engine);
    sn_json_key_u64(w, "threads", r->threads);
    sn_json_key_string(w, "cpu_level", r->cpu_level);
    sn_json_key_string(w, "precision", r->precision);
    sn_json_key_u64(w, "runs", r->ledger.n);
    sn_json_key_f64(w, "throughput_per_s", r->throughput_per_s);
    sn_json_key_u64(w, "load_ns", r->load_ns);
    sn_json_key_u64(w, "first_ns", r->first_ns);
    sn_json_key_u64(w, "peak_rss_bytes", r->peak_rss_bytes);
    sn_ledger_json_write(&r->ledger, w);
    if (r->intervals) {
        sn_json_key(w, "intervals_ns");
        sn_interval_report_write_json(r->intervals, w);
    }
    if (r->schedule) {
        sn_json_key(w, "schedule");
        sn_schedule_report_write_json(r->schedule, w);
    }
    if (r->slo) {
        sn_json_key(w, "slo");
        sn_objective_report_write_json(r->slo, w);
    }
    if (r->search) {
        sn_json_key(w, "search");
        sn_search_report_write_json(r->search, w);
    }
    if (r->cost) {
        sn_json_key(w, "cost");
        sn_cost_report_write_json(r->cost, w);
    }
    if (r->is_stream)
        bench_write_stream(r, w);
    if (r->causes) {
        sn_json_key(w, "causes");
        sn_cause_report_write_json(r->causes, w);
    }
    sn_json_key(w, "passport");
    sn_passport_write_json(r->passport, w);
    sn_json_key(w, "outputs");
    sn_json_begin_array(w);
    for (size_t i = 0; i < r->n_outputs; i++)
        bench_write_output(&r->outputs[i], w);
    sn_json_end_array(w);
    if (r->per_op) {
        sn_json_key(w, "per_op");
        sn_step_report_write_json(r->per_op, w);
    }
    sn_json_end_object(w);
}
