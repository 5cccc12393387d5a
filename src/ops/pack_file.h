/* Packed constants in a file, in place: mapped, they are what kernels read.
 *
 *     header   magic, what the contents hold for, number of items, checksum of header and table
 *     table    per item: key, size, place, checksum
 *     data     each item at a multiple of SN_ALIGN
 *
 * Numbers are in the machine's own form; a file never leaves the machine that made it (the build ID is part of
 * `maker`). Bytes of a file are not trusted: a wrong size, place or checksum anywhere makes all of it invalid.
 */
#ifndef SN_OPS_PACK_FILE_H
#define SN_OPS_PACK_FILE_H

#include <setsuna/status.h>
#include <stddef.h>
#include <stdint.h>

/* What the contents hold for. */
typedef struct sn_pack_ident {
    uint64_t maker;   /* what decides how constants are packed: build, CPU level, options */
    uint64_t content; /* hash of all bytes of the model */
    uint64_t stat;    /* of what the system says about its files: which they are, sizes, times */
    uint64_t settled; /* 1: the files had been left alone for so long that an equal `stat` means an equal `content` */
} sn_pack_ident;

typedef struct sn_pack_item {
    uint64_t key, size_bytes;
    uint64_t offset; /* from the file's beginning */
    uint64_t hash;   /* of its bytes */
} sn_pack_item;

typedef struct sn_pack_view {
    sn_pack_ident ident;
    const sn_pack_item *item; /* in the file's bytes */
    size_t n_item;
} sn_pack_view;

/* Checks header and table, every place included, but no item's bytes. data: SN_ALIGN-aligned, borrowed.
 * Returns OK or EINPUT; *out is untouched on failure. */
setsuna_status sn_pack_file_parse(const void *data, size_t size, sn_pack_view *out, setsuna_error *err);

/* Checks the bytes of all items of a view of data. Returns OK or EINPUT. */
setsuna_status sn_pack_file_verify(const void *data, const sn_pack_view *view, setsuna_error *err);

/* Writes items, whose bytes are at data[i], to path: all or nothing (base/file.h), for its owner to read only.
 * offset and hash of the items are set. Returns OK, EIO, ENOTFOUND, ENOMEM, ELIMIT. */
setsuna_status sn_pack_file_write(const char *path, const sn_pack_ident *ident, sn_pack_item *item,
                                  const void *const *data, size_t n_item, setsuna_error *err);

#endif
