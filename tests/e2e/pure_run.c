/* pure_run MODEL [NAME=DIMS | NAME=FILE.npy | NAME=VALUE.0 ...]: after its first runs, a run on one thread allocates
 * nothing and makes no system call.
 *
 * Allocations are counted by wrapping the allocation functions at link time. System calls are forbidden by a seccomp
 * filter: the first one kills the process with SIGSYS, so a pass needs no trust in our own counting.
 */
#include "cli/model_inputs.h"
#include "e2e/test_input.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned n_allocations;

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t m);
void *__real_realloc(void *p, size_t n);
int __real_posix_memalign(void **p, size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t m);
void *__wrap_realloc(void *p, size_t n);
int __wrap_posix_memalign(void **p, size_t align, size_t n);

void *__wrap_malloc(size_t n)
{
    n_allocations++;
    return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t m)
{
    n_allocations++;
    return __real_calloc(n, m);
}

void *__wrap_realloc(void *p, size_t n)
{
    n_allocations++;
    return __real_realloc(p, n);
}

int __wrap_posix_memalign(void **p, size_t align, size_t n)
{
    n_allocations++;
    return __real_posix_memalign(p, align, n);
}

static bool forbid_system_calls(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { PASS = 0, FAIL_SETUP = 10, FAIL_RUN = 11, FAIL_ALLOCATED = 12 };

static int child(int argc, char **argv)
{
    setsuna_error err = {0};
    sn_model *model = NULL;
    sn_session *session = NULL;
    sn_cli_inputs in = {0};
    static setsuna_tensor out[64];
    for (int i = 2; i < argc; i++)
        if (!sn_cli_inputs_add(&in, argv[i], test_input_kind(argv[i])))
            return FAIL_SETUP;
    if (sn_model_open(argv[1], NULL, &model, &err) || sn_cli_inputs_make(&in, model, true, &err) ||
        sn_session_create(model, &session, &err) || sn_session_run(session, in.tensor, out, &err) ||
        sn_session_run(session, in.tensor, out, &err)) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        return FAIL_SETUP;
    }
    n_allocations = 0;
    if (!forbid_system_calls())
        return FAIL_SETUP;
    setsuna_status status = SETSUNA_OK;
    for (int i = 0; i < 3 && status == SETSUNA_OK; i++)
        status = sn_session_run(session, in.tensor, out, &err);
    _exit(status != SETSUNA_OK ? FAIL_RUN : n_allocations ? FAIL_ALLOCATED : PASS);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        return 2;
    if (access(argv[1], R_OK) != 0) {
        printf("skipped: %s is not there (scripts/deps fetches it)\n", argv[1]);
        return 77;
    }
    pid_t pid = fork();
    if (pid == 0)
        _exit(child(argc, argv));
    int status;
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return 1;
    if (WIFSIGNALED(status))
        printf("FAILED: a run made a system call (signal %d)\n", WTERMSIG(status));
    else if (WEXITSTATUS(status) == FAIL_ALLOCATED)
        printf("FAILED: a run allocated memory\n");
    else if (WEXITSTATUS(status))
        printf("FAILED: exit code %d\n", WEXITSTATUS(status));
    else
        printf("no allocation and no system call in three runs\n");
    return status != 0;
}
