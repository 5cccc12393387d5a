/* Files: read whole into private memory, read inside a folder only, write so that nothing partial stays. */
#ifndef SN_BASE_FILE_H
#define SN_BASE_FILE_H

#include "base/alloc.h"
#include <setsuna/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

/* The bytes of a file in private anonymous memory: what happens to the file afterwards cannot hurt us
 * (a truncated file under mmap raises SIGBUS). Page-aligned. */
typedef struct sn_bytes {
    uint8_t *data; /* NULL when size is 0 */
    size_t size;
} sn_bytes;

/* Reads path whole. limit_bytes 0 means no limit. Owns: the caller frees with sn_bytes_fini.
 * Returns OK, ENOTFOUND, EIO, ELIMIT, ENOMEM; *out untouched on failure. */
setsuna_status sn_file_read(const char *path, size_t limit_bytes, sn_bytes *out, setsuna_error *err);

/* As sn_file_read for what comes through a descriptor until its end: a pipe, standard input. `name` stands for it in
 * messages. The descriptor stays open. Returns OK, EIO, ELIMIT, ENOMEM. */
setsuna_status sn_file_read_stream(int fd, const char *name, size_t limit_bytes, sn_bytes *out, setsuna_error *err);

/* Opens path for reading; *fd_out is the caller's to close, *st what fstat says of it. limit_bytes as above.
 * Returns OK, ENOTFOUND, EIO (also: not a regular file), ELIMIT. */
setsuna_status sn_file_open(const char *path, size_t limit_bytes, int *fd_out, struct stat *st, setsuna_error *err);

/* Opens `name` beneath folder `dir`: no "..", no absolute name, no symlink anywhere on the way, a regular file with
 * one link only (openat2 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). A name that came with a NUL inside is for the caller
 * to refuse. Returns OK, ENOTFOUND, EIO, EMODEL (name not allowed); the results as of sn_file_open. */
setsuna_status sn_file_open_beneath(const char *dir, const char *name, int *fd_out, struct stat *st,
                                    setsuna_error *err);

/* Reads exactly size bytes at offset of an open file. Returns OK or EIO (also when the file has become shorter). */
setsuna_status sn_file_pread(int fd, void *dst, size_t size, uint64_t offset, const char *path, setsuna_error *err);

void sn_bytes_fini(sn_bytes *b);

/* Writes size bytes to path: to a temporary file beside it, then renamed over it. On failure no file and no
 * temporary is left, and an existing file is untouched. Returns OK, ENOTFOUND (no such folder), EIO, ENOMEM. */
setsuna_status sn_file_write(const char *path, const void *data, size_t size, setsuna_error *err);

/* The same of several parts, one behind the other; mode: of the file, less the process's umask. */
typedef struct sn_file_part {
    const void *data;
    size_t size;
} sn_file_part;

setsuna_status sn_file_write_parts(const char *path, const sn_file_part *part, size_t n_part, mode_t mode,
                                   setsuna_error *err);

#endif
