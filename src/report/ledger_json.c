#include "report/ledger_json.h"

static void ledger_json_latency(const sn_summary *s, sn_json *w)
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

static void ledger_json_row(const sn_book_row *row, sn_json *w)
{
    sn_json_key_u64(w, "p50", row->ns.p50);
    sn_json_key_f64(w, "mean", row->ns.mean);
    sn_json_key_u64(w, "p99", row->ns.p99);
    sn_json_key_f64(w, "share", row->share);
}

void sn_ledger_json_write(const sn_book_summary *s, sn_json *w)
{
    sn_json_key(w, "latency_ns");
    ledger_json_latency(&s->wall, w);
    sn_json_key(w, "stages_ns");
    sn_json_begin_object(w);
    for (int i = 0; i < SN_STAGES; i++) {
        sn_json_key(w, sn_stage_name((sn_stage)i));
        sn_json_begin_object(w);
        ledger_json_row(&s->stage[i], w);
        sn_json_end_object(w);
    }
    sn_json_end_object(w);
    sn_json_key(w, "unexplained_ns");
    sn_json_begin_object(w);
    ledger_json_row(&s->unexplained, w);
    sn_json_key_f64(w, "overdrawn_mean", s->overdrawn.ns.mean);
    sn_json_end_object(w);
}
