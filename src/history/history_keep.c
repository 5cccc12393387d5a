#include "history/history_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Opens, adds, closes. *corrupt_out: why it failed, if that was it. */
static setsuna_status keep_once(const char *path, const sn_history_run *run, int64_t *id_out, bool *corrupt_out,
                                setsuna_error *err)
{
    sn_history *h = NULL;
    setsuna_status status = sn_history_open(path, SN_HISTORY_WRITE, &h, err);
    *corrupt_out = status == SETSUNA_EINPUT;
    if (status != SETSUNA_OK)
        return status;
    status = sn_history_add(h, run, id_out, err);
    *corrupt_out = h->corrupt;
    sn_history_close(h);
    return status;
}

/* path with .corrupt-20260131-235959 behind it, and a number where that is taken. */
static bool keep_aside_name(const char *path, char *out, size_t cap)
{
    time_t now = time(NULL);
    struct tm t;
    char when[32];
    gmtime_r(&now, &t);
    strftime(when, sizeof when, "%Y%m%d-%H%M%S", &t);
    for (int i = 0; i < 100; i++) {
        int n =
            i ? snprintf(out, cap, "%s.corrupt-%s-%d", path, when, i) : snprintf(out, cap, "%s.corrupt-%s", path, when);
        if (n < 0 || (size_t)n >= cap)
            return false;
        if (access(out, F_OK) != 0)
            return true;
    }
    return false;
}

/* The journals go with it: SQLite would replay them into the new file. */
static setsuna_status keep_rename(const char *path, char *moved_out, setsuna_error *err)
{
    static const char *const journals[] = {"-wal", "-shm", "-journal"};
    char from[SN_HISTORY_PATH_MAX + 16], to[SN_HISTORY_PATH_MAX + 16];
    if (!keep_aside_name(path, moved_out, SN_HISTORY_PATH_MAX) || rename(path, moved_out) != 0) {
        moved_out[0] = '\0';
        return sn_fail(err, SETSUNA_EIO, path, "the history is corrupt, and cannot be moved aside: %s",
                       strerror(errno));
    }
    for (size_t i = 0; i < sizeof journals / sizeof journals[0]; i++) {
        snprintf(from, sizeof from, "%s%s", path, journals[i]);
        snprintf(to, sizeof to, "%s%s", moved_out, journals[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return sn_fail(err, SETSUNA_EIO, from, "cannot be moved aside: %s", strerror(errno));
    }
    return SETSUNA_OK;
}

/* While nobody has the file open: its journals must not be moved from under them, nor replayed into the new file. Two
 * processes may have found the same file corrupt, and the second one must not move away what the first has begun: so it
 * must still be the one that was found. */
static setsuna_status keep_move_aside(const char *path, const struct stat *found, char *moved_out, setsuna_error *err)
{
    struct stat now;
    int fd = sn_history_open_folder(path);
    bool locked = fd >= 0 && flock(fd, LOCK_EX) == 0;
    setsuna_status status = SETSUNA_OK;
    if (!locked)
        status = sn_fail(err, SETSUNA_EIO, path, "the history is corrupt, and its folder cannot be locked: %s",
                         strerror(errno));
    else if (stat(path, &now) == 0 && now.st_ino == found->st_ino && now.st_dev == found->st_dev)
        status = keep_rename(path, moved_out, err);
    if (fd >= 0)
        close(fd);
    return status;
}

/* Whether path begins like a history of ours: SQLite's magic, and PRAGMA application_id. Source: SQLite, "Database File
 * Format", 1.3. */
static bool keep_begins_like_ours(const char *path)
{
    enum { MAGIC = 16, APPLICATION = 68, HEAD = 72 };
    unsigned char head[HEAD] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, head, sizeof head) : -1;
    if (fd >= 0)
        close(fd);
    uint32_t application = (uint32_t)head[APPLICATION] << 24 | (uint32_t)head[APPLICATION + 1] << 16 |
                           (uint32_t)head[APPLICATION + 2] << 8 | head[APPLICATION + 3];
    return n == HEAD && memcmp(head, "SQLite format 3", MAGIC) == 0 && application == SN_HISTORY_APPLICATION;
}

setsuna_status sn_history_keep(const char *path, bool own_place, const sn_history_run *run, int64_t *id_out,
                               char moved_out[SN_HISTORY_PATH_MAX], setsuna_error *err)
{
    struct stat found;
    bool corrupt, known = stat(path, &found) == 0;
    moved_out[0] = '\0';
    setsuna_status status = keep_once(path, run, id_out, &corrupt, err);
    if (status == SETSUNA_OK || !corrupt || !known || (!own_place && !keep_begins_like_ours(path)))
        return status;
    SN_TRY(keep_move_aside(path, &found, moved_out, err));
    return keep_once(path, run, id_out, &corrupt, err);
}
