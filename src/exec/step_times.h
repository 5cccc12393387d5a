/* The times of each step over many runs of a session, taken by its observer (exec/exec.h).
 *
 *     sn_step_times_begin(&t, exec, allocator)   steps run after this are timed
 *     first run                                  finds out which plans there are: one, or a chain of segments
 *     sn_step_times_reserve(&t, runs)            room for the samples
 *     runs                                       one sample a step each
 *     sn_step_times_end(&t)                      the session runs without observer again
 *
 * Steps of subgraphs (If, Loop, Scan) count as their control-flow step. A time includes one reading of the clock, and a
 * run pays for two of them a step; a session without observer pays nothing.
 */
#ifndef SN_EXEC_STEP_TIMES_H
#define SN_EXEC_STEP_TIMES_H

#include "exec/exec.h"

/* The plan of a segment; borrowed from the session, which keeps it while nothing is planned anew. */
typedef struct sn_step_segment {
    const sn_plan *plan;
    size_t first; /* index of its first step in the whole */
} sn_step_segment;

typedef struct sn_step_times {
    sn_exec *exec;
    const sn_allocator *a;
    sn_step_segment *segment; /* in the order in which they run */
    size_t n_segment, cap_segment;
    size_t n_step;    /* of all segments */
    uint64_t *sample; /* [n_step][cap]; NULL before reserve */
    uint32_t *n;      /* samples of each step */
    uint32_t cap;
    bool is_full; /* a run took another plan, or more runs came than there is room for: samples are missing */
    setsuna_status status;
} sn_step_times;

void sn_step_times_begin(sn_step_times *t, sn_exec *e, const sn_allocator *a);

/* After the first run. Samples of up to `runs` runs: 8 bytes a step and run. Returns OK, ENOMEM, or ELIMIT. */
setsuna_status sn_step_times_reserve(sn_step_times *t, uint32_t runs);

/* Stops timing. The samples stay until fini. */
void sn_step_times_end(sn_step_times *t);
void sn_step_times_fini(sn_step_times *t); /* also after a failure; a zeroed one is fine */

#endif
