#include "ledger/passport.h"
#include "base/cpu.h"
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifndef SETSUNA_VERSION
#error "the build defines SETSUNA_VERSION"
#endif

static void passport_set(char dst[SN_PASSPORT_TEXT_MAX], const char *text)
{
    size_t n = 0;
    while (*text == ' ')
        text++;
    for (; *text && n < SN_PASSPORT_TEXT_MAX - 1; text++)
        dst[n++] = *text >= 0x20 && *text < 0x7f ? *text : '?';
    while (n > 0 && dst[n - 1] == ' ')
        n--;
    dst[n] = '\0';
    if (n == 0)
        snprintf(dst, SN_PASSPORT_TEXT_MAX, "unknown");
}

/* The first line of a small file; "" where it cannot be read. */
static void passport_line(const char *path, char *line, size_t cap)
{
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, line, cap - 1);
        close(fd);
    }
    line[n > 0 ? n : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
}

static void passport_file(char dst[SN_PASSPORT_TEXT_MAX], const char *path)
{
    char line[SN_PASSPORT_TEXT_MAX];
    passport_line(path, line, sizeof line);
    passport_set(dst, line);
}

/* "always [madvise] never" means madvise. */
static void passport_choice(char dst[SN_PASSPORT_TEXT_MAX], const char *path)
{
    char line[SN_PASSPORT_TEXT_MAX];
    passport_line(path, line, sizeof line);
    char *begin = strchr(line, '['), *end = begin ? strchr(begin, ']') : NULL;
    if (end)
        *end = '\0';
    passport_set(dst, end ? begin + 1 : "");
}

static uint64_t passport_sysconf(int name)
{
    long value = sysconf(name);
    return value > 0 ? (uint64_t)value : 0;
}

void sn_passport_read(sn_passport *out)
{
    memset(out, 0, sizeof *out);
    passport_set(out->setsuna, SETSUNA_VERSION);
#if defined(__clang__)
    passport_set(out->compiler, "clang " __clang_version__);
#elif defined(__GNUC__)
    passport_set(out->compiler, "gcc " __VERSION__);
#else
    passport_set(out->compiler, "");
#endif
    char brand[SN_PASSPORT_TEXT_MAX];
    sn_cpu_brand(brand, sizeof brand);
    passport_set(out->cpu, brand);
    passport_set(out->cpu_level, sn_cpu_level_name(sn_cpu_detect()));
    struct utsname name;
    if (uname(&name) == 0) {
        char kernel[SN_PASSPORT_TEXT_MAX];
        snprintf(kernel, sizeof kernel, "%.40s %.80s", name.sysname, name.release);
        passport_set(out->kernel, kernel);
        passport_set(out->machine, name.machine);
    } else {
        passport_set(out->kernel, "");
        passport_set(out->machine, "");
    }
    passport_set(out->hypervisor, sn_cpu_hypervisor());
    passport_file(out->governor, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
    passport_file(out->clock_source, "/sys/devices/system/clocksource/clocksource0/current_clocksource");
    passport_choice(out->huge_pages, "/sys/kernel/mm/transparent_hugepage/enabled");
    out->n_cpus_usable = sn_cpu_count();
    out->n_cpus_online = (uint32_t)passport_sysconf(_SC_NPROCESSORS_ONLN);
    out->page_bytes = passport_sysconf(_SC_PAGESIZE);
    out->memory_bytes = passport_sysconf(_SC_PHYS_PAGES) * out->page_bytes;
}
