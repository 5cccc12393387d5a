/* setsuna bench, disturbed on purpose: disturb KIND SEED COUNT TRUTH bench-arguments...
 *
 * Runs the command in this process, pinned to one CPU, and meanwhile disturbs it COUNT times at random. What was done
 * and when goes into the file TRUTH, one line "begin_ns end_ns amount_ns" each, in CLOCK_MONOTONIC, and a last line
 * "runqueue_ns NNN" with what the kernel counted for the thread. KIND:
 *
 *     quiet    nothing
 *     hog      a process of the name sn-hog spins on the same CPU, with the highest priority it can get
 *     faults   the thread touches fresh pages inside a request
 *     work     the thread computes for longer inside a request
 *     sleep    the thread sleeps inside a request
 *     stop     SIGSTOP, and SIGCONT later
 *
 * KIND:MS makes each as long as that; otherwise their lengths are random, from 4 to 20 ms.
 */
#include "base/clock.h"
#include "base/random.h"
#include "cli/commands.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MS UINT64_C(1000000)

typedef enum kind { QUIET, HOG, FAULTS, WORK, SLEEP, STOP, KINDS } kind;
static const char *const kind_name[KINDS] = {"quiet", "hog", "faults", "work", "sleep", "stop"};

typedef struct injector {
    kind kind;
    uint64_t fixed_ns;
    long count;
    FILE *truth;
    pthread_t victim;
    cpu_set_t cpu; /* the victim's */
    sn_random random;
    int to[2], from[2];
    pid_t child;
    atomic_bool over;
} injector;

/* What the signal handler shall do, and what it did. */
static _Atomic uint64_t wanted_ns, began_ns, ended_ns;
static _Atomic int wanted_kind;

static uint64_t cpu_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000 * MS + (uint64_t)t.tv_nsec;
}

static void nap(uint64_t ns)
{
    struct timespec t = {.tv_sec = (time_t)(ns / (1000 * MS)), .tv_nsec = (long)(ns % (1000 * MS))};
    while (nanosleep(&t, &t) != 0)
        ;
}

/* Fresh pages until that much CPU time has gone: unmapping them is part of it, and small. */
static void touch(uint64_t ns)
{
    enum { BYTES = 1 << 20 };
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint64_t until = cpu_now() + ns;
    while (cpu_now() < until) {
        char *fresh = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (fresh == MAP_FAILED)
            return;
        madvise(fresh, BYTES, MADV_NOHUGEPAGE);
        for (size_t i = 0; i < BYTES; i += page)
            ((volatile char *)fresh)[i] = 1;
        munmap(fresh, BYTES);
    }
}

/* On the thread that predicts, in the middle of what it does. */
static void on_signal(int number)
{
    (void)number;
    uint64_t ns = wanted_ns;
    began_ns = sn_now_ns();
    if (wanted_kind == WORK)
        for (uint64_t until = cpu_now() + ns; cpu_now() < until;)
            ;
    else if (wanted_kind == FAULTS)
        touch(ns);
    else
        nap(ns);
    ended_ns = sn_now_ns();
}

static void inject_inside(injector *in, uint64_t ns, uint64_t *begin, uint64_t *end)
{
    wanted_kind = (int)in->kind;
    wanted_ns = ns;
    ended_ns = 0;
    pthread_kill(in->victim, SIGUSR1);
    while (!ended_ns && !in->over)
        nap(MS / 10);
    *begin = began_ns;
    *end = ended_ns;
}

/* A process that was there from the beginning: forking while something is measured would disturb it too. It takes
 * lengths from one pipe and answers on another. */
static void serve_from_outside(const injector *in, pid_t parent)
{
    uint64_t ns;
    prctl(PR_SET_NAME, in->kind == HOG ? "sn-hog" : "sn-stopper");
    if (in->kind == HOG) {
        setpriority(PRIO_PROCESS, 0, -20); /* where that is permitted */
        sched_setaffinity(0, sizeof in->cpu, &in->cpu);
    }
    while (read(in->to[0], &ns, sizeof ns) == sizeof ns) {
        if (in->kind == HOG) {
            for (uint64_t until = cpu_now() + ns; cpu_now() < until;)
                ;
        } else {
            kill(parent, SIGSTOP);
            nap(ns);
            kill(parent, SIGCONT);
        }
        if (write(in->from[1], &ns, sizeof ns) != sizeof ns)
            break;
    }
    _exit(0);
}

static bool start_outside(injector *in)
{
    pid_t parent = getpid();
    if (pipe(in->to) != 0 || pipe(in->from) != 0 || (in->child = fork()) < 0)
        return false;
    if (in->child == 0) {
        close(in->to[1]);
        serve_from_outside(in, parent);
    }
    close(in->to[0]);
    return true;
}

static void stop_outside(injector *in)
{
    int status;
    close(in->to[1]);
    waitpid(in->child, &status, 0);
}

static void inject_from_outside(injector *in, uint64_t ns, uint64_t *begin, uint64_t *end)
{
    *begin = sn_now_ns();
    if (write(in->to[1], &ns, sizeof ns) == sizeof ns && read(in->from[0], &ns, sizeof ns) == sizeof ns)
        *end = sn_now_ns();
}

static void *inject(void *arg)
{
    injector *in = arg;
    nap(200 * MS);
    for (long i = 0; i < in->count && !in->over; i++) {
        nap(40 * MS + sn_random_below(&in->random, 60) * MS);
        uint64_t ns = in->fixed_ns ? in->fixed_ns : 4 * MS + sn_random_below(&in->random, 16000) * (MS / 1000);
        uint64_t begin = 0, end = 0;
        if (in->over || in->kind == QUIET)
            break;
        if (in->kind == HOG || in->kind == STOP)
            inject_from_outside(in, ns, &begin, &end);
        else
            inject_inside(in, ns, &begin, &end);
        if (end)
            fprintf(in->truth, "%llu %llu %llu\n", (unsigned long long)begin, (unsigned long long)end,
                    (unsigned long long)ns);
    }
    return NULL;
}

static unsigned long long runqueue_ns(void)
{
    unsigned long long on = 0, waited = 0;
    FILE *f = fopen("/proc/thread-self/schedstat", "re");
    if (f && fscanf(f, "%llu %llu", &on, &waited) != 2)
        waited = 0;
    if (f)
        fclose(f);
    return waited;
}

/* The last CPU that we may use: the first one has more of everybody else's work. */
static bool pin(injector *in)
{
    cpu_set_t all;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) < 2)
        return false;
    size_t cpu = CPU_SETSIZE - 1;
    while (!CPU_ISSET(cpu, &all))
        cpu--;
    CPU_ZERO(&in->cpu);
    CPU_SET(cpu, &in->cpu);
    return true;
}

static bool parse(injector *in, char **argv)
{
    char *ms = strchr(argv[1], ':');
    if (ms)
        in->fixed_ns = strtoull(ms + 1, NULL, 10) * MS;
    size_t len = ms ? (size_t)(ms - argv[1]) : strlen(argv[1]);
    int k = 0;
    while (k < KINDS && (strncmp(argv[1], kind_name[k], len) != 0 || kind_name[k][len]))
        k++;
    in->kind = (kind)k;
    sn_random_init(&in->random, strtoull(argv[2], NULL, 10));
    in->count = strtol(argv[3], NULL, 10);
    in->truth = fopen(argv[4], "we");
    return k < KINDS && in->truth;
}

int main(int argc, char **argv)
{
    static injector in;
    if (argc < 7 || !parse(&in, argv))
        return 2;
    if (!pin(&in))
        return 77; /* with one CPU, who disturbs would disturb himself */
    struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &act, NULL);
    in.victim = pthread_self();
    /* As the command does: whoever blocks SIGCONT must do so in every thread. */
    sigset_t cont;
    sigemptyset(&cont);
    sigaddset(&cont, SIGCONT);
    pthread_sigmask(SIG_BLOCK, &cont, NULL);
    if (!start_outside(&in))
        return 2;
    pthread_t thread;
    if (pthread_create(&thread, NULL, inject, &in) != 0)
        return 2;
    sched_setaffinity(0, sizeof in.cpu, &in.cpu); /* of this thread alone */
    unsigned long long before = runqueue_ns();
    int code = sn_cli_bench(argc - 5, argv + 5);
    fprintf(in.truth, "runqueue_ns %llu\n", runqueue_ns() - before);
    in.over = true;
    pthread_join(thread, NULL);
    stop_outside(&in);
    fclose(in.truth);
    return code;
}
