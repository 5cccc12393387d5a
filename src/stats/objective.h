/* An objective (SLO) and the verdict on it: met, missed, or undecided.
 *
 *     p99=33ms      at most 1 % of the requests take longer than that, or are never answered
 *     attainment=99%   at least this share of the requests is answered, and within the request's limit
 *     goodput=100/s    this many a second are
 *     error=0.1%    at most this share is lost: errors, frames that were dropped, requests that had no turn
 *
 * joined by commas; a preset (SN_OBJECTIVE_PRESETS) stands for its terms. The limit of a single request is the caller's
 * deadline or else that of the highest quantile.
 *
 * A request that was never answered took for ever: it counts against every term, and leaving it out, as tools do that
 * look at the answered ones alone, would reward a system for losing what it is slow at. The verdict is about the
 * system, not about this run: a share is compared with what is allowed through its interval under correlation
 * (stats/interval.h). Met: its upper end is within; missed: its lower end is beyond; otherwise nobody can tell yet. Met
 * wants every term met, so that a wrong "met" is as rare as that of one term; missed is any term missed.
 */
#ifndef SN_STATS_OBJECTIVE_H
#define SN_STATS_OBJECTIVE_H

#include "stats/interval.h"
#include "stats/stretches.h"

/* X(name, terms, for what): all are p99: few requests may be late, and hours need not be measured for a verdict. */
#define SN_OBJECTIVE_PRESETS(X)                                                                                        \
    X("video-30fps", "p99=33.3ms", "a frame every 33.3 ms")                                                            \
    X("video-60fps", "p99=16.7ms", "a frame every 16.7 ms")                                                            \
    X("vehicle", "p99=100ms", "a vehicle's reaction to what it sees")                                                  \
    X("conversation", "p99=500ms", "an answer in the pause between two speakers")                                      \
    X("translation", "p99=1000ms", "a translation while somebody waits")                                               \
    X("fraud", "p99=1ms", "a decision inside a payment")                                                               \
    X("industrial", "p99=10ms", "a control loop of 100 Hz")

enum { SN_OBJECTIVE_TERMS_MAX = 8, SN_OBJECTIVE_NAME_MAX = 16 };

/* A sample of this value: never answered. */
#define SN_OBJECTIVE_LOST UINT64_MAX

typedef enum sn_objective_kind {
    SN_OBJECTIVE_QUANTILE,
    SN_OBJECTIVE_ATTAINMENT,
    SN_OBJECTIVE_GOODPUT,
    SN_OBJECTIVE_ERROR,
} sn_objective_kind;

typedef struct sn_objective_term {
    sn_objective_kind kind;
    char name[SN_OBJECTIVE_NAME_MAX]; /* "p99", "attainment", "goodput", "error" */
    double quantile;                  /* of 1; of a quantile */
    double limit;                     /* ns of a quantile, requests a second of goodput, otherwise a share of 1 */
} sn_objective_term;

typedef struct sn_objective {
    sn_objective_term term[SN_OBJECTIVE_TERMS_MAX];
    uint32_t n_terms;  /* at least 1 */
    uint64_t limit_ns; /* of a single request: that of the highest quantile; 0: there is none */
} sn_objective;

/* Returns OK; EINVAL with the place in the text and what would be right. */
setsuna_status sn_objective_parse(const char *text, sn_objective *out, setsuna_error *err);

typedef enum sn_objective_verdict {
    SN_OBJECTIVE_MET,
    SN_OBJECTIVE_MISSED,
    SN_OBJECTIVE_UNDECIDED
} sn_objective_verdict;

/* "met", "missed", "undecided". */
const char *sn_objective_verdict_text(sn_objective_verdict verdict);

/* What is judged. All pointers are borrowed. */
typedef struct sn_objective_run {
    const sn_samples *latency; /* of every request that was due, in that order; SN_OBJECTIVE_LOST: never answered */
    uint64_t limit_ns;         /* of a single request; 0: the objective's */
    double rate_per_s;         /* requests a second: due ones of an open loop, answered ones of a closed one */
    bool open;                 /* rate_per_s is the schedule's; otherwise it is as uncertain as the mean latency */
    const sn_samples *service; /* an open loop at one steady rate on one server: time that each answered request kept
                                  the server busy. NULL: something else */
    bool given_up;             /* such a loop was ended with requests that waited longer than the run was to take */
} sn_objective_run;

typedef struct sn_objective_term_result {
    sn_objective_verdict verdict;
    double measured;        /* what limit is about, in its unit; infinity: the quantile is a lost request */
    sn_interval tested;     /* share beyond the limit of a quantile, lost share, share that is not good; goodput: 1/s */
    sn_stretches stretches; /* of the quantile in ns, of goodput in 1/s; not known of other terms */
    double allowed;         /* of tested, at most; of goodput, at least */
} sn_objective_term_result;

typedef struct sn_objective_result {
    sn_objective_verdict verdict;
    double confidence;
    double longer;   /* undecided: a run this many times longer should tell, 1 otherwise. An estimate */
    bool overloaded; /* more is asked for than one server can do: every latency limit is missed in the end */
    bool in_reach;   /* the figures of this very run meet every term */
    bool unsteady;   /* undecided because parts of the run differ */
    uint64_t n, n_lost, n_good, limit_ns;
    double goodput_per_s;
    sn_objective_term_result term[SN_OBJECTIVE_TERMS_MAX];
} sn_objective_result;

/* confidence: of each verdict that is met or missed. Returns OK; EINVAL (no requests; goodput or attainment without a
 * limit for a request); ENOMEM. */
setsuna_status sn_objective_judge(const sn_objective *o, const sn_objective_run *run, double confidence,
                                  sn_objective_result *out);

/* The confidence of look k = 1, 2, ... at a run that is extended until there is a verdict, such that the chance of a
 * wrong one at any look is at most 1 - confidence: (1 - confidence) / (k (k + 1)) is spent on look k. */
double sn_objective_look(double confidence, uint32_t k);

#endif
