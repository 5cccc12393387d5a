#include "base/pages.h"
#include "unit/unit.h"
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static size_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    size_t whole, resident;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%zu %zu", &whole, &resident), 2);
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void test_pages_are_zero_and_aligned(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        1, 4096, 4097, (512 << 10) - 1, 512 << 10, (4 << 20) - 1, 4 << 20, (9 << 20) + 5, (9 << 20) + (600 << 10)};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t *p = sn_pages_alloc(sizes[i]);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % (sizes[i] >= 512 << 10 ? 2 << 20 : 4096), 0);
        for (size_t k = 0; k < sizes[i]; k++)
            if (p[k])
                fail_msg("byte %zu of %zu is not zero", k, sizes[i]);
        p[sizes[i] - 1] = 1;
        sn_pages_free(p, sizes[i]);
    }
    sn_pages_free(NULL, 5);
    assert_null(sn_pages_alloc(SIZE_MAX));
    assert_null(sn_pages_alloc(SIZE_MAX / 2));
}

static void test_a_reserve_takes_room_where_it_is_touched(void **state)
{
    (void)state;
    const size_t size = (size_t)1 << 30;
    uint8_t *p = sn_pages_reserve(size);
    assert_non_null(p);
    size_t before = resident_bytes();
    for (size_t at = 0; at < size; at += size / 16)
        p[at] = 1; /* pages of 2 MiB would be 32 MiB */
    assert_in_range(resident_bytes() - before, 0, 4 << 20);
    sn_pages_unmap(p, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_are_zero_and_aligned),
        cmocka_unit_test(test_a_reserve_takes_room_where_it_is_touched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
