#include "base/crc32.h"
#include "unit/unit.h"
#include <string.h>

/* The check value of the catalogue of CRCs, and what zlib.crc32 of Python says. */
static void test_known_values(void **state)
{
    (void)state;
    assert_int_equal(sn_crc32(0, NULL, 0), 0);
    assert_int_equal(sn_crc32(0, "123456789", 9), 0xcbf43926);
    assert_int_equal(sn_crc32(0, "a", 1), 0xe8b7be43);
    uint8_t all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    assert_int_equal(sn_crc32(0, all, sizeof all), 0x29058c73);
}

static void test_in_pieces(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 9; cut++)
        assert_int_equal(sn_crc32(sn_crc32(0, "123456789", cut), &"123456789"[cut], 9 - cut), 0xcbf43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_values), cmocka_unit_test(test_in_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
