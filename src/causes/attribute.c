#include "causes/attribute.h"
#include "base/status.h"
#include <string.h>

static const double attribute_q[SN_CAUSE_BANDS + 1] = {0, 0.5, 0.9, 0.99, 0.999, 1};

/* Where a request's own time went beyond its prediction. Sum of service: end - begin - predicted compute; of lag:
 * begin - max(due, free); of turn: what the turnaround before it took beyond the usual one. */
typedef struct attribute_own {
    int64_t service[SN_CAUSES], lag[SN_CAUSES], turn[SN_CAUSES];
    int64_t compute_ns;
} attribute_own;

static uint64_t attribute_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int64_t attribute_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t attribute_sum(const int64_t v[SN_CAUSES])
{
    int64_t sum = 0;
    for (int c = 0; c < SN_CAUSES; c++)
        sum += v[c];
    return sum;
}

static void attribute_service(const sn_cause_model *m, const sn_cause_kind *k, const sn_cause_request *r,
                              attribute_own *out)
{
    int64_t *by = out->service, service = (int64_t)(r->end_ns - r->begin_ns);
    int64_t off = (int64_t)(r->runqueue_ns + r->throttled_ns + r->steal_ns + r->stopped_ns + r->blocked_ns);
    int64_t cpu = r->known & SN_CAUSE_KNOWN_CPU ? (int64_t)r->cpu_ns : service - off;
    by[SN_CAUSE_RUNQUEUE] = (int64_t)r->runqueue_ns;
    by[SN_CAUSE_THROTTLED] = (int64_t)r->throttled_ns;
    by[SN_CAUSE_STEAL] = (int64_t)r->steal_ns;
    by[SN_CAUSE_STOPPED] = (int64_t)r->stopped_ns;
    by[SN_CAUSE_INTERRUPT] = (int64_t)r->interrupt_ns;
    by[SN_CAUSE_UNEXPLAINED] = service - cpu - off;

    /* Who waits less than usual for others has worked longer himself. */
    int64_t slower = cpu - (int64_t)r->interrupt_ns - (int64_t)k->cpu_ns;
    int64_t blocked = (int64_t)r->blocked_ns - (int64_t)k->blocked_ns;
    if (blocked < 0) {
        slower += blocked;
        blocked = 0;
    }
    /* Waiting for one's helpers is either: spinning on the CPU, or blocked. */
    int64_t helper = attribute_min((int64_t)r->helper_runqueue_ns, blocked + (slower > 0 ? slower : 0));
    by[SN_CAUSE_RUNQUEUE] += helper;
    slower -= helper - attribute_min(helper, blocked);
    blocked -= attribute_min(helper, blocked);
    by[r->n_major_faults ? SN_CAUSE_FAULT : SN_CAUSE_BLOCKED] = blocked;
    int64_t faults = r->n_minor_faults > k->n_minor_faults ? (int64_t)(r->n_minor_faults - k->n_minor_faults) : 0;
    int64_t fault_ns = slower > 0 ? attribute_min(slower, faults * (int64_t)m->fault_ns) : 0;
    by[SN_CAUSE_FAULT] += fault_ns;
    by[SN_CAUSE_SLOWER] = slower - fault_ns;
}

/* Gives ns away: to what is known of the gap, and the rest to the measurement itself. */
static void attribute_gap(int64_t ns, int64_t *runqueue, int64_t *stopped, int64_t by[SN_CAUSES])
{
    int64_t positive = ns > 0 ? ns : 0;
    by[SN_CAUSE_RUNQUEUE] = attribute_min(positive, *runqueue);
    by[SN_CAUSE_STOPPED] = attribute_min(positive - by[SN_CAUSE_RUNQUEUE], *stopped);
    by[SN_CAUSE_LAG] = ns - by[SN_CAUSE_RUNQUEUE] - by[SN_CAUSE_STOPPED];
    *runqueue -= by[SN_CAUSE_RUNQUEUE];
    *stopped -= by[SN_CAUSE_STOPPED];
}

static attribute_own attribute_of(const sn_cause_log *log, const sn_cause_model *m, size_t i)
{
    attribute_own own = {.compute_ns = 0};
    const sn_cause_request *r = sn_cause_log_at(log, i), *before = i ? sn_cause_log_at(log, i - 1) : NULL;
    const sn_cause_kind *k = sn_cause_model_kind(m, before, r);
    own.compute_ns = (int64_t)sn_cause_kind_service_ns(k);
    attribute_service(m, k, r, &own);
    int64_t runqueue = (int64_t)r->gap_runqueue_ns, stopped = (int64_t)r->gap_stopped_ns;
    attribute_gap((int64_t)(r->begin_ns - attribute_max(r->due_ns, r->free_ns)), &runqueue, &stopped, own.lag);
    if (before)
        attribute_gap((int64_t)(r->free_ns - before->end_ns) - (int64_t)m->turnaround_ns, &runqueue, &stopped,
                      own.turn);
    return own;
}

/* ---- the queue, with some causes taken away ------------------------------------------------------------ */

typedef struct attribute_walk {
    const sn_cause_log *log;
    uint32_t set; /* of causes that never were */
    uint64_t due_ns, free_ns, end_ns;
} attribute_walk;

static uint64_t attribute_less(uint64_t ns, const int64_t by[SN_CAUSES], uint32_t set)
{
    int64_t left = (int64_t)ns;
    for (int c = 0; c < SN_CAUSES; c++)
        left -= set >> c & 1 ? by[c] : 0;
    return left > 0 ? (uint64_t)left : 0;
}

/* Request i, after i - 1; afterwards w has its due, free and end times. Returns its waiting in the queue. */
static uint64_t attribute_step(attribute_walk *w, size_t i, const attribute_own *own)
{
    const sn_cause_request *r = sn_cause_log_at(w->log, i);
    if (i == 0) {
        w->free_ns = r->free_ns;
        w->due_ns = r->due_ns;
    } else {
        uint64_t turn = r->free_ns - sn_cause_log_at(w->log, i - 1)->end_ns;
        w->free_ns = w->end_ns + attribute_less(turn, own->turn, w->set);
        if (r->due == SN_CAUSE_DUE_FIXED)
            w->due_ns = r->due_ns;
        else if (r->due == SN_CAUSE_DUE_AFTER)
            w->due_ns = w->free_ns + (r->due_ns - r->free_ns);
    }
    uint64_t ready = attribute_max(w->due_ns, w->free_ns);
    uint64_t lag = r->begin_ns - attribute_max(r->due_ns, r->free_ns);
    w->end_ns =
        ready + attribute_less(lag, own->lag, w->set) + attribute_less(r->end_ns - r->begin_ns, own->service, w->set);
    return ready - w->due_ns;
}

static void attribute_quantiles(uint64_t *v, size_t n, sn_cause_quantiles *out)
{
    sn_sort_u64(v, n);
    *out = (sn_cause_quantiles){.p50 = sn_quantile_sorted(v, n, 0.5),
                                .p90 = sn_quantile_sorted(v, n, 0.9),
                                .p99 = sn_quantile_sorted(v, n, 0.99),
                                .p99_9 = sn_quantile_sorted(v, n, 0.999),
                                .max = sn_quantile_sorted(v, n, 1)};
}

static void attribute_without(const sn_cause_log *log, const sn_cause_model *m, uint32_t set, uint64_t *v,
                              sn_cause_quantiles *out)
{
    attribute_walk w = {.log = log, .set = set};
    for (size_t i = 0; i < log->n; i++) {
        attribute_own own = attribute_of(log, m, i);
        attribute_step(&w, i, &own);
        v[i] = w.end_ns - w.due_ns;
    }
    attribute_quantiles(v, log->n, out);
}

setsuna_status sn_cause_without(const sn_cause_log *log, const sn_cause_model *m, uint32_t set, sn_cause_quantiles *out)
{
    uint64_t *v = sn_alloc(log->allocator, (log->n + 1) * sizeof *v);
    if (!v)
        return SETSUNA_ENOMEM;
    attribute_without(log, m, set, v, out);
    sn_free(log->allocator, v);
    return SETSUNA_OK;
}

/* ---- bands and the worst ------------------------------------------------------------------------------- */

/* What the requests before this one left behind: time by cause, and the one that left most. */
typedef struct attribute_carry {
    int64_t by[SN_CAUSES];
    size_t worst;
    int64_t worst_ns;
} attribute_carry;

/* The queue is longer than predicted by `more`: so much of the carry is still felt. It drains in proportion. */
static void attribute_drain(attribute_carry *c, int64_t more, size_t i)
{
    int64_t sum = attribute_sum(c->by), left = more;
    bool felt = more != 0 && sum != 0 && (more > 0) == (sum > 0);
    double scale = felt && (more > 0 ? more < sum : more > sum) ? (double)more / (double)sum : felt ? 1 : 0;
    for (int k = 0; k < SN_CAUSES; k++) {
        c->by[k] = (int64_t)((double)c->by[k] * scale);
        left -= c->by[k];
    }
    c->by[SN_CAUSE_UNEXPLAINED] += left; /* what rounding left, and waiting that nothing before accounts for */
    if (!felt || more <= 0) {
        c->worst = i;
        c->worst_ns = 0;
    }
}

static void attribute_push(attribute_carry *c, const attribute_own *own, size_t i)
{
    int64_t sum = attribute_sum(own->service) + attribute_sum(own->lag);
    for (int k = 0; k < SN_CAUSES; k++)
        c->by[k] += own->service[k] + own->lag[k];
    if (sum > c->worst_ns) {
        c->worst = i;
        c->worst_ns = sum;
    }
}

static void attribute_add(sn_cause_parts *sum, const sn_cause_parts *p)
{
    sum->wall_ns += p->wall_ns;
    sum->queue_ns += p->queue_ns;
    sum->compute_ns += p->compute_ns;
    sum->knock_on_ns += p->knock_on_ns;
    for (int c = 0; c < SN_CAUSES; c++)
        sum->by_ns[c] += p->by_ns[c];
}

static void attribute_keep(sn_cause_summary *s, const sn_cause_worst *w)
{
    uint32_t at = s->n_worst;
    if (at == SN_CAUSE_WORST && w->parts.wall_ns <= s->worst[at - 1].parts.wall_ns)
        return;
    at = at == SN_CAUSE_WORST ? at - 1 : s->n_worst++;
    for (; at > 0 && s->worst[at - 1].parts.wall_ns < w->parts.wall_ns; at--)
        s->worst[at] = s->worst[at - 1];
    s->worst[at] = *w;
}

static void attribute_enter(sn_cause_summary *s, const uint64_t edge[SN_CAUSE_BANDS], const sn_cause_worst *w)
{
    int b = 0;
    while (b < SN_CAUSE_BANDS - 1 && w->parts.wall_ns > edge[b])
        b++;
    s->band[b].n++;
    attribute_add(&s->band[b].sum, &w->parts);
    attribute_add(&s->sum, &w->parts);
    attribute_keep(s, w);
}

/* One walk over the requests beside the predicted one. residual: n numbers. */
static void attribute_walk_all(const sn_cause_log *log, const sn_cause_model *m, const uint64_t *edge,
                               uint64_t *residual, sn_cause_summary *s)
{
    attribute_walk ideal = {.log = log, .set = (1u << SN_CAUSES) - 1};
    attribute_carry carry = {.worst_ns = 0};
    for (size_t i = 0; i < log->n; i++) {
        const sn_cause_request *r = sn_cause_log_at(log, i);
        attribute_own own = attribute_of(log, m, i);
        sn_cause_worst w = {.index = i};
        w.parts.wall_ns = r->end_ns - r->due_ns;
        w.parts.compute_ns = own.compute_ns;
        w.parts.queue_ns = (int64_t)attribute_step(&ideal, i, &own);
        int64_t waited = r->free_ns > r->due_ns ? (int64_t)(r->free_ns - r->due_ns) : 0;
        for (int c = 0; c < SN_CAUSES; c++)
            carry.by[c] += own.turn[c];
        attribute_drain(&carry, waited - w.parts.queue_ns, i);
        w.behind = carry.worst;
        w.parts.knock_on_ns = waited - w.parts.queue_ns;
        for (int c = 0; c < SN_CAUSES; c++) {
            w.own_ns[c] = own.service[c] + own.lag[c];
            w.parts.by_ns[c] = w.own_ns[c] + carry.by[c];
        }
        int64_t rest = own.service[SN_CAUSE_UNEXPLAINED];
        residual[i] = (uint64_t)(rest < 0 ? -rest : rest);
        attribute_push(&carry, &own, i);
        attribute_enter(s, edge, &w);
    }
}

setsuna_status sn_cause_attribute(const sn_cause_log *log, const sn_cause_model *m, sn_cause_summary *out)
{
    if (log->n == 0)
        return SETSUNA_EINVAL;
    uint64_t *v = sn_alloc(log->allocator, log->n * sizeof *v), edge[SN_CAUSE_BANDS];
    if (!v)
        return SETSUNA_ENOMEM;
    memset(out, 0, sizeof *out);
    out->n = log->n;
    for (size_t i = 0; i < log->n; i++)
        v[i] = sn_cause_log_at(log, i)->end_ns - sn_cause_log_at(log, i)->due_ns;
    attribute_quantiles(v, log->n, &out->as_it_was);
    for (int b = 0; b < SN_CAUSE_BANDS; b++) {
        out->band[b].from = attribute_q[b];
        out->band[b].to = attribute_q[b + 1];
        edge[b] = sn_quantile_sorted(v, log->n, attribute_q[b + 1]);
    }
    attribute_walk_all(log, m, edge, v, out);
    sn_sort_u64(v, log->n);
    out->residual_p99_ns = sn_quantile_sorted(v, log->n, 0.99);
    for (int c = 0; c < SN_CAUSES; c++) {
        if (out->sum.by_ns[c] == 0)
            out->without[c] = out->as_it_was;
        else
            attribute_without(log, m, 1u << c, v, &out->without[c]);
    }
    attribute_without(log, m, (1u << SN_CAUSES) - 1, v, &out->predicted);
    sn_free(log->allocator, v);
    return SETSUNA_OK;
}

sn_cause sn_cause_name(const sn_cause_parts *p, uint64_t n)
{
    int best = 0;
    for (int c = 1; c < SN_CAUSES; c++)
        if (p->by_ns[c] > p->by_ns[best])
            best = c;
    int64_t floor = 5000 * (int64_t)n, share = (int64_t)(p->wall_ns / 20);
    return p->by_ns[best] >= floor && p->by_ns[best] >= share ? (sn_cause)best : SN_CAUSES;
}
