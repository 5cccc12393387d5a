/* The times of each step over many runs of a session, taken by its observer (exec/exec.h).
 *
 *     sn_step_times_begin(&t, exec, allocator)   steps run after this are timed
 *     first run                                  finds out which plans there are: one, or a chain of segments
 *     sn_step_times_reserve(&t, runs)            room for the samples
 *     sn_step_times_next(&t), and a run          one sample a step; as often as there is room for
 *     sn_step_times_end(&t)                      the session runs without observer again
 *
 * A time is the step's own: a control-flow step's is what it takes beside the steps of its subgraphs. A step that runs
 * several times in a run (in a Loop) has the sum; one that does not run (in the other branch) has 0. A time includes
 * one reading of the clock for each time the step runs, and a run pays for two; a session without observer pays
 * nothing.
 */
#ifndef SN_EXEC_STEP_TIMES_H
#define SN_EXEC_STEP_TIMES_H

#include "exec/exec.h"

/* The plan of a segment or subgraph; borrowed from the session, which keeps it while nothing is planned anew. */
typedef struct sn_step_segment {
    const sn_plan *plan;
    size_t first; /* index of its first step in the whole */
} sn_step_segment;

typedef struct sn_step_times {
    sn_exec *exec;
    const sn_allocator *a;
    sn_step_segment *segment; /* in the order in which their first steps ended */
    size_t n_segment, cap_segment;
    size_t n_step;    /* of all segments */
    uint64_t *sample; /* [n_step][cap]; NULL before reserve */
    uint32_t n, cap;  /* runs told of by next; room */
    bool is_partial;  /* a run took another plan, or more runs came than there is room for: times are missing */
    setsuna_status status;
} sn_step_times;

void sn_step_times_begin(sn_step_times *t, sn_exec *e, const sn_allocator *a);

/* After the first run. Samples of up to `runs` runs: 8 bytes a step and run. Returns OK, ENOMEM, or ELIMIT. */
setsuna_status sn_step_times_reserve(sn_step_times *t, uint32_t runs);

/* The next run is a new one. */
void sn_step_times_next(sn_step_times *t);

/* Stops timing. The samples stay until fini. */
void sn_step_times_end(sn_step_times *t);
void sn_step_times_fini(sn_step_times *t); /* also after a failure; a zeroed one is fine */

#endif
