#include "base/file.h"
#include "base/pages.h"
#include "base/status.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static setsuna_status file_fail_errno(setsuna_error *err, const char *path, const char *what)
{
    int e = errno;
    setsuna_status status = e == ENOENT || e == ENOTDIR ? SETSUNA_ENOTFOUND
                            : e == ENOMEM               ? SETSUNA_ENOMEM
                                                        : SETSUNA_EIO;
    return sn_fail(err, status, path, "cannot %s: %s", what, strerror(e));
}

setsuna_status sn_file_pread(int fd, void *dst, size_t size, uint64_t offset, const char *path, setsuna_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, (char *)dst + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return file_fail_errno(err, path, "read");
        if (n == 0)
            return sn_fail(err, SETSUNA_EIO, path, "the file became shorter while it was read");
        done += (size_t)n;
    }
    return SETSUNA_OK;
}

setsuna_status sn_file_open(const char *path, size_t limit_bytes, int *fd_out, struct stat *st, setsuna_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* O_NONBLOCK: a fifo must not hang us */
    if (fd < 0)
        return file_fail_errno(err, path, "open");
    setsuna_status status = SETSUNA_OK;
    if (fstat(fd, st) != 0)
        status = file_fail_errno(err, path, "stat");
    else if (!S_ISREG(st->st_mode))
        status = sn_fail(err, SETSUNA_EIO, path, "not a regular file");
    else if (limit_bytes && (uint64_t)st->st_size > limit_bytes)
        status = sn_fail(err, SETSUNA_ELIMIT, path, "%lld bytes are more than the limit of %zu", (long long)st->st_size,
                         limit_bytes);
    if (status == SETSUNA_OK)
        *fd_out = fd;
    else
        close(fd);
    return status;
}

static setsuna_status file_read_open(int fd, size_t size, const char *path, sn_bytes *out, setsuna_error *err)
{
    if (size == 0) {
        *out = (sn_bytes){NULL, 0};
        return SETSUNA_OK;
    }
    void *p = sn_pages_alloc(size);
    if (!p)
        return sn_fail(err, SETSUNA_ENOMEM, path, "no memory for its %zu bytes", size);
    setsuna_status status = sn_file_pread(fd, p, size, 0, path, err);
    if (status == SETSUNA_OK)
        *out = (sn_bytes){p, size};
    else
        sn_pages_free(p, size);
    return status;
}

setsuna_status sn_file_read(const char *path, size_t limit_bytes, sn_bytes *out, setsuna_error *err)
{
    int fd;
    struct stat st;
    SN_TRY(sn_file_open(path, limit_bytes, &fd, &st, err));
    setsuna_status status = file_read_open(fd, (size_t)st.st_size, path, out, err);
    close(fd);
    return status;
}

/* Room for more than is there: what is in it moves to a larger place. */
static bool file_grow(sn_bytes *room, size_t used, size_t size)
{
    uint8_t *data = sn_pages_alloc(size);
    if (!data)
        return false;
    if (used)
        memcpy(data, room->data, used);
    sn_bytes_fini(room);
    *room = (sn_bytes){data, size};
    return true;
}

setsuna_status sn_file_read_stream(int fd, const char *name, size_t limit_bytes, sn_bytes *out, setsuna_error *err)
{
    enum { FIRST_BYTES = 1 << 16 };
    sn_bytes room = {NULL, 0};
    size_t used = 0;
    setsuna_status status = SETSUNA_OK;
    for (bool more = true; more && status == SETSUNA_OK;) {
        if (limit_bytes && used > limit_bytes)
            status = sn_fail(err, SETSUNA_ELIMIT, name, "more than the limit of %zu bytes", limit_bytes);
        else if (used == room.size && (used > SIZE_MAX / 2 || !file_grow(&room, used, used ? 2 * used : FIRST_BYTES)))
            status = sn_fail(err, SETSUNA_ENOMEM, name, "no memory for more than its first %zu bytes", used);
        if (status != SETSUNA_OK)
            break;
        ssize_t n = read(fd, room.data + used, room.size - used);
        if (n < 0 && errno != EINTR)
            status = file_fail_errno(err, name, "read");
        more = n != 0;
        used += n > 0 ? (size_t)n : 0;
    }
    if (status == SETSUNA_OK && used == 0)
        sn_bytes_fini(&room); /* no bytes are no memory */
    else if (status == SETSUNA_OK && used < room.size && !file_grow(&room, used, used))
        status = sn_fail(err, SETSUNA_ENOMEM, name, "no memory for its %zu bytes", used);
    if (status == SETSUNA_OK)
        *out = room;
    else
        sn_bytes_fini(&room);
    return status;
}

/* openat2 keeps a path with ".." inside the folder, but no model needs one: such a name is an attack or a mistake. */
static bool file_name_has_dotdot(const char *name)
{
    for (const char *p = name; p; p = strchr(p, '/')) {
        p += *p == '/';
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
            return true;
    }
    return false;
}

setsuna_status sn_file_open_beneath(const char *dir, const char *name, int *fd_out, struct stat *st, setsuna_error *err)
{
    if (file_name_has_dotdot(name))
        return sn_fail(err, SETSUNA_EMODEL, name, "refused: the path has a \"..\" in it");
    int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return file_fail_errno(err, dir, "open the folder");
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof how);
    int saved = errno;
    close(dirfd);
    errno = saved;
    if (fd < 0 && (errno == EXDEV || errno == ELOOP))
        return sn_fail(err, SETSUNA_EMODEL, name, "refused: the path leaves the model's folder or is a symbolic link");
    if (fd < 0)
        return file_fail_errno(err, name, "open");
    setsuna_status status = SETSUNA_OK;
    if (fstat(fd, st) != 0)
        status = file_fail_errno(err, name, "stat");
    else if (!S_ISREG(st->st_mode) || st->st_nlink != 1)
        status = sn_fail(err, SETSUNA_EMODEL, name, "refused: not a regular file with a single link");
    if (status == SETSUNA_OK)
        *fd_out = fd;
    else
        close(fd);
    return status;
}

void sn_bytes_fini(sn_bytes *b)
{
    sn_pages_free(b->data, b->size);
    *b = (sn_bytes){NULL, 0};
}

/* A file without a name in path's folder: should we be killed while writing, nothing stays. -1 where the file system
 * has no such thing, or the path is too long. */
static int file_open_unnamed(const char *path, mode_t mode)
{
    char dir[4096] = ".";
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (slash == path ? 1 : (size_t)(slash - path)) : 1;
    if (n >= sizeof dir)
        return -1;
    if (slash)
        memcpy(dir, path, n);
    dir[n] = '\0';
    return open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
}

/* A name beside path that nobody has, into tmp (strlen(path) + sizeof FILE_TMP_SUFFIX bytes). false: no randomness. */
#define FILE_TMP_SUFFIX ".0123456789abcdef.tmp"

static bool file_tmp_name(const char *path, char *tmp)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return false;
    snprintf(tmp, strlen(path) + sizeof FILE_TMP_SUFFIX, "%s.%016llx.tmp", path, (unsigned long long)random);
    return true;
}

/* Opens the file to write into: *named says whether tmp is its name already. Returns the descriptor or -1 with errno.
 * Not mkostemp: that makes the file private, and undoing it would need the process's umask. */
static int file_open_tmp(const char *path, char *tmp, mode_t mode, bool *named)
{
    if (!file_tmp_name(path, tmp))
        return -1;
    int fd = file_open_unnamed(path, mode);
    *named = fd < 0;
    return fd >= 0 ? fd : open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
}

/* Gives an unnamed file the name tmp. A link cannot replace a file, so the rename into place comes after it. */
static int file_give_name(int fd, const char *tmp)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, link, AT_FDCWD, tmp, AT_SYMLINK_FOLLOW);
}

/* Many parts at once: the page cache makes large folios for large writes, and those are cheap to map. */
static setsuna_status file_write_all(int fd, const sn_file_part *part, size_t n_part, const char *path,
                                     setsuna_error *err)
{
    enum { BATCH = 256 };
    size_t done = 0; /* bytes of the first part */
    while (n_part) {
        struct iovec io[BATCH];
        size_t n = 0, left;
        for (; n < BATCH && n < n_part; n++) {
            size_t skip = n ? 0 : done;
            io[n] = (struct iovec){(void *)((uintptr_t)part[n].data + skip), part[n].size - skip};
        }
        ssize_t wrote = writev(fd, io, (int)n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return file_fail_errno(err, path, "write");
        for (left = (size_t)wrote; n && left >= part->size - done; n--) {
            left -= part->size - done;
            part++, n_part--;
            done = 0;
        }
        done += left;
    }
    return SETSUNA_OK;
}

setsuna_status sn_file_write(const char *path, const void *data, size_t size, setsuna_error *err)
{
    return sn_file_write_parts(path, &(sn_file_part){data, size}, 1, 0666, err);
}

setsuna_status sn_file_write_parts(const char *path, const sn_file_part *part, size_t n_part, mode_t mode,
                                   setsuna_error *err)
{
    char *tmp = sn_alloc(sn_allocator_default(), strlen(path) + sizeof FILE_TMP_SUFFIX);
    if (!tmp)
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    setsuna_status status;
    bool named;
    int fd = file_open_tmp(path, tmp, mode, &named);
    if (fd < 0) {
        status = file_fail_errno(err, path, "create");
    } else {
        status = file_write_all(fd, part, n_part, path, err);
        if (status == SETSUNA_OK && !named) {
            named = file_give_name(fd, tmp) == 0;
            if (!named)
                status = file_fail_errno(err, path, "name");
        }
        if (close(fd) != 0 && status == SETSUNA_OK)
            status = file_fail_errno(err, path, "write");
        if (status == SETSUNA_OK && rename(tmp, path) != 0)
            status = file_fail_errno(err, path, "rename into place");
        if (status != SETSUNA_OK && named)
            unlink(tmp);
    }
    sn_free(sn_allocator_default(), tmp);
    return status;
}
