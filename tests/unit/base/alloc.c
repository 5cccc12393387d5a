#include "base/alloc.h"
#include "unit/unit.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Counts what is out, and fails the call number fail_at (counted from 1; 0: none). */
typedef struct counting {
    size_t calls, fail_at, live;
} counting;

static void *counting_alloc(void *ctx, size_t size_bytes)
{
    counting *c = ctx;
    assert_true(size_bytes > 0);
    if (++c->calls == c->fail_at)
        return NULL;
    void *p = sn_alloc(sn_allocator_default(), size_bytes);
    c->live += p != NULL;
    return p;
}

static void counting_free(void *ctx, void *ptr)
{
    ((counting *)ctx)->live--;
    sn_free(sn_allocator_default(), ptr);
}

static sn_allocator counting_allocator(counting *c)
{
    return (sn_allocator){c, counting_alloc, counting_free};
}

static void test_heap(void **state)
{
    (void)state;
    const sn_allocator *a = sn_allocator_default();
    assert_null(sn_alloc(a, 0));
    assert_null(sn_alloc_zero(a, 0));
    assert_null(sn_alloc(a, SIZE_MAX));
    assert_null(sn_alloc(a, SIZE_MAX - 62));
    sn_free(a, NULL);
    for (size_t size = 1; size < 300; size++) {
        unsigned char *p = sn_alloc_zero(a, size);
        assert_int_equal((uintptr_t)p % SN_ALIGN, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xaa, size);
        sn_free(a, p);
    }
}

static void test_grow(void **state)
{
    (void)state;
    counting c = {0};
    sn_allocator a = counting_allocator(&c);
    int *items = NULL;
    size_t cap = 0;
    for (int i = 0; i < 1000; i++) {
        assert_true(sn_grow(&a, &items, &cap, (size_t)i + 1, sizeof *items));
        items[i] = i;
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(items[i], i);
    assert_true(c.calls < 10); /* doubling */
    assert_int_equal(c.live, 1);

    int *before = items;
    size_t cap_before = cap;
    assert_false(sn_grow(&a, &items, &cap, SIZE_MAX, sizeof *items));
    assert_false(sn_grow(&a, &items, &cap, SIZE_MAX / 2, sizeof *items));
    c.fail_at = c.calls + 1;
    assert_false(sn_grow(&a, &items, &cap, cap + 1, sizeof *items));
    assert_ptr_equal(items, before);
    assert_int_equal(cap, cap_before);
    sn_free(&a, items);
    assert_int_equal(c.live, 0);
}

static void check_zero(const unsigned char *p, size_t size)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(p[i], 0);
}

static void test_arena_items(void **state)
{
    (void)state;
    enum { N = 2000 };
    counting c = {0};
    sn_allocator a = counting_allocator(&c);
    sn_arena *arena = sn_arena_create(&a);
    unsigned char *item[N];
    size_t size[N];
    uint32_t seed = 1;
    for (int i = 0; i < N; i++) {
        seed = seed * 1664525u + 1013904223u;
        size[i] = seed >> 8 & (i % 100 ? 0x3ff : 0x3ffff); /* now and then one larger than a block */
        bool wide = seed & 0x80;
        item[i] = wide ? sn_arena_alloc_wide(arena, size[i]) : sn_arena_alloc(arena, size[i]);
        assert_non_null(item[i]);
        assert_int_equal((uintptr_t)item[i] % (wide ? SN_ALIGN : 16), 0);
        check_zero(item[i], size[i]);
        memset(item[i], i & 0xff, size[i]);
    }
    for (int i = 0; i < N; i++) /* nobody overwrote anybody */
        for (size_t k = 0; k < size[i]; k++)
            assert_int_equal(item[i][k], i & 0xff);
    assert_true(sn_arena_size_bytes(arena) > 0);
    assert_ptr_equal(sn_arena_allocator(arena), &a);
    sn_arena_destroy(arena);
    sn_arena_destroy(NULL);
    assert_int_equal(c.live, 0);
}

static void test_arena_zero_size_is_unique(void **state)
{
    (void)state;
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    void *p = sn_arena_alloc(arena, 0), *q = sn_arena_alloc(arena, 0), *r = sn_arena_array(arena, 0, 8);
    assert_non_null(p);
    assert_ptr_not_equal(p, q);
    assert_ptr_not_equal(q, r);
    sn_arena_destroy(arena);
}

static void test_arena_overflow(void **state)
{
    (void)state;
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    assert_null(sn_arena_alloc(arena, SIZE_MAX));
    assert_null(sn_arena_alloc(arena, SIZE_MAX - 64));
    assert_null(sn_arena_alloc_wide(arena, SIZE_MAX - 127));
    assert_null(sn_arena_array(arena, SIZE_MAX / 8 + 1, 8));
    assert_null(sn_arena_strndup(arena, "x", SIZE_MAX));
    assert_non_null(sn_arena_alloc(arena, 100));
    sn_arena_destroy(arena);
}

static void test_arena_strings(void **state)
{
    (void)state;
    sn_arena *arena = sn_arena_create(sn_allocator_default());
    assert_string_equal(sn_arena_strndup(arena, "convolution", 4), "conv");
    assert_string_equal(sn_arena_strndup(arena, "", 0), "");
    assert_string_equal(sn_arena_printf(arena, "%s_%d", "conv", 12), "conv_12");
    assert_int_equal(strlen(sn_arena_printf(arena, "%10000d", 1)), 10000);
    sn_arena_destroy(arena);
}

static void test_arena_out_of_memory(void **state)
{
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        counting c = {.fail_at = fail_at};
        sn_allocator a = counting_allocator(&c);
        sn_arena *arena = sn_arena_create(&a);
        bool ok = arena != NULL;
        for (int i = 0; ok && i < 100; i++)
            ok = sn_arena_alloc(arena, 5000) != NULL;
        sn_arena_destroy(arena);
        assert_int_equal(c.live, 0);
        if (ok)
            break;
        assert_true(c.calls >= fail_at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_arena_items),
        cmocka_unit_test(test_arena_zero_size_is_unique),
        cmocka_unit_test(test_arena_overflow),
        cmocka_unit_test(test_arena_strings),
        cmocka_unit_test(test_arena_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
