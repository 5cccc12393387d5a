/* A thread pool for one kind of work: split a step into parts, run them at once, wait.
 *
 * The split is fixed, who runs a part is not: each thread takes its own part first, then parts that nobody has begun.
 * A worker that is late (asleep, or without a core because something else runs there) costs nothing but its help: the
 * caller does not wait for parts that it can run itself.
 *
 * Workers spin for a short while after each region (an inference is a rapid series of regions, and a
 * hand-over costs 0.1-0.4 us spinning against 31-57 us through a futex), then sleep until the next one. They give their
 * core to whoever wants it while they spin.
 */
#ifndef SN_BASE_POOL_H
#define SN_BASE_POOL_H

#include "base/alloc.h"
#include <setsuna/status.h>
#include <stdint.h>

typedef struct sn_pool sn_pool;

/* One share of the work: part in [0, n_parts). Parts run at the same time, on any of the threads. */
typedef void sn_pool_fn(void *arg, uint32_t part, uint32_t n_parts);

/* n_threads counts the caller: 2 starts one worker. n_threads <= 1 gives *out = NULL, which every other
 * call takes as "no pool". Returns OK, ENOMEM, or EIO (a thread could not be started). */
setsuna_status sn_pool_create(const sn_allocator *a, uint32_t n_threads, sn_pool **out);
void sn_pool_destroy(sn_pool *pool);

uint32_t sn_pool_threads(const sn_pool *pool); /* 1 for NULL */

/* Runs fn for parts 0..n-1 with n = min(n_parts, threads) and returns when all are done. One caller at a time.
 * The partition is static: the same n_parts gives the same split and so the same bits. */
void sn_pool_run(sn_pool *pool, sn_pool_fn *fn, void *arg, uint32_t n_parts);

/* No region follows soon (an inference ended): workers go to sleep earlier. NULL is fine. */
void sn_pool_rest(sn_pool *pool);

/* The half-open range of `part` when n items are split into n_parts nearly equal runs of multiples of grain. */
static inline void sn_pool_range(int64_t n, int64_t grain, uint32_t part, uint32_t n_parts, int64_t *begin,
                                 int64_t *end)
{
    int64_t blocks = (n + grain - 1) / grain;
    int64_t b = blocks * part / n_parts * grain, e = blocks * (part + 1) / n_parts * grain;
    *begin = b < n ? b : n;
    *end = e < n ? e : n;
}

#endif
