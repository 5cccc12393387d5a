#include "ledger/passport.h"
#include "base/cpu.h"
#include "unit/unit.h"
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static void check_text(const char *text)
{
    assert_in_range(strlen(text), 1, SN_PASSPORT_TEXT_MAX - 1);
    for (const char *p = text; *p; p++)
        assert_in_range((unsigned char)*p, 0x20, 0x7e);
}

static void test_every_fact_is_filled(void **state)
{
    (void)state;
    sn_passport p;
    memset(&p, 0xff, sizeof p);
    sn_passport_read(&p);
#define CHECK_FIELD(field, what) check_text(p.field);
    SN_PASSPORT_LIST(CHECK_FIELD)
#undef CHECK_FIELD
    assert_string_equal(p.setsuna, SETSUNA_VERSION);
    assert_string_equal(p.cpu_level, sn_cpu_level_name(sn_cpu_detect()));
    assert_int_equal(p.n_cpus_usable, sn_cpu_count());
    assert_true(p.n_cpus_online >= 1);
    assert_true(p.memory_bytes > 1 << 20);
    assert_int_equal(p.page_bytes, sysconf(_SC_PAGESIZE));
    struct utsname name;
    assert_int_equal(uname(&name), 0);
    assert_string_equal(p.machine, name.machine);
    assert_non_null(strstr(p.kernel, name.release));
}

/* The same machine gives the same passport, so that two can be compared. */
static void test_repeatable(void **state)
{
    (void)state;
    sn_passport a, b;
    sn_passport_read(&a);
    sn_passport_read(&b);
    assert_memory_equal(&a, &b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_fact_is_filled),
        cmocka_unit_test(test_repeatable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
