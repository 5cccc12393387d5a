#include "base/pool.h"
#include "base/clock.h"
#include "base/cpu.h"
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    /* How long a worker waits for the next region before it sleeps. Longer than the gaps between the regions of one
     * inference (single steps of at most a few hundred microseconds), far shorter than the gap between requests. */
    POOL_SPIN_NS = 200000,
    POOL_REST_NS = 50000,   /* the same after an inference: the next one may follow at once */
    POOL_POLITE_NS = 10000, /* from here on whoever waits yields to the one it waits for, should they share a core */
    POOL_LOOKS = 64         /* pauses between two looks at the clock */
};

/* A region is one call of sn_pool_run. Its number is the futex word; parts are claimed by number, so that a worker that
 * comes late, or not at all, can do no harm: it claims nothing of a region that is over. */
struct sn_pool {
    const sn_allocator *allocator;
    struct pool_worker *worker;
    uint32_t n_workers;
    _Atomic uint32_t region; /* the number of the last region; 2 * number would overflow into the next: wraps at 2^31 */
    _Atomic uint32_t sleepers;
    _Atomic bool stop, resting;
    _Atomic int caller_cpu, worker_cpu; /* where the caller, and the last worker to begin a part, were seen */
    _Alignas(64) _Atomic uint32_t left; /* parts of the region that are not finished */
    /* What a worker needs to begin lies in one cache line where it can. Valid for whoever holds a claim. */
    _Alignas(64) sn_pool_fn *fn;
    void *arg;
    uint32_t n_parts;
    _Atomic uint32_t claim[]; /* per part: 2 * region when it waits, 2 * region + 1 when it was taken */
};

typedef struct pool_worker {
    pthread_t thread;
    sn_pool *pool;
    uint32_t part; /* the one it tries first */
} pool_worker;

/* A busy machine may leave us and the one we wait for a single core; spinning would then keep it from running. Between
 * different cores a yield would only give ours to a stranger, for milliseconds. */
static void pool_yield_to(const _Atomic int *cpu)
{
    if (atomic_load_explicit(cpu, memory_order_relaxed) == sched_getcpu())
        sched_yield();
}

static void pool_sleep(sn_pool *pool, uint32_t seen)
{
    atomic_fetch_add(&pool->sleepers, 1);
    /* Sequentially consistent with the store of `region` and the load of `sleepers` in sn_pool_run: either we see the
     * new region here, or the starter sees us and wakes us. */
    if (atomic_load(&pool->region) == seen && !atomic_load(&pool->stop))
        syscall(SYS_futex, &pool->region, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
    atomic_fetch_sub(&pool->sleepers, 1);
}

/* Runs a part of the region unless somebody has begun it, or the region is over. */
static void pool_try(sn_pool *pool, uint32_t region, uint32_t part)
{
    uint32_t waits = 2 * region;
    if (atomic_load_explicit(&pool->claim[part], memory_order_relaxed) != waits ||
        !atomic_compare_exchange_strong_explicit(&pool->claim[part], &waits, waits + 1, memory_order_acquire,
                                                 memory_order_relaxed))
        return;
    /* The region cannot end before we are done: what it set is ours to read. */
    pool->fn(pool->arg, part, pool->n_parts);
    atomic_fetch_sub_explicit(&pool->left, 1, memory_order_release);
}

/* Waits for a region after `seen`. false: the pool stops. */
static bool pool_next(sn_pool *pool, uint32_t seen, uint32_t *region_out)
{
    uint64_t since = 0;
    for (uint32_t i = 1; (*region_out = atomic_load_explicit(&pool->region, memory_order_acquire)) == seen; i++) {
        if (atomic_load_explicit(&pool->stop, memory_order_relaxed))
            return false;
        sn_cpu_pause();
        if (i % POOL_LOOKS)
            continue;
        uint64_t now = sn_now_ns();
        since = since ? since : now;
        if (now - since > (atomic_load_explicit(&pool->resting, memory_order_relaxed) ? POOL_REST_NS : POOL_SPIN_NS))
            pool_sleep(pool, seen);
        else if (now - since > POOL_POLITE_NS)
            pool_yield_to(&pool->caller_cpu);
    }
    return !atomic_load_explicit(&pool->stop, memory_order_relaxed); /* set before the region that got us here */
}

static void *pool_worker_main(void *arg)
{
    const pool_worker *w = arg;
    sn_pool *pool = w->pool;
    uint32_t threads = pool->n_workers + 1;
    for (uint32_t region = 0; pool_next(pool, region, &region);) {
        atomic_store_explicit(&pool->worker_cpu, sched_getcpu(), memory_order_relaxed);
        for (uint32_t i = 0; i < threads; i++)
            pool_try(pool, region, (w->part + i) % threads);
    }
    return NULL;
}

static void pool_stop(sn_pool *pool, uint32_t started)
{
    atomic_store(&pool->stop, true);
    atomic_fetch_add(&pool->region, 1); /* a worker between its look at `stop` and its futex call must not sleep */
    syscall(SYS_futex, &pool->region, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    for (uint32_t i = 0; i < started; i++)
        pthread_join(pool->worker[i].thread, NULL);
}

static void pool_free(sn_pool *pool)
{
    sn_free(pool->allocator, pool->worker);
    sn_free(pool->allocator, pool);
}

setsuna_status sn_pool_create(const sn_allocator *a, uint32_t n_threads, sn_pool **out)
{
    if (n_threads <= 1) {
        *out = NULL;
        return SETSUNA_OK;
    }
    if (n_threads > 1024)
        return SETSUNA_EINVAL;
    sn_pool *pool = sn_alloc_zero(a, sizeof *pool + n_threads * sizeof pool->claim[0]);
    if (!pool)
        return SETSUNA_ENOMEM;
    pool->allocator = a;
    pool->n_workers = n_threads - 1;
    pool->worker = sn_alloc_zero(a, pool->n_workers * sizeof *pool->worker);
    if (!pool->worker) {
        pool_free(pool);
        return SETSUNA_ENOMEM;
    }
    for (uint32_t i = 0; i < n_threads; i++)
        atomic_init(&pool->claim[i], 1); /* taken, of the region before the first */
    for (uint32_t i = 0; i < pool->n_workers; i++) {
        pool_worker *w = &pool->worker[i];
        w->pool = pool;
        w->part = i + 1;
        if (pthread_create(&w->thread, NULL, pool_worker_main, w) != 0) {
            pool_stop(pool, i);
            pool_free(pool);
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
    pool_free(pool);
}

uint32_t sn_pool_threads(const sn_pool *pool)
{
    return pool ? pool->n_workers + 1 : 1;
}

static void pool_wait(sn_pool *pool)
{
    uint64_t since = 0;
    for (uint32_t i = 1; atomic_load_explicit(&pool->left, memory_order_acquire) != 0; i++) {
        sn_cpu_pause();
        if (i % POOL_LOOKS)
            continue;
        uint64_t now = sn_now_ns();
        since = since ? since : now;
        if (now - since > POOL_POLITE_NS) /* a worker lost its core in the middle of a part */
            pool_yield_to(&pool->worker_cpu);
    }
}

void sn_pool_run(sn_pool *pool, sn_pool_fn *fn, void *arg, uint32_t n_parts)
{
    uint32_t threads = sn_pool_threads(pool), n = n_parts < threads ? n_parts : threads;
    if (n <= 1) {
        fn(arg, 0, 1);
        return;
    }
    uint32_t region = atomic_load_explicit(&pool->region, memory_order_relaxed) + 1;
    pool->fn = fn;
    pool->arg = arg;
    pool->n_parts = n;
    atomic_store_explicit(&pool->left, n - 1, memory_order_relaxed);
    for (uint32_t i = 1; i < n; i++) /* part 0 is ours and stays taken */
        atomic_store_explicit(&pool->claim[i], 2 * region, memory_order_release);
    atomic_store_explicit(&pool->resting, false, memory_order_relaxed);
    atomic_store_explicit(&pool->caller_cpu, sched_getcpu(), memory_order_relaxed);
    atomic_store(&pool->region, region);
    if (atomic_load(&pool->sleepers))
        syscall(SYS_futex, &pool->region, FUTEX_WAKE_PRIVATE, n - 1, NULL, NULL, 0);
    fn(arg, 0, n);
    for (uint32_t i = 1; i < n; i++)
        pool_try(pool, region, i);
    pool_wait(pool);
}

void sn_pool_rest(sn_pool *pool)
{
    if (pool)
        atomic_store_explicit(&pool->resting, true, memory_order_relaxed);
}
