/* Whether this process is held back by its own control group or scheduling class: evidence beside a rhythm. */
#ifndef SN_CAUSES_QUOTA_H
#define SN_CAUSES_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sn_quota {
    bool known; /* cpu.stat of the control group could be read */
    uint64_t n_throttled, throttled_ns;
    bool real_time; /* the thread runs under SCHED_FIFO or SCHED_RR, which the kernel holds back each second */
} sn_quota;

/* Reads /proc/self/cgroup and the group's cpu.stat (version 2, or controller cpu of version 1). Cannot fail: what is
 * not there stays unknown. Not for the path of a request. */
void sn_quota_read(sn_quota *out);

/* The numbers of a cpu.stat. false: text is none. */
bool sn_quota_parse(const char *text, uint64_t *n_throttled_out, uint64_t *throttled_ns_out);

/* The path of the group in one line of /proc/self/cgroup ("5:cpu,cpuacct:/a" or "0::/a"), when it is that of version 2
 * or of controller cpu: its text, not NUL-terminated, and whether it is of version 2. NULL: neither. */
const char *sn_quota_group(const char *line, bool *v2_out, size_t *len_out);

#endif
