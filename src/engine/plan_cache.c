#include "engine/plan_cache.h"
#include "base/build_id.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/pages.h"
#include "base/status.h"
#include "engine/plan_seal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    /* A file that was not touched for this long has the times of its last change: later ones show. A page that is
     * mapped for writing shows its changes only after it was written back, which the system does within 35 s. */
    CACHE_SETTLED_S = 60,
    CACHE_CHUNK_BYTES = 256 << 10 /* of a model that is hashed: stays in cache */
};

struct sn_plan_cache {
    const sn_allocator *allocator;
    const sn_lazy_file *const *files;
    size_t n_files;
    sn_pack_store *store;
    sn_pack_ident ident; /* content 0: not known */
    bool unsettled;      /* the file that is there asks for the content, and need not any more */
    struct stat found;   /* the file that was adopted */
    uint64_t unsealed;   /* the seal that it could have, having been checked; 0: it has one, or cannot */
    char path[PATH_MAX];
};

/* ---- which model this is ------------------------------------------------------------------------------- */

/* Returns OK, or EIO: not to be told. */
static setsuna_status cache_stat(const sn_plan_cache *c, sn_pack_ident *ident)
{
    struct timespec now;
    uint64_t h = 0;
    bool settled = clock_gettime(CLOCK_REALTIME, &now) == 0;
    for (size_t i = 0; i < c->n_files; i++) {
        struct stat st;
        if (c->files[i]->fd < 0 || fstat(c->files[i]->fd, &st) != 0)
            return SETSUNA_EIO;
        const uint64_t what[] = {(uint64_t)st.st_dev,         (uint64_t)st.st_ino,          (uint64_t)st.st_size,
                                 (uint64_t)st.st_mtim.tv_sec, (uint64_t)st.st_mtim.tv_nsec, (uint64_t)st.st_ctim.tv_sec,
                                 (uint64_t)st.st_ctim.tv_nsec};
        h = sn_hash_bytes(h, what, sizeof what);
        settled = settled && st.st_mtim.tv_sec <= now.tv_sec && now.tv_sec - st.st_ctim.tv_sec >= CACHE_SETTLED_S;
    }
    ident->stat = h;
    ident->settled = settled;
    return SETSUNA_OK;
}

/* The hash of all bytes, of files that did not change meanwhile. */
static setsuna_status cache_content(const sn_plan_cache *c, uint64_t *out)
{
    sn_pack_ident before, after;
    SN_TRY(cache_stat(c, &before));
    void *chunk = sn_pages_alloc(CACHE_CHUNK_BYTES);
    if (!chunk)
        return SETSUNA_ENOMEM;
    uint64_t h = 1;
    setsuna_status status = SETSUNA_OK;
    for (size_t i = 0; i < c->n_files; i++)
        for (size_t at = 0; at < c->files[i]->size && status == SETSUNA_OK; at += CACHE_CHUNK_BYTES) {
            size_t left = c->files[i]->size - at, n = left < CACHE_CHUNK_BYTES ? left : CACHE_CHUNK_BYTES;
            status = sn_lazy_file_read(c->files[i], at, n, chunk, NULL);
            if (status == SETSUNA_OK)
                h = sn_hash_wide(h, chunk, n);
        }
    sn_pages_free(chunk, CACHE_CHUNK_BYTES);
    SN_TRY(status);
    SN_TRY(cache_stat(c, &after));
    if (after.stat != before.stat || before.stat != c->ident.stat)
        return SETSUNA_EIO;
    *out = h | 1;
    return SETSUNA_OK;
}

/* ---- reading --------------------------------------------------------------------------------------------- */

/* NULL: the contents hold for this model; otherwise why not. */
static const char *cache_mismatch(sn_plan_cache *c, const sn_pack_ident *made_for)
{
    if (made_for->maker != c->ident.maker)
        return "it was made by another build of this program";
    if (made_for->settled == 1 && made_for->stat == c->ident.stat) {
        c->ident.content = made_for->content;
        return NULL;
    }
    if (cache_content(c, &c->ident.content) != SETSUNA_OK || made_for->content != c->ident.content)
        return "the model has changed";
    c->unsettled = c->ident.settled == 1;
    return NULL;
}

static setsuna_status cache_adopt(sn_plan_cache *c, void *map, size_t size, setsuna_error *err)
{
    sn_pack_view view;
    SN_TRY(sn_pack_file_parse(map, size, &view, err));
    const char *why = cache_mismatch(c, &view.ident);
    if (why)
        return sn_fail(err, SETSUNA_EINPUT, NULL, "%s", why);
    uint64_t seal = sn_plan_seal_of(&c->found);
    if (!sn_plan_seal_holds(c->path, seal)) {
        SN_TRY(sn_pack_file_verify(map, &view, err));
        c->unsealed = seal;
    }
    return sn_pack_store_adopt(c->store, map, size, &view);
}

/* A file that others than its owner, or other users than us and the system's, could write to is none of ours. */
static setsuna_status cache_open_file(sn_plan_cache *c, int *fd_out, setsuna_error *err)
{
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? SETSUNA_ENOTFOUND : sn_fail(err, SETSUNA_EIO, NULL, "%s", strerror(errno));
    const struct stat *st = &c->found;
    bool ours = fstat(fd, &c->found) == 0 && S_ISREG(st->st_mode) && (st->st_uid == geteuid() || st->st_uid == 0) &&
                (st->st_mode & (S_IWGRP | S_IWOTH)) == 0;
    if (!ours || st->st_size < SN_ALIGN) {
        close(fd);
        return sn_fail(err, SETSUNA_EINPUT, NULL,
                       ours ? "it ends in its header" : "it is not a file that this user alone can write to");
    }
    *fd_out = fd;
    return SETSUNA_OK;
}

static setsuna_status cache_read(sn_plan_cache *c, setsuna_error *err)
{
    int fd = -1;
    SN_TRY(cache_open_file(c, &fd, err));
    size_t size = (size_t)c->found.st_size;
    void *map = sn_pages_map(fd, size);
    close(fd);
    if (!map)
        return sn_fail(err, SETSUNA_EIO, NULL, "it cannot be mapped");
    setsuna_status status = cache_adopt(c, map, size, err);
    if (status != SETSUNA_OK)
        sn_pages_unmap(map, size);
    return status;
}

/* DIR/MODEL-0123456789abcdef.plan: the number is of the model's path and the options. */
static setsuna_status cache_name(sn_plan_cache *c, const char *dir, const char *model_path, uint64_t options,
                                 setsuna_error *err)
{
    struct stat st;
    char *real = realpath(model_path, NULL);
    if (!real || stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        free(real);
        return sn_fail(err, SETSUNA_ENOTFOUND, dir, "this is no folder for a plan cache; make it, or name another one");
    }
    const char *slash = strrchr(real, '/'), *name = slash ? slash + 1 : real;
    int n = snprintf(c->path, sizeof c->path, "%s/%.200s-%016llx.plan", dir, name,
                     (unsigned long long)sn_hash_u64(sn_hash_str(0, real), options));
    free(real);
    if (n < 0 || (size_t)n >= sizeof c->path)
        return sn_fail(err, SETSUNA_EIO, dir, "the path of the plan cache is too long");
    return SETSUNA_OK;
}

static setsuna_status cache_open_into(sn_plan_cache *c, const sn_plan_cache_of *of, char *note, size_t note_size,
                                      setsuna_error *err)
{
    setsuna_error why = {0};
    uint64_t build = sn_build_id();
    SN_TRY(cache_name(c, of->dir, of->model_path, of->options, err));
    c->ident.maker = sn_hash_u64(sn_hash_u64(sn_hash_u64(0, build), of->options), SN_ALIGN);
    if (build == 0 || cache_stat(c, &c->ident) != SETSUNA_OK) {
        c->path[0] = '\0';
        snprintf(note, note_size, "there is no plan cache: %s",
                 build ? "the model is not in files" : "this program was linked without a build ID");
        return SETSUNA_OK;
    }
    setsuna_status status = cache_read(c, &why);
    if (status == SETSUNA_ENOMEM)
        return sn_fail(err, status, c->path, "out of memory");
    if (status != SETSUNA_OK && status != SETSUNA_ENOTFOUND)
        snprintf(note, note_size, "the plan cache %.300s is made anew: %.100s", c->path, why.text);
    return SETSUNA_OK;
}

setsuna_status sn_plan_cache_open(const sn_plan_cache_of *of, const sn_allocator *a, char *note, size_t note_size,
                                  sn_plan_cache **out, setsuna_error *err)
{
    sn_plan_cache *c = sn_alloc_zero(a, sizeof *c);
    if (!c)
        return sn_fail(err, SETSUNA_ENOMEM, of->dir, "out of memory");
    c->allocator = a;
    c->files = of->files;
    c->n_files = of->n_files;
    c->store = of->store;
    setsuna_status status = cache_open_into(c, of, note, note_size, err);
    if (status == SETSUNA_OK)
        *out = c;
    else
        sn_plan_cache_close(c);
    return status;
}

/* Files that are young wait for a later process. */
static void cache_seal(sn_plan_cache *c)
{
    if (c->unsealed && sn_plan_seal_settled(&c->found))
        sn_plan_seal_put(c->path, c->unsealed);
    c->unsealed = 0;
}

void sn_plan_cache_save(sn_plan_cache *c, char *note, size_t note_size)
{
    setsuna_error err = {0};
    if (!c->path[0])
        return;
    if (!c->unsettled && !sn_pack_store_is_fresh(c->store)) {
        cache_seal(c);
        return;
    }
    setsuna_status status = SETSUNA_OK;
    if (!c->ident.content)
        status = cache_content(c, &c->ident.content);
    if (status == SETSUNA_OK)
        status = sn_pack_store_save(c->store, c->path, &c->ident, &err);
    else
        sn_fail(&err, status, NULL, "the model cannot be read again");
    c->unsettled = false;
    c->unsealed = 0; /* of a file that is no more */
    if (status == SETSUNA_OK)
        return;
    snprintf(note, note_size, "the plan cache %.300s cannot be written: %.100s", c->path, err.text);
    c->path[0] = '\0'; /* once is enough */
}

void sn_plan_cache_close(sn_plan_cache *c)
{
    if (c)
        sn_free(c->allocator, c);
}
