#include "report/log_view.h"
#include "base/status.h"
#include "report/log_book.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct view_item {
    uint64_t latency_ns;
    uint32_t row;
} view_item;

static int view_compare(const void *a, const void *b)
{
    const view_item *x = a, *y = b;
    if (x->latency_ns != y->latency_ns)
        return x->latency_ns < y->latency_ns ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static void view_count(sn_log_view *v)
{
    for (size_t i = 0; i < v->log->n; i++) {
        uint64_t flags = sn_request_log_get(v->log, SN_REQUEST_FLAGS, i);
        v->n_late += (flags & SN_REQUEST_IS_LATE) != 0;
        v->n_dropped += (flags & SN_REQUEST_IS_DROPPED) != 0;
        v->n_error += (flags & SN_REQUEST_IS_ERROR) != 0;
        v->n_warmup += (flags & SN_REQUEST_IS_WARMUP) != 0;
        v->n_unserved += (flags & SN_REQUEST_IS_UNSERVED) != 0;
        v->n += sn_log_is_served(v->log, i);
    }
}

setsuna_status sn_log_view_init(sn_log_view *v, const sn_request_log *log)
{
    const sn_allocator *a = sn_allocator_default();
    sn_log_view view = {.log = log};
    if (log->n > UINT32_MAX)
        return SETSUNA_ELIMIT;
    view_count(&view);
    size_t room = view.n ? view.n : 1;
    view_item *item = sn_alloc(a, room * sizeof *item);
    view.latency_ns = sn_alloc(a, room * sizeof *view.latency_ns);
    view.row = sn_alloc(a, room * sizeof *view.row);
    if (!item || !view.latency_ns || !view.row) {
        sn_free(a, item);
        sn_log_view_fini(&view);
        return SETSUNA_ENOMEM;
    }
    size_t n = 0;
    for (size_t i = 0; i < log->n; i++)
        if (sn_log_is_served(log, i))
            item[n++] = (view_item){sn_request_log_latency_ns(log, i), (uint32_t)i};
    qsort(item, n, sizeof *item, view_compare);
    for (size_t i = 0; i < n; i++) {
        view.latency_ns[i] = item[i].latency_ns;
        view.row[i] = item[i].row;
    }
    sn_free(a, item);
    *v = view;
    return SETSUNA_OK;
}

void sn_log_view_fini(sn_log_view *v)
{
    sn_free(sn_allocator_default(), v->latency_ns);
    sn_free(sn_allocator_default(), v->row);
    *v = (sn_log_view){.log = NULL};
}

/* Steps of 1/1000 of what is left above the rank, at least 1: 2,300 ranks a power of ten, until 1,000 are left. */
size_t sn_log_view_grid(const sn_log_view *v, size_t rank_out[SN_LOG_GRID_MAX])
{
    enum { EVEN = 700, TAIL = 160 };
    size_t n = 0, rank = 1;
    while (rank <= v->n && n < SN_LOG_GRID_MAX) {
        rank_out[n++] = rank;
        size_t even = v->n / EVEN, tail = (v->n - rank) / TAIL;
        size_t step = even < tail ? even : tail;
        rank += v->n <= SN_LOG_GRID_MAX || step < 1 ? 1 : step;
    }
    return n;
}

/* Sums of the requests of ranks first..last (0-based, last excluded), then their means. */
static void view_band(const sn_log_view *v, size_t first, size_t last, sn_log_band *b)
{
    for (size_t k = first; k < last; k++) {
        sn_ledger l;
        sn_log_ledger(v->log, v->row[k], &l);
        b->mean_ns += (double)l.wall_ns;
        b->unexplained_ns += (double)l.unexplained_ns;
        for (int s = 0; s < (int)SN_STAGES; s++)
            b->stage_ns[s] += (double)l.stage_ns[s];
        for (int s = 0; s < (int)SN_WAITS; s++)
            b->wait_ns[s] += (double)l.wait_ns[s];
        b->faults += (double)(l.n_minor_faults + l.n_major_faults);
        b->switches += (double)l.n_switches;
    }
    b->n = last - first;
    double n = b->n ? (double)b->n : 1;
    b->mean_ns /= n;
    b->unexplained_ns /= n;
    for (int s = 0; s < (int)SN_STAGES; s++)
        b->stage_ns[s] /= n;
    for (int s = 0; s < (int)SN_WAITS; s++)
        b->wait_ns[s] /= n;
    b->faults /= n;
    b->switches /= n;
}

void sn_log_view_bands(const sn_log_view *v, sn_log_band out[SN_LOG_BANDS])
{
    static const double edge[SN_LOG_BANDS + 1] = {0, 0.5, 0.9, 0.99, 0.999, 1};
    size_t first = 0;
    for (int i = 0; i < SN_LOG_BANDS; i++) {
        size_t last = v->n ? sn_quantile_rank(v->n, edge[i + 1]) : 0;
        out[i] = (sn_log_band){.from = edge[i], .to = edge[i + 1]};
        view_band(v, first, last, &out[i]);
        first = last;
    }
}

void sn_log_view_mean(const sn_log_view *v, sn_log_band *out)
{
    *out = (sn_log_band){.from = 0, .to = 1};
    view_band(v, 0, v->n, out);
}

sn_wait sn_log_disturbance(const sn_request_log *log, size_t row)
{
    const uint64_t latency = sn_request_log_latency_ns(log, row), least = 5000;
    uint64_t most = 0;
    sn_wait which = SN_WAITS;
    for (int k = 0; k < (int)SN_WAITS; k++) {
        uint64_t ns = sn_request_log_get(log, (sn_request_column)(SN_REQUEST_QUEUE + k), row);
        if (!sn_wait_in_overhead((sn_wait)k) && ns > most) {
            most = ns;
            which = (sn_wait)k;
        }
    }
    return most >= least && most >= latency / 10 ? which : SN_WAITS;
}

size_t sn_log_view_timeline(const sn_log_view *v, uint32_t row_out[SN_LOG_TIMELINE_MAX])
{
    const sn_request_log *log = v->log;
    const size_t stretches = SN_LOG_TIMELINE_MAX / 2;
    size_t n = 0, n_all = log->n;
    bool all = v->n <= SN_LOG_TIMELINE_MAX;
    for (size_t s = 0, i = 0; s < stretches && i < n_all; s++) {
        size_t end = all ? n_all : n_all / stretches * (s + 1) + n_all % stretches * (s + 1) / stretches;
        size_t least = SIZE_MAX, most = SIZE_MAX;
        for (; i < end; i++) {
            if (!sn_log_is_served(log, i))
                continue;
            uint64_t ns = sn_request_log_latency_ns(log, i);
            if (all)
                row_out[n++] = (uint32_t)i;
            if (least == SIZE_MAX || ns < sn_request_log_latency_ns(log, least))
                least = i;
            if (most == SIZE_MAX || ns > sn_request_log_latency_ns(log, most))
                most = i;
        }
        if (all || least == SIZE_MAX)
            continue;
        row_out[n++] = (uint32_t)(least < most ? least : most);
        if (least != most)
            row_out[n++] = (uint32_t)(least < most ? most : least);
    }
    return n;
}
