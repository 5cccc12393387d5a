#include "causes/recorder.h"
#include "base/alloc.h"
#include "base/status.h"
#include "causes/perf_ring.h"
#include <dirent.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    RECORDER_RINGS_BYTES = 16 << 20, /* of all CPUs; each has at most... */
    RECORDER_RING_BYTES = 1 << 20,   /* 32,000 switches: some seconds, and 100 ms of tasks that wake each other */
    RECORDER_NAMES_BYTES = 64 << 10,
    RECORDER_EVENTS = 65536, /* that a look takes in */
    RECORDER_CPUS = 256,
    RECORDER_THREADS = 64, /* of the process, beside the one that looks */
    RECORDER_IDS_MAX = 2 * SN_PERF_INTERRUPTS,
};

typedef struct recorder_ring {
    int fd;
    int id_fd[RECORDER_IDS_MAX];
    sn_perf_id id[RECORDER_IDS_MAX];
    size_t n_id;
    void *map;
    size_t map_bytes;
    sn_perf_ring view;
} recorder_ring;

struct sn_recorder {
    sn_recorder_level level;
    bool has_interrupts, in_namespace;
    int32_t thread, other[RECORDER_THREADS];
    uint32_t n_other, n_ring, n_named; /* rings with switches; those and, behind them, with names only */
    recorder_ring *ring;               /* of CPUs; at level THREAD none */
    recorder_ring own;                 /* of the thread */
    uint64_t own_head;
    sn_story_event *event;
};

static int recorder_open_event(const struct perf_event_attr *attr, pid_t pid, int cpu)
{
    return (int)syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
}

static struct perf_event_attr recorder_attr(uint32_t type, uint64_t config, uint64_t sample)
{
    return (struct perf_event_attr){.type = type,
                                    .size = sizeof(struct perf_event_attr),
                                    .config = config,
                                    .sample_type = sample | PERF_SAMPLE_TIME,
                                    .exclude_hv = 1,
                                    .write_backward = 1,
                                    .use_clockid = 1,
                                    .clockid = CLOCK_MONOTONIC};
}

static void recorder_ring_close(recorder_ring *g)
{
    for (size_t i = 0; i < g->n_id; i++)
        close(g->id_fd[i]);
    if (g->map)
        munmap(g->map, g->map_bytes);
    if (g->fd >= 0)
        close(g->fd);
    *g = (recorder_ring){.fd = -1};
}

/* Switches, and new names of tasks, of one CPU; or (cpu -1) the switches of the calling thread. */
static bool recorder_ring_open(recorder_ring *g, int cpu, bool switches, size_t bytes)
{
    struct perf_event_attr attr = recorder_attr(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_DUMMY, PERF_SAMPLE_TID);
    attr.sample_id_all = 1;
    attr.context_switch = switches;
    attr.comm = cpu >= 0;
    attr.exclude_kernel = cpu < 0; /* all that others may ask for; switches are recorded all the same */
    *g = (recorder_ring){.fd = recorder_open_event(&attr, cpu < 0 ? 0 : -1, cpu)};
    if (g->fd < 0)
        return false;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = 2;
    while (2 * pages * page <= bytes)
        pages *= 2;
    for (; pages >= 2 && !g->map; pages /= 2) { /* less where locked memory is scarce */
        g->map_bytes = (pages + 1) * page;
        g->map = mmap(NULL, g->map_bytes, PROT_READ, MAP_SHARED, g->fd, 0);
        g->map = g->map == MAP_FAILED ? NULL : g->map;
        g->view = (sn_perf_ring){.control = g->map,
                                 .data = g->map ? (const uint8_t *)g->map + page : NULL,
                                 .data_bytes = pages * page,
                                 .cpu = cpu >= 0 ? (uint32_t)cpu : SN_PERF_NO_CPU,
                                 .id = g->id};
    }
    if (!g->map) {
        recorder_ring_close(g);
        return false;
    }
    return true;
}

/* ---- interrupts ---------------------------------------------------------------------------------------- */

static size_t recorder_read(const char *path, char *text, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;
    if (fd >= 0) {
        for (ssize_t got; n < cap - 1 && (got = read(fd, text + n, cap - 1 - n)) > 0;)
            n += (size_t)got;
        close(fd);
    }
    text[n] = '\0';
    return n;
}

/* The number of a tracepoint whose first own field is 4 bytes behind the common ones; 0: there is none to be seen. */
static uint64_t recorder_tracepoint(const char *group, const char *name)
{
    static const char *const root[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
    char path[160], text[4096];
    for (size_t i = 0; i < sizeof root / sizeof *root; i++) {
        snprintf(path, sizeof path, "%s/events/%s/%s/format", root[i], group, name);
        if (!recorder_read(path, text, sizeof text))
            continue;
        const char *field = strstr(text, "offset:8;\tsize:4;");
        snprintf(path, sizeof path, "%s/events/%s/%s/id", root[i], group, name);
        if (field && recorder_read(path, text, sizeof text))
            return strtoull(text, NULL, 10);
    }
    return 0;
}

static bool recorder_add_tracepoint(recorder_ring *g, uint64_t config, int32_t source, uint32_t kind)
{
    struct perf_event_attr attr = recorder_attr(PERF_TYPE_TRACEPOINT, config, PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_RAW);
    attr.sample_period = 1;
    int fd = recorder_open_event(&attr, -1, (int)g->view.cpu);
    uint64_t id;
    if (fd < 0)
        return false;
    if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, g->fd) != 0 || ioctl(fd, PERF_EVENT_IOC_ID, &id) != 0) {
        close(fd);
        return false;
    }
    g->id[g->n_id] = (sn_perf_id){.id = id, .source = source, .kind = kind};
    g->id_fd[g->n_id++] = fd;
    g->view.n_id = g->n_id;
    return true;
}

/* Every pair that the kernel has, on every CPU. All of them or none: half of the interrupts would be a wrong sum. */
static bool recorder_add_interrupts(sn_recorder *r)
{
    static const char *const name[SN_PERF_INTERRUPTS][3] = {
#define RECORDER_NAME(id, group, enter, exit, text) {group, enter, exit},
        SN_PERF_INTERRUPT_LIST(RECORDER_NAME)
#undef RECORDER_NAME
    };
    bool any = false;
    for (int s = 0; s < SN_PERF_INTERRUPTS; s++) {
        uint64_t enter = recorder_tracepoint(name[s][0], name[s][1]),
                 leave = recorder_tracepoint(name[s][0], name[s][2]);
        if (!enter || !leave)
            continue; /* not of this architecture */
        any = true;
        for (uint32_t k = 0; k < r->n_ring; k++)
            if (!recorder_add_tracepoint(&r->ring[k], enter, s, SN_STORY_ENTER) ||
                !recorder_add_tracepoint(&r->ring[k], leave, s, SN_STORY_EXIT))
                return false;
    }
    return any;
}

static void recorder_drop_interrupts(sn_recorder *r)
{
    for (uint32_t k = 0; k < r->n_ring; k++) {
        for (size_t i = 0; i < r->ring[k].n_id; i++)
            close(r->ring[k].id_fd[i]);
        r->ring[k].n_id = r->ring[k].view.n_id = 0;
    }
}

/* ---- opening ------------------------------------------------------------------------------------------- */

static void recorder_close_rings(sn_recorder *r)
{
    for (uint32_t k = 0; k < r->n_named; k++)
        recorder_ring_close(&r->ring[k]);
    r->n_ring = r->n_named = 0;
}

/* A ring for each CPU that the thread may run on. */
static bool recorder_open_machine(sn_recorder *r)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return false;
    size_t share = RECORDER_RINGS_BYTES / (size_t)CPU_COUNT(&set);
    for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &set))
            continue;
        if (r->n_ring == RECORDER_CPUS ||
            !recorder_ring_open(&r->ring[r->n_ring], (int)cpu, true,
                                share < RECORDER_RING_BYTES ? share : RECORDER_RING_BYTES)) {
            recorder_close_rings(r);
            return false;
        }
        r->n_named = ++r->n_ring;
    }
    long n_cpus = sysconf(_SC_NPROCESSORS_ONLN); /* who runs here may have got its name elsewhere */
    for (int cpu = 0; cpu < n_cpus && r->n_named < RECORDER_CPUS; cpu++)
        if (!CPU_ISSET((size_t)cpu, &set))
            r->n_named += recorder_ring_open(&r->ring[r->n_named], cpu, false, RECORDER_NAMES_BYTES);
    return r->n_ring > 0;
}

/* In a PID namespace of its own a process cannot tell a task of outside from none at all: both are number 0. The number
 * of the first namespace is fixed (PROC_PID_INIT_INO). */
static bool recorder_in_namespace(void)
{
    char text[64];
    ssize_t n = readlink("/proc/self/ns/pid", text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return strcmp(text, "pid:[4026531836]") != 0;
}

setsuna_status sn_recorder_open(sn_recorder_level max_level, sn_recorder **out)
{
    const sn_allocator *a = sn_allocator_default();
    sn_recorder *r = sn_alloc_zero(a, sizeof *r);
    if (!r)
        return SETSUNA_ENOMEM;
    r->ring = sn_alloc_zero(a, RECORDER_CPUS * sizeof *r->ring);
    r->event = sn_alloc_zero(a, (size_t)2 * RECORDER_EVENTS * sizeof *r->event);
    if (!r->ring || !r->event) {
        sn_recorder_close(r);
        return SETSUNA_ENOMEM;
    }
    r->thread = (int32_t)syscall(SYS_gettid);
    r->in_namespace = recorder_in_namespace();
    r->own.fd = -1;
    if (max_level >= SN_RECORDER_THREAD && recorder_ring_open(&r->own, -1, true, RECORDER_RING_BYTES / 8))
        r->level = SN_RECORDER_THREAD;
    if (r->level && max_level >= SN_RECORDER_MACHINE && recorder_open_machine(r)) {
        r->level = SN_RECORDER_MACHINE;
        r->has_interrupts = recorder_add_interrupts(r);
        if (!r->has_interrupts)
            recorder_drop_interrupts(r);
    }
    *out = r;
    return SETSUNA_OK;
}

void sn_recorder_close(sn_recorder *r)
{
    if (!r)
        return;
    if (r->level)
        recorder_ring_close(&r->own);
    recorder_close_rings(r);
    sn_free(sn_allocator_default(), r->ring);
    sn_free(sn_allocator_default(), r->event);
    sn_free(sn_allocator_default(), r);
}

sn_recorder_level sn_recorder_get_level(const sn_recorder *r)
{
    return r->level;
}

bool sn_recorder_has_interrupts(const sn_recorder *r)
{
    return r->has_interrupts;
}

void sn_recorder_find_threads(sn_recorder *r)
{
    DIR *dir = r->level == SN_RECORDER_MACHINE ? opendir("/proc/self/task") : NULL;
    r->n_other = 0;
    for (const struct dirent *e; dir && r->n_other < RECORDER_THREADS && (e = readdir(dir));) {
        long id = strtol(e->d_name, NULL, 10);
        if (id > 0 && id <= INT32_MAX && id != r->thread)
            r->other[r->n_other++] = (int32_t)id;
    }
    if (dir)
        closedir(dir);
}

/* ---- looking ------------------------------------------------------------------------------------------- */

bool sn_recorder_has_left(sn_recorder *r)
{
    if (!r->level)
        return true;
    uint64_t head = sn_perf_ring_head(&r->own.view), before = r->own_head;
    r->own_head = head;
    return head != before;
}

/* The events of some rings from from_ns on, in order of time. false: some are missing. */
static bool recorder_collect(sn_recorder *r, uint64_t from_ns, bool all, uint32_t cpu, size_t *n_out)
{
    size_t n = 0;
    if (r->level == SN_RECORDER_THREAD && !sn_perf_ring_collect(&r->own.view, from_ns, r->event, &n, RECORDER_EVENTS))
        return false;
    for (uint32_t k = 0; k < r->n_ring; k++)
        if ((all || r->ring[k].view.cpu == cpu) &&
            !sn_perf_ring_collect(&r->ring[k].view, from_ns, r->event, &n, RECORDER_EVENTS))
            return false;
    for (size_t i = 0; i < n / 2; i++) { /* a ring's events come in falling order: now they rise */
        sn_story_event t = r->event[i];
        r->event[i] = r->event[n - 1 - i];
        r->event[n - 1 - i] = t;
    }
    sn_story_sort(r->event, n, r->event + RECORDER_EVENTS);
    *n_out = n;
    return true;
}

/* Of the process's other threads, the one that was pushed from its CPU for longest. */
static void recorder_look_at_others(const sn_recorder *r, size_t n, uint64_t from_ns, uint64_t to_ns, sn_story *out)
{
    for (uint32_t i = 0; n > 0 && i < r->n_other; i++) {
        sn_story story;
        sn_story_tell(r->event, n, r->other[i], SN_PERF_NO_CPU, from_ns, to_ns, &story);
        if (story.pushed_ns > out->pushed_ns)
            *out = story;
    }
}

void sn_recorder_look(sn_recorder *r, uint64_t from_ns, uint64_t to_ns, bool switched, sn_cause_evidence *e)
{
    *e = (sn_cause_evidence){.has_switches = r->level != SN_RECORDER_NONE && !switched};
    e->has_who = e->has_switches && r->level == SN_RECORDER_MACHINE;
    bool all = switched || r->n_other > 0;
    if (r->level == SN_RECORDER_NONE || (!all && !r->has_interrupts))
        return;
    uint32_t cpu = (uint32_t)sched_getcpu();
    size_t n;
    if (!recorder_collect(r, from_ns, all, cpu, &n)) {
        *e = (sn_cause_evidence){.has_switches = false};
        return;
    }
    sn_story_tell(r->event, n, r->thread, cpu, from_ns, to_ns, &e->story);
    recorder_look_at_others(r, n, from_ns, to_ns, &e->other);
    e->has_switches = true;
    e->has_who = r->level == SN_RECORDER_MACHINE;
    e->has_interrupts = r->has_interrupts;
    if (r->in_namespace)
        e->story.idle_ns = 0; /* it may as well be a task of outside */
}

/* ---- names --------------------------------------------------------------------------------------------- */

/* Names come from other processes: printable ASCII only, and no longer than fits. */
static void recorder_clean(char *text)
{
    for (; *text; text++)
        if (*text < 0x20 || *text > 0x7e)
            *text = *text == '\n' && !text[1] ? '\0' : '?';
}

void sn_recorder_task_name(const sn_recorder *r, int32_t task, char out[SN_RECORDER_NAME])
{
    if (task == SN_STORY_IDLE || task == SN_STORY_NOBODY) {
        snprintf(out, SN_RECORDER_NAME, "%s",
                 task == SN_STORY_NOBODY ? "another task"
                 : r->in_namespace       ? "outside the container"
                                         : "idle");
        return;
    }
    char path[32], comm[64];
    snprintf(path, sizeof path, "/proc/%d/comm", task);
    bool named = recorder_read(path, comm, sizeof comm) > 0;
    for (uint32_t k = 0; k < r->n_named && !named; k++)
        named = sn_perf_ring_comm(&r->ring[k].view, task, comm);
    recorder_clean(comm);
    snprintf(out, SN_RECORDER_NAME, "%.15s%s(%d)", named ? comm : "", named ? " " : "", task);
}

/* The last word of its line in /proc/interrupts. */
static void recorder_irq_device(int32_t number, char out[SN_RECORDER_NAME])
{
    FILE *f = fopen("/proc/interrupts", "re");
    char *line = NULL;
    size_t cap = 0;
    out[0] = '\0';
    while (f && getline(&line, &cap, f) > 0) {
        char *end;
        long n = strtol(line, &end, 10);
        if (end == line || *end != ':' || n != number)
            continue;
        line[strcspn(line, "\n")] = '\0';
        const char *word = strrchr(line, ' ');
        snprintf(out, SN_RECORDER_NAME, "%.16s", word ? word + 1 : "");
        break;
    }
    free(line);
    if (f)
        fclose(f);
    recorder_clean(out);
}

void sn_recorder_interrupt_name(int32_t source, int32_t number, char out[SN_RECORDER_NAME])
{
    static const char *const text[SN_PERF_INTERRUPTS] = {
#define RECORDER_TEXT(id, group, enter, exit, text) text,
        SN_PERF_INTERRUPT_LIST(RECORDER_TEXT)
#undef RECORDER_TEXT
    };
    /* In the order of the kernel's enum; include/linux/interrupt.h. */
    static const char *const soft[] = {"HI",       "TIMER",   "NET_TX", "NET_RX",  "BLOCK",
                                       "IRQ_POLL", "TASKLET", "SCHED",  "HRTIMER", "RCU"};
    char device[SN_RECORDER_NAME] = "";
    if (source == SN_PERF_SOFTIRQ && number >= 0 && (size_t)number < sizeof soft / sizeof *soft)
        snprintf(out, SN_RECORDER_NAME, "softirq %s", soft[number]);
    else if (source == SN_PERF_IRQ) {
        recorder_irq_device(number, device);
        snprintf(out, SN_RECORDER_NAME, "irq %d %.16s", number, device);
    } else
        snprintf(out, SN_RECORDER_NAME, "%s", source >= 0 && source < SN_PERF_INTERRUPTS ? text[source] : "?");
}

uint64_t sn_recorder_fault_ns(void)
{
    enum { PAGES = 256 };
    size_t page = (size_t)sysconf(_SC_PAGESIZE), bytes = PAGES * page;
    void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED)
        return 0;
    madvise(map, bytes, MADV_NOHUGEPAGE);
    volatile uint8_t *fresh = map;
    uint64_t best = UINT64_MAX;
    for (int part = 0; part < 4; part++) { /* the best of four: a disturbance must not make faults dear */
        uint64_t begin = sn_now_ns();
        for (size_t i = 0; i < PAGES / 4; i++)
            fresh[((size_t)part * (PAGES / 4) + i) * page] = 1;
        uint64_t ns = (sn_now_ns() - begin) / (PAGES / 4);
        best = ns < best ? ns : best;
    }
    munmap(map, bytes);
    return best;
}
