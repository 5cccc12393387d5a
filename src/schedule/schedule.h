/* When requests are due: decided before anything runs, so that a slow system cannot slow down its own examination.
 *
 * A schedule is a sequence of arrivals. In an open loop an arrival's time is fixed from the beginning, whatever became
 * of the requests before it; latency counts from it ("coordinated omission" is to count from the sending instead: G.
 * Tene, wrk2). In a closed loop an arrival is due when an earlier request has ended. Nothing here knows clocks, engines
 * or sockets: bench and the load generator walk the same schedule. The same text and seed give the same nanoseconds.
 *
 *     closed[:N]                    N in flight, each followed by the next (default 1)
 *     constant:R                    R such as 30/s, 0.5/s or 600/min; the first at once
 *     poisson:R                     exponential gaps
 *     gamma:R,cv=C                  gaps with coefficient of variation C: above 1 in bursts
 *     ramp:R1..R2,over=T[,cv=C]     the rate goes from R1 to R2 within T and stays there; C is 1 unless given
 *     step:R@T,R@T...[,cv=C]        R for T each; the last rate stays
 *     onoff:R,on=T,off=T[,low=R][,cv=C]   R for T, nothing (or the low rate) for T, and again
 *     trace:FILE[,speed=X]          arrival times from a file (trace.h), X times as fast
 *     frames:R[,deadline=T][,queue=N]     a camera: constant; who waits while N newer ones wait (1) is dropped; a frame
 *                                   is late after T (1/R)
 *     idle:T,T...                   one in flight, begun T after the last one's end, for each T in turn: the idle-gap
 * curve burst:N,N...,every=T          N at once every T, for each N in turn: the burst curve single-stream,
 * multi-stream[:N], server:R, offline[:N]     MLPerf's scenarios, with its rules (scenario.h)
 *
 * Times are such as 10s, 500ms, 20us, 100ns, 2m.
 */
#ifndef SN_SCHEDULE_SCHEDULE_H
#define SN_SCHEDULE_SCHEDULE_H

#include "base/random.h"
#include "schedule/scenario.h"
#include "schedule/trace.h"
#include <stdbool.h>

enum { SN_SCHEDULE_POINTS_MAX = 32, SN_SCHEDULE_IN_FLIGHT_MAX = 256, SN_SCHEDULE_AT_ONCE_MAX = 10000000 };

typedef enum sn_schedule_kind {
    SN_SCHEDULE_CLOSED, /* also single-stream */
    SN_SCHEDULE_RATE,   /* constant, poisson, gamma, ramp, step, onoff, server */
    SN_SCHEDULE_TRACE,
    SN_SCHEDULE_FRAMES,
    SN_SCHEDULE_IDLE,
    SN_SCHEDULE_BURST, /* also offline: one burst */
    SN_SCHEDULE_MULTI, /* multi-stream: N at once when all of the last ones have ended */
} sn_schedule_kind;

/* A stretch of time in which the rate goes from one to another in a straight line. */
typedef struct sn_schedule_segment {
    uint64_t length_ns; /* UINT64_MAX: for ever */
    double begin_rate, end_rate;
} sn_schedule_segment;

/* Read the fields; change them through the functions. */
typedef struct sn_schedule {
    sn_schedule_kind kind;
    sn_scenario scenario;
    uint32_t in_flight; /* of a closed loop, otherwise 1 */
    uint32_t n_points;  /* of a curve: arrivals belong to point 0, 1, ... in turn; 0 for what is none */
    uint64_t point[SN_SCHEDULE_POINTS_MAX]; /* idle: gaps in ns; burst: requests at once */
    uint64_t every_ns;                      /* burst; 0: there is one burst only */
    uint64_t deadline_ns;                   /* frames; 0 elsewhere */
    uint32_t queue;                         /* frames: how many wait at most */
    double cv, speed;
    bool cycles; /* the segments begin anew after the last */
    uint32_t n_segments;
    sn_schedule_segment segment[SN_SCHEDULE_POINTS_MAX];
    sn_trace trace;

    sn_random random; /* from here on: where the walk is */
    uint64_t i;       /* arrivals so far */
    uint32_t at_segment;
    uint64_t segment_begin_ns;
    double used;       /* expected arrivals of the segment that are over */
    uint64_t round, k; /* burst and multi: which one, and how many of it */
} sn_schedule;

typedef struct sn_arrival {
    uint64_t due_ns; /* from the beginning of the schedule; with after_end, from the end of the request(s) before it */
    bool after_end;  /* of the request before it in its lane; multi: of all before it */
    uint32_t point;  /* of the curve; 0 where there is none */
} sn_arrival;

/* Parses text and, for a trace, reads its file. Owns: the caller ends it with sn_schedule_fini. Returns OK; EINVAL with
 * the place in the text and what would be right; what sn_file_read and sn_trace_parse return. */
setsuna_status sn_schedule_parse(const char *text, uint64_t seed, sn_schedule *out, setsuna_error *err);
void sn_schedule_fini(sn_schedule *s);

/* Goes back to the first arrival. */
void sn_schedule_rewind(sn_schedule *s, uint64_t seed);

/* The next arrival; due times never fall. false: there is none, now or later. Allocates nothing. */
bool sn_schedule_next(sn_schedule *s, sn_arrival *out);

/* Arrivals do not wait for the requests before them. */
bool sn_schedule_is_open(const sn_schedule *s);

/* The same at all times, so that a steady state can be expected: not a ramp, a step, an on/off, a trace or a curve. */
bool sn_schedule_is_steady(const sn_schedule *s);

/* The mean rate in arrivals a second, of an open loop that goes on for ever at one rate; otherwise 0. */
double sn_schedule_rate(const sn_schedule *s);

#endif
