/* Lanes of bench: each an instance of the workload that serves one request after the other into books of its own. One
 * lane is bench's; a closed loop of N has N - 1 more, each in a thread. */
#ifndef SN_CLI_BENCH_LANES_H
#define SN_CLI_BENCH_LANES_H

#include "cli/bench_causes.h"
#include "cli/bench_schedule.h"
#include "cli/workload.h"
#include "ledger/book.h"
#include "ledger/request_log.h"
#include "report/bench_result.h"

enum { SN_BENCH_OUTPUTS_MAX = 64 };

/* Read the fields. The first seven are the caller's to set before the first request, on a zeroed struct. */
typedef struct sn_bench_lane {
    const sn_workload_options *options; /* borrowed */
    sn_workload *w;                     /* borrowed, but of lanes that sn_bench_lanes_measure opens */
    sn_bench_causes *causes;            /* borrowed; NULL: nobody asks why */
    bool logs;                          /* keeps a row of every request */
    void (*progress)(void *ctx, uint64_t done, uint64_t now_ns); /* after every request of a schedule; NULL: none */
    void *progress_ctx;
    uint64_t n_begun;            /* inputs so far, in turn */
    bool more;                   /* the last one has another frame */
    sn_book book, openings;      /* of the requests; of what a stream does once a file */
    sn_request_log log;          /* times by sn_now_ns */
    const sn_schedule *schedule; /* that is being served; NULL: requests in turn */
    sn_bench_output output[SN_BENCH_OUTPUTS_MAX];
    uint32_t n_outputs;
} sn_bench_lane;

/* Makes books and log empty; fini frees them (a zeroed lane is fine). */
void sn_bench_lane_init(sn_bench_lane *l);
void sn_bench_lane_fini(sn_bench_lane *l);

/* What comes next begins with the first input, and what an earlier request left of a stream is not gone on with. Books
 * and log are kept. */
void sn_bench_lane_rewind(sn_bench_lane *l);

/* A request that is not measured: its wall time, and that of opening its file where it is the first of it. Returns as
 * sn_workload_run; EINPUT (an input without a frame). */
setsuna_status sn_bench_lane_once(sn_bench_lane *l, uint64_t *opening_ns_out, uint64_t *ns_out, setsuna_error *err);

/* A request begun at once. id: of its ledger. Returns as above; ENOMEM. */
setsuna_status sn_bench_lane_request(sn_bench_lane *l, uint64_t id, setsuna_error *err);

/* Names, shapes and digests of the last request's outputs into output. */
void sn_bench_lane_keep_outputs(sn_bench_lane *l);

/* Serves the schedule with `first` and as many further lanes as it has in flight, whose books and logs join first's.
 * Fills s and its summary. Returns as above, and as sn_bench_schedule_measure. */
setsuna_status sn_bench_lanes_measure(sn_bench_lane *first, sn_bench_schedule *s, setsuna_error *err);

#endif
