#include "base/pool.h"
#include "base/cpu.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>
#include <linux/futex.h>

#include "base/clock.h"

/* How long a worker spins for the next region before it sleeps. Longer than the gaps between the regions of one
 * inference (single steps of at most a few hundred microseconds), far shorter than the gap between requests. */
enum { POOL_SPIN_NS = 200000 };

typedef struct pool_worker {
    pthread_t thread;
    struct sn_pool *pool;
    uint32_t part;
    _Alignas(64) _Atomic uint32_t done; /* the last region this worker finished */
} pool_worker;

struct sn_pool {
    const sn_allocator *allocator;
    uint32_t n_workers;
    sn_pool_fn *fn; /* the region being run: written before `region` is released, read after it is acquired */
    void *arg;
    uint32_t n_parts;
    _Alignas(64) _Atomic uint32_t region; /* count of regions started; the futex word */
    _Atomic uint32_t sleepers;
    _Atomic bool stop;
    pool_worker worker[];
};

static void pool_sleep(sn_pool *pool, uint32_t seen)
{
    atomic_fetch_add(&pool->sleepers, 1);
    /* Sequentially consistent with the store of `region` and the load of `sleepers` in sn_pool_run: either we see the
     * new region here, or the starter sees us and wakes us. */
    if (atomic_load(&pool->region) == seen && !atomic_load(&pool->stop))
        syscall(SYS_futex, &pool->region, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&pool->sleepers, 1);
}

static void *pool_worker_main(void *arg)
{
    pool_worker *w = arg;
    sn_pool *pool = w->pool;
    uint32_t seen = 0;
    for (;;) {
        uint64_t until = 0;
        uint32_t now;
        for (uint32_t i = 1; (now = atomic_load_explicit(&pool->region, memory_order_acquire)) == seen; i++) {
            if (atomic_load_explicit(&pool->stop, memory_order_relaxed))
                return NULL;
            sn_cpu_pause();
            if (i % 64)
                continue;
            uint64_t t = sn_now_ns();
            if (!until)
                until = t + POOL_SPIN_NS;
            else if (t > until)
                pool_sleep(pool, seen);
        }
        if (atomic_load_explicit(&pool->stop, memory_order_relaxed)) /* set before the region that got us here */
            return NULL;
        seen = now;
        if (w->part < pool->n_parts)
            pool->fn(pool->arg, w->part, pool->n_parts);
        atomic_store_explicit(&w->done, seen, memory_order_release);
    }
}

static void pool_stop(sn_pool *pool, uint32_t started)
{
    atomic_store(&pool->stop, true);
    atomic_fetch_add(&pool->region, 1); /* a worker between its look at `stop` and its futex call must not sleep */
    syscall(SYS_futex, &pool->region, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(pool->worker[i].thread, NULL);
}

setsuna_status sn_pool_create(const sn_allocator *a, uint32_t n_threads, sn_pool **out)
{
    if (n_threads <= 1) {
        *out = NULL;
        return SETSUNA_OK;
    }
    if (n_threads > 1024)
        return SETSUNA_EINVAL;
    uint32_t n = n_threads - 1;
    sn_pool *pool = sn_alloc_zero(a, sizeof *pool + n * sizeof pool->worker[0]);
    if (!pool)
        return SETSUNA_ENOMEM;
    pool->allocator = a;
    pool->n_workers = n;
    for (uint32_t i = 0; i < n; i++) {
        pool_worker *w = &pool->worker[i];
        w->pool = pool;
        w->part = i + 1;
        if (pthread_create(&w->thread, NULL, pool_worker_main, w) != 0) {
            pool_stop(pool, i);
            sn_free(a, pool);
            return SETSUNA_EIO;
        }
    }
    *out = pool;
    return SETSUNA_OK;
}

void sn_pool_destroy(sn_pool *pool)
{
    if (!pool)
        return;
    pool_stop(pool, pool->n_workers);
    sn_free(pool->allocator, pool);
}

uint32_t sn_pool_threads(const sn_pool *pool)
{
    return pool ? pool->n_workers + 1 : 1;
}

void sn_pool_run(sn_pool *pool, sn_pool_fn *fn, void *arg, uint32_t n_parts)
{
    uint32_t threads = sn_pool_threads(pool), n = n_parts < threads ? n_parts : threads;
    if (n <= 1) {
        fn(arg, 0, 1);
        return;
    }
    pool->fn = fn;
    pool->arg = arg;
    pool->n_parts = n;
    uint32_t region = atomic_load_explicit(&pool->region, memory_order_relaxed) + 1;
    atomic_store(&pool->region, region);
    if (atomic_load(&pool->sleepers))
        syscall(SYS_futex, &pool->region, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    fn(arg, 0, n);
    /* All workers answer every region, also those without a part: fn and arg may change once we return. */
    for (uint32_t i = 0; i < pool->n_workers; i++)
        for (uint32_t spins = 0; atomic_load_explicit(&pool->worker[i].done, memory_order_acquire) != region; spins++) {
            sn_cpu_pause();
            if (spins > 20000) /* the worker lost its core: give ours away rather than burn it */
                syscall(SYS_sched_yield);
        }
}
