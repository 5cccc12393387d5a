#include "conformance/conformance.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ISOLATE_CASE_SECONDS = 60 };

/* What a child tells its parent: a case begins, or how it ended. */
typedef struct isolate_message {
    size_t index;
    bool done, passed;
    char reason[CASE_REASON_MAX];
} isolate_message;

static bool isolate_write(int fd, const isolate_message *m)
{
    return write(fd, m, sizeof *m) == (ssize_t)sizeof *m; /* below PIPE_BUF: whole or not at all */
}

static bool isolate_read(int fd, isolate_message *m)
{
    for (size_t have = 0; have < sizeof *m;) {
        ssize_t n = read(fd, (char *)m + have, sizeof *m - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        have += (size_t)n;
    }
    return true;
}

_Noreturn static void isolate_child(conformance_case *c, size_t begin, size_t n, const sn_model_options *options,
                                    int fd)
{
    for (size_t i = begin; i < n; i++) {
        isolate_message m = {.index = i};
        alarm(ISOLATE_CASE_SECONDS);
        if (!isolate_write(fd, &m))
            _exit(1);
        conformance_case_run(&c[i], options);
        m.done = true;
        m.passed = c[i].passed;
        memcpy(m.reason, c[i].reason, sizeof m.reason);
        if (!isolate_write(fd, &m))
            _exit(1);
    }
    exit(0); /* not _exit: a leak checker reports here */
}

/* Runs cases from begin on until the child ends; returns the first that is still to run. */
static size_t isolate_batch(conformance_case *c, size_t begin, size_t n, const sn_model_options *options)
{
    int fd[2];
    fflush(NULL);
    if (pipe(fd) != 0) {
        perror("pipe");
        exit(2);
    }
    pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid == 0) {
        close(fd[0]);
        isolate_child(c, begin, n, options, fd[1]);
    }
    close(fd[1]);
    isolate_message m;
    size_t at = begin;
    while (isolate_read(fd[0], &m)) {
        at = m.index;
        if (m.done) {
            c[at].ran = true;
            c[at].passed = m.passed;
            memcpy(c[at].reason, m.reason, sizeof m.reason);
            at++;
        }
    }
    close(fd[0]);
    int wait_status = 0;
    while (waitpid(pid, &wait_status, 0) < 0 && errno == EINTR) {
    }
    if (at == n && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0)
        return n;
    size_t blamed = at < n ? at : n - 1; /* a leak shows only at the end of the batch */
    c[blamed].ran = true;
    c[blamed].passed = false;
    if (WIFSIGNALED(wait_status))
        snprintf(c[blamed].reason, sizeof c[blamed].reason, "crashed: %s",
                 WTERMSIG(wait_status) == SIGALRM ? "it took too long" : strsignal(WTERMSIG(wait_status)));
    else
        snprintf(c[blamed].reason, sizeof c[blamed].reason, "crashed: exit status %d", WEXITSTATUS(wait_status));
    return blamed + 1;
}

void conformance_run(conformance_case *c, size_t n, const sn_model_options *options, bool in_process)
{
    for (size_t i = 0; in_process && i < n; i++) {
        fprintf(stderr, "%s\n", c[i].id);
        conformance_case_run(&c[i], options);
    }
    for (size_t i = 0; !in_process && i < n;)
        i = isolate_batch(c, i, n, options);
}
