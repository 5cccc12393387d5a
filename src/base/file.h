/* Files: read whole into private memory, read inside a folder only, write so that nothing partial stays. */
#ifndef SN_BASE_FILE_H
#define SN_BASE_FILE_H

#include "base/alloc.h"
#include <setsuna/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The bytes of a file in private anonymous memory: what happens to the file afterwards cannot hurt us
 * (a truncated file under mmap raises SIGBUS). Page-aligned. */
typedef struct sn_bytes {
    uint8_t *data; /* NULL when size is 0 */
    size_t size;
} sn_bytes;

/* Reads path whole. limit_bytes 0 means no limit. Owns: the caller frees with sn_bytes_fini.
 * Returns OK, ENOTFOUND, EIO, ELIMIT, ENOMEM; *out untouched on failure. */
setsuna_status sn_file_read(const char *path, size_t limit_bytes, sn_bytes *out, setsuna_error *err);

/* As sn_file_read, and keeps the file open: *fd_out is the caller's to close. */
setsuna_status sn_file_read_keep(const char *path, size_t limit_bytes, sn_bytes *out, int *fd_out, setsuna_error *err);

/* Reads exactly size bytes at offset of an open file. Returns OK or EIO (also when the file has become shorter). */
setsuna_status sn_file_pread(int fd, void *dst, size_t size, uint64_t offset, const char *path, setsuna_error *err);

/* Reads [offset, offset + size) of `name` beneath folder `dir`: no "..", no absolute name, no symlink anywhere on
 * the way, a regular file with one link only (openat2 RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS). size 0 means to the end.
 * A name that came with a NUL inside is for the caller to refuse. Owns as sn_file_read. Returns OK, ENOTFOUND, EIO,
 * ENOMEM, EMODEL (name not allowed, or range outside the file); *out untouched on failure. */
setsuna_status sn_file_read_beneath(const char *dir, const char *name, uint64_t offset, uint64_t size, sn_bytes *out,
                                    setsuna_error *err);

/* Copies size bytes. Returns OK or ENOMEM. */
setsuna_status sn_bytes_copy(const void *data, size_t size, sn_bytes *out, setsuna_error *err);

void sn_bytes_fini(sn_bytes *b);

/* Tells the kernel that the whole pages inside [begin, begin + size) are not needed any more: their memory is
 * returned and they read as zeros from now on. */
void sn_bytes_release(const void *begin, size_t size);

/* Writes size bytes to path: to a temporary file beside it, then renamed over it. On failure no file and no
 * temporary is left, and an existing file is untouched. Returns OK, ENOTFOUND (no such folder), EIO, ENOMEM. */
setsuna_status sn_file_write(const char *path, const void *data, size_t size, setsuna_error *err);

#endif
