#include "base/pool.h"
#include "unit/unit.h"
#include <sched.h>
#include <string.h>
#include <time.h>

enum { ITEMS = 1003, REGIONS = 20000 };

typedef struct work {
    int64_t item[ITEMS];
    uint32_t parts_seen[8];
} work;

static void work_add_one(void *arg, uint32_t part, uint32_t n_parts)
{
    work *w = arg;
    int64_t begin, end;
    sn_pool_range(ITEMS, 16, part, n_parts, &begin, &end);
    for (int64_t i = begin; i < end; i++)
        w->item[i]++;
    w->parts_seen[part]++;
}

static void check_regions(uint32_t threads, uint32_t n_parts, uint32_t want_parts)
{
    sn_pool *pool = NULL;
    assert_int_equal(sn_pool_create(sn_allocator_default(), threads, &pool), SETSUNA_OK);
    assert_int_equal(sn_pool_threads(pool), threads ? threads : 1);
    work w;
    memset(&w, 0, sizeof w);
    for (uint32_t i = 0; i < REGIONS; i++) {
        sn_pool_run(pool, work_add_one, &w, n_parts);
        if (i % 1000 == 0)
            sn_pool_rest(pool);
    }
    for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(w.item[i], REGIONS);
    for (uint32_t p = 0; p < 8; p++)
        assert_int_equal(w.parts_seen[p], p < want_parts ? REGIONS : 0);
    sn_pool_destroy(pool);
}

static void test_no_pool(void **state)
{
    (void)state;
    check_regions(0, 4, 1);
    check_regions(1, 4, 1);
    sn_pool_destroy(NULL);
}

static void test_regions(void **state)
{
    (void)state;
    check_regions(2, 2, 2);
    check_regions(2, 1, 1);
    check_regions(2, 7, 2);
    check_regions(3, 3, 3);
    check_regions(4, 4, 4);
    check_regions(4, 2, 2);
}

/* Workers that fell asleep between two regions must wake for the next one, and for the end. */
static void test_sleep_and_wake(void **state)
{
    (void)state;
    sn_pool *pool = NULL;
    assert_int_equal(sn_pool_create(sn_allocator_default(), 2, &pool), SETSUNA_OK);
    work w;
    memset(&w, 0, sizeof w);
    for (long i = 0; i < 300; i++) {
        struct timespec pause = {0, 1000 * (i * 2)}; /* 0 to 600 us, across the 200 us that a worker spins */
        nanosleep(&pause, NULL);
        sn_pool_run(pool, work_add_one, &w, 2);
    }
    for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(w.item[i], 300);
    sn_pool_destroy(pool);
}

/* With one core for all threads, waiting for each other would take a time slice a region, minutes in all: the caller
 * does what the others do not come to. */
static void test_one_core_for_all(void **state)
{
    (void)state;
    cpu_set_t before, one;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    check_regions(3, 3, 3);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

/* A part that takes long is begun once, and waited for. */
static void work_slowly(void *arg, uint32_t part, uint32_t n_parts)
{
    (void)n_parts;
    struct timespec pause = {0, part == 1 ? 2000000 : 0};
    nanosleep(&pause, NULL);
    ((uint32_t *)arg)[part]++;
}

static void test_slow_parts(void **state)
{
    (void)state;
    sn_pool *pool = NULL;
    uint32_t count[4] = {0};
    assert_int_equal(sn_pool_create(sn_allocator_default(), 4, &pool), SETSUNA_OK);
    for (uint32_t i = 0; i < 20; i++) {
        sn_pool_run(pool, work_slowly, count, 4);
        for (int p = 0; p < 4; p++)
            assert_int_equal(count[p], i + 1);
    }
    sn_pool_destroy(pool);
}

static void test_create_destroy_at_any_time(void **state)
{
    (void)state;
    for (long i = 0; i < 300; i++) {
        sn_pool *pool = NULL;
        assert_int_equal(sn_pool_create(sn_allocator_default(), 3, &pool), SETSUNA_OK);
        struct timespec pause = {0, 1000 * (i * 2)};
        nanosleep(&pause, NULL);
        sn_pool_destroy(pool);
    }
}

static void test_bad_count(void **state)
{
    (void)state;
    sn_pool *pool = NULL;
    assert_int_equal(sn_pool_create(sn_allocator_default(), 1025, &pool), SETSUNA_EINVAL);
    assert_int_equal(sn_pool_create(sn_allocator_default(), UINT32_MAX, &pool), SETSUNA_EINVAL);
    assert_null(pool);
}

static void *no_memory(void *ctx, size_t size_bytes)
{
    (void)ctx;
    (void)size_bytes;
    return NULL;
}

static void no_free(void *ctx, void *ptr)
{
    (void)ctx;
    (void)ptr;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const sn_allocator a = {NULL, no_memory, no_free};
    sn_pool *pool = NULL;
    assert_int_equal(sn_pool_create(&a, 2, &pool), SETSUNA_ENOMEM);
    assert_null(pool);
}

/* The ranges of all parts are in order, without gap or overlap, on grain boundaries, and nearly equal. */
static void test_range(void **state)
{
    (void)state;
    for (int64_t n = 0; n < 200; n++)
        for (int64_t grain = 1; grain < 20; grain += 3)
            for (uint32_t parts = 1; parts < 9; parts++) {
                int64_t at = 0, smallest = INT64_MAX, largest = 0;
                for (uint32_t p = 0; p < parts; p++) {
                    int64_t begin, end;
                    sn_pool_range(n, grain, p, parts, &begin, &end);
                    assert_int_equal(begin, at);
                    assert_true(end >= begin && end <= n);
                    assert_true(end == n || end % grain == 0);
                    int64_t blocks = (end - begin + grain - 1) / grain;
                    smallest = blocks < smallest ? blocks : smallest;
                    largest = blocks > largest ? blocks : largest;
                    at = end;
                }
                assert_int_equal(at, n);
                assert_true(largest - smallest <= 1);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_pool),
        cmocka_unit_test(test_regions),
        cmocka_unit_test(test_sleep_and_wake),
        cmocka_unit_test(test_create_destroy_at_any_time),
        cmocka_unit_test(test_one_core_for_all),
        cmocka_unit_test(test_slow_parts),
        cmocka_unit_test(test_bad_count),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
