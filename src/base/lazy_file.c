#include "base/lazy_file.h"
#include "base/file.h"
#include "base/pages.h"
#include "base/status.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#endif
#endif
#ifndef ASAN_POISON_MEMORY_REGION
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

/* Takes fd over. */
static setsuna_status lazy_take(int fd, const struct stat *st, const char *name, sn_lazy_file *out, setsuna_error *err)
{
    *out = (sn_lazy_file){.size = (size_t)st->st_size, .fd = fd, .changed = st->st_mtim};
    if (out->size == 0)
        return SETSUNA_OK;
    out->data = sn_pages_reserve(out->size);
    if (out->data)
        return SETSUNA_OK;
    close(fd);
    *out = (sn_lazy_file){.fd = -1};
    return sn_fail(err, SETSUNA_ENOMEM, name, "no memory for its %lld bytes", (long long)st->st_size);
}

setsuna_status sn_lazy_file_open(const char *path, size_t limit_bytes, sn_lazy_file *out, setsuna_error *err)
{
    int fd;
    struct stat st;
    *out = (sn_lazy_file){.fd = -1};
    SN_TRY(sn_file_open(path, limit_bytes, &fd, &st, err));
    return lazy_take(fd, &st, path, out, err);
}

setsuna_status sn_lazy_file_open_beneath(const char *dir, const char *name, sn_lazy_file *out, setsuna_error *err)
{
    int fd;
    struct stat st;
    *out = (sn_lazy_file){.fd = -1};
    SN_TRY(sn_file_open_beneath(dir, name, &fd, &st, err));
    return lazy_take(fd, &st, name, out, err);
}

setsuna_status sn_lazy_file_of_bytes(const void *data, size_t size, sn_lazy_file *out, setsuna_error *err)
{
    *out = (sn_lazy_file){.fd = -1};
    if (size == 0)
        return SETSUNA_OK;
    out->data = sn_pages_alloc(size);
    if (!out->data)
        return sn_fail(err, SETSUNA_ENOMEM, NULL, "no memory for %zu bytes", size);
    out->size = size;
    memcpy(out->data, data, size);
    return SETSUNA_OK;
}

static setsuna_status lazy_check(const sn_lazy_file *f, setsuna_error *err)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0 || (uint64_t)st.st_size != f->size || st.st_mtim.tv_sec != f->changed.tv_sec ||
        st.st_mtim.tv_nsec != f->changed.tv_nsec)
        return sn_fail(err, SETSUNA_EIO, NULL, "the model's file changed after it was opened; load it again");
    return SETSUNA_OK;
}

setsuna_status sn_lazy_file_load(sn_lazy_file *f, size_t offset, size_t size, setsuna_error *err)
{
    if (f->fd < 0 || size == 0)
        return SETSUNA_OK;
    ASAN_UNPOISON_MEMORY_REGION(f->data + offset, size);
    return sn_file_pread(f->fd, f->data + offset, size, offset, NULL, err);
}

void sn_lazy_file_hole(sn_lazy_file *f, size_t offset, size_t size)
{
    ASAN_POISON_MEMORY_REGION(f->data + offset, size);
}

setsuna_status sn_lazy_file_read(const sn_lazy_file *f, size_t offset, size_t size, void *dst, setsuna_error *err)
{
    if (f->fd < 0) {
        if (size)
            memcpy(dst, f->data + offset, size);
        return SETSUNA_OK;
    }
    SN_TRY(lazy_check(f, err));
    return sn_file_pread(f->fd, dst, size, offset, NULL, err);
}

void sn_lazy_file_fini(sn_lazy_file *f)
{
    if (f->data)
        ASAN_UNPOISON_MEMORY_REGION(f->data, f->size);
    if (f->fd >= 0) {
        sn_pages_unmap(f->data, f->size);
        close(f->fd);
    } else {
        sn_pages_free(f->data, f->size);
    }
    *f = (sn_lazy_file){.fd = -1};
}
