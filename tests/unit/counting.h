/* An allocator that fails from its nth allocation on, and knows what is still allocated: for sweeps over all places
 * where memory can run out.
 *
 *     counting c = {.left = n};
 *     sn_allocator a = {&c, counting_alloc, counting_free};
 */
#ifndef SN_TESTS_COUNTING_H
#define SN_TESTS_COUNTING_H

#include <stdlib.h>

typedef struct counting {
    int left, live, calls; /* allocations that will succeed; that are not freed; that were asked for */
} counting;

static inline void *counting_alloc(void *ctx, size_t size_bytes)
{
    counting *c = ctx;
    c->calls++;
    if (c->left-- <= 0)
        return NULL;
    c->live++;
    return malloc(size_bytes);
}

static inline void counting_free(void *ctx, void *ptr)
{
    counting *c = ctx;
    c->live--;
    free(ptr);
}

#endif
