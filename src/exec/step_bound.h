/* How fast a step could be: the roofline of the machine, and the bound that it sets for each step of a plan.
 *
 *     bound = max(arithmetic / peak, weights / bandwidth(all weights) + operands / bandwidth(operands))
 *
 * peak is that of multiply-adds in registers; bandwidth(n) is that of reading n bytes over and over, so that it falls
 * from the first cache to main memory as n grows. Operands were just written by steps before, so they are as near as
 * their own size allows; weights were last touched a whole prediction ago, so they are as far as all that a prediction
 * touches. What a cache keeps by luck, and writing being slower than reading, can put a step a little below or above.
 *
 * Source: Williams, Waterman, Patterson 2009, with Ilic, Pratas, Sousa 2014 for the caches.
 */
#ifndef SN_EXEC_STEP_BOUND_H
#define SN_EXEC_STEP_BOUND_H

#include "plan/plan.h"

enum { SN_ROOFLINE_POINTS = 8 };

typedef struct sn_roofline {
    double flops_per_ns; /* of all threads together */
    uint32_t n_point;    /* >= 1 */
    struct {
        double bytes, bytes_per_ns; /* ascending in bytes; of all threads together, each with its share of the bytes */
    } point[SN_ROOFLINE_POINTS];
} sn_roofline;

/* Measures the machine at this CPU level with the pool's threads (NULL: one): about 0.3 s and 128 MiB.
 * Returns OK or ENOMEM. */
setsuna_status sn_roofline_measure(const sn_allocator *a, sn_cpu_level level, sn_pool *pool, sn_roofline *out);

/* Bytes per nanosecond at which `bytes` can be read again: on a line over log(bytes) between the points around. */
double sn_roofline_bandwidth(const sn_roofline *r, double bytes);

/* What a step must do at least. */
typedef struct sn_step_cost {
    double flops;    /* by the operator's definition: what rates are quoted in */
    double work;     /* what the step's algorithm needs of it: less for Winograd convolutions */
    double weights;  /* bytes of constants, in the form they are read in */
    double operands; /* bytes of the other inputs and of outputs */
} sn_step_cost;

sn_step_cost sn_step_cost_of(const sn_plan *p, const sn_step *s);

/* Bytes that a prediction touches: the constants that its steps read, and the arena. */
double sn_plan_touched_bytes(const sn_plan *p);

typedef struct sn_step_bound {
    double compute_ns, memory_ns; /* 0: not known, or nothing of it */
} sn_step_bound;

sn_step_bound sn_roofline_bound(const sn_roofline *r, const sn_step_cost *cost, double touched_bytes);

#endif
