/* Files of the plan cache. The first byte says whether the checksums are made right first, so that what lies behind
 * them is reached too. Seeds: corpus/pack, and what
 * `setsuna run MODEL --plan-cache DIR` leaves, with a byte in front. */
#include "base/hash.h"
#include "ops/pack_file.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

enum { HEADER_BYTES = 64, ITEM_BYTES = sizeof(sn_pack_item) };

static void fuzz_pack_sign(unsigned char *file, size_t size)
{
    uint64_t n = 0, hash;
    memcpy(&n, file + 24, sizeof n);
    memcpy(file + 16, &size, sizeof size);
    if (n > (size - HEADER_BYTES) / ITEM_BYTES)
        return;
    for (uint64_t i = 0; i < n; i++) {
        sn_pack_item item;
        unsigned char *at = file + HEADER_BYTES + i * ITEM_BYTES;
        memcpy(&item, at, sizeof item);
        if (item.offset <= size && item.size_bytes <= size - item.offset) {
            item.hash = sn_hash_wide(0, file + item.offset, (size_t)item.size_bytes);
            memcpy(at, &item, sizeof item);
        }
    }
    hash = sn_hash_wide(sn_hash_bytes(0, file + 16, HEADER_BYTES - 16), file + HEADER_BYTES, (size_t)n * ITEM_BYTES);
    memcpy(file + 8, &hash, sizeof hash);
}

/* What was accepted is read as its users read it. */
static void fuzz_pack_use(const unsigned char *file, size_t size, const sn_pack_view *view)
{
    for (size_t i = 0; i < view->n_item; i++) {
        const sn_pack_item *item = &view->item[i];
        if (item->offset % 64 || item->offset > size || item->size_bytes > size - item->offset)
            __builtin_trap();
        if (sn_hash_wide(0, file + item->offset, (size_t)item->size_bytes) != item->hash)
            __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size < 1)
        return 0;
    unsigned char *file;
    size_t n = size - 1;
    sn_pack_view view;
    if (posix_memalign((void **)&file, 64, n ? n : 1) != 0)
        return 0;
    if (n)
        memcpy(file, data + 1, n);
    if ((data[0] & 1) && n >= HEADER_BYTES)
        fuzz_pack_sign(file, n);
    if (sn_pack_file_parse(file, n, &view, NULL) == SETSUNA_OK && sn_pack_file_verify(file, &view, NULL) == SETSUNA_OK)
        fuzz_pack_use(file, n, &view);
    free(file);
    return 0;
}
