#include "report/bench_result.h"

static void bench_write_latency(const sn_summary *s, sn_json *w)
{
    sn_json_begin_object(w);
    sn_json_key_u64(w, "min", s->min);
    sn_json_key_u64(w, "p50", s->p50);
    sn_json_key_f64(w, "mean", s->mean);
    sn_json_key_u64(w, "p90", s->p90);
    sn_json_key_u64(w, "p95", s->p95);
    sn_json_key_u64(w, "p99", s->p99);
    sn_json_key_u64(w, "p99_9", s->p99_9);
    sn_json_key_u64(w, "max", s->max);
    sn_json_end_object(w);
}

static void bench_write_row(const sn_book_row *row, sn_json *w)
{
    sn_json_key_u64(w, "p50", row->ns.p50);
    sn_json_key_f64(w, "mean", row->ns.mean);
    sn_json_key_u64(w, "p99", row->ns.p99);
    sn_json_key_f64(w, "share", row->share);
}

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
    sn_json_key(w, "latency_ns");
    bench_write_latency(&r->ledger.wall, w);
    sn_json_key_f64(w, "throughput_per_s", r->throughput_per_s);
    sn_json_key_u64(w, "load_ns", r->load_ns);
    sn_json_key_u64(w, "first_ns", r->first_ns);
    sn_json_key_u64(w, "peak_rss_bytes", r->peak_rss_bytes);
    sn_json_key(w, "stages_ns");
    sn_json_begin_object(w);
    for (int i = 0; i < SN_STAGES; i++) {
        sn_json_key(w, sn_stage_name((sn_stage)i));
        sn_json_begin_object(w);
        bench_write_row(&r->ledger.stage[i], w);
        sn_json_end_object(w);
    }
    sn_json_end_object(w);
    sn_json_key(w, "unexplained_ns");
    sn_json_begin_object(w);
    bench_write_row(&r->ledger.unexplained, w);
    sn_json_key_f64(w, "overdrawn_mean", r->ledger.overdrawn.ns.mean);
    sn_json_end_object(w);
    sn_json_key(w, "outputs");
    sn_json_begin_array(w);
    for (size_t i = 0; i < r->n_outputs; i++)
        bench_write_output(&r->outputs[i], w);
    sn_json_end_array(w);
    sn_json_end_object(w);
}
