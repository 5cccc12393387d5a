#include "ops/pack_file.h"
#include "base/alloc.h"
#include "base/checked.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include <string.h>

typedef struct pack_header {
    char magic[8];
    uint64_t hash; /* of what follows in the header, and of the table */
    uint64_t size_bytes, n_item;
    sn_pack_ident ident;
} pack_header;

_Static_assert(sizeof(pack_header) == SN_ALIGN && sizeof(sn_pack_item) == 32, "no padding: all bytes are checked");

static const char pack_magic[8] = "SNPACK1";

static uint64_t pack_header_hash(const pack_header *h, const sn_pack_item *item)
{
    const size_t skip = offsetof(pack_header, size_bytes);
    return sn_hash_wide(sn_hash_bytes(0, (const char *)h + skip, sizeof *h - skip), item, h->n_item * sizeof *item);
}

static bool pack_item_fits(const sn_pack_item *item, uint64_t begin, uint64_t size)
{
    return item->offset >= begin && item->offset % SN_ALIGN == 0 && item->offset <= size &&
           item->size_bytes <= size - item->offset;
}

setsuna_status sn_pack_file_parse(const void *data, size_t size, sn_pack_view *out, setsuna_error *err)
{
    pack_header h;
    if (size < sizeof h)
        return sn_fail(err, SETSUNA_EINPUT, NULL, "it ends in its header");
    memcpy(&h, data, sizeof h);
    if (memcmp(h.magic, pack_magic, sizeof h.magic) != 0)
        return sn_fail(err, SETSUNA_EINPUT, NULL, "it is no plan cache of this version");
    if (h.size_bytes != size || h.n_item > (size - sizeof h) / sizeof(sn_pack_item))
        return sn_fail(err, SETSUNA_EINPUT, NULL, "it is not as long as it says");
    const sn_pack_item *item = (const void *)((const char *)data + sizeof h);
    if (pack_header_hash(&h, item) != h.hash)
        return sn_fail(err, SETSUNA_EINPUT, NULL, "the checksum of its table is wrong");
    for (uint64_t i = 0; i < h.n_item; i++)
        if (!pack_item_fits(&item[i], sizeof h + h.n_item * sizeof *item, size))
            return sn_fail(err, SETSUNA_EINPUT, NULL, "an item lies outside of it");
    *out = (sn_pack_view){h.ident, item, (size_t)h.n_item};
    return SETSUNA_OK;
}

setsuna_status sn_pack_file_verify(const void *data, const sn_pack_view *view, setsuna_error *err)
{
    for (size_t i = 0; i < view->n_item; i++) {
        const sn_pack_item *item = &view->item[i];
        if (sn_hash_wide(0, (const char *)data + item->offset, (size_t)item->size_bytes) != item->hash)
            return sn_fail(err, SETSUNA_EINPUT, NULL, "the checksum of an item is wrong");
    }
    return SETSUNA_OK;
}

/* Places, checksums, and the parts of the file: header, table, then each item behind what fills the place up to it. */
static setsuna_status pack_lay_out(pack_header *h, sn_pack_item *item, const void *const *data, sn_file_part *part,
                                   setsuna_error *err)
{
    static const char filling[SN_ALIGN];
    size_t n = (size_t)h->n_item, at = sizeof *h + n * sizeof *item;
    part[0] = (sn_file_part){h, sizeof *h};
    part[1] = (sn_file_part){item, n * sizeof *item};
    for (size_t i = 0; i < n; i++) {
        size_t begin;
        if (!sn_align_size(at, SN_ALIGN, &begin) || !sn_add_size(begin, (size_t)item[i].size_bytes, &h->size_bytes))
            return sn_fail(err, SETSUNA_ELIMIT, NULL, "the weights are too large");
        part[2 + 2 * i] = (sn_file_part){filling, begin - at};
        part[3 + 2 * i] = (sn_file_part){data[i], (size_t)item[i].size_bytes};
        item[i].offset = begin;
        item[i].hash = sn_hash_wide(0, data[i], (size_t)item[i].size_bytes);
        at = (size_t)h->size_bytes;
    }
    h->size_bytes = at;
    h->hash = pack_header_hash(h, item);
    return SETSUNA_OK;
}

setsuna_status sn_pack_file_write(const char *path, const sn_pack_ident *ident, sn_pack_item *item,
                                  const void *const *data, size_t n_item, setsuna_error *err)
{
    const sn_allocator *a = sn_allocator_default();
    pack_header h = {.n_item = n_item, .ident = *ident};
    memcpy(h.magic, pack_magic, sizeof h.magic);
    sn_file_part *part = NULL;
    size_t cap = 0;
    if (!sn_grow(a, &part, &cap, 2 + 2 * n_item, sizeof *part))
        return sn_fail(err, SETSUNA_ENOMEM, path, "out of memory");
    setsuna_status status = pack_lay_out(&h, item, data, part, err);
    if (status == SETSUNA_OK)
        status = sn_file_write_parts(path, part, 2 + 2 * n_item, 0444, err);
    sn_free(a, part);
    return status;
}
