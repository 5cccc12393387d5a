#include "causes/quota.h"
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool quota_file(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    size_t n = 0;
    for (ssize_t got; n < cap - 1 && (got = read(fd, text + n, cap - 1 - n)) > 0;)
        n += (size_t)got;
    close(fd);
    text[n] = '\0';
    return n > 0;
}

static bool quota_field(const char *text, const char *name, uint64_t *out)
{
    size_t len = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) != 0 || line[len] != ' ')
            continue;
        uint64_t value = 0;
        const char *p = line + len + 1;
        if (*p < '0' || *p > '9')
            return false;
        for (; *p >= '0' && *p <= '9'; p++)
            if (__builtin_mul_overflow(value, 10u, &value) ||
                __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                return false;
        *out = value;
        return true;
    }
    return false;
}

bool sn_quota_parse(const char *text, uint64_t *n_throttled_out, uint64_t *throttled_ns_out)
{
    uint64_t n, ns;
    if (!quota_field(text, "nr_throttled", &n))
        return false;
    if (!quota_field(text, "throttled_time", &ns)) { /* version 1: nanoseconds */
        if (!quota_field(text, "throttled_usec", &ns) || __builtin_mul_overflow(ns, 1000u, &ns))
            return false;
    }
    *n_throttled_out = n;
    *throttled_ns_out = ns;
    return true;
}

const char *sn_quota_group(const char *line, bool *v2_out, size_t *len_out)
{
    const char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;
    if (!path || path[1] != '/')
        return NULL;
    list++;
    bool v2 = path == list && line[0] == '0', cpu = false;
    for (const char *p = list; p < path;) {
        const char *end = memchr(p, ',', (size_t)(path - p));
        end = end ? end : path;
        cpu |= end - p == 3 && memcmp(p, "cpu", 3) == 0;
        p = end + 1;
    }
    if (!v2 && !cpu)
        return NULL;
    *v2_out = v2;
    *len_out = strcspn(path + 1, "\n");
    return path + 1;
}

void sn_quota_read(sn_quota *out)
{
    char groups[8192], path[4352], stat[2048];
    *out = (sn_quota){.known = false};
    int policy = sched_getscheduler(0);
    out->real_time = policy == SCHED_FIFO || policy == SCHED_RR;
    if (!quota_file("/proc/self/cgroup", groups, sizeof groups))
        return;
    for (const char *line = groups; line && !out->known; line = strchr(line, '\n')) {
        line += *line == '\n';
        bool v2;
        size_t len;
        const char *group = sn_quota_group(line, &v2, &len);
        if (!group || len > 4096)
            continue;
        static const char *const where[2][2] = {{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"},
                                                {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}};
        for (int k = 0; k < 2 && !out->known; k++) {
            snprintf(path, sizeof path, "%s%.*s/cpu.stat", where[v2][k], (int)len, group);
            out->known =
                quota_file(path, stat, sizeof stat) && sn_quota_parse(stat, &out->n_throttled, &out->throttled_ns);
        }
    }
}
