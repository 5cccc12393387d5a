#include "ledger/os_probe.h"
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

void sn_os_probe_open(sn_os_probe *p)
{
    p->schedstat_fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
}

void sn_os_probe_close(sn_os_probe *p)
{
    if (p->schedstat_fd >= 0)
        close(p->schedstat_fd);
    p->schedstat_fd = -1;
}

/* The file reads "<ns on CPU> <ns runnable but waiting> <time slices>\n". The first number is as old as the last
 * scheduler tick, so CPU time comes from the thread's CPU clock instead. */
static bool probe_runqueue(int fd, uint64_t *out)
{
    char text[96];
    ssize_t len = pread(fd, text, sizeof text, 0);
    ssize_t i = 0;
    while (i < len && text[i] != ' ')
        i++;
    uint64_t ns = 0;
    ssize_t first = ++i;
    for (; i < len && text[i] >= '0' && text[i] <= '9'; i++)
        ns = ns * 10 + (uint64_t)(text[i] - '0');
    if (len < 0 || i == first || i >= len)
        return false;
    *out = ns;
    return true;
}

/* A reading that took longer than this was disturbed between its parts. */
#define PROBE_DISTURBED_NS UINT64_C(20000)

static void probe_read_once(const sn_os_probe *p, const sn_os_reading *last, sn_os_reading *out)
{
    *out = (sn_os_reading){.wall_ns = sn_now_ns()};
    struct timespec cpu;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) == 0) {
        out->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
        out->has_cpu = true;
    }
    struct rusage use;
    if (getrusage(RUSAGE_THREAD, &use) == 0) {
        out->n_minor_faults = (uint64_t)use.ru_minflt;
        out->n_major_faults = (uint64_t)use.ru_majflt;
        out->n_switches_blocked = (uint64_t)use.ru_nvcsw;
        out->n_switches_forced = (uint64_t)use.ru_nivcsw;
        out->has_counts = true;
    }
    bool stayed = last && last->has_runqueue && last->has_counts && out->has_counts &&
                  last->n_switches_blocked == out->n_switches_blocked &&
                  last->n_switches_forced == out->n_switches_forced;
    out->has_runqueue = stayed;
    if (stayed)
        out->runqueue_ns = last->runqueue_ns;
    else if (p->schedstat_fd >= 0)
        out->has_runqueue = probe_runqueue(p->schedstat_fd, &out->runqueue_ns);
}

void sn_os_probe_read(const sn_os_probe *p, const sn_os_reading *last, sn_os_reading *out)
{
    for (int attempt = 0; attempt < 3; attempt++) {
        probe_read_once(p, last, out);
        if (sn_now_ns() - out->wall_ns < PROBE_DISTURBED_NS)
            return;
    }
}
