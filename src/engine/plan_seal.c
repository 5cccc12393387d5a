#include "engine/plan_seal.h"
#include "base/file.h"
#include "base/hash.h"
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

typedef struct seal_file {
    char magic[8];
    uint64_t seal;
} seal_file;

static const char seal_magic[8] = "SNSEAL1";

/* Reads exactly size bytes of a small file. */
static bool seal_read(int fd, void *dst, size_t size)
{
    bool whole = fd >= 0 && read(fd, dst, size) == (ssize_t)size;
    if (fd >= 0)
        close(fd);
    return whole;
}

uint64_t sn_plan_seal_of(const struct stat *st)
{
    char boot[36]; /* a UUID as text, new with each boot (proc(5)) */
    if (!seal_read(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC), boot, sizeof boot))
        return 0;
    const uint64_t what[] = {(uint64_t)st->st_dev,         (uint64_t)st->st_ino,          (uint64_t)st->st_size,
                             (uint64_t)st->st_mtim.tv_sec, (uint64_t)st->st_mtim.tv_nsec, (uint64_t)st->st_ctim.tv_sec,
                             (uint64_t)st->st_ctim.tv_nsec};
    return sn_hash_bytes(sn_hash_bytes(0, boot, sizeof boot), what, sizeof what) | 1;
}

static bool seal_path(char *out, size_t size, const char *path)
{
    int n = snprintf(out, size, "%s" SN_PLAN_SEAL_SUFFIX, path);
    return n > 0 && (size_t)n < size;
}

bool sn_plan_seal_holds(const char *path, uint64_t seal)
{
    char name[PATH_MAX];
    struct stat st;
    seal_file file;
    if (!seal || !seal_path(name, sizeof name, path))
        return false;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool ours = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (st.st_uid == geteuid() || st.st_uid == 0) &&
                (st.st_mode & (S_IWGRP | S_IWOTH)) == 0;
    if (!ours) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    return seal_read(fd, &file, sizeof file) && memcmp(file.magic, seal_magic, sizeof seal_magic) == 0 &&
           file.seal == seal;
}

bool sn_plan_seal_settled(const struct stat *st)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0 || st->st_ctim.tv_sec > now.tv_sec)
        return false;
    int64_t ms = (int64_t)(now.tv_sec - st->st_ctim.tv_sec) * 1000 + (now.tv_nsec - st->st_ctim.tv_nsec) / 1000000;
    return ms >= SN_PLAN_SEAL_SETTLED_MS;
}

void sn_plan_seal_put(const char *path, uint64_t seal)
{
    char name[PATH_MAX];
    seal_file file = {.seal = seal};
    memcpy(file.magic, seal_magic, sizeof seal_magic);
    if (seal && seal_path(name, sizeof name, path))
        (void)sn_file_write_parts(name, &(sn_file_part){&file, sizeof file}, 1, 0444, NULL);
}
