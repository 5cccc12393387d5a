#include "ledger/energy.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

static bool energy_number(const char *root, uint32_t package, const char *name, uint64_t *out)
{
    char path[256], text[32];
    int len = snprintf(path, sizeof path, "%s/intel-rapl:%u/%s", root, package, name);
    int fd = len > 0 && (size_t)len < sizeof path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    uint64_t value = 0;
    ssize_t i = 0;
    for (; i < n && text[i] >= '0' && text[i] <= '9'; i++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[i] - '0', &value))
            return false;
    *out = value;
    return i > 0;
}

void sn_energy_read(const char *root, sn_energy *out)
{
    *out = (sn_energy){.n_packages = 0};
    for (uint32_t p = 0; p < SN_ENERGY_PACKAGES_MAX; p++) {
        if (!energy_number(root, p, "energy_uj", &out->uj[p]) ||
            !energy_number(root, p, "max_energy_range_uj", &out->range_uj[p]))
            return;
        out->n_packages++;
    }
}

double sn_energy_joules(const sn_energy *before, const sn_energy *after)
{
    double joules = 0;
    if (before->n_packages != after->n_packages)
        return 0;
    for (uint32_t p = 0; p < after->n_packages; p++) {
        uint64_t a = before->uj[p], b = after->uj[p];
        joules += 1e-6 * (double)(b >= a ? b - a : b + (after->range_uj[p] > a ? after->range_uj[p] - a : 0));
    }
    return joules;
}
