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

void sn_os_probe_read(const sn_os_probe *p, sn_os_reading *out)
{
    *out = (sn_os_reading){.wall_ns = sn_now_ns()};
    struct timespec cpu;
    if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu) == 0) {
        out->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
        out->has_cpu = true;
    }
    if (p->schedstat_fd >= 0)
        out->has_runqueue = probe_runqueue(p->schedstat_fd, &out->runqueue_ns);
    struct rusage use;
    if (getrusage(RUSAGE_THREAD, &use) == 0) {
        out->n_minor_faults = (uint64_t)use.ru_minflt;
        out->n_major_faults = (uint64_t)use.ru_majflt;
        out->n_switches_blocked = (uint64_t)use.ru_nvcsw;
        out->n_switches_forced = (uint64_t)use.ru_nivcsw;
        out->has_counts = true;
    }
}

void sn_ledger_explain(sn_ledger *l, const sn_os_reading *before, const sn_os_reading *after)
{
    if (!l)
        return;
    bool runqueue = before->has_runqueue && after->has_runqueue && after->runqueue_ns >= before->runqueue_ns;
    uint64_t runqueue_ns = runqueue ? after->runqueue_ns - before->runqueue_ns : 0;
    if (runqueue)
        sn_ledger_wait_at(l, SN_WAIT_RUNQUEUE, runqueue_ns, after->wall_ns);

    if (!before->has_counts || !after->has_counts)
        return;
    uint64_t blocked = after->n_switches_blocked - before->n_switches_blocked;
    l->n_minor_faults = after->n_minor_faults - before->n_minor_faults;
    l->n_major_faults = after->n_major_faults - before->n_major_faults;
    l->n_switches = blocked + after->n_switches_forced - before->n_switches_forced;
    l->known |= SN_LEDGER_KNOWN_COUNTS;

    /* A thread that blocked was off the CPU of its own will, for a time that nobody counts here. */
    if (blocked > 0 || !runqueue || !before->has_cpu || !after->has_cpu)
        return;
    uint64_t wall = after->wall_ns - before->wall_ns;
    uint64_t accounted = after->cpu_ns - before->cpu_ns + runqueue_ns;
    uint64_t rest = wall > accounted ? wall - accounted : 0;
    sn_ledger_wait_at(l, SN_WAIT_STEAL, rest > SN_OS_PROBE_RESOLUTION_NS ? rest : 0, after->wall_ns);
}
