/* What a request should have taken: the predictable part of its time, from the requests that nothing disturbed.
 *
 * Requests are alike when they are about the same input and come after a pause of about the same length (caches cool,
 * CPUs fall asleep: the idle-gap curve). Of each kind the model holds medians, over requests that were never off the
 * CPU against their will and had no more page faults than usual: the CPU time without interrupts, and the time that
 * the thread waits of its own accord, as one that shares its work with others does every time.
 */
#ifndef SN_CAUSES_MODEL_H
#define SN_CAUSES_MODEL_H

#include "causes/cause.h"

enum { SN_CAUSE_GAPS = 5, SN_CAUSE_GROUPS = 256 };

typedef struct sn_cause_kind {
    uint32_t n; /* requests that its medians rest on; 0: none of this kind was undisturbed */
    uint64_t cpu_ns, blocked_ns;
    uint32_t n_minor_faults;
} sn_cause_kind;

typedef struct sn_cause_model {
    uint64_t turnaround_ns; /* median, from the end of a request until its server could begin the next */
    uint64_t fault_ns;      /* what a page fault costs; 0: not known */
    uint32_t n_kinds;       /* kinds with medians of their own */
    sn_cause_kind all;      /* of every request */
    sn_cause_kind kind[SN_CAUSE_GROUPS][SN_CAUSE_GAPS]; /* those that are too rare have the medians of the nearest pause
                                                           about the same input, or of `all` */
} sn_cause_model;

/* Returns OK; EINVAL (no requests); ENOMEM (no scratch for 2 n numbers). */
setsuna_status sn_cause_model_make(const sn_cause_log *log, uint64_t fault_ns, sn_cause_model *out);

/* Of request r, which follows `before` (NULL: none) on its server. */
const sn_cause_kind *sn_cause_model_kind(const sn_cause_model *m, const sn_cause_request *before,
                                         const sn_cause_request *r);

static inline uint64_t sn_cause_kind_service_ns(const sn_cause_kind *k)
{
    return k->cpu_ns + k->blocked_ns;
}

#endif
