/* Energy that the CPU packages used, where the kernel tells (RAPL through powercap; usually for root only). */
#ifndef SN_LEDGER_ENERGY_H
#define SN_LEDGER_ENERGY_H

#include <setsuna/status.h>
#include <stdint.h>

#define SN_ENERGY_ROOT "/sys/class/powercap"
enum { SN_ENERGY_PACKAGES_MAX = 16 };

/* Microjoules of each package since some beginning; they wrap at range_uj. */
typedef struct sn_energy {
    uint32_t n_packages; /* 0: nobody tells */
    uint64_t uj[SN_ENERGY_PACKAGES_MAX], range_uj[SN_ENERGY_PACKAGES_MAX];
} sn_energy;

/* root: SN_ENERGY_ROOT, whose folders intel-rapl:N are read. Cannot fail. */
void sn_energy_read(const char *root, sn_energy *out);

/* Joules from one reading to the next; 0 where either has none. */
double sn_energy_joules(const sn_energy *before, const sn_energy *after);

#endif
