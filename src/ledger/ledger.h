/* The ledger of one request: where every nanosecond of its wall time went.
 *
 * Time is kept exclusively: at any moment it runs on the clock of one stage only, the innermost one entered, or of
 * none. Stages therefore cannot overlap, and cannot count a nanosecond twice:
 *
 *     begin      enter PREPARE        enter EXECUTE       leave EXECUTE   leave PREPARE         close
 *       |--outside--|------prepare-------|----execute--------|----prepare----|-----outside--------|
 *
 * What lies outside every stage is not lost: sn_ledger_close compares the stages with the wall clock and leaves the
 * difference in unexplained_ns. It is computed, never forced to zero.
 *
 * Every call takes one reading of the clock through the vDSO: no system call, no allocation, no lock. A ledger has one
 * user at a time; it may move between threads with its request. All functions except begin accept a NULL ledger and
 * then do nothing, so that code on the path of a request need not ask whether it is being measured. The _at variants
 * take the reading (sn_now_ns) from the caller, who can then share one among several ledgers.
 */
#ifndef SN_LEDGER_LEDGER_H
#define SN_LEDGER_LEDGER_H

#include "base/clock.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(name, text, what it covers): the nine stages, in the order in which a request usually meets them. */
#define SN_STAGE_LIST(X)                                                                                               \
    X(ACQUIRE, "acquire", "bytes arrive: file, socket, camera, microphone")                                            \
    X(PREPROCESS, "preprocess", "decode, resize, normalise, tokenise")                                                 \
    X(FEATURIZE, "featurize", "raw data to features: spectrogram, embeddings, crops")                                  \
    X(PREPARE, "prepare", "tensors in the layout and type the model takes")                                            \
    X(TRANSFER, "transfer", "copies between memories, devices and processes")                                          \
    X(LOAD, "load", "model file to runnable plan")                                                                     \
    X(EXECUTE, "execute", "the forward pass")                                                                          \
    X(POSTPROCESS, "postprocess", "NMS, CTC, top-k, boxes, text")                                                      \
    X(OVERHEAD, "overhead", "queue, batch wait, framework")

typedef enum sn_stage {
#define SN_STAGE_ENUM(name, text, covers) SN_STAGE_##name,
    SN_STAGE_LIST(SN_STAGE_ENUM)
#undef SN_STAGE_ENUM
        SN_STAGES
} sn_stage;

/* X(name, text, in_overhead): waits and disturbances, each known only where somebody measured it.
 * in_overhead 1: time of the request itself while no thread works on it; it is part of stage overhead.
 * in_overhead 0: happened to the thread while the clock of some stage ran; it is part of the stages' times already. */
#define SN_WAIT_LIST(X)                                                                                                \
    X(QUEUE, "queue", 1)             /* from the scheduled or accepted time until taken up */                          \
    X(BATCH, "batch wait", 1)        /* for other requests to fill a batch */                                          \
    X(RUNQUEUE, "run-queue wait", 0) /* runnable, but another task had the CPU */                                      \
    X(STEAL, "steal", 0)             /* the hypervisor ran something else */                                           \
    X(FAULT, "page faults", 0)       /* handling page faults */                                                        \
    X(BLOCKED, "blocked", 0)         /* the thread itself waited: lock, I/O, sleep */                                  \
    X(INTERRUPT, "interrupts", 0)    /* in handlers, on the thread's CPU */

typedef enum sn_wait {
#define SN_WAIT_ENUM(name, text, in_overhead) SN_WAIT_##name,
    SN_WAIT_LIST(SN_WAIT_ENUM)
#undef SN_WAIT_ENUM
        SN_WAITS
} sn_wait;

enum { SN_LEDGER_DEPTH = 16 }; /* stages entered inside each other */

/* Read the fields after close; change them through the functions only. */
typedef struct sn_ledger {
    uint64_t id; /* the caller's: sequence number, request id */
    uint64_t start_ns, wall_ns;
    uint64_t stage_ns[SN_STAGES];
    int64_t unexplained_ns; /* wall_ns - sum of stage_ns. Below 0: sn_ledger_add was given more time than had passed */

    uint64_t wait_ns[SN_WAITS];                          /* 0 unless its bit is set in known */
    uint32_t known;                                      /* 1u << SN_WAIT_x, and SN_LEDGER_KNOWN_COUNTS */
    uint64_t n_minor_faults, n_major_faults, n_switches; /* page faults and context switches */

    uint32_t n_enters[SN_STAGES]; /* times the stage was entered or added to */
    uint32_t n_flaws; /* misuse: see sn_ledger_leave. 0 in sound code; the times of a flawed ledger still close */

    bool open;
    uint32_t depth;  /* of frame, 0 while outside every stage */
    uint32_t n_deep; /* enters beyond SN_LEDGER_DEPTH that have not been left */
    uint64_t mark_ns;
    struct sn_ledger_frame {
        uint64_t own_ns; /* of this visit, without the stages inside it */
        uint32_t stage;  /* SN_STAGES in frame 0 */
    } frame[SN_LEDGER_DEPTH + 1];
} sn_ledger;

/* In sn_ledger.known: n_minor_faults, n_major_faults and n_switches hold. */
#define SN_LEDGER_KNOWN_COUNTS (1u << SN_WAITS)

/* "execute" for SN_STAGE_EXECUTE, "queue" for SN_WAIT_QUEUE, and the one-line description; "?" for other numbers. */
const char *sn_stage_name(sn_stage stage);
const char *sn_stage_covers(sn_stage stage);
const char *sn_wait_name(sn_wait wait);
bool sn_wait_in_overhead(sn_wait wait);

/* Starts the wall clock; the earlier contents of l do not matter. start_ns may lie in the past: the scheduled time of
 * the request, whose wait until now is then told by sn_ledger_wait. */
void sn_ledger_begin_at(sn_ledger *l, uint64_t id, uint64_t start_ns);

/* The clock moves to `stage`; the stage around it, if any, stands still until the matching leave. */
void sn_ledger_enter_at(sn_ledger *l, sn_stage stage, uint64_t now_ns);

/* Ends the innermost visit, which must be of `stage`, and gives the clock back to the stage around it.
 *
 * Flaws are counted in n_flaws and mended so that no time is lost: if stages inside `stage` were left open (an early
 * return), they end too; if `stage` is not open, nothing changes; enters nested deeper than SN_LEDGER_DEPTH stay on the
 * clock of the stage at that depth; a reading below the previous one counts as equal to it; calls on a ledger that is
 * not open have no effect. */
void sn_ledger_leave_at(sn_ledger *l, sn_stage stage, uint64_t now_ns);

/* Ends the innermost stage and enters another with a single reading of the clock. */
void sn_ledger_switch_at(sn_ledger *l, sn_stage stage, uint64_t now_ns);

/* Books ns that were measured elsewhere (an engine, another process) to `stage`, out of the visit that they passed in:
 * the innermost stage stands back by as much as it has, or the time outside every stage. Time beyond that appears with
 * its sign in unexplained_ns. */
void sn_ledger_add_at(sn_ledger *l, sn_stage stage, uint64_t ns, uint64_t now_ns);

/* Books ns to a wait: to its column and, when sn_wait_in_overhead, to stage overhead as sn_ledger_add does. Waits of
 * the other kind passed inside stages, so only the column is filled. A wait of 0 ns is known to be 0. */
void sn_ledger_wait_at(sn_ledger *l, sn_wait wait, uint64_t ns, uint64_t now_ns);

/* Stops the wall clock and computes wall_ns and unexplained_ns. Stages still open end and count as one flaw. */
void sn_ledger_close_at(sn_ledger *l, uint64_t now_ns);

/* Makes the closed ledger dst that of itself and what came after it, the closed ledger src: times, counts and flaws add
 * up, and a wait is known where both knew it. */
void sn_ledger_join(sn_ledger *dst, const sn_ledger *src);

/* Sum of stage_ns. */
uint64_t sn_ledger_explained_ns(const sn_ledger *l);

static inline void sn_ledger_begin(sn_ledger *l, uint64_t id)
{
    sn_ledger_begin_at(l, id, sn_now_ns());
}

static inline void sn_ledger_enter(sn_ledger *l, sn_stage stage)
{
    if (l)
        sn_ledger_enter_at(l, stage, sn_now_ns());
}

static inline void sn_ledger_leave(sn_ledger *l, sn_stage stage)
{
    if (l)
        sn_ledger_leave_at(l, stage, sn_now_ns());
}

static inline void sn_ledger_switch(sn_ledger *l, sn_stage stage)
{
    if (l)
        sn_ledger_switch_at(l, stage, sn_now_ns());
}

static inline void sn_ledger_add(sn_ledger *l, sn_stage stage, uint64_t ns)
{
    if (l)
        sn_ledger_add_at(l, stage, ns, sn_now_ns());
}

static inline void sn_ledger_wait(sn_ledger *l, sn_wait wait, uint64_t ns)
{
    if (l)
        sn_ledger_wait_at(l, wait, ns, sn_now_ns());
}

static inline void sn_ledger_close(sn_ledger *l)
{
    if (l)
        sn_ledger_close_at(l, sn_now_ns());
}

#endif
