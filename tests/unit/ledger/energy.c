#include "ledger/energy.h"
#include "unit/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void put(const char *root, int package, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/intel-rapl:%d", root, package);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/intel-rapl:%d/%s", root, package, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_packages(void **state)
{
    (void)state;
    char root[] = "energy_XXXXXX";
    assert_non_null(mkdtemp(root));
    sn_energy before, after;
    sn_energy_read(root, &before);
    assert_int_equal(before.n_packages, 0);
    for (int p = 0; p < 2; p++) {
        put(root, p, "energy_uj", "1000000\n");
        put(root, p, "max_energy_range_uj", "5000000\n");
    }
    sn_energy_read(root, &before);
    assert_int_equal(before.n_packages, 2);
    put(root, 0, "energy_uj", "3500000\n");
    put(root, 1, "energy_uj", "500000\n"); /* once around: 4 J, and half a joule */
    sn_energy_read(root, &after);
    assert_true(sn_energy_joules(&before, &after) == 2.5 + 4.5);
    put(root, 1, "energy_uj", "nonsense\n");
    sn_energy_read(root, &after);
    assert_int_equal(after.n_packages, 1);
    assert_true(sn_energy_joules(&before, &after) == 0);
    put(root, 0, "energy_uj", "99999999999999999999999\n");
    sn_energy_read(root, &after);
    assert_int_equal(after.n_packages, 0);
    assert_true(sn_energy_joules(&after, &after) == 0);
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c) */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_packages)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
