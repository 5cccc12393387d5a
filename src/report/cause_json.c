#include "report/cause_report.h"

static void cause_json_by(sn_json *w, const int64_t by[SN_CAUSES], double n)
{
    sn_json_begin_object(w);
    for (int c = 0; c < SN_CAUSES; c++)
        sn_json_key_f64(w, sn_cause_key((sn_cause)c), (double)by[c] / n);
    sn_json_end_object(w);
}

static void cause_json_cause(sn_json *w, const sn_cause_parts *p, uint64_t n)
{
    sn_cause c = sn_cause_name(p, n);
    sn_json_key_string(w, "cause", c == SN_CAUSES ? "none" : sn_cause_key(c));
}

static void cause_json_parts(sn_json *w, const sn_cause_parts *p, uint64_t n)
{
    double d = n ? (double)n : 1;
    sn_json_key_f64(w, "wall_ns", (double)p->wall_ns / d);
    sn_json_key_f64(w, "predicted_compute_ns", (double)p->compute_ns / d);
    sn_json_key_f64(w, "predicted_queue_ns", (double)p->queue_ns / d);
    sn_json_key(w, "causes_ns");
    cause_json_by(w, p->by_ns, d);
    sn_json_key_f64(w, "knock_on_ns", (double)p->knock_on_ns / d);
    cause_json_cause(w, p, n ? n : 1);
}

static void cause_json_bands(sn_json *w, const sn_cause_summary *s)
{
    sn_json_key(w, "bands");
    sn_json_begin_array(w);
    for (int b = 0; b < SN_CAUSE_BANDS; b++) {
        sn_json_begin_object(w);
        sn_json_key_f64(w, "from", s->band[b].from);
        sn_json_key_f64(w, "to", s->band[b].to);
        sn_json_key_u64(w, "requests", s->band[b].n);
        cause_json_parts(w, &s->band[b].sum, s->band[b].n);
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
}

static void cause_json_shares(sn_json *w, const char *key, const sn_witness_share *share, int n)
{
    sn_json_key(w, key);
    sn_json_begin_array(w);
    for (int i = 0; i < n && share && share[i].ns > 0; i++) {
        sn_json_begin_object(w);
        sn_json_key_string(w, "name", share[i].name);
        sn_json_key_u64(w, "ns", share[i].ns);
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
}

static void cause_json_worst(sn_json *w, const sn_cause_report *r)
{
    sn_json_key(w, "worst");
    sn_json_begin_array(w);
    for (uint32_t k = 0; k < r->summary->n_worst; k++) {
        const sn_cause_worst *x = &r->summary->worst[k];
        const sn_cause_request *q = sn_cause_log_at(r->log, x->index);
        const sn_witness *seen = sn_witnesses_find(r->witnesses, x->index);
        sn_json_begin_object(w);
        sn_json_key_u64(w, "request", x->index);
        sn_json_key_u64(w, "behind", x->behind);
        sn_json_key_u64(w, "due_ns", q->due_ns - r->begin_ns);
        sn_json_key_u64(w, "started_ns", q->begin_ns - r->begin_ns);
        sn_json_key_u64(w, "ended_ns", q->end_ns - r->begin_ns);
        cause_json_parts(w, &x->parts, 1);
        sn_json_key(w, "own_ns");
        cause_json_by(w, x->own_ns, 1);
        sn_json_key_u64(w, "minor_faults", q->n_minor_faults);
        sn_json_key_u64(w, "major_faults", q->n_major_faults);
        cause_json_shares(w, "ran_instead", seen ? seen->who : NULL, SN_STORY_WHO);
        cause_json_shares(w, "interrupted_by", seen ? seen->interrupt : NULL, SN_STORY_INTERRUPTS);
        sn_json_key_string(w, "continued_by", seen ? seen->stopped_by : "");
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
}

static void cause_json_quantiles(sn_json *w, const char *key, const sn_cause_quantiles *q)
{
    sn_json_key(w, key);
    sn_json_begin_object(w);
    sn_json_key_u64(w, "p50", q->p50);
    sn_json_key_u64(w, "p90", q->p90);
    sn_json_key_u64(w, "p99", q->p99);
    sn_json_key_u64(w, "p99_9", q->p99_9);
    sn_json_key_u64(w, "max", q->max);
    sn_json_end_object(w);
}

static void cause_json_without(sn_json *w, const sn_cause_summary *s)
{
    sn_json_key(w, "without_ns");
    sn_json_begin_object(w);
    for (int c = 0; c < SN_CAUSES; c++)
        cause_json_quantiles(w, sn_cause_key((sn_cause)c), &s->without[c]);
    cause_json_quantiles(w, "any", &s->predicted);
    sn_json_end_object(w);
}

static void cause_json_hints(sn_json *w, const sn_cause_report *r)
{
    sn_json_key(w, "hints");
    sn_json_begin_array(w);
    for (uint32_t i = 0; i < r->n_period; i++) {
        const sn_period *p = &r->period[i];
        const char *suggests, *against;
        sn_cause_report_hint(r, p, &suggests, &against);
        sn_json_begin_object(w);
        sn_json_key_string(w, "cause", sn_cause_key(p->cause));
        sn_json_key_u64(w, "period_ns", p->period_ns);
        sn_json_key_u64(w, "stalls", p->n_stalls);
        sn_json_key_f64(w, "concentration", p->concentration);
        sn_json_key_string(w, "suggests", suggests);
        sn_json_key_string(w, "against", against);
        sn_json_end_object(w);
    }
    sn_json_end_array(w);
}

void sn_cause_report_write_json(const sn_cause_report *r, sn_json *w)
{
    static const char *const level[] = {"none", "thread", "machine"};
    const sn_cause_summary *s = r->summary;
    sn_json_begin_object(w);
    sn_json_key(w, "evidence");
    sn_json_begin_object(w);
    sn_json_key_string(w, "switches", level[r->level]);
    sn_json_key(w, "interrupts");
    sn_json_bool(w, r->has_interrupts);
    sn_json_key(w, "cpu_time");
    sn_json_bool(w, r->has_cpu);
    sn_json_key(w, "run_queue");
    sn_json_bool(w, r->has_runqueue);
    sn_json_key_u64(w, "fault_ns", r->fault_ns);
    if (r->quota_before.known && r->quota_after.known)
        sn_json_key_u64(w, "throttled", r->quota_after.n_throttled - r->quota_before.n_throttled);
    sn_json_end_object(w);
    sn_json_key_u64(w, "monotonic_ns", r->begin_ns);
    sn_json_key_u64(w, "explained", s->n);
    sn_json_key_u64(w, "undisturbed", r->model->all.n);
    sn_json_key_u64(w, "residual_p99_ns", s->residual_p99_ns);
    sn_json_key_f64(w, "predictable", (double)(s->sum.queue_ns + s->sum.compute_ns) / (double)s->sum.wall_ns);
    cause_json_bands(w, s);
    cause_json_worst(w, r);
    cause_json_without(w, s);
    cause_json_hints(w, r);
    sn_json_end_object(w);
}
