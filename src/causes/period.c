#include "causes/period.h"
#include <math.h>

static const uint64_t period_known[] = {1000000000, 100000000, 10000000, 4000000, 1000000};

/* Chance gives n R^2 above this in 1 of 3,000 searches (e^-8). */
#define PERIOD_SIGNIFICANT 8.0
#define PERIOD_CONCENTRATED 0.9
#define PERIOD_STALL_NS UINT64_C(100000)
#define PERIOD_TURN 6.283185307179586

bool sn_period_find(const uint64_t *time_ns, size_t n, uint64_t *period_ns_out, double *concentration_out)
{
    if (n < SN_PERIOD_STALLS_MIN)
        return false;
    for (size_t p = 0; p < sizeof period_known / sizeof *period_known; p++) {
        double x = 0, y = 0;
        for (size_t i = 0; i < n; i++) {
            double phase = (double)(time_ns[i] % period_known[p]) / (double)period_known[p];
            x += cos(PERIOD_TURN * phase);
            y += sin(PERIOD_TURN * phase);
        }
        double r = sqrt(x * x + y * y) / (double)n;
        /* Stalls that all lie in one stretch of the period, because the run was that short, keep no rhythm. */
        bool covered = time_ns[n - 1] - time_ns[0] >= (SN_PERIOD_STALLS_MIN - 2) * period_known[p];
        if (covered && r >= PERIOD_CONCENTRATED && (double)n * r * r >= PERIOD_SIGNIFICANT) {
            *period_ns_out = period_known[p];
            *concentration_out = r;
            return true;
        }
    }
    return false;
}

static uint64_t period_stall(const sn_cause_request *r, sn_cause cause)
{
    switch (cause) {
    case SN_CAUSE_RUNQUEUE: return r->runqueue_ns + r->gap_runqueue_ns;
    case SN_CAUSE_THROTTLED: return r->throttled_ns;
    case SN_CAUSE_STEAL: return r->steal_ns;
    case SN_CAUSE_BLOCKED: return r->blocked_ns;
    default: return 0;
    }
}

setsuna_status sn_period_search(const sn_cause_log *log, sn_period out[SN_CAUSES], uint32_t *n_out)
{
    uint64_t *time = sn_alloc(log->allocator, (size_t)2 * SN_PERIOD_STALLS_MAX * sizeof *time);
    uint64_t *length = time + SN_PERIOD_STALLS_MAX;
    if (!time)
        return SETSUNA_ENOMEM;
    *n_out = 0;
    for (int c = 0; c < SN_CAUSES; c++) {
        size_t n = 0;
        for (size_t i = 0; i < log->n && n < SN_PERIOD_STALLS_MAX; i++) {
            const sn_cause_request *r = sn_cause_log_at(log, i);
            uint64_t ns = period_stall(r, (sn_cause)c);
            if (ns < PERIOD_STALL_NS)
                continue;
            time[n] = r->end_ns;
            length[n++] = ns;
        }
        sn_period found = {.cause = (sn_cause)c, .n_stalls = (uint32_t)n};
        if (!sn_period_find(time, n, &found.period_ns, &found.concentration))
            continue;
        sn_sort_u64(length, n);
        found.median_ns = sn_quantile_sorted(length, n, 0.5);
        out[(*n_out)++] = found;
    }
    sn_free(log->allocator, time);
    return SETSUNA_OK;
}
