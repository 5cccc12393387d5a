/* bench --schedule: requests when a schedule says, not when the last one is done.
 *
 * The model is one server with a queue: requests that are due while another runs wait for their turn, in order. A
 * closed loop of N has N servers, each a thread with an instance of its own. Latency is from the scheduled time;
 * waiting in the queue, being late oneself (send lag) and service are kept apart.
 */
#ifndef SN_CLI_BENCH_SCHEDULE_H
#define SN_CLI_BENCH_SCHEDULE_H

#include "report/schedule_report.h"
#include "stats/objective.h"
#include "stats/samples.h"
#include <setsuna/status.h>
#include <signal.h>

typedef struct sn_bench_schedule sn_bench_schedule;

typedef struct sn_bench_schedule_options {
    const char *text; /* NULL: no schedule, one request after the other */
    uint64_t seed;
    uint64_t deadline_ns; /* 0: none, but that of frames */
    uint64_t runs, duration_ns;
    const volatile sig_atomic_t *stop;
    /* Asked when the duration is over and the server has nothing to do: how much longer arrivals go on; 0: no longer.
     * What it takes to answer is nobody's time: all that is due later is due as much later, and since nobody waits in
     * that moment, the queue is that of a run without a pause. NULL: never. One in flight only. */
    uint64_t (*extend)(void *ctx, const sn_bench_schedule *b);
    void *extend_ctx;
} sn_bench_schedule_options;

typedef struct sn_bench_time {
    uint64_t due_ns, free_ns, begin_ns, end_ns; /* free: when the server could have begun */
    uint32_t point;
} sn_bench_time;

/* One request of one server, made by the caller. prepare, at the end of the request before, does what is nobody's
 * latency; ready, microseconds before a request begins, what belongs close to it. serve runs request `id` into the
 * caller's own ledgers; all of its times but end_ns are set. *end_out: when it was done. What a function returns but OK
 * ends the measurement. */
typedef struct sn_bench_server {
    void *ctx;
    setsuna_status (*prepare)(void *ctx, setsuna_error *err);
    void (*ready)(void *ctx);
    setsuna_status (*serve)(void *ctx, uint64_t id, const sn_bench_time *t, uint64_t *end_out, setsuna_error *err);
    /* A request that will not be served: dropped for a newer one, or it had no turn. */
    setsuna_status (*lose)(void *ctx, uint64_t due_ns, uint64_t now_ns, bool dropped, setsuna_error *err);
} sn_bench_server;

struct sn_bench_schedule {
    sn_schedule schedule;
    sn_bench_schedule_options options;
    sn_bench_time *time; /* of the requests that were served, in order of their turn */
    size_t n, room;
    uint64_t n_dropped, n_unserved, begin_ns, end_ns;
    uint64_t length_ns;   /* arrivals within it are served: the duration and its extensions */
    uint64_t paused_ns;   /* what extensions took; begin_ns + paused_ns is what due times count from */
    uint64_t last_due_ns; /* from begin_ns, pauses left out */
    sn_samples latency;   /* in order of their turn */
    sn_samples outcome;   /* the same with what was not served: SN_OBJECTIVE_LOST */
    sn_samples service;   /* from begin to end of those that were served */
    sn_schedule_result result;
};

/* Parses the schedule. Borrows the options' text. Returns as sn_schedule_parse. fini is fine for a zeroed struct. */
setsuna_status sn_bench_schedule_init(sn_bench_schedule *b, const sn_bench_schedule_options *o, setsuna_error *err);
void sn_bench_schedule_fini(sn_bench_schedule *b);

/* Runs the schedule on as many servers as it has in flight, until the runs or the time are over, the schedule is or
 * *stop is set. What is due within the time is served, for as long again; the rest is counted. Returns what a server
 * returned; ENOMEM. */
setsuna_status sn_bench_schedule_measure(sn_bench_schedule *b, const sn_bench_server *server, setsuna_error *err);

/* What an objective is judged by (stats/objective.h), now or in extend. Borrows b. */
void sn_bench_schedule_judged(const sn_bench_schedule *b, sn_objective_run *out);

/* Fills latency and result from the times. Returns OK, ENOMEM. */
setsuna_status sn_bench_schedule_summarize(sn_bench_schedule *b);

#endif
