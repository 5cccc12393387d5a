#include "cli/compare_run.h"
#include "base/file.h"
#include "base/status.h"
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { RUN_ARGS_MAX = 512, RUN_MESSAGE_MAX = 1500, RUN_TEXT_MAX = 16 << 20, RUN_PATH_MAX = 400 };
#define RUN_LOG_BYTES_MAX ((size_t)1 << 30)

/* The folder of a run, and what the process writes there. */
typedef struct run_folder {
    char dir[RUN_PATH_MAX];
    char log[RUN_PATH_MAX + 8], out[RUN_PATH_MAX + 8], message[RUN_PATH_MAX + 8];
} run_folder;

static setsuna_status run_folder_create(run_folder *f, setsuna_error *err)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(f->dir, sizeof f->dir, "%s/setsuna-compare-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (n < 0 || (size_t)n >= sizeof f->dir || !mkdtemp(f->dir))
        return sn_fail(err, SETSUNA_EIO, f->dir, "cannot make a folder: %s", strerror(errno));
    snprintf(f->log, sizeof f->log, "%s/log", f->dir);
    snprintf(f->out, sizeof f->out, "%s/out", f->dir);
    snprintf(f->message, sizeof f->message, "%s/err", f->dir);
    return SETSUNA_OK;
}

static void run_folder_remove(const run_folder *f)
{
    unlink(f->log);
    unlink(f->out);
    unlink(f->message);
    rmdir(f->dir);
}

static setsuna_status run_spawn(char *const *argv, const run_folder *f, pid_t *pid_out, setsuna_error *err)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, f->out, O_WRONLY | O_CREAT | O_EXCL, 0600);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, f->message, O_WRONLY | O_CREAT | O_EXCL, 0600);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failed = posix_spawnp(pid_out, argv[0], &files, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return failed ? sn_fail(err, SETSUNA_EIO, argv[0], "cannot be started: %s", strerror(failed)) : SETSUNA_OK;
}

/* Returns what waitpid says of it. */
static int run_wait(pid_t pid, const volatile sig_atomic_t *stop)
{
    int result = 0;
    bool told = false;
    while (waitpid(pid, &result, 0) < 0 && errno == EINTR)
        if (*stop && !told) {
            told = true;
            kill(pid, SIGINT);
        }
    return result;
}

/* The end of what the process wrote to its standard error. */
static setsuna_status run_failed(const run_folder *f, const char *name, const char *program, int result,
                                 setsuna_error *err)
{
    sn_bytes text = {.size = 0};
    char how[64];
    if (WIFSIGNALED(result))
        snprintf(how, sizeof how, "was ended by signal %d", WTERMSIG(result));
    else
        snprintf(how, sizeof how, "ended with exit code %d", WEXITSTATUS(result));
    if (sn_file_read(f->message, RUN_TEXT_MAX, &text, NULL) != SETSUNA_OK)
        text.size = 0;
    size_t skip = text.size > RUN_MESSAGE_MAX ? text.size - RUN_MESSAGE_MAX : 0, n = text.size - skip;
    while (n > 0 && text.data[skip + n - 1] == '\n')
        n--;
    setsuna_status status = sn_fail(err, SETSUNA_EIO, name, "%s %s%s%.*s", program, how, n ? ":\n" : "", (int)n,
                                    n ? (const char *)text.data + skip : "");
    sn_bytes_fini(&text);
    return status;
}

static setsuna_status run_read(const run_folder *f, const char *name, sn_compare_run *out, setsuna_error *err)
{
    sn_bytes bytes;
    SN_TRY(sn_file_read(f->out, RUN_TEXT_MAX, &bytes, err));
    bool found = sn_passport_text_find((const char *)bytes.data, bytes.size, &out->passport);
    sn_bytes_fini(&bytes);
    if (!found)
        return sn_fail(err, SETSUNA_EINPUT, name, "it printed no passport: is it a `setsuna bench` command?");
    if (sn_file_read(f->log, RUN_LOG_BYTES_MAX, &bytes, NULL) != SETSUNA_OK)
        return sn_fail(err, SETSUNA_EINPUT, name, "it wrote no log: is it a `setsuna bench` command?");
    setsuna_status status = sn_request_log_parse(bytes.data, bytes.size, NULL, 0, &out->log, err);
    sn_bytes_fini(&bytes);
    return status;
}

setsuna_status sn_compare_run_start(char *const *argv, const char *name, const volatile sig_atomic_t *stop,
                                    sn_compare_run *out, setsuna_error *err)
{
    static char json[] = "--json", log[] = "--log";
    char *words[RUN_ARGS_MAX];
    size_t n = 0;
    run_folder f;
    pid_t pid;
    for (; argv[n]; n++) {
        if (n + 4 >= RUN_ARGS_MAX)
            return sn_fail(err, SETSUNA_ELIMIT, name, "more than %d words", RUN_ARGS_MAX - 4);
        words[n] = argv[n];
    }
    SN_TRY(run_folder_create(&f, err));
    words[n++] = json;
    words[n++] = log;
    words[n++] = f.log;
    words[n] = NULL;
    setsuna_status status = run_spawn(words, &f, &pid, err);
    int result = status == SETSUNA_OK ? run_wait(pid, stop) : 0;
    if (status == SETSUNA_OK && *stop)
        status = sn_fail(err, SETSUNA_ECANCELED, NULL, "interrupted");
    if (status == SETSUNA_OK && (!WIFEXITED(result) || WEXITSTATUS(result) != 0))
        status = run_failed(&f, name, words[0], result, err);
    if (status == SETSUNA_OK)
        status = run_read(&f, name, out, err);
    run_folder_remove(&f);
    return status;
}
