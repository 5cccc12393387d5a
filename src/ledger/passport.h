/* On what machine and with which build something was measured: numbers are only compared with their passports.
 *
 * No host name, no user, no path: a passport can be published with its numbers.
 */
#ifndef SN_LEDGER_PASSPORT_H
#define SN_LEDGER_PASSPORT_H

#include <setsuna/status.h>
#include <stdint.h>

/* X(field, what it is): texts, "unknown" where the system does not say. */
#define SN_PASSPORT_LIST(X)                                                                                            \
    X(setsuna, "version of Setsuna")                                                                                   \
    X(compiler, "compiler it was built with")                                                                          \
    X(cpu, "CPU brand")                                                                                                \
    X(cpu_level, "highest kernel level that the CPU and the operating system both have")                               \
    X(machine, "architecture, as uname -m")                                                                            \
    X(kernel, "operating system and release, as uname -sr")                                                            \
    X(hypervisor, "yes under a hypervisor, no on bare metal")                                                          \
    X(governor, "frequency governor of CPU 0")                                                                         \
    X(clock_source, "what the kernel reads the time from")                                                             \
    X(huge_pages, "mode of transparent huge pages: always, madvise, never")

enum { SN_PASSPORT_TEXT_MAX = 128 };

typedef struct sn_passport {
#define SN_PASSPORT_FIELD(field, what) char field[SN_PASSPORT_TEXT_MAX];
    SN_PASSPORT_LIST(SN_PASSPORT_FIELD)
#undef SN_PASSPORT_FIELD
    uint32_t n_cpus_usable; /* CPUs this process may run on */
    uint32_t n_cpus_online; /* CPUs of the machine; 0: unknown */
    uint64_t memory_bytes;  /* 0: unknown */
    uint64_t page_bytes;    /* 0: unknown */
} sn_passport;

/* Cannot fail. Texts are printable ASCII. Opens a few files of /proc and /sys: not for the path of a request. */
void sn_passport_read(sn_passport *out);

#endif
