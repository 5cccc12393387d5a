/* What a request's time went to beyond what was to be expected, and a log of requests to find it in.
 *
 * The time of a request from when it was due:
 *
 *     due          free        begin                                                        end
 *      |--- queue ---|-- lag ---|-- CPU time --|-- run-queue wait, steal, blocked ... --|----|
 *
 * free: the server had done with the request before. On the CPU, a request may still be disturbed: by interrupts, by
 * page faults, by a slower CPU. What a kernel cannot tell apart stays in the coarser column; what does not add up stays
 * in UNEXPLAINED, with its sign.
 */
#ifndef SN_CAUSES_CAUSE_H
#define SN_CAUSES_CAUSE_H

#include "base/alloc.h"
#include <setsuna/status.h>
#include <stdbool.h>
#include <stdint.h>

/* X(name, key, text): what made a request longer. SLOWER and UNEXPLAINED have signs: they may be below zero. */
#define SN_CAUSE_LIST(X)                                                                                               \
    X(RUNQUEUE, "run_queue", "run-queue wait")   /* runnable, but another task had the CPU */                          \
    X(THROTTLED, "throttled", "CPU quota")       /* runnable, the CPU idle: the scheduler held the task back */        \
    X(STEAL, "steal", "steal")                   /* the hypervisor ran something else */                               \
    X(STOPPED, "stopped", "stopped by a signal") /* SIGSTOP or job control, until SIGCONT */                           \
    X(BLOCKED, "blocked", "blocked")             /* the thread itself waited: lock, I/O, sleep */                      \
    X(FAULT, "page_faults", "page faults")       /* more of them than usual; I/O of major ones */                      \
    X(INTERRUPT, "interrupts", "interrupts")     /* hard and soft, on the thread's CPU */                              \
    X(LAG, "send_lag", "send lag")               /* not begun when it could have been: the measurement was late */     \
    X(SLOWER, "slower", "slower on the CPU")     /* more CPU time than predicted, for no reason known */               \
    X(UNEXPLAINED, "unexplained", "unexplained") /* neither on the CPU nor off it by any account */

typedef enum sn_cause {
#define SN_CAUSE_ENUM(name, key, text) SN_CAUSE_##name,
    SN_CAUSE_LIST(SN_CAUSE_ENUM)
#undef SN_CAUSE_ENUM
        SN_CAUSES
} sn_cause;

/* "run_queue" and "run-queue wait" for SN_CAUSE_RUNQUEUE; "?" for other numbers. */
const char *sn_cause_key(sn_cause cause);
const char *sn_cause_text(sn_cause cause);

/* When a request is due. */
typedef enum sn_cause_due {
    SN_CAUSE_DUE_FIXED, /* at a time that nothing moves: an open loop */
    SN_CAUSE_DUE_AFTER, /* so long after its server became free */
    SN_CAUSE_DUE_SAME,  /* with the request before it */
} sn_cause_due;

/* A request as it was measured. due <= begin <= end, free <= begin, and free is not before the end of the request
 * before it. */
typedef struct sn_cause_request {
    uint64_t due_ns, free_ns, begin_ns, end_ns;
    uint64_t cpu_ns; /* from begin to end, on the CPU; 0 unless known says so */
    /* Off the CPU, from begin to end, and interrupts, which are in cpu_ns. */
    uint64_t runqueue_ns, throttled_ns, steal_ns, stopped_ns, blocked_ns, interrupt_ns;
    uint64_t helper_runqueue_ns; /* a thread that works for this one was pushed from its CPU; in cpu_ns or blocked_ns */
    uint64_t gap_runqueue_ns, gap_stopped_ns; /* the same between the end of the request before it and begin */
    uint32_t n_minor_faults, n_major_faults, n_switches;
    uint16_t group; /* requests of a group are the same work: the input's number */
    uint8_t due;    /* sn_cause_due */
    uint8_t known;  /* SN_CAUSE_KNOWN_x */
} sn_cause_request;

enum {
    SN_CAUSE_KNOWN_CPU = 1,       /* cpu_ns and what is off it */
    SN_CAUSE_KNOWN_COUNTS = 2,    /* the numbers of faults and switches */
    SN_CAUSE_KNOWN_BLOCKED = 8,   /* blocked_ns, apart from steal_ns */
    SN_CAUSE_KNOWN_INTERRUPT = 4, /* interrupt_ns */
};

/* More requests are not kept: 140 MB of them. */
enum { SN_CAUSE_LOG_MAX = 1 << 20, SN_CAUSE_LOG_CHUNK = 1 << 12 };

/* Requests in order of their turn. Chunks, so that growing copies nothing while something is measured. Read through
 * sn_cause_log_at. */
typedef struct sn_cause_log {
    const sn_allocator *allocator;
    size_t n;
    uint64_t n_left_out; /* beyond SN_CAUSE_LOG_MAX */
    sn_cause_request *chunk[SN_CAUSE_LOG_MAX / SN_CAUSE_LOG_CHUNK];
} sn_cause_log;

/* Empty. The allocator (NULL: the process heap) must outlive the log. */
void sn_cause_log_init(sn_cause_log *log, const sn_allocator *allocator);
void sn_cause_log_fini(sn_cause_log *log);

/* Returns OK, also when the log is full and the request only counted; ENOMEM (nothing is added). */
setsuna_status sn_cause_log_add(sn_cause_log *log, const sn_cause_request *r);

static inline const sn_cause_request *sn_cause_log_at(const sn_cause_log *log, size_t i)
{
    return &log->chunk[i / SN_CAUSE_LOG_CHUNK][i % SN_CAUSE_LOG_CHUNK];
}

#endif
