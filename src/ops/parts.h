/* How many threads a step is worth. */
#ifndef SN_OPS_PARTS_H
#define SN_OPS_PARTS_H

#include "ops/op.h"

/* A part should keep a thread busy for several hand-overs of the pool (0.1 to 0.4 us each), whichever of arithmetic and
 * memory traffic takes longer. The rates are those of one AVX-512 core: slower machines would want more parts, never
 * fewer than this gives. */
static inline uint32_t sn_parts_for(const sn_op_ctx *c, double flops, double bytes)
{
    const double flops_per_us = 2e5, bytes_per_us = 5e4, least_us = 2;
    double us = flops / flops_per_us, memory_us = bytes / bytes_per_us;
    us = us > memory_us ? us : memory_us;
    if (us >= least_us * c->n_threads)
        return c->n_threads ? c->n_threads : 1;
    return us > least_us ? (uint32_t)(us / least_us) : 1;
}

#endif
