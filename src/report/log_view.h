/* The log of a run in the order of its latencies: what pages draw, computed from every request. */
#ifndef SN_REPORT_LOG_VIEW_H
#define SN_REPORT_LOG_VIEW_H

#include "ledger/request_log.h"

typedef struct sn_log_view {
    const sn_request_log *log; /* borrowed */
    size_t n;                  /* requests that were served */
    uint64_t *latency_ns;      /* ascending */
    uint32_t *row;             /* whose they are; of equal ones the earliest first */
    size_t n_late, n_dropped, n_error, n_warmup, n_unserved;
} sn_log_view;

/* The log must not change until fini. Returns OK; ENOMEM; ELIMIT (more than 2^32 - 1 rows). */
setsuna_status sn_log_view_init(sn_log_view *v, const sn_request_log *log);
void sn_log_view_fini(sn_log_view *v);

/* Ranks 1..n, ascending, that draw the whole distribution: all of a small run, otherwise evenly spaced ones with more
 * and more towards the tail, the largest ones all. Writes at most SN_LOG_GRID_MAX of them and returns how many. */
enum { SN_LOG_GRID_MAX = 4096 };
size_t sn_log_view_grid(const sn_log_view *v, size_t rank_out[SN_LOG_GRID_MAX]);

/* Requests between two quantiles of latency: what they are made of. */
enum { SN_LOG_BANDS = 5 }; /* p0-50, 50-90, 90-99, 99-99.9, above */
typedef struct sn_log_band {
    double from, to; /* quantiles */
    size_t n;        /* may be 0 */
    double mean_ns;  /* = the stages + unexplained */
    double stage_ns[SN_STAGES], unexplained_ns;
    double wait_ns[SN_WAITS]; /* inside the stages, or overhead */
    double faults, switches;  /* a request */
} sn_log_band;

void sn_log_view_bands(const sn_log_view *v, sn_log_band out[SN_LOG_BANDS]);

/* The mean of all requests that were served, as a band from 0 to 1. */
void sn_log_view_mean(const sn_log_view *v, sn_log_band *out);

/* What happened to the request of a row while it ran: the wait inside its stages that took most, where that is at least
 * a tenth of the latency and 5 us; SN_WAITS: nothing that the log knows. */
sn_wait sn_log_disturbance(const sn_request_log *log, size_t row);

/* Rows, ascending, that a picture of latency over time needs: all of a small log; otherwise the fastest and the slowest
 * of each of some thousand stretches of it. Writes at most SN_LOG_TIMELINE_MAX of them and returns how many. */
enum { SN_LOG_TIMELINE_MAX = 12000 };
size_t sn_log_view_timeline(const sn_log_view *v, uint32_t row_out[SN_LOG_TIMELINE_MAX]);

#endif
