/* A file whose large parts stay on disk until somebody needs them.
 *
 * The whole file has its place in memory, so that places in it are pointers; but a byte is there only once it was
 * loaded. A model's weights are never loaded: they are read from the file into the form that kernels want
 * (ops/pack_store.h), and nothing holds them twice. A part that is known not to be loaded is called a hole.
 *
 * The file stays open and must not change: each later read makes sure that it is the one that was opened, by size
 * and time of change. (Not mapped: a mapped file that is truncated raises SIGBUS.)
 */
#ifndef SN_BASE_LAZY_FILE_H
#define SN_BASE_LAZY_FILE_H

#include <setsuna/status.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

typedef struct sn_lazy_file {
    uint8_t *data; /* NULL when size is 0 */
    size_t size;
    int fd; /* -1: everything is loaded */
    struct timespec changed;
} sn_lazy_file;

/* Opens path; nothing is loaded. limit_bytes 0 means no limit. Owns: the caller ends it with sn_lazy_file_fini.
 * Returns OK, ENOTFOUND, EIO (also: no regular file), ELIMIT, ENOMEM; *out is closed (fini is fine) on failure. */
setsuna_status sn_lazy_file_open(const char *path, size_t limit_bytes, sn_lazy_file *out, setsuna_error *err);

/* Opens `name` beneath folder `dir`, under the rules of sn_file_open_beneath. Returns as that, and ENOMEM. */
setsuna_status sn_lazy_file_open_beneath(const char *dir, const char *name, sn_lazy_file *out, setsuna_error *err);

/* A copy of bytes in memory, all loaded. Returns OK or ENOMEM. */
setsuna_status sn_lazy_file_of_bytes(const void *data, size_t size, sn_lazy_file *out, setsuna_error *err);

/* Makes [offset, offset + size), which lies in the file, readable in place. Returns OK or EIO. */
setsuna_status sn_lazy_file_load(sn_lazy_file *f, size_t offset, size_t size, setsuna_error *err);

/* Says that nobody will read [offset, offset + size) in place: a build with the address sanitizer makes sure. */
void sn_lazy_file_hole(sn_lazy_file *f, size_t offset, size_t size);

/* Copies [offset, offset + size), which lies in the file, to dst, loaded or not. Thread-safe. Returns OK or EIO. */
setsuna_status sn_lazy_file_read(const sn_lazy_file *f, size_t offset, size_t size, void *dst, setsuna_error *err);

void sn_lazy_file_fini(sn_lazy_file *f);

#endif
