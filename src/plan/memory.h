/* Between memory.c and share.c: the memory of a plan while it is laid out. */
#ifndef SN_PLAN_MEMORY_H
#define SN_PLAN_MEMORY_H

#include "plan/build.h"

typedef struct sn_mem {
    sn_build *b;
    sn_plan *plan; /* in and out of its steps are values of b->graph */
    const sn_node *const *node;
    const bool *is_alias; /* per node: makes no step, its output is its input's bytes */
    size_t n_node;
    uint32_t *root; /* per value: the value in whose bytes it lies; itself when it has a buffer of its own */
    size_t *at;     /* per value: where in the bytes of root */
    /* Per value, and for a root of all that lies in its buffer: */
    uint32_t *first;   /* the first step that writes to it, or UINT32_MAX */
    uint32_t *wrote;   /* the last step that writes to it */
    uint32_t *last;    /* the last step that reads it; n_step for what outlives the run */
    uint8_t *dynamic;  /* per value: made by a step that sets its shape */
    uint8_t *is_input; /* per value */
    uint32_t *slot;    /* per value */
} sn_mem;

/* The value that owns v's buffer, and where v begins in it. */
uint32_t sn_mem_root(const sn_mem *m, uint32_t v, size_t *at_out);

/* Only bytes that a step of this plan made, in the arena, may be written over or laid out. */
bool sn_mem_is_arena(const sn_mem *m, uint32_t root);

size_t sn_mem_bytes(const sn_mem *m, uint32_t v);

/* Decides which values share bytes (share.c): fills root, at, first, wrote and last. With `live` not NULL also values
 * that lie inside others, as long as no more than live_max bytes are alive at any step; live[0..n_step] and
 * was[0..n_step] are scratch then. Otherwise only whole buffers are shared. */
void sn_mem_share(sn_mem *m, size_t *live, size_t *was, size_t live_max);

/* Bytes of the buffers alive at each step, into live[0..n_step]. Returns the largest. */
size_t sn_mem_live(const sn_mem *m, size_t *live);

/* The run of bytes is where it is to go. */
bool sn_mem_is_moot(const sn_mem *m, const sn_step *step, const sn_step_copy *c);

#endif
