#include "causes/model.h"
#include "base/status.h"
#include "stats/quantile.h"
#include <string.h>

enum {
    MODEL_KIND_MIN = 16, /* fewer undisturbed requests have no median worth the name */
    MODEL_VALUE_BITS = 48
};

#define MODEL_VALUE_MAX ((UINT64_C(1) << MODEL_VALUE_BITS) - 1)

/* Decades: pauses within one differ less than pauses of two. */
static unsigned model_gap(const sn_cause_request *before, const sn_cause_request *r)
{
    uint64_t gap = before ? r->begin_ns - before->end_ns : 0, edge = 50000;
    unsigned i = 0;
    for (; i < SN_CAUSE_GAPS - 1 && gap >= edge; i++)
        edge *= 10;
    return i;
}

static unsigned model_key(const sn_cause_log *log, size_t i)
{
    const sn_cause_request *r = sn_cause_log_at(log, i);
    unsigned gap = model_gap(i ? sn_cause_log_at(log, i - 1) : NULL, r);
    return r->group % SN_CAUSE_GROUPS * SN_CAUSE_GAPS + gap;
}

static sn_cause_kind *model_at(sn_cause_model *m, unsigned key)
{
    return &m->kind[key / SN_CAUSE_GAPS][key % SN_CAUSE_GAPS];
}

const sn_cause_kind *sn_cause_model_kind(const sn_cause_model *m, const sn_cause_request *before,
                                         const sn_cause_request *r)
{
    return &m->kind[r->group % SN_CAUSE_GROUPS][model_gap(before, r)];
}

typedef enum model_value { MODEL_CPU, MODEL_BLOCKED, MODEL_FAULTS } model_value;

static bool model_undisturbed(const sn_cause_request *r, uint32_t usual_faults)
{
    return r->runqueue_ns + r->throttled_ns + r->steal_ns + r->stopped_ns + r->helper_runqueue_ns == 0 &&
           r->n_major_faults == 0 && r->n_minor_faults <= usual_faults;
}

static uint64_t model_cpu(const sn_cause_request *r)
{
    uint64_t cpu = r->known & SN_CAUSE_KNOWN_CPU ? r->cpu_ns : r->end_ns - r->begin_ns;
    return cpu > r->interrupt_ns ? cpu - r->interrupt_ns : 0;
}

/* Request i's value with its key above it, so that one sort puts kinds together and values in order. false: it has
 * none. */
static bool model_pack(const sn_cause_log *log, size_t i, model_value what, sn_cause_model *m, uint64_t *out)
{
    const sn_cause_request *r = sn_cause_log_at(log, i);
    unsigned key = model_key(log, i);
    uint64_t value = r->n_minor_faults;
    if (what != MODEL_FAULTS) {
        if (!model_undisturbed(r, model_at(m, key)->n_minor_faults))
            return false;
        value = what == MODEL_CPU ? model_cpu(r) : r->blocked_ns;
    }
    *out = (uint64_t)key << MODEL_VALUE_BITS | (value < MODEL_VALUE_MAX ? value : MODEL_VALUE_MAX);
    return true;
}

static void model_set(sn_cause_kind *k, model_value what, uint64_t value, size_t n)
{
    if (what == MODEL_FAULTS)
        k->n_minor_faults = (uint32_t)value;
    else if (what == MODEL_BLOCKED)
        k->blocked_ns = value;
    else
        k->cpu_ns = value;
    k->n = what == MODEL_FAULTS ? 0 : (uint32_t)n;
}

/* Medians of one value, of all kinds and of all requests. v: 2 n numbers of scratch. */
static void model_medians(const sn_cause_log *log, model_value what, uint64_t *v, sn_cause_model *m)
{
    size_t n = 0;
    for (size_t i = 0; i < log->n; i++)
        n += model_pack(log, i, what, m, &v[n]);
    sn_sort_u64(v, n);
    uint64_t *plain = v + log->n;
    for (size_t begin = 0, end; begin < n; begin = end) {
        uint64_t key = v[begin] >> MODEL_VALUE_BITS;
        for (end = begin; end < n && v[end] >> MODEL_VALUE_BITS == key; end++)
            plain[end] = v[end] & MODEL_VALUE_MAX;
        model_set(model_at(m, (unsigned)key), what, sn_quantile_sorted(plain + begin, end - begin, 0.5), end - begin);
    }
    sn_sort_u64(plain, n);
    model_set(&m->all, what, sn_quantile_sorted(plain, n, 0.5), n);
}

/* Every request was disturbed: then the model is what they took on the CPU all the same. */
static void model_of_disturbed(const sn_cause_log *log, uint64_t *v, sn_cause_model *m)
{
    for (size_t i = 0; i < log->n; i++)
        v[i] = model_cpu(sn_cause_log_at(log, i));
    sn_sort_u64(v, log->n);
    m->all = (sn_cause_kind){.cpu_ns = sn_quantile_sorted(v, log->n, 0.5), .n_minor_faults = m->all.n_minor_faults};
}

static uint64_t model_turnaround(const sn_cause_log *log, uint64_t *v)
{
    size_t n = log->n - 1;
    for (size_t i = 0; i < n; i++)
        v[i] = sn_cause_log_at(log, i + 1)->free_ns - sn_cause_log_at(log, i)->end_ns;
    sn_sort_u64(v, n);
    return sn_quantile_sorted(v, n, 0.5);
}

/* Rare kinds are like the nearest pause that is not; of two, like the longer. */
static void model_fill_group(sn_cause_model *m, sn_cause_kind kind[SN_CAUSE_GAPS])
{
    sn_cause_kind own[SN_CAUSE_GAPS];
    memcpy(own, kind, sizeof own);
    for (int gap = 0; gap < SN_CAUSE_GAPS; gap++) {
        m->n_kinds += own[gap].n >= MODEL_KIND_MIN;
        kind[gap] = m->all;
        for (int far = SN_CAUSE_GAPS - 1; far >= 0; far--) {
            if (gap - far >= 0 && own[gap - far].n >= MODEL_KIND_MIN)
                kind[gap] = own[gap - far];
            if (gap + far < SN_CAUSE_GAPS && own[gap + far].n >= MODEL_KIND_MIN)
                kind[gap] = own[gap + far];
        }
    }
}

setsuna_status sn_cause_model_make(const sn_cause_log *log, uint64_t fault_ns, sn_cause_model *out)
{
    if (log->n == 0)
        return SETSUNA_EINVAL;
    uint64_t *v = sn_alloc(log->allocator, 2 * log->n * sizeof *v);
    if (!v)
        return SETSUNA_ENOMEM;
    memset(out, 0, sizeof *out);
    out->fault_ns = fault_ns;
    model_medians(log, MODEL_FAULTS, v, out);
    model_medians(log, MODEL_BLOCKED, v, out);
    model_medians(log, MODEL_CPU, v, out);
    if (out->all.n == 0)
        model_of_disturbed(log, v, out);
    for (unsigned group = 0; group < SN_CAUSE_GROUPS; group++)
        model_fill_group(out, out->kind[group]);
    out->turnaround_ns = model_turnaround(log, v);
    sn_free(log->allocator, v);
    return SETSUNA_OK;
}
