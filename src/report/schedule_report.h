/* What a schedule and a system made of each other: waiting, service and lateness, apart. */
#ifndef SN_REPORT_SCHEDULE_REPORT_H
#define SN_REPORT_SCHEDULE_REPORT_H

#include "report/json.h"
#include "schedule/schedule.h"
#include "stats/quantile.h"

/* Of requests that were served. Latency is from the scheduled time; it is queue + lag + service of each request. */
typedef struct sn_schedule_result {
    const char *text; /* as it was given */
    uint64_t seed;
    const sn_schedule *schedule;
    double offered_per_s; /* arrivals that were due, over the time in which they were; 0 for a closed loop */
    double busy;          /* share of the run's time (of all lanes) in which requests were served */
    uint64_t n_dropped;   /* frames that newer ones overtook */
    uint64_t n_unserved;  /* due within the run's time, but not begun when it was given up: the system is overloaded */
    uint64_t deadline_ns; /* 0: none */
    uint64_t n_late;      /* served after it */
    sn_summary queue, lag, service;
    sn_summary point[SN_SCHEDULE_POINTS_MAX]; /* latency, of a curve */
    uint64_t duration_ns;
    uint64_t scenario_queries; /* of a scenario: how many... */
    uint64_t scenario_ns;      /* ...and its percentile, estimated by early stopping; 0: too few */
    bool scenario_valid;       /* long enough by MLPerf's rules */
} sn_schedule_result;

/* Returns OK, ENOMEM, EIO. */
setsuna_status sn_schedule_report_write(const sn_schedule_result *r, sn_sink *sink, bool ascii);

/* Writes the object that docs/json.md calls schedule. */
void sn_schedule_report_write_json(const sn_schedule_result *r, sn_json *w);

#endif
